//! HTML and SVG as attachments: what the browser would do with them on this machine, beside showing them.
//!
//! By words, not by a parser: a browser mends what no parser agrees about, and what is looked for here (a script that makes a
//! file, a form that asks for a password) has to be written out for the browser, too.

use data_encoding::BASE64;
use postern_model::sandbox::{FindingName, Kind};

use super::{Waiting, Walk, kind};

/// A text in base64 that may be a file: so long at least, and so many are looked at.
const FILE_LEAST: usize = 200;
const FILES_MOST: usize = 32;

/// Ways for a script to hand a file to the reader without a download from anywhere.
const MAKES_FILES: &[&str] =
    &["mssaveoropenblob", "mssaveblob", "createobjecturl", "new blob(", ".download=", ".download =", "webkitrelativepath"];
/// And to keep the file out of sight until then.
const UNPACKS: &[&str] = &["atob(", "fromcharcode", "unescape(", "uint8array", "eval(", "decodeuricomponent("];

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let text = String::from_utf8_lossy(&part.content);
    let lower = text.to_ascii_lowercase();
    let is_script = lower.contains("<script") || lower.contains("onload=") || lower.contains("onerror=");
    let made = MAKES_FILES.iter().find(|w| lower.contains(**w));
    let unpacked = UNPACKS.iter().find(|w| lower.contains(**w));
    if let (true, Some(made), Some(unpacked)) = (is_script, made, unpacked) {
        walk.find(FindingName::HtmlSmuggling, part.number, format!("{unpacked} and {made}"));
    }
    if let Some(form) = password_form(&lower) {
        walk.find(FindingName::HtmlPasswordForm, part.number, form);
    }
    if lower.contains("http-equiv=\"refresh\"") || lower.contains("http-equiv=refresh") || lower.contains("http-equiv='refresh'") {
        walk.find(FindingName::HtmlRedirect, part.number, around(&text, lower.find("http-equiv").unwrap_or(0)));
    }
    files(walk, part, &text);
}

/// Where a form with a password field sends it; a script may send it, too.
fn password_form(lower: &str) -> Option<String> {
    let field = ["type=\"password\"", "type='password'", "type=password"].iter().find_map(|w| lower.find(w))?;
    let before = &lower[..field];
    let target = before.rfind("<form").and_then(|at| attribute(&lower[at..], "action"));
    Some(target.unwrap_or_else(|| "a script sends it".to_owned()))
}

/// The value of an attribute of the tag that the text begins with.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
    let value = tag[tag.find(&format!("{name}="))? + name.len() + 1..].trim_start();
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split_whitespace().next()?,
    };
    Some(value.to_owned())
}

fn around(text: &str, at: usize) -> String {
    text.get(at..).unwrap_or_default().chars().take(120).collect()
}

/// What lies in the text in base64 and is something when it is unpacked.
fn files(walk: &mut Walk<'_>, part: &Waiting, text: &str) {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/' || c == '=';
    let runs = text.split(|c: char| !is_base64(c)).filter(|run| run.len() >= FILE_LEAST).take(FILES_MOST);
    for (n, run) in runs.enumerate() {
        let whole = &run[..run.len() / 4 * 4];
        let Ok(content) = BASE64.decode(whole.as_bytes()) else { continue };
        let is = kind::of(&content);
        // A picture in a page is a picture.
        if matches!(is, Kind::Unknown | Kind::Text | Kind::Image) {
            continue;
        }
        let name = format!("base64 {n}");
        walk.find(FindingName::HtmlFile, part.number, format!("{is:?}"));
        let content = walk.unpack(part, &name, content.as_slice(), run.len() as u64);
        walk.add(Some(part), &name, content);
    }
}
