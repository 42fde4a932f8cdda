//! Notifications to senders: made by `dsn`, accepted into the spool as mails of their own.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use postern_model::address::ReversePath;
use postern_model::envelope::{BodyType, Client, Direction, DsnNotify, Envelope, Recipient};
use postern_model::id::MailId;
use postern_model::journey::Step;
use postern_model::queue::{Disposition, HeaderEdits, QueuedMail, QueuedRecipient};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use postern_store::spool::{BodyWriter, SpoolError};

use super::{Queue, now};
use crate::dsn;
pub(crate) use crate::dsn::Notice;
pub use crate::dsn::message_id;

/// A mail of our own, with the null path as its sender: nobody answers it.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Also its Message-ID, by [`message_id`].
    pub id: MailId,
    pub at: Timestamp,
    pub to: Recipient,
    /// For lists and tracking, as is the next.
    pub subject: String,
    pub from: String,
    /// The whole mail, with CRLF line ends.
    pub text: Vec<u8>,
}

impl Queue {
    /// Makes a letter durable, as any accepted mail, and puts it into the queue.
    ///
    /// # Errors
    /// The spool takes nothing now.
    pub async fn post(&self, letter: Letter) -> Result<(), SpoolError> {
        let Letter { id, at, to, subject, from, text } = letter;
        let mut writer: BodyWriter = self.0.spool.body()?;
        writer.write(&text)?;
        let body = writer.finish()?;
        let us = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let smtputf8 = to.address.needs_smtputf8();
        let queued = QueuedMail {
            id,
            accepted: at,
            size: body.size(),
            hash: body.hash(),
            disposition: Disposition::Deliver,
            reason: Reason::Clean,
            recipients: vec![QueuedRecipient::new(to.clone(), at)],
            envelope: Envelope {
                direction: Direction::Outbound,
                client: Client {
                    address: us,
                    local: us,
                    helo: self.0.hostname.to_string(),
                    esmtp: true,
                    tls: None,
                    reverse: None,
                    login: None,
                },
                mail_from: ReversePath::Null,
                recipients: vec![to],
                declared_size: None,
                body: if text.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime },
                smtputf8,
                // RFC 8689 §5: the answer to such a mail is to be kept as safe, and carries only its header.
                require_tls: false,
                dsn_return: None,
                dsn_envelope_id: None,
            },
            edits: HeaderEdits::default(),
            reroute: None,
            subject: Some(subject),
            message_id: Some(message_id(id, &self.0.hostname)),
            from_header: Some(from),
            score: Score::ZERO,
        };
        let accepted = self.0.spool.accept(queued, body).await?;
        self.enqueue(&accepted);
        Ok(())
    }

    /// The name this node's mails are from.
    pub fn hostname(&self) -> &str {
        &self.0.hostname
    }

    /// Makes a notification durable and puts it into the queue. `None`: nobody is to be told (null path).
    ///
    /// # Errors
    /// The spool takes nothing now.
    pub(super) async fn send_notice(
        &self,
        mail: &QueuedMail,
        notice: Notice,
        about: &[&QueuedRecipient],
    ) -> Result<Option<MailId>, SpoolError> {
        // RFC 5321 §6.1: what has the null path is never answered, or two hosts would write to each other for ever.
        let Some(sender) = mail.envelope.mail_from.address() else { return Ok(None) };
        let at = now();
        let id = MailId::generate(at);
        // A mail that cannot be read any more is reported all the same, without its header.
        let stored = self.0.spool.read(mail.id).ok();
        let original = stored.as_ref().map_or(&b""[..], |s| s.bytes());
        let text = dsn::write(&dsn::Report { id, at, hostname: &self.0.hostname, notice, mail, original, about });
        drop(stored);
        // RFC 3461 §5.2.3: a notification asks for none itself.
        let to = Recipient { notify: Some(DsnNotify::NEVER), ..Recipient::plain(sender.clone()) };
        let subject = notice.subject().to_owned();
        self.post(Letter { id, at, to, subject, from: dsn::from(&self.0.hostname), text }).await?;
        self.0.counters.notified.fetch_add(1, Ordering::Relaxed);
        self.0.events.step(mail.id, Step::Notified { kind: Cow::Borrowed(notice.name()), mail: id });
        Ok(Some(id))
    }
}
