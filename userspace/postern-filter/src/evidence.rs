//! Evidence: what a symbol saw, made safe to print anywhere (terminal, log line, header, browser).

/// Characters kept.
pub const LIMIT: usize = 200;

/// `text` without control, zero-width and bidirectional characters (shown as `\u{…}`: evidence must
/// not play the same tricks as the mail it quotes), white space collapsed, at most [`LIMIT`] characters.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LIMIT));
    let mut length = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = !out.is_empty();
            continue;
        }
        let shown = if c.is_control() || is_invisible(c) { format!("\\u{{{:x}}}", c as u32) } else { c.to_string() };
        let adds = shown.chars().count() + usize::from(space);
        if length + adds > LIMIT - 1 {
            out.push('…');
            break;
        }
        if space {
            out.push(' ');
            space = false;
        }
        out.push_str(&shown);
        length += adds;
    }
    out
}

/// Characters without ink, and those that turn the reading direction.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_shows_what_cannot_be_seen() {
        assert_eq!(printable("a\r\n\tb\u{202e}c\u{1b}[2J"), "a b\\u{202e}c\\u{1b}[2J");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), LIMIT);
        assert_eq!(printable(&"\u{202e}".repeat(1000)).chars().filter(|c| *c == '\u{202e}').count(), 0);
        assert!(printable(&"\u{202e}".repeat(1000)).chars().count() <= LIMIT);
    }
}
