//! Listener, spool and a host whose answers are given in advance.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::address::Address;
use postern_model::envelope::{Direction, Envelope, TlsInfo};
use postern_model::id::MailId;
use postern_model::queue::{Disposition, HeaderEdits, QueuedMail, QueuedRecipient};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::settings::Settings;
use postern_model::settings::smtp::TlsSettings;
use postern_model::time::Timestamp;
use postern_mta::door::Door;
use postern_mta::inherited::Inherited;
use postern_mta::journey::{DataOutcome, Refusal};
use postern_mta::listen::{self, Serving};
use postern_mta::session::Host;
use postern_mta::tls::Tls;
use postern_mta::visit::Visit;
use postern_store::spool::{Body, Spool};
use tokio::sync::Notify;

/// What the host says; without anything: yes to all but `unknown@…`.
#[derive(Default, Clone)]
pub struct Policy {
    pub connected: Option<Refusal>,
    pub data: Option<Reason>,
    /// Say 250 without the spool.
    pub discard: bool,
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub address: SocketAddr,
    pub local: SocketAddr,
    pub helo: String,
    pub tls: Option<TlsInfo>,
    pub pregreet: bool,
    pub errors: u32,
    pub unknown_recipients: u32,
}

#[derive(Clone)]
pub struct Simulated {
    policy: Policy,
    spool: Spool,
    seen: Arc<(Mutex<Vec<Seen>>, Notify)>,
}

pub struct House {
    pub address: SocketAddr,
    pub spool: Spool,
    pub door: Arc<Door<Simulated>>,
    pub serving: Serving<Simulated>,
    seen: Arc<(Mutex<Vec<Seen>>, Notify)>,
    _dir: tempfile::TempDir,
}

impl House {
    pub fn open(settings: Settings, policy: Policy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(dir.path().join("spool"), settings.delivery.spool.clone()).unwrap();
        let tls = Tls::open(&TlsSettings::default(), dir.path(), "mx.example.org").unwrap();
        let seen = Arc::new((Mutex::new(Vec::new()), Notify::new()));
        let host = Simulated { policy, spool: spool.clone(), seen: Arc::clone(&seen) };
        let door = Door::new(&settings, "mx.example.org", host, spool.clone(), Some(tls)).unwrap();
        let ports = listen::bind(&settings.smtp, &mut Inherited::default()).unwrap();
        let address = ports[0].address;
        let serving = listen::serve(&door, ports).unwrap();
        Self { address, spool, door, serving, seen, _dir: dir }
    }

    /// The visit that ended last; waits for the first one.
    pub async fn last_visit(&self) -> Seen {
        loop {
            let told = self.seen.1.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if let Some(seen) = self.seen.0.lock().last() {
                return seen.clone();
            }
            told.await;
        }
    }

    pub async fn door_empties(&self) {
        while self.door.census().open > 0 {
            tokio::task::yield_now().await;
        }
    }
}

