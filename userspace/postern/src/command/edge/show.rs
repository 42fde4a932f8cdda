//! The edge's status and ring as tables.

use serde_json::Value;

use crate::command::output::{self, list, octets, string, when};

pub fn status(s: &Value) {
    let interfaces: Vec<String> =
        list(s, "interfaces").iter().map(|i| format!("{} ({})", string(&i["name"]), string(&i["mode"]))).collect();
    output::facts(&[
        ("version", string(&s["version"])),
        ("running since", when(&s["since"])),
        ("interfaces", if interfaces.is_empty() { "none is guarded".into() } else { interfaces.join(", ") }),
        ("bans", string(&s["bans"])),
        ("allowed networks", string(&s["allowed"])),
    ]);
    let row = |c: &Value| vec![string(&c["name"]), string(&c["packets"]), octets(&c["octets"])];
    let counted = list(s, "counters").iter().filter(|c| c["packets"] != 0);
    output::text("");
    output::table(&["COUNTER", "PACKETS", "OCTETS"], &counted.map(row).collect::<Vec<_>>());
    if !list(s, "feeds").is_empty() {
        output::text("");
        feeds(s);
    }
    if s["steering"].is_object() {
        output::text("");
        ring(&s["steering"]);
    }
}

pub fn feeds(s: &Value) {
    if list(s, "feeds").is_empty() {
        return output::text("no feeds: set edge.feeds");
    }
    let row = |f: &Value| vec![string(&f["name"]), string(&f["entries"]), when(&f["loaded"]), string(&f["error"])];
    output::table(&["FEED", "ENTRIES", "LOADED", "TROUBLE"], &list(s, "feeds").iter().map(row).collect::<Vec<_>>());
}

pub fn ring(s: &Value) {
    if !s.is_object() {
        return output::text("nothing is steered: set edge.steering.addresses");
    }
    let stale = if s["stale"] == true { "the node is silent: this machine owns no address until it speaks" } else { "" };
    output::facts(&[
        ("ring", string(&s["digest"])),
        ("peers meet on", string(&s["interface"])),
        ("trouble", string(&s["trouble"])),
        ("stale", stale.into()),
    ]);
    output::text("");
    let row = |a: &Value| {
        let owned = if a["owned"] == true { "yes" } else { "" };
        vec![string(&a["address"]), owned.into(), string(&a["conflicts"]), string(&a["rival"])]
    };
    output::table(&["ADDRESS", "HERE", "CONFLICTS", "RIVAL"], &list(s, "addresses").iter().map(row).collect::<Vec<_>>());
    output::text("");
    let row = |m: &Value| {
        let this = if m["this"] == true { "*" } else { "" };
        let share = m["share"].as_f64().unwrap_or(0.0) * 100.0;
        vec![
            format!("{}{this}", string(&m["name"])),
            string(&m["state"]),
            string(&m["weight"]),
            format!("{share:.1}%"),
            string(&m["way"]),
            string(&m["mac"]),
            string(&m["sent"]),
            string(&m["received"]),
            string(&m["trouble"]),
        ]
    };
    output::table(
        &["NODE", "STATE", "WEIGHT", "SHARE", "WAY", "MAC", "SENT", "RECEIVED", "TROUBLE"],
        &list(s, "members").iter().map(row).collect::<Vec<_>>(),
    );
}
