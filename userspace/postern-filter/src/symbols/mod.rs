//! Symbols: each check has a name, a group, a default weight and one line that says what it means.
//!
//! A symbol is declared once, by [`symbols!`](crate::symbols), in the file of its group; the file's
//! `check` looks at the [`View`] of a mail and adds what it found. Order matters in one place only:
//! files that combine others' findings ([`lure`], [`bayes`]) come last.

use postern_model::symbol::Group;

use crate::evidence;
use crate::view::View;

pub mod antivirus;
pub mod arc;
pub mod attachment;
pub mod attachment_content;
pub mod authorship;
pub mod bayes;
pub mod body;
pub mod body_form;
pub mod connection;
pub mod dkim;
pub mod dmarc;
pub mod headers;
pub mod helo;
pub mod html;
pub mod impersonation;
pub mod lists;
pub mod lure;
pub mod mailer;
pub mod mime;
pub mod picture;
pub mod reply_to;
pub mod reputation;
pub mod sandbox;
pub mod sender;
pub mod sender_form;
pub mod spf;
pub mod subject;
pub mod trace;
pub mod upstream;
pub mod url;
pub mod url_host;
pub mod url_path;
pub mod user;

/// One check, as declared.
#[derive(Debug)]
pub struct Symbol {
    /// Stable upper-case name.
    pub name: &'static str,
    pub group: Group,
    /// What it adds to the score unless the settings say otherwise.
    pub weight: f64,
    /// One line for people.
    pub description: &'static str,
}

/// Declares the symbols of one group: `symbols! { Url: URL_IP = 1.5, "…"; }` makes a static per
/// symbol and the file's `TABLE`.
#[macro_export]
macro_rules! symbols {
    ($group:ident: $($name:ident = $weight:expr, $description:literal;)*) => {
        $(
            #[doc = $description]
            pub static $name: $crate::symbols::Symbol = $crate::symbols::Symbol {
                name: stringify!($name),
                group: ::postern_model::symbol::Group::$group,
                weight: $weight,
                description: $description,
            };
        )*
        /// Every symbol of this file.
        pub static TABLE: &[&$crate::symbols::Symbol] = &[$(&$name),*];
    };
}

/// A symbol that fired.
#[derive(Clone, Debug)]
pub struct Finding {
    pub symbol: &'static Symbol,
    /// The weight is multiplied by this: 1 for nearly all.
    pub strength: f64,
    /// Printable, at most 200 characters.
    pub evidence: String,
}

/// What was found in one mail; each symbol at most once.
#[derive(Clone, Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// `evidence`: what was seen and where.
    pub fn add(&mut self, symbol: &'static Symbol, evidence: impl AsRef<str>) {
        self.add_scaled(symbol, 1.0, evidence);
    }

    pub fn add_scaled(&mut self, symbol: &'static Symbol, strength: f64, evidence: impl AsRef<str>) {
        if !self.has(symbol) {
            self.0.push(Finding { symbol, strength, evidence: evidence::printable(evidence.as_ref()) });
        }
    }

    /// For a fact of which there may be several (lists): repeated symbols are kept.
    pub fn add_again(&mut self, symbol: &'static Symbol, strength: f64, evidence: impl AsRef<str>) {
        self.0.push(Finding { symbol, strength, evidence: evidence::printable(evidence.as_ref()) });
    }

    pub fn has(&self, symbol: &'static Symbol) -> bool {
        self.0.iter().any(|f| std::ptr::eq(f.symbol, symbol))
    }

    pub fn any_of(&self, symbols: &[&'static Symbol]) -> bool {
        symbols.iter().any(|s| self.has(s))
    }

    pub fn in_group(&self, group: Group) -> bool {
        self.0.iter().any(|f| f.symbol.group == group && f.symbol.weight > 0.0)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }
}

/// Every table, in the order in which the documentation prints them.
pub static TABLES: &[&[&Symbol]] = &[
    connection::TABLE,
    helo::TABLE,
    spf::TABLE,
    dkim::TABLE,
    dmarc::TABLE,
    arc::TABLE,
    headers::TABLE,
    sender::TABLE,
    sender_form::TABLE,
    authorship::TABLE,
    subject::TABLE,
    trace::TABLE,
    mailer::TABLE,
    upstream::TABLE,
    mime::TABLE,
    body::TABLE,
    body_form::TABLE,
    lure::TABLE,
    html::TABLE,
    picture::TABLE,
    url::TABLE,
    url_host::TABLE,
    url_path::TABLE,
    attachment::TABLE,
    attachment_content::TABLE,
    impersonation::TABLE,
    authorship::IMPERSONATION_TABLE,
    reply_to::TABLE,
    bayes::TABLE,
    reputation::TABLE,
    lists::TABLE,
    sandbox::TABLE,
    antivirus::TABLE,
    user::TABLE,
];

/// Everything that fires on one mail, also symbols whose weight is zero.
pub fn run(view: &View<'_>) -> Findings {
    let mut found = Findings::default();
    if view.from_outside {
        connection::check(view, &mut found);
        helo::check(view, &mut found);
        spf::check(view, &mut found);
        dkim::check(view, &mut found);
        dmarc::check(view, &mut found);
        arc::check(view, &mut found);
        upstream::check(view, &mut found);
        lists::check(view, &mut found);
        trace::check(view, &mut found);
    }
    headers::check(view, &mut found);
    sender::check(view, &mut found);
    sender_form::check(view, &mut found);
    if view.from_outside {
        authorship::check(view, &mut found);
    }
    subject::check(view, &mut found);
    mailer::check(view, &mut found);
    mime::check(view, &mut found);
    body::check(view, &mut found);
    body_form::check(view, &mut found);
    html::check(view, &mut found);
    url::check(view, &mut found);
    url_host::check(view, &mut found);
    url_path::check(view, &mut found);
    picture::check(view, &mut found);
    attachment::check(view, &mut found);
    attachment_content::check(view, &mut found);
    if view.from_outside {
        impersonation::check(view, &mut found);
        reply_to::check(view, &mut found);
        reputation::check(view, &mut found);
    }
    bayes::check(view, &mut found);
    sandbox::check(view, &mut found);
    antivirus::check(view, &mut found);
    user::check(view, &mut found);
    lure::check(view, &mut found);
    bayes::take_back(view, &mut found);
    found
}
