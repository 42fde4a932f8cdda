//! Defects of the mail's lines as a whole (RFC 5322 §2.1, §2.3), in two fast passes.

use memchr::{memchr, memchr_iter};

use super::Reader;
use crate::message::DefectKind;

/// RFC 5322 §2.1.1, without the line end.
const MAX_LINE: usize = 998;

pub(super) fn inspect(mail: &[u8], reader: &mut Reader<'_>) {
    if let Some(at) = memchr(0, mail) {
        reader.defect(DefectKind::NulOctet, 0, &format!("octet {at}"));
    }
    let mut with_cr = 0usize;
    let mut without_cr = 0usize;
    let mut first_bare = None;
    let mut longest = (0usize, 0usize);
    let mut start = 0;
    for at in memchr_iter(b'\n', mail) {
        let has_cr = at > start && mail[at - 1] == b'\r';
        if has_cr {
            with_cr += 1;
        } else {
            without_cr += 1;
            first_bare.get_or_insert(at);
        }
        let len = at - start - usize::from(has_cr);
        if len > longest.0 {
            longest = (len, start);
        }
        start = at + 1;
    }
    if mail.len() - start > longest.0 {
        longest = (mail.len() - start, start);
    }
    if longest.0 > MAX_LINE {
        reader.defect(DefectKind::LongLine, 0, &format!("{} octets in the line at octet {}", longest.0, longest.1));
    }
    // A file with LF everywhere is a mail that was stored; a mixture is a mail that was bent.
    if let (Some(at), true) = (first_bare, with_cr > 0) {
        reader.defect(DefectKind::BareNewline, 0, &format!("{without_cr} bare LF, the first at octet {at}"));
    }
    let lone_cr = memchr_iter(b'\r', mail).find(|i| mail.get(i + 1) != Some(&b'\n'));
    if let Some(at) = lone_cr {
        reader.defect(DefectKind::BareNewline, 0, &format!("bare CR at octet {at}"));
    }
}
