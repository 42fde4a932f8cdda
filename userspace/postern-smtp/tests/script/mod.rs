//! Reads and runs a dialogue.

use std::collections::VecDeque;
use std::sync::Arc;

use postern_model::reason::Reason;
use postern_model::settings::smtp::SmtpLimits;
use postern_smtp::reply::Reply;
use postern_smtp::server::{Action, Config, Dialect, Ending, MailFrom, Newlines, Question, Refused, Server, StartTls, Taken};

#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Whole,
    Octets,
    /// At random places; the number is the seed.
    Random(u64),
}

pub enum Outcome {
    AsWritten,
    Differs { line: usize, message: String },
}

#[derive(Debug)]
enum Step {
    Client(Vec<u8>),
    Server(String),
    Handshake,
    Mail(String),
    Body(Vec<u8>),
    Forgotten(String),
    Ended(String),
    Drain,
    /// From here on this question is refused.
    Refuse {
        question: String,
        matching: String,
        refused: Refused,
    },
    BodyFails(Refused),
}

pub struct Script {
    config: Arc<Config>,
    start_tls: StartTls,
    steps: Vec<(usize, Step)>,
}

impl Script {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut config = Config {
            hostname: "mx.example.org".parse().unwrap(),
            dialect: Dialect::Smtp,
            newlines: Newlines::Refuse,
            limits: SmtpLimits::default(),
        };
        let mut start_tls = StartTls::Offered;
        let mut steps: Vec<(usize, Step)> = Vec::new();
        for (at, line) in (1..).zip(text.lines()) {
            let (mark, rest) = match line.split_once(' ') {
                Some((mark, rest)) => (mark, rest),
                None => (line, ""),
            };
            let step = match mark {
                "" | "#" => continue,
                _ if line.starts_with('#') => continue,
                "C:" => Step::Client([rest.as_bytes(), b"\r\n"].concat()),
                "C>" => Step::Client(unescape(rest).ok_or(format!("line {at}: bad escape"))?),
                "S:" => Step::Server(rest.to_owned()),
                "E:" => {
                    steps.extend(extensions(&config, start_tls, rest).into_iter().map(|l| (at, Step::Server(l))));
                    continue;
                }
                "T:" => Step::Handshake,
                "M:" => Step::Mail(rest.to_owned()),
                "B:" => Step::Body([rest.as_bytes(), b"\r\n"].concat()),
                "B>" => Step::Body(unescape(rest).ok_or(format!("line {at}: bad escape"))?),
                "F:" => Step::Forgotten(rest.to_owned()),
                "X:" => Step::Ended(rest.to_owned()),
                "!" => match directive(rest, &mut config, &mut start_tls).ok_or(format!("line {at}: unknown directive `{rest}`"))? {
                    Some(step) => step,
                    None => continue,
                },
                other => return Err(format!("line {at}: unknown mark `{other}`")),
            };
            // What the client sends in one go is one burst, however many lines it takes to write down.
            match (step, steps.last_mut()) {
                (Step::Client(more), Some((_, Step::Client(so_far)))) => so_far.extend(more),
                (Step::Body(more), Some((_, Step::Body(so_far)))) => so_far.extend(more),
                (step, _) => steps.push((at, step)),
            }
        }
        Ok(Self { config: Arc::new(config), start_tls, steps })
    }

    pub fn run(&self, cut: Cut) -> Outcome {
        let mut play = Play {
            server: Server::new(Arc::clone(&self.config), self.start_tls),
            said: VecDeque::new(),
            mails: VecDeque::new(),
            forgotten: VecDeque::new(),
            draft: None,
            refusals: Vec::new(),
            body_fails: None,
            handshake: false,
            ended: None,
            count: 0,
            random: match cut {
                Cut::Random(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
                _ => 1,
            },
        };
        play.server.greet();
        play.feed(&[]);
        let mut last_body: Option<Vec<u8>> = None;
        for (line, step) in &self.steps {
            let said = match step {
                Step::Client(octets) => play.nothing_left().map(|()| {
                    last_body = None;
                    play.send(octets, cut);
                }),
                Step::Server(want) => match play.said.pop_front() {
                    Some(got) if got == *want => Ok(()),
                    got => Err(format!("the server said {got:?}, not {want:?}")),
                },
                Step::Handshake if std::mem::take(&mut play.handshake) => {
                    play.server.tls_started();
                    play.feed(&[]);
                    Ok(())
                }
                Step::Handshake => Err("no TLS was begun".to_owned()),
                Step::Mail(want) => match play.mails.pop_front() {
                    Some((got, body)) if got == *want => {
                        last_body = Some(body);
                        Ok(())
                    }
                    got => Err(format!("the mail was {:?}, not {want:?}", got.map(|g| g.0))),
                },
                Step::Body(want) if last_body.as_ref() == Some(want) => Ok(()),
                Step::Body(_) => Err(format!("the body was {:?}", last_body.as_deref().map(String::from_utf8_lossy))),
                Step::Forgotten(want) => match play.forgotten.pop_front() {
                    Some(got) if got == *want => Ok(()),
                    got => Err(format!("forgotten: {got:?}, not {want:?}")),
                },
                Step::Ended(want) => match play.ended.take() {
                    Some(got) if name(got) == *want => Ok(()),
                    got => Err(format!("the session ended by {got:?}, not {want:?}")),
                },
                Step::Drain => {
                    play.server.drain();
                    Ok(())
                }
                Step::Refuse { question, matching, refused } => {
                    play.refusals.push((question.clone(), matching.clone(), refused.clone()));
                    Ok(())
                }
                Step::BodyFails(refused) => {
                    play.body_fails = Some(refused.clone());
                    Ok(())
                }
            };
            if let Err(message) = said {
                return Outcome::Differs { line: *line, message };
            }
        }
        match play.nothing_left() {
            Ok(()) => Outcome::AsWritten,
            Err(message) => Outcome::Differs { line: 0, message },
        }
    }
}

