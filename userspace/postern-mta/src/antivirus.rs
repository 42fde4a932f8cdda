//! ClamAV through clamd's INSTREAM: the whole mail, one verdict.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clamav_client::tokio::{Socket, Tcp, scan_buffer};
use postern_filter::facts::Asked;
use postern_model::settings::filter::AntivirusSettings;

pub struct Antivirus {
    settings: AntivirusSettings,
    target: Option<Target>,
    /// Said once until it answers again, not for every mail.
    was_down: AtomicBool,
}

enum Target {
    Unix(PathBuf),
    Tcp(String),
}

impl Antivirus {
    pub fn new(settings: &AntivirusSettings) -> Self {
        let target = settings
            .clamd
            .strip_prefix("unix:")
            .map(|path| Target::Unix(path.into()))
            .or_else(|| settings.clamd.strip_prefix("tcp:").map(|host| Target::Tcp(host.to_owned())));
        Self { settings: settings.clone(), target, was_down: AtomicBool::new(false) }
    }

    /// `Yes(Some(name))`: a virus; `Yes(None)`: clean; `No`: not configured or too large; `Failed`: no answer.
    pub async fn scan(&self, mail: &[u8]) -> Asked<Option<String>> {
        let Some(target) = &self.target else { return Asked::No };
        if mail.len() as u64 > self.settings.max_size {
            return Asked::No;
        }
        let scan = async {
            match target {
                Target::Unix(path) => scan_buffer(mail, Socket { socket_path: path }, None).await,
                Target::Tcp(host) => scan_buffer(mail, Tcp { host_address: host }, None).await,
            }
        };
        let trouble = match tokio::time::timeout(self.settings.timeout.0, scan).await {
            Ok(Ok(reply)) => match read_reply(&reply) {
                Some(answer) => {
                    if self.was_down.swap(false, Ordering::Relaxed) {
                        tracing::info!(clamd = self.settings.clamd, "clamd answers again");
                    }
                    return Asked::Yes(answer);
                }
                None => format!("unexpected reply: {}", String::from_utf8_lossy(&reply).chars().take(100).collect::<String>()),
            },
            Ok(Err(e)) => e.to_string(),
            Err(_) => format!("no answer within {}", self.settings.timeout),
        };
        if !self.was_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                clamd = self.settings.clamd,
                trouble,
                "clamd does not answer: mail passes or waits as antivirus.when_unavailable says"
            );
        }
        Asked::Failed
    }
}

/// `stream: OK`, `stream: Eicar-Signature FOUND`; anything else is no verdict.
fn read_reply(reply: &[u8]) -> Option<Option<String>> {
    let text = std::str::from_utf8(reply).ok()?.trim_end_matches(['\0', '\n', ' ']);
    let answer = text.strip_prefix("stream: ")?;
    if answer == "OK" {
        return Some(None);
    }
    answer.strip_suffix(" FOUND").map(|name| Some(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_clamd() {
        assert_eq!(read_reply(b"stream: OK\0"), Some(None));
        assert_eq!(read_reply(b"stream: Eicar-Signature FOUND\0"), Some(Some("Eicar-Signature".into())));
        assert_eq!(read_reply(b"INSTREAM size limit exceeded. ERROR\0"), None);
        assert_eq!(read_reply(b""), None);
    }
}
