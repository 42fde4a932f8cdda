//! The engine as tables: a mail, rules as an operator writes them, and what becomes of it for each recipient.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use postern_model::address::{Address, ReversePath};
use postern_model::envelope::{Direction, Recipient};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::settings::policy::{AuthWord, PolicySettings, WhenMixed};
use postern_model::symbol::{Group, Hit};
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};
use postern_policy::condition::Outcome;
use postern_policy::decide::{Depth, RuleOutcome, Trial};
use postern_policy::mail::{Attachment, Mail, Results, Told};
use postern_policy::own::OwnLists;
use postern_policy::split::{ALONE_AT_MOST, Part, Resolution, each_alone, resolve};
use postern_policy::thresholds::Floor;
use postern_policy::{Decision, Policy};
use proptest::prelude::*;

fn settings(text: &str) -> PolicySettings {
    postern_model::settings::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}")).policy
}

fn policy(text: &str) -> Policy {
    Policy::new(&settings(text), &|_| Ok(())).unwrap_or_else(|e| panic!("{e:?}\n{text}"))
}

fn verdict(action: Action, reason: Reason, score: f64) -> Verdict {
    let hits = vec![Hit { symbol: "BAYES_SPAM".into(), group: Group::Bayes, score: Score::new(score), evidence: "0.99".into() }];
    Verdict { action, reason, score: Score::new(score), hits }
}

/// Anna's newsletter on a Friday at noon: 6 points, which is a mark by default; SPF agrees.
fn mail<'m>(sender: &'m ReversePath, verdict: &'m Verdict, members: &'m [String]) -> Mail<'m> {
    Mail {
        at: Timestamp("2026-11-27T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond()),
        direction: Direction::Inbound,
        client: Told::Known("192.0.2.7".parse().unwrap()),
        port: Told::Known(25),
        sender,
        authors: vec!["anna@example.org"],
        verdict,
        floor: Floor::guessed(verdict),
        subject: "Your invoice 4711",
        headers: Told::Known(vec![("Subject", "Your invoice 4711"), ("List-Id", "<news.example.org>"), ("X-Mailer", "PHPMailer 6")]),
        text: Told::Known("Please pay at once, or the account is closed."),
        attachments: Told::Known(vec![
            Attachment { name: Some("invoice.zip"), declared: "application/zip", seen: "zip".into(), members },
            Attachment { name: Some("photo.JPG"), declared: "application/octet-stream", seen: "executable".into(), members: &[] },
        ]),
        size: 50_000,
        authentication: Told::Known(Results {
            spf: AuthWord::Pass,
            dkim: AuthWord::Fail,
            confirmed: vec!["example.org".parse().unwrap()],
            ..Results::default()
        }),
        is_unopened: false,
    }
}

struct House {
    sender: ReversePath,
    verdict: Verdict,
    members: Vec<String>,
}

impl House {
    fn new() -> Self {
        Self {
            sender: ReversePath::Address("bounce@mail.example.org".parse().unwrap()),
            verdict: verdict(Action::Tag, Reason::ScoreTag, 6.0),
            members: vec!["run.js".to_owned()],
        }
    }

    fn mail(&self) -> Mail<'_> {
        mail(&self.sender, &self.verdict, &self.members)
    }

    fn decide(&self, rules: &str, recipient: &str) -> Decision {
        Trial::new(&policy(rules), &self.mail(), Depth::Explain).decide(&recipient.parse().unwrap())
    }
}

fn rule(conditions: &str) -> String {
    format!(
        "[[policy.lists]]\nname = \"partners\"\nentries = [\"example.org\", \"192.0.2.0/28\"]\n[[policy.rules]]\nname = \"r\"\n{conditions}\naction.decide = \"quarantine\"\n"
    )
}

