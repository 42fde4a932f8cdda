//! Microsoft's Script Encoder (`.jse`, `.vbe`, `JScript.Encode`): `#@~^`, the length in base64, the text with each character replaced
//! by one of three tables in a fixed turn of 64, a checksum, `^#~@`.

/// Which table holds for a character, by its place.
const TURNS: &[u8; 64] = b"0120121221210212021200122102122100212120200120210212001220012021";

/// What a character of the encoded text stands for: first in table 0, then 1, then 2. From tab, and from space to the last of ASCII.
const TAB: [u8; 3] = *b"\x57\x6e\x7b";
const FROM_SPACE: &[[u8; 3]; 96] = &[
    *b".-2", *b"Gu0", *b"zR!", *b"V`)", *b"Bq[", *b"j^8", *b"/I3", *b"&\\=", *b"IbX", *b"A}:", *b"4)5", *b"26e", *b"[ 9", *b"v|\\",
    *b"rzV", *b"C\x7fs", *b"8kf", *b"9cN", *b"p3E", *b"E+k", *b"hhb", *b"qQY", *b"Ofx", *b"\tv^", *b"b1}", *b"DdJ", *b"#Tm", *b"uCq",
    *b"JLA", *b"~:`", *b"JLA", *b"^~S", *b"@L@", *b"wEB", *b"J,'", *b"a*H", *b"]tr", *b"\"'u", *b"K71", *b"oD7", *b"NyM", *b";YR",
    *b"L/\"", *b"PoT", *b"g&j", *b"*rG", *b"}jd", *b"t9-", *b"T{ ", *b"+?\x7f", *b"-8.", *b",wL", *b"0g]", *b"nS~", *b"kGl", *b"f4o",
    *b"5xy", *b"%]t", *b"!0C", *b"d#&", *b"MZv", *b"R[%", *b"cl$", *b"?H+", *b"{U(", *b"xp#", *b")iA", *b"(.4", *b"sL\t", *b"Y!*", *b"3$D",
    *b"\x7fN?", *b"mPw", *b"U\t;", *b"SVU", *b"|si", *b":5a", *b"_ac", *b"eKP", *b"FXg", *b"X;Q", *b"1WI", *b"i\"O", *b"lmF", *b"ZMh",
    *b"H%|", *b"'(6", *b"\\Fp", *b"=Jn", *b"$2z", *b"yA/", *b"7=_", *b"`_K", *b"QOZ", *b" B,", *b"6eW",
];

const BEGIN: &str = "#@~^";
const END: &str = "^#~@";
/// Behind the begin: the length, and behind the text: the checksum; six digits of base64 and two fillers each.
const NUMBER: usize = 8;

/// The text with all that is encoded in it decoded; `None` when nothing is.
pub fn decode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut any = false;
    while let Some(at) = rest.find(BEGIN) {
        let after = rest[at + BEGIN.len()..].get(NUMBER..)?;
        let Some(end) = after.find(END) else { break };
        let encoded = after.get(..end.checked_sub(NUMBER)?)?;
        out.push_str(&rest[..at]);
        characters(encoded, &mut out);
        rest = &after[end + END.len()..];
        any = true;
    }
    any.then(|| {
        out.push_str(rest);
        out
    })
}

fn characters(encoded: &str, out: &mut String) {
    let mut place = 0;
    let mut rest = encoded.chars();
    while let Some(c) = rest.next() {
        let turn = usize::from(TURNS[place % TURNS.len()] - b'0');
        match c {
            // What the tables would confuse is written apart.
            '@' => {
                out.push(match rest.next() {
                    Some('&') => '\n',
                    Some('#') => '\r',
                    Some('*') => '>',
                    Some('!') => '<',
                    Some('$') => '@',
                    Some(other) => other,
                    None => return,
                });
                place += 1;
            }
            '\t' => {
                out.push(char::from(TAB[turn]));
                place += 1;
            }
            ' '..='\x7f' => {
                out.push(char::from(FROM_SPACE[c as usize - 0x20][turn]));
                place += 1;
            }
            c if c.is_ascii() => {
                out.push(c);
                place += 1;
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Microsoft's encoder writes them.
    #[test]
    fn encoded_text_is_read() {
        assert_eq!(decode("#@~^DgAAAA==\\ko$K6,JC\x7fV^GJqAQAAA==^#~@").as_deref(), Some("MsgBox \"Hello\""));
        assert_eq!(decode("<%#@~^DgAAAA==\\ko$K6,JC\x7fV^GJqAQAAA==^#~@%>").as_deref(), Some("<%MsgBox \"Hello\"%>"));
    }

    #[test]
    fn what_is_not_encoded_or_cut_is_not() {
        for text in ["var x = 1", "#@~^", "#@~^DgAAAA==", "#@~^DgAAAA==\\ko$K6", "#@~^DgAAAA==^#~@"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
