//! What this node issued: kept on disk, redeemed once each.
//!
//! An invitation is marked used, and that is on disk, before anything is handed out. So a crash in between costs a new
//! invitation and never lets two nodes in by one. Of a secret only what verifies a proof of it is kept.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::node::NodeKey;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::file;
pub use crate::proof::SecretId;
use crate::proof::{SIGNATURE, Statement, Verifier};
use crate::token::{MOST_ADDRESSES, Token};

/// Invitations that are kept, of any state. A person issues them; a script that runs wild is stopped here.
pub const MOST: usize = 256;

/// Used, expired and revoked ones are remembered so long, to say so when they are tried again.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// What the file begins with; a checksum of the rest follows.
const HEAD: &[u8] = b"postern invitations 1\n";
const CHECKSUM: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    pub id: SecretId,
    verifier: Verifier,
    pub issued: Timestamp,
    pub expires: Timestamp,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Good until it expires.
    Open,
    Used {
        by: NodeKey,
        at: Timestamp,
    },
    Revoked {
        at: Timestamp,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    #[error("cannot {what} the invitations of this node, {}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is damaged: move it away, and issue new invitations", path.display())]
    Damaged { path: PathBuf },
    #[error("{MOST} invitations are open: revoke some first")]
    TooMany,
    #[error("there is no invitation {0}")]
    Unknown(SecretId),
    #[error("invitation {0} was used already: remove the node that it let in, if it should not be here")]
    Used(SecretId),
}

/// Why an invitation is not redeemed. Only [`Self::Unproven`] is for those who do not know the secret.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("refused")]
    Unproven,
    #[error("this token was used already, {at}: ask for a new one")]
    Used { at: Timestamp },
    #[error("this token expired {at}: ask for a new one")]
    Expired { at: Timestamp },
    #[error("this token was revoked {at}: ask for a new one")]
    Revoked { at: Timestamp },
    #[error("the issuer cannot write that the token is used, so it stays as it is: {0}")]
    NotKept(#[from] InvitationError),
}

pub struct Invitations {
    path: PathBuf,
    all: Mutex<Vec<Invitation>>,
}

impl Invitations {
    /// Reads the file; a missing one is an empty one.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn open(path: &Path) -> Result<Self, InvitationError> {
        let all = match fs::read(path) {
            Ok(octets) => read(&octets).ok_or_else(|| InvitationError::Damaged { path: path.to_owned() })?,
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(InvitationError::File { what: "read", path: path.to_owned(), source }),
        };
        Ok(Self { path: path.to_owned(), all: Mutex::new(all) })
    }

    /// Makes an invitation; it is on disk when this returns. Blocks.
    ///
    /// # Errors
    /// When the file cannot be written, or too many are open.
    pub fn invite(
        &self,
        cluster: [u8; 16],
        issuer: NodeKey,
        mut addresses: Vec<SocketAddr>,
        now: Timestamp,
        good_for: Duration,
    ) -> Result<Token, InvitationError> {
        addresses.truncate(MOST_ADDRESSES);
        let token = Token { cluster, issuer, addresses, secret: rand::random(), expires: now + good_for };
        self.change(|all| {
            all.retain(|i| !i.is_over(now) || now.since(i.over_since()) < REMEMBERED);
            if all.len() >= MOST {
                let oldest = all.iter().enumerate().filter(|(_, i)| i.is_over(now)).min_by_key(|(_, i)| i.over_since());
                let oldest = oldest.map(|(n, _)| n).ok_or(InvitationError::TooMany)?;
                all.remove(oldest);
            }
            let (id, verifier) = (SecretId::of(&token.secret), Verifier::of(&token.secret));
            all.push(Invitation { id, verifier, issued: now, expires: token.expires, state: State::Open });
            Ok::<_, InvitationError>(())
        })?;
        Ok(token)
    }

    /// All that are remembered, the oldest first.
    pub fn list(&self) -> Vec<Invitation> {
        self.all.lock().clone()
    }

    /// Nobody can use it from now on. Blocks.
    ///
    /// # Errors
    /// When there is none with this id, it was used, or the file cannot be written.
    pub fn revoke(&self, id: SecretId, now: Timestamp) -> Result<(), InvitationError> {
        self.change(|all| {
            let found = all.iter_mut().find(|i| i.id == id).ok_or(InvitationError::Unknown(id))?;
            match found.state {
                State::Used { .. } => Err(InvitationError::Used(id)),
                State::Revoked { .. } => Ok(()),
                State::Open => {
                    found.state = State::Revoked { at: now };
                    Ok(())
                }
            }
        })
    }

    /// Marks an invitation used by whoever proves its secret; that is on disk when this returns. Blocks.
    pub(crate) fn claim(
        &self,
        id: SecretId,
        statement: &Statement,
        proof: &[u8; SIGNATURE],
        by: NodeKey,
        now: Timestamp,
    ) -> Result<(), ClaimError> {
        self.change(|all| {
            // All are looked at, so that the time says nothing of which there are.
            let found = all.iter_mut().filter(|i| i.id.is(id)).last();
            let found = found.filter(|i| i.verifier.accepts(statement, proof)).ok_or(ClaimError::Unproven)?;
            match found.state {
                State::Used { at, .. } => Err(ClaimError::Used { at }),
                State::Revoked { at } => Err(ClaimError::Revoked { at }),
                State::Open if now >= found.expires => Err(ClaimError::Expired { at: found.expires }),
                State::Open => {
                    found.state = State::Used { by, at: now };
                    Ok(())
                }
            }
        })
    }

    /// Opens it again: the node that claimed it was not let in. Blocks.
    pub(crate) fn give_back(&self, id: SecretId, by: NodeKey) -> Result<(), InvitationError> {
        self.change(|all| {
            if let Some(found) = all.iter_mut().find(|i| i.id == id && matches!(i.state, State::Used { by: user, .. } if user == by)) {
                found.state = State::Open;
            }
            Ok(())
        })
    }

    /// What is not on disk did not happen.
    fn change<E: From<InvitationError>>(&self, change: impl FnOnce(&mut Vec<Invitation>) -> Result<(), E>) -> Result<(), E> {
        let mut all = self.all.lock();
        let mut next = all.clone();
        change(&mut next)?;
        if next != *all {
            let failed = |source| InvitationError::File { what: "write", path: self.path.clone(), source };
            let octets = written(&next).map_err(failed)?;
            file::write_anew(&self.path, &octets).map_err(failed)?;
            *all = next;
        }
        Ok(())
    }
}

