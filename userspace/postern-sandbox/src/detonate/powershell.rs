//! PowerShell whose words are put together from pieces: `'htt'+'p'`, `"{1}{0}" -f 'b','a'`, `[char]104`, `-replace`, `-join`, texts from behind,
//! backticks. Pieces are put together where they are written out; nothing is run, and variables stay what they are.

/// Octets of a text that is looked at, and how often it is gone over: pieces lie in pieces.
const LONGEST: usize = 1 << 20;
const ROUNDS: usize = 12;
/// Octets that it may become: replacing and formatting make it longer.
const MOST: usize = 2 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    /// A word, a number, a sign or white space, as it is.
    Other(String),
}

/// The text with its pieces put together; `None` when there was nothing to put together.
pub fn plain(text: &str) -> Option<String> {
    if text.len() > LONGEST || !text.contains(['\'', '"', '`', '[']) {
        return None;
    }
    let mut tokens = tokens(text);
    let before = written(&tokens);
    for _ in 0..ROUNDS {
        let next = round(&tokens);
        if next == tokens || written_size(&next) > MOST {
            break;
        }
        tokens = next;
    }
    let after = written(&tokens);
    (after != before || text.contains('`')).then_some(after)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => match quoted(rest, first) {
                Some((inner, length)) => {
                    found.push(Token::Text(inner));
                    rest = &rest[length..];
                    continue;
                }
                None => 1,
            },
            c if c.is_whitespace() => {
                rest = rest.trim_start();
                continue;
            }
            // `-f`, `-join`
            '-' if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic()) => 1 + word(&rest[1..]),
            c if is_word(c) => word(rest),
            '.' if rest.starts_with("..") => 2,
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        // A backtick within a word is nothing.
        let token = token.replace('`', "");
        if !token.is_empty() {
            found.push(Token::Other(token));
        }
        rest = after;
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '`' | '$')
}

fn word(text: &str) -> usize {
    text.find(|c: char| !is_word(c) && c != '-').unwrap_or(text.len())
}

/// What stands between quotation marks, and how long it is with them. With a variable in it, it is no text, nor with texts in it: that is the
/// code of `-Command "…"`.
fn quoted(text: &str, mark: char) -> Option<(String, usize)> {
    let mut inner = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = letters.next() {
        match c {
            _ if c == mark => {
                if letters.next_if(|(_, next)| *next == mark).is_none() {
                    return Some((inner, at + 1));
                }
                inner.push(mark);
            }
            '`' if mark == '"' => inner.extend(letters.next().map(|(_, c)| c)),
            '$' | '\'' if mark == '"' => return None,
            c => inner.push(c),
        }
    }
    None
}

/// Goes over it once, from left to right.
fn round(tokens: &[Token]) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        let is_behind_word = match out.last() {
            Some(Token::Other(word)) => word.ends_with(is_word),
            Some(Token::Text(_)) => true,
            None => false,
        };
        if let Some((text, length)) = together(rest, is_behind_word) {
            out.push(Token::Text(text));
            rest = &rest[length..];
        } else {
            out.push(first.clone());
            rest = &rest[1..];
        }
    }
    out
}

/// The text that the tokens begin with once they are put together, and how many of them it takes.
fn together(tokens: &[Token], is_behind_word: bool) -> Option<(String, usize)> {
    character(tokens)
        .or_else(|| joined(tokens))
        .or_else(|| reversed(tokens))
        .or_else(|| match tokens {
            [Token::Text(a), plus, Token::Text(b), ..] if is(plus, "+") => Some((format!("{a}{b}"), 3)),
            // What is handed to a method keeps its brackets.
            [open, Token::Text(inner), close, ..] if is(open, "(") && is(close, ")") && !is_behind_word => Some((inner.clone(), 3)),
            [Token::Text(whole), sign, Token::Text(what), comma, Token::Text(by), ..] if is_replace(sign) && is(comma, ",") => {
                replaced(whole, what, by, 5)
            }
            [Token::Text(whole), dot, name, open, Token::Text(what), comma, Token::Text(by), close, ..]
                if is(dot, ".") && names(name, "replace") && is(open, "(") && is(comma, ",") && is(close, ")") =>
            {
                replaced(whole, what, by, 8)
            }
            [Token::Text(pattern), sign, rest @ ..] if is(sign, "-f") => {
                let (values, length) = list(rest)?;
                Some((formatted(pattern, &values), 2 + length))
            }
            _ => None,
        })
        .filter(|(text, _)| text.len() <= MOST)
}

fn is(token: &Token, what: &str) -> bool {
    matches!(token, Token::Other(other) if other.eq_ignore_ascii_case(what))
}

/// A member's name, which may be a text as well.
fn names(token: &Token, what: &str) -> bool {
    let (Token::Text(name) | Token::Other(name)) = token;
    name.eq_ignore_ascii_case(what)
}

fn is_replace(token: &Token) -> bool {
    ["-replace", "-creplace", "-ireplace"].iter().any(|name| is(token, name))
}

fn replaced(whole: &str, what: &str, by: &str, length: usize) -> Option<(String, usize)> {
    // Patterns beyond letters that stand for themselves are left alone.
    let what = what.replace('\\', "");
    let longer = whole.matches(what.as_str()).count().saturating_mul(by.len());
    (!what.is_empty() && longer <= MOST).then(|| (whole.replace(&what, by), length))
}

