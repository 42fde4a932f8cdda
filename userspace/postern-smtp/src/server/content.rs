//! The content of one mail while it streams in: counted, watched, refused when it breaks a limit.

use postern_model::reason::Reason;
use postern_model::settings::smtp::SmtpLimits;

use super::action::Refused;
use super::config::Newlines;
use super::header::HeaderWatch;
use super::text::{Dots, Text};

/// What is known about a mail when its last octet has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Octets, dots unstuffed.
    pub size: u64,
    /// There are octets above 127.
    pub eight_bit: bool,
    /// Received lines.
    pub hops: usize,
}

/// How a mail's octets are to be read.
#[derive(Debug)]
pub(super) enum Form {
    Text(Text),
    /// BODY=BINARYMIME: any octets (RFC 3030 §3).
    Binary,
}

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) form: Form,
    header: HeaderWatch,
    size: u64,
    eight_bit: bool,
    /// The mail will be refused with this; the first reason counts. Its octets are read over.
    pub(super) refused: Option<Refused>,
    /// The refusal was counted as an error of the session.
    pub(super) counted: bool,
}

impl Incoming {
    pub(super) fn data() -> Self {
        Self::new(Form::Text(Text::new(Dots::Stuffed)))
    }

    pub(super) fn chunks() -> Self {
        Self::new(Form::Text(Text::new(Dots::Plain)))
    }

    pub(super) fn binary() -> Self {
        Self::new(Form::Binary)
    }

    fn new(form: Form) -> Self {
        Self { form, header: HeaderWatch::default(), size: 0, eight_bit: false, refused: None, counted: false }
    }

    pub(super) fn content(&self) -> Content {
        Content { size: self.size, eight_bit: self.eight_bit, hops: self.header.hops }
    }

    /// Octets that came, whether they are kept or not.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Octets that are read over without a look.
    pub(super) fn skip(&mut self, octets: usize) {
        self.size = self.size.saturating_add(octets as u64);
    }

    /// Looks at the next octets. True when they are to be kept.
    pub(super) fn see(&mut self, run: &[u8], limits: &SmtpLimits, newlines: Newlines) -> bool {
        self.skip(run.len());
        if self.refused.is_none() {
            self.header.see(run);
            self.eight_bit = self.eight_bit || !run.is_ascii();
            self.refused = self.trouble(limits, newlines);
        }
        self.refused.is_none()
    }

    fn trouble(&self, limits: &SmtpLimits, newlines: Newlines) -> Option<Refused> {
        if self.size > limits.max_message_size {
            return Some(Refused::of(Reason::TooLarge));
        }
        if self.header.size > limits.max_header_size {
            return Some(Refused::with_text(Reason::TooLarge, "the header is too large"));
        }
        if self.header.hops > limits.max_hops {
            return Some(Refused::of(Reason::MailLoop));
        }
        if let Form::Text(text) = &self.form {
            if text.bare_newline && newlines == Newlines::Refuse {
                return Some(Refused::of(Reason::BareNewline));
            }
            if text.longest_line > limits.max_text_line {
                return Some(Refused::with_text(Reason::TooLarge, "a line is too long"));
            }
        }
        None
    }
}
