//! The parser's messages in the words of people who write settings, not of those who wrote the parser.

/// What the parser says at the end of a message, and what to write instead.
const EXPECTED: &[(&str, &str)] = &[
    ("expected u16", "write a whole number from 0 to 65535"),
    ("expected u32", "write a whole number from 0 to 4294967295"),
    ("expected u64", "write a whole number, 0 or more"),
    ("expected usize", "write a whole number, 0 or more"),
    ("expected f64", "write a number"),
    ("expected a boolean", "write true or false"),
    ("expected a string", "write a text in quotes"),
    ("expected a sequence", "write a list, as in [\"one\", \"two\"], or [[…]] above a block that may stand more than once"),
    ("expected a map", "write a table"),
];

/// Messages of others as a whole.
const WHOLE: &[(&str, &str)] = &[
    ("invalid socket address syntax", "this is no address with a port: write \"192.0.2.1:25\", \"[2001:db8::1]:25\" or \"[::]:25\""),
    ("invalid IP address syntax", "this is no network: write \"192.0.2.0/24\", \"2001:db8::/32\", or one address as \"192.0.2.1/32\""),
];

/// What is wrong with a setting that holds a text in PEM, or nothing at all.
pub(super) fn lacks_pem(text: &str, kind: &str) -> Option<String> {
    let begin = format!("-----BEGIN {kind}-----");
    (!text.is_empty() && !text.contains(&begin))
        .then(|| format!("no {} in it: write the text itself, from {begin} on", kind.to_lowercase()))
}

pub(super) fn plain(message: &str) -> String {
    if let Some((_, words)) = WHOLE.iter().find(|(theirs, _)| *theirs == message) {
        return (*words).to_owned();
    }
    if let Some((found, words)) = EXPECTED.iter().find_map(|(theirs, words)| Some((message.strip_suffix(theirs)?, words))) {
        let found = found.trim_end_matches([' ', ',']);
        let found = found.strip_prefix("invalid type: ").or_else(|| found.strip_prefix("invalid value: ")).unwrap_or(found);
        return format!("found {found}: {words}");
    }
    if let Some(struct_at) = message.find(", expected struct ") {
        return format!("found {}: write a table", message[..struct_at].trim_start_matches("invalid type: "));
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn types_are_named_for_people() {
        let cases = [
            ("invalid type: string \"many\", expected usize", "found string \"many\": write a whole number, 0 or more"),
            ("invalid value: integer `-1`, expected usize", "found integer `-1`: write a whole number, 0 or more"),
            ("invalid type: integer `1`, expected struct SmtpSettings", "found integer `1`: write a table"),
            ("missing field `weight`", "missing field `weight`"),
        ];
        for (theirs, ours) in cases {
            assert_eq!(plain(theirs), ours);
        }
    }
}
