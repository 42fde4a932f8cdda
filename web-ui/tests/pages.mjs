// For `./just bench console`: opens every page of the console at BASE and prints, as JSON, the milliseconds until each can be used: its
// heading and its contents are there, nothing is waited for any more. The slowest of three, in one browser, as the second page of a day.
import assert from "node:assert/strict";

import { chromium } from "playwright-core";

const { BASE, PASSWORD } = process.env;
const ROUNDS = 3;
const process_ = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"] });
const page = await (await process_.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" })).newPage();

const canBeUsed = () => {
  const main = document.querySelector("#main");
  return Boolean(main?.querySelector("h1")) && !main.querySelector("[aria-busy=true], [role=progressbar]");
};
/** From the change of the address, or a new load of everything, until the page can be used. */
async function open(fragment, isNew) {
  const began = performance.now();
  if (isNew) await page.goto(`${BASE}/ui/${fragment}`);
  else await page.evaluate((to) => { location.hash = to; }, fragment);
  await page.waitForFunction((to) => location.hash === to, fragment, { polling: 5 });
  // React draws what the new address asks for within a frame.
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  await page.waitForFunction(canBeUsed, undefined, { polling: 5 });
  const took = performance.now() - began;
  assert.equal(await page.locator("#main .pf-m-danger.pf-v6-c-alert").count(), 0, `${fragment}: ${await page.locator("#main").innerText()}`);
  return took;
}

await page.goto(`${BASE}/ui/`);
await page.getByRole("textbox", { name: "Name" }).fill("admin");
await page.getByLabel("Password").fill(PASSWORD);
await page.keyboard.press("Enter");
const pages = page.getByRole("navigation", { name: "Pages" });
await pages.waitFor({ state: "attached" });
const fragments = await pages.getByRole("link").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
for (const list of ["#/tracking", "#/quarantine"]) {
  await open(list);
  fragments.push(await page.locator(`#main a[href^="${list}/"]`).first().getAttribute("href"));
}
const took = {};
const note = (name, ms) => { took[name] = Math.max(took[name] ?? 0, Math.round(ms)); };
for (let round = 0; round < ROUNDS; round += 1) {
  note("everything anew, with the overview", await open("#/overview", true));
  for (const fragment of fragments) note(fragment.replace(/\/[0-9a-z]{26}$/, "/ID"), await open(fragment));
}
console.log(JSON.stringify(took));
await process_.close();
