//! An update of all nodes, one after the other: led by the node that was asked, which comes last itself.
//!
//! A node is drained before it restarts, and the next one has its turn when the new system was called good there. At the first thing
//! that goes wrong it stops: what was updated stays so, and the rest goes on as it is. The leader keeps this in memory only; when it is
//! lost, whoever asks again finds the updated nodes skipped.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postern_cluster::node::view::MemberView;
use postern_model::node::NodeId;
use postern_model::os::{OsReply, OsRequest, OsStatus, UpdateStatus};
use postern_os::client;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::incoming::{Incoming, Kept};
use crate::peers::{self, Trouble};
use crate::state::{Console, DutyView};

/// Octets of the bundle that a peer asks for at a time.
pub const PIECE: usize = 8 << 20;
/// A bundle on a line of 1 Mbit/s.
pub const TAKE: Duration = Duration::from_secs(40 * 60);
/// One piece of it.
pub const ONE_PIECE: Duration = Duration::from_secs(5 * 60);
/// Writing and reading back 500 MiB on a slow disk.
const WRITE: Duration = Duration::from_secs(20 * 60);
/// Sessions get two minutes, the queue and what only this node knows the rest.
const DRAIN: Duration = Duration::from_secs(15 * 60);
/// Three tries of a system that does not come up, one that does, and its two minutes.
const TRIAL: Duration = Duration::from_secs(20 * 60);
/// Until all are there, before the next one leaves.
const ALL_THERE: Duration = Duration::from_secs(5 * 60);
const LOOK: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    #[default]
    None,
    Running,
    Done,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    Waiting,
    /// The bundle is on its way to it.
    Taking,
    Writing,
    Draining,
    /// It restarted, and the new system has yet to show that it is good.
    OnTrial,
    Updated,
    /// It had this version already.
    Skipped,
    Failed,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeStep {
    pub name: String,
    pub step: Step,
}

/// How far it is.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct RollingView {
    pub state: State,
    pub version: String,
    /// In their order; the last one leads.
    pub nodes: Vec<NodeStep>,
    /// What went wrong, and where.
    pub why: Option<String>,
}

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Rolling(Arc<Mutex<RollingView>>);

/// What is asked of a machine, here or there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    Drain,
    Resume,
    Reboot,
}

/// A machine and its node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub os: OsStatus,
    pub is_drained: bool,
    /// It leads an update of all nodes.
    pub leads: bool,
}

/// The bundle that all are to have.
struct Bundle {
    file: Kept,
    version: String,
    allow_older: bool,
}

impl Rolling {
    pub fn view(&self) -> RollingView {
        self.0.lock().clone()
    }

    /// This node leads one now.
    pub fn leads(&self) -> bool {
        self.0.lock().state == State::Running
    }

    fn step(&self, name: &str, step: Step) {
        tracing::info!(node = name, ?step, "rolling update");
        if let Some(node) = self.0.lock().nodes.iter_mut().find(|n| n.name == name) {
            node.step = step;
        }
    }

    fn end(&self, state: State, why: Option<String>) {
        let mut view = self.0.lock();
        (view.state, view.why) = (state, why);
    }
}

