//! The running node's classifier: loaded at start, trained through the console, and "why was this judged so".

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use bytes::Bytes;
use postern_console::{ExplainRequest, LearnKind, PolicyExplained, PolicyRequest};
use postern_filter::bayes::features::features;
use postern_filter::bayes::{Classifier, mail_name};
use postern_filter::facts::Facts;
use postern_filter::judge::{Judgement, judge, judge_fully};
use postern_filter::offline::{Arrival, Clock, facts};
use postern_filter::policy::Policy;
use postern_filter::registry;
use postern_model::envelope::Recipient;
use postern_model::settings::filter::BayesSettings;
use postern_model::settings::{Settings, SettingsError};
use postern_model::time::Timestamp;
use postern_model::verdict::Verdict;
use postern_mta::journey::Journey;
use postern_mta::{own_lists, policy};
use postern_policy::decide::{Depth, Trial};
use postern_policy::mail::Told;
use postern_policy::split::resolve;
use postern_policy::{Decision, Mail};
use postern_store::database::Database;
use postern_store::database::tokens::Lesson;
use tokio::sync::Notify;

use crate::offline::{database, inputs};

/// Lessons that come within this time are put in force together: loading the counts takes a moment.
const TOGETHER: Duration = Duration::from_secs(2);

/// The classifier as the database has it.
pub async fn load(database: &Database, settings: &BayesSettings) -> anyhow::Result<Classifier> {
    let tokens = database::load(database).await.context("load what the classifier learned")?;
    Ok(Classifier::new(tokens, settings.min_learned))
}

/// Puts lessons in force whenever `learned` says that there are some.
pub async fn keep_current(journey: Arc<Journey>, learned: Arc<Notify>) {
    loop {
        learned.notified().await;
        tokio::time::sleep(TOGETHER).await;
        let settings = Arc::clone(&journey.live.load().settings);
        match load(&journey.database, &settings.filter.bayes).await {
            Ok(classifier) => journey.classifier.store(Arc::new(classifier)),
            Err(e) => tracing::error!(error = format!("{e:#}"), "what was learned is not in force yet"),
        }
    }
}

/// Learns one mail; learning it twice changes nothing.
pub async fn learn(journey: Arc<Journey>, learned: Arc<Notify>, kind: LearnKind, mail: Bytes) -> Result<(), String> {
    let limits = inputs::limits(&journey.live.load().settings.filter);
    let work = move || features(&postern_mail::read(&mail, &limits), None);
    let features = tokio::task::spawn_blocking(work).await.map_err(|e| format!("taking the mail apart failed: {e}"))?;
    let lesson = Lesson { mail: mail_name(&features), is_spam: kind == LearnKind::Spam, features };
    let now = Timestamp::from_system(SystemTime::now());
    journey.database.tokens().learn(&[lesson], now).await.map_err(|e| e.to_string())?;
    learned.notify_one();
    Ok(())
}

/// Judges a mail as the node would, but for what only its sender's connection could tell.
pub async fn explain(journey: Arc<Journey>, request: ExplainRequest) -> Result<Verdict, String> {
    let work = move || {
        let settings = Arc::clone(&journey.live.load().settings);
        judge(&asked_about(&journey, &settings, request), &Policy::new(&settings))
    };
    tokio::task::spawn_blocking(work).await.map_err(|e| format!("judging failed: {e}"))
}

fn asked_about(journey: &Journey, settings: &Settings, request: ExplainRequest) -> Facts {
    let message = postern_mail::read(&request.mail, &inputs::limits(&settings.filter));
    let arrival = Arrival {
        client_ip: request.client,
        helo: request.helo.unwrap_or_default(),
        mail_from: request.mail_from,
        recipients: request.recipients,
    };
    let own = settings.domains.iter().filter_map(|d| d.name.trim_start_matches("*.").parse().ok()).collect();
    let mut facts = facts(message, arrival, own, Clock::At(Timestamp::from_system(SystemTime::now())));
    if settings.filter.bayes.enabled {
        facts.bayes = journey.classifier.load().fact_with_evidence(&facts.message, facts.client());
    }
    facts
}

/// The same with the rules: every one tried, and why it did or did not match.
pub async fn explain_policy(journey: Arc<Journey>, request: PolicyRequest) -> Result<PolicyExplained, String> {
    let recipients: Vec<Recipient> = request.recipients.iter().cloned().map(Recipient::plain).collect();
    let users = journey.live.load().settings.users.clone();
    let own = own_lists::of(&journey.database, &users, request.direction, &recipients).await;
    let work = move || {
        let settings = Arc::clone(&journey.live.load().settings);
        let rules = registry::policy(&settings.policy).map_err(|p| SettingsError(p).to_string())?;
        let mut facts = asked_about(&journey, &settings, request.mail);
        facts.direction = request.direction;
        let Judgement { verdict, floor } = judge_fully(&facts, &Policy::new(&settings));
        let judged = policy::Judged {
            at: facts.now,
            direction: facts.direction,
            client: facts.connection.ip,
            port: None,
            sender: &facts.mail_from,
            message: &facts.message,
            size: facts.message.size,
            verdict: &verdict,
            floor,
            authentication: &facts.authentication,
            is_unopened: !facts.sandbox.unanswered.is_empty(),
        };
        let authentication = Told::Unknown("SPF, DKIM, DMARC and ARC are asked about when a mail comes, and this one did not");
        let mail = Mail { authentication, ..judged.mail() };
        let trial = Trial::new(&rules, &mail, Depth::Explain).with_own(&own);
        let decisions: Vec<Decision> = request.recipients.iter().map(|r| trial.decide(r)).collect();
        let outcome = resolve(&decisions, &recipients, rules.when_mixed).to_string();
        Ok(PolicyExplained { verdict, decisions, outcome })
    };
    tokio::task::spawn_blocking(work).await.map_err(|e| format!("judging failed: {e}"))?
}