impl Host for Simulated {
    async fn connected(&self, _visit: &mut Visit) -> Result<(), Refusal> {
        self.policy.connected.clone().map_or(Ok(()), Err)
    }
    fn pregreeted(&self, _visit: &mut Visit) -> Result<(), Refusal> {
        Err(Refusal::of(Reason::Pregreet))
    }
    async fn helo(&self, _visit: &mut Visit) -> Result<(), Refusal> {
        Ok(())
    }
    async fn mail_from(&self, _visit: &mut Visit, envelope: &Envelope) -> Result<(), Refusal> {
        assert!(envelope.recipients.is_empty());
        Ok(())
    }
    async fn rcpt_to(&self, visit: &mut Visit, _envelope: &Envelope, recipient: &Address) -> Result<(), Refusal> {
        if recipient.local() == "unknown" {
            visit.unknown_recipients += 1;
            return Err(Refusal::of(Reason::UnknownRecipient));
        }
        Ok(())
    }
    async fn data(&self, _visit: &mut Visit, id: MailId, envelope: Envelope, body: Body) -> DataOutcome {
        if self.policy.discard {
            return DataOutcome::Discarded(id);
        }
        if let Some(reason) = self.policy.data {
            return DataOutcome::Refused(Refusal::of(reason));
        }
        let now = Timestamp(1_795_291_902_000);
        let mail = QueuedMail {
            id,
            accepted: now,
            size: body.size(),
            hash: body.hash(),
            disposition: Disposition::Deliver,
            reason: Reason::Clean,
            recipients: envelope.recipients.iter().cloned().map(|r| QueuedRecipient::new(r, now)).collect(),
            envelope,
            edits: HeaderEdits::default(),
            reroute: None,
            subject: None,
            message_id: None,
            from_header: None,
            score: Score::ZERO,
        };
        DataOutcome::Accepted(self.spool.accept(mail, body).await.unwrap())
    }
    fn refused_early(&self, _visit: &Visit, _envelope: Option<Envelope>, _reason: Reason) {}
    fn turned_away(&self, _client: IpAddr, _direction: Direction) {}
    fn disconnected(&self, visit: &Visit) {
        let client = &visit.client;
        self.seen.0.lock().push(Seen {
            address: client.address,
            local: client.local,
            helo: client.helo.clone(),
            tls: client.tls.clone(),
            pregreet: visit.pregreet,
            errors: visit.errors,
            unknown_recipients: visit.unknown_recipients,
        });
        self.seen.1.notify_waiters();
    }
}

/// Raises the limit of open files when it may; true when `count` can be opened.
pub fn allow_descriptors(count: u64) -> bool {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    soft >= count || (hard >= count && setrlimit(Resource::RLIMIT_NOFILE, count, hard).is_ok())
}

/// Resident memory of this process in octets.
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A client that was greeted and says nothing more.
pub fn idle_client(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"EHLO idle.example\r\n").unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 1024];
    while !String::from_utf8_lossy(&got).contains("250 LIMITS") {
        let n = std::io::Read::read(&mut stream, &mut buffer).unwrap();
        assert!(n > 0, "closed: {}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&buffer[..n]);
    }
    stream
}

/// A house on a runtime of one thread; the function returned ends it and gives the processor time of that thread.
pub fn on_a_thread_of_its_own(settings: Settings, policy: Policy) -> (SocketAddr, impl FnOnce() -> Duration) {
    let (told, address) = std::sync::mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::open(settings, policy);
            told.send(house.address).unwrap();
            let before = cpu_of_this_thread();
            ended.await.unwrap();
            house.door_empties().await;
            cpu_of_this_thread() - before
        })
    });
    (address.recv().unwrap(), move || {
        end.send(()).unwrap();
        thread.join().unwrap()
    })
}

fn cpu_of_this_thread() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD).unwrap();
    let of = |t: nix::sys::time::TimeVal| Duration::from_micros(u64::try_from(t.tv_sec() * 1_000_000 + t.tv_usec()).unwrap());
    of(usage.user_time()) + of(usage.system_time())
}

/// Sends `mails` mails of `size` octets over one connection, as a pipelining client does.
pub fn blocking_client(address: SocketAddr, mails: usize, size: usize) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut out = &stream;
    let mut line = String::new();
    let mut read = |lines: usize| {
        for _ in 0..lines {
            line.clear();
            replies.read_line(&mut line).unwrap();
            assert!(line.starts_with('2') || line.starts_with("354"), "{line}");
        }
    };
    read(1);
    out.write_all(b"EHLO client.example\r\n").unwrap();
    read(11);
    let body =
        format!("Subject: x\r\n\r\n{}.\r\n", "A line of text as mails have them, of some seventy octets or less.\r\n".repeat(size / 68));
    for _ in 0..mails {
        out.write_all(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n").unwrap();
        read(3);
        out.write_all(body.as_bytes()).unwrap();
        read(1);
    }
    out.write_all(b"QUIT\r\n").unwrap();
    read(1);
}
