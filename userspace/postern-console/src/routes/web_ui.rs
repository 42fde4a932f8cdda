//! The console of `web-ui/`, embedded as Vite built it. Text is compressed once, at the build.

use std::io::Read;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::problem::Problem;

struct Embedded {
    name: &'static str,
    brotli: bool,
    octets: &'static [u8],
}

const FILES: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/web_ui.rs"));
/// Names of assets hold a hash of their content: what is under a name never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Postern</title></head>\n<body>\n\
    <h1>The web console was not built</h1>\n<p>This program was made by cargo alone. Run <code>./just build</code>, which builds \
    <code>web-ui/</code> first. The command line and the API work as ever.</p>\n</body>\n</html>\n";

pub async fn to_html() -> Redirect {
    Redirect::temporary("/ui/")
}

pub async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "max-age=86400")], include_str!("../icon.svg")).into_response()
}

pub async fn html(headers: HeaderMap) -> Response {
    if let Some(file) = find("index.html") {
        return answer(file, &headers, "no-cache");
    }
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], NOT_BUILT).into_response()
}

pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match find(&format!("assets/{name}")) {
        Some(file) => answer(file, &headers, FOR_EVER),
        None => Problem::not_found(format!("there is no /ui/assets/{name}")).into_response(),
    }
}

fn find(name: &str) -> Option<&'static Embedded> {
    FILES.iter().find(|f| f.name == name)
}

fn answer(file: &'static Embedded, headers: &HeaderMap, cache: &'static str) -> Response {
    let head = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(file.name))),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if !file.brotli {
        return (head, file.octets).into_response();
    }
    if takes_brotli(headers) {
        return (head, [(header::CONTENT_ENCODING, "br")], file.octets).into_response();
    }
    // Rare (curl, plain scripts): browsers take brotli on every HTTPS connection.
    let mut plain = Vec::new();
    match brotli_decompressor::Decompressor::new(file.octets, 4096).read_to_end(&mut plain) {
        Ok(_) => (head, plain).into_response(),
        Err(error) => Problem::internal(format!("{} cannot be unpacked: {error}", file.name)).into_response(),
    }
}

/// RFC 9110 section 12.5.3: a coding with `q=0` is refused.
fn takes_brotli(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    lists.flat_map(|v| v.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_brotli = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("br"));
        let refused = parts.any(|p| p.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0));
        is_brotli && !refused
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "jpg" => "image/jpeg",
        _ => "application/octet-stream",
    }
}
