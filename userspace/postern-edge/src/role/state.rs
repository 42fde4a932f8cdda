//! What the role knows: settings, bans, feeds, and the guard when there is one. Every method is short; whoever calls holds the lock.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_ebpf_abi::address::Source;
use postern_ebpf_abi::config::{Config, feature};
use postern_ebpf_abi::reason::Reason as EdgeReason;
use postern_ebpf_abi::sample::Sample as RawSample;
use postern_model::control::{Ban, Counter, EdgeReply, EdgeRequest, EdgeStatus, InterfaceStatus, Sample, Trace, TraceQuestion};
use postern_model::settings::edge::EdgeSettings;
use postern_model::steering::{SteerPlan, SteeringStatus};
use postern_model::time::Timestamp;

use crate::allow_list;
use crate::bans::authority::{Authority, Change};
use crate::bans::kernel::KernelBans;
use crate::bans::store::{self, StoreError};
use crate::clock::{self, Clocks};
use crate::feed::line;
use crate::feed::plan::Rule;
use crate::feed::set::{Due, FeedSet};
use crate::kernel::guard::Guard;
use crate::kernel::maps::KernelMaps;
use crate::kernel::pins::Pins;
use crate::network;
use crate::trace::{self, Question};

/// Samples kept for whoever looks.
const SAMPLES: usize = 1000;
/// Samples a second on each CPU: enough to see what goes on, too few to cost anything in a flood.
const SAMPLES_PER_SECOND: u32 = 200;
/// Answers "packet too big" a second: one teaches a client's path (RFC 1812 §4.3.2.8 wants a limit).
const TOO_BIG_PER_SECOND: u32 = 100;
/// Between two writings of the bans, at least; and at least twenty times as long as one takes.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// Between two looks after links of interfaces that came or went.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// A wall clock that was set by more than this moves the ends of bans in the kernel.
const STEP: Duration = Duration::from_secs(2);

pub struct State {
    settings: EdgeSettings,
    since: Timestamp,
    bans: Authority,
    kernel: Kernel,
    interfaces: Vec<InterfaceStatus>,
    feeds: FeedSet,
    feeds_changed: bool,
    feeds_forced: bool,
    steer_plan: Option<SteerPlan>,
    steer_told: Instant,
    steering: Option<SteeringStatus>,
    samples: VecDeque<Sample>,
    clocks: Clocks,
    looked_after: Instant,
    file: PathBuf,
    dirty: bool,
    next_save: Instant,
}

/// The kernel's side, or why there is none.
enum Kernel {
    Guarding { guard: Box<Guard>, bans: Box<KernelBans> },
    Without(String),
}

/// One generation of feeds to be planned and loaded.
pub struct FeedWork {
    pub maps: Arc<KernelMaps>,
    pub rules: Vec<Rule>,
    pub seed: u64,
}

/// Who shall serve the virtual addresses, and with what.
pub struct SteeringOrder {
    pub plan: Option<SteerPlan>,
    pub told: Instant,
    /// Where peers are met.
    pub interface: Option<String>,
    /// Interfaces with the program on them.
    pub guarded: Vec<String>,
    pub maps: Option<Arc<KernelMaps>>,
    /// What was wrong at the last look.
    pub trouble: Option<String>,
}

/// A copy of the bans on its way to disk.
pub struct SaveWork {
    file: PathBuf,
    bans: Vec<Ban>,
}

pub struct Saved {
    took: Duration,
    result: Result<(), StoreError>,
}

impl SaveWork {
    pub fn write(self) -> Saved {
        let started = Instant::now();
        let result = store::save(&self.file, self.bans.iter());
        Saved { took: started.elapsed(), result }
    }
}

