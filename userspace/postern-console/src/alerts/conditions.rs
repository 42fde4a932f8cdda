//! What is looked at, and when it is wrong. Everything here is known to the node already; nothing is probed but the two helpers that
//! answer a ping (clamd and the sandbox).

use std::time::Duration;

use postern_model::alert::Condition;
use postern_model::control::EdgeStatus;
use postern_model::os::{OsStatus, UpdateStatus};
use postern_model::settings::Settings;
use postern_model::settings::alerts::AlertLimits;
use postern_model::time::{Span, Timestamp};
use postern_mta::sandbox::RulesTrouble;
use postern_os::client;

use super::book::Sight;
use crate::routes::{certificate, edge};
use crate::state::Console;

/// The role `os` is on this machine and answers at once, or is of no use now.
const OS: Duration = Duration::from_secs(2);
/// Of the room for mails that wait for the sandbox, in percent.
const NEARLY_FULL: u64 = 90;

/// Gathers what is wrong.
struct Found<'a> {
    settings: &'a Settings,
    /// This node's name.
    node: String,
    sights: Vec<Sight>,
}

impl Found<'_> {
    fn own(&mut self, condition: Condition, subject: &str, detail: impl Into<String>) {
        let node = Some(self.node.clone());
        self.sights.push(Sight { condition, subject: subject.to_owned(), node, detail: Some(detail.into()) });
    }

    fn shared(&mut self, condition: Condition, subject: &str, detail: impl Into<String>) {
        self.sights.push(Sight { condition, subject: subject.to_owned(), node: None, detail: Some(detail.into()) });
    }

    /// Nobody knows now whether it is so: as before.
    fn shared_in_doubt(&mut self, condition: Condition, subject: &str) {
        self.sights.push(Sight { condition, subject: subject.to_owned(), node: None, detail: None });
    }
}

/// Everything that is wrong now, as this node sees it.
pub async fn look(console: &Console, settings: &Settings, at: Timestamp) -> Vec<Sight> {
    let state = console.state();
    let cluster_name = state.cluster.name();
    let node = if cluster_name.is_empty() { state.queue.hostname().to_owned() } else { cluster_name };
    let mut found = Found { settings, node, sights: Vec::new() };
    if let Err(refusal) = state.spool.ready() {
        found.own(Condition::SpoolRefuses, "", refusal.to_string());
    }
    queue(console, &mut found, at);
    cluster(console, &mut found).await;
    if let Some(trouble) = state.backups.state().trouble {
        found.own(Condition::BackupFailed, "", trouble.why);
    }
    if let Some(trouble) = state.acme.state().trouble {
        found.own(Condition::CertificateNotRenewed, "", trouble.why);
    }
    if let (true, Ok((_, facts))) = (settings.smtp.tls.enabled, certificate::in_force(console).await) {
        certificate_ends(facts.until, &facts.names, &mut found, at);
    }
    if !settings.edge.interfaces.is_empty() {
        edge_guards(edge::quick_status(console).await.as_ref(), &mut found, at);
    }
    if let Ok(Ok(status)) = tokio::time::timeout(OS, client::status(&console.os_socket())).await {
        update(&status, &mut found);
    }
    if let Some(trouble) = state.yara_rules.state().trouble {
        yara_rules(&trouble, &mut found);
    }
    for (condition, why) in (state.silent)().await {
        found.own(condition, "", why);
    }
    if let Ok(held) = state.database.quarantine().held().await {
        let most = settings.alerts.limits.quarantine_mails;
        if held > most {
            found.shared(Condition::QuarantineLarge, "", format!("{held} mails are in quarantine, more than {most}"));
        }
    }
    found.sights.retain(|s| !settings.alerts.off.contains(&s.condition));
    found.sights
}

fn queue(console: &Console, found: &mut Found<'_>, at: Timestamp) {
    let queue = &console.state().queue;
    let AlertLimits { queue_age, queue_mails, .. } = found.settings.alerts.limits;
    let status = queue.status();
    let waiting = status.mails.saturating_sub(status.held);
    if waiting > queue_mails {
        found.own(Condition::QueueLong, "", format!("{waiting} mails wait, more than {queue_mails}"));
    }
    if let Some((id, accepted)) = queue.oldest_waiting().filter(|(_, accepted)| at.since(*accepted) > queue_age.0) {
        let age = Span(Duration::from_secs(at.since(accepted).as_secs()));
        found.own(Condition::QueueOld, "", format!("mail {id} has waited for {age}, longer than {queue_age}"));
    }
    for gone in queue.unreachable_backends() {
        let subject = gone.destination.to_string();
        match gone.trouble {
            Some(why) => found.shared(Condition::BackendUnreachable, &subject, format!("mails waiting for it: {}; {why}", gone.mails)),
            // After a restart it may be long until it is tried again: no reason to say that it is back.
            None => found.shared_in_doubt(Condition::BackendUnreachable, &subject),
        }
    }
    let hold = &found.settings.sandbox.hold;
    let (mails, octets) = (status.waiting_for_sandbox as u64, status.waiting_for_sandbox_octets);
    if mails * 100 >= NEARLY_FULL * hold.max_mails as u64 || octets.saturating_mul(100) >= NEARLY_FULL * hold.max_size {
        let detail = format!("{mails} mails with {octets} octets wait for the sandbox; at most {} with {}", hold.max_mails, hold.max_size);
        found.own(Condition::HoldsFull, "", detail);
    }
}

