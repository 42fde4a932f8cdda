//! What somebody pastes behind `postern cluster join`: refused in words, or a token that reads the same when it is printed.

use postern_link::token::{MOST_ADDRESSES, Token};

pub fn check(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets) {
        match text.parse::<Token>() {
            Ok(token) => printed(token),
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
        }
    }
    // What a checksum keeps a text from getting to.
    if let Ok(token) = postcard::from_bytes::<Token>(octets) {
        printed(token);
    }
}

fn printed(mut token: Token) {
    token.addresses.truncate(MOST_ADDRESSES);
    let text = token.to_string();
    assert_eq!(text.parse::<Token>().as_ref(), Ok(&token), "{text}");
    let broken: String = text.chars().flat_map(|c| [c, '\n']).collect();
    assert_eq!(broken.parse::<Token>().as_ref(), Ok(&token), "broken over lines");
    for end in (0..text.len()).step_by(7) {
        assert!(text[..end].parse::<Token>().is_err(), "{}", &text[..end]);
    }
}
