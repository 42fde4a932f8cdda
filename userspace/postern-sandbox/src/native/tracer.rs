//! The first process of a native cell: starts the program, sees its calls, answers its network, and ends all of it.
//!
//! What a call names is read from the program's memory, which another thread of it may change before the kernel reads it again: that fools
//! the record and no wall. What decides (a number, flags) is in registers.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, execve, fork, sethostname, setsid};
use postern_model::sandbox::{Action, EVENTS_MOST, Event, Finding, Part, Report};

use super::decoy::{Authority, Decoy, Seen};
use super::office::{Deed, Own};
use super::written::{Keeper, Written};
use super::{Language, filter, findings, network, office, root};
use crate::cell::walls::{self, NO_WALLS};
use crate::job::Job;
use crate::limits::Limits;

/// Processes and threads of a program at a time.
const PROCESSES: usize = 48;
/// Octets of memory of one of them, and of all together at most half of what the job may have.
const MEMORY: u64 = 512 << 20;
const FILE: u64 = 16 << 20;
const DESCRIPTORS: u64 = 256;
/// How often time and memory are looked at.
const TICK: Duration = Duration::from_millis(10);
/// Octets of a text that is read from a program's memory, and words of a command.
const TEXT: usize = 1024;
const WORDS: usize = 32;
/// What it prints, as far as it is told.
const PRINTED: usize = 300;

const ENVIRONMENT: &[&CStr] = &[
    c"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    c"HOME=/home/user",
    c"USER=root",
    c"LOGNAME=root",
    c"LANG=C.UTF-8",
    c"TERM=dumb",
    c"SHELL=/bin/sh",
];

/// Calls that only who wants out of here makes.
const ESCAPES: &[(libc::c_long, &str)] = &[
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_process_vm_readv, "process_vm_readv"),
    (libc::SYS_process_vm_writev, "process_vm_writev"),
    (libc::SYS_mount, "mount"),
    (libc::SYS_umount2, "umount2"),
    (libc::SYS_pivot_root, "pivot_root"),
    (libc::SYS_chroot, "chroot"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_keyctl, "keyctl"),
    (libc::SYS_add_key, "add_key"),
    (libc::SYS_request_key, "request_key"),
    (libc::SYS_userfaultfd, "userfaultfd"),
    (libc::SYS_perf_event_open, "perf_event_open"),
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_init_module, "init_module"),
    (libc::SYS_finit_module, "finit_module"),
    (libc::SYS_kexec_load, "kexec_load"),
    (libc::SYS_open_by_handle_at, "open_by_handle_at"),
    (libc::SYS_reboot, "reboot"),
    (libc::SYS_swapon, "swapon"),
    (libc::SYS_pidfd_getfd, "pidfd_getfd"),
];
const NEW_NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;
const UNTRACED: u64 = libc::CLONE_UNTRACED as u64;

