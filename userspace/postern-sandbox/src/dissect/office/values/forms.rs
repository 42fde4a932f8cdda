//! Forms of macros (MS-OFORMS): a storage for each, with the names and tags of its controls in the stream `f`, and their captions and values in
//! `o`, one behind the other. What is damaged ends the reading of its storage.

use std::path::{Path, PathBuf};

use super::{Compound, Room, stream};
use crate::detonate::document::{Control, Form};
use crate::dissect::octets::number;
use crate::dissect::office::vba;
use crate::dissect::text::utf16;

/// Text with the form's own caption and tag (MS-OVBA 2.3.5).
const FRAME: &str = "\u{3}VBFrame";
const CONTROLS: usize = 2000;
const STORAGES: usize = 200;

/// Kinds of controls (MS-OFORMS 2.4.5): buttons, labels, and all that have a value.
const BUTTON: u64 = 17;
const LABEL: u64 = 21;
const MORPH: [u64; 7] = [15, 23, 24, 25, 26, 27, 28];

pub fn read(file: &mut Compound<'_>, code_page: u16) -> Vec<Form> {
    let storages: Vec<PathBuf> = file.walk().filter(|e| e.is_storage()).map(|e| e.path().to_owned()).take(STORAGES).collect();
    let mut room = Room::new();
    let mut forms = Vec::new();
    for storage in &storages {
        let Some(octets) = stream(file, &storage.join(FRAME)) else { continue };
        let name = storage.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (caption, tag) = frame(&vba::text(&octets, code_page));
        let mut form = Form { name, caption, tag, controls: Vec::new() };
        // Frames and pages within it are storages of their own below.
        for inner in storages.iter().filter(|inner| inner.starts_with(storage)) {
            controls(file, inner, code_page, &mut room, &mut form.controls);
        }
        forms.push(form);
    }
    forms
}

/// `   Caption         =   "Form"`.
fn frame(text: &str) -> (String, String) {
    let value = |of: &str| {
        let line = text.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case(of));
        line.and_then(|(_, value)| Some(value.split_once('"')?.1.rsplit_once('"')?.0.replace("\"\"", "\""))).unwrap_or_default()
    };
    (value("Caption"), value("Tag"))
}

fn controls(file: &mut Compound<'_>, storage: &Path, code_page: u16, room: &mut Room, found: &mut Vec<Control>) {
    let (Some(form), contents) = (stream(file, &storage.join("f")), stream(file, &storage.join("o")).unwrap_or_default()) else { return };
    let mut at = 0;
    for site in sites(&form, code_page).unwrap_or_default() {
        let octets = contents.get(at..).unwrap_or_default();
        let octets = &octets[..site.length.min(octets.len())];
        at = at.saturating_add(site.length);
        let (caption, value) = match site.class {
            BUTTON => (button(octets, code_page), None),
            LABEL => (label(octets, code_page), None),
            class if MORPH.contains(&class) => {
                morph(octets, code_page).map_or((None, None), |(value, caption)| (Some(caption), Some(value)))
            }
            _ => (None, None),
        };
        let mut kept = |text: Option<String>| text.and_then(|text| room.take(text)).unwrap_or_default();
        let control =
            Control { name: site.name, tag: kept(Some(site.tag)), tip: kept(Some(site.tip)), caption: kept(caption), value: kept(value) };
        if !control.name.is_empty() && found.len() < CONTROLS {
            found.push(control);
        }
    }
}

/// Whether something stands there, and its octets.
type Skip = (bool, fn(&[u8]) -> Option<usize>);

/// What a form says of one of its controls (MS-OFORMS 2.2.10.12).
struct Site {
    name: String,
    tag: String,
    tip: String,
    class: u64,
    /// Octets in `o`.
    length: usize,
}

fn sites(octets: &[u8], code_page: u16) -> Option<Vec<Site>> {
    let n = |at: usize, width| number(octets, at as u64, width);
    let mask = n(4, 4)?;
    let has = |bit: u32| mask >> bit & 1 != 0;
    // The flags stand behind what is there of two colours and a number.
    let flags = if has(6) { n(8 + 4 * [1, 2, 3].iter().filter(|bit| has(**bit)).count(), 4)? } else { 0 };
    let mut at = 4 + n(2, 2)? as usize;
    let skips: [Skip; 3] = [(has(15), picture), (has(20), font), (has(21), picture)];
    for (is_there, skip) in skips {
        if is_there {
            at += skip(octets.get(at..)?)?;
        }
    }
    // Unless it says that it has none, classes of its own follow.
    if flags & 1 << 15 == 0 {
        let count = n(at, 2)?;
        at += 2;
        for _ in 0..count {
            at += 4 + n(at + 2, 2)? as usize;
        }
    }
    let count = usize::try_from(n(at, 4)?).ok()?.min(CONTROLS);
    at += 8;
    // Depths and kinds, several of the same together, to a multiple of four.
    let begin = at;
    let mut told = 0;
    while told < count {
        let kind = n(at + 1, 1)?;
        if kind & 0x80 == 0 {
            (told, at) = (told + 1, at + 2);
        } else {
            (told, at) = (told + usize::try_from(kind & 0x7f).ok()?.max(1), at + 3);
        }
    }
    at = begin + (at - begin).next_multiple_of(4);
    let mut found = Vec::new();
    for _ in 0..count {
        let length = n(at + 2, 2)? as usize;
        found.extend(octets.get(at + 4..at + 4 + length).and_then(|site| self::site(site, code_page)));
        at += 4 + length;
    }
    Some(found)
}

