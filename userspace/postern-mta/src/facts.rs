//! Gathering the facts about a mail, side by side: nothing here decides.

use postern_filter::facts::{Asked, BayesFact, Connection, Facts, History};
use postern_mail::dns::Answer;
use postern_mail::message::Message;
use postern_model::envelope::{Direction, Envelope};
use postern_model::time::Timestamp;
use postern_store::database::Database;

use crate::dns_lists;
use crate::live::Live;
use crate::sandbox::Prepared;
use crate::visit::Visit;

/// A mail taken apart.
pub(crate) struct Content<'m> {
    /// As it came.
    pub raw: &'m [u8],
    pub message: Message,
    pub bayes: Option<BayesFact>,
    pub attachments: Prepared,
}

/// Everything the judgement looks at.
pub(crate) async fn gather(
    live: &Live,
    database: &Database,
    visit: &mut Visit,
    envelope: &Envelope,
    content: Content<'_>,
    now: Timestamp,
) -> Facts {
    let Content { raw, message, bayes, attachments } = content;
    let answers = visit.answers().await.clone();
    let helo_resolves = visit.helo_resolves().await;
    let from = message.from.first().map(|m| m.address.clone());
    let (authentication, antivirus, sandbox, domain_hits, mails_from_sender) = tokio::join!(
        authenticate(live, visit, envelope, raw),
        live.antivirus.scan(raw),
        live.sandbox.ask(attachments),
        dns_lists::ask_about_domains(&live.resolver, &live.settings.dns_lists, domains_in(envelope, &message)),
        async {
            match &from {
                Some(address) => database.senders().mails_from(address).await.ok(),
                None => None,
            }
        },
    );
    let mut lists = answers.lists;
    lists.extend(domain_hits);
    let (reverse, reverse_unconfirmed) = match answers.reverse {
        Asked::No => (Asked::No, None),
        Asked::Failed => (Asked::Failed, None),
        Asked::Yes(r) => (Asked::Yes(r.confirmed), r.unconfirmed),
    };
    Facts {
        now,
        direction: envelope.direction,
        connection: Connection {
            ip: Some(visit.client.ip()),
            helo: visit.client.helo.clone(),
            esmtp: visit.client.esmtp,
            tls: visit.client.tls.clone(),
            reverse,
            reverse_unconfirmed,
            helo_resolves,
            sender_domain_exists: visit.sender_domain_exists.clone(),
            sender_null_mx: visit.sender_null_mx,
            pregreet: visit.pregreet,
            errors: visit.errors,
            unknown_recipients: visit.unknown_recipients,
            login: visit.client.login.clone(),
        },
        mail_from: envelope.mail_from.clone(),
        recipients: envelope.recipients.iter().map(|r| r.address.to_string()).collect(),
        own_domains: live.own_domains.clone(),
        message,
        authentication,
        lists,
        bayes,
        antivirus,
        sandbox,
        history: History { mails_from_sender },
    }
}

async fn authenticate(live: &Live, visit: &Visit, envelope: &Envelope, raw: &[u8]) -> Asked<postern_mail::authentication::Authentication> {
    if live.resolver.is_off() || envelope.direction == Direction::Outbound {
        return Asked::No;
    }
    let sender = envelope.mail_from.address().map(ToString::to_string).unwrap_or_default();
    Asked::Yes(live.authenticator.check(raw, visit.client.ip(), &visit.client.helo, &sender, &live.hostname).await)
}

/// Domains that domain lists are asked about: of the envelope, the author and every link.
fn domains_in(envelope: &Envelope, message: &Message) -> impl Iterator<Item = String> {
    let sender = envelope.mail_from.domain().map(ToString::to_string);
    let author = message.from.iter().filter_map(|m| m.domain().map(str::to_owned)).collect::<Vec<_>>();
    let linked = message.urls.iter().filter(|u| !u.domain.is_empty()).map(|u| u.domain.clone()).collect::<Vec<_>>();
    sender.into_iter().chain(author).chain(linked)
}

/// An answer as a fact: a name that is not there is an answer too.
pub(crate) fn existence<T>(answer: &Answer<T>) -> Asked<bool> {
    match answer {
        Answer::Found(_) => Asked::Yes(true),
        Answer::NoName | Answer::NoData => Asked::Yes(false),
        Answer::Temporary(_) => Asked::Failed,
        Answer::Off => Asked::No,
    }
}
