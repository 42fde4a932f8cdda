// Detection: what is judged by, how often it fired, weights, and a mail to learn.
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