/// Checks the bundle, and begins.
///
/// # Errors
/// For people: when the bundle is refused, a node is missing, or one is under way already.
pub async fn begin(console: &Console, file: Kept, allow_older: bool) -> Result<(), String> {
    let members = console.state().cluster.members();
    if members.len() < 2 {
        return Err("this node is in no cluster with others: update it alone".into());
    }
    all_serve(&members)?;
    for member in members.iter().filter(|m| !m.this) {
        let machine = peers::machine(console, member.id).await.map_err(|why| format!("{}: {why}", member.name))?;
        if machine.leads {
            return Err(format!("{} leads an update of all nodes already", member.name));
        }
    }
    let check = OsRequest::CheckUpdate { bundle: file.path().to_owned(), allow_older };
    let version = client::text(&console.os_socket(), &check).await.map_err(|e| e.to_string())?;
    let (others, own): (Vec<_>, Vec<_>) = members.into_iter().partition(|m| !m.this);
    let order: Vec<MemberView> = others.into_iter().chain(own).collect();
    {
        let mut view = console.rolling.0.lock();
        if view.state == State::Running {
            return Err("a rolling update is under way: see how far it is".into());
        }
        let nodes = order.iter().map(|m| NodeStep { name: m.name.clone(), step: Step::Waiting }).collect();
        *view = RollingView { state: State::Running, version: version.clone(), nodes, why: None };
    }
    let (console, bundle) = (console.clone(), Bundle { file, version, allow_older });
    tokio::spawn(async move {
        for member in &order {
            if let Err(why) = one(&console, member, &bundle).await {
                console.rolling.step(&member.name, Step::Failed);
                let why = format!("{}: {why}", member.name);
                tracing::error!("the rolling update stops: {why}");
                return console.rolling.end(State::Failed, Some(why));
            }
        }
        console.rolling.end(State::Done, None);
    });
    Ok(())
}

/// A member that is away or drained could be the only one with a copy of some mail.
fn all_serve(members: &[MemberView]) -> Result<(), String> {
    match members.iter().find(|m| !(m.this || m.connected && m.duty == "serving")) {
        Some(missing) => Err(format!("{} is not there, or does not serve: all must be well before one leaves", missing.name)),
        None => Ok(()),
    }
}

async fn one(console: &Console, member: &MemberView, bundle: &Bundle) -> Result<(), String> {
    let target = Target { console, member };
    let step = |step| console.rolling.step(&member.name, step);
    wait(ALL_THERE, "all nodes to be there", || async { Ok(all_serve(&console.state().cluster.members()).is_ok().then_some(())) }).await?;
    let before = target.machine().await.map_err(|e| e.to_string())?;
    if before.os.version == bundle.version || is_good(&before.os, bundle) {
        step(Step::Skipped);
        return Ok(());
    }
    step(Step::Taking);
    wait(TAKE, "it to take the bundle", || async { there(target.take(bundle).await) }).await?;
    step(Step::Writing);
    wait(WRITE, "the update to be written", || async {
        match there(target.machine().await)?.map(|machine| machine.os.update) {
            Some(UpdateStatus::Ready { .. }) => Ok(Some(())),
            Some(UpdateStatus::Failed { why }) => Err(why),
            Some(UpdateStatus::None) => Err("it forgot the update: its role os was restarted".into()),
            Some(UpdateStatus::Running { .. }) | None => Ok(None),
        }
    })
    .await?;
    step(Step::Draining);
    let drain = || async {
        // As often as it takes: doing it again changes nothing.
        let told = there(target.order(Order::Drain).await)?;
        let machine = there(target.machine().await)?;
        Ok((told.is_some() && machine.is_some_and(|m| m.is_drained)).then_some(()))
    };
    let drained = wait(DRAIN, "it to be drained", drain).await;
    if let Err(why) = drained {
        // It goes on as before; the update waits in its other slot for a restart by hand.
        target.order(Order::Resume).await.map_err(|e| format!("{why}; and to serve again: {e}"))?;
        return Err(why);
    }
    step(Step::OnTrial);
    // Its answer may be lost on the way with the machine.
    there(target.order(Order::Reboot).await)?;
    if member.this {
        // The next word is the new system's own.
        return std::future::pending().await;
    }
    wait(TRIAL, "its new system to be good", || async {
        // Away while it restarts.
        let Some(machine) = there(target.machine().await).unwrap_or_default() else { return Ok(None) };
        match machine.os.last_update {
            Some(last) if last.to == bundle.version && last.outcome == "fell-back" => Err(format!("it went back by itself: {}", last.why)),
            _ => Ok(is_good(&machine.os, bundle).then_some(())),
        }
    })
    .await?;
    step(Step::Updated);
    Ok(())
}

/// None: it is away for the moment.
fn there<T>(answer: Result<T, Trouble>) -> Result<Option<T>, String> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Trouble::Away(why)) => {
            tracing::info!(why, "a node does not answer; it is asked again");
            Ok(None)
        }
        Err(Trouble::Refused(why)) => Err(why),
    }
}

