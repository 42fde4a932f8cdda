//! What clients do wrong, fed back to the NIC: acts are counted here, enough of them make a ban, and
//! the ban goes to edge, which drops the client's packets. Where there is no XDP the journey asks
//! [`Feedback::is_banned`] and refuses the client itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use parking_lot::Mutex;
use postern_edge::client::{EdgeClient, EdgeClientError};
use postern_edge::offences::{Act, Offences};
use postern_model::control::{Ban, BanChange};
use postern_model::settings::edge::EdgeSettings;
use postern_model::time::Timestamp;
use tokio::sync::mpsc;

/// Bans read back from edge after a start, so that a client it bans is known here and its next ban is longer.
const REMEMBERED: usize = 10_000;
/// Bans and liftings that may wait for who tells the peers.
const CHANGES: usize = 4096;
/// How often a start looks whether edge is there.
const LOOK: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feedback {
    offences: Arc<Mutex<Offences>>,
    edge: EdgeClient,
    /// Who tells the peers of the cluster.
    outlet: Arc<Mutex<Option<mpsc::Sender<BanChange>>>>,
    untold: Arc<AtomicU64>,
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
        Self { offences, edge, outlet: Arc::default(), untold: Arc::default() }
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
            self.tell(BanChange::Set(vec![ban.clone()]));
            self.edge.ban(ban);
        }
    }

    /// What this node bans and lifts by itself from now on; in place of an earlier listener.
    pub fn changes(&self) -> mpsc::Receiver<BanChange> {
        let (outlet, changes) = mpsc::channel(CHANGES);
        *self.outlet.lock() = Some(outlet);
        changes
    }

    /// Bans and liftings that were not told because the listener did not keep up, since the start.
    pub fn untold(&self) -> u64 {
        self.untold.load(Ordering::Relaxed)
    }

    /// Puts bans of peers into force, here and at edge, and tells nobody again. The allow list of this node wins: both leave what is
    /// allowed alone. Never waits.
    pub fn adopt(&self, bans: Vec<Ban>) {
        self.offences.lock().remember(&bans);
        bans.into_iter().for_each(|ban| self.edge.ban(ban));
    }

    /// Lifts bans because a peer did; tells nobody again.
    ///
    /// # Errors
    /// When edge is away; the node itself forgets the bans all the same.
    pub async fn lift(&self, networks: Vec<IpNet>) -> Result<(), EdgeClientError> {
        self.offences.lock().forget(&networks);
        self.edge.unban(networks).await
    }

    fn tell(&self, change: BanChange) {
        if let Some(outlet) = self.outlet.lock().as_ref().filter(|o| !o.is_closed())
            && outlet.try_send(change).is_err()
        {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A ban set by hand.
    ///
    /// # Errors
    /// When edge is away, or refuses it (the allow list wins).
    pub async fn ban(&self, ban: Ban) -> Result<(), EdgeClientError> {
        self.edge.ban_now(ban.clone()).await?;
        self.offences.lock().remember(std::slice::from_ref(&ban));
        self.tell(BanChange::Set(vec![ban]));
        Ok(())
    }

    /// Lifts bans, here and at edge.
    ///
    /// # Errors
    /// When edge is away; the node itself forgets the bans all the same.
    pub async fn unban(&self, networks: Vec<IpNet>) -> Result<(), EdgeClientError> {
        self.tell(BanChange::Lifted(networks.clone()));
        self.lift(networks).await
    }

    pub fn edge(&self) -> &EdgeClient {
        &self.edge
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ban(network: &str) -> Ban {
        let from = Timestamp::from_system(SystemTime::now());
        Ban {
            network: network.parse().unwrap(),
            reason: postern_model::reason::Reason::Pregreet,
            from,
            until: from + Duration::from_secs(60),
            count: 0,
            by: "node".into(),
            evidence: String::new(),
        }
    }

    #[tokio::test]
    async fn own_bans_are_told_and_those_of_peers_are_not_told_again() {
        let dir = tempfile::tempdir().unwrap();
        let settings = EdgeSettings { allow: vec!["192.0.2.128/25".parse().unwrap()], ..EdgeSettings::default() };
        let feedback = Feedback::start(&settings, EdgeClient::start(dir.path().join("no-edge")));
        let mut changes = feedback.changes();
        let [own, peers, allowed]: [IpAddr; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.200"].map(|a| a.parse().unwrap());
        let now = Timestamp::from_system(SystemTime::now());
        feedback.record_many(own, Act::Pregreet, 100);
        let told = changes.try_recv().unwrap();
        assert!(matches!(&told, BanChange::Set(bans) if bans[0].network.contains(&own)), "{told:?}");
        feedback.adopt(vec![ban("192.0.2.2/32"), ban("192.0.2.200/32")]);
        assert!(feedback.is_banned(peers, now));
        assert!(!feedback.is_banned(allowed, now), "the allow list of this node wins");
        // There is no edge here; the node's own memory counts all the same.
        let _ = feedback.lift(vec!["192.0.2.2/32".parse().unwrap()]).await;
        assert!(!feedback.is_banned(peers, now));
        assert!(changes.try_recv().is_err(), "nothing of the peers' is told again");
        let network: IpNet = "192.0.2.1/32".parse().unwrap();
        let _ = feedback.unban(vec![network]).await;
        assert_eq!(changes.try_recv().unwrap(), BanChange::Lifted(vec![network]));
    }
}
