//! BDAT (RFC 3030): content in chunks of a given length.
//!
//! A chunk's octets are always read over, even when the chunk is refused: else what it holds would be
//! taken for commands. A length that can't be read ends the session for the same reason.

use std::sync::Arc;

use postern_model::envelope::BodyType;
use postern_model::reason::Reason;

use super::action::{Action, Ending, Question, Refused};
use super::content::{Form, Incoming};
use super::machine::{Asked, Chunk, HOPELESS_DATA, Server, State};
use super::text::Piece;

/// `n` or `n LAST`.
fn parse(argument: &str) -> Option<(u64, bool)> {
    let mut words = argument.split_ascii_whitespace();
    let size = words.next().filter(|w| w.len() <= 20 && w.bytes().all(|b| b.is_ascii_digit()))?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return None,
    };
    if words.next().is_some() { None } else { size.parse().ok().map(|size| (size, last)) }
}

impl Server {
    pub(super) fn bdat(&mut self, argument: &str) {
        let Some((size, last)) = parse(argument) else {
            self.say(501, "5.5.4", "BDAT takes a number of octets, and LAST");
            return self.close(Ending::Garbled);
        };
        let so_far = self.transaction.as_ref().and_then(|t| t.incoming.as_ref()).map_or(0, Incoming::size);
        let most = self.config.limits.max_message_size.saturating_mul(2).saturating_add(HOPELESS_DATA);
        if so_far.saturating_add(size) > most {
            return self.refuse(&Refused { close: true, ..Refused::of(Reason::TooLarge) });
        }
        let misplaced = match &self.transaction {
            None => Some((503, "5.5.1", "say MAIL first")),
            Some(t) if t.recipients == 0 => Some((554, "5.5.1", "no valid recipients")),
            Some(_) => None,
        };
        let chunk = Chunk { size, left: size, last, misplaced };
        let begun = self.transaction.as_ref().is_some_and(|t| t.incoming.is_some());
        if misplaced.is_some() || begun {
            self.state = State::Chunk(chunk);
        } else {
            self.ask(Asked::Chunk(chunk), Question::Body);
        }
    }

    /// The caller answered the question for a place to put the body.
    pub(super) fn begin_chunks(&mut self, chunk: Chunk, refused: Option<Refused>) {
        if let Some(transaction) = &mut self.transaction {
            let mut incoming = if transaction.body == BodyType::BinaryMime { Incoming::binary() } else { Incoming::chunks() };
            incoming.refused = refused;
            transaction.incoming = Some(incoming);
        }
        self.state = State::Chunk(chunk);
    }

    pub(super) fn read_chunk<'a>(&mut self, input: &mut &'a [u8]) -> Option<Action<'a>> {
        let config = Arc::clone(&self.config);
        let State::Chunk(chunk) = &mut self.state else { return None };
        if chunk.left == 0 {
            let chunk = *chunk;
            return self.chunk_is_whole(chunk);
        }
        let here = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(input.len());
        if here == 0 {
            return Some(Action::Read);
        }
        let (octets, rest) = input.split_at(here);
        let incoming = self.transaction.as_mut().and_then(|t| t.incoming.as_mut()).filter(|_| chunk.misplaced.is_none());
        let Some(incoming) = incoming else {
            *input = rest;
            chunk.left -= here as u64;
            return None;
        };
        if incoming.refused.is_some() {
            *input = rest;
            chunk.left -= here as u64;
            incoming.skip(here);
            return None;
        }
        let run = match &mut incoming.form {
            Form::Binary => {
                *input = rest;
                chunk.left -= here as u64;
                octets
            }
            Form::Text(text) => {
                let mut left = octets;
                let piece = text.take(&mut left);
                let used = here - left.len();
                *input = &input[used..];
                chunk.left -= used as u64;
                match piece {
                    Piece::Run(run) => run,
                    Piece::More | Piece::End => return None,
                }
            }
        };
        if incoming.see(run, &config.limits, config.newlines) {
            return Some(Action::Body(run));
        }
        self.forgotten = Some(incoming.refused.as_ref().map(|r| r.reason));
        None
    }

    fn chunk_is_whole<'a>(&mut self, chunk: Chunk) -> Option<Action<'a>> {
        let config = Arc::clone(&self.config);
        if let Some((code, enhanced, text)) = chunk.misplaced {
            self.state = State::Command;
            self.error(code, enhanced, text);
            return None;
        }
        let incoming = self.transaction.as_mut().and_then(|t| t.incoming.as_mut());
        if let Some(incoming) = incoming {
            if chunk.last
                && incoming.refused.is_none()
                && let Form::Text(text) = &mut incoming.form
            {
                let held = text.finish();
                if !held.is_empty() {
                    if incoming.see(held, &config.limits, config.newlines) {
                        // Comes back here, with nothing held any more.
                        return Some(Action::Body(held));
                    }
                    self.forgotten = Some(incoming.refused.as_ref().map(|r| r.reason));
                }
            }
            if let Some(refused) = incoming.refused.clone().filter(|_| !chunk.last) {
                // Said again for each chunk a pipelining client has still under way.
                let first = !std::mem::replace(&mut incoming.counted, true);
                self.state = State::Command;
                self.refuse(&refused);
                if first {
                    self.count_error();
                }
                return None;
            }
        }
        self.state = State::Command;
        if chunk.last {
            self.content_is_whole();
        } else {
            let text = format!("{} octets received", chunk.size);
            self.say(250, "2.0.0", &text);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(parse("0"), Some((0, false)));
        assert_eq!(parse("100 last"), Some((100, true)));
        for text in ["", "LAST", "-1", "+1", "0x10", "1 FIRST", "1 LAST LAST", "1LAST", "99999999999999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
