//! Which parts hold script that is run, in which surroundings, and which are only read.

use postern_model::sandbox::Kind;

use super::document::Document;
use super::encoded;
use super::page::{self, Block, Page};
use super::vb::{self, Dialect};

/// Octets of a script; a longer one is not run.
const LONGEST: usize = 8 << 20;
/// Brackets in brackets: the engine's parser goes one step down its stack for each.
const DEEPEST: usize = 400;

/// Where a script believes itself to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    /// Windows' script host.
    Windows,
    /// A page in a browser.
    Page,
    /// A page that is an application (HTA): both.
    Application,
    /// Word, Excel or PowerPoint, for macros.
    Office,
}

impl Surroundings {
    pub fn name(self) -> &'static str {
        match self {
            Self::Windows => "Windows",
            Self::Page => "browser",
            Self::Application => "HTML application",
            Self::Office => "Office document",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    JavaScript,
    VisualBasic(Dialect),
}

/// A script, or one of several.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    pub language: Language,
    pub text: String,
}

#[derive(Debug, PartialEq)]
pub struct Script {
    pub surroundings: Surroundings,
    /// Run one after the other, in one world.
    pub blocks: Vec<Code>,
    /// What is read by its words, too: all that is not JavaScript.
    pub foreign: Vec<String>,
    pub page: Option<Page>,
    /// All of the text, as it was before anything was taken out of it.
    pub source: String,
    /// The source was encoded by Microsoft's encoder.
    pub was_encoded: bool,
    /// Of macros: what they find beside themselves.
    pub document: Option<Document>,
}

/// What of a part is run or read as script; `None` for all that is no script.
pub fn of(name: &str, kind: Kind, content: &[u8]) -> Option<Script> {
    if content.len() > LONGEST {
        return None;
    }
    let ending = ending(name);
    let is_text = matches!(kind, Kind::Text | Kind::Html | Kind::Svg | Kind::Script | Kind::Unknown | Kind::Mail);
    match (kind, ending.as_str()) {
        _ if !is_text => None,
        (_, "js" | "jse") => Some(plain(content)),
        (_, "wsf" | "wsc" | "sct") => Some(package(content, Surroundings::Windows)),
        (_, "hta") => Some(package(content, Surroundings::Application)).filter(Script::acts),
        (_, "vbs" | "vbe") => Some(visual_basic(content)),
        (_, "bat" | "cmd" | "ps1" | "psm1") => Some(foreign(content)),
        (Kind::Html | Kind::Svg, _) => Some(package(content, Surroundings::Page)).filter(Script::acts),
        _ => None,
    }
}

pub fn ending(name: &str) -> String {
    name.trim_end_matches(['.', ' ']).rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default()
}

fn plain(content: &[u8]) -> Script {
    let (source, was_encoded) = source(content);
    let blocks = vec![Code { language: Language::JavaScript, text: source.clone() }];
    Script { blocks, was_encoded, ..Script::new(Surroundings::Windows, source) }
}

fn visual_basic(content: &[u8]) -> Script {
    let mut script = foreign(content);
    script.blocks.push(Code { language: Language::VisualBasic(Dialect::VbScript), text: script.source.clone() });
    script
}

/// A document's modules; `None` when nothing of them is run by itself.
pub fn macros(modules: &[String], document: Document) -> Option<Script> {
    let source = modules.concat();
    if source.len() > LONGEST || !modules.iter().any(|module| vb::starts_by_itself(module)) {
        return None;
    }
    let blocks = modules.iter().map(|text| Code { language: Language::VisualBasic(Dialect::Vba), text: text.clone() }).collect();
    Some(Script { blocks, document: Some(document), ..Script::new(Surroundings::Office, source) })
}

fn foreign(content: &[u8]) -> Script {
    let (source, was_encoded) = source(content);
    Script { foreign: vec![source.clone()], was_encoded, ..Script::new(Surroundings::Windows, source) }
}

fn package(content: &[u8], surroundings: Surroundings) -> Script {
    let (source, was_encoded) = source(content);
    let mut page = page::read(&source);
    let (mut blocks, mut foreign) = (Vec::new(), Vec::new());
    for Block { language, text } in std::mem::take(&mut page.scripts) {
        if language.contains("vbs") {
            foreign.push(text.clone());
            blocks.push(Code { language: Language::VisualBasic(Dialect::VbScript), text });
        } else if is_script(&language) {
            blocks.push(Code { language: Language::JavaScript, text });
        }
    }
    Script { blocks, foreign, page: Some(page), was_encoded, ..Script::new(surroundings, source) }
}

