//! Tokens (MS-VBAL 3.3).

use super::Dialect;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// In small letters.
    Name(String),
    /// `[any text]`: never a keyword.
    Bracketed(String),
    Number(f64),
    Text(String),
    /// As it is written between its `#`.
    Date(String),
    Sign(&'static str),
    /// `:`
    Colon,
    Newline,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Placed<'a> {
    pub token: Token,
    /// A name as it is written: JavaScript beside it calls it so.
    pub written: &'a str,
    pub line: u32,
    /// White space stands before it.
    pub is_apart: bool,
}

/// The longest first.
const SIGNS: &[&str] =
    &[":=", "<>", "><", "<=", "=<", ">=", "=>", "(", ")", ",", ".", "!", "=", "<", ">", "+", "-", "*", "/", "\\", "^", "&", ";", "#", "?"];
/// Texts with a mark of their type behind.
const SUFFIXES: &[char] = &['$', '%', '!', '#', '@', '^', '&'];

pub fn tokens(source: &str, dialect: Dialect) -> Vec<Placed<'_>> {
    let mut lexer = Lexer { rest: source, line: 1, dialect, found: Vec::new() };
    while !lexer.rest.is_empty() {
        lexer.next();
    }
    lexer.push(Token::Newline, false);
    lexer.found
}

struct Lexer<'a> {
    rest: &'a str,
    line: u32,
    dialect: Dialect,
    found: Vec<Placed<'a>>,
}

