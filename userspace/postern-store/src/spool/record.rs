//! The form of a segment on disk: one segment header, then records, each a 64-octet header, meta data and body.
//!
//! A record header carries the random tag of its segment. So neither the rest of an earlier life of a recycled
//! file nor a forged record inside a mail's body (its sender cannot know the tag) is ever taken for a record.

use postern_model::id::MailId;
use serde::de::DeserializeOwned;

/// The first octets of a segment. The digit is the version: it changes with the form of the records,
/// and with the postcard form of `QueuedMail` and `QueueChange`, which `tests/spool_format.rs` pins.
const MAGIC: [u8; 8] = *b"PSPOOL1\n";

/// Records start here. The header is there twice (at 0 and at 2048), for one bad sector must not cost a segment.
pub(super) const SEGMENT_HEADER: u64 = 4096;
pub(super) const HEADER_COPIES: [u64; 2] = [0, 2048];
const SEGMENT_FIELDS: usize = 24;

/// Octets of a record's header.
pub(super) const HEADER: usize = 64;

/// In front of a mail's postcard: BLAKE3 of the body, and its size.
pub(super) const MAIL_PREFIX: usize = 40;

/// Ends each record's meta data: the number of the last note ([`super::jottings`]) when it was queued; of a mail that was moved,
/// of the last one worked in. Segments from before there were jottings have none.
pub(super) const NOTE: usize = 8;

/// What a mail's or change's meta data hold: the postcard, and the note's number behind it.
pub(super) fn decode_meta<T: DeserializeOwned>(meta: &[u8]) -> Result<(T, u64), postcard::Error> {
    let (value, rest) = postcard::take_from_bytes(meta)?;
    Ok((value, rest.try_into().map_or(0, u64::from_le_bytes)))
}

pub(super) fn encode_segment_header(number: u32, tag: u64) -> [u8; SEGMENT_FIELDS] {
    let mut out = [0; SEGMENT_FIELDS];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&number.to_le_bytes());
    out[12..20].copy_from_slice(&tag.to_le_bytes());
    let sum = crc32c::crc32c(&out[..20]);
    out[20..].copy_from_slice(&sum.to_le_bytes());
    out
}

/// Number and tag of a segment from the first `SEGMENT_HEADER` octets of its file.
pub(super) fn decode_segment_header(block: &[u8]) -> Option<(u32, u64)> {
    HEADER_COPIES.iter().find_map(|at| {
        let fields = block.get(usize::try_from(*at).ok()?..)?.get(..SEGMENT_FIELDS)?;
        let good = fields[..8] == MAGIC && crc32c::crc32c(&fields[..20]) == u32_at(fields, 20);
        good.then(|| (u32_at(fields, 8), u64_at(fields, 12)))
    })
}

/// Where a record starts. Segments are numbered from 1, so the default is no place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub segment: u32,
    pub offset: u32,
}

impl Place {
    pub const NONE: Self = Self { segment: 0, offset: 0 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A mail with its body, or with its body in a file of its own. A later one replaces an earlier one of the same id.
    Mail,
    /// A change; `previous` is the change before it of the same mail.
    Change,
    /// The mail is done.
    Done,
    /// Nothing in segment `previous.segment` from `previous.offset` on is to be believed: its sync failed.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    /// The body is a file beside the segments.
    pub external: bool,
    pub id: MailId,
    /// Records of one batch share one sync; batch n is written after batch n-1 was synced.
    pub batch: u64,
    pub previous: Place,
    pub meta_len: u32,
    pub meta_sum: u32,
    pub body_len: u32,
    pub body_sum: u32,
}

impl Header {
    pub fn encode(&self, tag: u64) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..8].copy_from_slice(&tag.to_le_bytes());
        out[12] = match self.kind {
            Kind::Mail => 1,
            Kind::Change => 2,
            Kind::Done => 3,
            Kind::Cut => 4,
        };
        out[13] = u8::from(self.external);
        out[16..20].copy_from_slice(&self.meta_sum.to_le_bytes());
        out[20..24].copy_from_slice(&self.body_sum.to_le_bytes());
        out[24..28].copy_from_slice(&self.meta_len.to_le_bytes());
        out[28..32].copy_from_slice(&self.body_len.to_le_bytes());
        out[32..48].copy_from_slice(&self.id.to_bytes());
        out[48..56].copy_from_slice(&self.batch.to_le_bytes());
        out[56..60].copy_from_slice(&self.previous.segment.to_le_bytes());
        out[60..64].copy_from_slice(&self.previous.offset.to_le_bytes());
        let sum = header_sum(&out);
        out[8..12].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header, when it is whole and of the segment with this tag.
    pub fn decode(bytes: &[u8], tag: u64) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
        if u64_at(bytes, 0) != tag || u32_at(bytes, 8) != header_sum(bytes) {
            return None;
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[32..48]);
        Some(Self {
            kind: match bytes[12] {
                1 => Kind::Mail,
                2 => Kind::Change,
                3 => Kind::Done,
                4 => Kind::Cut,
                _ => return None,
            },
            external: bytes[13] != 0,
            id: MailId::from_bytes(id),
            batch: u64_at(bytes, 48),
            previous: Place { segment: u32_at(bytes, 56), offset: u32_at(bytes, 60) },
            meta_len: u32_at(bytes, 24),
            meta_sum: u32_at(bytes, 16),
            body_len: u32_at(bytes, 28),
            body_sum: u32_at(bytes, 20),
        })
    }

    /// Octets of the record itself; up to seven that mean nothing follow.
    pub fn length(&self) -> u64 {
        HEADER as u64 + u64::from(self.meta_len) + u64::from(self.body_len)
    }

    /// Octets from this record's start to the next one's.
    pub fn extent(&self) -> u64 {
        extent(self.meta_len, self.body_len)
    }
}

/// Records start at multiples of 8, so that a search after damage is quick.
pub(super) fn extent(meta_len: u32, body_len: u32) -> u64 {
    (HEADER as u64 + u64::from(meta_len) + u64::from(body_len)).next_multiple_of(8)
}

fn header_sum(header: &[u8; HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..8]), &header[12..])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_model::time::Timestamp;

    #[test]
    fn a_header_reads_back_and_no_flipped_bit_goes_unseen() {
        let header = Header {
            kind: Kind::Change,
            external: true,
            id: MailId::new(Timestamp(77), 5),
            batch: 9,
            previous: Place { segment: 3, offset: 4096 },
            meta_len: 11,
            meta_sum: 12,
            body_len: 13,
            body_sum: 14,
        };
        let bytes = header.encode(0xfeed);
        assert_eq!(Header::decode(&bytes, 0xfeed), Some(header));
        assert_eq!(Header::decode(&bytes, 0xfeee), None, "another segment's");
        for bit in 0..HEADER * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            // Octets 14 and 15 are unused but summed as well.
            assert_eq!(Header::decode(&bad, 0xfeed), None, "bit {bit}");
        }
    }

    #[test]
    fn a_segment_header_survives_the_loss_of_one_copy() {
        let mut block = vec![0; 4096];
        for at in HEADER_COPIES {
            let at = usize::try_from(at).unwrap_or_default();
            block[at..at + SEGMENT_FIELDS].copy_from_slice(&encode_segment_header(7, 99));
        }
        assert_eq!(decode_segment_header(&block), Some((7, 99)));
        block[3] ^= 1;
        assert_eq!(decode_segment_header(&block), Some((7, 99)));
        block[2060] ^= 1;
        assert_eq!(decode_segment_header(&block), None);
        assert_eq!(decode_segment_header(&block[..100]), None);
    }
}
