//! Fields of Word documents: instructions that it carries out when the document is opened or refreshed. Those that start another program for its
//! data (DDE), and those that load, are told. A field's instruction may be made by other fields within it.

use postern_model::sandbox::FindingName;

use super::marks::{Mark, attribute, marks};

/// Fields within fields, and octets of what is read of one.
const DEPTH: usize = 32;
const TEXT: usize = 4096;
const MOST: usize = 64;
/// What stands in the text of Word's old form (MS-DOC 2.8.25).
const BEGIN: char = '\u{13}';
const SEPARATOR: char = '\u{14}';
const END: char = '\u{15}';

pub type Found = Vec<(FindingName, String)>;

#[derive(Default)]
struct Fields {
    /// The innermost last.
    open: Vec<Field>,
    found: Found,
}

#[derive(Default)]
struct Field {
    instruction: String,
    result: String,
    has_result: bool,
}

impl Fields {
    fn begin(&mut self) {
        if self.open.len() >= DEPTH {
            self.open.remove(0);
        }
        self.open.push(Field::default());
    }

    fn separate(&mut self) {
        if let Some(field) = self.open.last_mut() {
            field.has_result = true;
        }
    }

    fn end(&mut self) {
        let Some(field) = self.open.pop() else { return };
        if let Some(finding) = read(&field.instruction)
            && self.found.len() < MOST
            && !self.found.contains(&finding)
        {
            self.found.push(finding);
        }
        self.text(&field.value());
    }

    /// Of the instruction before the separator, of the result behind it.
    fn text(&mut self, more: &str) {
        if let Some(field) = self.open.last_mut() {
            let text = if field.has_result { &mut field.result } else { &mut field.instruction };
            if text.len() + more.len() <= TEXT {
                text.push_str(more);
            }
        }
    }

    /// One that is not ended is carried out as well.
    fn done(mut self) -> Found {
        while !self.open.is_empty() {
            self.end();
        }
        self.found
    }
}

impl Field {
    /// What it is in the instruction around it: letters by their numbers (`QUOTE 99 109 100`), or its result.
    fn value(&self) -> String {
        let mut words = self.instruction.split_whitespace();
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("quote")) {
            return self.result.clone();
        }
        let letters: Option<String> = words.map(|word| word.parse().ok().and_then(char::from_u32)).collect();
        letters.unwrap_or_else(|| self.result.clone())
    }
}

/// Whether it is on another machine: a URL, or a share of Windows.
pub fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with(r"\\")
}

fn read(instruction: &str) -> Option<(FindingName, String)> {
    let words: Vec<&str> = instruction.split_whitespace().collect();
    let kind = words.first()?.to_ascii_uppercase();
    let elsewhere = || words.iter().map(|word| word.trim_matches('"')).find(|word| is_elsewhere(word));
    match kind.as_str() {
        "DDE" | "DDEAUTO" => Some((FindingName::Dde, words.join(" "))),
        // A picture is loaded again at each opening when its data is not kept.
        "INCLUDEPICTURE" if !words.contains(&r"\d") => None,
        "INCLUDEPICTURE" | "INCLUDETEXT" | "IMPORT" | "LINK" | "RD" => {
            elsewhere().map(|target| (FindingName::ExternalTarget, format!("{kind}: {target}")))
        }
        _ => None,
    }
}

/// ECMA-376 part 1 §17.16.
pub fn of_xml(content: &[u8]) -> Found {
    let mut fields = Fields::default();
    let (mut is_instruction, mut is_text) = (false, false);
    marks(content, |mark| {
        match mark {
            Mark::Open(tag, "fldChar") => match attribute(tag, "fldCharType").as_deref() {
                Some("begin") => fields.begin(),
                Some("separate") => fields.separate(),
                Some("end") => fields.end(),
                _ => {}
            },
            Mark::Open(tag, "fldSimple") => {
                fields.begin();
                fields.text(&attribute(tag, "instr").unwrap_or_default());
                fields.separate();
            }
            Mark::Close("fldSimple") => fields.end(),
            Mark::Open(_, "instrText") => is_instruction = true,
            Mark::Close("instrText") => is_instruction = false,
            Mark::Open(_, "t") => is_text = true,
            Mark::Close("t") => is_text = false,
            Mark::Text(more) => {
                let has_result = fields.open.last().is_some_and(|field| field.has_result);
                if (is_instruction && !has_result) || (is_text && has_result) {
                    fields.text(more);
                }
            }
            _ => {}
        }
        true
    });
    fields.done()
}

