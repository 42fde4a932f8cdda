//! What the text is about: one symbol per theme (`data/themes.txt`). Honest mail speaks of
//! payments and passwords too, so themes that business mail knows weigh little here and count
//! through their combinations (`lure.rs`).

use super::{Findings, Symbol};
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Body:
    THEME_ACCOUNT_SUSPENDED = 1.0, "An account is said to be blocked or about to be.";
    THEME_VERIFY_ACCOUNT = 0.8, "The reader is to confirm an account or his data.";
    THEME_UNUSUAL_SIGNIN = 0.6, "An unusual sign-in or transaction is reported.";
    THEME_PASSWORD_EXPIRY = 1.2, "A password is said to expire.";
    THEME_MAILBOX_QUOTA = 1.2, "The mailbox is said to be full, or mails to be held back.";
    THEME_VOICEMAIL = 0.7, "A voice message or fax is said to wait.";
    THEME_DOCUMENT = 0.3, "A document is to be looked at or signed.";
    THEME_INVOICE = 0.1, "An invoice, order or payment.";
    THEME_PARCEL = 0.8, "A parcel that could not be delivered, or wants a fee.";
    THEME_PAYMENT_FAILED = 0.5, "A payment failed or a subscription ends.";
    THEME_CALLBACK = 1.2, "A purchase nobody made, to be cancelled by telephone.";
    THEME_REFUND = 0.4, "A refund or tax money.";
    THEME_PRIZE = 1.8, "The reader was chosen, won, or gets a reward for a survey.";
    THEME_REWARD_POINTS = 0.8, "Points of a bonus programme are about to expire.";
    THEME_LOTTERY = 2.0, "A lottery the reader never played.";
    THEME_ADVANCE_FEE = 2.5, "An inheritance, a dead client, a fund: help to move millions.";
    THEME_EXTORTION = 3.5, "Extortion: a recording, a hacked device, a ransom.";
    THEME_GIFT_CARDS = 1.8, "Gift cards are to be bought and their codes sent.";
    THEME_BOSS_ASKS = 1.5, "\"Are you available?\": how boss fraud begins.";
    THEME_BANK_CHANGE = 1.0, "Bank details are changed, or a payment is ordered by mail.";
    THEME_CRYPTO = 1.2, "Crypto money, wallets, recovery phrases.";
    THEME_CRYPTO_GIFT = 2.0, "Coins or tokens are given away: the reader is to claim them or to connect a wallet.";
    THEME_LOAN_OFFER = 1.5, "Loans and funding are offered.";
    THEME_PHARMACY = 2.2, "Medicine without a prescription.";
    THEME_MIRACLE_CURE = 1.6, "Weight loss and miracle cures.";
    THEME_REPLICA = 2.0, "Replica goods, diplomas, cheap software.";
    THEME_MORTGAGE = 1.6, "Mortgages, insurance, debt relief.";
    THEME_ADULT = 1.8, "Pornography.";
    THEME_DATING = 1.5, "Singles who want to meet the reader.";
    THEME_STOCK = 1.8, "Penny stocks.";
    THEME_MAKE_MONEY = 1.6, "Money for little work, business opportunities.";
    THEME_BULK_MARKETING = 0.9, "The phrases of advertising, many of them.";
    THEME_BULK_DISCLAIMER = 1.2, "Says that it is no spam, or how to be removed.";
    THEME_BULK_TOOLS = 1.5, "Sells addresses, rankings, web design, mailing tools.";
    THEME_TECH_SUPPORT = 1.2, "Viruses were found, the protection has expired.";
    THEME_GENERIC_GREETING = 0.7, "Greets a customer, user or friend without a name.";
    THEME_GAMBLING = 1.8, "Casinos and bets, with a bonus for the first deposit.";
    THEME_LEGAL_THREAT = 1.2, "A summons, a lawsuit or a police matter is announced by mail.";
    THEME_ENABLE_CONTENT = 2.5, "Tells the reader to switch macros on or to paste a command.";
}

