//! The block `postern:` of user-data: what the node is told once it answers, and what the network's interfaces are for.

use argon2::password_hash::PasswordHash;
use argon2::{Algorithm, Params};
use postern_model::settings;
use serde_json::{Map, Value, json};

use super::BadSeed;
use super::pending::{NodePart, Password, Setting};
use super::tree::{At, shown};
use crate::machine::Role;
use crate::setup::SHORTEST_PASSWORD;

/// As the console's API has it.
const LONGEST_PASSWORD: usize = 1024;
/// A login must not cost more than the appliance has to spare (the console checks two at a time).
const MOST_MEMORY_KIB: u32 = 64 << 10;
const MOST_PASSES: u32 = 10;
/// A fleet's domains come by the cluster or by the API.
const MOST_DOMAINS: usize = 1000;
const MOST_SETTINGS: usize = 1000;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Own {
    pub roles: Vec<(String, Role)>,
    pub admin: Option<Password>,
    pub domains: Vec<Value>,
    pub settings: Vec<Setting>,
    pub cluster_token: Option<String>,
}

pub fn read(at: &At) -> Result<Own, BadSeed> {
    let table = at.table(&["admin", "domains", "settings", "cluster", "roles"])?;
    let mut own = Own::default();
    if let Some(at) = table.get("admin") {
        own.admin = admin(&at)?;
    }
    if let Some(at) = table.get("domains") {
        own.domains = at.list()?.iter().map(domain).collect::<Result<_, _>>()?;
    }
    if let Some(at) = table.get("settings") {
        leaves(&at, &mut Vec::new(), &mut own.settings)?;
    }
    if let Some(at) = table.get("cluster") {
        let at = at.table(&["token"])?.need("token")?;
        own.cluster_token = Some(token(&at)?);
    }
    for (name, at) in table.get("roles").map(|a| a.any_table()).transpose()?.iter().flat_map(super::tree::Table::entries) {
        let roles = [("outside", Role::Outside), ("inside", Role::Inside), ("management", Role::Management), ("cluster", Role::Cluster)];
        own.roles.push((name.to_owned(), at.word(&roles)?));
    }
    let is_too_much = own.domains.len() > MOST_DOMAINS || own.settings.len() > MOST_SETTINGS;
    if is_too_much {
        return Err(at.refuse("a seed has at most 1000 domains and 1000 settings: use the API for more"));
    }
    if own.cluster_token.is_some() && (own.admin.is_some() || !own.domains.is_empty()) {
        return Err(
            at.refuse("a node that joins takes over the admins and domains of its cluster: leave admin and domains out, or the token")
        );
    }
    Ok(own)
}

fn admin(at: &At) -> Result<Option<Password>, BadSeed> {
    let table = at.table(&["password", "password_hash"])?;
    match (table.get("password"), table.get("password_hash")) {
        (Some(_), Some(_)) => Err(at.refuse("write password or password_hash, not both")),
        (Some(plain), None) => password(&plain).map(Some),
        (None, Some(hash)) => hashed(&hash).map(Some),
        (None, None) => Ok(None),
    }
}

pub fn password(at: &At) -> Result<Password, BadSeed> {
    let text = at.text()?;
    if text.chars().count() < SHORTEST_PASSWORD || text.len() > LONGEST_PASSWORD {
        return Err(at.refuse(format!("a password has {SHORTEST_PASSWORD} characters or more, and at most {LONGEST_PASSWORD} octets")));
    }
    Ok(Password::Plain(text.into()))
}

/// A PHC string of argon2id, as the node itself makes them.
pub fn hashed(at: &At) -> Result<Password, BadSeed> {
    let text = at.text()?;
    let wrong = || at.refuse("write a hash of argon2id as a PHC string: $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH");
    let hash = PasswordHash::new(text).map_err(|_| wrong())?;
    if hash.algorithm != Algorithm::Argon2id.ident() || hash.salt.is_none() || hash.hash.is_none() {
        return Err(wrong());
    }
    let costs = Params::try_from(&hash).map_err(|_| wrong())?;
    if costs.m_cost() > MOST_MEMORY_KIB || costs.t_cost() > MOST_PASSES {
        return Err(at.refuse(format!("at most m={MOST_MEMORY_KIB} and t={MOST_PASSES}: each login costs that")));
    }
    Ok(Password::Hash(text.into()))
}

/// Only its form: what it is for, the cluster says.
pub fn token(at: &At) -> Result<String, BadSeed> {
    let token: String = at.text()?.split_whitespace().collect();
    if token.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        Ok(token)
    } else {
        Err(at.refuse("this is no token of a cluster"))
    }
}

