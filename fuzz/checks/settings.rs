//! A settings file: taken or refused with what is wrong; what is taken can be written down, in TOML and in the API's JSON, and
//! is the same and as good when it is read again.

use postern_model::settings::{Settings, check, parse};

pub fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    match parse(text) {
        Ok(settings) => {
            let written = toml::to_string(&settings).unwrap();
            assert_eq!(parse(&written).unwrap(), settings, "{written}");
            let json = serde_json::to_string(&settings).unwrap();
            let read: Settings = serde_json::from_str(&json).unwrap();
            assert_eq!(read, settings, "{json}");
            assert!(check::check(&read).is_empty());
        }
        Err(e) => {
            assert!(!e.0.is_empty() && e.0.iter().all(|p| !p.message.trim().is_empty()), "{e:?}");
        }
    }
}
