// Word, Excel and PowerPoint as a macro sees them: its document, cells that keep what is put into them, an application that is there.
(function (host, config) {
  "use strict";
  const { create } = Object;
  const { com, property, unknown, collection, start } = config.machine;
  const { text, objects } = config.vb;
  const folder = "C:\\Users\\erika\\Downloads";
  const known = config.document || {};
  // Values by name, of which a document has more than one set. Those of a number are counted as Office counts them.
  function set(kind, held, numbers) {
    const values = Object.assign(create(null), held);
    const keyed = (name) => (typeof name === "number" ? (numbers || Object.keys(values))[name - 1] ?? "" : host.lower(text(name)));
    const one = (name) => com(kind, { name, value: property(() => values[keyed(name)] ?? "", (what) => { values[keyed(name)] = what; }), type: 4, delete: () => { delete values[keyed(name)]; } });
    const add = (name, ...more) => { values[keyed(name)] = more[more.length - 1]; return one(name); };
    return com(kind + "s", { "()": one, "()=": (name, what) => { values[keyed(name)] = what; }, item: one, count: property(() => Object.keys(values).length), add, keys: () => Object.keys(values).map(one) });
  }
  const BUILT_IN = ["title", "subject", "author", "keywords", "comments", "template", "last author", "revision number", "application name", "last print date", "creation date", "last save time", "total editing time", "number of pages", "number of words", "number of characters", "security", "category", "format", "manager", "company"];
  const properties = set("DocumentProperty", known.properties, BUILT_IN);
  const custom = set("DocumentProperty", known.custom);
  const variables = set("Variable", known.variables);
  const range = (words) => com("Range", { text: property(() => words), value: () => words, find: unknown("Range.Find"), characters: com("Characters", { count: words.length, "()": (n) => words[n - 1] ?? "" }), words: collection(words.split(/\s+/)), start: 0, end: words.length });
  const content = range(known.text || "");

  // Cells by sheet and place: those that the document brings, and what is put into them.
  const ROWS = 1048576, COLUMNS = 16384;
  const list = (known.sheets || []).length > 0 ? known.sheets : [{ name: "Sheet1", code_name: "Sheet1", cells: [] }];
  const cells = create(null), ends = create(null);
  const columns = (name) => [...name.toUpperCase()].reduce((sum, c) => sum * 26 + c.charCodeAt(0) - 64, 0);
  const column = (number) => { let out = ""; for (let n = number; n > 0; n = Math.floor((n - 1) / 26)) out = String.fromCharCode(65 + ((n - 1) % 26)) + out; return out; };
  const keyed = (sheet, row, place) => host.lower(sheet) + "!" + column(place) + row;
  const endOf = (sheet) => (ends[host.lower(sheet)] ??= { row: 1, place: 1 });
  const fill = (sheet, row, place, value) => { cells[keyed(sheet, row, place)] = value; const end = endOf(sheet); end.row = Math.max(end.row, row); end.place = Math.max(end.place, place); };
  for (const sheet of list) for (const [row, place, value] of sheet.cells) fill(sheet.name, row, place, value);
  const within = (value, most) => Math.min(most, Math.max(1, Number(value) || 1));
  // From a cell to the end of what is filled, as Ctrl and an arrow go.
  function border(sheet, row, place, direction) {
    const [down, right] = { "-4162": [-1, 0], "-4121": [1, 0], "-4159": [0, -1], "-4161": [0, 1] }[direction] || [0, 0];
    const end = endOf(sheet), isFilled = (r, p) => cells[keyed(sheet, r, p)] !== undefined;
    let [r, p] = [down < 0 ? Math.min(row, end.row + 1) : row, right < 0 ? Math.min(place, end.place + 1) : place];
    const inside = () => r + down >= 1 && p + right >= 1 && r + down <= end.row && p + right <= end.place;
    const goesOn = inside() && isFilled(r, p) && isFilled(r + down, p + right);
    while ((down || right) && inside()) { if (goesOn && !isFilled(r + down, p + right)) break; r += down; p += right; if (!goesOn && isFilled(r, p)) break; }
    return cell(sheet, r, p);
  }
  function cell(sheet, row, place) {
    const key = keyed(sheet, row, place);
    const value = property(() => cells[key], (what) => fill(sheet, row, place, what));
    const moved = (down, right) => cell(sheet, within(row + Number(down || 0), ROWS), within(place + Number(right || 0), COLUMNS));
    const self = com("Range", {
      value, value2: value, formula: value, text: property(() => text(cells[key])), row, column: place, count: 1, address: () => "$" + column(place) + "$" + row, offset: moved, resize: (rows, width) => area(sheet, row, place, row + within(rows, ROWS) - 1, place + within(width, COLUMNS) - 1), end: (direction) => border(sheet, row, place, String(direction)), cells: (r, c) => moved((r || 1) - 1, (c || 1) - 1),
      range: (other) => at(sheet, other), select: () => {}, activate: () => {}, clear: () => { delete cells[key]; }, clearcontents: () => { delete cells[key]; }, copy: () => {}, autofit: () => {}, merge: () => {}, worksheet: property(() => sheets(sheet)), parent: property(() => sheets(sheet)), entirerow: property(() => self), entirecolumn: property(() => self), rows: property(() => self), columns: property(() => self), find: () => null, keys: () => [self],
      "()": (r, c) => moved((r || 1) - 1, (c || 1) - 1),
    });
    return self;
  }
  // Several of them: whole columns and rows go as far as something is filled.
  function area(sheet, top, left, bottom, right) {
    const end = endOf(sheet);
    if (bottom - top >= 100000) bottom = Math.max(top, end.row);
    if (right - left >= 1000) right = Math.max(left, end.place);
    if (top === bottom && left === right) return cell(sheet, top, left);
    const [height, width] = [bottom - top + 1, right - left + 1];
    const value = property(() => { const out = config.vb.array([[1, height], [1, width]], () => undefined); for (let r = 0; r < height; r++) for (let p = 0; p < width; p++) out[r][p] = cells[keyed(sheet, top + r, left + p)]; return out; }, (what) => { for (let r = 0; r < height; r++) for (let p = 0; p < width; p++) fill(sheet, top + r, left + p, Array.isArray(what) ? what[r] && Array.isArray(what[r]) ? what[r][p] : what[p] : what); });
    const nth = (r, p) => (p === undefined ? cell(sheet, top + Math.floor((Number(r || 1) - 1) / width), left + ((Number(r || 1) - 1) % width)) : cell(sheet, top + Number(r || 1) - 1, left + Number(p) - 1));
    const part = (name, count, of) => com(name, { count, "()": of, item: of, keys: () => Array.from({ length: Math.min(count, 20000) }, (_, n) => of(n + 1)) });
    return com("Range", {
      value, value2: value, formula: value, text: "", row: top, column: left, count: height * width, address: () => "$" + column(left) + "$" + top + ":$" + column(right) + "$" + bottom, cells: part("Cells", height * width, nth), rows: part("Rows", height, (n) => area(sheet, top + n - 1, left, top + n - 1, right)), columns: part("Columns", width, (n) => area(sheet, top, left + n - 1, bottom, left + n - 1)),
      "()": nth, item: nth, offset: (down, along) => area(sheet, top + Number(down || 0), left + Number(along || 0), bottom + Number(down || 0), right + Number(along || 0)), end: (direction) => border(sheet, top, left, String(direction)), range: (other) => at(sheet, other), worksheet: property(() => sheets(sheet)), parent: property(() => sheets(sheet)), select: () => {}, activate: () => {}, clear: () => {}, clearcontents: () => {}, copy: () => {}, autofit: () => {}, find: () => null,
      keys: () => Array.from({ length: Math.min(height * width, 20000) }, (_, n) => nth(n + 1)),
    });
  }
  // Of an address, a name of the workbook, or two corners.
  function at(sheet, address, other) {
    if (other !== undefined) { const [a, b] = [address, other].map((one) => (typeof one === "string" ? at(sheet, one) : one)); return area(sheet, Math.min(a.row, b.row), Math.min(a.column, b.column), Math.max(a.row, b.row), Math.max(a.column, b.column)); }
    let words = text(address).replace(/^=/, "");
    words = Object.assign(create(null), known.names)[host.lower(words)] ?? words;
    const of = /^(?:'((?:[^']|'')+)'|([^'!]+))!(.*)$/.exec(words);
    if (of) { sheet = named((of[1] || of[2]).replace(/''/g, "'")); words = of[3]; }
    const found = /^\s*\$?([a-z]{0,3})\$?(\d{0,7})(?::\$?([a-z]{0,3})\$?(\d{0,7}))?/i.exec(words);
    const [left, top, right, bottom] = [found[1] ? columns(found[1]) : 1, Number(found[2]) || 1, found[3] ? columns(found[3]) : found[1] || found[3] === undefined ? columns(found[1] || "A") : COLUMNS, found[4] ? Number(found[4]) : found[2] || found[4] === undefined ? Number(found[2]) || 1 : ROWS];
    return area(sheet, Math.min(top, bottom), Math.min(left, right), Math.max(top, bottom), Math.max(left, right));
  }
  const numbered = (sheet) => (row, place) => (place === undefined && Number(row) > COLUMNS ? cell(sheet, 1, 1) : place === undefined ? cell(sheet, 1, within(row, COLUMNS)) : cell(sheet, within(row, ROWS), typeof place === "string" ? columns(place) : within(place, COLUMNS)));
  // A sheet by its number, its name, or what the macros call it.
  const named = (name) => (typeof name === "number" ? (list[name - 1] || list[0]).name : (list.find((sheet) => host.lower(sheet.name) === host.lower(text(name))) || list.find((sheet) => host.lower(sheet.code_name) === host.lower(text(name))) || { name: text(name) || list[0].name }).name);
  const whole = (name, count) => com(name, { count });
  function sheets(name) {
    const own = named(name);
    return com("Worksheet", { name: own, codename: (list.find((sheet) => sheet.name === own) || {}).code_name || own, range: (address, other) => at(own, address, other), cells: com("Cells", { "()": numbered(own), item: numbered(own), count: 17179869184, clear: () => {} }), rows: whole("Rows", ROWS), columns: whole("Columns", COLUMNS), usedrange: property(() => area(own, 1, 1, endOf(own).row, endOf(own).place)), activate: () => {}, select: () => {}, unprotect: () => {}, protect: () => {}, visible: -1, index: list.findIndex((sheet) => sheet.name === own) + 1, shapes: collection([]), oleobjects: collection([]), delete: () => {} });
  }
  const all = com("Worksheets", { "()": sheets, item: sheets, count: list.length, add: () => sheets("Sheet" + (list.length + 1)), keys: () => list.map((sheet) => sheets(sheet.name)) });

  // Forms with what their controls hold. Those within frames are the form's, too.
  const held = create(null), inForms = create(null);
  function control(of) {
    let value = of.value;
    const shown = property(() => value, (what) => { value = what; });
    return com(of.name, { name: of.name, caption: of.caption, tag: of.tag, controltiptext: of.tip, text: shown, value: property(() => (of.value !== "" || value !== "" ? value : self(of).caption), (what) => { value = what; }), visible: true, enabled: true });
  }
  const made = new Map();
  const self = (of) => { if (!made.has(of)) made.set(of, control(of)); return made.get(of); };
  for (const form of known.forms || []) {
    const own = create(null);
    for (const one of form.controls) { const name = host.lower(one.name); own[name] ??= self(one); inForms[name] ??= own[name]; }
    const nth = (name) => (typeof name === "number" ? Object.values(own)[name] : own[host.lower(text(name))]) ?? unknown("Control");
    held[host.lower(form.name)] = com(form.name, Object.assign(create(null), { name: form.name, caption: form.caption, tag: form.tag, show: () => {}, hide: () => {}, controls: com("Controls", { "()": nth, item: nth, count: form.controls.length, keys: () => Object.values(own) }) }, own));
  }

  const saved = (path) => host.record("call", "SaveAs", text(path));
  const members = {
    name: config.name, fullname: folder + "\\" + config.name, path: folder, content, range: () => content, application: property(() => application), builtindocumentproperties: properties, customdocumentproperties: custom, variables,
    worksheets: all, sheets: all, activesheet: property(() => sheets("")), save: () => {}, saveas: saved, saveas2: saved, savecopyas: saved, close: () => {}, protect: () => {}, unprotect: () => {}, activate: () => {}, saved: true, readonly: false, haspassword: false, protectiontype: -1,
    paragraphs: collection([com("Paragraph", { range: content })]), words: collection([]), bookmarks: collection([]), shapes: collection([]), inlineshapes: collection([]), tables: collection([]), sections: collection([]), followhyperlink: (address) => start(text(address), "FollowHyperlink"), attachedtemplate: property(() => document), vbproject: unknown("VBProject"),
    value: () => config.name,
  };
  const document = com("Document", members);
  const documents = com("Documents", { "()": () => document, item: () => document, count: 1, add: () => document, open: (path) => { if (/^(https?:|\\\\)/i.test(text(path))) host.load("GET " + text(path), "", "Documents.Open"); else host.record("read", text(path), "Documents.Open"); return document; }, items: [document] });
  const run = (name, ...values) => config.vb.call(host.lower(text(name).replace(/^.*[!.]/, "")), values);
  function command(formula) {
    host.record("call", "ExecuteExcel4Macro", text(formula));
    const found = /^=?\s*exec\s*\(\s*"((?:[^"]|"")*)"/i.exec(text(formula));
    if (found) start(found[1].replace(/""/g, '"'), "ExecuteExcel4Macro");
    return 0;
  }
  const application = com("Application", {
    name: config.name.match(/\.xl/i) ? "Microsoft Excel" : config.name.match(/\.pp/i) ? "Microsoft PowerPoint" : "Microsoft Word", version: "16.0", build: "16.0.14326", operatingsystem: "Windows (64-bit) NT 10.00", username: "erika", usercontrol: true, path: "C:\\Program Files\\Microsoft Office\\root\\Office16", pathseparator: "\\", visible: true, mouseavailable: true, language: 1033,
    activedocument: document, activeworkbook: document, thisworkbook: document, activesheet: property(() => sheets("")), documents, workbooks: documents, worksheets: all, sheets: all, selection: property(() => com("Selection", { text: "", value: () => "", typetext: () => {}, range: content })), recentfiles: collection(Array(9).fill(com("RecentFile", { name: "letter.docx" }))),
    run, ontime: (...values) => { const name = values.find((v) => typeof v === "string" && !/^\d/.test(v)); if (name !== undefined) { host.wait(1000); run(name); } }, wait: () => { host.wait(1000); return true; }, executeexcel4macro: command, evaluate: () => "", quit: () => {}, sendkeys: (keys) => host.record("call", "SendKeys", text(keys)), displayalerts: true, screenupdating: true, enableevents: true, calculation: 0, statusbar: "", automationsecurity: 1, cutcopymode: false,
    inputbox: (message) => { host.record("show", text(message), "InputBox"); return ""; }, getopenfilename: () => false, getsaveasfilename: () => false, calculate: () => {}, goto: () => {}, volatile: () => {}, range: (address, other) => at(named(""), address, other), cells: com("Cells", { "()": numbered(named("")) }), rows: whole("Rows", ROWS), columns: whole("Columns", COLUMNS), names: set("Name", known.names),
    createobject: config.machine.make, value: () => "Microsoft Office",
  });
  for (const [name, object] of Object.entries({ application, word: application, excel: application, powerpoint: application, thisdocument: document, activedocument: document, thisworkbook: document, activeworkbook: document, activepresentation: document, worksheets: all, sheets: all, documents, workbooks: documents })) objects[name] = () => object;
  objects.activesheet = () => sheets("");
  objects.range = () => com("Range", { "()": (address, other) => at(named(""), address, other), value: () => "" });
  objects.cells = () => com("Cells", { "()": numbered(named("")), item: numbered(named("")), count: 17179869184 });
  objects.rows = () => whole("Rows", ROWS);
  objects.columns = () => whole("Columns", COLUMNS);
  objects.selection = () => application.selection;
  for (const name of ["activewindow", "options", "normaltemplate", "system", "tasks"]) objects[name] = () => unknown(name);
  const numbers = { xlup: -4162, xldown: -4121, xltoleft: -4159, xltoright: -4161, wdpropertytitle: 1, wdpropertysubject: 2, wdpropertyauthor: 3, wdpropertykeywords: 4, wdpropertycomments: 5, wdpropertytemplate: 6, wdpropertylastauthor: 7, wdpropertycategory: 18, wdpropertymanager: 20, wdpropertycompany: 21 };
  for (const [name, value] of Object.entries(numbers)) objects[name] ??= () => value;
  for (const sheet of list) if (sheet.code_name) objects[host.lower(sheet.code_name)] ??= () => sheets(sheet.name);
  for (const [name, object] of [...Object.entries(held), ...Object.entries(inForms)]) objects[name] ??= () => object;
  for (const name of config.modules || []) if (!(name in objects)) objects[name] = () => com(name, { show: () => {}, hide: () => {} });
  // A form's own macros call it so as well.
  const me = com("Document", Object.assign(create(null), inForms, members));
  config.me = () => me;
})
