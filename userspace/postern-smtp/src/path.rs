//! Paths of MAIL FROM and RCPT TO: RFC 5321 §4.1.2, RFC 6531 §3.3.

use postern_model::address::{Address, AddressError, Domain, ReversePath};

/// Longest path without its brackets (RFC 5321 §4.5.3.1.3 says 256 with them; a full local part
/// and a full domain are 320, and some senders write such).
const LONGEST: usize = 320;
/// Longest source route that is read over.
const LONGEST_ROUTE: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("write the address in angle brackets")]
    NoBrackets,
    #[error("the address is not well-formed")]
    Syntax,
    #[error("the address is too long")]
    TooLong,
    /// Only `<postmaster>` may stand without a domain.
    #[error("the address needs a domain")]
    NoDomain,
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// `<…>` at the start of `text`: the path, and what follows it (parameters, with their space).
/// Octets inside a quoted local part, such as `>`, do not end the path.
fn split_brackets(text: &str) -> Result<(&str, &str), PathError> {
    let inner = text.strip_prefix('<').ok_or(PathError::NoBrackets)?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => {
                let (path, rest) = (&inner[..at], &inner[at + 1..]);
                return if rest.is_empty() || rest.starts_with(' ') { Ok((path, rest)) } else { Err(PathError::Syntax) };
            }
            _ => {}
        }
    }
    Err(PathError::NoBrackets)
}

/// A source route (`@a,@b:`) is accepted and ignored (RFC 5321 §4.1.1.3, appendix C).
fn without_route(path: &str) -> Result<&str, PathError> {
    if !path.starts_with('@') {
        return Ok(path);
    }
    let (route, rest) = path.split_once(':').ok_or(PathError::Syntax)?;
    let hop = |hop: &str| hop.strip_prefix('@').is_some_and(|domain| domain.parse::<Domain>().is_ok());
    if route.len() <= LONGEST_ROUTE && route.split(',').all(hop) { Ok(rest) } else { Err(PathError::Syntax) }
}

fn address(path: &str) -> Result<Address, PathError> {
    let path = without_route(path)?;
    if path.len() > LONGEST {
        return Err(PathError::TooLong);
    }
    if path.is_empty() {
        return Err(PathError::Syntax);
    }
    if !path.contains('@') {
        return Err(PathError::NoDomain);
    }
    // A quoted local part may hold spaces, an atom may not; the model's parser tells them apart.
    Ok(path.parse()?)
}

/// Reads `<reverse-path>` and returns what follows it.
///
/// # Errors
/// Anything RFC 5321 does not know as a path.
pub fn reverse_path(text: &str) -> Result<(ReversePath, &str), PathError> {
    let (path, rest) = split_brackets(text)?;
    let path = if path.is_empty() { ReversePath::Null } else { ReversePath::Address(address(path)?) };
    Ok((path, rest))
}

/// Reads `<forward-path>` and returns what follows it. `<postmaster>` becomes postmaster at `our_domain`
/// (RFC 5321 §4.5.1).
///
/// # Errors
/// Anything RFC 5321 does not know as a path, and the null path.
pub fn forward_path<'a>(text: &'a str, our_domain: &Domain) -> Result<(Address, &'a str), PathError> {
    let (path, rest) = split_brackets(text)?;
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok((Address::new(path, our_domain.clone())?, rest));
    }
    Ok((address(path)?, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn paths_that_are_taken() {
        let ours: Domain = "mx.example.org".parse().unwrap();
        for (text, address, rest) in [
            ("<a@b.example>", "a@b.example", ""),
            ("<a@b.example> SIZE=1", "a@b.example", " SIZE=1"),
            ("<@one.example,@two.example:a@b.example>", "a@b.example", ""),
            ("<\"a b\"@b.example>", "\"a b\"@b.example", ""),
            ("<\"a>b\"@b.example>", "\"a>b\"@b.example", ""),
            ("<\"a@c\"@b.example>", "\"a@c\"@b.example", ""),
            ("<\"plain\"@b.example>", "plain@b.example", ""),
            ("<a@[192.0.2.1]>", "a@[192.0.2.1]", ""),
            ("<a@[IPv6:2001:db8::1]>", "a@[ipv6:2001:db8::1]", ""),
            ("<Postmaster>", "Postmaster@mx.example.org", ""),
            ("<ü@bücher.example>", "ü@xn--bcher-kva.example", ""),
            ("<a@b>", "a@b", ""),
        ] {
            let (got, left) = forward_path(text, &ours).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((got.to_string().as_str(), left), (address, rest), "{text}");
        }
        assert_eq!(reverse_path("<>").unwrap(), (ReversePath::Null, ""));
    }

    #[test]
    fn paths_that_are_refused() {
        let ours: Domain = "mx.example.org".parse().unwrap();
        let long = format!("<{}@b.example>", "a".repeat(65));
        let longer = format!("<a@{}.example>", "a.".repeat(300));
        for text in [
            "",
            "<",
            ">",
            "<>",
            "a@b",
            "<a@b",
            "a@b>",
            "<a@b>x",
            "<a>",
            "<@b>",
            "<a@>",
            "<a b@c>",
            "<a@b@c>",
            "<a..b@c>",
            "<.a@c>",
            "<a.@c>",
            "<@one.example a@b>",
            "<@one.example>",
            "<:a@b>",
            "<\"a@b>",
            "<\"a\"b@c>",
            "<a@[1.2.3]>",
            "<a@[IPv6:zz]>",
            "<a@b_c..d>",
            "<<a@b>>",
            "<a@-b.example>",
            "<a,b@c>",
            "<a@b\u{7f}c>",
            &long,
            &longer,
        ] {
            assert!(forward_path(text, &ours).is_err(), "{text} was taken");
        }
    }
}
