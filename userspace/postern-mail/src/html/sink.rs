//! Receives the tokenizer's tokens and keeps what the facts need.

use std::cell::RefCell;

use html5ever::LocalName;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};
use memchr::memmem;

use super::Page;
use super::elements::{closes_by_itself, is_block, is_known, is_unrendered, is_void};
use super::style::Look;
use crate::message::{Form, HtmlFacts, Link, UrlSource};
use crate::read::floor_char_boundary;

/// Open elements that are remembered; browsers stop at 512 too.
const MAX_OPEN: usize = 256;
const MAX_LABEL: usize = 200;
const MAX_FORMS: usize = 50;
/// Names in scripts that build files or code from data.
const SCRIPT_NAMES: [&str; 14] = [
    "Blob",
    "atob",
    "msSaveOrOpenBlob",
    "msSaveBlob",
    "createObjectURL",
    "document.write",
    "eval",
    "unescape",
    "fromCharCode",
    "decodeURIComponent",
    "Uint8Array",
    "location.href",
    "location.replace",
    "XMLHttpRequest",
];

pub(super) struct Sink(RefCell<State>);

struct Open {
    name: LocalName,
    look: Look,
    /// Text inside is not rendered.
    is_unrendered: bool,
}

struct State {
    facts: HtmlFacts,
    text: String,
    max_text: usize,
    max_links: usize,
    is_whole: bool,
    tokens: u64,
    open: Vec<Open>,
    /// Elements opened beyond [`MAX_OPEN`].
    beyond: usize,
    /// Index into `facts.links` and start of the label in `text`.
    link: Option<(usize, usize)>,
    labels: Vec<(usize, usize)>,
    urls: Vec<(String, UrlSource)>,
    targets: Vec<String>,
    raw: Raw,
    in_form: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Raw {
    No,
    Script,
    Style,
    Title,
    Other,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => {
                state.tokens += 1;
                match tag.kind {
                    TagKind::StartTag => return state.start(&tag),
                    TagKind::EndTag => state.end(&tag),
                }
            }
            Token::CharacterTokens(text) => {
                state.tokens += 1;
                state.characters(&text);
            }
            Token::CommentToken(text) => {
                state.tokens += 1;
                state.facts.comments += 1;
                state.facts.comment_octets += text.len();
            }
            Token::NullCharacterToken | Token::DoctypeToken(_) => state.tokens += 1,
            Token::ParseError(_) | Token::EOFToken => {}
        }
        TokenSinkResult::Continue
    }
}

impl Sink {
    pub(super) fn new(max_text: usize, max_links: usize) -> Self {
        Self(RefCell::new(State {
            facts: HtmlFacts::default(),
            text: String::new(),
            max_text,
            max_links,
            is_whole: true,
            tokens: 0,
            open: Vec::new(),
            beyond: 0,
            link: None,
            labels: Vec::new(),
            urls: Vec::new(),
            targets: Vec::new(),
            raw: Raw::No,
            in_form: false,
        }))
    }

    /// Tokens received so far, errors not counted.
    pub(super) fn tokens(&self) -> u64 {
        self.0.borrow().tokens
    }

    pub(super) fn into_page(self) -> Page {
        let mut state = self.0.into_inner();
        state.end_link();
        let left_open = state.open.iter().filter(|o| !closes_by_itself(&o.name)).count() + state.beyond;
        state.facts.unbalanced_tags += left_open;
        let text = state.text;
        Page { is_whole: state.is_whole, facts: state.facts, text, labels: state.labels, urls: state.urls, targets: state.targets }
    }
}

impl State {
    fn look(&self) -> Look {
        self.open.last().map(|o| o.look).unwrap_or_default()
    }

