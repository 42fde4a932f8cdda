//! Wiring of the console: its handles, its sockets, the first password.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use bytes::Bytes;
use futures_util::FutureExt;
use postern_backup::schedule::Keeper;
use postern_cluster::node::Cluster;
use postern_console::listen::{bind_unix, serve_https, serve_unix};
use postern_console::{Console, Duty, ExplainRequest, LearnKind, OpenedAgain, PolicyRequest, SettingsHandle, State};
use postern_filter::facts::Sandboxed;
use postern_model::settings::smtp::TlsSettings;
use postern_mta::journey::Journey;
use postern_mta::tls::Tls;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::learning;

/// Opens the node's unix socket and serves there and on the console's listeners; returns the flag behind `/readyz`.
#[expect(clippy::too_many_arguments, reason = "called once; each is a part that the console shows")]
pub async fn start(
    journey: &Arc<Journey>,
    settings: &Arc<SettingsHandle>,
    cluster: &Cluster,
    duty: Duty,
    backups: Keeper,
    acme: postern_acme::Keeper,
    learned: Arc<Notify>,
    hostname: &str,
    listeners: Vec<std::net::TcpListener>,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<AtomicBool>> {
    let now = settings.settings();
    let data = &now.node.data_dir;
    let ready = Arc::new(AtomicBool::new(false));
    let [explaining, ruling, teaching, opening, asking] = std::array::from_fn(|_| Arc::clone(journey));
    tokio::spawn(learning::keep_current(Arc::clone(journey), Arc::clone(&learned)));
    let state = State {
        database: journey.database.clone(),
        settings: Arc::clone(settings),
        spool: journey.spool.clone(),
        queue: journey.queue.clone(),
        feedback: journey.feedback.clone(),
        explain: Arc::new(move |request: ExplainRequest| learning::explain(Arc::clone(&explaining), request).boxed()),
        explain_policy: Arc::new(move |request: PolicyRequest| learning::explain_policy(Arc::clone(&ruling), request).boxed()),
        learn: Arc::new(move |kind: LearnKind, mail: Bytes| {
            learning::learn(Arc::clone(&teaching), Arc::clone(&learned), kind, mail).boxed()
        }),
        open_again: Arc::new(move |mail: Bytes| {
            let journey = Arc::clone(&opening);
            async move {
                let Sandboxed { opened, left_out, unanswered, .. } = journey.open_again(mail).await?;
                Ok(OpenedAgain { attachments: opened, left_out, unanswered })
            }
            .boxed()
        }),
        silent: Arc::new(move || {
            let journey = Arc::clone(&asking);
            async move { journey.silent_helpers().await }.boxed()
        }),
        yara_rules: journey.yara_rules(),
        cluster: cluster.clone(),
        duty,
        backups,
        acme,
        ready: Arc::clone(&ready),
    };
    if let Some(password) = state.bootstrap_admin().await? {
        leave_password(&data.join("initial-password"), &password)?;
    }
    let console = Console::new(state);
    console.forget_incoming();
    let asked = console.clone();
    cluster.set_answerer(Arc::new(move |from, question: Bytes| {
        let console = asked.clone();
        async move { postern_console::peers::answer(&console, from, &question).await }.boxed()
    }));
    let router = console.router();
    tokio::spawn(postern_console::users::digest::keep(console.clone(), stop.clone()));
    tokio::spawn(postern_console::alerts::keep(console.clone(), stop.clone()));
    tokio::spawn(postern_console::reports::keep(console, stop.clone()));

    let local = bind_unix(&now.node.run_dir.join("node.sock"))?;
    tokio::spawn(serve_unix(local, router.clone(), stop.clone()));
    if !listeners.is_empty() {
        let files = TlsSettings { certificate: now.console.certificate.clone(), key: now.console.key.clone(), ..TlsSettings::default() };
        let tls = Tls::open(&files, data, hostname).context("the console's certificate")?;
        tls.watch();
        for listener in listeners {
            let listener = TcpListener::from_std(listener).context("a listener of the console")?;
            let tls = Arc::clone(&tls);
            tokio::spawn(serve_https(listener, Arc::new(move || tls.acceptor()), router.clone(), stop.clone()));
        }
    }
    Ok(ready)
}

/// The first admin's password, for whoever can read the data directory.
fn leave_password(file: &Path, password: &str) -> anyhow::Result<()> {
    let _ = std::fs::remove_file(file);
    let mut options = std::fs::OpenOptions::new();
    let mut out = options.write(true).create_new(true).mode(0o600).open(file).with_context(|| file.display().to_string())?;
    writeln!(out, "{password}")?;
    tracing::info!(file = %file.display(), "the first admin's password is in this file");
    Ok(())
}
