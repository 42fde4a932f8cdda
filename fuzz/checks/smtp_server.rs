//! Octets from a client, cut at places the input chooses.
//!
//! The first two octets say how: the size of the cuts less one, and a set of flags (1: newlines are mended, 2: LMTP, 4: no
//! STARTTLS). The server's machine must hold no more than its limits allow, let no bare CR or LF through outside
//! BINARYMIME, ask and say the same when the octets come whole, and never take for safe what was not.

use std::sync::Arc;

use postern_model::reason::Reason;
use postern_model::settings::smtp::SmtpLimits;
use postern_smtp::proxy_protocol;
use postern_smtp::server::{Action, Config, Dialect, Ending, Newlines, Question, Refused, Server, StartTls, Taken};

const LARGEST: usize = 65_536;
/// Replies that may wait to be written: the machine's own bound, and what one command may add to it.
const MOST_REPLIES: usize = 64 * 1024;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    said: Vec<String>,
    asked: Vec<String>,
    mails: Vec<Vec<u8>>,
    ending: Option<Ending>,
}

pub fn check(input: &[u8]) {
    proxy_header(input);
    let Some((&[step, flags], octets)) = input.split_first_chunk::<2>() else { return };
    let chunks: Vec<&[u8]> = octets.chunks(usize::from(step) + 1).collect();
    let cut = play(flags, &chunks);
    if !has(octets, b"BINARYMIME") {
        cut.mails.iter().for_each(|mail| no_bare_newline(mail));
    }
    // STARTTLS drops what came in the same read, which depends on the cut.
    if start_tls(flags) == StartTls::NotOffered || !has(octets, b"STARTTLS") {
        assert_eq!(cut, play(flags, &[octets]), "cut into {} octets, and whole", usize::from(step) + 1);
    }
}

/// A balancer's header is the same however many octets have come, and takes none of the client's.
fn proxy_header(input: &[u8]) {
    let Ok(Some((whom, used))) = proxy_protocol::parse(input) else { return };
    assert!(used <= input.len(), "a header of {used} octets in {}", input.len());
    assert_eq!(proxy_protocol::parse(&input[..used]), Ok(Some((whom, used))));
    for cut in 0..used {
        assert_eq!(proxy_protocol::parse(&input[..cut]), Ok(None), "{cut} octets of {used}");
    }
}

fn start_tls(flags: u8) -> StartTls {
    if flags & 4 == 0 { StartTls::Offered } else { StartTls::NotOffered }
}

fn play(flags: u8, chunks: &[&[u8]]) -> Came {
    let limits = SmtpLimits {
        max_message_size: LARGEST as u64,
        max_errors: 50,
        max_command_line: 512,
        max_text_line: 1000,
        max_header_size: 16_384,
        max_hops: 3,
        ..SmtpLimits::default()
    };
    let hostname = "mx.example.org".parse().unwrap();
    let dialect = if flags & 2 == 0 { Dialect::Smtp } else { Dialect::Lmtp };
    let newlines = if flags & 1 == 0 { Newlines::Refuse } else { Newlines::Mend };
    let mut server = Server::new(Arc::new(Config { hostname, dialect, newlines, limits }), start_tls(flags));
    let (mut came, mut said, mut body, mut open) = (Came::default(), Vec::new(), Vec::new(), false);
    server.greet();
    'session: for chunk in chunks {
        let mut input = *chunk;
        loop {
            let before = input.len();
            let action = server.next(&mut input);
            assert!(input.len() <= before);
            match action {
                Action::Read => {
                    assert!(input.is_empty(), "{} octets were left over", input.len());
                    break;
                }
                Action::Write => said.append(server.output()),
                Action::Wait => unreachable!("every question was answered"),
                Action::Body(run) => {
                    assert!(open, "octets of a mail outside one");
                    body.extend_from_slice(run);
                }
                Action::Forget(_) => {
                    // Why it was refused may depend on the cut, when the octets break two limits at once.
                    came.asked.push("forget".into());
                    body.clear();
                }
                Action::StartTls => {
                    server.tls_started();
                    break;
                }
                Action::Close(ending) => {
                    came.ending = Some(ending);
                    break 'session;
                }
                Action::Ask(question) => {
                    came.asked.push(format!("{question:?}"));
                    match question {
                        Question::Finished(content) => {
                            assert_eq!(content.size, body.len() as u64);
                            open = false;
                            let mail = std::mem::take(&mut body);
                            let taken = !has(&mail, b"refuse-me");
                            server.conclude(if taken {
                                Ok(Taken { text: "queued".into() })
                            } else {
                                Err(Refused::of(Reason::StorageError))
                            });
                            if taken {
                                came.mails.push(mail);
                            }
                        }
                        Question::RcptTo(to) if to.address.local() == "no" => server.answer(Err(Refused::of(Reason::UnknownRecipient))),
                        Question::RcptTo(to) if to.address.local() == "close" => {
                            server.answer(Err(Refused { close: true, ..Refused::of(Reason::UnknownRecipient) }));
                        }
                        Question::Body => {
                            body.clear();
                            open = true;
                            server.answer(Ok(()));
                        }
                        _ => server.answer(Ok(())),
                    }
                }
            }
            assert!(server.output().len() < MOST_REPLIES, "{} octets of replies are waiting", server.output().len());
            assert!(body.len() <= LARGEST, "a body of {} octets is held", body.len());
        }
    }
    said.append(server.output());
    came.said = replies(&said);
    came
}

/// The lines that were said. Of a refusal only that it is one: which of two broken limits is named depends on the cut.
fn replies(said: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(said).unwrap();
    assert!(text.is_empty() || text.ends_with("\r\n"));
    let lines = text.split_terminator("\r\n").map(|line| {
        assert!(line.len() <= 510 && !line.contains(['\r', '\n']), "{line:?}");
        assert!(line.as_bytes().first_chunk::<3>().is_some_and(|code| code.iter().all(u8::is_ascii_digit)), "{line:?}");
        if line.starts_with('5') { "5".to_owned() } else { line.to_owned() }
    });
    lines.collect()
}

fn has(octets: &[u8], what: &[u8]) -> bool {
    octets.windows(what.len()).any(|w| w.eq_ignore_ascii_case(what))
}

fn no_bare_newline(mail: &[u8]) {
    for (i, octet) in mail.iter().enumerate() {
        match octet {
            b'\n' => assert!(i > 0 && mail[i - 1] == b'\r', "a bare LF at {i}"),
            b'\r' => assert_eq!(mail.get(i + 1), Some(&b'\n'), "a bare CR at {i}"),
            _ => {}
        }
    }
}
