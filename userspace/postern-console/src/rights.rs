//! Who may do what: each route is entered into the API with the roles that may ask it ([`Guarded::to`]); there is no other way in.
//!
//! Thinking: a login that is limited to domains must not learn of other domains' mail by any route, nor change what is for all. So a
//! route says what it is for such a login: not there at all, the same as for everybody, or narrowed by its handler. The last are
//! few, and a test asks each of them for another domain's mail (`tests/roles.rs`).

use axum::extract::{Extension, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use postern_model::role::{Reach, Role};
use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};

use crate::caller::Caller;
use crate::problem::{Answer, Problem};
use crate::state::Console;

/// What a route is for a login that is limited to domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// It is about the whole gateway: refused.
    Refused,
    /// Its handler shows and touches the login's own domains only.
    Narrowed,
    /// It has nothing to do with mail of others.
    Same,
}

/// Who may ask a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// From the most to the least.
    pub roles: &'static [Role],
    pub limited: Limited,
}

const fn access(roles: &'static [Role], limited: Limited) -> Access {
    Access { roles, limited }
}

/// One's own login.
pub const OWN: Access = access(&Role::ALL, Limited::Same);
/// How the gateway is: counts and states, no mail.
pub const SEE: Access = access(&Role::ALL, Limited::Refused);
/// Which mails there were, without their text.
pub const SEE_MAILS: Access = access(&Role::ALL, Limited::Narrowed);
/// Text of quarantined mails; release and delete them.
pub const SERVE_MAILS: Access = access(&[Role::Admin, Role::Operator, Role::Helpdesk], Limited::Narrowed);
/// Rules, settings and the machine, to look at.
pub const REVIEW: Access = access(&[Role::Admin, Role::Operator, Role::Auditor], Limited::Refused);
/// What running the gateway needs from day to day.
pub const OPERATE: Access = access(&[Role::Admin, Role::Operator], Limited::Refused);
/// Who did what, and who may.
pub const AUDIT: Access = access(&[Role::Admin, Role::Auditor], Limited::Refused);
/// All else.
pub const ADMIN: Access = access(&[Role::Admin], Limited::Refused);

impl Access {
    /// # Errors
    /// Why this caller may not, in words.
    pub fn check(&self, caller: &Caller) -> Result<(), String> {
        let role = caller.rights.role;
        if !self.roles.contains(&role) {
            let roles: Vec<&str> = self.roles.iter().map(|r| r.name()).collect();
            return Err(format!("the role {role} may not do this; it needs {}", roles.join(" or ")));
        }
        if self.limited == Limited::Refused && caller.rights.reach != Reach::Everything {
            return Err("a login that is limited to domains may not do this: it is about the whole gateway".to_owned());
        }
        Ok(())
    }

    fn extension(self) -> Extensions {
        let roles: Vec<&str> = self.roles.iter().map(|r| r.name()).collect();
        let limited = match self.limited {
            Limited::Refused => "refused",
            Limited::Narrowed => "narrowed",
            Limited::Same => "same",
        };
        [("x-postern-role", json!({ "limited-to-domains": limited, "roles": roles }))].into_iter().collect()
    }
}

/// A route with who may ask it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As in `GET /quarantine/{mail}`.
    pub operation: String,
    pub access: Access,
}

/// Routes that need a caller who may.
#[derive(Default)]
pub struct Guarded {
    pub router: OpenApiRouter<Console>,
    pub entries: Vec<Entry>,
}

impl Guarded {
    /// Adds routes that the same callers may ask.
    #[must_use]
    pub fn to(mut self, access: Access, (schemas, mut paths, router): UtoipaMethodRouter<Console>) -> Self {
        for (path, item) in &mut paths.paths {
            for (method, operation) in operations(item) {
                operation.extensions.get_or_insert_default().merge(access.extension());
                self.entries.push(Entry { operation: format!("{method} {path}"), access });
            }
        }
        let guard =
            middleware::from_fn(move |console: Extension<Console>, request: Request, next: Next| admit(access, console, request, next));
        self.router = self.router.routes((schemas, paths, router).map(|r| r.route_layer(guard)));
        self
    }

    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.entries.extend(other.entries);
        self
    }

    /// Changes the router around the routes, as by a layer.
    #[must_use]
    pub fn around(mut self, change: impl FnOnce(OpenApiRouter<Console>) -> OpenApiRouter<Console>) -> Self {
        self.router = change(self.router);
        self
    }
}

/// Says in the OpenAPI file that routes are for the people who receive mail ([`crate::users`]).
pub fn for_users((schemas, mut paths, router): UtoipaMethodRouter<Console>) -> UtoipaMethodRouter<Console> {
    let extension: Extensions = [("x-postern-role", json!({ "roles": ["user"] }))].into_iter().collect();
    for (_, operation) in paths.paths.values_mut().flat_map(operations) {
        operation.extensions.get_or_insert_default().merge(extension.clone());
    }
    (schemas, paths, router)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The caller and the console are in the request already ([`crate::caller::authenticate`]).
async fn admit(access: Access, console: Extension<Console>, request: Request, next: Next) -> Answer<Response> {
    let caller = request.extensions().get::<Caller>().ok_or_else(|| Problem::unauthenticated("nobody is logged in"))?;
    if let Err(why) = access.check(caller) {
        return Err(caller.refuse(&console, &format!("{} {}", request.method(), request.uri().path()), why).await?);
    }
    Ok(next.run(request).await)
}
