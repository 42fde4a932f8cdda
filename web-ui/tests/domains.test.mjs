// Domains: where mail goes, how it stands, and the mail servers tried on demand.
import { after, before, test } from "node:test";

import { Browser, Gateway, plain, until } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start(`[[domains]]
name = "*.example.edu"
recipient_check = "table"
recipients = ["erika@mail.example.edu"]
backends = [{ host = "no-such-host.invalid" }]
[[delivery.smarthosts]]
host = "no-such-host.invalid"
`);
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

test("a mail server that is gone is seen, and what it says when it is tried", async () => {
  const { page } = browser;
  await gateway.send(plain("Waits", "b@nowhere.example"), { to: ["b@nowhere.example"] });
  await browser.go("#/domains", "Domains");
  const list = page.getByRole("grid", { name: "Domains" });
  const row = (text) => list.getByRole("row").filter({ hasText: text });
  await row("nowhere.example").getByText("cannot be reached").waitFor();
  await row("nowhere.example").getByText(/Connection refused/).waitFor();
  await row("all domains below example.edu").getByText("1 in a table").waitFor();
  await row("smarthosts").getByText("no-such-host.invalid:25").waitFor();

  // The node's own sink takes mail for example.net, and knows no such thing as TLS.
  await page.getByLabel("Domain", { exact: true }).selectOption({ label: "example.net" });
  await page.getByLabel("Would it take mail to").fill("erika@example.net");
  await page.getByRole("button", { name: "Try now" }).click();
  const said = page.getByRole("grid", { name: "What they said" });
  await said.getByText("takes mail", { exact: true }).waitFor();
  await said.getByText(/in reply to RCPT/).waitFor();
  await said.getByText("in clear").waitFor();
  await browser.looks("domains");

  await page.getByLabel("Domain", { exact: true }).selectOption({ label: "nowhere.example" });
  await page.getByRole("button", { name: "Try now" }).click();
  await said.getByText(/Connection refused/).waitFor();
  await page.getByLabel("Domain", { exact: true }).selectOption({ label: "all domains below example.edu" });
  await page.getByRole("button", { name: "Try now" }).click();
  await said.getByText(/no-such-host.invalid: /).waitFor();
  await page.getByRole("link", { name: "Change" }).click();
  await page.getByRole("heading", { level: 1, name: "Settings" }).waitFor();
  await until("the settings of domains", async () => (await page.getByLabel("name").first().inputValue()) !== "");
  // The first page asked the edge before it was there.
  browser.well("503");
});
