//! What a report says, in one language and in the order in which it is read: made once, written in three forms.

use postern_model::settings::users::Language;

use crate::figures::{Count, Delivery, Held, Report, Series, Whole};
use crate::numbers::{day, moment, octets, percent, step, tenth, whole};
use crate::words::{self, Words};

#[derive(Clone, Debug, Default)]
pub struct Document {
    pub language: &'static str,
    /// Of the mail.
    pub subject: String,
    pub title: String,
    /// The days, and whom it is about.
    pub about: String,
    /// What is missing in it.
    pub warnings: Vec<String>,
    pub sections: Vec<Section>,
    pub foot: String,
}

#[derive(Clone, Debug)]
pub struct Section {
    pub title: &'static str,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
pub enum Block {
    /// Single figures: what, how many.
    Figures(Vec<(&'static str, String)>),
    Plot(Plot),
    Table(Table),
    Text(String),
}

/// Stacked bars.
#[derive(Clone, Debug)]
pub struct Plot {
    pub title: &'static str,
    /// Of each bar.
    pub times: Vec<String>,
    pub bars: Vec<Bars>,
    pub language: Language,
}

#[derive(Clone, Debug)]
pub struct Bars {
    pub name: String,
    pub color: Color,
    pub values: Vec<u64>,
}

/// Red, green, blue.
pub type Color = [u8; 3];

impl Plot {
    /// The sum of each bar.
    pub fn sums(&self) -> Vec<u64> {
        (0..self.times.len()).map(|at| self.bars.iter().filter_map(|b| b.values.get(at)).sum()).collect()
    }
}

#[derive(Clone, Debug)]
pub struct Table {
    pub title: &'static str,
    pub heads: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// Columns from here on are figures: they stand at the right.
    pub figures_from: usize,
}

const RED: Color = [0xc9, 0x19, 0x0b];
const GREEN: Color = [0x3e, 0x86, 0x35];
const BLUE: Color = [0x2b, 0x9a, 0xf3];
const YELLOW: Color = [0xf0, 0xab, 0x00];
const GREY: Color = [0x8a, 0x8d, 0x90];

fn color(action: &str) -> Color {
    match action {
        "accept" => GREEN,
        "tag" => [0x00, 0x95, 0x96],
        "hold" => [0x67, 0x53, 0xac],
        "quarantine" => YELLOW,
        "defer" => BLUE,
        "reject" => RED,
        _ => GREY,
    }
}

impl Document {
    /// `host`: who says it.
    pub fn of(report: &Report, language: Language, host: &str) -> Self {
        let words = words::of(language);
        let writer = Writer { report, words, language };
        let (first, last) = (day(report.period.first, language), day(report.period.last, language));
        let days = if first == last { first } else { words.from_to.replace("{first}", &first).replace("{last}", &last) };
        let about = if report.domains.is_empty() { days.clone() } else { format!("{days} · {}", report.domains.join(", ")) };
        let mut warnings = Vec::new();
        if !report.silent.is_empty() {
            warnings.push(words.silent.replace("{nodes}", &report.silent.join(", ")));
        }
        if report.made < report.period.to() {
            warnings.push(words.not_over.to_owned());
        }
        Self {
            language: words.code,
            subject: format!("[{host}] {}", words.subject.replace("{days}", &about)),
            title: words.title.to_owned(),
            about,
            warnings,
            sections: writer.sections(),
            foot: words.foot.replace("{node}", host).replace("{when}", &moment(report.made, language)),
        }
    }
}

struct Writer<'a> {
    report: &'a Report,
    words: &'static Words,
    language: Language,
}

impl Writer<'_> {
    fn sections(&self) -> Vec<Section> {
        let mut sections = vec![self.mails()];
        if let Some(whole) = &self.report.whole {
            sections.extend(self.reasons(whole));
        }
        sections.extend([self.quarantine(&self.report.held), self.domains()]);
        if let Some(whole) = &self.report.whole {
            sections.extend([self.edge(whole), self.delivery(&whole.delivery), self.alerts(whole), self.nodes(whole)]);
        }
        sections
    }

    fn number(&self, n: u64) -> String {
        whole(n, self.language)
    }

