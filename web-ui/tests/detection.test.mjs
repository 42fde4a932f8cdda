// Detection: what is judged by, how often it fired, weights, a mail to learn, YARA rules.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, plain, until } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start();
  browser = await Browser.logIn(gateway);
  for (let n = 0; n < 3; n += 1) await gateway.send(plain(`Judged ${n}`, "b@example.net"), { to: ["b@example.net"] });
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

const hits = async () => (await gateway.api("GET", "/symbols/hits?days=1")).body;
const weight = async (name) => (await gateway.api("GET", "/symbols")).body.symbols.find((s) => s.name === name).weight;

test("symbols that fired are counted, and one gets another weight", async () => {
  const { page } = browser;
  await until("three mails to be judged", async () => (await hits()).judged === 3);
  const [first] = (await hits()).hits;
  assert.ok(first, "no symbol fired on mails without Date and Message-ID");
  await browser.go("#/detection", "Detection");
  await page.getByText("3 mails were judged in this time on this node.").waitFor();
  await page.getByLabel("Only those that fired").check();
  const list = page.getByRole("grid", { name: "Symbols" });
  await list.getByRole("row").filter({ hasText: first.symbol }).waitFor();
  await browser.looks("detection");

  await page.getByLabel("Show only those with").fill(first.symbol);
  await list.getByRole("button", { name: `Change weight: ${first.symbol}`, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Weight", { exact: true }).fill("much");
  assert.ok(await dialog.getByRole("button", { name: "Save" }).isDisabled());
  await dialog.getByLabel("Weight", { exact: true }).fill("0");
  await dialog.getByRole("button", { name: "Save" }).click();
  await browser.said(`${first.symbol} weighs 0 now, on all nodes.`);
  await list.getByText(/^usual: /).first().waitFor();
  assert.equal(await weight(first.symbol), 0);
  await list.getByRole("button", { name: `Change weight: ${first.symbol}`, exact: true }).click();
  await dialog.getByRole("button", { name: /^Back to/ }).click();
  await until("the usual weight", async () => (await weight(first.symbol)) !== 0);
  // The first page asked the edge before it was there.
  browser.well("503");
});

test("a mail is given to the classifier", async () => {
  const { page } = browser;
  await browser.go("#/detection", "Detection");
  await page.getByLabel("Mail", { exact: true }).setInputFiles({ name: "spam.eml", mimeType: "message/rfc822", buffer: Buffer.from(plain("Cheap pills", "b@example.net")) });
  await page.getByRole("button", { name: "Learn as spam" }).click();
  await browser.said("Learned.");
  await page.getByText("has learned 1 spam and 0 other mails").waitFor();
  browser.well("503");
});

const rulesText = (condition) => `rule wave : info {\n  strings:\n    $a = "xyzzy"\n  condition:\n    ${condition}\n}\n`;
const texts = async () => (await gateway.api("GET", "/settings")).body.settings.sandbox.rules;
const inForce = async () => (await gateway.api("GET", "/sandbox/rules")).body;

test("YARA rules are written, tried, corrected and in force", async () => {
  const { page } = browser;
  await browser.go("#/detection", "Detection");
  await page.getByText("none but Postern's own").waitFor();
  await page.getByRole("button", { name: "Add rules" }).click();
  const dialog = page.getByRole("dialog");
  assert.ok(await dialog.getByRole("button", { name: "Save" }).isDisabled());
  await dialog.getByLabel("Name").fill("waves");
  await dialog.getByLabel("Rules", { exact: true }).fill(rulesText("$x"));
  await dialog.getByRole("button", { name: "Try" }).click();
  await dialog.getByText(/^Line 5: error: unknown pattern/).waitFor();
  await browser.accessible("detection-yara-error");
  assert.deepEqual(await texts(), []);

  await dialog.getByLabel("Rules", { exact: true }).fill(rulesText("$a"));
  await dialog.getByText(/^Line 5/).waitFor({ state: "detached" });
  await dialog.getByRole("button", { name: "Try" }).click();
  await dialog.getByText("No errors: 1 rules.").waitFor();
  await dialog.getByRole("button", { name: "Save" }).click();
  await browser.said("Saved: each node takes it within seconds.");
  await dialog.waitFor({ state: "detached" });
  await page.getByText(/^1 rules in 1 texts and files, since/).waitFor();
  assert.deepEqual(await texts(), [{ name: "waves", text: rulesText("$a") }]);
  await browser.looks("detection-yara");
  browser.well("503");
});

test("rules that are not taken are told on the page, and those before them stay", async () => {
  const { page } = browser;
  const broken = { name: "others", text: rulesText("$y") };
  assert.equal((await gateway.api("PATCH", "/settings", { path: "sandbox.rules", value: [...(await texts()), broken] })).status, 200);
  await until("the node to refuse them", async () => (await inForce()).trouble?.problems.length === 1);
  await browser.go("#/detection", "Detection");
  await page.getByText("The newest rules are not taken").waitFor();
  await page.getByText("others, Line 5: error: unknown pattern").waitFor();
  await page.getByText(/^1 rules in 1 texts and files, since/).waitFor();
  await browser.looks("detection-yara-refused");

  await page.getByRole("button", { name: "Delete: others" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await browser.said("others is deleted.");
  await page.getByText("The newest rules are not taken").waitFor({ state: "detached" });
  assert.deepEqual((await texts()).map((t) => t.name), ["waves"]);
  browser.well("503");
});

test("rules that somebody else changed meanwhile are not overwritten before it is told", async () => {
  const { page } = browser;
  await browser.go("#/detection", "Detection");
  await page.getByRole("button", { name: "Edit: waves" }).click();
  const dialog = page.getByRole("dialog");
  // Another setting does not stand in the way, another text does.
  assert.equal((await gateway.api("PATCH", "/settings", { path: "smtp.tarpit", value: "1s" })).status, 200);
  await dialog.getByLabel("Rules", { exact: true }).fill(rulesText("#a > 1"));
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.deepEqual(await texts(), [{ name: "waves", text: rulesText("#a > 1") }]);

  await page.getByRole("button", { name: "Edit: waves" }).click();
  const theirs = { name: "theirs", text: rulesText("$a") };
  assert.equal((await gateway.api("PATCH", "/settings", { path: "sandbox.rules", value: [...(await texts()), theirs] })).status, 200);
  await dialog.getByLabel("Rules", { exact: true }).fill(rulesText("#a > 2"));
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("Somebody has changed the rules meanwhile.").waitFor();
  assert.deepEqual((await texts()).map((t) => t.text), [rulesText("#a > 1"), rulesText("$a")]);
  await dialog.getByRole("button", { name: "Load the present rules" }).click();
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.deepEqual((await texts()).map((t) => [t.name, t.text]), [["waves", rulesText("#a > 2")], ["theirs", rulesText("$a")]]);
  browser.well("503", "412");
});