/// What is told as it happens.
pub enum Told<'a> {
    Event(&'a Event),
    Written(&'a Written),
}

/// Runs the program behind its walls, and says what it did. `tell`: each event as it happens, and the files that it wrote.
///
/// # Errors
/// The wall that cannot be put up: nothing was run.
pub fn run(job: &Job, language: Language, content: &[u8], tell: &mut dyn FnMut(Told<'_>)) -> Result<Report, String> {
    let failed = |what: &'static str| move |e: io::Error| format!("the cell's {what} cannot be put up: {e}");
    sethostname("desktop").map_err(|e| failed("host name")(e.into()))?;
    network::up().map_err(failed("network"))?;
    let authority = Authority::new().map_err(|e| failed("authority")(io::Error::other(e)))?;
    let program = root::build(&job.name, language, content, &authority.pem()).map_err(failed("root"))?;
    let decoy = Decoy::new(authority).map_err(failed("decoy"))?;
    let interpreter = language.interpreters().iter().find(|path| Path::new(path).exists());
    if interpreter.is_none() && language != Language::Machine {
        return Err(format!("nothing here runs {language:?}"));
    }
    let mut words: Vec<PathBuf> = interpreter.map(PathBuf::from).into_iter().collect();
    match language.is_document() {
        true => words.extend(office::words(language, &program).into_iter().map(PathBuf::from)),
        false => words.push(program.clone()),
    }
    let printed = fs::File::create(root::PRINTED).map_err(failed("root"))?;
    // SAFETY: one thread, so nothing is locked in the child.
    let child = match unsafe { fork() }.map_err(|e| failed("process")(e.into()))? {
        ForkResult::Child => become_program(&job.limits, language, &printed, &words),
        ForkResult::Parent { child } => child.as_raw(),
    };
    let (sender, seen) = channel();
    let answering = decoy.start(sender);
    let log = Log { began: Instant::now(), events: Vec::new(), tell };
    let mut tracer = Tracer {
        log,
        decoy: Arc::clone(&decoy),
        seen,
        traced: BTreeSet::new(),
        child,
        is_started: false,
        code: None,
        office: language.is_document().then(|| Own::of(language, &program.to_string_lossy())),
        own: program,
        language,
        missing: None,
        files: Keeper::new(content),
    };
    let outcome = tracer.trace(&job.limits);
    // SAFETY: everything but this process, which is the first of its namespace.
    unsafe { libc::kill(-1, libc::SIGKILL) };
    decoy.stop();
    let _ = answering.join();
    outcome?;
    tracer.hear_network();
    tracer.end();
    let events = tracer.log.events;
    let part = Part {
        inside: None,
        name: job.name.clone(),
        kind: super::kind_of(content),
        size: content.len() as u64,
        hash: *blake3::hash(content).as_bytes(),
    };
    let found = findings::of(&events).into_iter().map(|(name, evidence)| Finding::new(name, 0, evidence));
    Ok(Report { parts: vec![part], findings: found.collect(), timeline: events, ..Report::default() })
}

/// In the child: the last walls, then the program. What cannot be put up is said by the code it ends with.
fn become_program(limits: &Limits, language: Language, printed: &fs::File, words: &[PathBuf]) -> ! {
    let run = || -> Result<(), String> {
        setsid().map_err(|e| e.to_string())?;
        let nothing = fs::File::open("/dev/null").map_err(|e| e.to_string())?;
        dup2_stdin(&nothing).and_then(|()| dup2_stdout(printed)).map_err(|e| e.to_string())?;
        ptrace(libc::PTRACE_TRACEME, 0, 0).map_err(|e| format!("ptrace: {e}"))?;
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).map_err(|e| e.to_string())?;
        let limit = |what, value| setrlimit(what, value, value).map_err(|e| e.to_string());
        let space = if language.is_document() { office::SPACE } else { limits.memory.min(MEMORY) };
        limit(Resource::RLIMIT_AS, space)?;
        limit(Resource::RLIMIT_CPU, limits.cpu.as_secs().max(1))?;
        limit(Resource::RLIMIT_FSIZE, FILE)?;
        limit(Resource::RLIMIT_NOFILE, DESCRIPTORS)?;
        limit(Resource::RLIMIT_CORE, 0)?;
        walls::no_capabilities().map_err(|e| e.to_string())?;
        root::restrict().map_err(|e| e.to_string())?;
        std::env::set_current_dir(root::HOME).map_err(|e| e.to_string())?;
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string());
        let arguments = words.iter().map(|word| text(word)).collect::<Result<Vec<_>, _>>()?;
        let program = arguments.first().cloned().ok_or("no program")?;
        filter::apply()?;
        // After the filter: its own complaints would be hidden.
        let _ = dup2_stderr(printed);
        let environment = if language.is_document() { office::ENVIRONMENT } else { ENVIRONMENT };
        execve(&program, &arguments, environment).map(|_| ()).map_err(|e| format!("execve: {e}"))
    };
    if let Err(why) = run() {
        eprintln!("{why}");
    }
    // SAFETY: nothing of the parent's is to be run at the end of a child.
    unsafe { libc::_exit(NO_WALLS) }
}

struct Log<'t> {
    began: Instant,
    events: Vec<Event>,
    tell: &'t mut dyn FnMut(Told<'_>),
}

impl Log<'_> {
    fn note(&mut self, action: Action, text: &str, detail: &str) {
        let at = u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX);
        let event = Event::new(at, 0, action, text, detail);
        if let Some(last) = self.events.last_mut().filter(|l| (l.action, &l.text, &l.detail) == (action, &event.text, &event.detail)) {
            last.times = last.times.saturating_add(1);
            return;
        }
        if !self.is_full() || (matches!(action, Action::Stopped | Action::Show | Action::End) && self.events.len() < EVENTS_MOST) {
            (self.tell)(Told::Event(&event));
            self.events.push(event);
        }
    }

    /// Room is left for the end.
    fn is_full(&self) -> bool {
        self.events.len() + 8 >= EVENTS_MOST
    }
}

