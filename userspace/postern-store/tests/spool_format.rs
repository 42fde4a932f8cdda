//! The form of what lies on disk. Postcard stores the places of fields and variants, not their names: a variant in the middle of an
//! enum, or one field more, and every spool and quarantine out there is misread.
//!
//! The fixtures below `spool_format/` were written once and must be read for ever. A new kind of record gets a new fixture by
//! `POSTERN_BLESS=1`, which writes missing files and touches no other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod spool_fixture;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use postern_model::address::ReversePath;
use postern_model::envelope::{BodyType, Direction, DsnNotify, DsnReturn, TlsInfo};
use postern_model::queue::{Disposition, LastReply, QueueChange, QueuedMail, RecipientStatus};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use postern_store::spool::Quarantine;
use serde::Serialize;
use serde::de::DeserializeOwned;
use spool_fixture::{accept, check_body, delivered, id, mail, open, small};

const WHAT_TO_DO: &str = "the form on disk changed: mail that waits in a spool, or lies in a quarantine, would be lost. Put new enum \
    variants at the end; for anything else read the old form too, or raise the digit in `MAGIC` (spool/record.rs, spool/quarantine.rs) and write the migration";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spool_format")
}

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(32).fold(String::new(), |mut text, line| {
        line.iter().for_each(|b| write!(text, "{b:02x}").unwrap());
        text + "\n"
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

/// The bytes of a fixture; made from `now` when it is missing and that is wanted.
fn fixture(name: &str, now: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let file = folder().join(name);
    if !file.exists() && std::env::var_os("POSTERN_BLESS").is_some() {
        fs::create_dir_all(folder()).unwrap();
        fs::write(&file, hex(&now())).unwrap();
    }
    unhex(&fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())))
}

#[track_caller]
fn pinned<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    let bytes = fixture(name, || postcard::to_stdvec(value).unwrap());
    match postcard::from_bytes::<T>(&bytes) {
        Ok(read) => assert_eq!(read, *value, "{name}: {WHAT_TO_DO}"),
        Err(e) => panic!("{name}: {e}: {WHAT_TO_DO}"),
    }
    // What is written now must be what the release before can read (a downgrade, a peer).
    assert_eq!(hex(&postcard::to_stdvec(value).unwrap()), hex(&bytes), "{name}: {WHAT_TO_DO}");
}

/// A mail with something in every field.
fn full() -> QueuedMail {
    let mut mail = mail(7);
    mail.size = 70_000;
    mail.hash = std::array::from_fn(|i| i as u8);
    mail.disposition = Disposition::Quarantine;
    mail.reason = Reason::ScoreQuarantine;
    mail.reroute = Some("lmtp:backend.example:24".into());
    mail.message_id = Some("<1@example.org>".into());
    mail.from_header = Some("Erika Beispiel <erika@example.org>".into());
    mail.score = Score::new(-2.25);
    let e = &mut mail.envelope;
    e.direction = Direction::Outbound;
    e.client.address = "[2001:db8::1]:50000".parse().unwrap();
    e.client.esmtp = false;
    e.client.tls = Some(TlsInfo { version: "TLSv1.3".into(), cipher: "AES_256".into(), key_exchange: Some("X25519MLKEM768".into()) });
    e.client.reverse = Some("mx.example.org".into());
    e.client.login = Some("erika".into());
    e.mail_from = ReversePath::from(Some("erika@example.org".parse().unwrap()));
    e.recipients[0].notify = Some(DsnNotify { success: true, failure: false, delay: true });
    e.recipients[0].original = Some("rfc822;other@example.org".into());
    e.declared_size = Some(70_100);
    e.body = BodyType::EightBitMime;
    e.smtputf8 = true;
    e.require_tls = true;
    e.dsn_return = Some(DsnReturn::Headers);
    e.dsn_envelope_id = Some("envelope-7".into());
    let recipient = &mut mail.recipients[0];
    recipient.recipient = mail.envelope.recipients[0].clone();
    recipient.status = RecipientStatus::Failed;
    recipient.attempts = 3;
    recipient.next_attempt = Timestamp(1_700_000_060_000);
    recipient.last =
        Some(LastReply { at: Timestamp(1_700_000_050_000), host: "mx.example.net[192.0.2.9]:25".into(), reply: "450 4.2.0 busy".into() });
    recipient.delay_notified = true;
    mail
}

#[test]
fn mails_and_changes_are_read_as_they_were_written() {
    pinned("mail-plain.hex", &mail(7));
    pinned("mail-full.hex", &full());
    pinned("change-recipient.hex", &QueueChange::Recipient { index: 300, state: full().recipients.remove(0) });
    pinned("change-disposition.hex", &QueueChange::Disposition(Disposition::Hold, Reason::Undeliverable));
    pinned("change-reroute.hex", &QueueChange::Reroute(Some("192.0.2.1:25".into())));
    pinned("change-done.hex", &QueueChange::Done);
    pinned("change-edits.hex", &QueueChange::Edits(full().edits));
    pinned("dispositions.hex", &[Disposition::Deliver, Disposition::Hold, Disposition::Quarantine].to_vec());
    let statuses = [RecipientStatus::Pending, RecipientStatus::Delivered, RecipientStatus::Failed, RecipientStatus::Removed];
    pinned("recipient-statuses.hex", &statuses.to_vec());
    pinned("directions.hex", &[Direction::Inbound, Direction::Outbound].to_vec());
    pinned("body-types.hex", &[BodyType::SevenBit, BodyType::EightBitMime, BodyType::BinaryMime].to_vec());
    pinned("dsn-returns.hex", &[DsnReturn::Full, DsnReturn::Headers].to_vec());
}

