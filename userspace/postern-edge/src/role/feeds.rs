//! Reads feeds when they are due, beside everything else, and puts what changed in force as one new generation.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use postern_model::address::Domain;
use tokio::sync::Semaphore;
use tokio::task::{self, JoinSet};

use super::Shared;
use super::state::FeedWork;
use crate::clock;
use crate::feed::fetch::{fetch, read_file};
use crate::feed::line;
use crate::feed::load::load;
use crate::feed::plan::plan;
use crate::feed::set::Due;

/// How often the feeds' times are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Feeds fetched side by side: a server that dawdles holds up few others.
const AT_A_TIME: usize = 8;

pub async fn keep(shared: Arc<Shared>, folder: PathBuf) {
    let folder = folder.join("feeds");
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut tasks = JoinSet::new();
    // By name: a feed whose server dawdles is not asked a second time beside.
    let mut under_way: HashMap<task::Id, Domain> = HashMap::new();
    loop {
        let mut due = shared.state.lock().feeds_due(&folder);
        due.retain(|d| !under_way.values().any(|name| *name == d.feed.name));
        // A server may take minutes to fail: what was fetched before the last restart is in force until then.
        for due in due.iter().filter(|d| d.feed.url.is_some() && d.is_first && d.file.is_file()) {
            read(&shared, due).await;
        }
        load_changed(&shared).await;
        for due in due {
            let name = due.feed.name.clone();
            let handle = tasks.spawn(bring(Arc::clone(&shared), Arc::clone(&places), folder.clone(), due));
            under_way.insert(handle.id(), name);
        }
        tokio::select! {
            Some(done) = tasks.join_next_with_id() => {
                let id = match done {
                    Ok((id, ())) => id,
                    Err(e) => {
                        tracing::error!("reading a feed failed: {e}");
                        e.id()
                    }
                };
                under_way.remove(&id);
                load_changed(&shared).await;
            }
            // A message that came meanwhile is kept by the notifier.
            () = shared.feeds.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Fetches a feed where it has a URL, and reads it.
async fn bring(shared: Arc<Shared>, places: Arc<Semaphore>, folder: PathBuf, due: Due) {
    let _place = places.acquire_owned().await;
    if let Some(url) = &due.feed.url
        && let Err(e) = fetch(&folder, due.feed.name.as_str(), url).await
    {
        return record(&shared, &due, Err(e.to_string()));
    }
    read(&shared, &due).await;
}

async fn read(shared: &Shared, due: &Due) {
    let file = due.file.clone();
    let outcome = match tokio::task::spawn_blocking(move || read_file(&file)).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(e)) => Err(format!("{}: {e}", due.file.display())),
        Err(e) => Err(format!("reading failed: {e}")),
    };
    record(shared, due, outcome);
}

fn record(shared: &Shared, due: &Due, outcome: Result<line::Read, String>) {
    if let Err(why) = &outcome {
        tracing::warn!(feed = %due.feed.name, "the last good content stays in force: {why}");
    }
    shared.state.lock().feed_read(due, outcome, clock::wall());
}

async fn load_changed(shared: &Arc<Shared>) {
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
