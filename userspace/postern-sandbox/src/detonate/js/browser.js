// The browser that a page's scripts believe to be in: as much of the DOM as pages use that make files, load and lead elsewhere.
(function (host, config) {
  "use strict";
  const { create, defineProperty } = Object;
  const text = (value) => (value === undefined || value === null ? "" : String(value));
  const define = (name, value) => defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  const queue = [];
  const listeners = [];
  const window = globalThis;

  // Text of octets, each a character: as atob gives it.
  const octets = (value) => (value instanceof Blob ? value.data : host.octets(value));
  const array = (data) => { const out = new Uint8Array(data.length); for (let n = 0; n < data.length; n++) out[n] = data.charCodeAt(n); return out; };

  class Blob {
    constructor(parts, options) {
      let data = "";
      for (const part of parts || []) data += octets(part);
      defineProperty(this, "data", { value: data, enumerable: false });
      this.size = data.length;
      this.type = text(options && options.type);
    }
    slice(from, to, type) { const part = new Blob([], { type }); defineProperty(part, "data", { value: this.data.slice(from, to) }); return part; }
    text() { return Promise.resolve(host.utf8(this.data)); }
    arrayBuffer() { return Promise.resolve(array(this.data).buffer); }
    stream() { return { pipeThrough: () => this.stream(), getReader: () => ({ read: () => Promise.resolve({ done: true }) }) }; }
  }
  class File extends Blob { constructor(parts, name, options) { super(parts, options); this.name = text(name); this.lastModified = 0; } }
  class FileReader {
    read(blob, result) { this.result = result(octets(blob)); this.readyState = 2; later(() => { for (const name of ["onload", "onloadend"]) if (typeof this[name] === "function") this[name]({ target: this }); }, 0); }
    readAsDataURL(blob) { this.read(blob, (data) => "data:" + text(blob.type) + ";base64," + host.btoa(data)); }
    readAsText(blob) { this.read(blob, (data) => host.utf8(data)); }
    readAsArrayBuffer(blob) { this.read(blob, (data) => array(data).buffer); }
    readAsBinaryString(blob) { this.read(blob, (data) => data); }
    addEventListener(name, what) { this["on" + name] = what; }
  }
  define("Blob", Blob); define("File", File); define("FileReader", FileReader);
  define("atob", (value) => host.atob(text(value)));
  define("btoa", (value) => host.btoa(text(value)));
  define("TextEncoder", class TextEncoder { encode(value) { return array(host.octets(text(value))); } });
  define("TextDecoder", class TextDecoder { decode(value) { return host.utf8(octets(value)); } });

  // Addresses of things that scripts made.
  const objects = create(null);
  let made = 0;
  class URL {
    constructor(address, base) {
      let whole = text(address);
      if (!/^[a-z][a-z0-9+.-]*:/i.test(whole) && base !== undefined) whole = text(base).replace(/[^/]*$/, "") + whole.replace(/^\//, "");
      const found = /^([a-z][a-z0-9+.-]*:)(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/i.exec(whole);
      if (!found) throw new TypeError("Invalid URL");
      [this.protocol, this.host, this.pathname, this.search, this.hash] = [found[1], found[2] || "", found[3] || "/", found[4] || "", found[5] || ""];
      [this.hostname, this.port] = [this.host.replace(/:\d+$/, "").replace(/^.*@/, ""), (/:(\d+)$/.exec(this.host) || ["", ""])[1]];
      this.origin = this.protocol + "//" + this.host; this.searchParams = new URLSearchParams(this.search); this.href = whole;
    }
    toString() { return this.href; }
    static createObjectURL(blob) { const address = "blob:null/" + ++made; objects[address] = blob; host.record("call", "URL.createObjectURL", text(blob && blob.type) + ", " + ((blob && blob.size) || 0) + " octets"); return address; }
    static revokeObjectURL() {}
  }
  class URLSearchParams {
    constructor(query) {
      this.pairs = [];
      for (const pair of text(query).replace(/^\?/, "").split("&")) if (pair) { const at = pair.indexOf("="); this.pairs.push(at < 0 ? [pair, ""] : [pair.slice(0, at), decodeURIComponent(pair.slice(at + 1).replace(/\+/g, " "))]); }
    }
    get(name) { const found = this.pairs.find((pair) => pair[0] === name); return found ? found[1] : null; }
    has(name) { return this.get(name) !== null; }
    append(name, value) { this.pairs.push([text(name), text(value)]); }
    set(name, value) { this.append(name, value); }
    toString() { return this.pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&"); }
  }
  define("URL", URL); define("URLSearchParams", URLSearchParams); define("webkitURL", URL);

  // What an address leads to: a file that the page made, script, or another place.
  function content(address) {
    if (address in objects) { const blob = objects[address]; return blob instanceof Blob ? blob.data : ""; }
    const found = /^data:([^,]*),(.*)$/s.exec(address);
    if (!found) return undefined;
    return /;base64$/i.test(found[1]) ? host.atob(decodeURIComponent(found[2])) : host.octets(decodeURIComponent(found[2]));
  }
  function go(address, how, name) {
    const whole = text(address);
    if (/^\s*javascript:/i.test(whole)) return void run(whole.replace(/^\s*javascript:/i, ""));
    const data = content(whole);
    if (data === undefined) { if (whole !== "" && whole[0] !== "#") host.record("go", whole, how); }
    else if (name !== undefined || whole in objects) host.hand(text(name) || text(objects[whole] && objects[whole].name), data);
    else if (/^data:text\/html/i.test(whole)) host.page(host.utf8(data));
    else host.hand("", data);
  }

  const location = new Proxy({ protocol: "file:", host: "", hostname: "", port: "", pathname: "/C:/Users/erika/Downloads/" + config.name, search: "", hash: "", origin: "null" }, {
    get(target, key) {
      if (key === "href" || key === "toString") return key === "href" ? "file:///C:/Users/erika/Downloads/" + config.name : () => location.href;
      if (key === Symbol.toPrimitive) return () => location.href;
      if (key === "replace" || key === "assign") return (address) => go(address, "location." + key);
      if (key === "reload") return () => {};
      return target[key];
    },
    set(target, key, value) { if (key === "href") go(value, "location.href"); else target[key] = value; return true; },
  });
  defineProperty(globalThis, "location", { get: () => location, set: (value) => go(value, "location"), configurable: true });

  // Elements: what is written on them stays, what acts is done.
  class Element {
    constructor(tag, attributes, markup, plain) {
      defineProperty(this, "own", { value: { attributes: Object.assign(create(null), attributes), markup: text(markup), plain, listeners: create(null), children: [], parent: null }, enumerable: false });
      this.tagName = this.nodeName = tag.toUpperCase();
      this.style = new Proxy({}, { get: (target, key) => (key in target ? target[key] : key === "setProperty" || key === "removeProperty" ? () => {} : "") });
      this.classList = { add() {}, remove() {}, toggle() {}, contains: () => false, replace() {} };
      this.nodeType = 1; this.checked = false; this.disabled = false;
    }
    get dataset() { const out = {}; for (const name of Object.keys(this.own.attributes)) if (name.startsWith("data-")) out[name.slice(5).replace(/-([a-z])/g, (_, c) => c.toUpperCase())] = this.own.attributes[name]; return out; }
    getAttribute(name) { name = host.lower(text(name)); return name in this.own.attributes ? this.own.attributes[name] : null; }
    hasAttribute(name) { return this.getAttribute(name) !== null; }
    removeAttribute(name) { delete this.own.attributes[host.lower(text(name))]; }
    setAttribute(name, value) { const key = host.lower(text(name)); this.own.attributes[key] = text(value); if (key === "src" || key === "data" || key === "action" || key === "content") this.load(key); }
    get attributes() { return Object.entries(this.own.attributes).map(([name, value]) => ({ name, value, nodeValue: value })); }
    load(name) {
      const address = text(this.own.attributes[name]);
      if (name !== "src" && name !== "data") return;
      const data = content(address);
      if (this.tagName === "SCRIPT") { if (data !== undefined) run(host.utf8(data)); else if (address) host.load("GET " + address, "", "script"); }
      else if (data === undefined) { if (/^(https?:)?\/\//i.test(address)) host.load("GET " + address, "", this.tagName.toLowerCase()); }
      else if (["IFRAME", "EMBED", "OBJECT", "FRAME"].includes(this.tagName)) { if (address in objects) host.hand(text(objects[address].name), data); else if (/^data:text\/html/i.test(address)) host.page(host.utf8(data)); else host.hand("", data); }
      later(() => fire(this, "load"), 0);
    }
    get innerHTML() { return this.own.markup; }
    set innerHTML(value) { this.own.markup = text(value); this.own.plain = undefined; host.page(this.own.markup); }
    get outerHTML() { return this.own.markup; }
    set outerHTML(value) { host.page(text(value)); }
    insertAdjacentHTML(_, value) { host.page(text(value)); }
    get innerText() { return this.own.plain === undefined || this.own.plain === null ? this.own.markup : this.own.plain; }
    set innerText(value) { this.own.markup = text(value); this.own.plain = undefined; }
    get textContent() { return this.innerText; }
    set textContent(value) { this.innerText = value; }
    get text() { return this.innerText; }
    set text(value) { this.innerText = value; }
    get childNodes() { return this.own.children.length ? this.own.children : [{ nodeValue: this.innerText, data: this.innerText, textContent: this.innerText }]; }
    get children() { return this.own.children; }
    get firstChild() { return this.childNodes[0]; }
    get lastChild() { return this.childNodes[this.childNodes.length - 1]; }
    get firstElementChild() { return this.own.children[0] || null; }
    get parentNode() { return this.own.parent || document.body; }
    get parentElement() { return this.parentNode; }
    get ownerDocument() { return document; }
    get contentWindow() { return window; }
    get contentDocument() { return document; }
    get sheet() { return { insertRule() {}, cssRules: [] }; }
    append(...nodes) { for (const node of nodes) if (node instanceof Element) this.appendChild(node); else this.own.markup += text(node); }
    prepend(...nodes) { this.append(...nodes); }
    before(...nodes) { this.append(...nodes); }
    after(...nodes) { this.append(...nodes); }
    appendChild(node) {
      if (!(node instanceof Element)) { if (node && node.data !== undefined) this.own.markup += text(node.data); return node; }
      this.own.children.push(node); node.own.parent = this;
      if (node.tagName === "SCRIPT" && node.own.markup && !node.own.attributes.src) run(node.own.markup);
      if (node.tagName === "META" && /refresh/i.test(text(node.own.attributes["http-equiv"]))) go((/url=['"]?([^'"]+)/i.exec(text(node.own.attributes.content)) || ["", ""])[1], "refresh");
      return node;
    }
    insertBefore(node) { return this.appendChild(node); }
    replaceChild(node, old) { this.appendChild(node); return old; }
    replaceWith(...nodes) { this.append(...nodes); }
    replaceChildren(...nodes) { this.append(...nodes); }
    removeChild(node) { return node; }
    remove() {}
    contains() { return true; }
    cloneNode() { return new Element(this.tagName, this.own.attributes, this.own.markup, this.own.plain); }
    closest() { return this.parentNode; }
    matches() { return false; }
    querySelector(selector) { return document.querySelector(selector); }
    querySelectorAll(selector) { return document.querySelectorAll(selector); }
    getElementsByTagName(name) { return document.getElementsByTagName(name); }
    addEventListener(name, what) { (this.own.listeners[text(name)] ||= []).push(what); if (name === "click") listeners.push([this, what]); if (name === "load" || name === "error") later(() => call(what, this, { type: name, target: this }), 0); }
    attachEvent(name, what) { this.addEventListener(text(name).replace(/^on/, ""), what); }
    removeEventListener() {}
    dispatchEvent(event) { if (event && event.type === "click") this.click(); else fire(this, text(event && event.type)); return true; }
    click() {
      fire(this, "click");
      const href = text(this.own.attributes.href);
      if (href) go(href, "click", "download" in this.own.attributes ? this.own.attributes.download : undefined);
      if (/^(submit|image)$/i.test(text(this.own.attributes.type))) document.forms.forEach((form) => form.submit());
    }
    submit() { host.load(text(this.own.attributes.method || "GET").toUpperCase() + " " + text(this.own.attributes.action), "", "form"); }
    requestSubmit() { this.submit(); }
    focus() {} blur() {} select() {} scrollIntoView() {} setSelectionRange() {} play() {} pause() {} reset() {} showModal() {}
    getBoundingClientRect() { return { top: 0, left: 0, right: 100, bottom: 20, width: 100, height: 20, x: 0, y: 0 }; }
    getContext() { return new Proxy({}, { get: (_, key) => (key === "measureText" ? () => ({ width: 10 }) : key === "getImageData" ? () => ({ data: new Uint8ClampedArray(4) }) : () => undefined), set: () => true }); }
    toDataURL() { return "data:image/png;base64,"; }
    execCommand() { return true; }
    get href() { return text(this.own.attributes.href); }
    set href(value) { this.own.attributes.href = text(value); }
    get onload() { return null; }
    set onload(what) { later(() => call(what, this, { type: "load", target: this }), 0); }
    set onerror(_) {}
    set onclick(what) { this.addEventListener("click", what); }
    get offsetWidth() { return 100; } get offsetHeight() { return 20; } get clientWidth() { return 1280; } get clientHeight() { return 720; }
  }
  for (const name of ["id", "name", "value", "type", "rel", "target", "download", "method", "action", "src", "data", "title", "alt", "content", "httpEquiv", "className", "placeholder", "charset", "async", "defer", "width", "height", "hidden"]) {
    const attribute = name === "httpEquiv" ? "http-equiv" : name === "className" ? "class" : host.lower(name);
    defineProperty(Element.prototype, name, { get() { return text(this.own.attributes[attribute]); }, set(value) { this.setAttribute(attribute, value); }, configurable: true });
  }
  define("Element", Element); define("HTMLElement", Element); define("HTMLAnchorElement", Element); define("Node", Element);

  const call = (what, self, event) => { if (typeof what === "function") what.call(self, Object.assign(event, { preventDefault() {}, stopPropagation() {}, currentTarget: self })); else if (what && typeof what.handleEvent === "function") what.handleEvent(event); };
  const fire = (element, name) => { for (const what of element.own.listeners[name] || []) call(what, element, { type: name, target: element }); };
  const known = config.elements.map((e) => new Element(e.tag, Object.fromEntries(e.attributes), e.markup, e.text));
  const all = (test) => known.filter(test);
  function select(selector) {
    const last = text(selector).split(",")[0].trim().split(/[\s>+~]+/).pop();
    const found = /^([a-z0-9*-]*)((?:[#.][\w-]+|\[[^\]]*\]|:[\w-]+(?:\([^)]*\))?)*)$/i.exec(last);
    if (!found) return [];
    const tag = found[1].toUpperCase();
    const tests = [...found[2].matchAll(/([#.])([\w-]+)|\[([\w-]+)(?:[~|^$*]?=["']?([^"'\]]*)["']?)?\]/g)];
    return all((e) => (tag === "" || tag === "*" || e.tagName === tag) && tests.every(([, kind, name, attribute, value]) =>
      kind === "#" ? e.id === name : kind === "." ? e.className.split(/\s+/).includes(name) : e.hasAttribute(attribute) && (value === undefined || text(e.getAttribute(attribute)).includes(value))));
  }
  const one = (tag) => all((e) => e.tagName === tag)[0] || fresh(tag);
  const fresh = (tag) => { const element = new Element(tag, {}, "", undefined); known.push(element); return element; };

  const document = {
    readyState: "complete", title: "", referrer: "", cookie: "", domain: "", charset: "UTF-8", characterSet: "UTF-8", hidden: false, visibilityState: "visible", compatMode: "CSS1Compat", nodeType: 9,
    createElement: (tag) => new Element(text(tag), {}, "", undefined), createElementNS: (_, tag) => new Element(text(tag), {}, "", undefined),
    createTextNode: (data) => ({ data: text(data), nodeValue: text(data), textContent: text(data) }), createDocumentFragment: () => new Element("fragment", {}, "", undefined), createComment: () => ({}),
    createEvent: () => ({ type: "", initEvent(type) { this.type = type; }, initMouseEvent(type) { this.type = type; }, initCustomEvent(type) { this.type = type; } }), createRange: () => ({ selectNode() {}, selectNodeContents() {}, createContextualFragment: (markup) => { host.page(text(markup)); return fresh("fragment"); } }),
    write: (...values) => host.page(values.map(text).join("")), writeln: (...values) => host.page(values.map(text).join("") + "\n"), open: () => document, close: () => {},
    getElementById: (id) => all((e) => e.id === text(id))[0] || null, getElementsByTagName: (tag) => (text(tag) === "*" ? known : all((e) => e.tagName === text(tag).toUpperCase())),
    getElementsByName: (name) => all((e) => e.name === text(name)), getElementsByClassName: (name) => all((e) => e.className.split(/\s+/).includes(text(name))),
    querySelector: (selector) => select(selector)[0] || null, querySelectorAll: (selector) => select(selector),
    addEventListener: (name, what) => window.addEventListener(name, what), attachEvent: (name, what) => window.addEventListener(text(name).replace(/^on/, ""), what), removeEventListener: () => {}, dispatchEvent: () => true,
    execCommand: () => true, hasFocus: () => true, getSelection: () => ({ removeAllRanges() {}, addRange() {}, toString: () => "" }), exitFullscreen: () => Promise.resolve(), elementFromPoint: () => document.body, importNode: (node) => node, adoptNode: (node) => node,
    styleSheets: [], fonts: { ready: Promise.resolve() }, implementation: { createHTMLDocument: () => document, hasFeature: () => true },
    get body() { return one("BODY"); }, get head() { return one("HEAD"); }, get documentElement() { return one("HTML"); }, get currentScript() { return all((e) => e.tagName === "SCRIPT")[0] || null; }, get activeElement() { return document.body; },
    get forms() { return all((e) => e.tagName === "FORM"); }, get links() { return all((e) => e.tagName === "A"); }, get images() { return all((e) => e.tagName === "IMG"); }, get scripts() { return all((e) => e.tagName === "SCRIPT"); }, get all() { return known; },
    get location() { return location; }, set location(value) { go(value, "document.location"); }, get defaultView() { return window; }, get parentWindow() { return window; }, get URL() { return location.href; },
    set onload(what) { later(() => call(what, document, { type: "load" }), 0); }, set onreadystatechange(what) { later(() => call(what, document, {}), 0); }, set onclick(what) { listeners.push([document, what]); },
  };
  define("document", document);

  // Network: everything is answered, by nothing of anybody's.
  class XMLHttpRequest {
    constructor() { this.readyState = 0; this.status = 0; this.responseType = ""; this.upload = { addEventListener() {} }; defineProperty(this, "own", { value: { listeners: [] }, enumerable: false }); }
    open(method, address) { this.own.what = text(method).toUpperCase() + " " + text(address); this.own.address = text(address); }
    setRequestHeader(name, value) { host.record("call", "XMLHttpRequest.setRequestHeader", text(name) + ": " + text(value)); }
    addEventListener(name, what) { this.own.listeners.push([name, what]); }
    send(body) {
      const data = content(this.own.address);
      const answer = data === undefined ? host.load(this.own.what, body === undefined || body === null ? "" : sent(body), "XMLHttpRequest") : data;
      [this.readyState, this.status, this.statusText, this.responseURL] = [4, 200, "OK", this.own.address];
      this.responseText = answer;
      this.response = this.responseType === "blob" ? new Blob([array(answer)]) : this.responseType === "arraybuffer" ? array(answer).buffer : answer;
      later(() => { for (const name of ["readystatechange", "load", "loadend"]) { if (typeof this["on" + name] === "function") this["on" + name]({ target: this, type: name }); for (const [on, what] of this.own.listeners) if (on === name) call(what, this, { target: this, type: name }); } }, 0);
    }
    abort() {} getResponseHeader() { return null; } getAllResponseHeaders() { return ""; } overrideMimeType() {}
  }
  const sent = (body) => (typeof body === "string" ? body : body instanceof FormData || body instanceof URLSearchParams ? body.toString() : body instanceof Blob ? body.data : typeof body === "object" && !ArrayBuffer.isView(body) && !(body instanceof ArrayBuffer) ? JSON.stringify(body) : octets(body));
  class FormData { constructor() { this.pairs = []; } append(name, value) { this.pairs.push(text(name) + "=" + (value instanceof Blob ? value.size + " octets" : text(value))); } set(name, value) { this.append(name, value); } get() { return null; } toString() { return this.pairs.join("&"); } }
  define("XMLHttpRequest", XMLHttpRequest); define("FormData", FormData);
  define("fetch", (address, options) => {
    const whole = text(address && address.url ? address.url : address);
    const data = content(whole);
    const body = options && options.body !== undefined && options.body !== null ? sent(options.body) : "";
    const answer = data === undefined ? host.load(text((options && options.method) || "GET").toUpperCase() + " " + whole, body, "fetch") : data;
    const response = { ok: true, status: 200, statusText: "OK", url: whole, headers: { get: () => null, has: () => false }, clone: () => response, text: () => Promise.resolve(host.utf8(answer)), json: () => Promise.resolve({}), blob: () => Promise.resolve(new Blob([array(answer)])), arrayBuffer: () => Promise.resolve(array(answer).buffer) };
    return Promise.resolve(response);
  });
  define("Image", class Image extends Element { constructor() { super("img", {}, "", undefined); } });
  define("WebSocket", class WebSocket { constructor(address) { host.load("CONNECT " + text(address), "", "WebSocket"); this.readyState = 1; } send(data) { host.record("call", "WebSocket.send", text(data)); } close() {} addEventListener() {} });
  define("Worker", class Worker { constructor(address) { const data = content(text(address)); if (data !== undefined) host.layer(host.utf8(data)); else host.load("GET " + text(address), "", "Worker"); } postMessage() {} terminate() {} addEventListener() {} });
  define("Event", class Event { constructor(type) { this.type = text(type); } preventDefault() {} stopPropagation() {} });
  define("MouseEvent", class MouseEvent extends globalThis.Event {}); define("CustomEvent", class CustomEvent extends globalThis.Event {}); define("KeyboardEvent", class KeyboardEvent extends globalThis.Event {});
  define("MutationObserver", class MutationObserver { observe() {} disconnect() {} }); define("IntersectionObserver", class IntersectionObserver { observe() {} disconnect() {} unobserve() {} });
  define("DOMParser", class DOMParser { parseFromString(markup) { host.page(text(markup)); return document; } });

  const storage = () => { const kept = create(null); return { getItem: (key) => (key in kept ? kept[key] : null), setItem: (key, value) => { kept[key] = text(value); }, removeItem: (key) => { delete kept[key]; }, clear() {}, length: 0 }; };
  const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0";
  define("navigator", {
    userAgent: agent, appVersion: agent.slice(8), appName: "Netscape", platform: "Win32", vendor: "Google Inc.", language: "en-US", languages: ["en-US", "en"], onLine: true, cookieEnabled: true, webdriver: false, hardwareConcurrency: 8, deviceMemory: 8, maxTouchPoints: 0, doNotTrack: null, plugins: { length: 5 }, mimeTypes: { length: 2 }, product: "Gecko",
    msSaveBlob: (blob, name) => { host.hand(text(name), octets(blob)); return true; }, msSaveOrOpenBlob: (blob, name) => { host.hand(text(name), octets(blob)); return true; },
    sendBeacon: (address, body) => { host.load("POST " + text(address), body === undefined || body === null ? "" : sent(body), "sendBeacon"); return true; }, javaEnabled: () => false,
    clipboard: { writeText: (value) => { host.record("show", text(value), "clipboard"); host.look(text(value)); return Promise.resolve(); }, readText: () => Promise.resolve("") }, permissions: { query: () => Promise.resolve({ state: "granted" }) }, geolocation: { getCurrentPosition() {} }, serviceWorker: undefined,
  });
  define("screen", { width: 1920, height: 1080, availWidth: 1920, availHeight: 1040, colorDepth: 24, pixelDepth: 24 });
  define("history", { length: 2, pushState() {}, replaceState() {}, back() {}, forward() {}, go() {} });
  define("localStorage", storage()); define("sessionStorage", storage());
  define("performance", { now: () => Date.now() % 1e6, timing: { navigationStart: 0 }, mark() {}, getEntriesByType: () => [] });
  define("crypto", { getRandomValues: (into) => into, randomUUID: () => "00000000-0000-4000-8000-000000000000", subtle: undefined });
  define("console", new Proxy({}, { get: () => () => {} }));
  for (const [name, value] of Object.entries({ innerWidth: 1280, innerHeight: 720, outerWidth: 1920, outerHeight: 1040, devicePixelRatio: 1, closed: false, name: "", status: "", isSecureContext: true, chrome: { runtime: {} }, self: window, top: window, parent: window, frames: window, opener: null, frameElement: null })) define(name, value);
  define("window", window);
  define("alert", (message) => host.record("show", text(message), "alert"));
  define("confirm", (message) => { host.record("show", text(message), "confirm"); return true; });
  define("prompt", (message) => { host.record("show", text(message), "prompt"); return ""; });
  define("open", (address, name) => { go(address, "window.open", undefined); return name === undefined ? window : window; });
  define("close", () => {}); define("focus", () => {}); define("blur", () => {}); define("print", () => {}); define("stop", () => {}); define("scrollTo", () => {}); define("moveTo", () => {}); define("resizeTo", () => {}); define("postMessage", () => {});
  define("getComputedStyle", () => new Proxy({}, { get: (_, key) => (key === "getPropertyValue" ? () => "" : "") }));
  define("matchMedia", () => ({ matches: false, addListener() {}, addEventListener() {} }));
  define("addEventListener", (name, what) => { if (/^(load|domcontentloaded|pageshow|readystatechange|focus)$/i.test(text(name))) later(() => call(what, window, { type: name, target: document }), 0); else if (/^(click|mousemove|mousedown|mouseover|keydown|keypress|touchstart|scroll|mouseup|pointerdown)$/i.test(text(name))) listeners.push([document, what]); });
  define("removeEventListener", () => {}); define("dispatchEvent", () => true); define("attachEvent", (name, what) => globalThis.addEventListener(text(name).replace(/^on/, ""), what));
  defineProperty(globalThis, "onload", { set: (what) => later(() => call(what, window, { type: "load" }), 0), get: () => null, configurable: true });

  const run = (code) => { try { (0, eval)(text(code)); } catch (error) { host.record("error", text(error), "in script of the page's own making"); } };
  const later = (what, time) => { queue.push([what, Number(time) || 0]); return queue.length; };
  config.later = later;
  config.queue = queue;
  config.listeners = () => listeners.splice(0, 16).map(([element, what]) => () => call(what, element, { type: "click", target: element, clientX: 10, clientY: 10, isTrusted: true, key: "Enter" }));
})