static BY_THEME: &[(Theme, &Symbol)] = &[
    (Theme::AccountSuspended, &THEME_ACCOUNT_SUSPENDED),
    (Theme::VerifyAccount, &THEME_VERIFY_ACCOUNT),
    (Theme::UnusualSignin, &THEME_UNUSUAL_SIGNIN),
    (Theme::PasswordExpiry, &THEME_PASSWORD_EXPIRY),
    (Theme::MailboxQuota, &THEME_MAILBOX_QUOTA),
    (Theme::Voicemail, &THEME_VOICEMAIL),
    (Theme::DocumentShare, &THEME_DOCUMENT),
    (Theme::Invoice, &THEME_INVOICE),
    (Theme::Parcel, &THEME_PARCEL),
    (Theme::PaymentFailed, &THEME_PAYMENT_FAILED),
    (Theme::SubscriptionCallback, &THEME_CALLBACK),
    (Theme::RefundTax, &THEME_REFUND),
    (Theme::Prize, &THEME_PRIZE),
    (Theme::RewardPoints, &THEME_REWARD_POINTS),
    (Theme::Lottery, &THEME_LOTTERY),
    (Theme::Inheritance, &THEME_ADVANCE_FEE),
    (Theme::Extortion, &THEME_EXTORTION),
    (Theme::GiftCard, &THEME_GIFT_CARDS),
    (Theme::PaymentChange, &THEME_BANK_CHANGE),
    (Theme::Crypto, &THEME_CRYPTO),
    (Theme::CryptoGift, &THEME_CRYPTO_GIFT),
    (Theme::Investment, &THEME_LOAN_OFFER),
    (Theme::Pharmacy, &THEME_PHARMACY),
    (Theme::Diet, &THEME_MIRACLE_CURE),
    (Theme::Replica, &THEME_REPLICA),
    (Theme::Mortgage, &THEME_MORTGAGE),
    (Theme::Adult, &THEME_ADULT),
    (Theme::Dating, &THEME_DATING),
    (Theme::Stock, &THEME_STOCK),
    (Theme::MakeMoney, &THEME_MAKE_MONEY),
    (Theme::BulkMarketing, &THEME_BULK_MARKETING),
    (Theme::BulkDisclaimer, &THEME_BULK_DISCLAIMER),
    (Theme::BulkMailTools, &THEME_BULK_TOOLS),
    (Theme::TechSupport, &THEME_TECH_SUPPORT),
    (Theme::EnableContent, &THEME_ENABLE_CONTENT),
    (Theme::Gambling, &THEME_GAMBLING),
    (Theme::LegalThreat, &THEME_LEGAL_THREAT),
];

/// Letters up to which a mail counts as a note: boss fraud begins with one.
const NOTE: usize = 900;

pub fn check(view: &View<'_>, found: &mut Findings) {
    for (theme, symbol) in BY_THEME {
        // Services speak of their own accounts, payments and parcels.
        let is_own_business = matches!(
            theme,
            Theme::AccountSuspended
                | Theme::VerifyAccount
                | Theme::UnusualSignin
                | Theme::Parcel
                | Theme::PaymentFailed
                | Theme::RefundTax
                | Theme::RewardPoints
                | Theme::Voicemail
                | Theme::TechSupport
                | Theme::MailboxQuota
                | Theme::PasswordExpiry
                | Theme::GiftCard
                | Theme::SubscriptionCallback
        );
        // Who offers to leave must say so in the text, and honest advertising has prizes and points too.
        let advertises = matches!(theme, Theme::Prize | Theme::RewardPoints | Theme::BulkMarketing);
        let must_say = matches!(theme, Theme::BulkDisclaimer);
        if view.themes.has(*theme) && !(is_own_business && view.is_from_brand()) && !(must_say && view.is_newsletter) {
            let voice = if advertises && view.is_newsletter { 0.5 } else { 1.0 };
            found.add_scaled(symbol, voice * view.themes.strength(*theme), view.themes.evidence(*theme));
        }
    }
    if view.themes.has(Theme::BecOpening) && view.text_length() < NOTE && view.from_outside && !view.is_reply {
        found.add(&THEME_BOSS_ASKS, view.themes.evidence(Theme::BecOpening));
    }
    // A greeting stands at the beginning; the same words further down are quoted.
    let beginning = view.text.text.get(..view.text.text.floor_char_boundary(400)).unwrap_or_default();
    if view.themes.has(Theme::GenericGreeting)
        && beginning.contains(view.themes.evidence(Theme::GenericGreeting).split(", ").next().unwrap_or_default())
    {
        found.add(&THEME_GENERIC_GREETING, view.themes.evidence(Theme::GenericGreeting));
    }
}