    fn is_unrendered(&self) -> bool {
        self.open.last().is_some_and(|o| o.is_unrendered)
    }

    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        self.facts.tags += 1;
        if !is_known(name) && !name.contains(':') {
            self.facts.unknown_tags += 1;
        }
        let mut look = self.look();
        self.look_of(tag, &mut look);
        self.element(name, tag, look);
        if is_block(name) {
            self.new_line();
        } else if matches!(name, "td" | "th") {
            self.space();
        }
        if !(is_void(name) || tag.self_closing && name.contains(':')) {
            if self.open.len() < MAX_OPEN {
                let is_unrendered = self.is_unrendered() || is_unrendered(name);
                self.open.push(Open { name: tag.name.clone(), look, is_unrendered });
            } else {
                self.beyond += 1;
            }
        }
        let (raw, kind) = match name {
            "script" => (Raw::Script, RawKind::ScriptData),
            "style" => (Raw::Style, RawKind::Rawtext),
            "title" => (Raw::Title, RawKind::Rcdata),
            "textarea" => (Raw::No, RawKind::Rcdata),
            "xmp" | "iframe" | "noembed" | "noframes" => (Raw::Other, RawKind::Rawtext),
            "plaintext" => return TokenSinkResult::Plaintext,
            _ => return TokenSinkResult::Continue,
        };
        self.raw = raw;
        TokenSinkResult::RawData(kind)
    }

    fn look_of(&mut self, tag: &Tag, look: &mut Look) {
        // Attributes first, style over them, as browsers do.
        let mut style = None;
        for attr in &tag.attrs {
            let name: &str = &attr.name.local;
            match name {
                "style" => style = Some(&attr.value),
                "hidden" => look.is_gone = true,
                "color" | "text" if matches!(&*tag.name, "font" | "basefont" | "body") => look.set_color(&attr.value),
                "bgcolor" => look.set_background(&attr.value),
                "background" => {
                    look.background = None;
                    self.url(&attr.value, UrlSource::HtmlOther);
                }
                _ if name.len() > 2 && name.starts_with("on") => self.facts.event_handlers += 1,
                _ => {}
            }
        }
        if let Some(style) = style {
            let mut found = None;
            look.apply(style, |url| found = Some(url.to_owned()));
            if let Some(url) = found {
                self.url(&url, UrlSource::HtmlOther);
            }
        }
        // Links have their own colour unless they say otherwise.
        if &*tag.name == "a" && look.color == [0, 0, 0] {
            look.color = [0, 0, 238];
        }
    }

    fn element(&mut self, name: &str, tag: &Tag, look: Look) {
        match name {
            "a" | "area" => self.start_link(tag, name == "a"),
            "img" | "image" => self.image(tag, look),
            "form" => {
                let action = value(tag, "action").unwrap_or_default();
                self.url(&action, UrlSource::HtmlForm);
                let method = value(tag, "method").unwrap_or_default().to_ascii_lowercase();
                if self.facts.forms.len() < MAX_FORMS {
                    self.facts.forms.push(Form { action: cut(&action, 2000), method, ..Form::default() });
                    self.in_form = true;
                }
            }
            "input" | "textarea" | "select" => self.input(tag),
            "script" => {
                self.facts.scripts += 1;
                self.url_of(tag, "src");
            }
            "iframe" | "frame" => {
                self.facts.iframes += 1;
                self.url_of(tag, "src");
            }
            "object" | "embed" | "applet" => {
                self.facts.objects += 1;
                self.url_of(tag, "data");
                self.url_of(tag, "src");
            }
            "svg" => self.facts.svgs += 1,
            "link" | "use" => self.url_of(tag, "href"),
            "base" => self.facts.base_href = self.facts.base_href.take().or_else(|| value(tag, "href").map(|h| cut(&h, 2000))),
            "meta" => self.meta(tag),
            "table" => self.facts.tables += 1,
            "font" => self.facts.font_tags += 1,
            _ => {}
        }
    }

    fn start_link(&mut self, tag: &Tag, has_label: bool) {
        self.end_link();
        let Some(href) = value(tag, "href").or_else(|| value(tag, "xlink:href")) else { return };
        if self.facts.links.len() >= self.max_links {
            self.is_whole = false;
            return;
        }
        self.targets.push(cut(&href, 4000));
        self.facts.links.push(Link::default());
        if has_label {
            self.link = Some((self.facts.links.len() - 1, self.text.len()));
        }
    }

    fn end_link(&mut self) {
        if let Some((index, start)) = self.link.take() {
            let label = self.text.get(start..).unwrap_or_default();
            if let Some(link) = self.facts.links.get_mut(index) {
                link.text = cut_chars(label.trim(), MAX_LABEL);
            }
            if !label.is_empty() {
                self.labels.push((start, self.text.len()));
            }
        }
    }

    fn image(&mut self, tag: &Tag, look: Look) {
        self.facts.images += 1;
        if let Some((index, _)) = self.link
            && let Some(link) = self.facts.links.get_mut(index)
        {
            link.has_image = true;
        }
        let src = value(tag, "src").unwrap_or_default();
        let scheme = src.trim_start().split(':').next().unwrap_or_default().to_ascii_lowercase();
        match scheme.as_str() {
            "data" => self.facts.data_uri_images += 1,
            "cid" => {}
            _ if matches!(scheme.as_str(), "http" | "https") || src.trim_start().starts_with("//") => {
                self.facts.remote_images += 1;
                if is_pixel(tag) || look.is_gone {
                    self.facts.tracking_pixels += 1;
                }
                self.url(&src, UrlSource::HtmlImage);
            }
            _ => self.url(&src, UrlSource::HtmlImage),
        }
    }

    fn input(&mut self, tag: &Tag) {
        let is_password = value(tag, "type").is_some_and(|t| t.trim().eq_ignore_ascii_case("password"));
        self.facts.password_inputs += usize::from(is_password);
        if self.in_form
            && let Some(form) = self.facts.forms.last_mut()
        {
            form.inputs += 1;
            form.has_password |= is_password;
        }
        self.url_of(tag, "formaction");
    }

    fn meta(&mut self, tag: &Tag) {
        if value(tag, "http-equiv").is_some_and(|e| e.trim().eq_ignore_ascii_case("refresh")) {
            let content = value(tag, "content").unwrap_or_default();
            let lower = content.to_ascii_lowercase();
            if let Some(at) = lower.find("url=") {
                let target = content.get(at + 4..).unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned();
                self.url(&target, UrlSource::HtmlOther);
            }
            self.facts.meta_refresh = Some(cut(&content, 2000));
        }
    }

    fn url_of(&mut self, tag: &Tag, attribute: &str) {
        if let Some(url) = value(tag, attribute) {
            self.url(&url, UrlSource::HtmlOther);
        }
    }

    fn url(&mut self, raw: &str, source: UrlSource) {
        if self.urls.len() < self.max_links.saturating_mul(2) {
            let raw = raw.trim();
            if !raw.is_empty() && !raw.starts_with('#') {
                self.urls.push((cut(raw, 4000), source));
            }
        }
    }

    fn end(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        self.raw = Raw::No;
        if name == "a" {
            self.end_link();
        }
        if name == "form" {
            self.in_form = false;
        }
        if is_block(name) {
            self.new_line();
        }
        if is_void(name) {
            return;
        }
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        // The bound of the stack bounds this search.
        match self.open.iter().rposition(|o| o.name == tag.name) {
            Some(at) => {
                self.facts.unbalanced_tags += self.open[at + 1..].iter().filter(|o| !closes_by_itself(&o.name)).count();
                self.open.truncate(at);
            }
            None => self.facts.unbalanced_tags += usize::from(!closes_by_itself(name)),
        }
    }

    fn characters(&mut self, text: &str) {
        match self.raw {
            Raw::Script => return self.script(text),
            Raw::Title => {
                let title = self.facts.title.get_or_insert_default();
                let room = 500usize.saturating_sub(title.len());
                title.push_str(&text[..floor_char_boundary(text, room)]);
                return;
            }
            Raw::Style | Raw::Other => return,
            Raw::No => {}
        }
        if self.is_unrendered() {
            return;
        }
        let seen = text.bytes().filter(|b| !b.is_ascii_whitespace()).count();
        if self.look().is_hidden() {
            self.facts.hidden_text += seen;
            return;
        }
        self.facts.visible_text += seen;
        self.render(text);
    }

    fn script(&mut self, text: &str) {
        self.facts.script_octets += text.len();
        // The shortest name has four letters; a script of escapes comes letter by letter.
        if text.len() < 4 {
            return;
        }
        for name in SCRIPT_NAMES {
            if self.facts.script_names.iter().all(|n| n != name) && memmem::find(text.as_bytes(), name.as_bytes()).is_some() {
                self.facts.script_names.push(name.to_owned());
            }
        }
    }

    /// White space collapses; characters without width are counted and left out.
    fn render(&mut self, text: &str) {
        for word in text.split_inclusive([' ', '\t', '\n', '\r', '\u{a0}']) {
            if self.text.len() + word.len() > self.max_text {
                self.is_whole = false;
                return;
            }
            let bare = word.trim_end_matches([' ', '\t', '\n', '\r', '\u{a0}']);
            if bare.is_ascii() {
                self.text.push_str(bare);
            } else {
                for c in bare.chars() {
                    match c {
                        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{180e}' | '\u{34f}' => self.facts.zero_width += 1,
                        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.facts.bidi_controls += 1,
                        _ => self.text.push(c),
                    }
                }
            }
            if bare.len() != word.len() {
                self.space();
            }
        }
    }

    fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) && self.text.len() < self.max_text {
            self.text.push(' ');
        }
    }

    fn new_line(&mut self) {
        if self.text.ends_with(' ') {
            self.text.pop();
        }
        if !self.text.is_empty() && !self.text.ends_with('\n') && self.text.len() < self.max_text {
            self.text.push('\n');
        }
    }
}

fn value(tag: &Tag, name: &str) -> Option<String> {
    tag.attrs.iter().find(|a| &*a.name.local == name).map(|a| a.value.to_string())
}

/// Shown at most one pixel in both directions.
fn is_pixel(tag: &Tag) -> bool {
    let mut width = value(tag, "width");
    let mut height = value(tag, "height");
    if let Some(style) = value(tag, "style") {
        for declaration in style.split(';').take(100) {
            match declaration.split_once(':').map(|(p, v)| (p.trim().to_ascii_lowercase(), v.trim().to_owned())) {
                Some((p, v)) if p == "width" => width = Some(v),
                Some((p, v)) if p == "height" => height = Some(v),
                _ => {}
            }
        }
    }
    let is_small = |v: Option<String>| {
        v.is_some_and(|v| {
            let digits: String = v.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            digits.parse::<f32>().is_ok_and(|n| n <= 1.0) && !v.contains('%')
        })
    };
    is_small(width) && is_small(height)
}

fn cut(text: &str, most: usize) -> String {
    text[..floor_char_boundary(text, most)].to_owned()
}

fn cut_chars(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
