//! The QUIC endpoint: iroh with everything off that would talk to anybody but members, and the bounds of a connection.

use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{EndpointHooks, IdleTimeout, NetReportConfig, PortmapperConfig, QuicTransportConfig, VarInt, presets};
use iroh::{Endpoint, RelayMode};
use tokio::time::timeout;

use crate::identity::Identity;
use crate::udp::{Transport, Udp};

/// The protocol between members.
pub const MEMBERS: &[u8] = b"postern/1";

/// The protocol of those who have an invitation.
pub const JOINING: &[u8] = b"postern-join/1";

/// Something is sent at least so often in either direction.
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// A peer that does not answer for so long is gone: three answers lost in a row are not yet a cut.
pub const IDLE: Duration = Duration::from_secs(4);

/// Streams that a peer may have open towards us: a few that stay, the rest for questions and bodies under way.
pub const STREAMS: u32 = 128;

/// What a peer may send on one stream before we read it: 100 ms of 500 Mbit/s.
const STREAM_WINDOW: u32 = 6 << 20;

/// What a peer may send on all streams before we read it: the most memory that it can take.
const WINDOW: u32 = 16 << 20;

/// Time for the closing of connections to be told to the peers.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a connection was closed; the numbers are for ever, the words beside them are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Closing {
    NotAMember = 1,
    Duplicate = 2,
    Replaced = 3,
    NoCommonVersion = 4,
    Silent = 5,
    Removed = 6,
    BadGreeting = 7,
    TooMany = 8,
    Leaving = 9,
    Refused = 10,
    Done = 11,
}

/// A stream for a purpose that this version does not know was reset.
pub const UNKNOWN_PURPOSE: VarInt = VarInt::from_u32(100);

impl Closing {
    pub fn code(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }
}

fn quic() -> QuicTransportConfig {
    let idle = IdleTimeout::from(VarInt::from_u32(IDLE.as_millis() as u32));
    QuicTransportConfig::builder()
        // noq-proto 1.4.0 writes the frame without asking for room, and panics in a packet that acknowledgements fill (ADR 13).
        .ack_frequency_config(None)
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .max_idle_timeout(Some(idle))
        .default_path_max_idle_timeout(IDLE)
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW))
        .datagram_receive_buffer_size(None)
        .build()
}

/// Builds the endpoint on sockets of ours.
///
/// `Minimal` sets the provider of cryptography and nothing else; relays, address lookups (and with them DNS) and port mapping
/// are what is not added. They are named here all the same, so that a change of defaults changes nothing.
///
/// # Errors
/// In iroh's words.
pub async fn bind(
    identity: &Identity,
    udp: Arc<Udp>,
    protocols: Vec<Vec<u8>>,
    hooks: impl EndpointHooks + 'static,
) -> Result<Endpoint, String> {
    Endpoint::builder(presets::Minimal)
        .clear_ip_transports()
        .relay_mode(RelayMode::Disabled)
        .clear_relay_transports()
        .clear_address_lookup()
        .portmapper_config(PortmapperConfig::Disabled)
        .net_report_config(NetReportConfig::minimal())
        .add_custom_transport(Arc::new(Transport(udp)))
        .secret_key(identity.secret())
        .alpns(protocols)
        .transport_config(quic())
        .hooks(hooks)
        .bind()
        .await
        .map_err(|e| format!("{e:#}"))
}

/// Tells the peers of all connections, and ends. The engine would wait for each peer to have heard it, also for one that was
/// being dialed and never answered; that goes on behind us.
pub async fn close(endpoint: &Endpoint) {
    let closing = tokio::spawn({
        let endpoint = endpoint.clone();
        async move { endpoint.close().await }
    });
    if timeout(FAREWELL, closing).await.is_err() {
        // The process may end before that does, and the engine would log an error of ours: that it was dropped and never closed. What
        // stays in memory for this, when the node lives on outside of a cluster, is some kilobytes.
        std::mem::forget(endpoint.clone());
    }
}
