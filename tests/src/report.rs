//! A report as it came by mail, read as a mail program and a PDF reader read it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use postern_mail::message::Limits;

use crate::backend::Backend;

pub struct Sent {
    pub to: Vec<String>,
    /// The node that sent it, as its address says.
    pub from: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub file: String,
    pub pdf: Vec<u8>,
}

/// Reports that a mail server has, the first first.
///
/// # Errors
/// When one has no text, HTML or PDF.
pub fn sent(backend: &Backend) -> anyhow::Result<Vec<Sent>> {
    let is_report = |data: &str| data.contains("application/pdf") && data.contains("postern@");
    backend.mails().into_iter().filter(|m| is_report(&m.data)).map(|m| read(m.to, &m.data)).collect()
}

fn read(to: Vec<String>, data: &str) -> anyhow::Result<Sent> {
    let octets = data.as_bytes();
    let mail = postern_mail::read(octets, &Limits::default());
    let header = |name: &str| mail.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.clone()).unwrap_or_default();
    let part = |kind: &str| mail.parts.iter().find(|p| p.content_type == kind).with_context(|| format!("no {kind}"));
    let text_of =
        |kind: &str| -> anyhow::Result<String> { Ok(String::from_utf8(part(kind)?.content(octets).context("no content")?.into_owned())?) };
    let pdf = part("application/pdf")?;
    Ok(Sent {
        to,
        from: header("from"),
        subject: header("subject"),
        text: text_of("text/plain")?.replace("\r\n", "\n"),
        html: text_of("text/html")?,
        file: pdf.filename.clone().unwrap_or_default(),
        pdf: pdf.content(octets).context("no content")?.into_owned(),
    })
}

/// What `pdftotext` reads in a PDF.
///
/// # Errors
/// When it finds it damaged.
pub fn text_of_pdf(pdf: &[u8]) -> anyhow::Result<String> {
    let mut reader = Command::new("pdftotext")
        .args(["-layout", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    reader.stdin.take().context("no way in")?.write_all(pdf)?;
    let output = reader.wait_with_output()?;
    if !output.status.success() || !output.stderr.is_empty() {
        bail!("pdftotext: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Days since 1970 and minutes of the day, in UTC, one minute ago.
pub fn a_minute_ago() -> (u64, u64) {
    let minutes = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() / 60).saturating_sub(1);
    (minutes / 1440, minutes % 1440)
}

/// As in `2026-11-26`.
pub fn day(days: u64) -> String {
    let at = postern_model::time::Timestamp(i64::try_from(days).unwrap_or(0) * 86_400_000);
    at.to_string().chars().take(10).collect()
}

/// As in `07:05`.
pub fn time_of_day(minutes: u64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
