//! Reads feeds when they are due, beside everything else, and puts what changed in force as one new generation.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::state::FeedWork;
use crate::clock;
use crate::feed::fetch::{fetch, read_file};
use crate::feed::load::load;
use crate::feed::plan::plan;

/// How often the feeds' times are looked at.
const LOOK: Duration = Duration::from_secs(5);

pub async fn keep(shared: Arc<Shared>, folder: PathBuf) {
    let folder = folder.join("feeds");
    loop {
        round(&shared, &folder).await;
        // A message that came during the round is kept by the notifier.
        let _ = tokio::time::timeout(LOOK, shared.feeds.notified()).await;
    }
}

async fn round(shared: &Arc<Shared>, folder: &std::path::Path) {
    let due = shared.state.lock().feeds_due(folder);
    for due in due {
        let mut trouble = None;
        if let Some(url) = &due.feed.url
            && let Err(e) = fetch(folder, due.feed.name.as_str(), url).await
        {
            trouble = Some(e.to_string());
        }
        let file = due.file.clone();
        let read = tokio::task::spawn_blocking(move || read_file(&file)).await;
        let outcome = match read {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(e)) => Err(format!("{}: {e}", due.file.display())),
            Err(e) => Err(format!("reading failed: {e}")),
        };
        if let Some(why) = trouble.as_ref().or(outcome.as_ref().err()) {
            tracing::warn!(feed = %due.feed.name, "the last good content stays in force: {why}");
        }
        let mut state = shared.state.lock();
        state.feed_read(&due, outcome, clock::wall());
        if let Some(why) = trouble {
            state.feed_trouble(&due, why);
        }
    }
    let Some(work) = shared.state.lock().feeds_to_load() else { return };
    let shared = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || {
        let outcome = put(&work);
        shared.state.lock().feeds_loaded(&work, outcome);
    });
    if let Err(e) = done.await {
        tracing::error!("loading feeds failed: {e}");
    }
}

/// Plans and loads one generation; the number of its elements.
fn put(work: &FeedWork) -> Result<usize, String> {
    let plan = plan(&work.rules, work.seed).map_err(|e| e.to_string())?;
    load(&work.maps, &plan).map_err(|e| e.to_string())?;
    Ok(plan.elements())
}
