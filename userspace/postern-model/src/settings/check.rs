//! Contradictions that a single field cannot see.

use std::net::IpAddr;
use std::time::Duration;

use super::delivery::RecipientCheck;
use super::edge::EdgeSettings;
use super::sandbox::{RULE_TEXT_SIZE, RULE_TEXTS_MOST, RULE_TEXTS_SIZE, RuleText, SandboxSettings};
use super::users::{UserSettings, minute_of_day};
use super::{Problem, Settings};

/// Everything that is wrong with settings whose every field is well-formed.
pub fn check(s: &Settings) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut say = |path: String, message: String| found.push(Problem { path, message });

    let t = &s.filter.thresholds;
    if t.tag > t.quarantine {
        say("filter.thresholds.tag".into(), format!("{} is above quarantine ({}): write tag <= quarantine <= reject", t.tag, t.quarantine));
    }
    if t.quarantine > t.reject {
        say(
            "filter.thresholds.quarantine".into(),
            format!("{} is above reject ({}): write tag <= quarantine <= reject", t.quarantine, t.reject),
        );
    }
    if s.smtp.listen.is_empty() && s.smtp.trusted_listen.is_empty() {
        say("smtp.listen".into(), "no address to receive mail on: write one, as in [\"[::]:25\"]".into());
    }
    for pair in [("smtp.tls", &s.smtp.tls.certificate, &s.smtp.tls.key), ("console", &s.console.certificate, &s.console.key)] {
        let (path, certificate, key) = pair;
        if certificate.as_os_str().is_empty() != key.as_os_str().is_empty() {
            say(format!("{path}.certificate"), "certificate and key belong together: set both, or neither".into());
        }
    }
    if s.console.session_idle.0 < Duration::from_secs(60) {
        say("console.session_idle".into(), "people think for longer than that between two clicks: write \"1m\" or more".into());
    }
    if s.console.login_tries == 0 {
        say("console.login_tries".into(), "nobody could log in: write 1 or more".into());
    }
    if !s.smtp.tls.enabled && !s.smtp.tls.required_from.is_empty() {
        say("smtp.tls.required_from".into(), "TLS is required from some networks but smtp.tls.enabled is false".into());
    }
    if !(1..=3).contains(&s.cluster.copies) {
        say("cluster.copies".into(), format!("{} holders of a mail: write 1, 2 or 3", s.cluster.copies));
    }
    if s.cluster.takeover_after.0 < Duration::from_secs(2) {
        say("cluster.takeover_after".into(), "a node that is only restarted would lose its mails to a peer: write \"2s\" or more".into());
    }
    if s.cluster.copy_timeout.0 < Duration::from_millis(100) {
        say("cluster.copy_timeout".into(), "no peer answers that fast: write \"100ms\" or more".into());
    }
    let l = &s.smtp.limits;
    for (name, value, least) in [
        ("max_message_size", l.max_message_size, 65_536),
        ("max_recipients", l.max_recipients as u64, 100),
        ("max_command_line", l.max_command_line as u64, 512),
        ("max_text_line", l.max_text_line as u64, 1000),
        ("max_header_size", l.max_header_size as u64, 16_384),
        ("max_connections", l.max_connections as u64, 1),
        ("max_connections_per_source", l.max_connections_per_source as u64, 1),
        ("max_transactions", l.max_transactions as u64, 1),
        ("max_errors", l.max_errors as u64, 1),
    ] {
        if value < least {
            say(format!("smtp.limits.{name}"), format!("{value} is too small: write {least} or more"));
        }
    }
    for (i, d) in s.domains.iter().enumerate() {
        let bare = d.name.strip_prefix("*.").unwrap_or(&d.name);
        if d.name != "*" && bare.parse::<crate::address::Domain>().is_err() {
            say(format!("domains[{i}].name"), format!("`{}` is no domain: write example.org, *.example.org or *", d.name));
        }
        if s.domains[..i].iter().any(|other| other.name.eq_ignore_ascii_case(&d.name)) {
            say(format!("domains[{i}].name"), format!("`{}` stands twice: put its backends into one block", d.name));
        }
        if d.backends.is_empty() {
            say(format!("domains[{i}].backends"), "no backend: write at least one, as in [{ host = \"192.0.2.10\" }]".into());
        }
        for (j, b) in d.backends.iter().enumerate() {
            if b.host.trim().is_empty() {
                say(format!("domains[{i}].backends[{j}].host"), "empty: write a host name, an address or the path of a unix socket".into());
            }
            if b.weight == 0 {
                say(format!("domains[{i}].backends[{j}].weight"), "0 would never be used: write 1 or more".into());
            }
        }
        match d.recipient_check {
            RecipientCheck::Table if d.recipients.is_empty() => {
                say(
                    format!("domains[{i}].recipients"),
                    "recipient_check = \"table\" with an empty table refuses everybody: list the mailboxes".into(),
                );
            }
            RecipientCheck::None | RecipientCheck::Callout if !d.recipients.is_empty() => {
                say(
                    format!("domains[{i}].recipients"),
                    "the table is not used: write recipient_check = \"table\", or leave the list out".into(),
                );
            }
            _ => {}
        }
        for (j, r) in d.recipients.iter().enumerate() {
            if !super::delivery::domain_matches(&d.name, r.domain()) {
                say(format!("domains[{i}].recipients[{j}]"), format!("`{r}` is not in {}", d.name));
            }
        }
    }
    let q = &s.delivery;
    if q.retry_first.0.is_zero() || q.retry_first > q.retry_max {
        say("delivery.retry_first".into(), format!("{} must be above zero and at most retry_max ({})", q.retry_first, q.retry_max));
    }
    if q.lifetime < q.retry_max {
        say("delivery.lifetime".into(), format!("{} is shorter than retry_max ({})", q.lifetime, q.retry_max));
    }
    for (name, value) in [
        ("max_connections_per_destination", q.max_connections_per_destination),
        ("max_connections", q.max_connections),
        ("max_mails_per_connection", q.max_mails_per_connection),
        ("max_recipients_per_mail", q.max_recipients_per_mail),
    ] {
        if value == 0 {
            say(format!("delivery.{name}"), "0 would deliver nothing: write 1 or more".into());
        }
    }
    if q.spool.segment_size < q.spool.inline_body.saturating_mul(2) {
        say("delivery.spool.segment_size".into(), format!("{} is below twice inline_body ({})", q.spool.segment_size, q.spool.inline_body));
    }
    if s.greylist.delay >= s.greylist.window {
        say("greylist.delay".into(), format!("{} must be shorter than window ({})", s.greylist.delay, s.greylist.window));
    }
    let b = &s.edge.bans;
    if b.first > b.longest {
        say("edge.bans.first".into(), format!("{} is longer than longest ({})", b.first, b.longest));
    }
    for (i, f) in s.edge.feeds.iter().enumerate() {
        if f.file.as_os_str().is_empty() == f.url.is_none() {
            say(format!("edge.feeds[{i}]"), format!("feed `{}` needs either a file or a url", f.name));
        }
        if f.url.as_deref().is_some_and(|u| !u.starts_with("https://") && !u.starts_with("http://")) {
            say(format!("edge.feeds[{i}].url"), "write an http:// or https:// address".into());
        }
    }
    steering(&s.edge, &mut say);
    super::alerts::check(&s.alerts, &mut say);
    super::reports::check(&s.reports, &mut say);
    super::backup::check(&s.backup, &mut say);
    super::acme::check(&s.acme, !s.smtp.tls.certificate.as_os_str().is_empty(), &mut say);
    if s.edge.sample_every == 0 {
        say("edge.sample_every".into(), "0 is no rate: write 1 for every dropped packet".into());
    }
    let clamd = &s.antivirus.clamd;
    if !(clamd.is_empty() || clamd.starts_with("unix:/") || clamd.starts_with("tcp:")) {
        say("antivirus.clamd".into(), format!("`{clamd}`: write \"unix:/run/clamav/clamd.ctl\" or \"tcp:host:3310\""));
    }
    sandbox(&s.sandbox, &mut say);
    if s.sandbox.hold.time > q.lifetime {
        say("sandbox.hold.time".into(), format!("{} is longer than delivery.lifetime ({})", s.sandbox.hold.time, q.lifetime));
    }
    users(&s.users, &mut say);
    if !s.dns.enabled && !s.dns_lists.lists.is_empty() {
        say("dns_lists.lists".into(), "lists need name resolution but dns.enabled is false".into());
    }
    found
}

