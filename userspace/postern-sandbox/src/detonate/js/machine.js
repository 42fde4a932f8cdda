// The machine that a script believes to be on: Windows' script host and the objects of ActiveX that droppers use. Every one of them
// does nothing but say what was asked of it. Names are those of Microsoft's documentation, in small letters: COM has no others.
(function (host, config) {
  "use strict";
  const { create } = Object;
  const lower = host.lower;
  const self = "C:\\Users\\erika\\Downloads\\" + config.name;
  const isPlain = (value) => typeof value === "boolean" || typeof value === "number" || value instanceof Date;
  const text = (value) => (value === undefined || value === null ? "" : config.vb && isPlain(value) ? config.vb.text(value) : String(value));
  const variables = {
    temp: "C:\\Users\\erika\\AppData\\Local\\Temp", tmp: "C:\\Users\\erika\\AppData\\Local\\Temp",
    appdata: "C:\\Users\\erika\\AppData\\Roaming", localappdata: "C:\\Users\\erika\\AppData\\Local",
    userprofile: "C:\\Users\\erika", username: "erika", userdomain: "OFFICE", computername: "OFFICE-17",
    public: "C:\\Users\\Public", programdata: "C:\\ProgramData", allusersprofile: "C:\\ProgramData",
    programfiles: "C:\\Program Files", "programfiles(x86)": "C:\\Program Files (x86)", windir: "C:\\Windows",
    systemroot: "C:\\Windows", systemdrive: "C:", comspec: "C:\\Windows\\System32\\cmd.exe", homedrive: "C:",
    homepath: "\\Users\\erika", os: "Windows_NT", processor_architecture: "AMD64", number_of_processors: "8",
    path: "C:\\Windows\\System32;C:\\Windows", userdnsdomain: "office.example", logonserver: "\\\\OFFICE-DC",
  };
  const expand = (value) =>
    text(value).replace(/%([^%]+)%/g, (whole, name) => (lower(name) in variables ? variables[lower(name)] : whole));

  // A member that is read and written as one: anything else is a method or a value.
  class Property { constructor(get, set) { this.get = get; this.set = set; } }
  const property = (get, set) => new Property(get, set);

  // Members by object, for Visual Basic.
  const inside = new WeakMap();

  // An object whose members have no case. "()" is what it does when it is called, "()=" when something is assigned to that, "value"
  // what it is as text.
  function com(name, members) {
    const known = Object.assign(create(null), members);
    const plain = () => (known.value instanceof Property ? known.value.get() : typeof known.value === "function" ? known.value() : "value" in known ? known.value : name);
    const proxy = new Proxy(() => {}, {
      get(_, key) {
        if (typeof key === "symbol") return key === Symbol.toPrimitive ? plain : undefined;
        const member = lower(key);
        if (member in known) return known[member] instanceof Property ? known[member].get() : known[member];
        if (member === "tostring" || member === "valueof") return plain;
        return unknown(name + "." + key);
      },
      set(_, key, value) {
        const member = lower(String(key));
        if (known[member] instanceof Property) { if (known[member].set) known[member].set(value); }
        else { known[member] = value; if (!(members && member in members)) host.record("call", name + "." + String(key) + " =", text(value)); }
        return true;
      },
      has: (_, key) => typeof key === "string" && lower(key) in known,
      apply: (_, __, values) => (known["()"] ? known["()"](...values) : proxy),
      deleteProperty: () => true,
    });
    inside.set(proxy, known);
    return proxy;
  }

  // What nothing is known of: it takes everything, and is there for all that is asked of what it gives.
  function unknown(name) {
    return com(name, {
      "()": (...values) => { host.record("call", name, values.map(text).join(", ")); return unknown(name + "()"); },
      value: () => "",
      count: 0, length: 0, size: 0,
    });
  }

  const files = create(null);
  // Files that are written piece by piece are told with the first piece, and as a whole when they are used, closed, or at the end.
  const pending = new Set();
  const flush = () => { for (const put of pending) put(); pending.clear(); };
  const start = (command, by) => { flush(); host.start(expand(command), by); };
  const write = (path, data) => { const whole = expand(path); files[lower(whole)] = data; host.write(whole, data); };
  const read = (path) => {
    flush();
    const whole = lower(expand(path));
    host.record("read", expand(path), "");
    if (whole === lower(self)) return config.source;
    return whole in files ? files[whole] : "";
  };
  const exists = (path) => {
    const whole = lower(expand(path));
    return whole in files || whole === lower(self) || /^c:\\windows(\\system32)?(\\(cmd|powershell|wscript|cscript|mshta|rundll32|regsvr32|certutil)\.exe)?$/.test(whole);
  };
  const last = (path) => text(path).replace(/\\+$/, "").split(/[\\/]/).pop();
  const parent = (path) => text(path).replace(/[\\/][^\\/]*$/, "");

  function stream(path, mode) {
    let written = mode === 8 && exists(path) ? read(path) : "";
    let rest = mode === 1 ? text(read(path)) : "";
    let isNew = true;
    const save = () => write(path, written);
    const put = (value) => { written += text(value); if (isNew) save(); else pending.add(save); isNew = false; };
    return com("TextStream", {
      write: put, writeline: (value) => put(text(value) + "\r\n"), writeblanklines: (count) => put("\r\n".repeat(count > 0 && count < 1000 ? count : 0)),
      readall: () => { const all = rest; rest = ""; return all; },
      readline: () => { const at = rest.indexOf("\n"); const line = at < 0 ? rest : rest.slice(0, at); rest = at < 0 ? "" : rest.slice(at + 1); return line.replace(/\r$/, ""); },
      read: (count) => { const some = rest.slice(0, count); rest = rest.slice(count); return some; },
      skip: (count) => { rest = rest.slice(count); }, skipline: () => { rest = rest.slice(rest.indexOf("\n") + 1); },
      atendofstream: property(() => rest === ""), atendofline: property(() => rest === "" || rest[0] === "\n"),
      close: () => { if (pending.delete(save)) save(); else if (mode !== 1 && isNew) write(path, written); isNew = false; },
    });
  }

  function file(path) {
    const whole = expand(path);
    return com("File", {
      path: whole, name: last(whole), shortpath: whole, shortname: last(whole), parentfolder: folder(parent(whole)), type: "File",
      size: property(() => host.octets(read(whole)).length), attributes: 32, drive: "C:",
      datecreated: new Date(), datelastmodified: new Date(), datelastaccessed: new Date(),
      delete: () => host.record("move", whole, "delete"), copy: (to) => move(whole, to, "copy to"), move: (to) => move(whole, to, "move to"),
      openastextstream: (mode) => stream(whole, mode || 1), value: () => whole,
    });
  }

  function folder(path) {
    const whole = expand(path);
    return com("Folder", {
      path: whole, name: last(whole), shortpath: whole, files: collection([]), subfolders: collection([]), isrootfolder: false,
      delete: () => host.record("move", whole, "delete"), createtextfile: (name) => stream(whole + "\\" + name, 2), value: () => whole,
    });
  }

  function move(from, to, how) {
    flush();
    let target = expand(to);
    if (/[\\/]$/.test(target)) target += last(from);
    host.record("move", expand(from), how + " " + target);
    const key = lower(expand(from));
    const content = key in files ? files[key] : key === lower(self) ? config.source : undefined;
    if (content !== undefined) write(target, content);
    if (/\\start menu\\programs\\startup/i.test(target)) host.record("persist", target, "start-up folder");
  }

  function collection(items) {
    return com("Collection", {
      count: items.length, length: items.length, items, item: (key) => items[key] ?? unknown("item"), "()": (key) => items[key] ?? unknown("item"),
      itemindex: (key) => items[key], value: () => "",
    });
  }

  function dictionary() {
    const entries = create(null);
    return com("Dictionary", {
      add: (key, value) => { entries[key] = value; }, exists: (key) => key in entries, keys: () => Object.keys(entries), items: () => Object.values(entries),
      item: (key) => entries[key], "()": (key) => entries[key], "()=": (key, value) => { entries[key] = value; }, remove: (key) => { delete entries[key]; },
      removeall: () => Object.keys(entries).forEach((key) => { delete entries[key]; }), count: property(() => Object.keys(entries).length), comparemode: 0,
    });
  }

  function request(name) {
    let method = "GET", address = "", answer = "", onchange = null;
    const loaded = () => { if (typeof onchange === "function") onchange(); else if (onchange) onchange(); };
    return com(name, {
      open: (verb, url) => { method = text(verb).toUpperCase(); address = text(url); },
      send: (body) => { answer = host.load(method + " " + address, body === undefined || body === null ? "" : host.octets(body), name); loaded(); },
      setrequestheader: (key, value) => host.record("call", name + ".setRequestHeader", text(key) + ": " + text(value)),
      getallresponseheaders: () => "Content-Type: application/octet-stream\r\nContent-Length: " + answer.length + "\r\n",
      getresponseheader: (key) => (lower(text(key)) === "content-length" ? String(answer.length) : "application/octet-stream"),
      status: 200, statustext: "OK", readystate: 4, responsetext: property(() => answer), responsebody: property(() => octets(answer)),
      responsestream: property(() => octets(answer)), responsexml: property(() => document()), waitforresponse: () => true, abort: () => {},
      settimeouts: () => {}, setproxy: () => {}, setoption: () => {}, setcredentials: () => {}, setautologonpolicy: () => {}, seclientcertificate: () => {},
      option: com(name + ".option", { "()": () => 0 }), onreadystatechange: property(() => onchange, (value) => { onchange = value; }),
      overridemimetype: () => {}, value: () => "",
    });
  }

  // Octets as COM's arrays carry them; a text of characters up to 255 within.
  function octets(data) {
    return com("Octets", { octets: data, length: data.length, toarray: () => Array.from(data, (c) => c.charCodeAt(0)), value: () => data });
  }
  const content = (value) => {
    if (value === undefined || value === null) return "";
    if (typeof value === "function" && "octets" in value) return value.octets;
    return typeof value === "string" ? value : host.octets(value);
  };

  function binary() {
    let data = "", at = 0;
    return com("ADODB.Stream", {
      open: () => {}, close: () => {}, flush: () => {}, seteos: () => { data = data.slice(0, at); }, cancel: () => {},
      write: (value) => { const added = content(value); data = data.slice(0, at) + added + data.slice(at + added.length); at += added.length; },
      writetext: (value) => { const added = text(value); data = data.slice(0, at) + added + data.slice(at + added.length); at += added.length; },
      read: (count) => { const some = count > 0 ? data.slice(at, at + count) : data.slice(at); at += some.length; return octets(some); },
      readtext: (count) => { const some = count > 0 ? data.slice(at, at + count) : data.slice(at); at += some.length; return some; },
      savetofile: (path) => write(path, data), loadfromfile: (path) => { data = content(read(path)); at = 0; },
      copyto: (other) => { other.write(octets(data.slice(at))); }, skipline: () => {},
      position: property(() => at, (value) => { at = Math.max(0, Math.min(Number(value) || 0, data.length)); }),
      size: property(() => data.length), eos: property(() => at >= data.length), state: 1, type: 1, mode: 3, charset: "us-ascii", lineseparator: -1,
    });
  }

  function element(name) {
    let kind = "", inside = "";
    return com("Element", {
      nodename: name, tagname: name, datatype: property(() => kind, (value) => { kind = lower(text(value)); }),
      text: property(() => inside, (value) => { inside = text(value); }), nodevalue: property(() => inside, (value) => { inside = text(value); }),
      nodetypedvalue: property(() => (kind === "bin.base64" ? octets(host.atob(inside)) : kind === "bin.hex" ? octets(host.unhex(inside)) : inside),
        (value) => { inside = kind === "bin.base64" ? host.btoa(content(value)) : text(content(value)); }),
      appendchild: (child) => child, setattribute: () => {}, getattribute: () => "", value: () => inside,
    });
  }

  function document() {
    return com("DOMDocument", {
      async: false, createelement: element, createnode: (_, name) => element(name), load: (address) => { host.load("GET " + text(address), "", "DOMDocument"); return true; },
      loadxml: (xml) => { host.layer(text(xml)); return true; }, documentelement: property(() => element("root")), parseerror: com("ParseError", { errorcode: 0 }),
      transformnode: (sheet) => { host.record("call", "DOMDocument.transformNode", text(sheet)); return ""; }, xml: "", setproperty: () => {},
      selectsinglenode: (path) => element(text(path)), getelementsbytagname: () => collection([element("x")]),
    });
  }

  function shell() {
    const registry = create(null);
    const persists = (key) => /\\(run|runonce|runservices|winlogon|image file execution options|userinit)(\\|$)/i.test(key);
    return com("WScript.Shell", {
      run: (command) => { start(command, "WScript.Shell.Run"); return 0; },
      exec: (command) => { start(command, "WScript.Shell.Exec"); return com("Exec", { status: 1, exitcode: 0, processid: 4711, stdout: stream("", 0), stderr: stream("", 0), stdin: stream("", 0), terminate: () => {} }); },
      expandenvironmentstrings: (value) => expand(value),
      environment: com("Environment", { "()": (kind) => environment(kind), item: (name) => variables[lower(text(name))] || "" }),
      regread: (key) => { host.record("registry", text(key), "read"); return text(key) in registry ? registry[text(key)] : ""; },
      regwrite: (key, value) => { registry[text(key)] = value; host.record("registry", text(key), "write " + text(value)); if (persists(text(key))) host.record("persist", text(key), text(value)); },
      regdelete: (key) => host.record("registry", text(key), "delete"),
      specialfolders: com("SpecialFolders", { "()": special, item: special }),
      createshortcut: (path) => shortcut(expand(path)),
      popup: (message) => { host.record("show", text(message), "Popup"); return 1; },
      sendkeys: (keys) => host.record("call", "WScript.Shell.SendKeys", text(keys)), appactivate: () => true, logevent: () => true,
      currentdirectory: "C:\\Users\\erika\\Downloads",
    });
  }
  const environment = (kind) => com("Environment", { "()": (name) => variables[lower(text(name))] || "", item: (name) => variables[lower(text(name))] || "", remove: () => {}, kind: text(kind) });
  const special = (name) => ({
    startup: variables.appdata + "\\Microsoft\\Windows\\Start Menu\\Programs\\Startup", desktop: "C:\\Users\\erika\\Desktop",
    appdata: variables.appdata, mydocuments: "C:\\Users\\erika\\Documents", templates: variables.appdata + "\\Microsoft\\Windows\\Templates",
  })[lower(text(name))] || "C:\\Users\\erika\\" + text(name);

  function shortcut(path) {
    const members = { targetpath: "", arguments: "", workingdirectory: "", windowstyle: 1, iconlocation: "", description: "", hotkey: "", fullname: path };
    const link = com("Shortcut", Object.assign(members, {
      save: () => {
        host.record("write", path, "a shortcut to " + text(link.targetpath) + " " + text(link.arguments));
        host.look(text(link.targetpath) + " " + text(link.arguments));
        if (/\\start menu\\programs\\startup/i.test(path)) host.record("persist", path, "start-up folder");
      },
    }));
    return link;
  }

  function system() {
    return com("Scripting.FileSystemObject", {
      fileexists: exists, folderexists: (path) => !/vmware|virtualbox|sandboxie|wireshark/i.test(text(path)), driveexists: (name) => /^c/i.test(text(name)),
      getspecialfolder: (number) => folder(number === 0 ? "C:\\Windows" : number === 1 ? "C:\\Windows\\System32" : variables.temp),
      gettempname: () => "rad4F2A1.tmp", getfilename: last, getbasename: (path) => last(path).replace(/\.[^.]*$/, ""),
      getextensionname: (path) => (/\.([^.\\]*)$/.exec(text(path)) || ["", ""])[1], getparentfoldername: parent, getabsolutepathname: (path) => expand(path),
      getdrivename: () => "C:", buildpath: (a, b) => text(a).replace(/\\+$/, "") + "\\" + text(b), getfile: file, getfolder: folder,
      createtextfile: (path) => stream(expand(path), 2), opentextfile: (path, mode) => stream(expand(path), Number(mode) || 1),
      deletefile: (path) => host.record("move", expand(path), "delete"), deletefolder: (path) => host.record("move", expand(path), "delete"),
      copyfile: (from, to) => move(from, to, "copy to"), movefile: (from, to) => move(from, to, "move to"),
      createfolder: (path) => { host.record("write", expand(path), "a folder"); return folder(path); },
      getdrive: (name) => com("Drive", { serialnumber: 1187653210, drivetype: 2, isready: true, totalsize: 512e9, freespace: 211e9, path: text(name), driveletter: "C", volumename: "" }),
      drives: collection([]), getfileversion: () => "10.0.19041.1",
    });
  }

  function explorer() {
    return com("Shell.Application", {
      shellexecute: (program, values, _folder, verb) => start(text(program) + (values === undefined || values === null || values === "" ? "" : " " + text(values)), "Shell.Application.ShellExecute" + (verb ? " " + text(verb) : "")),
      open: (path) => start(path, "Shell.Application.Open"), explore: (path) => host.record("show", text(path), "Explore"),
      namespace: (path) => com("Namespace", {
        self: com("Item", { path: typeof path === "number" ? variables.appdata : text(path) }), items: () => collection([]), title: text(path),
        copyhere: (item) => host.record("move", text(item), "copy to " + text(path)), parsename: (name) => com("Item", { path: text(path) + "\\" + text(name), invokeverb: (verb) => start(text(path) + "\\" + text(name), "InvokeVerb " + text(verb)) }),
      }),
      minimizeall: () => {}, isserviceRunning: () => false, windows: () => collection([]),
      servicestart: (name) => host.record("persist", text(name), "service"), getsysteminformation: () => 0,
    });
  }

  // Windows Management Instrumentation: what it starts counts, what it is asked is said.
  function management() {
    const answers = { name: "OFFICE-17", model: "OptiPlex 7090", manufacturer: "Dell Inc.", caption: "Microsoft Windows 10 Pro", version: "10.0.19045", totalphysicalmemory: "17067233280", numberofcores: 8, serialnumber: "5CG1234XYZ", domain: "office.example", username: "OFFICE\\erika", processid: 4711, commandline: "", size: "512110190592", displayname: "Windows Defender", macaddress: "D4:81:D7:00:11:22" };
    return com("WMI", {
      execquery: (query) => { host.record("ask", text(query), "WMI"); return collection(/win32_process\b/i.test(text(query)) ? [] : [com("Instance", Object.assign({ value: () => "" }, answers))]); },
      instancesof: (name) => { host.record("ask", text(name), "WMI"); return collection([com("Instance", answers)]); },
      connectserver: () => management(), security_: com("Security", { impersonationlevel: 3 }),
      get: (name) => {
        if (/win32_processstartup/i.test(text(name))) return com("ProcessStartup", { spawninstance_: () => com("ProcessStartup", { showwindow: 1 }) });
        if (/win32_process$/i.test(text(name))) return com("Win32_Process", { create: (command) => { start(command, "Win32_Process.Create"); return 0; }, methods_: unknown("Methods") });
        if (/__eventfilter|eventconsumer|filtertoconsumer|win32_scheduledjob/i.test(text(name))) host.record("persist", text(name), "WMI");
        return unknown("WMI." + text(name));
      },
      execmethod_: (_, name) => host.record("call", "WMI.ExecMethod", text(name)),
      create: (command) => { start(command, "Win32_Process.Create"); return 0; },
    });
  }

  function scheduler() {
    const root = com("TaskFolder", { registertaskdefinition: (name) => host.record("persist", text(name), "task"), registertask: (name, xml) => host.record("persist", text(name), "task " + text(xml)), gettask: () => unknown("Task"), deletetask: () => {} });
    return com("Schedule.Service", { connect: () => {}, getfolder: () => root, newtask: () => com("TaskDefinition", {
      actions: com("Actions", { create: () => { const action = com("Action", { path: property(() => "", (value) => start(value, "task")), arguments: property(() => "", (value) => host.look(text(value))) }); return action; } }),
    }) });
  }

  // A name without a dot is a machine of one's own network.
  const share = (path) => (/^\\\\[^\\.]+(\\|$)/.test(text(path)) ? host.record("call", "WScript.Network.MapNetworkDrive", text(path)) : host.load("MAP " + text(path), "", "WScript.Network"));

  const makers = [
    [/^wscript\.shell(\.1)?$/, shell], [/^scripting\.filesystemobject$/, system], [/^shell\.application(\.1)?$/, explorer],
    [/^(msxml\d?|microsoft)\.(server)?xmlhttp(\.\d\.\d)?$/, request], [/^winhttp\.winhttprequest(\.5\.1)?$/, request],
    [/^adodb\.stream$/, binary], [/^(msxml\d?\.(free)?(threaded)?domdocument(\.\d\.\d)?|microsoft\.xmldom|msxml\.domdocument)$/, document],
    [/^scripting\.dictionary$/, dictionary], [/^wbemscripting\.swbemlocator$/, management], [/^schedule\.service(\.1)?$/, scheduler],
    [/^wscript\.network$/, () => com("WScript.Network", { computername: variables.computername, username: variables.username, userdomain: variables.userdomain, enumnetworkdrives: () => collection([]), enumprinterconnections: () => collection([]), mapnetworkdrive: (_, path) => share(path) })],
    [/^(internetexplorer|msedge)\.application(\.1)?$/, () => com("InternetExplorer", { navigate: (address) => host.load("GET " + text(address), "", "InternetExplorer"), navigate2: (address) => host.load("GET " + text(address), "", "InternetExplorer"), visible: false, readystate: 4, busy: false, quit: () => {}, document: property(() => htmlfile()) })],
    [/^htmlfile$/, () => htmlfile()],
    [/^windowsinstaller\.installer$/, () => com("Installer", { uilevel: 2, installproduct: (path) => { if (/:\/\//.test(text(path))) host.load("GET " + text(path), "", "Installer"); start("msiexec /i " + text(path), "Installer.InstallProduct"); } })],
    [/scriptcontrol(\.\d)?$/, () => { let language = ""; const run = (code) => { if (/vb/i.test(language)) return visualBasic().run(text(code)); return (0, eval)(text(code)); };
      return com("ScriptControl", { language: property(() => language, (value) => { language = text(value); }), addcode: run, eval: run, executestatement: run, run: (name, ...values) => (config.vb && /vb/i.test(language) ? config.vb.call(lower(text(name)), values) : globalThis[text(name)]?.(...values)), allowui: false, timeout: 0, addobject: (name, value) => { globalThis[text(name)] = value; } }); }],
  ];
  const htmlfile = () => com("htmlfile", {
    write: (markup) => host.page(text(markup)), writeln: (markup) => host.page(text(markup)), open: () => {}, close: () => {},
    parentwindow: property(() => globalThis), script: property(() => globalThis), body: property(() => unknown("htmlfile.body")), createelement: (name) => element(text(name)),
    clipboarddata: com("clipboard", { getdata: () => "", setdata: () => true }),
  });

  function make(id) {
    const name = lower(text(id)).trim();
    host.record("object", text(id), "");
    for (const [pattern, maker] of makers) if (pattern.test(name)) return maker(text(id));
    return unknown(text(id));
  }
  function get(id) {
    const name = text(id);
    if (/^winmgmts:/i.test(name)) { host.record("object", name, ""); return management(); }
    if (/^script:/i.test(name)) { host.load("GET " + name.slice(7), "", "GetObject"); return unknown("script"); }
    if (/^new:/i.test(name)) { host.record("object", name, ""); return /13709620|c08afd90|9ba05972/i.test(name) ? explorer() : /72c24dd5/i.test(name) ? shell() : unknown(name); }
    host.record("object", name || "active object", "GetObject");
    return unknown(name);
  }

  const visualBasic = () => { if (!config.vb) host.visualBasic(host, config); return config.vb; };
  config.machine = { inside, com, property, unknown, collection, octets, content, make, get, start, write, read, exists, move, expand, variables, flush };
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  define("ActiveXObject", function ActiveXObject(id) { return make(id); });
  define("GetObject", get);
  define("Enumerator", function Enumerator(of) {
    const items = of && typeof of === "function" && "items" in of && Array.isArray(of.items) ? of.items : [];
    let at = 0;
    return com("Enumerator", { atend: () => at >= items.length, movenext: () => { at += 1; }, movefirst: () => { at = 0; }, item: () => items[at] });
  });
  define("VBArray", function VBArray(of) { const items = of && of.toarray ? of.toarray() : []; return com("VBArray", { toarray: () => items, ubound: () => items.length - 1, lbound: () => 0, getitem: (n) => items[n], dimensions: () => 1 }); });
  define("ScriptEngine", () => "JScript");
  define("ScriptEngineMajorVersion", () => 5);
  define("ScriptEngineMinorVersion", () => 8);
  define("ScriptEngineBuildVersion", () => 16384);
  define("CollectGarbage", () => 0);
  // VBScript's words that JScript borrows in packages of both.
  define("CreateObject", make);
  if (!config.page) {
    const values = com("Arguments", { length: 0, count: () => 0, item: () => "", "()": () => "", named: collection([]), unnamed: collection([]), value: () => "" });
    define("WScript", com("WScript", {
      sleep: (time) => host.wait(Number(time)), echo: (...values) => host.record("show", values.map(text).join(" "), "Echo"), quit: () => { flush(); if (config.vb) config.vb.flush(); host.quit(); },
      arguments: values, scriptfullname: self, scriptname: config.name, path: "C:\\Windows\\System32", fullname: "C:\\Windows\\System32\\wscript.exe",
      name: "Windows Script Host", version: "5.812", buildversion: 16384, interactive: true, timeout: 0, createobject: make, getobject: get, connectobject: () => {},
      disconnectobject: () => {}, stdout: com("StdOut", { write: (value) => host.record("show", text(value), "StdOut"), writeline: (value) => host.record("show", text(value), "StdOut") }),
      stderr: com("StdErr", { write: () => {}, writeline: () => {} }), stdin: com("StdIn", { readline: () => "", readall: () => "", atendofstream: true }), application: property(() => globalThis.WScript),
    }));
    define("WSH", globalThis.WScript);
  }
})
