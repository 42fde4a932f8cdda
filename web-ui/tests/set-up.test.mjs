// An appliance that nobody has set up: its questions come before everything else, and can wait. The role `os` is stood in for at its socket.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, PASSWORD } from "./rig.mjs";

let gateway, browser, role;
let machine = "";

function answer(question) {
  switch (question.do) {
    case "machine": return { reply: "text", text: machine };
    case "put-machine":
      machine = question.text;
      return { reply: "changed", files: ["/etc/hostname"] };
    default: return { reply: "done" };
  }
}

before(async () => {
  gateway = await Gateway.start();
  role = gateway.os(answer);
  assert.equal((await gateway.api("PUT", "/admins/admin/password", { password: PASSWORD })).status, 200);
  browser = await Browser.open(gateway);
});
after(async () => {
  await browser?.close();
  role?.close();
  await gateway?.end();
});

test("the questions of a first boot; a bad answer is told, and later is possible", async () => {
  const { page } = browser;
  await page.goto(`${gateway.base}/ui/`);
  await browser.enter("admin", PASSWORD);
  await page.getByRole("heading", { name: "Set this machine up" }).waitFor();
  await browser.accessible("set-up");

  await page.getByLabel("Fully qualified name").fill("mx1");
  await page.getByRole("button", { name: "Set up", exact: true }).click();
  // Without a card (the tests' own network has none) that is what it says.
  const told = page.getByRole("alert").getByText(/fully qualified|there is no network card/);
  await told.first().waitFor();
  assert.equal(machine, "");

  await page.getByRole("button", { name: "Later" }).click();
  await browser.entered();
});
