//! The lists of a mail's recipients, as the policy engine takes them.

use postern_model::envelope::{Direction, Recipient};
use postern_model::settings::users::UserSettings;
use postern_policy::own::OwnLists;
use postern_store::database::Database;

/// Of mail from outside only. A database that cannot be asked loses no mail: it comes as if nobody had chosen anything.
pub async fn of(database: &Database, settings: &UserSettings, direction: Direction, recipients: &[Recipient]) -> OwnLists {
    let mut own = OwnLists::default();
    if !settings.enabled || !settings.lists || direction == Direction::Outbound {
        return own;
    }
    let addresses: Vec<String> = recipients.iter().map(|r| r.address.key()).collect();
    match database.user_lists().of(&addresses).await {
        Ok(chosen) => chosen.iter().for_each(|c| own.add(&c.address, &c.sender, c.choice)),
        Err(error) => tracing::warn!(%error, "whom the recipients allow and block is not known: a mail is judged without it"),
    }
    own
}
