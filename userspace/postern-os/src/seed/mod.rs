//! The first boot without a person: what a NoCloud volume or an OVF environment says, as the machine's settings and what the node
//! is told afterwards. Octets in, one [`Seed`] out; [`volume`] finds the octets, [`pending`] keeps what waits for the node.
//!
//! Invariants: a seed is taken whole or not at all; a key that is not known here is refused with its path, as whoever wrote it
//! counts on it; no secret stands in an error or a remark, as both are said on the console. A seed is believed like a person at
//! the console is: who can attach a volume to a machine that was never set up owns it (docs/adr/0029).

pub mod network;
pub mod outcome;
pub mod ovf;
pub mod own;
pub mod pending;
mod tree;
mod user_data;
pub mod volume;
mod yaml;

use std::collections::BTreeMap;

use crate::machine::{BadMachine, Interface, Machine, Role};
use crate::setup;
use network::{Card, Network};
use own::Own;
use pending::NodePart;

/// No seed that a person wrote comes near it.
pub const LARGEST_FILE: usize = 256 << 10;

/// The files of a seed by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

const META_DATA: &str = "meta-data";
const USER_DATA: &str = "user-data";
const NETWORK_CONFIG: &str = "network-config";
const VENDOR_DATA: &str = "vendor-data";
pub const OVF_ENVIRONMENT: &str = "ovf-env.xml";
/// Everything that is read of a volume.
pub const NAMES: [&str; 5] = [META_DATA, USER_DATA, NETWORK_CONFIG, VENDOR_DATA, OVF_ENVIRONMENT];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seed {
    /// As the meta-data names it.
    pub instance: Option<String>,
    pub machine: Machine,
    pub node: NodePart,
    /// What was read and has no effect here, in words.
    pub remarks: Vec<String>,
}

/// Why a seed is not taken. Nothing of it is in force then.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSeed {
    #[error("{0}: it has more than 256 KiB")]
    Size(String),
    #[error("{0}: it is no UTF-8 text")]
    Text(String),
    #[error("{0}: it is no file that can be read here: {1}")]
    File(String, String),
    #[error("{file}: {why}")]
    Syntax { file: String, why: String },
    #[error("{path}: this is not known here. Known are: {known}")]
    Unknown { path: String, known: String },
    #[error("{path}: {why}")]
    Value { path: String, why: String },
    #[error("the machine that this describes cannot be: {0}")]
    Machine(#[from] BadMachine),
    #[error("postern.settings and postern.domains cannot be put in force: {0}")]
    Settings(String),
    #[error("there is no user-data, no network-config and no ovf-env.xml")]
    Nothing,
    #[error("several volumes are labelled cidata ({0}): leave one")]
    Several(String),
}

impl Seed {
    /// Reads the files of one volume: those of NoCloud when they are there, else the OVF environment. `None`: nobody filled it in.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn read(files: &Files, cards: &[Card]) -> Result<Option<Self>, BadSeed> {
        if files.contains_key(USER_DATA) || files.contains_key(NETWORK_CONFIG) {
            return Self::no_cloud(files, cards).map(Some);
        }
        match files.get(OVF_ENVIRONMENT) {
            Some(octets) => ovf::read(text(OVF_ENVIRONMENT, octets)?, cards),
            None => Err(BadSeed::Nothing),
        }
    }

    fn no_cloud(files: &Files, cards: &[Card]) -> Result<Self, BadSeed> {
        let get = |name: &str| files.get(name).map_or(Ok(""), |octets| text(name, octets));
        let meta = user_data::meta(get(META_DATA)?)?;
        let user = user_data::user(get(USER_DATA)?)?;
        user_data::vendor(get(VENDOR_DATA)?)?;
        let network = network::read(get(NETWORK_CONFIG)?, cards)?;
        let machine = Machine {
            hostname: user.hostname.or(meta.hostname).unwrap_or_default().to_ascii_lowercase(),
            time_zone: user.time_zone,
            time_servers: user.time_servers,
            name_servers: [user.name_servers, network.name_servers.clone()].concat(),
            interfaces: Vec::new(),
        };
        let remarks = [meta.remarks, user.remarks].concat();
        Self::assemble(machine, network, user.own, Self { instance: meta.instance, remarks, ..Self::default() })
    }

    /// Puts the parts together and holds them against the same rules that hold for a person's words.
    fn assemble(mut machine: Machine, network: Network, own: Own, begun: Self) -> Result<Self, BadSeed> {
        machine.interfaces = network.interfaces;
        machine.name_servers.dedup();
        for (name, role) in &own.roles {
            let Some(interface) = machine.interfaces.iter_mut().find(|i| i.name == *name) else {
                let known: Vec<&str> = machine.interfaces.iter().map(|i| i.name.as_str()).collect();
                return Err(BadSeed::Unknown { path: format!("postern.roles.{name}"), known: known.join(", ") });
            };
            interface.role = *role;
        }
        let toml = setup::rendered(&machine).map_err(|why| BadSeed::Value { path: "machine.toml".into(), why })?;
        let machine = Machine::parse(&toml)?;
        let mut remarks = [begun.remarks, network.remarks].concat();
        let is_fixed = |i: &Interface| i.role != Role::Carrier && i.ipv4 == Default::default() && i.ipv6 == Default::default();
        if machine.name_servers.is_empty()
            && !machine.interfaces.is_empty()
            && machine.interfaces.iter().all(|i| i.role == Role::Carrier || is_fixed(i))
        {
            remarks.push("there is no name server, and nobody whom to ask for one: no mail can be delivered by MX".into());
        }
        let outside: Vec<&str> = machine.outside().map(|i| i.name.as_str()).collect();
        let node = own.node(&outside)?;
        Ok(Self { machine, node, remarks, ..begun })
    }

    /// What would be done, in words for the author of a seed; secrets are not in it.
    ///
    /// # Errors
    /// When the machine's part cannot be written as TOML.
    pub fn summary(&self) -> Result<String, String> {
        let mut text = format!("machine.toml:\n{}", indented(&setup::rendered(&self.machine)?));
        text += "the node, once it answers:\n";
        let steps = self.node.words();
        text += &if steps.is_empty() { "  nothing\n".to_owned() } else { indented(&steps.join("\n")) };
        if !self.remarks.is_empty() {
            text += "remarks:\n";
            text += &indented(&self.remarks.join("\n"));
        }
        Ok(text)
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|l| if l.is_empty() { "\n".to_owned() } else { format!("  {l}\n") }).collect()
}

fn text<'o>(file: &str, octets: &'o [u8]) -> Result<&'o str, BadSeed> {
    if octets.len() > LARGEST_FILE {
        return Err(BadSeed::Size(file.into()));
    }
    // Windows' editors put a mark before UTF-8.
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if octets.starts_with(&[0x1f, 0x8b]) {
        return Err(BadSeed::Syntax { file: file.into(), why: "it is compressed: write it as plain text".into() });
    }
    std::str::from_utf8(octets).map_err(|_| BadSeed::Text(file.into()))
}