impl<'a> Lexer<'a> {
    fn push(&mut self, token: Token, is_apart: bool) {
        self.found.push(Placed { token, written: "", line: self.line, is_apart });
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn skip_line(&mut self) {
        self.take_while(|c| c != '\n' && c != '\r');
    }

    fn next(&mut self) {
        let is_apart = self.white_space();
        let Some(first) = self.rest.chars().next() else { return };
        match first {
            '\n' | '\r' => {
                let length = if self.rest.starts_with("\r\n") { 2 } else { 1 };
                self.take(length);
                self.push(Token::Newline, is_apart);
                self.line += 1;
            }
            '\'' => self.skip_line(),
            ':' if !self.rest.starts_with(":=") => {
                self.take(1);
                self.push(Token::Colon, is_apart);
            }
            '"' | '\u{201c}' | '\u{201d}' => self.text(is_apart),
            '#' if self.date(is_apart) => {}
            '0'..='9' => self.number(is_apart),
            '.' if self.rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) && !self.is_behind_value() => self.number(is_apart),
            '&' if self.based(is_apart) => {}
            '[' if self.rest[1..].split(['\n', '\r']).next().is_some_and(|line| line.contains(']')) => {
                self.take(1);
                let name = self.take_while(|c| c != ']').to_lowercase();
                self.take(1);
                self.push(Token::Bracketed(name), is_apart);
            }
            c if c.is_alphabetic() || c == '_' => self.name(is_apart),
            _ => match SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
                Some(sign) => {
                    self.take(sign.len());
                    self.push(Token::Sign(sign), is_apart);
                }
                None => {
                    self.take(first.len_utf8());
                    self.push(Token::Unknown, is_apart);
                }
            },
        }
    }

    /// With the underlines that continue a line.
    fn white_space(&mut self) -> bool {
        let is_space = |c: char| c != '\n' && c != '\r' && (c.is_whitespace() || c == '\u{feff}' || c == '\0');
        let mut any = false;
        loop {
            any |= !self.take_while(is_space).is_empty();
            let Some(after) = self.rest.strip_prefix('_') else { return any };
            let after = after.trim_start_matches(is_space);
            let Some(after) = after.strip_prefix("\r\n").or(after.strip_prefix(['\n', '\r'])) else { return any };
            self.rest = after;
            self.line += 1;
            any = true;
        }
    }

    /// A text ends at its line's end at the latest.
    fn text(&mut self, is_apart: bool) {
        const QUOTES: [char; 3] = ['"', '\u{201c}', '\u{201d}'];
        let mut text = String::new();
        let first = self.rest.chars().next().unwrap_or('"');
        self.take(first.len_utf8());
        let is_end = |c: char| if first == '"' { c == '"' } else { QUOTES.contains(&c) };
        loop {
            text.push_str(self.take_while(|c| !is_end(c) && c != '\n' && c != '\r'));
            let Some(quote) = self.rest.chars().next().filter(|c| is_end(*c)) else { break };
            self.take(quote.len_utf8());
            if self.rest.starts_with(quote) {
                text.push(quote);
                self.take(quote.len_utf8());
            } else {
                break;
            }
        }
        self.push(Token::Text(text), is_apart);
    }

    /// `#12/31/2026 11:59:00 PM#`
    fn date(&mut self, is_apart: bool) -> bool {
        let Some(inner) = self.rest[1..].split(['#', '\n', '\r']).next() else { return false };
        let fits = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '/' | '-' | ':' | 'A' | 'P' | 'M' | 'a' | 'p' | 'm');
        let is_date = self.rest[1 + inner.len()..].starts_with('#') && inner.chars().all(fits) && inner.contains(['/', '-', ':']);
        if is_date && inner.starts_with(|c: char| c.is_ascii_digit()) {
            self.take(inner.len() + 2);
            self.push(Token::Date(inner.trim().to_owned()), is_apart);
            return true;
        }
        false
    }

    /// `a.1` is no number, nor is `f(x).1`.
    fn is_behind_value(&self) -> bool {
        matches!(self.found.last().map(|p| &p.token), Some(Token::Name(_) | Token::Bracketed(_) | Token::Sign(")")))
    }

    fn number(&mut self, is_apart: bool) {
        let octets = self.rest.as_bytes();
        let digits = |from: usize| octets[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = digits(0);
        if octets.get(end) == Some(&b'.') {
            end += 1 + digits(end + 1);
        }
        if octets.get(end).is_some_and(|b| matches!(b, b'e' | b'E' | b'd' | b'D')) {
            let sign = usize::from(octets.get(end + 1).is_some_and(|b| matches!(b, b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        let value = self.take(end).replace(['d', 'D'], "e").parse().unwrap_or(0.0);
        self.push(Token::Number(if f64::is_finite(value) { value } else { 0.0 }), is_apart);
        self.suffix();
    }

    /// `&H41`, `&O101`, `&101`. Without a mark, four digits are 16 bits with a sign, and more are 32.
    fn based(&mut self, is_apart: bool) -> bool {
        let octets = self.rest.as_bytes();
        let (radix, from) = match octets.get(1) {
            Some(b'h' | b'H') => (16, 2),
            Some(b'o' | b'O') => (8, 2),
            Some(b'0'..=b'7')
                if !self.is_behind_value() && !matches!(self.found.last().map(|p| &p.token), Some(Token::Text(_) | Token::Number(_))) =>
            {
                (8, 1)
            }
            _ => return false,
        };
        let digits = octets[from..].iter().take_while(|b| char::from(**b).is_digit(radix)).count();
        // "&" before a name that begins so joins.
        let is_name = octets.get(from + digits).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if digits == 0 || is_name {
            return false;
        }
        let value = u64::from_str_radix(&self.rest[from..from + digits], radix).unwrap_or(u64::MAX);
        self.take(from + digits);
        let is_long = self.rest.starts_with(['&', '^']) && !self.rest[1..].starts_with(|c: char| c.is_alphanumeric() || c == '"');
        let value = match value {
            0x8000..=0xffff if !is_long => value as f64 - 65536.0,
            0x8000_0000..=0xffff_ffff => value as f64 - 4_294_967_296.0,
            _ => value as f64,
        };
        self.push(Token::Number(value), is_apart);
        if is_long {
            self.take(1);
        }
        true
    }

    fn name(&mut self, is_apart: bool) {
        let written = self.take_while(|c| c.is_alphanumeric() || c == '_');
        let name = written.to_lowercase();
        if name == "rem" && self.is_at_begin() {
            self.skip_line();
            return;
        }
        self.found.push(Placed { token: Token::Name(name), written, line: self.line, is_apart });
        self.suffix();
    }

    fn is_at_begin(&self) -> bool {
        matches!(self.found.last().map(|p| &p.token), None | Some(Token::Newline | Token::Colon))
    }

    /// A mark of the type behind a name or a number; where an operand follows, `&` and the like are signs of their own.
    fn suffix(&mut self) {
        let Some(mark) = self.rest.chars().next().filter(|c| SUFFIXES.contains(c)) else { return };
        let after = self.rest[1..].trim_start_matches([' ', '\t']);
        let begins_operand = after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '"' | '_' | '.' | '['));
        let is_mark = match mark {
            '$' | '@' => true,
            '%' | '#' => !begins_operand,
            _ => self.dialect == Dialect::Vba && !begins_operand && !after.starts_with(['(', '-']),
        };
        if is_mark {
            self.take(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str, dialect: Dialect) -> Vec<Token> {
        let mut found: Vec<Token> = tokens(source, dialect).into_iter().map(|p| p.token).collect();
        found.pop();
        found
    }

    #[test]
    fn numbers_texts_and_dates() {
        let value = |source: &str| of(source, Dialect::Vba);
        for (source, number) in [
            ("&H41", 65.0),
            ("&hFFFF", -1.0),
            ("&HFFFF&", 65535.0),
            ("&O17", 15.0),
            ("1.5e3", 1500.0),
            (".5", 0.5),
            ("7&", 7.0),
            ("3#", 3.0),
            ("1e999", 0.0),
        ] {
            assert_eq!(value(source), [Token::Number(number)], "{source}");
        }
        assert_eq!(value("\"a\"\"b\""), [Token::Text("a\"b".into())]);
        assert_eq!(value("#12/31/2026#"), [Token::Date("12/31/2026".into())]);
        assert_eq!(value("#1, x"), [Token::Sign("#"), Token::Number(1.0), Token::Sign(","), Token::Name("x".into())]);
    }

    #[test]
    fn lines_go_on_and_marks_are_no_signs() {
        let name = |name: &str| Token::Name(name.into());
        assert_eq!(of("a = _\r\n b ' c", Dialect::VbScript), [name("a"), Token::Sign("="), name("b")]);
        assert_eq!(of("x&y", Dialect::VbScript), [name("x"), Token::Sign("&"), name("y")]);
        assert_eq!(of("Chr$(65) & b&", Dialect::Vba)[0], name("chr"));
        assert_eq!(of("x&hello", Dialect::VbScript), [name("x"), Token::Sign("&"), name("hello")]);
        assert_eq!(of("rem x\nrem2", Dialect::VbScript), [Token::Newline, name("rem2")]);
    }
}
