//! Documents, opened for real by LibreOffice and poppler behind real walls. Where the office pack is not installed, they say so and skip.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/open_document.rs"]
mod open_document;
mod support;
#[path = "support/visual_basic.rs"]
mod visual_basic;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use open_document::text;
use postern_model::sandbox::{Action, Kind, Report};
use postern_sandbox::cell::{CellError, Cells};
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use postern_sandbox::native::{self, office};
use support::{cells_cgroups, job, names, show};
use visual_basic::{excel, field, paragraph, word};

const PLAIN: &str = "<text:p>Enable content to see the invoice</text:p>";
const ROW: &str = "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>Total</t></is></c></row>";

/// What a macro does.
const DROPS: &str = "Open \"/tmp/dropped.sh\" For Output As #1\nPrint #1, \"echo hi\"\nClose #1\nShell \"/bin/sh /tmp/dropped.sh\", 0";

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
    opened(ran)
}

fn opened(ran: Result<Report, CellError>) -> Option<Report> {
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

/// The same modules, one of them with this code.
fn with_module<'a>(modules: &[(&'a str, &'a str)], name: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    let others = modules.iter().filter(|(known, _)| *known != name).copied();
    others.chain([(name, code)]).collect()
}

/// The objects by their numbers, the first of them the catalog.
fn pdf(objects: &[&str]) -> Vec<u8> {
    let (mut file, mut table) = ("%PDF-1.7\n".to_owned(), "0000000000 65535 f \n".to_owned());
    for (object, number) in objects.iter().zip(1..) {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let (at, count) = (file.len(), objects.len() + 1);
    (file + &format!("xref\n0 {count}\n{table}trailer << /Size {count} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n")).into_bytes()
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
    let rtf = b"{\\rtf1\\ansi Total\\par}".to_vec();
    for (name, content) in [
        ("letter.odt", text(PLAIN, "")),
        ("letter.docx", word(&paragraph("Total"), &[], &[])),
        ("sheet.xlsx", excel(ROW, &[])),
        ("letter.rtf", rtf),
        ("letter.pdf", pdf(&["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [] /Count 0 >>"])),
    ] {
        let Some(report) = open(name, &content, all()).await else { return };
        let loud = report.timeline.iter().filter(|e| !matches!(e.action, Action::Begin | Action::End | Action::Show)).count();
        assert!(loud == 0 && names(&report).is_empty(), "{name}: {}", show(&report));
    }
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

#[tokio::test]
async fn visual_basic_is_run_by_the_names_that_office_calls() {
    let sub = |name: &str, body: &str| format!("Sub {name}()\n{body}\nEnd Sub");
    let late = format!("MsgBox \"Thank you\"\n{DROPS}");
    for (name, module, code, is_excel) in [
        ("letter.docm", "ThisDocument", sub("Document_Open", DROPS), false),
        ("letter.docm", "Module1", sub("AutoOpen", DROPS), false),
        ("letter.docm", "ThisDocument", sub("Document_Open", &late), false),
        ("sheet.xlsm", "ThisWorkbook", sub("Workbook_Open", DROPS), true),
        ("sheet.xlsm", "Module1", sub("Auto_Open", DROPS), true),
        ("sheet.xlsm", "ThisWorkbook", sub("Workbook_Open", &late), true),
    ] {
        let content = match is_excel {
            true => excel(ROW, &with_module(&[("ThisWorkbook", ""), ("Sheet1", "")], module, &code)),
            false => word(&paragraph("Total"), &[], &with_module(&[("ThisDocument", "")], module, &code)),
        };
        let Some(report) = open(name, &content, Limits::default()).await else { return };
        let what = format!("{name}, {module}: {}", show(&report));
        assert!(did(&report, Action::Write, "/tmp/dropped.sh") && did(&report, Action::Start, "/bin/sh /tmp/dropped.sh"), "{what}");
        assert!(report.parts.iter().any(|p| p.name == "dropped.sh"), "what it wrote is a part: {what}");
        assert!(names(&report).contains(&"NATIVE_DROPPER") && did(&report, Action::Show, "Total"), "{what}");
    }
}

#[tokio::test]
async fn an_error_of_a_macro_does_not_hide_the_pages() {
    let code = "Sub Workbook_Open()\nCreateObject(\"WScript.Shell\").Run \"calc\"\nEnd Sub";
    let content = excel(ROW, &[("ThisWorkbook", code), ("Sheet1", "")]);
    let Some(report) = open("sheet.xlsm", &content, Limits::default()).await else { return };
    assert!(did(&report, Action::Show, "Total"), "{}", show(&report));
}

/// What LibreOffice reads for itself, too, is told when a macro does.
#[tokio::test]
async fn what_a_macro_reads_of_the_machine_is_told() {
    let code = "On Error Resume Next\nOpen \"/etc/passwd\" For Input As #1\nClose #1\nOpen \"/proc/self/environ\" For Input As #2\nClose #2\n\
                Open \"/etc/passwd\" For Append As #3\nClose #3";
    let Some(report) = open("letter.odt", &text(PLAIN, code), Limits::default()).await else { return };
    for (action, path) in [(Action::Read, "/etc/passwd"), (Action::Read, "/proc/self/environ"), (Action::Write, "/etc/passwd")] {
        assert!(did(&report, action, path), "{path}: {}", show(&report));
    }
    assert!(names(&report).contains(&"NATIVE_PERSISTS"), "{}", show(&report));
}

/// What each of them has LibreOffice do: it fetches pictures, and no templates; DDE is for Windows.
#[tokio::test]
async fn what_lies_elsewhere_is_fetched_as_libreoffice_does() {
    let picture = "<w:p><w:r><w:drawing><wp:inline xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\"><wp:extent cx=\"990000\" cy=\"990000\"/>\
                   <wp:docPr id=\"1\" name=\"p\"/><a:graphic xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\"><a:graphicData uri=\"http://schemas.openxmlformats.org/drawingml/2006/picture\">\
                   <pic:pic xmlns:pic=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><pic:nvPicPr><pic:cNvPr id=\"0\" name=\"p\"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:link=\"r1\"/></pic:blipFill>\
                   <pic:spPr><a:xfrm><a:off x=\"0\" y=\"0\"/><a:ext cx=\"990000\" cy=\"990000\"/></a:xfrm><a:prstGeom prst=\"rect\"/></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>";
    let total = paragraph("Total");
    let (image, template) = (("image", "http://pictures.example/p.png"), ("attachedTemplate", "http://templates.example/t.dotm"));
    for (name, content, loads, finding) in [
        ("picture.docx", word(&(total.clone() + picture), &[image], &[]), Some("http://pictures.example/p.png"), None),
        ("template.docx", word(&total, &[template], &[]), None, Some("EXTERNAL_TARGET")),
        ("dde.docx", word(&field("DDEAUTO c:\\\\windows\\\\system32\\\\cmd.exe \"/k calc.exe\""), &[], &[]), None, None),
        ("dde.xlsx", excel("<row r=\"1\"><c r=\"A1\"><f>cmd|'/k calc.exe'!A0</f><v>Total</v></c></row>", &[]), None, None),
    ] {
        let Some(report) = open(name, &content, all()).await else { return };
        let what = format!("{name}: {}", show(&report));
        assert_eq!(did(&report, Action::Load, "http://"), loads.is_some(), "{what}");
        assert!(loads.is_none_or(|address| did(&report, Action::Load, address)), "{what}");
        assert!(finding.is_none_or(|finding| names(&report).contains(&finding)), "{what}");
        assert!(!did(&report, Action::Start, "") && report.parts.iter().any(|p| p.name == "rendered.pdf"), "{what}");
    }
}

/// What unpacks to more than a cell may write, LibreOffice does not open; a macro without an end is ended with it; one that wants more memory
/// than there is gets an error of Basic, and its document is shown.
#[tokio::test]
async fn a_bomb_is_ended_and_takes_nothing_with_it() {
    let fills = "Dim a(60)\nFor i = 0 To 60\na(i) = String(20000000, \"A\")\nNext\nShell(\"/bin/true\")";
    for (name, content, finding) in [
        ("paragraph.docx", word(&paragraph(&"A".repeat(100 << 20)), &[], &[]), Some("TOO_LARGE")),
        ("endless.odt", text(PLAIN, "Do While True\nLoop"), Some("NATIVE_STOPPED")),
        ("fills.odt", text(PLAIN, fills), None),
    ] {
        let began = Instant::now();
        let Some(report) = open(name, &content, Limits { documents: Duration::from_secs(6), ..all() }).await else { return };
        assert!(content.len() < native::LARGEST && began.elapsed() < Duration::from_secs(25), "{name}: {:?}", began.elapsed());
        let is_shown = report.parts.iter().any(|p| p.name == "rendered.pdf");
        assert_eq!(is_shown, finding.is_none(), "{name}: {}", show(&report));
        assert!(finding.is_none_or(|finding| names(&report).contains(&finding)), "{name}: {}", show(&report));
        assert!(!did(&report, Action::Start, ""), "{name}: {}", show(&report));
    }
}

#[tokio::test]
async fn a_pdf_is_read_and_does_nothing() {
    let action = |action: &str| {
        let page =
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> /Annots [6 0 R] >>";
        let shown = "BT /F 24 Tf 20 100 Td (Total: 4711) Tj ET";
        pdf(&[
            &format!("<< /Type /Catalog /Pages 2 0 R /OpenAction {action} >>"),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            page,
            &format!("<< /Length {} >>\nstream\n{shown}\nendstream", shown.len()),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            &format!("<< /Type /Annot /Subtype /Link /Rect [0 0 400 200] /A {action} >>"),
        ])
    };
    for (name, content, finding) in [
        ("launch.pdf", action("<< /S /Launch /F (/bin/sh) /P (-c id) >>"), Some("PDF_LAUNCH")),
        ("link.pdf", action("<< /S /URI /URI (http://login.example/) >>"), None),
        ("script.pdf", action("<< /S /JavaScript /JS (app.launchURL\\(\"http://login.example/\"\\)) >>"), Some("PDF_SCRIPT")),
    ] {
        let Some(report) = open(name, &content, all()).await else { return };
        let what = format!("{name}: {}", show(&report));
        assert!(did(&report, Action::Show, "Total: 4711") && finding.is_none_or(|finding| names(&report).contains(&finding)), "{what}");
        let by_poppler: Vec<_> =
            report.timeline.iter().filter(|e| !matches!(e.action, Action::Begin | Action::Show | Action::End)).collect();
        assert!(by_poppler.iter().all(|e| e.part != 0 || e.detail == "PDF"), "{what}");
    }
}

#[tokio::test]
async fn two_at_a_time_are_one_too_many() {
    let endless = text(PLAIN, "Do While True\nLoop");
    let limits = Limits { documents: Duration::from_secs(4), ..Limits::default() };
    if !office::missing().is_empty() {
        return println!("skipped: {} not installed", office::missing().join(" and "));
    }
    let _one = ONE.lock().await;
    let cells = Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")));
    let order = |name: &str| Job { limits: limits.clone(), ..job(name) };
    let (first, second) = (order("first.odt"), order("second.odt"));
    let (Some(first), Some(second)) =
        tokio::join!(async { opened(cells.run(&first, &endless, None).await) }, async { opened(cells.run(&second, &endless, None).await) })
    else {
        return;
    };
    let (ran, waited) = if names(&first).contains(&"NOT_RUN") { (second, first) } else { (first, second) };
    assert!(names(&ran).contains(&"NATIVE_STOPPED") && !names(&ran).contains(&"NOT_RUN"), "{}", show(&ran));
    let why = waited.timeline.iter().find(|e| e.text == "not run").expect("it says so");
    assert!(why.action == Action::Error && why.detail.starts_with("no place: ") && !did(&waited, Action::Begin, ""), "{}", show(&waited));
}

/// In a mount namespace that has none, where this machine has one.
#[tokio::test]
async fn without_the_pack_nothing_is_opened_and_nothing_said() {
    const NAME: &str = "without_the_pack_nothing_is_opened_and_nothing_said";
    if office::missing().contains(&"LibreOffice") {
        let limits = Limits { documents: Duration::from_secs(30), ..all() };
        let began = Instant::now();
        let report = match Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")))
            .run(&Job { limits, ..job("letter.odt") }, &text(PLAIN, "Shell(\"/bin/sh\")"), None)
            .await
        {
            Ok(report) => report,
            Err(error) => return println!("skipped: {error}"),
        };
        assert!(report.timeline.is_empty() && !names(&report).contains(&"NOT_RUN"), "{}", show(&report));
        assert!(began.elapsed() < Duration::from_secs(10), "nothing is waited for");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let hidden = "mount -t tmpfs none /usr/lib/libreoffice || exit 77; exec \"$0\" \"$@\"";
    let ended = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", hidden])
        .arg(own)
        .args(["--exact", NAME, "--nocapture"])
        .output();
    match ended {
        Ok(said) if said.status.success() => print!("{}", String::from_utf8_lossy(&said.stdout)),
        Ok(said) if said.status.code() != Some(101) => println!("skipped: {}", String::from_utf8_lossy(&said.stderr)),
        Ok(said) => panic!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr)),
        Err(error) => println!("skipped: unshare: {error}"),
    }
}
