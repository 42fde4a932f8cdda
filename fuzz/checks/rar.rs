//! RAR archives of each version, whatever stands behind their signature: as an attachment that is one ([`super::dissect`]).

use super::dissect;

/// Before RAR 1.5, of 1.5 to 4, of 5 and 7.
const SIGNATURES: &[&[u8]] = &[b"RE~^", b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"];

pub fn check(octets: &[u8]) {
    if SIGNATURES.iter().any(|signature| octets.starts_with(signature)) {
        return dissect::check_deep("file.rar", octets);
    }
    // The first octet says of which version it is.
    if let Some((first, rest)) = octets.split_first() {
        let signature = SIGNATURES[usize::from(*first) % SIGNATURES.len()];
        dissect::check_deep("file.rar", &[signature, rest].concat());
    }
}