/// The reply to EHLO, which `ehlo.txt` and `starttls.txt` write out.
fn extensions(config: &Config, start_tls: StartTls, how: &str) -> Vec<String> {
    let mut lines = vec!["mx.example.org".to_owned(), "PIPELINING".into(), format!("SIZE {}", config.limits.max_message_size)];
    match (how, start_tls) {
        ("tls", _) => lines.push("REQUIRETLS".into()),
        (_, StartTls::NotOffered) => {}
        _ => lines.push("STARTTLS".into()),
    }
    lines.extend(["8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME"].map(String::from));
    lines.push(format!("LIMITS RCPTMAX={} MAILMAX={}", config.limits.max_recipients, config.limits.max_transactions));
    let last = lines.len() - 1;
    lines.iter().enumerate().map(|(i, l)| format!("250{}{l}", if i == last { ' ' } else { '-' })).collect()
}

fn name(ending: Ending) -> String {
    match ending {
        Ending::Quit => "quit".into(),
        Ending::TooManyErrors => "too-many-errors".into(),
        Ending::OtherProtocol => "other-protocol".into(),
        Ending::Garbled => "garbled".into(),
        Ending::Refused => "refused".into(),
        Ending::Ours(reason) => format!("ours {reason}"),
    }
}

/// Cuts `rest`, which follows a `{`, at the `}` that belongs to it.
fn to_matching_brace(rest: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&rest[..at], &rest[at + 1..]));
        }
    }
    None
}

/// `\r \n \t \\ \xNN`, and `{text*times}`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '{' => {
                let (inner, after) = to_matching_brace(rest)?;
                let (what, times) = inner.rsplit_once('*')?;
                out.extend(unescape(what)?.repeat(times.parse().ok()?));
                rest = after;
            }
            '\\' => {
                let kind = rest.chars().next()?;
                rest = &rest[kind.len_utf8()..];
                match kind {
                    'r' => out.push(b'\r'),
                    'n' => out.push(b'\n'),
                    't' => out.push(b'\t'),
                    '\\' | '{' => out.push(kind as u8),
                    'x' => {
                        out.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                        rest = &rest[2..];
                    }
                    _ => return None,
                }
            }
            other => out.extend(other.to_string().bytes()),
        }
    }
    Some(out)
}

