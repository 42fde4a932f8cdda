//! Slides of the old form (MS-PPT 2.1.2, 2.3.7): each object of the document is encrypted for itself, by its number.

use super::{DOCUMENT, Lock, Why, rc4};
use crate::dissect::octets::number;
use crate::dissect::office::powerpoint::{CURRENT_USER, DOCUMENT as STREAM, Edits, HEAD, IS_ENCRYPTED, IS_PLAIN, Record, TOKEN};

/// The container that says how (MS-PPT 2.3.7), which is not encrypted itself.
const CRYPT_SESSION: u64 = 0x2f14;

pub struct Streams {
    current_user: Vec<u8>,
    document: Vec<u8>,
    edits: Edits,
}

impl Streams {
    /// `None` where it is not encrypted.
    pub fn locked(stream: &mut impl FnMut(&str) -> Option<Vec<u8>>) -> Option<Result<(Self, Lock), Why>> {
        let (current_user, document) = (stream(CURRENT_USER)?, stream(STREAM)?);
        let edits = Edits::read(&current_user, &document);
        if edits.session.is_none() && number(&current_user, TOKEN, 4) != Some(IS_ENCRYPTED) {
            return None;
        }
        let session = edits.session.and_then(|(_, id)| edits.objects.get(&id));
        let session = session.and_then(|at| Record::at(&document, *at)).filter(|record| record.kind == CRYPT_SESSION);
        let Some(session) = session else {
            return Some(Err(format!("{DOCUMENT} that does not say how it is encrypted")));
        };
        let lock = rc4::Lock::read(document.get(session.data).unwrap_or_default()).map(Lock::Rc4);
        Some(lock.map(|lock| (Self { current_user, document, edits }, lock)))
    }

    pub fn decrypted(&self, key: &rc4::Key) -> Option<Vec<(&'static str, Vec<u8>)>> {
        let mut document = self.document.clone();
        // Objects do not lie in each other: who says so wants to see how long that takes.
        let mut left = document.len();
        for (id, at) in &self.edits.objects {
            let Some(head) = self.document.get(*at..).and_then(<[u8]>::first_chunk::<HEAD>) else { continue };
            if number(head, 2, 2) == Some(CRYPT_SESSION) {
                continue;
            }
            // How long it is says its head, which is encrypted, too.
            let mut head = *head;
            key.apply(*id, &mut head)?;
            let length = usize::try_from(number(&head, 4, 4)?).ok()?.saturating_add(HEAD);
            let end = at.saturating_add(length.min(left)).min(document.len());
            let (Some(from), Some(into)) = (self.document.get(*at..end), document.get_mut(*at..end)) else { continue };
            left -= from.len();
            into.copy_from_slice(from);
            key.apply(*id, into)?;
        }
        if let Some((at, _)) = self.edits.session {
            document.get_mut(at..at + 4)?.fill(0);
        }
        let mut current_user = self.current_user.clone();
        current_user.get_mut(TOKEN as usize..TOKEN as usize + 4)?.copy_from_slice(&(IS_PLAIN as u32).to_le_bytes());
        Some(vec![(CURRENT_USER, current_user), (STREAM, document)])
    }
}
