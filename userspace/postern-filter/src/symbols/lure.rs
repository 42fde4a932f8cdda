//! Combinations: what the mail is about, taken together with who sends it and where it leads.
//! Each half is usual in honest mail; together they are how phishing works.

use super::{
    Findings, Symbol, attachment, attachment_content, authorship, headers, html, impersonation, picture, reply_to, sender, sender_form,
    url, url_host, url_path,
};
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Body:
    LURE_WITH_ODD_LINK = 2.5, "Asks to act on an account, money or a parcel, and the link leads to an odd place.";
    LURE_WITH_FOREIGN_LINK = 1.2, "Asks to act on an account, offers a gift or threatens, and every link leads away from the author's domain.";
    LURE_FROM_FREE_MAILER = 1.8, "A free mailer's user writes about the reader's account, parcel or payment.";
    LURE_FROM_ODD_SENDER = 1.5, "A lure from an address that is odd by itself (random, abused zone, look-alike).";
    LURE_URGENT = 1.0, "A lure that presses for time.";
    LURE_GENERIC = 0.8, "A lure that does not know the reader's name.";
    LURE_WITH_ATTACHED_PAGE = 2.0, "A lure with a web page attached.";
    LURE_WITH_RECIPIENT = 1.0, "A lure that repeats the reader's address.";
    MONEY_FROM_STRANGER = 2.0, "Millions, heirs or loans, with an answer to a free mailer.";
    BOSS_FRAUD = 2.0, "A short note that opens boss fraud or changes bank details, from a free mailer or with another reply address.";
    EXTORTION_WITH_WALLET = 2.5, "Extortion with an address for the ransom.";
    MALWARE_LURE = 1.5, "An order, invoice or document as bait for a risky attachment.";
    PRIZE_WITH_ODD_LINK = 1.5, "A prize behind an odd link.";
}

/// Themes of credential phishing.
pub const CREDENTIAL: &[Theme] = &[
    Theme::AccountSuspended,
    Theme::VerifyAccount,
    Theme::UnusualSignin,
    Theme::PasswordExpiry,
    Theme::MailboxQuota,
    Theme::Parcel,
    Theme::PaymentFailed,
    Theme::Voicemail,
];

/// Gifts and threats of strangers: with them, too, every link leads to the sender's own site in honest mail.
const GIFTS: &[Theme] = &[Theme::Prize, Theme::CryptoGift, Theme::Gambling, Theme::LegalThreat, Theme::RefundTax, Theme::RewardPoints];

/// Themes that are used as bait with links as well, though business mail knows them.
const BAIT: &[Theme] = &[
    Theme::DocumentShare,
    Theme::RefundTax,
    Theme::RewardPoints,
    Theme::Crypto,
    Theme::TechSupport,
    Theme::Invoice,
    Theme::SubscriptionCallback,
    Theme::LegalThreat,
    Theme::CryptoGift,
    Theme::Gambling,
];

static ODD_LINKS: &[&Symbol] = &[
    &url::URL_ADDRESS,
    &url::URL_ADDRESS_DISGUISED,
    &url::URL_USERINFO,
    &url::URL_TEXT_LIES,
    &url::URL_RECIPIENT,
    &url::URL_OPEN_REDIRECT,
    &url_host::URL_SHORTENER,
    &url_host::URL_FREE_HOSTING,
    &url_host::URL_FORM_BUILDER,
    &url_host::URL_IPFS,
    &url_host::URL_TUNNEL,
    &url_host::URL_DYNAMIC_DNS,
    &url_host::URL_BUCKET,
    &url_host::URL_ABUSED_ZONE,
    &url_host::URL_RANDOM_HOST,
    &url_host::URL_PUNYCODE,
    &url::URL_HACKED_SITE,
    &url_path::URL_ALL_SHORTENED,
    &url_path::URL_CODE_PATH,
    &url_path::URL_SERVER_NAME,
    &picture::PICTURE_FROM_ADDRESS,
    &picture::PICTURE_FROM_ANONYMOUS_HOST,
    &impersonation::BRAND_IN_URL,
    &impersonation::BRAND_LOOKALIKE_URL,
    &impersonation::OWN_DOMAIN_LOOKALIKE_URL,
];

static ODD_SENDERS: &[&Symbol] = &[
    &sender::FROM_RANDOM,
    &sender::FROM_ABUSED_ZONE,
    &sender::FROM_FREE_GROUND,
    &sender::FROM_DOMAIN_RANDOM,
    &sender::FROM_NAME_MIXED_SCRIPT,
    &sender::FROM_NOREPLY_FREE_MAILER,
    &impersonation::BRAND_IN_NAME,
    &impersonation::BRAND_IN_FROM_DOMAIN,
    &impersonation::BRAND_LOOKALIKE_FROM,
    &impersonation::HELPDESK_FROM_OUTSIDE,
    &impersonation::OWN_DOMAIN_IN_NAME,
    &impersonation::NAME_HAS_OTHER_ADDRESS,
    &impersonation::OWN_DOMAIN_FORGED,
    &authorship::FROM_BRAND_FORGED,
    &authorship::ENVELOPE_NULL,
    &authorship::REFERENCE_NONSENSE,
    &sender_form::FROM_ADDRESS_PADDED,
    &sender_form::FROM_NAME_AND_NUMBER,
    &sender_form::FROM_DEEP_DOMAIN,
    &sender_form::FROM_HOST_RANDOM,
    &sender_form::FROM_NAME_DECORATED,
    &sender_form::FROM_SERVER_USER,
    &headers::FROM_SEVERAL,
    &headers::FROM_INVALID,
];

