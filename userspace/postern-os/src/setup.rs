//! The dialogue of `postern setup` without its terminal: lines in, words out. One question a line, numbers for choices, nothing that
//! moves a cursor: it works at 115200 baud, on any terminal, and with a screen reader.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::machine::{Automatic, Interface, Machine, Role};

/// An admin's password is typed on a console by somebody who may never do it again.
pub const SHORTEST_PASSWORD: usize = 12;

/// The six questions of a first boot, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Hostname,
    Network,
    NameServers,
    TimeZone,
    Password,
    Domain,
}

const QUESTIONS: [Question; 6] =
    [Question::Hostname, Question::Network, Question::NameServers, Question::TimeZone, Question::Password, Question::Domain];

impl Question {
    pub fn text(self) -> &'static str {
        match self {
            Question::Hostname => "1 of 6. Fully qualified name of this machine, as in mx1.example.org:",
            Question::Network => {
                "2 of 6. Address of the network card: dhcp, or ADDRESS/PREFIX GATEWAY as in 192.0.2.10/24 192.0.2.1; Enter for dhcp:"
            }
            Question::NameServers => "3 of 6. Name servers, separated by spaces; Enter for those that DHCP names:",
            Question::TimeZone => "4 of 6. Time zone, as in Europe/Berlin; Enter for UTC:",
            Question::Password => "5 of 6. Password of the admin, 12 characters or more (not shown); Enter keeps the one that was made:",
            Question::Domain => "6 of 6. A domain and its mail server, as in example.org 192.0.2.25; Enter to name them later:",
        }
    }
}

/// A domain and where its mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub domain: String,
    pub host: String,
    pub port: u16,
}

impl Route {
    /// Puts it among the domains of the settings, in place of one of the same name.
    pub fn put_into(&self, domains: &mut Vec<serde_json::Value>) {
        domains.retain(|d| d["name"] != self.domain.as_str());
        domains.push(serde_json::json!({ "name": self.domain, "backends": [{ "host": self.host, "port": self.port }] }));
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub machine: Machine,
    pub password: Option<String>,
    pub route: Option<Route>,
}

/// The first boot's questions.
#[derive(Debug)]
pub struct Wizard {
    answers: Answers,
    at: usize,
}

impl Wizard {
    /// `card` is the interface that the questions are about, with its permanent address.
    pub fn new(card: &str, mac: &str) -> Self {
        let interface = Interface {
            name: card.into(),
            role: Role::Outside,
            mac: Some(mac.into()),
            vlan: None,
            bond: None,
            ipv4: Automatic::On,
            ipv6: Automatic::On,
            addresses: Vec::new(),
            gateways: Vec::new(),
        };
        let machine = Machine { interfaces: vec![interface], ..Machine::default() };
        Self { answers: Answers { machine, ..Answers::default() }, at: 0 }
    }

    /// The next question; none when all were answered.
    pub fn question(&self) -> Option<Question> {
        QUESTIONS.get(self.at).copied()
    }

    /// # Errors
    /// What is wrong with the answer; the question stays.
    pub fn answer(&mut self, line: &str) -> Result<(), String> {
        let Some(question) = self.question() else { return Ok(()) };
        let mut tried = self.answers.clone();
        let line = line.trim();
        match question {
            Question::Hostname => tried.machine.hostname = required(line)?.to_ascii_lowercase(),
            Question::Network => network(&mut tried.machine, line)?,
            Question::NameServers => tried.machine.name_servers = name_servers(&tried.machine, line)?,
            Question::TimeZone => tried.machine.time_zone = line.into(),
            Question::Password => tried.password = password(line)?,
            Question::Domain => tried.route = if line.is_empty() { None } else { Some(route(line)?) },
        }
        // All the rules of the file hold for what is typed.
        Machine::parse(&rendered(&tried.machine)?).map_err(|e| e.to_string())?;
        self.answers = tried;
        self.at += 1;
        Ok(())
    }

    /// What will be written, for a last look.
    pub fn summary(&self) -> String {
        let machine = &self.answers.machine;
        let interface = machine.interfaces.first();
        let addresses = interface.map_or_else(String::new, |i| match i.addresses.is_empty() {
            true => "by DHCP".into(),
            false => spaced(&i.addresses) + " by way of " + &spaced(&i.gateways),
        });
        let servers = if machine.name_servers.is_empty() { "by DHCP".into() } else { spaced(&machine.name_servers) };
        let zone = if machine.time_zone.is_empty() { "UTC" } else { &machine.time_zone };
        let route = self.answers.route.as_ref();
        let route = route.map_or_else(|| "later".into(), |r| format!("{} to {} port {}", r.domain, r.host, r.port));
        let password = if self.answers.password.is_some() { "as typed" } else { "the one that was made" };
        format!(
            "Name: {}\nAddress: {addresses}\nName servers: {servers}\nTime zone: {zone}\nAdmin's password: {password}\nMail: {route}\n",
            machine.hostname
        )
    }

