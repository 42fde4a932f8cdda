//! Whether a mail belongs to a conversation: a discussion list's post, an answer.
//!
//! Both are judged more mildly (people link to odd places when they talk), so both are forged: mass
//! mailers copy a List-Id or an In-Reply-To from honest mail. One field is therefore never enough; a
//! list manager writes several that belong together, and an answer looks like one to its reader.

use postern_mail::message::Message;

use crate::fold::Folded;

/// Fields that only managers of discussion lists write; newsletters have List-Id and List-Unsubscribe alone.
const LIST_MANAGER: &[&str] =
    &["List-Post", "List-Archive", "List-Subscribe", "List-Owner", "X-Mailman-Version", "X-BeenThere", "Mailing-List", "X-Mailing-List"];

/// What stands beside them.
const LIST_USUAL: &[&str] = &["List-Id", "List-Help", "List-Unsubscribe", "Errors-To", "Sender", "X-Loop", "X-Original-To", "Delivered-To"];

/// Longest Message-ID that a program writes; RFC 5322 has no bound below that of a line.
const ID_LIMIT: usize = 250;

pub fn is_list_post(mail: &Message) -> bool {
    let has = |name: &&&str| mail.headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
    let precedence = mail.headers.iter().any(|h| h.name.eq_ignore_ascii_case("Precedence") && h.value.trim().eq_ignore_ascii_case("list"));
    let manager = LIST_MANAGER.iter().filter(has).count() + usize::from(precedence);
    manager >= 2 || manager == 1 && LIST_USUAL.iter().any(|n| has(&n))
}

/// An answer: it refers to a mail that can exist, and shows it by its subject or by what it quotes.
pub fn is_answer(mail: &Message, subject: &Folded, text: &Folded) -> bool {
    refers(mail) && !refers_to_nonsense(mail) && (has_answer_prefix(&subject.text) || quotes(mail, text))
}

/// In-Reply-To or References is there, whatever it says.
pub fn refers(mail: &Message) -> bool {
    references(mail).next().is_some()
}

/// A reference that no program writes: longer than any Message-ID.
pub fn refers_to_nonsense(mail: &Message) -> bool {
    references(mail).any(|value| {
        // With brackets or without, and with a comment beside it: one word is one id.
        value.split(['<', '>', ' ', '\t']).any(|id| id.len() > ID_LIMIT) || value.len() > 60 * ID_LIMIT
    })
}

fn references(mail: &Message) -> impl Iterator<Item = &str> {
    mail.headers
        .iter()
        .filter(|h| h.name.eq_ignore_ascii_case("In-Reply-To") || h.name.eq_ignore_ascii_case("References"))
        .map(|h| h.value.trim())
        .filter(|v| !v.is_empty())
}

/// `re:`, `aw: `, `[list] re:` at the beginning of a folded subject.
pub fn has_answer_prefix(subject: &str) -> bool {
    const PREFIXES: &[&str] =
        &["re:", "re :", "aw:", "fw:", "fwd:", "wg:", "sv:", "vs:", "antw:", "tr:", "rv:", "res:", "enc:", "odp:", "r:"];
    let bare = match subject.trim_start().strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(_, r)| r),
        None => subject,
    };
    PREFIXES.iter().any(|p| bare.trim_start().starts_with(p) || subject.starts_with(p))
}

fn quotes(mail: &Message, text: &Folded) -> bool {
    const MARKS: &[&str] = &[
        " wrote:",
        " writes:",
        " schrieb",
        "a ecrit :",
        "escribio:",
        "ha scritto:",
        "escreveu:",
        "schreef ",
        "original message",
        "ursprungliche nachricht",
        "message d'origine",
        "mensaje original",
    ];
    mail.text.lines().take(600).any(|l| l.starts_with('>')) || MARKS.iter().any(|m| text.text.contains(m))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::fold;
    use postern_mail::message::Header;

    fn mail(fields: &[(&str, &str)], text: &str) -> Message {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: (*value).into(), ..Header::default() };
        Message { headers: fields.iter().map(header).collect(), text: text.into(), ..Message::default() }
    }

    fn answers(fields: &[(&str, &str)], subject: &str, text: &str) -> bool {
        is_answer(&mail(fields, text), &fold(subject, 1000), &fold(text, 1000))
    }

    #[test]
    fn one_field_makes_no_list() {
        assert!(!is_list_post(&mail(&[("List-Id", "<1.xt.local>"), ("List-Unsubscribe", "<https://x.example>")], "")));
        assert!(!is_list_post(&mail(&[("Precedence", "list")], "")));
        assert!(is_list_post(&mail(&[("Precedence", "list"), ("List-Id", "<a.example>")], "")));
        assert!(is_list_post(&mail(&[("List-Post", "<mailto:a@b.example>"), ("Sender", "a@b.example")], "")));
    }

    #[test]
    fn an_answer_shows_what_it_answers() {
        let id = [("In-Reply-To", "<1@a.example>")];
        assert!(answers(&id, "Re: lunch", "") && answers(&id, "lunch", "On Monday Erika wrote:\nyes"));
        assert!(answers(&id, "[team] AW: lunch", "") && answers(&id, "x", "> yes"));
        assert!(!answers(&id, "Your parcel", "Pay the fee.") && !answers(&[], "Re: lunch", "> yes"));
        let long = format!("<{}@a.example>", "x".repeat(400));
        assert!(!answers(&[("References", &long)], "Re: lunch", "> yes"));
    }
}
