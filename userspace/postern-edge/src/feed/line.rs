//! The usual formats of block lists, read line by line: one address or CIDR a line with `#` or `;` comments (plain lists,
//! Spamhaus DROP), or JSON lines with a `cidr` key (Spamhaus DROP today).
//!
//! A bad line costs that line only: a list of 50,000 networks must not fall out because somebody fetched half a line too much.

use std::io::{self, BufRead};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::network::canonical;

/// Longest line that is read; longer ones are skipped and reported.
pub const MAX_LINE: usize = 4096;
/// Rules of one feed at most: 16 million, beyond which memory becomes the operator's problem.
pub const MAX_RULES: usize = 1 << 24;
/// Bad lines that are reported; the rest is counted.
pub const MAX_PROBLEMS: usize = 20;
/// Shortest prefixes taken. `0.0.0.0/0` in a feed is somebody's mistake, and would cut this host off.
pub const SHORTEST_V4: u8 = 8;
pub const SHORTEST_V6: u8 = 16;

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("`{0}` is neither an address nor a network such as 192.0.2.0/24")]
    NotANetwork(String),
    #[error("`{0}` covers too much: a feed may list networks of /{SHORTEST_V4} (IPv6: /{SHORTEST_V6}) or longer")]
    TooWide(IpNet),
    #[error("longer than {MAX_LINE} octets")]
    TooLong,
    #[error("not UTF-8 text")]
    NotText,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    pub error: LineError,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    pub networks: Vec<IpNet>,
    /// The first [`MAX_PROBLEMS`] bad lines.
    pub problems: Vec<Problem>,
    /// All bad lines.
    pub bad_lines: usize,
    pub lines: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    #[error("more than {MAX_RULES} networks")]
    TooMany,
    #[error("line {}: {}; and {} more bad lines, not one good: this is no list of networks", .0.line, .0.error, .1)]
    NothingGood(Problem, usize),
}

/// Reads a whole feed.
///
/// # Errors
/// When reading fails, there are too many rules, or not a single line is good while some are bad (an error page, a wrong file):
/// an empty list would silently replace a good one.
pub fn read(mut from: impl BufRead) -> Result<Read, ReadError> {
    let mut feed = Read::default();
    let mut line = Vec::with_capacity(128);
    loop {
        line.clear();
        let more = next_line(&mut from, &mut line)?;
        if line.is_empty() && !more {
            break;
        }
        feed.lines += 1;
        let read = if line.len() > MAX_LINE { Err(LineError::TooLong) } else { parse_octets(&line) };
        match read {
            Ok(None) => {}
            Ok(Some(_)) if feed.networks.len() >= MAX_RULES => return Err(ReadError::TooMany),
            Ok(Some(network)) => feed.networks.push(network),
            Err(error) => {
                feed.bad_lines += 1;
                if feed.problems.len() < MAX_PROBLEMS {
                    feed.problems.push(Problem { line: feed.lines, error });
                }
            }
        }
        if !more {
            break;
        }
    }
    match feed.problems.first() {
        Some(first) if feed.networks.is_empty() => Err(ReadError::NothingGood(first.clone(), feed.bad_lines - 1)),
        _ => Ok(feed),
    }
}

/// Appends at most `MAX_LINE + 1` octets of the next line, without its end, and skips the rest; false at the end of the file.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let buffer = match from.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            return Ok(false);
        }
        let end = buffer.iter().position(|b| *b == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let room = (MAX_LINE + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(buffer.len(), |at| at + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn parse_octets(line: &[u8]) -> Result<Option<IpNet>, LineError> {
    parse(std::str::from_utf8(line).map_err(|_| LineError::NotText)?)
}

/// One line: a network, or nothing (empty, comment, metadata).
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &str) -> Result<Option<IpNet>, LineError> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.starts_with('{') {
        return parse_json(line);
    }
    let content = line.split(['#', ';']).next().unwrap_or_default();
    match content.split_ascii_whitespace().next() {
        None => Ok(None),
        Some(word) => network(word).map(Some),
    }
}

#[derive(serde::Deserialize)]
struct JsonLine {
    cidr: Option<String>,
}

fn parse_json(line: &str) -> Result<Option<IpNet>, LineError> {
    let read: JsonLine = serde_json::from_str(line).map_err(|_| refuse(line))?;
    read.cidr.as_deref().map(network).transpose()
}

fn network(word: &str) -> Result<IpNet, LineError> {
    let (address, length) = match word.split_once('/') {
        Some((address, length)) => {
            let digits = !length.is_empty() && length.len() <= 3 && length.bytes().all(|b| b.is_ascii_digit());
            (address, Some(length.parse::<u8>().ok().filter(|_| digits).ok_or_else(|| refuse(word))?))
        }
        None => (word, None),
    };
    let address: IpAddr = address.parse().map_err(|_| refuse(word))?;
    let net = match canonical(address) {
        IpAddr::V4(a) if address.is_ipv4() => Ipv4Net::new(a, length.unwrap_or(32)).map(IpNet::V4),
        // ::ffff:192.0.2.0/120 is 192.0.2.0/24 written by a program that knows one family only.
        IpAddr::V4(a) => match length.unwrap_or(128).checked_sub(96) {
            Some(length) => Ipv4Net::new(a, length).map(IpNet::V4),
            None => return Err(refuse(word)),
        },
        IpAddr::V6(a) => Ipv6Net::new(a, length.unwrap_or(128)).map(IpNet::V6),
    };
    // Host bits are common in the wild (192.0.2.1/24): the network is meant.
    let net = net.map_err(|_| refuse(word))?.trunc();
    let shortest = if net.addr().is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 };
    if net.prefix_len() < shortest { Err(LineError::TooWide(net)) } else { Ok(net) }
}

