//! A mail taken apart: everything later stages look at, extracted in one pass, owned and bounded.

use std::borrow::Cow;
use std::ops::Range;

use serde::Serialize;

use crate::read::decode;

/// Bounds of the extraction. Each cut is recorded as a [`Defect`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of decoded text kept over all parts.
    pub text: usize,
    pub parts: usize,
    pub depth: usize,
    pub headers: usize,
    pub urls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { text: 256 * 1024, parts: 1000, depth: 20, headers: 1000, urls: 500 }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Message {
    /// All fields of the top header in order.
    pub headers: Vec<Header>,
    /// The addresses of From (there should be exactly one).
    pub from: Vec<Mailbox>,
    pub sender: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    /// Decoded (RFC 2047), unfolded.
    pub subject: Option<String>,
    /// Seconds since the epoch.
    pub date: Option<i64>,
    pub message_id: Option<String>,
    /// The trace fields, topmost (newest) first.
    pub received: Vec<Received>,
    /// All parts, depth first; the first is the top one.
    pub parts: Vec<Part>,
    /// Text of all inline text parts as a reader sees it (HTML rendered to text), bounded.
    pub text: String,
    /// One for each HTML part.
    pub html: Vec<HtmlFacts>,
    /// Every URL of text, HTML and headers, first occurrence only, bounded.
    pub urls: Vec<Url>,
    pub defects: Vec<Defect>,
    /// Octets of the whole mail and of its header.
    pub size: u64,
    pub header_size: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Header {
    /// As written.
    pub name: String,
    /// Unfolded, RFC 2047 decoded, trimmed.
    pub value: String,
    /// The undecoded value (lossy UTF-8), unfolded.
    pub raw: String,
    /// Octet range of the whole field, with its line ends, in the mail.
    pub start: u64,
    pub end: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mailbox {
    /// Display name, decoded.
    pub name: Option<String>,
    /// `local@domain` as written (domain lower-cased), or whatever stood there.
    pub address: String,
}

impl Mailbox {
    /// Lower-case domain of the address, when there is one.
    pub fn domain(&self) -> Option<&str> {
        self.address.rsplit_once('@').map(|(_, d)| d).filter(|d| !d.is_empty())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Received {
    /// Name after `from`.
    pub helo: Option<String>,
    /// Address in the comment after it.
    pub ip: Option<std::net::IpAddr>,
    pub reverse: Option<String>,
    pub by: Option<String>,
    pub with: Option<String>,
    pub date: Option<i64>,
    pub raw: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferEncoding {
    #[default]
    SevenBit,
    EightBit,
    Binary,
    QuotedPrintable,
    Base64,
    Unknown,
}

/// What the first octets of a decoded part say it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrueType {
    #[default]
    Unknown,
    Text,
    Html,
    Pdf,
    Zip,
    /// Zip with `[Content_Types].xml`: docx, xlsx, pptx.
    OfficeOpenXml,
    /// Compound file: doc, xls, ppt, msg, msi.
    Ole,
    Rtf,
    Rar,
    SevenZip,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Tar,
    Cab,
    Iso,
    Executable,
    Elf,
    MachO,
    Script,
    Lnk,
    OneNote,
    Image,
    Audio,
    Video,
    Svg,
    Eml,
    Calendar,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    /// `1`, `1.2`, `1.2.1` as in IMAP; the top one is empty.
    pub number: String,
    pub depth: usize,
    /// Lower-case `type/subtype` as declared; `text/plain` when nothing was.
    pub content_type: String,
    pub charset: Option<String>,
    /// From Content-Disposition or Content-Type, decoded.
    pub filename: Option<String>,
    pub is_attachment: bool,
    pub is_inline: bool,
    pub content_id: Option<String>,
    pub encoding: TransferEncoding,
    pub is_multipart: bool,
    pub is_message: bool,
    /// Where the encoded content lies in the mail; `None` for what is no leaf, or lies within something encoded.
    #[serde(skip)]
    pub body: Option<Range<usize>>,
    /// Octets after decoding.
    pub size: u64,
    pub true_type: TrueType,
    /// BLAKE3 of the decoded content, for parts that are no multipart.
    pub hash: Option<[u8; 32]>,
    /// The zip's local headers say that a member is encrypted.
    pub is_encrypted_archive: bool,
    /// Names of members that the archive's directory tells without unpacking (zip only), at most 100.
    pub member_names: Vec<String>,
    /// An OLE or OOXML file that carries macros (`vbaProject.bin`, `_VBA_PROJECT`).
    pub has_macros: bool,
    /// A PDF's `/JavaScript`, `/OpenAction`, `/Launch`, `/EmbeddedFile`, `/Encrypt` names as found.
    pub pdf_names: Vec<String>,
}

impl Part {
    /// The decoded content, out of the mail that it was read from.
    pub fn content<'m>(&self, mail: &'m [u8]) -> Option<Cow<'m, [u8]>> {
        let body = mail.get(self.body.clone()?)?;
        Some(match self.encoding {
            TransferEncoding::Base64 => Cow::Owned(decode::base64(body).octets),
            TransferEncoding::QuotedPrintable => Cow::Owned(decode::quoted_printable(body).octets),
            _ => Cow::Borrowed(body),
        })
    }
}

/// What an HTML part is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HtmlFacts {
    pub part: usize,
    pub octets: usize,
    /// Octets of text a reader sees, and octets hidden by style (display:none, font-size:0, colour on colour, …).
    pub visible_text: usize,
    pub hidden_text: usize,
    pub tags: usize,
    pub images: usize,
    pub remote_images: usize,
    /// 1×1 or 0×0 images.
    pub tracking_pixels: usize,
    pub data_uri_images: usize,
    pub links: Vec<Link>,
    pub forms: Vec<Form>,
    pub password_inputs: usize,
    pub scripts: usize,
    /// Octets of inline script, and names in it that build files from data (`Blob`, `atob`, `msSaveOrOpenBlob`, `createObjectURL`, `document.write`, `eval`, `unescape`).
    pub script_octets: usize,
    pub script_names: Vec<String>,
    pub event_handlers: usize,
    pub iframes: usize,
    pub objects: usize,
    pub svgs: usize,
    pub meta_refresh: Option<String>,
    pub base_href: Option<String>,
    /// Zero-width and bidirectional control characters in visible text.
    pub zero_width: usize,
    pub bidi_controls: usize,
    pub comments: usize,
    pub comment_octets: usize,
    pub unknown_tags: usize,
    pub unbalanced_tags: usize,
    /// Share of text in entities that encode plain ASCII letters (`&#65;`).
    pub encoded_letters: usize,
    pub tables: usize,
    pub font_tags: usize,
    pub title: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Link {
    /// Index into [`Message::urls`].
    pub url: usize,
    /// Visible text of the anchor, trimmed, at most 200 characters.
    pub text: String,
    pub has_image: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Form {
    pub action: String,
    pub method: String,
    pub has_password: bool,
    pub inputs: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UrlSource {
    #[default]
    Text,
    HtmlLink,
    HtmlImage,
    HtmlForm,
    HtmlOther,
    Subject,
    Header,
    Attachment,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Url {
    /// As it stood there, at most 2,000 characters.
    pub raw: String,
    /// Lower-case scheme: `http`, `https`, `mailto`, `javascript`, `data`, `ftp`, ….
    pub scheme: String,
    /// Lower-case host in A-labels, percent-decoded; the address in plain form when it is one.
    pub host: String,
    /// Registrable domain by the public suffix list.
    pub domain: String,
    pub ip: Option<std::net::IpAddr>,
    pub port: Option<u16>,
    pub userinfo: Option<String>,
    pub path: String,
    pub query: String,
    pub fragment: String,
    pub source: UrlSource,
    pub part: usize,
    pub count: usize,
    /// Written with backslashes, tabs, needless percent-encoding of letters, decimal or hex address, ….
    pub is_obfuscated: bool,
}

/// What was wrong with the mail's form, with the part it was found in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Defect {
    pub kind: DefectKind,
    pub part: usize,
    /// At most 100 characters.
    pub evidence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefectKind {
    TooManyParts,
    TooDeep,
    TooManyHeaders,
    TooManyUrls,
    TextCut,
    BoundaryMissing,
    BoundaryNotFound,
    BoundaryDuplicate,
    MultipartNotClosed,
    UnknownTransferEncoding,
    BadBase64,
    BadQuotedPrintable,
    UnknownCharset,
    BadHeaderLine,
    DuplicateHeader,
    MissingHeader,
    BadContentType,
    BadEncodedWord,
    NulOctet,
    EightBitHeader,
    EightBitInSevenBit,
    BareNewline,
    BadDate,
    BadAddress,
    LongLine,
    NoHeaderEnd,
    Uuencoded,
    NestedTransferEncoding,
    PartialMessage,
    ExternalBody,
}
