//! Octets from a client, cut at places the input chooses: the server's machine must neither panic nor
//! hold more than its limits allow, nor let a bare CR or LF through outside BINARYMIME, nor answer
//! differently when the same octets come whole.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use postern_model::reason::Reason;
use postern_model::settings::smtp::SmtpLimits;
use postern_smtp::proxy_protocol;
use postern_smtp::server::{Action, Config, Dialect, Newlines, Question, Refused, Server, StartTls, Taken};

const LARGEST: usize = 65_536;

fn play(config: &Arc<Config>, chunks: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut server = Server::new(Arc::clone(config), StartTls::Offered);
    let (mut said, mut mails, mut body) = (Vec::new(), Vec::new(), Vec::new());
    server.greet();
    'session: for chunk in chunks {
        let mut input = *chunk;
        loop {
            match server.next(&mut input) {
                Action::Read => break,
                Action::Write => said.append(server.output()),
                Action::Wait => unreachable!("every question was answered"),
                Action::Body(run) => body.extend_from_slice(run),
                Action::Forget(_) => body.clear(),
                Action::StartTls => {
                    server.tls_started();
                    break;
                }
                Action::Close(_) => break 'session,
                Action::Ask(Question::Finished(content)) => {
                    assert_eq!(content.size, body.len() as u64);
                    mails.push(std::mem::take(&mut body));
                    server.conclude(Ok(Taken { text: "queued".into() }));
                }
                Action::Ask(Question::RcptTo(r)) if r.address.local() == "no" => server.answer(Err(Refused::of(Reason::UnknownRecipient))),
                Action::Ask(_) => server.answer(Ok(())),
            }
            assert!(server.output().len() < 128 * 1024);
            assert!(body.len() <= LARGEST);
        }
    }
    said.append(server.output());
    (said, mails)
}

fuzz_target!(|input: &[u8]| {
    let _ = proxy_protocol::parse(input);
    let Some((&[step, newlines], octets)) = input.split_first_chunk::<2>() else { return };
    let newlines = if newlines & 1 == 0 { Newlines::Refuse } else { Newlines::Mend };
    let limits = SmtpLimits {
        max_message_size: LARGEST as u64,
        max_errors: 50,
        max_command_line: 512,
        max_text_line: 1000,
        max_header_size: 16_384,
        max_hops: 3,
        ..SmtpLimits::default()
    };
    let Ok(hostname) = "mx.example.org".parse() else { return };
    let config = Arc::new(Config { hostname, dialect: Dialect::Smtp, newlines, limits });
    let chunks: Vec<&[u8]> = octets.chunks(usize::from(step) + 1).collect();
    let (said, mails) = play(&config, &chunks);
    let has = |what: &[u8]| octets.windows(what.len()).any(|w| w.eq_ignore_ascii_case(what));
    if !has(b"BINARYMIME") {
        for mail in &mails {
            for (i, octet) in mail.iter().enumerate() {
                match octet {
                    b'\n' => assert!(i > 0 && mail[i - 1] == b'\r'),
                    b'\r' => assert_eq!(mail.get(i + 1), Some(&b'\n')),
                    _ => {}
                }
            }
        }
    }
    // STARTTLS drops what came in the same read. Which of two broken limits is named depends on the cut,
    // so replies are counted, not compared.
    if !has(b"STARTTLS") {
        let whole = play(&config, &[octets]);
        let lines = |said: &[u8]| said.iter().filter(|b| **b == b'\n').count();
        assert_eq!(whole.1, mails);
        assert_eq!(lines(&whole.0), lines(&said));
    }
});
