//! The role `postern node`, as a table of contents: what starts, in which order, and how it ends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use postern_cluster::node::Cluster;
use postern_cluster::node::generation::Generation;
use postern_console::SettingsHandle;
use postern_edge::client::EdgeClient;
use postern_filter::registry;
use postern_model::queue::Disposition;
use postern_model::settings::Settings;
use postern_mta::door::Door;
use postern_mta::events::Events;
use postern_mta::feedback::Feedback;
use postern_mta::holding;
use postern_mta::inherited::Inherited;
use postern_mta::journey::Journey;
use postern_mta::listen;
use postern_mta::live::Live;
use postern_mta::quarantine::QuarantineKeeper;
use postern_mta::queue::{Queue, QueueParts};
use postern_mta::recipients::Recipients;
use postern_mta::sandbox::{self, Memory, RuleBook};
use postern_mta::tls::Tls;
use postern_store::database::Database;
use postern_store::spool::Spool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::duty::DutyKeeper;
use crate::steering::{self, Steering};
use crate::{acme, backups, cluster, console, learning};

/// Journey events that may wait for the database: some seconds of the fastest traffic.
const EVENTS: usize = 65_536;
/// How long sessions and deliveries may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

pub fn run(file: &Path, generation: Generation) -> anyhow::Result<()> {
    let began = Instant::now();
    let inherited = Inherited::take()?;
    let settings = read_settings(file)?;
    crate::logging::start(&settings.log)?;
    raise_descriptor_limit();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(serve(settings, file, inherited, generation, began))
}

async fn serve(settings: Settings, file: &Path, mut inherited: Inherited, generation: Generation, began: Instant) -> anyhow::Result<()> {
    // Sockets first: whoever waits for the port may connect from now on.
    let ports = listen::bind(&settings.smtp, &mut inherited)?;
    let consoles = settings.console.listen.iter().map(|address| listen::socket(*address, &mut inherited));
    let consoles = consoles.collect::<Result<Vec<_>, _>>().context("the console")?;
    let web = settings.acme.listen.iter().filter_map(|address| inherited.claim(*address)).collect();
    inherited.finish()?;
    let hostname = hostname(&settings)?;
    let data = settings.node.data_dir.clone();
    let tls = match settings.smtp.tls.enabled {
        true => Some(Tls::open(&settings.smtp.tls, &data, &hostname)?),
        false => None,
    };
    tls.iter().for_each(Tls::watch);
    let handle = SettingsHandle::open(file)?;

    // What must never be lost, then what may be.
    let (spool, restored) = Spool::open(data.join("spool"), settings.delivery.spool.clone())
        .with_context(|| format!("open the spool in {}", data.join("spool").display()))?;
    let database = Database::open(&data.join("postern.db")).await.context("open the database")?;
    let events = record_events(database.clone());
    let classifier = learning::load(&database, &settings.filter.bayes).await?;

    let feedback = Feedback::start(&settings.edge, EdgeClient::start(settings.node.run_dir.join("edge.sock")));
    let (learned, queue_slot) = (Arc::new(Notify::new()), Arc::default());
    let seen_files = Arc::new(Memory::new());
    let (quarantined, queued): (Vec<_>, Vec<_>) = restored.into_iter().partition(|m| m.disposition == Disposition::Quarantine);
    let parts = cluster::Parts {
        settings: &settings,
        generation,
        handle: &handle,
        hostname: &hostname,
        database: &database,
        spool: &spool,
        events: &events,
        feedback: &feedback,
        learned: &learned,
        seen_files: &seen_files,
        queue: &queue_slot,
    };
    let cluster::Opened { cluster, restored, moved } = cluster::open(parts, queued).await?;
    let yara_rules = Arc::new(RuleBook::open(&data, &settings.sandbox).context("the YARA rules")?);
    let live = Live::new(Arc::new(settings.clone()), hostname.clone(), seen_files, Arc::clone(&yara_rules))?;
    let left_behind = quarantined.iter().map(|m| m.id).collect();
    let quarantine = QuarantineKeeper::start(spool.clone(), database.clone(), events.clone(), handle.live(), left_behind);
    let queue = Queue::start(
        QueueParts {
            spool: spool.clone(),
            events: events.clone(),
            settings: handle.live(),
            resolver: live.resolver.clone(),
            hostname: hostname.clone(),
        },
        Vec::new(),
    );
    tokio::spawn(cluster::follow_moves(moved, cluster.clone(), queue.clone(), quarantine.clone(), events.clone(), spool.clone()));
    // What was queued before the start waits until the peers said what of it they took over; new mail does not.
    let readmitting = queue.clone();
    tokio::spawn(async move { restored.release().await.into_iter().for_each(|mail| readmitting.admit(Arc::new(mail))) });
    let _ = queue_slot.set(queue.clone());
    let journey = Arc::new(Journey {
        recipients: Recipients::new(handle.live(), Arc::clone(queue.connector())),
        feedback,
        classifier: ArcSwap::from_pointee(classifier),
        live: ArcSwap::from_pointee(live),
        spool: spool.clone(),
        queue: queue.clone(),
        database: database.clone(),
        events,
        quarantine,
    });

    let stop = CancellationToken::new();
    tokio::spawn(holding::keep(Arc::clone(&journey), stop.clone()));
    let (socket, changes) = (settings.node.run_dir.join(sandbox::SOCKET), handle.subscribe());
    tokio::spawn(async move { yara_rules.follow(&socket, changes).await });
    let door = Door::new(&settings, &hostname, Arc::clone(&journey), spool, tls)?;
    let serving = listen::serve(&door, ports)?;
    let steering = Steering::new();
    let duty = DutyKeeper::new(serving, Arc::clone(&door), &journey, cluster.clone(), steering.clone());
    tokio::spawn(steering.keep(steering::Parts {
        settings: handle.subscribe(),
        cluster: cluster.clone(),
        edge: journey.feedback.edge().clone(),
        spool: journey.spool.clone(),
        duty: duty.clone(),
    }));
    let backups = backups::start(&handle, &cluster, file, &hostname, &stop);
    let acme = acme::start(&handle, &cluster, web, &hostname, &stop);
    let ready = console::start(&journey, &handle, &cluster, duty.handle(), backups, acme, learned, &hostname, consoles, &stop).await?;
    tokio::spawn(cluster::adopt_settings(cluster.clone(), Arc::clone(&handle), database.clone()));
    tokio::spawn(follow_settings(handle, Arc::clone(&journey), door, cluster.clone(), hostname.clone()));
    ready.store(true, Ordering::Relaxed);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), hostname, milliseconds = began.elapsed().as_millis() as u64, "ready");
    crate::service_manager::serving();
    let preparing = Arc::clone(&journey);
    tokio::task::spawn_blocking(move || preparing.prepare());

    crate::service_manager::told_to_end()?.await;
    ready.store(false, Ordering::Relaxed);
    tracing::info!("stopping: sessions and deliveries may end");
    duty.stop(STOP_LIMIT).await;
    cluster.stop().await;
    stop.cancel();
    database.close().await;
    Ok(())
}

