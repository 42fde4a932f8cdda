//! The second factor of a login: codes of an authenticator (RFC 6238), and recovery codes.
//!
//! Thinking: a code is good for a minute and a half on every node, so a good code is not enough: it must not have been used. Each
//! node keeps what was used on it and asks those it is connected to before a login; in a cut a code could be used once on each
//! side. Six digits can be guessed by who knows the password: wrong codes count for the address, as wrong passwords do, and for
//! the login ([`crate::password::Gate`]).

use postern_model::second_factor::SecondFactor;
use postern_model::time::Timestamp;
use qrcodegen::{QrCode, QrCodeEcc};
use serde::Serialize;
use totp_rs::{Builder, Totp, TotpError};
use utoipa::ToSchema;

use crate::password::random_secret;
use crate::peers;
use crate::problem::{Answer, Problem};
use crate::state::{Console, now};

/// As authenticators have it by default: SHA-1, six digits, a new code every 30 seconds.
const STEP: u64 = 30;
/// The code before and the one after are good, too: clocks of telephones differ (RFC 6238 section 5.2 suggests one step).
const SKEW: u16 = 1;
const RECOVERY_CODES: usize = 10;
/// Longer than a code is good anywhere, clocks of nodes being what they are.
const REMEMBERED_MS: i64 = 3_600_000;
/// Modules of white around a QR code (ISO/IEC 18004 asks for four).
const QUIET: i32 = 4;

/// What is shown while one sets it up.
#[derive(Serialize, ToSchema)]
pub struct Offer {
    /// For typing: base 32.
    secret: String,
    /// For an authenticator on this machine: `otpauth://totp/…`.
    url: String,
    /// The same to be scanned: an SVG path of black squares, each one unit wide.
    qr_path: String,
    /// Units of the whole picture's side, with its white margin.
    qr_size: i32,
}

/// A code that fits and must not have been used.
#[derive(Debug)]
pub enum Code {
    /// The step whose code it is.
    Time(u64),
    /// Its hash.
    Recovery(String),
}

fn authenticator(secret: &str, account: &str) -> Result<Totp, TotpError> {
    let octets = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap_or_default();
    let name = account.replace(':', " ");
    Builder::new().with_step_duration(STEP).with_skew(SKEW).with_secret(octets).with_account_name(name).with_issuer(Some("Postern")).build()
}

/// A secret for a login on this host.
///
/// # Errors
/// When no QR code can hold it: the host's name is far too long.
pub fn offer(login: &str, host: &str) -> Answer<Offer> {
    let failed = |e: String| Problem::internal(format!("no authenticator can be set up: {e}"));
    let secret = random_secret().to_uppercase();
    let url = authenticator(&secret, &format!("{login}@{host}")).and_then(|t| t.to_url()).map_err(|e| failed(e.to_string()))?;
    let code = QrCode::encode_text(&url, QrCodeEcc::Medium).map_err(|e| failed(e.to_string()))?;
    let squares = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y))).filter(|(x, y)| code.get_module(*x, *y));
    let qr_path = squares.map(|(x, y)| format!("M{},{}h1v1h-1z", x + QUIET, y + QUIET)).collect();
    Ok(Offer { secret, url, qr_path, qr_size: code.size() + 2 * QUIET })
}

/// Whether a secret is one of [`offer`]'s kind: 160 bits.
pub fn is_secret(text: &str) -> bool {
    data_encoding::BASE32_NOPAD.decode(text.as_bytes()).is_ok_and(|octets| octets.len() == 20)
}

/// New recovery codes and their hashes. 80 bits each: a hash that became known gives none away.
pub fn recovery_codes() -> Vec<(String, String)> {
    let code = || {
        let letters: Vec<char> = random_secret().chars().take(16).collect();
        letters.chunks(4).map(|c| c.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    };
    std::iter::repeat_with(code).take(RECOVERY_CODES).map(|c| (c.clone(), hash(&c))).collect()
}

/// Hyphens, spaces and case are how a person wrote it down.
fn hash(code: &str) -> String {
    let bare: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    blake3::hash(bare.to_lowercase().as_bytes()).to_hex().to_string()
}

/// The code that somebody wrote, when it is a good one now.
pub fn read(factor: &SecondFactor, written: &str, at: Timestamp) -> Option<Code> {
    let digits: String = written.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = u64::try_from(at.0 / 1000).ok()?;
        return authenticator(&factor.secret, "login").ok()?.check(&digits, seconds).map(Code::Time);
    }
    let hash = hash(written);
    factor.recovery.contains(&hash).then_some(Code::Recovery(hash))
}

