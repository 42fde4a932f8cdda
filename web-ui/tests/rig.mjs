// A real gateway (`postern run`), a real browser, no mocks. POSTERN names the program; screenshots go to OUT.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { request as requestTls } from "node:https";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import axe from "@axe-core/playwright";
import { chromium } from "playwright-core";

const AxeBuilder = axe.default ?? axe;
/** What the recipe sets. */
export const given = (name) => process.env[name] ?? assert.fail(`${name} is not set: run ./just test-web, or ./just test-image for the appliance`);
const OUT = given("OUT");
export const PASSWORD = "a password for the browser test";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Waits for a condition; says what was waited for. */
export async function until(what, condition, limit = 60_000) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${limit} ms`);
    await new Promise((go) => setTimeout(go, 100));
  }
}

/** One node, as `run` with its edge where that is permitted, as `node` alone; `extra` is TOML that is put behind what `postern run` needs. */
export class Gateway {
  /** `name`: of the node; `seed`: is given the data folder before the start. */
  static async start(extra = "", role = "run", { name, seed } = {}) {
    const gateway = new Gateway();
    const [smtp, trusted, console_, lmtp, cluster] = await Promise.all([freePort(), freePort(), freePort(), freePort(), freePort()]);
    Object.assign(gateway, { smtp, trusted, console: console_, cluster });
    gateway.base = `https://localhost:${console_}`;
    gateway.data = mkdtempSync(join(tmpdir(), "postern-web-"));
    gateway.run = join(gateway.data, "run");
    writeFileSync(join(gateway.data, "postern.toml"), `
[node]
data_dir = ${JSON.stringify(gateway.data)}
run_dir = ${JSON.stringify(gateway.run)}
hostname = "${name ?? `node-${cluster}.example`}"
cluster_listen = ["127.0.0.1:${cluster}"]
cluster_addresses = ["127.0.0.1:${cluster}"]
[smtp]
listen = ["127.0.0.1:${smtp}"]
trusted_listen = ["127.0.0.1:${trusted}"]
trusted_networks = ["127.0.0.0/8"]
[console]
listen = ["127.0.0.1:${console_}"]
[greylist]
enabled = false
[dns]
enabled = false
[edge]
interfaces = ["lo"]
smtp_ports = [${smtp}]
service_ports = [${smtp}, ${trusted}, ${console_}]
allow = ["127.0.0.0/8", "::1/128"]
[[domains]]
name = "nowhere.example"
backends = [{ host = "127.0.0.1", port = ${lmtp}, protocol = "smtp", tls = "off" }]
[[domains]]
name = "example.net"
backends = [{ host = "127.0.0.1", port = 2524, protocol = "lmtp", tls = "off" }]
${extra}`);
    seed?.(gateway.data);
    return gateway.again(role);
  }

  /** Starts it, the first time or after an end. */
  async again(role = "run") {
    const args = role === "run" ? ["run", "--data", this.data] : ["node", "--settings", join(this.data, "postern.toml")];
    this.child = spawn(given("POSTERN"), args, { stdio: ["ignore", "pipe", "pipe"] });
    this.log = "";
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on("data", (text) => (this.log += text));
    await until("the node", () => {
      assert.equal(this.child.exitCode, null, this.log);
      return this.api("GET", "/healthz", undefined, "").then((a) => a.status === 200, () => false);
    });
    return this;
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGTERM");
      await once(this.child, "exit");
    }
  }

  /** As a power cut: nothing is told to anybody. */
  async kill() {
    this.child.kill("SIGKILL");
    await once(this.child, "exit");
  }

  async end() {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Stands in for the appliance's role `os`: what it answers to each question. */
  os(answer) {
    const talk = (socket) => createInterface({ input: socket }).on("line", (line) => socket.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`)).on("error", () => undefined);
    return createServer(talk).listen(join(this.run, "os.sock"));
  }

  /** The node's unix socket: no login is needed there. */
  api(method, path, body, prefix = "/api/v1") {
    return new Promise((done, failed) => {
      const asked = request({ socketPath: join(this.run, "node.sock"), method, path: prefix + path, headers: body === undefined ? {} : { "content-type": "application/json" } }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (piece) => (text += piece)).on("end", () => done({ status: answer.statusCode, body: text && answer.headers["content-type"]?.includes("json") ? JSON.parse(text) : text }));
      });
      asked.on("error", failed);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** HTTPS, as anybody on the network: with a login's cookie and CSRF token, or without. */
  web(method, path, body, login = {}) {
    return new Promise((done, failed) => {
      const headers = { ...(body === undefined ? {} : { "content-type": "application/json" }), ...(login.cookie ? { cookie: login.cookie, "x-postern-csrf": login.csrf } : {}) };
      const asked = requestTls(`${this.base}/api/v1${path}`, { method, headers, rejectUnauthorized: false }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (piece) => (text += piece)).on("end", () => {
          const json = text && answer.headers["content-type"]?.includes("json") ? JSON.parse(text) : text;
          done({ status: answer.statusCode, body: json, login: { cookie: answer.headers["set-cookie"]?.[0].split(";")[0], csrf: json?.csrf } });
        });
      });
      asked.on("error", failed);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** All that the built-in sink has, undone from quoted-printable. */
  delivered() {
    const folder = join(this.data, "sink");
    const files = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()) : [];
    return files.map((f) => readFileSync(join(f.parentPath ?? f.path, f.name), "latin1").replace(/=\r?\n/g, "").replaceAll("=3D", "="));
  }

  /** What the node itself wrote to an address. */
  letters(to) {
    return this.delivered().filter((text) => text.includes(`<${to}>`) && /^From: .*postern@/im.test(text));
  }

  /** Says SMTP; resolves with the reply to the data. */
  async send(mail, { from = "a@client.example", to = ["b@example.net"], port = this.trusted } = {}) {
    const socket = connect(port, "127.0.0.1").setEncoding("utf8");
    let held = "";
    socket.on("data", (text) => (held += text));
    const say = async (line) => {
      if (line !== null) socket.write(`${line}\r\n`);
      const reply = await until(`a reply to ${line?.slice(0, 40)}`, () => held.match(/^\d{3} .*\r\n/m));
      held = "";
      return reply[0];
    };
    await say(null);
    await say("EHLO client.example");
    for (const line of [`MAIL FROM:<${from}>`, ...to.map((t) => `RCPT TO:<${t}>`)]) assert.match(await say(line), /^250/);
    assert.match(await say("DATA"), /^354/);
    const reply = await say(`${mail}\r\n.`);
    await say("QUIT");
    socket.destroy();
    return reply;
  }
}

/** The code of an authenticator (RFC 6238), so many steps from now. */
export const codeOf = (secret, steps = 0) => {
  const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))).update(step).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
};

/** A time of day as `users.digest_at` has it: the next full minute. */
export const nextMinute = () => new Date(Math.ceil((Date.now() + 1) / 60_000) * 60_000);
export const timeOfDay = (date) => date.toISOString().slice(11, 16);

export const plain = (subject, to = "b@example.net") =>
  `From: Anna <a@client.example>\r\nTo: ${to}\r\nSubject: ${subject}\r\nMessage-ID: <${encodeURIComponent(subject)}@client.example>\r\nDate: Fri, 27 Nov 2026 08:00:00 +0000\r\n\r\nShall we meet at noon?`;

/** What a hostile sender writes wherever he may; nothing of it may become anything but text. */
export const HOSTILE = `<script>window.hit=1</script><img src=x onerror="window.hit=1">`;
export const hostile = () => [
  `From: "${HOSTILE.replaceAll('"', "'")}" <evil@client.example>`, "To: b@example.net", `Subject: ${HOSTILE} now`, "Message-ID: <hostile@client.example>", "Date: Fri, 27 Nov 2026 08:00:00 +0000",
  "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/html", "",
  `<p>Hello ${HOSTILE} <img src="https://tracker.example/pixel.png"><a href="http://evil.example/x">your bank</a></p>`, "--b",
  "Content-Type: application/octet-stream", `Content-Disposition: attachment; filename="${HOSTILE.replaceAll('"', "'")}.exe"`, "Content-Transfer-Encoding: base64", "", "TVqQAAMAAAAEAAAA//8AALgAAAAA", "--b--"].join("\r\n");

/** A browser that is logged in, and what went wrong in it. */
export class Browser {
  static async open(gateway, options = {}) {
    const browser = new Browser();
    mkdirSync(OUT, { recursive: true });
    browser.base = gateway.base;
    browser.troubles = [];
    browser.process = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
    const context = await browser.process.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
    browser.page = await context.newPage();
    browser.page.setDefaultTimeout(30_000);
    browser.page.on("console", (message) => message.type() === "error" && browser.troubles.push(message.text()));
    browser.page.on("pageerror", (error) => browser.troubles.push(String(error)));
    browser.page.on("request", (request) => new URL(request.url()).origin === gateway.base || browser.troubles.push(`a request to ${request.url()}`));
    return browser;
  }

  /** Logs in, with a password that is set before. */
  static async logIn(gateway, options, name = "admin") {
    assert.equal((await gateway.api("PUT", `/admins/${name}/password`, { password: PASSWORD })).status, 200);
    const browser = await Browser.open(gateway, options);
    await browser.page.goto(`${gateway.base}/ui/`);
    await browser.enter(name, PASSWORD);
    await browser.entered();
    browser.troubles.length = 0; // the 401 of the first question
    return browser;
  }

  /** Fills in the login. */
  async enter(name, password) {
    await this.page.getByRole("textbox", { name: "Name" }).fill(name);
    await this.page.getByLabel("Password").fill(password);
    await this.page.keyboard.press("Enter");
  }

  /** Changes the password of one use that was printed; what is asked for at a first login before anything else. */
  async choose(printed) {
    await this.page.getByRole("heading", { name: "Choose a password" }).waitFor();
    await this.page.getByLabel("One-time password").fill(printed);
    await this.page.locator("#new").fill(PASSWORD);
    await this.page.locator("#repeat").fill(PASSWORD);
    await this.page.keyboard.press("Enter");
  }

  /** The pages are there. */
  entered() {
    return this.page.getByRole("navigation", { name: "Pages" }).waitFor({ state: "attached" });
  }

  async go(fragment, heading) {
    await this.page.goto(`${this.base}/ui/${fragment}`);
    if (heading) await this.page.getByRole("heading", { level: 1, name: heading }).waitFor();
  }

  /** No violation of level serious or above, nothing that scrolls sideways; and a picture of the page. */
  async accessible(name) {
    // Colours on their way from one theme to the other are neither's.
    await this.page.evaluate(async () => {
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
      const ends = document.getAnimations().filter((a) => Number.isFinite(a.effect?.getComputedTiming().endTime));
      await Promise.allSettled(ends.map((a) => a.finished));
    });
    const found = await new AxeBuilder({ page: this.page }).analyze();
    const bad = found.violations.filter((v) => v.impact === "serious" || v.impact === "critical");
    assert.deepEqual(bad.map((v) => [v.id, v.nodes.map((n) => n.html)]), [], name);
    assert.equal(await this.page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth), false, `${name} scrolls sideways`);
    const cut = () => [...document.querySelectorAll("#main :is(input, select, textarea, button, a)")].filter((e) => e.getBoundingClientRect().right > innerWidth && !e.closest(".postern-scroll, pre")).map((e) => e.outerHTML.slice(0, 200));
    assert.deepEqual(await this.page.evaluate(cut), [], `${name}: what one uses is cut off at the right`);
    await this.page.screenshot({ path: join(OUT, `${name}.png`) });
  }

  /** A page in all its looks: light, dark, German on a phone; and back. */
  async looks(name) {
    await this.accessible(`${name}-light`);
    const dark = this.page.getByRole("button", { name: /Dark theme|Dunkles Design/ });
    await dark.click();
    await this.accessible(`${name}-dark`);
    await this.page.getByRole("button", { name: "Deutsch" }).click();
    await this.page.setViewportSize({ width: 360, height: 740 });
    await this.page.getByRole("button", { name: "English" }).waitFor();
    await this.accessible(`${name}-small-german`);
    await this.page.setViewportSize({ width: 1280, height: 900 });
    await this.page.getByRole("button", { name: "English" }).click();
    await dark.click();
  }

  /** The policy was kept, no other host was asked, nothing failed. A 4xx or 5xx that a test asks for is named. */
  well(...expected) {
    assert.deepEqual(this.troubles.filter((t) => !expected.some((e) => t.includes(e))), []);
  }

  /** What the page says at its corner. */
  said(text) {
    return this.page.locator(".pf-v6-c-alert-group").getByText(text).first().waitFor();
  }

  close() {
    return this.process?.close();
  }
}

export const initialPassword = (gateway) => readFileSync(join(gateway.data, "initial-password"), "utf8").trim();
