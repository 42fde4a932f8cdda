//! Brands that mail is forged for: their names, their domains, and what resembles them.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use postern_model::address::Domain;

use crate::brand_words::{PLAIN_LABELS, SERVICE_WORDS};
use crate::domain_lists::{registrable, within};
use crate::fold::fold;
use crate::lookalike::{looks_like, one_edit_apart};

#[derive(Debug)]
pub struct Brand {
    /// The first of its names.
    pub name: String,
    pub domains: Vec<String>,
}

/// How a host resembles a brand it does not belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resemblance {
    /// Looks the same: confusable letters, digits for letters, hyphens, one letter more or less.
    Lookalike,
    /// The brand's name is a label or a hyphenated piece of the host.
    Piece,
}

pub struct Brands {
    brands: Vec<Brand>,
    names: Option<AhoCorasick>,
    /// For each name in the automaton: its brand, and whether it is an ordinary word as well.
    name_of: Vec<(usize, bool)>,
    by_domain: HashMap<String, usize, ahash::RandomState>,
    /// Distinctive labels (`paypal`) as they look.
    by_look: HashMap<String, usize, ahash::RandomState>,
    /// Names of five letters and more, as they look without blanks, with the name as it is written.
    name_by_look: HashMap<String, (String, usize), ahash::RandomState>,
    /// Labels with one letter left out, as they look.
    by_deletion: HashMap<String, Vec<(String, usize)>, ahash::RandomState>,
    /// Labels as written, for pieces.
    by_label: HashMap<String, usize, ahash::RandomState>,
}

impl Brands {
    /// The built-in table with the operator's own brands.
    pub fn new(extra: &BTreeMap<String, Vec<Domain>>) -> Self {
        let mut brands = Vec::new();
        let mut names = Vec::new();
        let mut name_of = Vec::new();
        let built_in = include_str!("../data/brands.txt").lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        for (left, right) in built_in.filter_map(|l| l.split_once(" : ")) {
            for name in left.split(',').map(str::trim) {
                names.push(fold(name.trim_start_matches('~'), 100).text);
                name_of.push((brands.len(), name.starts_with('~')));
            }
            let first = left.split(',').next().unwrap_or_default().trim().trim_start_matches('~');
            brands.push(Brand { name: first.to_owned(), domains: right.split_whitespace().map(str::to_owned).collect() });
        }
        for (name, domains) in extra {
            names.push(fold(name, 100).text);
            name_of.push((brands.len(), false));
            brands.push(Brand { name: name.clone(), domains: domains.iter().map(ToString::to_string).collect() });
        }
        let mut name_by_look = HashMap::default();
        // Ordinary words look like other ordinary words and names (Appie, Apple): only the others are told by their look.
        for (name, (id, _)) in names.iter().zip(&name_of).filter(|(_, (_, is_word))| !is_word) {
            let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
            if plain.len() >= 5 {
                name_by_look.entry(looks_like(&plain)).or_insert((plain, *id));
            }
        }
        let mut table = Self {
            names: AhoCorasickBuilder::new().match_kind(MatchKind::Standard).build(&names).ok(),
            name_of,
            by_domain: HashMap::default(),
            by_look: HashMap::default(),
            name_by_look,
            by_deletion: HashMap::default(),
            by_label: HashMap::default(),
            brands,
        };
        table.index();
        table
    }

    fn index(&mut self) {
        for (i, brand) in self.brands.iter().enumerate() {
            for domain in &brand.domains {
                self.by_domain.entry(domain.clone()).or_insert(i);
                let label = first_label(registrable(domain));
                if PLAIN_LABELS.contains(&label) || label.len() < 3 {
                    continue;
                }
                self.by_label.entry(label.to_owned()).or_insert(i);
                if label.len() >= 5 {
                    let look = looks_like(label);
                    for shorter in deletions(&look) {
                        self.by_deletion.entry(shorter).or_default().push((look.clone(), i));
                    }
                    self.by_look.entry(look).or_insert(i);
                }
            }
        }
    }

    pub fn get(&self, id: usize) -> &Brand {
        &self.brands[id]
    }

