//! A page as its scripts see it: its elements with their attributes and what is in them, its scripts, what is done when it is loaded
//! and when the reader clicks.
//!
//! By tags, not by the rules of HTML: a script asks for what its author has written there for it.

use std::ops::Range;

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::dissect::text::unescaped;

/// Elements that are kept, attributes of each, and octets of what is in all of them.
const ELEMENTS: usize = 1000;
const ATTRIBUTES: usize = 32;
const INSIDE: usize = 8 << 20;
/// Scripts and handlers that are run.
const SCRIPTS: usize = 64;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    elements: Vec<Element>,
    pub scripts: Vec<Block>,
    /// Of `onload` and the like.
    pub at_load: Vec<String>,
    /// Of `onclick` and the like, and of `javascript:` links.
    pub at_click: Vec<String>,
}

/// A script in a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// As `language` or `type` says, in small letters; empty when neither does.
    pub language: String,
    pub text: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Element {
    tag: String,
    attributes: Vec<(String, String)>,
    inside: Range<usize>,
}

/// Elements without an end.
const VOID: &[&str] = &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements whose content is text whatever it looks like.
const RAW: &[&str] = &["script", "style", "textarea", "title", "xmp", "noembed", "noframes"];
const AT_LOAD: &[&str] = &["onload", "onerror", "onpageshow", "onbegin", "onfocus", "onreadystatechange", "ontoggle", "onanimationstart"];
const AT_CLICK: &[&str] = &["onclick", "onmousedown", "onmouseup", "onmouseover", "onmouseenter", "onsubmit", "onchange", "oncopy"];

pub fn read(text: &str) -> Page {
    let mut page = Page::default();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(less) = text.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + less;
        let rest = &text[start..];
        if rest.starts_with("<!--") {
            at = rest.find("-->").map_or(text.len(), |end| start + end + 3);
            continue;
        }
        if let Some(name) = rest.strip_prefix("</") {
            let name = tag_name(name);
            if let Some(place) = open.iter().rposition(|n| page.elements[*n].tag == name) {
                for unclosed in open.drain(place..) {
                    page.elements[unclosed].inside.end = start;
                }
            }
            at = start + rest.find('>').map_or(rest.len(), |end| end + 1);
            continue;
        }
        let tag = tag_name(&rest[1..]);
        if tag.is_empty() {
            at = start + 1;
            continue;
        }
        let (attributes, length, is_closed) = attributes(&rest[1 + tag.len()..]);
        let begin = start + 1 + tag.len() + length;
        at = begin;
        let mut inside = begin..begin;
        if RAW.contains(&tag.as_str()) && !is_closed {
            let end = end_of_raw(&text[begin..], &tag);
            inside = begin..begin + end;
            at = inside.end;
        }
        note(&mut page, &tag, &attributes, &text[inside.clone()]);
        if page.elements.len() < ELEMENTS {
            if !is_closed && !VOID.contains(&tag.as_str()) && !RAW.contains(&tag.as_str()) {
                open.push(page.elements.len());
            }
            page.elements.push(Element { tag, attributes, inside });
        }
    }
    for unclosed in open {
        page.elements[unclosed].inside.end = text.len();
    }
    page
}

/// What of an element is run.
fn note(page: &mut Page, tag: &str, attributes: &[(String, String)], inside: &str) {
    let value = |name: &str| attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    if tag.rsplit(':').next() == Some("script") && page.scripts.len() < SCRIPTS {
        let language = value("language").or(value("type")).unwrap_or_default().to_ascii_lowercase();
        let source = value("src").or(value("href")).or(value("xlink:href")).and_then(data_address);
        let text = source.unwrap_or_else(|| uncdata(inside).to_owned());
        page.scripts.push(Block { language, text });
    }
    for (name, code) in attributes {
        let list = if AT_LOAD.contains(&name.as_str()) {
            &mut page.at_load
        } else if AT_CLICK.contains(&name.as_str()) {
            &mut page.at_click
        } else if let ("href" | "xlink:href" | "action" | "src", Some(code)) = (name.as_str(), javascript(code)) {
            if page.at_click.len() < SCRIPTS {
                page.at_click.push(code.to_owned());
            }
            continue;
        } else {
            continue;
        };
        if list.len() < SCRIPTS {
            list.push(code.clone());
        }
    }
}

fn javascript(address: &str) -> Option<&str> {
    let address = address.trim_start();
    address.get(..11).filter(|scheme| scheme.eq_ignore_ascii_case("javascript:")).and_then(|_| address.get(11..))
}

/// The text of `data:text/javascript;base64,…` (RFC 2397).
fn data_address(address: &str) -> Option<String> {
    let (head, data) = address.trim().strip_prefix("data:")?.split_once(',')?;
    if head.to_ascii_lowercase().ends_with(";base64") {
        let clean: String = data.chars().filter(|c| !c.is_whitespace()).collect();
        return Some(String::from_utf8_lossy(&BASE64.decode(clean.as_bytes()).ok()?).into_owned());
    }
    // RFC 3986 §2.1.
    Some(String::from_utf8_lossy(&unescaped(data.as_bytes(), b'%')).into_owned())
}

/// XML writes a script as `<![CDATA[…]]>`.
fn uncdata(text: &str) -> &str {
    let inner = text.trim();
    inner.strip_prefix("<![CDATA[").map_or(text, |inner| inner.strip_suffix("]]>").unwrap_or(inner))
}

