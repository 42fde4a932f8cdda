// Reports: any days, sent, kept, as a PDF and on paper; with a sender who writes markup.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser, Gateway, PASSWORD, plain, until } from "./rig.mjs";

const EVIL = `"<img/src=x onerror=window.hit=1>"@evil.example`;
const RULES = `
[[policy.rules]]
name = "held back"
who.senders = ["evil.example"]
action.decide = "quarantine"
`;
const today = () => new Date().toISOString().slice(0, 10);
let gateway, browser;
before(async () => {
  gateway = await Gateway.start(RULES);
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

/** What a PDF says, by a reader of PDFs. */
const read = (file) => execFileSync("pdftotext", ["-layout", file, "-"], { encoding: "utf8" });

test("a report about today is shown, sent, kept, saved and printed", async () => {
  const { page } = browser;
  for (let n = 0; n < 5; n += 1) assert.match(await gateway.send(plain(`Lunch ${n}`), { port: gateway.smtp }), /^250/);
  for (let n = 0; n < 2; n += 1) assert.match(await gateway.send(plain("Win"), { from: EVIL, port: gateway.smtp }), /^250/);
  await until("all is delivered", async () => (await gateway.api("GET", "/status")).body.queue.delivered === 5);

  await browser.go("#/reports", "Report ");
  await page.getByText("No report is sent by itself.").waitFor();
  await page.getByText("Nobody gets reports").waitFor();
  assert.ok(await page.getByRole("button", { name: "Send now" }).isDisabled());
  await page.getByRole("button", { name: "Today so far" }).click();
  await page.getByRole("heading", { level: 1, name: `Report ${today()}` }).waitFor();
  await page.getByRole("img", { name: "Mails by what was done with them" }).waitFor();
  const senders = page.getByRole("region", { name: "Senders of most mails" });
  await senders.getByText(EVIL).waitFor();
  await senders.getByText("100 %").waitFor();
  await page.getByRole("region", { name: "Mails from outside by domain" }).waitFor({ state: "attached" });
  assert.equal(await page.evaluate(() => window.hit), undefined, "what a sender wrote ran");
  await page.getByRole("button", { name: "Figures as a table" }).first().click();
  await page.getByRole("region", { name: "Figures as a table: Mails by what was done with them" }).getByText("5", { exact: true }).waitFor();

  await gateway.api("PATCH", "/settings", { path: "reports.recipients", value: ["boss@example.net"] });
  await page.reload();
  await browser.looks("reports");
  await page.getByRole("button", { name: "Send now" }).click();
  const asking = page.getByRole("dialog");
  await asking.getByText("It goes to boss@example.net").waitFor();
  await browser.accessible("reports-send");
  await asking.getByRole("button", { name: "Send now" }).click();
  await browser.said("The report is on its way.");
  await until("the mail", () => gateway.letters("boss@example.net").some((text) => text.includes("application/pdf") && text.includes("Mail report")));

  // Kept, and the same again.
  await page.getByRole("grid", { name: "Reports that were sent" }).getByRole("link").click();
  await page.getByRole("heading", { level: 1, name: `Report ${today()}` }).waitFor();
  await senders.getByText(EVIL).waitFor();
  const saved = page.waitForEvent("download");
  await page.getByRole("link", { name: "PDF" }).click();
  const download = await saved;
  assert.equal(download.suggestedFilename(), `postern-${today()}-${today()}.pdf`);
  const said = read(await download.path());
  for (const words of ["Mail report", EVIL, "Held back", `node-${gateway.cluster}.example`]) assert.ok(said.includes(words), `no ${words} in ${said}`);

  // On paper: the report, and nothing to click.
  const paper = join(process.env.OUT, "reports-print.pdf");
  writeFileSync(paper, await page.pdf({ preferCSSPageSize: true }));
  const printed = read(paper);
  for (const words of [`Report ${today()}`, "Mails by what was done with them", EVIL, "Available"]) assert.ok(printed.includes(words), `no ${words} in ${printed}`);
  for (const words of ["Send now", "Log out", "Reports that were sent", "Quarantine\n\nQueue"]) assert.ok(!printed.includes(words), `${words} in ${printed}`);
  assert.ok(readFileSync(paper).length < 3_000_000);
  // The overview behind the login may have asked the edge before it was there.
  browser.well("503");
});

test("days that are none are said, and an auditor sends nothing", async () => {
  const { page } = browser;
  await browser.go("#/reports?first=2026-02-02&last=2026-02-01");
  await page.getByRole("alert").getByText("the first day lies behind the last").waitFor();
  browser.well("400", "503");
  browser.troubles.length = 0;

  assert.equal((await gateway.api("POST", "/admins", { name: "alf", password: PASSWORD, role: "auditor" })).status, 201);
  const auditor = await Browser.logIn(gateway, {}, "alf");
  await auditor.go("#/reports", "Report ");
  await auditor.page.getByRole("button", { name: "Print" }).waitFor();
  assert.equal(await auditor.page.getByRole("button", { name: "Send now" }).count(), 0);
  auditor.well();
  await auditor.close();
});
