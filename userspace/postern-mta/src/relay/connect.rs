//! From a destination to a connection: which hosts, in which order, with which policy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use postern_mail::dns::{Answer, Resolver};
use postern_model::queue::LastReply;
use postern_model::settings::Settings;
use postern_model::settings::delivery::{Backend, Protocol, TlsPolicy};
use postern_model::time::Timestamp;
use postern_smtp::client::{Credentials, Options};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::connection::{Connection, LineError, Patience};
use super::hosts::HostMemory;
use super::stream::Stream;
use super::tls::TlsClients;
use crate::mx;
use crate::queue::Hop;
use crate::route::{Destination, Place, Route, draw, fixed_hosts};

/// Addresses that are tried for one connection, over all hosts.
pub(super) const MAX_TRIES: usize = 10;

#[derive(Debug)]
pub enum ConnectError {
    /// Later it may work.
    Unreachable(LastReply),
    /// It never will: the domain does not exist, takes no mail, or we are its best host.
    Impossible(LastReply),
}

/// One host to try.
pub(super) struct Host {
    place: Place,
    protocol: Protocol,
    tls: TlsPolicy,
    /// The settings' policy, where REQUIRETLS put a stricter one in its place.
    local_tls: TlsPolicy,
    credentials: Option<Credentials>,
    /// Found by MX: it may be this host in disguise.
    is_foreign: bool,
}

impl Host {
    fn of(backend: &Backend) -> Self {
        let credentials = backend.username.clone().map(|username| {
            let password = backend.password.clone().unwrap_or_default();
            Credentials { username, password }
        });
        Self {
            place: Place::of(backend),
            protocol: backend.protocol,
            tls: backend.tls,
            local_tls: backend.tls,
            credentials,
            is_foreign: false,
        }
    }

    pub(super) fn name(&self) -> String {
        match &self.place {
            Place::Address(ip, port) => SocketAddr::new(*ip, *port).to_string(),
            Place::Name(name, port) => format!("{name}:{port}"),
            Place::Socket(path) => path.display().to_string(),
        }
    }
}

/// An address of a host.
pub(super) enum Endpoint {
    Tcp(SocketAddr),
    Unix(std::path::PathBuf),
}

/// Makes connections; shared by all workers and the recipients' call-out.
pub struct Connector {
    settings: Arc<ArcSwap<Settings>>,
    resolver: Resolver,
    hostname: Arc<str>,
    tls: TlsClients,
    hosts: HostMemory,
}

impl Connector {
    pub fn new(settings: Arc<ArcSwap<Settings>>, resolver: Resolver, hostname: Arc<str>) -> Self {
        Self { settings, resolver, hostname, tls: TlsClients::new(), hosts: HostMemory::new() }
    }

    /// Makes what the first connection would wait for.
    pub(crate) fn prepare(&self) {
        self.tls.prepare();
    }

    /// The settings changed: what was learned about hosts may be wrong now.
    pub(crate) fn reload(&self) {
        self.hosts.clear();
    }

    fn is_us(&self, name: &str) -> bool {
        name.trim_end_matches('.').eq_ignore_ascii_case(&self.hostname)
    }

    /// The hosts that would be tried now, in order.
    pub(super) async fn hosts(&self, destination: &Destination) -> Result<Vec<Host>, ConnectError> {
        let settings = self.settings.load_full();
        let mut hosts: Vec<Host> = match (&destination.route, fixed_hosts(&destination.route, &settings)) {
            (_, Some(backends)) if backends.is_empty() => {
                return Err(ConnectError::Unreachable(own(format!("450 4.3.5 the settings name no host for {destination}"))));
            }
            (_, Some(backends)) => draw(backends, &mut rand::rng()).iter().map(Host::of).collect(),
            (Route::Mx(domain), None) => {
                let names = mx::hosts(domain, &self.resolver, |name| self.is_us(name)).await.map_err(|e| {
                    let (code, text) = e.reply();
                    let last = own(format!("{code} {text}"));
                    if e.is_temporary() { ConnectError::Unreachable(last) } else { ConnectError::Impossible(last) }
                })?;
                let (tls, port) = (settings.delivery.mx_tls, settings.delivery.mx_port);
                let host = |name: String| {
                    let place = mx::literal(&name).map_or(Place::Name(name, port), |ip| Place::Address(ip, port));
                    Host { place, protocol: Protocol::Smtp, tls, local_tls: tls, credentials: None, is_foreign: true }
                };
                names.into_iter().map(host).collect()
            }
            (_, None) => Vec::new(),
        };
        if destination.require_tls {
            hosts.iter_mut().for_each(|h| h.tls = TlsPolicy::Verified);
        }
        // Stable: among hosts that failed lately, and among the others, the order stays.
        let now = Instant::now();
        hosts.sort_by_key(|h| self.hosts.is_avoided(&h.name(), now));
        Ok(hosts)
    }

