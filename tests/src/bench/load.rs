//! Load: smtp-source for made mails, an own sender for real ones (it measures the reply after the dot).

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Sends `count` made mails over `sessions` parallel sessions; returns the seconds it took.
pub fn smtp_source(port: u16, sessions: usize, count: usize, length: usize, keep: Keep) -> anyhow::Result<f64> {
    let mut command = Command::new("smtp-source");
    command.args(["-s", &sessions.to_string(), "-m", &count.to_string(), "-l", &length.to_string()]);
    if keep == Keep::Open {
        command.arg("-d");
    }
    command.args(["-f", "sender@bench.example", "-t", "user@sink.example", &format!("127.0.0.1:{port}")]);
    let began = Instant::now();
    let output = command.output().context("smtp-source (Debian package postfix)")?;
    if !output.status.success() || !output.stderr.is_empty() {
        bail!("smtp-source: {}", String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("failed"));
    }
    Ok(began.elapsed().as_secs_f64())
}

/// Whether a session sends one mail or stays open for many.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Closed,
    Open,
}

/// A real mail with the envelope it came in.
pub struct RealMail {
    pub client: IpAddr,
    pub helo: String,
    pub from: String,
    /// Ready to send: CRLF line ends, dots stuffed, final dot.
    pub data: Vec<u8>,
}

/// Reads a labelled folder: `index.tsv` with file, client address, HELO, sender, recipient, label.
pub fn read_corpus(folder: &Path) -> anyhow::Result<Vec<RealMail>> {
    let index = std::fs::read_to_string(folder.join("index.tsv")).with_context(|| format!("{}/index.tsv", folder.display()))?;
    index
        .lines()
        .skip(1)
        .map(|line| {
            let f: Vec<&str> = line.split('\t').collect();
            let raw = std::fs::read(folder.join(f[0])).with_context(|| f[0].to_owned())?;
            let from = if f[3].is_ascii() && !f[3].contains([' ', '<', '>']) { f[3] } else { "" };
            Ok(RealMail {
                client: f[1].parse().unwrap_or(IpAddr::from([192, 0, 2, 1])),
                helo: if f[2].is_empty() || f[2].contains(' ') { "client.example".into() } else { f[2].into() },
                from: if from.contains('@') { from.into() } else { String::new() },
                data: on_the_wire(&raw),
            })
        })
        .collect()
}

fn on_the_wire(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 30 + 8);
    for line in raw.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend(line.iter().filter(|b| **b != b'\r' && **b != 0));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// What a run over real mails came to.
pub struct RealRun {
    pub seconds: f64,
    pub accepted: usize,
    pub refused: usize,
    /// Milliseconds from the final dot to the reply, for each mail.
    pub replies: Vec<f64>,
}

/// Sends every mail once, one session a mail, `sessions` at a time, each with a PROXY header that
/// names the mail's real client.
pub fn send_real(port: u16, mails: &[RealMail], sessions: usize) -> anyhow::Result<RealRun> {
    let next = AtomicUsize::new(0);
    let accepted = AtomicUsize::new(0);
    let refused = AtomicUsize::new(0);
    let replies = Mutex::new(Vec::with_capacity(mails.len()));
    let failure = Mutex::new(None);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..sessions {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while let Some(mail) = mails.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match send_one(port, mail).with_context(|| format!("port {port}, from <{}>, HELO {}", mail.from, mail.helo)) {
                        Ok(Some(ms)) => {
                            mine.push(ms.0);
                            if ms.1 { &accepted } else { &refused }.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(None) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(e) => {
                            if let Ok(mut slot) = failure.lock() {
                                slot.get_or_insert(e);
                            }
                            return;
                        }
                    }
                }
                if let Ok(mut all) = replies.lock() {
                    all.extend(mine);
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    if let Ok(Some(e)) = failure.into_inner() {
        return Err(e);
    }
    let replies = replies.into_inner().map_err(|_| anyhow::anyhow!("a sender panicked"))?;
    Ok(RealRun { seconds, accepted: accepted.into_inner(), refused: refused.into_inner(), replies })
}

/// Milliseconds from the dot to the reply and whether it was 250; `None` when refused before the data.
fn send_one(port: u16, mail: &RealMail) -> anyhow::Result<Option<(f64, bool)>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let client = match mail.client {
        IpAddr::V4(ip) => format!("PROXY TCP4 {ip} 127.0.0.1 40000 25\r\n"),
        IpAddr::V6(ip) => format!("PROXY TCP6 {ip} ::1 40000 25\r\n"),
    };
    writer.write_all(client.as_bytes())?;
    let mut reply = move || -> anyhow::Result<u16> {
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                bail!("the server closed the connection");
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.get(..3).and_then(|c| c.parse().ok()).with_context(|| format!("no reply: {line:?}"));
            }
        }
    };
    if reply()? != 220 {
        return Ok(None);
    }
    writer.write_all(format!("EHLO {}\r\n", mail.helo).as_bytes())?;
    if reply()? != 250 {
        return Ok(None);
    }
    for command in [format!("MAIL FROM:<{}>\r\n", mail.from), "RCPT TO:<user@sink.example>\r\n".into()] {
        writer.write_all(command.as_bytes())?;
        if reply()? != 250 {
            let _ = writer.write_all(b"QUIT\r\n");
            return Ok(None);
        }
    }
    writer.write_all(b"DATA\r\n")?;
    if reply()? != 354 {
        return Ok(None);
    }
    writer.write_all(&mail.data)?;
    let dot = Instant::now();
    let code = reply()?;
    let ms = dot.elapsed().as_secs_f64() * 1000.0;
    let _ = writer.write_all(b"QUIT\r\n");
    let _ = reply();
    Ok(Some((ms, code == 250)))
}