#[test]
fn reasons_keep_their_numbers() {
    let file = folder().join("reasons.txt");
    let mut text = fs::read_to_string(&file).unwrap_or_default();
    if std::env::var_os("POSTERN_BLESS").is_some() {
        for reason in Reason::ALL.iter().skip(text.lines().count()) {
            writeln!(text, "{reason}").unwrap();
        }
        fs::write(&file, &text).unwrap();
    }
    for (number, name) in text.lines().enumerate() {
        let read = postcard::from_bytes::<Reason>(&[u8::try_from(number).unwrap()]);
        assert_eq!(read.map(Reason::name).ok(), Some(name), "reason {number}: {WHAT_TO_DO}");
    }
    let now: Vec<&str> = Reason::ALL.iter().map(|r| r.name()).collect();
    assert_eq!(text.lines().count(), now.len(), "a new reason: it stands at the end, so POSTERN_BLESS=1 adds it to reasons.txt");
}

/// Parts of a file that are not zero, as `offset: octets` in hex.
fn sparse(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (n, chunk) in bytes.chunks(32).enumerate().filter(|(_, c)| c.iter().any(|b| *b != 0)) {
        write!(text, "{:06x}: {}", n * 32, hex(chunk)).unwrap();
    }
    text
}

fn unsparse(text: &str, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for line in text.lines() {
        let (at, octets) = line.split_once(": ").unwrap();
        let (at, octets) = (usize::from_str_radix(at, 16).unwrap(), unhex(octets));
        bytes[at..at + octets.len()].copy_from_slice(&octets);
    }
    bytes
}

/// A whole segment as a spool left it: its header, mails with bodies inside, changes, and one that is done.
#[tokio::test]
async fn a_segment_of_old_is_read() {
    let file = folder().join("segment.txt");
    let size = 64 * 1024;
    if !file.exists() && std::env::var_os("POSTERN_BLESS").is_some() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = open(dir.path(), &small());
        for n in 1..=3 {
            let _ = accept(&spool, n, 700).await.unwrap();
        }
        spool.record(id(1), delivered(1, 2)).await.unwrap();
        spool.record(id(2), QueueChange::Disposition(Disposition::Hold, Reason::Policy)).await.unwrap();
        spool.record(id(3), QueueChange::Done).await.unwrap();
        drop(spool);
        let path = segments(dir.path()).remove(0);
        fs::write(&file, format!("{}\n{}", path.file_name().unwrap().to_str().unwrap(), sparse(&fs::read(&path).unwrap()))).unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    let (name, content) = text.split_once('\n').unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), unsparse(content, size)).unwrap();
    let (spool, mut mails) = open(dir.path(), &small());
    mails.sort_by_key(|m| m.id);
    assert_eq!(mails.iter().map(|m| m.id).collect::<Vec<_>>(), [id(1), id(2)], "{:?}: {WHAT_TO_DO}", spool.recovery());
    assert_eq!(
        mails[0].recipients.iter().map(|r| r.status.clone()).collect::<Vec<_>>(),
        [RecipientStatus::Delivered, RecipientStatus::Pending]
    );
    assert_eq!((mails[0].recipients[0].attempts, mails[0].envelope.client.helo.as_str()), (2, "mx.example.net"));
    assert_eq!((mails[1].disposition, mails[1].reason, mails[1].subject.as_deref()), (Disposition::Hold, Reason::Policy, Some("mail 2")));
    assert!(spool.recovery().damage.is_empty(), "{:?}: {WHAT_TO_DO}", spool.recovery());
    check_body(&spool, 1, 700);
    check_body(&spool, 2, 700);
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let is_it = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("segment-"));
    let mut all: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(is_it).collect();
    all.sort();
    all
}

#[test]
fn a_quarantined_mail_of_old_is_read() {
    let body = b"Subject: kept\r\n\r\nHello.\r\n";
    let put = |dir: &Path| {
        let quarantine = Quarantine::open(dir.to_owned()).unwrap();
        let mut mail = full();
        mail.size = body.len() as u64;
        mail.hash = *blake3::hash(body).as_bytes();
        quarantine.put(&mail, body).unwrap();
        (quarantine, mail)
    };
    let dir = tempfile::tempdir().unwrap();
    let (quarantine, mail) = put(dir.path());
    let name = mail.id.to_string();
    let path = dir.path().join(&name[name.len() - 2..]).join(&name);
    let written = fs::read(&path).unwrap();
    fs::write(&path, fixture("quarantined.hex", || written)).unwrap();
    let read = quarantine.read(mail.id).unwrap_or_else(|e| panic!("{e}: {WHAT_TO_DO}"));
    assert_eq!((read.mail.clone(), read.body()), (mail, &body[..]), "{WHAT_TO_DO}");
}