    fn plot(&self, title: &'static str, bars: Vec<Bars>) -> Block {
        let times = self.report.times.iter().map(|t| step(*t, self.report.step, self.language)).collect();
        Block::Plot(Plot { title, times, bars, language: self.language })
    }

    /// A plot, or the word that there was nothing.
    fn plot_or(&self, nothing: &'static str, title: &'static str, bars: Vec<Bars>) -> Block {
        let is_empty = bars.iter().all(|b| b.values.iter().all(|v| *v == 0));
        if is_empty { Block::Text(nothing.to_owned()) } else { self.plot(title, bars) }
    }

    fn counts(&self, title: &'static str, head: &'static str, counts: &[Count], of: u64, empty: &str) -> Option<Block> {
        let row = |c: &Count| {
            let name = if c.name.is_empty() { empty.to_owned() } else { c.name.clone() };
            vec![name, self.number(c.count), percent(c.count, of, self.language)]
        };
        let w = self.words;
        (!counts.is_empty()).then(|| {
            Block::Table(Table { title, heads: vec![head, w.count, w.share], rows: counts.iter().map(row).collect(), figures_from: 1 })
        })
    }

    fn mails(&self) -> Section {
        let (report, w) = (self.report, self.words);
        let held = report.with("quarantine") + report.with("hold");
        let total = report.total();
        let mut figures = vec![
            (w.mails, self.number(total)),
            (w.against_before, self.against_before(total)),
            (w.accepted, self.number(report.with("accept") + report.with("tag"))),
            (w.held_back, self.number(held)),
            (w.rejected, self.number(report.with("reject") + report.with("discard"))),
        ];
        figures.extend(report.whole.as_ref().map(|whole| (w.octets, octets(whole.octets, self.language))));
        let bars =
            report.mails.iter().map(|s| Bars { name: (w.action)(&s.name), color: color(&s.name), values: s.values.clone() }).collect();
        Section { title: w.mails_title, blocks: vec![Block::Figures(figures), self.plot_or(w.no_mail, w.mails_plot, bars)] }
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio of mails: one decimal of it is shown")]
    fn against_before(&self, total: u64) -> String {
        if self.report.before == 0 {
            return "–".to_owned();
        }
        let ratio = (total as f64 / self.report.before as f64 - 1.0) * 100.0;
        let sign = if ratio >= 0.05 { "+" } else { "" };
        format!("{sign}{} %", tenth(ratio, self.language))
    }

    fn reasons(&self, whole: &Whole) -> Option<Section> {
        let w = self.words;
        let mut blocks: Vec<Block> = self.counts(w.reasons_title, w.reason, &whole.reasons, self.report.total(), "").into_iter().collect();
        if !whole.symbols.is_empty() {
            let rows = whole.symbols.iter().map(|s| vec![s.name.clone(), s.about.clone(), self.number(s.count)]).collect();
            blocks.push(Block::Table(Table { title: w.symbols_title, heads: vec![w.symbol, w.meaning, w.count], rows, figures_from: 2 }));
        }
        (!blocks.is_empty()).then_some(Section { title: w.why_title, blocks })
    }

    fn quarantine(&self, held: &Held) -> Section {
        let w = self.words;
        let flow = |name: &str| held.flow.iter().find(|s| s.name == name);
        let total = |name: &str| self.number(flow(name).map_or(0, Series::total));
        let bars = |name: &str, word: &str, color| Bars {
            name: word.to_owned(),
            color,
            values: flow(name).map_or_else(Vec::new, |s| s.values.clone()),
        };
        let mut blocks = vec![
            Block::Figures(vec![
                (w.at_begin, self.number(held.at_begin)),
                (w.came_in, total("added")),
                (w.released, total("released")),
                (w.deleted, total("deleted")),
                (w.at_end, self.number(held.at_end)),
            ]),
            self.plot_or(w.nothing_held, w.came_in_plot, vec![bars("added", w.came_in, YELLOW)]),
        ];
        let left = vec![bars("released", w.released, GREEN), bars("deleted", w.deleted, GREY)];
        if left.iter().any(|b| b.values.iter().any(|v| *v > 0)) {
            blocks.push(self.plot(w.left_plot, left));
        }
        let came = flow("added").map_or(0, Series::total);
        blocks.extend(self.counts(w.senders_title, w.sender, &held.senders, came, w.null_path));
        blocks.extend(self.counts(w.recipients_title, w.recipient, &held.recipients, came, ""));
        Section { title: w.quarantine_title, blocks }
    }

    fn domains(&self) -> Section {
        let w = self.words;
        let row = |d: &crate::figures::DomainRow| {
            let with = |names: &[&str]| self.number(names.iter().filter_map(|n| d.actions.get(*n)).sum());
            let name = if d.domain == "*" { w.other_domains.to_owned() } else { d.domain.clone() };
            vec![name, self.number(d.mails), with(&["accept", "tag"]), with(&["quarantine", "hold"]), with(&["reject", "discard"])]
        };
        let rows: Vec<Vec<String>> = self.report.by_domain.iter().map(row).collect();
        let block = if rows.is_empty() {
            Block::Text(w.no_mail.to_owned())
        } else {
            let heads = vec![w.domain, w.mails, w.accepted, w.held_back, w.rejected];
            Block::Table(Table { title: w.domains_table, heads, rows, figures_from: 1 })
        };
        Section { title: w.domains_title, blocks: vec![block] }
    }

    fn edge(&self, whole: &Whole) -> Section {
        let w = self.words;
        let total: u64 = whole.dropped.iter().sum();
        let bars = vec![Bars { name: w.dropped.to_owned(), color: RED, values: whole.dropped.clone() }];
        let mut blocks = vec![self.plot_or(w.no_drops, w.edge_plot, bars)];
        blocks.extend(self.counts(w.drops_title, w.reason, &whole.drops, total, ""));
        Section { title: w.edge_title, blocks }
    }

    fn delivery(&self, d: &Delivery) -> Section {
        let w = self.words;
        let timed: u64 = d.delays.iter().map(|c| c.count).sum();
        let mut blocks = vec![Block::Figures(vec![
            (w.delivered, self.number(d.delivered)),
            (w.deferred, self.number(d.deferred)),
            (w.failed, self.number(d.failed)),
        ])];
        if timed > 0 {
            let named = d.delays.iter().zip(w.delays);
            let rows = named.map(|(c, word)| vec![word.to_owned(), self.number(c.count), percent(c.count, timed, self.language)]).collect();
            blocks.push(Block::Table(Table { title: w.delays_title, heads: vec![w.took, w.count, w.share], rows, figures_from: 1 }));
        }
        let bars = vec![Bars { name: w.waiting.to_owned(), color: BLUE, values: d.queue.clone() }];
        blocks.push(self.plot_or(w.queue_empty, w.queue_plot, bars));
        Section { title: w.delivery_title, blocks }
    }

    fn alerts(&self, whole: &Whole) -> Section {
        let w = self.words;
        let row = |a: &crate::figures::AlertRow| {
            let phrase = a.condition.phrase(self.language);
            let what = if a.subject.is_empty() { phrase.to_owned() } else { format!("{phrase}: {}", a.subject) };
            let until = a.ended.map_or_else(|| w.goes_on.to_owned(), |t| moment(t, self.language));
            vec![what, a.node.clone().unwrap_or_else(|| w.cluster.to_owned()), moment(a.raised, self.language), until]
        };
        let rows: Vec<Vec<String>> = whole.alerts.iter().map(row).collect();
        let block = if rows.is_empty() {
            Block::Text(w.no_alerts.to_owned())
        } else {
            Block::Table(Table { title: w.alerts_table, heads: vec![w.what, w.node, w.begin, w.end], rows, figures_from: 4 })
        };
        Section { title: w.alerts_title, blocks: vec![block] }
    }

    fn nodes(&self, whole: &Whole) -> Section {
        let w = self.words;
        let row = |n: &crate::figures::NodeRow| match n.minutes {
            Some(minutes) => {
                let minutes = minutes.min(self.report.minutes);
                vec![n.name.clone(), self.number(n.mails), percent(minutes, self.report.minutes, self.language)]
            }
            None => vec![n.name.clone(), "–".to_owned(), w.no_answer.to_owned()],
        };
        let rows = whole.nodes.iter().map(row).collect();
        let table = Table { title: w.nodes_table, heads: vec![w.node, w.mails, w.available], rows, figures_from: 1 };
        Section { title: w.nodes_title, blocks: vec![Block::Table(table), Block::Text(w.available_note.to_owned())] }
    }
}
