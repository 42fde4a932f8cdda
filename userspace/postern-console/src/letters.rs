//! Letters of the gateway to people: written, and put into the queue as any accepted mail.

use postern_mail::letter::{self, Attachment, Letter};
use postern_model::address::Address;
use postern_model::envelope::{DsnNotify, Recipient};
use postern_model::id::MailId;
use postern_model::settings::users::Language;
use postern_mta::queue::{self, message_id};
use postern_store::database::DatabaseError;
use postern_store::spool::SpoolError;
use serde::{Deserialize, Serialize};

use crate::state::{Console, now};

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    pub subject: String,
    pub plain: String,
    pub html: String,
}

/// What keeps a letter from being sent.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    #[error("the link could not be kept: {0}")]
    Database(#[from] DatabaseError),
    #[error("the letter could not be written: {0}")]
    Write(#[from] std::io::Error),
    #[error("the spool did not take the letter: {0}")]
    Spool(#[from] SpoolError),
}

/// RFC 5646.
fn code(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::De => "de",
    }
}

/// Makes a letter durable and queues it.
///
/// # Errors
/// When this node's spool does not take it.
pub async fn post(console: &Console, language: Language, to: &Address, text: Text) -> Result<MailId, LetterError> {
    post_with(console, language, to, text, None).await
}

/// The same with a file attached.
///
/// # Errors
/// When this node's spool does not take it.
pub async fn post_with(
    console: &Console,
    language: Language,
    to: &Address,
    text: Text,
    attachment: Option<Attachment<'_>>,
) -> Result<MailId, LetterError> {
    let queue = &console.state().queue;
    let (at, host) = (now(), queue.hostname());
    let id = MailId::generate(at);
    let from = format!("postern@{host}");
    let letter = Letter {
        from_name: "Postern",
        from: &from,
        to,
        subject: &text.subject,
        at,
        message_id: &message_id(id, host),
        language: code(language),
        text: &text.plain,
        html: &text.html,
        attachment,
    };
    let written = letter::write(&letter)?;
    let to = Recipient { notify: Some(DsnNotify::NEVER), ..Recipient::plain(to.clone()) };
    queue.post(queue::Letter { id, at, to, subject: text.subject, from: format!("Postern <{from}>"), text: written }).await?;
    Ok(id)
}