/// The stream of Word's old form, in letters of one octet and of two: its table of pieces may say either, and lie.
pub fn of_stream(octets: &[u8]) -> Found {
    let mut found = of_text(octets.iter().map(|b| char::from(*b)));
    let units = octets.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
    for finding in of_text(char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))) {
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    found
}

fn of_text(letters: impl Iterator<Item = char>) -> Found {
    let mut fields = Fields::default();
    for letter in letters {
        match letter {
            BEGIN => fields.begin(),
            SEPARATOR => fields.separate(),
            END => fields.end(),
            letter => fields.text(letter.encode_utf8(&mut [0; 4])),
        }
    }
    fields.done()
}

/// RTF 1.9.1, "Fields": `{\field{\*\fldinst …}{\fldrslt …}}`.
pub fn of_rtf(content: &[u8]) -> Found {
    let mut fields = Fields::default();
    // How deep the groups are, and at which depth fields and their instructions began.
    let (mut depth, mut begun, mut instructions) = (0_usize, Vec::new(), Vec::new());
    let mut rest = content;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'{' => depth += 1,
            b'}' => {
                if instructions.last() == Some(&depth) {
                    instructions.pop();
                    fields.separate();
                }
                if begun.last() == Some(&depth) {
                    begun.pop();
                    fields.end();
                }
                depth = depth.saturating_sub(1);
            }
            b'\\' => {
                let word = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                if word == 0 {
                    rest = letter(rest, &mut fields);
                    continue;
                }
                let (name, after) = rest.split_at(word);
                let digits = after.iter().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
                let (number, after) = after.split_at(digits);
                rest = after.strip_prefix(b" ").unwrap_or(after);
                let number = || std::str::from_utf8(number).ok()?.parse::<i64>().ok();
                match name {
                    b"field" if begun.len() < DEPTH => {
                        begun.push(depth);
                        fields.begin();
                    }
                    b"fldinst" => instructions.push(depth),
                    // A letter, and one instead of it for who does not know the word.
                    b"u" => {
                        let letter = number().and_then(|n| u32::try_from(n.rem_euclid(0x1_0000)).ok()).and_then(char::from_u32);
                        fields.text(letter.unwrap_or('?').encode_utf8(&mut [0; 4]));
                        rest = rest.get(if rest.starts_with(br"\'") { 4 } else { 1 }..).unwrap_or_default();
                    }
                    b"bin" => rest = number().and_then(|n| rest.get(usize::try_from(n).ok()?..)).unwrap_or_default(),
                    _ => {}
                }
            }
            b if *b >= b' ' && !begun.is_empty() => fields.text(char::from(*b).encode_utf8(&mut [0; 4])),
            _ => {}
        }
    }
    fields.done()
}

