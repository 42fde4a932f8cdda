//! Where the partitions of an appliance's disk lie. The medium says it, in the script that its own disk image was made by
//! (`image/boot/partitions.sfdisk`): there is no second list of numbers that could differ from it.

use uuid::Uuid;

use super::gpt::SECTOR;

/// How the partitions are called, in their order on the disk.
pub const NAMES: [&str; 7] = ["bios", "esp", "boot-a", "root-a", "boot-b", "root-b", "data"];
/// The first MiB belongs to the table and the boot code.
const FIRST: u64 = 2048;
/// Sectors in a MiB: partitions begin and end at full ones.
pub const MEBIBYTE: u64 = (1 << 20) / SECTOR;
/// Two slots, and data in which a spool, a log and a database have room (docs/how-to/appliance.md).
pub const SMALLEST: u64 = 2 << 30;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: &'static str,
    pub kind: Uuid,
    /// In sectors, as the size.
    pub start: u64,
    pub size: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// One for each of [`NAMES`].
    places: [Place; 7],
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLayout {
    #[error("line {line}: {what}")]
    Line { line: usize, what: String },
    #[error("the partitions are not {}", NAMES.join(", "))]
    Names,
    #[error("partition `{0}` begins before the one above it ends")]
    Overlap(&'static str),
}

impl Layout {
    /// # Errors
    /// When it is no script as the builder's, or its partitions are not those of an appliance.
    pub fn parse(script: &str) -> Result<Self, BadLayout> {
        let mut places = Vec::new();
        for (at, line) in script.lines().enumerate() {
            if line.starts_with("start=") {
                let name = NAMES.get(places.len()).ok_or(BadLayout::Names)?;
                let (found, place) = place(line, name).map_err(|what| BadLayout::Line { line: at + 1, what })?;
                if found != *name {
                    return Err(BadLayout::Names);
                }
                places.push(place);
            }
        }
        let mut free = FIRST;
        for place in &places {
            if place.start < free || place.size == 0 {
                return Err(BadLayout::Overlap(place.name));
            }
            free = place.start.saturating_add(place.size);
        }
        Ok(Self { places: places.try_into().map_err(|_| BadLayout::Names)? })
    }

    pub fn places(&self) -> &[Place] {
        &self.places
    }

    pub fn place(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|p| p.name == name)
    }

    /// The last one: the only one whose size depends on the disk.
    pub fn data(&self) -> &Place {
        &self.places[6]
    }

    /// Octets that a disk needs.
    pub fn smallest_disk(&self) -> u64 {
        let data = self.data();
        // Behind it one MiB for the copy of the table.
        SMALLEST.max((data.start.saturating_add(data.size).saturating_add(MEBIBYTE)).saturating_mul(SECTOR))
    }
}

fn place(line: &str, name: &'static str) -> Result<(String, Place), String> {
    let field = |key: &str| {
        let found = line.split(',').find_map(|f| f.trim().strip_prefix(key)?.strip_prefix('='));
        found.map(|v| v.trim().trim_matches('"')).ok_or_else(|| format!("no {key}="))
    };
    let number = |key: &str| field(key)?.parse::<u64>().map_err(|e| format!("{key}: {e}"));
    let kind = field("type")?.parse::<Uuid>().map_err(|e| format!("type: {e}"))?;
    Ok((field("name")?.to_owned(), Place { name, kind, start: number("start")?, size: number("size")? }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SCRIPT: &str = include_str!("../../../../image/boot/partitions.sfdisk");

    #[test]
    fn the_builders_script_is_understood() {
        let layout = Layout::parse(SCRIPT).unwrap();
        assert_eq!(layout.places().iter().map(|p| p.name).collect::<Vec<_>>(), NAMES);
        assert_eq!(layout.place("esp").unwrap().kind.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!((layout.data().start, layout.smallest_disk()), (2_232_320, 2 << 30));
    }

    #[test]
    fn another_one_is_refused() {
        let said = |from: &str, to: &str| Layout::parse(&SCRIPT.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(said("\"root-b\"", "\"root-c\"").contains("bios, esp"));
        assert!(said("start=266240", "start=266239").contains("`boot-a` begins before"));
        assert!(said("start=2048", "start=1").contains("`bios` begins before"));
        assert!(said("size=196608", "size=many").contains("line 8: size"));
        assert!(said("type=21686148-", "type=").contains("type"));
        assert_eq!(Layout::parse("label: gpt\n"), Err(BadLayout::Names));
        assert_eq!(
            Layout::parse(&format!("{SCRIPT}start=9999999, size=1, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=\"more\"\n")),
            Err(BadLayout::Names)
        );
    }
}
