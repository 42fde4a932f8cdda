//! ClamAV through clamd's INSTREAM: the whole mail, one verdict.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postern_filter::facts::{Asked, Scan};
use postern_model::patience::Patience;
use postern_model::settings::filter::AntivirusSettings;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

/// Octets sent at a time.
const CHUNK: usize = 64 * 1024;
/// Longest reply that is read: `stream: `, a name, ` FOUND`.
const MAX_REPLY: u64 = 4096;
/// Mails in a row without an answer after which clamd is asked by a PING, which no mail can make slow. If that fails too, mails no
/// longer wait; it is tried again this often, and waited for so long.
const FAILURES: u32 = 5;
const TRY_EVERY: Duration = Duration::from_secs(5);
const PING_WITHIN: Duration = Duration::from_secs(2);

pub struct Antivirus {
    settings: AntivirusSettings,
    target: Option<Target>,
    /// Said once until it answers again, not for every mail.
    was_down: AtomicBool,
    patience: Patience,
    /// Said once: clamd takes less than `max_size`.
    was_too_small: AtomicBool,
}

enum Target {
    Unix(PathBuf),
    Tcp(String),
}

impl Target {
    async fn connect(&self) -> io::Result<Either<UnixStream, TcpStream>> {
        match self {
            Self::Unix(path) => UnixStream::connect(path).await.map(Either::Left),
            Self::Tcp(host) => TcpStream::connect(host).await.map(Either::Right),
        }
    }
}

impl Antivirus {
    pub fn new(settings: &AntivirusSettings) -> Self {
        let target = settings
            .clamd
            .strip_prefix("unix:")
            .map(|path| Target::Unix(path.into()))
            .or_else(|| settings.clamd.strip_prefix("tcp:").map(|host| Target::Tcp(host.to_owned())));
        Self {
            settings: settings.clone(),
            target,
            was_down: AtomicBool::new(false),
            patience: Patience::new(FAILURES, TRY_EVERY, Instant::now()),
            was_too_small: AtomicBool::new(false),
        }
    }

    /// `No`: no antivirus is configured; `Failed`: no answer in time, or none is waited for since it keeps silent.
    pub async fn scan(&self, mail: &[u8]) -> Asked<Scan> {
        let Some(target) = &self.target else { return Asked::No };
        if mail.len() as u64 > self.settings.max_size {
            return Asked::Yes(Scan::TooLarge);
        }
        if !self.patience.is_worth_asking(self.is_alive(target)).await {
            return Asked::Failed;
        }
        let scan = async { ask(target.connect().await?, mail).await };
        let reply = match tokio::time::timeout(self.settings.timeout.0, scan).await {
            Ok(reply) => reply.map_err(|e| e.to_string()),
            Err(_) => Err(format!("no answer within {}", self.settings.timeout)),
        };
        match &reply {
            Ok(_) => self.patience.answered(),
            Err(_) => self.patience.no_answer(self.is_alive(target)).await,
        }
        let trouble = match reply {
            Ok(reply) => match read_reply(&reply) {
                Some(answer) => {
                    if self.was_down.swap(false, Ordering::Relaxed) {
                        tracing::info!(clamd = self.settings.clamd, "clamd answers again");
                    }
                    if answer == Scan::TooLarge && !self.was_too_small.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            clamd = self.settings.clamd,
                            size = mail.len(),
                            "clamd takes less than antivirus.max_size: larger mail is not scanned; raise clamd's StreamMaxLength"
                        );
                    }
                    return Asked::Yes(answer);
                }
                None => format!("unexpected reply: {}", String::from_utf8_lossy(&reply).chars().take(100).collect::<String>()),
            },
            Err(why) => why,
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

    /// Where clamd is asked, when it does not answer there.
    pub async fn silent(&self) -> Option<&str> {
        match &self.target {
            Some(target) if !self.is_alive(target).await => Some(&self.settings.clamd),
            _ => None,
        }
    }

    async fn is_alive(&self, target: &Target) -> bool {
        let ping = async { pong(target.connect().await?).await };
        matches!(tokio::time::timeout(PING_WITHIN.min(self.settings.timeout.0), ping).await, Ok(Ok(true)))
    }
}