impl State {
    /// Reads the bans of an earlier run, finds or makes program and maps, and puts `settings` in force.
    pub fn start(folder: &Path, bpf_dir: &Path, settings: EdgeSettings) -> Self {
        let clocks = Clocks::now();
        let file = folder.join("bans.jsonl");
        let mut bans = Authority::new(settings.bans.max, &settings.allow);
        match store::load(&file, settings.bans.max) {
            Ok((stored, bad)) => {
                if bad > 0 {
                    tracing::warn!(file = %file.display(), "{bad} lines are no bans and are left out");
                }
                for ban in stored {
                    // Those that ended or are allowed by now fall out here.
                    let _ = bans.ban(ban, clocks.wall);
                }
            }
            Err(e) => tracing::error!("bans of the last run are lost: {e}"),
        }
        let kernel = Kernel::open(bpf_dir, &settings, &bans, &clocks);
        if let Kernel::Without(why) = &kernel {
            tracing::error!("no packet is dropped in the kernel: {why}");
        }
        let now = Instant::now();
        let mut this = Self {
            settings: settings.clone(),
            since: clocks.wall,
            bans,
            kernel,
            interfaces: Vec::new(),
            feeds: FeedSet::default(),
            feeds_changed: false,
            feeds_forced: false,
            steer_plan: None,
            steer_told: now,
            steering: None,
            samples: VecDeque::new(),
            clocks,
            looked_after: now,
            file,
            dirty: false,
            next_save: now,
        };
        if let Err(why) = this.apply(settings) {
            tracing::error!("the settings are not wholly in force: {why}");
        }
        this
    }

    pub fn handle(&mut self, request: EdgeRequest) -> EdgeReply {
        let done = |outcome: Result<(), String>| match outcome {
            Ok(()) => EdgeReply::Done,
            Err(why) => EdgeReply::Refused { why },
        };
        match request {
            EdgeRequest::Apply { settings } => done(self.apply(*settings)),
            EdgeRequest::Ban { bans } => done(self.ban(bans)),
            EdgeRequest::Unban { networks } => {
                let changes = self.bans.unban(&networks);
                done(self.carry_out(&changes))
            }
            EdgeRequest::Bans { limit } => EdgeReply::Bans { bans: self.bans.newest(limit.min(100_000)) },
            EdgeRequest::Status => EdgeReply::Status { status: Box::new(self.status()) },
            EdgeRequest::Samples { limit } => {
                self.fetch_samples();
                EdgeReply::Samples { samples: self.samples.iter().rev().take(limit).cloned().collect() }
            }
            EdgeRequest::Trace(asked) => self.trace(&asked),
            EdgeRequest::ReloadFeeds => {
                self.feeds_forced = true;
                EdgeReply::Done
            }
            EdgeRequest::Steer { plan } => {
                self.steer_plan = plan.map(|p| *p);
                self.steer_told = Instant::now();
                EdgeReply::Done
            }
        }
    }

    /// Ends bans that are over, fetches samples, looks after links and the clock.
    pub fn tick(&mut self) {
        let clocks = Clocks::now();
        let changes = self.bans.expire(clocks.wall);
        if let Err(why) = self.carry_out(&changes) {
            tracing::error!("bans that are over stay in the maps (the program ignores them): {why}");
        }
        self.fetch_samples();
        if clocks.stepped_since(&self.clocks) > STEP {
            tracing::info!("the clock was set: the ends of bans move with it");
            self.clocks = clocks;
            let all: Vec<Change> = self.bans.iter().cloned().map(Change::Put).collect();
            if let Err(why) = self.carry_out(&all) {
                tracing::error!("ends of bans are off by as much as the clock was: {why}");
            }
        }
        if self.looked_after.elapsed() >= LOOK_AFTER {
            self.looked_after = Instant::now();
            let attached = |name: &str| matches!(&self.kernel, Kernel::Guarding { guard, .. } if guard.is_attached(name));
            if self.interfaces.iter().any(|i| i.attached != attached(&i.name) || !i.attached && exists(&i.name)) {
                self.guard_interfaces();
            }
        }
    }

