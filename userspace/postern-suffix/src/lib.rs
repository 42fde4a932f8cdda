//! The public suffix list: which part of a name somebody registered.
//!
//! A crate of its own because of how the list comes: 11,000 functions that are inlined and generic, so
//! that every crate that asks compiles all of them once per codegen unit (two minutes, in release). Here
//! they are compiled once, and nobody else names `psl`. The functions below are therefore never inlined.
//!
//! Names are asked in lower case. An unknown top-level domain is a suffix by the list's `*` rule:
//! `host.lan` is registrable.

/// The part of a name that somebody registered: `shop.example.co.uk` → `example.co.uk`. `None` for a
/// suffix itself.
#[inline(never)]
pub fn registrable(name: &str) -> Option<&str> {
    psl::domain_str(name)
}

/// The part of a name under which people register: `co.uk`.
#[inline(never)]
pub fn suffix(name: &str) -> Option<&str> {
    psl::suffix_str(name)
}

/// A suffix that stands in the list, not one guessed by its `*` rule.
#[inline(never)]
pub fn has_known_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|s| s.is_known())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds() {
        assert_eq!(registrable("shop.example.co.uk"), Some("example.co.uk"));
        assert_eq!(registrable("somebody.github.io"), Some("somebody.github.io"));
        assert_eq!(registrable("co.uk"), None);
        assert_eq!(registrable("host.lan"), Some("host.lan"));
        assert_eq!(suffix("shop.example.co.uk"), Some("co.uk"));
        assert!(has_known_suffix("example.org") && !has_known_suffix("host.lan") && !has_known_suffix(""));
    }
}