struct Tracer<'t> {
    log: Log<'t>,
    decoy: Arc<Decoy>,
    seen: Receiver<Seen>,
    traced: BTreeSet<libc::pid_t>,
    child: libc::pid_t,
    /// The program itself runs: what came before was ours.
    is_started: bool,
    code: Option<String>,
    own: PathBuf,
    language: Language,
    /// What is no deed of a document.
    office: Option<Own>,
    /// A program that was looked for and not found yet, and its arguments.
    missing: Option<(String, String)>,
    files: Keeper,
}

impl Tracer<'_> {
    fn trace(&mut self, limits: &Limits) -> Result<(), String> {
        tick()?;
        let until = Instant::now() + limits.scripts;
        let memory = if self.language.is_document() { limits.memory } else { limits.memory / 2 };
        loop {
            self.hear_network();
            let mut status = 0;
            // SAFETY: any child, with a place for its status.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
            let error = if pid < 0 { Errno::last() } else { Errno::UnknownErrno };
            if Instant::now() >= until {
                self.stop("its time was used up");
                return Ok(());
            }
            match (pid, error) {
                (..0, Errno::EINTR) => {
                    if self.resident() > memory {
                        self.stop("its memory was used up");
                        return Ok(());
                    }
                    continue;
                }
                (..0, Errno::ECHILD) => break,
                (..0, error) => return Err(format!("its program cannot be waited for: {error}")),
                _ => {}
            }
            if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                self.ended(pid, status);
                if !self.is_started && pid == self.child {
                    return Err(format!(
                        "the cell's walls cannot be put up: {}",
                        fs::read_to_string(root::PRINTED).unwrap_or_default().trim()
                    ));
                }
                if self.traced.is_empty() {
                    break;
                }
                continue;
            }
            let signal = self.stopped(pid, status);
            if self.log.is_full() {
                self.stop("it did more than is written down");
                return Ok(());
            }
            // One that was killed meanwhile does not go on.
            let _ = ptrace(libc::PTRACE_CONT, pid, signal as usize);
        }
        Ok(())
    }

    fn stop(&mut self, why: &str) {
        self.log.note(Action::Stopped, why, "");
        self.code = Some("ended".to_owned());
    }

    fn ended(&mut self, pid: libc::pid_t, status: libc::c_int) {
        self.traced.remove(&pid);
        if pid == self.child {
            let code = if libc::WIFEXITED(status) {
                format!("code {}", libc::WEXITSTATUS(status))
            } else {
                format!("signal {}", libc::WTERMSIG(status))
            };
            self.code = Some(code);
        }
    }

    /// What it stopped for; the signal it goes on with.
    fn stopped(&mut self, pid: libc::pid_t, status: libc::c_int) -> libc::c_int {
        let signal = libc::WSTOPSIG(status);
        if self.traced.insert(pid) {
            // The child's own stop, or the one with which a new process begins.
            let options = libc::PTRACE_O_TRACESECCOMP
                | libc::PTRACE_O_TRACEFORK
                | libc::PTRACE_O_TRACEVFORK
                | libc::PTRACE_O_TRACECLONE
                | libc::PTRACE_O_TRACEEXEC
                | libc::PTRACE_O_EXITKILL;
            let _ = ptrace(libc::PTRACE_SETOPTIONS, pid, options as usize);
            if signal == libc::SIGSTOP {
                return 0;
            }
        }
        match status >> 16 {
            0 => {}
            libc::PTRACE_EVENT_SECCOMP => {
                self.call(pid);
                return 0;
            }
            libc::PTRACE_EVENT_EXEC => {
                if !self.is_started {
                    self.is_started = true;
                    let own = self.own.to_string_lossy().into_owned();
                    self.log.note(Action::Begin, &own, self.language.surroundings());
                }
                return 0;
            }
            _ => return 0,
        }
        match signal {
            libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU | libc::SIGTRAP => 0,
            signal => signal,
        }
    }

    /// A call that is watched or refused.
    fn call(&mut self, pid: libc::pid_t) {
        let mut message: libc::c_ulong = 0;
        let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
        let got = ptrace(libc::PTRACE_GETEVENTMSG, pid, &raw mut message as usize)
            .and_then(|()| ptrace(libc::PTRACE_GETREGS, pid, registers.as_mut_ptr() as usize));
        if got.is_err() {
            return;
        }
        // SAFETY: the kernel has filled it.
        let registers = unsafe { registers.assume_init() };
        let number = registers.orig_rax as libc::c_long;
        let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
        let refusal = if message == libc::c_ulong::from(filter::REFUSED) {
            Some(self.refused(number))
        } else {
            self.watched(pid, number, &arguments)
        };
        if let Some(error) = refusal {
            // No call at all, and its result.
            let changed = libc::user_regs_struct { orig_rax: u64::MAX, rax: (-i64::from(error)) as u64, ..registers };
            if ptrace(libc::PTRACE_SETREGS, pid, &raw const changed as usize).is_err() {
                // SAFETY: plain numbers. What cannot be refused must not be done.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
    }

    fn refused(&mut self, number: libc::c_long) -> libc::c_int {
        match ESCAPES.iter().find(|(known, _)| *known == number) {
            Some((_, name)) => {
                self.log.note(Action::Refused, name, "");
                libc::EPERM
            }
            // What a C library tries first and does without.
            None => libc::ENOSYS,
        }
    }

    /// Notes the call; an error: it is refused.
    fn watched(&mut self, pid: libc::pid_t, number: libc::c_long, arguments: &[u64; 6]) -> Option<libc::c_int> {
        let [first, second, third, ..] = *arguments;
        let path = |folder: Option<u64>, name: u64| path(pid, folder, name);
        match number {
            libc::SYS_fork | libc::SYS_vfork if self.traced.len() >= PROCESSES => return Some(self.too_many()),
            libc::SYS_clone => {
                if first & (NEW_NAMESPACES | UNTRACED) != 0 {
                    self.log.note(Action::Refused, "clone", "a namespace of its own");
                    return Some(libc::EPERM);
                }
                if self.traced.len() >= PROCESSES {
                    return Some(self.too_many());
                }
            }
            // The first is our own, and the program's beginning.
            libc::SYS_execve if self.is_started => self.starts(pid, &path(None, first), second),
            libc::SYS_execveat if self.is_started => {
                let in_memory = self.files.in_memory(pid, first);
                self.hand_out(in_memory);
                self.starts(pid, &path(Some(first), second), third);
            }
            libc::SYS_open => self.opens(&path(None, first), second),
            libc::SYS_openat => self.opens(&path(Some(first), second), third),
            libc::SYS_creat => self.opens(&path(None, first), (libc::O_WRONLY | libc::O_TRUNC) as u64),
            libc::SYS_unlink | libc::SYS_rmdir => self.removes(&path(None, first)),
            libc::SYS_unlinkat => self.removes(&path(Some(first), second)),
            libc::SYS_rename => self.moves(&path(None, first), &path(None, second)),
            libc::SYS_renameat | libc::SYS_renameat2 => self.moves(&path(Some(first), second), &path(Some(third), arguments[3])),
            libc::SYS_connect | libc::SYS_sendto => {
                let (address, length) = if number == libc::SYS_connect { (second, third) } else { (arguments[4], arguments[5]) };
                self.connects(pid, address, length);
            }
            libc::SYS_memfd_create => self.log.note(Action::Write, &format!("memory file {}", text(pid, first)), ""),
            _ => {}
        }
        None
    }

    /// What the office pack does for itself.
    fn is_own(&mut self, deed: Deed<'_>) -> bool {
        self.office.as_mut().is_some_and(|own| own.is(deed))
    }

    fn removes(&mut self, path: &str) {
        if self.is_own(Deed::Remove(path)) {
            return;
        }
        self.keep(path);
        self.log.note(Action::Move, path, findings::REMOVED);
    }

    fn moves(&mut self, from: &str, to: &str) {
        if self.is_own(Deed::Move(from, to)) {
            return;
        }
        self.keep(to);
        self.log.note(Action::Move, from, &format!("to {to}"));
    }

    /// A file that is about to be no more what it is.
    fn keep(&mut self, path: &str) {
        let file = self.files.now(path);
        self.hand_out(file);
    }

    fn hand_out(&mut self, file: Option<Written>) {
        if let Some(file) = file {
            (self.log.tell)(Told::Written(&file));
        }
    }

    fn too_many(&mut self) -> libc::c_int {
        self.log.note(Action::Stopped, "no more processes", "");
        libc::EAGAIN
    }

    fn starts(&mut self, pid: libc::pid_t, path: &str, arguments: u64) {
        let words = words(pid, arguments);
        let rest: String = words.iter().skip(1).flat_map(|word| [" ", word.as_str()]).collect();
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        if self.is_own(Deed::Start(path, Some(rest.trim_start()))) {
            return;
        }
        // One that is looked for along the path is missing when it is in no folder of it.
        if self.missing.as_ref().is_some_and(|(missing, _)| *missing != name) {
            self.note_missing();
        }
        if Path::new(path).exists() {
            self.keep(path);
            self.missing = None;
            self.log.note(Action::Start, &format!("{path}{rest}"), "");
        } else {
            self.missing = Some((name, rest));
        }
    }

    fn note_missing(&mut self) {
        if let Some((name, rest)) = self.missing.take() {
            self.log.note(Action::Call, &format!("{name}{rest}"), "not on this machine");
        }
    }

    fn opens(&mut self, path: &str, flags: u64) {
        let flags = flags as libc::c_int;
        let writes = flags & (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) != 0;
        let deed = match writes {
            true => Deed::Write(path),
            false if flags & libc::O_CLOEXEC != 0 => Deed::LookUp(path),
            false => Deed::Read(path),
        };
        if !self.is_started || root::is_dull(path) || (!writes && self.is_system(path)) || self.is_own(deed) || self.own == Path::new(path)
        {
            return;
        }
        if writes && flags & libc::O_TRUNC != 0 {
            self.keep(path);
        }
        self.log.note(if writes { Action::Write } else { Action::Read }, path, "");
    }

    fn is_system(&self, path: &str) -> bool {
        SYSTEM.iter().any(|place| path.starts_with(place)) || (path.starts_with(ITSELF) && !self.language.is_document())
    }

    fn connects(&mut self, pid: libc::pid_t, address: u64, length: u64) {
        let mut octets = [0_u8; 128];
        let length = usize::try_from(length).unwrap_or(0).min(octets.len());
        if address == 0 || length < 2 || !read(pid, address, &mut octets[..length]) {
            return;
        }
        let port = u16::from_be_bytes([octets[2], octets[3]]);
        let who = match i32::from(u16::from_ne_bytes([octets[0], octets[1]])) {
            libc::AF_INET => format!("{}.{}.{}.{}:{port}", octets[4], octets[5], octets[6], octets[7]),
            libc::AF_INET6 => {
                let mut address = [0_u8; 16];
                address.copy_from_slice(&octets[8..24]);
                format!("[{}]:{port}", std::net::Ipv6Addr::from(address))
            }
            libc::AF_UNIX => {
                let path = octets[2..length].split(|b| *b == 0).find(|part| !part.is_empty()).unwrap_or_default();
                let path = String::from_utf8_lossy(path).into_owned();
                if path != "/var/run/nscd/socket" && !self.is_own(Deed::Connect(&path)) {
                    self.log.note(Action::Connect, &path, "a socket of this machine");
                }
                return;
            }
            _ => return,
        };
        // A name server's port: what is asked is told by the decoy.
        if port != 53 && port != 0 {
            let _ = self.decoy.listen(port);
            self.log.note(Action::Connect, &who, "");
        }
    }

    fn hear_network(&mut self) {
        while let Ok((action, text, detail)) = self.seen.try_recv() {
            self.log.note(action, &text, &detail);
        }
    }

    /// Octets of memory that all have in use, as far as the kernel says.
    fn resident(&self) -> u64 {
        let of = |pid: &libc::pid_t| {
            let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
            statm.split(' ').nth(1)?.parse::<u64>().ok()
        };
        // Processes alone: threads share what they have.
        let own = std::process::id().cast_signed();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let processes = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| *pid != own);
        processes.filter_map(|pid| of(&pid)).sum::<u64>() * 4096
    }

    fn end(&mut self) {
        self.note_missing();
        let made = if self.language.is_document() { self.files.made() } else { Vec::new() };
        for file in made {
            if file.path == office::TEXT {
                self.log.note(Action::Show, &String::from_utf8_lossy(&file.content), "text of its pages");
            }
            (self.log.tell)(Told::Written(&file));
        }
        for file in self.files.left() {
            (self.log.tell)(Told::Written(&file));
        }
        for path in std::mem::take(&mut self.files.left_out) {
            self.log.note(Action::Error, &path, "not taken apart: too large, or one too many");
        }
        if let Ok(printed) = fs::read(root::PRINTED)
            && !printed.is_empty()
        {
            let shown = String::from_utf8_lossy(printed.get(..PRINTED.min(printed.len())).unwrap_or_default()).into_owned();
            self.log.note(Action::Show, &shown, "printed");
        }
        let own = self.own.to_string_lossy().into_owned();
        let code = self.code.take().unwrap_or_default();
        self.log.note(Action::End, &own, &code);
    }
}

