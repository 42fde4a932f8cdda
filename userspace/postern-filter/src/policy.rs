//! Settings made ready: weights by symbol, brands and own people as automata, lists as sets.
//! Built once per change of the settings; a judgement only reads it. The large tables wait for the first mail with a text, or for
//! [`Policy::prepare`]: who connects is judged without them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;
use postern_model::address::Domain;
use postern_model::score::Score;
use postern_model::settings::Settings;
use postern_model::settings::filter::{Thresholds, WhenInfected, WhenUnavailable};
use postern_model::settings::sandbox::WhenNotOpened;
use postern_model::symbol::Group;
use postern_model::verdict::Action;

use crate::brands::Brands;
use crate::domain_lists::DomainLists;
use crate::fold;
use crate::registry;
use crate::symbols::{Finding, Symbol};
use crate::themes::ThemeTable;

pub struct Policy {
    pub thresholds: Thresholds,
    pub judge_outbound: bool,
    pub enforce_dmarc: bool,
    pub refuse_spf_fail: bool,
    /// clamd is configured and the operator would rather wait than skip it.
    pub antivirus_must_answer: bool,
    /// What becomes of a mail with an attachment that was not taken apart.
    pub when_not_opened: WhenNotOpened,
    /// What becomes of a mail with a virus.
    pub when_infected: Action,
    pub brands: LazyLock<Brands, Box<dyn FnOnce() -> Brands + Send>>,
    pub lists: &'static DomainLists,
    weights: HashMap<&'static str, f64, ahash::RandomState>,
    caps: BTreeMap<Group, Score>,
    people: Vec<Vec<String>>,
    trusted_arc_sealers: Vec<Domain>,
    allow_senders: SenderList,
    block_senders: SenderList,
    allow_networks: Vec<IpNet>,
}

impl Policy {
    /// Names of symbols that do not exist are passed over here: [`registry::check_weights`] reports them.
    pub fn new(settings: &Settings) -> Self {
        let filter = &settings.filter;
        let own_brands = filter.brands.clone();
        let mut weights: HashMap<_, _, _> = registry::all().map(|s| (s.name, s.weight)).collect();
        for (name, weight) in &filter.weights {
            if let Some(symbol) = registry::find(name) {
                weights.insert(symbol.name, weight.get());
            }
        }
        let caps = registry::DEFAULT_CAPS
            .iter()
            .map(|(g, cap)| (*g, Score::new(*cap)))
            .chain(filter.group_caps.iter().map(|(g, cap)| (*g, *cap)))
            .collect();
        Self {
            thresholds: filter.thresholds.clone(),
            judge_outbound: filter.judge_outbound,
            enforce_dmarc: settings.authentication.enforce_dmarc,
            refuse_spf_fail: settings.authentication.refuse_spf_fail,
            antivirus_must_answer: !settings.antivirus.clamd.is_empty() && settings.antivirus.when_unavailable == WhenUnavailable::Defer,
            when_not_opened: settings.sandbox.when_unavailable,
            when_infected: match settings.antivirus.when_infected {
                WhenInfected::Reject => Action::Reject,
                WhenInfected::Quarantine => Action::Quarantine,
            },
            brands: LazyLock::new(Box::new(move || Brands::new(&own_brands))),
            lists: DomainLists::shared(),
            weights,
            caps,
            people: filter.people.iter().map(|p| name_words(p)).filter(|w| w.len() >= 2).collect(),
            trusted_arc_sealers: settings.authentication.trusted_arc_sealers.clone(),
            allow_senders: SenderList::new(&filter.allow_senders),
            block_senders: SenderList::new(&filter.block_senders),
            allow_networks: filter.allow_networks.clone(),
        }
    }

    /// Makes the large tables now, not while a mail waits.
    pub fn prepare(&self) {
        LazyLock::force(&self.brands);
        ThemeTable::shared();
    }

    pub fn weight(&self, symbol: &Symbol) -> f64 {
        self.weights.get(symbol.name).copied().unwrap_or(symbol.weight)
    }

    pub fn score(&self, finding: &Finding) -> Score {
        Score::new(self.weight(finding.symbol) * finding.strength)
    }

    pub fn cap(&self, group: Group) -> Score {
        self.caps.get(&group).copied().unwrap_or(Score::new(registry::default_cap(group)))
    }

    pub fn allows_network(&self, ip: IpAddr) -> bool {
        self.allow_networks.iter().any(|n| n.contains(&ip))
    }

    pub fn allows_sender(&self, address: &str) -> Option<&str> {
        self.allow_senders.matching(address)
    }

    pub fn blocks_sender(&self, address: &str) -> Option<&str> {
        self.block_senders.matching(address)
    }

    pub fn trusts_sealer(&self, domain: &str) -> bool {
        domain.parse::<Domain>().is_ok_and(|d| self.trusted_arc_sealers.iter().any(|t| d.is_within(t)))
    }

    /// True when `name` holds all words of one of the organisation's people, in any order.
    pub fn is_own_person(&self, name: &str) -> bool {
        if self.people.is_empty() {
            return false;
        }
        let words = name_words(name);
        self.people.iter().any(|p| p.iter().all(|w| words.contains(w)))
    }
}

/// Words of a person's name without titles and marks: `Müller, Dr. Erika` gives `muller`, `erika`.
fn name_words(name: &str) -> Vec<String> {
    fold::fold(name, 400)
        .text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| w.chars().count() >= 2 && !matches!(*w, "dr" | "prof" | "mr" | "mrs" | "ms" | "herr" | "frau" | "ing" | "mba" | "dipl"))
        .map(str::to_owned)
        .collect()
}

/// Addresses and domains of senders as an operator writes them.
struct SenderList {
    entries: Vec<String>,
}

impl SenderList {
    fn new(entries: &[String]) -> Self {
        Self { entries: entries.iter().map(|e| e.trim().trim_start_matches('@').to_lowercase()).filter(|e| !e.is_empty()).collect() }
    }

    /// The entry that stands for `address`: the address itself, its domain or a parent of that.
    fn matching(&self, address: &str) -> Option<&str> {
        if self.entries.is_empty() || address.is_empty() {
            return None;
        }
        let address = address.to_lowercase();
        let domain = address.rsplit_once('@').map_or("", |(_, d)| d);
        let within = |e: &str| domain == e || domain.strip_suffix(e).is_some_and(|head| head.ends_with('.'));
        self.entries.iter().find(|e| if e.contains('@') { **e == address } else { within(e) }).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_lists_take_addresses_and_domains() {
        let list = SenderList::new(&["Boss@Example.org".into(), "@example.net".into()]);
        assert_eq!(list.matching("boss@example.org"), Some("boss@example.org"));
        assert_eq!(list.matching("x@mail.example.net"), Some("example.net"));
        assert_eq!(list.matching("x@badexample.net"), None);
        assert_eq!(list.matching("other@example.org"), None);
    }

    #[test]
    fn own_people_are_known_in_any_order_and_spelling() {
        let mut settings = Settings::default();
        settings.filter.people = vec!["Erika Müller".into()];
        let policy = Policy::new(&settings);
        assert!(policy.is_own_person("MÜLLER, Erika") && policy.is_own_person("Dr. Erika M\u{fc}ller (CEO)"));
        assert!(!policy.is_own_person("Erika Schmidt"));
    }
}