fn refused(words: &str) -> Option<Refused> {
    let mut words = words.splitn(3, ' ');
    let (code, enhanced, text) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    Some(Refused { reason: Reason::Policy, reply: Reply::new(code, enhanced, text), close: code == 421 })
}

/// `None`: not understood. `Some(None)`: it was about the settings.
fn directive(text: &str, config: &mut Config, start_tls: &mut StartTls) -> Option<Option<Step>> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    match (verb, rest) {
        ("newlines", "mend") => config.newlines = Newlines::Mend,
        ("dialect", "lmtp") => config.dialect = Dialect::Lmtp,
        ("tls", "off") => *start_tls = StartTls::NotOffered,
        ("tls", "required") => *start_tls = StartTls::Required,
        ("drain", "") => return Some(Some(Step::Drain)),
        ("body-fails", reply) => return Some(Some(Step::BodyFails(refused(reply)?))),
        ("refuse", rest) => {
            let (question, rest) = rest.split_once(' ')?;
            let (matching, reply) = rest.split_once(' ')?;
            let step = Step::Refuse { question: question.into(), matching: matching.into(), refused: refused(reply)? };
            return Some(Some(step));
        }
        ("limit", rest) => {
            let (name, value) = rest.split_once(' ')?;
            let value: usize = value.parse().ok()?;
            let limits = &mut config.limits;
            match name {
                "max_message_size" => limits.max_message_size = value as u64,
                "max_recipients" => limits.max_recipients = value,
                "max_transactions" => limits.max_transactions = value,
                "max_errors" => limits.max_errors = value,
                "max_command_line" => limits.max_command_line = value,
                "max_text_line" => limits.max_text_line = value,
                "max_header_size" => limits.max_header_size = value,
                "max_hops" => limits.max_hops = value,
                _ => return None,
            }
        }
        _ => return None,
    }
    Some(None)
}

/// A mail under way: what MAIL and RCPT said, and its octets.
struct Draft {
    from: Box<MailFrom>,
    to: Vec<String>,
    body: Vec<u8>,
}

struct Play {
    server: Server,
    said: VecDeque<String>,
    mails: VecDeque<(String, Vec<u8>)>,
    forgotten: VecDeque<String>,
    draft: Option<Draft>,
    refusals: Vec<(String, String, Refused)>,
    body_fails: Option<Refused>,
    handshake: bool,
    ended: Option<Ending>,
    count: usize,
    random: u64,
}

impl Play {
    fn nothing_left(&mut self) -> Result<(), String> {
        if let Some(line) = self.said.front() {
            return Err(format!("the server also said {line:?}"));
        }
        if let Some((mail, _)) = self.mails.front() {
            return Err(format!("there was also a mail: {mail}"));
        }
        if self.handshake {
            return Err("TLS was begun".into());
        }
        match self.ended {
            Some(ending) => Err(format!("the session ended by {}", name(ending))),
            None => Ok(()),
        }
    }

    fn send(&mut self, octets: &[u8], cut: Cut) {
        match cut {
            Cut::Whole => self.feed(octets),
            Cut::Octets => octets.chunks(1).for_each(|c| self.feed(c)),
            Cut::Random(_) => {
                let mut rest = octets;
                while !rest.is_empty() {
                    // xorshift64: few octets mostly, many now and then.
                    self.random ^= self.random << 13;
                    self.random ^= self.random >> 7;
                    self.random ^= self.random << 17;
                    let most = if self.random.is_multiple_of(4) { 4096 } else { 9 };
                    let n = (self.random >> 8) as usize % most + 1;
                    let (now, later) = rest.split_at(n.min(rest.len()));
                    self.feed(now);
                    rest = later;
                }
            }
        }
    }

