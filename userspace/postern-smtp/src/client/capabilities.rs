//! What a peer offers in its reply to EHLO or LHLO.

use super::reply::Reply;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// RFC 2920
    pub pipelining: bool,
    /// RFC 1870: offered, and the limit when one was named (zero means none).
    pub size: Option<u64>,
    /// RFC 6152
    pub eight_bit_mime: bool,
    /// RFC 3030
    pub binary_mime: bool,
    /// RFC 3030
    pub chunking: bool,
    /// RFC 6531
    pub smtputf8: bool,
    /// RFC 3461
    pub dsn: bool,
    /// RFC 8689
    pub require_tls: bool,
    /// RFC 3207
    pub starttls: bool,
    /// RFC 4954 with RFC 4616
    pub auth_plain: bool,
    /// The old LOGIN mechanism, which some smarthosts offer alone.
    pub auth_login: bool,
}

impl Capabilities {
    /// Reads the reply to EHLO; its first line is the peer's name. Unknown keywords are passed over (RFC 5321 §4.1.1.1).
    pub fn read(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            // `AUTH=PLAIN`: an old form that is still sent beside the right one.
            let Some((keyword, glued)) = words.next().map(|w| w.split_once('=').unwrap_or((w, ""))) else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "SIZE" => found.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                "8BITMIME" => found.eight_bit_mime = true,
                "BINARYMIME" => found.binary_mime = true,
                "CHUNKING" => found.chunking = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "DSN" => found.dsn = true,
                "REQUIRETLS" => found.require_tls = true,
                "STARTTLS" => found.starttls = true,
                "AUTH" => {
                    for mechanism in std::iter::once(glued).chain(words) {
                        found.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                        found.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
                    }
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_read_without_regard_to_case() {
        let text = "mx.example SIZE 5\npipelining\nSIZE 1000\n8BITMIME\nAUTH=LOGIN\nAUTH CRAM-MD5 plain\nX-FOO bar\nstarttls\n";
        let found = Capabilities::read(&Reply::own(250, text));
        let expected = Capabilities {
            pipelining: true,
            size: Some(1000),
            eight_bit_mime: true,
            auth_plain: true,
            auth_login: true,
            starttls: true,
            ..Capabilities::default()
        };
        assert_eq!(found, expected);
    }
}
