//! Parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152, 3030), SMTPUTF8 (RFC 6531),
//! RET, ENVID, NOTIFY and ORCPT (RFC 3461), REQUIRETLS (RFC 8689).

use postern_model::envelope::{BodyType, DsnNotify, DsnReturn};

use crate::xtext;

/// RFC 3461 §4.4 allows 100 characters of xtext.
const LONGEST_ENVID: usize = 100;
/// RFC 3461 §4.2 allows 500 characters.
const LONGEST_ORCPT: usize = 500;
/// RFC 1870 §4: at most 20 digits.
const SIZE_DIGITS: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// RFC 5321 §4.1.1.11: answered with 555.
    #[error("parameter {0} is not known here")]
    Unknown(String),
    #[error("parameter {0} is given twice")]
    Twice(&'static str),
    #[error("{0} takes {1}")]
    Value(&'static str, &'static str),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    pub size: Option<u64>,
    /// `None`: not given, which means 7BIT.
    pub body: Option<BodyType>,
    pub smtputf8: bool,
    pub require_tls: bool,
    pub dsn_return: Option<DsnReturn>,
    pub dsn_envelope_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptParameters {
    pub notify: Option<DsnNotify>,
    pub original: Option<String>,
}

/// `KEYWORD` or `KEYWORD=value`, separated by spaces.
fn each(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(' ').filter(|p| !p.is_empty()).map(|p| match p.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (p, None),
    })
}

fn set<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), ParameterError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ParameterError::Twice(name)),
    }
}

fn set_flag(slot: &mut bool, name: &'static str, value: Option<&str>) -> Result<(), ParameterError> {
    if value.is_some() {
        return Err(ParameterError::Value(name, "no value"));
    }
    if std::mem::replace(slot, true) { Err(ParameterError::Twice(name)) } else { Ok(()) }
}

fn unknown(keyword: &str) -> ParameterError {
    ParameterError::Unknown(keyword.chars().filter(|c| c.is_ascii_graphic()).take(40).collect())
}

impl MailParameters {
    /// Reads what follows the reverse path.
    ///
    /// # Errors
    /// The first parameter that is unknown, repeated, or has a value it does not take.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut out = Self::default();
        for (keyword, value) in each(text) {
            let is = |name: &str| keyword.eq_ignore_ascii_case(name);
            if is("SIZE") {
                let wants = ParameterError::Value("SIZE", "a number of octets");
                let digits = value.filter(|v| (1..=SIZE_DIGITS).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_digit()));
                // 20 digits may be more than 64 bits hold: then it is too large in any case.
                let octets = digits.ok_or(wants)?.parse().unwrap_or(u64::MAX);
                set(&mut out.size, "SIZE", octets)?;
            } else if is("BODY") {
                let body = match value {
                    Some(v) if v.eq_ignore_ascii_case("7BIT") => BodyType::SevenBit,
                    Some(v) if v.eq_ignore_ascii_case("8BITMIME") => BodyType::EightBitMime,
                    Some(v) if v.eq_ignore_ascii_case("BINARYMIME") => BodyType::BinaryMime,
                    _ => return Err(ParameterError::Value("BODY", "7BIT, 8BITMIME or BINARYMIME")),
                };
                set(&mut out.body, "BODY", body)?;
            } else if is("SMTPUTF8") {
                set_flag(&mut out.smtputf8, "SMTPUTF8", value)?;
            } else if is("REQUIRETLS") {
                set_flag(&mut out.require_tls, "REQUIRETLS", value)?;
            } else if is("RET") {
                let ret = match value {
                    Some(v) if v.eq_ignore_ascii_case("FULL") => DsnReturn::Full,
                    Some(v) if v.eq_ignore_ascii_case("HDRS") => DsnReturn::Headers,
                    _ => return Err(ParameterError::Value("RET", "FULL or HDRS")),
                };
                set(&mut out.dsn_return, "RET", ret)?;
            } else if is("ENVID") {
                let wants = ParameterError::Value("ENVID", "1 to 100 characters of xtext");
                let text = value.filter(|v| (1..=LONGEST_ENVID).contains(&v.len())).and_then(|v| xtext::decode(v).ok());
                set(&mut out.dsn_envelope_id, "ENVID", text.ok_or(wants)?)?;
            } else {
                return Err(unknown(keyword));
            }
        }
        Ok(out)
    }
}