async fn pong(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<bool> {
    stream.write_all(b"zPING\0").await?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await?;
    Ok(reply == *b"PONG")
}

/// One INSTREAM: the mail in chunks, each behind its length, then what clamd says until it closes.
async fn ask(stream: impl AsyncRead + AsyncWrite, mail: &[u8]) -> io::Result<Vec<u8>> {
    let (from, mut to) = tokio::io::split(stream);
    let mut reply = Vec::new();
    let (sent, heard) = {
        let mut from = from.take(MAX_REPLY);
        let mut hear = pin!(from.read_to_end(&mut reply));
        let send = async {
            to.write_all(b"zINSTREAM\0").await?;
            for chunk in mail.chunks(CHUNK) {
                to.write_u32(u32::try_from(chunk.len()).unwrap_or(0)).await?;
                to.write_all(chunk).await?;
            }
            to.write_u32(0).await?;
            to.flush().await
        };
        tokio::select! {
            heard = &mut hear => (Ok(()), heard),
            sent = send => (sent, hear.await),
        }
    };
    // It answers and closes in the middle of a mail that is too large for it: what it said counts, not
    // that the rest found no reader.
    if reply.is_empty() {
        sent?;
        heard?;
    }
    Ok(reply)
}

/// `stream: OK`, `stream: Eicar-Signature FOUND`; anything else is no verdict.
fn read_reply(reply: &[u8]) -> Option<Scan> {
    let text = std::str::from_utf8(reply).ok()?.trim_end_matches(['\0', '\n', ' ']);
    if text == "INSTREAM size limit exceeded. ERROR" {
        return Some(Scan::TooLarge);
    }
    let answer = text.strip_prefix("stream: ")?;
    if answer == "OK" {
        return Some(Scan::Clean);
    }
    answer.strip_suffix(" FOUND").map(|name| Scan::Infected(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_clamd() {
        assert_eq!(read_reply(b"stream: OK\0"), Some(Scan::Clean));
        assert_eq!(read_reply(b"stream: Eicar-Signature FOUND\0"), Some(Scan::Infected("Eicar-Signature".into())));
        assert_eq!(read_reply(b"INSTREAM size limit exceeded. ERROR\0"), Some(Scan::TooLarge));
        assert_eq!(read_reply(b"stream: Can't allocate memory ERROR\0"), None);
        assert_eq!(read_reply(b""), None);
    }

    #[tokio::test]
    async fn a_silent_clamd_is_waited_for_a_few_times_only() -> io::Result<()> {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let timeout = postern_model::time::Span::millis(100);
        let clamd = format!("tcp:{}", silent.local_addr()?);
        let antivirus = Antivirus::new(&AntivirusSettings { clamd, timeout, ..AntivirusSettings::default() });
        let began = Instant::now();
        for _ in 0..100 {
            assert!(matches!(antivirus.scan(b"a mail").await, Asked::Failed));
        }
        assert!(began.elapsed() < Duration::from_secs(5), "100 mails waited {:?}, not 5 of them 100 ms each", began.elapsed());
        Ok(())
    }

    /// Answers a PING and no mail: what archives do that take long to open.
    #[tokio::test]
    async fn mails_that_take_long_do_not_switch_scanning_off() -> io::Result<()> {
        let slow = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let timeout = postern_model::time::Span::millis(50);
        let clamd = format!("tcp:{}", slow.local_addr()?);
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = slow.accept().await {
                let mut command = [0; 6];
                if stream.read_exact(&mut command).await.is_ok() && command == *b"zPING\0" {
                    let _ = stream.write_all(b"PONG\0").await;
                }
                held.push(stream);
            }
        });
        let antivirus = Antivirus::new(&AntivirusSettings { clamd, timeout, ..AntivirusSettings::default() });
        for _ in 0..3 * FAILURES {
            assert!(matches!(antivirus.scan(b"a mail").await, Asked::Failed));
            assert!(!antivirus.patience.is_over());
        }
        Ok(())
    }
}
