//! What edge answers on its socket, and what a request sets going beside it.

use std::sync::Arc;

use postern_control::Role;
use postern_model::control::{EdgeReply, EdgeRequest, MAX_LINE};

use super::Shared;

impl Role for Shared {
    type Request = EdgeRequest;
    type Reply = EdgeReply;

    const NAME: &'static str = "edge";
    /// Node, command line, a few more.
    const CONNECTIONS: usize = 32;
    const LONGEST_LINE: usize = MAX_LINE;

    async fn answer(self: &Arc<Self>, request: EdgeRequest) -> EdgeReply {
        let feeds_change = matches!(request, EdgeRequest::Apply { .. } | EdgeRequest::ReloadFeeds);
        let steering_changes = matches!(request, EdgeRequest::Apply { .. } | EdgeRequest::Steer { .. });
        let shared = Arc::clone(self);
        let reply = tokio::task::spawn_blocking(move || shared.state.lock().handle(request)).await;
        let reply = reply.unwrap_or_else(|e| EdgeReply::Refused { why: format!("edge failed at this request: {e}") });
        if feeds_change {
            self.feeds.notify_one();
        }
        if steering_changes {
            self.steering.notify_one();
        }
        reply
    }
}