/// Uses a code up, here and on all nodes that are there. False: it was used before.
///
/// # Errors
/// When it cannot be noted that it is used.
pub async fn spend(console: &Console, login: &str, factor: SecondFactor, code: Code) -> Answer<bool> {
    let name = match &code {
        // Of this authenticator: the first code of a new one may be of the same step.
        Code::Time(step) => format!("{step} {}", hash(&factor.secret)),
        Code::Recovery(hash) => hash.clone(),
    };
    let until = Timestamp(now().0.saturating_add(REMEMBERED_MS));
    if !peers::claim(console, &format!("code of {login}"), &name, until).await? {
        return Ok(false);
    }
    if let Code::Recovery(hash) = code {
        let mut left = factor;
        left.recovery.remove(&hash);
        console.state().database.second_factors().set(login, Some(&left)).await?;
        console.state().cluster.login_changed(login, login).await?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 6238 appendix B, SHA-1, its last six digits.
    #[test]
    fn codes_are_those_of_the_rfc_and_good_for_one_step_around() {
        let factor = SecondFactor { secret: data_encoding::BASE32_NOPAD.encode(b"12345678901234567890"), recovery: Default::default() };
        let step = |seconds: i64, code: &str| match read(&factor, code, Timestamp(seconds * 1000)) {
            Some(Code::Time(step)) => Some(step),
            _ => None,
        };
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")] {
            let own = seconds / 30;
            assert_eq!(step(seconds, code), u64::try_from(own).ok(), "{code}");
            assert_eq!(step((own + 1) * 30 + 29, code), u64::try_from(own).ok(), "{code}, a step later");
            assert_eq!(step((own + 2) * 30, code), None, "{code}, two steps later");
        }
        assert_eq!(step(59, "28 70 82"), Some(1));
        for bad in ["", "287083", "2870820", "28708", "\u{ff12}87082"] {
            assert_eq!(step(59, bad), None, "{bad}");
        }
    }

    #[test]
    fn recovery_codes_are_taken_as_people_write_them_and_kept_as_hashes() {
        let made = recovery_codes();
        let factor = SecondFactor { secret: "A".into(), recovery: made.iter().map(|(_, hash)| hash.clone()).collect() };
        assert_eq!((made.len(), factor.recovery.len()), (RECOVERY_CODES, RECOVERY_CODES));
        let (code, hash) = &made[3];
        assert!(code.len() == 19 && !factor.to_string().contains(code));
        for written in [code.clone(), code.replace('-', " "), code.to_uppercase(), code.replace('-', "")] {
            assert!(matches!(read(&factor, &written, Timestamp(0)), Some(Code::Recovery(h)) if h == *hash), "{written}");
        }
        assert!(read(&factor, "aaaa-bbbb-cccc-dddd", Timestamp(0)).is_none() && read(&factor, "", Timestamp(0)).is_none());
    }

    #[test]
    fn the_offer_names_login_and_host_and_its_picture_is_square() {
        let offer = offer("erika", "mx1.example.org").unwrap();
        assert!(is_secret(&offer.secret) && !is_secret("AAAA"));
        assert!(offer.url.starts_with("otpauth://totp/Postern:erika%40mx1.example.org?"), "{}", offer.url);
        assert!(offer.url.contains(&offer.secret));
        // The three corners that a camera looks for begin at the margin.
        assert!(offer.qr_path.starts_with("M4,4h1v1h-1z") && offer.qr_path.contains(&format!("M{},4h", offer.qr_size - 5)));
        assert!(super::offer("erika", &"x".repeat(5000)).is_err());
    }
}
