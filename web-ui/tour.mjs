// The pictures of docs/tour.md: a cluster of three real nodes, the first with nine days of mail (the program TOUR writes them), and a real browser.
// POSTERN and TOUR name the programs, OUT is where the pictures go.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { Browser, Gateway, plain, until } from "./tests/rig.mjs";

const { TOUR, OUT } = process.env;
/** Octets of one picture, and of all. */
const [ONE, ALL] = [120_000, 1_500_000];
const SETTINGS = `
[[domains]]
name = "example.org"
backends = [{ host = "127.0.0.1", port = 2524, protocol = "lmtp", tls = "off" }]
[[domains]]
name = "school.example"
backends = [{ host = "127.0.0.1", port = 2524, protocol = "lmtp", tls = "off" }]
[[domains]]
name = "town.example"
backends = [{ host = "127.0.0.1", port = 2524, protocol = "lmtp", tls = "off" }]
[[policy.lists]]
name = "partners"
entries = ["partner.example", "*.partner.example", "builders.example"]
[[policy.rules]]
name = "No programs"
what.attachment_names = ["*.exe", "*.js"]
action.decide = "quarantine"
[[policy.rules]]
name = "Partners are trusted with their score"
who.authors = ["list:partners"]
what.dmarc = ["pass"]
action.thresholds = { tag = 8.0, quarantine = 12.0, reject = 20.0 }
[[policy.rules]]
name = "Invoices at night wait"
who.recipients = ["accounting@example.org"]
what.subject = ["invoice"]
when = { from = "20:00", until = "06:00" }
action.decide = "quarantine"
[users]
enabled = true
url = "https://mail.example.org:8443"
[reports]
schedule = "weekly"
recipients = ["management@example.org"]
[alerts]
recipients = ["oncall@example.org"]
off = ["sandbox-away", "edge-not-guarding"]
`;
const PHISH = ["From: \"Customer Service\" <service@paypa1.example>", "To: erika.muster@example.org", "Subject: Your account is limited", "Message-ID: <limited@paypa1.example>", `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`, "MIME-Version: 1.0",
  "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/html; charset=utf-8", "",
  "<p>Dear customer,</p><p>we have seen an unusual sign-in. Please <a href=\"http://paypa1.example/login\">https://www.paypal.com/confirm</a> within 24 hours, or your account will be suspended.</p><img src=\"https://tracker.example/pixel.png\">", "--b",
  "Content-Type: application/octet-stream", "Content-Disposition: attachment; filename=\"statement.pdf.exe\"", "Content-Transfer-Encoding: base64", "", "TVqQAAMAAAAEAAAA//8AALgAAAAA", "--b--"].join("\r\n");

test("the pictures of the tour", async (t) => {
  assert.ok(TOUR, "run ./just tour: it sets TOUR");
  mkdirSync(OUT, { recursive: true });
  const nodes = [await Gateway.start(SETTINGS, "run", { name: "mx1.example.org", seed: (data) => execFileSync(TOUR, ["--data", data]) })];
  t.after(async () => { for (const node of nodes) await node.end(); });
  const [first] = nodes;
  assert.equal((await first.api("POST", "/cluster", { name: "example.org gateways" })).status, 201);
  for (const name of ["mx2.example.org", "mx3.example.org"]) {
    const node = await Gateway.start("", "node", { name });
    nodes.push(node);
    const { body } = await first.api("POST", "/cluster/invitations", { lifetime: "1h" });
    assert.equal((await node.api("POST", "/cluster/join", { token: body.token })).status, 200);
  }
  await until("all are connected", async () => (await first.api("GET", "/cluster")).body.members.filter((m) => m.connected).length === 2);
  assert.match(await first.send(PHISH, { from: "bounce@paypa1.example", to: ["erika.muster@example.org"], port: first.smtp }), /^250/);
  assert.match(await first.send(plain("Minutes of Tuesday"), { from: "anna.meier@partner.example", to: ["erika.muster@example.org"] }), /^250/);

  const browser = await Browser.logIn(first, { viewport: { width: 1280, height: 800 } });
  t.after(() => browser.close());
  const { page } = browser;
  let all = 0;
  /** What is on the page, when this is there; in as few colours as the eye needs. */
  const picture = async (name, there, height = 800) => {
    await there.first().waitFor();
    await page.setViewportSize({ width: 1280, height });
    await page.evaluate(() => document.querySelectorAll(".pf-v6-c-alert-group").forEach((said) => said.remove()));
    const file = join(OUT, `${name}.png`);
    await page.screenshot({ path: file });
    execFileSync("pngquant", ["--quality=60-95", "--speed=1", "--strip", "--force", "--output", file, file]);
    const { size } = statSync(file);
    assert.ok(size < ONE, `${name}: ${size} octets`);
    all += size;
  };
  const chart = page.locator(".postern-chart canvas");
  await browser.go("#/overview", "mx1.example.org");
  await page.getByText("Nothing is wrong.").waitFor();
  await picture("overview", chart, 1150);
  await browser.go("#/tracking?recipient=erika.muster%40example.org", "Tracking");
  await picture("tracking", page.getByRole("grid", { name: "Mails" }).getByRole("link"));
  await page.getByRole("grid", { name: "Mails" }).getByRole("row").filter({ hasText: "account is limited" }).first().getByRole("link").click();
  await picture("mail", page.getByRole("heading", { level: 2, name: "What happened" }), 1500);
  await browser.go("#/quarantine", "Quarantine");
  const held = page.getByRole("grid", { name: "Mails in the quarantine" });
  await picture("quarantine", held.getByRole("link"));
  await held.getByRole("link").first().click();
  await picture("held-mail", page.getByRole("button", { name: "Release", exact: true }), 1150);
  await browser.go("#/policy", "Policy");
  await picture("policy", page.getByText("Invoices at night wait"));
  await browser.go("#/cluster", "example.org gateways");
  await picture("cluster", page.getByRole("grid", { name: "Nodes" }).getByText("mx3.example.org"));
  const day = (back) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
  await browser.go(`#/reports?first=${day(7)}&last=${day(1)}`, "Report ");
  await picture("reports", chart, 1150);
  await browser.go("#/backups", "Backups");
  await picture("backups", page.getByRole("heading", { level: 2, name: "Keys" }));
  await browser.go("#/settings/filter", "Settings");
  await picture("settings", page.getByRole("heading", { level: 2, name: "filter", exact: true }));

  // What the people who receive mail see: by a link that came to them.
  assert.equal((await first.api("POST", "/user/links", { address: "erika.muster@example.org" })).status, 202);
  const letter = await until("the link", () => first.letters("erika.muster@example.org").find((text) => text.includes("#/own/")));
  await page.goto("about:blank");
  await page.goto(`${first.base}/ui/#/own/${letter.match(/#\/own\/([a-z0-9]+)/i)[1]}`);
  await page.getByRole("main").getByRole("button").first().click();
  await picture("own", page.getByText("Your account is limited"));
  assert.ok(all < ALL, `${all} octets`);
  console.log(`${all} octets`);
});
