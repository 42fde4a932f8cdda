// The console of a real appliance, from the first login to the factory reset: run by tests/tests/appliance/pages.rs, which boots it.
// BASE is its address, PRINTED the password on its own console, UPDATE a good update to VERSION, FORGED one that nobody signed; OUT is where the pictures go.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Browser, given, PASSWORD, until } from "./tests/rig.mjs";

/** What takes ten seconds takes a minute under software emulation. */
const PATIENT = { timeout: 300_000 };
const PRINTED = given("PRINTED");
let browser, page;

before(async () => {
  browser = await Browser.open({ base: given("BASE") });
  page = browser.page;
  page.setDefaultTimeout(60_000);
});
after(() => browser?.close());

const login = () => page.getByLabel("Password", { exact: true });

/** The page comes back by itself, from this slot; whoever has to, logs in again. */
async function runsFrom(name) {
  const running = slot(name).getByText("running");
  await login().or(running).first().waitFor(PATIENT);
  if (await login().isVisible()) await browser.enter("admin", PASSWORD);
  await running.waitFor(PATIENT);
  await page.getByText("Everything works").waitFor(PATIENT);
  browser.troubles.length = 0; // the answers that did not come meanwhile
}

async function order(button) {
  await page.getByRole("button", { name: button, exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: button, exact: true }).click();
}

const slot = (name) => page.getByRole("grid", { name: "Slots" }).getByRole("row").filter({ has: page.getByRole("gridcell", { name, exact: true }) });

test("the first boot's questions", async () => {
  await page.goto(`${given("BASE")}/ui/`);
  await browser.enter("admin", PRINTED);
  await browser.choose(PRINTED);
  await page.getByRole("heading", { name: "Set this machine up" }).waitFor();
  await browser.accessible("appliance-set-up");
  await page.getByLabel("Fully qualified name").fill("mx1");
  await page.getByRole("button", { name: "Set up", exact: true }).click();
  await page.getByRole("alert").getByText("fully qualified").first().waitFor();
  await page.getByLabel("Fully qualified name").fill("mx1.example.org");
  await page.locator("#time_zone").fill("Europe/Berlin");
  await page.locator("#domain").fill("example.org 10.0.2.2:2525");
  await page.getByRole("button", { name: "Set up", exact: true }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor({ state: "attached", ...PATIENT });
  browser.troubles.length = 0; // the 401 and 422 that were asked for, and the node's restart under its name
});

test("what it runs, its certificate, its log", async () => {
  await browser.go("#/system", "System");
  await page.getByText("Everything works").waitFor(PATIENT);
  await page.getByText("eth0 native").waitFor();
  await slot("a").getByText("running").waitFor();
  await slot("b").getByText("empty").waitFor();
  await page.getByText("this node itself: nobody else vouches for it").waitFor();
  await browser.looks("appliance-system");
  const [bundle] = await Promise.all([page.waitForEvent("download", PATIENT), page.getByRole("link", { name: "Support bundle" }).click()]);
  const text = readFileSync(await bundle.path(), "utf8");
  assert.match(text, /postern/);
  for (const secret of [PRINTED, PASSWORD]) assert.equal(text.includes(secret), false, "a password is in the support bundle");
  browser.well();
});

test("the machine's own settings: a bad one is told, a good one is in force", async () => {
  const settings = page.getByRole("textbox", { name: "The machine's own settings" });
  const kept = await settings.inputValue();
  assert.match(kept, /name = "mx1\.example\.org"/);
  await settings.fill(kept.replace("Europe/Berlin", "Europe/Nowhere"));
  await page.getByRole("button", { name: "Put in force" }).click();
  await page.getByRole("alert").getByText("Europe/Nowhere").first().waitFor();
  browser.troubles.length = 0; // the 422 that was asked for
  await settings.fill(kept.replace("Europe/Berlin", "Europe/Vienna"));
  await page.getByRole("button", { name: "Put in force" }).click();
  await browser.said(/In force; changed: .*localtime/);
  browser.well();
});

test("an update that nobody signed is refused, a good one is tried after a restart", async () => {
  await page.getByLabel("Update file").setInputFiles(given("FORGED"));
  await page.getByRole("button", { name: "Upload", exact: true }).click();
  await page.getByText(/not signed by the key/).first().waitFor(PATIENT);
  browser.troubles.length = 0; // the refusal that was asked for
  await page.getByLabel("Update file").setInputFiles(given("UPDATE"));
  await page.getByRole("button", { name: "Upload", exact: true }).click();
  await page.getByText(`Version ${given("VERSION")} is written; the next start is its trial.`).waitFor(PATIENT);
  await slot("b").getByText("started next").waitFor();
  await browser.accessible("appliance-update");
  await order("Restart");
  await runsFrom("b");
  await slot("b").getByText("on trial").waitFor();
  await browser.accessible("appliance-trial");
});

test("back to the slot before", async () => {
  await order("Go back to the other slot");
  await browser.said("The other slot is started at the next restart.");
  await slot("a").getByText("started next").waitFor();
  await order("Restart");
  await runsFrom("a");
  await page.getByText("rolled-back").waitFor();
  browser.well();
});

test("everything is forgotten", async () => {
  await page.getByRole("button", { name: "Factory reset" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("RESET");
  await page.getByRole("dialog").getByRole("button", { name: "Factory reset" }).click();
  // Another machine by its certificate, too: a page is opened anew.
  await until("the new machine's login", async () => {
    await page.goto(`${given("BASE")}/ui/`).catch(() => undefined);
    return login().waitFor({ timeout: 10_000 }).then(() => true, () => false);
  }, PATIENT.timeout);
  await browser.enter("admin", PASSWORD);
  await page.getByRole("alert").getByText("name or password is wrong").waitFor();
});
