//! Who may log in is the same on every node: the console's table of admins follows the document, and the document the console.

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_document::{Admin, By};
use postern_store::database::{Database, DatabaseError};

use super::membership::{Membership, now};
use super::{Cluster, ClusterError};

/// Password hashes by login.
type Logins = BTreeMap<String, String>;

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
                let admin = Admin { login: login.to_owned(), password: admin.password, disabled: false };
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
            let admin = Admin { login: admin.name, password: admin.password, disabled: false };
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
        admins.into_iter().filter(|a| !a.disabled).map(|a| (a.login, a.password)).collect()
    }
}

async fn own(database: &Database) -> Result<Logins, DatabaseError> {
    Ok(database.admins().all().await?.into_iter().map(|a| (a.name, a.password)).collect())
}

async fn apply(database: &Database, before: &Logins, after: &Logins) -> Result<(), DatabaseError> {
    let admins = database.admins();
    for (login, password) in after.iter().filter(|(login, password)| before.get(*login) != Some(password)) {
        let is_same = admins.one(login).await?.is_some_and(|a| a.password == *password);
        if !is_same && !admins.add(login, password, false, now()).await? {
            admins.set_password(login, password, false, None).await?;
        }
    }
    // A document without logins would lock everybody out: it is not followed.
    for login in before.keys().filter(|login| !after.contains_key(*login) && !after.is_empty()) {
        admins.remove(login).await?;
    }
    Ok(())
}
