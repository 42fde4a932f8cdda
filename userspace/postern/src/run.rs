//! `postern run`: a whole gateway on this machine with working defaults, for trying it out and for
//! small sites: writes a settings file when there is none, starts the roles as children, keeps the
//! built-in sink as backend when no other is configured, says where everything is.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postern_model::settings::Settings;
use postern_mta::sink::Sink;
use postern_smtp::server::Dialect;
use tokio::net::TcpListener;

/// How long a role may take to end after SIGTERM before it is killed: sessions get to finish.
const STOP_LIMIT: Duration = Duration::from_secs(15);
const READY_LIMIT: Duration = Duration::from_secs(15);
/// Where the built-in sink listens: loopback only.
const SINK_HOST: &str = "127.0.0.1";
const SINK_PORT: u16 = 2524;
const SINK_NAME: &str = "sink.postern.internal";

#[derive(Args)]
pub struct RunOptions {
    /// Spool, database, delivered mail of the built-in sink, settings file.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Settings file; made with working defaults when it does not exist [default: postern.toml in the data directory].
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Port for mail from the Internet.
    #[arg(long, default_value_t = 2525)]
    smtp_port: u16,
    /// Port for mail from this machine to anywhere.
    #[arg(long, default_value_t = 2526)]
    trusted_port: u16,
    /// Port of the console.
    #[arg(long, default_value_t = 8443)]
    console_port: u16,
    /// Interface to guard by XDP; may be given more than once [default: the one of the default route].
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Deliver everything to this server instead of the built-in sink: `host:port` (SMTP) or `lmtp:host:port`.
    #[arg(long, value_name = "NEXT-HOP")]
    backend: Option<String>,
}

pub fn run(options: &RunOptions) -> anyhow::Result<()> {
    let data = options.data.clone().unwrap_or_else(default_data);
    std::fs::create_dir_all(data.join("run")).with_context(|| format!("make the data directory {}", data.display()))?;
    let data = data.canonicalize()?;
    let file = options.settings.clone().unwrap_or_else(|| data.join("postern.toml"));
    if !file.exists() {
        std::fs::write(&file, first_settings(options, &data)?).with_context(|| format!("write {}", file.display()))?;
    }
    let settings = crate::node::read_settings(&file)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(supervise(&settings, &file, &data))
}

async fn supervise(settings: &Settings, file: &Path, data: &Path) -> anyhow::Result<()> {
    let sink = data.join("sink");
    let uses_sink = settings.domains.iter().any(|d| d.backends.iter().any(|b| b.host == SINK_HOST && b.port == Some(SINK_PORT)));
    if uses_sink {
        let listener = TcpListener::bind((SINK_HOST, SINK_PORT)).await.with_context(|| format!("the sink's port {SINK_PORT}"))?;
        let folder = Arc::new(Sink::open(sink.clone()).with_context(|| format!("the sink's folder {}", sink.display()))?);
        tokio::spawn(folder.serve(listener, Dialect::Lmtp, SINK_NAME.parse()?));
    }

    let mut roles = Vec::new();
    if nix::unistd::geteuid().is_root() {
        roles.push(Role::start("edge", file)?);
    } else {
        println!("note: not root, so there is no XDP: the node refuses banned clients by itself");
    }
    if settings.sandbox.enabled {
        roles.push(Role::start("sandbox", file)?);
    }
    roles.push(Role::start("node", file)?);

    // The node opens this socket last but one, when everything it announces is there.
    let socket = settings.node.run_dir.join("node.sock");
    let began = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        if let Some(dead) = roles.iter_mut().find_map(Role::ended) {
            stop(&mut roles);
            bail!("the role {dead} ended at once: its message stands above");
        }
        if began.elapsed() > READY_LIMIT {
            stop(&mut roles);
            bail!("the node does not answer on {} within {READY_LIMIT:?}", socket.display());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{}", welcome(settings, file, data, uses_sink.then_some(sink.as_path()))?);

    let mut told_to_end = std::pin::pin!(crate::service_manager::told_to_end()?);
    let mut look = tokio::time::interval(Duration::from_millis(500));
    let outcome = loop {
        tokio::select! {
            () = &mut told_to_end => break Ok(()),
            _ = look.tick() => {
                if let Some(dead) = roles.iter_mut().find_map(Role::ended) {
                    if dead == "node" {
                        break Err(anyhow::anyhow!("the node ended by itself: its message stands above"));
                    }
                    let so = if dead == "edge" { "what it loaded stays in force" } else { "attachments are not taken apart" };
                    println!("the role {dead} ended: {so}; restart `postern run` to have it back");
                    roles.retain(|r| r.name != dead);
                }
            }
        }
    };
    println!("stopping; sessions may finish for a moment");
    stop(&mut roles);
    outcome
}

struct Role {
    name: &'static str,
    child: Child,
}

impl Role {
    fn start(name: &'static str, settings: &Path) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("where this program is")?;
        let child = Command::new(binary)
            .arg(name)
            .arg("--settings")
            .arg(settings)
            .stdin(Stdio::null())
            // A group of its own, so that Ctrl-C reaches only us and we stop the roles in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start the role {name}"))?;
        Ok(Self { name, child })
    }

    fn ended(&mut self) -> Option<&'static str> {
        matches!(self.child.try_wait(), Ok(Some(_))).then_some(self.name)
    }
}