#[test]
fn each_condition_is_met_or_not_and_says_what_it_saw() {
    // conditions, whether the rule matches, a word of the evidence of the one that decided
    let table = [
        ("", true, ""),
        ("who.direction = \"inbound\"", true, "inbound"),
        ("who.direction = \"outbound\"", false, "inbound"),
        ("who.ports = [25, 587]", true, "port 25"),
        ("who.ports = [26]", false, "port 25"),
        ("who.clients = [\"192.0.2.0/24\"]", true, "192.0.2.7 is in 192.0.2.0/24"),
        ("who.clients = [\"list:partners\"]", true, "192.0.2.0/28 of list:partners"),
        ("who.clients = [\"198.51.100.0/24\"]", false, "none of 1"),
        ("who.senders = [\"*.example.org\"]", true, "bounce@mail.example.org is in *.example.org"),
        ("who.senders = [\"example.org\"]", false, "none of"),
        ("who.senders = [\"<>\"]", false, "none of"),
        ("who.authors = [\"list:partners\"]", true, "anna@example.org is in example.org of list:partners"),
        ("who.authors = [\"/^bob@/\"]", false, "anna@example.org"),
        ("who.recipients = [\"erika@example.net\"]", true, "is listed"),
        ("who.recipients = [\"erika@*\", \"x.example\"]", true, "erika@*"),
        ("who.recipients = [\"max@example.net\"]", false, "Erika@example.net"),
        ("what.verdicts = [\"tag\", \"quarantine\"]", true, "the filter says tag"),
        ("what.verdicts = [\"accept\"]", false, "tag"),
        ("what.reasons = [\"score-tag\"]", true, "score-tag"),
        ("what.min_score = 6.0", true, "6.00"),
        ("what.min_score = 6.01", false, "6.00"),
        ("what.below_score = 6.0", false, "6.00"),
        ("what.below_score = 7.5", true, "6.00"),
        ("what.symbols = [\"URL_X\", \"BAYES_SPAM\"]", true, "BAYES_SPAM fired: 0.99"),
        ("what.symbols = [\"BAYES_*\"]", true, "BAYES_SPAM"),
        ("what.symbols = [\"URL_*\"]", false, "URL_*"),
        ("what.all_symbols = [\"BAYES_SPAM\", \"URL_X\"]", false, "URL_X did not fire"),
        ("what.all_symbols = [\"BAYES_SPAM\"]", true, "fired"),
        ("what.subject = [\"INVOICE\"]", true, "INVOICE"),
        ("what.subject = [\"invoice*\"]", false, "none of"),
        ("what.subject = [\"/invoice [0-9]{4}$/\"]", true, "matches the subject"),
        ("what.headers = [\"list-id\"]", true, "it has list-id"),
        ("what.headers = [\"X-Mailer: phpmailer\"]", true, "PHPMailer 6"),
        ("what.headers = [\"X-Mailer: Thunderbird*\", \"X-Spam\"]", false, "no such field"),
        ("what.text = [\"account is closed\"]", true, "matches the text"),
        ("what.text = [\"lottery\"]", false, "none of"),
        ("what.attachment_names = [\"*.js\"]", true, "run.js"),
        ("what.attachment_names = [\"*.jpg\"]", true, "photo.JPG"),
        ("what.attachment_names = [\"*.exe\", \"zip\"]", false, "none of 2"),
        ("what.attachment_types = [\"executable\"]", true, "photo.JPG is executable"),
        ("what.attachment_types = [\"application/z*\"]", true, "invoice.zip is application/zip"),
        ("what.attachment_types = [\"image/*\"]", false, "none of 2"),
        ("what.min_size = 50000", true, "50000"),
        ("what.below_size = 50000", false, "50000"),
        ("what.spf = [\"pass\"]", true, "SPF is pass"),
        ("what.dkim = [\"pass\", \"neutral\"]", false, "DKIM is fail"),
        ("what.dmarc = [\"none\"]", true, "DMARC is none"),
        ("what.arc = [\"pass\"]", false, "ARC is none"),
        ("when.weekdays = [\"friday\"]\nwhen.from = \"08:00\"", true, "Friday 12:00"),
        ("when.from = \"13:00\"\nwhen.until = \"17:00\"", false, "12:00"),
        ("when.from = \"13:00\"\nwhen.until = \"17:00\"\nwhen.time_zone = \"Europe/Berlin\"", true, "13:00 Europe/Berlin"),
        ("who.direction = \"inbound\"\nwhat.subject = [\"lottery\"]", false, "lottery"),
        ("what.subject = [\"invoice\"]\nunless.who.clients = [\"list:partners\"]", false, "of list:partners"),
        ("what.subject = [\"invoice\"]\nunless.what.spf = [\"fail\"]", true, "SPF is pass"),
        ("unless.who.recipients = [\"erika@example.net\"]", false, "is listed"),
        ("enabled = false", false, ""),
    ];
    let house = House::new();
    for (conditions, matches, evidence) in table {
        let decision = house.decide(&rule(conditions), "Erika@example.net");
        let [tried] = &decision.tried[..] else { panic!("{conditions}: {decision:?}") };
        assert_eq!(tried.outcome == RuleOutcome::Matched, matches, "{conditions}: {tried:?}");
        assert_eq!(decision.action, if matches { Action::Quarantine } else { Action::Tag }, "{conditions}");
        assert_eq!(decision.reason, if matches { Reason::Policy } else { Reason::ScoreTag }, "{conditions}");
        assert!(tried.conditions.iter().any(|c| c.evidence.contains(evidence)) || evidence.is_empty(), "{conditions}: {tried:?}");
        let shallow = Trial::new(&policy(&rule(conditions)), &house.mail(), Depth::Decide).decide(&"erika@example.net".parse().unwrap());
        assert!(shallow.is_same_as(&decision), "{conditions}: looking less deep decides otherwise");
    }
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let house = House::new();
    let mut mail = house.mail();
    (mail.text, mail.attachments, mail.headers) = (Told::Unknown("not kept"), Told::Unknown("not kept"), Told::Unknown("not kept"));
    // conditions, outcome of the rule
    let table = [
        ("what.text = [\"pay\"]", RuleOutcome::CannotTell),
        ("what.text = [\"pay\"]\nwhat.subject = [\"invoice\"]", RuleOutcome::CannotTell),
        ("what.text = [\"pay\"]\nwhat.subject = [\"lottery\"]", RuleOutcome::NotMatched),
        ("what.subject = [\"invoice\"]\nunless.what.headers = [\"List-Id\"]", RuleOutcome::CannotTell),
        ("unless.what.headers = [\"List-Id\"]\nunless.what.spf = [\"pass\"]", RuleOutcome::NotMatched),
        ("what.subject = [\"invoice\"]", RuleOutcome::Matched),
    ];
    for (conditions, expected) in table {
        for depth in [Depth::Decide, Depth::Explain] {
            let decision = Trial::new(&policy(&rule(conditions)), &mail, depth).decide(&"erika@example.net".parse().unwrap());
            let outcome = decision.tried.first().map_or(RuleOutcome::NotMatched, |t| t.outcome);
            assert_eq!(outcome, expected, "{conditions}");
            assert_eq!(decision.action == Action::Quarantine, expected == RuleOutcome::Matched, "{conditions}");
            assert_eq!(decision.in_doubt().count() == 1, expected == RuleOutcome::CannotTell, "{conditions}");
        }
    }
    let decision = Trial::new(&policy(&rule("what.text = [\"pay\"]")), &mail, Depth::Explain).decide(&"a@b.example".parse().unwrap());
    assert_eq!(decision.tried[0].conditions[0].outcome, Outcome::CannotTell);
}

