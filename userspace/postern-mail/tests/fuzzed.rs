//! What fuzzing has found (tests/fuzzed), and the mails that it begins with, given to the fuzz targets' own checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/checks/headers.rs"]
mod headers;
#[path = "../../../fuzz/checks/mime.rs"]
mod mime;

fn each(folders: &[&str], check: fn(&[u8])) -> usize {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut count = 0;
    for folder in folders {
        for entry in std::fs::read_dir(here.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            eprintln!("{}", path.display());
            check(&std::fs::read(path).unwrap());
            count += 1;
        }
    }
    count
}

#[test]
fn inputs_of_mime() {
    assert!(each(&["fixtures", "fuzzed/mime"], mime::check) > 60);
}

#[test]
fn inputs_of_headers() {
    assert!(each(&["fixtures", "fuzzed/headers"], headers::check) > 60);
}