    /// The brand that `host` belongs to.
    pub fn owner(&self, host: &str) -> Option<usize> {
        let mut rest = host;
        loop {
            if let Some(id) = self.by_domain.get(rest) {
                return Some(*id);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// `host` is one of the brand's own, or of a brand of the same house (a shared domain).
    pub fn owns(&self, id: usize, host: &str) -> bool {
        self.brands[id].domains.iter().any(|d| within(host, d))
            || self.brands[id].domains.iter().any(|d| {
                let label = first_label(registrable(d));
                // A brand's own national domains: the same label directly under a public suffix.
                label.len() >= 5 && !PLAIN_LABELS.contains(&label) && first_label(registrable(host)) == label && is_country_zone(host)
            })
    }

    /// Brands named in a folded display name.
    pub fn in_name<'a>(&'a self, folded: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.named(folded).filter(move |(id, is_word)| !is_word || self.is_nothing_but(*id, folded)).map(|(id, _)| id)
    }

    /// The brand that a name is written to be read as: `Iedger` with a capital I, `Trust WaIIet`.
    pub fn in_name_by_look(&self, folded: &str) -> Option<usize> {
        let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).take(8).collect();
        let pairs = words.windows(2).map(|w| w.concat());
        words.iter().map(|w| (*w).to_owned()).chain(pairs).filter(|w| w.len() >= 5).find_map(|written| {
            let (plain, id) = self.name_by_look.get(&looks_like(&written))?;
            // The same stroke only: `rn` for m is a trick of hosts, and a plural or a hyphen is none.
            (*plain != written && plain.len() == written.len()).then_some(*id)
        })
    }

    /// Brands named in folded running text; ordinary words do not count.
    pub fn in_text<'a>(&'a self, folded: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.named(folded).filter(|(_, is_word)| !is_word).map(|(id, _)| id)
    }

    fn named<'a>(&'a self, folded: &'a str) -> impl Iterator<Item = (usize, bool)> + 'a {
        let bytes = folded.as_bytes();
        let word_at = move |i: usize| bytes.get(i).is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80);
        self.names
            .iter()
            .flat_map(move |a| a.find_overlapping_iter(folded))
            .filter(move |m| (m.start() == 0 || !word_at(m.start() - 1)) && !word_at(m.end()))
            .map(|m| self.name_of[m.pattern().as_usize()])
    }

    /// The display name is the brand's name and service words only: `Apple Support`, not `Apple Martin`.
    fn is_nothing_but(&self, id: usize, folded: &str) -> bool {
        let brand = fold(&self.brands[id].name, 100).text;
        let mut words = folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
        words.all(|w| SERVICE_WORDS.contains(&w) || brand.split(|c: char| !c.is_alphanumeric()).any(|b| b == w))
    }

    /// The brand a host is made to be mistaken for.
    pub fn resembles(&self, host: &str) -> Option<(usize, Resemblance)> {
        let site = registrable(host);
        // Zones that check who registers hold namesakes (citi.umich.edu), not traps.
        let is_vetted = [".edu", ".gov", ".mil"].iter().any(|z| host.ends_with(z));
        if self.owner(host).is_some() || !postern_suffix::has_known_suffix(host) || is_vetted {
            return None;
        }
        let label = first_label(site);
        if let Some(id) = self.lookalike(label).filter(|id| !self.owns(*id, host)) {
            return Some((id, Resemblance::Lookalike));
        }
        let pieces = host.split(['.', '-', '_']).filter(|p| p.len() >= 3).take(20);
        for piece in pieces {
            // A bare label under a public suffix may be a namesake (hermes.gr); inside a longer name it is a claim.
            if let Some(id) = self.by_label.get(piece).copied().filter(|_| piece != label || piece.len() >= 5) {
                return (!self.owns(id, host)).then_some((id, Resemblance::Piece));
            }
            if piece.len() >= 6
                && piece != label
                && let Some(id) = self.by_look.get(&looks_like(piece)).copied()
            {
                return (!self.owns(id, host)).then_some((id, Resemblance::Piece));
            }
        }
        self.glued(label).map(|id| (id, Resemblance::Piece))
    }

    /// `paypalsecure`, `loginmicrosoft`: a long brand label with something glued to it.
    fn glued(&self, label: &str) -> Option<usize> {
        (7..label.len().min(40)).rev().find_map(|n| {
            let head = label.get(..n).and_then(|p| self.by_label.get(p));
            let tail = label.get(label.len() - n..).and_then(|p| self.by_label.get(p));
            head.or(tail).copied()
        })
    }

    fn lookalike(&self, label: &str) -> Option<usize> {
        if label.len() < 5 || self.by_label.contains_key(label) || PLAIN_LABELS.contains(&label) {
            return None;
        }
        let look = looks_like(label);
        if let Some(id) = self.by_look.get(&look) {
            return Some(*id);
        }
        // One edit is little in a short word: `barclays` and `barclay` are names, `amazom` is none.
        if label.len() < 6 {
            return None;
        }
        let near = |key: &str| {
            let candidates = self.by_deletion.get(key).into_iter().flatten();
            candidates.filter(|(known, _)| known.len() >= 6 && one_edit_apart(known, &look)).map(|(_, id)| *id).next()
        };
        near(&look).or_else(|| {
            deletions(&look)
                .find_map(|shorter| near(&shorter).or_else(|| self.by_look.get(&shorter).copied().filter(|_| shorter.len() >= 6)))
        })
    }
}