#[test]
fn what_is_in_doubt_can_be_assumed() {
    let house = House::new();
    let mut mail = house.mail();
    mail.text = Told::Unknown("not kept");
    let policy = policy(&rule("what.text = [\"pay\"]"));
    let to: Address = "erika@example.net".parse().unwrap();
    for (assumed, action) in [(&[("r", true)], Action::Quarantine), (&[("r", false)], Action::Tag), (&[("other", true)], Action::Tag)] {
        let decision = Trial::new(&policy, &mail, Depth::Decide).assuming(assumed).decide(&to);
        assert_eq!(decision.action, action, "{assumed:?}");
        assert_eq!(decision.in_doubt().count(), usize::from(assumed[0].0 == "other"), "{assumed:?}");
    }
    // What is known is not assumed.
    let known = self::policy(&rule("what.subject = [\"lottery\"]"));
    assert_eq!(Trial::new(&known, &mail, Depth::Decide).assuming(&[("r", true)]).decide(&to).action, Action::Tag);
}

#[test]
fn rules_run_in_order_until_one_stops() {
    let rules = |first: &str, second: &str| format!("[[policy.rules]]\nname = \"1\"\n{first}\n[[policy.rules]]\nname = \"2\"\n{second}\n");
    // first rule, second rule, action, prefixes, whether the second was reached
    let table = [
        ("action.decide = \"accept\"", "action.decide = \"reject\"", Action::Accept, vec![], false),
        ("action.decide = \"accept\"\naction.then = \"go-on\"", "action.decide = \"reject\"", Action::Reject, vec![], true),
        ("action.subject_prefix = \"[A]\"", "action.subject_prefix = \"[B]\"", Action::Tag, vec!["[A]", "[B]"], true),
        ("action.subject_prefix = \"[A]\"\naction.then = \"stop\"", "action.subject_prefix = \"[B]\"", Action::Tag, vec!["[A]"], false),
        ("action.then = \"stop\"", "action.decide = \"reject\"", Action::Tag, vec![], false),
        ("enabled = false\naction.decide = \"accept\"", "action.decide = \"reject\"", Action::Reject, vec![], true),
        ("action.skip_thresholds = true", "action.add_headers = [\"X-A: b\"]", Action::Accept, vec![], true),
        (
            "action.thresholds = { tag = 1.0, quarantine = 2.0, reject = 3.0 }",
            "action.add_headers = [\"X-A: b\"]",
            Action::Reject,
            vec![],
            true,
        ),
        (
            "action.thresholds = { tag = 1.0, quarantine = 6.0, reject = 9.0 }",
            "action.add_headers = [\"X-A: b\"]",
            Action::Quarantine,
            vec![],
            true,
        ),
    ];
    let house = House::new();
    for (first, second, action, prefixes, reached) in table {
        let decision = house.decide(&rules(first, second), "erika@example.net");
        assert_eq!(decision.action, action, "{first} / {second}: {decision:?}");
        assert_eq!(decision.subject_prefixes, prefixes, "{first} / {second}");
        let last = decision.tried.last().unwrap().outcome;
        assert_eq!(last == RuleOutcome::Matched, reached, "{first} / {second}: {last:?}");
    }
}

#[test]
fn hold_waits_only_where_there_is_something_to_wait_for() {
    let rules = policy(
        "[[policy.rules]]\nname = \"r\"\naction.decide = \"hold\"\n[[policy.rules]]\nname = \"later\"\naction.decide = \"quarantine\"\n",
    );
    let house = House::new();
    for (is_unopened, action, reason) in [(true, Action::Hold, Reason::Policy), (false, Action::Quarantine, Reason::Policy)] {
        let mail = Mail { is_unopened, ..house.mail() };
        let decision = Trial::new(&rules, &mail, Depth::Decide).decide(&"erika@example.net".parse().unwrap());
        assert_eq!((decision.action, decision.reason), (action, reason), "unopened: {is_unopened}");
    }
}

