//! The first exchange on a connection: which versions either side speaks, and which life of it this is.
//!
//! The dialer opens the first stream and greets, the other greets back. Both then know the same. The stream stays: pings.

use std::ops::RangeInclusive;
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::time::timeout;

/// Versions of the protocol that this build speaks.
pub const PROTOCOLS: RangeInclusive<u16> = 1..=1;

/// Three round trips of a slow line.
const WITHIN: Duration = Duration::from_secs(3);

/// Octets of a greeting. One of a later version may have up to 255, those behind these are passed over.
const LENGTH: usize = 12;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    pub versions: RangeInclusive<u16>,
    /// Random, at each start: a connection to an earlier life of a peer is dead, whatever our side believes.
    pub life: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialed {
    ByUs,
    ByThem,
}

/// A connection on which both have greeted.
pub struct Greeted {
    pub connection: Connection,
    pub dialed: Dialed,
    pub version: u16,
    pub life: u64,
    pub sender: SendStream,
    pub receiver: RecvStream,
}

#[derive(Debug, thiserror::Error)]
pub enum GreetingError {
    #[error("{}", no_common(ours, theirs))]
    NoCommonVersion { ours: RangeInclusive<u16>, theirs: RangeInclusive<u16> },
    #[error("the peer did not greet within {} s", WITHIN.as_secs())]
    Late,
    #[error("the peer's greeting makes no sense")]
    Senseless,
    #[error("the connection ended before the greeting: {0}")]
    Broken(String),
}

fn no_common(ours: &RangeInclusive<u16>, theirs: &RangeInclusive<u16>) -> String {
    let spoken = |r: &RangeInclusive<u16>| {
        if r.start() == r.end() { format!("version {}", r.start()) } else { format!("versions {} to {}", r.start(), r.end()) }
    };
    format!("no common version of the protocol: we speak {}, the peer speaks {}", spoken(ours), spoken(theirs))
}

/// The highest that both know.
pub fn common(a: &RangeInclusive<u16>, b: &RangeInclusive<u16>) -> Option<u16> {
    let highest = *a.end().min(b.end());
    (highest >= *a.start().max(b.start())).then_some(highest)
}

impl Greeting {
    fn octets(&self) -> Vec<u8> {
        let mut octets = vec![LENGTH as u8];
        octets.extend_from_slice(&self.versions.start().to_le_bytes());
        octets.extend_from_slice(&self.versions.end().to_le_bytes());
        octets.extend_from_slice(&self.life.to_le_bytes());
        octets
    }

    fn read(octets: &[u8]) -> Option<Self> {
        let (lowest, rest) = octets.split_first_chunk::<2>()?;
        let (highest, rest) = rest.split_first_chunk::<2>()?;
        let (life, _) = rest.split_first_chunk::<8>()?;
        let versions = u16::from_le_bytes(*lowest)..=u16::from_le_bytes(*highest);
        (!versions.is_empty()).then(|| Self { versions, life: u64::from_le_bytes(*life) })
    }

    /// Greets and is greeted.
    ///
    /// # Errors
    /// When the other side does not keep to it, or has no version in common with us.
    pub async fn exchange(&self, connection: Connection, dialed: Dialed) -> Result<Greeted, GreetingError> {
        let exchange = async {
            let broken = |e: &dyn std::fmt::Display| GreetingError::Broken(e.to_string());
            let streams = match dialed {
                Dialed::ByUs => connection.open_bi().await,
                Dialed::ByThem => connection.accept_bi().await,
            };
            let (mut sender, mut receiver) = streams.map_err(|e| broken(&e))?;
            sender.write_all(&self.octets()).await.map_err(|e| broken(&e))?;
            let mut length = [0];
            receiver.read_exact(&mut length).await.map_err(|e| broken(&e))?;
            let mut octets = vec![0; usize::from(length[0])];
            receiver.read_exact(&mut octets).await.map_err(|e| broken(&e))?;
            let theirs = Self::read(&octets).ok_or(GreetingError::Senseless)?;
            Ok((sender, receiver, theirs))
        };
        let (sender, receiver, theirs) = timeout(WITHIN, exchange).await.map_err(|_| GreetingError::Late)??;
        let version = common(&self.versions, &theirs.versions)
            .ok_or_else(|| GreetingError::NoCommonVersion { ours: self.versions.clone(), theirs: theirs.versions.clone() })?;
        // What keeps a connection alive goes before everything that fills it.
        let _ = sender.set_priority(1);
        Ok(Greeted { connection, dialed, version, life: theirs.life, sender, receiver })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_highest_common_version_or_none() {
        for (a, b, c) in [(1..=1, 1..=2, Some(1)), (1..=2, 2..=2, Some(2)), (1..=1, 2..=2, None), (3..=9, 1..=5, Some(5))] {
            assert_eq!(common(&a, &b), c, "{a:?} {b:?}");
            assert_eq!(common(&b, &a), c, "{b:?} {a:?}");
        }
    }

    #[test]
    fn a_greeting_reads_back_also_when_a_later_version_says_more() {
        let greeting = Greeting { versions: 1..=7, life: 0x1234_5678_9abc_def0 };
        let mut octets = greeting.octets();
        assert_eq!(octets.len(), LENGTH + 1);
        octets.extend_from_slice(b"more");
        assert_eq!(Greeting::read(&octets[1..]), Some(greeting));
        assert_eq!(Greeting::read(&octets[1..8]), None);
        assert_eq!(Greeting::read(&[2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
