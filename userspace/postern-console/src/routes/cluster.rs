//! The cluster: members, invitations, and the history of what all nodes share.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_cluster::node::view::{ClusterView, ConflictView, DifferenceView, InvitationView, NewInvitation, VersionView};
use postern_cluster::node::{Cluster, ClusterError};
use postern_model::node::NodeId;
use postern_model::time::Span;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::{Asked, Input, Named};
use crate::problem::{Answer, Problem};
use crate::state::Console;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCluster {
    /// For people; the node's own name unless given.
    #[serde(default)]
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// How long the token may be used; an hour unless given, a week at most.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1h")]
    lifetime: Option<Span>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    token: String,
}

#[derive(Serialize, ToSchema)]
pub struct Invitations {
    #[schema(value_type = Vec<Object>)]
    invitations: Vec<InvitationView>,
}

#[derive(Serialize, ToSchema)]
pub struct Versions {
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    versions: Vec<VersionView>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Versions older than this one.
    before: Option<String>,
    /// 1 to 500.
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Between {
    from: String,
    /// The present state unless given.
    to: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Differences {
    #[schema(value_type = Vec<Object>)]
    differences: Vec<DifferenceView>,
}

#[derive(Serialize, ToSchema)]
pub struct Conflicts {
    #[schema(value_type = Vec<Object>)]
    conflicts: Vec<ConflictView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The version whose change is taken back.
    version: String,
}

#[derive(Serialize, ToSchema)]
pub struct Undone {
    /// Settings of that version that somebody changed since, and that were left alone.
    left: Vec<String>,
}

impl From<ClusterError> for Problem {
    fn from(error: ClusterError) -> Self {
        let words = error.to_string();
        match error {
            ClusterError::NoMember => Self::conflict(words)
                .advise("`postern cluster init` makes a cluster of this node; `postern cluster join TOKEN` joins another's."),
            ClusterError::Member { .. } => Self::conflict(words).advise("Remove it from its cluster first, on another member."),
            ClusterError::Unknown(_) => Self::not_found(words),
            ClusterError::Token(_) => {
                Self::bad_request(words).advise("`postern cluster invite` on a member prints a new token, good for one node.")
            }
            ClusterError::Refused(_) | ClusterError::Last | ClusterError::Settings(_) => Self::conflict(words),
            ClusterError::Unreachable(_) => Self::unavailable(words),
            ClusterError::Internal(_) => {
                tracing::error!(error = words, "the cluster");
                Self::internal(words)
            }
        }
    }
}

fn cluster(console: &Console) -> &Cluster {
    &console.state().cluster
}

/// The cluster as this node sees it: members, links, copies, conflicts.
#[utoipa::path(get, path = "/cluster", tag = "cluster", responses((status = 200, body = Object)))]
pub async fn status(State(console): State<Console>) -> Answer<Json<ClusterView>> {
    Ok(Json(cluster(&console).view().await))
}

/// Make a cluster of this node alone.
#[utoipa::path(post, path = "/cluster", tag = "cluster", request_body = NewCluster, responses(
    (status = 201, body = Object), (status = 409, body = Problem)))]
pub async fn init(
    State(console): State<Console>,
    caller: Caller,
    Input(new): Input<NewCluster>,
) -> Answer<(StatusCode, Json<ClusterView>)> {
    cluster(&console).init(&new.name, &caller.name).await?;
    let view = cluster(&console).view().await;
    caller.audit(&console, "cluster.init", &view.name, None, None).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Make a token with which one new node may join.
#[utoipa::path(post, path = "/cluster/invitations", tag = "cluster", request_body = Invite, responses(
    (status = 201, body = Object), (status = 409, body = Problem)))]