#[test]
fn a_virus_is_passed_over_only_by_who_names_it() {
    let rules = |conditions: &str, decide: &str| {
        format!(
            "[policy]\nallow_discard = true\n[[policy.lists]]\nname = \"friends\"\nrole = \"allow\"\nentries = [\"192.0.2.7\"]\n[[policy.rules]]\nname = \"r\"\n{conditions}\naction.decide = \"{decide}\"\n"
        )
    };
    // verdict, conditions, what the rule decides, what comes of it
    let table = [
        (Action::Reject, Reason::Virus, "", "accept", Action::Reject),
        (Action::Reject, Reason::Virus, "", "quarantine", Action::Reject),
        (Action::Reject, Reason::Virus, "", "discard", Action::Discard),
        (Action::Reject, Reason::Virus, "what.reasons = [\"virus\"]", "quarantine", Action::Quarantine),
        (Action::Quarantine, Reason::Virus, "what.verdicts = [\"quarantine\"]", "accept", Action::Quarantine),
        (Action::Defer, Reason::CheckUnavailable, "", "accept", Action::Defer),
        (Action::Defer, Reason::CheckUnavailable, "what.reasons = [\"check-unavailable\"]", "accept", Action::Accept),
        (Action::Reject, Reason::DmarcReject, "", "accept", Action::Accept),
        (Action::Reject, Reason::ScoreReject, "", "tag", Action::Tag),
    ];
    for (action, reason, conditions, decide, expected) in table {
        let house = House { verdict: verdict(action, reason, 20.0), ..House::new() };
        assert_eq!(house.decide(&rules(conditions, decide), "erika@example.net").action, expected, "{reason} {conditions} {decide}");
    }
    // Two rules in a row do not get around it.
    let house = House { verdict: verdict(Action::Quarantine, Reason::Virus, 0.0), ..House::new() };
    let two = "[[policy.rules]]\nname = \"1\"\naction.decide = \"reject\"\naction.then = \"go-on\"\n[[policy.rules]]\nname = \"2\"\naction.decide = \"accept\"\n";
    assert_eq!(house.decide(two, "erika@example.net").action, Action::Reject);
}

#[test]
fn thresholds_of_a_rule_leave_what_the_senders_domain_asks_for() {
    let lax = "[[policy.rules]]\nname = \"r\"\naction.thresholds = { tag = 50.0, quarantine = 60.0, reject = 70.0 }\n";
    let none = "[[policy.rules]]\nname = \"r\"\naction.skip_thresholds = true\n";
    let sender = Floor::Beside { sender: Some((Action::Quarantine, Reason::DmarcQuarantine)), unchecked: None };
    let unchecked = Floor::Beside { sender: None, unchecked: Some(Action::Defer) };
    // rules, floor, action, reason
    let table = [
        (lax, Floor::NOTHING, Action::Accept, Reason::Clean),
        (none, Floor::NOTHING, Action::Accept, Reason::Clean),
        (lax, sender, Action::Quarantine, Reason::DmarcQuarantine),
        (none, sender, Action::Quarantine, Reason::DmarcQuarantine),
        (none, unchecked, Action::Defer, Reason::CheckUnavailable),
        (none, Floor::Final(Action::Reject, Reason::Virus), Action::Reject, Reason::ScoreReject),
    ];
    let house = House { verdict: verdict(Action::Reject, Reason::ScoreReject, 20.0), ..House::new() };
    for (rules, floor, action, reason) in table {
        let mail = Mail { floor, ..house.mail() };
        let decision = Trial::new(&policy(rules), &mail, Depth::Decide).decide(&"erika@example.net".parse().unwrap());
        assert_eq!((decision.action, decision.reason), (action, reason), "{floor:?} {rules}");
    }
}

