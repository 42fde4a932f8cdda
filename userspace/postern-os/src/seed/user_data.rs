//! `meta-data`, `user-data` and `vendor-data` of NoCloud: the subset of cloud-init's keys that means something on an appliance, and
//! our own block. What a hypervisor writes into every seed and has no effect here is named, with the one value that is harmless.

use super::own::{self, Own};
use super::tree::{At, Table};
use super::{BadSeed, META_DATA, USER_DATA, VENDOR_DATA, yaml};

/// What cloud-init wants in the first line.
const HEAD: &str = "#cloud-config";

#[derive(Debug, Default)]
pub struct Meta {
    pub instance: Option<String>,
    pub hostname: Option<String>,
    pub remarks: Vec<String>,
}

#[derive(Debug, Default)]
pub struct User {
    pub hostname: Option<String>,
    pub time_zone: String,
    pub time_servers: Vec<String>,
    pub name_servers: Vec<std::net::IpAddr>,
    pub own: Own,
    pub remarks: Vec<String>,
}

pub fn meta(text: &str) -> Result<Meta, BadSeed> {
    let value = yaml::read(META_DATA, text)?;
    let table = At::root(META_DATA, &value).table(&["instance-id", "local-hostname", "hostname", "dsmode"])?;
    let mut meta = Meta { instance: table.text("instance-id")?.map(str::to_owned), ..Meta::default() };
    meta.hostname = table.text("local-hostname")?.or(table.text("hostname")?).map(str::to_owned);
    if let Some(mode) = table.get("dsmode") {
        mode.word(&[("local", ()), ("net", ())])?;
        meta.remarks.push("meta-data: dsmode has no effect here".into());
    }
    Ok(meta)
}

/// Ours is the user's; a vendor has no say.
pub fn vendor(text: &str) -> Result<(), BadSeed> {
    let value = yaml::read(VENDOR_DATA, text)?;
    At::root(VENDOR_DATA, &value).table(&[]).map(drop).map_err(|_| BadSeed::Value {
        path: VENDOR_DATA.into(),
        why: "it is not read here: leave it empty, and write everything into user-data".into(),
    })
}

const KNOWN: [&str; 17] = [
    "fqdn",
    "hostname",
    "timezone",
    "ntp",
    "resolv_conf",
    "postern",
    // No effect here, with the values below only.
    "prefer_fqdn_over_hostname",
    "preserve_hostname",
    "manage_etc_hosts",
    "manage_resolv_conf",
    "users",
    "chpasswd",
    "ssh_pwauth",
    "disable_root",
    "package_update",
    "package_upgrade",
    "package_reboot_if_required",
];

/// Keys of cloud-init that people are used to, and what they write here instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (&["password", "user", "passwd"], "nobody logs in to this system: write postern.admin.password"),
    (
        &["ssh_authorized_keys", "ssh_keys", "ssh_import_id", "ssh"],
        "there is no SSH: the web console, its API and the console menu are the ways in",
    ),
    (
        &["runcmd", "bootcmd", "write_files", "packages", "apt", "snap", "power_state", "phone_home", "ca_certs", "swap", "growpart"],
        "nothing is run, written or installed here: the root is read-only. Write settings below postern.settings",
    ),
    (&["network"], "cloud-init does not read it here either: write it into the file network-config"),
];

pub fn user(text: &str) -> Result<User, BadSeed> {
    let first = text.lines().next().unwrap_or_default().trim_end();
    if !text.trim().is_empty() && first != HEAD {
        let why = format!("its first line must be {HEAD}: scripts, MIME parts, templates and includes are not read here");
        return Err(BadSeed::Syntax { file: USER_DATA.into(), why });
    }
    let value = yaml::read(USER_DATA, text)?;
    let root = At::root(USER_DATA, &value);
    for (key, at) in root.any_table()?.entries() {
        if let Some((_, why)) = INSTEAD.iter().find(|(keys, _)| keys.contains(&key)) {
            return Err(at.refuse(why));
        }
    }
    let table = root.table(&KNOWN)?;
    let mut user = User {
        hostname: table.text("fqdn")?.or(table.text("hostname")?).map(str::to_owned),
        time_zone: table.text("timezone")?.filter(|zone| *zone != "UTC").unwrap_or_default().to_owned(),
        ..User::default()
    };
    if let Some(at) = table.get("ntp") {
        user.time_servers = ntp(&at)?;
    }
    if let Some(at) = table.get("resolv_conf") {
        let servers = at.table(&["nameservers"])?.need("nameservers")?;
        user.name_servers = servers.texts()?.iter().map(|s| s.parsed("address")).collect::<Result<_, _>>()?;
    }
    user.remarks = without_effect(&table)?;
    user.own = table.get("postern").map(|at| own::read(&at)).transpose()?.unwrap_or_default();
    Ok(user)
}

fn ntp(at: &At) -> Result<Vec<String>, BadSeed> {
    let table = at.table(&["enabled", "ntp_client", "servers", "pools"])?;
    if table.flag("enabled")? == Some(false) {
        return Err(at.refuse("the time is always asked for: greylisting, DKIM and TLS need it"));
    }
    if let Some(client) = table.get("ntp_client") {
        client.word(&[("auto", ()), ("systemd-timesyncd", ())])?;
    }
    let mut servers = Vec::new();
    for key in ["servers", "pools"] {
        for server in table.get(key).map(|a| a.texts()).transpose()?.unwrap_or_default() {
            servers.push(server.text()?.to_owned());
        }
    }
    Ok(servers)
}

/// The rest of what Proxmox and others always write.
fn without_effect(table: &Table) -> Result<Vec<String>, BadSeed> {
    let mut remarks = Vec::new();
    let mut remark = |key: &str, why: &str| remarks.push(format!("user-data: {key} has no effect here: {why}"));
    for (key, why) in [
        ("prefer_fqdn_over_hostname", "the name is always the full one"),
        ("preserve_hostname", "this is the first boot"),
        ("manage_etc_hosts", "the appliance writes that file"),
        ("manage_resolv_conf", "the appliance writes that file"),
        ("disable_root", "root is locked"),
        ("package_update", "the appliance is updated as a whole"),
        ("package_upgrade", "the appliance is updated as a whole"),
        ("package_reboot_if_required", "the appliance is updated as a whole"),
    ] {
        if let Some(at) = table.get(key) {
            // `manage_etc_hosts: localhost` is the one text among them.
            if at.value.as_str() != Some("localhost") {
                at.flag()?;
            }
            remark(key, why);
        }
    }
    if let Some(at) = table.get("ssh_pwauth") {
        if at.flag()? {
            return Err(at.refuse("there is no SSH"));
        }
        remark("ssh_pwauth", "there is no SSH");
    }
    if let Some(at) = table.get("users") {
        if let Some(somebody) = at.list()?.iter().find(|u| u.value.as_str() != Some("default")) {
            return Err(somebody.refuse("nobody logs in to this system: write postern.admin.password"));
        }
        remark("users", "nobody logs in to this system");
    }
    if let Some(at) = table.get("chpasswd") {
        at.table(&["expire"])?.flag("expire")?;
        remark("chpasswd", "nobody logs in to this system");
    }
    Ok(remarks)
}