/// What every program reads, and what is nobody's business.
const SYSTEM: &[&str] = &[
    "/usr/",
    "/lib",
    "/bin/",
    "/sbin/",
    "/etc/ld.so",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs/",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/ssl",
    "/home/user/pyvenv.cfg",
];
/// What interpreters read of themselves; LibreOffice does not.
const ITSELF: &str = "/proc/self";

/// Interrupts a wait every so often.
fn tick() -> Result<(), String> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGALRM, &action) }.map_err(|e| e.to_string())?;
    let every = libc::timeval { tv_sec: 0, tv_usec: TICK.as_micros() as libc::suseconds_t };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the timer outlives the call, and the old one is not wanted.
    if unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error().to_string());
    }
    Ok(())
}

/// `data`: a number, or the address of what is read or written, which outlives the call and is as large as the request says.
fn ptrace(request: libc::c_uint, pid: libc::pid_t, data: usize) -> io::Result<()> {
    // SAFETY: as the callers promise above.
    match unsafe { libc::ptrace(request, pid, 0_usize, data) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// As much of another process' memory as was asked for; `false` when it is not there.
fn read(pid: libc::pid_t, from: u64, to: &mut [u8]) -> bool {
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    let remote = libc::iovec { iov_base: from as *mut libc::c_void, iov_len: to.len() };
    // SAFETY: into our own buffer of that length; the other side's address is checked by the kernel.
    let got = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(got) == Ok(to.len())
}

/// A text that ends with a zero.
fn text(pid: libc::pid_t, from: u64) -> String {
    let mut octets = Vec::new();
    let mut at = from;
    while octets.len() < TEXT {
        // A page may be the last one that is there.
        let room = (4096 - (at % 4096) as usize).min(256);
        let mut piece = vec![0_u8; room];
        if at == 0 || !read(pid, at, &mut piece) {
            break;
        }
        match piece.iter().position(|b| *b == 0) {
            Some(end) => {
                octets.extend_from_slice(&piece[..end]);
                break;
            }
            None => octets.extend_from_slice(&piece),
        }
        at = at.wrapping_add(room as u64);
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// The words of a command.
fn words(pid: libc::pid_t, from: u64) -> Vec<String> {
    let mut words = Vec::new();
    for n in 0..WORDS as u64 {
        let mut pointer = [0_u8; size_of::<u64>()];
        if from == 0 || !read(pid, from.wrapping_add(n * 8), &mut pointer) {
            break;
        }
        match u64::from_ne_bytes(pointer) {
            0 => break,
            word => words.push(text(pid, word)),
        }
    }
    words
}

/// A path from the root, of one that may be from somewhere. `folder`: the descriptor it is below.
fn path(pid: libc::pid_t, folder: Option<u64>, name: u64) -> String {
    let name = text(pid, name);
    if name.starts_with('/') {
        return name;
    }
    let link = match folder.map(|f| f as i32) {
        None | Some(libc::AT_FDCWD) => format!("/proc/{pid}/cwd"),
        Some(fd) => format!("/proc/{pid}/fd/{fd}"),
    };
    let Ok(folder) = fs::read_link(link) else { return name };
    folder.join(name.trim_start_matches("./")).to_string_lossy().into_owned()
}
