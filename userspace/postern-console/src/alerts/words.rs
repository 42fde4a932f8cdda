//! What mails about alerts say, in their languages. What was found (`detail`) is said as the node says it, in English.

use postern_mail::letter::{escaped, one_line};
use postern_model::settings::users::Language;

use super::book::{Alert, Event};
use crate::letters::Text;

/// `{…}` stands for what is put in.
pub struct Words {
    subjects: [&'static str; 4],
    leads: [&'static str; 4],
    since: &'static str,
    node: &'static str,
    acknowledged: &'static str,
    foot: &'static str,
    language: Language,
}

const EN: Words = Words {
    subjects: ["Alert: {what}", "Still: {what}", "Resolved: {what}", "Test of alerts"],
    leads: [
        "Something is wrong:",
        "Something is still wrong, and nobody has acknowledged it:",
        "This is over:",
        "Mails about alerts of this gateway reach you. Nothing is wrong: somebody tried it.",
    ],
    since: "since {when}",
    node: "on {node}",
    acknowledged: "acknowledged by {who}",
    foot: "Said by {node}. Acknowledge on the page Overview, or by `postern alerts acknowledge`.",
    language: Language::En,
};

const DE: Words = Words {
    subjects: ["Alarm: {what}", "Noch immer: {what}", "Behoben: {what}", "Probe der Alarme"],
    leads: [
        "Etwas ist nicht in Ordnung:",
        "Etwas ist noch immer nicht in Ordnung, und niemand hat es bestätigt:",
        "Das ist vorbei:",
        "Mails über Alarme dieses Gateways erreichen Sie. Alles ist in Ordnung: jemand hat es ausprobiert.",
    ],
    since: "seit {when}",
    node: "auf {node}",
    acknowledged: "bestätigt von {who}",
    foot: "Gemeldet von {node}. Bestätigen: auf der Seite Übersicht, oder mit `postern alerts acknowledge`.",
    language: Language::De,
};

pub fn of(language: Language) -> &'static Words {
    match language {
        Language::En => &EN,
        Language::De => &DE,
    }
}

impl Words {
    /// `host`: who says it.
    pub fn letter(&self, event: Event, alerts: &[Alert], host: &str) -> Text {
        let at = match event {
            Event::Raised => 0,
            Event::Repeated => 1,
            Event::Resolved => 2,
            Event::Test => 3,
        };
        let (lead, foot) = (self.leads[at], self.foot.replace("{node}", host));
        let entries: Vec<[String; 3]> = alerts.iter().map(|a| self.entry(a)).collect();
        let plain: String =
            entries.iter().map(|[head, about, detail]| format!("{}\n    {about}\n    {}\n\n", one_line(head), one_line(detail))).collect();
        let rows: String = entries
            .iter()
            .map(|[head, about, detail]| {
                format!("<li><strong>{}</strong><br>{}<br>{}</li>", escaped(head), escaped(about), escaped(detail))
            })
            .collect();
        Text {
            subject: format!("[{host}] {}", self.subjects[at].replace("{what}", &self.what(alerts))),
            plain: format!("{lead}\n\n{plain}{foot}\n"),
            html: format!("<p>{}</p><ul>{rows}</ul><p>{}</p>", escaped(lead), escaped(&foot)),
        }
    }

    /// The first, and how many more.
    fn what(&self, alerts: &[Alert]) -> String {
        let first = alerts.first().map_or_else(String::new, |a| one_line(&self.head(a)));
        match alerts.len() {
            0 | 1 => first,
            n => format!("{first} (+{})", n - 1),
        }
    }

    fn head(&self, alert: &Alert) -> String {
        let phrase = alert.condition.phrase(self.language);
        if alert.subject.is_empty() { phrase.to_owned() } else { format!("{phrase}: {}", alert.subject) }
    }

    fn entry(&self, alert: &Alert) -> [String; 3] {
        let mut about = vec![alert.condition.to_string()];
        about.extend(alert.node.as_ref().map(|node| self.node.replace("{node}", node)));
        about.push(self.since.replace("{when}", &alert.raised.rfc5322()));
        about.extend(alert.acknowledged.as_ref().map(|a| self.acknowledged.replace("{who}", &a.by)));
        [self.head(alert), about.join(", "), alert.detail.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_model::alert::Condition;
    use postern_model::time::Timestamp;

    #[test]
    fn both_languages_fill_every_place_and_escape_what_a_server_said() {
        let alert = |condition| Alert {
            id: "0".into(),
            condition,
            subject: "backends of <b>".into(),
            node: Some("mx1".into()),
            detail: "450 <script>\r\nBcc: x".into(),
            raised: Timestamp(1_795_000_000_000),
            seen: true,
            told: None,
            acknowledged: None,
            ended: None,
        };
        let all: Vec<Alert> = Condition::ALL.iter().map(|c| alert(*c)).collect();
        for language in [Language::En, Language::De] {
            for event in [Event::Raised, Event::Repeated, Event::Resolved, Event::Test] {
                let text = of(language).letter(event, &all, "mx1.example");
                assert!([&text.subject, &text.plain, &text.html].iter().all(|part| !part.contains('{')), "{}", text.plain);
                assert!(!text.html.contains("<script>") && !text.html.contains("<b>"), "{}", text.html);
                assert!(text.plain.contains("    450 <script>  Bcc: x\n") && text.plain.contains("mx1.example"), "{}", text.plain);
                assert!(Condition::ALL.iter().all(|c| text.plain.contains(c.name())));
            }
        }
        let one = of(Language::De).letter(Event::Resolved, &all[..1], "mx1.example");
        assert_eq!(one.subject, "[mx1.example] Behoben: Knoten nicht erreichbar: backends of <b>");
        let others = format!(" (+{})", all.len() - 1);
        assert!(of(Language::En).letter(Event::Raised, &all, "mx1").subject.ends_with(&others));
    }
}