    pub fn finish(self) -> Answers {
        self.answers
    }
}

/// machine.toml.
///
/// # Errors
/// When it cannot be written as TOML.
pub fn rendered(machine: &Machine) -> Result<String, String> {
    toml::to_string(machine).map_err(|e| e.to_string())
}

fn required(line: &str) -> Result<&str, String> {
    if line.is_empty() { Err("This needs an answer.".into()) } else { Ok(line) }
}

fn spaced<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// # Errors
/// What is wrong.
pub fn network(machine: &mut Machine, line: &str) -> Result<(), String> {
    let Some(interface) = machine.interfaces.iter_mut().find(|i| i.role == Role::Outside) else {
        return Err("There is no network card.".into());
    };
    (interface.addresses, interface.gateways) = (Vec::new(), Vec::new());
    (interface.ipv4, interface.ipv6) = (Automatic::On, Automatic::On);
    if line.is_empty() || line.eq_ignore_ascii_case("dhcp") {
        return Ok(());
    }
    let mut words = line.split_whitespace();
    let (Some(address), Some(gateway), None) = (words.next(), words.next(), words.next()) else {
        return Err("Write dhcp, or an address with its prefix and the gateway: 192.0.2.10/24 192.0.2.1".into());
    };
    let address: IpNet = address.parse().map_err(|_| format!("`{address}` is no address with a prefix, as in 192.0.2.10/24"))?;
    if address.addr() == address.network() && address.prefix_len() < address.max_prefix_len() - 1 {
        return Err(format!("{address} is the network itself: write the machine's own address in it"));
    }
    let gateway = gateway.parse().map_err(|_| format!("`{gateway}` is no address"))?;
    (interface.addresses, interface.gateways) = (vec![address], vec![gateway]);
    match address {
        IpNet::V4(_) => interface.ipv4 = Automatic::Off,
        IpNet::V6(_) => interface.ipv6 = Automatic::Off,
    }
    Ok(())
}

fn name_servers(machine: &Machine, line: &str) -> Result<Vec<IpAddr>, String> {
    let servers: Result<Vec<IpAddr>, String> =
        line.split_whitespace().map(|w| w.parse().map_err(|_| format!("`{w}` is no address"))).collect();
    let servers = servers?;
    if servers.is_empty() && machine.outside().all(|i| i.ipv4 == Automatic::Off) {
        return Err("Without DHCP nobody names them: write one or more addresses.".into());
    }
    Ok(servers)
}

/// # Errors
/// What is wrong.
pub fn password(line: &str) -> Result<Option<String>, String> {
    match line.chars().count() {
        0 => Ok(None),
        n if n < SHORTEST_PASSWORD => Err(format!("That has {n} characters; {SHORTEST_PASSWORD} or more are wanted.")),
        _ => Ok(Some(line.into())),
    }
}

/// # Errors
/// What is wrong.
pub fn route(line: &str) -> Result<Route, String> {
    let mut words = line.split_whitespace();
    let (Some(domain), Some(server), None) = (words.next(), words.next(), words.next()) else {
        return Err("Write the domain, a space, and its mail server, as in example.org 192.0.2.25".into());
    };
    let (host, port) = match server.rsplit_once(':') {
        // An IPv6 address has colons of its own.
        Some((host, port)) if !host.contains(':') => (host, port.parse().map_err(|_| format!("`{port}` is no port"))?),
        _ => (server, 25),
    };
    Ok(Route { domain: domain.to_ascii_lowercase(), host: host.into(), port })
}

/// The menu, after the first boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Status,
    Network,
    Hostname,
    TimeZone,
    Password,
    Domain,
    CreateCluster,
    JoinCluster,
    Certificate,
    Diagnostics,
    Update,
    RollBack,
    Restore,
    SupportBundle,
    FactoryReset,
    Reboot,
    PowerOff,
}

