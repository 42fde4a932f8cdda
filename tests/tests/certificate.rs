//! A certificate that is put in place is shown by the SMTP listener and the console of a node that runs, without a restart.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use postern_tests::certificate::self_signed;
use postern_tests::gateway::{Gateway, binary, wait_until};

/// The files are looked at every ten seconds.
const LIMIT: Duration = Duration::from_secs(40);

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Chain and key in one file, as `postern_mta::certificate` keeps them.
fn make(data: &Path, name: &str) {
    let (key, certificate) = (data.join("tls/made.key"), data.join("tls/made.pem"));
    self_signed(name, &key, &certificate).unwrap();
    let both = fs::read_to_string(certificate).unwrap() + &fs::read_to_string(key).unwrap();
    fs::write(data.join("tls/offered.pem"), both).unwrap();
    fs::rename(data.join("tls/offered.pem"), data.join("tls/installed.pem")).unwrap();
}

#[test]
fn a_new_certificate_is_shown_by_smtp_and_console() {
    let data = tempfile::tempdir().unwrap();
    let [smtp, console] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string());
    let settings = format!(
        "[smtp]\nlisten = [{smtp:?}]\ntrusted_listen = []\n[console]\nlisten = [{console:?}]\n[dns]\nenabled = false\n[sandbox]\nenabled = false\n"
    );
    let gateway = Gateway::node(&binary(), data.path(), &settings).unwrap();
    let shown = || {
        let on_smtp = openssl(&["s_client", "-connect", &smtp, "-starttls", "smtp"]);
        (on_smtp, openssl(&["s_client", "-connect", &console]))
    };
    let (on_smtp, on_console) = shown();
    assert!(on_smtp.contains("BEGIN CERTIFICATE") && on_console.contains("BEGIN CERTIFICATE"), "{on_smtp}\n{on_console}");
    for name in ["first.example.org", "second.example.org"] {
        make(data.path(), name);
        wait_until(name, LIMIT, || {
            let (on_smtp, on_console) = shown();
            on_smtp.contains(&format!("CN = {name}")) && on_console.contains(&format!("CN = {name}"))
        })
        .unwrap_or_else(|e| panic!("{e}\n{}", gateway.log()));
    }
}
