//! A small SMTP client for tests: line by line, so that a test can stop, dawdle or misbehave anywhere.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, bail};
use data_encoding::BASE64;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

/// No reply takes longer than this in a test.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Smtp {
    pub stream: TcpStream,
    from: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// When nobody greets with 220.
    pub fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).with_context(|| to.to_string())?;
        Self::greeted(stream)
    }

    /// The same, and no reply is waited for longer than a few seconds: for clients that soon turn to somebody else.
    ///
    /// # Errors
    /// When nobody greets with 220.
    pub fn connect_soon(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(1)).with_context(|| to.to_string())?;
        let client = Self::greeted(stream)?;
        client.stream.set_read_timeout(Some(Duration::from_secs(6)))?;
        Ok(client)
    }

    /// The same from one of our addresses.
    ///
    /// # Errors
    /// When nobody greets with 220.
    pub fn connect_from(from: Ipv4Addr, to: SocketAddrV4) -> anyhow::Result<Self> {
        Self::greeted(stream_from(from, to)?)
    }

    fn greeted(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self { from: BufReader::new(stream.try_clone()?), stream };
        let greeting = client.reply()?;
        if !greeting.starts_with("220") {
            bail!("greeted with {greeting}");
        }
        Ok(client)
    }

    /// The last line of the next reply.
    ///
    /// # Errors
    /// When the connection ends or says nothing.
    pub fn reply(&mut self) -> anyhow::Result<String> {
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line).context("no reply")? == 0 {
                bail!("the connection was closed");
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    /// Sends a line and returns the reply.
    ///
    /// # Errors
    /// As [`Self::reply`].
    pub fn say(&mut self, line: &str) -> anyhow::Result<String> {
        self.stream.write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// One transaction; the reply to the data, or to the command that was refused.
    ///
    /// # Errors
    /// As [`Self::reply`].
    pub fn mail(&mut self, from: &str, to: &[&str], data: &str) -> anyhow::Result<String> {
        let mut commands = vec![format!("MAIL FROM:<{from}>")];
        commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        commands.push("DATA".into());
        for command in commands {
            let reply = self.say(&command)?;
            if !reply.starts_with(['2', '3']) {
                return Ok(reply);
            }
        }
        let whole = format!("{}\r\n.\r\n", data.replace('\n', "\r\n"));
        self.stream.write_all(whole.as_bytes())?;
        self.reply()
    }
}

/// A connection from one of our addresses.
///
/// # Errors
/// When it is refused, or not one of ours.
pub fn stream_from(from: Ipv4Addr, to: SocketAddrV4) -> anyhow::Result<TcpStream> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(from, 0))).with_context(|| from.to_string())?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(to)).with_context(|| to.to_string())?;
    Ok(TcpStream::from(socket))
}

/// A whole visit with one mail; what was said to it.
///
/// # Errors
/// As [`Smtp::reply`].
pub fn send(server: SocketAddr, from: &str, to: &[&str], data: &str) -> anyhow::Result<String> {
    let mut client = Smtp::connect(server)?;
    client.say("EHLO client.example")?;
    let said = client.mail(from, to, data)?;
    let _ = client.say("QUIT");
    Ok(said)
}

/// [`plain_mail`] with attachments: name, type, content. Their lines hold no plain copy of what they carry.
pub fn mail_with(subject: &str, text: &str, attachments: &[(&str, &str, &[u8])]) -> String {
    let mut mail = plain_mail(subject).replace(
        "Content-Type: text/plain; charset=utf-8\n\n",
        "Content-Type: multipart/mixed; boundary=xyz\n\n--xyz\nContent-Type: text/plain; charset=utf-8\n\n",
    );
    mail.push_str(text);
    for (name, content_type, content) in attachments {
        let encoded = BASE64.encode(content);
        // The alphabet is ASCII.
        let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
        mail.push_str(&format!(
            "\n--xyz\nContent-Type: {content_type}\nContent-Disposition: attachment; filename=\"{name}\"\n\
             Content-Transfer-Encoding: base64\n\n{}\n",
            lines.join("\n")
        ));
    }
    mail + "--xyz--\n"
}

/// A mail that nothing is wrong with.
pub fn plain_mail(subject: &str) -> String {
    format!(
        "From: Anna Beispiel <anna@example.org>\nTo: Erika <erika@example.net>\nSubject: {subject}\n\
         Date: Mon, 02 Nov 2026 10:00:00 +0000\nMessage-ID: <{}@example.org>\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\nHello Erika,\n\nhere are the notes of our meeting on Monday.\n\nAnna\n",
        subject.bytes().map(|b| format!("{b:02x}")).collect::<String>(),
    )
}
