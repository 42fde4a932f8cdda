// Word, Excel and PowerPoint as a macro sees them: its document, cells that keep what is put into them, an application that is there.
(function (host, config) {
  "use strict";
  const { create } = Object;
  const { com, property, unknown, collection, start } = config.machine;
  const { text, objects } = config.vb;
  const folder = "C:\\Users\\erika\\Downloads";
  const known = config.document || {};
  const own = (name) => com("Property", { name, value: property(() => Object.assign(create(null), known.properties)[host.lower(text(name))] ?? "", () => {}), type: 4 });
  const properties = com("DocumentProperties", { "()": own, item: own, count: 0, add: () => {}, items: [] });
  const range = (words) => com("Range", { text: property(() => words), value: () => words, find: unknown("Range.Find"), characters: com("Characters", { count: words.length, "()": (n) => words[n - 1] ?? "" }), words: collection(words.split(/\s+/)), start: 0, end: words.length });
  const content = range(known.text || "");

  // Cells by sheet and place.
  const cells = create(null);
  const columns = (name) => [...name.toUpperCase()].reduce((sum, c) => sum * 26 + c.charCodeAt(0) - 64, 0);
  const column = (number) => { let out = ""; for (let n = number; n > 0; n = Math.floor((n - 1) / 26)) out = String.fromCharCode(65 + ((n - 1) % 26)) + out; return out; };
  function cell(sheet, row, place) {
    const key = sheet + "!" + column(place) + row;
    const value = property(() => cells[key], (what) => { cells[key] = what; });
    const moved = (down, right) => cell(sheet, Math.max(1, row + Number(down || 0)), Math.max(1, place + Number(right || 0)));
    const self = com("Range", {
      value, value2: value, formula: value, text: property(() => text(cells[key])), row, column: place, count: 1, address: () => "$" + column(place) + "$" + row, offset: moved, resize: () => self, end: () => self, cells: (r, c) => moved((r || 1) - 1, (c || 1) - 1),
      range: (other) => at(sheet, other), select: () => {}, activate: () => {}, clear: () => { delete cells[key]; }, clearcontents: () => { delete cells[key]; }, copy: () => {}, autofit: () => {}, merge: () => {}, worksheet: property(() => sheets(sheet)), parent: property(() => sheets(sheet)), entirerow: property(() => self), entirecolumn: property(() => self), rows: property(() => self), columns: property(() => self), find: () => null, items: undefined,
      "()": (r, c) => moved((r || 1) - 1, (c || 1) - 1),
    });
    return self;
  }
  const at = (sheet, address) => { const found = /\$?([a-z]{1,3})\$?(\d{1,7})/i.exec(text(address)); return found ? cell(sheet, Number(found[2]), columns(found[1])) : cell(sheet, 1, 1); };
  const numbered = (sheet) => (row, place) => cell(sheet, Number(row) || 1, typeof place === "string" ? columns(place) : Number(place) || 1);
  function sheets(name) {
    const own = text(name) || "Sheet1";
    return com("Worksheet", { name: own, range: (address) => at(own, address), cells: com("Cells", { "()": numbered(own), item: numbered(own), count: 17179869184, clear: () => {} }), usedrange: property(() => cell(own, 1, 1)), activate: () => {}, select: () => {}, unprotect: () => {}, protect: () => {}, visible: -1, index: 1, shapes: collection([]), oleobjects: collection([]), delete: () => {} });
  }
  const all = com("Worksheets", { "()": (name) => sheets(typeof name === "number" ? "Sheet" + name : name), item: (name) => sheets(typeof name === "number" ? "Sheet" + name : name), count: 1, add: () => sheets("Sheet2"), items: [sheets("Sheet1")] });

  const saved = (path) => host.record("call", "SaveAs", text(path));
  const document = com("Document", {
    name: config.name, fullname: folder + "\\" + config.name, path: folder, content, range: () => content, application: property(() => application), builtindocumentproperties: properties, customdocumentproperties: properties, variables: com("Variables", { "()": own, item: own, count: 0, add: () => {} }),
    worksheets: all, sheets: all, activesheet: property(() => sheets("")), save: () => {}, saveas: saved, saveas2: saved, savecopyas: saved, close: () => {}, protect: () => {}, unprotect: () => {}, activate: () => {}, saved: true, readonly: false, haspassword: false, protectiontype: -1,
    paragraphs: collection([com("Paragraph", { range: content })]), words: collection([]), bookmarks: collection([]), shapes: collection([]), inlineshapes: collection([]), tables: collection([]), sections: collection([]), followhyperlink: (address) => start(text(address), "FollowHyperlink"), attachedtemplate: property(() => document), vbproject: unknown("VBProject"),
    value: () => config.name,
  });
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
    inputbox: (message) => { host.record("show", text(message), "InputBox"); return ""; }, getopenfilename: () => false, getsaveasfilename: () => false, calculate: () => {}, goto: () => {}, volatile: () => {}, range: (address) => at("Sheet1", address), cells: com("Cells", { "()": numbered("Sheet1") }),
    createobject: config.machine.make, value: () => "Microsoft Office",
  });
  for (const [name, object] of Object.entries({ application, word: application, excel: application, powerpoint: application, thisdocument: document, activedocument: document, thisworkbook: document, activeworkbook: document, activepresentation: document, worksheets: all, sheets: all, documents, workbooks: documents })) objects[name] = () => object;
  objects.activesheet = () => sheets("");
  objects.range = () => com("Range", { "()": (address) => at("Sheet1", address), value: () => "" });
  objects.cells = () => com("Cells", { "()": numbered("Sheet1") });
  objects.selection = () => application.selection;
  for (const name of ["activewindow", "options", "normaltemplate", "rows", "columns", "system", "tasks"]) objects[name] = () => unknown(name);
  for (const name of config.modules || []) if (!(name in objects)) objects[name] = () => com(name, { show: () => {}, hide: () => {} });
  config.me = () => document;
})
