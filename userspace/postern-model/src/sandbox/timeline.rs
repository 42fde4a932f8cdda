//! What a script did when it was run: a list of events in their order, as its author would have had them on the receiver's machine.

use serde::{Deserialize, Serialize};

/// Octets of an event's text, and of its detail.
pub const EVENT_TEXT_MOST: usize = 300;
/// Events of a report. What comes beyond is counted by the last one ([`Action::Stopped`]).
pub const EVENTS_MOST: usize = 400;

/// One thing that a script did. Every text in it is the sender's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds on the script's own clock since it began, on which waiting takes no time.
    pub at: u32,
    /// The number of the part that holds the script.
    pub part: u32,
    pub action: Action,
    /// What was done it to: an address, a command, a path.
    pub text: String,
    /// By what, or with what.
    pub detail: String,
    /// How many times in a row.
    pub times: u32,
}

macro_rules! actions {
    ($($(#[doc = $text:literal])+ $variant:ident = $name:literal,)+) => {
        /// Every kind of event. The names are stable, and the same in the API, on the command line and in the console.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Action { $($(#[doc = $text])+ #[serde(rename = $name)] $variant,)+ }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|action| action.name() == name)
            }
        }
    };
}

actions! {
    /// A script begins.
    Begin = "begin",
    /// Text became script: a layer of its wrapping.
    Layer = "layer",
    /// It makes an object of the system.
    Object = "object",
    /// It uses one that nothing more is known of.
    Call = "call",
    /// It asks about the machine or its user.
    Ask = "ask",
    /// It would wait; the wait was skipped.
    Wait = "wait",
    /// It loads from the network, or sends to it.
    Load = "load",
    /// It goes to another page.
    Go = "go",
    /// It writes a file.
    Write = "write",
    /// It reads a file.
    Read = "read",
    /// It deletes, copies or moves a file.
    Move = "move",
    /// It reads or writes the registry.
    Registry = "registry",
    /// It arranges to be started again.
    Persist = "persist",
    /// It starts a program.
    Start = "start",
    /// A command line in it was decoded.
    Decoded = "decoded",
    /// It shows the reader something.
    Show = "show",
    /// It writes into its page.
    Page = "page",
    /// It hands the reader a file.
    HandOver = "hand-over",
    /// An error that ended it, or a part of it.
    Error = "error",
    /// It was ended: too many steps, too much time or memory, or too many events.
    Stopped = "stopped",
    /// It ended.
    End = "end",
    /// A program asked for the address of a name.
    Resolve = "resolve",
    /// A program connected to an address, or sent something there.
    Connect = "connect",
    /// A program made a call that is refused in a cell.
    Refused = "refused",
}

impl Event {
    #[must_use]
    pub fn new(at: u32, part: u32, action: Action, text: &str, detail: &str) -> Self {
        Self { at, part, action, text: short(text), detail: short(detail), times: 1 }
    }

    /// The host of the address it loads from or goes to.
    #[must_use]
    pub fn contacted(&self) -> Option<&str> {
        matches!(self.action, Action::Load | Action::Go).then(|| host(&self.text)).flatten()
    }
}

/// `https://user@Evil.example:8080/x` → `Evil.example`.
fn host(address: &str) -> Option<&str> {
    // Behind the method: `GET https://…`.
    let address = address.split_whitespace().find(|word| word.contains("://") || word.starts_with("\\\\"))?;
    let rest = address.split_once("://").map_or_else(|| address.trim_start_matches('\\'), |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let name = authority.rsplit('@').next()?;
    let name = match name.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => name.split(':').next()?,
    };
    (!name.is_empty()).then_some(name)
}

fn short(text: &str) -> String {
    let clean: String = text.chars().take(EVENT_TEXT_MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut end = EVENT_TEXT_MOST.min(clean.len());
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    clean[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address() {
        for (text, name) in [
            ("GET https://evil.example/a.exe", Some("evil.example")),
            ("http://user:word@192.0.2.7:8080/x?http://other/", Some("192.0.2.7")),
            ("https://[2001:db8::1]:443/", Some("2001:db8::1")),
            ("\\\\files.example\\share\\x", Some("files.example")),
            ("page.html", None),
            ("https:///", None),
        ] {
            assert_eq!(Event::new(0, 0, Action::Load, text, "").contacted(), name, "{text}");
        }
        assert_eq!(Event::new(0, 0, Action::Start, "https://evil.example/", "").contacted(), None);
    }

    #[test]
    fn texts_are_short_and_plain() {
        let event = Event::new(0, 0, Action::Show, &"ä\n".repeat(900), "");
        assert!(event.text.len() <= EVENT_TEXT_MOST && !event.text.contains('\n'));
    }

    #[test]
    fn names_lead_back() {
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(*action));
        }
    }
}
