// Policy: rules are written, ordered by mouse and keyboard, tried on the mails of the last days, explained, put in force and taken back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, HOSTILE, hostile, plain, until } from "./rig.mjs";

const RULES = `
[[policy.lists]]
name = "partners"
entries = ["partner.example"]
[[policy.rules]]
name = "First"
who.senders = ["list:partners"]
action.decide = "accept"
[[policy.rules]]
name = "Second"
what.subject = ["lottery"]
action.subject_prefix = "[?]"
[[policy.rules]]
name = "Third"
what.subject = ["/ now$/"]
action.decide = "reject"
`;

let gateway, browser;
before(async () => {
  gateway = await Gateway.start(RULES, "node");
  for (const subject of ["You won the lottery", "Minutes of Monday"]) assert.match(await gateway.send(plain(subject)), /^250/);
  await until("the mails to be tracked", async () => (await gateway.api("GET", "/journeys")).body.journeys.length === 2);
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

const policy = async () => (await gateway.api("GET", "/policy")).body.policy;
const shown = async () => (await browser.page.getByRole("list", { name: "Rules" }).getByRole("heading", { level: 3 }).allTextContents()).map((t) => t.replace(/^Rule \d+: /, ""));
const save = async () => {
  await browser.page.getByRole("button", { name: "Save", exact: true }).click();
  await browser.said("Saved and in force.");
};

test("the order changes by mouse and by keyboard, and is in force once it is saved", async () => {
  const { page } = browser;
  await browser.go("#/policy", "Policy");
  await page.getByRole("group", { name: "Rule 1: First" }).waitFor();
  assert.deepEqual(await shown(), ["First", "Second", "Third"]);
  await browser.looks("policy-rules");
  const down = page.getByRole("button", { name: "Move down: First" });
  await down.focus();
  await page.keyboard.press("Enter");
  await page.getByText("First is now rule 2 of 3.").waitFor({ state: "attached" });
  await until("the focus to stay with the rule", () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") === "Move down: First"));
  await page.keyboard.press("Enter");
  await until("First to be the last", async () => (await shown()).join() === "Second,Third,First");
  await page.getByRole("group", { name: "Rule 3: First" }).locator(".postern-grip").dragTo(page.getByRole("group", { name: "Rule 1: Second" }));
  await until("the drag to be done", async () => (await shown()).join() === "First,Second,Third");
  await page.getByRole("group", { name: "Rule 3: Third" }).locator(".postern-grip").dragTo(page.getByRole("group", { name: "Rule 1: First" }));
  await until("the other drag to be done", async () => (await shown()).join() === "Third,First,Second");
  assert.deepEqual((await policy()).rules.map((r) => r.name), ["First", "Second", "Third"], "nothing is in force before it is saved");
  await page.locator("#policy-message").fill("programs first");
  await save();
  assert.deepEqual((await policy()).rules.map((r) => r.name), ["Third", "First", "Second"]);
  browser.well();
});

test("a rule that is wrong is told at its place, with its name", async () => {
  const { page } = browser;
  await browser.go("#/policy", "Policy");
  await page.getByRole("button", { name: "Edit: Second" }).click();
  await page.locator('[id="setting-policy.rules[2].who.senders"]').fill("list:nobody");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("there is no list `nobody` (there are partners)").first().waitFor();
  await browser.looks("policy-refused");
  browser.well("422");
  browser.troubles.length = 0;
  await page.getByRole("button", { name: "Discard changes" }).click();
  await page.getByText("As in force.").waitFor();
  assert.deepEqual((await policy()).rules[2].who.senders, []);
});

test("a new rule is tried on the mails of the last days before it is in force", async () => {
  const { page } = browser;
  await browser.go("#/policy", "Policy");
  await page.getByRole("button", { name: "Add a rule" }).click();
  const fresh = page.getByRole("group", { name: "Rule 4: New rule 1" });
  await page.locator('[id="policy.rules[3]-name"]').fill("Lotteries wait");
  await page.locator('[id="setting-policy.rules[3].what.subject"]').fill("lottery");
  await browser.looks("policy-editor");
  assert.equal(await fresh.count(), 0);
  await page.getByRole("button", { name: "What would change?" }).click();
  await page.getByRole("button", { name: "Try", exact: true }).click();
  await page.getByText("1 recipients would fare otherwise").waitFor();
  const row = page.getByRole("grid", { name: "What if" }).getByRole("row").filter({ hasText: "You won the lottery" });
  await row.getByText("quarantined").waitFor();
  await browser.looks("policy-what-if");
  await browser.page.getByRole("button", { name: "Rules", exact: true }).click();
  await save();
  assert.match(await gateway.send(plain("Another lottery")), /^250/);
  const held = await until("it to be held", async () => (await gateway.api("GET", "/quarantine")).body.mails[0]);
  assert.deepEqual([held.subject, held.reason], ["Another lottery", "policy"]);
  // Tracking says which rule, and what it saw.
  await browser.go(`#/tracking/${held.mail}`, "Another lottery");
  await page.getByText("Lotteries wait: what.subject: `lottery` matches the subject").waitFor();
  await browser.looks("policy-tracking");
  browser.well();
});

test("a mail is explained, and a hostile one is only text", async () => {
  const { page } = browser;
  await browser.go("#/policy/explain", "Policy");
  await page.locator("#explain-mail").fill(hostile());
  await page.locator("#explain-recipients").fill("b@example.net");
  await page.locator("#explain-client").fill("192.0.2.1");
  await page.getByRole("button", { name: "Explain", exact: true }).click();
  await page.getByText("refused for all (policy)").waitFor();
  await page.getByText("`/ now$/` matches the subject").waitFor();
  await page.getByText("not reached").first().waitFor();
  await browser.looks("policy-explain");
  assert.equal(await page.evaluate(() => window.hit), undefined, HOSTILE);
  browser.well();
});

test("a change of somebody else meanwhile is told, not overwritten", async () => {
  const { page } = browser;
  await browser.go("#/policy", "Policy");
  await page.getByRole("checkbox", { name: "On: First" }).uncheck();
  // Another setting does not stand in the way of rules.
  assert.equal((await gateway.api("PATCH", "/settings", { path: "smtp.tarpit", value: "1s" })).status, 200);
  await save();
  assert.equal((await policy()).rules.find((r) => r.name === "First").enabled, false);
  browser.troubles.length = 0; // the 412 in between
  await page.getByRole("checkbox", { name: "On: First" }).check();
  assert.equal((await gateway.api("PATCH", "/settings", { path: "policy.when_mixed", value: "reject" })).status, 200);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Somebody has changed the rules meanwhile").waitFor();
  await page.getByRole("button", { name: "Load the present rules, and drop mine" }).click();
  await page.getByText("Somebody has changed the rules meanwhile").waitFor({ state: "detached" });
  const now = await policy();
  assert.deepEqual([now.when_mixed, now.rules.find((r) => r.name === "First").enabled], ["reject", false]);
  browser.well("412");
  browser.troubles.length = 0;
});

test("lists are edited, and rules of before come back without the other settings", async () => {
  const { page } = browser;
  await browser.go("#/policy/lists", "Policy");
  await page.locator('[id="setting-policy.lists[0].entries"]').fill("partner.example\n192.0.2.0/24");
  await browser.looks("policy-lists");
  await save();
  assert.deepEqual((await policy()).lists[0].entries, ["partner.example", "192.0.2.0/24"]);
  await browser.go("#/policy/history", "Policy");
  const versions = page.getByRole("grid", { name: "Versions of the rules" });
  const before = versions.getByRole("row").filter({ hasText: "programs first" }).first();
  await before.getByRole("button", { name: "Changes since" }).click();
  await page.getByText('+entries = ["partner.example", "192.0.2.0/24"]').waitFor();
  await browser.looks("policy-history");
  await before.getByRole("button", { name: "Go back to it" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Go back to it" }).click();
  await until("it to be in force", async () => (await policy()).rules.length === 3);
  const { settings } = (await gateway.api("GET", "/settings")).body;
  assert.deepEqual([settings.policy.lists[0].entries, settings.smtp.tarpit], [["partner.example"], "1s"], "only rules and lists went back");
  browser.well();
});
