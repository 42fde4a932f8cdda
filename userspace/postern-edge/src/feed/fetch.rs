//! Feeds by HTTP, only where the settings name a URL: conditional requests, a bound on size and time, and a copy on disk that
//! is replaced only by one that could be read.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::line;
use crate::bans::store::{StoreError, write_atomically};
use crate::http;

/// Largest feed taken: some ten million lines.
pub const MAX_OCTETS: usize = 256 << 20;
const WHOLE: Duration = Duration::from_secs(300);

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{url}: {source}")]
    Http {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url}: answered {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url}: longer than {MAX_OCTETS} octets")]
    TooLong { url: String },
    #[error("{url}: the answer is empty")]
    Empty { url: String },
    #[error("{url}: {bad} bad lines and {good} good ones: this is no list of networks")]
    MostlyBad { url: String, good: usize, bad: usize },
    #[error("{url}: {source}")]
    Content {
        url: String,
        #[source]
        source: line::ReadError,
    },
    #[error("{url}: the answer cannot be kept in {path}: {source}", path = path.display())]
    Keep {
        url: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{url}: a thread failed: {source}")]
    Thread {
        url: String,
        #[source]
        source: tokio::task::JoinError,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The copy on disk is new.
    New,
    /// The server says that the copy is still good.
    Unchanged,
}

/// What the server said about the copy on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Validators {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// Where the copy of a feed lies.
pub fn copy_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.list"))
}

/// Fetches `url` into the folder's copy for `name`.
///
/// # Errors
/// What went wrong; the last good copy stays.
pub async fn fetch(folder: &Path, name: &str, url: &str) -> Result<Fetched, FetchError> {
    let copy = copy_of(folder, name);
    let about = folder.join(format!("{name}.validators.json"));
    let known: Validators = std::fs::read(&about).ok().and_then(|t| serde_json::from_slice(&t).ok()).unwrap_or_default();
    let failed = |source: reqwest::Error| FetchError::Http { url: url.to_owned(), source: source.without_url() };

    let mut headers = HeaderMap::new();
    if known.url == url && copy.is_file() {
        let validators = [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)];
        for (name, value) in validators {
            if let Some(value) = value.as_deref().and_then(|v| HeaderValue::from_str(v).ok()) {
                headers.insert(name, value);
            }
        }
    }
    let mut response = http::client(WHOLE).map_err(failed)?.get(url).headers(headers).send().await.map_err(failed)?;
    if response.status() == StatusCode::NOT_MODIFIED {
        return Ok(Fetched::Unchanged);
    }
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status { url: url.to_owned(), status: response.status() });
    }
    let text = |name| response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::to_owned);
    let validators = Validators { url: url.to_owned(), etag: text(ETAG), last_modified: text(LAST_MODIFIED) };

    // On disk, not in memory: several feeds may come at a time, each as long as it may be.
    let part = Part(folder.join(format!("{name}.part")));
    receive(&mut response, &part.0, url).await?;
    drop(response);
    let url = url.to_owned();
    let thread_url = url.clone();
    let work = move || check_and_keep(&part.0, &copy, &about, &validators, &url);
    tokio::task::spawn_blocking(work).await.map_err(|source| FetchError::Thread { url: thread_url, source })??;
    Ok(Fetched::New)
}

/// The answer before it is known to be good; removed however the fetch ends.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn receive(response: &mut Response, part: &Path, url: &str) -> Result<(), FetchError> {
    let keep = |source| FetchError::Keep { url: url.to_owned(), path: part.to_owned(), source };
    if let Some(folder) = part.parent() {
        std::fs::create_dir_all(folder).map_err(keep)?;
    }
    let mut out = BufWriter::with_capacity(1 << 16, File::create(part).map_err(keep)?);
    let mut octets = 0;
    while let Some(chunk) = response.chunk().await.map_err(|e| FetchError::Http { url: url.to_owned(), source: e.without_url() })? {
        octets += chunk.len();
        if octets > MAX_OCTETS {
            return Err(FetchError::TooLong { url: url.to_owned() });
        }
        out.write_all(&chunk).map_err(keep)?;
    }
    if octets == 0 {
        // A list that became empty says so in a comment.
        return Err(FetchError::Empty { url: url.to_owned() });
    }
    out.flush().map_err(keep)
}

/// What is no list does not replace one.
fn check_and_keep(part: &Path, copy: &Path, about: &Path, validators: &Validators, url: &str) -> Result<(), FetchError> {
    let read = read_file(part).map_err(|source| FetchError::Content { url: url.to_owned(), source })?;
    // An error page may hold an address or two; a list has hardly a bad line.
    if read.bad_lines > read.networks.len() {
        return Err(FetchError::MostlyBad { url: url.to_owned(), good: read.networks.len(), bad: read.bad_lines });
    }
    drop(read);
    let mut from = File::open(part).map_err(|source| FetchError::Keep { url: url.to_owned(), path: part.to_owned(), source })?;
    write_atomically(copy, |out| io::copy(&mut from, out).map(drop))?;
    write_atomically(about, |out| Ok(serde_json::to_writer(out, validators)?))?;
    Ok(())
}

/// Reads a feed's file.
///
/// # Errors
/// When it cannot be opened or is no list.
pub fn read_file(path: &Path) -> Result<line::Read, line::ReadError> {
    line::read(BufReader::with_capacity(1 << 16, File::open(path)?))
}