/// What stands behind a backslash and is no word: `\\`, `\'41`.
fn letter<'a>(rest: &'a [u8], fields: &mut Fields) -> &'a [u8] {
    let digits = rest.strip_prefix(b"'").and_then(|rest| rest.get(..2)).and_then(|digits| std::str::from_utf8(digits).ok());
    if let Some(octet) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
        fields.text(char::from(octet).encode_utf8(&mut [0; 4]));
        return rest.get(3..).unwrap_or_default();
    }
    if let Some(b'\\' | b'{' | b'}') = rest.first() {
        fields.text(char::from(rest[0]).encode_utf8(&mut [0; 4]));
    }
    rest.get(1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_asked_is_found_however_it_is_written() {
        const DDE: &str = r#"DDEAUTO c:\windows\cmd.exe "/k calc""#;
        let xml = |body: &[&str]| of_xml(format!(r#"<w:document xmlns:w="w">{}</w:document>"#, body.concat()).as_bytes());
        let part = |kind: &str| format!(r#"<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>"#);
        let text = |text: &str| format!("<w:r><w:instrText>{text}</w:instrText></w:r>");
        let (begin, separate, end) = (part("begin"), part("separate"), part("end"));
        let shown = "<w:r><w:t>calc</w:t></w:r>";
        let old = |text: &str| text.replace('<', "\u{13}").replace('|', "\u{14}").replace('>', "\u{15}");
        let wide = |text: &str| old(text).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for (what, found) in [
            ("simple", xml(&[r#"<w:fldSimple w:instr=" DDEAUTO c:\windows\cmd.exe &quot;/k calc&quot; "/>"#])),
            ("in pieces", xml(&[&begin, &text(r"DDE"), &text(r#"AUTO c:\windows\cmd.exe "/k calc""#), &separate, shown, &end])),
            (
                "of letters by their numbers",
                xml(&[&begin, &begin, &text("QUOTE 68 68 69"), &end, &text(r#"AUTO c:\windows\cmd.exe "/k calc""#), &end]),
            ),
            (
                "of another's result",
                xml(&[&begin, &text(r"DDEAUTO c:\windows\cmd.exe &quot;/k "), &begin, &text("MERGEFIELD x"), &separate, shown, &end, &text("&quot;"), &end]),
            ),
            ("never ended", xml(&[&begin, &text(r#"DDEAUTO c:\windows\cmd.exe "/k calc""#)])),
            ("old", of_stream(old(r#"letter <DDEAUTO c:\windows\cmd.exe "/k calc"|!>"#).as_bytes())),
            ("old, in two octets", of_stream(&wide(r#"letter <DDEAUTO c:\windows\cmd.exe "/k calc"|!>"#))),
            ("rtf", of_rtf(br#"{\rtf1{\field{\*\fldinst {\rtlch DDEAUTO c:\\windows\\cmd.exe "/k c\'61lc"}}{\fldrslt x}}}"#)),
            (
                "rtf by numbers",
                of_rtf(br#"{\rtf1{\field{\*\fldinst {{\field{\*\fldinst QUOTE 68 68 69}{\fldrslt }}\u65?UTO c:\\windows\\cmd.exe "/k calc"}}{\fldrslt x}}}"#),
            ),
        ] {
            assert_eq!(found, [(FindingName::Dde, DDE.to_owned())], "{what}");
        }
    }

    #[test]
    fn what_only_shows_something_is_not_told() {
        for instruction in [
            "PAGE",
            "HYPERLINK \"https://example.org/\"",
            "INCLUDEPICTURE \"https://example.org/logo.png\" \\* MERGEFORMATINET",
            "LINK Excel.Sheet.8 C:\\\\table.xls",
            "TOC DDEAUTO",
            "",
        ] {
            assert_eq!(read(instruction), None, "{instruction}");
        }
        for (instruction, told) in [
            ("INCLUDEPICTURE \"https://evil.example/p.png\" \\d", "INCLUDEPICTURE: https://evil.example/p.png"),
            (r"INCLUDETEXT \\\\evil.example\\share\\a.doc", r"INCLUDETEXT: \\\\evil.example\\share\\a.doc"),
            ("link Word.Document.8 \"http://evil.example/a.doc\" \\a", "LINK: http://evil.example/a.doc"),
        ] {
            assert_eq!(read(instruction), Some((FindingName::ExternalTarget, told.to_owned())));
        }
    }

    #[test]
    fn what_never_ends_takes_little() {
        assert!(of_stream(&vec![0x13; 1 << 20]).is_empty());
        assert!(of_rtf(&br"{\field{\*\fldinst ".repeat(50_000)).is_empty());
        assert!(of_rtf(br"{\bin99999999999999999999 \u-1").is_empty());
    }
}
