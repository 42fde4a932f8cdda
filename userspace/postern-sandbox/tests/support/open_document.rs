//! Texts of ODF, with a macro in Basic that runs when they were loaded.

#![allow(clippy::unwrap_used, dead_code)]

const NAMES: &str = "xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" \
                     xmlns:draw=\"urn:oasis:names:tc:opendocument:xmlns:drawing:1.0\" xmlns:svg=\"urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0\" \
                     xmlns:xlink=\"http://www.w3.org/1999/xlink\" xmlns:script=\"urn:oasis:names:tc:opendocument:xmlns:script:1.0\" \
                     xmlns:dom=\"http://www.w3.org/2001/xml-events\" xmlns:ooo=\"http://openoffice.org/2004/office\" office:version=\"1.2\"";

/// `body`: paragraphs; `basic`: what `Sub Go` does.
pub fn text(body: &str, basic: &str) -> Vec<u8> {
    let content = format!(
        "<?xml version=\"1.0\"?><office:document-content {NAMES}><office:scripts><office:event-listeners><script:event-listener \
         script:language=\"ooo:script\" script:event-name=\"dom:load\" \
         xlink:href=\"vnd.sun.star.script:Standard.Module1.Go?language=Basic&amp;location=document\" xlink:type=\"simple\"/>\
         </office:event-listeners></office:scripts><office:body><office:text>{body}</office:text></office:body></office:document-content>"
    );
    let entry = |path: &str, kind: &str| format!("<manifest:file-entry manifest:full-path=\"{path}\" manifest:media-type=\"{kind}\"/>");
    let manifest = format!(
        "<?xml version=\"1.0\"?><manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\" manifest:version=\"1.2\">{}</manifest:manifest>",
        [
            entry("/", "application/vnd.oasis.opendocument.text"),
            entry("content.xml", "text/xml"),
            entry("Basic/script-lc.xml", "text/xml"),
            entry("Basic/Standard/script-lb.xml", "text/xml"),
            entry("Basic/Standard/Module1.xml", "text/xml"),
        ]
        .concat()
    );
    let library = "xmlns:library=\"http://openoffice.org/2000/library\"";
    let libraries = format!(
        "<?xml version=\"1.0\"?><library:libraries {library} xmlns:xlink=\"http://www.w3.org/1999/xlink\"><library:library library:name=\"Standard\" library:link=\"false\"/></library:libraries>"
    );
    let standard = format!(
        "<?xml version=\"1.0\"?><library:library {library} library:name=\"Standard\" library:readonly=\"false\" library:passwordprotected=\"false\"><library:element library:name=\"Module1\"/></library:library>"
    );
    let module = format!(
        "<?xml version=\"1.0\"?><script:module xmlns:script=\"http://openoffice.org/2000/script\" script:name=\"Module1\" script:language=\"StarBasic\">Sub Go\n{basic}\nEnd Sub</script:module>"
    );
    stored_first(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", content.as_bytes()),
        ("META-INF/manifest.xml", manifest.as_bytes()),
        ("Basic/script-lc.xml", libraries.as_bytes()),
        ("Basic/Standard/script-lb.xml", standard.as_bytes()),
        ("Basic/Standard/Module1.xml", module.as_bytes()),
    ])
}

/// The type is not packed (ODF 1.3 part 2, 3.3).
fn stored_first(files: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::{Cursor, Write};
    use zip::write::SimpleFileOptions;

    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let method = if *name == "mimetype" { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