async fn cluster(console: &Console, found: &mut Found<'_>) {
    let view = console.state().cluster.view().await;
    let limit = found.settings.alerts.limits.clock;
    for member in view.members.iter().filter(|m| !m.this) {
        if !member.connected {
            let why = member.trouble.clone().unwrap_or_else(|| "it is not connected".to_owned());
            found.shared(Condition::NodeUnreachable, &member.name, why);
        }
        if let Some(ahead) = member.clock_ahead_ms.filter(|ms| ms.unsigned_abs() > u64::try_from(limit.0.as_millis()).unwrap_or(u64::MAX)) {
            let seconds = ahead.unsigned_abs() / 1000;
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            // Whose clock is wrong of the two nobody can say: who is off against all others is named by all of them.
            found.shared(Condition::ClockOff, &member.name, format!("its clock is {seconds} s {way} that of {}", found.node));
        }
    }
    if view.copies.lacking > 0 {
        found.own(Condition::CopiesLacking, "", format!("open mails with fewer copies than cluster.copies says: {}", view.copies.lacking));
    }
    if view.conflicts > 0 {
        let detail = format!("settings that were set on two nodes at once: {}; choose on the page Cluster", view.conflicts);
        found.shared(Condition::SettingsConflict, "", detail);
    }
    if let Some(refused) = view.refused {
        let problems: Vec<String> = refused.problems.iter().map(ToString::to_string).collect();
        found.own(Condition::SettingsRefused, "", problems.join("; "));
    }
}

fn certificate_ends(until: Timestamp, names: &[String], found: &mut Found<'_>, at: Timestamp) {
    let limit = found.settings.alerts.limits.certificate;
    if until.since(at) < limit.0 {
        let what = if until > at { "ends" } else { "has ended" };
        found.own(Condition::CertificateEnds, "", format!("the certificate for {} {what}: {until}", names.join(", ")));
    }
}

fn edge_guards(status: Option<&EdgeStatus>, found: &mut Found<'_>, at: Timestamp) {
    let Some(status) = status else {
        found.own(Condition::EdgeNotGuarding, "", "the role edge does not answer: what it put in force stays, and nothing new comes to it");
        return;
    };
    for interface in &found.settings.edge.interfaces.clone() {
        match status.interfaces.iter().find(|i| i.name == *interface) {
            Some(i) if i.attached => {}
            Some(i) => found.own(Condition::EdgeNotGuarding, interface, i.mode.clone()),
            None => found.own(Condition::EdgeNotGuarding, interface, "the role edge does not know it"),
        }
    }
    let limit = found.settings.alerts.limits.feed_age;
    for feed in &status.feeds {
        let is_old = feed.loaded.is_none_or(|loaded| at.since(loaded) > limit.0);
        let detail = match (&feed.error, feed.loaded) {
            (Some(error), Some(loaded)) => format!("{error}; what was read at {loaded} stays in force"),
            (Some(error), None) => error.clone(),
            (None, Some(loaded)) if is_old => format!("read last at {loaded}, longer ago than {limit}"),
            // The first reading takes a moment.
            (None, _) => continue,
        };
        found.own(Condition::FeedStale, &feed.name, detail);
    }
}

fn update(status: &OsStatus, found: &mut Found<'_>) {
    if let UpdateStatus::Failed { why } = &status.update {
        found.own(Condition::UpdateFailed, "", why.clone());
    } else if let Some(last) = status.last_update.as_ref().filter(|u| u.outcome == "fell-back") {
        let detail = format!("version {} did not become healthy, {} runs again: {}", last.to, last.from, last.why);
        found.own(Condition::UpdateFailed, "", detail);
    }
}