fn users(u: &UserSettings, say: &mut impl FnMut(String, String)) {
    let host = u.url.strip_prefix("https://").unwrap_or_default();
    let is_origin = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#<>\"".contains(c));
    if u.enabled && !is_origin {
        say("users.url".into(), format!("`{}`: write where browsers reach the console, as in \"https://mail.example.org:8443\"", u.url));
    }
    if u.link_lifetime.0 < Duration::from_secs(300) || u.link_lifetime.0 > Duration::from_secs(14 * 86_400) {
        say("users.link_lifetime".into(), format!("{}: write \"5m\" to \"14d\"", u.link_lifetime));
    }
    if u.digest_at.len() > 24 {
        say("users.digest_at".into(), format!("{} times of day: write at most 24", u.digest_at.len()));
    }
    for (i, time) in u.digest_at.iter().enumerate().filter(|(_, t)| minute_of_day(t).is_none()) {
        say(format!("users.digest_at[{i}]"), format!("`{time}` is no time of day: write hours and minutes, as in \"07:00\""));
    }
    if !(1..=500).contains(&u.digest_mails) {
        say("users.digest_mails".into(), format!("{}: write 1 to 500", u.digest_mails));
    }
}

fn sandbox(s: &SandboxSettings, say: &mut impl FnMut(String, String)) {
    if s.yara_rules.is_relative() && !s.yara_rules.as_os_str().is_empty() {
        say(
            "sandbox.yara_rules".into(),
            format!("{}: write the folder's path from the root, as in \"/etc/postern/rules\"", s.yara_rules.display()),
        );
    }
    rule_texts("sandbox.rules", &s.rules, say);
    if s.timeout.0 < Duration::from_secs(1) || s.timeout.0 > Duration::from_secs(300) {
        // RFC 5321 §4.5.3.2.6: a client waits ten minutes for the reply to its data.
        say("sandbox.timeout".into(), format!("{}: write \"1s\" to \"5m\"", s.timeout));
    }
    if s.hold.time.0 < Duration::from_secs(5) || s.hold.time.0 > Duration::from_secs(24 * 3600) {
        say("sandbox.hold.time".into(), format!("{}: write \"5s\" to \"1d\"", s.hold.time));
    }
    for (name, value, least, most) in [
        ("hold.max_mails", s.hold.max_mails as u64, 1, 100_000),
        ("hold.max_size", s.hold.max_size, 1 << 20, 1 << 40),
        ("max_attachments", s.max_attachments as u64, 1, 1000),
        ("max_size", s.max_size, 1, 256 << 20),
        ("at_once", s.at_once as u64, 1, 64),
        ("waiting", s.waiting as u64, 0, 10_000),
        // The worker alone takes some 20 MiB.
        ("memory", s.memory, 64 << 20, 4 << 30),
    ] {
        if !(least..=most).contains(&value) {
            say(format!("sandbox.{name}"), format!("{value}: write {least} to {most}"));
        }
    }
}

