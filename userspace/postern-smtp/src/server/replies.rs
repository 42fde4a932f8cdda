//! The replies that list or describe what this server can do.

use super::config::{Dialect, StartTls};
use super::machine::Server;

impl Server {
    /// The reply to EHLO and LHLO: our name and the extensions, by the documents that define them.
    pub(super) fn say_extensions(&mut self) {
        let limits = &self.config.limits;
        let mut text = format!("{}\nPIPELINING\nSIZE {}", self.config.hostname, limits.max_message_size);
        if !self.over_tls && self.start_tls != StartTls::NotOffered {
            text.push_str("\nSTARTTLS");
        }
        if self.over_tls {
            // RFC 8689 §2: only over TLS.
            text.push_str("\nREQUIRETLS");
        }
        text.push_str("\n8BITMIME\nENHANCEDSTATUSCODES\nSMTPUTF8\nDSN\nCHUNKING\nBINARYMIME");
        // RFC 9422.
        text.push_str(&format!("\nLIMITS RCPTMAX={} MAILMAX={}", limits.max_recipients, limits.max_transactions));
        self.say(250, "", &text);
    }

    pub(super) fn say_help(&mut self) {
        let hello = if self.config.dialect == Dialect::Lmtp { "LHLO" } else { "EHLO HELO" };
        let text = format!("{hello} MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS QUIT\nsee RFC 5321");
        self.say(214, "2.0.0", &text);
    }
}
