//! How the mail is put together (RFC 2045 to 2049).

use postern_mail::message::{DefectKind, TransferEncoding};

use super::Findings;
use crate::symbols;
use crate::view::View;

symbols! { Mime:
    MIME_BOUNDARY_BROKEN = 1.0, "A multipart without a boundary, or whose boundary never comes.";
    MIME_NOT_CLOSED = 0.3, "A multipart without its closing boundary.";
    MIME_TOO_DEEP = 2.0, "Parts are nested deeper than any program writes.";
    MIME_TOO_MANY_PARTS = 1.5, "More parts than are looked at.";
    MIME_BASE64_TEXT = 0.8, "Plain ASCII text in base64: to hide it from filters.";
    MIME_BAD_BASE64 = 0.5, "Base64 with characters that are none.";
    MIME_UNKNOWN_ENCODING = 1.0, "A Content-Transfer-Encoding that does not exist.";
    MIME_UNKNOWN_CHARSET = 0.6, "A character set that does not exist.";
    MIME_NUL = 1.5, "NUL octets in the mail.";
    MIME_HTML_ONLY = 0.4, "HTML without a plain text beside it.";
    MIME_NO_VERSION = 0.6, "MIME without a MIME-Version field.";
    MIME_PARTIAL = 2.5, "A fragment of a mail (message/partial): the whole is only put together at the reader.";
    MIME_EXTERNAL_BODY = 2.0, "The body is to be fetched from elsewhere (message/external-body).";
    MIME_FAR_CHARSET = 1.0, "Plain ASCII declared as Chinese, Japanese, Korean or Cyrillic text.";
    MIME_BOUNDARY_OF_RATWARE = 1.2, "A boundary in the form of a known bulk mail program.";
    MIME_EMPTY_PART = 0.4, "multipart/mixed or alternative whose text part is empty.";
    MIME_AMBIGUOUS = 1.5, "Two readings of the structure are possible: a boundary stands twice, or a multipart is itself encoded.";
    MIME_LONG_LINE = 0.2, "A line over 998 octets (RFC 5322 §2.1.1).";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    for d in &view.mail.defects {
        let symbol = match d.kind {
            DefectKind::BoundaryMissing | DefectKind::BoundaryNotFound => &MIME_BOUNDARY_BROKEN,
            DefectKind::MultipartNotClosed => &MIME_NOT_CLOSED,
            DefectKind::TooDeep => &MIME_TOO_DEEP,
            DefectKind::TooManyParts => &MIME_TOO_MANY_PARTS,
            DefectKind::BadBase64 => &MIME_BAD_BASE64,
            DefectKind::UnknownTransferEncoding => &MIME_UNKNOWN_ENCODING,
            DefectKind::UnknownCharset => &MIME_UNKNOWN_CHARSET,
            DefectKind::NulOctet => &MIME_NUL,
            DefectKind::PartialMessage => &MIME_PARTIAL,
            DefectKind::ExternalBody => &MIME_EXTERNAL_BODY,
            DefectKind::BoundaryDuplicate | DefectKind::NestedTransferEncoding => &MIME_AMBIGUOUS,
            DefectKind::LongLine => &MIME_LONG_LINE,
            _ => continue,
        };
        found.add(symbol, &d.evidence);
    }
    structure(view, found);
    if let Some(header) = view.header("Content-Type") {
        if view.header("MIME-Version").is_none() && !header.value.to_ascii_lowercase().starts_with("text/plain") {
            found.add(&MIME_NO_VERSION, &header.value);
        }
        if let Some(boundary) = boundary_of(&header.value).filter(|b| is_ratware_boundary(b)) {
            found.add(&MIME_BOUNDARY_OF_RATWARE, boundary);
        }
    }
}

fn structure(view: &View<'_>, found: &mut Findings) {
    let texts = || view.leaves().filter(|p| p.content_type.starts_with("text/") && !p.is_attachment);
    let has_html = texts().any(|p| p.content_type == "text/html");
    let has_plain = texts().any(|p| p.content_type == "text/plain" && p.size > 0);
    if has_html && !has_plain {
        found.add(&MIME_HTML_ONLY, "");
    }
    for part in texts() {
        if part.encoding == TransferEncoding::Base64
            && part.size >= 20
            && view.mail.text.is_ascii()
            && texts().count() == 1
            && !view.is_list
        {
            let charset = part.charset.as_deref().unwrap_or("us-ascii").to_ascii_lowercase();
            // Programs that always write UTF-8 in base64 are honest; ASCII or Latin text in base64 is chosen.
            if charset != "utf-8" {
                found.add(&MIME_BASE64_TEXT, format!("{} in {charset}", part.content_type));
            }
        }
        if let Some(charset) = &part.charset {
            let lower = charset.to_ascii_lowercase();
            let far = [
                "gb2312",
                "gbk",
                "gb18030",
                "big5",
                "ks_c_5601-1987",
                "euc-kr",
                "iso-2022-kr",
                "koi8-r",
                "koi8-u",
                "windows-1251",
                "shift_jis",
                "euc-jp",
            ];
            if far.contains(&lower.as_str()) && view.mail.text.len() >= 40 && view.mail.text.is_ascii() && !view.is_list {
                found.add(&MIME_FAR_CHARSET, charset);
            }
        }
        if part.size == 0 && part.content_type == "text/plain" && has_html {
            found.add(&MIME_EMPTY_PART, &part.number);
        }
    }
}

fn boundary_of(content_type: &str) -> Option<&str> {
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let rest = content_type.get(at..)?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([';', ' ', '\t']).next(),
    }
}

/// `--1234567890123456`, `----ABCDEF0123456789ABCD`, `=_MoreStuf_2zzz1234sadvnqw3nerasdf`.
fn is_ratware_boundary(boundary: &str) -> bool {
    let bare = boundary.trim_start_matches('-');
    let dashes = boundary.len() - bare.len();
    boundary.contains("MoreStuf")
        || (dashes >= 2 && bare.len() >= 10 && bare.bytes().all(|b| b.is_ascii_digit()))
        || (dashes >= 3
            && (16..=24).contains(&bare.len())
            && bare.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && bare.bytes().any(|b| b.is_ascii_digit())
            && bare.bytes().any(|b| b.is_ascii_uppercase()))
        || (boundary.starts_with("----=_NextPart_") && boundary.matches('_').count() < 4 && !boundary.contains('.'))
}
