//! A mail as the symbols look at it: what several of them need, worked out once.

use postern_mail::authentication::{AuthResult, Authentication};
use postern_mail::message::{Header, HtmlFacts, Mailbox, Message, Part, Url, UrlSource};
use postern_model::envelope::Direction;

use crate::author;
use crate::domain_lists::{Kind, related, within};
use crate::facts::{Asked, Facts};
use crate::fold::{Folded, fold};
use crate::policy::Policy;
use crate::talk;
use crate::themes::{ThemeTable, Themes};

/// Octets of text that are folded and searched for phrases: what a reader reads is in the first part,
/// and the cost of a judgement must not grow with the padding.
const READ_LIMIT: usize = 48 * 1024;

/// Addresses of the envelope that are looked for in the mail.
const RECIPIENT_LIMIT: usize = 20;

pub struct View<'a> {
    pub facts: &'a Facts,
    pub policy: &'a Policy,
    pub mail: &'a Message,
    /// From the Internet, not from one of our own servers or an authenticated user.
    pub from_outside: bool,
    /// What sender authentication found, when it was asked.
    pub auth: Option<&'a Authentication>,
    pub subject: &'a str,
    pub folded_subject: Folded,
    pub text: Folded,
    pub themes: Themes,
    /// The first address of From that is one ([`author::shown`]).
    pub from: Option<&'a Mailbox>,
    /// Its display name as a reader sees it, empty when there is none.
    pub from_name: &'a str,
    pub folded_name: Folded,
    /// Lower case.
    pub from_address: String,
    pub from_domain: &'a str,
    /// Envelope recipients, lower case, as (local part, domain).
    pub recipients: Vec<(String, String)>,
    /// Whether envelope or signatures name the domain in From at all ([`author::can_be_confirmed`]).
    pub can_be_confirmed: Option<bool>,
    /// It came over a discussion list ([`talk::is_list_post`]).
    pub is_list: bool,
    /// It offers to leave a mailing (List-Unsubscribe), and its author can be who it says.
    pub is_newsletter: bool,
    /// It answers an earlier mail ([`talk::is_answer`]).
    pub is_reply: bool,
}

impl<'a> View<'a> {
    pub fn new(facts: &'a Facts, policy: &'a Policy) -> Self {
        let mail = &facts.message;
        let subject = mail.subject.as_deref().unwrap_or("");
        let folded_subject = fold(subject, 1000);
        let text = fold(&mail.text, READ_LIMIT);
        let themes = ThemeTable::shared().read(&folded_subject.text, &text.text);
        let (from, from_name) = author::shown(mail);
        let recipients = facts.recipients.iter().take(RECIPIENT_LIMIT).filter_map(|r| {
            let (local, domain) = r.rsplit_once('@')?;
            Some((local.to_lowercase(), domain.to_lowercase()))
        });
        let has = |name: &str| mail.headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
        let from_domain = from.and_then(Mailbox::domain).unwrap_or("");
        let can_be_confirmed = author::can_be_confirmed(facts, from_domain);
        Self {
            facts,
            policy,
            mail,
            from_outside: facts.direction == Direction::Inbound && facts.connection.login.is_none(),
            auth: match &facts.authentication {
                Asked::Yes(auth) => Some(auth),
                Asked::No | Asked::Failed => None,
            },
            subject,
            themes,
            from,
            from_name,
            folded_name: fold(from_name, 400),
            from_address: from.map(|f| f.address.to_lowercase()).unwrap_or_default(),
            from_domain,
            recipients: recipients.collect(),
            can_be_confirmed,
            is_list: talk::is_list_post(mail),
            is_newsletter: has("List-Unsubscribe") && can_be_confirmed != Some(false),
            is_reply: talk::is_answer(mail, &folded_subject, &text),
            folded_subject,
            text,
        }
    }

