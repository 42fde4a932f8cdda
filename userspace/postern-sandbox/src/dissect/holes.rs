//! What comes out of containers, as far as it may. Disk images are full of holes, and holes pack to nothing: they count as what comes out, and
//! not as what makes a bomb of it.

use std::io::{self, Read};

use super::disk;

const HOLE: usize = 4096;
const ZEROS: [u8; HOLE] = [0; HOLE];
const BUFFER: usize = 64 << 10;

pub struct Content {
    octets: Vec<u8>,
    /// Octets that may come out, an image's holes not among them, and in all.
    room: u64,
    most: u64,
    /// Of the octets before `looked`, those in holes.
    holes: u64,
    looked: usize,
    is_image: Option<bool>,
}

impl Content {
    pub fn new(room: u64, most: u64) -> Self {
        Self { octets: Vec::new(), room, most, holes: 0, looked: 0, is_image: None }
    }

    /// Takes more; `false` when there is no place for all of it.
    pub fn push(&mut self, octets: &[u8]) -> bool {
        if self.over() == 0 {
            let free = usize::try_from(self.most + 1).unwrap_or(usize::MAX).saturating_sub(self.octets.len());
            self.octets.extend_from_slice(&octets[..free.min(octets.len())]);
            self.look();
        }
        self.over() == 0
    }

    /// Octets beyond what may be.
    fn over(&self) -> u64 {
        let length = self.octets.len() as u64;
        (length - self.holes).saturating_sub(self.room).max(length.saturating_sub(self.most))
    }

    fn look(&mut self) {
        if self.over() == 0 {
            return;
        }
        let octets = &self.octets;
        if !*self.is_image.get_or_insert_with(|| disk::is_image(octets)) {
            return;
        }
        let steps = octets[self.looked..].chunks_exact(HOLE);
        self.looked = octets.len() - steps.remainder().len();
        self.holes += steps.filter(|step| **step == ZEROS).count() as u64 * HOLE as u64;
    }

    /// What came, and whether there was more.
    pub fn done(mut self) -> (Vec<u8>, bool) {
        let over = self.over();
        self.octets.truncate(self.octets.len() - usize::try_from(over).unwrap_or(0));
        (self.octets, over > 0)
    }

    /// The same with what is too much, for who looks at it once more.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.octets)
    }
}

/// Reads to the end, or as far as the content may go; and how that ended.
pub fn read(mut reader: impl Read, mut into: Content) -> (Content, io::Result<()>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return (into, Ok(())),
            Ok(length) if into.push(&buffer[..length]) => {}
            Ok(_) => return (into, Ok(())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (into, Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(octets: &[u8], room: u64, most: u64) -> (usize, bool) {
        let (content, ended) = read(octets, Content::new(room, most));
        let (content, is_more) = content.done();
        assert!(ended.is_ok() && octets.starts_with(&content));
        (content.len(), is_more)
    }

    #[test]
    fn holes_of_an_image_do_not_count_and_zeros_elsewhere_do() {
        let mut image = vec![0; 1 << 20];
        image[..8].copy_from_slice(b"vhdxfile");
        image[500_000..600_000].fill(7);
        assert_eq!(read_of(&image, 120_000, 2 << 20), (1 << 20, false));
        assert_eq!(read_of(&image, 1 << 20, 1 << 20), (1 << 20, false));
        assert_eq!(read_of(&image, 120_000, 1_000_000), (1_000_000, true), "in all");
        let (length, is_more) = read_of(&image, 50_000, 2 << 20);
        assert!(is_more && (500_000..600_000).contains(&length), "{length}");
        image[..8].copy_from_slice(b"no image");
        assert_eq!(read_of(&image, 120_000, 2 << 20), (120_000, true));
        assert_eq!(read_of(&image, 1 << 20, 2 << 20), (1 << 20, false));
    }
}