impl Invitation {
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.state != State::Open || now >= self.expires
    }

    fn over_since(&self) -> Timestamp {
        match self.state {
            State::Open => self.expires,
            State::Used { at, .. } | State::Revoked { at } => at,
        }
    }
}

fn written(all: &[Invitation]) -> std::io::Result<Vec<u8>> {
    let body = postcard::to_allocvec(all).map_err(std::io::Error::other)?;
    Ok([HEAD, blake3::hash(&body).as_bytes(), &body].concat())
}

fn read(octets: &[u8]) -> Option<Vec<Invitation>> {
    let (sum, body) = octets.strip_prefix(HEAD)?.split_first_chunk::<CHECKSUM>()?;
    if blake3::hash(body) != *sum {
        return None;
    }
    postcard::from_bytes(body).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn invite(invitations: &Invitations, now: Timestamp) -> Result<Token, InvitationError> {
        invitations.invite([1; 16], NodeKey([2; 32]), vec![], now, HOUR)
    }

    #[test]
    fn invitations_survive_a_restart_and_the_file_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("invitations");
        let first = Invitations::open(&path).unwrap();
        let token = invite(&first, NOW).unwrap();
        first.revoke(SecretId::of(&token.secret), NOW + HOUR / 2).unwrap();
        invite(&first, NOW).unwrap();
        assert_eq!(Invitations::open(&path).unwrap().list(), first.list());
        let octets = fs::read(&path).unwrap();
        assert!(!octets.windows(16).any(|w| w == token.secret), "the secret is on disk");
        assert!(matches!(first.revoke(SecretId([9; 16]), NOW), Err(InvitationError::Unknown(_))));

        let mut bad = octets.clone();
        *bad.last_mut().unwrap() ^= 1;
        for bad in [bad, octets[..octets.len() - 1].to_vec(), vec![]] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(Invitations::open(&path), Err(InvitationError::Damaged { .. })));
        }
    }

    #[test]
    fn their_number_is_bounded_and_what_is_over_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let invitations = Invitations::open(&folder.path().join("invitations")).unwrap();
        for _ in 0..MOST {
            invite(&invitations, NOW).unwrap();
        }
        assert!(matches!(invite(&invitations, NOW), Err(InvitationError::TooMany)));
        let first = invitations.list()[0].id;
        invitations.revoke(first, NOW).unwrap();
        invite(&invitations, NOW).unwrap();
        assert_eq!(invitations.list().len(), MOST);
        assert!(invitations.list().iter().all(|i| i.id != first));
        // A month after they expired all are forgotten.
        invite(&invitations, NOW + HOUR + REMEMBERED).unwrap();
        assert_eq!(invitations.list().len(), 1);
    }

    #[test]
    fn what_cannot_be_kept_did_not_happen() {
        let folder = tempfile::tempdir().unwrap();
        let invitations = Invitations::open(&folder.path().join("gone").join("invitations")).unwrap();
        assert!(matches!(invite(&invitations, NOW), Err(InvitationError::File { .. })));
        assert!(invitations.list().is_empty());
    }
}
