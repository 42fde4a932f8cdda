//! `postern setup`: the console menu of the appliance. The words are `postern_os::setup`'s; this reads lines, and does what was chosen
//! through the node's API and the role `os`; it has no rights of its own.
//!
//! Before the first boot's questions were answered, whoever stands before the console may answer them. From then on the menu wants
//! the admin's password.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hyper::Method;
use postern_model::os::OsRequest;
use postern_mta::certificate::LONGEST;
use postern_os::machine::Machine;
use postern_os::role::MACHINE;
use postern_os::seed::network::Card;
use postern_os::seed::volume;
use postern_os::setup::{self, Choice, Question, Route, Wizard};
use serde_json::{Value, json};

use super::client::{CommandError, Node};
use super::fetch;
use super::os;

const PATIENCE: Duration = Duration::from_secs(10);
/// Between two wrong passwords.
const WRONG: Duration = Duration::from_secs(3);

/// The terminal is gone, or somebody ended the line.
struct Gone;

type Said<T> = Result<T, String>;

pub async fn run(node: &Node) -> Result<(), CommandError> {
    if dialogue(node).await.is_err() {
        say("");
    }
    Ok(())
}

async fn dialogue(node: &Node) -> Result<(), Gone> {
    say("\nPostern mail security gateway");
    if !Path::new(MACHINE).exists() {
        ask("Press Enter to set this machine up.")?;
        wizard(node).await?;
    }
    loop {
        log_in(node).await?;
        menu(node).await?;
    }
}

fn say(text: &str) {
    let mut out = io::stdout().lock();
    for line in text.lines() {
        let _ = write!(out, "{}\r\n", super::output::plain(line, false));
    }
    if text.is_empty() {
        let _ = out.write_all(b"\r\n");
    }
    let _ = out.flush();
}

fn ask(question: &str) -> Result<String, Gone> {
    say(question);
    let mut out = io::stdout().lock();
    let _ = out.write_all(b"> ");
    let _ = out.flush();
    drop(out);
    read_line()
}

fn read_line() -> Result<String, Gone> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(1..) => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        _ => Err(Gone),
    }
}

/// Without showing what is typed.
fn ask_secretly(question: &str) -> Result<String, Gone> {
    // Of coreutils, on the terminal that is our standard input; a pipe has no echo, and its refusal does not matter.
    let echo = |how: &str| drop(Command::new("stty").arg(how).stderr(Stdio::null()).status());
    echo("-echo");
    let line = ask(question);
    echo("echo");
    say("");
    line
}

async fn wizard(node: &Node) -> Result<(), Gone> {
    let Some(Card { name: card, mac }) = volume::cards(Path::new("/sys/class/net")).into_iter().next() else {
        say("There is no network card: add one and start again.");
        return Ok(());
    };
    loop {
        let mut wizard = Wizard::new(&card, &mac);
        while let Some(question) = wizard.question() {
            let line = if question == Question::Password { ask_secretly(question.text())? } else { ask(question.text())? };
            if let Err(why) = wizard.answer(&line) {
                say(&why);
            }
        }
        say(&wizard.summary());
        if ask("Write this? yes or no:")? != "yes" {
            continue;
        }
        let answers = wizard.finish();
        let done = async {
            if let Some(password) = &answers.password {
                set_password(node, password).await?;
            }
            if let Some(route) = &answers.route {
                add_route(node, route).await?;
            }
            put_machine(&answers.machine).await
        };
        match done.await {
            Ok(()) => {
                say("Done. The web console: https://THIS-MACHINE:8443");
                return Ok(());
            }
            Err(why) => say(&format!("It could not be written: {why}")),
        }
    }
}

async fn log_in(node: &Node) -> Result<(), Gone> {
    loop {
        let password = ask_secretly("Password of the admin:")?;
        let asked = node.post("/session", json!({ "name": "admin", "password": password })).await;
        match asked {
            Ok(_) => return Ok(()),
            // Without a node nobody can tell a right password from a wrong one, and who has the console has the power switch.
            Err(e @ (CommandError::NotRunning { .. } | CommandError::Answer(_))) => say(&format!("The node does not answer: {e}")),
            Err(_) => say("That is not it."),
        }
        tokio::time::sleep(WRONG).await;
    }
}

