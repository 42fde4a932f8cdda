//! The environment document that an OVF importer hands to a machine (DSP0243 1.1.1 §9.5): values of the properties that our OVA
//! offers (`image/ovf-properties.xml`). An empty value is one that nobody filled in.

use std::net::IpAddr;

use ipnet::IpNet;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value, json};

use super::network::{Card, Network};
use super::own::{self, Own};
use super::tree::{At, Table, shown};
use super::{BadSeed, OVF_ENVIRONMENT, Seed};
use crate::machine::{Automatic, Interface, Machine, Role};

/// §9.5.1.
const NAMESPACE: &str = "http://schemas.dmtf.org/ovf/environment/1";
/// VMware's own section names the cards.
const VMWARE: &str = "http://www.vmware.com/schema/ovfenv";
/// The class of our properties: a vApp may hand down others.
pub const CLASS: &str = "postern.";
const MOST_NODES: u32 = 20_000;

/// Every property that is read, without its class.
pub const PROPERTIES: [&str; 11] =
    ["hostname", "ip0", "prefix0", "gateway", "dns", "ntp", "timezone", "admin_password", "domain", "backend", "cluster_token"];

/// `None`: the OVA was imported and nothing filled in.
///
/// # Errors
/// What is wrong, and with which property.
pub fn read(text: &str, cards: &[Card]) -> Result<Option<Seed>, BadSeed> {
    let file = |why: String| BadSeed::Syntax { file: OVF_ENVIRONMENT.into(), why };
    // Without a DTD there are no entities of its own, so nothing grows.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|e| {
        let at = e.pos();
        file(format!("line {}, column {}: this is no XML that can be read here (a document type is refused, too)", at.row, at.col))
    })?;
    let root = document.root_element();
    if !root.has_tag_name((NAMESPACE, "Environment")) {
        return Err(file(format!("it is no OVF environment: its root is `{}`", shown(root.tag_name().name()))));
    }
    let mut remarks = Vec::new();
    let mut values = serde_json::Map::new();
    for property in root.children().filter(|n| n.has_tag_name((NAMESPACE, "PropertySection"))).flat_map(|s| s.children()) {
        if !property.has_tag_name((NAMESPACE, "Property")) {
            continue;
        }
        let (key, value) = (attribute(property, "key"), attribute(property, "value"));
        let (Some(key), Some(value)) = (key, value) else {
            return Err(file("a Property lacks its key or its value".into()));
        };
        let Some(ours) = key.strip_prefix(CLASS) else {
            remarks.push(format!("ovf-env.xml: {} is not ours: it has no effect", shown(key)));
            continue;
        };
        let is_new = values.insert(ours.to_owned(), if value.trim().is_empty() { Value::Null } else { json!(value.trim()) }).is_none();
        if !is_new {
            return Err(file(format!("{} stands twice", shown(key))));
        }
    }
    let values = Value::Object(values);
    let root_of_values = At { value: &values, path: format!("{OVF_ENVIRONMENT}: {}", CLASS.trim_end_matches('.')) };
    let table = root_of_values.table(&PROPERTIES)?;
    if table.entries().all(|(_, at)| at.value.is_null()) {
        return Ok(None);
    }
    let instance = attribute(root, "id").filter(|id| !id.is_empty()).map(shown);
    seed(&table, &first_card(root, cards), Seed { instance, remarks, ..Seed::default() }).map(Some)
}

/// Some importers leave the attributes' namespace out.
fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attribute((NAMESPACE, name)).or_else(|| node.attribute(name))
}

/// VMware says which card is its first one; others leave it to the kernel's order.
fn first_card(root: Node, cards: &[Card]) -> Option<Card> {
    let adapter = root.descendants().find(|n| n.has_tag_name((VMWARE, "Adapter")));
    let named = adapter.and_then(|a| a.attribute((VMWARE, "mac")).or_else(|| a.attribute("mac"))).map(str::to_ascii_lowercase);
    cards.iter().find(|c| named.as_ref().is_some_and(|mac| *mac == c.mac)).or(cards.first()).cloned()
}

