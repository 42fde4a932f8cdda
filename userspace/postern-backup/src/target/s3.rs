//! An object store by S3's protocol: one multipart upload for each backup, so nothing is there under its name before the last part.
//!
//! A request that fails is tried again by the client, with growing waits, up to three minutes; then the whole backup is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, Certificate, ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt, RetryConfig};
use postern_model::settings::backup::BackupS3;
use tokio_util::io::StreamReader;

use super::{Octets, Stored, TargetError};
use crate::name::BackupName;
use crate::pipe::PIECE;

/// Of one upload, by the protocol.
const PARTS: u64 = 10_000;
/// A part on a line of one Mbit/s.
const REQUEST: Duration = Duration::from_secs(300);
const CONNECT: Duration = Duration::from_secs(10);
const RETRIES: RetryConfig = RetryConfig {
    backoff: BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(15), base: 2.0 },
    max_retries: 5,
    retry_timeout: Duration::from_secs(180),
};

#[derive(Debug)]
pub struct S3 {
    store: Arc<AmazonS3>,
    bucket: String,
    prefix: Path,
}

pub(crate) struct Upload {
    upload: Box<dyn MultipartUpload>,
    bucket: String,
    parts: u64,
}

impl S3 {
    /// Opens no connection.
    ///
    /// # Errors
    /// When the address is none, or an authority's certificate cannot be read.
    pub fn new(settings: &BackupS3) -> Result<Self, TargetError> {
        let failed = |source| TargetError::S3 { what: "the settings", bucket: settings.bucket.clone(), source };
        let mut options = ClientOptions::new()
            .with_allow_http(settings.endpoint.starts_with("http://"))
            .with_timeout(REQUEST)
            .with_connect_timeout(CONNECT);
        if !settings.roots.is_empty() {
            let unreadable = |e: object_store::Error| TargetError::Pem { setting: "backup.s3.roots", why: e.to_string() };
            for certificate in Certificate::from_pem_bundle(settings.roots.as_bytes()).map_err(unreadable)? {
                options = options.with_root_certificate(certificate);
            }
        }
        let store = AmazonS3Builder::new()
            .with_endpoint(settings.endpoint.trim_end_matches('/'))
            .with_region(&settings.region)
            .with_bucket_name(&settings.bucket)
            .with_access_key_id(&settings.access_key)
            .with_secret_access_key(&settings.secret)
            .with_client_options(options)
            .with_retry(RETRIES)
            // One by one: not every store takes a list of them.
            .with_disable_bulk_delete(true)
            .build()
            .map_err(failed)?;
        Ok(Self { store: Arc::new(store), bucket: settings.bucket.clone(), prefix: Path::from(settings.prefix.as_str()) })
    }

    fn place(&self, name: &BackupName) -> Path {
        self.prefix.clone().join(name.to_string())
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(object_store::Error) -> TargetError {
        failed(what, &self.bucket)
    }

    pub(super) async fn list(&self) -> Result<Vec<Stored>, TargetError> {
        let mut objects = self.store.list(Some(&self.prefix));
        let mut found = Vec::new();
        while let Some(object) = objects.try_next().await.map_err(self.failed("cannot list"))? {
            let name = object.location.filename().and_then(|n| n.parse::<BackupName>().ok());
            // Not what lies in folders below.
            if let Some(name) = name.filter(|n| self.place(n) == object.location) {
                found.push(Stored { name, size: object.size });
            }
        }
        Ok(found)
    }

    pub(super) async fn read(&self, name: &BackupName) -> Result<Octets, TargetError> {
        let object = match self.store.get(&self.place(name)).await {
            Err(object_store::Error::NotFound { .. }) => return Err(TargetError::Unknown(name.to_string())),
            other => other.map_err(self.failed("cannot read"))?,
        };
        Ok(Box::new(StreamReader::new(object.into_stream().map_err(std::io::Error::other))))
    }

    pub(super) async fn remove(&self, name: &BackupName) -> Result<(), TargetError> {
        self.store.delete(&self.place(name)).await.map_err(self.failed("cannot remove"))
    }

    pub(super) async fn begin(&self, name: &BackupName) -> Result<Upload, TargetError> {
        let upload = self.store.put_multipart(&self.place(name)).await.map_err(self.failed("cannot begin"))?;
        Ok(Upload { upload, bucket: self.bucket.clone(), parts: 0 })
    }
}

impl Upload {
    pub async fn write(&mut self, piece: Bytes) -> Result<(), TargetError> {
        self.parts += 1;
        if self.parts > PARTS {
            return Err(TargetError::TooLarge(PARTS * PIECE as u64));
        }
        self.upload.put_part(piece.into()).await.map_err(failed("cannot write", &self.bucket))
    }

    pub async fn finish(mut self) -> Result<(), TargetError> {
        self.upload.complete().await.map(drop).map_err(failed("cannot complete", &self.bucket))
    }

    /// Parts that stay are paid for: a rule of the bucket that ends old uploads is worth having all the same.
    pub async fn give_up(mut self) {
        let _ = self.upload.abort().await;
    }
}

fn failed(what: &'static str, bucket: &str) -> impl FnOnce(object_store::Error) -> TargetError {
    move |source| TargetError::S3 { what, bucket: bucket.to_owned(), source }
}