    /// The routing plan for people.
    pub async fn plan(&self, destination: &Destination) -> Result<Vec<Hop>, String> {
        match self.hosts(destination).await {
            Ok(hosts) => {
                let now = Instant::now();
                let hop =
                    |h: &Host| Hop { host: h.name(), protocol: h.protocol, tls: h.tls, is_avoided: self.hosts.is_avoided(&h.name(), now) };
                Ok(hosts.iter().map(hop).collect())
            }
            Err(ConnectError::Unreachable(last) | ConnectError::Impossible(last)) => Err(last.reply),
        }
    }

    /// Connects to the first host that answers.
    ///
    /// # Errors
    /// No host could be reached, or there is none. The words are those of the last host tried.
    pub async fn connect(&self, destination: &Destination) -> Result<Connection, ConnectError> {
        let settings = self.settings.load_full();
        let d = &settings.delivery;
        let patience = Patience { handshake: d.connect_timeout.0, reply: d.reply_timeout.0 };
        self.connect_with(destination, patience).await
    }

    /// The same with other time limits.
    pub async fn connect_with(&self, destination: &Destination, patience: Patience) -> Result<Connection, ConnectError> {
        let hosts = self.hosts(destination).await?;
        let mut last = own(format!("450 4.4.1 no address could be tried for {destination}"));
        let mut tries = 0;
        let mut own_hosts = 0;
        let all = hosts.len();
        for host in hosts {
            let endpoints = match self.endpoints(&host).await {
                Ok(endpoints) => endpoints,
                Err(reply) => {
                    last = LastReply { at: now(), host: host.name(), reply };
                    continue;
                }
            };
            let is_ours = |e: &Endpoint| matches!(e, Endpoint::Tcp(a) if host.is_foreign && self.is_our_port(a));
            if endpoints.iter().any(is_ours) {
                // RFC 5321 §5.1: neither this host nor any after it.
                own_hosts += 1;
                last = own(format!("554 5.4.6 {} is this host: mail for {destination} would go in circles", host.name()));
                break;
            }
            for endpoint in endpoints {
                if tries == MAX_TRIES {
                    return Err(ConnectError::Unreachable(last));
                }
                tries += 1;
                let label = label(&host, &endpoint);
                match self.try_endpoint(&host, &endpoint, &label, patience).await {
                    Ok(connection) => {
                        self.hosts.works(&host.name());
                        return Ok(connection);
                    }
                    Err(e) => {
                        tracing::info!(host = %label, error = %e, "cannot connect");
                        last = LastReply { at: now(), host: label, reply: e.reply() };
                    }
                }
            }
            self.hosts.failed(&host.name(), Instant::now());
        }
        if own_hosts > 0 && tries == 0 && all > 0 { Err(ConnectError::Impossible(last)) } else { Err(ConnectError::Unreachable(last)) }
    }

    pub(super) async fn try_endpoint(
        &self,
        host: &Host,
        endpoint: &Endpoint,
        label: &str,
        patience: Patience,
    ) -> Result<Connection, LineError> {
        let first = self.greet(host, endpoint, label, host.tls, patience).await;
        match first {
            // RFC 7435: opportunistic means that a handshake that fails is answered by going on without.
            Err(LineError::Tls(e)) if host.tls == TlsPolicy::Opportunistic && host.credentials.is_none() => {
                tracing::info!(host = %label, error = %e, "TLS failed, going on without");
                self.greet(host, endpoint, label, TlsPolicy::Off, patience).await
            }
            other => other,
        }
    }

