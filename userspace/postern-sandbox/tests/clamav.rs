//! ClamAV's test files (Debian's clamav-testfiles): one small program for Windows in every container there is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use postern_model::sandbox::{FindingName, Kind};
use postern_sandbox::cell::{CellError, Cells};
use postern_sandbox::job::Job;

/// PowerPoint's own way to pack files.
const NOT_YET: &[&str] = &["clam.ppt"];
const FOLDER: &str = "/usr/share/clamav-testfiles";

#[tokio::test]
async fn the_program_is_found_in_every_container_that_is_opened() {
    if !Path::new(FOLDER).exists() {
        println!("skipped: {FOLDER} is not there (Debian's clamav-testfiles)");
        return;
    }
    // In a cell: what a library asks the machine for shows there alone.
    let cells = Cells::new(env!("CARGO_BIN_EXE_postern-cell").into());
    let mut table = Vec::new();
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let job = Job { name: name.clone(), ..Job::default() };
        let report = match cells.run(&job, &std::fs::read(&path).unwrap(), None).await {
            Ok(report) => report,
            Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => return println!("skipped: {why}"),
            Err(error) => panic!("{error}"),
        };
        let is_found = report.findings.iter().any(|f| f.name == FindingName::Program);
        let last = report.parts.last().unwrap();
        table.push((
            name,
            report.parts[0].kind,
            last.kind,
            is_found,
            report.findings.iter().map(|f| f.name.name()).collect::<Vec<_>>().join(" "),
        ));
    }
    table.sort();
    table.iter().for_each(|(name, kind, last, found, names)| println!("{name}: {kind:?}, {last:?}, {found}, {names}"));
    let opened = [
        Kind::Zip,
        Kind::Gzip,
        Kind::Bzip2,
        Kind::Tar,
        Kind::SevenZip,
        Kind::Rar,
        Kind::Cabinet,
        Kind::Mail,
        Kind::Rtf,
        Kind::Pdf,
        Kind::Compound,
        Kind::WindowsProgram,
    ];
    for (name, kind, _, is_found, _) in &table {
        assert!(*is_found || !opened.contains(kind) || NOT_YET.contains(&name.as_str()), "{name}: {kind:?}, and no program in it");
    }
}
