//! The initramfs as an archive of the kind `newc` (Documentation/driver-api/early-userspace/buffer-format.rst): cpio(1) would take
//! inode numbers and times of this machine into it.

use std::io::{self, Write};

const MAGIC: &str = "070701";
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

pub struct Archive<W> {
    out: W,
    written: usize,
    inode: u32,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W) -> Self {
        Self { out, written: 0, inode: 0 }
    }

    /// # Errors
    /// What the writer says.
    pub fn folder(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, FOLDER | 0o755, &[])
    }

    /// # Errors
    /// What the writer says.
    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entry(name, FILE | mode, content)
    }

    /// # Errors
    /// What the writer says.
    pub fn finish(mut self) -> io::Result<W> {
        self.inode = 0;
        self.header("TRAILER!!!", 0, 0, 0)?;
        self.put(b"TRAILER!!!\0")?;
        self.align()?;
        Ok(self.out)
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.inode += 1;
        let size = u32::try_from(content.len()).map_err(|_| io::Error::other(format!("{name} is too large for an initramfs")))?;
        self.header(name, mode, size, self.inode)?;
        self.put(name.as_bytes())?;
        self.put(&[0])?;
        self.align()?;
        self.put(content)?;
        self.align()
    }

    fn header(&mut self, name: &str, mode: u32, size: u32, inode: u32) -> io::Result<()> {
        let name_size = name.len() as u32 + 1;
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        let text: String = fields.iter().map(|f| format!("{f:08x}")).collect();
        self.put(format!("{MAGIC}{text}").as_bytes())
    }

    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.written += octets.len();
        self.out.write_all(octets)
    }

    fn align(&mut self) -> io::Result<()> {
        let gap = self.written.next_multiple_of(4) - self.written;
        self.put(&[0; 4][..gap])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn cpio_reads_it() {
        let mut archive = Archive::new(Vec::new());
        archive.folder("modules").unwrap();
        archive.file("modules/list", 0o644, b"a\nb\n").unwrap();
        archive.file("init", 0o755, b"x").unwrap();
        let octets = archive.finish().unwrap();
        assert_eq!(octets.len() % 4, 0);
        let Ok(mut cpio) = Command::new("cpio").args(["-itv", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            println!("skipped: cpio is not here");
            return;
        };
        cpio.stdin.take().unwrap().write_all(&octets).unwrap();
        let said = String::from_utf8(cpio.wait_with_output().unwrap().stdout).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with("drwxr-xr-x") && lines[0].ends_with("modules"), "{said}");
        assert!(lines[2].starts_with("-rwxr-xr-x") && lines[2].ends_with("init"), "{said}");
    }
}
