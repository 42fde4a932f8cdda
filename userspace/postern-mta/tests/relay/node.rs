//! A queue on a spool in a directory of its own.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use postern_mail::dns::Resolver;
use postern_model::address::ReversePath;
use postern_model::envelope::{BodyType, Client, Direction, Envelope, Recipient};
use postern_model::id::MailId;
use postern_model::journey::JourneyEvent;
use postern_model::queue::{Disposition, HeaderEdits, QueuedMail, QueuedRecipient};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::settings::Settings;
use postern_model::settings::delivery::{Backend, DomainSettings, Protocol, RecipientCheck, TlsPolicy};
use postern_model::time::{Span, Timestamp};
use postern_mta::events::Events;
use postern_mta::queue::{Queue, QueueParts};
use postern_store::spool::Spool;
use tokio::sync::mpsc;

pub const TEXT: &str = "From: a@inside.example\r\nSubject: test\r\nX-Forged: 1\r\n\r\n.A line with a dot\r\n";

pub struct Node {
    pub queue: Queue,
    pub spool: Spool,
    pub settings: Arc<ArcSwap<Settings>>,
    pub events: mpsc::Receiver<JourneyEvent>,
    pub dir: tempfile::TempDir,
}

pub fn backend(port: u16, protocol: Protocol, tls: TlsPolicy) -> Backend {
    Backend { host: "127.0.0.1".into(), port: Some(port), protocol, tls, priority: 0, weight: 1, username: None, password: None }
}

pub fn domain(name: &str, backends: Vec<Backend>) -> DomainSettings {
    DomainSettings { name: name.into(), backends, recipient_check: RecipientCheck::None, recipients: Vec::new() }
}

/// Settings with waits short enough for a test.
pub fn settings(domains: Vec<DomainSettings>) -> Settings {
    let mut s = Settings { domains, ..Settings::default() };
    s.delivery.retry_first = Span::millis(50);
    s.delivery.retry_max = Span::millis(200);
    s.delivery.connect_timeout = Span::seconds(5);
    s.delivery.reply_timeout = Span::seconds(20);
    s.delivery.spool.reserve = 0;
    s
}

impl Node {
    pub fn start(settings: Settings) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    pub fn start_in(dir: tempfile::TempDir, settings: Settings) -> Self {
        let (spool, restored) = open(&dir, &settings);
        let (events, receiver) = Events::channel(10_000);
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let parts = QueueParts {
            spool: spool.clone(),
            events,
            settings: Arc::clone(&settings),
            resolver: Resolver::off(),
            hostname: "us.example".into(),
        };
        Self { queue: Queue::start(parts, restored), spool, settings, events: receiver, dir }
    }

    pub async fn accept(&self, direction: Direction, from: &str, to: &[&str]) -> MailId {
        self.accept_mail(direction, from, to, |_| {}).await
    }

    pub async fn accept_mail(&self, direction: Direction, from: &str, to: &[&str], edit: impl FnOnce(&mut QueuedMail)) -> MailId {
        let mut writer = self.spool.body().unwrap();
        writer.write(TEXT.as_bytes()).unwrap();
        let body = writer.finish().unwrap();
        let at = Timestamp::from_system(SystemTime::now());
        let here = "127.0.0.1:1".parse().unwrap();
        let client = Client { address: here, local: here, helo: "c".into(), esmtp: true, tls: None, reverse: None, login: None };
        let recipients: Vec<Recipient> = to.iter().map(|a| Recipient::plain(a.parse().unwrap())).collect();
        let mut mail = QueuedMail {
            id: MailId::generate(at),
            accepted: at,
            size: body.size(),
            hash: body.hash(),
            disposition: Disposition::Deliver,
            reason: Reason::Clean,
            recipients: recipients.iter().map(|r| QueuedRecipient::new(r.clone(), at)).collect(),
            envelope: Envelope {
                direction,
                client,
                mail_from: if from.is_empty() { ReversePath::Null } else { ReversePath::Address(from.parse().unwrap()) },
                recipients,
                declared_size: None,
                body: BodyType::SevenBit,
                smtputf8: false,
                require_tls: false,
                dsn_return: None,
                dsn_envelope_id: None,
            },
            edits: HeaderEdits::default(),
            reroute: None,
            subject: Some("test".into()),
            message_id: None,
            from_header: None,
            score: Score::ZERO,
        };
        edit(&mut mail);
        let accepted = self.spool.accept(mail, body).await.unwrap();
        self.queue.enqueue(&accepted);
        accepted.mail().id
    }

    /// Stops as a power cut would: nothing more is settled. The directory stays.
    pub async fn stop(self) -> tempfile::TempDir {
        self.queue.shutdown(Duration::from_secs(10)).await;
        self.dir
    }
}

/// Opens the spool; the last task of a queue that was stopped before may still be about to let go of it.
pub fn open(dir: &tempfile::TempDir, settings: &Settings) -> (Spool, Vec<QueuedMail>) {
    let begun = Instant::now();
    loop {
        match Spool::open(dir.path().join("spool"), settings.delivery.spool.clone()) {
            Ok(opened) => return opened,
            Err(e) if begun.elapsed() > Duration::from_secs(10) => panic!("{e}"),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Waits until something holds; says what did not when it takes too long.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
