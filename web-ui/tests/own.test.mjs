// People who receive mail: a link by mail, good once; the own quarantine; a digest.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, HOSTILE, hostile, nextMinute, timeOfDay, until } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start(`
[users]
enabled = true
url = "https://localhost:1"
digest_at = []
[filter.thresholds]
tag = -50.0
quarantine = -49.0
reject = 1000.0
`);
  assert.equal((await gateway.api("PATCH", "/settings", { path: "users.url", value: gateway.base, message: "where it is" })).status, 200);
  browser = await Browser.open(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

const linkIn = (text) => text.match(new RegExp(`${gateway.base}/ui/(#/own/[a-z2-7]+)`))[1];

test("a link is asked for, comes by mail, is good once, and a scanner's look does not use it up", async () => {
  const { page } = browser;
  assert.match(await gateway.send(hostile(), { to: ["b@example.net"] , port: gateway.smtp }), /^250/);
  assert.match(await gateway.send(hostile().replace("hostile@", "second@"), { to: ["b@example.net", "c@example.net"], port: gateway.smtp }), /^250/);
  await until("three mails in quarantine", async () => (await gateway.api("GET", "/quarantine")).body.mails?.length === 3);
  await browser.go("#/own", "Your mail in quarantine");
  browser.troubles.length = 0; // the 401 of the first question
  await browser.looks("own-ask");
  await page.getByRole("textbox", { name: "Mail address" }).fill("b@example.net");
  await page.keyboard.press("Enter");
  await page.getByText("a link is on its way").waitFor();
  const [letter] = await until("the letter", () => gateway.letters("b@example.net").length > 0 && gateway.letters("b@example.net"));
  const link = linkIn(letter);

  const scanner = await Browser.open(gateway);
  await scanner.go(link, "Your mail in quarantine");
  await scanner.close();
  await browser.go(link, "Your mail in quarantine");
  await browser.looks("own-open");
  await page.getByRole("button", { name: "Open my quarantine" }).click();
  await page.getByRole("heading", { level: 1, name: "Your quarantine" }).waitFor();
  await page.getByRole("grid", { name: "Mails held back" }).getByRole("row").nth(2).waitFor();
  await browser.looks("own-list");

  const late = await Browser.open(gateway);
  await late.go(link, "Your mail in quarantine");
  await late.page.getByRole("button", { name: "Open my quarantine" }).click();
  await late.page.getByRole("alert").getByText("this link was used already").waitFor();
  await late.close();
  browser.well();
});

test("a mail is looked at as text, delivered, another deleted; others' are untouched", async () => {
  const { page } = browser;
  const rows = page.getByRole("grid", { name: "Mails held back" }).getByRole("row");
  await rows.nth(1).getByRole("button", { name: `${HOSTILE} now`, exact: true }).click();
  await page.getByRole("heading", { level: 2, name: "Text of the mail" }).waitFor();
  assert.equal(await page.evaluate(() => window.hit), undefined);
  await browser.looks("own-mail");
  await page.getByRole("button", { name: "Deliver" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Deliver" }).click();
  await browser.said("On its way to you.");
  await page.getByRole("button", { name: /^Delete/ }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await browser.said("Deleted.");
  await page.getByText("Nothing is held back for you.").waitFor();
  const left = (await gateway.api("GET", "/quarantine")).body.mails;
  assert.deepEqual(left.map((m) => m.recipients), [["c@example.net"]]);
  const trail = (await gateway.api("GET", "/audit?action=user.")).body.entries;
  assert.deepEqual(trail.map((e) => [e.who, e.action]), [["b@example.net", "user.delete"], ["b@example.net", "user.release"], ["b@example.net", "user.login"]]);
  browser.well();
});

test("senders are blocked from a mail, allowed by hand, and taken back", async () => {
  const { page } = browser;
  assert.match(await gateway.send(hostile().replace("hostile@", "third@"), { to: ["b@example.net"], port: gateway.smtp }), /^250/);
  await page.reload();
  await page.getByText("You allow and block nobody.").waitFor();
  await page.getByRole("grid", { name: "Mails held back" }).getByRole("row").nth(1).getByRole("button", { name: `${HOSTILE} now`, exact: true }).click();
  await page.getByRole("button", { name: "Block evil@client.example" }).click();
  await browser.said("evil@client.example is blocked.");
  await browser.looks("own-mail-senders");
  await page.getByRole("button", { name: "Back" }).click();
  const list = page.getByRole("grid", { name: "Senders you allow or block" });
  await list.getByRole("row").filter({ hasText: "evil@client.example" }).getByText("blocked").waitFor();
  await page.getByRole("textbox", { name: "Address or domain" }).fill("*.example.com");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await browser.said("is no sender: write an address");
  await page.getByRole("textbox", { name: "Address or domain" }).fill("Example.com");
  await page.getByLabel("Choice").selectOption("allow");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await browser.said("Example.com is allowed.");
  await list.getByRole("row").filter({ hasText: "example.com" }).getByText("allowed").waitFor();
  await browser.looks("own-senders");
  await page.getByRole("button", { name: "Take back: evil@client.example" }).click();
  await browser.said("evil@client.example is treated as for everybody.");
  const trail = (await gateway.api("GET", "/audit?action=user.")).body.entries.slice(0, 3);
  assert.deepEqual(trail.map((e) => [e.action, e.subject]), [["user.take-back", "evil@client.example"], ["user.allow", "example.com"], ["user.block", "evil@client.example"]]);
  await page.getByRole("button", { name: /^Delete/ }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("Nothing is held back for you.").waitFor();
  browser.well("422");
});

test("a digest tells of what is new, and its link logs in", async () => {
  assert.equal((await gateway.api("PATCH", "/settings", { path: "users.digest_at", value: [timeOfDay(nextMinute())], message: "soon" })).status, 200);
  const [digest] = await until("the digest", () => gateway.letters("c@example.net").length > 0 && gateway.letters("c@example.net"), 150_000);
  assert.match(digest, /^Subject: Held back for you: 1\r?$/m);
  assert.match(digest, /&lt;script&gt;/);
  assert.equal(digest.includes("<script>window.hit=1</script><img"), digest.includes("text/plain"), "only the plain part shows it unescaped");
  assert.equal(gateway.letters("b@example.net").length, 1, "who has nothing new gets none");
  const theirs = await Browser.open(gateway);
  await theirs.go(linkIn(digest), "Your mail in quarantine");
  await theirs.page.getByRole("button", { name: "Open my quarantine" }).click();
  await theirs.page.getByRole("heading", { level: 1, name: "Your quarantine" }).waitFor();
  await theirs.page.getByText("Mail to c@example.net").waitFor();
  await theirs.close();
});
