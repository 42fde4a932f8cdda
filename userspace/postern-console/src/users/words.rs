//! What letters to people say, in their languages.

use postern_mail::letter::{escaped, one_line};
use postern_model::address::Address;
use postern_model::settings::users::Language;
use postern_model::time::{Span, Timestamp};

use super::digest::Held;
use crate::letters::Text;

/// `{…}` stands for what is put in.
pub struct Words {
    link_subject: &'static str,
    link_text: &'static str,
    link_button: &'static str,
    not_asked: &'static str,
    digest_subject: &'static str,
    digest_text: &'static str,
    digest_more: &'static str,
    good_for: &'static str,
    no_subject: &'static str,
}

const EN: Words = Words {
    link_subject: "Your mail in quarantine: link to log in",
    link_text: "With this link you see the mail to {address} that was held back:",
    link_button: "Open my quarantine",
    not_asked: "You did not ask for it? Then somebody else wrote your address; without this mail nobody gets in, and you can delete it.",
    digest_subject: "Held back for you: {n}",
    digest_text: "Mail to {address} that was held back since the last message of this kind. Nothing needs to be done: it is deleted after its time.",
    digest_more: "And {n} more.",
    good_for: "The link is good once, for {span}.",
    no_subject: "(no subject)",
};

const DE: Words = Words {
    link_subject: "Ihre Mail in Quarantäne: Link zur Anmeldung",
    link_text: "Mit diesem Link sehen Sie die zurückgehaltene Mail an {address}:",
    link_button: "Meine Quarantäne öffnen",
    not_asked: "Sie haben ihn nicht angefordert? Dann hat jemand anders Ihre Adresse eingegeben; ohne diese Mail kommt niemand hinein, und Sie können sie löschen.",
    digest_subject: "Für Sie zurückgehalten: {n}",
    digest_text: "Mail an {address}, die seit der letzten Nachricht dieser Art zurückgehalten wurde. Sie müssen nichts tun: nach ihrer Frist wird sie gelöscht.",
    digest_more: "Und {n} weitere.",
    good_for: "Der Link gilt einmal, {span} lang.",
    no_subject: "(kein Betreff)",
};

pub fn of(language: Language) -> &'static Words {
    match language {
        Language::En => &EN,
        Language::De => &DE,
    }
}

impl Words {
    pub fn link(&self, link: &str, address: &Address, good_for: Span) -> Text {
        let lead = self.link_text.replace("{address}", &address.to_string());
        let lifetime = self.good_for.replace("{span}", &good_for.to_string());
        Text {
            subject: self.link_subject.to_owned(),
            plain: format!("{lead}\n\n{link}\n\n{lifetime}\n\n{}\n", self.not_asked),
            html: format!("<p>{}</p>{}<p>{}</p>", escaped(&lead), self.button(link, &lifetime), escaped(self.not_asked)),
        }
    }

    /// `held`: the newest; `count`: how many there are.
    pub fn digest(&self, link: &str, address: &Address, held: &[Held], count: usize, good_for: Span) -> Text {
        let lead = self.digest_text.replace("{address}", &address.to_string());
        let lifetime = self.good_for.replace("{span}", &good_for.to_string());
        let more = count.checked_sub(held.len()).filter(|n| *n > 0).map(|n| self.digest_more.replace("{n}", &n.to_string()));
        let rows: Vec<[String; 3]> = held.iter().map(|h| self.row(h)).collect();
        let plain: String =
            rows.iter().map(|[at, from, subject]| format!("{at}  {}\n    {}\n", one_line(from), one_line(subject))).collect();
        let table: String = rows
            .iter()
            .map(|[at, from, subject]| format!("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", escaped(at), escaped(from), escaped(subject)))
            .collect();
        let more_html = more.as_deref().map(|m| format!("<p>{}</p>", escaped(m))).unwrap_or_default();
        Text {
            subject: self.digest_subject.replace("{n}", &count.to_string()),
            plain: format!(
                "{lead}\n\n{plain}{}\n{}:\n{link}\n{lifetime}\n",
                more.map(|m| format!("{m}\n")).unwrap_or_default(),
                self.link_button
            ),
            html: format!(
                "<p>{}</p><table border=\"0\" cellpadding=\"6\">{table}</table>{more_html}{}",
                escaped(&lead),
                self.button(link, &lifetime)
            ),
        }
    }

    fn row(&self, held: &Held) -> [String; 3] {
        let subject = held.subject.clone().filter(|s| !s.trim().is_empty()).unwrap_or_else(|| self.no_subject.to_owned());
        [minute(held.at), held.from.clone(), subject]
    }

    fn button(&self, link: &str, lifetime: &str) -> String {
        format!("<p><a href=\"{}\">{}</a></p><p>{}</p>", escaped(link), escaped(self.link_button), escaped(lifetime))
    }
}

/// `Fri, 27 Nov 2026 08:00`, in UTC.
fn minute(at: Timestamp) -> String {
    let whole = at.rfc5322();
    whole.rsplit_once(':').map_or(whole.clone(), |(to_the_minute, _)| format!("{to_the_minute} UTC"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_languages_fill_every_place_and_escape_what_a_sender_wrote() {
        let address: Address = "anna@example.org".parse().unwrap();
        let held = [
            Held { at: Timestamp(1_795_000_000_000), from: "<b>Eve</b>".into(), subject: Some("<script>\r\nhi".into()) },
            Held { at: Timestamp(1_795_000_000_000), from: "x@y.example".into(), subject: None },
        ];
        for language in [Language::En, Language::De] {
            let w = of(language);
            for text in
                [w.link("https://x/#/own/s", &address, Span::hours(48)), w.digest("https://x/#/own/s", &address, &held, 7, Span::hours(48))]
            {
                assert!([&text.subject, &text.plain, &text.html].iter().all(|part| !part.contains('{')), "{}", text.plain);
                assert!(!text.html.contains("<script>") && !text.html.contains("<b>"), "{}", text.html);
                assert!(text.plain.contains("https://x/#/own/s") && text.html.contains("href=\"https://x/#/own/s\""));
                assert!(text.plain.contains("anna@example.org"));
            }
            let digest = w.digest("l", &address, &held, 7, Span::hours(48));
            assert!(digest.subject.ends_with(": 7") && digest.plain.contains(" 5 "), "{}", digest.plain);
            assert!(
                digest.html.contains("&lt;b&gt;Eve&lt;/b&gt;") && digest.plain.contains("UTC  <b>Eve</b>\n    <script>  hi\n"),
                "{}",
                digest.plain
            );
            assert!(digest.plain.contains(w.no_subject));
        }
    }
}
