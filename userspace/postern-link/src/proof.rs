//! The proof that somebody knows an invitation's secret, without telling it.
//!
//! The secret makes a pair of keys. The issuer keeps the public half only: who steals its file of invitations cannot redeem
//! them. The joiner signs what both sides know of this one TLS channel (RFC 8446 §7.5), both nodes' keys and what the joiner
//! says of itself. So a proof is worth nothing on another connection, to another issuer, or for another key or message.

use iroh::endpoint::Connection;
use iroh::{PublicKey, SecretKey, Signature};
use postern_model::node::NodeKey;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the exported keying material is for; nobody else's label.
const LABEL: &[u8] = b"EXPERIMENTAL postern join 1";

/// Octets of a signature.
pub const SIGNATURE: usize = Signature::LENGTH;

/// Names an invitation without saying anything of its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretId(pub [u8; 16]);

/// The public half of an invitation's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier([u8; 32]);

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl FromStr for SecretId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|o| o.try_into().ok());
        octets.map(Self).ok_or("the id of an invitation is 32 hexadecimal digits")
    }
}

impl SecretId {
    pub fn of(secret: &[u8; 16]) -> Self {
        let hash = blake3::derive_key("postern invitation: id", secret);
        Self(std::array::from_fn(|i| hash[i]))
    }

    /// Takes the same time wherever they differ.
    pub fn is(self, other: Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

fn signer(secret: &[u8; 16]) -> SecretKey {
    SecretKey::from_bytes(&blake3::derive_key("postern invitation: key", secret))
}

impl Verifier {
    pub fn of(secret: &[u8; 16]) -> Self {
        Self(*signer(secret).public().as_bytes())
    }

    pub fn accepts(&self, statement: &Statement, proof: &[u8; SIGNATURE]) -> bool {
        PublicKey::from_bytes(&self.0).is_ok_and(|key| key.verify(&statement.0, &Signature::from_bytes(proof)).is_ok())
    }
}

/// What is signed.
pub struct Statement(Vec<u8>);

impl Statement {
    /// `None`: the connection has no keys to derive from.
    pub fn new(connection: &Connection, issuer: NodeKey, joiner: NodeKey, hello: &[u8]) -> Option<Self> {
        let mut channel = [0; 32];
        connection.export_keying_material(&mut channel, LABEL, &issuer.0).ok()?;
        Some(Self::of(&channel, issuer, joiner, hello))
    }

    fn of(channel: &[u8; 32], issuer: NodeKey, joiner: NodeKey, hello: &[u8]) -> Self {
        let mut said = b"postern join 1".to_vec();
        for part in [channel, &issuer.0, &joiner.0, blake3::hash(hello).as_bytes()] {
            said.extend_from_slice(part);
        }
        Self(said)
    }

    pub fn sign(&self, secret: &[u8; 16]) -> [u8; SIGNATURE] {
        signer(secret).sign(&self.0).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_one_channel_issuer_joiner_and_message() {
        let secret = [7; 16];
        let (issuer, joiner) = (NodeKey([1; 32]), NodeKey([2; 32]));
        let proof = Statement::of(&[3; 32], issuer, joiner, b"hello").sign(&secret);
        let verifier = Verifier::of(&secret);
        assert!(verifier.accepts(&Statement::of(&[3; 32], issuer, joiner, b"hello"), &proof));
        for other in [
            Statement::of(&[4; 32], issuer, joiner, b"hello"),
            Statement::of(&[3; 32], joiner, joiner, b"hello"),
            Statement::of(&[3; 32], issuer, issuer, b"hello"),
            Statement::of(&[3; 32], issuer, joiner, b"hell"),
        ] {
            assert!(!verifier.accepts(&other, &proof));
        }
        assert!(!Verifier::of(&[8; 16]).accepts(&Statement::of(&[3; 32], issuer, joiner, b"hello"), &proof));
        assert!(!SecretId::of(&secret).is(SecretId::of(&[8; 16])) && SecretId::of(&secret).is(SecretId::of(&secret)));
        assert_eq!(SecretId::of(&secret).to_string().parse(), Ok(SecretId::of(&secret)));
    }
}