    fn apply(&mut self, settings: EdgeSettings) -> Result<(), String> {
        if settings.sample_every == 0 {
            return Err("edge.sample_every: 0 is no rate: write 1 for every dropped packet".into());
        }
        let changes = self.bans.set_bounds(settings.bans.max, &settings.allow);
        self.feeds.set(&settings.feeds);
        self.settings = settings;
        self.feeds_changed = true;
        let bans_done = self.carry_out(&changes);
        let result = match &mut self.kernel {
            Kernel::Without(_) => Ok(()),
            Kernel::Guarding { guard, .. } => fill(guard.maps(), &self.settings),
        };
        // Program and links last: whoever is guarded is guarded by full maps.
        let result = result.and_then(|()| self.set_features());
        self.guard_interfaces();
        result.and(bans_done)
    }

    fn set_features(&mut self) -> Result<(), String> {
        let s = &self.settings;
        let mut wanted = feature::BANS | feature::SAMPLES;
        let rates = s.rates.syn_per_second > 0 || s.rates.total_syn_per_second > 0;
        for (on, bit) in [
            (!s.allow.is_empty(), feature::ALLOW),
            (!s.feeds.is_empty(), feature::FEEDS),
            (rates, feature::RATES),
            (self.steering.is_some(), feature::STEER),
            (s.steering.syn_cookies_above > 0, feature::COOKIES),
        ] {
            wanted |= if on { bit } else { 0 };
        }
        match &mut self.kernel {
            Kernel::Without(_) => Ok(()),
            Kernel::Guarding { guard, bans } => {
                wanted |= if bans.networks() > 0 { feature::NETWORK_BANS } else { 0 };
                guard.set_features(wanted).map_err(|e| e.to_string())
            }
        }
    }

    fn guard_interfaces(&mut self) {
        let names = &self.settings.interfaces;
        let not = |name: &String, why: String| InterfaceStatus { name: name.clone(), mode: why, attached: false };
        self.interfaces = match &mut self.kernel {
            Kernel::Without(why) => names.iter().map(|n| not(n, why.clone())).collect(),
            Kernel::Guarding { guard, .. } => match guard.guard(names, self.settings.mode) {
                Err(e) => names.iter().map(|n| not(n, e.to_string())).collect(),
                Ok(outcome) => names
                    .iter()
                    .zip(outcome)
                    .map(|(name, outcome)| match outcome {
                        Ok(mode) => InterfaceStatus { name: name.clone(), mode: mode.name().into(), attached: true },
                        Err(e) => not(name, e.to_string()),
                    })
                    .collect(),
            },
        };
        for i in &self.interfaces {
            match i.attached {
                true => tracing::info!(interface = i.name, mode = i.mode, "guarded"),
                false => tracing::warn!(interface = i.name, "not guarded: {}", i.mode),
            }
        }
    }

    fn ban(&mut self, bans: Vec<Ban>) -> Result<(), String> {
        let mut refused = Vec::new();
        let mut changes = Vec::new();
        for ban in bans {
            tracing::info!(network = %ban.network, reason = %ban.reason, until = %ban.until, by = ban.by, "ban: {}", ban.evidence);
            match self.bans.ban(ban, clock::wall()) {
                Ok(more) => changes.extend(more),
                Err(e) => refused.push(e.to_string()),
            }
        }
        self.carry_out(&changes)?;
        if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
    }

