//! Every limit of the shadow copies, and why it is what it is.

use std::time::Duration;

/// A body up to here travels in one message with its mail; larger ones in pieces of this size, so that small mails do not wait
/// behind a large one.
pub const PIECE_OCTETS: usize = 256 * 1024;
/// A mail's own data (envelope, recipients, header edits). A thousand recipients take about 200 KiB. What is larger is
/// accepted alone.
pub const MAIL_OCTETS: usize = 2 * 1024 * 1024;
/// The longest message: a mail's data, one piece, and the frame around them.
pub const MESSAGE_OCTETS: usize = MAIL_OCTETS + PIECE_OCTETS + 1024;
/// Ids in one message.
pub const PAGE: usize = 4096;
/// Octets that wait for one peer's stream; who copies waits for room, and gives up with the copy's timeout.
pub const OUTBOX_OCTETS: usize = 8 * 1024 * 1024;
/// Changes that wait for one peer's stream. Nobody waits with them: beyond, the stream is given up, and opening it again
/// brings both sides to the same state.
pub const OUTBOX_NOTES: usize = 1 << 16;
/// Copies a holder works at for one origin; then it reads on when one is done.
pub const HOLDS_AT_ONCE: usize = 2048;
/// Large bodies a holder takes in at once for one origin: each is an open file.
pub const LARGE_AT_ONCE: usize = 64;
/// A large copy has this rate at least, beside `copy_timeout`.
pub const SLOWEST_RATE: u64 = 4 * 1024 * 1024;
/// Peers asked one after the other for one mail, while its sender waits.
pub const TRIES: usize = 3;
/// Changes a holder remembers, for an origin that was killed before they were on its own disk (100 ms of notes).
pub const RECENT: usize = 8192;
/// Adopted ids remembered per origin; the oldest go first.
pub const ADOPTED_MOST: usize = 200_000;
/// A mail is given up after five days in the queue: an origin that comes back later has nothing to deliver twice.
pub const ADOPTED_DAYS: i64 = 7;
/// Lives of this node's spool whose ends are known. A holder that was away for more starts is taken for one that knows more.
pub const LIVES: usize = 4096;
/// Mails that an origin wants back and that wait for the one before.
pub const FETCHES: usize = 4;
/// Messages of a mail that is fetched back, on their way from the stream to the disk.
pub const FETCHED: usize = 8;
/// Mails adopted in one step: one sync of the memory of adopted ids for each.
pub const ADOPT_BATCH: usize = 128;
/// Mails copied again at once, and their octets a second: a moved queue must not take the disk from new mail.
pub const MOVE_BATCH: usize = 64;
pub const MOVE_RATE: u64 = 32 * 1024 * 1024;
/// Quarantined mails copied again in one go.
pub const KEPT_BATCH: usize = 16;
/// Events the queue's side has not taken yet.
pub const EVENTS: usize = 1024;
/// Origins with copies here. A cluster is far smaller; a member that invents ids must not fill the disk with directories.
pub const ORIGINS: usize = 1024;

/// How quickly things follow each other; shorter in tests.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Between two looks at takeovers.
    pub tick: Duration,
    /// A holder that is gone is waited for this long before its copies are made elsewhere: a blink of the network must not
    /// copy the whole queue.
    pub move_after: Duration,
    /// The same for copies of quarantined mails, which nobody waits for; and from a start until the first is made.
    pub keep_after: Duration,
    /// A peer that was slow, full or refused is left alone this long.
    pub rest: Duration,
    /// Each holder waits so much longer than the one before it, and hears from that one meanwhile.
    pub stagger: Duration,
    /// Longer between two ticks: this machine slept, and could have heard nobody.
    pub slept: Duration,
    /// An adoption that could not end (the disk is full) is tried again.
    pub retry: Duration,
    /// Restored mail waits at most so long for the holders' word.
    pub word: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(1),
            move_after: Duration::from_secs(10),
            keep_after: Duration::from_secs(600),
            rest: Duration::from_secs(15),
            stagger: Duration::from_secs(5),
            slept: Duration::from_secs(15),
            retry: Duration::from_secs(30),
            word: Duration::from_secs(5),
        }
    }
}
