//! What a report knows: figures of all nodes that answered, put together.

use std::collections::BTreeMap;

use postern_model::alert::Condition;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::period::Period;

/// Senders, recipients, symbols, domains that are named.
pub const NAMED: usize = 20;
/// Actions in the order in which they are shown.
pub const ACTIONS: [&str; 7] = ["accept", "tag", "hold", "quarantine", "defer", "reject", "discard"];
/// Shares of deliveries: those that took no longer, and the rest.
pub const DELAYS: [&str; 5] = ["delay-10s", "delay-1m", "delay-10m", "delay-1h", "delay-more"];

/// A name and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub name: String,
    pub count: u64,
}

/// A counter in a step of the period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The step's beginning.
    pub at: Timestamp,
    pub name: String,
    pub count: u64,
}

/// Mails to one domain on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainCounted {
    pub day: Timestamp,
    pub domain: String,
    /// As in `action:accept`.
    pub action: String,
    pub mails: u64,
}

/// What one node counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFigures {
    pub name: String,
    /// Counters by step; none where a report is about some domains.
    pub counted: Vec<Counted>,
    /// Mails by action in as many days before.
    pub before: Vec<Count>,
    /// How often symbols fired.
    pub symbols: Vec<Count>,
    pub domains: Vec<DomainCounted>,
}

/// Something over the steps of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    pub name: String,
    pub values: Vec<u64>,
}

