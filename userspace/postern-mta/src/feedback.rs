//! What clients do wrong, fed back to the NIC: acts are counted here, enough of them make a ban, and
//! the ban goes to edge, which drops the client's packets. Where there is no XDP the journey asks
//! [`Feedback::is_banned`] and refuses the client itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use parking_lot::Mutex;
use postern_edge::client::{EdgeClient, EdgeClientError};
use postern_edge::offences::{Act, Offences};
use postern_model::control::Ban;
use postern_model::settings::edge::EdgeSettings;
use postern_model::time::Timestamp;

/// Bans read back from edge after a start, so that a client it bans is known here and its next ban is longer.
const REMEMBERED: usize = 10_000;
/// How often a start looks whether edge is there.
const LOOK: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feedback {
    offences: Arc<Mutex<Offences>>,
    edge: EdgeClient,
}

impl Feedback {
    /// Hands the settings to edge and takes its bans over as soon as it answers. Needs a tokio runtime.
    pub fn start(settings: &EdgeSettings, edge: EdgeClient) -> Self {
        let offences = Arc::new(Mutex::new(Offences::new(settings.bans.clone(), &settings.allow)));
        edge.apply(settings.clone());
        let (shared, client) = (Arc::clone(&offences), edge.clone());
        tokio::spawn(async move {
            loop {
                match client.bans(REMEMBERED).await {
                    Ok(bans) => return shared.lock().remember(&bans),
                    Err(_) => tokio::time::sleep(LOOK).await,
                }
            }
        });
        Self { offences, edge }
    }

    /// The settings changed, here and at edge.
    pub fn apply(&self, settings: &EdgeSettings) {
        self.offences.lock().set_rules(settings.bans.clone(), &settings.allow);
        self.edge.apply(settings.clone());
    }

    pub fn is_banned(&self, client: IpAddr, now: Timestamp) -> bool {
        self.offences.lock().banned(client, now).is_some()
    }

    /// Counts one bad act of a client.
    pub fn record(&self, client: IpAddr, act: Act) {
        self.record_many(client, act, 1);
    }

    /// Counts the same bad act several times.
    pub fn record_many(&self, client: IpAddr, act: Act, times: u32) {
        let now = Timestamp::from_system(SystemTime::now());
        let ban = {
            let mut offences = self.offences.lock();
            (0..times).find_map(|_| offences.record(client, act, now))
        };
        if let Some(ban) = ban {
            tracing::info!(network = %ban.network, reason = %ban.reason, until = %ban.until, evidence = ban.evidence, "banned");
            self.edge.ban(ban);
        }
    }

    /// A ban set by hand.
    ///
    /// # Errors
    /// When edge is away, or refuses it (the allow list wins).
    pub async fn ban(&self, ban: Ban) -> Result<(), EdgeClientError> {
        self.edge.ban_now(ban.clone()).await?;
        self.offences.lock().remember(&[ban]);
        Ok(())
    }

    /// Lifts bans, here and at edge.
    ///
    /// # Errors
    /// When edge is away; the node itself forgets the bans all the same.
    pub async fn unban(&self, networks: Vec<IpNet>) -> Result<(), EdgeClientError> {
        self.offences.lock().forget(&networks);
        self.edge.unban(networks).await
    }

    pub fn edge(&self) -> &EdgeClient {
        &self.edge
    }
}