    fn feed(&mut self, octets: &[u8]) {
        let mut input = octets;
        loop {
            match self.server.next(&mut input) {
                Action::Read => break assert!(input.is_empty(), "asked to read with {} octets left", input.len()),
                Action::Write => self.hear(),
                Action::Wait => panic!("every question was answered"),
                Action::Body(run) => {
                    self.draft.as_mut().expect("a body without MAIL").body.extend_from_slice(run);
                    if let Some(refused) = self.body_fails.take() {
                        self.server.refuse_body(refused);
                    }
                }
                Action::Forget(why) => {
                    self.draft = None;
                    self.forgotten.push_back(why.map_or_else(String::new, |r| r.to_string()));
                }
                Action::StartTls => {
                    self.handshake = true;
                    break;
                }
                Action::Close(ending) => {
                    self.ended = Some(ending);
                    break;
                }
                Action::Ask(question) => self.answer(question),
            }
        }
        self.hear();
    }

    fn hear(&mut self) {
        let octets = std::mem::take(self.server.output());
        let text = String::from_utf8(octets).expect("replies are ASCII");
        for line in text.split_inclusive('\n') {
            let line = line.strip_suffix("\r\n").expect("replies end in CR LF");
            assert!(line.len() <= 510, "a reply of {} octets", line.len());
            self.said.push_back(line.to_owned());
        }
    }

    fn refusal(&self, question: &str, about: &str) -> Result<(), Refused> {
        let hit = self.refusals.iter().find(|(q, matching, _)| q == question && (matching == "*" || matching == about));
        hit.map_or(Ok(()), |(_, _, refused)| Err(refused.clone()))
    }

    fn answer(&mut self, question: Question) {
        let answer = match question {
            Question::Hello(hello) => self.refusal("hello", &hello.name),
            Question::MailFrom(from) => {
                let answer = self.refusal("mail", &from.path.to_string());
                if answer.is_ok() {
                    self.draft = Some(Draft { from, to: Vec::new(), body: Vec::new() });
                }
                answer
            }
            Question::RcptTo(recipient) => {
                let address = recipient.address.to_string();
                let answer = self.refusal("rcpt", &address);
                let mut text = format!("<{address}>");
                if let Some(n) = recipient.notify {
                    let flags = [(n.success, 's'), (n.failure, 'f'), (n.delay, 'd')];
                    let letters: String = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
                    text += &format!(":notify={}", if letters.is_empty() { "never" } else { &letters });
                }
                if let Some(original) = recipient.original {
                    text += &format!(":orcpt={original}");
                }
                if answer.is_ok() {
                    self.draft.as_mut().expect("RCPT without MAIL").to.push(text);
                }
                answer
            }
            Question::Body => self.refusal("body", ""),
            Question::Finished(content) => {
                let draft = self.draft.take().expect("a mail without MAIL");
                assert_eq!(content.size, draft.body.len() as u64);
                self.count += 1;
                let outcome = self.refusal("data", &self.count.to_string());
                if outcome.is_ok() {
                    let p = &draft.from.parameters;
                    let mut text = format!("from=<{}> to={}", draft.from.path, draft.to.join(","));
                    let mut add = |t: String| text += &t;
                    p.size.into_iter().for_each(|s| add(format!(" size={s}")));
                    p.body.into_iter().for_each(|b| add(format!(" body={b:?}").to_lowercase()));
                    p.dsn_return.into_iter().for_each(|r| add(format!(" ret={r:?}").to_lowercase()));
                    p.dsn_envelope_id.iter().for_each(|e| add(format!(" envid={e}")));
                    for (set, name) in [(p.smtputf8, " smtputf8"), (p.require_tls, " requiretls"), (content.eight_bit, " 8bit")] {
                        if set {
                            add(name.to_owned());
                        }
                    }
                    self.mails.push_back((text, draft.body));
                }
                return self.server.conclude(outcome.map(|()| Taken { text: format!("queued as {}", self.count) }));
            }
        };
        self.server.answer(answer);
    }
}
