//! What a mail talks about: phrase lists by theme (`data/themes.txt`), found by one automaton over
//! the folded subject and text.
//!
//! A theme says nothing alone: banks do write about payments. Symbols weigh a theme lightly and
//! combine it with who writes and where the links lead.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

use crate::fold::fold;

macro_rules! themes {
    ($($variant:ident = $name:literal,)*) => {
        /// One theme; the names are those of the sections in `data/themes.txt`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Theme { $($variant,)* }

        impl Theme {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

themes! {
    AccountSuspended = "account-suspended",
    VerifyAccount = "verify-account",
    UnusualSignin = "unusual-signin",
    PasswordExpiry = "password-expiry",
    MailboxQuota = "mailbox-quota",
    Voicemail = "voicemail",
    DocumentShare = "document-share",
    Invoice = "invoice",
    Parcel = "parcel",
    PaymentFailed = "payment-failed",
    SubscriptionCallback = "subscription-callback",
    RefundTax = "refund-tax",
    Prize = "prize",
    RewardPoints = "reward-points",
    Lottery = "lottery",
    Inheritance = "inheritance",
    Extortion = "extortion",
    GiftCard = "gift-card",
    BecOpening = "bec-opening",
    PaymentChange = "payment-change",
    Urgency = "urgency",
    GenericGreeting = "generic-greeting",
    Crypto = "crypto",
    Investment = "investment",
    Pharmacy = "pharmacy",
    Diet = "diet",
    Replica = "replica",
    Mortgage = "mortgage",
    Adult = "adult",
    Dating = "dating",
    Stock = "stock",
    MakeMoney = "make-money",
    BulkMarketing = "bulk-marketing",
    BulkDisclaimer = "bulk-disclaimer",
    BulkMailTools = "bulk-mail-tools",
    TechSupport = "tech-support",
    ArchivePassword = "archive-password",
    EnableContent = "enable-content",
    ActionLink = "action-link",
    Gambling = "gambling",
    LegalThreat = "legal-threat",
    CryptoGift = "crypto-gift",
}

struct Phrase {
    theme: usize,
    points: u32,
    /// The last word may go on.
    open: bool,
    begins_with_word: bool,
    ends_with_word: bool,
}

/// All phrases, ready to search.
pub struct ThemeTable {
    automaton: Option<AhoCorasick>,
    phrases: Vec<Phrase>,
    needs: Vec<u32>,
}

static SHARED: LazyLock<ThemeTable> = LazyLock::new(|| ThemeTable::parse(include_str!("../data/themes.txt")));

impl ThemeTable {
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// Sections with unknown names are left out; a test holds file and enum together.
    fn parse(data: &str) -> Self {
        let mut needs = vec![u32::MAX; Theme::ALL.len()];
        let mut phrases = Vec::new();
        let mut texts = Vec::new();
        let mut current = None;
        for line in data.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            if let Some(head) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                let (name, need) = head.split_once(" need=").unwrap_or((head, "1"));
                current = Theme::ALL.iter().position(|t| t.name() == name);
                if let Some(theme) = current {
                    needs[theme] = need.parse().unwrap_or(1);
                }
                continue;
            }
            let Some(theme) = current else { continue };
            let (points, text) = match line.split_once(' ') {
                Some((n, rest)) if n.len() == 1 && n.parse::<u32>().is_ok() => (n.parse().unwrap_or(1), rest),
                _ => (1, line),
            };
            let open = text.ends_with('*');
            let folded = fold(text.trim_end_matches('*'), 200).text;
            let word = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
            phrases.push(Phrase {
                theme,
                points,
                open,
                begins_with_word: word(folded.as_bytes().first()),
                ends_with_word: word(folded.as_bytes().last()),
            });
            texts.push(folded);
        }
        let automaton =
            AhoCorasickBuilder::new().match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::ContiguousNFA)).build(&texts).ok();
        Self { automaton, phrases, needs }
    }

    /// What the folded subject and text talk about.
    pub fn read(&self, subject: &str, text: &str) -> Themes {
        let mut found = Themes { points: vec![Tally::default(); self.needs.len()] };
        let mut seen = vec![0u64; self.phrases.len().div_ceil(64)];
        self.scan(subject, true, &mut seen, &mut found);
        self.scan(text, false, &mut seen, &mut found);
        for (tally, need) in found.points.iter_mut().zip(&self.needs) {
            tally.need = *need;
        }
        found
    }

    fn scan(&self, text: &str, is_subject: bool, seen: &mut [u64], found: &mut Themes) {
        let Some(automaton) = &self.automaton else { return };
        let bytes = text.as_bytes();
        let word_at = |i: usize| bytes.get(i).is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80);
        for m in automaton.find_overlapping_iter(text) {
            let id = m.pattern().as_usize();
            let phrase = &self.phrases[id];
            let (word, bit) = (id / 64, 1u64 << (id % 64));
            if seen[word] & bit != 0
                || (phrase.begins_with_word && m.start() > 0 && word_at(m.start() - 1))
                || (phrase.ends_with_word && !phrase.open && word_at(m.end()))
            {
                continue;
            }
            seen[word] |= bit;
            let tally = &mut found.points[phrase.theme];
            tally.all += phrase.points;
            if is_subject {
                tally.in_subject += phrase.points;
            }
            if tally.shown < 4 {
                if tally.shown > 0 {
                    tally.evidence.push_str(", ");
                }
                tally.evidence.push_str(&text[m.start()..m.end()]);
                tally.shown += 1;
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Tally {
    all: u32,
    in_subject: u32,
    need: u32,
    shown: u32,
    evidence: String,
}

/// The themes of one mail.
#[derive(Clone, Debug, Default)]
pub struct Themes {
    points: Vec<Tally>,
}

impl Themes {
    fn tally(&self, theme: Theme) -> Option<&Tally> {
        self.points.get(theme as usize)
    }

    /// The theme's phrases reach what it needs.
    pub fn has(&self, theme: Theme) -> bool {
        self.tally(theme).is_some_and(|t| t.all >= t.need)
    }

    /// The subject alone reaches it.
    pub fn in_subject(&self, theme: Theme) -> bool {
        self.tally(theme).is_some_and(|t| t.in_subject >= t.need)
    }

    /// At least one phrase.
    pub fn touches(&self, theme: Theme) -> bool {
        self.tally(theme).is_some_and(|t| t.all > 0)
    }

    /// 1 when the need is just met, up to 1.5 for many phrases.
    pub fn strength(&self, theme: Theme) -> f64 {
        self.tally(theme).map_or(0.0, |t| (f64::from(t.all) / f64::from(t.need.max(1))).sqrt().clamp(1.0, 1.5))
    }

    /// The phrases as found, at most four.
    pub fn evidence(&self, theme: Theme) -> &str {
        self.tally(theme).map_or("", |t| &t.evidence)
    }

    /// The first of `themes` that is there.
    pub fn first_of(&self, themes: &[Theme]) -> Option<Theme> {
        themes.iter().copied().find(|t| self.has(*t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_and_the_list_agree() {
        let table = ThemeTable::shared();
        assert!(table.automaton.is_some());
        for (i, t) in Theme::ALL.iter().enumerate() {
            assert!(table.needs[i] < u32::MAX, "data/themes.txt has no section [{}]", t.name());
            assert!(table.phrases.iter().any(|p| p.theme == i), "[{}] is empty", t.name());
        }
        let sections = include_str!("../data/themes.txt").lines().filter(|l| l.starts_with('[')).count();
        assert_eq!(sections, Theme::ALL.len());
    }

    #[test]
    fn phrases_are_whole_words_in_any_spelling() {
        let table = ThemeTable::shared();
        let read = |text: &str| table.read("", &fold(text, 1000).text);
        assert!(read("Ihr KONTO wurde\n gesperrt!").has(Theme::AccountSuspended));
        assert!(read("your mailbox is full").has(Theme::MailboxQuota));
        assert!(!read("the sextant was made in Sussex, a documentary").touches(Theme::Adult));
        assert!(table.read("unusual sign-in", "").in_subject(Theme::UnusualSignin));
    }
}
