// Backups: the state, one made now, the list, verified with its key and with another, the settings; and what goes wrong.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser, Gateway, PASSWORD } from "./rig.mjs";

const PASSPHRASE = "correct horse battery staple";
let gateway, browser, folder;
before(async () => {
  gateway = await Gateway.start();
  folder = join(gateway.data, "..", `${gateway.data.split("/").at(-1)}-backups`);
  mkdirSync(folder);
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
  for (const left of [folder, `${folder}-away`]) rmSync(left, { recursive: true, force: true });
});

test("backups are set up, made, listed and verified", async () => {
  const { page } = browser;
  await browser.go("#/backups", "Backups");
  await page.getByText("No target is set").waitFor();
  assert.ok(await page.getByRole("button", { name: "Back up now" }).isDisabled());
  await page.getByText("There is no key yet").waitFor();
  await browser.looks("backups-none");

  // By the form of the page itself.
  await page.locator('[id="setting-backup.passphrase"]').fill(PASSPHRASE);
  await page.locator('[id="setting-backup.target"]').selectOption("directory");
  await page.locator('[id="setting-backup.directory.path"]').fill(folder);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Backups are locked with a passphrase").waitFor();
  await page.getByText("The target holds no backup.").waitFor();

  await page.getByRole("button", { name: "Back up now" }).click();
  const list = page.getByRole("grid", { name: "At the target" });
  await list.getByText(/\.tar\.zst\.age/).waitFor();
  const [name] = readdirSync(folder);
  await list.getByText(name).waitFor();

  // The settings' passphrase opens it; another does not, and a damaged one is told.
  const verify = async (key) => {
    await page.getByRole("button", { name: `Verify: ${name}` }).click();
    const asking = page.getByRole("dialog");
    if (key) await asking.getByLabel("Passphrase, or secret key").fill(key);
    else await browser.accessible("backups-verify");
    await asking.getByRole("button", { name: "Verify" }).click();
  };
  await verify("");
  await page.getByText(`${name} is good: a restore would take it`).waitFor();
  await page.getByText(new RegExp(`Of node-${gateway.cluster}.example, version`)).waitFor();
  await browser.looks("backups");
  await verify("another passphrase");
  await page.getByText(`${name} would not be restored`).waitFor();
  await page.getByText("the passphrase is not the one").waitFor();
  const { body } = await gateway.api("GET", "/audit?action=backup.verify");
  assert.ok(body.entries.length === 2 && !JSON.stringify(body).includes("another passphrase"), JSON.stringify(body));

  // A target that is away is said, and mail has nothing to do with it.
  renameSync(folder, `${folder}-away`);
  await page.getByRole("button", { name: "Back up now" }).click();
  await page.getByText(/No backup was made: the last try failed/).waitFor();
  await browser.accessible("backups-failed");
  browser.well("503");
  browser.troubles.length = 0;
});

test("an auditor sees the state and does nothing", async () => {
  assert.equal((await gateway.api("POST", "/admins", { name: "alf", password: PASSWORD, role: "auditor" })).status, 201);
  const auditor = await Browser.logIn(gateway, {}, "alf");
  await auditor.go("#/backups", "Backups");
  await auditor.page.getByText("Backups are locked with a passphrase").waitFor();
  assert.equal(await auditor.page.getByRole("button", { name: /Back up now|Verify|Save/ }).count(), 0);
  await auditor.close();
});
