//! A console on a real unix socket and real HTTPS on loopback, with a real database, spool and queue.
#![allow(dead_code)]

pub mod os;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use postern_backup::schedule::{Keeper, Node};
use postern_cluster::kinds::Probe;
use postern_cluster::node::generation::Generation;
use postern_cluster::node::{Cluster, ClusterParts};
use postern_console::listen::{bind_unix, serve_https, serve_unix};
use postern_console::{Console, Duty, DutyView, LearnKind, OpenedAgain, PolicyExplained, SettingsHandle, State};
use postern_edge::client::EdgeClient;
use postern_mail::dns::Resolver;
use postern_model::reason::Reason;
use postern_model::sandbox::{Kind, Opened, Part, Report, Seen};
use postern_model::score::Score;
use postern_model::settings::Settings;
use postern_model::settings::edge::EdgeSettings;
use postern_model::settings::sandbox::SandboxSettings;
use postern_model::symbol::{Group, Hit};
use postern_model::verdict::{Action, Verdict};
use postern_mta::events::Events;
use postern_mta::feedback::Feedback;
use postern_mta::queue::{Queue, QueueParts};
use postern_mta::sandbox::RuleBook;
use postern_store::database::Database;
use postern_store::spool::Spool;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

pub const PASSWORD: &str = "correct horse battery";

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub state: State,
    pub socket: PathBuf,
    pub address: SocketAddr,
    tls: tokio_rustls::TlsConnector,
    stop: CancellationToken,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    /// The problem of RFC 9457 that this answer must be.
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:postern:problem:"));
        problem
    }
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

