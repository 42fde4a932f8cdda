//! Postfix as a relay, in a directory of its own, with an optional milter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub struct Postfix {
    conf: PathBuf,
    pub pid: u32,
}

const MASTER: &str = "\
{PORT} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// Starts a relay on 127.0.0.1:`port` that sends everything to `sink`. `extra` goes into main.cf.
    pub fn start(dir: &Path, port: u16, sink: u16, extra: &str) -> anyhow::Result<Self> {
        let conf = dir.join("conf");
        for d in ["conf", "queue", "data"] {
            fs::create_dir_all(dir.join(d))?;
        }
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {q}\ndata_directory = {d}\ncommand_directory = /usr/sbin\n\
             daemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\nsetgid_group = postdrop\nmyhostname = postfix.bench.example\n\
             mydestination =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 0.0.0.0/0\n\
             transport_maps = static:smtp:[127.0.0.1]:{sink}\nalias_maps =\nlocal_recipient_maps =\nmessage_size_limit = 60000000\n\
             smtpd_client_connection_count_limit = 0\nsmtpd_client_connection_rate_limit = 0\nsmtpd_tls_security_level = none\n\
             smtp_tls_security_level = none\nin_flow_delay = 0\ndefault_process_limit = 120\n\
             smtp_destination_concurrency_limit = 50\nsmtp_initial_destination_concurrency = 50\n\
             smtp_connection_cache_destinations = static:all\n\
             smtp_dns_support_level = enabled\nmaillog_file = {dir}/log\nmaillog_file_prefixes = {dir}\n{extra}",
            q = dir.join("queue").display(),
            d = dir.join("data").display(),
            dir = dir.display(),
        );
        fs::write(conf.join("main.cf"), main)?;
        fs::write(conf.join("master.cf"), MASTER.replace("{PORT}", &format!("127.0.0.1:{port}")))?;
        run(Command::new("chown").arg("-R").arg("postfix").arg(dir.join("data")))?;
        run(Command::new("postfix").arg("-c").arg(&conf).arg("start"))?;
        let pid_file = dir.join("queue/pid/master.pid");
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let pid = fs::read_to_string(&pid_file).ok().and_then(|t| t.trim().parse().ok());
            if let (Some(pid), Ok(_)) = (pid, std::net::TcpStream::connect(("127.0.0.1", port))) {
                return Ok(Self { conf, pid });
            }
            if Instant::now() > until {
                bail!("postfix did not start: see {}", dir.join("log").display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = Command::new("postfix").arg("-c").arg(&self.conf).arg("stop").output();
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
