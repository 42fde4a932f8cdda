// Bans by hand, a trace that shows them, and the edge's lists.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, until } from "./rig.mjs";

const left = process.env.EDGE ? false : "left out: XDP needs root and a network namespace";
let gateway, browser;
before(async () => {
  gateway = await Gateway.start();
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

test("an address is banned, the trace drops it, the ban is lifted, the trace lets it pass", { skip: left }, async () => {
  const { page } = browser;
  await until("the edge", async () => (await gateway.api("GET", "/edge")).status === 200);
  await browser.go("#/edge", "Edge");
  await page.getByRole("textbox", { name: "Address or network" }).fill("192.0.2.66");
  await page.getByRole("textbox", { name: "For" }).fill("1h");
  await page.getByRole("textbox", { name: "Evidence" }).fill("<b>seen</b> in a test");
  await page.keyboard.press("Enter");
  await browser.said("192.0.2.66 is banned.");
  const bans = page.getByRole("grid", { name: "Bans" });
  await bans.getByText("<b>seen</b> in a test").waitFor();
  await browser.looks("edge");

  const trace = page.getByRole("form", { name: "Trace an address" });
  await trace.getByRole("textbox").fill("192.0.2.66");
  await page.keyboard.press("Enter");
  await page.getByText(/drop: drop-ban/).waitFor();
  await bans.getByRole("button", { name: "Lift: 192.0.2.66/32" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Lift", exact: true }).click();
  await page.getByText("Nobody is banned.").waitFor();
  assert.deepEqual((await gateway.api("GET", "/edge/bans")).body.bans, []);
  await trace.getByRole("button", { name: "Trace", exact: true }).click();
  await page.getByText(/pass: pass/).waitFor();
  browser.well();
});

test("what is no network is refused in words, and this machine cannot be banned", { skip: left }, async () => {
  const { page } = browser;
  await browser.go("#/edge", "Edge");
  for (const [network, words] of [["here", "`here` is neither an address nor a network"], ["127.0.0.1", /allow/i]]) {
    await page.getByRole("textbox", { name: "Address or network" }).fill(network);
    await page.keyboard.press("Enter");
    await browser.said(words);
  }
  browser.well("422", "409");
});

test("who serves a virtual address is shown", { skip: left }, async () => {
  const { page } = browser;
  await gateway.api("POST", "/cluster", { name: "ring" });
  await gateway.api("PATCH", "/settings", { path: "edge.steering.addresses", value: ["192.0.2.25"] });
  await browser.go("#/edge", "Edge");
  const members = page.getByRole("grid", { name: "Who serves the virtual addresses" });
  await members.getByRole("row").filter({ hasText: "(this one)" }).getByText(/100(\.0)? %/).waitFor();
  await page.getByRole("grid", { name: "Virtual addresses" }).getByText("192.0.2.25").waitFor();
  await browser.looks("edge-ring");
  browser.well("422", "409");
});

test("without its edge the page says so", { skip: process.env.EDGE ? "left out: here is an edge" : false }, async () => {
  await browser.go("#/edge", "Edge");
  await browser.page.getByText("The edge is not connected").waitFor();
  await browser.looks("edge-away");
});
