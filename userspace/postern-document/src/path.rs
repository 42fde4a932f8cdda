//! Keys of the document: where a setting stands, as one text.
//!
//! The settings are one flat map in the document, not nested maps: two nodes that make the same nested map at the same time
//! make two, and what is in one of them is hidden. With flat keys each field is its own register.
//!
//! A key is a list of steps joined by `/`. A step is a field's name, `[element]` of a list, or `{entry}` of a map with free
//! names. `domains/[example.org]/backends/[mx1 25 smtp]/weight`. `~` and `/` inside of a step are written `~0` and `~1`.

/// One step of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'k> {
    Field(&'k str),
    /// Of a list; the name is still escaped.
    Element(&'k str),
    /// Of a map with free names; still escaped.
    Entry(&'k str),
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

pub fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn join(above: &str, step: &str) -> String {
    if above.is_empty() { step.to_owned() } else { format!("{above}/{step}") }
}

pub fn field(above: &str, name: &str) -> String {
    join(above, &escape(name))
}

pub fn element(above: &str, name: &str) -> String {
    join(above, &format!("[{}]", escape(name)))
}

pub fn entry(above: &str, name: &str) -> String {
    join(above, &format!("{{{}}}", escape(name)))
}

fn step(text: &str) -> Step<'_> {
    let inside = |open, close| text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
    if let Some(name) = inside('[', ']') {
        Step::Element(name)
    } else if let Some(name) = inside('{', '}') {
        Step::Entry(name)
    } else {
        Step::Field(text)
    }
}

pub fn steps(key: &str) -> impl Iterator<Item = Step<'_>> {
    key.split('/').map(step)
}

/// Whether the key is that of an element or entry itself, not of a field.
pub fn is_member(key: &str) -> bool {
    !matches!(step(key.rsplit('/').next().unwrap_or(key)), Step::Field(_))
}

/// The elements and entries that a key stands in, from the outermost; never the key itself.
pub fn around(key: &str) -> impl Iterator<Item = &str> {
    key.match_indices('/').map(|(end, _)| &key[..end]).filter(|above| is_member(above))
}

/// The key for people: `domains[example.org].backends[mx1 25 smtp].weight`.
pub fn shown(key: &str) -> String {
    let mut out = String::new();
    for step in steps(key) {
        match step {
            Step::Element(name) => out.push_str(&format!("[{}]", unescape(name))),
            Step::Field(name) | Step::Entry(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(&unescape(name));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart_as_they_were_made() {
        let key = field(&element(&field("", "domains"), "a/b~[x]"), "name");
        assert_eq!(key, "domains/[a~1b~0[x]]/name");
        assert_eq!(shown(&key), "domains[a/b~[x]].name");
        assert_eq!(around(&key).collect::<Vec<_>>(), ["domains/[a~1b~0[x]]"]);
        assert!(!is_member(&key) && is_member("filter/weights/{X}"));
        assert_eq!(around("filter/brands/{Bank}/[bank.example]").collect::<Vec<_>>(), ["filter/brands/{Bank}"]);
        assert_eq!(shown("filter/brands/{Bank}/[bank.example]"), "filter.brands.Bank[bank.example]");
    }
}