async fn menu(node: &Node) -> Result<(), Gone> {
    loop {
        say(&setup::menu());
        let line = ask("A number, or nothing to leave:")?;
        if line.is_empty() {
            return Ok(());
        }
        let done = match setup::choose(&line) {
            Ok(choice) => carry_out(node, choice).await?,
            Err(why) => Err(why),
        };
        match done {
            Ok(text) => say(&text),
            Err(why) => say(&format!("Not done: {why}")),
        }
    }
}

async fn carry_out(node: &Node, choice: Choice) -> Result<Said<String>, Gone> {
    let done = |done: Said<()>| done.map(|()| "Done.".to_owned());
    Ok(match choice {
        Choice::Status => os::status(false).await.map(|()| String::new()).map_err(|e| e.to_string()),
        Choice::Network => {
            let line = ask(Question::Network.text().trim_start_matches("2 of 6. "))?;
            done(change(|machine| setup::network(machine, line.trim())).await)
        }
        Choice::Hostname => {
            let line = ask(Question::Hostname.text().trim_start_matches("1 of 6. "))?;
            done(
                change(|machine| {
                    machine.hostname = line.trim().to_ascii_lowercase();
                    Ok(())
                })
                .await,
            )
        }
        Choice::TimeZone => {
            let line = ask(Question::TimeZone.text().trim_start_matches("4 of 6. "))?;
            done(
                change(|machine| {
                    machine.time_zone = line.trim().into();
                    Ok(())
                })
                .await,
            )
        }
        Choice::Password => {
            let typed = ask_secretly("New password, 12 characters or more:")?;
            let again = ask_secretly("The same again:")?;
            match setup::password(&typed) {
                Err(why) => Err(why),
                Ok(None) => Err("nothing was typed".into()),
                Ok(Some(_)) if again != typed => Err("these are two different ones".into()),
                Ok(Some(password)) => done(set_password(node, &password).await),
            }
        }
        Choice::Domain => match setup::route(&ask("Domain and mail server, as in example.org 192.0.2.25:")?) {
            Ok(route) => done(add_route(node, &route).await),
            Err(why) => Err(why),
        },
        Choice::CreateCluster => {
            let is_member = match node.get("/cluster").await {
                Ok(cluster) => cluster["members"].as_array().is_some_and(|members| !members.is_empty()),
                Err(why) => return Ok(Err(why.to_string())),
            };
            let name = if is_member { None } else { Some(ask("Name of the cluster:")?) };
            let made = async {
                if let Some(name) = name {
                    node.post("/cluster", json!({ "name": name.trim() })).await?;
                }
                node.post("/cluster/invitations", json!({})).await
            };
            made.await.map(|invited| format!("Type this on the next node:\n{}", text(&invited["token"]))).map_err(|e| e.to_string())
        }
        Choice::JoinCluster => {
            let token = ask("The token that another node printed:")?;
            done(node.post("/cluster/join", json!({ "token": token.trim() })).await.map(drop).map_err(|e| e.to_string()))
        }
        Choice::Certificate => certificate(node).await?,
        Choice::Diagnostics => Ok(diagnostics(&ask("A host whose port 25 is tried; Enter for none:")?)),
        Choice::Update => update(node).await?,
        Choice::RollBack => done(order(OsRequest::RollBack).await),
        Choice::Restore => restore(node).await?,
        Choice::SupportBundle => os::text(&OsRequest::SupportBundle).await.map_err(|e| e.to_string()),
        Choice::FactoryReset => match ask("All settings, keys and mails on this machine are lost. Type RESET:")?.as_str() {
            "RESET" => done(order(OsRequest::FactoryReset).await),
            _ => Err("nothing was changed".into()),
        },
        Choice::Reboot => done(order(OsRequest::Reboot).await),
        Choice::PowerOff => done(order(OsRequest::PowerOff).await),
    })
}

async fn order(request: OsRequest) -> Said<()> {
    os::ask(&request).await.map(drop).map_err(|e| e.to_string())
}

