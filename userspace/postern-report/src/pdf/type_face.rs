//! Helvetica: how wide its characters are (Adobe's metrics of the core fonts), and text in its encoding.

use pdf_writer::Name;
use postern_mail::letter::one_line;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Regular,
    Bold,
}

impl Face {
    pub fn name(self) -> Name<'static> {
        match self {
            Self::Regular => super::REGULAR,
            Self::Bold => super::BOLD,
        }
    }
}

/// Thousandths of the size, from the space on.
const ASCII: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278,
    278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722,
    667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556,
    556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
/// The same from U+00A0 on.
const LATIN: [u16; 96] = [
    278, 333, 556, 556, 556, 556, 260, 556, 333, 737, 370, 556, 584, 333, 737, 333, 400, 584, 333, 333, 333, 556, 537, 278, 333, 333, 365,
    556, 834, 834, 834, 611, 667, 667, 667, 667, 667, 667, 1000, 722, 667, 667, 667, 667, 278, 278, 278, 278, 722, 722, 778, 778, 778, 778,
    778, 584, 778, 722, 722, 722, 722, 667, 667, 611, 556, 556, 556, 556, 556, 556, 889, 500, 556, 556, 556, 556, 278, 278, 278, 278, 556,
    556, 556, 556, 556, 556, 556, 584, 611, 556, 556, 556, 556, 500, 556, 500,
];
/// Punctuation that the encoding has elsewhere: character, octet, width.
const OTHERS: [(char, u8, u16); 8] = [
    ('€', 0x80, 556),
    ('„', 0x84, 333),
    ('…', 0x85, 1000),
    ('’', 0x92, 222),
    ('“', 0x93, 333),
    ('”', 0x94, 333),
    ('–', 0x96, 556),
    ('—', 0x97, 1000),
];

fn octet(c: char) -> u8 {
    match (c, u8::try_from(c)) {
        (' '..='~' | '\u{a0}'..='\u{ff}', Ok(octet)) => octet,
        _ => OTHERS.iter().find(|(other, ..)| *other == c).map_or(b'?', |(_, octet, _)| *octet),
    }
}

fn width_of(octet: u8) -> u16 {
    match octet {
        b' '..=b'~' => ASCII[usize::from(octet - b' ')],
        0xa0.. => LATIN[usize::from(octet - 0xa0)],
        _ => OTHERS.iter().find(|(_, other, _)| *other == octet).map_or(556, |(.., width)| *width),
    }
}

/// In the font's encoding, one line.
pub fn encoded(text: &str) -> Vec<u8> {
    one_line(text).chars().map(octet).collect()
}

/// In points.
pub fn width(face: Face, size: f32, text: &str) -> f32 {
    let thousandths: f32 = encoded(text).into_iter().map(|o| f32::from(width_of(o))).sum();
    // The bold face is wider by less than a tenth; figures are as wide in both.
    let wider = if face == Face::Bold { 1.08 } else { 1.0 };
    thousandths * size * wider / 1000.0
}

/// As much of it as there is room for.
pub fn fitted(face: Face, size: f32, text: &str, room: f32) -> String {
    if width(face, size, text) <= room {
        return text.to_owned();
    }
    let room = room - width(face, size, "…");
    let mut out = String::new();
    let mut used = 0.0;
    for c in text.chars() {
        used += width(face, size, c.encode_utf8(&mut [0; 4]));
        if used > room {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// Lines of whole words that there is room for.
pub fn lines(face: Face, size: f32, text: &str, room: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(face, size, line) + width(face, size, " ") + width(face, size, word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fitted(face, size, word, room)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_measured_and_cut() {
        assert_eq!(encoded("Größe – 5 €…"), b"Gr\xf6\xdfe \x96 5 \x80\x85");
        assert_eq!(encoded("почта\u{202e}\n\t日本"), b"?????   ??");
        assert!((width(Face::Regular, 10.0, "AWi") - (6.67 + 9.44 + 2.22)).abs() < 0.001);
        assert_eq!(fitted(Face::Regular, 10.0, "short", 100.0), "short");
        let cut = fitted(Face::Regular, 10.0, &"w".repeat(1000), 100.0);
        assert!(cut.ends_with('…') && width(Face::Regular, 10.0, &cut) <= 100.0, "{cut}");
        assert_eq!(lines(Face::Regular, 10.0, "one two three", width(Face::Regular, 10.0, "one two")), ["one two", "three"]);
        assert_eq!(lines(Face::Regular, 10.0, &"w".repeat(50), 50.0).len(), 1, "a word that is too long is cut");
    }
}