/// A role that is away is told of by itself.
fn yara_rules(trouble: &RulesTrouble, found: &mut Found<'_>) {
    if trouble.is_waiting {
        return;
    }
    let detail = match trouble.errors.split_first() {
        None => trouble.why.clone(),
        Some((first, [])) => first.to_string(),
        Some((first, others)) => format!("{first}; and {} more", others.len()),
    };
    found.own(Condition::YaraRulesRefused, "", format!("{detail}; the rules before them stay in force"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_model::control::{FeedStatus, InterfaceStatus};
    use postern_model::os::UpdateOutcome;
    use postern_model::sandbox::RuleProblem;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);
    const DAY_MS: i64 = 86_400_000;

    fn found(settings: &Settings, look: impl FnOnce(&mut Found<'_>)) -> Vec<(&'static str, String)> {
        let mut found = Found { settings, node: "mx1".into(), sights: Vec::new() };
        look(&mut found);
        found.sights.into_iter().map(|s| (s.condition.name(), s.subject)).collect()
    }

    #[test]
    fn a_certificate_is_told_of_in_its_last_days() {
        let settings = Settings::default();
        for (days, told) in [(8, 0), (7, 0), (6, 1), (0, 1), (-3, 1)] {
            let until = Timestamp(NOW.0 + days * DAY_MS);
            let sights = found(&settings, |f| certificate_ends(until, &["mx1.example".to_owned()], f, NOW));
            assert_eq!(sights.len(), told, "{days} days");
        }
    }

    #[test]
    fn an_edge_that_is_away_or_detached_and_feeds_that_are_old() {
        let mut settings = Settings::default();
        settings.edge.interfaces = vec!["eth0".into(), "eth1".into()];
        assert_eq!(found(&settings, |f| edge_guards(None, f, NOW)), [("edge-not-guarding", String::new())]);
        let interface = |name: &str, attached| InterfaceStatus { name: name.into(), mode: "native".into(), attached };
        let feed = |name: &str, age: Option<i64>, error: Option<&str>| FeedStatus {
            name: name.into(),
            entries: 1,
            loaded: age.map(|days| Timestamp(NOW.0 - days * DAY_MS)),
            error: error.map(str::to_owned),
        };
        let mut status = EdgeStatus {
            interfaces: vec![interface("eth0", true), interface("eth1", true)],
            feeds: vec![feed("new", Some(1), None), feed("first", None, None)],
            ..EdgeStatus::default()
        };
        assert_eq!(found(&settings, |f| edge_guards(Some(&status), f, NOW)), []);
        status.interfaces.pop();
        status.interfaces[0].attached = false;
        status.feeds = vec![feed("old", Some(3), None), feed("gone", Some(0), Some("404"))];
        let expected = [("edge-not-guarding", "eth0"), ("edge-not-guarding", "eth1"), ("feed-stale", "old"), ("feed-stale", "gone")];
        assert_eq!(found(&settings, |f| edge_guards(Some(&status), f, NOW)), expected.map(|(c, s)| (c, s.to_owned())));
    }

    #[test]
    fn yara_rules_with_errors_are_told_of_and_a_role_that_is_away_is_not() {
        let settings = Settings::default();
        let error = RuleProblem { file: "waves".into(), line: 3, is_error: true, what: "unknown pattern".into() };
        let mut trouble = RulesTrouble { at: NOW, why: "errors in it".into(), errors: vec![error.clone(), error], is_waiting: false };
        let mut told = Found { settings: &settings, node: "mx1".into(), sights: Vec::new() };
        yara_rules(&trouble, &mut told);
        let detail = told.sights[0].detail.clone().unwrap();
        assert_eq!(detail, "waves:3: error: unknown pattern; and 1 more; the rules before them stay in force");
        trouble.errors.clear();
        assert_eq!(found(&settings, |f| yara_rules(&trouble, f)), [("yara-rules-refused", String::new())]);
        trouble.is_waiting = true;
        assert_eq!(found(&settings, |f| yara_rules(&trouble, f)), []);
    }

    #[test]
    fn an_update_that_fell_back_and_one_that_was_not_written() {
        let settings = Settings::default();
        let outcome = |text: &str| {
            let last =
                UpdateOutcome { from: "1".into(), to: "2".into(), slot: "b".into(), outcome: text.into(), why: "no greeting".into() };
            OsStatus { last_update: Some(last), ..OsStatus::default() }
        };
        for (text, told) in [("good", 0), ("trial", 0), ("rolled-back", 0), ("fell-back", 1)] {
            assert_eq!(found(&settings, |f| update(&outcome(text), f)).len(), told, "{text}");
        }
        let failed = OsStatus { update: UpdateStatus::Failed { why: "no signature".into() }, ..OsStatus::default() };
        assert_eq!(found(&settings, |f| update(&failed, f)), [("update-failed", String::new())]);
    }
}
