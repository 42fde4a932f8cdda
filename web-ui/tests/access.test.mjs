// Administrators, tokens, the own password; and that all of it is in the audit trail.
import assert from "node:assert/strict";
import { request } from "node:https";
import { after, before, test } from "node:test";

import { Browser, Gateway, PASSWORD } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start();
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

/** Asks over HTTPS as a program does. */
const withToken = (token) => new Promise((done, failed) => {
  request(`${gateway.base}/api/v1/status`, { rejectUnauthorized: false, headers: { authorization: `Bearer ${token}` } }, (answer) => done(answer.resume().statusCode)).on("error", failed).end();
});

test("an administrator is added, gets a new password, and is removed", async () => {
  const { page } = browser;
  await browser.go("#/access", "Access");
  await page.getByRole("textbox", { name: "Add an administrator" }).fill("erika");
  await page.keyboard.press("Enter");
  await browser.said("erika is added.");
  const first = await page.getByRole("textbox", { name: "Password", exact: true }).inputValue();
  assert.ok(first.length >= 20, first);
  await browser.looks("access");
  await page.getByRole("button", { name: "New password: erika" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "New password" }).click();
  await browser.said("erika has a new password.");
  assert.notEqual(await page.getByRole("textbox", { name: "Password", exact: true }).inputValue(), first);
  await page.getByRole("button", { name: "Remove: erika" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await browser.said("erika is removed.");
  assert.deepEqual((await gateway.api("GET", "/admins")).body.admins.map((a) => a.name), ["admin"]);
  browser.well();
});

test("a token is made, is good, and is refused when it was removed", async () => {
  const { page } = browser;
  await browser.go("#/access", "Access");
  await page.getByRole("textbox", { name: "What for" }).fill("<i>monitoring</i>");
  await page.keyboard.press("Enter");
  await browser.said("The token is made.");
  const token = await page.getByRole("textbox", { name: "Token", exact: true }).inputValue();
  assert.equal(await withToken(token), 200);
  await page.getByRole("button", { name: "Remove: <i>monitoring</i>" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await browser.said("The token is removed.");
  assert.equal(await withToken(token), 401);
  browser.well();
});

test("the own password is changed; the audit trail has it all", async () => {
  const { page } = browser;
  await browser.go("#/access", "Access");
  await page.getByLabel("Present password").fill(PASSWORD);
  await page.getByLabel("New password", { exact: true }).fill(`${PASSWORD} 2`);
  await page.getByLabel("New password again").fill(`${PASSWORD} 3`);
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await page.getByRole("alert").getByText("The two new passwords differ.").waitFor();
  await page.getByLabel("New password again").fill(`${PASSWORD} 2`);
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await browser.said("Changed.");

  await browser.go("#/audit?action=token.", "Audit");
  const acts = page.getByRole("grid", { name: "Acts" });
  await acts.getByText("token.remove").waitFor();
  await acts.getByText("<i>monitoring</i>").waitFor();
  await acts.getByRole("button", { name: "Show", exact: true }).click();
  await browser.looks("audit");
  await page.getByRole("textbox", { name: "Action" }).fill("admin.");
  await page.keyboard.press("Enter");
  for (const action of ["admin.add", "admin.password", "admin.remove"]) await acts.getByText(action, { exact: true }).first().waitFor();
  browser.well();
});