impl Series {
    pub fn total(&self) -> u64 {
        self.values.iter().sum()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    pub name: String,
    pub count: u64,
    /// What it looks for, in English.
    pub about: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub at_begin: u64,
    pub at_end: u64,
    /// `added`, `released`, `deleted`.
    pub flow: Vec<Series>,
    /// Envelope senders of mail that was held back; empty: the null path.
    pub senders: Vec<Count>,
    pub recipients: Vec<Count>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRow {
    /// `*`: those that a day had no room for.
    pub domain: String,
    pub mails: u64,
    /// By action, as in `accept`.
    pub actions: BTreeMap<String, u64>,
}

/// About the gateway as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// Octets of mails.
    pub octets: u64,
    /// Reasons that decided, the most frequent first.
    pub reasons: Vec<Count>,
    pub symbols: Vec<Symbol>,
    /// Packets that the edge dropped, and of which reasons.
    pub dropped: Vec<u64>,
    pub drops: Vec<Count>,
    pub delivery: Delivery,
    pub alerts: Vec<AlertRow>,
    pub nodes: Vec<NodeRow>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Recipients.
    pub delivered: u64,
    pub deferred: u64,
    pub failed: u64,
    /// Of [`DELAYS`], from acceptance to delivery.
    pub delays: Vec<Count>,
    /// Mails in the queues of all nodes, a mean of each step.
    pub queue: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRow {
    pub condition: Condition,
    pub subject: String,
    /// `None`: the whole cluster's.
    pub node: Option<String>,
    pub raised: Timestamp,
    /// `None`: it went on when the report was made.
    pub ended: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    pub name: String,
    /// What it took.
    pub mails: u64,
    /// Minutes of the period in which it took mail; `None`: it did not answer.
    pub minutes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub period: Period,
    pub made: Timestamp,
    /// Of the period; fewer when it was not over.
    pub minutes: u64,
    /// Empty: all.
    pub domains: Vec<String>,
    /// When each step begins.
    pub times: Vec<Timestamp>,
    /// Milliseconds.
    pub step: i64,
    /// By action, in the order of [`ACTIONS`]; those that did not happen are left out.
    pub mails: Vec<Series>,
    /// Mails in as many days before.
    pub before: u64,
    pub held: Held,
    /// Mails from outside, the most first.
    pub by_domain: Vec<DomainRow>,
    /// `None`: it is about some domains.
    pub whole: Option<Whole>,
    /// Nodes that did not answer: what only they counted is not here.
    pub silent: Vec<String>,
}

/// What belongs to no node.
#[derive(Clone, Debug, Default)]
pub struct Common {
    pub made: Timestamp,
    pub domains: Vec<String>,
    pub held: Held,
    pub alerts: Vec<AlertRow>,
    pub silent: Vec<String>,
}

impl Report {
    pub fn of(period: Period, nodes: &[NodeFigures], common: Common, about: impl Fn(&str) -> String) -> Self {
        let is_whole = common.domains.is_empty();
        // Of single domains there are days only.
        let step = if is_whole { period.step() } else { period.day_step() };
        let sums = Sums { from: period.from(), to: period.to(), step };
        let ended = period.to().0.min(common.made.0);
        let minutes = u64::try_from((ended - period.from().0).max(0) / 60_000).unwrap_or(0);
        let mails = if is_whole { sums.actions(nodes) } else { sums.actions_of_domains(nodes) };
        let whole = is_whole.then(|| Whole {
            octets: sums.total(nodes, "octets"),
            reasons: most(sums.by_name(nodes, "reason:"), NAMED),
            symbols: symbols(nodes, about),
            dropped: sums.series(nodes, |name| name.starts_with("edge-")),
            drops: most(sums.by_name(nodes, "edge-"), NAMED),
            delivery: Delivery {
                delivered: sums.total(nodes, "delivery-delivered"),
                deferred: sums.total(nodes, "delivery-deferred"),
                failed: sums.total(nodes, "delivery-failed"),
                delays: DELAYS.iter().map(|name| Count { name: (*name).to_owned(), count: sums.total(nodes, name) }).collect(),
                queue: sums.queue(nodes),
            },
            alerts: common.alerts,
            nodes: node_rows(&sums, nodes, &common.silent),
        });
        Self {
            period,
            made: common.made,
            minutes,
            domains: common.domains,
            times: sums.times(),
            step,
            mails,
            before: nodes.iter().flat_map(|n| &n.before).map(|c| c.count).sum(),
            held: common.held,
            by_domain: by_domain(nodes),
            whole,
            silent: common.silent,
        }
    }

    pub fn total(&self) -> u64 {
        self.mails.iter().map(Series::total).sum()
    }

    /// Mails with this action.
    pub fn with(&self, action: &str) -> u64 {
        self.mails.iter().filter(|s| s.name == action).map(Series::total).sum()
    }
}

struct Sums {
    from: Timestamp,
    to: Timestamp,
    step: i64,
}

impl Sums {
    fn times(&self) -> Vec<Timestamp> {
        (0..).map(|n| Timestamp(self.from.0 + n * self.step)).take_while(|t| *t < self.to).collect()
    }

    fn place(&self, at: Timestamp) -> Option<usize> {
        let within = at >= self.from && at < self.to;
        within.then(|| usize::try_from((at.0 - self.from.0) / self.step).ok()).flatten()
    }

    fn series(&self, nodes: &[NodeFigures], fits: impl Fn(&str) -> bool) -> Vec<u64> {
        let mut values = vec![0; self.times().len()];
        for one in nodes.iter().flat_map(|n| &n.counted).filter(|c| fits(&c.name)) {
            if let Some(slot) = self.place(one.at).and_then(|at| values.get_mut(at)) {
                *slot += one.count;
            }
        }
        values
    }

    fn total(&self, nodes: &[NodeFigures], name: &str) -> u64 {
        self.series(nodes, |n| n == name).iter().sum()
    }

    fn by_name(&self, nodes: &[NodeFigures], prefix: &str) -> BTreeMap<String, u64> {
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        for one in nodes.iter().flat_map(|n| &n.counted).filter(|c| self.place(c.at).is_some()) {
            if let Some(name) = one.name.strip_prefix(prefix) {
                *names.entry(name.to_owned()).or_default() += one.count;
            }
        }
        names
    }

    fn actions(&self, nodes: &[NodeFigures]) -> Vec<Series> {
        happened(|action| self.series(nodes, |name| name.strip_prefix("action:") == Some(action)))
    }

    fn actions_of_domains(&self, nodes: &[NodeFigures]) -> Vec<Series> {
        happened(|action| {
            let mut values = vec![0; self.times().len()];
            for one in nodes.iter().flat_map(|n| &n.domains).filter(|d| d.action.strip_prefix("action:") == Some(action)) {
                if let Some(slot) = self.place(one.day).and_then(|at| values.get_mut(at)) {
                    *slot += one.mails;
                }
            }
            values
        })
    }

    /// Each node tells once a minute how many wait: a node's mean is that sum by its minutes.
    fn queue(&self, nodes: &[NodeFigures]) -> Vec<u64> {
        let mut means = vec![0; self.times().len()];
        for node in nodes {
            let node = std::slice::from_ref(node);
            let (waiting, minutes) = (self.series(node, |n| n == "queue-minutes"), self.series(node, |n| n == "minutes-up"));
            for (mean, (waiting, minutes)) in means.iter_mut().zip(waiting.iter().zip(&minutes)) {
                *mean += waiting.checked_div(*minutes).unwrap_or(0);
            }
        }
        means
    }
}

fn happened(values: impl Fn(&str) -> Vec<u64>) -> Vec<Series> {
    let all = ACTIONS.iter().map(|action| Series { name: (*action).to_owned(), values: values(action) });
    all.filter(|series| series.total() > 0).collect()
}

fn most(names: BTreeMap<String, u64>, most: usize) -> Vec<Count> {
    let mut counts: Vec<Count> = names.into_iter().filter(|(_, n)| *n > 0).map(|(name, count)| Count { name, count }).collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    counts.truncate(most);
    counts
}

fn symbols(nodes: &[NodeFigures], about: impl Fn(&str) -> String) -> Vec<Symbol> {
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for one in nodes.iter().flat_map(|n| &n.symbols) {
        *names.entry(one.name.clone()).or_default() += one.count;
    }
    most(names, NAMED).into_iter().map(|Count { name, count }| Symbol { about: about(&name), name, count }).collect()
}

fn by_domain(nodes: &[NodeFigures]) -> Vec<DomainRow> {
    let mut rows: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for one in nodes.iter().flat_map(|n| &n.domains) {
        let action = one.action.strip_prefix("action:").unwrap_or(&one.action);
        *rows.entry(&one.domain).or_default().entry(action.to_owned()).or_default() += one.mails;
    }
    let row =
        |(domain, actions): (&str, BTreeMap<String, u64>)| DomainRow { domain: domain.to_owned(), mails: actions.values().sum(), actions };
    let mut rows: Vec<DomainRow> = rows.into_iter().map(row).collect();
    rows.sort_by(|a, b| b.mails.cmp(&a.mails).then_with(|| a.domain.cmp(&b.domain)));
    rows.truncate(NAMED);
    rows
}

fn node_rows(sums: &Sums, nodes: &[NodeFigures], silent: &[String]) -> Vec<NodeRow> {
    let row = |node: &NodeFigures| {
        let one = std::slice::from_ref(node);
        let mails = sums.series(one, |name| name.starts_with("action:")).iter().sum();
        NodeRow { name: node.name.clone(), mails, minutes: Some(sums.total(one, "minutes-ready")) }
    };
    let silent = silent.iter().map(|name| NodeRow { name: name.clone(), mails: 0, minutes: None });
    let mut rows: Vec<NodeRow> = nodes.iter().map(row).chain(silent).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::period::{DAY_MS, HOUR_MS};

    /// What a hostile client can write into a report.
    pub const HOSTILE: &str = "<script>alert(1)</script>\r\nBcc: x@y.example) Tj (\u{202e}\\";

    pub fn period(first: &str, last: &str) -> Period {
        Period::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    }

    /// Two nodes, each with `mails` accepted and a tenth held in the first and the last hour of each day, of a week.
    pub fn nodes(mails: u64) -> Vec<NodeFigures> {
        let period = period("2026-11-16", "2026-11-22");
        let one = |name: &str, factor: u64| {
            let mut counted = Vec::new();
            for day in 0..period.days() {
                for at in [day * DAY_MS, day * DAY_MS + 23 * HOUR_MS] {
                    let at = Timestamp(period.from().0 + at);
                    for (name, count) in [
                        ("action:accept", mails * factor),
                        ("action:quarantine", mails * factor / 10),
                        ("reason:clean", mails * factor),
                        ("reason:score-quarantine", mails * factor / 10),
                        ("octets", mails * factor * 20_000),
                        ("edge-drop-ban", 50),
                        ("edge-drop-feed", 5 * factor),
                        ("delivery-delivered", mails * factor),
                        ("delay-10s", mails * factor - 1),
                        ("delay-more", 1),
                        ("queue-minutes", 60 * 4),
                        ("minutes-up", 60),
                        ("minutes-ready", 60),
                    ] {
                        counted.push(Counted { at, name: name.to_owned(), count });
                    }
                }
            }
            NodeFigures {
                name: name.to_owned(),
                counted,
                before: vec![Count { name: "action:accept".into(), count: 10 * mails }],
                symbols: vec![Count { name: "R_SPF_FAIL".into(), count: 7 * factor }],
                domains: vec![DomainCounted { day: period.from(), domain: "example.org".into(), action: "action:accept".into(), mails: 9 }],
            }
        };
        vec![one("mx1.example", 1), one("mx2.example", 2)]
    }

    pub fn report() -> Report {
        let series = |name: &str, n| Series { name: name.into(), values: vec![n; 7] };
        let common = Common {
            made: Timestamp(1_795_500_000_000),
            domains: Vec::new(),
            held: Held {
                at_begin: 3,
                at_end: 20,
                flow: vec![series("added", 4), series("released", 1), series("deleted", 0)],
                senders: vec![Count { name: HOSTILE.into(), count: 12 }, Count { name: String::new(), count: 2 }],
                recipients: vec![Count { name: "anna@example.org".into(), count: 12 }],
            },
            alerts: vec![AlertRow {
                condition: Condition::BackendUnreachable,
                subject: HOSTILE.into(),
                node: Some("mx1.example".into()),
                raised: Timestamp(1_795_000_000_000),
                ended: None,
            }],
            silent: vec!["mx3.example".into()],
        };
        Report::of(period("2026-11-16", "2026-11-22"), &nodes(100), common, |_| "SPF says that the host may not send".into())
    }

    #[test]
    fn the_figures_of_all_nodes_are_added_up() {
        let report = report();
        // Two hours a day, seven days, 100 and 200 mails an hour.
        assert_eq!((report.with("accept"), report.with("quarantine"), report.total()), (4200, 420, 4620));
        assert_eq!(report.mails[0].values, vec![600; 7], "both hours of a day are in its bar");
        assert_eq!((report.before, report.minutes), (2000, 7 * 1440));
        let whole = report.whole.unwrap();
        assert_eq!(whole.reasons[0], Count { name: "clean".into(), count: 4200 });
        assert_eq!(whole.drops, [Count { name: "drop-ban".into(), count: 1400 }, Count { name: "drop-feed".into(), count: 210 }]);
        assert_eq!(whole.delivery.queue, vec![8; 7], "four wait at each of two nodes");
        assert_eq!((whole.symbols[0].count, report.by_domain[0].mails), (21, 18));
        let nodes: Vec<_> = whole.nodes.iter().map(|n| (n.name.as_str(), n.mails, n.minutes)).collect();
        assert_eq!(nodes, [("mx1.example", 1540, Some(840)), ("mx2.example", 3080, Some(840)), ("mx3.example", 0, None)]);
    }

    #[test]
    fn a_report_about_some_domains_has_nothing_of_the_rest() {
        let common = Common { domains: vec!["example.org".into()], ..Common::default() };
        let report = Report::of(period("2026-11-16", "2026-11-16"), &nodes(100), common, |_| String::new());
        assert_eq!((&report.whole, report.times.len(), report.total()), (&None, 1, 18));
    }
}
