//! Reads a whole backup as a restore does, and puts nothing anywhere.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::archive::{self, ReadError, Sink};
use crate::lock::Key;
use crate::manifest::{Head, Member};

/// Verifies every octet. `scratch` is a folder for the list of members meanwhile (a file without a name). `tell` is called for each member
/// that is as its manifest says. Blocks.
///
/// # Errors
/// For whatever a restore would refuse, but for two members at one place: those a restore finds before anything is in place.
pub fn verify(input: impl Read, key: &Key, scratch: &Path, tell: &mut dyn FnMut(&Member)) -> Result<Head, ReadError> {
    archive::read(input, key, scratch, &mut Telling(tell))
}

struct Telling<'a>(&'a mut dyn FnMut(&Member));

impl Sink for Telling<'_> {
    fn begin(&mut self, _head: &Head) -> Result<(), ReadError> {
        Ok(())
    }

    fn place(&mut self, member: &Member) -> Result<Option<File>, ReadError> {
        // Its hash is compared next; who is told of it hears of an error, too.
        (self.0)(member);
        Ok(None)
    }

    fn placed(&mut self, _member: &Member, _file: File) -> Result<(), ReadError> {
        Ok(())
    }
}