/// Zones of countries and the few general ones where a brand's national pages live.
fn is_country_zone(host: &str) -> bool {
    let zone = host.rsplit('.').next().unwrap_or_default();
    let site = registrable(host);
    (zone.len() == 2 && !matches!(zone, "tk" | "ml" | "ga" | "cf" | "gq" | "cc" | "su" | "ws" | "pw" | "to"))
        && site.split('.').count() <= 3
}

fn first_label(domain: &str) -> &str {
    domain.split('.').next().unwrap_or_default()
}

fn deletions(word: &str) -> impl Iterator<Item = String> + '_ {
    word.char_indices().take(40).map(|(i, c)| format!("{}{}", &word[..i], &word[i + c.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(found: Option<(usize, Resemblance)>, table: &Brands) -> Option<(&str, Resemblance)> {
        found.map(|(id, how)| (table.get(id).name.as_str(), how))
    }

    #[test]
    fn hosts_that_resemble_brands() {
        let table = Brands::new(&BTreeMap::new());
        for (host, brand, how) in [
            ("paypa1.com", "PayPal", Resemblance::Lookalike),
            ("rnicrosoft.com", "Microsoft", Resemblance::Lookalike),
            ("xn--pypal-4ve.com", "PayPal", Resemblance::Lookalike),
            ("netfllix.com", "Netflix", Resemblance::Lookalike),
            ("paypal.com.secure-login.top", "PayPal", Resemblance::Piece),
            ("dhl-paket.xyz", "DHL", Resemblance::Piece),
            ("microsoftonline-login.web.app", "Microsoft", Resemblance::Piece),
            ("sparkasse-pushtan.info", "Sparkasse", Resemblance::Piece),
            ("loginmicrosoftonline.com", "Microsoft", Resemblance::Piece),
        ] {
            assert_eq!(name(table.resembles(host), &table), Some((brand, how)), "{host}");
        }
        for host in [
            "paypal.com",
            "www.paypal.com",
            "mail.google.com",
            "example.org",
            "apple-orchard.org",
            "live.example.com",
            "amazon.com.tr",
            "postgresql.org",
            "lists.debian.org",
            "discover-norway.no",
        ] {
            assert_eq!(name(table.resembles(host), &table), None, "{host}");
        }
    }

    #[test]
    fn names_in_display_names() {
        let table = Brands::new(&BTreeMap::new());
        let brand = |text: &str| table.in_name(&fold(text, 100).text).next().map(|id| table.get(id).name.clone());
        assert_eq!(brand("PayPal Service").as_deref(), Some("PayPal"));
        assert_eq!(brand("P\u{0430}ypal"), Some("PayPal".into()));
        assert_eq!(brand("Apple Support").as_deref(), Some("Apple"));
        assert_eq!(brand("Apple Martin"), None);
        assert_eq!(brand("Chase Johnson"), None);
        assert_eq!(brand("Erika Mustermann"), None);
        let look = |text: &str| table.in_name_by_look(&fold(text, 100).text).map(|id| table.get(id).name.clone());
        assert_eq!(look("Trust WaIIet").as_deref(), Some("Trust Wallet"));
        assert_eq!(look("PaypaI Support").as_deref(), Some("PayPal"));
        assert_eq!((look("PayPal"), look("Pay Pal"), look("Erika Mustermann")), (None, None, None));
        assert_eq!(look("Appie Jansen"), None);
    }

    /// Hosts of others that hold or resemble the label of a brand which is an ordinary word or name.
    #[test]
    fn ordinary_words_in_hosts_are_nobodys() {
        let table = Brands::new(&BTreeMap::new());
        let hosts = [
            "mobile.nytimes.com",
            "sushi-palace.de",
            "lido-hotel.it",
            "rijksoverheid.nl",
            "interactivebrokers.com",
            "allegromicro.com",
            "interstellar.com",
            "douglaselliman.com",
            "grossmann.de",
            "stella.de",
            "ritual.com",
            "interact.com",
            "nordex.com",
            "mobily.com",
        ];
        for host in hosts {
            assert!(table.resembles(host).is_none(), "{host}");
        }
    }

    #[test]
    fn the_table_is_well_formed() {
        let table = Brands::new(&BTreeMap::new());
        assert!(table.brands.len() >= 150, "{}", table.brands.len());
        for b in &table.brands {
            assert!(!b.name.is_empty() && !b.domains.is_empty(), "{b:?}");
            assert!(b.domains.iter().all(|d| d.parse::<Domain>().is_ok()), "{b:?}");
        }
    }
}
