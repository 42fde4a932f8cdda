//! Documents, opened for real by LibreOffice and poppler behind real walls. Where the office pack is not installed, they say so and skip.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/open_document.rs"]
mod open_document;
mod support;

use std::path::PathBuf;
use std::time::Duration;

use open_document::text;
use postern_model::sandbox::{Action, Kind, Report};
use postern_sandbox::cell::{CellError, Cells};
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use postern_sandbox::native::office;
use support::{cells_cgroups, job, names, show};

const PLAIN: &str = "<text:p>Enable content to see the invoice</text:p>";

/// One after the other: what is left behind is looked for in between.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// `None` where the pack or a cell for it cannot be had.
async fn open(name: &str, content: &[u8], limits: Limits) -> Option<Report> {
    if !office::missing().is_empty() {
        println!("skipped: {} not installed", office::missing().join(" and "));
        return None;
    }
    let _one = ONE.lock().await;
    let ran = Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell"))).run(&Job { limits, ..job(name) }, content, None).await;
    assert_eq!(cells_cgroups(), Vec::<PathBuf>::new(), "nothing is left behind");
    match ran {
        Ok(report) => match report.timeline.iter().find(|e| e.text == "not run" && e.detail.contains("not permitted")) {
            Some(event) => {
                println!("skipped: {}", event.detail);
                None
            }
            None => Some(report),
        },
        Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => {
            println!("skipped: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn all() -> Limits {
    Limits { all_documents: true, ..Limits::default() }
}

fn did(report: &Report, action: Action, text: &str) -> bool {
    report.timeline.iter().any(|e| e.action == action && e.text.contains(text))
}

#[tokio::test]
async fn a_macro_of_a_document_is_run_and_seen() {
    let basic =
        "Open \"/tmp/dropped.sh\" For Output As #1\nPrint #1, \"echo hi\"\nClose #1\nShell(\"/bin/sh\", 0, \"/tmp/dropped.sh\", True)";
    let Some(report) = open("letter.odt", &text(PLAIN, basic), Limits::default()).await else { return };
    assert!(did(&report, Action::Write, "/tmp/dropped.sh") && did(&report, Action::Start, "/bin/sh /tmp/dropped.sh"), "{}", show(&report));
    for name in ["NATIVE_WRITES", "NATIVE_STARTS", "NATIVE_DROPPER"] {
        assert!(names(&report).contains(&name), "{name}: {}", show(&report));
    }
    assert!(report.parts.iter().any(|p| p.name == "dropped.sh"), "what it wrote is a part: {}", show(&report));
}

#[tokio::test]
async fn a_remote_picture_is_asked_for_and_the_pages_are_read() {
    let body = format!(
        "{PLAIN}<text:p><draw:frame text:anchor-type=\"paragraph\" svg:width=\"3cm\" svg:height=\"3cm\">\
         <draw:image xlink:href=\"http://pictures.example/p.png\" xlink:type=\"simple\"/></draw:frame></text:p>"
    );
    let Some(report) = open("letter.odt", &text(&body, ""), all()).await else { return };
    assert!(
        did(&report, Action::Resolve, "pictures.example") && did(&report, Action::Load, "http://pictures.example/p.png"),
        "{}",
        show(&report)
    );
    let rendered = report.parts.iter().position(|p| p.name == "rendered.pdf" && p.kind == Kind::Pdf).expect("its pages are a part");
    let shown = report.timeline.iter().find(|e| e.action == Action::Show && e.text.contains("Enable content"));
    assert_eq!(shown.expect("what a reader sees").part as usize, rendered, "{}", show(&report));
}

#[tokio::test]
async fn an_honest_document_is_silent() {
    let Some(report) = open("letter.odt", &text(PLAIN, ""), all()).await else { return };
    let loud: Vec<_> = report.timeline.iter().filter(|e| !matches!(e.action, Action::Begin | Action::End | Action::Show)).collect();
    assert!(loud.is_empty() && names(&report).is_empty(), "{}", show(&report));
}

#[tokio::test]
async fn one_that_never_ends_is_ended() {
    let limits = Limits { documents: Duration::from_secs(4), ..Limits::default() };
    let Some(report) = open("letter.odt", &text(PLAIN, "Do While True\nLoop"), limits).await else { return };
    let end = report.timeline.iter().find(|e| e.action == Action::End).expect("an end");
    assert!(end.at < 8000, "{}", show(&report));
    assert!(names(&report).contains(&"NATIVE_STOPPED"), "{}", show(&report));
}

#[tokio::test]
async fn a_broken_one_opens_nothing_and_ends() {
    let mut content = text(PLAIN, "");
    content.truncate(content.len() / 2);
    let Some(report) = open("letter.odt", &content, all()).await else { return };
    assert!(did(&report, Action::Begin, "letter.odt") && did(&report, Action::End, "letter.odt"), "{}", show(&report));
}

#[tokio::test]
async fn without_time_for_documents_none_is_opened() {
    let Some(report) = open("letter.odt", &text(PLAIN, "Shell(\"/bin/sh\")"), Limits { documents: Duration::ZERO, ..all() }).await else {
        return;
    };
    assert!(report.timeline.is_empty(), "{}", show(&report));
}
