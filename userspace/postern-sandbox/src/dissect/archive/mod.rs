//! Containers of files.

pub mod arj;
pub mod cabinet;
pub mod cpio;
pub mod lha;
pub mod lzw;
pub mod rar;
pub mod rare;
pub mod seven_zip;
pub mod split;
pub mod stream;
pub mod tar;
pub mod zip;

use postern_model::sandbox::Kind;

pub fn is_opened(kind: Kind) -> bool {
    use Kind::{Arj, Bzip2, Cabinet, Compress, Cpio, Gzip, Lha, OfficeXml, Rar, SevenZip, Tar, Xz, Zip, Zstandard};
    matches!(kind, Zip | OfficeXml | Tar | Gzip | Bzip2 | Xz | Zstandard | Compress | SevenZip | Rar | Cabinet | Lha | Arj | Cpio)
}
