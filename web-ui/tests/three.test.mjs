// Three nodes, one console: every page with what all of them have; then one dies while its mail is shown.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, hostile, plain, until } from "./rig.mjs";

let nodes = [], browser;
before(async () => {
  nodes = [await Gateway.start(), await Gateway.start("", "node"), await Gateway.start("", "node")];
  const [first, ...others] = nodes;
  assert.equal((await first.api("POST", "/cluster", { name: "three" })).status, 201);
  for (const node of others) {
    const { token } = (await first.api("POST", "/cluster/invitations", {})).body;
    assert.equal((await node.api("POST", "/cluster/join", { token })).status, 200);
  }
  await until("all to know each other", async () => (await first.api("GET", "/cluster")).body.members.filter((m) => m.connected).length === 2);
  for (const [at, node] of nodes.entries()) {
    assert.match(await node.send(plain(`Came to node ${at}`)), /^250/);
    assert.match(await node.send(hostile().replace("hostile@", `hostile${at}@`), { from: "evil@client.example", port: node.smtp }), /^250/);
  }
  await until("the quarantine of all three", async () => (await first.api("GET", "/quarantine")).body.mails.length === 3);
  browser = await Browser.logIn(first);
});
after(async () => {
  await browser?.close();
  for (const node of nodes) await node.end();
});

test("every page can be used and is well", async () => {
  const { page } = browser;
  const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
  await links.first().waitFor({ state: "attached" });
  const fragments = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  assert.ok(fragments.length > 12, fragments.join());
  for (const fragment of fragments) {
    await browser.go(fragment);
    await page.waitForFunction(() => document.querySelector("#main h1") && !document.querySelector("#main :is([aria-busy=true], [role=progressbar])"));
    await browser.accessible(`three-${fragment.slice(2)}`);
  }
  await browser.go("#/cluster", "three");
  assert.equal(await page.getByRole("grid", { name: "Nodes" }).getByText("connected", { exact: true }).count(), 2);
  await browser.go("#/tracking?subject=Came", "Tracking");
  await page.getByRole("grid", { name: "Mails" }).getByRole("link").nth(2).waitFor();
  assert.equal(await page.getByRole("grid", { name: "Mails" }).getByRole("link").count(), 3);
  // There is no role `os` here, which the page System asks.
  browser.well("503");
});

test("a node dies while its mail is shown: the page says what is still there, and the mail is not lost", async () => {
  const { page } = browser;
  const [first, , third] = nodes;
  const own = (await third.api("GET", "/cluster")).body.members.find((m) => m.this).id;
  const theirs = (await first.api("GET", "/quarantine")).body.mails.find((m) => m.holder === own);
  assert.ok(theirs, "its mail in the first one's index");
  await browser.go(`#/quarantine/${theirs.mail}`);
  await page.getByText("http://evil.example/x", { exact: true }).waitFor();
  await third.kill();
  await until("it to be missed", async () => (await first.api("GET", "/cluster")).body.members.some((m) => !m.this && !m.connected));
  await page.reload();
  await page.getByRole("heading", { level: 1 }).waitFor();
  // A copy of it lies with another node.
  await page.getByText("http://evil.example/x", { exact: true }).waitFor();
  await browser.accessible("three-dead");
  await page.getByRole("button", { name: "Release", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release", exact: true }).click();
  await browser.said("Released: on its way.");
  await until("it at the mail server", () => first.delivered().some((letter) => letter.includes("<hostile2@")));
  // What was shown is asked for once more, and is no longer held.
  browser.well("404", "503");
});
