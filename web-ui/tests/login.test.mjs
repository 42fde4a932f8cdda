// The first minutes: a wrong password, the printed one, an own one, the overview that counts while one looks.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, initialPassword, PASSWORD, plain, until } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start();
  browser = await Browser.open(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

test("a wrong password is refused, the printed one is changed, the overview counts a mail while one looks", async () => {
  const { page } = browser;
  await page.goto(`${gateway.base}/ui/`);
  await browser.enter("admin", "wrong");
  await page.getByRole("alert").getByText("name or password is wrong").waitFor();
  await browser.accessible("login");
  browser.troubles.length = 0; // the browser logs the 401s that were asked for

  const printed = initialPassword(gateway);
  await page.getByLabel("Password").fill(printed);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Choose a password" }).waitFor();
  await browser.accessible("first-password");
  await browser.choose(printed);
  await page.getByText("Live", { exact: true }).waitFor();

  const accepted = page.getByRole("link", { name: "Accepted", exact: true }).locator("xpath=..");
  const counted = await accepted.innerText();
  assert.match(await gateway.send(plain("one")), /^250/);
  await until("the new mail on the page", async () => (await accepted.innerText()) !== counted);
  await until("the chart", () => page.locator(".postern-chart canvas").count());
  await browser.looks("overview");
  browser.well("503", "401");
});

test("the first load is small, and what has a hash in its name is not asked for again", async () => {
  const { page } = browser;
  const loaded = () => page.evaluate(() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter((e) => e.name.includes("/ui/") || e.name.endsWith("/icon.svg")).map((e) => e.transferSize));
  const sum = (sizes) => sizes.reduce((a, b) => a + b, 0);
  await browser.go("#/overview");
  const client = await page.context().newCDPSession(page);
  await client.send("Network.clearBrowserCache");
  await page.reload();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.evaluate(() => document.fonts.ready);
  const first = sum(await loaded());
  assert.ok(first > 100_000 && first < 350_000, `${first} octets came over the line`);
  await page.reload();
  await page.getByText("Live", { exact: true }).waitFor();
  const second = sum(await loaded());
  assert.ok(second < 10_000, `${second} octets came over the line the second time`);
});

test("the menu is reached by the keyboard, and on a phone it closes when a page was chosen", async () => {
  const { page } = browser;
  await browser.go("#/overview");
  await page.reload();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.keyboard.press("Tab");
  await page.getByRole("link", { name: "Skip to the content" }).and(page.locator(":focus")).waitFor();
  await page.setViewportSize({ width: 360, height: 740 });
  const menu = page.getByRole("button", { name: "Menu" });
  await menu.focus();
  await page.keyboard.press("Enter");
  const link = page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Audit" });
  await link.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Audit" }).waitFor();
  await until("the menu to close", async () => (await menu.getAttribute("aria-expanded")) === "false");
  await page.setViewportSize({ width: 1280, height: 900 });
});

test("a login that ended elsewhere leads to the login, and what was looked at is there after it", async () => {
  const { page } = browser;
  await browser.go("#/audit", "Audit");
  assert.equal((await gateway.api("PUT", "/admins/admin/password", { password: PASSWORD })).status, 200);
  await browser.page.getByRole("button", { name: "Search", exact: true }).click();
  await browser.page.getByRole("textbox", { name: "Who" }).fill("admin");
  await browser.page.getByRole("button", { name: "Search", exact: true }).click();
  await browser.enter("admin", PASSWORD);
  await page.getByRole("heading", { level: 1, name: "Audit" }).waitFor();
  browser.well("401", "503");
});

test("a page that asks again by itself says so once nobody touched it for half a minute", async () => {
  const { page } = browser;
  await browser.go("#/system", "System");
  const asked = async () => (await page.waitForRequest((r) => r.url().endsWith("/api/v1/system"))).headers()["x-postern-unattended"];
  assert.equal(await asked(), undefined);
  await page.evaluate(() => {
    const clock = Date.now;
    Date.now = () => clock() + 31_000;
  });
  assert.equal(await asked(), "yes");
  await page.keyboard.press("Shift");
  assert.equal(await asked(), undefined);
});

test("a page whose node is silent or away says so, and comes back by itself", async () => {
  const { page } = browser;
  const away = page.getByText("The node does not answer.").first();
  await browser.go("#/system", "System");
  for (const [what, silence] of [["**/api/v1/system", () => undefined], ["**/api/v1/session", (route) => route.abort()]]) {
    await page.route(what, silence);
    if (what.endsWith("session")) await page.reload();
    await away.waitFor({ timeout: 90_000 });
    await page.unroute(what);
    await away.waitFor({ state: "hidden" });
    await page.getByRole("heading", { level: 1, name: "System" }).waitFor();
  }
});
