//! Who may log in is the same on every node: the console's table of admins follows the document, and the document the console.

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_document::{Admin, By};
use postern_model::role::Rights;
use postern_model::second_factor::SecondFactor;
use postern_store::database::{Database, DatabaseError};

use super::membership::{Membership, now};
use super::{Cluster, ClusterError};

/// By name.
type Logins = BTreeMap<String, Login>;

#[derive(Clone, Debug, PartialEq)]
struct Login {
    /// Its hash.
    password: String,
    rights: Rights,
    second_factor: Option<SecondFactor>,
}

impl Cluster {
    /// A login was added, changed or removed on this node.
    ///
    /// # Errors
    /// When the document cannot take it; this node's own table has it all the same.
    pub async fn login_changed(&self, login: &str, author: &str) -> Result<(), ClusterError> {
        let Some(member) = self.0.membership.load_full() else { return Ok(()) };
        let database = &self.0.parts.database;
        let admin = database.admins().one(login).await.map_err(|e| ClusterError::Internal(e.to_string()))?;
        let message = format!("login {login}");
        let by = By { author, at: now(), message: &message };
        let edit = match admin {
            Some(admin) => {
                let factor = database.second_factors().one(login).await.map_err(|e| ClusterError::Internal(e.to_string()))?;
                let admin = shared(admin, factor);
                member.configuration.edit(move |d| d.put_admin(&admin, by)).await
            }
            None => member.configuration.edit(|d| d.remove_admin(login, by)).await,
        };
        edit?;
        Ok(())
    }
}

impl Membership {
    /// The founder's logins are the cluster's.
    pub(super) async fn give_logins(&self, database: &Database) -> Result<(), ClusterError> {
        if self.configuration.with(|d| !d.admins().is_empty()) {
            return Ok(());
        }
        let by = By { author: "node", at: now(), message: "logins of the founder" };
        for admin in database.admins().all().await.map_err(|e| ClusterError::Internal(e.to_string()))? {
            let factor = database.second_factors().one(&admin.name).await.map_err(|e| ClusterError::Internal(e.to_string()))?;
            let admin = shared(admin, factor);
            self.configuration.edit(|d| d.put_admin(&admin, by)).await?;
        }
        Ok(())
    }

    /// Brings this node's table in step, at the start as a whole, then with what changes in the document: a login that was
    /// made here a moment ago, and is not in the document yet, is left alone.
    pub(super) async fn follow_logins(self: Arc<Self>, database: Database) {
        let mut changes = self.configuration.changes();
        changes.mark_changed();
        let mut before: Option<Logins> = None;
        while changes.changed().await.is_ok() {
            let after = self.logins();
            if before.as_ref() == Some(&after) {
                continue;
            }
            let known = match &before {
                Some(known) => known.clone(),
                None => own(&database).await.unwrap_or_default(),
            };
            match apply(&database, &known, &after).await {
                Ok(()) => before = Some(after),
                Err(error) => tracing::error!(%error, "logins changed in the cluster, and not on this node"),
            }
        }
    }

    fn logins(&self) -> Logins {
        let admins = self.configuration.with(postern_document::Document::admins);
        admins.into_iter().filter(|a| !a.disabled).map(Login::of).collect()
    }
}

/// A login of this node's table as the document has it.
fn shared(admin: postern_store::database::admins::Admin, second_factor: Option<SecondFactor>) -> Admin {
    Admin { rights: admin.rights(), login: admin.name, password: admin.password, disabled: false, second_factor }
}

impl Login {
    fn of(admin: Admin) -> (String, Self) {
        (admin.login, Self { password: admin.password, rights: admin.rights, second_factor: admin.second_factor })
    }
}

async fn own(database: &Database) -> Result<Logins, DatabaseError> {
    let mut logins = Logins::new();
    for admin in database.admins().all().await? {
        let factor = database.second_factors().one(&admin.name).await?;
        logins.extend([Login::of(shared(admin, factor))]);
    }
    Ok(logins)
}

async fn apply(database: &Database, before: &Logins, after: &Logins) -> Result<(), DatabaseError> {
    let admins = database.admins();
    for (login, wanted) in after.iter().filter(|(login, wanted)| before.get(*login) != Some(wanted)) {
        let Login { password, rights, second_factor } = wanted;
        let factor = database.second_factors().one(login).await?;
        if factor != *second_factor {
            database.second_factors().set(login, second_factor.as_ref()).await?;
        }
        if factor.map(|f| f.secret).as_ref() != second_factor.as_ref().map(|f| &f.secret) {
            database.sessions().end_all(login).await?;
        }
        let Some(here) = admins.one(login).await? else {
            admins.add(login, password, false, rights, now()).await?;
            continue;
        };
        if here.rights() != *rights {
            admins.set_rights(login, rights).await?;
        }
        if here.password != *password {
            admins.set_password(login, password, false, None).await?;
        }
    }
    // A document without logins would lock everybody out: it is not followed.
    for login in before.keys().filter(|login| !after.contains_key(*login) && !after.is_empty()) {
        admins.remove(login).await?;
    }
    Ok(())
}