pub fn check(view: &View<'_>, found: &mut Findings) {
    if !view.from_outside || view.is_from_brand() {
        return;
    }
    let themes = &view.themes;
    let credential = themes.first_of(CREDENTIAL);
    let bait = credential.or_else(|| themes.first_of(BAIT));
    let odd_link = found.any_of(ODD_LINKS);
    foreign_links(view, found);
    if let Some(theme) = bait {
        let seen = themes.evidence(theme);
        if odd_link {
            found.add(&LURE_WITH_ODD_LINK, seen);
        }
        if found.any_of(ODD_SENDERS) {
            found.add(&LURE_FROM_ODD_SENDER, &view.from_address);
        }
        if found.any_of(&[&attachment::ATTACHMENT_HTML, &attachment::ATTACHMENT_SVG]) {
            found.add(&LURE_WITH_ATTACHED_PAGE, seen);
        }
        if found.has(&super::body_form::BODY_HAS_RECIPIENT)
            || found.has(&url::URL_RECIPIENT)
            || found.has(&super::subject::SUBJECT_HAS_RECIPIENT)
        {
            found.add(&LURE_WITH_RECIPIENT, seen);
        }
    }
    if let Some(theme) = credential.filter(|_| !view.is_reply && !view.is_list) {
        if view.is_free_mailer(view.from_domain) && (view.links().next().is_some() || found.has(&attachment::ATTACHMENT_HTML)) {
            found.add(&LURE_FROM_FREE_MAILER, themes.evidence(theme));
        }
        if themes.has(Theme::Urgency) {
            found.add(&LURE_URGENT, themes.evidence(Theme::Urgency));
        }
        if found.has(&super::body::THEME_GENERIC_GREETING) {
            found.add(&LURE_GENERIC, themes.evidence(Theme::GenericGreeting));
        }
    }
    money(view, odd_link, found);
    let risky = [
        &attachment::ATTACHMENT_ENCRYPTED,
        &attachment::ATTACHMENT_UNUSUAL_ARCHIVE,
        &attachment::ATTACHMENT_DISK_IMAGE,
        &attachment::ATTACHMENT_EXECUTABLE,
        &attachment::ATTACHMENT_SCRIPT,
        &attachment::ATTACHMENT_HTML,
        &attachment::ATTACHMENT_SVG,
        &attachment_content::ATTACHMENT_MACROS,
        &attachment_content::ARCHIVE_EXECUTABLE,
        &attachment::ATTACHMENT_ONENOTE,
        &attachment::ATTACHMENT_SHORTCUT,
    ];
    if let Some(theme) =
        themes.first_of(&[Theme::Invoice, Theme::DocumentShare, Theme::Parcel, Theme::Voicemail, Theme::SubscriptionCallback])
        && found.any_of(&risky)
        && !view.is_reply
    {
        found.add(&MALWARE_LURE, themes.evidence(theme));
    }
}

/// Machines of a large firm, its newsletter service and its shops have different domains, so foreign
/// links say something only with a lure, and less with a way to unsubscribe.
fn foreign_links(view: &View<'_>, found: &mut Findings) {
    let lure = view.is_credential_lure() || view.themes.first_of(GIFTS).is_some();
    let all_foreign = view.links().next().is_some() && view.links().count() == view.foreign_links().count();
    if lure && all_foreign && !view.is_list && !view.is_newsletter {
        found.add(&LURE_WITH_FOREIGN_LINK, view.foreign_links().next().map_or("", |u| u.host.as_str()));
    }
}

fn money(view: &View<'_>, odd_link: bool, found: &mut Findings) {
    let themes = &view.themes;
    let answers_elsewhere = view.mail.reply_to.first().and_then(|r| r.domain()).is_some_and(|d| view.is_free_mailer(d));
    let free = view.is_free_mailer(view.from_domain) || answers_elsewhere;
    if let Some(theme) = themes.first_of(&[Theme::Inheritance, Theme::Lottery, Theme::Investment])
        && free
        && !view.is_list
    {
        found.add(&MONEY_FROM_STRANGER, themes.evidence(theme));
    }
    let opening = found.has(&super::body::THEME_BOSS_ASKS)
        || ((themes.has(Theme::PaymentChange) || themes.has(Theme::GiftCard)) && view.text_length() < 2000);
    let elsewhere = found.any_of(&[
        &reply_to::REPLY_TO_FREE_MAILER,
        &reply_to::REPLY_TO_OTHER_DOMAIN,
        &reply_to::REPLY_TO_OTHER_FREE_MAILER,
        &impersonation::PERSON_FORGED,
        &impersonation::EXECUTIVE_TITLE,
    ]);
    if opening && (view.is_free_mailer(view.from_domain) || elsewhere) && !view.is_reply && !view.is_list {
        found.add(
            &BOSS_FRAUD,
            themes.first_of(&[Theme::BecOpening, Theme::PaymentChange, Theme::GiftCard]).map_or("", |t| themes.evidence(t)),
        );
    }
    if themes.has(Theme::Extortion) && (found.has(&super::body_form::BODY_BITCOIN_ADDRESS) || found.has(&html::HTML_IMAGE_ONLY)) {
        found.add(&EXTORTION_WITH_WALLET, themes.evidence(Theme::Extortion));
    }
    if themes.has(Theme::Prize) && (odd_link || view.is_free_mailer(view.from_domain) || found.any_of(ODD_SENDERS)) && !view.is_list {
        found.add(&PRIZE_WITH_ODD_LINK, themes.evidence(Theme::Prize));
    }
}
