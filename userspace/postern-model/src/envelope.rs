//! The SMTP envelope: who sent a mail, from where, to whom, with which parameters.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::{Address, ReversePath};

/// Which door a mail came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the Internet to our domains.
    Inbound,
    /// From our own servers (trusted networks) to anywhere.
    Outbound,
}

/// The TLS session a mail came over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsInfo {
    /// `TLSv1.3`
    pub version: String,
    /// `TLS13_AES_256_GCM_SHA384`
    pub cipher: String,
    /// `X25519MLKEM768`, when known.
    pub key_exchange: Option<String>,
}

/// The peer that spoke to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The client's own address: behind a balancer, the one from the PROXY header.
    pub address: SocketAddr,
    /// Our address it connected to.
    pub local: SocketAddr,
    /// What it said in EHLO or HELO; empty before that.
    pub helo: String,
    /// True for EHLO and LHLO.
    pub esmtp: bool,
    pub tls: Option<TlsInfo>,
    /// Reverse DNS name that resolves back to the address; `None` when there is none (or not yet asked).
    pub reverse: Option<String>,
    /// The login, on a port that authenticates.
    pub login: Option<String>,
}

impl Client {
    pub fn ip(&self) -> IpAddr {
        self.address.ip().to_canonical()
    }
}

/// RET of RFC 3461 §4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DsnReturn {
    Full,
    Headers,
}

/// NOTIFY of RFC 3461 §4.1. Without the parameter: failure and delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsnNotify {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

impl DsnNotify {
    pub const NEVER: Self = Self { success: false, failure: false, delay: false };
}

/// One RCPT TO with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub address: Address,
    pub notify: Option<DsnNotify>,
    /// ORCPT as given: `rfc822;a@b.example` (xtext decoded).
    pub original: Option<String>,
}

impl Recipient {
    pub fn plain(address: Address) -> Self {
        Self { address, notify: None, original: None }
    }
}

/// BODY of RFC 6152 and RFC 3030.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyType {
    #[default]
    SevenBit,
    EightBitMime,
    BinaryMime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub direction: Direction,
    pub client: Client,
    pub mail_from: ReversePath,
    pub recipients: Vec<Recipient>,
    /// SIZE as declared, in octets.
    pub declared_size: Option<u64>,
    pub body: BodyType,
    pub smtputf8: bool,
    /// RFC 8689: only deliver over verified TLS.
    pub require_tls: bool,
    pub dsn_return: Option<DsnReturn>,
    /// ENVID of RFC 3461 §4.4 (xtext decoded).
    pub dsn_envelope_id: Option<String>,
}