/// `type` and `language` of a script element, where it is one of JavaScript; others hold data or templates.
fn is_script(language: &str) -> bool {
    language.is_empty() || ["javascript", "jscript", "ecmascript", "module", "livescript"].iter().any(|l| language.contains(l))
}

/// The text: UTF-16 by its mark, UTF-8, or else Windows' western characters; decoded where it was encoded.
fn source(content: &[u8]) -> (String, bool) {
    let text = match encoding_rs::Encoding::for_bom(content) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&content[mark..]).0.into_owned(),
        None => match std::str::from_utf8(content) {
            Ok(text) => text.to_owned(),
            Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(content).0.into_owned(),
        },
    };
    match encoded::decode(&text) {
        Some(decoded) => (decoded, true),
        None => (text, false),
    }
}

impl Script {
    /// Nothing of it is run yet.
    fn new(surroundings: Surroundings, source: String) -> Self {
        Self { surroundings, blocks: Vec::new(), foreign: Vec::new(), page: None, source, was_encoded: false, document: None }
    }

    fn acts(&self) -> bool {
        let has_text = self.blocks.iter().map(|b| &b.text).chain(&self.foreign).any(|text| !text.trim().is_empty());
        has_text || self.page.as_ref().is_some_and(Page::acts)
    }
}

impl Code {
    pub fn dialect(&self) -> Option<Dialect> {
        match self.language {
            Language::VisualBasic(dialect) => Some(dialect),
            Language::JavaScript => None,
        }
    }
}

/// As JScript reads it: what stands in comments for it alone is code.
pub fn for_engine(block: &str, surroundings: Surroundings) -> String {
    let mut text = block.trim_start_matches('\u{feff}').to_owned();
    if surroundings != Surroundings::Page && text.contains("@cc_on") {
        for (from, to) in [
            ("/*@cc_on", ""),
            ("//@cc_on", ""),
            ("@cc_on", ""),
            ("@*/", ""),
            ("/*@", ""),
            ("@_jscript_version", "5.8"),
            ("@_jscript", "true"),
        ] {
            text = text.replace(from, to);
        }
    }
    text
}

/// Whether the engine's parser would go down too far: its stack is no wall.
pub fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut deepest, mut run) = (0_usize, 0, 0);
    for b in text.bytes() {
        match b {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        // Operators before operators: each is a step down, too.
        run = match b {
            b'!' | b'~' | b'+' | b'-' | b'?' | b'=' | b'*' => run + 1,
            b' ' | b'\n' | b'\r' | b'\t' => run,
            _ => 0,
        };
        deepest = deepest.max(depth).max(run);
    }
    deepest > DEEPEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_run_where() {
        let of = |name: &str, kind, text: &str| of(name, kind, text.as_bytes()).map(|s| (s.surroundings, s.blocks.len(), s.foreign.len()));
        assert_eq!(of("a.JS", Kind::Text, "x()"), Some((Surroundings::Windows, 1, 0)));
        let package = "<job><script language=\"VBScript\">x</script><script language='JScript'>y</script></job>";
        assert_eq!(of("a.wsf", Kind::Html, package), Some((Surroundings::Windows, 2, 1)));
        assert_eq!(of("a.hta", Kind::Html, package), Some((Surroundings::Application, 2, 1)));
        assert_eq!(of("a.vbs", Kind::Text, "x"), Some((Surroundings::Windows, 1, 1)));
        assert_eq!(of("a.html", Kind::Html, "<script type='application/ld+json'>{}</script><p>"), None);
        assert_eq!(of("a.html", Kind::Html, "<html><p>text</p></html>"), None);
        assert_eq!(of("a.svg", Kind::Svg, "<svg onload='x()'/>"), Some((Surroundings::Page, 0, 0)));
        assert_eq!(of("a.ps1", Kind::Text, "iex x"), Some((Surroundings::Windows, 0, 1)));
        assert_eq!(of("a.txt", Kind::Text, "x()"), None);
        assert_eq!(of("a.js", Kind::WindowsProgram, "MZ"), None);
    }

    #[test]
    fn texts_of_every_writing() {
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain("x='ä'".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for content in [&wide[..], "\u{feff}x='ä'".as_bytes(), b"x='\xe4'"] {
            assert_eq!(plain(content).source, "x='ä'");
        }
    }

    #[test]
    fn depth_is_seen_before_the_parser_goes_there() {
        assert!(is_too_deep(&"(".repeat(1000)) && is_too_deep(&"! ".repeat(1000)) && !is_too_deep(&"f(1);".repeat(1000)));
    }
}