#[test]
fn lists_decide_by_themselves_and_allowing_needs_proof() {
    let list = |role: &str, entries: &str| format!("[[policy.lists]]\nname = \"l\"\nrole = \"{role}\"\nentries = [{entries}]\n");
    let proven = |spf: bool| {
        let confirmed = if spf { vec!["example.org".parse().unwrap()] } else { Vec::new() };
        Told::Known(Results { confirmed, ..Results::default() })
    };
    // role, entries, whether SPF agrees, action, reason
    let table = [
        ("block", "\"anna@example.org\"", false, Action::Reject, Reason::Blocked),
        ("block", "\"*.example.org\"", false, Action::Reject, Reason::Blocked),
        ("block", "\"192.0.2.7\"", false, Action::Reject, Reason::Blocked),
        ("block", "\"example.com\"", true, Action::Tag, Reason::ScoreTag),
        ("allow", "\"anna@example.org\"", true, Action::Accept, Reason::Allowed),
        ("allow", "\"anna@example.org\"", false, Action::Tag, Reason::ScoreTag),
        ("allow", "\"*.example.org\"", true, Action::Accept, Reason::Allowed),
        ("allow", "\"192.0.2.0/24\"", false, Action::Accept, Reason::Allowed),
        ("rules", "\"anna@example.org\"", true, Action::Tag, Reason::ScoreTag),
    ];
    let house = House::new();
    for (role, entries, spf, action, reason) in table {
        let mail = Mail { authentication: proven(spf), ..house.mail() };
        let decision = Trial::new(&policy(&list(role, entries)), &mail, Depth::Decide).decide(&"erika@example.net".parse().unwrap());
        assert_eq!((decision.action, decision.reason), (action, reason), "{role} {entries} {spf}");
        assert_eq!(decision.matched().count() == 1, reason != Reason::ScoreTag, "{role} {entries}");
    }
    // Somebody else beside the one who is on the list.
    let mail = Mail { authors: vec!["anna@example.org", "eve@evil.example"], ..house.mail() };
    let decision =
        Trial::new(&policy(&list("allow", "\"anna@example.org\"")), &mail, Depth::Decide).decide(&"erika@example.net".parse().unwrap());
    assert_eq!(decision.action, Action::Tag);
    // Whoever blocks wins, and no rule is asked any more; who allows leaves the rules their say.
    let both = |role: &str| format!("{}[[policy.rules]]\nname = \"r\"\naction.decide = \"quarantine\"\n", list(role, "\"192.0.2.7\""));
    assert_eq!(house.decide(&both("block"), "erika@example.net").action, Action::Reject);
    assert_eq!(house.decide(&both("allow"), "erika@example.net").action, Action::Quarantine);
}

fn recipients(addresses: &[&str]) -> Vec<Recipient> {
    addresses.iter().map(|a| Recipient::plain(a.parse().unwrap())).collect()
}

fn resolved(rules: &str, addresses: &[&str]) -> Resolution {
    let (house, policy) = (House::new(), policy(rules));
    let mail = house.mail();
    let trial = Trial::new(&policy, &mail, Depth::Decide);
    let recipients = recipients(addresses);
    let decisions: Vec<Decision> = recipients.iter().map(|r| trial.decide(&r.address)).collect();
    resolve(&decisions, &recipients, policy.when_mixed)
}

fn shape(resolution: &Resolution) -> String {
    let part = |p: &Part| {
        let to: Vec<String> = p.recipients.iter().map(|r| r.address.local().to_owned()).collect();
        format!("{}:{}", p.action.name(), to.join("+"))
    };
    match resolution {
        Resolution::Accept(parts) => parts.iter().map(part).collect::<Vec<_>>().join(" "),
        Resolution::Refuse { action, reply, .. } => format!("{} {}", action.name(), reply.as_deref().unwrap_or("-")),
        Resolution::Discard => "discard".to_owned(),
    }
}

