//! The watch's socket: one connection is one job's, whose cells are watched one after the other.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use postern_control::enclosed;
use postern_model::watch::{MAX_WATCH_REQUEST, WatchReply, WatchRequest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::OnceCell;

use super::{Cell, Watch};

/// For the log.
const NAME: &str = "watch";
/// Jobs at a time: more than the sandbox has places.
const CONNECTIONS: usize = 1024;

/// Serves for as long as it is polled.
pub async fn serve(listener: UnixListener) {
    let watch = Arc::new(Watch::default());
    let keeping_up = Arc::new(OnceCell::new());
    let conversation = move |stream| converse(stream, Arc::clone(&watch), Arc::clone(&keeping_up));
    postern_control::each(listener, NAME, CONNECTIONS, conversation).await;
}

async fn converse(stream: UnixStream, watch: Arc<Watch>, keeping_up: Arc<OnceCell<()>>) -> io::Result<()> {
    let mut current: Option<Cell> = None;
    while let Some(line) = enclosed::receive(&stream, MAX_WATCH_REQUEST).await.map_err(io::Error::other)? {
        let reply = match serde_json::from_slice(&line.text)? {
            WatchRequest::Begin { filters, is_strict } => {
                drop(current.take());
                match begin(&watch, line.enclosed, filters, is_strict).await {
                    Ok(cell) => {
                        // The programs are there from the first cell on.
                        keeping_up.get_or_init(|| async { drop(tokio::spawn(Arc::clone(&watch).keep_up())) }).await;
                        current = Some(cell);
                        WatchReply::Watching { partly: watch.partly() }
                    }
                    Err(why) => WatchReply::Refused { why },
                }
            }
            WatchRequest::End => match current.take().map(Cell::end) {
                Some(Ok((sightings, lost))) => WatchReply::Seen { sightings, lost },
                Some(Err(why)) => WatchReply::Refused { why },
                None => WatchReply::Refused { why: "nothing is watched on this connection".to_owned() },
            },
        };
        let mut answer = serde_json::to_vec(&reply)?;
        answer.push(b'\n');
        enclosed::send(&stream, &answer, &[]).await?;
    }
    Ok(())
}

/// Beside the other tasks: the first time the kernel looks at the programs for a while.
async fn begin(watch: &Arc<Watch>, mut enclosed: Vec<OwnedFd>, filters: u32, is_strict: bool) -> Result<Cell, String> {
    let folder = match (enclosed.pop(), enclosed.is_empty()) {
        (Some(folder), true) => folder,
        _ => return Err("not one descriptor is enclosed: a cgroup's folder is".to_owned()),
    };
    let watch = Arc::clone(watch);
    let begun = tokio::task::spawn_blocking(move || watch.begin(folder, filters, is_strict)).await;
    begun.unwrap_or_else(|e| Err(format!("the watch failed: {e}")))
}
