//! What the kernel knows of the network around us, and the addresses we put there, by rtnetlink(7).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo};
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourState};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};
use rtnetlink::{Handle, RouteMessageBuilder};
use tokio::task::JoinHandle;

/// Stands at every address that we put on an interface (`IFA_PROTO`, Linux 5.18): so those of an earlier run are found again.
const OURS: u8 = 0x70;

pub type Mac = [u8; 6];

#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct WireError {
    what: String,
    #[source]
    source: rtnetlink::Error,
}

impl WireError {
    fn of(what: String) -> impl FnOnce(rtnetlink::Error) -> Self {
        move |source| Self { what, source }
    }
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub mac: Mac,
    pub mtu: u32,
}

/// How a packet to an address would leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub interface: u32,
    /// `None`: it is on the segment.
    pub gateway: Option<IpAddr>,
    pub own: Option<IpAddr>,
}

/// An address that we put on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Placed {
    pub interface: u32,
    pub address: IpAddr,
}

/// A socket to the kernel's routing tables.
pub struct Wire {
    handle: Handle,
    connection: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Wire {
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be had.
    pub fn open() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Self { handle, connection: tokio::spawn(connection) })
    }

    /// # Errors
    /// When there is no such interface.
    pub async fn link(&self, name: &str) -> Result<Link, WireError> {
        let failed = || WireError::of(format!("interface {name}"));
        let found = self.handle.link().get().match_name(name).execute().try_next().await.map_err(failed())?;
        let message = found.ok_or(rtnetlink::Error::RequestFailed).map_err(failed())?;
        let mut link = Link { index: message.header.index, mac: [0; 6], mtu: 1500 };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::Address(mac) => link.mac = mac.try_into().unwrap_or_default(),
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                _ => {}
            }
        }
        Ok(link)
    }

    /// # Errors
    /// When there is no route to it.
    pub async fn way(&self, to: IpAddr) -> Result<Way, WireError> {
        let failed = || WireError::of(format!("no route to {to}"));
        let found = self.handle.route().get(question(to)).execute().try_next().await.map_err(failed())?;
        let message = found.ok_or(rtnetlink::Error::RequestFailed).map_err(failed())?;
        Ok(way_of(message))
    }

    /// The router of what has no other route, for IPv4 and IPv6.
    ///
    /// # Errors
    /// As the kernel says.
    pub async fn routers(&self) -> Result<[Option<Way>; 2], WireError> {
        let mut routers = [None, None];
        for (router, question) in
            routers.iter_mut().zip([RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()])
        {
            let mut best = u32::MAX;
            let mut messages = self.handle.route().get(question).execute();
            while let Some(message) = messages.try_next().await.map_err(WireError::of("the list of routes".into()))? {
                if message.header.destination_prefix_length != 0 || message.header.table != RouteHeader::RT_TABLE_MAIN {
                    continue;
                }
                let metric = message.attributes.iter().find_map(|a| if let RouteAttribute::Priority(p) = a { Some(*p) } else { None });
                let way = way_of(message);
                if way.gateway.is_some() && metric.unwrap_or(0) < best {
                    (best, *router) = (metric.unwrap_or(0), Some(way));
                }
            }
        }
        Ok(routers)
    }

    /// MAC addresses of neighbours that answered.
    ///
    /// # Errors
    /// As the kernel says.
    pub async fn neighbours(&self) -> Result<HashMap<(u32, IpAddr), Mac>, WireError> {
        let mut messages = self.handle.neighbours().get().execute();
        let mut found = HashMap::new();
        while let Some(message) = messages.try_next().await.map_err(WireError::of("the list of neighbours".into()))? {
            if matches!(message.header.state, NeighbourState::Failed | NeighbourState::Incomplete | NeighbourState::None) {
                continue;
            }
            let (mut address, mut mac) = (None, None);
            for attribute in message.attributes {
                match attribute {
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) => address = Some(IpAddr::V4(a)),
                    NeighbourAttribute::Destination(NeighbourAddress::Inet6(a)) => address = Some(IpAddr::V6(a)),
                    NeighbourAttribute::LinkLayerAddress(octets) => mac = Mac::try_from(octets).ok(),
                    _ => {}
                }
            }
            if let (Some(address), Some(mac)) = (address, mac) {
                found.insert((message.header.ifindex, address), mac);
            }
        }
        Ok(found)
    }

    /// Has the kernel ask for the neighbour's MAC address, or whether it is still right; the answer stands in [`Wire::neighbours`] soon.
    pub async fn ask(&self, interface: u32, neighbour: IpAddr) {
        let request = self.handle.neighbours().add(interface, neighbour).state(NeighbourState::None).flags(NeighbourFlags::Use).replace();
        if let Err(error) = request.execute().await {
            tracing::debug!(%neighbour, %error, "the neighbour is not asked for");
        }
    }

    /// Puts a single address on an interface; one that is there already is right. It is not chosen as the source of new connections.
    ///
    /// # Errors
    /// As the kernel says.
    pub async fn place(&self, placed: Placed) -> Result<(), WireError> {
        let Placed { interface, address } = placed;
        let mut request = self.handle.address().add(interface, address, length(address)).replace();
        let message = request.message_mut();
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(OURS)));
        if address.is_ipv6() {
            // No detection of duplicates: the node that had it may be gone for good. Deprecated (RFC 4862 §5.5.4): no source of ours.
            message.header.flags |= AddressHeaderFlags::Nodad;
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad | AddressFlags::Noprefixroute));
            message.attributes.push(AddressAttribute::CacheInfo({
                let mut lifetimes = CacheInfo::default();
                lifetimes.ifa_preferred = 0;
                lifetimes.ifa_valid = u32::MAX;
                lifetimes
            }));
        }
        request.execute().await.map_err(WireError::of(format!("{address} cannot be put on interface {interface}")))
    }

    /// Takes an address away; one that is not there is right.
    ///
    /// # Errors
    /// As the kernel says.
    pub async fn remove(&self, placed: Placed) -> Result<(), WireError> {
        let found = self.messages().await?.into_iter().find(|m| placed_by_us(m) == Some(placed));
        let Some(message) = found else { return Ok(()) };
        let what = format!("{} cannot be taken from interface {}", placed.address, placed.interface);
        self.handle.address().del(message).execute().await.map_err(WireError::of(what))
    }

    /// What we put on interfaces, also in an earlier run.
    ///
    /// # Errors
    /// As the kernel says.
    pub async fn placed(&self) -> Result<Vec<Placed>, WireError> {
        Ok(self.messages().await?.iter().filter_map(placed_by_us).collect())
    }

    async fn messages(&self) -> Result<Vec<AddressMessage>, WireError> {
        self.handle.address().get().execute().try_collect().await.map_err(WireError::of("the list of addresses".into()))
    }
}

fn way_of(message: RouteMessage) -> Way {
    let mut way = Way { interface: 0, gateway: None, own: None };
    for attribute in message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => way.interface = index,
            RouteAttribute::Gateway(address) => way.gateway = ip(&address),
            RouteAttribute::PrefSource(address) => way.own = ip(&address),
            _ => {}
        }
    }
    way
}

fn length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn question(to: IpAddr) -> RouteMessage {
    match to {
        IpAddr::V4(a) => RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(a, 32).build(),
        IpAddr::V6(a) => RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(a, 128).build(),
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some(IpAddr::V4(*a)),
        RouteAddress::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    }
}

fn placed_by_us(message: &AddressMessage) -> Option<Placed> {
    let mut address = None;
    let mut ours = false;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(a) => address = Some(*a),
            AddressAttribute::Protocol(p) => ours = u8::from(*p) == OURS,
            _ => {}
        }
    }
    address.filter(|_| ours).map(|address| Placed { interface: message.header.index, address })
}
