// Settings: the form that is made from the schema, the file, the history; two who edit the same are told.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser, Gateway, until } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start(`[[domains]]\nname = "secret.example"\nbackends = [{ host = "192.0.2.1", username = "u", password = "very secret" }]\n`);
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

const settings = async () => (await gateway.api("GET", "/settings")).body;

test("every setting of the schema has a field", async () => {
  const { page } = browser;
  const schema = (await gateway.api("GET", "/settings/schema")).body;
  for (const section of Object.keys(schema.properties)) {
    await browser.go(`#/settings/${section}`, "Settings");
    await page.getByRole("heading", { level: 2, name: section, exact: true }).waitFor();
    const name = schema.properties[section].$ref?.replace("#/$defs/", "");
    for (const key of Object.keys(schema.$defs[name]?.properties ?? {})) await page.locator(`[id="setting-${section}.${key}"], [id^="setting-${section}.${key}."]`).first().waitFor();
  }
  browser.well();
});

test("some settings change together, one that is wrong is told at its field, and nothing is half done", async () => {
  const { page } = browser;
  await browser.go("#/settings/filter", "Settings");
  await page.locator('[id="setting-filter.thresholds.tag"]').fill("6");
  await page.locator('[id="setting-filter.thresholds.quarantine"]').fill("4");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("alert").getByText("filter.thresholds", { exact: false }).first().waitFor();
  await browser.looks("settings-refused");
  assert.equal((await settings()).settings.filter.thresholds.tag, 5);
  browser.troubles.length = 0; // the 422 that was asked for
  await page.locator('[id="setting-filter.thresholds.quarantine"]').fill("9");
  await page.locator('[id="settings-message"]').fill("more patience");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await browser.said("Saved and in force.");
  const { tag, quarantine } = (await settings()).settings.filter.thresholds;
  assert.deepEqual([tag, quarantine], [6, 9]);
  browser.well();
});

test("a change of somebody else meanwhile is told, not overwritten", async () => {
  const { page } = browser;
  await browser.go("#/settings/greylist", "Settings");
  await page.locator('[id="setting-greylist.delay"]').fill("4m");
  assert.equal((await gateway.api("PATCH", "/settings", { path: "smtp.tarpit", value: "1s" })).status, 200);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Somebody has changed the settings meanwhile").waitFor();
  assert.equal((await settings()).settings.greylist.delay, "3m");
  await page.getByRole("button", { name: "Load the present settings" }).click();
  await until("the change to be kept", async () => (await page.locator('[id="setting-greylist.delay"]').inputValue()) === "4m");
  await page.getByText("Somebody has changed the settings meanwhile").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await browser.said("Saved and in force.");
  assert.deepEqual([(await settings()).settings.greylist.delay, (await settings()).settings.smtp.tarpit], ["4m", "1s"]);
  browser.well("412");
  browser.troubles.length = 0;
});

test("a domain is added with its backend; the secret of another stays, and is never shown", async () => {
  const { page } = browser;
  await browser.go("#/settings/domains", "Settings");
  assert.equal((await page.content()).includes("very secret"), false);
  await page.getByRole("button", { name: "Add one: domains" }).click();
  const fresh = page.getByRole("group", { name: /^domains 4$/ });
  await fresh.locator('[id="setting-domains[3].name"]').fill("new.example");
  await fresh.getByRole("button", { name: "Add one: backends" }).click();
  await fresh.locator('[id="setting-domains[3].backends[0].host"]').fill("mail.new.example");
  await browser.looks("settings-domains");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await browser.said("Saved and in force.");
  const { domains } = (await settings()).settings;
  assert.deepEqual(domains.map((d) => d.name), ["nowhere.example", "example.net", "secret.example", "new.example"]);
  const file = readFileSync(join(gateway.data, "postern.toml"), "utf8");
  assert.match(file, /very secret/);
  assert.doesNotMatch(file, /priority|null/, "defaults were written into the file");
  browser.well();
});

test("the file is checked and saved, and a version of before comes back", async () => {
  const { page } = browser;
  await browser.go("#/settings/file", "Settings");
  const file = page.getByRole("textbox", { name: "As a file" });
  const text = await file.inputValue();
  await file.fill(`${text}\n[log]\nlevle = "info"\n`);
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByText("The file is not good").waitFor();
  await file.fill(`${text}\n[log]\nlevel = "warn"\n`);
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByText("The file is good.").waitFor();
  await browser.looks("settings-file");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await browser.said("Saved and in force.");
  assert.equal((await settings()).settings.log.level, "warn");

  await browser.go("#/settings/history", "Settings");
  const versions = page.getByRole("grid", { name: "Versions of this node's file" });
  const before = versions.getByRole("row").filter({ hasText: "more patience" }).first();
  await before.getByRole("button", { name: "Changes since" }).click();
  await page.getByText('+level = "warn"').waitFor();
  await browser.looks("settings-history");
  await before.getByRole("button", { name: "Go back to it" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Go back to it" }).click();
  await until("it to be in force", async () => (await settings()).settings.log.level === "info");
  browser.well();
});

test("who comes back at once finds the settings there", async () => {
  const { page } = browser;
  for (const [place, name] of [["#/settings/filter", "Settings"], ["#/audit", "Audit"], ["#/settings/filter", "Settings"]]) await browser.go(place, name);
  await page.getByRole("heading", { level: 2, name: "filter", exact: true }).waitFor();
});