/// `[char]104`, `[char]0x68`, `[char](104)`
fn character(tokens: &[Token]) -> Option<(String, usize)> {
    let [open, name, close, rest @ ..] = tokens else { return None };
    if !(is(open, "[") && is(name, "char") && is(close, "]")) {
        return None;
    }
    let (number, length) = match rest {
        [Token::Other(bracket), Token::Other(number), end, ..] if bracket == "(" && is(end, ")") => (number, 6),
        [Token::Other(number), ..] => (number, 4),
        _ => return None,
    };
    let hex = number.strip_prefix("0x").or(number.strip_prefix("0X"));
    let number = hex.map_or_else(|| number.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok())?;
    Some((char::from_u32(number)?.to_string(), length))
}

/// `'a','b'`, in brackets or not, and how many tokens they are.
fn list(tokens: &[Token]) -> Option<(Vec<&str>, usize)> {
    let brackets = tokens.iter().take_while(|t| is(t, "(")).count().min(4);
    let mut values = Vec::new();
    let mut at = brackets;
    while let Some(Token::Text(value)) = tokens.get(at) {
        values.push(value.as_str());
        at += 1;
        if !tokens.get(at).is_some_and(|t| is(t, ",")) {
            break;
        }
        at += 1;
    }
    let is_closed = (0..brackets).all(|n| tokens.get(at + n).is_some_and(|t| is(t, ")")));
    (!values.is_empty() && is_closed).then_some((values, at + brackets))
}

/// `('a','b') -join ''`, `-join ('a','b')`, `[string]::join('', 'a','b')`
fn joined(tokens: &[Token]) -> Option<(String, usize)> {
    match tokens {
        [join, rest @ ..] if is(join, "-join") => {
            let (values, length) = list(rest)?;
            Some((values.concat(), 1 + length))
        }
        [open, name, close, colons, join, bracket, Token::Text(by), comma, rest @ ..]
            if is(open, "[")
                && is(name, "string")
                && is(close, "]")
                && is(colons, "::")
                && is(join, "join")
                && is(bracket, "(")
                && is(comma, ",") =>
        {
            let (values, length) = list(rest)?;
            is(rest.get(length)?, ")").then(|| (values.join(by), 9 + length))
        }
        [open, ..] if is(open, "(") => {
            let (values, length) = list(tokens)?;
            match tokens.get(length..)? {
                [join, Token::Text(by), ..] if is(join, "-join") => Some((values.join(by), length + 2)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `'cba'[-1..-3] -join ''`
fn reversed(tokens: &[Token]) -> Option<(String, usize)> {
    let [Token::Text(whole), open, minus, one, dots, rest @ ..] = tokens else { return None };
    if !(is(open, "[") && is(minus, "-") && is(one, "1") && is(dots, "..")) {
        return None;
    }
    let end = rest.iter().take(12).position(|t| is(t, "]"))?;
    let text = whole.chars().rev().collect();
    match rest.get(end + 1..)? {
        [join, Token::Text(by), ..] if is(join, "-join") && by.is_empty() => Some((text, 5 + end + 3)),
        _ => Some((text, 5 + end + 1)),
    }
}

/// `"{1}{0}"`
fn formatted(pattern: &str, values: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((number, behind)) = after.split_once('}') else {
            rest = after;
            break;
        };
        let value = number.split([',', ':']).next().and_then(|n| n.trim().parse::<usize>().ok()).and_then(|n| values.get(n));
        out.push_str(value.copied().unwrap_or_default());
        rest = behind;
        if out.len() > MOST {
            break;
        }
    }
    out.push_str(rest);
    out
}

fn written_size(tokens: &[Token]) -> usize {
    tokens.iter().map(|(Token::Text(t) | Token::Other(t))| t.len() + 3).sum()
}

fn written(tokens: &[Token]) -> String {
    let mut out = String::with_capacity(written_size(tokens));
    for token in tokens {
        match token {
            Token::Text(text) => {
                out.push('\'');
                out.push_str(text);
                out.push('\'');
            }
            Token::Other(other) => {
                if other.starts_with(is_word) && out.ends_with(|c| is_word(c) || c == '\'') || other.starts_with('-') {
                    out.push(' ');
                }
                out.push_str(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together() {
        for (text, plain_text) in [
            ("IEX ('htt'+'p://a.ex'+\"ample/x\")", "IEX('http://a.example/x')"),
            ("i`e`x (\"{1}{0}\" -f 'b','a')", "iex('ab')"),
            ("& ([char]105+[char]0x65+[char](120)) 'x'", "&'iex''x'"),
            ("('hXXp://a' -replace 'XX','tt')", "'http://a'"),
            ("'hXXp'.Replace('XX','tt').Trim()", "'http'.Trim()"),
            ("('a','b','c') -join ''", "'abc'"),
            ("-join ('a','b')", "'ab'"),
            ("[string]::Join('-', ('a','b'))", "'a-b'"),
            ("('moc.elpmaxe'[-1..-11] -join '')", "'example.com'"),
            ("$w.'Down`loadString'(('a'+'b'))", "$w.'Down`loadString'('ab')"),
        ] {
            assert_eq!(plain(text).as_deref(), Some(plain_text), "{text}");
        }
    }

    #[test]
    fn what_is_plain_or_broken_says_nothing() {
        for text in ["", "Get-Date", "'a' + $b", "\"$a\" + 'b'", "'", "('a'", "[char]", "[char]99999999999", "-f", "'{0' -join"] {
            assert_eq!(plain(text), None, "{text}");
        }
        assert!(plain("'{9}{0}{' -f 'a'").is_some());
    }
}