fn seed(table: &Table, card: &Option<Card>, begun: Seed) -> Result<Seed, BadSeed> {
    let network = match table.get("ip0") {
        Some(ip) => fixed(table, &ip, card)?,
        None => {
            if let Some(at) = ["prefix0", "gateway"].iter().find_map(|key| table.get(key)) {
                return Err(at.refuse("fill in ip0, too; without it the address comes by DHCP"));
            }
            Network { name_servers: addresses(table, "dns")?, ..Network::default() }
        }
    };
    let machine = Machine {
        hostname: table.text("hostname")?.unwrap_or_default().to_ascii_lowercase(),
        time_zone: table.text("timezone")?.filter(|zone| *zone != "UTC").unwrap_or_default().into(),
        time_servers: words(table, "ntp")?.into_iter().map(|at| at.1).collect(),
        name_servers: network.name_servers.clone(),
        interfaces: Vec::new(),
    };
    let mut own = Own::default();
    if let Some(at) = table.get("admin_password") {
        let is_hash = at.text()?.starts_with("$argon2");
        own.admin = Some(if is_hash { own::hashed(&at)? } else { own::password(&at)? });
    }
    match (table.get("domain"), table.get("backend")) {
        (Some(domain), Some(backend)) => {
            own.domains.push(json!({ "name": domain.text()?.to_ascii_lowercase(), "backends": [own::backend(&backend)?] }));
        }
        (Some(at), None) => return Err(at.refuse("fill in backend, too: where its mail goes")),
        (None, Some(at)) => return Err(at.refuse("fill in domain, too: whose mail goes there")),
        (None, None) => {}
    }
    if let Some(at) = table.get("cluster_token") {
        own.cluster_token = Some(own::token(&at)?);
        if own.admin.is_some() || !own.domains.is_empty() {
            return Err(at.refuse(
                "a node that joins takes over the admins and domains of its cluster: leave admin_password, domain and backend empty",
            ));
        }
    }
    Seed::assemble(machine, network, own, begun)
}

/// `192.0.2.10/24`, or the address and its prefix in two fields.
fn fixed(table: &Table, ip: &At, card: &Option<Card>) -> Result<Network, BadSeed> {
    let address: IpNet = match table.get("prefix0") {
        Some(prefix) if !ip.text()?.contains('/') => {
            let length = prefix.text()?.trim_start_matches('/').parse::<u8>();
            let length = length.map_err(|_| prefix.refuse("write a number of bits, as in 24"))?;
            IpNet::new(ip.parsed::<IpAddr>("address")?, length).map_err(|_| prefix.refuse("so many bits this address does not have"))?
        }
        Some(prefix) => return Err(prefix.refuse("ip0 has its prefix already: leave one out")),
        None => ip.parsed("address with a prefix, as in 192.0.2.10/24 (or fill in prefix0)")?,
    };
    let Some(card) = card else { return Err(ip.refuse("this machine has no network card")) };
    let name_servers = addresses(table, "dns")?;
    if name_servers.is_empty() {
        return Err(ip.refuse("fill in dns, too: without DHCP nobody names a name server"));
    }
    let gateways = table.get("gateway").map(|g| g.parsed("address")).transpose()?.into_iter().collect();
    let interface = Interface {
        name: card.name.clone(),
        role: Role::Outside,
        mac: Some(card.mac.clone()),
        vlan: None,
        bond: None,
        ipv4: Automatic::Off,
        ipv6: Automatic::Off,
        addresses: vec![address],
        gateways,
    };
    Ok(Network { interfaces: vec![interface], name_servers, remarks: Vec::new() })
}

/// Separated by spaces or commas.
fn words<'v>(table: &Table<'v>, key: &str) -> Result<Vec<(At<'v>, String)>, BadSeed> {
    let Some(at) = table.get(key) else { return Ok(Vec::new()) };
    let words = at.text()?.split([' ', ',']).filter(|w| !w.is_empty());
    Ok(words.map(|w| (at.clone(), w.to_owned())).collect())
}

fn addresses(table: &Table, key: &str) -> Result<Vec<IpAddr>, BadSeed> {
    let parsed = |(at, word): (At, String)| word.parse().map_err(|_| at.refuse(format!("`{}` is no address", shown(&word))));
    words(table, key)?.into_iter().map(parsed).collect()
}
