//! The installer's questions without their terminal: lines in, words out, as in [`crate::setup`].

use std::fmt::Write as _;

use super::contents::{Contents, Data};
use super::disks::Disk;
use super::layout::Layout;
use super::refusal::{Intent, refusal, unusable};
use super::words::{holds, losses, title};

/// After the installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    #[default]
    Reboot,
    PowerOff,
}

/// All that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub disk: String,
    pub intent: Intent,
    pub then: Then,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Ask,
    /// A disk may have been plugged in.
    LookAgain,
    Install(Order),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Disk,
    Fate { disk: usize },
    Then { disk: usize, intent: Intent },
    Word { disk: usize, intent: Intent, then: Then },
}

#[derive(Debug)]
pub struct Dialogue<'a> {
    disks: &'a [Disk],
    layout: &'a Layout,
    version: &'a str,
    at: At,
}

impl<'a> Dialogue<'a> {
    pub fn new(disks: &'a [Disk], layout: &'a Layout, version: &'a str) -> Self {
        Self { disks, layout, version, at: At::Disk }
    }

    /// What is said before an answer is read.
    pub fn question(&self) -> String {
        match self.at {
            At::Disk => self.list(),
            At::Fate { .. } => "Data of a Postern are on this disk. Type keep to keep its settings, keys and mails, or erase:".into(),
            At::Then { .. } => "When it is done: reboot or off; Enter for reboot:".into(),
            At::Word { disk, intent, .. } => {
                let disk = &self.disks[disk];
                format!("{}\n{}Type {} to begin; Enter goes back:", title(disk), losses(disk, intent), word(disk, intent))
            }
        }
    }

    /// # Errors
    /// What is wrong with the answer; the question stays.
    pub fn answer(&mut self, line: &str) -> Result<Next, String> {
        let line = line.trim();
        self.at = match self.at {
            At::Disk if line.is_empty() => return Ok(Next::LookAgain),
            At::Disk if self.disks.is_empty() => return Err("There is no disk to choose.".into()),
            At::Disk => {
                let number = line.parse::<usize>().ok().filter(|n| (1..=self.disks.len()).contains(n));
                let disk = number.ok_or_else(|| format!("Type a number from 1 to {}.", self.disks.len()))? - 1;
                if let Some(why) = unusable(&self.disks[disk], self.layout) {
                    return Err(format!("{} cannot be taken: {why}.", self.disks[disk].name));
                }
                match has_data(&self.disks[disk]) {
                    true => At::Fate { disk },
                    false => At::Then { disk, intent: Intent::Erase },
                }
            }
            At::Fate { disk } => {
                let intent = match line {
                    "keep" => Intent::KeepData,
                    "erase" => Intent::Erase,
                    _ => return Err("Type keep or erase.".into()),
                };
                if let Some(why) = refusal(&self.disks[disk], self.layout, intent) {
                    return Err(format!("That does not go: {why}."));
                }
                At::Then { disk, intent }
            }
            At::Then { disk, intent } => {
                let then = match line {
                    "" | "reboot" => Then::Reboot,
                    "off" => Then::PowerOff,
                    _ => return Err("Type reboot or off.".into()),
                };
                At::Word { disk, intent, then }
            }
            At::Word { .. } if line.is_empty() => At::Disk,
            At::Word { disk, intent, then } => {
                let disk = &self.disks[disk];
                if line != word(disk, intent) {
                    return Err("That is not it: nothing was changed.".into());
                }
                return Ok(Next::Install(Order { disk: disk.name.clone(), intent, then }));
            }
        };
        Ok(Next::Ask)
    }

    fn list(&self) -> String {
        let mut text = format!("Postern {} can be installed on one of these disks:\n", self.version);
        for (number, disk) in (1..).zip(self.disks) {
            let state = unusable(disk, self.layout).map_or_else(|| holds(disk), |why| format!("cannot be taken: {why}"));
            let _ = writeln!(text, "{number:>3}. {}\n     {state}", title(disk));
        }
        if self.disks.is_empty() {
            text += "     none: there is no disk, or no driver for its controller\n";
        }
        text + "Number of the disk; Enter to look again:"
    }
}

fn has_data(disk: &Disk) -> bool {
    matches!(&disk.contents, Contents::Postern(postern) if postern.data != Data::None)
}

/// It names the disk, so that nobody types it by habit.
fn word(disk: &Disk, intent: Intent) -> String {
    match intent {
        Intent::KeepData => format!("REPLACE {}", disk.name),
        Intent::Erase | Intent::Unsaid => format!("ERASE {}", disk.name),
    }
}
