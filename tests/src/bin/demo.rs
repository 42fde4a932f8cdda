//! `just demo`: the guided tour. A client host in its own network namespace, XDP on the cable to it,
//! a gateway of the demo's own, and Dovecot (or the built-in sink) behind it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use postern_tests::dovecot::Dovecot;
use postern_tests::gateway::{Gateway, wait_until};
use postern_tests::network::{CLIENT, ClientHost, GATEWAY, INTERFACE, two_hosts};
use serde_json::Value;

const SMTP: u16 = 2525;
const RUDE: &str = "198.51.100.66";

#[derive(Parser)]
struct Options {
    /// The built binary [default: beside this one].
    #[arg(long)]
    postern: Option<PathBuf>,
    /// Also send these mails (.eml files).
    mails: Vec<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let binary = options.postern.clone().unwrap_or_else(postern_tests::gateway::binary);
    let scratch = tempfile::Builder::new().prefix("postern-demo").tempdir()?;
    let client = two_hosts().context("the demo needs root")?;

    say("A client host, a cable, a gateway with XDP on the cable, and Dovecot behind it.");
    let dovecot = Dovecot::start(&scratch.path().join("dovecot"), 2424, 2443).context("Dovecot (./just demo installs it)")?;
    let gateway =
        Gateway::start(&binary, &scratch.path().join("postern"), &["--interface", INTERFACE, "--backend", "lmtp:127.0.0.1:2424"])?;
    println!("{}", gateway.log());

    say("1. An ordinary mail.");
    let said = client.swaks(
        SMTP,
        &["--from", "anna@example.org", "--to", "erika@example.net", "--header", "Subject: Minutes of Tuesday"],
        None,
    )?;
    print_reply(&said);
    let mails = dovecot.wait_for("erika@example.net", 1, Duration::from_secs(10))?;
    say("   As it lies in the mailbox:");
    for line in mails[0].lines().take_while(|l| !l.is_empty()) {
        println!("     {line}");
    }

    say("2. A virus test file, a phishing mail, whatever you gave me.");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace/postern-filter/tests/whole/phish");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&root).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    files.sort();
    files.truncate(3);
    files.extend(options.mails.iter().cloned());
    for file in &files {
        send(&client, file)?;
    }
    wait_until("the journeys", Duration::from_secs(5), || journeys(&gateway).is_ok_and(|j| j.len() > files.len()))?;
    for j in journeys(&gateway)? {
        println!(
            "     {:<10} {:>6.1}  {:<18} {}",
            j["action"].as_str().unwrap_or("?"),
            j["score"].as_f64().unwrap_or(0.0),
            j["reason"].as_str().unwrap_or("?"),
            j["subject"].as_str().unwrap_or("(no subject)")
        );
    }

    say("3. A client that speaks before the greeting, three times.");
    client.add_address(&format!("{RUDE}/24"))?;
    let rude = format!(
        "import socket\nfor _ in range(3):\n s=socket.create_connection(('{GATEWAY}',{SMTP}),2,('{RUDE}',0))\n s.sendall(b'EHLO bot\\r\\n')\n s.settimeout(3)\n print('    ', s.recv(200))\n s.close()\n"
    );
    print!("{}", String::from_utf8_lossy(&client.run("python3", &["-c", &rude])?.stdout));
    let began = Instant::now();
    wait_until("the ban", Duration::from_secs(5), || gateway.ask(&["edge", "bans"]).is_ok_and(|b| b.to_string().contains(RUDE)))?;
    println!("     banned {} ms later", began.elapsed().as_millis());
    let refused = client.run(
        "timeout",
        &["2", "bash", "-c", &format!("! swaks --server {GATEWAY}:{SMTP} --local-interface {RUDE} --timeout 1 --quit-after BANNER")],
    );
    println!("     its next connection: {}", if refused.is_ok() { "no answer at all" } else { "no answer within 2 s" });
    let status = gateway.ask(&["edge", "status"])?;
    say("   What the NIC counted:");
    for c in status["counters"].as_array().into_iter().flatten().filter(|c| c["packets"].as_u64() != Some(0)) {
        println!("     {:<24} {:>8} packets {:>10} octets", c["name"].as_str().unwrap_or("?"), c["packets"], c["octets"]);
    }
    let still = client.swaks(SMTP, &["--local-interface", CLIENT, "--quit-after", "BANNER"], None)?;
    println!("     the honest client still gets: {}", still.lines().find(|l| l.contains("220")).unwrap_or("nothing"));
    say("The end. Everything the demo made is gone with it.");
    Ok(())
}

fn say(text: &str) {
    println!("\n\x1b[1m{text}\x1b[0m");
}

fn send(client: &ClientHost, file: &Path) -> anyhow::Result<()> {
    let data = String::from_utf8_lossy(&std::fs::read(file).with_context(|| file.display().to_string())?).into_owned();
    let said = client.swaks(SMTP, &["--from", "someone@example.com", "--to", "erika@example.net"], Some(&data))?;
    println!("   {}", file.file_name().unwrap_or_default().to_string_lossy());
    print_reply(&said);
    Ok(())
}

fn print_reply(transcript: &str) {
    // The reply after the dot is the last line that swaks marks as the server's before QUIT.
    let lines: Vec<&str> = transcript.lines().filter(|l| l.starts_with("<-") || l.starts_with("<*")).collect();
    if let Some(reply) = lines.iter().rev().find(|l| !l.contains(" 221 ")) {
        println!("     {reply}");
    }
}

fn journeys(gateway: &Gateway) -> anyhow::Result<Vec<Value>> {
    Ok(gateway.ask(&["journey", "search"])?["journeys"].as_array().cloned().unwrap_or_default())
}