    pub fn header(&self, name: &str) -> Option<&'a Header> {
        self.mail.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))
    }

    /// The value of a header field, empty when there is none.
    pub fn value(&self, name: &str) -> &'a str {
        self.header(name).map_or("", |h| h.value.as_str())
    }

    pub fn count(&self, name: &str) -> usize {
        self.mail.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name)).count()
    }

    pub fn is_own(&self, domain: &str) -> bool {
        self.facts.own_domains.iter().any(|own| within(domain, own.as_str()))
    }

    pub fn is_free_mailer(&self, domain: &str) -> bool {
        self.policy.lists.is(Kind::FreeMailer, domain)
    }

    /// Whether SPF or DKIM agrees that the mail is from the domain in From; `None`: nobody asked.
    pub fn from_is_authentic(&self) -> Option<bool> {
        let auth = self.auth?;
        let dkim = auth.dkim.iter().any(|d| d.result == AuthResult::Pass && related(&d.domain, self.from_domain));
        let spf = auth.spf == AuthResult::Pass && related(&auth.spf_domain, self.from_domain);
        Some(auth.dmarc == AuthResult::Pass || auth.dmarc_dkim_aligned || auth.dmarc_spf_aligned || dkim || spf)
    }

    /// A forwarder the operator trusts says that DMARC passed when it got the mail (RFC 8617).
    pub fn arc_vouches(&self) -> bool {
        self.auth.is_some_and(|a| a.arc == AuthResult::Pass && a.arc_dmarc_pass && self.policy.trusts_sealer(&a.arc_sealer))
    }

    /// `domain` may speak for the brand. A free mailer's domain belongs to its customers, except its
    /// own service addresses.
    pub fn speaks_for(&self, brand: usize, domain: &str) -> bool {
        self.policy.brands.owns(brand, domain) && (!self.is_free_mailer(domain) || self.is_service_address())
    }

    fn is_service_address(&self) -> bool {
        let local = self.from_address.split('@').next().unwrap_or_default();
        const OWN: &[&str] = &[
            "noreply",
            "no-reply",
            "donotreply",
            "mailings",
            "newsletter",
            "info",
            "neu",
            "keineantwortadresse",
            "postmaster",
            "mailer-daemon",
        ];
        OWN.contains(&local)
    }

    /// The From domain is a known brand's (not a free mailer's), and nothing contradicts it.
    pub fn is_from_brand(&self) -> bool {
        self.policy.brands.owner(self.from_domain).is_some_and(|id| self.speaks_for(id, self.from_domain))
            && self.from_is_authentic().or(self.can_be_confirmed) != Some(false)
            && !self.policy.lists.is_shared_ground(self.from_domain)
    }

    /// URLs a reader may follow: not pictures, not addresses of mail.
    pub fn links(&self) -> impl Iterator<Item = &'a Url> + use<'a> {
        self.mail.urls.iter().filter(|u| is_clickable(u) && matches!(u.scheme.as_str(), "http" | "https" | "ftp") && !u.host.is_empty())
    }

    /// Domains (hosts) the links lead to that have nothing to do with From.
    pub fn foreign_links(&self) -> impl Iterator<Item = &'a Url> + use<'_, 'a> {
        self.links().filter(|u| !related(&u.host, self.from_domain))
    }

    /// Parts that carry content, not multiparts.
    pub fn leaves(&self) -> impl Iterator<Item = &'a Part> + use<'a> {
        self.mail.parts.iter().filter(|p| !p.is_multipart)
    }

    pub fn attachments(&self) -> impl Iterator<Item = &'a Part> + use<'a> {
        self.leaves().filter(|p| p.is_attachment || p.filename.is_some())
    }

    /// HTML that is shown as the mail, not attached to it.
    pub fn inline_html(&self) -> impl Iterator<Item = &'a HtmlFacts> + use<'a> {
        let mail = self.mail;
        mail.html.iter().filter(move |h| !mail.parts.get(h.part).is_some_and(|p| p.is_attachment))
    }

    pub fn attached_html(&self) -> impl Iterator<Item = (&'a HtmlFacts, &'a Part)> + use<'a> {
        let mail = self.mail;
        mail.html.iter().filter_map(move |h| Some((h, mail.parts.get(h.part).filter(|p| p.is_attachment)?)))
    }

    /// Letters a reader sees, in all.
    pub fn text_length(&self) -> usize {
        self.text.text.len()
    }

    /// Somebody wants the reader to prove himself or to act on an account.
    pub fn is_credential_lure(&self) -> bool {
        self.themes.first_of(crate::symbols::lure::CREDENTIAL).is_some()
    }
}

fn is_clickable(url: &Url) -> bool {
    matches!(url.source, UrlSource::Text | UrlSource::HtmlLink | UrlSource::HtmlForm | UrlSource::Subject | UrlSource::Attachment)
}
