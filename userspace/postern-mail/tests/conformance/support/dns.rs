//! A name server for tests: real UDP on loopback, records from a table.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use postern_mail::dns::Resolver;
use postern_model::settings::node::{DnsServer, DnsSettings};
use postern_model::time::Span;
use tokio::net::UdpSocket;

#[derive(Clone, Debug)]
pub enum Record {
    Ip(IpAddr),
    Mx(u16, String),
    /// The strings of one record.
    Txt(Vec<Vec<u8>>),
    Ptr(String),
    Cname(String),
}

impl Record {
    fn kind(&self) -> u16 {
        match self {
            Self::Ip(IpAddr::V4(_)) => 1,
            Self::Cname(_) => 5,
            Self::Ptr(_) => 12,
            Self::Mx(..) => 15,
            Self::Txt(_) => 16,
            Self::Ip(IpAddr::V6(_)) => 28,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: HashMap<String, Vec<Record>>,
    /// Names answered with SERVFAIL (but for records that are there).
    failing: HashSet<String>,
    /// Names not answered at all, nor any below them; the empty name is above all.
    silent: HashSet<String>,
}

impl Zone {
    pub fn add(&mut self, name: &str, record: Record) -> &mut Self {
        self.records.entry(key(name)).or_default().push(record);
        self
    }

    /// One TXT record, cut into strings of 255 octets.
    pub fn txt(&mut self, name: &str, text: &str) -> &mut Self {
        self.add(name, Record::Txt(text.as_bytes().chunks(255).map(<[u8]>::to_vec).collect()))
    }

    pub fn ip(&mut self, name: &str, ip: &str) -> &mut Self {
        self.add(name, Record::Ip(ip.parse().unwrap()))
    }

    /// A name that exists without records.
    pub fn empty(&mut self, name: &str) -> &mut Self {
        self.records.entry(key(name)).or_default();
        self
    }

    pub fn fail(&mut self, name: &str) -> &mut Self {
        self.failing.insert(key(name));
        self
    }

    pub fn silence(&mut self, name: &str) -> &mut Self {
        self.silent.insert(key(name));
        self
    }

    pub fn has_txt(&self, name: &str) -> bool {
        self.records.get(&key(name)).is_some_and(|r| r.iter().any(|r| r.kind() == 16))
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

pub struct Server {
    pub address: SocketAddr,
    /// Questions that came.
    pub asked: Arc<AtomicUsize>,
    /// While true every question is answered with SERVFAIL.
    pub is_broken: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(zone: Zone) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (asked, is_broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, broken) = (asked.clone(), is_broken.clone());
        let task = tokio::spawn(async move {
            let mut buffer = [0u8; 4096];
            while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                count.fetch_add(1, Ordering::Relaxed);
                if let Some(reply) = answer(&buffer[..len], &zone, broken.load(Ordering::Relaxed)) {
                    let _ = socket.send_to(&reply, from).await;
                }
            }
        });
        Self { address, asked, is_broken, task }
    }

    pub fn settings(&self) -> DnsSettings {
        DnsSettings { servers: vec![DnsServer(self.address)], timeout: Span::seconds(4), cache_entries: 1024, enabled: true }
    }

    pub fn resolver(&self) -> Resolver {
        Resolver::new(&self.settings()).unwrap()
    }
}

fn answer(query: &[u8], zone: &Zone, is_broken: bool) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    while *query.get(at)? != 0 {
        let len = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + len)?).to_ascii_lowercase());
        at += len + 1;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    let question = query.get(12..at + 5)?;
    if zone.silent.contains("") || (0..labels.len()).any(|i| zone.silent.contains(&labels[i..].join("."))) {
        return None;
    }
    let mut answers: Vec<(String, Record)> = Vec::new();
    let mut wanted = name.clone();
    let mut exists = false;
    for _ in 0..10 {
        let Some(records) = zone.records.get(&wanted) else { break };
        exists = true;
        answers.extend(records.iter().filter(|r| r.kind() == kind).map(|r| (wanted.clone(), r.clone())));
        match records.iter().find_map(|r| if let Record::Cname(to) = r { Some(to.clone()) } else { None }) {
            Some(to) if kind != 5 => {
                answers.push((wanted.clone(), Record::Cname(to.clone())));
                wanted = key(&to);
            }
            _ => break,
        }
    }
    let below = zone.records.keys().any(|k| k.ends_with(&format!(".{name}")));
    let code = if is_broken || zone.failing.contains(&name) && answers.is_empty() {
        answers.clear();
        2
    } else if exists || below {
        0
    } else {
        3
    };
    let mut out = Vec::new();
    out.extend_from_slice(&query[..2]);
    out.extend_from_slice(&[0x85, 0x80 | code, 0, 1]);
    out.extend_from_slice(&u16::try_from(answers.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(question);
    for (owner, record) in answers {
        out.extend_from_slice(&encode_name(&owner));
        out.extend_from_slice(&record.kind().to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        let data = match &record {
            Record::Ip(IpAddr::V4(ip)) => ip.octets().to_vec(),
            Record::Ip(IpAddr::V6(ip)) => ip.octets().to_vec(),
            Record::Mx(preference, host) => [preference.to_be_bytes().to_vec(), encode_name(host)].concat(),
            Record::Ptr(host) | Record::Cname(host) => encode_name(host),
            Record::Txt(strings) => strings.iter().flat_map(|s| [&[u8::try_from(s.len()).unwrap()], s.as_slice()].concat()).collect(),
        };
        out.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&data);
    }
    Some(out)
}

fn encode_name(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.').filter(|l| !l.is_empty()) {
        // A label of more than 63 octets cannot stand in a zone: such names are never found.
        let octets = &label.as_bytes()[..label.len().min(63)];
        out.push(octets.len() as u8);
        out.extend_from_slice(octets);
    }
    out.push(0);
    out
}
