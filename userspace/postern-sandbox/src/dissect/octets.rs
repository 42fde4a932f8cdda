//! Numbers as most formats have them.

/// A number of up to eight octets, little end first.
pub fn number(octets: &[u8], at: u64, width: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let octets = octets.get(at..at.checked_add(width)?)?;
    Some(octets.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b)))
}
