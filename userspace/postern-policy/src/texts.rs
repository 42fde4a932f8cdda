//! Patterns for texts: a part of it, a whole with `*` and `?`, or a regular expression.

use regex::{Regex, RegexBuilder};

/// A compiled expression may take this many octets: a settings file must not eat the memory of a node.
const MAX_EXPRESSION: usize = 1 << 20;

/// How a pattern without `*`, `?` and slashes is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// It stands anywhere in the text.
    Part,
    /// It is the text.
    Whole,
}

/// In any case.
#[derive(Clone, Debug)]
pub struct Texts {
    patterns: Vec<(String, Regex)>,
}

impl Texts {
    /// # Errors
    /// Index of the pattern that is none, and what is wrong with it.
    pub fn new(patterns: &[String], plain: Plain) -> Result<Self, (usize, String)> {
        let read = |(i, p): (usize, &String)| expression(p, plain).map(|r| (p.clone(), r)).map_err(|e| (i, e));
        Ok(Self { patterns: patterns.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// The first pattern that matches.
    pub fn matching(&self, text: &str) -> Option<&str> {
        self.patterns.iter().find(|(_, r)| r.is_match(text)).map(|(p, _)| p.as_str())
    }

    pub fn written(&self) -> String {
        self.patterns.iter().map(|(p, _)| p.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// # Errors
/// What is wrong with it, for people.
pub fn expression(pattern: &str, plain: Plain) -> Result<Regex, String> {
    let text = if let Some(inner) = inside_slashes(pattern) {
        if inner.is_empty() {
            return Err("an empty expression matches everything: write one, as in \"/invoice [0-9]+/\"".to_owned());
        }
        inner.to_owned()
    } else if pattern.trim().is_empty() {
        return Err("empty: write a text, a pattern with * and ?, or /regex/".to_owned());
    } else if pattern.contains(['*', '?']) {
        let mut text = String::from("^(?:");
        for c in pattern.trim().chars() {
            match c {
                '*' => text.push_str(".*"),
                '?' => text.push('.'),
                other => text.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        text + ")$"
    } else {
        let text = regex::escape(pattern.trim());
        if plain == Plain::Whole { format!("^(?:{text})$") } else { text }
    };
    RegexBuilder::new(&text).case_insensitive(true).dot_matches_new_line(true).size_limit(MAX_EXPRESSION).build().map_err(|e| match e {
        regex::Error::CompiledTooBig(_) => format!("`{pattern}` needs more than {MAX_EXPRESSION} octets: write a smaller expression"),
        other => {
            let words = other.to_string();
            let last = words.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("`{pattern}` is no regular expression: {last}")
        }
    })
}

/// `/…/`
pub fn inside_slashes(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('/').and_then(|p| p.strip_suffix('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patterns_match_as_written() {
        // pattern, plain, text, matches
        let table = [
            ("invoice", Plain::Part, "Your INVOICE 4711", true),
            ("invoice", Plain::Whole, "Your invoice", false),
            ("setup.exe", Plain::Whole, "Setup.EXE", true),
            ("setup.exe", Plain::Whole, "setupxexe", false),
            ("*.exe", Plain::Whole, "a.b.exe", true),
            ("*.exe", Plain::Part, "a.exe.txt", false),
            ("invoice*", Plain::Part, "My invoice", false),
            ("scan-??.pdf", Plain::Whole, "scan-12.pdf", true),
            ("Rechnung für*", Plain::Part, "RECHNUNG FÜR Müller", true),
            ("/^re: .*[0-9]{4}$/", Plain::Part, "Re: order 1234", true),
            ("/[0-9]{4}/", Plain::Whole, "a12b", false),
            ("a(b", Plain::Part, "xa(by", true),
        ];
        for (pattern, plain, text, expected) in table {
            assert_eq!(expression(pattern, plain).unwrap().is_match(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (pattern, said) in
            [("", "empty"), ("  ", "empty"), ("/(/", "no regular expression"), ("//", "empty"), ("/a{99999}{999}/", "octets")]
        {
            let error = expression(pattern, Plain::Part).unwrap_err();
            assert!(error.contains(said), "{pattern}: {error}");
        }
    }
}