    /// Puts changes into the kernel, runs of the same kind as one batch, in order.
    fn carry_out(&mut self, changes: &[Change]) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        self.dirty = true;
        let Kernel::Guarding { bans, .. } = &mut self.kernel else { return Ok(()) };
        let clocks = Clocks::now();
        for run in changes.chunk_by(|a, b| matches!((a, b), (Change::Put(_), Change::Put(_)) | (Change::Remove(_), Change::Remove(_)))) {
            let put: Vec<&Ban> = run.iter().filter_map(|c| if let Change::Put(b) = c { Some(b) } else { None }).collect();
            let gone: Vec<_> = run.iter().filter_map(|c| if let Change::Remove(n) = c { Some(*n) } else { None }).collect();
            bans.remove(&gone).and_then(|()| bans.put(&put, &clocks)).map_err(|e| e.to_string())?;
        }
        self.set_features()
    }

    fn trace(&self, asked: &TraceQuestion) -> EdgeReply {
        let address = asked.address;
        let of_family = |a: &&IpAddr| a.is_ipv4() == address.is_ipv4();
        let steered = || self.steer_plan.as_ref()?.addresses.iter().map(|a| &a.address).find(of_family).copied();
        let question = Question {
            source: address,
            source_port: asked.source_port.unwrap_or(40_000),
            destination: asked.to.or_else(steered),
            port: asked.port.or(self.settings.smtp_ports.first().copied()).unwrap_or(25),
            opens: !asked.established,
        };
        let trace = match &self.kernel {
            Kernel::Guarding { guard, .. } => {
                trace::trace(guard.maps(), guard.features(), &question, &self.feeds.names()).map_err(|e| e.to_string())
            }
            Kernel::Without(why) => {
                Ok(Trace { address, action: "pass".into(), reason: EdgeReason::Pass.name().into(), steps: vec![why.clone()] })
            }
        };
        match trace {
            Ok(mut trace) => {
                for member in self.steering.iter().flat_map(|s| &s.members) {
                    let number = member.number.map(|n| format!("peer {n},"));
                    if number.is_some_and(|n| trace.steps.iter().any(|step| step.contains(&n))) {
                        trace.steps.push(format!("that is {}, {}", member.name, member.state.name()));
                    }
                }
                if !self.interfaces.iter().any(|i| i.attached) {
                    trace.steps.push("but no interface is guarded: every packet passes".into());
                }
                EdgeReply::Trace { trace }
            }
            Err(why) => EdgeReply::Refused { why },
        }
    }

    fn status(&self) -> EdgeStatus {
        let mut status = EdgeStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            since: self.since,
            interfaces: self.interfaces.clone(),
            bans: self.bans.len(),
            allowed: self.settings.allow.len(),
            feeds: self.feeds.status(),
            ..EdgeStatus::default()
        };
        if let Kernel::Guarding { guard, .. } = &self.kernel {
            let counted = guard.maps().counters().unwrap_or_else(|e| {
                tracing::error!("counters cannot be read: {e}");
                Vec::new()
            });
            let counter = |c: crate::kernel::maps::Counted| Counter {
                name: c.reason.name().into(),
                drops: c.reason.drops(),
                packets: c.packets,
                octets: c.octets,
            };
            status.counters = counted.into_iter().map(counter).collect();
            status.samples_lost = guard.maps().samples_lost().unwrap_or(0);
            status.steering = self.steering.clone().map(|mut steering| {
                for member in &mut steering.members {
                    let count = member.number.and_then(|n| guard.maps().steer.peer_count(n.into()).ok()).unwrap_or_default();
                    (member.sent, member.sent_octets, member.received) = (count.sent_packets, count.sent_octets, count.received_packets);
                }
                steering
            });
        }
        status
    }

    fn fetch_samples(&mut self) {
        let Kernel::Guarding { guard, .. } = &mut self.kernel else { return };
        // As many as the ring can hold, or a flood would keep us here.
        for _ in 0..8192 {
            let Some(raw) = guard.next_sample() else { break };
            if self.samples.len() >= SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back(sample(&raw, &self.clocks));
        }
    }

    pub fn feeds_due(&mut self, folder: &Path) -> Vec<Due> {
        let now = if std::mem::take(&mut self.feeds_forced) { None } else { Some(clock::wall()) };
        self.feeds.due(folder, now)
    }

    pub fn feed_read(&mut self, due: &Due, outcome: Result<line::Read, String>, now: Timestamp) {
        self.feeds_changed |= self.feeds.record(due, outcome, now);
    }

    /// The rules of all feeds, when they are not those in force.
    pub fn feeds_to_load(&mut self) -> Option<FeedWork> {
        let Kernel::Guarding { guard, .. } = &self.kernel else { return None };
        if !std::mem::take(&mut self.feeds_changed) {
            return None;
        }
        let maps = Arc::clone(guard.maps());
        let seed = maps.front.configured()?.seed;
        Some(FeedWork { maps, rules: self.feeds.rules(), seed })
    }

    pub fn feeds_loaded(&mut self, work: &FeedWork, outcome: Result<usize, String>) {
        match outcome {
            Ok(elements) => tracing::info!(rules = work.rules.len(), elements, "feeds in force"),
            Err(why) => {
                tracing::error!("the feeds before stay in force: {why}");
                for due in self.feeds.due(Path::new(""), None) {
                    self.feeds.note(&due, format!("not in force: {why}"));
                }
            }
        }
    }

    pub fn steering_order(&self) -> SteeringOrder {
        let maps = match &self.kernel {
            Kernel::Guarding { guard, .. } => Some(Arc::clone(guard.maps())),
            Kernel::Without(_) => None,
        };
        SteeringOrder {
            plan: self.steer_plan.clone(),
            told: self.steer_told,
            interface: self.settings.steering_interface().map(str::to_owned),
            guarded: self.interfaces.iter().filter(|i| i.attached).map(|i| i.name.clone()).collect(),
            maps,
            trouble: self.steering.as_ref().and_then(|s| s.trouble.clone()),
        }
    }

    /// What became of the last order.
    pub fn steered(&mut self, status: Option<SteeringStatus>) {
        self.steering = status;
        if let Err(why) = self.set_features() {
            tracing::error!("the program does not steer: {why}");
        }
    }

    pub fn save_is_due(&self) -> bool {
        self.dirty && Instant::now() >= self.next_save
    }

    /// A copy of the bans when they changed since the last writing.
    pub fn take_unsaved(&mut self) -> Option<SaveWork> {
        std::mem::take(&mut self.dirty).then(|| SaveWork { file: self.file.clone(), bans: self.bans.iter().cloned().collect() })
    }

    pub fn saved(&mut self, saved: &Saved) {
        self.next_save = Instant::now() + SAVE_EVERY.max(saved.took * 20);
        if let Err(e) = &saved.result {
            tracing::error!("bans would not outlive a reboot: {e}");
            self.dirty = true;
        }
    }
}