/// What is wrong with texts of YARA rules before a word of them is read. `path`: of their list.
pub fn rule_texts(path: &str, rules: &[RuleText], say: &mut impl FnMut(String, String)) {
    if rules.len() > RULE_TEXTS_MOST {
        return say(path.into(), format!("{} texts of rules: write at most {RULE_TEXTS_MOST}", rules.len()));
    }
    let all: usize = rules.iter().map(|r| r.text.len()).sum();
    if all > RULE_TEXTS_SIZE {
        say(path.into(), format!("{all} octets of rules: write at most {RULE_TEXTS_SIZE} in all"));
    }
    for (i, rule) in rules.iter().enumerate() {
        let name = &rule.name;
        let is_plain = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_plain {
            say(format!("{path}[{i}].name"), format!("`{name}`: write 1 to 64 letters, digits, - and _, as in \"company\""));
        } else if name.eq_ignore_ascii_case("postern") {
            say(format!("{path}[{i}].name"), format!("`{name}` is what the rules are called that Postern brings: write another name"));
        } else if rules[..i].iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            say(format!("{path}[{i}].name"), format!("`{name}` stands twice: put its rules into one text"));
        }
        if rule.text.trim().is_empty() {
            say(format!("{path}[{i}].text"), "no rule: write at least one, as in \"rule all { condition: true }\"".into());
        }
        if rule.text.len() > RULE_TEXT_SIZE {
            let message = format!("{} octets: write at most {RULE_TEXT_SIZE}, and the rest into a text of its own", rule.text.len());
            say(format!("{path}[{i}].text"), message);
        }
    }
}

