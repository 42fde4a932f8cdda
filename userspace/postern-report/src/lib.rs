//! Reports: what the gateway did in some days, as figures and as what people read: text, HTML for a mail, PDF. The only owner of
//! pdf-writer.
//!
//! What it is not: it asks nobody and sends nothing. Who gathers the figures of all nodes, sends a report and keeps it is the console.
//!
//! Invariants: everything here is pure; what a sender wrote (addresses) is text in every form, and cannot be markup, another line of
//! a mail or an operator of a PDF; the three forms say the same, for they are made of one [`document::Document`].
//!
//! Read first: [`period`], then [`figures`], [`document`].

pub mod document;
pub mod figures;
mod html;
mod numbers;
pub mod pdf;
pub mod period;
mod plain;
mod words;

use postern_model::settings::users::Language;

use document::Document;
use figures::Report;

/// A report as a mail says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub plain: String,
    pub html: String,
    pub pdf: Vec<u8>,
}

/// `host`: who says it.
pub fn render(report: &Report, language: Language, host: &str) -> Rendered {
    let document = Document::of(report, language, host);
    Rendered { subject: document.subject.clone(), plain: plain::write(&document), html: html::write(&document), pdf: pdf::write(&document) }
}

/// For a terminal.
pub fn text(report: &Report, language: Language, host: &str) -> String {
    plain::write(&Document::of(report, language, host))
}

/// As in `postern-2026-11-20-2026-11-26.pdf`.
pub fn file_name(report: &Report) -> String {
    format!("postern-{}-{}.pdf", report.period.first, report.period.last)
}
