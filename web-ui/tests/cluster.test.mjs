// Two nodes, one console: founding, inviting, the mails and the quarantine of the other, settings, draining, removing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Browser, codeOf, Gateway, hostile, nextMinute, PASSWORD, plain, timeOfDay, until } from "./rig.mjs";

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
  await page.getByRole("grid", { name: "Mails in the quarantine" }).getByText(`on ${other}`, { exact: true }).waitFor();
  await page.getByRole("grid", { name: "Mails in the quarantine" }).getByRole("link").click();
  await page.getByText("http://evil.example/x", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Release", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release", exact: true }).click();
  await browser.said("Released: on its way.");
  await until("the other to have released it", async () => (await second.api("GET", "/quarantine?state=released")).body.mails.length === 1);
  browser.well();
});

test("an authenticator that is set up at one node is asked for at the other, and a code is good once for both", async () => {
  assert.equal((await first.api("POST", "/admins", { name: "totty", password: PASSWORD, role: "auditor" })).status, 201);
  const { login } = await first.web("POST", "/session", { name: "totty", password: PASSWORD });
  const { secret } = (await first.web("POST", "/session/totp/offer", undefined, login)).body;
  const made = await first.web("PUT", "/session/totp", { secret, code: codeOf(secret), password: PASSWORD }, login);
  assert.equal(made.status, 200, JSON.stringify(made.body));
  const attempt = (node, code) => node.web("POST", "/session", { name: "totty", password: PASSWORD, code });
  await until("the second node to ask for a code", async () => (await attempt(second)).body.type === "urn:postern:problem:code-needed");
  const code = codeOf(secret, 1);
  assert.equal((await attempt(second, code)).status, 200);
  assert.equal((await attempt(first, code)).body.detail, "the code is wrong, or was used already");
  const recovery = made.body.recovery_codes[0];
  assert.equal((await attempt(first, recovery)).status, 200);
  assert.equal((await attempt(second, recovery)).status, 401);
  assert.equal((await second.api("DELETE", "/admins/totty/totp")).status, 204);
  await until("the first node to ask for none", async () => (await attempt(first)).status === 200);
});

test("a digest comes once to each, whichever node sends it, and a link of one node is good at the other", async () => {
  const users = ["d1", "d2", "d3", "d4", "d5", "d6"].map((name) => `${name}@example.net`);
  const set = async (path, value, further = []) => assert.equal((await first.api("PATCH", "/settings", { path, value, further, message: "digests" })).status, 200);
  await set("users.url", first.base, [{ path: "users.enabled", value: true }, { path: "users.digest_at", value: [] }]);
  await until("the second node to have it", async () => (await second.api("GET", "/settings")).body.settings.users.enabled);
  assert.match(await second.send(hostile().replace("hostile@", "digested@"), { from: "evil@client.example", to: users, port: second.smtp }), /^250/);
  await until("a mail for each of them", async () => {
    const held = (await first.api("GET", "/quarantine")).body.mails.map((m) => m.recipients.join());
    return users.every((user) => held.includes(user));
  });
  const slot = nextMinute();
  await set("users.digest_at", [timeOfDay(slot)]);
  await until("a digest for each", () => users.every((user) => first.letters(user).length > 0), 150_000);
  // Both nodes have looked twice by then.
  await until("the time at which none could come any more", () => Date.now() > slot.getTime() + 50_000);
  assert.deepEqual(users.map((user) => first.letters(user).length), users.map(() => 1));
  const sent = [first, second].map((node) => node.log.match(/a digest is on its way/g)?.length ?? 0);
  assert.equal(sent[0] + sent[1], users.length, `sent by each: ${sent}`);
  const link = first.letters(users[0])[0].match(/#\/own\/([a-z2-7]+)/)[1];
  const open = (node) => node.web("POST", "/user/session", { link });
  const [one, other] = [await open(second), await open(first)];
  assert.deepEqual([one.status, one.body.address, other.status], [200, users[0], 401]);
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
