//! Containers of files.

pub mod cabinet;
pub mod disk_image;
pub mod rar;
pub mod seven_zip;
pub mod stream;
pub mod tar;
pub mod zip;

use postern_model::sandbox::Kind;

pub fn is_opened(kind: Kind) -> bool {
    use Kind::{Bzip2, Cabinet, DiskImage, Gzip, OfficeXml, Rar, SevenZip, Tar, Xz, Zip, Zstandard};
    matches!(kind, Zip | OfficeXml | Tar | Gzip | Bzip2 | Xz | Zstandard | SevenZip | Rar | Cabinet | DiskImage)
}