/// What is shown now, a request for another, or the answer to one.
async fn certificate(node: &Node) -> Result<Said<String>, Gone> {
    match node.get("/node/certificate").await {
        Ok(now) => {
            let names = super::output::list(&now, "names").iter().map(text).collect::<Vec<_>>().join(" ");
            let (until, source) = (super::output::when(&now["until"]), text(&now["source"]));
            say(&format!("{names} by {}, until {until} ({source})", text(&now["issuer"])));
            if let Some(why) = now["automatic"]["trouble"].as_str() {
                say(&format!("The last order failed: {why}"));
            }
        }
        Err(why) => say(&format!("There is none that can be shown: {why}")),
    }
    let what = ask(
        "1. Request one from an authority   2. Put in what it sent   3. Back to the self-signed one   4. Order and renew it by itself; Enter for nothing:",
    )?;
    let asked = match what.trim() {
        "" => return Ok(Ok(String::new())),
        "1" => {
            let names = ask("Host names, separated by spaces; Enter for the name of this machine:")?;
            let names: Vec<&str> = names.split_whitespace().collect();
            let made = node.post("/node/certificate/request", json!({ "names": names })).await;
            made.map(|made| format!("{}Give this to your authority; the key stays here.", text(&made["request"])))
        }
        "2" => {
            let chain = pasted("Paste the chain in PEM, our own first; then an empty line:")?;
            let put = node.put("/node/certificate", json!({ "chain": chain })).await;
            put.map(|now| format!("In force within ten seconds, until {}.", super::output::when(&now["until"])))
        }
        "3" => node.delete("/node/certificate").await.map(|_| "Done.".to_owned()),
        "4" => return automatic(node).await,
        _ => return Ok(Err("type 1, 2, 3 or 4".into())),
    };
    Ok(asked.map_err(|e| e.to_string()))
}

/// By ACME, from the authority that the settings name.
async fn automatic(node: &Node) -> Result<Said<String>, Gone> {
    let settings = match node.get("/settings").await {
        Ok(answer) => answer["settings"]["acme"].clone(),
        Err(why) => return Ok(Err(why.to_string())),
    };
    say(&format!("The authority: {}. It looks at port 80 of this machine's name from the Internet.", text(&settings["directory"])));
    let contact = ask("A mail address for the authority; Enter for none:")?;
    if ask("Its terms of service are on its web pages. Type YES when you accept them:")? != "YES" {
        return Ok(Err("nothing was changed".into()));
    }
    let contacts: Vec<&str> = contact.split_whitespace().collect();
    for (path, value) in [("acme.contacts", json!(contacts)), ("acme.accept_terms", json!(true)), ("acme.enabled", json!(true))] {
        if let Err(why) = node
            .send(Method::PATCH, "/settings", Some(("application/json", json!({ "path": path, "value": value }).to_string().into())), &[])
            .await
        {
            return Ok(Err(why.to_string()));
        }
    }
    Ok(Ok("It is being ordered; this item shows it when it is there, and what fails.".into()))
}

/// Lines up to an empty one.
fn pasted(question: &str) -> Result<String, Gone> {
    let (mut whole, mut line) = (String::new(), ask(question)?);
    while !line.trim().is_empty() && whole.len() < LONGEST {
        whole.push_str(line.trim());
        whole.push('\n');
        line = read_line()?;
    }
    Ok(whole)
}

/// From the target of `[backup]`, which is set in the web console.
async fn restore(node: &Node) -> Result<Said<String>, Gone> {
    let listed = match node.get("/backups").await {
        Ok(listed) => listed,
        Err(why) => return Ok(Err(format!("{why}. Set [backup] in the web console as it was on the lost machine"))),
    };
    let names: Vec<String> = super::output::list(&listed, "backups").iter().map(|b| text(&b["name"])).collect();
    if names.is_empty() {
        return Ok(Err("there is no backup at the target of [backup]".into()));
    }
    names.iter().enumerate().for_each(|(n, name)| say(&format!("{:>3}. {name}", n + 1)));
    let number = ask("The number of the backup:")?;
    let Some(name) = number.trim().parse::<usize>().ok().and_then(|n| names.get(n.checked_sub(1)?)) else {
        return Ok(Err(format!("type a number from 1 to {}", names.len())));
    };
    let key = ask_secretly("Its passphrase, or its secret key AGE-SECRET-KEY-1... (not shown):")?;
    let what = if key.trim().starts_with("AGE-SECRET-KEY-1") { "identity" } else { "passphrase" };
    if ask("What this node has now is replaced by it. Type RESTORE:")? != "RESTORE" {
        return Ok(Err("nothing was changed".into()));
    }
    let followed = async {
        node.post("/system/restore", json!({ "backup": name, what: key.trim() })).await?;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let view = node.get("/system/restore").await?;
            match view["stage"].as_str() {
                Some("fetching") => {}
                Some("restarting") => return Ok("It is here and good. The machine restarts and puts it in place.".to_owned()),
                _ => return Err(os::failed(text(&view["why"]))),
            }
        }
    };
    Ok(followed.await.map_err(|e: CommandError| e.to_string()))
}

