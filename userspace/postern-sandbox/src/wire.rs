//! What a worker says through its pipe: words, each behind its length. The last report holds, and the events behind it: a script that
//! takes its cell down leaves what was seen until then.

use std::io::{self, Write};

use postern_model::sandbox::{Event, Report};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::native::{Program, Written};
use crate::yara::compile::Compiled;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// Before a script is run.
    SoFar(Report),
    Event(Event),
    /// A part that is to be run in a cell for programs.
    Program(Program),
    /// Of a cell for programs: a file that one wrote.
    Written(Written),
    /// At the end.
    Whole(Report),
    /// Of a cell for rules, at its end.
    Compiled(Compiled),
}

#[derive(Serialize)]
pub enum WordRef<'a> {
    SoFar(&'a Report),
    Event(&'a Event),
    Program(&'a Program),
    Written(&'a Written),
    Whole(&'a Report),
    Compiled(&'a Compiled),
}

/// # Errors
/// When nobody reads.
pub fn say(word: &WordRef<'_>, to: &mut impl Write) -> io::Result<()> {
    let octets = postcard::to_stdvec(word).map_err(io::Error::other)?;
    to.write_all(&u32::try_from(octets.len()).map_err(io::Error::other)?.to_le_bytes())?;
    to.write_all(&octets)?;
    to.flush()
}

/// The next word; `None` at the end, also of a word that was cut.
///
/// # Errors
/// When it is too long or none.
pub async fn hear(from: &mut (impl AsyncRead + Unpin), most: usize) -> io::Result<Option<Word>> {
    let mut length = [0; 4];
    if from.read_exact(&mut length).await.is_err() {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut octets = vec![0; length];
    if from.read_exact(&mut octets).await.is_err() {
        return Ok(None);
    }
    postcard::from_bytes(&octets).map(Some).map_err(io::Error::other)
}