fn tag_name(text: &str) -> String {
    let mut letters = text.chars();
    if !letters.next().is_some_and(|c| c.is_ascii_alphabetic()) {
        return String::new();
    }
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

fn end_of_raw(text: &str, tag: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let name = from + at + 2;
        if text.get(name..name + tag.len()).is_some_and(|found| found.eq_ignore_ascii_case(tag)) {
            return from + at;
        }
        from = name;
    }
    text.len()
}

/// The attributes up to `>`: names in small letters; how long that is; whether it ends in `/>`.
fn attributes(text: &str) -> (Vec<(String, String)>, usize, bool) {
    let mut found = Vec::new();
    let octets = text.as_bytes();
    let mut at = 0;
    let is_space = |b: &u8| b.is_ascii_whitespace() || *b == b'/';
    loop {
        while octets.get(at).is_some_and(is_space) {
            at += 1;
        }
        match octets.get(at) {
            None => return (found, text.len(), false),
            Some(b'>') => return (found, at + 1, at > 0 && octets[at - 1] == b'/'),
            Some(_) => {}
        }
        let begin = at;
        at += 1;
        while octets.get(at).is_some_and(|b| !is_space(b) && *b != b'=' && *b != b'>') {
            at += 1;
        }
        let name = text.get(begin..at).unwrap_or_default().to_ascii_lowercase();
        while octets.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        let mut value = "";
        if octets.get(at) == Some(&b'=') {
            at += 1;
            while octets.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            let quote = octets.get(at).copied().filter(|b| *b == b'"' || *b == b'\'');
            let from = at + usize::from(quote.is_some());
            let length = match quote {
                Some(quote) => octets.get(from..).and_then(|rest| rest.iter().position(|b| *b == quote)),
                None => octets.get(from..).and_then(|rest| rest.iter().position(|b| b.is_ascii_whitespace() || *b == b'>')),
            };
            let to = length.map_or(text.len(), |length| from + length);
            value = text.get(from..to).unwrap_or_default();
            at = (to + usize::from(quote.is_some())).min(text.len());
        }
        if found.len() < ATTRIBUTES {
            found.push((name, entities(value)));
        }
    }
}

/// The entities that scripts in attributes are written with.
pub fn entities(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let name = &after[..after.find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(after.len())];
        let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        });
        let known = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some('\u{a0}'),
            "colon" => Some(':'),
            "Tab" => Some('\t'),
            "NewLine" => Some('\n'),
            _ => number.and_then(char::from_u32),
        };
        match known {
            Some(c) => {
                out.push(c);
                rest = after[name.len()..].strip_prefix(';').unwrap_or(&after[name.len()..]);
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Text without its tags.
fn plain(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = rest[at..].find('>').map_or("", |end| &rest[at + end + 1..]);
    }
    out.push_str(rest);
    entities(&out)
}

impl Page {
    pub fn acts(&self) -> bool {
        !(self.scripts.iter().all(|s| s.text.trim().is_empty()) && self.at_load.is_empty() && self.at_click.is_empty())
    }

    /// For the objects that stand for them: tag, attributes, markup and text within.
    pub fn elements(&self, text: &str) -> Value {
        let mut left = INSIDE;
        let elements: Vec<Value> = self
            .elements
            .iter()
            .map(|element| {
                let inside = text.get(element.inside.clone()).unwrap_or_default();
                let is_worth_it = !matches!(element.tag.as_str(), "html" | "head") && inside.len() <= left;
                let inside = if is_worth_it { inside } else { "" };
                left -= inside.len();
                let is_raw = RAW.contains(&element.tag.as_str());
                let plain = if is_raw || !inside.contains(['<', '&']) { None } else { Some(plain(inside)) };
                json!({"tag": element.tag, "attributes": element.attributes, "markup": inside, "text": plain})
            })
            .collect();
        Value::Array(elements)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn scripts_handlers_and_elements() {
        let text = "<!doctype html><!-- <script>no()</script> --><BODY onLoad='go(&quot;x&quot;)'><div id=data hidden>QUJD<b>RA</b></div>\
                    <script type=\"text/javascript\">if (1 < 2) { w('</p>') }</SCRIPT><a href=\"javascript:run()\">x</a><input value='v'>";
        let page = read(text);
        assert_eq!(page.scripts, [Block { language: "text/javascript".into(), text: "if (1 < 2) { w('</p>') }".into() }]);
        assert_eq!((page.at_load, page.at_click), (vec!["go(\"x\")".to_owned()], vec!["run()".to_owned()]));
        let page = read(text);
        let elements = page.elements(text);
        let data = elements.as_array().unwrap().iter().find(|e| e["attributes"][0][1] == "data").unwrap();
        assert_eq!((data["markup"].as_str(), data["text"].as_str()), (Some("QUJD<b>RA</b>"), Some("QUJDRA")));
    }

    #[test]
    fn scripts_in_xml_and_in_addresses() {
        let svg = "<svg xmlns='x'><script><![CDATA[a<b]]></script><script xlink:href='data:text/javascript;base64,YWxlcnQoMSk='/></svg>";
        let texts: Vec<String> = read(svg).scripts.into_iter().map(|s| s.text).collect();
        assert_eq!(texts, ["a<b", "alert(1)"]);
        assert_eq!(read("<script src=\"data:,go%28%29\"></script>").scripts[0].text, "go()");
    }

    #[test]
    fn nothing_is_taken_for_granted() {
        for text in [
            "",
            "<",
            "</",
            "<a",
            "<a b",
            "<a b=",
            "<a b='",
            "<script>",
            "<script",
            "<!--",
            "<!-- <a>",
            "<é>",
            "<a é='ü>",
            "&#x110000;",
            "<a b=&#;&",
        ] {
            let page = read(text);
            page.elements(text);
            entities(text);
        }
    }
}