pub const MENU: &[(Choice, &str)] = &[
    (Choice::Status, "Status"),
    (Choice::Network, "Network"),
    (Choice::Hostname, "Host name"),
    (Choice::TimeZone, "Time zone"),
    (Choice::Password, "Password of the admin"),
    (Choice::Domain, "Add a domain and its mail server"),
    (Choice::CreateCluster, "Create a cluster, or a token for one more node"),
    (Choice::JoinCluster, "Join a cluster"),
    (Choice::Certificate, "Certificate"),
    (Choice::Diagnostics, "Diagnostics"),
    (Choice::Update, "Update"),
    (Choice::RollBack, "Back to the other slot at the next start"),
    (Choice::Restore, "Restore a backup"),
    (Choice::SupportBundle, "Support bundle"),
    (Choice::FactoryReset, "Factory reset"),
    (Choice::Reboot, "Reboot"),
    (Choice::PowerOff, "Power off"),
];

pub fn menu() -> String {
    MENU.iter().enumerate().map(|(n, (_, text))| format!("{:>3}. {text}\n", n + 1)).collect()
}

/// # Errors
/// When it is no number of the menu.
pub fn choose(line: &str) -> Result<Choice, String> {
    let number = line.trim().parse::<usize>().ok().filter(|n| (1..=MENU.len()).contains(n));
    number.map(|n| MENU[n - 1].0).ok_or_else(|| format!("Type a number from 1 to {} and Enter.", MENU.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(lines: &[&str]) -> Wizard {
        let mut wizard = Wizard::new("eth0", "52:54:00:12:34:56");
        for line in lines {
            wizard.answer(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
        wizard
    }

    #[test]
    fn enter_takes_what_is_sane() {
        let wizard = asked(&["MX1.example.org", "", "", "", "", ""]);
        assert!(wizard.question().is_none());
        assert!(wizard.summary().contains("Name: mx1.example.org\nAddress: by DHCP\n"), "{}", wizard.summary());
        let answers = wizard.finish();
        assert_eq!((answers.password, answers.route), (None, None));
        assert_eq!(Machine::parse(&rendered(&answers.machine).unwrap()).unwrap(), answers.machine);
    }

    #[test]
    fn a_fixed_address() {
        let wizard = asked(&[
            "mx1.example.org",
            "192.0.2.10/24 192.0.2.1",
            "192.0.2.53",
            "Europe/Berlin",
            "correct horse battery",
            "example.org 192.0.2.25:2525",
        ]);
        let answers = wizard.finish();
        let interface = &answers.machine.interfaces[0];
        assert_eq!(
            (interface.ipv4, spaced(&interface.addresses), spaced(&interface.gateways)),
            (Automatic::Off, "192.0.2.10/24".into(), "192.0.2.1".into())
        );
        assert_eq!(answers.route, Some(Route { domain: "example.org".into(), host: "192.0.2.25".into(), port: 2525 }));
    }

    #[test]
    fn a_wrong_answer_is_explained_and_asked_again() {
        let mut wizard = Wizard::new("eth0", "52:54:00:12:34:56");
        let mut wrong = |good_before: &str, line: &str, expected: &str| {
            if !good_before.is_empty() {
                wizard.answer(good_before).unwrap();
            }
            let at = wizard.question();
            let said = wizard.answer(line).unwrap_err();
            assert!(said.contains(expected), "{line}: {said}");
            assert_eq!(wizard.question(), at);
        };
        wrong("", "", "needs an answer");
        wrong("", "mx1", "fully qualified");
        wrong("mx1.example.org", "192.0.2.10", "dhcp, or an address");
        wrong("", "192.0.2.0/24 192.0.2.1", "the network itself");
        wrong("", "192.0.2.10/24 198.51.100.1", "in none of its networks");
        wrong("192.0.2.10/24 192.0.2.1", "", "nobody names them");
        wrong("", "ns.example.org", "is no address");
        wrong("192.0.2.53", "Europe/../x", "time_zone");
        wrong("UTC", "short", "12 or more");
        wrong("", "12345678901", "11 characters");
        wrong("123456789012", "example.org", "a space");
        wrong("", "example.org host:port", "is no port");
    }

    #[test]
    fn the_menu_takes_its_numbers_only() {
        assert_eq!(choose(" 1\r"), Ok(Choice::Status));
        assert_eq!(choose("17"), Ok(Choice::PowerOff));
        for bad in ["0", "18", "", "x", "-1", "1 2"] {
            assert!(choose(bad).is_err(), "{bad}");
        }
        assert_eq!(menu().lines().count(), MENU.len());
    }

    #[test]
    fn six_addresses() {
        assert_eq!(
            route("Example.ORG 2001:db8::25").unwrap(),
            Route { domain: "example.org".into(), host: "2001:db8::25".into(), port: 25 }
        );
    }
}