/// As in the settings, with backends that may be written short: `192.0.2.25`, `mx.example.org:2525`.
fn domain(at: &At) -> Result<Value, BadSeed> {
    let table = at.table(&["name", "backends", "recipient_check", "recipients"])?;
    let mut domain = Map::new();
    for (key, at) in table.entries() {
        domain.insert(key.to_owned(), at.value.clone());
    }
    domain.insert("name".into(), json!(table.need("name")?.text()?.to_ascii_lowercase()));
    let backends = table.need("backends")?;
    if backends.value.as_array().is_some_and(Vec::is_empty) {
        return Err(backends.refuse("name one or more mail servers"));
    }
    let backends = backends.texts()?.iter().map(backend).collect::<Result<Vec<Value>, BadSeed>>()?;
    domain.insert("backends".into(), Value::Array(backends));
    Ok(Value::Object(domain))
}

pub fn backend(at: &At) -> Result<Value, BadSeed> {
    if at.value.is_object() {
        return Ok(at.value.clone());
    }
    let text = at.text()?;
    if text.contains(char::is_whitespace) {
        return Err(at.refuse("write one host, as in 192.0.2.25 or mx.example.org:2525"));
    }
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address has colons of its own.
        Some((host, port)) if !host.contains(':') => {
            (host, port.parse::<u16>().map_err(|_| at.refuse(format!("`{}` is no port", shown(port))))?)
        }
        _ => (text, 25),
    };
    Ok(json!({ "host": host, "port": port }))
}

/// Paths, as in `smtp.limits.max_recipients`, or tables in tables: both come down to single settings.
fn leaves(at: &At, above: &mut Vec<String>, into: &mut Vec<Setting>) -> Result<(), BadSeed> {
    for (key, at) in at.any_table()?.entries() {
        // A key in YAML is a dotted key of TOML at the top only: below, names with dots are names (filter.brands).
        let keys: Vec<String> = match above.is_empty() {
            true => dotted(key).ok_or_else(|| at.refuse("write a path as in smtp.limits.max_recipients; a list as a whole"))?,
            false => vec![key.to_owned()],
        };
        let depth = above.len();
        above.extend(keys);
        if above.first().is_some_and(|first| first == "domains") {
            return Err(at.refuse("write domains below postern.domains"));
        }
        match at.value {
            Value::Null => return Err(at.refuse("it is empty: leave it out, and the default holds")),
            Value::Object(_) => leaves(&at, above, into)?,
            value => into.push(Setting { keys: above.clone(), value: value.clone() }),
        }
        above.truncate(depth);
    }
    Ok(())
}

fn dotted(path: &str) -> Option<Vec<String>> {
    let keys = toml_edit::Key::parse(path).ok()?;
    Some(keys.iter().map(|k| k.get().to_owned()).collect())
}

impl Own {
    /// What the node is told. `outside` are the interfaces that the edge guards, unless the settings name some.
    pub fn node(self, outside: &[&str]) -> Result<NodePart, BadSeed> {
        let mut settings = self.settings;
        let guarded = ["edge", "interfaces"];
        if !outside.is_empty() && !settings.iter().any(|s| s.keys == guarded) {
            settings.push(Setting { keys: guarded.map(str::to_owned).to_vec(), value: json!(outside) });
        }
        let part = NodePart { admin: self.admin, domains: self.domains, settings, cluster_token: self.cluster_token };
        check(&part)?;
        Ok(part)
    }
}

/// The node would refuse it, too; but then the machine would have been changed already.
fn check(part: &NodePart) -> Result<(), BadSeed> {
    let mut tree = Map::new();
    for setting in &part.settings {
        let Some((last, tables)) = setting.keys.split_last() else { continue };
        let mut at = &mut tree;
        for key in tables {
            let below = at.entry(key.clone()).or_insert_with(|| json!({}));
            at = below.as_object_mut().ok_or_else(|| BadSeed::Settings(format!("{} stands in no table", setting.path())))?;
        }
        if at.insert(last.clone(), setting.value.clone()).is_some() {
            return Err(BadSeed::Settings(format!("{} stands twice", setting.path())));
        }
    }
    if !part.domains.is_empty() {
        tree.insert("domains".into(), Value::Array(part.domains.clone()));
    }
    let text = toml::to_string(&Value::Object(tree)).map_err(|_| BadSeed::Settings("null is no value: leave it out".into()))?;
    let Err(wrong) = settings::parse(&text) else { return Ok(()) };
    let said = wrong.0.iter().map(|problem| {
        let is_secret = problem.path.rsplit('.').next().is_some_and(|key| key.contains("password"));
        if is_secret { format!("{}: write a text in quotes", problem.path) } else { problem.to_string() }
    });
    Err(BadSeed::Settings(said.collect::<Vec<_>>().join("; ")))
}
