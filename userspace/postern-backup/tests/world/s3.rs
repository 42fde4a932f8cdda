//! An object store for tests: one bucket in memory, S3's multipart protocol, and signatures that are checked (AWS Signature Version 4).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[derive(Default)]
pub struct Inner {
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Parts by upload.
    pub uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    /// What was asked, as `PUT part 2`.
    pub log: Vec<String>,
    /// So many parts are answered with 503.
    pub failing_parts: u32,
    /// Parts from this one on are refused for good.
    pub broken_from: Option<u32>,
}

#[derive(Clone, Default)]
pub struct Store(pub Arc<Mutex<Inner>>);

impl Store {
    pub async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().log)
    }
}

fn xml(body: String) -> Response {
    ([("content-type", "application/xml")], body).into_response()
}

fn error(status: StatusCode, code: &str) -> Response {
    (status, [("content-type", "application/xml")], format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")).into_response()
}

async fn answer(State(store): State<Store>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    if !signed(&parts, &body) {
        store.0.lock().unwrap().log.push("refused".into());
        return error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    let query: BTreeMap<String, String> = pairs(parts.uri.query().unwrap_or_default());
    let key = percent(parts.uri.path()).strip_prefix("/bucket").unwrap_or_default().trim_start_matches('/').to_owned();
    let mut inner = store.0.lock().unwrap();
    let get = |name: &str| query.get(name).cloned();
    match (parts.method, get("uploadId"), get("partNumber")) {
        (Method::GET, ..) if get("list-type").is_some() => {
            inner.log.push("list".into());
            let prefix = get("prefix").unwrap_or_default();
            let entry = |(key, octets): (&String, &Vec<u8>)| {
                format!(
                    "<Contents><Key>{key}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified><Size>{}</Size></Contents>",
                    octets.len()
                )
            };
            let contents: String = inner.objects.iter().filter(|(k, _)| k.starts_with(&prefix)).map(entry).collect();
            xml(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"))
        }
        (Method::GET, ..) => match inner.objects.get(&key) {
            Some(octets) => {
                let headers = [("last-modified", "Fri, 27 Nov 2026 00:00:00 GMT"), ("etag", "\"e\"")];
                (headers, Body::from(octets.clone())).into_response()
            }
            None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        (Method::POST, None, _) if query.contains_key("uploads") => {
            let id = format!("upload-{}", inner.uploads.len());
            inner.log.push("begin".into());
            inner.uploads.insert(id.clone(), (key, BTreeMap::new()));
            xml(format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
        }
        (Method::PUT, Some(id), Some(number)) => {
            let number: u32 = number.parse().unwrap();
            if inner.broken_from.is_some_and(|from| number >= from) {
                return error(StatusCode::FORBIDDEN, "AccessDenied");
            }
            if inner.failing_parts > 0 {
                inner.failing_parts -= 1;
                inner.log.push(format!("part {number} failed"));
                return error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
            }
            inner.log.push(format!("part {number}"));
            inner.uploads.get_mut(&id).unwrap().1.insert(number, body);
            [("etag", format!("\"etag-{number}\""))].into_response()
        }
        (Method::POST, Some(id), _) => {
            let (key, parts) = inner.uploads.remove(&id).unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            let listed: Vec<u32> = text.split("<PartNumber>").skip(1).map(|t| t.split('<').next().unwrap().parse().unwrap()).collect();
            let sizes: Vec<usize> = parts.values().map(Bytes::len).collect();
            // Each but the last has at least 5 MiB, and all are named (S3: EntityTooSmall, InvalidPart).
            assert!(sizes.iter().rev().skip(1).all(|size| *size >= 5 << 20), "parts of {sizes:?}");
            assert_eq!(listed, parts.keys().copied().collect::<Vec<_>>());
            inner.log.push("complete".into());
            inner.objects.insert(key.clone(), parts.into_values().flat_map(|p| p.to_vec()).collect());
            xml(format!("<CompleteMultipartUploadResult><Key>{key}</Key><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"))
        }
        (Method::DELETE, Some(id), _) => {
            inner.log.push("abort".into());
            inner.uploads.remove(&id);
            StatusCode::NO_CONTENT.into_response()
        }
        (Method::DELETE, None, _) => {
            inner.log.push(format!("delete {key}"));
            inner.objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        (method, ..) => panic!("{method} {key} {query:?} is not known to the fixture"),
    }
}

/// Signature Version 4, as the store would compute it (docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
fn signed(parts: &axum::http::request::Parts, body: &Bytes) -> bool {
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let authorization = header("authorization");
    let field = |name: &str| {
        authorization.split(&format!("{name}=")).nth(1).and_then(|t| t.split([',', ' ']).next()).unwrap_or_default().to_owned()
    };
    let (credential, names, signature) = (field("Credential"), field("SignedHeaders"), field("Signature"));
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key, date, region, service, "aws4_request"] = scope[..] else { return false };
    let digest = header("x-amz-content-sha256");
    if access_key != ACCESS_KEY || (digest != "UNSIGNED-PAYLOAD" && digest != HEXLOWER.encode(&Sha256::digest(body))) {
        return false;
    }
    let mut query: Vec<&str> = parts.uri.query().unwrap_or_default().split('&').filter(|p| !p.is_empty()).collect();
    query.sort_unstable();
    let query: Vec<String> = query.iter().map(|p| if p.contains('=') { (*p).to_owned() } else { format!("{p}=") }).collect();
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", header(name).trim())).collect();
    let canonical = format!("{}\n{}\n{}\n{headers}\n{names}\n{digest}", parts.method, parts.uri.path(), query.join("&"));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{date}/{region}/{service}/aws4_request\n{}",
        header("x-amz-date"),
        HEXLOWER.encode(&Sha256::digest(canonical))
    );
    let key = [date, region, service, "aws4_request", &to_sign].iter().fold(format!("AWS4{SECRET}").into_bytes(), |key, part| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(part.as_bytes());
        mac.finalize().into_bytes().to_vec()
    });
    HEXLOWER.encode(&key) == signature
}

fn pairs(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| p.split_once('=').map_or((p.to_owned(), String::new()), |(k, v)| (k.to_owned(), percent(v))))
        .collect()
}

fn percent(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [a, b, tail @ ..]) => {
                out.push(u8::from_str_radix(std::str::from_utf8(&[*a, *b]).unwrap(), 16).unwrap());
                rest = tail;
            }
            (octet, tail) => {
                out.push(*octet);
                rest = tail;
            }
        }
    }
    String::from_utf8(out).unwrap()
}
