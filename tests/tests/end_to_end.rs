//! The whole way, with real parts: a client host in its own network namespace, XDP on the cable,
//! `postern run`, Dovecot behind it. One test, because the steps build on each other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use postern_tests::dovecot::Dovecot;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{CLIENT, GATEWAY, INTERFACE, two_hosts};

const LIMIT: Duration = Duration::from_secs(15);
const SMTP: u16 = 2525;

fn installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|d| d.join(program).exists())
}

/// Connects from the client host and waits for the greeting; `false` when no answer comes in a second.
fn greets(client: &postern_tests::network::ClientHost, from: &str) -> bool {
    let script = format!(
        "exec 3<>/dev/tcp/{GATEWAY}/{SMTP} && read -t 2 -r line <&3 && printf 'QUIT\\r\\n' >&3 && case \"$line\" in 220*) exit 0;; *) exit 1;; esac"
    );
    let mut command = match from {
        CLIENT => client.command("timeout", &["1", "bash", "-c", &script]),
        _ => client.command(
            "timeout",
            &["1", "swaks", "--server", &format!("{GATEWAY}:{SMTP}"), "--local-interface", from, "--quit-after", "BANNER"],
        ),
    };
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

fn drops(gateway: &Gateway) -> u64 {
    let status = gateway.ask(&["edge", "status"]).unwrap();
    let counters = status["counters"].as_array().cloned().unwrap_or_default();
    counters
        .iter()
        .filter(|c| c["name"].as_str().is_some_and(|n| n.contains("ban")) && c["drops"] == true)
        .map(|c| c["packets"].as_u64().unwrap_or(0))
        .sum()
}

fn fixture(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join("userspace/postern-filter/tests/whole").join(path)).unwrap()
}

