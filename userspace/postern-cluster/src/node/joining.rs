//! How a node becomes a member: what it says of itself, and what it is given.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use postern_document::{By, Member, Standing};
use postern_link::invitations::Invitations;
use postern_link::join::{Declined, Greeter, JoinRequest};
use serde::{Deserialize, Serialize};

use super::membership::now;
use crate::configuration::Configuration;

/// What a node that joins says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub name: String,
    pub addresses: Vec<SocketAddr>,
    pub version: String,
}

/// Lets nodes in that prove an invitation: they become members of the document, and get it.
pub(super) fn greeter(invitations: Arc<Invitations>, configuration: Configuration) -> Greeter {
    Greeter::new(invitations, move |request| let_in(configuration.clone(), request).boxed())
}

async fn let_in(configuration: Configuration, request: JoinRequest) -> Result<Vec<u8>, Declined> {
    let hello: Hello =
        serde_json::from_slice(&request.hello).map_err(|e| Declined(format!("what the node says of itself is not understood: {e}")))?;
    if configuration.with(|d| d.standing(request.key)) == Standing::Removed {
        return Err(Declined("this node was removed from the cluster for ever: `postern cluster leave` on it gives it a new key".into()));
    }
    let name = free_name(&configuration, &hello.name, &request);
    let now = now();
    let member = Member {
        key: request.key,
        name: name.clone(),
        addresses: hello.addresses,
        joined_at: now,
        joined_by: format!("invitation {}", request.invitation),
        version: hello.version,
    };
    let message = format!("{name} joins");
    let by = By { author: "join", at: now, message: &message };
    configuration.edit(|document| document.put_member(&member, by)).await.map_err(|e| Declined(e.to_string()))?;
    tracing::info!(node = name, key = %request.key, "a node joined the cluster");
    Ok(configuration.snapshot())
}

/// Two nodes of one name could not be told apart by people.
fn free_name(configuration: &Configuration, wanted: &str, request: &JoinRequest) -> String {
    let wanted = if wanted.is_empty() { "node" } else { wanted };
    let is_taken = configuration.with(|d| d.members().iter().any(|m| m.key != request.key && m.name.eq_ignore_ascii_case(wanted)));
    if is_taken { format!("{wanted}-{:?}", request.key) } else { wanted.to_owned() }
}
