//! Arbitrary octets in arbitrary chunks: no panic, bounded memory, the same however they are cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use postern_model::reason::Reason;
use postern_model::settings::smtp::SmtpLimits;
use postern_smtp::server::{Action, Config, Dialect, Newlines, Question, Refused, Server, StartTls, Taken};
use proptest::prelude::*;

fn config(newlines: Newlines) -> Arc<Config> {
    let limits =
        SmtpLimits { max_message_size: 65_536, max_errors: 50, max_command_line: 512, max_text_line: 1000, ..SmtpLimits::default() };
    Arc::new(Config { hostname: "mx.example.org".parse().unwrap(), dialect: Dialect::Smtp, newlines, limits })
}

/// What came of it: all replies, all bodies of mails that were taken.
#[derive(Default, Debug, PartialEq)]
struct Came {
    said: Vec<u8>,
    mails: Vec<Vec<u8>>,
}

fn play(chunks: &[&[u8]], newlines: Newlines) -> Came {
    let mut server = Server::new(config(newlines), StartTls::Offered);
    let (mut came, mut body) = (Came::default(), Vec::new());
    server.greet();
    'session: for chunk in chunks {
        let mut input = *chunk;
        loop {
            match server.next(&mut input) {
                Action::Read => break,
                Action::Write => came.said.append(server.output()),
                Action::Wait => panic!("every question was answered"),
                Action::Body(run) => body.extend_from_slice(run),
                Action::Forget(_) => body.clear(),
                Action::StartTls => {
                    server.tls_started();
                    break;
                }
                Action::Close(_) => break 'session,
                Action::Ask(Question::Finished(content)) => {
                    assert_eq!(content.size, body.len() as u64);
                    came.mails.push(std::mem::take(&mut body));
                    server.conclude(Ok(Taken { text: "queued".into() }));
                }
                Action::Ask(Question::RcptTo(r)) if r.address.local() == "no" => server.answer(Err(Refused::of(Reason::UnknownRecipient))),
                Action::Ask(_) => server.answer(Ok(())),
            }
            assert!(server.output().len() < 128 * 1024, "{} octets of replies are waiting", server.output().len());
            assert!(body.len() <= 65_536, "a body of {} octets is held", body.len());
        }
    }
    came.said.append(server.output());
    came
}

/// Commands and pieces of them, so that the deeper states are reached.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "EHLO c.example\r\n",
        "HELO c\r\n",
        "MAIL FROM:<a@b.example>\r\n",
        "MAIL FROM:<> BODY=BINARYMIME SIZE=10\r\n",
        "RCPT TO:<x@y.example>\r\n",
        "RCPT TO:<no@y.example>\r\n",
        "DATA\r\n",
        "BDAT 5\r\n",
        "BDAT 3 LAST\r\n",
        "BDAT 0 LAST\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "STARTTLS\r\n",
        ".\r\n",
        "\r\n.\r\n",
        "\n.\n",
        "\r.\r",
        "\r",
        "\n",
        ".",
        "..",
        "\r\n",
        "Received: x\r\n",
        "abc",
        "<",
        ">",
        "\"",
        " ",
        "@",
    ]);
    prop_oneof![
        8 => known.prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 0usize..3000).prop_map(|(b, n)| vec![b; n]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_however_cut(fragments in prop::collection::vec(fragment(), 0..60), sizes in prop::collection::vec(1usize..50, 1..20), mend: bool) {
        let newlines = if mend { Newlines::Mend } else { Newlines::Refuse };
        let octets = fragments.concat();
        let (mut chunks, mut rest, mut sizes) = (Vec::new(), octets.as_slice(), sizes.into_iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            chunks.push(now);
            rest = later;
        }
        let came = play(&chunks, newlines);
        // STARTTLS throws away what came in the same read, which depends on the cut.
        if !octets.windows(8).any(|w| w.eq_ignore_ascii_case(b"STARTTLS")) {
            prop_assert_eq!(&came, &play(&[&octets], newlines));
        }
        for mail in &came.mails {
            let binary = octets.windows(10).any(|w| w == b"BINARYMIME");
            let bare = (0..mail.len()).any(|i| match mail[i] {
                b'\n' => i == 0 || mail[i - 1] != b'\r',
                b'\r' => mail.get(i + 1) != Some(&b'\n'),
                _ => false,
            });
            prop_assert!(binary || !bare, "a bare newline came through");
        }
    }
}