fn stop(roles: &mut [Role]) {
    for role in roles.iter().rev() {
        if let Ok(pid) = i32::try_from(role.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
    let until = Instant::now() + STOP_LIMIT;
    for role in roles {
        while Instant::now() < until && matches!(role.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if matches!(role.child.try_wait(), Ok(None)) {
            println!("the role {} did not end within {STOP_LIMIT:?} and is killed", role.name);
            let _ = role.child.kill();
        }
        let _ = role.child.wait();
    }
}

fn default_data() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/var/lib/postern"), |home| PathBuf::from(home).join(".local/share/postern"))
}

/// The interface of the default route, from /proc/net/route.
fn default_interface() -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/route").ok()?;
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let name = fields.next()?;
        (fields.next()? == "00000000").then(|| name.to_owned())
    })
}

fn first_settings(options: &RunOptions, data: &Path) -> anyhow::Result<String> {
    let interfaces = if options.interface.is_empty() { default_interface().into_iter().collect() } else { options.interface.clone() };
    let backend = match options.backend.as_deref() {
        None => format!("{{ host = {SINK_HOST:?}, port = {SINK_PORT}, protocol = \"lmtp\", tls = \"off\" }}"),
        Some(text) => {
            let (protocol, rest) = text.strip_prefix("lmtp:").map_or(("smtp", text), |rest| ("lmtp", rest));
            let (host, port) = rest.rsplit_once(':').context("--backend: write host:port or lmtp:host:port")?;
            let port: u16 = port.parse().with_context(|| format!("--backend: `{port}` is no port"))?;
            format!("{{ host = {:?}, port = {port}, protocol = \"{protocol}\" }}", host.trim_matches(['[', ']']))
        }
    };
    let (smtp, trusted, console) = (options.smtp_port, options.trusted_port, options.console_port);
    let mut text = String::new();
    writeln!(text, "# Made by `postern run`. All settings: docs/settings.md, or `postern settings reference`.")?;
    writeln!(text, "\n[node]\ndata_dir = {data:?}\nrun_dir = {:?}", data.join("run"))?;
    writeln!(
        text,
        "\n[smtp]\nlisten = [\"[::]:{smtp}\"]\ntrusted_listen = [\"127.0.0.1:{trusted}\"]\ntrusted_networks = [\"127.0.0.0/8\"]"
    )?;
    writeln!(text, "\n[console]\nlisten = [\"[::]:{console}\"]")?;
    writeln!(text, "\n[greylist]\nenabled = false")?;
    writeln!(text, "\n[edge]\ninterfaces = {interfaces:?}\nsmtp_ports = [{smtp}]\nservice_ports = [{smtp}, {trusted}, {console}]")?;
    writeln!(text, "# this machine itself is never banned\nallow = [\"127.0.0.0/8\", \"::1/128\"]")?;
    writeln!(
        text,
        "\n# Every domain is ours here; name your own and their servers instead.\n[[domains]]\nname = \"*\"\nbackends = [{backend}]"
    )?;
    Ok(text)
}

fn welcome(settings: &Settings, file: &Path, data: &Path, sink: Option<&Path>) -> anyhow::Result<String> {
    let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, SocketAddr::port);
    let smtp = port(&settings.smtp.listen);
    let console = port(&settings.console.listen);
    let mut text = String::new();
    writeln!(text, "\n  Postern is running.\n")?;
    // The null path: example.org says in the DNS that it takes no mail (RFC 7505), and is refused as a sender for it.
    writeln!(text, "  mail in      port {smtp}:      swaks --server localhost:{smtp} --from '<>' --to you@example.net")?;
    writeln!(text, "  mail out     port {}:      from this machine to anywhere", port(&settings.smtp.trusted_listen))?;
    writeln!(text, "  console      https://localhost:{console}/")?;
    let password = data.join("initial-password");
    match std::fs::read_to_string(&password) {
        Ok(secret) => writeln!(text, "  log in       admin / {}   (change it, then delete {})", secret.trim(), password.display())?,
        Err(_) => writeln!(text, "  log in       admin, with the password you set")?,
    }
    match sink {
        Some(sink) => writeln!(text, "  delivered    {}   (the built-in sink: one file a mail)", sink.join("new").display())?,
        None => writeln!(text, "  delivered    to the backends in the settings")?,
    }
    match settings.edge.interfaces.as_slice() {
        [] => writeln!(text, "  XDP          on no interface (edge.interfaces)")?,
        names => writeln!(text, "  XDP          on {}", names.join(", "))?,
    }
    writeln!(text, "  settings     {}", file.display())?;
    writeln!(text, "  look at it   postern status --socket {}", settings.node.run_dir.join("node.sock").display())?;
    writeln!(text, "\n  Ctrl-C ends it.")?;
    Ok(text)
}
