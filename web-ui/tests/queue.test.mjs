// The queue: why a mail waits, and what an operator can do.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, plain, until } from "./rig.mjs";

let gateway, browser;
before(async () => {
  gateway = await Gateway.start();
  browser = await Browser.logIn(gateway);
  for (let n = 0; n < 3; n += 1) await gateway.send(plain(`Waits ${n}`, "b@nowhere.example"), { to: ["b@nowhere.example"] });
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

const queue = async (ask = "") => (await gateway.api("GET", `/queue${ask}`)).body.mails;

test("a mail that waits says why; it is held, and let go", async () => {
  const { page } = browser;
  const list = page.getByRole("grid", { name: "Mails in the queue" });
  await browser.go("#/queue", "Queue");
  await until("three mails", async () => (await list.getByRole("row").count()) === 4);
  await browser.looks("queue");
  await list.getByRole("row").filter({ hasText: "Waits 1" }).getByRole("link").click();
  await page.getByRole("heading", { level: 1, name: "Waits 1" }).waitFor();
  await page.getByText("backends of nowhere.example").waitFor();
  await page.getByText(/Connection refused/).first().waitFor();
  await browser.looks("waiting");
  await page.getByRole("button", { name: "Hold", exact: true }).click();
  await browser.said("1 changed.");
  await until("it to be held", async () => (await queue("?status=held")).length === 1);
  await page.getByText("held", { exact: true }).waitFor();

  await browser.go("#/queue?status=held", "Queue");
  await list.getByRole("checkbox").nth(1).check();
  await page.getByRole("button", { name: "Send what is held" }).click();
  await until("it to be let go", async () => (await queue("?status=held")).length === 0);
  browser.well();
});

test("all that match a search are deleted at once, after a question", async () => {
  const { page } = browser;
  await browser.go("#/queue?domain=nowhere.example", "Queue");
  await page.getByRole("checkbox", { name: /Do it with all 3/ }).check();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("dialog").getByText("Delete 3 mails?").waitFor();
  assert.equal((await queue()).length, 3);
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await browser.said("3 changed.");
  await page.getByText("Nothing waits.").waitFor();
  assert.equal((await queue()).length, 0);
  browser.well();
});
