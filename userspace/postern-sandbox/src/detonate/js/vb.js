// What Visual Basic has and JavaScript has not: its values, operators and functions, for code that `vb/` has made of it. An Empty is
// undefined here, Null and Nothing are null, arrays are arrays (a lower bound in `lb`), dates are dates.
(function (host, config) {
  "use strict";
  const { create, defineProperty, getOwnPropertyNames, getPrototypeOf } = Object;
  const { inside, com, property, unknown } = config.machine;
  const machine = config.machine;
  const lower = (value) => host.lower(String(value));
  const g = create(null);
  const procedures = new WeakSet();
  const code = String.fromCharCode;

  // Errors, by their number.
  const messages = { 5: "Invalid procedure call or argument", 6: "Overflow", 7: "Out of memory", 9: "Subscript out of range", 11: "Division by zero", 14: "Out of string space", 13: "Type mismatch", 35: "Sub, function or label not defined", 53: "File not found", 91: "Object variable not set", 424: "Object required", 438: "Object doesn't support this property or method", 450: "Wrong number of arguments" };
  class VisualBasicError extends Error { constructor(number, message) { super(message || messages[number] || "Error " + number); this.number = number; } }
  const fail = (number, message) => { throw new VisualBasicError(number, message); };
  const error = { number: 0, description: "", source: "" };
  const clear = () => { error.number = 0; error.description = ""; error.source = ""; };

  // Values.
  const MOST = 1 << 24, SPACE = 1 << 25;
  const day = 86400000;
  const serial = (date) => date.getTime() / day + 25569;
  const dated = (value) => new Date(Math.round((value - 25569) * day));
  const isNumeric = (value) => /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value) || /^\s*&(h[0-9a-f]+|o?[0-7]+)&?\s*$/i.test(value);
  function based(value) {
    const found = /&(h|o)?([0-9a-f]+)(&?)/i.exec(value);
    const number = parseInt(found[2], /h/i.test(found[1] || "") ? 16 : 8);
    if (found[3] === "" && number >= 0x8000 && number <= 0xffff) return number - 0x10000;
    return number >= 0x80000000 && number <= 0xffffffff ? number - 0x100000000 : number;
  }
  function number(value) {
    switch (typeof value) {
      case "number": return value;
      case "boolean": return value ? -1 : 0;
      case "undefined": return 0;
      case "string": if (!isNumeric(value)) fail(13); return value.includes("&") ? based(value) : Number(value);
      default:
        if (value === null) return 0;
        if (value instanceof Date) return serial(value);
        if (Array.isArray(value)) return fail(13);
        return number(plain(value));
    }
  }
  const pad = (value) => String(value).padStart(2, "0");
  function clock(date) { const hour = date.getHours(); return (hour % 12 || 12) + ":" + pad(date.getMinutes()) + ":" + pad(date.getSeconds()) + (hour < 12 ? " AM" : " PM"); }
  const calendar = (date) => date.getMonth() + 1 + "/" + date.getDate() + "/" + date.getFullYear();
  function text(value) {
    switch (typeof value) {
      case "string": return value;
      case "number": return Number.isInteger(value) && Math.abs(value) < 1e15 ? String(value) : String(Number(value.toPrecision(15))).replace(/e\+?/, "E+").replace("E+-", "E-");
      case "boolean": return value ? "True" : "False";
      case "undefined": return "";
      default:
        if (value === null) return "";
        if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : serial(value) < 1 && serial(value) >= 0 ? clock(value) : serial(value) % 1 === 0 ? calendar(value) : calendar(value) + " " + clock(value);
        if (Array.isArray(value)) { let out = ""; for (let n = 0; n < value.length; n += 2) out += code((value[n] & 255) | ((value[n + 1] & 255) << 8)); return out; }
        return text(plain(value));
    }
  }
  // What an object is when a value is asked for.
  function plain(value) {
    if (value instanceof Instance) return value.preset === undefined ? fail(438) : get(value, value.preset);
    if (value instanceof Structure || procedures.has(value)) return fail(13);
    const known = inside.get(value);
    const own = known && "value" in known && typeof known.value === "function" ? known.value() : String(value);
    return typeof own === "object" || typeof own === "function" ? "" : own;
  }
  // To the next even number, as VB does it.
  function round(value) { const whole = Math.floor(value), rest = value - whole; return rest < 0.5 ? whole : rest > 0.5 ? whole + 1 : whole % 2 === 0 ? whole : whole + 1; }
  const integer = (value) => (value === (value | 0) ? value : round(number(value)));
  function holds(value) {
    if (typeof value === "boolean") return value;
    if (typeof value === "string") { if (/^\s*true\s*$/i.test(value)) return true; if (/^\s*false\s*$/i.test(value)) return false; }
    return value !== null && number(value) !== 0;
  }
  const copy = (value) => { if (!Array.isArray(value)) return value; const out = value.map(copy); if (value.lb) out.lb = value.lb; return out; };
  function bytes(value) {
    if (Array.isArray(value)) return copy(value);
    const known = inside.get(value);
    if (known && "octets" in known) return Array.from(known.octets, (c) => c.charCodeAt(0));
    const out = [];
    for (const unit of text(value).split("")) out.push(unit.charCodeAt(0) & 255, unit.charCodeAt(0) >> 8);
    return out;
  }

  // Operators.
  const both = (a, b) => typeof a === "boolean" && typeof b === "boolean";
  const isWhole = (a, b) => a === (a | 0) && b === (b | 0);
  const bits = (a, b, of) => (both(a, b) ? of(a ? -1 : 0, b ? -1 : 0) !== 0 : of(integer(a) | 0, integer(b) | 0) | 0);
  function compare(a, b) {
    if (typeof a === typeof b && (typeof a === "string" || typeof a === "number")) return a < b ? -1 : a > b ? 1 : 0;
    if (a === null || b === null) return a === b ? 0 : null;
    if (typeof a === "object" || typeof a === "function") a = a instanceof Date ? serial(a) : plain(a);
    if (typeof b === "object" || typeof b === "function") b = b instanceof Date ? serial(b) : plain(b);
    if (typeof a === "string" && b === undefined) b = "";
    if (typeof b === "string" && a === undefined) a = "";
    if (typeof a === "string" || typeof b === "string") {
      const areNumbers = (typeof a !== "string" || isNumeric(a)) && (typeof b !== "string" || isNumeric(b)) && !(typeof a === "string" && typeof b === "string") && typeof a !== "boolean" && typeof b !== "boolean";
      [a, b] = areNumbers ? [number(a), number(b)] : [text(a), text(b)];
    } else [a, b] = [number(a), number(b)];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  const spaced = (value) => (value.length > SPACE ? fail(14) : value);
  const joined = (values) => { let out = ""; for (const value of values) out += typeof value === "string" ? value : text(value); return spaced(out); };
  const join = (a, b) => spaced((typeof a === "string" ? a : text(a)) + (typeof b === "string" ? b : text(b)));
  function add(a, b) {
    if (typeof a === "number" && typeof b === "number") return a + b;
    const [isText, isOther] = [typeof a === "string", typeof b === "string"];
    if ((isText && (isOther || b === undefined)) || (isOther && a === undefined)) return join(a, b);
    const sum = number(a) + number(b);
    return a instanceof Date || b instanceof Date ? dated(sum) : sum;
  }
  const divided = (a, b) => { const by = number(b); if (by === 0) fail(11); return number(a) / by; };
  const remainder = (a, b) => { const by = integer(b); if (by === 0) fail(11); return integer(a) % by; };
  const wholly = (a, b) => { const by = integer(b); if (by === 0) fail(11); return Math.trunc(integer(a) / by); };
  function like(value, pattern) {
    const source = text(pattern).replace(/\[!?[^\]]*\]|[\s\S]/g, (part) => part === "*" ? "[\\s\\S]*" : part === "?" ? "[\\s\\S]" : part === "#" ? "\\d" : part.length > 1 ? (part[1] === "!" ? "[^" + part.slice(2, -1).replace(/[\\\]^]/g, "\\$&") + "]" : "[" + part.slice(1, -1).replace(/[\\\]^]/g, "\\$&") + "]") : part.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
    return new RegExp("^" + source + "$").test(text(value));
  }

  // Arrays.
  function array(bounds, initial, old) {
    let total = 1;
    const limits = bounds.map(([from, to]) => { const [low, high] = [integer(from), integer(to)]; total *= Math.max(0, high - low + 1); if (total > MOST) fail(7); return [low, high]; });
    const make = (at, before) => {
      const [low, high] = limits[at];
      const out = [];
      if (low !== 0) out.lb = low;
      for (let n = 0; n <= high - low; n++) {
        const known = before && before[n];
        out.push(at + 1 < limits.length ? make(at + 1, known) : before && n < before.length ? known : initial());
      }
      return out;
    };
    return limits.length ? make(0, Array.isArray(old) ? old : undefined) : [];
  }
  function element(list, index) {
    const at = (typeof index === "number" && Number.isInteger(index) ? index : integer(index)) - (list.lb || 0);
    if (at < 0 || at >= list.length) fail(9);
    return at;
  }
  function at(of, values) {
    if (Array.isArray(of)) { let inner = of; for (const value of values) { if (!Array.isArray(inner)) return at(inner, [value]); inner = inner[element(inner, value)]; } return inner; }
    if (procedures.has(of)) return of(...values);
    if (inside.has(of)) return of(...values);
    if (of instanceof Instance) return of.preset === undefined ? (values.length ? fail(438) : of) : get(of, of.preset, values);
    if (typeof of === "function") return of(...values);
    if (values.length === 0) return of;
    if (of && typeof of === "object") return typeof values[0] === "number" && values[0] in of ? of[values[0]] : get(of, "item", values);
    return fail(of === undefined || of === null ? 424 : 13);
  }
  function putAt(of, values, value) {
    if (Array.isArray(of)) {
      let inner = of;
      for (let n = 0; n < values.length - 1; n++) { inner = inner[element(inner, values[n])]; if (!Array.isArray(inner)) fail(9); }
      inner[element(inner, values[values.length - 1])] = value;
      return;
    }
    const known = inside.get(of);
    if (known) { if (known["()="]) known["()="](...values, value); else host.record("call", String(of) + "(" + values.map(text).join(", ") + ") =", text(value)); return; }
    if (of instanceof Instance && of.preset !== undefined) return put(of, of.preset, values, value);
    fail(of && typeof of === "object" ? 438 : 13);
  }
  function each(of) {
    if (Array.isArray(of)) return of.flat(Infinity);
    const known = inside.get(of);
    if (known) return Array.isArray(known.items) ? known.items : typeof known.keys === "function" ? known.keys() : [];
    if (of && typeof of === "object" && "length" in of) return Array.from(of);
    return of && typeof of === "object" ? [] : fail(451);
  }

  // Objects: of classes, of types, of COM, of the page.
  class Instance { constructor(name) { this.name = name; this.members = create(null); this.preset = undefined; } toString() { return this.name; } }
  class Structure { constructor(fields) { this.fields = create(null); for (const [name, value] of fields) this.fields[name] = value; } }
  const classes = create(null), shapes = create(null);
  function made(name) {
    if (name in classes) { const object = classes[name](); const begin = object.members.class_initialize; if (begin && begin.call) begin.call(); return object; }
    if (name in shapes) return shapes[name]();
    if (name === "regexp") return expression();
    if (name === "collection") return collected();
    const known = Object.assign(create(null), { dictionary: "Scripting.Dictionary", filesystemobject: "Scripting.FileSystemObject", xmlhttp60: "MSXML2.XMLHTTP.6.0", xmlhttp: "MSXML2.XMLHTTP", serverxmlhttp60: "MSXML2.ServerXMLHTTP.6.0", winhttprequest: "WinHttp.WinHttpRequest.5.1", wshshell: "WScript.Shell", domdocument60: "MSXML2.DOMDocument.6.0", stream: "ADODB.Stream" })[name.split(".").pop()];
    return machine.make(known || name);
  }
  const keys = new WeakMap();
  // What is no member of anything in Visual Basic: by these an object of the engine leads to the engine itself.
  const within = /^(constructor|prototype|caller|callee|arguments|apply|call|bind|__\w+)$/;
  const reachable = (object, name) => { if (typeof object === "function" && object !== globalThis && !inside.has(object)) fail(438); if (typeof object !== "object" && typeof object !== "function") fail(424); if (within.test(name)) fail(438); return object; };
  // The name that a member has, whatever its case.
  function keyOf(object, name) {
    if (name in object) return name;
    for (let proto = object; proto && proto !== Object.prototype; proto = getPrototypeOf(proto)) {
      let known = keys.get(proto);
      if (!known || proto === object) { known = create(null); for (const key of getOwnPropertyNames(proto)) known[lower(key)] ??= key; keys.set(proto, known); }
      if (name in known) return known[name];
    }
    return name;
  }
  function get(object, name, values) {
    if (object === undefined || object === null) fail(424);
    const known = inside.get(object);
    if (known) {
      // Procedures stand in modules, which are objects of their document, too.
      if (config.modules && !(name in known) && mangled(name) in g) return values ? call(name, values) : vb.name(name);
      const member = object[name];
      if (inside.has(member)) return values ? member(...values) : member;
      if (procedures.has(member) && !values) return member;
      if (typeof member === "function") return values ? member(...values) : member();
      return values && values.length ? at(member, values) : member;
    }
    if (object instanceof Instance) {
      const member = object.members[name] || fail(438);
      if (member.call) return member.call(...(values || []));
      if (!member.get) return fail(438);
      return values && values.length && member.get.length === 0 ? at(member.get(), values) : member.get(...(values || []));
    }
    if (object instanceof Structure) { const value = object.fields[name]; return values && values.length ? at(value, values) : value; }
    const whole = reachable(object, name);
    const key = keyOf(whole, name);
    const member = whole[key];
    if (typeof member === "function" && !inside.has(member)) return values ? whole[key](...values) : whole[key]();
    if (member === undefined && !(key in whole)) { if (whole === globalThis && g[mangled(name)] !== undefined) return call(name, values || []); fail(438); }
    return values && values.length ? at(member, values) : member;
  }
  function put(object, name, values, value) {
    if (object === undefined || object === null) fail(424);
    const known = inside.get(object);
    if (known) {
      if (values.length === 0) { object[name] = value; return; }
      if (name === "item" && known["()="]) return known["()="](...values, value);
      const member = object[name];
      return inside.has(member) || Array.isArray(member) ? putAt(member, values, value) : host.record("call", String(object) + "." + name + " =", text(value));
    }
    if (object instanceof Instance) {
      const member = object.members[name] || fail(438);
      if (member.let && (values.length === 0 || member.let.length > 1)) return member.let(...values, value);
      return putAt(get(object, name), values, value);
    }
    if (object instanceof Structure) { if (values.length) return putAt(object.fields[name], values, value); object.fields[name] = value; return; }
    const whole = reachable(object, name);
    const key = keyOf(whole, name);
    if (values.length) return putAt(whole[key], values, value);
    whole[key] = value;
  }
  function expression() {
    const flags = () => (holds(self.global) ? "g" : "") + (holds(self.ignorecase) ? "i" : "") + (holds(self.multiline) ? "m" : "");
    const made = () => new RegExp(text(self.pattern), flags());
    const self = com("RegExp", {
      pattern: "", global: false, ignorecase: false, multiline: false, test: (value) => made().test(text(value)), replace: (value, by) => text(value).replace(made(), text(by)),
      execute: (value) => { const all = []; const whole = text(value); const by = new RegExp(text(self.pattern), flags().replace("g", "") + "g"); for (let found; all.length < 100000 && (found = by.exec(whole)); ) { all.push(com("Match", { value: ((what) => () => what)(found[0]), firstindex: found.index, length: found[0].length, submatches: machine.collection(found.slice(1)) })); if (found[0] === "") by.lastIndex += 1; if (!holds(self.global)) break; } return machine.collection(all); },
    });
    return self;
  }
  function collected() {
    const items = [], names = create(null);
    const item = (key) => (typeof key === "string" && lower(key) in names ? names[lower(key)] : items[integer(key) - 1]);
    return com("Collection", { items, add: (value, key) => { items.push(value); if (key !== undefined) names[lower(text(key))] = value; }, item, "()": item, remove: (key) => { items.splice(integer(key) - 1, 1); }, count: property(() => items.length), value: () => "" });
  }

  // Names that the source has not declared.
  const mangled = (name) => "v_" + name.replace(/[^a-z0-9_]/gu, (c) => "$" + c.codePointAt(0).toString(16) + "$");
  const ours = new Set("globalthis,undefined,nan,infinity,object,function,array,number,boolean,string,symbol,bigint,error,aggregateerror,evalerror,rangeerror,referenceerror,syntaxerror,typeerror,urierror,date,math,json,reflect,proxy,promise,regexp,map,set,weakmap,weakset,weakref,finalizationregistry,arraybuffer,sharedarraybuffer,atomics,dataview,int8array,uint8array,uint8clampedarray,int16array,uint16array,int32array,uint32array,bigint64array,biguint64array,float16array,float32array,float64array,iterator,eval,isnan,isfinite,parseint,parsefloat,encodeuri,encodeuricomponent,decodeuri,decodeuricomponent,activexobject,enumerator,vbarray,collectgarbage,temporal,intl,name,status,stop,print,open,close,focus,blur".split(","));
  const objects = create(null);
  function ofPage(name) {
    if (ours.has(name)) return undefined;
    const key = keyOf(globalThis, name);
    if (key in globalThis) return globalThis[key];
    const found = config.page && globalThis.document && (config.elements || []).some((e) => e.attributes.some(([key, value]) => key === "id" && lower(value) === name)) ? [...globalThis.document.all].find((e) => lower(e.id) === name) : undefined;
    return found || undefined;
  }
  function name(of) {
    const key = mangled(of);
    if (key in g) { const value = g[key]; return procedures.has(value) && value.isOwn ? value() : value; }
    if (of in constants) return constants[of];
    if (of in objects) return objects[of]();
    if (of in f) return f[of]();
    const value = ofPage(of);
    return typeof value === "function" && !inside.has(value) && !/^class\b/.test(String(value)) ? value() : value;
  }
  function call(of, values) {
    const key = mangled(of);
    if (key in g) return at(g[key], values);
    if (of in objects) return at(objects[of](), values);
    if (of in f) return f[of](...values);
    const value = ofPage(of);
    if (value !== undefined) return at(value, values);
    host.record("call", of, values.map(text).join(", "));
    return fail(35, "Sub or Function not defined: " + of);
  }
  const reference = (of) => { const found = g[mangled(lower(text(of)))]; return found || fail(5); };

  // Functions.
  const f = create(null);
  const constants = Object.assign(create(null), { vbcrlf: "\r\n", vbcr: "\r", vblf: "\n", vbnewline: "\r\n", vbtab: "\t", vbnullchar: "\0", vbnullstring: "", vbback: "\b", vbformfeed: "\f", vbverticaltab: "\v", vbtrue: -1, vbfalse: 0, vbusedefault: -2, vbbinarycompare: 0, vbtextcompare: 1, vbok: 1, vbcancel: 2, vbabort: 3, vbretry: 4, vbignore: 5, vbyes: 6, vbno: 7, vbokonly: 0, vbokcancel: 1, vbyesnocancel: 3, vbyesno: 4, vbretrycancel: 5, vbcritical: 16, vbquestion: 32, vbexclamation: 48, vbinformation: 64, vbsystemmodal: 4096, vbhide: 0, vbnormalfocus: 1, vbminimizedfocus: 2, vbmaximizedfocus: 3, vbnormalnofocus: 4, vbminimizednofocus: 6, vbuppercase: 1, vblowercase: 2, vbpropercase: 3, vbunicode: 64, vbfromunicode: 128, vbmethod: 1, vbget: 2, vblet: 4, vbset: 8, vbobjecterror: -2147221504, vbempty: 0, vbnull: 1, vbinteger: 2, vblong: 3, vbstring: 8, vbobject: 9, vbboolean: 11, vbarray: 8192, vbnormal: 0, vbreadonly: 1, vbhidden: 2, vbsystem: 4, vbdirectory: 16, vbarchive: 32, vbsunday: 1, vbmonday: 2, vblongdate: 1, vbshortdate: 2, vblongtime: 3, vbshorttime: 4, vbgeneraldate: 0, win64: true, vba7: true });
  // What of Windows' western characters lies beyond Latin.
  const western = "\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178";
  const octet = (value) => { const whole = typeof value === "string" ? value : text(value); if (whole === "") fail(5); const unit = whole.charCodeAt(0); if (unit < 256) return unit; const at = western.indexOf(whole[0]); return at < 0 ? 63 : 128 + at; };
  const isText = (value) => number(value ?? 0) === 1;
  const span = (value, most) => { const length = integer(value); if (length < 0) fail(5); return Math.min(length, most); };
  const repeated = (count, what) => { const length = integer(count); if (length < 0 || length > MOST) fail(5); return what.repeat(length); };
  const binary = (value) => { const known = inside.get(value); if (known && "octets" in known) return known.octets; if (Array.isArray(value)) return host.octets(value); const whole = text(value); let out = ""; for (let n = 0; n < whole.length; n++) out += code(whole.charCodeAt(n) & 255, whole.charCodeAt(n) >> 8); return out; };
  const functions = {
    abs: (v) => Math.abs(number(v)), sgn: (v) => Math.sign(number(v)), sqr: (v) => { const of = number(v); return of < 0 ? fail(5) : Math.sqrt(of); }, exp: (v) => Math.exp(number(v)), log: (v) => { const of = number(v); return of <= 0 ? fail(5) : Math.log(of); },
    sin: (v) => Math.sin(number(v)), cos: (v) => Math.cos(number(v)), tan: (v) => Math.tan(number(v)), atn: (v) => Math.atan(number(v)), fix: (v) => Math.trunc(number(v)), int: (v) => Math.floor(number(v)),
    round: (v, digits) => { const by = 10 ** span(digits ?? 0, 15); return round(number(v) * by) / by; },
    cint: integer, clng: integer, clnglng: integer, clngptr: integer, cbyte: (v) => { const of = integer(v); return of < 0 || of > 255 ? fail(6) : of; }, cdbl: number, csng: number, ccur: number, cdec: number, cstr: text, cvar: (v) => v, cbool: holds, cverr: (v) => v,
    val: (v) => { const whole = text(v).replace(/\s/g, ""); if (/^&[ho]/i.test(whole)) return isNumeric(whole) ? based(whole) : 0; const found = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i.exec(whole); return found ? Number(found[0]) : 0; },
    hex: (v) => { const of = integer(v); return (of >= 0 ? of : of >= -32768 ? of + 0x10000 : of + 0x100000000).toString(16).toUpperCase(); },
    oct: (v) => { const of = integer(v); return (of >= 0 ? of : of >= -32768 ? of + 0x10000 : of + 0x100000000).toString(8); },
    chr: (v) => { const of = integer(v); return of < 0 || of > 65535 ? fail(5) : code(of); }, chrb: (v) => code(integer(v) & 255), chrw: (v) => { const of = integer(v); return of < -32768 || of > 65535 ? fail(5) : code(of & 65535); },
    asc: octet, ascb: (v) => { const of = binary(v); return of === "" ? fail(5) : of.charCodeAt(0); }, ascw: (v) => { const whole = text(v); if (whole === "") fail(5); const unit = whole.charCodeAt(0); return unit > 32767 ? unit - 65536 : unit; },
    len: (v) => (typeof v === "string" ? v.length : text(v).length), lenb: (v) => binary(v).length, lcase: (v) => host.lower(text(v)), ucase: (v) => text(v).toUpperCase(),
    left: (v, n) => { const whole = text(v); return whole.slice(0, span(n, whole.length)); }, right: (v, n) => { const whole = text(v); return whole.slice(whole.length - span(n, whole.length)); },
    mid: (v, from, n) => { const whole = typeof v === "string" ? v : text(v); const begin = integer(from) - 1; if (begin < 0) fail(5); return n === undefined ? whole.slice(begin) : whole.slice(begin, begin + span(n, whole.length)); },
    leftb: (v, n) => binary(v).slice(0, span(n, MOST)), rightb: (v, n) => { const all = binary(v); return all.slice(all.length - span(n, all.length)); }, midb: (v, from, n) => { const all = binary(v), begin = integer(from) - 1; return machine.octets(n === undefined ? all.slice(begin) : all.slice(begin, begin + span(n, MOST))); },
    trim: (v) => text(v).replace(/^ +| +$/g, ""), ltrim: (v) => text(v).replace(/^ +/, ""), rtrim: (v) => text(v).replace(/ +$/, ""), space: (n) => repeated(n, " "), string: (n, c) => repeated(n, typeof c === "number" ? code(c & 255) : text(c).slice(0, 1)),
    strreverse: (v) => text(v).split("").reverse().join(""),
    instr: (...v) => { const [from, whole, what, how] = v.length > 2 ? [integer(v[0]), text(v[1]), text(v[2]), v[3]] : [1, text(v[0]), text(v[1]), 0]; if (from < 1) fail(5); return isText(how) ? host.lower(whole).indexOf(host.lower(what), from - 1) + 1 : whole.indexOf(what, from - 1) + 1; },
    instrrev: (whole, what, from, how) => { let [a, b] = [text(whole), text(what)]; if (isText(how)) [a, b] = [host.lower(a), host.lower(b)]; const begin = from === undefined || number(from) === -1 ? a.length : integer(from); return begin - b.length < 0 ? 0 : a.lastIndexOf(b, begin - b.length) + 1; },
    replace: (whole, what, by, from, count, how) => {
      let rest = text(whole).slice(from === undefined ? 0 : Math.max(0, integer(from) - 1));
      const [a, b] = [text(what), text(by)];
      if (a === "") return rest;
      if (isText(how)) return rest.replace(new RegExp(a.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), "gi"), () => b);
      const most = count === undefined ? -1 : integer(count);
      if (most < 0) { const parts = rest.split(a); return rest.length + parts.length * b.length > SPACE * 2 ? fail(14) : parts.join(b); }
      let out = ""; for (let n = 0; n < most; n++) { const at = rest.indexOf(a); if (at < 0) break; out += rest.slice(0, at) + b; rest = rest.slice(at + a.length); } return out + rest;
    },
    split: (v, by, count) => { const whole = text(v); if (whole === "") return []; const sign = by === undefined ? " " : text(by); if (sign === "") return [whole]; const most = count === undefined ? -1 : integer(count); const all = whole.split(sign); return most > 0 && all.length > most ? [...all.slice(0, most - 1), all.slice(most - 1).join(sign)] : all; },
    join: (list, by) => { if (!Array.isArray(list)) fail(13); const sign = by === undefined ? " " : text(by); return list.map(text).join(sign); },
    filter: (list, what, keeps, how) => { const sign = text(what); const keep = keeps === undefined || holds(keeps); return list.filter((v) => (isText(how) ? host.lower(text(v)).includes(host.lower(sign)) : text(v).includes(sign)) === keep); },
    strcomp: (a, b, how) => { const [x, y] = isText(how) ? [host.lower(text(a)), host.lower(text(b))] : [text(a), text(b)]; return x < y ? -1 : x > y ? 1 : 0; },
    strconv: (v, how) => { const kind = integer(how); if (kind & 128) return Array.from(text(v), (c) => octet(c)); if (kind & 64) return Array.isArray(v) || inside.has(v) ? binary(v) : text(v).split("").join("\0") + (text(v) ? "\0" : ""); const whole = text(v); return kind === 1 ? whole.toUpperCase() : kind === 2 ? host.lower(whole) : kind === 3 ? host.lower(whole).replace(/(^|\s)\S/g, (c) => c.toUpperCase()) : whole; },
    escape: (v) => escape(text(v)), unescape: (v) => unescape(text(v)),
    array: (...v) => v, ubound: (v, of) => { let list = v; for (let n = 1; n < (of === undefined ? 1 : integer(of)); n++) list = list && list[0]; const known = inside.get(list); if (known && "octets" in known) return known.length - 1; return Array.isArray(list) ? list.length - 1 + (list.lb || 0) : fail(13); }, lbound: (v) => (Array.isArray(v) ? v.lb || 0 : inside.has(v) ? 0 : fail(13)),
    isarray: (v) => Array.isArray(v) || Boolean(inside.get(v) && "octets" in inside.get(v)), isempty: (v) => v === undefined, isnull: (v) => v === null, isnumeric: (v) => typeof v === "number" || typeof v === "boolean" || v === undefined || (typeof v === "string" && isNumeric(v)), isobject: (v) => v === null || (typeof v === "object" && !Array.isArray(v) && !(v instanceof Date)) || typeof v === "function",
    isdate: (v) => v instanceof Date || (typeof v === "string" && parsed(v) !== undefined), ismissing: (v) => v === undefined, iserror: () => false,
    typename: (v) => (v === undefined ? "Empty" : v === null ? "Null" : typeof v === "string" ? "String" : typeof v === "boolean" ? "Boolean" : typeof v === "number" ? (Number.isInteger(v) ? (Math.abs(v) < 32768 ? "Integer" : "Long") : "Double") : v instanceof Date ? "Date" : functions.isarray(v) ? "Variant()" : v instanceof Instance ? v.name : inside.has(v) ? String(inside.get(v).typename || "Object") : "Object"),
    vartype: (v) => (v === undefined ? 0 : v === null ? 1 : typeof v === "string" ? 8 : typeof v === "boolean" ? 11 : typeof v === "number" ? (Number.isInteger(v) ? (Math.abs(v) < 32768 ? 2 : 3) : 5) : v instanceof Date ? 7 : Array.isArray(v) ? 8204 : inside.get(v) && "octets" in inside.get(v) ? 8209 : 9),
    iif: (when, yes, no) => (holds(when) ? yes : no), choose: (n, ...v) => v[integer(n) - 1], switch: (...v) => { for (let n = 0; n + 1 < v.length; n += 2) if (holds(v[n])) return v[n + 1]; return null; }, nz: (v, other) => v ?? other ?? "",
    now: () => new Date(), date: () => dated(Math.floor(serial(new Date()))), time: () => dated(serial(new Date()) % 1), timer: () => (Date.now() % day) / 1000,
    year: (v) => cdate(v).getFullYear(), month: (v) => cdate(v).getMonth() + 1, day: (v) => cdate(v).getDate(), hour: (v) => cdate(v).getHours(), minute: (v) => cdate(v).getMinutes(), second: (v) => cdate(v).getSeconds(), weekday: (v) => cdate(v).getDay() + 1,
    monthname: (n) => ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"][integer(n) - 1] ?? fail(5), weekdayname: (n) => ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"][integer(n) - 1] ?? fail(5),
    cdate, datevalue: (v) => dated(Math.floor(serial(cdate(v)))), timevalue: (v) => dated(serial(cdate(v)) % 1), dateserial: (y, m, d) => new Date(integer(y), integer(m) - 1, integer(d)), timeserial: (h, m, s) => dated((integer(h) * 3600 + integer(m) * 60 + integer(s)) / 86400),
    dateadd: (of, count, v) => { const date = new Date(cdate(v).getTime()), n = integer(count); switch (lower(text(of))) { case "yyyy": date.setFullYear(date.getFullYear() + n); break; case "q": date.setMonth(date.getMonth() + 3 * n); break; case "m": date.setMonth(date.getMonth() + n); break; case "ww": date.setDate(date.getDate() + 7 * n); break; case "h": date.setTime(date.getTime() + n * 3600000); break; case "n": date.setTime(date.getTime() + n * 60000); break; case "s": date.setTime(date.getTime() + n * 1000); break; default: date.setDate(date.getDate() + n); } return date; },
    datediff: (of, a, b) => { const [x, y] = [cdate(a), cdate(b)]; const unit = { h: 3600000, n: 60000, s: 1000, d: day, y: day, w: 7 * day, ww: 7 * day }[lower(text(of))]; if (unit) return Math.trunc((y - x) / unit); const months = (y.getFullYear() - x.getFullYear()) * 12 + y.getMonth() - x.getMonth(); return lower(text(of)) === "yyyy" ? y.getFullYear() - x.getFullYear() : lower(text(of)) === "q" ? Math.trunc(months / 3) : months; },
    datepart: (of, v) => { const date = cdate(v); return { yyyy: date.getFullYear(), q: Math.floor(date.getMonth() / 3) + 1, m: date.getMonth() + 1, d: date.getDate(), w: date.getDay() + 1, h: date.getHours(), n: date.getMinutes(), s: date.getSeconds() }[lower(text(of))] ?? 1; },
    formatdatetime: (v, how) => { const date = cdate(v); const kind = integer(how ?? 0); return kind === 2 || kind === 1 ? calendar(date) : kind === 3 ? clock(date) : kind === 4 ? pad(date.getHours()) + ":" + pad(date.getMinutes()) : text(date); },
    format: (v, how) => { if (how === undefined) return text(v); const pattern = text(how); const date = v instanceof Date ? v : undefined; if (date) return pattern.replace(/yyyy|yy|mm|m|dd|d|hh|h|nn|n|ss|s/gi, (part, at) => { const isMinute = /^m/i.test(part) && /h[^a-z]*$/i.test(pattern.slice(0, at)); const value = { y: date.getFullYear(), m: isMinute ? date.getMinutes() : date.getMonth() + 1, d: date.getDate(), h: date.getHours(), n: date.getMinutes(), s: date.getSeconds() }[lower(part[0])]; return part.length === 2 ? pad(value % 100) : String(value); }); if (typeof v === "number" || (typeof v === "string" && isNumeric(v))) { const places = (/\.([0#]+)/.exec(pattern) || ["", ""])[1].length; const least = (/^[^.]*?(0+)/.exec(pattern) || ["", ""])[1].length; if (/^[0#,.]+$/.test(pattern)) return number(v).toFixed(places).padStart(least + (places ? places + 1 : 0), "0"); } return pattern === ">" ? text(v).toUpperCase() : pattern === "<" ? host.lower(text(v)) : text(v); },
    formatnumber: (v, places) => number(v).toFixed(span(places ?? 2, 20)), formatpercent: (v, places) => (number(v) * 100).toFixed(span(places ?? 2, 20)) + "%", formatcurrency: (v) => "$" + number(v).toFixed(2),
    rgb: (r, gr, b) => (integer(r) & 255) | ((integer(gr) & 255) << 8) | ((integer(b) & 255) << 16), qbcolor: (n) => [0, 8388608, 32768, 8421376, 128, 8388736, 32896, 12632256, 8421504, 16711680, 65280, 16776960, 255, 16711935, 65535, 16777215][integer(n)] ?? 0,
    rnd: (v) => { if (v !== undefined && number(v) < 0) seed = Math.abs(integer(v)) & 0xffffff; if (v === undefined || number(v) !== 0) seed = (Math.imul(seed, 1140671485) + 12820163) & 0xffffff; return seed / 16777216; }, randomize: () => {},
    msgbox: (v, buttons) => { host.record("show", text(v), "MsgBox"); const kind = integer(buttons ?? 0) & 7; return kind === 3 || kind === 4 ? 6 : kind === 2 || kind === 5 ? 4 : 1; }, inputbox: (v, _, preset) => { host.record("show", text(v), "InputBox"); return text(preset); },
    environ: (v) => (typeof v === "number" ? "" : (host.record("ask", "%" + text(v) + "%", "Environ"), machine.variables[lower(text(v))] || "")), command: () => "",
    shell: (v) => { flush(); machine.start(text(v), "Shell"); return 4711; }, createobject: (id) => machine.make(text(id)), getobject: (path, id) => machine.get(text(path) || text(id)), getref: (v) => reference(v),
    callbyname: (object, of, how, ...v) => { const kind = how === undefined ? 1 : integer(how); const member = lower(text(of)); if (kind & 12) return put(object, member, v.slice(0, -1), v[v.length - 1]); return get(object, member, v); },
    doevents: () => 0, beep: () => {}, appactivate: () => {}, sendkeys: (v) => host.record("call", "SendKeys", text(v)), load: () => {}, unload: () => {}, loadpicture: () => unknown("Picture"), error: (v) => (v === undefined ? error.description : fail(integer(v))),
    varptr: () => 4096, strptr: () => 4096, objptr: () => 4096, getlocale: () => 1033, setlocale: () => 1033, scriptengine: () => "VBScript", scriptenginemajorversion: () => 5, scriptengineminorversion: () => 8, scriptenginebuildversion: () => 16384,
    getsetting: (_, __, ___, preset) => preset ?? "", savesetting: (...v) => host.record("registry", v.slice(0, 3).map(text).join("\\"), "write " + text(v[3])), macscript: (v) => machine.start(text(v), "MacScript"), wscript: () => globalThis.WScript,
    freefile: () => { let n = 1; while (n in opened) n += 1; return n; }, eof: (n) => { const of = opened[integer(n)]; return !of || of.at >= of.data.length; }, lof: (n) => (opened[integer(n)] || fail(52)).data.length, loc: (n) => (opened[integer(n)] || fail(52)).at, input: (count, n) => taken(opened[integer(n)] || fail(52), integer(count)),
    dir: (v) => (v !== undefined && machine.exists(text(v)) ? text(v).split("\\").pop() : ""), curdir: () => "C:\\Users\\erika\\Documents", chdir: () => {}, chdrive: () => {}, mkdir: (v) => host.record("write", machine.expand(v), "a folder"), rmdir: (v) => host.record("move", text(v), "delete"),
    kill: (v) => host.record("move", text(v), "delete"), filecopy: (a, b) => machine.move(text(a), text(b), "copy to"), filelen: (v) => host.octets(machine.read(text(v))).length, getattr: () => 32, setattr: () => {}, filedatetime: () => new Date(), reset: () => { for (const n of Object.keys(opened)) vb.file.close(n); },
  };
  Object.assign(f, functions);
  let seed = 327680;
  function parsed(value) {
    const found = /^\s*(?:(\d{1,4})[/\-.](\d{1,2})[/\-.](\d{1,4}))?\s*(?:(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?\s*(am|pm)?)?\s*$/i.exec(value);
    if (!found || found[0].trim() === "") return undefined;
    const [, a, b, c, h, m, s, half] = found;
    const hours = h === undefined ? 0 : (Number(h) % (half ? 12 : 24)) + (/pm/i.test(half || "") ? 12 : 0);
    const time = (hours * 3600 + Number(m || 0) * 60 + Number(s || 0)) / 86400;
    if (a === undefined) return dated(time);
    const [y, month, d] = a.length > 2 ? [a, b, c] : [c, a, b];
    return new Date(new Date(Number(y) + (y.length < 3 ? 2000 : 0), Number(month) - 1, Number(d)).getTime() + time * day);
  }
  function cdate(value) { if (value instanceof Date) return value; if (typeof value === "string" && !isNumeric(value)) return parsed(value) || fail(13); return dated(number(value)); }

  // Files by number. What is put into them is written when they are closed, or at the end.
  const opened = create(null);
  const taken = (of, count) => { const some = of.data.slice(of.at, of.at + count); of.at += some.length; return some; };
  const write = (of) => { if (of.isChanged) { of.isChanged = false; machine.write(of.path, of.data); } };
  const flush = () => { for (const n of Object.keys(opened)) write(opened[n]); };
  const filed = (n) => opened[integer(n)] || fail(52, "Bad file name or number");
  const file = {
    open: (path, mode, n) => { const whole = machine.expand(path); const kind = lower(mode); const data = kind === "output" ? "" : kind === "append" || machine.exists(whole) ? text(machine.content(machine.read(whole))) : kind === "input" ? fail(53) : ""; opened[integer(n)] = { path: whole, mode: kind, data, at: kind === "append" ? data.length : 0, isChanged: kind === "output" }; },
    close: (...all) => { for (const n of all.length ? all : Object.keys(opened)) { const of = opened[integer(n)]; if (of) { write(of); delete opened[integer(n)]; } } },
    print: (n, ...values) => { const of = filed(n); of.data += values.map(text).join("") + "\r\n"; of.at = of.data.length; of.isChanged = true; },
    put: (n, place, value) => { const of = filed(n); if (place !== undefined) of.at = Math.max(0, integer(place) - 1); const added = Array.isArray(value) ? host.octets(value) : typeof value === "number" ? code(value & 255) : text(value); of.data = of.data.slice(0, of.at) + added + of.data.slice(of.at + added.length); of.at += added.length; of.isChanged = true; },
    get: (n, place) => { const of = filed(n); if (place !== undefined) of.at = Math.max(0, integer(place) - 1); return Array.from(taken(of, of.data.length), (c) => c.charCodeAt(0)); },
    input: (n) => { const of = filed(n); if (of.at >= of.data.length) fail(62, "Input past end of file"); const end = of.data.indexOf("\n", of.at); return taken(of, (end < 0 ? of.data.length : end + 1) - of.at).replace(/\r?\n$/, ""); },
    seek: (n, place) => { filed(n).at = Math.max(0, integer(place) - 1); }, rename: (from, to) => machine.move(text(from), text(to), "move to"),
  };

  // Functions of Windows' libraries: what they would do is said, and most say that it was done.
  const acting = new Set(["urldownloadtofile", "urldownloadtocachefile", "internetopenurl", "internetconnect", "shellexecute", "createprocess", "copyfile", "deletefile", "findwindow"]);
  function declared(library, alias) {
    const of = alias.replace(/^#/, "ordinal "), whole = lower(alias), stem = whole.replace(/[aw]$/, "");
    const name = acting.has(stem) ? stem : whole;
    const command = (...values) => values.map(text).filter((v) => v !== "" && v !== "0").join(" ");
    return (...v) => {
      flush();
      switch (name) {
        case "urldownloadtofile": machine.write(text(v[2]), host.load("GET " + text(v[1]), "", of)); return 0;
        case "urldownloadtocachefile": host.load("GET " + text(v[1]), "", of); return 0;
        case "internetopenurl": host.load("GET " + text(v[1]), "", of); return 4711;
        case "internetconnect": host.load("CONNECT tcp://" + text(v[1]) + ":" + text(v[2]), "", of); return 4711;
        case "shellexecute": machine.start(command(v[2], v[3]), of); return 42;
        case "winexec": machine.start(text(v[0]), of); return 42;
        case "createprocess": machine.start(text(v[1]) || text(v[0]), of); return 1;
        case "copyfile": machine.move(text(v[0]), text(v[1]), "copy to"); return 1;
        case "deletefile": host.record("move", text(v[0]), "delete"); return 1;
        case "sleep": host.wait(number(v[0])); return 0;
        case "sleepex": host.wait(number(v[0])); return 0;
        case "gettickcount": return Date.now() % 0x7fffffff;
        case "isdebuggerpresent": case "findwindow": host.record("ask", of, lower(library)); return 0;
        default: host.record("call", of, lower(library) + ": " + v.map((one) => (Array.isArray(one) ? one.length + " octets" : text(typeof one === "object" || typeof one === "function" ? "" : one))).join(", ")); return name === "virtualalloc" || name === "heapalloc" ? 65536 : 1;
      }
    };
  }

  const own = (of, what) => { what.isOwn = true; procedures.add(what); g[mangled(of)] = what; };
  const Err = com("Err", { number: property(() => error.number, (v) => { error.number = integer(v); }), description: property(() => error.description, (v) => { error.description = text(v); }), source: property(() => error.source, (v) => { error.source = text(v); }), clear, raise: (n, source, description) => { error.source = text(source); fail(integer(n), description === undefined ? undefined : text(description)); }, lastdllerror: 0, helpfile: "", helpcontext: 0, value: () => error.number });
  objects.err = () => Err;
  objects.debug = () => com("Debug", { print: () => {}, assert: () => {} });
  objects.wscript = () => globalThis.WScript ?? fail(424, "Object required: WScript");
  objects.wsh = objects.wscript;
  objects.vba = () => com("VBA", functions);
  objects.strings = objects.interaction = objects.conversion = objects.math = objects.vba;

  const names = () => Object.keys(g).filter((key) => key.startsWith("v_") && !key.includes("$") && !procedures.has(g[key])).map((key) => key.slice(2)).join("\n");
  const vb = {
    g, f, line: 0, back: [], number, holds, copy, bytes, array, at, putAt, each, get, put, name, call, reference, fail, clear, joined, add, like, file, flush, config,
    sub: (a, b) => { const value = number(a) - number(b); return a instanceof Date && !(b instanceof Date) ? dated(value) : value; }, mul: (a, b) => number(a) * number(b), div: divided, mod: remainder, whole: wholly, pow: (a, b) => number(a) ** number(b), minus: (a) => -number(a), join,
    fold: (values, operators) => { let out = values[0]; for (let n = 0; n < operators.length; n++) out = operators[n](out, values[n + 1]); return out; },
    eq: (a, b) => a === b || compare(a, b) === 0, ne: (a, b) => a !== b && compare(a, b) !== 0, lt: (a, b) => compare(a, b) === -1, gt: (a, b) => compare(a, b) === 1, le: (a, b) => { const c = compare(a, b); return c !== null && c <= 0; }, ge: (a, b) => { const c = compare(a, b); return c !== null && c >= 0; },
    is: (a, b) => (a ?? null) === (b ?? null), not: (a) => (typeof a === "boolean" ? !a : ~integer(a)),
    and: (a, b) => (a === true || a === false) && (b === true || b === false) ? a && b : bits(a, b, (x, y) => x & y), or: (a, b) => bits(a, b, (x, y) => x | y), xor: (a, b) => (isWhole(a, b) ? a ^ b : bits(a, b, (x, y) => x ^ y)), eqv: (a, b) => bits(a, b, (x, y) => ~(x ^ y)), imp: (a, b) => bits(a, b, (x, y) => ~x | y),
    date: (value) => parsed(value) || fail(13), me: () => (config.me ? config.me() : globalThis), nowhere: () => fail(424), isOfType: (value, of) => (value instanceof Instance ? value.name === of : false),
    set: (of, value) => { const key = mangled(of); if (key in g || !(of in objects)) g[key] = value; else put(objects[of](), "value", [], value); },
    replaced: (value, from, length, by) => { const whole = text(value), begin = integer(from) - 1, what = text(by); const count = Math.min(length === undefined ? what.length : integer(length), what.length, whole.length - begin); return whole.slice(0, begin) + what.slice(0, count) + whole.slice(begin + count); },
    after: (result, give) => { give(vb.back); return result; },
    procedure: (of, what, written) => { own(of, what); if (written && !(written in globalThis)) defineProperty(globalThis, written, { value: what, writable: true, configurable: true, enumerable: false }); },
    declare: (of, library, alias) => own(of, declared(library, alias)),
    define: (of, factory) => { classes[of] = factory; }, shape: (of, factory) => { shapes[of] = factory; }, record: (fields) => new Structure(fields), instance: (of) => new Instance(of),
    member: (object, of, kind, what) => { procedures.add(what); (object.members[of] ??= create(null))[kind] = what; }, preset: (object, of) => { object.preset = of; },
    create: made, fresh: (of) => (of in shapes ? shapes[of]() : undefined),
    caught: (what, goesOn) => { if (!goesOn) throw what; error.number = what && what.number ? what.number : 440; error.description = String((what && what.message) || what); error.source = "Microsoft VBScript runtime error"; },
    end: () => { flush(); machine.flush(); host.quit(); },
    execute: (value, locals) => host.translate("script", text(value), locals ? locals.join("\n") : "", names(), locals !== null),
    evaluate: (value, locals) => host.translate("expression", text(value), locals.join("\n"), names(), true),
    // For others: text that becomes script beside all procedures, and procedures that are called by something that happens.
    run: (value) => (0, eval)(vb.execute(value, null)),
    happens: (test) => { for (const key of Object.keys(g)) if (procedures.has(g[key]) && g[key].isOwn && test(key.slice(2))) { try { g[key](); } catch (problem) { host.record("error", "line " + vb.line + ": " + String((problem && problem.message) || problem), key.slice(2)); } } },
    start: (of) => { const what = g[mangled(of)]; if (procedures.has(what)) what(); },
    objects, text,
  };
  functions.executeglobal = f.executeglobal = f.execute = (value) => vb.run(value);
  f.eval = (value) => (0, eval)(vb.evaluate(value, []));
  defineProperty(globalThis, "$vb", { value: vb, enumerable: false });
  defineProperty(globalThis, "$g", { value: g, enumerable: false });
  // Internet Explorer's.
  if (config.page && !config.modules) defineProperty(globalThis, "execScript", { value: (what, language) => (/vb/i.test(text(language)) ? vb.run(text(what)) : (0, eval)(text(what))), writable: true, configurable: true, enumerable: false });
  config.vb = vb;
})
