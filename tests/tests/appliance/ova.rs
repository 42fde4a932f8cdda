//! The OVA as importers take it: order and hashes of its parts, its disk back to the raw one, and what COT (Common OVF Tool) reads in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use postern_tests::appliance::artefact;
use postern_tests::artefacts_or_skip;

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn sha256(file: &Path) -> String {
    said("sha256sum", &[file.to_str().unwrap()]).split(' ').next().unwrap().to_owned()
}

#[test]
fn the_ova_is_whole_and_its_disk_is_the_raw_one() {
    let (folder, _alone) = artefacts_or_skip!();
    let ova = artefact(&folder, ".ova").unwrap();
    let scratch = tempfile::tempdir_in(&folder).unwrap();
    let at = |name: &str| scratch.path().join(name);
    let parts = said("tar", &["--list", "--file", ova.to_str().unwrap()]);
    let parts: Vec<&str> = parts.lines().collect();
    let endings: Vec<&str> = parts.iter().map(|p| p.rsplit('.').next().unwrap()).collect();
    assert_eq!(endings, ["ovf", "mf", "vmdk"], "DSP0243 §5.1");
    said("tar", &["--extract", "--file", ova.to_str().unwrap(), "--directory", scratch.path().to_str().unwrap()]);

    let manifest = fs::read_to_string(at(parts[1])).unwrap();
    assert_eq!(manifest.lines().count(), 2, "{manifest}");
    for part in [parts[0], parts[2]] {
        let line = format!("SHA256({part})= {}", sha256(&at(part)));
        assert!(manifest.lines().any(|l| l == line), "{manifest} lacks {line}");
    }
    let size = format!("ovf:size=\"{}\"", fs::metadata(at(parts[2])).unwrap().len());
    assert!(fs::read_to_string(at(parts[0])).unwrap().contains(&size), "{size}");

    let (back, raw) = (at("back.raw"), at("disk.raw"));
    said("qemu-img", &["convert", "-O", "raw", at(parts[2]).to_str().unwrap(), back.to_str().unwrap()]);
    said("zstd", &["--decompress", "--quiet", "-o", raw.to_str().unwrap(), artefact(&folder, ".raw.zst").unwrap().to_str().unwrap()]);
    let compared = said("qemu-img", &["compare", "-f", "raw", "-F", "raw", back.to_str().unwrap(), raw.to_str().unwrap()]);
    assert!(compared.contains("identical"), "{compared}");
}

/// COT 2.2 takes every manifest for one of SHA-1 and warns; the hashes are looked at above.
#[test]
fn cot_reads_what_an_importer_needs() {
    let (folder, _alone) = artefacts_or_skip!();
    let Some(cot) = std::env::var_os("POSTERN_COT") else {
        return println!("skipped: POSTERN_COT names no cot (./just test-image installs it)");
    };
    let ova = artefact(&folder, ".ova").unwrap();
    let told = said(cot.to_str().unwrap(), &["info", ova.to_str().unwrap()]);
    for word in [
        "Product:  Postern",
        "16 GiB harddisk @ SCSI 0:0",
        "vmx-15",
        "VirtualSCSI",
        "VmxNet3",
        "2 GiB",
        "iso com.vmware.guestInfo",
        "<cluster_token>",
    ] {
        assert!(told.contains(word), "`{word}` is not in\n{told}");
    }
}
