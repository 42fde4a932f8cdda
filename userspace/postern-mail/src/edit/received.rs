//! Our Received field (RFC 5321 §4.4), with the protocol names of RFC 3848 and RFC 6531 §4.3.

use std::net::IpAddr;

use super::{Input, fold};

const MAX_WORD: usize = 255;

pub(super) fn field(input: &Input<'_>) -> String {
    let client = input.client;
    let helo = Some(printable(&client.helo, input.envelope.smtputf8)).filter(|h| !h.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    let literal = match client.ip() {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    };
    let mut words = vec!["from".to_owned(), helo];
    match &client.reverse {
        Some(name) => words.extend([format!("({}", printable(name, false)), format!("{literal})")]),
        None => words.push(format!("({literal})")),
    }
    if let Some(tls) = &client.tls {
        words.extend([format!("(using {}", printable(&tls.version, false)), "with".into(), "cipher".into()]);
        let cipher = printable(&tls.cipher, false);
        match &tls.key_exchange {
            Some(group) => words.extend([cipher, "over".into(), format!("{})", printable(group, false))]),
            None => words.push(format!("{cipher})")),
        }
    }
    words.extend(["by".to_owned(), printable(input.hostname, false), "with".to_owned(), protocol(input).to_owned()]);
    words.extend(["id".to_owned(), input.id.to_string()]);
    // With several recipients each would learn of the others (RFC 5321 §7.2).
    if let [only] = input.envelope.recipients.as_slice() {
        let address = only.address.to_string();
        if address.is_ascii() || input.envelope.smtputf8 {
            words.extend(["for".to_owned(), format!("<{address}>")]);
        }
    }
    if let Some(last) = words.last_mut() {
        last.push(';');
    }
    words.extend(input.at.rfc5322().split(' ').map(str::to_owned));
    fold("Received", words)
}

fn protocol(input: &Input<'_>) -> &'static str {
    let client = input.client;
    match (input.envelope.smtputf8, client.esmtp, client.tls.is_some(), client.login.is_some()) {
        (true, _, false, false) => "UTF8SMTP",
        (true, _, false, true) => "UTF8SMTPA",
        (true, _, true, false) => "UTF8SMTPS",
        (true, _, true, true) => "UTF8SMTPSA",
        (false, false, ..) => "SMTP",
        (false, true, false, false) => "ESMTP",
        (false, true, false, true) => "ESMTPA",
        (false, true, true, false) => "ESMTPS",
        (false, true, true, true) => "ESMTPSA",
    }
}

/// What the client said, without anything that could end the word, the comment or the line.
fn printable(text: &str, allow_utf8: bool) -> String {
    text.chars()
        .filter(|c| !c.is_control() && !c.is_whitespace() && (c.is_ascii() || allow_utf8))
        .map(|c| if matches!(c, '(' | ')' | ';' | '<' | '>' | '\\' | '"' | ',') { '_' } else { c })
        .take(MAX_WORD)
        .collect()
}