/// A request on its way to either door.
pub struct Ask {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

pub fn ask(method: &'static str, path: impl Into<String>) -> Ask {
    Ask { method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
}

impl Ask {
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
    pub fn json(self, body: Value) -> Self {
        self.raw("application/json", body.to_string())
    }
    pub fn raw(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.headers.push(("content-type".into(), kind.into()));
        self.body = body.into();
        self
    }
    pub fn login(self, login: &Login) -> Self {
        self.header("cookie", &login.cookie).header("x-postern-csrf", &login.csrf)
    }

    /// The answer with a body that is yet to be read.
    async fn begun(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Response<Incoming> {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(self.method).uri(self.path).header("host", "localhost");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        sender.send_request(request.body(Full::new(self.body)).unwrap()).await.unwrap()
    }

    async fn over(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Reply {
        let (parts, body) = self.begun(stream).await.into_parts();
        let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// As an admin of this machine.
    pub async fn unix(self, rig: &Rig) -> Reply {
        self.over(tokio::net::UnixStream::connect(&rig.socket).await.unwrap()).await
    }

    /// As anybody on the network.
    pub async fn https(self, rig: &Rig) -> Reply {
        self.over(rig.tls().await).await
    }

    /// The same, from another address of this machine.
    pub async fn https_from(self, rig: &Rig, from: &str) -> Reply {
        self.over(rig.tls_from(from).await).await
    }

    /// The same, for a body that does not end by itself.
    pub async fn https_begun(self, rig: &Rig) -> Response<Incoming> {
        self.begun(rig.tls().await).await
    }
}

pub struct Login {
    pub cookie: String,
    pub csrf: String,
}

/// Certificates are not ordered here.
fn acme(settings: &SettingsHandle, data: &std::path::Path, stop: &CancellationToken) -> postern_acme::Keeper {
    let parts = postern_acme::Parts {
        settings: settings.subscribe(),
        hostname: "rig.example".into(),
        data: data.to_owned(),
        inherited: Vec::new(),
        open_door: Box::new(|| async {}.boxed()),
        spread: Box::new(|_| async {}.boxed()),
    };
    postern_acme::Keeper::start(parts, stop.clone())
}

/// A node that can found a cluster of its own.
async fn cluster(dir: &std::path::Path, settings: &SettingsHandle, database: &Database, spool: &Spool) -> Cluster {
    let bans = || tokio::sync::mpsc::channel(1).1;
    let parts = ClusterParts {
        folder: dir.join("cluster"),
        settings: settings.live(),
        hostname: "rig.example".to_owned(),
        version: "0",
        generation: Generation::current(),
        database: database.clone(),
        spool: spool.clone(),
        validate: Arc::new(|_| Ok(())),
        own_bans: Arc::new(bans),
        peer_bans: tokio::sync::mpsc::channel(1).0,
        own_files: Arc::new(|| tokio::sync::mpsc::channel(1).1),
        peer_files: tokio::sync::mpsc::channel(1).0,
        orders: tokio::sync::mpsc::channel(1).0,
        learned: Arc::default(),
        moves: tokio::sync::mpsc::channel(1).0,
        probe: Arc::new(Probe::default),
    };
    Cluster::open(parts, Vec::new()).await.unwrap().0
}

impl Rig {
    async fn tls(&self) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        self.tls_from("127.0.0.1").await
    }

    async fn tls_from(&self, from: &str) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        self.tls.connect("localhost".try_into().unwrap(), stream).await.unwrap()
    }

    pub async fn new() -> Self {
        Self::with_settings("").await
    }

    pub async fn with_settings(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postern.toml");
        if !text.is_empty() {
            std::fs::write(&file, text).unwrap();
        }
        let settings = SettingsHandle::open(&file).unwrap();
        let database = Database::open(&dir.path().join("postern.db")).await.unwrap();
        let mut spool_settings = Settings::default().delivery.spool;
        spool_settings.reserve = 0;
        let (spool, restored) = Spool::open(dir.path().join("spool"), spool_settings).unwrap();
        let queue = queue(&spool, &settings, restored);
        let cluster = cluster(dir.path(), &settings, &database, &spool).await;
        let stop = CancellationToken::new();
        let node = Node {
            host: "rig.example".into(),
            identity: Arc::new(|| None),
            version: "0".into(),
            settings_file: file.clone(),
            outside: Vec::new(),
        };
        let state = State {
            acme: acme(&settings, dir.path(), &stop),
            backups: Keeper::start(settings.subscribe(), node, stop.clone()),
            cluster,
            duty: Duty {
                view: Arc::new(|| DutyView { duty: "serving", ..DutyView::default() }),
                drain: Arc::new(|| Err("this rig takes no mail".to_owned())),
                resume: Arc::new(|| async { Ok(()) }.boxed()),
            },
            database,
            settings,
            spool,
            queue,
            feedback: Feedback::start(&EdgeSettings::default(), EdgeClient::start(dir.path().join("edge.sock"))),
            explain_policy: Arc::new(|request| {
                async move {
                    let verdict = Verdict { action: Action::Accept, reason: Reason::Clean, score: Score::ZERO, hits: Vec::new() };
                    let outcome = format!("{} recipients", request.recipients.len());
                    Ok(PolicyExplained { verdict, decisions: Vec::new(), outcome })
                }
                .boxed()
            }),
            explain: Arc::new(|request| {
                let text = String::from_utf8_lossy(&request.mail).into_owned();
                async move {
                    if text.contains("unreadable") {
                        return Err("the mail cannot be read".to_owned());
                    }
                    let hit = Hit {
                        symbol: "TEST".into(),
                        group: Group::Body,
                        score: Score::new(6.0),
                        evidence: text.chars().take(20).collect(),
                    };
                    Ok(Verdict { action: Action::Tag, reason: Reason::ScoreTag, score: Score::new(6.0), hits: vec![hit] })
                }
                .boxed()
            }),
            open_again: Arc::new(|mail| {
                async move {
                    let part = Part { inside: None, name: "invoice.zip".into(), kind: Kind::Zip, size: mail.len() as u64, hash: [0; 32] };
                    let report = Report { parts: vec![part], ..Report::default() };
                    Ok(OpenedAgain { attachments: vec![Opened { report, left_out: 0, seen: Seen::Now }], ..OpenedAgain::default() })
                }
                .boxed()
            }),
            silent: Arc::new(|| async { Vec::new() }.boxed()),
            yara_rules: Arc::new(RuleBook::open(dir.path(), &SandboxSettings::default()).unwrap()),
            learn: Arc::new(|kind, _| async move { if kind == LearnKind::Spam { Ok(()) } else { Err("ham is full".to_owned()) } }.boxed()),
            ready: Arc::new(AtomicBool::new(true)),
        };
        let router = Console::new(state.clone()).router();
        let socket = dir.path().join("run/node.sock");
        tokio::spawn(serve_unix(bind_unix(&socket).unwrap(), router.clone(), stop.clone()));

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let server = Arc::new(server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = Arc::new(move || tokio_rustls::TlsAcceptor::from(Arc::clone(&server)));
        tokio::spawn(serve_https(listener, acceptor, router, stop.clone()));
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(client.with_root_certificates(roots).with_no_client_auth()));
        Self { dir, state, socket, address, tls, stop }
    }

    /// Serves these handles on another unix socket from now on, with what `start` starts beside them.
    pub fn serve_with(&mut self, state: State, start: impl FnOnce(&Console, &CancellationToken)) {
        let console = Console::new(state);
        self.socket = self.dir.path().join("run/other.sock");
        tokio::spawn(serve_unix(bind_unix(&self.socket).unwrap(), console.router(), self.stop.clone()));
        start(&console, &self.stop);
    }

    /// With a data folder and a run folder below this one, where the role `os` may be [played](os::os).
    pub async fn at_home(home: &std::path::Path) -> Self {
        for folder in ["data", "run"] {
            std::fs::create_dir(home.join(folder)).unwrap();
        }
        Self::with_settings(&format!("[node]\ndata_dir = {:?}\nrun_dir = {:?}\n", home.join("data"), home.join("run"))).await
    }

    /// Makes the admin `erika` and logs in.
    pub async fn login(&self) -> Login {
        let new = serde_json::json!({ "name": "erika", "password": PASSWORD });
        let made = ask("POST", "/api/v1/admins").json(new).unix(self).await;
        assert!(made.status == StatusCode::CREATED || made.status == StatusCode::CONFLICT, "{}", made.text());
        self.login_as("erika", PASSWORD).await
    }

    pub async fn login_as(&self, name: &str, password: &str) -> Login {
        let reply = ask("POST", "/api/v1/session").json(serde_json::json!({ "name": name, "password": password })).https(self).await;
        let csrf = reply.ok()["csrf"].as_str().unwrap().to_owned();
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        Login { cookie, csrf }
    }
}

/// The real queue, without name resolution: nothing here is ever delivered.
fn queue(spool: &Spool, settings: &Arc<SettingsHandle>, restored: Vec<postern_model::queue::QueuedMail>) -> Queue {
    let (events, mut steps) = Events::channel(1000);
    tokio::spawn(async move { while steps.recv().await.is_some() {} });
    let parts =
        QueueParts { spool: spool.clone(), events, settings: settings.live(), resolver: Resolver::off(), hostname: "mx.example".into() };
    Queue::start(parts, restored)
}