    async fn greet(
        &self,
        host: &Host,
        endpoint: &Endpoint,
        label: &str,
        tls: TlsPolicy,
        patience: Patience,
    ) -> Result<Connection, LineError> {
        let stage = postern_smtp::client::Stage::Greeting;
        let is_local = match endpoint {
            Endpoint::Unix(_) => true,
            Endpoint::Tcp(address) => address.ip().to_canonical().is_loopback(),
        };
        let connect = async {
            match endpoint {
                Endpoint::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    Ok(Stream::Tcp(stream))
                }
                Endpoint::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
            }
        };
        let stream = match timeout(patience.handshake, connect).await {
            Err(_) => return Err(LineError::Timeout { stage, after: patience.handshake }),
            Ok(Err(source)) => return Err(LineError::Io { stage, source }),
            Ok(Ok(stream)) => stream,
        };
        // A mail that asks for verified TLS may take a line that does not leave this machine (RFC 8689 is about the network).
        let tls = if is_local && tls == TlsPolicy::Verified { host.local_tls } else { tls };
        let options = Options { hello: self.hostname.to_string(), protocol: host.protocol, tls, credentials: host.credentials.clone() };
        let server = match &host.place {
            Place::Name(name, _) => name.clone(),
            Place::Address(ip, _) => ip.to_string(),
            Place::Socket(path) => path.display().to_string(),
        };
        Connection::greet(stream, label.to_owned(), options, &server, is_local, &self.tls, patience).await
    }

    pub(super) async fn endpoints(&self, host: &Host) -> Result<Vec<Endpoint>, String> {
        match &host.place {
            Place::Socket(path) => Ok(vec![Endpoint::Unix(path.clone())]),
            Place::Address(ip, port) => Ok(vec![Endpoint::Tcp(SocketAddr::new(*ip, *port))]),
            Place::Name(name, port) => {
                let found = match self.resolver.addresses(name).await {
                    Answer::Found(addresses) => addresses.to_vec(),
                    other => {
                        // A backend's name may stand in /etc/hosts only. MX hosts are the DNS's alone.
                        let local = if host.is_foreign { Vec::new() } else { system_addresses(name, *port).await };
                        if local.is_empty() {
                            let why = match other {
                                Answer::NoName => "the name does not exist".to_owned(),
                                Answer::NoData => "the name has no address".to_owned(),
                                Answer::Off => "name resolution is off".to_owned(),
                                Answer::Temporary(why) => why.to_string(),
                                Answer::Found(_) => String::new(),
                            };
                            return Err(format!("450 4.4.3 {name}: {why}"));
                        }
                        local
                    }
                };
                Ok(found.into_iter().map(|ip| Endpoint::Tcp(SocketAddr::new(ip, *port))).collect())
            }
        }
    }

    /// Whether an address is one of this machine with a port we take mail on.
    fn is_our_port(&self, address: &SocketAddr) -> bool {
        let settings = self.settings.load();
        let listens = settings.smtp.listen.iter().chain(&settings.smtp.trusted_listen);
        let ip = address.ip().to_canonical();
        listens.filter(|l| l.port() == address.port()).any(|l| {
            let own = l.ip().to_canonical();
            own == ip || (own.is_unspecified() && (ip.is_loopback() || ip.is_unspecified() || is_interface(ip)))
        })
    }
}

fn is_interface(ip: IpAddr) -> bool {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return false };
    interfaces
        .filter_map(|i| i.address)
        .any(|a| a.as_sockaddr_in().map(|s| IpAddr::V4(s.ip())) == Some(ip) || a.as_sockaddr_in6().map(|s| IpAddr::V6(s.ip())) == Some(ip))
}

async fn system_addresses(name: &str, port: u16) -> Vec<IpAddr> {
    match timeout(Duration::from_secs(5), tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => found.map(|a| a.ip()).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn label(host: &Host, endpoint: &Endpoint) -> String {
    match (&host.place, endpoint) {
        (Place::Name(name, port), Endpoint::Tcp(address)) => format!("{name}[{}]:{port}", address.ip()),
        _ => host.name(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

fn own(reply: String) -> LastReply {
    LastReply { at: now(), host: "postern".into(), reply }
}
