// Two nodes, one console: founding, inviting, the mails and the quarantine of the other, settings, draining, removing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, Gateway, hostile, plain, until } from "./rig.mjs";

let first, second, browser;
before(async () => {
  first = await Gateway.start();
  second = await Gateway.start("", "node");
  browser = await Browser.logIn(first);
});
after(async () => {
  await browser?.close();
  await second?.end();
  await first?.end();
});

test("a cluster is made, a node invited, and it is seen", async () => {
  const { page } = browser;
  await browser.go("#/cluster", "Cluster");
  await browser.looks("cluster-alone");
  await page.getByRole("textbox", { name: "Name" }).fill("gateways");
  await page.getByRole("button", { name: "Make the cluster" }).click();
  await page.getByRole("heading", { level: 1, name: "gateways" }).waitFor();
  await page.getByRole("button", { name: "Invite a node" }).click();
  const token = await page.getByRole("textbox", { name: "Token" }).inputValue();
  const joined = await second.api("POST", "/cluster/join", { token });
  assert.equal(joined.status, 200, JSON.stringify(joined.body));
  const nodes = page.getByRole("grid", { name: "Nodes" });
  await nodes.getByText("connected", { exact: true }).waitFor();
  await until("the invitation to be used up", async () => (await first.api("GET", "/cluster/invitations")).body.invitations.length === 0);
  await browser.looks("cluster");
  browser.well();
});

test("a mail that the other node took is tracked, shown and released from here", async () => {
  const { page } = browser;
  assert.match(await second.send(plain("Came to the second")), /^250/);
  assert.match(await second.send(hostile(), { from: "evil@client.example", port: second.smtp }), /^250/);
  const other = (await first.api("GET", "/cluster")).body.members.find((m) => !m.this).name;
  await browser.go("#/tracking?subject=second", "Tracking");
  await page.getByRole("grid", { name: "Mails" }).getByText(other, { exact: true }).waitFor();
  await page.getByRole("grid", { name: "Mails" }).getByRole("link").click();
  await page.getByRole("heading", { level: 2, name: "What happened" }).waitFor();
  await page.getByText(` · ${other}`).first().waitFor();

  await until("the row of the other's quarantine", async () => (await first.api("GET", "/quarantine")).body.mails.length === 1);
  await browser.go("#/quarantine", "Quarantine");
  await page.getByRole("grid", { name: "Mails in the quarantine" }).getByText(other, { exact: true }).waitFor();
  await page.getByRole("grid", { name: "Mails in the quarantine" }).getByRole("link").click();
  await page.getByText("http://evil.example/x", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Release", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release", exact: true }).click();
  await browser.said("Released: on its way.");
  await until("the other to have released it", async () => (await second.api("GET", "/quarantine?state=released")).body.mails.length === 1);
  browser.well();
});

test("what the other node changed is in the history, is shown, and is taken back", async () => {
  const { page } = browser;
  const tag = async () => (await first.api("GET", "/settings")).body.settings.filter.thresholds.tag;
  assert.equal((await second.api("PATCH", "/settings", { path: "filter.thresholds.tag", value: 4.5, message: "less patience" })).status, 200);
  await until("the setting here", async () => (await tag()) === 4.5);
  await browser.go("#/overview");
  await browser.go("#/cluster", "gateways");
  const change = page.getByRole("grid", { name: "History of shared settings" }).getByRole("row").filter({ hasText: "less patience" }).first();
  await change.getByRole("button", { name: "Show", exact: true }).click();
  await change.getByText("filter.thresholds.tag").waitFor();
  await browser.accessible("cluster-history");
  await change.getByRole("button", { name: "Undo", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undo", exact: true }).click();
  await browser.said("Taken back.");
  assert.equal(await tag(), 5);
  browser.well();
});

test("this node is drained and takes mail again; the other is removed when its name was written", async () => {
  const { page } = browser;
  await browser.go("#/cluster", "gateways");
  await page.getByRole("button", { name: "Drain", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Drain", exact: true }).click();
  await page.getByText("drained", { exact: true }).first().waitFor();
  await page.getByRole("button", { name: "Take mail again" }).click();
  await browser.said("This node takes mail again.");

  const other = (await first.api("GET", "/cluster")).body.members.find((m) => !m.this).name;
  await page.getByRole("button", { name: `Remove: ${other}` }).click();
  const remove = page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true });
  assert.equal(await remove.isDisabled(), true);
  await page.getByRole("dialog").getByRole("textbox").fill(other);
  await remove.click();
  await browser.said(`${other} is removed.`);
  assert.equal((await first.api("GET", "/cluster")).body.members.length, 1);
  browser.well();
});