#[test]
fn from_the_cable_to_the_mailbox() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root for network namespaces and XDP");
        return;
    }
    if let Some(lacking) = ["dovecot", "swaks", "nsenter"].into_iter().find(|p| !installed(p)) {
        println!("skipped: {lacking} is not installed (./just test installs it)");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let client = two_hosts().unwrap();
    let dovecot = Dovecot::start(&scratch.path().join("dovecot"), 2424, 2443).unwrap();
    let gateway =
        Gateway::start(&binary(), &scratch.path().join("postern"), &["--interface", INTERFACE, "--backend", "lmtp:127.0.0.1:2424"])
            .unwrap();

    wait_until("XDP on the cable", LIMIT, || gateway.is_guarded()).unwrap();
    assert_eq!(gateway.ask(&["edge", "status"]).unwrap()["interfaces"][0]["name"], INTERFACE);

    // A plain mail goes through and carries our headers.
    let said = client
        .swaks(SMTP, &["--from", "anna@example.org", "--to", "erika@example.net", "--header", "Subject: Minutes of Tuesday"], None)
        .unwrap();
    assert!(said.contains("250 2.0.0"), "{said}");
    let mails = dovecot.wait_for("erika@example.net", 1, LIMIT).unwrap();
    assert!(mails[0].contains("Minutes of Tuesday") && mails[0].contains("X-Postern-Result:"), "{}", mails[0]);
    assert!(mails[0].contains("Received: from"), "{}", mails[0]);

    // A phishing mail is judged as one; its journey says why.
    let said = client
        .swaks(
            SMTP,
            &["--from", "service@secure-login.example", "--to", "erika@example.net"],
            Some(&fixture("phish/microsoft-password-expiry.eml")),
        )
        .unwrap();
    assert!(said.contains("250 2.0.0") || said.contains("550 5.7.1"), "{said}");
    wait_until("the journey of the phishing mail", LIMIT, || {
        let found = gateway.ask(&["journey", "search", "--sender", "service@secure-login.example"]).unwrap();
        found["journeys"]
            .as_array()
            .is_some_and(|j| j.first().is_some_and(|j| j["action"] != "accept" && j["score"].as_f64().unwrap_or(0.0) >= 5.0))
    })
    .unwrap();

    // Bytes that are no SMTP do no harm.
    let mut garbage = client
        .command(
            "bash",
            &["-c", &format!("exec 3<>/dev/tcp/{GATEWAY}/{SMTP}; head -c 200000 /dev/urandom >&3; head -c 100 <&3 >/dev/null")],
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while garbage.try_wait().unwrap().is_none() && began.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = garbage.kill();
    let _ = garbage.wait();
    assert!(greets(&client, CLIENT), "the gateway does not answer after garbage:\n{}", gateway.log());

    // A client that speaks before the greeting again and again is dropped by XDP.
    client.add_address("198.51.100.66/24").unwrap();
    let rude = format!(
        "import socket\nfor _ in range(3):\n s=socket.create_connection(('{GATEWAY}',{SMTP}),2,('198.51.100.66',0))\n s.sendall(b'EHLO bot\\r\\nMAIL FROM:<a@b.example>\\r\\n')\n s.settimeout(3)\n try:\n  while s.recv(1000): pass\n except OSError: pass\n s.close()\n"
    );
    client.run("python3", &["-c", &rude]).unwrap();
    let took = wait_until("the ban in the edge", Duration::from_secs(1), || {
        let bans = gateway.ask(&["edge", "bans"]).unwrap();
        bans["bans"].as_array().is_some_and(|b| b.iter().any(|b| b["network"].as_str().is_some_and(|n| n.starts_with("198.51.100.66"))))
    })
    .unwrap();
    println!("banned {} ms after its last bad act", took.as_millis());
    let before = drops(&gateway);
    assert!(!greets(&client, "198.51.100.66"), "a banned address still gets a greeting");
    assert!(drops(&gateway) > before, "the counter of dropped packets did not move");
    assert!(greets(&client, CLIENT), "another address must not suffer");

    // Unbanned, it may speak again.
    gateway.ask(&["edge", "unban", "198.51.100.66"]).unwrap();
    wait_until("the greeting after the unban", LIMIT, || greets(&client, "198.51.100.66")).unwrap();

    // An accepted mail survives kill -9 of the node and a dead backend.
    drop(dovecot);
    let said =
        client.swaks(SMTP, &["--from", "anna@example.org", "--to", "otto@example.net", "--header", "Subject: Must arrive"], None).unwrap();
    assert!(said.contains("250 2.0.0"), "{said}");
    kill_node(gateway);
    let dovecot = Dovecot::start(&scratch.path().join("dovecot2"), 2424, 2443).unwrap();
    let gateway = Gateway::start(&binary(), &scratch.path().join("postern"), &[]).unwrap();
    gateway.ask(&["queue", "retry"]).unwrap();
    let mails = dovecot.wait_for("otto@example.net", 1, LIMIT).unwrap();
    assert!(mails[0].contains("Must arrive"));

    // The log is quiet.
    let errors: Vec<String> = gateway.log().lines().filter(|l| l.contains("ERROR") || l.contains("panicked")).map(str::to_owned).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// SIGKILL for the node and everything around it, as a power cut would.
fn kill_node(gateway: Gateway) {
    let parent = gateway.process.id().to_string();
    let children = std::process::Command::new("pgrep").args(["-P", &parent]).output().unwrap();
    for pid in String::from_utf8_lossy(&children.stdout).split_whitespace().chain([parent.as_str()]) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    let mut process = gateway.process;
    process.0.wait().unwrap();
}

#[test]
fn a_silent_crowd_does_not_stop_good_mail() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root for a network namespace");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let client = two_hosts().unwrap();
    let gateway = Gateway::start(&binary(), &scratch.path().join("postern"), &[]).unwrap();
    // 150 clients that send one octet a second each, from 5 addresses.
    for n in 0..5 {
        client.add_address(&format!("198.51.100.{}/24", 100 + n)).unwrap();
    }
    let crowd = format!(
        "import socket,time\nss=[]\nfor i in range(150):\n s=socket.create_connection(('{GATEWAY}',{SMTP}),5,('198.51.100.%d'%(100+i%5),0)); ss.append(s)\nprint('ready',flush=True)\nfor t in range(20):\n for s in ss:\n  try: s.send(b'E')\n  except OSError: pass\n time.sleep(1)\n"
    );
    let mut loris = client.command("python3", &["-c", &crowd]).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0u8; 5];
    loris.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let began = Instant::now();
    let said = client.swaks(SMTP, &["--from", "anna@example.org", "--to", "erika@example.net"], None).unwrap();
    assert!(said.contains("250 2.0.0"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(5), "a good mail took {:?}", began.elapsed());
    let _ = loris.kill();
    let _ = loris.wait();
    std::io::stdout().flush().unwrap();
    drop(gateway);
}
