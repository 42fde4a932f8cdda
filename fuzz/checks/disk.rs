//! Disk images of each kind, whatever stands behind what makes them one ([`super::dissect`]).

use super::dissect;

/// Where a mark stands that makes an image of the rest.
const MARKS: &[&[(usize, &[u8])]] = &[
    // FAT: its numbers are the fuzzer's, but for those without which it is none.
    &[(0, b"\xeb\x3c\x90"), (11, b"\0\x02\x01\x01\0\x01"), (21, b"\xf8"), (510, b"\x55\xaa")],
    &[(0, b"\xeb\x58\x90"), (11, b"\0\x02\x01\x20\0\x02\0\0"), (21, b"\xf8\0\0"), (510, b"\x55\xaa")],
    &[(3, b"EXFAT   "), (108, b"\x09\0"), (510, b"\x55\xaa")],
    &[(3, b"NTFS    "), (11, b"\0\x02\x01"), (510, b"\x55\xaa")],
    &[(450, b"\x06"), (510, b"\x55\xaa")],
    &[(510, b"\x55\xaa"), (512, b"EFI PART")],
    &[(0, b"conectix"), (16, b"\0\0\0\0\0\0\x02\0"), (60, b"\0\0\0\x03"), (512, b"cxsparse")],
    &[(0x8001, b"CD001")],
];

pub fn check(octets: &[u8]) {
    let Some((first, rest)) = octets.split_first() else { return };
    let mut image = rest.to_vec();
    match MARKS.get(usize::from(*first)) {
        Some(marks) => {
            for (at, mark) in *marks {
                if image.len() < at + mark.len() {
                    image.resize(at + mark.len(), 0);
                }
                image[*at..at + mark.len()].copy_from_slice(mark);
            }
        }
        // The tables of a VHDX lie far apart: each has a part of what there is.
        None if *first == 8 => image = vhdx(rest),
        None => image = octets.to_vec(),
    }
    dissect::check_deep("file.img", &image);
}

fn vhdx(octets: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 1 << 20];
    let third = octets.len() / 3;
    let (regions, rest) = octets.split_at(third.min(4096));
    let (metadata, blocks) = rest.split_at(third.min(rest.len()).min(4096));
    image[..8].copy_from_slice(b"vhdxfile");
    for (at, mark, content) in [(192 << 10, &b"regi"[..], regions), (512 << 10, b"metadata", metadata), (768 << 10, b"", blocks)] {
        let end = (at + content.len()).min(1 << 20);
        image[at..end].copy_from_slice(&content[..end - at]);
        image[at..at + mark.len()].copy_from_slice(mark);
    }
    image
}
