//! A report as PDF: A4, vectors, and the two Helveticas that every reader has (ISO 32000-1 §9.6.2.2), so that no font is in the file.
//! Their encoding is Windows' Latin (WinAnsiEncoding): what it has no character for is shown as `?` ([`type_face`]).

mod page;
mod plot;
mod table;
mod type_face;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::document::{Block, Document};
use page::{Flow, HEIGHT, LEFT, WIDTH};
use type_face::{Face, fitted};

const REGULAR: Name<'static> = Name(b"R");
const BOLD: Name<'static> = Name(b"B");
const BLACK: [u8; 3] = [0x15, 0x15, 0x15];
const SOFT: [u8; 3] = [0x6a, 0x6e, 0x73];
const LINE: [u8; 3] = [0xd2, 0xd2, 0xd2];

pub fn write(document: &Document) -> Vec<u8> {
    let mut flow = Flow::default();
    flow.text(Face::Bold, 20.0, BLACK, &document.title);
    flow.down(6.0);
    flow.text(Face::Regular, 11.0, SOFT, &document.about);
    for warning in &document.warnings {
        flow.down(8.0);
        flow.paragraph(10.0, BLACK, warning);
    }
    for section in &document.sections {
        flow.down(26.0);
        // A title alone at the end of a page leads to nothing.
        flow.keep(110.0);
        flow.text(Face::Bold, 14.0, BLACK, section.title);
        for block in &section.blocks {
            flow.down(14.0);
            match block {
                Block::Text(text) => flow.paragraph(10.0, BLACK, text),
                Block::Figures(figures) => figures_in(&mut flow, figures),
                Block::Plot(plot) => plot::draw(&mut flow, plot),
                Block::Table(table) => table::draw(&mut flow, table),
            }
        }
    }
    bind(document, flow.finish())
}

/// Each as a large figure with its name below; four in a row.
fn figures_in(flow: &mut Flow, figures: &[(&'static str, String)]) {
    const IN_A_ROW: u8 = 4;
    let wide = WIDTH / f32::from(IN_A_ROW);
    for row in figures.chunks(usize::from(IN_A_ROW)) {
        flow.keep(34.0);
        flow.down(14.0);
        let y = flow.y();
        let mut x = LEFT;
        for (name, value) in row {
            flow.show(Face::Bold, 15.0, BLACK, x, y, &fitted(Face::Bold, 15.0, value, wide - 8.0));
            flow.show(Face::Regular, 8.5, SOFT, x, y - 12.0, &fitted(Face::Regular, 8.5, name, wide - 8.0));
            x += wide;
        }
        flow.down(20.0);
    }
}

/// Pages to a file, each with its number.
fn bind(document: &Document, pages: Vec<Content>) -> Vec<u8> {
    let [catalog, tree, regular, bold, info] = [1, 2, 3, 4, 5].map(Ref::new);
    let page = |at: usize| Ref::new(6 + 2 * i32::try_from(at).unwrap_or(i32::MAX / 4));
    let contents = |at: usize| Ref::new(page(at).get() + 1);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree).lang(TextStr(document.language));
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids((0..pages.len()).map(page)).count(count);
    for (font, name) in [(regular, "Helvetica"), (bold, "Helvetica-Bold")] {
        pdf.type1_font(font).base_font(Name(name.as_bytes())).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.document_info(info).title(TextStr(&format!("{} {}", document.title, document.about))).creator(TextStr("Postern"));
    let total = pages.len();
    for (at, mut content) in pages.into_iter().enumerate() {
        page::foot(&mut content, &document.foot, &format!("{} / {total}", at + 1));
        let mut one = pdf.page(page(at));
        one.media_box(Rect::new(0.0, 0.0, page::PAPER, HEIGHT)).parent(tree).contents(contents(at));
        let mut resources = one.resources();
        resources.fonts().pair(REGULAR, regular).pair(BOLD, bold);
        resources.finish();
        one.finish();
        let drawn = content.finish();
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        // Writing into memory does not fail; if it did the page would be drawn as it is.
        match packed.write_all(drawn.as_slice()).and_then(|()| packed.finish()) {
            Ok(packed) => drop(pdf.stream(contents(at), &packed).filter(Filter::FlateDecode)),
            Err(_) => drop(pdf.stream(contents(at), drawn.as_slice())),
        }
    }
    pdf.finish()
}

/// Text that begins here; `y` is its base line.
fn show(content: &mut Content, face: Face, size: f32, color: [u8; 3], x: f32, y: f32, text: &str) {
    fill(content, color);
    content.begin_text().set_font(face.name(), size).next_line(x, y).show(Str(&type_face::encoded(text))).end_text();
}

fn fill(content: &mut Content, color: [u8; 3]) {
    let [r, g, b] = color.map(|c| f32::from(c) / 255.0);
    content.set_fill_rgb(r, g, b);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;
    use postern_model::settings::users::Language;

    use super::*;
    use crate::figures::tests::report;

    /// What the pages' operators are, of all pages.
    fn operators(pdf: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let mut rest = pdf;
        let position = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).position(|w| w == needle);
        while let Some(begin) = position(rest, b"stream\n") {
            let body = &rest[begin + 7..];
            let end = position(body, b"\nendstream").unwrap();
            let mut octets = Vec::new();
            ZlibDecoder::new(&body[..end]).read_to_end(&mut octets).unwrap();
            found.push(octets.iter().map(|b| char::from(*b)).collect());
            rest = &body[end + 10..];
        }
        found
    }

    #[test]
    fn every_page_can_be_read_and_a_sender_draws_nothing() {
        // A text that is not ASCII stands in hexadecimal digits.
        for (language, word) in [(Language::En, "(Quarantine)"), (Language::De, "<51756172616E74E46E65>")] {
            let pdf = write(&Document::of(&report(), language, "mx1.example"));
            assert!(pdf.starts_with(b"%PDF-1.") && pdf.ends_with(b"%%EOF"), "{} octets", pdf.len());
            let pages = operators(&pdf);
            assert!(pages.len() > 1 && pages.iter().all(|p| p.contains("/R ")), "{} pages", pages.len());
            let all = pages.concat();
            assert!(all.contains(word), "{all}");
            // The parenthesis that would end a string is within one.
            assert!(all.contains("<script>alert\\(1\\)</script>") || all.contains("<script>alert(1)</script>"), "{all}");
            assert!(!all.contains("\n) Tj ("), "{all}");
            assert_eq!(all.matches("BT\n").count(), all.matches("ET").count());
            assert!(pages.iter().enumerate().all(|(at, p)| p.contains(&format!("{} / {}", at + 1, pages.len()))));
        }
    }

    #[test]
    fn a_year_of_long_names_is_still_a_small_file() {
        let mut report = report();
        let long = "x".repeat(2000);
        report.held.senders.iter_mut().for_each(|c| c.name.clone_from(&long));
        let whole = report.whole.as_mut().unwrap();
        let alert = whole.alerts[0].clone();
        whole.alerts = (0..500).map(|_| alert.clone()).collect();
        let pdf = write(&Document::of(&report, Language::En, "mx1.example"));
        assert!(pdf.len() < 120_000, "{} octets", pdf.len());
        assert!(operators(&pdf).len() > 10);
    }
}