/// From an address, or a file that is on this machine already; uploading is the web console's.
async fn update(node: &Node) -> Result<Said<String>, Gone> {
    let source = ask("Address (https://...) or file of postern-VERSION.update (the web console takes one by upload):")?;
    let source = source.trim();
    let begun = if fetch::is_address(source) {
        fetch::run(node, source, json!({ "for": "this" })).await.map_err(|e| e.to_string())
    } else {
        order(OsRequest::Update { bundle: source.into(), allow_older: false, restart: false }).await
    };
    if let Err(why) = begun {
        return Ok(Err(why));
    }
    Ok(os::follow().await.map(|()| "Reboot to start it.".to_owned()).map_err(|e| e.to_string()))
}

fn text(value: &Value) -> String {
    super::output::string(value)
}

async fn put_machine(machine: &Machine) -> Said<()> {
    order(OsRequest::PutMachine { text: setup::rendered(machine)? }).await
}

async fn change(edit: impl FnOnce(&mut Machine) -> Said<()>) -> Said<()> {
    let text = os::text(&OsRequest::Machine).await.map_err(|e| e.to_string())?;
    let mut machine = Machine::parse(&text).map_err(|e| e.to_string())?;
    edit(&mut machine)?;
    put_machine(&machine).await
}

async fn set_password(node: &Node, password: &str) -> Said<()> {
    node.put("/admins/admin/password", json!({ "password": password })).await.map(drop).map_err(|e| e.to_string())
}

async fn add_route(node: &Node, route: &Route) -> Said<()> {
    let settings = node.get("/settings").await.map_err(|e| e.to_string())?;
    let mut domains = settings["settings"]["domains"].as_array().cloned().unwrap_or_default();
    route.put_into(&mut domains);
    let body = json!({ "path": "domains", "value": domains, "message": "console menu" });
    node.send(hyper::Method::PATCH, "/settings", Some(("application/json", body.to_string().into())), &[])
        .await
        .map(drop)
        .map_err(|e| e.to_string())
}

/// What a person at a console can do something about.
fn diagnostics(host: &str) -> String {
    let mut lines = Vec::new();
    let mut tool = |what: &str, program: &str, arguments: &[&str]| {
        let said = Command::new(program).args(arguments).output();
        let said = said.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).trim().to_owned());
        lines.push(format!("{what}:\n{said}"));
    };
    tool("Network cards", "ip", &["-brief", "address"]);
    tool("Ways", "ip", &["route"]);
    tool("Disk", "df", &["-h", "/var"]);
    let servers = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers: Vec<&str> = servers.lines().filter_map(|l| l.strip_prefix("nameserver ")).collect();
    lines.push(format!("Name servers: {}", if servers.is_empty() { "none".into() } else { servers.join(" ") }));
    if !host.trim().is_empty() {
        lines.push(port_25(host.trim()));
    }
    lines.join("\n")
}

fn port_25(host: &str) -> String {
    let addresses: Vec<SocketAddr> = match (host, 25).to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(e) => return format!("{host}: {e}"),
    };
    let tried = addresses.iter().map(|to| match TcpStream::connect_timeout(to, PATIENCE) {
        Ok(_) => format!("{to}: connects"),
        Err(e) => format!("{to}: {e}"),
    });
    tried.collect::<Vec<_>>().join("\n")
}