#[test]
fn what_a_recipient_chose_counts_last_and_lifts_only_the_score() {
    use postern_model::own_list::Choice::{self, Allow, Block};
    let quarantine = |r: &str| format!("[[policy.rules]]\nname = \"r\"\nwho.recipients = [\"{r}\"]\naction.decide = \"quarantine\"\n");
    let deliver = "[[policy.rules]]\nname = \"r\"\naction.decide = \"accept\"\n".to_owned();
    let list = |role: &str| format!("[[policy.lists]]\nname = \"l\"\nrole = \"{role}\"\nentries = [\"anna@example.org\"]\n");
    let spam = || verdict(Action::Reject, Reason::ScoreReject, 20.0);
    let marked = || verdict(Action::Tag, Reason::ScoreTag, 6.0);
    let virus = || verdict(Action::Reject, Reason::Virus, 0.0);
    let macros = |score: f64| {
        let hit =
            Hit { symbol: "SANDBOX_MACRO_SUSPICIOUS".into(), group: Group::Sandbox, score: Score::new(score), evidence: String::new() };
        Verdict { hits: vec![hit], ..spam() }
    };
    let dmarc = Floor::Beside { sender: Some((Action::Quarantine, Reason::DmarcQuarantine)), unchecked: None };
    let unchecked = Floor::Beside { sender: None, unchecked: Some(Action::Hold) };
    type Row = (&'static [(&'static str, Choice)], String, Verdict, Option<Floor>, bool, Action, Reason);
    let none = String::new;
    // choices, rules, verdict, floor when it is another, whether SPF agrees, action, reason
    let table: Vec<Row> = vec![
        (&[("anna@example.org", Allow)], none(), spam(), None, true, Action::Accept, Reason::UserAllowed),
        (&[("example.org", Allow)], none(), marked(), None, true, Action::Accept, Reason::UserAllowed),
        (&[("anna@example.org", Allow)], none(), spam(), None, false, Action::Reject, Reason::ScoreReject),
        (&[("example.com", Allow)], none(), spam(), None, true, Action::Reject, Reason::ScoreReject),
        (&[("anna@example.org", Allow)], none(), virus(), None, true, Action::Reject, Reason::Virus),
        (&[("anna@example.org", Allow)], none(), macros(5.0), None, true, Action::Reject, Reason::ScoreReject),
        (&[("anna@example.org", Allow)], none(), macros(0.5), None, true, Action::Accept, Reason::UserAllowed),
        (&[("anna@example.org", Allow)], none(), spam(), Some(dmarc), true, Action::Quarantine, Reason::DmarcQuarantine),
        (&[("anna@example.org", Allow)], none(), spam(), Some(unchecked), true, Action::Hold, Reason::CheckUnavailable),
        (&[("anna@example.org", Allow)], list("block"), marked(), None, true, Action::Reject, Reason::Blocked),
        (&[("anna@example.org", Allow)], quarantine("erika@example.net"), marked(), None, true, Action::Quarantine, Reason::Policy),
        (&[("anna@example.org", Block)], none(), marked(), None, false, Action::Quarantine, Reason::UserBlocked),
        (&[("mail.example.org", Block)], none(), marked(), None, false, Action::Quarantine, Reason::UserBlocked),
        (&[("anna@example.org", Block)], list("allow"), marked(), None, true, Action::Quarantine, Reason::UserBlocked),
        (&[("anna@example.org", Block)], none(), spam(), None, true, Action::Reject, Reason::ScoreReject),
        (&[("anna@example.org", Block)], deliver, marked(), None, true, Action::Accept, Reason::Policy),
        (&[("example.org", Block), ("anna@example.org", Allow)], none(), marked(), None, true, Action::Accept, Reason::UserAllowed),
        (&[("anna@example.org", Block), ("example.org", Allow)], none(), marked(), None, true, Action::Quarantine, Reason::UserBlocked),
    ];
    for (choices, rules, verdict, floor, spf, action, reason) in table {
        let house = House { verdict, ..House::new() };
        let confirmed = if spf { vec!["example.org".parse().unwrap()] } else { Vec::new() };
        let floor = floor.unwrap_or_else(|| house.mail().floor);
        let mail = Mail { floor, authentication: Told::Known(Results { confirmed, ..Results::default() }), ..house.mail() };
        let mut own = OwnLists::default();
        choices.iter().for_each(|(sender, choice)| own.add("erika@example.net", &sender.parse().unwrap(), *choice));
        let policy = policy(&rules);
        let trial = Trial::new(&policy, &mail, Depth::Decide).with_own(&own);
        let erika = trial.decide(&"Erika@example.net".parse().unwrap());
        assert_eq!((erika.action, erika.reason), (action, reason), "{choices:?} {rules} {:?}", erika.tried);
        // It is nobody else's.
        let otto: Address = "otto@example.net".parse().unwrap();
        let without = Trial::new(&policy, &mail, Depth::Decide).decide(&otto);
        assert_eq!(trial.decide(&otto), without, "{choices:?} {rules}");
        let says_whose = erika.tried.iter().any(|t| t.rule == "own:Erika@example.net");
        assert_eq!(says_whose, choices[0].0 != "example.com" && (spf || choices[0].1 == Block), "{choices:?} {rules}");
    }
}

#[test]
fn a_block_of_one_recipient_refuses_nothing_for_the_others() {
    use postern_model::own_list::Choice;
    let house = House { verdict: verdict(Action::Accept, Reason::Clean, 0.0), ..House::new() };
    let mail = house.mail();
    let mut own = OwnLists::default();
    own.add("anna@example.net", &"anna@example.org".parse().unwrap(), Choice::Block);
    let policy = policy("[policy]\nwhen_mixed = \"reject\"\n");
    let trial = Trial::new(&policy, &mail, Depth::Decide).with_own(&own);
    let recipients = recipients(&["anna@example.net", "otto@example.net"]);
    let decisions: Vec<Decision> = recipients.iter().map(|r| trial.decide(&r.address)).collect();
    assert_eq!(shape(&resolve(&decisions, &recipients, policy.when_mixed)), "accept:otto quarantine:anna");
}

