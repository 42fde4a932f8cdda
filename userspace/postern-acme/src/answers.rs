//! Answers to http-01 (RFC 8555 §8.3), and the small web server that gives them: while there are any, and nothing else.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::select_all;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use postern_mta::inherited::Inherited;
use postern_mta::listen;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const PLACE: &str = "/.well-known/acme-challenge/";
/// An authority looks within seconds, and again within a minute or two.
pub const LIFETIME: Duration = Duration::from_secs(10 * 60);
const MOST: usize = 256;
const LONGEST: usize = 512;
/// Authorities look from some places at a time.
const CONNECTIONS: usize = 64;
const WHOLE: Duration = Duration::from_secs(10);
const HEADER_OCTETS: usize = 16 * 1024;
/// How often it is looked whether an answer is still wanted.
const LOOK: Duration = Duration::from_secs(5);

/// What is answered when the authority asks for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAuthorization {
    pub token: String,
    /// The key authorization (RFC 8555 §8.1).
    pub text: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AnswerError {
    #[error("`{0}` is no token of an authority: letters, digits, - and _, at most {LONGEST} of them (RFC 8555 §8.3)")]
    Token(String),
    #[error("{MOST} answers wait to be asked for: no more are taken")]
    Many,
    #[error("port 80 cannot be had: {0}")]
    Listen(String),
}

/// The answers there are, and who listens for questions. Cheap to clone.
#[derive(Clone, Default)]
pub struct Answers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    answers: Mutex<HashMap<String, (String, Instant)>>,
    /// By the service manager; kept for all orders.
    inherited: Vec<(SocketAddr, StdListener)>,
    is_listening: Mutex<bool>,
}

impl Answers {
    pub fn new(inherited: Vec<StdListener>) -> Self {
        let inherited = inherited.into_iter().filter_map(|l| Some((l.local_addr().ok()?, l))).collect();
        Self(Arc::new(Inner { inherited, ..Inner::default() }))
    }

    /// # Errors
    /// When the token is none, or too many wait.
    pub fn put(&self, answer: &KeyAuthorization) -> Result<(), AnswerError> {
        let is_token = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if answer.token.is_empty() || answer.token.len() > LONGEST || answer.text.len() > LONGEST || !is_token(&answer.token) {
            return Err(AnswerError::Token(answer.token.chars().take(40).collect()));
        }
        let mut answers = self.0.answers.lock();
        answers.retain(|_, (_, until)| *until > Instant::now());
        if answers.len() >= MOST {
            return Err(AnswerError::Many);
        }
        answers.insert(answer.token.clone(), (answer.text.clone(), Instant::now() + LIFETIME));
        Ok(())
    }

    fn get(&self, token: &str) -> Option<String> {
        self.0.answers.lock().get(token).filter(|(_, until)| *until > Instant::now()).map(|(text, _)| text.clone())
    }

    /// No question to this one is answered any more.
    pub fn forget(&self, token: &str) {
        self.0.answers.lock().remove(token);
    }

    fn is_wanted(&self) -> bool {
        self.0.answers.lock().values().any(|(_, until)| *until > Instant::now())
    }

    /// Answers questions until no answer is left: to be called after [`Self::put`]. Listening already: nothing changes.
    ///
    /// # Errors
    /// When one of the addresses cannot be had.
    pub fn listen(&self, on: &[SocketAddr]) -> Result<(), AnswerError> {
        let mut is_listening = self.0.is_listening.lock();
        if *is_listening {
            return Ok(());
        }
        let listeners = on.iter().map(|address| self.socket(*address)).collect::<Result<Vec<_>, _>>()?;
        tokio::spawn(self.clone().serve(listeners));
        *is_listening = true;
        Ok(())
    }

    fn socket(&self, address: SocketAddr) -> Result<TcpListener, AnswerError> {
        let failed = |e: String| AnswerError::Listen(format!("{address}: {e}"));
        let inherited = self.0.inherited.iter().find(|(have, _)| have.port() == address.port()).map(|(_, socket)| socket.try_clone());
        let socket = match inherited {
            Some(socket) => socket.map_err(|e| failed(e.to_string()))?,
            None => listen::socket(address, &mut Inherited::default()).map_err(|e| failed(postern_model::causes::chain(&e)))?,
        };
        socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket)).map_err(|e| failed(e.to_string()))
    }

    async fn serve(self, listeners: Vec<TcpListener>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut look = tokio::time::interval(LOOK);
        loop {
            {
                let mut is_listening = self.0.is_listening.lock();
                if !self.is_wanted() {
                    // Closed before anybody may listen anew.
                    drop(listeners);
                    *is_listening = false;
                    return;
                }
            }
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { continue };
            let accepting = select_all(listeners.iter().map(|l| Box::pin(l.accept())));
            let accepted = tokio::select! { (accepted, ..) = accepting => accepted, _ = look.tick() => continue };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(50)).await; // out of descriptors: do not spin
                continue;
            };
            let answers = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answers.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(WHOLE).max_buf_size(HEADER_OCTETS).keep_alive(false);
                let _ = tokio::time::timeout(WHOLE, http.serve_connection(TokioIo::new(stream), service)).await;
                drop(place);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let token = request.uri().path().strip_prefix(PLACE).filter(|_| request.method() == Method::GET);
        match token.and_then(|token| self.get(token)) {
            Some(text) => {
                let mut response = Response::new(Full::new(text.into()));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
                response
            }
            None => {
                let mut response = Response::new(Full::new(Bytes::from_static(b"There is nothing here.\n")));
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(at: SocketAddr, line: &str) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(format!("{line} HTTP/1.1\r\nHost: mx.example.org\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn only_what_was_put_is_answered_and_only_while_it_is_there() {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let answers = Answers::new(vec![listener]);
        let one = KeyAuthorization { token: "abc_-9".into(), text: "abc_-9.thumb".into() };
        answers.put(&one).unwrap();
        answers.listen(&[SocketAddr::from(([0, 0, 0, 0], at.port()))]).unwrap();
        answers.listen(&[at]).unwrap();
        let said = ask(at, "GET /.well-known/acme-challenge/abc_-9").await;
        assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("\r\n\r\nabc_-9.thumb"), "{said}");
        for line in [
            "GET /",
            "GET /.well-known/acme-challenge/",
            "GET /.well-known/acme-challenge/other",
            "POST /.well-known/acme-challenge/abc_-9",
        ] {
            assert!(ask(at, line).await.starts_with("HTTP/1.1 404"), "{line}");
        }
        answers.forget("abc_-9");
        assert!(!answers.is_wanted());
    }

    #[test]
    fn what_is_no_token_is_refused_and_their_number_is_bounded() {
        let answers = Answers::default();
        let put = |token: &str| answers.put(&KeyAuthorization { token: token.into(), text: "x".into() });
        for token in ["", "../etc", "a b", "ä", &"x".repeat(LONGEST + 1)] {
            assert!(matches!(put(token), Err(AnswerError::Token(_))), "{token}");
        }
        for n in 0..MOST {
            put(&n.to_string()).unwrap();
        }
        assert_eq!(put("more"), Err(AnswerError::Many));
    }
}