impl RcptParameters {
    /// Reads what follows the forward path.
    ///
    /// # Errors
    /// The first parameter that is unknown, repeated, or has a value it does not take.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut out = Self::default();
        for (keyword, value) in each(text) {
            if keyword.eq_ignore_ascii_case("NOTIFY") {
                let wants = ParameterError::Value("NOTIFY", "NEVER, or SUCCESS, FAILURE and DELAY with commas");
                set(&mut out.notify, "NOTIFY", value.and_then(notify).ok_or(wants)?)?;
            } else if keyword.eq_ignore_ascii_case("ORCPT") {
                let wants = ParameterError::Value("ORCPT", "addr-type;xtext");
                set(&mut out.original, "ORCPT", value.and_then(original).ok_or(wants)?)?;
            } else {
                return Err(unknown(keyword));
            }
        }
        Ok(out)
    }
}

fn notify(value: &str) -> Option<DsnNotify> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(DsnNotify::NEVER);
    }
    let mut out = DsnNotify::NEVER;
    for word in value.split(',') {
        let slot = match word {
            w if w.eq_ignore_ascii_case("SUCCESS") => &mut out.success,
            w if w.eq_ignore_ascii_case("FAILURE") => &mut out.failure,
            w if w.eq_ignore_ascii_case("DELAY") => &mut out.delay,
            _ => return None,
        };
        *slot = true;
    }
    Some(out)
}

fn original(value: &str) -> Option<String> {
    if value.len() > LONGEST_ORCPT {
        return None;
    }
    let (kind, address) = value.split_once(';')?;
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"-._!#$%&'*/?^`{|}~".contains(&b);
    if kind.is_empty() || !kind.bytes().all(atom) || address.is_empty() {
        return None;
    }
    let address = xtext::decode(address).ok()?;
    Some(format!("{kind};{address}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn all_of_them_at_once() {
        let got = MailParameters::parse(" SIZE=1234 body=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1 REQUIRETLS").unwrap();
        let want = MailParameters {
            size: Some(1234),
            body: Some(BodyType::EightBitMime),
            smtputf8: true,
            require_tls: true,
            dsn_return: Some(DsnReturn::Headers),
            dsn_envelope_id: Some("QQ+1".into()),
        };
        assert_eq!(got, want);
        let got = RcptParameters::parse(" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.example").unwrap();
        assert_eq!(got.notify, Some(DsnNotify { success: true, failure: false, delay: true }));
        assert_eq!(got.original.as_deref(), Some("rfc822;a+b@c.example"));
        assert_eq!(MailParameters::parse("SIZE=99999999999999999999").unwrap().size, Some(u64::MAX));
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in [
            "SIZE",
            "SIZE=",
            "SIZE=-1",
            "SIZE=1e3",
            "SIZE=1 SIZE=2",
            "SIZE=999999999999999999999",
            "BODY=9BIT",
            "BODY",
            "SMTPUTF8=1",
            "RET=ALL",
            "ENVID=",
            "ENVID=+0",
            "AUTH=<>",
            "X=1",
            "=",
            "REQUIRETLS REQUIRETLS",
            "ENVID=+0D+0AX",
        ] {
            assert!(MailParameters::parse(text).is_err(), "{text} was taken");
        }
        for text in [
            "NOTIFY=",
            "NOTIFY=NEVER,SUCCESS",
            "NOTIFY=SOMETIMES",
            "ORCPT=a@b",
            "ORCPT=;a@b",
            "ORCPT=rfc822;",
            "SIZE=1",
            "NOTIFY=NEVER NOTIFY=NEVER",
        ] {
            assert!(RcptParameters::parse(text).is_err(), "{text} was taken");
        }
    }
}
