// The machine. The node and the console are real; the appliance's role `os`, which only runs on the appliance, is stood in for at its
// socket by what it would answer (./just test-image has the real one).
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser, Gateway, until } from "./rig.mjs";

let gateway, browser, role;
const asked = [];
const status = {
  version: "1.0.0", medium: "a", data: "kept", firmware: "uefi", set_up: "installer", trouble: null, guarded: ["eth0 native"], update: { state: "none" },
  slots: [{ name: "a", running: true, wanted: true, on_trial: false, tries_left: 3 }, { name: "b", running: false, wanted: false, on_trial: false, tries_left: null }],
  last_update: { from: "0.9.0", to: "1.0.0", slot: "a", outcome: "good", why: "" },
};
let machine = 'name = "gw1"\n';

function answer(question) {
  asked.push(question.do);
  switch (question.do) {
    case "status": return { reply: "status", status };
    case "machine": return { reply: "text", text: machine };
    case "put-machine":
      machine = question.text;
      return { reply: "changed", files: ["/etc/hostname"] };
    case "update":
      status.update = { state: "ready", version: "1.1.0" };
      return { reply: "done" };
    case "roll-back": return { reply: "refused", why: "slot b is empty" };
    default: return { reply: "done" };
  }
}

before(async () => {
  gateway = await Gateway.start();
  browser = await Browser.logIn(gateway);
});
after(async () => {
  await browser?.close();
  role?.close();
  await gateway?.end();
});

test("a node that is no appliance says so", async () => {
  await browser.go("#/system", "System");
  await browser.page.getByText("This node does not run on the appliance").waitFor();
  await browser.looks("system-away");
  browser.troubles.length = 0; // the 503s that were asked for
});

test("the certificate that is shown, a request for another, and one that is none", async () => {
  const { page } = browser;
  await page.getByText("this node itself: nobody else vouches for it").waitFor();
  await page.getByLabel("Request one for these names").fill("mx1.example.org 192.0.2.10");
  await page.getByRole("button", { name: "Make a request" }).click();
  await page.getByText("BEGIN CERTIFICATE REQUEST").waitFor();
  const chain = page.getByLabel("Certificate chain (PEM), our own first");
  await chain.fill("no certificate");
  // The page asks for the role that is away every three seconds: what was typed stays.
  for (let asked = 0; asked < 2; asked++) await page.waitForResponse((reply) => reply.url().endsWith("/system"));
  assert.equal(await chain.inputValue(), "no certificate");
  await page.getByRole("button", { name: "Show this certificate" }).click();
  await page.getByText("there is no certificate in it").waitFor();
  browser.troubles.length = 0; // the 422 that was asked for
  await browser.accessible("system-certificate");
});

test("health, an update, the machine's settings, restart; a reset only when it was written", async () => {
  const { page } = browser;
  role = gateway.os(answer);
  await page.getByText("Everything works").waitFor();
  await browser.looks("system");

  const bundle = join(gateway.data, "postern-1.1.0.update");
  writeFileSync(bundle, Buffer.alloc(3_000_000, 7));
  await page.getByLabel("Update file").setInputFiles(bundle);
  await page.getByRole("button", { name: "Upload", exact: true }).click();
  await page.getByText("Version 1.1.0 is written; the next start is its trial.").waitFor();

  const fetched = asked.filter((a) => a === "update").length;
  const web = createServer((_, reply) => reply.end(Buffer.alloc(3_000_000, 7))).listen(0, "127.0.0.1");
  await until("the web server", () => web.listening);
  await page.getByLabel("Or its address").fill(`http://127.0.0.1:${web.address().port}/postern-1.1.0.update`);
  await page.getByRole("button", { name: "Fetch" }).click();
  await until("what was fetched", () => asked.filter((a) => a === "update").length > fetched);
  web.close();

  await page.getByRole("textbox", { name: "The machine's own settings" }).fill('name = "gw2"\n');
  await page.getByRole("button", { name: "Put in force" }).click();
  await browser.said("In force; changed: /etc/hostname.");
  assert.equal(machine, 'name = "gw2"\n');

  await page.getByRole("button", { name: "Go back to the other slot" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Go back to the other slot" }).click();
  await browser.said("slot b is empty");
  browser.troubles.length = 0; // the 409 that was asked for

  await page.getByRole("button", { name: "Restart", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restart" }).click();
  await until("the restart", () => asked.includes("reboot"));

  await page.getByRole("button", { name: "Factory reset" }).click();
  const reset = page.getByRole("dialog").getByRole("button", { name: "Factory reset" });
  assert.equal(await reset.isDisabled(), true);
  await browser.accessible("system-reset");
  assert.equal(asked.includes("factory-reset"), false);
  await page.getByRole("dialog").getByRole("textbox").fill("RESET");
  await reset.click();
  await until("the reset", () => asked.includes("factory-reset"));
  browser.well();
});
