//! The two slots and how often each may still be tried. The boot loader takes one try before each start (`image/boot/grub.cfg`);
//! a start that became healthy gives them back.
//!
//! A slot that was just written is on trial (`trial` in the environment; the boot loader does not read it): when its system does not
//! become healthy it gives up by itself, which a slot that was good once never does. So a full disk is no reason to restart for ever.

use std::fmt;
use std::str::FromStr;

use crate::grubenv::Environment;

const TRIAL: &str = "trial";

/// Starts without good health until the other slot is taken.
pub const TRIES: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    A,
    B,
}

impl Slot {
    pub fn other(self) -> Self {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }

    fn tries(self) -> &'static str {
        match self {
            Slot::A => "a_tries",
            Slot::B => "b_tries",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Slot::A => "a",
            Slot::B => "b",
        })
    }
}

impl FromStr for Slot {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "a" => Ok(Slot::A),
            "b" => Ok(Slot::B),
            _ => Err(()),
        }
    }
}

/// What stands in a slot, as the boot loader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Empty,
    /// So many tries are left; none: it did not become healthy.
    Tries(u8),
}

/// The boot loader's environment about slots; a broken one is a fresh one in which only the running slot holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    environment: Environment,
}

impl Slots {
    /// `running` is the slot of this boot.
    pub fn new(environment: Option<Environment>, running: Slot) -> Self {
        let mut environment = environment.unwrap_or_default();
        if environment.get("slot").and_then(|s| s.parse::<Slot>().ok()).is_none() {
            environment.set("slot", &running.to_string());
        }
        for slot in [Slot::A, Slot::B] {
            if environment.get(slot.tries()).is_none() {
                // What the other holds nobody knows: it is not started by itself.
                environment.set(slot.tries(), if slot == running { "3" } else { "-" });
            }
        }
        Self { environment }
    }

    pub fn wanted(&self) -> Slot {
        self.environment.get("slot").and_then(|s| s.parse().ok()).unwrap_or(Slot::A)
    }

    pub fn state(&self, slot: Slot) -> State {
        self.environment.get(slot.tries()).and_then(|t| t.parse().ok()).map_or(State::Empty, State::Tries)
    }

    /// The slot that has yet to show that it is good.
    pub fn trial(&self) -> Option<Slot> {
        self.environment.get(TRIAL)?.parse().ok()
    }

    /// The running slot is good: all its tries again, and it is the wanted one from now on. A slot that was wanted and did not
    /// become healthy stays without tries, so nothing starts it again but a person or the next update.
    pub fn mark_good(&mut self, running: Slot) {
        if let Some(failed) = self.trial().filter(|t| *t != running) {
            self.environment.set(failed.tries(), "0");
        }
        self.environment.set(running.tries(), &TRIES.to_string());
        self.environment.set("slot", &running.to_string());
        self.environment.set(TRIAL, "none");
    }

    /// Before a slot is written: the boot loader does not start it, however little of it is there.
    pub fn clear(&mut self, slot: Slot) {
        self.environment.set(slot.tries(), "-");
        self.environment.set("slot", &slot.other().to_string());
        self.environment.set(TRIAL, "none");
    }

    /// The next start is that of this slot, on trial.
    pub fn arm(&mut self, slot: Slot) {
        self.environment.set(slot.tries(), &TRIES.to_string());
        self.environment.set("slot", &slot.to_string());
        self.environment.set(TRIAL, &slot.to_string());
    }

    /// The running slot was on trial and is not healthy: the next start is that of the other one. False, and nothing changed, when
    /// it was not on trial or there is no other.
    pub fn give_up(&mut self, running: Slot) -> bool {
        if self.trial() != Some(running) || self.state(running.other()) == State::Empty {
            return false;
        }
        self.environment.set(running.tries(), "0");
        self.environment.set(running.other().tries(), &TRIES.to_string());
        self.environment.set("slot", &running.other().to_string());
        true
    }

    /// The boot loader hands it to postern-init once, which makes the data partition anew.
    pub fn reset_at_next_start(&mut self) {
        self.environment.set("reset", "factory");
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(values: &[(&str, &str)], running: Slot) -> Slots {
        let mut environment = Environment::default();
        for (name, value) in values {
            environment.set(name, value);
        }
        Slots::new(Some(environment), running)
    }

    #[test]
    fn a_good_start_gives_the_tries_back() {
        let mut fresh = slots(&[("slot", "a"), ("a_tries", "2"), ("b_tries", "-")], Slot::A);
        fresh.mark_good(Slot::A);
        assert_eq!((fresh.wanted(), fresh.state(Slot::A), fresh.state(Slot::B)), (Slot::A, State::Tries(3), State::Empty));
    }

    #[test]
    fn after_a_fall_back_the_old_slot_is_wanted_and_the_bad_one_is_left_alone() {
        let mut fallen = slots(&[("slot", "b"), ("a_tries", "2"), ("b_tries", "0")], Slot::A);
        fallen.mark_good(Slot::A);
        assert_eq!((fallen.wanted(), fallen.state(Slot::A), fallen.state(Slot::B)), (Slot::A, State::Tries(3), State::Tries(0)));
    }

    #[test]
    fn an_update_on_trial() {
        let running = Slot::A;
        let mut updated = slots(&[("slot", "a"), ("a_tries", "3"), ("b_tries", "3")], running);
        updated.clear(Slot::B);
        assert_eq!((updated.wanted(), updated.state(Slot::B)), (Slot::A, State::Empty), "while it is written");
        updated.arm(Slot::B);
        assert_eq!((updated.wanted(), updated.state(Slot::B), updated.trial()), (Slot::B, State::Tries(3), Some(Slot::B)));

        let mut good = updated.clone();
        good.mark_good(Slot::B);
        assert_eq!((good.wanted(), good.state(Slot::A), good.trial()), (Slot::B, State::Tries(3), None));
        assert!(!good.give_up(Slot::B), "who was good once stays, whatever happens");

        let mut bad = updated.clone();
        assert!(bad.give_up(Slot::B));
        assert_eq!((bad.wanted(), bad.state(Slot::A), bad.state(Slot::B)), (Slot::A, State::Tries(3), State::Tries(0)));
        // Its system never came so far as to say anything, and the boot loader took the other.
        let mut silent = updated;
        silent.mark_good(Slot::A);
        assert_eq!((silent.wanted(), silent.state(Slot::B), silent.trial()), (Slot::A, State::Tries(0), None));
    }

    #[test]
    fn there_must_be_another_slot_to_give_up_for() {
        let mut only = slots(&[("slot", "a"), ("a_tries", "1"), ("b_tries", "-"), ("trial", "a")], Slot::A);
        assert!(!only.give_up(Slot::A));
        assert_eq!(only.wanted(), Slot::A);
    }

    #[test]
    fn a_broken_environment_is_that_of_the_running_slot() {
        let mut lost = Slots::new(None, Slot::B);
        assert_eq!((lost.wanted(), lost.state(Slot::A), lost.state(Slot::B)), (Slot::B, State::Empty, State::Tries(3)));
        lost.mark_good(Slot::B);
        assert_eq!(lost.wanted().other(), Slot::A);
    }
}