/// A task that writes every step of every mail into the database.
fn record_events(database: Database) -> Events {
    let (events, mut steps) = Events::channel(EVENTS);
    tokio::spawn(async move {
        while let Some(event) = steps.recv().await {
            database.journeys().record(event);
        }
    });
    events
}

/// Puts every change of the settings in force.
async fn follow_settings(
    handle: Arc<SettingsHandle>,
    journey: Arc<Journey>,
    door: Arc<Door<Arc<Journey>>>,
    cluster: Cluster,
    hostname: String,
) {
    let mut changes = handle.subscribe();
    while changes.changed().await.is_ok() {
        let settings = Arc::clone(&changes.borrow_and_update());
        journey.apply(&settings);
        cluster.apply(&settings);
        if let Err(e) = door.apply(&settings, &hostname) {
            tracing::error!(error = %e, "the new settings of the listeners cannot be used: the old ones stay");
        }
        tracing::info!("new settings are in force");
    }
}

/// The settings as the role starts with them: everything that is wrong is said before a port is opened.
pub fn read_settings(file: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read the settings file {}", file.display()))?;
    registry::read_settings(&text).with_context(|| format!("{} cannot be used", file.display()))
}

/// The name in the settings, else the host's own.
pub fn hostname(settings: &Settings) -> anyhow::Result<String> {
    if !settings.node.hostname.is_empty() {
        return Ok(settings.node.hostname.clone());
    }
    let own = nix::unistd::gethostname().context("ask for the host's name")?.to_string_lossy().into_owned();
    if own.is_empty() {
        bail!("this host has no name: set node.hostname");
    }
    Ok(own)
}

/// Each session is a descriptor: take as many as the system gives.
pub fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && let Err(e) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(error = %e, "the limit on open files cannot be raised");
    }
}
