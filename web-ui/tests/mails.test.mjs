// Tracking and quarantine, with a mail that is hostile in every field its sender controls.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, hostile, HOSTILE, plain, until } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start();
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

/** Nothing that a sender wrote became more than text. */
const harmless = async () => {
  assert.equal(await browser.page.evaluate(() => window.hit), undefined, "a script of a mail ran");
  assert.equal(await browser.page.locator("#main img, #main iframe, #main a[href^='http']").count(), 0, "something of a mail became an element");
};

test("tracking finds a mail by its sender and shows its whole way, with each symbol", async () => {
  const { page } = browser;
  await gateway.send(plain("Lunch on Friday"), { from: "anna@client.example" });
  await gateway.send(plain("Something else"), { from: "other@elsewhere.example" });
  await browser.go("#/tracking", "Tracking");
  await page.getByRole("textbox", { name: "Sender" }).fill("anna@client.example");
  await page.keyboard.press("Enter");
  const mails = page.getByRole("grid", { name: "Mails" });
  await until("one mail", async () => (await mails.getByRole("row").count()) === 2);
  await mails.getByText("Lunch on Friday").waitFor();
  await browser.looks("tracking");
  await mails.getByRole("link").click();
  await page.getByRole("heading", { level: 1, name: "Lunch on Friday" }).waitFor();
  await page.getByText("Delivered", { exact: true }).waitFor();
  const journey = await gateway.api("GET", `/journeys?sender=anna@client.example`);
  const { body } = await gateway.api("GET", `/journeys/${journey.body.journeys[0].mail}`);
  const hits = body.steps.find((s) => s.verdict).verdict.hits;
  assert.ok(hits.length > 0, "the mail had no symbol to show");
  for (const hit of hits) await page.getByText(hit.symbol, { exact: true }).first().waitFor();
  await browser.looks("mail");
  browser.well();
});

test("a mail that nobody knows is said to be unknown", async () => {
  await browser.go("#/tracking/00000000000000000000000000");
  await browser.page.getByRole("alert").getByText("nothing is known of mail").waitFor();
  browser.well("404");
  browser.troubles.length = 0;
});

test("a hostile mail in the quarantine is text: in the list, the preview, the parts and the header", async () => {
  const { page } = browser;
  assert.match(await gateway.send(hostile(), { from: "evil@client.example", port: gateway.smtp }), /^250/);
  await browser.go("#/quarantine", "Quarantine");
  await page.getByRole("grid", { name: "Mails in the quarantine" }).getByText(HOSTILE).waitFor();
  await harmless();
  await browser.looks("quarantine");
  await page.getByRole("grid", { name: "Mails in the quarantine" }).getByRole("link").click();
  await page.getByRole("heading", { level: 1, name: HOSTILE }).waitFor();
  await page.getByText("http://evil.example/x", { exact: true }).waitFor();
  await page.getByRole("grid", { name: "Parts", exact: true }).getByText(`${HOSTILE.replaceAll('"', "'")}.exe`).waitFor();
  await page.getByRole("button", { name: /Header fields/ }).click();
  await page.getByText(`${HOSTILE} now`).last().waitFor();
  await harmless();
  await browser.looks("quarantined");
  await page.getByRole("link", { name: "Its journey" }).click();
  await page.getByText("Put into quarantine").waitFor();
  await harmless();
  browser.well();
});

test("ten megabytes of HTML are shown by their beginning, at once, and nothing in them runs", async () => {
  const { page } = browser;
  const tricks = ["<style>@import url(//tracker.example/a.css); #main { display: none; }</style>", `<div style="position: fixed; inset: 0; background: url(//tracker.example/b)">over all</div>`, `<svg onload="window.hit=1">`, `<iframe srcdoc="<script>parent.hit=1</script>">`, `<a href="javascript:window.hit=1">here</a>`];
  const html = ["<p>It begins so.", ...tricks, "<table>".repeat(20_000), `<p>${"Many words that nobody reads. ".repeat(25)}${tricks.join("")}`.repeat(10_000)].join("\r\n");
  assert.ok(html.length > 10_000_000, `${html.length}`);
  const whole = hostile().replace("<hostile@", "<vast@").replace("<p>Hello", () => html.replace(/.{900}/g, "$&\r\n"));
  assert.match(await gateway.send(whole, { from: "vast@client.example", port: gateway.smtp }), /^250/);
  const [{ mail }] = (await gateway.api("GET", "/quarantine?text=vast@client.example")).body.mails;
  const began = Date.now();
  await browser.go(`#/quarantine/${mail}`);
  await page.getByText("It begins so.").waitFor();
  assert.ok(Date.now() - began < 5_000, `${Date.now() - began} ms`);
  const view = JSON.stringify((await gateway.api("GET", `/quarantine/${mail}`)).body);
  assert.ok(view.length < 200_000, `${view.length} characters of answer`);
  await harmless();
  await page.getByRole("button", { name: /Header fields/ }).click();
  assert.equal((await gateway.api("DELETE", `/quarantine/${mail}`)).status, 204);
  browser.well();
});

test("a quarantined mail is released and delivered, another deleted, some at once", async () => {
  const { page } = browser;
  const list = page.getByRole("grid", { name: "Mails in the quarantine" });
  const delivered = () => gateway.delivered().some((letter) => letter.includes("hostile@client.example"));
  await browser.go("#/quarantine", "Quarantine");
  await list.getByRole("button", { name: "Release", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release", exact: true }).click();
  await browser.said("Released: on its way.");
  await until("its delivery", delivered);
  await page.getByText("Nothing here.").waitFor();

  for (let n = 0; n < 3; n += 1) await gateway.send(hostile().replace("hostile@", `h${n}@`), { from: `evil${n}@client.example`, port: gateway.smtp });
  await browser.go("#/quarantine?text=evil", "Quarantine");
  await until("three mails", async () => (await list.getByRole("row").count()) === 4);
  await list.getByRole("checkbox", { name: "Select all" }).check();
  await page.getByText("3 chosen").waitFor();
  await page.getByRole("button", { name: "Delete", exact: true }).first().click();
  await browser.accessible("quarantine-ask");
  // Nothing is done before somebody says so.
  await page.keyboard.press("Escape");
  assert.equal((await gateway.api("GET", "/quarantine")).body.mails.length, 3);
  await page.getByRole("button", { name: "Delete and learn", exact: true }).first().click();
  await page.getByRole("dialog").getByText("learns that it is spam").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Delete and learn", exact: true }).click();
  await browser.said("Done with 3.");
  assert.equal((await gateway.api("GET", "/audit?action=learn.spam")).body.entries.length, 3);
  assert.equal((await gateway.api("GET", "/quarantine")).body.mails.length, 0);
  browser.well();
});
