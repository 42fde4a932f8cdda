//! machine-id(5): made once from the kernel's random numbers, kept on the data partition, and there before systemd asks for it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

const KEPT: &str = "var/lib/postern-os/machine-id";

pub fn write(root: &Path) -> io::Result<()> {
    let kept = root.join(KEPT);
    let id = match fs::read_to_string(&kept) {
        Ok(text) if is_valid(text.trim()) => text.trim().to_owned(),
        _ => {
            let id = fresh()?;
            if let Some(folder) = kept.parent() {
                fs::create_dir_all(folder)?;
            }
            let beside = kept.with_extension("new");
            let mut file = fs::File::create(&beside)?;
            file.write_all(format!("{id}\n").as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &kept)?;
            id
        }
    };
    fs::write(root.join("etc/machine-id"), format!("{id}\n"))
}

fn is_valid(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|o| o.is_ascii_digit() || (b'a'..=b'f').contains(&o)) && id.bytes().any(|o| o != b'0')
}

/// A version 4 UUID without its dashes, as systemd makes it.
fn fresh() -> io::Result<String> {
    let mut octets = [0_u8; 16];
    // SAFETY: the kernel writes at most `len` octets into our array. It waits until its generator is seeded, which
    // /dev/urandom does not: two machines that start from one image must not be the same.
    if unsafe { libc::getrandom(octets.as_mut_ptr().cast(), octets.len(), 0) } != 16 {
        return Err(io::Error::last_os_error());
    }
    octets[6] = octets[6] & 0x0f | 0x40;
    octets[8] = octets[8] & 0x3f | 0x80;
    Ok(octets.iter().map(|o| format!("{o:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_made_once() {
        let root = std::env::temp_dir().join(format!("postern-machine-id-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        let read = || fs::read_to_string(root.join("etc/machine-id")).unwrap();
        write(&root).unwrap();
        let first = read();
        assert!(is_valid(first.trim()), "{first}");
        write(&root).unwrap();
        assert_eq!(read(), first);
        fs::write(root.join(KEPT), "00000000000000000000000000000000\n").unwrap();
        write(&root).unwrap();
        assert!(read() != first && is_valid(read().trim()));
        fs::remove_dir_all(root).unwrap();
    }
}
