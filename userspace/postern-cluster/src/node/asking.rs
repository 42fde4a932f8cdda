//! One question to a peer, and its answer. What they say is the console's affair.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use postern_link::link::Link;
use postern_link::stream::{Purpose, Stream, StreamError};
use postern_model::node::NodeId;

use super::ClusterError;

const QUESTION: usize = 64 * 1024;
const CHUNK: usize = 1024 * 1024;
/// The largest mail, and some words.
const ANSWER: usize = 512 * 1024 * 1024;
/// How long the peer's answerer may take to begin, and each chunk on its way.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers questions of peers.
pub type Answerer = Arc<dyn Fn(NodeId, Bytes) -> BoxFuture<'static, Vec<u8>> + Send + Sync>;

pub(super) async fn ask(link: &Link, node: NodeId, question: &[u8], limit: Duration) -> Result<Bytes, ClusterError> {
    let unreachable = |why: &dyn std::fmt::Display| ClusterError::Unreachable(why.to_string());
    let exchange = async {
        let mut stream = link.open(node, Purpose::Ask).await.map_err(|e| unreachable(&e))?;
        stream.sender.send(question).await.map_err(|e| unreachable(&e))?;
        stream.sender.finish().await.map_err(|e| unreachable(&e))?;
        let mut answer = BytesMut::new();
        while let Some(chunk) = stream.receiver.receive(CHUNK).await.map_err(|e| unreachable(&e))? {
            if answer.len() + chunk.len() > ANSWER {
                return Err(unreachable(&format!("an answer of more than {ANSWER} octets")));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer.freeze())
    };
    tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| Err(unreachable(&format!("no answer within {limit:?}"))))
}

/// Answers the one question of a stream.
pub(super) async fn answer(from: NodeId, mut stream: Stream, answerer: Answerer) -> Result<(), StreamError> {
    let Some(question) = stream.receiver.receive(QUESTION).await? else { return Ok(()) };
    let answer = answerer(from, question).await;
    for chunk in answer.chunks(CHUNK) {
        match tokio::time::timeout(PATIENCE, stream.sender.send(chunk)).await {
            Ok(sent) => sent?,
            Err(_) => return Ok(()),
        }
    }
    stream.sender.finish().await
}