/// Places in the kernel's table of them.
const VIRTUAL_ADDRESSES: usize = 64;

fn steering(edge: &EdgeSettings, say: &mut impl FnMut(String, String)) {
    let s = &edge.steering;
    for (i, address) in s.addresses.iter().enumerate() {
        let path = format!("edge.steering.addresses[{i}]");
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() || is_link_local(address) {
            say(path, format!("{address} cannot be reached from elsewhere: write a unicast address of the segment"));
        } else if s.addresses[..i].contains(address) {
            say(path, format!("{address} stands twice"));
        }
    }
    if s.addresses.len() > VIRTUAL_ADDRESSES {
        say("edge.steering.addresses".into(), format!("{} addresses: at most {VIRTUAL_ADDRESSES}", s.addresses.len()));
    }
    if !(1..=1000).contains(&s.weight) {
        say("edge.steering.weight".into(), format!("{}: write 1 to 1000", s.weight));
    }
    if s.ramp_up.0 > Duration::from_secs(3600) {
        say("edge.steering.ramp_up".into(), format!("{}: write one hour or less", s.ramp_up));
    }
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(rules: &[(&str, usize)]) -> Vec<String> {
        let rules: Vec<RuleText> =
            rules.iter().map(|(name, size)| RuleText { name: (*name).to_owned(), text: "x".repeat(*size) }).collect();
        let mut paths = Vec::new();
        rule_texts("rules", &rules, &mut |path, _| paths.push(path));
        paths
    }

    #[test]
    fn texts_of_rules_have_bounds_and_names_of_their_own() {
        let longest = "n".repeat(64);
        assert_eq!(wrong(&[("a", 1), (&longest, RULE_TEXT_SIZE), ("Waves-2026_11", RULE_TEXT_SIZE)]), [""; 0]);
        for name in ["", "a.yar", "a b", "a/b", "ä", &format!("{longest}n"), "postern", "POSTERN"] {
            assert_eq!(wrong(&[(name, 1)]), ["rules[0].name"], "{name}");
        }
        assert_eq!(wrong(&[("waves", 1), ("Waves", 1)]), ["rules[1].name"]);
        assert_eq!(wrong(&[("a", 0), ("b", RULE_TEXT_SIZE + 1)]), ["rules[0].text", "rules[1].text"]);
        let many: Vec<String> = (0..=RULE_TEXTS_MOST).map(|n| format!("n{n}")).collect();
        let many: Vec<(&str, usize)> = many.iter().map(|n| (n.as_str(), 1)).collect();
        assert_eq!(wrong(&many), ["rules"]);
        assert_eq!(wrong(&many[1..]), [""; 0]);
        let large = ["a", "b", "c", "d", "e"].map(|name| (name, RULE_TEXT_SIZE));
        assert_eq!(wrong(&large), ["rules"]);
        assert_eq!(wrong(&large[1..]), [""; 0]);
    }
}
