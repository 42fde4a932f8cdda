// The built-in page. No framework, no other host. Everything a sender wrote goes through textContent only: `el` knows no HTML.
"use strict";

const main = document.getElementById("main");
const said = document.getElementById("said");
let csrf = null;
let oneTime = false;
let timer = null;
let turn = 0;

function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

function say(text, bad) {
  const line = el("p", { class: bad ? "error" : null }, text);
  said.append(line);
  while (said.children.length > 4) said.firstChild.remove();
  setTimeout(() => line.remove(), bad ? 12000 : 5000);
}

class Refused extends Error {}

async function api(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && csrf) headers["x-postern-csrf"] = csrf;
  const response = await fetch("/api/v1" + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin", redirect: "error" });
  if (response.status === 401 && path !== "/session") {
    csrf = null;
    showLogin();
    throw new Refused("the login has ended");
  }
  if (response.status === 204 || response.status === 201 && response.headers.get("content-length") === "0") return null;
  const type = response.headers.get("content-type") || "";
  const answer = type.includes("json") ? await response.json() : null;
  if (!response.ok) throw new Refused(answer ? [answer.detail, answer.advice].filter(Boolean).join(" ") : "HTTP " + response.status);
  return answer;
}

const query = (values) => {
  const set = Object.entries(values).filter(([, v]) => v !== "" && v !== null && v !== undefined);
  return set.length ? "?" + new URLSearchParams(set).toString() : "";
};

