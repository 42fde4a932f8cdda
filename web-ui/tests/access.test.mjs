// Administrators, tokens, the own password; and that all of it is in the audit trail.
import assert from "node:assert/strict";
import { request } from "node:https";
import { after, before, test } from "node:test";

import { Browser, codeOf, Gateway, PASSWORD, plain, until } from "./rig.mjs";

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

test("a login is added, gets a new password, and is removed", async () => {
  const { page } = browser;
  await browser.go("#/access", "Access");
  await page.getByRole("textbox", { name: "Add a login" }).fill("erika");
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

test("a login gets a role and domains, and the console shows it only what it may do", async () => {
  const { page } = browser;
  await browser.go("#/access", "Access");
  await page.getByRole("textbox", { name: "Add a login" }).fill("hanna");
  await page.getByRole("form", { name: "Add a login" }).getByLabel("Role").selectOption("helpdesk");
  await page.getByRole("form", { name: "Add a login" }).getByRole("button", { name: "Add" }).click();
  await browser.said("hanna is added.");
  await page.getByRole("button", { name: "Role: hanna" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Only for the domains").fill("not..a.domain");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("`not..a.domain` is not a domain name").waitFor();
  await dialog.getByLabel("Only for the domains").fill("example.net");
  await browser.accessible("access-role");
  await dialog.getByRole("button", { name: "Save" }).click();
  await browser.said("hanna has another role.");
  browser.well("422");

  for (const [subject, to] of [["for hanna", ["b@example.net"]], ["not for hanna", ["b@nowhere.example"]], ["for both", ["b@example.net", "c@nowhere.example"]]]) assert.match(await gateway.send(plain(subject), { to }), /^250/);
  const hers = await Browser.logIn(gateway, {}, "hanna");
  try {
    const menu = await hers.page.getByRole("navigation", { name: "Pages" }).getByRole("link").allTextContents();
    assert.deepEqual(menu, ["Overview", "Tracking", "Quarantine", "Access"]);
    await hers.page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    await hers.page.getByText("Mails of the last 24 hours").first().waitFor();
    await hers.looks("overview-helpdesk");
    await hers.go("#/tracking", "Tracking");
    const found = hers.page.getByRole("grid", { name: "Mails", exact: true });
    await found.getByText("for both").waitFor();
    assert.deepEqual((await found.locator("td[data-label=Subject]").allTextContents()).sort(), ["for both", "for hanna"]);
    await found.getByRole("row", { name: /for both/ }).getByRole("link").click();
    await hers.page.getByRole("heading", { level: 1, name: "for both" }).waitFor();
    assert.equal(await hers.page.getByText("c@nowhere.example").count(), 0);
    await hers.go("#/settings", "Overview");
    await hers.go("#/access", "Access");
    assert.deepEqual(await hers.page.getByRole("heading", { level: 2 }).allTextContents(), ["Your password", "Authenticator (TOTP) none", "Open logins"]);
    hers.well();
  } finally {
    await hers.close();
  }
});

test("an authenticator is set up by its secret, asked for at the next login, and a recovery code helps without it", async () => {
  assert.equal((await gateway.api("POST", "/admins", { name: "totty", password: PASSWORD, role: "auditor" })).status, 201);
  const theirs = await Browser.logIn(gateway, {}, "totty");
  try {
    const { page } = theirs;
    await theirs.go("#/access", "Access");
    await page.getByRole("button", { name: "Set up an authenticator" }).click();
    const secret = await page.getByRole("textbox", { name: "Secret, for typing" }).inputValue();
    await page.getByRole("img", { name: /QR code/ }).waitFor();
    await theirs.looks("access-totp");
    const form = page.getByRole("form", { name: "Set up an authenticator" });
    await form.getByLabel("Present password").fill(PASSWORD);
    await form.getByLabel("Code that it shows now").fill(codeOf(secret, 7));
    await form.getByRole("button", { name: "Put in force" }).click();
    await form.getByText("the code does not fit").waitFor();
    await form.getByLabel("Code that it shows now").fill(codeOf(secret));
    await form.getByRole("button", { name: "Put in force" }).click();
    await theirs.said("The authenticator is in force.");
    const codes = (await page.locator("#main").innerText()).match(/[a-z2-7]{4}(-[a-z2-7]{4}){3}/g);
    assert.equal(codes.length, 10);
    await theirs.looks("access-codes");

    const login = async (code) => {
      await page.getByRole("button", { name: "Log out" }).click();
      await theirs.enter("totty", PASSWORD);
      await page.getByRole("textbox", { name: "Code" }).fill(code);
      await page.keyboard.press("Enter");
    };
    await login(codeOf(secret, 1));
    await theirs.entered();
    await login(codes[0]);
    await theirs.entered();
    await login(codes[0]);
    await page.getByRole("alert").getByText("the code is wrong, or was used already").waitFor();
    await theirs.accessible("login-code");
    theirs.well("422", "401");

    await browser.go("#/access", "Access");
    await browser.page.reload();
    await browser.page.getByRole("button", { name: "Remove authenticator: totty" }).click();
    await browser.page.getByRole("dialog").getByRole("button", { name: "Remove authenticator" }).click();
    await browser.said("totty has no authenticator any more.");
    await page.getByRole("button", { name: "Cancel" }).click();
    await theirs.enter("totty", PASSWORD);
    await theirs.entered();

    await browser.page.getByRole("grid", { name: "Open logins" }).waitFor();
    await browser.page.reload();
    await browser.page.getByRole("button", { name: "End: totty, 127.0.0.1" }).first().click();
    await browser.said("The login is ended.");
    await until("the login's end", async () => (await gateway.api("GET", "/audit?action=session.end")).body.entries.length === 1);
  } finally {
    await theirs.close();
  }
});