pub async fn invite(
    State(console): State<Console>,
    caller: Caller,
    Input(invite): Input<Invite>,
) -> Answer<(StatusCode, Json<NewInvitation>)> {
    let lifetime = invite.lifetime.unwrap_or_else(|| Span::hours(1));
    if lifetime > Span::days(7) || lifetime.0.as_secs() < 60 {
        return Err(Problem::bad_request(format!("lifetime: {lifetime}: write 1m to 7d")));
    }
    let made = cluster(&console).invite(lifetime.0).await?;
    caller.audit(&console, "cluster.invite", &made.expires.to_string(), None, None).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Invitations made on this node that may still be used.
#[utoipa::path(get, path = "/cluster/invitations", tag = "cluster", responses((status = 200, body = Invitations)))]
pub async fn invitations(State(console): State<Console>) -> Answer<Json<Invitations>> {
    Ok(Json(Invitations { invitations: cluster(&console).invitations()? }))
}

/// Take an invitation back.
#[utoipa::path(delete, path = "/cluster/invitations/{id}", tag = "cluster", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
pub async fn revoke(State(console): State<Console>, caller: Caller, Named(id): Named<String>) -> Answer<StatusCode> {
    cluster(&console).revoke(&id)?;
    caller.audit(&console, "cluster.revoke", &id, None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Join the cluster that a token is from. This node's mails, quarantine and tracking stay; shared settings become the cluster's.
#[utoipa::path(post, path = "/cluster/join", tag = "cluster", request_body = Join, responses(
    (status = 200, body = Object), (status = 400, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn join(State(console): State<Console>, caller: Caller, Input(join): Input<Join>) -> Answer<Json<ClusterView>> {
    cluster(&console).join(join.token.trim()).await?;
    let view = cluster(&console).view().await;
    caller.audit(&console, "cluster.join", &view.name, None, None).await?;
    Ok(Json(view))
}

#[derive(Serialize, ToSchema)]
pub struct Left {
    /// Where the state of the old membership lies, on this node's disk.
    kept_as: String,
}

/// Forget the cluster on this node. Others still count it as a member until it is removed there.
#[utoipa::path(post, path = "/cluster/leave", tag = "cluster", responses((status = 200, body = Left), (status = 409, body = Problem)))]
pub async fn leave(State(console): State<Console>, caller: Caller) -> Answer<Json<Left>> {
    let aside = cluster(&console).leave().await?;
    caller.audit(&console, "cluster.leave", "this", None, None).await?;
    Ok(Json(Left { kept_as: aside.display().to_string() }))
}

/// Remove a node for ever. What it had accepted and others hold is delivered by them.
#[utoipa::path(delete, path = "/cluster/members/{node}", tag = "cluster", params(("node" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn remove(State(console): State<Console>, caller: Caller, Named(node): Named<String>) -> Answer<StatusCode> {
    let id = find(&console, &node)?;
    cluster(&console).remove(id, &caller.name).await?;
    caller.audit(&console, "cluster.remove", &node, None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// By id, by the beginning of it, or by name.
fn find(console: &Console, text: &str) -> Answer<NodeId> {
    let members = cluster(console).members();
    let is_it = |m: &&postern_cluster::node::view::MemberView| {
        m.name.eq_ignore_ascii_case(text) || (text.len() >= 8 && m.id.to_string().starts_with(&text.to_ascii_lowercase()))
    };
    let found: Vec<_> = members.iter().filter(is_it).collect();
    match found.as_slice() {
        [one] => Ok(one.id),
        [] => Err(Problem::not_found(format!("`{text}` is no member")).advise("`postern cluster members` lists them.")),
        more => Err(Problem::conflict(format!("`{text}` may be any of {}", more.len())).advise("Write the whole id.")),
    }
}

/// Changes of what all nodes share, whichever node they were made on.
#[utoipa::path(get, path = "/cluster/history", tag = "cluster", params(Page), responses((status = 200, body = Versions)))]
pub async fn history(State(console): State<Console>, Asked(page): Asked<Page>) -> Answer<Json<Versions>> {
    let limit = page.limit.unwrap_or(50).clamp(1, 500);
    Ok(Json(Versions { versions: cluster(&console).history(page.before.as_deref(), limit)? }))
}

/// What differs between two versions.
#[utoipa::path(get, path = "/cluster/diff", tag = "cluster", params(Between), responses((status = 200, body = Differences)))]
pub async fn diff(State(console): State<Console>, Asked(between): Asked<Between>) -> Answer<Json<Differences>> {
    let mut differences = cluster(&console).diff(&between.from, between.to.as_deref())?;
    for difference in &mut differences {
        [&mut difference.before, &mut difference.after].into_iter().flatten().for_each(crate::secrets::mask_json);
    }
    Ok(Json(Differences { differences }))
}

/// Take the change of a version back, and nothing else.
#[utoipa::path(post, path = "/cluster/undo", tag = "cluster", request_body = Undo, responses(
    (status = 200, body = Undone), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn undo(State(console): State<Console>, caller: Caller, Input(undo): Input<Undo>) -> Answer<Json<Undone>> {
    let left = cluster(&console).undo(&undo.version, &caller.name).await?;
    caller.audit(&console, "cluster.undo", &undo.version, None, None).await?;
    Ok(Json(Undone { left }))
}

/// Settings that were set on two nodes at the same time; setting one again settles it.
#[utoipa::path(get, path = "/cluster/conflicts", tag = "cluster", responses((status = 200, body = Conflicts)))]
pub async fn conflicts(State(console): State<Console>) -> Answer<Json<Conflicts>> {
    let mut conflicts = cluster(&console).conflicts()?;
    conflicts.iter_mut().flat_map(|c| &mut c.values).for_each(|v| crate::secrets::mask_json(&mut v.value));
    Ok(Json(Conflicts { conflicts }))
}