const when = (ms) => (ms ? new Date(ms).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" }) : "");
const moment = (ms) => (ms ? new Date(ms).toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }) : "");
const number = (n) => Number(n || 0).toLocaleString();
function octets(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  let value = Number(n || 0);
  while (value >= 1000 && at < units.length - 1) { value /= 1000; at += 1; }
  return (at === 0 ? value : value.toFixed(1)) + " " + units[at];
}
function span(seconds) {
  const d = Math.floor(seconds / 86400), h = Math.floor(seconds / 3600) % 24, m = Math.floor(seconds / 60) % 60;
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min` : `${seconds} s`;
}
const known = new Set(["accept", "tag", "quarantine", "defer", "reject", "discard", "delivered", "failed", "released", "deleted", "held", "waiting"]);
const mark = (word) => el("span", { class: "mark " + (known.has(word) ? word : "") }, word);

function table(columns, rows, empty) {
  if (!rows.length) return el("p", { class: "soft" }, empty);
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, columns.map((c) => el("th", { class: c.class === "number" ? "number" : null, scope: "col" }, c.name)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((c) => el("td", { class: c.class }, c.show(row))))))));
}

const tile = (label, value) => el("div", { class: "tile" }, el("b", {}, value), el("span", {}, label));

function button(text, kind, act) {
  const node = el("button", { type: "button", class: kind }, text);
  node.addEventListener("click", async () => {
    node.disabled = true;
    try { await act(); } catch (error) { if (error instanceof Refused) say(error.message, true); else throw error; } finally { node.disabled = false; }
  });
  return node;
}

function field(label, name, properties) {
  return el("label", {}, label, el("input", { name, autocomplete: "off", spellcheck: "false", ...properties }));
}

function pick(label, name, choices, value) {
  const select = el("select", { name }, choices.map((c) => el("option", { value: c, selected: c === value }, c || "any")));
  return el("label", {}, label, select);
}

function form(fields, act, text) {
  const node = el("form", { class: "search" }, fields, el("button", { type: "submit" }, text));
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    try { await act(Object.fromEntries(new FormData(node))); } catch (error) { if (error instanceof Refused) say(error.message, true); else throw error; }
  });
  return node;
}

// Pages

function showLogin() {
  document.getElementById("top").hidden = true;
  clearInterval(timer);
  const box = el("form", { class: "card login" }, el("h1", {}, "Postern"),
    field("Name", "name", { required: true, autocomplete: "username", autofocus: true }),
    field("Password", "password", { type: "password", required: true, autocomplete: "current-password" }),
    el("button", { type: "submit" }, "Log in"), el("p", { class: "error", role: "alert" }));
  box.addEventListener("submit", async (event) => {
    event.preventDefault();
    const alert = box.querySelector("[role=alert]");
    alert.textContent = "";
    try {
      await api("POST", "/session", Object.fromEntries(new FormData(box)));
      await begin();
    } catch (error) {
      alert.textContent = error.message;
      box.querySelector("[type=password]").select();
    }
  });
  main.replaceChildren(box);
  box.querySelector("input").focus();
}

function bars(counters) {
  const actions = ["accept", "tag", "quarantine", "defer", "reject", "discard"];
  const first = Math.floor(Date.now() / 3600000) - 23;
  const hours = Array.from({ length: 24 }, () => ({}));
  for (const c of counters) {
    const at = Math.floor(c.hour / 3600000) - first;
    if (at >= 0 && at < 24 && c.name.startsWith("action:")) hours[at][c.name.slice(7)] = c.count;
  }
  const highest = Math.max(1, ...hours.map((h) => actions.reduce((sum, a) => sum + (h[a] || 0), 0)));
  const chart = el("div", { class: "bars", role: "img", "aria-label": "Mails of the last 24 hours, by what was done with them" });
  hours.forEach((h, at) => {
    const total = actions.reduce((sum, a) => sum + (h[a] || 0), 0);
    const column = el("div", { title: `${new Date((first + at) * 3600000).toLocaleTimeString(undefined, { timeStyle: "short" })}: ${total} mails` });
    for (const a of actions) {
      if (!h[a]) continue;
      const piece = el("i", { class: a });
      piece.style.height = (100 * h[a] / highest) + "%";
      column.append(piece);
    }
    chart.append(column);
  });
  return el("section", {}, el("h2", {}, "Last 24 hours"), chart, el("div", { class: "legend" }, actions.map((a) => el("span", { class: a }, "■ " + a))));
}

async function overview() {
  const [status, counters] = await Promise.all([api("GET", "/status"), api("GET", "/counters")]);
  const edge = await api("GET", "/edge").catch(() => null);
  const count = (name) => (status.counters.find((c) => c.name === name) || {}).count || 0;
  const parts = [el("h1", {}, status.hostname || "Overview"),
    status.ready ? null : el("section", { class: "error" }, "The node takes no mail: it is starting or stopping."),
    status.backup_trouble ? el("section", { class: "error" }, "The last backup failed: " + status.backup_trouble) : null,
    status.spool_trouble ? el("section", { class: "error" }, "The spool takes no mail: " + status.spool_trouble) : null,
    el("div", { class: "tiles" }, tile("accepted since the start", number(count("action:accept"))), tile("tagged", number(count("action:tag"))),
      tile("quarantined", number(count("action:quarantine"))), tile("rejected", number(count("action:reject"))), tile("deferred", number(count("action:defer"))),
      tile("in the queue", number(status.queue.mails)), tile("held in quarantine", number(status.quarantined)),
      tile("dropped packets", edge ? number(edge.counters.filter((c) => c.drops).reduce((s, c) => s + c.packets, 0)) : "no edge"), tile("bans", edge ? number(edge.bans) : "no edge")),
    bars(counters.counters),
    el("section", {}, el("h2", {}, "Node"), el("dl", {},
      el("dt", {}, "Version"), el("dd", {}, status.version), el("dt", {}, "Running for"), el("dd", {}, span(status.uptime_seconds)),
      el("dt", {}, "Delivered, deferred, failed"), el("dd", {}, [status.queue.delivered, status.queue.deferred, status.queue.failed].map(number).join(", ")),
      el("dt", {}, "Spool"), el("dd", {}, `${number(status.spool.mails)} mails, ${octets(status.spool.octets)} of segments`),
      el("dt", {}, "Edge"), el("dd", {}, edge ? edge.interfaces.map((i) => `${i.name}: ${i.mode}`).join(", ") || "no interface is guarded" : "not connected")))];
  return { parts, every: 5000 };
}

const summaryColumns = [
  { name: "Time", class: "when", show: (j) => el("a", { href: "#mail/" + j.mail, title: when(j.at) }, moment(j.at)) },
  { name: "From", class: "address", show: (j) => j.sender || "<>" },
  { name: "To", class: "address", show: (j) => j.recipients.slice(0, 3).join(", ") + (j.recipients.length > 3 ? ` and ${j.recipients.length - 3} more` : "") },
  { name: "Subject", class: "wide", show: (j) => j.subject || "" },
  { name: "Score", class: "number", show: (j) => j.score.toFixed(1) },
];

function pager(next, more) {
  return next === null || next === undefined ? null : el("div", { class: "row" }, button("Older", "quiet", () => more(next)));
}

async function tracking(given) {
  const asked = Object.fromEntries(new URLSearchParams(given || ""));
  const results = el("section", {}, el("p", { class: "soft" }, "…"));
  const columns = [...summaryColumns, { name: "Action", show: (j) => mark(j.action) }, { name: "Reason", show: (j) => j.reason }];
  const load = async (before) => {
    const page = await api("GET", "/journeys" + query({ ...asked, before }));
    const silent = page.silent.length ? el("p", { class: "error", role: "alert" }, "Did not answer, so their mails are not here: " + page.silent.join(", ")) : null;
    results.replaceChildren(...[silent, table(columns, page.journeys, "No mail like that."), pager(page.next, load)].filter(Boolean));
  };
  const search = form([
    field("Sender", "sender", { value: asked.sender || "" }), field("Recipient", "recipient", { value: asked.recipient || "" }),
    field("Words of the subject", "subject", { value: asked.subject || "" }), field("Message-ID", "message_id", { value: asked.message_id || "" }),
    field("Client address", "client", { value: asked.client || "" }), field("Mail id", "mail", { value: asked.mail || "" }),
    pick("Action", "action", ["", "accept", "tag", "quarantine", "defer", "reject", "discard"], asked.action || ""),
    field("Reason", "reason", { value: asked.reason || "" }),
  ], async (values) => {
    const next = "#tracking" + query(values);
    if (location.hash === next) await load(); else location.hash = next;
  }, "Search");
  await load();
  return { parts: [el("h1", {}, "Tracking"), el("section", {}, search), results] };
}

function hits(verdict) {
  return table([
    { name: "Score", class: "number", show: (h) => Number(h.score).toFixed(2) },
    { name: "Symbol", show: (h) => h.symbol },
    { name: "Seen", show: (h) => h.evidence },
  ], verdict.hits, "No symbol fired.");
}

function step(s) {
  const rest = Object.entries(s).filter(([k, v]) => !["at", "event", "verdict"].includes(k) && v !== null && v !== "");
  return el("li", {}, el("span", { class: "soft" }, when(s.at)), el("div", {}, el("b", {}, s.event.replaceAll("-", " ")),
    rest.length ? el("div", { class: "soft" }, rest.map(([k, v]) => `${k}: ${typeof v === "object" ? JSON.stringify(v) : v}`).join(" · ")) : null,
    s.verdict ? el("div", {}, el("p", {}, mark(s.verdict.action), ` ${s.verdict.reason}, score ${Number(s.verdict.score).toFixed(2)}`), hits(s.verdict)) : null));
}

function facts(j) {
  const rows = [["Mail id", j.mail], ["From", j.sender || "<>"], ["Header From", j.from_header], ["To", j.recipients.join(", ")], ["Subject", j.subject], ["Message-ID", j.message_id],
    ["Client", j.client], ["Size", octets(j.size)], ["Score", j.score.toFixed(2)], ["Reason", j.reason]];
  return el("dl", {}, rows.filter(([, v]) => v).flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
}

async function mail(id) {
  const journey = await api("GET", "/journeys/" + encodeURIComponent(id));
  return { parts: [el("h1", {}, "Mail ", id), journey.summary ? el("section", {}, facts(journey.summary)) : null,
    el("section", {}, el("h2", {}, "What happened"), el("ol", { class: "steps" }, journey.steps.map(step)))] };
}

const release = async (id) => {
  await api("POST", `/quarantine/${encodeURIComponent(id)}/release`);
  say("Released: it is being delivered.");
};
const remove = async (id) => {
  if (!confirm("Delete this mail for good?")) throw new Refused("Nothing was deleted.");
  await api("DELETE", "/quarantine/" + encodeURIComponent(id));
  say("Deleted.");
};

async function quarantine(given) {
  if (given && !given.includes("=")) return quarantined(given);
  const asked = Object.fromEntries(new URLSearchParams(given || ""));
  const results = el("section", {});
  const columns = [{ ...summaryColumns[0], show: (m) => el("a", { href: "#quarantine/" + m.mail, title: when(m.at) }, moment(m.at)) }, ...summaryColumns.slice(1),
    { name: "Reason", show: (m) => m.reason }, { name: "State", show: (m) => mark(m.state) },
    { name: "", class: "acts", show: (m) => m.state === "held" ? [button("Release", "quiet", async () => { await release(m.mail); await load(); }), button("Delete", "bad", async () => { await remove(m.mail); await load(); })] : [] }];
  const load = async (before) => {
    const page = await api("GET", "/quarantine" + query({ ...asked, before }));
    results.replaceChildren(table(columns, page.mails, "Nothing here."), ...[pager(page.next, load)].filter(Boolean));
  };
  const search = form([field("Text", "text", { value: asked.text || "" }), field("Recipient", "recipient", { value: asked.recipient || "" }),
    pick("State", "state", ["held", "released", "deleted", "all"], asked.state || "held")], async (values) => { location.hash = "#quarantine" + query(values); }, "Search");
  await load();
  return { parts: [el("h1", {}, "Quarantine"), el("section", {}, search), results] };
}

async function quarantined(id) {
  const view = await api("GET", "/quarantine/" + encodeURIComponent(id));
  const back = () => { location.hash = "#quarantine"; };
  return { parts: [el("h1", {}, "Quarantined mail"),
    el("section", {}, facts({ ...view.mail, client: null }), el("div", { class: "row" }, mark(view.mail.state),
      view.mail.state === "held" ? [button("Release", "", async () => { await release(id); back(); }), button("Delete", "bad", async () => { await remove(id); back(); })] : null,
      el("a", { href: "#mail/" + view.mail.mail }, "What happened to it"))),
    el("section", {}, el("h2", {}, "Text"), el("pre", { tabindex: "0" }, view.text || "no text")),
    view.urls.length ? el("section", {}, el("h2", {}, "Where its links lead"), el("pre", { tabindex: "0" }, view.urls.join("\n"))) : null,
    el("section", {}, el("h2", {}, "Parts"), table([{ name: "Part", show: (p) => p.number || "whole" }, { name: "Declared", show: (p) => p.content_type },
      { name: "Looks like", show: (p) => p.true_type }, { name: "Name", show: (p) => p.filename || "" }, { name: "Size", class: "number", show: (p) => octets(p.size) }], view.parts, "None.")),
    el("section", {}, el("h2", {}, "Header"), table([{ name: "Field", show: (h) => h.name }, { name: "Value", show: (h) => h.value }], view.headers, "None."))] };
}

async function queue() {
  const page = await api("GET", "/queue?limit=200");
  const act = (what, m) => async () => {
    const done = await api("POST", "/queue/" + what, { filter: { ids: [m.id] } });
    say(done.changed ? "Done." : done.busy ? "It is being sent at this moment." : "That cannot be done with this mail.", !done.changed);
    await route();
  };
  const columns = [{ name: "Since", class: "when", show: (m) => el("a", { href: "#mail/" + m.id, title: when(m.accepted) }, moment(m.accepted)) }, { name: "Status", show: (m) => mark(m.status) },
    { name: "From", class: "address", show: (m) => m.sender || "<>" }, { name: "To", class: "address", show: (m) => m.recipients.map((r) => r.address).slice(0, 3).join(", ") },
    { name: "Last reply", class: "wide", show: (m) => { const r = m.recipients.find((x) => x.last); return r ? `${r.last.host}: ${r.last.reply}` : ""; } },
    { name: "Next try", class: "when", show: (m) => { const next = m.recipients.map((r) => r.next_attempt).filter(Boolean); return next.length ? moment(Math.min(...next)) : ""; } },
    { name: "", class: "acts", show: (m) => [m.status === "held" ? button("Release", "quiet", act("release", m)) : button("Retry", "quiet", act("retry", m)),
      button("Return", "quiet", act("return", m)), button("Delete", "bad", async () => { if (confirm("Delete this mail without telling anybody?")) await act("delete", m)(); })] }];
  return { parts: [el("h1", {}, "Queue"), el("section", {}, el("p", { class: "soft" }, `${number(page.total)} mails`), table(columns, page.mails, "Everything is delivered."))] };
}

async function edge() {
  const [status, bans] = await Promise.all([api("GET", "/edge"), api("GET", "/edge/bans?limit=500")]);
  const samples = await api("GET", "/edge/samples?limit=20");
  const adding = form([field("Address or network", "network", { required: true, placeholder: "192.0.2.66" }), field("For how long", "duration", { placeholder: "1d" }), field("Why", "evidence", {})],
    async (v) => { await api("POST", "/edge/bans", { network: v.network, duration: v.duration || null, evidence: v.evidence }); say("Banned."); await route(); }, "Ban");
  const tracing = form([field("Address", "address", { required: true })], async (v) => {
    const t = await api("GET", "/edge/trace" + query(v));
    trace.replaceChildren(el("p", {}, mark(t.action), " " + t.reason), el("pre", {}, t.steps.join("\n")));
  }, "Trace");
  const trace = el("div", {});
  return { parts: [el("h1", {}, "Edge"),
    el("section", {}, el("h2", {}, "Counters"), table([{ name: "Reason", show: (c) => c.name }, { name: "Packets", class: "number", show: (c) => number(c.packets) }, { name: "Octets", class: "number", show: (c) => octets(c.octets) }], status.counters, "None.")),
    el("section", {}, el("h2", {}, "Bans"), adding, table([{ name: "Network", show: (b) => b.network }, { name: "Reason", show: (b) => b.reason }, { name: "Until", class: "when", show: (b) => when(b.until) },
      { name: "By", show: (b) => b.by }, { name: "Did", show: (b) => b.evidence },
      { name: "", class: "acts", show: (b) => button("Lift", "quiet", async () => { await api("DELETE", "/edge/bans" + query({ network: b.network })); say("Lifted."); await route(); }) }], bans.bans, "Nobody is banned.")),
    el("section", {}, el("h2", {}, "Would a packet pass?"), tracing, trace),
    el("section", {}, el("h2", {}, "Feeds"), table([{ name: "Feed", show: (f) => f.name }, { name: "Entries", class: "number", show: (f) => number(f.entries) }, { name: "Loaded", class: "when", show: (f) => when(f.loaded) }, { name: "Trouble", show: (f) => f.error || "" }], status.feeds, "No feeds are set up.")),
    el("section", {}, el("h2", {}, "Samples of dropped packets"), table([{ name: "Time", class: "when", show: (s) => when(s.at) }, { name: "From", show: (s) => s.source }, { name: "Port", class: "number", show: (s) => s.port }, { name: "Reason", show: (s) => s.reason }], samples.samples, "None."))] };
}

async function cluster() {
  const [c, duty] = await Promise.all([api("GET", "/cluster"), api("GET", "/node/duty")]);
  const here = el("section", {}, el("h2", {}, "This node"), el("p", {}, mark(duty.duty), duty.duty === "serving" ? "" : ` ${duty.waits_for.join(", ")} ${duty.safe_to_power_off ? "It may be powered off." : ""}`),
    duty.duty === "serving" ? button("Drain", "quiet", async () => { if (confirm("Take no more mail on this node and hand its queue to the others?")) { await api("POST", "/node/drain"); await route(); } })
      : button("Take mail again", "quiet", async () => { await api("POST", "/node/resume"); await route(); }));
  if (!c.member) {
    const joining = form([field("Token from a member", "token", { required: true })], async (v) => { await api("POST", "/cluster/join", v); say("Joined."); await route(); }, "Join");
    const founding = form([field("Name", "name", {})], async (v) => { await api("POST", "/cluster", v); say("Founded."); await route(); }, "Make a cluster");
    return { parts: [el("h1", {}, "Cluster"), here, el("section", {}, el("p", { class: "soft" }, "This node is in no cluster."), founding, joining)] };
  }
  const [conflicts, history] = await Promise.all([api("GET", "/cluster/conflicts"), api("GET", "/cluster/history?limit=30")]);
  const name = (id) => (c.members.find((m) => m.id === id) || { name: (id || "").slice(0, 8) }).name;
  const token = el("div", {});
  const invite = button("Invite a node", "quiet", async () => {
    const made = await api("POST", "/cluster/invitations", {});
    token.replaceChildren(el("p", {}, `For one node, until ${when(made.expires)}:`), el("pre", {}, "postern cluster join " + made.token));
  });
  const columns = [{ name: "Node", show: (m) => m.name }, { name: "Link", show: (m) => (m.this ? "this node" : m.connected ? `${m.round_trip_ms === null ? "" : m.round_trip_ms.toFixed(1) + " ms"}` : mark("down")) },
    { name: "Duty", show: (m) => mark(m.duty) }, { name: "Queued", class: "number", show: (m) => number(m.queued) }, { name: "Free", class: "number", show: (m) => octets(m.free) },
    { name: "Version", show: (m) => m.version }, { name: "Trouble", class: "wide", show: (m) => [m.trouble, ...m.problems].filter(Boolean).join(", ") },
    { name: "", class: "acts", show: (m) => (m.this ? "" : button("Remove", "bad", async () => { if (confirm(`Remove ${m.name} for ever?`)) { await api("DELETE", "/cluster/members/" + m.id); await route(); } })) }];
  const refused = c.refused ? el("section", { class: "error", role: "alert" }, el("h2", {}, "The shared settings cannot be used here"),
    el("p", {}, `The last good ones are in force. ${c.refused.author} changed them on ${name(c.refused.node)}:`), el("ul", {}, c.refused.problems.map((p) => el("li", {}, `${p.path}: ${p.message}`)))) : null;
  const copies = c.copies;
  return { every: 5000, parts: [el("h1", {}, "Cluster " + c.name), refused, el("section", {}, el("h2", {}, "Members"), table(columns, c.members, "None."), invite, token), here,
    el("section", {}, el("h2", {}, "Copies of mails"), el("p", {}, `${number(copies.shadowed)} accepted with a copy, ${number(copies.unshadowed)} without, ${number(copies.lacking)} lack one now; ${number(copies.held)} held for others, ${number(copies.taken_over)} taken over.`)),
    conflicts.conflicts.length ? el("section", {}, el("h2", {}, "Set on two nodes at once"), table([{ name: "Setting", show: (k) => k.path },
      { name: "Values", class: "wide", show: (k) => k.values.map((v, i) => `${JSON.stringify(v.value)} by ${v.author} on ${name(v.node)}${i ? "" : " (in force)"}`).join("; ") }], conflicts.conflicts, "")) : null,
    el("section", {}, el("h2", {}, "Changes"), table([{ name: "Time", class: "when", show: (v) => when(v.at) }, { name: "By", show: (v) => v.author }, { name: "On", show: (v) => name(v.node) }, { name: "Why", class: "wide", show: (v) => v.message },
      { name: "", class: "acts", show: (v) => button("Undo", "quiet", async () => { const done = await api("POST", "/cluster/undo", { version: v.hash }); say(done.left.length ? "Done, but for " + done.left.join(", ") : "Done."); await route(); }) }], history.versions, "None."))].filter(Boolean) };
}

async function account() {
  const trail = await api("GET", "/audit?limit=50");
  const me = el("input", { type: "text", name: "", autocomplete: "username", value: document.getElementById("who").textContent, hidden: true });
  const change = form([me, field("Old password", "old", { type: "password", required: true, autocomplete: "current-password" }), field("New password, 10 characters or more", "new", { type: "password", required: true, minlength: 10, autocomplete: "new-password" })],
    async (v) => { await api("PUT", "/session/password", { old: v.old, new: v.new }); oneTime = false; say("The password is changed; other logins have ended."); await route(); }, "Change");
  return { parts: [el("h1", {}, "Account"), el("section", {}, el("h2", {}, "Password"), change),
    el("section", {}, el("h2", {}, "Who did what"), table([{ name: "Time", class: "when", show: (e) => when(e.at) }, { name: "Who", show: (e) => e.who }, { name: "From", show: (e) => e.address }, { name: "Did", show: (e) => e.action }, { name: "What", show: (e) => e.subject }], trail.entries, "Nothing yet."))] };
}

const pages = { overview, tracking, mail, quarantine, queue, edge, cluster, account };

async function route(isRefresh) {
  const mine = ++turn;
  const hash = location.hash.slice(1) || "overview";
  const at = hash.search(/[/?]/);
  const name = at < 0 ? hash : hash.slice(0, at);
  const given = at < 0 ? "" : hash.slice(at + 1);
  const page = Object.hasOwn(pages, name) ? pages[name] : overview;
  for (const a of document.querySelectorAll("nav a")) {
    if (a.getAttribute("href") === "#" + (name === "mail" ? "tracking" : name)) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  clearInterval(timer);
  let shown;
  try {
    shown = await page(given);
  } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof TypeError)) throw error;
    if (csrf === null) return;
    shown = { parts: [el("section", { class: "error", role: "alert" }, error.message)], every: isRefresh === true ? 5000 : 0 };
  }
  if (mine !== turn) return;
  const banner = oneTime && name !== "account" ? el("section", { class: "banner" }, "This password was made by the node. ", el("a", { href: "#account" }, "Please change it.")) : null;
  main.replaceChildren(...[banner, ...shown.parts].filter(Boolean));
  if (isRefresh !== true) { main.focus({ preventScroll: true }); document.title = "Postern: " + name; }
  if (shown.every) timer = setInterval(() => { if (!document.hidden) route(true); }, shown.every);
}

async function begin() {
  let session;
  try { session = await api("GET", "/session"); } catch (error) { showLogin(); return; }
  csrf = session.csrf;
  document.getElementById("who").textContent = session.name;
  document.getElementById("top").hidden = false;
  oneTime = session.one_time_password;
  await route();
}

window.addEventListener("hashchange", () => { if (csrf) route(); });
document.getElementById("logout").addEventListener("click", async () => {
  try { await api("DELETE", "/session"); } finally { csrf = null; showLogin(); }
});
begin();