fn site(octets: &[u8], code_page: u16) -> Option<Site> {
    let mask = number(octets, 0, 4)?;
    let mut fields = Fields::new(octets.get(4..)?, mask, code_page);
    let [name, tag, _, _, _, length] =
        [fields.next(4)?, fields.next(4)?, fields.next(4)?, fields.next(4)?, fields.next(4)?, fields.next(4)?];
    let [_, class] = [fields.next(2)?, fields.next(2)?];
    // Where it is stands behind the texts.
    let has_position = fields.has();
    let [_, _, tip, _, _, _] = [fields.next(2)?, fields.skip(), fields.next(4)?, fields.next(4)?, fields.next(4)?, fields.next(4)?];
    fields.begin_texts();
    let (name, tag) = (fields.text(name)?, fields.text(tag)?);
    fields.at += if has_position { 8 } else { 0 };
    let tip = fields.text(tip).unwrap_or_default();
    Some(Site { name, tag, tip, class, length: length as usize })
}

fn label(octets: &[u8], code_page: u16) -> Option<String> {
    let mut fields = Fields::new(octets.get(8..)?, number(octets, 4, 4)?, code_page);
    fields.all(&[4, 4, 4])?;
    let caption = fields.next(4)?;
    fields.all(&[4])?;
    fields.has();
    fields.all(&[1, 4, 2, 2, 2, 2, 2])?;
    fields.begin_texts();
    fields.text(caption)
}

fn button(octets: &[u8], code_page: u16) -> Option<String> {
    let mut fields = Fields::new(octets.get(8..)?, number(octets, 4, 4)?, code_page);
    fields.all(&[4, 4, 4])?;
    let caption = fields.next(4)?;
    fields.all(&[4])?;
    fields.has();
    fields.all(&[1, 2, 2])?;
    fields.has();
    fields.all(&[2])?;
    fields.begin_texts();
    fields.text(caption)
}

/// Value and caption of what has a value: texts, lists, boxes to tick.
fn morph(octets: &[u8], code_page: u16) -> Option<(String, String)> {
    let mut fields = Fields::new(octets.get(12..)?, number(octets, 4, 8)?, code_page);
    fields.all(&[4, 4, 4, 4, 1, 1, 1, 1])?;
    let has_size = fields.has();
    fields.all(&[2, 4, 2, 2, 2, 2, 2, 1, 1, 1])?;
    fields.has();
    fields.all(&[1, 1])?;
    let [value, caption] = [fields.next(4)?, fields.next(4)?];
    fields.all(&[4, 4, 4, 2, 2, 2])?;
    fields.has();
    fields.has();
    let _group = fields.next(4)?;
    fields.begin_texts();
    fields.at += if has_size { 8 } else { 0 };
    Some((fields.text(value)?, fields.text(caption).unwrap_or_default()))
}

/// A picture behind its GUID, and a font behind its own (MS-OFORMS 2.4.8, 2.4.7): their octets.
fn picture(octets: &[u8]) -> Option<usize> {
    Some(24 + number(octets, 20, 4)? as usize)
}

fn font(octets: &[u8]) -> Option<usize> {
    let is_standard = octets.starts_with(b"\x03\x52\xe3\x0b");
    Some(if is_standard { 27 + number(octets, 26, 1)? as usize } else { 20 + number(octets, 18, 2)? as usize })
}

/// Fields that are there when their bit is set, each at a multiple of its width; then texts, each to a multiple of four.
struct Fields<'a> {
    octets: &'a [u8],
    mask: u64,
    at: usize,
    code_page: u16,
}

impl<'a> Fields<'a> {
    fn new(octets: &'a [u8], mask: u64, code_page: u16) -> Self {
        Self { octets, mask, at: 0, code_page }
    }

    /// Whether the next one is there, which has no octets here.
    fn has(&mut self) -> bool {
        let is_there = self.mask & 1 != 0;
        self.mask >>= 1;
        is_there
    }

    fn skip(&mut self) -> u64 {
        self.has();
        0
    }

    /// The next one; 0 when it is not there.
    fn next(&mut self, width: usize) -> Option<u64> {
        if !self.has() {
            return Some(0);
        }
        self.at = self.at.next_multiple_of(width);
        let value = number(self.octets, self.at as u64, width)?;
        self.at += width;
        Some(value)
    }

    fn all(&mut self, widths: &[usize]) -> Option<()> {
        widths.iter().try_for_each(|width| self.next(*width).map(drop))
    }

    fn begin_texts(&mut self) {
        self.at = self.at.next_multiple_of(4);
    }

    /// A text by its count of octets, whose highest bit says that each letter has one alone.
    fn text(&mut self, count: u64) -> Option<String> {
        let (is_short, length) = (count >> 31 & 1 != 0, usize::try_from(count & 0x7fff_ffff).ok()?);
        let octets = self.octets.get(self.at..self.at.checked_add(length)?)?;
        self.at = (self.at + length).next_multiple_of(4);
        Some(if is_short { vba::text(octets, self.code_page) } else { utf16(octets) })
    }
}
