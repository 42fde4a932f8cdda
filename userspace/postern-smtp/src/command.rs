//! One command line, without its CR LF, taken apart into verb and argument.

/// Everything a client may say. Arguments are kept as text and read where they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Helo(&'a str),
    Ehlo(&'a str),
    /// RFC 2033
    Lhlo(&'a str),
    /// What follows `FROM:`.
    Mail(&'a str),
    /// What follows `TO:`.
    Rcpt(&'a str),
    Data,
    /// RFC 3030
    Bdat(&'a str),
    Rset,
    Noop,
    Quit,
    StartTls,
    Help,
    Vrfy(&'a str),
    Expn(&'a str),
    /// Verbs of SMTP that we know and do not offer: AUTH, ETRN, TURN, SEND, SOML, SAML, ATRN, BURL.
    NotOffered,
    /// The first line of another protocol (HTTP, SSH, SIP, TLS, …): a browser made to speak to our
    /// port, or a scanner. Nobody there reads replies.
    OtherProtocol,
    /// The verb is known, what follows it is not what it takes.
    BadArgument(&'static str),
    Unknown,
}

/// Verbs of other protocols that start a line there. A web page can make a browser send such lines
/// with SMTP commands in the body that follows, so the session ends at once.
const OTHER_PROTOCOLS: [&str; 17] = [
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "CONNECT",
    "PRI",
    "INVITE",
    "REGISTER",
    "DESCRIBE",
    "SSH-1.99",
    "USER-AGENT:",
    "HOST:",
    "CONTENT-TYPE:",
];

impl<'a> Command<'a> {
    /// Takes `line` (no CR LF) apart. Octets that are not UTF-8 or are control characters make it unknown.
    pub fn parse(line: &'a [u8]) -> Self {
        // TLS hello (RFC 8446 §5.1), SSLv2 hello.
        if line.starts_with(&[0x16, 0x03]) || line.first().is_some_and(|b| *b == 0x80) {
            return Self::OtherProtocol;
        }
        let Ok(text) = std::str::from_utf8(line) else { return Self::Unknown };
        if text.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
            return Self::Unknown;
        }
        let text = text.trim_end_matches([' ', '\t']);
        let verb_len = text.bytes().position(|b| b == b' ' || b == b'\t').unwrap_or(text.len());
        let (verb, rest) = text.split_at(verb_len);
        let argument = rest.trim_start_matches([' ', '\t']);
        let is = |name: &str| verb.eq_ignore_ascii_case(name);
        let bare = |command: Self, said: &'static str| if argument.is_empty() { command } else { Self::BadArgument(said) };
        match verb.len() {
            4 if is("MAIL") => after_keyword(argument, "FROM:").map_or(Self::BadArgument("write MAIL FROM:<address>"), Self::Mail),
            4 if is("RCPT") => after_keyword(argument, "TO:").map_or(Self::BadArgument("write RCPT TO:<address>"), Self::Rcpt),
            4 if is("DATA") => bare(Self::Data, "DATA takes no argument"),
            4 if is("BDAT") => Self::Bdat(argument),
            4 if is("EHLO") => Self::Ehlo(argument),
            4 if is("HELO") => Self::Helo(argument),
            4 if is("LHLO") => Self::Lhlo(argument),
            4 if is("RSET") => bare(Self::Rset, "RSET takes no argument"),
            4 if is("QUIT") => bare(Self::Quit, "QUIT takes no argument"),
            // RFC 5321 §4.1.1.9: the argument of NOOP is ignored.
            4 if is("NOOP") => Self::Noop,
            4 if is("VRFY") => Self::Vrfy(argument),
            4 if is("EXPN") => Self::Expn(argument),
            4 if is("HELP") => Self::Help,
            8 if is("STARTTLS") => bare(Self::StartTls, "STARTTLS takes no argument"),
            4 if ["AUTH", "ETRN", "TURN", "ATRN", "SEND", "SOML", "SAML", "BURL"].iter().any(|v| is(v)) => Self::NotOffered,
            _ if OTHER_PROTOCOLS.iter().any(|v| is(v)) || verb.starts_with("SSH-2.0") => Self::OtherProtocol,
            _ => Self::Unknown,
        }
    }
}

/// What follows `keyword`, in any case. Many clients put a space after the colon, against RFC 5321 §3.3; it is read over.
fn after_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let head = argument.get(..keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| argument[keyword.len()..].trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_in_any_case_with_their_arguments() {
        for (line, command) in [
            ("EHLO mx.example.org", Command::Ehlo("mx.example.org")),
            ("ehlo  mx.example.org ", Command::Ehlo("mx.example.org")),
            ("Mail From:<a@b> SIZE=1", Command::Mail("<a@b> SIZE=1")),
            ("MAIL FROM: <a@b>", Command::Mail("<a@b>")),
            ("RCPT TO:<a@b>", Command::Rcpt("<a@b>")),
            ("DATA", Command::Data),
            ("DATA ", Command::Data),
            ("data x", Command::BadArgument("DATA takes no argument")),
            ("BDAT 10 LAST", Command::Bdat("10 LAST")),
            ("NOOP anything", Command::Noop),
            ("starttls", Command::StartTls),
            ("AUTH PLAIN AAAA", Command::NotOffered),
            ("GET / HTTP/1.1", Command::OtherProtocol),
            ("MAIL TO:<a@b>", Command::BadArgument("write MAIL FROM:<address>")),
            ("MAIL", Command::BadArgument("write MAIL FROM:<address>")),
            ("", Command::Unknown),
            (" EHLO x", Command::Unknown),
            ("EHLO\0x", Command::Unknown),
            ("XYZZY", Command::Unknown),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), command, "{line:?}");
        }
        assert_eq!(Command::parse(b"\x16\x03\x01\x02\x00\x01"), Command::OtherProtocol);
        assert_eq!(Command::parse(b"MAIL FROM:<\xff@b>"), Command::Unknown);
    }
}
