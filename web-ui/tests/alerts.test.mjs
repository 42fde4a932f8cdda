// Alerts on the overview: what is wrong now, acknowledged, and over.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, plain, until } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start();
  for (const [path, value] of [["alerts.hold", "0s"], ["alerts.clear", "0s"], ["alerts.off", ["sandbox-away", "edge-not-guarding"]], ["alerts.recipients", ["oncall@example.net"]]]) {
    const answer = await gateway.api("PATCH", "/settings", { path, value });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  }
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

test("an alert is shown, told, acknowledged, and over", async () => {
  const { page } = browser;
  await browser.go("#/overview", `node-${gateway.cluster}.example`);
  await page.getByText("Nothing is wrong.").waitFor();
  await gateway.send(plain("Waits", "b@nowhere.example"), { to: ["b@nowhere.example"] });
  const list = page.getByRole("grid", { name: "What is wrong now" });
  const row = list.getByRole("row").filter({ hasText: "Mail server cannot be reached: backends of nowhere.example" });
  await row.waitFor();
  await row.getByText(/Connection refused/).waitFor();
  await until("the mail about it", () => gateway.letters("oncall@example.net").some((text) => text.includes("Subject: ") && text.includes("backend-unreachable")));
  await browser.looks("alerts");
  await row.getByRole("button", { name: /^Acknowledge/ }).click();
  await browser.said("Acknowledged");
  await row.getByText(/acknowledged by admin/).waitFor();

  assert.equal((await gateway.api("POST", "/queue/delete", { filter: { all: true } })).status, 200);
  await page.getByText("Nothing is wrong.").waitFor();
  await page.getByRole("button", { name: "What is over" }).click();
  await page.getByRole("grid", { name: "What is over" }).getByText("backends of nowhere.example").waitFor();
  await browser.looks("alerts-past");
  await page.getByRole("button", { name: "Try whether alerts come through" }).click();
  await browser.said("are on their way");
  await until("the test's mail", () => gateway.letters("oncall@example.net").some((text) => text.includes("Test of alerts")));
  browser.well();
});