fn is_good(os: &OsStatus, bundle: &Bundle) -> bool {
    os.last_update.as_ref().is_some_and(|last| last.to == bundle.version && last.outcome == "good")
}

async fn wait<F: Future<Output = Result<Option<()>, String>>>(limit: Duration, what: &str, look: impl Fn() -> F) -> Result<(), String> {
    let began = Instant::now();
    while began.elapsed() < limit {
        if look().await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(format!("waited {} minutes for {what}", limit.as_secs() / 60))
}

/// The node whose turn it is.
struct Target<'a> {
    console: &'a Console,
    member: &'a MemberView,
}

impl Target<'_> {
    async fn machine(&self) -> Result<Machine, Trouble> {
        match self.member.this {
            true => machine(self.console).await.map_err(Trouble::Refused),
            false => peers::machine(self.console, self.member.id).await,
        }
    }

    async fn order(&self, order: Order) -> Result<(), Trouble> {
        match self.member.this {
            true => carry_out(self.console, order).await.map_err(Trouble::Refused),
            false => peers::order(self.console, self.member.id, order).await,
        }
    }

    async fn take(&self, bundle: &Bundle) -> Result<(), Trouble> {
        let allow_older = bundle.allow_older;
        match self.member.this {
            true => install(self.console, bundle.file.path(), allow_older).await.map_err(Trouble::Refused),
            false => peers::take_update(self.console, self.member.id, allow_older).await,
        }
    }
}

/// This machine.
///
/// # Errors
/// For people.
pub async fn machine(console: &Console) -> Result<Machine, String> {
    let os = client::status(&console.os_socket()).await.map_err(|e| e.to_string())?;
    let DutyView { safe_to_power_off: is_drained, .. } = console.state().duty.view();
    Ok(Machine { os, is_drained, leads: console.rolling.leads() })
}

/// # Errors
/// For people.
pub async fn carry_out(console: &Console, order: Order) -> Result<(), String> {
    match order {
        Order::Drain => console.state().duty.drain(),
        Order::Resume => console.state().duty.resume().await,
        Order::Reboot => client::ask(&console.os_socket(), &OsRequest::Reboot).await.map(drop).map_err(|e| e.to_string()),
    }
}

async fn install(console: &Console, bundle: &Path, allow_older: bool) -> Result<(), String> {
    let update = OsRequest::Update { bundle: bundle.to_owned(), allow_older, restart: false };
    match client::ask(&console.os_socket(), &update).await.map_err(|e| e.to_string())? {
        OsReply::Done => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Fetches the bundle from a peer, piece by piece, and has it written here.
///
/// # Errors
/// For people.
pub async fn take_from(console: &Console, peer: NodeId, allow_older: bool) -> Result<(), String> {
    if console.rolling.leads() {
        return Err("this node leads an update itself".into());
    }
    // One whose stream broke may still be at it.
    let alone = tokio::time::timeout(ONE_PIECE, console.incoming.clone().lock_owned()).await.map_err(|_| "another update is coming in")?;
    let mut incoming = Incoming::begin(console, alone).await.map_err(|e| e.to_string())?;
    loop {
        let piece = peers::piece_of_update(console, peer, incoming.octets()).await.map_err(|e| e.to_string())?;
        if piece.is_empty() {
            break;
        }
        incoming.append(&piece).await.map_err(|e| e.to_string())?;
    }
    let bundle = incoming.end().await.map_err(|e| e.to_string())?;
    install(console, bundle.path(), allow_older).await
}

/// A piece of the bundle that this node leads with; empty at its end.
///
/// # Errors
/// For people.
pub async fn read_piece(path: &Path, offset: u64) -> std::io::Result<Vec<u8>> {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(std::io::SeekFrom::Start(offset)).await?;
    let mut piece = Vec::new();
    file.take(PIECE as u64).read_to_end(&mut piece).await?;
    Ok(piece)
}
