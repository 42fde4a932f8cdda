//! Writings of text that several formats share.

/// UTF-16, little end first; half a unit at the end is left out.
pub fn utf16(octets: &[u8]) -> String {
    let units: Vec<u16> = octets.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// The same, big end first.
pub fn utf16_be(octets: &[u8]) -> String {
    let units: Vec<u16> = octets.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// Undoes octets that are written as a mark and two hexadecimal digits; what is none of them stays.
pub fn unescaped(octets: &[u8], mark: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == mark).then(|| after.get(..2)).flatten().and_then(|d| std::str::from_utf8(d).ok());
        if let Some(octet) = digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            out.push(octet);
            rest = &after[2..];
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}