#[test]
fn one_reply_for_all_recipients() {
    let to = |who: &str, action: &str| format!("[[policy.rules]]\nname = \"{who}\"\nwho.recipients = [\"{who}@*\"]\n{action}\n");
    let (reject, quarantine) = ("action.decide = \"reject\"\naction.reply = \"no\"", "action.decide = \"quarantine\"");
    let (accept, discard) = ("action.decide = \"accept\"", "action.decide = \"discard\"");
    let discarding = "[policy]\nallow_discard = true\n";
    let strict = "[policy]\nwhen_mixed = \"reject\"\n";
    // rules, recipients, what comes of it
    let table = [
        (String::new(), vec!["a", "b"], "tag:a+b"),
        (to("a", reject), vec!["a"], "reject no"),
        (to("a", reject) + &to("b", reject), vec!["a", "b"], "reject no"),
        (to("a", reject), vec!["a", "b"], "tag:b quarantine:a"),
        (strict.to_owned() + &to("a", reject), vec!["a", "b"], "reject no"),
        (to("a", quarantine), vec!["a", "b", "c"], "tag:b+c quarantine:a"),
        (to("a", quarantine) + &to("b", accept), vec!["a", "b", "c"], "accept:b tag:c quarantine:a"),
        (discarding.to_owned() + &to("a", discard), vec!["a"], "discard"),
        (discarding.to_owned() + &to("a", discard), vec!["a", "b"], "tag:b"),
        (discarding.to_owned() + &to("a", discard) + &to("b", reject), vec!["a", "b"], "reject no"),
        (to("a", "action.subject_prefix = \"[A]\""), vec!["a", "b"], "tag:a tag:b"),
        (to("a", "action.redirect_to = [\"x@other.example\", \"y@other.example\"]"), vec!["a", "b"], "tag:x+y+b"),
        (to("a", "action.redirect_to = [\"b@example.net\"]"), vec!["a", "b"], "tag:b"),
        (to("a", "action.add_recipients = [\"copy@other.example\"]"), vec!["a", "b"], "tag:a+b+copy"),
        (to("a", "action.add_recipients = [\"b@example.net\"]"), vec!["a", "b"], "tag:a+b"),
        (
            "[[policy.rules]]\nname = \"all\"\naction.add_recipients = [\"copy@other.example\"]\n".to_owned() + &to("a", quarantine),
            vec!["a", "b"],
            "tag:b+copy quarantine:a",
        ),
    ];
    for (rules, names, expected) in table {
        let addresses: Vec<String> = names.iter().map(|n| format!("{n}@example.net")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        assert_eq!(shape(&resolved(&rules, &addresses)), expected, "{rules}\n{names:?}");
    }
}

/// Users decide about quarantined mail for themselves; what is delivered stays one mail, and what is for very many, too.
#[test]
fn quarantined_mail_is_for_each_recipient_alone() {
    let quarantine =
        |who: &str| format!("[[policy.rules]]\nname = \"{who}\"\nwho.recipients = [\"{who}@*\"]\naction.decide = \"quarantine\"\n");
    let alone = |rules: String, to: &[&str]| {
        let addresses: Vec<String> = to.iter().map(|t| format!("{t}@example.net")).collect();
        shape(&each_alone(resolved(&rules, &addresses.iter().map(String::as_str).collect::<Vec<_>>())))
    };
    assert_eq!(alone(quarantine("a") + &quarantine("b"), &["a", "b", "c", "d"]), "tag:c+d quarantine:a quarantine:b");
    assert_eq!(alone(quarantine("a"), &["a"]), "quarantine:a");
    let many: Vec<String> = (0..=ALONE_AT_MOST).map(|n| format!("u{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(alone(quarantine("*").replace("*@*", "example.net"), &many), format!("quarantine:{}", many.join("+")));
    assert_eq!(each_alone(Resolution::Discard), Resolution::Discard);
}

#[test]
fn redirected_and_added_recipients_keep_what_the_sender_asked_for() {
    let rules =
        "[[policy.rules]]\nname = \"r\"\naction.redirect_to = [\"x@other.example\"]\naction.add_recipients = [\"copy@other.example\"]\n";
    let Resolution::Accept(parts) = resolved(rules, &["a@example.net"]) else { panic!() };
    let [redirected, added] = &parts[0].recipients[..] else { panic!("{parts:?}") };
    assert_eq!((redirected.original.as_deref(), redirected.notify), (Some("rfc822;a@example.net"), None));
    assert!(added.notify.is_some_and(|n| !n.success && !n.failure && !n.delay) && added.original.is_none());
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Accept),
        Just(Action::Tag),
        Just(Action::Quarantine),
        Just(Action::Defer),
        Just(Action::Reject),
        Just(Action::Discard)
    ]
}

proptest! {
    /// Each recipient is in exactly one part, or was discarded by a rule, or everybody is told that the mail was not taken.
    #[test]
    fn nobody_gets_lost(actions in proptest::collection::vec((any_action(), 0u8..3), 1..20), strict in any::<bool>()) {
        let when_mixed = if strict { WhenMixed::Reject } else { WhenMixed::Quarantine };
        let addresses: Vec<String> = (0..actions.len()).map(|i| format!("r{i}@example.net")).collect();
        let recipients = recipients(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
        let decisions: Vec<Decision> = actions.iter().zip(&recipients).map(|((action, mark), r)| Decision {
            recipient: r.address.clone(),
            action: *action,
            reason: Reason::Policy,
            reply: None,
            subject_prefixes: if *mark == 0 { Vec::new() } else { vec![format!("[{mark}]")] },
            headers: Vec::new(),
            redirect_to: Vec::new(),
            add_recipients: Vec::new(),
            tried: Vec::new(),
        }).collect();
        let kept: Vec<&Address> = decisions.iter().filter(|d| d.action != Action::Discard).map(|d| &d.recipient).collect();
        match resolve(&decisions, &recipients, when_mixed) {
            Resolution::Refuse { action, .. } => prop_assert!(decisions.iter().any(|d| d.action == action)),
            Resolution::Discard => prop_assert!(kept.is_empty()),
            Resolution::Accept(parts) => {
                let mut found: Vec<&Address> = parts.iter().flat_map(|p| p.recipients.iter().map(|r| &r.address)).collect();
                found.sort_by_key(|a| a.local()[1..].parse::<usize>().unwrap());
                prop_assert_eq!(found, kept);
                prop_assert!(parts.iter().all(|p| !p.recipients.is_empty() && p.action <= Action::Quarantine));
                // Nobody who was refused or kept gets it delivered.
                for part in &parts {
                    for index in &part.decisions {
                        prop_assert!(decisions[*index].action <= part.action || part.action == Action::Quarantine);
                    }
                }
            }
        }
    }
}

#[test]
fn without_rules_the_verdict_stands() {
    let policy = Policy::default();
    assert!(policy.is_empty() && !policy.needs_parts());
    let house = House::new();
    let decision = Trial::new(&policy, &house.mail(), Depth::Explain).decide(&"erika@example.net".parse().unwrap());
    assert_eq!((decision.action, decision.reason, decision.tried.len()), (Action::Tag, Reason::ScoreTag, 0));
}

#[test]
fn what_is_wrong_with_a_rule_is_told_with_its_name_and_field() {
    let symbols = |name: &str| if name == "BAYES_SPAM" { Ok(()) } else { Err(Some("BAYES_SPAM")) };
    // a rule's body, path, words of the message
    let table = [
        ("who.senders = [\"a b\"]\naction.decide = \"accept\"", "policy.rules[0].who.senders[0]", "user@example.org"),
        ("who.senders = [\"list:nobody\"]\naction.decide = \"accept\"", "policy.rules[0].who.senders[0]", "there is no list `nobody`"),
        ("who.clients = [\"example.org\"]\naction.decide = \"accept\"", "policy.rules[0].who.clients[0]", "is no network"),
        ("what.symbols = [\"BAYES_SPAN\"]\naction.decide = \"accept\"", "policy.rules[0].what.symbols[0]", "did you mean BAYES_SPAM"),
        ("what.subject = [\"/(/\"]\naction.decide = \"accept\"", "policy.rules[0].what.subject[0]", "no regular expression"),
        ("what.headers = [\"a b: c\"]\naction.decide = \"accept\"", "policy.rules[0].what.headers[0]", "List-Id"),
        ("what.min_score = 5.0\nwhat.below_score = 5.0\naction.decide = \"accept\"", "policy.rules[0].what.below_score", "no mail"),
        ("when.from = \"8 am\"\naction.decide = \"accept\"", "policy.rules[0].when.from", "08:00"),
        ("unless.when.from = \"8 am\"\naction.decide = \"accept\"", "policy.rules[0].unless.when.from", "08:00"),
        ("", "policy.rules[0].action", "does nothing"),
        ("action.then = \"go-on\"", "policy.rules[0].action", "does nothing"),
        ("action.decide = \"discard\"", "policy.rules[0].action.decide", "policy.allow_discard"),
        ("action.reply = \"no\"\naction.decide = \"accept\"", "policy.rules[0].action.reply", "decide = \"reject\""),
        ("action.reply = \"no\\nway\"\naction.decide = \"reject\"", "policy.rules[0].action.reply", "one line"),
        ("action.thresholds = { tag = 9.0 }", "policy.rules[0].action.thresholds", "tag <= quarantine"),
        ("action.skip_thresholds = true\naction.decide = \"accept\"", "policy.rules[0].action.decide", "decides already"),
        ("action.add_headers = [\"From: x\"]", "policy.rules[0].action.add_headers[0]", "not a rule's to set"),
        ("action.add_headers = [\"DKIM-Signature: x\"]", "policy.rules[0].action.add_headers[0]", "not a rule's to set"),
        ("action.add_headers = [\"X-A\"]", "policy.rules[0].action.add_headers[0]", "Name: value"),
        ("action.add_headers = [\"X-A: b\\r\\nX-B: c\"]", "policy.rules[0].action.add_headers[0]", "ASCII"),
        ("action.subject_prefix = \" \"", "policy.rules[0].action.subject_prefix", "1 to 60"),
        ("action.decide = \"reject\"\naction.redirect_to = [\"a@b.example\"]", "policy.rules[0].action.redirect_to", "nobody"),
    ];
    for (body, path, words) in table {
        let problems = Policy::new(&settings(&format!("[[policy.rules]]\nname = \"No zips\"\n{body}\n")), &symbols).unwrap_err();
        let [problem] = &problems[..] else { panic!("{body}: {problems:?}") };
        assert_eq!(problem.path, path, "{body}: {problem}");
        assert!(problem.message.starts_with("rule `No zips`: ") && problem.message.contains(words), "{body}: {problem}");
    }
    let twice = "[[policy.lists]]\nname = \"a\"\nentries = []\n[[policy.lists]]\nname = \"A\"\nentries = [\"?\"]\n[[policy.rules]]\nname = \"x\"\naction.decide = \"accept\"\n[[policy.rules]]\nname = \"X\"\naction.decide = \"accept\"\n[policy]\ntime_zone = \"Mars\"\n";
    let paths: Vec<String> = Policy::new(&settings(twice), &symbols).unwrap_err().into_iter().map(|p| p.path).collect();
    assert_eq!(paths, ["policy.time_zone", "policy.lists[1].entries[0]", "policy.lists[1].name", "policy.rules[1].name"]);
}
