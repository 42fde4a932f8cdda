//! Who may ask this role, and what it answers.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use postern_control::Role;
use postern_model::os::{MAX_LINE, OsReply, OsRequest};
use tokio::net::UnixStream;

use super::{SOCKET, Shared, work};

impl Role for Shared {
    type Request = OsRequest;
    type Reply = OsReply;

    const NAME: &'static str = "os";
    /// The node, the menus, a person.
    const CONNECTIONS: usize = 16;
    const LONGEST_LINE: usize = MAX_LINE;

    /// Root, and whoever owns the folder of the socket: the node. The edge is of the same group and has no business here.
    fn admit(&self, stream: &UnixStream) -> io::Result<()> {
        let uid = stream.peer_cred()?.uid();
        let node = std::fs::metadata(Path::new(SOCKET).parent().unwrap_or(Path::new("/")))?.uid();
        if uid == 0 || uid == node { Ok(()) } else { Err(io::Error::other("whoever asks is neither root nor the node")) }
    }

    async fn answer(self: &Arc<Self>, request: OsRequest) -> OsReply {
        work::answer(self, request).await.unwrap_or_else(|why| OsReply::Refused { why })
    }
}
