//! Whom to ask: the name servers of the settings, or the system's, which may change while this runs: a lease that comes after the
//! start, another server in the machine's own settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use parking_lot::Mutex;
use postern_model::settings::node::{DnsServer, DnsSettings};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use super::{NEGATIVE_TTL, NEGATIVE_TTL_MAX, POSITIVE_TTL_MAX, ResolverError};

pub const SYSTEM: &str = "/etc/resolv.conf";
/// Between two looks at the system's file.
const LOOK: Duration = Duration::from_secs(1);

pub struct Servers {
    settings: DnsSettings,
    /// Where the system's are named.
    system: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    engine: Option<TokioResolver>,
    /// `None`: never, or those of the settings are asked.
    looked: Option<Instant>,
    /// What the file said then; `None`: it was not there.
    text: Option<Vec<u8>>,
}

impl Servers {
    /// # Errors
    /// When those of the settings cannot be used. That the system names none is no error: it may later.
    pub fn new(settings: &DnsSettings, system: &Path) -> Result<Self, ResolverError> {
        let servers = Self { settings: settings.clone(), system: system.to_owned(), state: Mutex::default() };
        if !settings.servers.is_empty() {
            servers.state.lock().engine = Some(build(settings, of(settings), ResolverOpts::default())?);
        } else if servers.engine().is_none() {
            tracing::warn!(
                file = %system.display(),
                "no name server is known: mail goes on without names, DNS lists and sender authentication until there is one, or [dns] servers names one"
            );
        }
        Ok(servers)
    }

    /// `None`: nobody is known who could be asked.
    pub fn engine(&self) -> Option<TokioResolver> {
        let mut state = self.state.lock();
        let now = Instant::now();
        if self.settings.servers.is_empty() && state.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK) {
            self.look(&mut state);
            state.looked = Some(now);
        }
        state.engine.clone()
    }

    fn look(&self, state: &mut State) {
        let text = std::fs::read(&self.system).ok();
        if state.looked.is_some() && text == state.text {
            return;
        }
        let parsed = text.as_ref().and_then(|text| parse_resolv_conf(text).ok());
        let engine = parsed.map(|(config, options)| build(&self.settings, config, options));
        match engine {
            Some(Ok(engine)) => {
                if state.looked.is_some() {
                    tracing::info!(file = %self.system.display(), "the system names other name servers: they are asked from now on");
                }
                state.engine = Some(engine);
            }
            Some(Err(error)) => tracing::warn!(file = %self.system.display(), %error, "the name servers stay as they were"),
            // Better the old ones than nobody: the file is being written, or the lease is renewed.
            None => {}
        }
        state.text = text;
    }
}

fn of(settings: &DnsSettings) -> ResolverConfig {
    let server = |server: &DnsServer| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.0.port();
            connection
        });
        NameServerConfig::new(server.0.ip(), true, connections.into())
    };
    ResolverConfig::from_name_servers(settings.servers.iter().map(server).collect())
}

fn build(settings: &DnsSettings, config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, ResolverError> {
    options.attempts = 2;
    // Two tries must fit into the time of one question.
    options.timeout = (settings.timeout.0 / 2).max(Duration::from_millis(50));
    options.cache_size = settings.cache_entries as u64;
    options.negative_min_ttl = Some(NEGATIVE_TTL);
    options.negative_max_ttl = Some(NEGATIVE_TTL_MAX);
    options.positive_max_ttl = Some(POSITIVE_TTL_MAX);
    options.max_active_requests = 4096;
    without_tls()
        .and_then(|tls| {
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).with_tls_config(tls).build()
        })
        .map_err(|e| ResolverError::Build(Box::new(e)))
}

/// Name servers are asked by UDP and TCP only. Left to itself the resolver reads the system's authorities each time it is built.
fn without_tls() -> Result<ClientConfig, NetError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The file as it stands now, without waiting for the next look.
    fn asks_somebody(servers: &Servers) -> bool {
        if let Some(looked) = &mut servers.state.lock().looked {
            *looked -= LOOK;
        }
        servers.engine().is_some()
    }

    #[tokio::test]
    async fn a_server_that_the_system_names_later_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        let servers = Servers::new(&DnsSettings::default(), &file).unwrap();
        assert!(!asks_somebody(&servers), "there is no file");
        std::fs::write(&file, "# No DNS servers known.\n").unwrap();
        assert!(!asks_somebody(&servers));
        std::fs::write(&file, "nameserver 192.0.2.53\n").unwrap();
        assert!(servers.engine().is_none(), "it was looked at a moment ago");
        assert!(asks_somebody(&servers));
        std::fs::write(&file, "").unwrap();
        assert!(asks_somebody(&servers), "the old one rather than nobody");
    }
}