fn refuse(text: &str) -> LineError {
    LineError::NotANetwork(text.chars().filter(|c| !c.is_control()).take(60).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn nets(text: &str) -> Vec<String> {
        read(text.as_bytes()).unwrap().networks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_usual_formats() {
        let drop_text = "; Spamhaus DROP List 2026/11/21\r\n1.10.16.0/20 ; SBL256894\r\n1.19.0.0/16 ; SBL434604\r\n";
        assert_eq!(nets(drop_text), ["1.10.16.0/20", "1.19.0.0/16"]);
        let drop_json = "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\n{\"cidr\":\"2a06:e480::/29\"}\n{\"type\":\"metadata\",\"records\":2}\n";
        assert_eq!(nets(drop_json), ["1.10.16.0/20", "2a06:e480::/29"]);
        let plain =
            "\u{feff}# mine\n192.0.2.1\n\n  198.51.100.7/24 # with host bits\n2001:db8::1\n::ffff:203.0.113.0/120\n::ffff:203.0.113.9";
        assert_eq!(nets(plain), ["192.0.2.1/32", "198.51.100.0/24", "2001:db8::1/128", "203.0.113.0/24", "203.0.113.9/32"]);
        assert_eq!(nets(""), Vec::<String>::new());
    }

    #[test]
    fn bad_lines_are_named_by_number_and_cost_only_themselves() {
        let text = format!("192.0.2.0/24\nhello world\n0.0.0.0/0\n{}\n192.0.2.0/33\n::/8\n192.0.2.7\n", "x".repeat(10_000));
        let feed = read(text.as_bytes()).unwrap();
        assert_eq!(feed.networks.len(), 2);
        let said: Vec<String> = feed.problems.iter().map(|p| format!("{}: {}", p.line, p.error)).collect();
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said[0].starts_with("2: `hello`") && said[1].starts_with("3: `0.0.0.0/0` covers too much"), "{said:?}");
        assert_eq!(feed.problems[2], Problem { line: 4, error: LineError::TooLong });
    }

    #[test]
    fn an_error_page_is_not_an_empty_list() {
        let error = read("<html><body>502 Bad Gateway</body></html>\n".as_bytes()).unwrap_err();
        assert!(matches!(error, ReadError::NothingGood(..)), "{error}");
    }

    #[test]
    fn problems_are_bounded() {
        let feed = read(format!("192.0.2.1\n{}", "bad\n".repeat(10_000)).as_bytes()).unwrap();
        assert_eq!((feed.problems.len(), feed.bad_lines), (MAX_PROBLEMS, 10_000));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(octets in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(feed) = read(octets.as_slice()) {
                prop_assert!(feed.networks.len() + feed.bad_lines <= feed.lines);
            }
        }

        #[test]
        fn what_is_written_is_read(address: u32, length in 8u8..=32, six: u128, long in 16u8..=128) {
            let v4 = Ipv4Net::new(Ipv4Addr::from(address), length).unwrap();
            let v6 = Ipv6Net::new(Ipv6Addr::from(six), long).unwrap();
            prop_assert_eq!(parse(&v4.to_string()), Ok(Some(IpNet::V4(v4.trunc()))));
            if v6.addr().to_ipv4_mapped().is_none() {
                prop_assert_eq!(parse(&format!(" {v6} # x")), Ok(Some(IpNet::V6(v6.trunc()))));
            }
        }
    }
}