impl Kernel {
    fn open(bpf_dir: &Path, settings: &EdgeSettings, bans: &Authority, clocks: &Clocks) -> Self {
        let open = || -> Result<Self, String> {
            let pins = Pins::open(bpf_dir).map_err(|e| e.to_string())?;
            let max = u32::try_from(settings.bans.max).unwrap_or(u32::MAX);
            let guard = Guard::open(pins, feature::ALL, max).map_err(|e| e.to_string())?;
            let bans = KernelBans::recover(Arc::clone(guard.maps()), bans.iter(), clocks).map_err(|e| e.to_string())?;
            Ok(Self::Guarding { guard: Box::new(guard), bans: Box::new(bans) })
        };
        open().unwrap_or_else(Self::Without)
    }
}

/// Everything but bans and feeds that the settings say, into the maps.
fn fill(maps: &KernelMaps, s: &EdgeSettings) -> Result<(), String> {
    maps.front.set_ports(&s.service_ports, &s.smtp_ports);
    allow_list::set(maps, &s.allow).map_err(|e| e.to_string())?;
    let total = s.rates.total_syn_per_second;
    let config = Config {
        source_rate: s.rates.syn_per_second,
        source_burst: s.rates.syn_burst.max(1),
        total_rate: total,
        // A second's worth may come at once.
        total_burst: total,
        sample_every: s.sample_every,
        cookies_above: s.steering.syn_cookies_above,
        too_big_per_second: TOO_BIG_PER_SECOND,
        samples_per_second: SAMPLES_PER_SECOND,
        ..maps.front.config()
    };
    maps.front.set_config(&config);
    Ok(())
}

fn exists(interface: &str) -> bool {
    nix::net::if_::if_nametoindex(interface).is_ok()
}

fn sample(raw: &RawSample, clocks: &Clocks) -> Sample {
    let source = match raw.family {
        6 => Source::V6(raw.high, raw.low),
        _ => Source::V4(raw.low as u32),
    };
    let reason = EdgeReason::from_number(raw.reason).map_or("unknown", EdgeReason::name);
    Sample { at: clocks.wall_of(raw.at), source: network::address(&source), port: raw.port, reason: reason.into(), length: raw.octets }
}
