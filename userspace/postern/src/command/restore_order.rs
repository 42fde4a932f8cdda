//! What `postern-restore.service` runs before the node: the backup that the console or the menu was asked to restore. The order is gone before
//! anything is done, so a machine never tries twice; a restore that is refused or cut off leaves the old state, and no failed unit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use postern_backup::lock::Key;
use postern_backup::restore::{Membership, Occupied, Plan, Restored, restore};
use postern_model::os::Unlock;
use postern_os::apply;
use postern_os::consoles::say;
use postern_os::restore_order::RestoreOrder;
use postern_os::role::{NODE_DATA, RESTORE_ORDER, RESTORE_RESULT};

use super::backup::{blocking, failed};
use super::client::CommandError;
use super::output;

pub async fn take() -> Result<(), CommandError> {
    let Some(order) = RestoreOrder::take(Path::new(RESTORE_ORDER)).map_err(failed)? else { return Ok(()) };
    let name = order.backup.file_name().unwrap_or_default().to_string_lossy().into_owned();
    note(&format!("{name}: begun, and cut off: if the node has its old state, ask for it again"))?;
    let ended = match blocking(move || carry_out(&order)).await {
        Ok(done) => words(&name, &done),
        Err(why) => format!("{name}: REFUSED: {why}"),
    };
    let ended = output::plain(&ended, false);
    note(&ended)?;
    say(&format!("POSTERN RESTORE {ended}"));
    Ok(())
}

fn note(text: &str) -> Result<(), CommandError> {
    apply::keep(Path::new(RESTORE_RESULT), &format!("{text}\n")).map_err(failed)
}

fn carry_out(order: &RestoreOrder) -> Result<Restored, CommandError> {
    let key = match &order.unlock {
        Unlock::Passphrase(text) => Key::passphrase(text),
        Unlock::Identity(text) => Key::identities(text).map_err(failed)?,
    };
    let input = File::open(&order.backup).map_err(|e| failed(format!("{}: {e}", order.backup.display())))?;
    let plan = Plan { data: NODE_DATA.into(), occupied: Occupied::MoveAside, membership: Membership::Leave };
    let done = restore(input, &key, &plan).map_err(failed)?;
    if let Some(aside) = &done.aside {
        tidy(aside);
    }
    Ok(done)
}

/// Nobody has a shell there to clear away what was replaced: only the last one stays, without the backup that was fetched into it.
fn tidy(aside: &Path) {
    let others = fs::read_dir(aside.parent().unwrap_or(Path::new("/"))).into_iter().flatten().flatten().map(|e| e.path());
    let is_replaced = |path: &PathBuf| {
        let begins = |n: &str| n.starts_with("postern.replaced-");
        path != aside && path.file_name().and_then(|n| n.to_str()).is_some_and(begins)
    };
    for path in others.filter(is_replaced).chain([aside.join(postern_backup::inventory::RESTORE)]) {
        if let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "what was replaced is still there");
        }
    }
}

fn words(name: &str, done: &Restored) -> String {
    let mut text = format!("{name}: {} files are in place", done.head.members - done.left_cluster);
    if done.left_cluster > 0 {
        text += "; outside of its cluster: remove its old name on another member, and join again";
    }
    if !done.outside.is_empty() {
        let from: Vec<&str> = done.outside.iter().map(|(_, from)| from.as_str()).collect();
        text += &format!("; not put back where they stood: {}", from.join(", "));
    }
    text
}
