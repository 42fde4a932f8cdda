//! The machine's questions, put to the host.

use postern_model::envelope::{BodyType, Envelope, Recipient};
use postern_model::id::MailId;
use postern_model::reason::Reason;
use postern_smtp::server::{Content, Hello, MailFrom, Question, Refused, Taken};
use postern_store::spool::{Accepted, Body, SpoolError};

use super::{Host, Session, now, refused};
use crate::journey::{DataOutcome, Refusal};

/// The only way from a mail to its 250: what proves that it is durable (STYLE 10).
fn taken(accepted: &Accepted) -> Taken {
    Taken { text: format!("queued as {}", accepted.mail().id) }
}

/// An operator's rule took the mail and dropped it; the sender is to believe that it was taken.
fn discarded(id: MailId) -> Taken {
    Taken { text: format!("queued as {id}") }
}

/// What a failure of the spool is to a client.
pub(super) fn storage(error: &SpoolError) -> Reason {
    match error {
        SpoolError::Full(_) => Reason::StorageFull,
        SpoolError::NoCopy => Reason::NoPeer,
        other => {
            tracing::error!(error = %other, "a mail's body cannot be kept: its sender keeps it");
            Reason::StorageError
        }
    }
}

impl<H: Host> Session<H> {
    /// The futures are boxed: what the host needs while it thinks must not make every idle session larger.
    pub(super) async fn answer(&mut self, question: Question) {
        self.visit.errors = self.server.errors();
        match question {
            Question::Hello(hello) => self.hello(hello).await,
            Question::MailFrom(from) => self.mail_from(*from).await,
            Question::RcptTo(recipient) => self.rcpt_to(*recipient).await,
            Question::Body => {
                let opened = self.door.spool.body().map(|body| self.body = Some(Box::new(body)));
                self.server.answer(opened.map_err(|e| Refused::of(storage(&e))));
            }
            Question::Finished(content) => {
                let outcome = Box::pin(self.finished(content)).await;
                self.server.conclude(outcome);
            }
        }
    }

    async fn hello(&mut self, hello: Hello) {
        self.visit.client.helo = hello.name;
        self.visit.client.esmtp = hello.esmtp;
        let answer = Box::pin(self.door.host.helo(&mut self.visit)).await;
        self.server.answer(answer.map_err(refused));
    }

    async fn mail_from(&mut self, from: MailFrom) {
        let MailFrom { path, parameters } = from;
        let envelope = Box::new(Envelope {
            direction: self.visit.direction,
            client: self.visit.client.clone(),
            mail_from: path,
            recipients: Vec::new(),
            declared_size: parameters.size,
            body: parameters.body.unwrap_or_default(),
            smtputf8: parameters.smtputf8,
            require_tls: parameters.require_tls,
            dsn_return: parameters.dsn_return,
            dsn_envelope_id: parameters.dsn_envelope_id,
        });
        let answer = Box::pin(self.door.host.mail_from(&mut self.visit, &envelope)).await;
        if answer.is_ok() {
            self.envelope = Some(envelope);
        }
        self.server.answer(answer.map_err(refused));
    }

    async fn rcpt_to(&mut self, recipient: Recipient) {
        // The machine asks about recipients only between MAIL and the end of the data.
        let Some(mut envelope) = self.envelope.take() else {
            return self.server.answer(Err(Refused::of(Reason::StorageError)));
        };
        let answer = Box::pin(self.door.host.rcpt_to(&mut self.visit, &envelope, &recipient.address)).await;
        let answer = match answer {
            Ok(()) => {
                envelope.recipients.push(recipient);
                Ok(())
            }
            Err(refusal) => Err(refused(self.dictionary(refusal))),
        };
        self.envelope = Some(envelope);
        self.server.answer(answer);
    }

    /// Unknown recipients add up to a dictionary attack.
    fn dictionary(&self, refusal: Refusal) -> Refusal {
        let attack = self.visit.unknown_recipients as usize >= self.rules.smtp.limits.max_unknown_recipients;
        if refusal.reason == Reason::UnknownRecipient && attack { Refusal::of(Reason::DictionaryAttack) } else { refusal }
    }

    async fn finished(&mut self, content: Content) -> Result<Taken, Refused> {
        let (Some(envelope), Some(body)) = (self.envelope.take(), self.body.take()) else {
            return Err(Refused::of(Reason::StorageError));
        };
        let mut envelope = *envelope;
        if content.eight_bit && envelope.body == BodyType::SevenBit {
            // Announced as 7BIT or not at all, and is not: the next hop has to know.
            envelope.body = BodyType::EightBitMime;
        }
        // What was learned since MAIL: a reverse name, errors.
        envelope.client = self.visit.client.clone();
        let body: Body = body.finish().map_err(|e| Refused::of(storage(&e)))?;
        let id = MailId::generate(now());
        match self.door.host.data(&mut self.visit, id, envelope, body).await {
            DataOutcome::Accepted(accepted) => Ok(taken(&accepted)),
            DataOutcome::Discarded(id) => Ok(discarded(id)),
            DataOutcome::Refused(refusal) => Err(refused(with_id(refusal, id))),
        }
    }
}

/// A refused mail's reply names the id under which the journey is found, so that a sender who asks can be answered.
fn with_id(refusal: Refusal, id: MailId) -> Refusal {
    Refusal { text: format!("{} ({id})", refusal.text), ..refusal }
}
