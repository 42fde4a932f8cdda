//! Installations onto sparse files, octet by octet; what is left when one is cut short, and what a disk gives back that lies.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "install/mod.rs"]
mod bench;

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process::Command;

use bench::{Bench, SECTOR, image};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use postern_os::install::contents::{Contents, Data, Postern};
use postern_os::install::dialogue::Then;
use postern_os::install::disks::Disk;
use postern_os::install::gpt::{self, Found};
use postern_os::install::plan::{Plan, Step, Wanted};
use postern_os::install::refusal::{Intent, Refusal};
use postern_os::install::session::{self, Console, Outcome};
use postern_os::install::turn::{First, Turn};
use postern_os::install::write::{Event, Failed, Left, Trouble, carry_out};
use uuid::Uuid;

const ERASE: &str = "disk = \"only\"\nerase = true\nthen = \"power-off\"\n";
const KEEP: &str = "disk = \"only\"\nkeep_data = true\n";
/// Where the layout has the data partition.
const DATA: u64 = 2_232_320;

/// Runs a tool, or says why not.
fn tool(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new(program).args(arguments).output() {
        Ok(ended) => Some((ended.status.success(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())),
        Err(e) => {
            println!("skipped: {program}: {e}");
            None
        }
    }
}

fn postern(bench: &Bench) -> Postern {
    match bench.contents("vda") {
        Contents::Postern(postern) => postern,
        other => panic!("{other:?}"),
    }
}

fn plan(bench: &Bench, intent: Intent) -> Plan {
    plan_for(bench, &bench.disk("vda"), intent).unwrap()
}

fn plan_for(bench: &Bench, disk: &Disk, intent: Intent) -> Result<Plan, Refusal> {
    Plan::new(disk, &bench.medium(), Wanted { intent, machine: None, guid: Uuid::new_v4(), fresh: &mut Uuid::new_v4 })
}

/// Carries a plan out, and does something to the disk when a step begins that is wanted.
fn disturbed(bench: &Bench, plan: &Plan, at: impl Fn(&Step) -> bool, disturb: impl Fn()) -> Failed {
    let done = carry_out(plan, &bench.medium(), &mut |event| {
        if let Event::Begins(step) = event
            && at(step)
        {
            disturb();
        }
    });
    done.expect_err("the disturbance was not seen")
}

fn assert_slot_a(bench: &Bench, version: &str) {
    for (name, sector) in [("bios.img", 2048), ("esp.img", 4096), ("boot.img", 266_240), ("root.img", 462_848)] {
        let wanted = image(name, version);
        assert!(bench.octets("vda", sector, wanted.len()) == wanted, "{name}");
    }
    assert!(bench.octets("vda", 0, 440) == image("boot-code.img", version), "boot code");
}

#[test]
fn a_disk_holds_afterwards_what_the_medium_has() {
    let bench = Bench::new("one");
    // Traces of an earlier life, where partitions will begin and between table and first partition.
    for sector in [100, 1_249_280, 1_445_888, DATA] {
        bench.open("vda").write_all_at(&[7; 5000], sector * SECTOR).unwrap();
    }
    let (outcome, said) = bench.answer(ERASE);
    assert_eq!(outcome.unwrap(), Outcome::Installed(Then::PowerOff));
    assert!(said.contains("on vda, 2.0 GiB, serial vda-serial") && said.contains("read everything back"), "{said}");
    assert_slot_a(&bench, "1.2.3");
    for (sector, length) in [(34, (2048 - 34) * 512), (1_249_280, 1 << 20), (1_445_888, 1 << 20), (DATA, 1 << 20)] {
        assert!(bench.is_zero("vda", sector, length), "sector {sector}");
    }
    let postern = postern(&bench);
    assert_eq!((postern.data, postern.versions), (Data::None, vec![('a', "1.2.3".into())]));
    let names: Vec<&str> = postern.partitions.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["bios", "esp", "boot-a", "root-a", "boot-b", "root-b", "data"]);

    let disk = bench.node("vda");
    let Some((is_good, json)) = tool("sfdisk", &["--json", disk.to_str().unwrap()]) else { return };
    assert!(is_good, "{json}");
    let table = serde_json::from_str::<serde_json::Value>(&json).unwrap()["partitiontable"].take();
    assert_eq!((&table["label"], &table["firstlba"], &table["lastlba"]), (&"gpt".into(), &34.into(), &4_194_270.into()));
    let partitions = table["partitions"].as_array().unwrap();
    let line = |p: &serde_json::Value| format!("{} {} {} {}", p["name"], p["start"], p["size"], p["type"]);
    assert_eq!(line(&partitions[1]), "\"esp\" 4096 262144 \"C12A7328-F81F-11D2-BA4B-00A0C93EC93B\"");
    // To the last full MiB.
    assert_eq!(line(&partitions[6]), "\"data\" 2232320 1959936 \"0FC63DAF-8483-4772-8E79-3D69D8477DE4\"");
    let (is_good, said) = tool("sfdisk", &["--verify", disk.to_str().unwrap()]).unwrap();
    assert!(is_good && said.contains("No errors detected"), "{said}");
}

#[test]
fn two_disks_have_no_guid_in_common() {
    let guids = |bench: &Bench| {
        let Found::Table(table) = gpt::read(&bench.open("vda"), 4_194_304).unwrap() else { panic!("no table") };
        table.entries.iter().map(|e| e.guid).chain([table.guid]).collect::<BTreeSet<_>>()
    };
    let benches = [ERASE, "disk = \"only\"\nerase = true\n# another file\n"].map(|answers| {
        let bench = Bench::new("one");
        bench.answer(answers).0.unwrap();
        bench
    });
    let [first, second] = [guids(&benches[0]), guids(&benches[1])];
    assert_eq!((first.len(), second.len(), first.intersection(&second).count()), (8, 8, 0));
}

#[test]
fn answers_are_followed_once() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    bench.use_data("vda");
    let before = bench.octets("vda", 0, 4 << 20);
    assert_eq!(bench.answer(ERASE).0.unwrap(), Outcome::Done { disk: "vda".into() });
    assert_eq!(bench.octets("vda", 0, 4 << 20), before);
    // Other answers are other orders; without one, nothing is erased.
    let said = bench.answer("disk = \"only\"\n").0.unwrap_err().to_string();
    assert!(said.contains("holds the data of a Postern"), "{said}");
    let (outcome, _) = bench.answer(&format!("{ERASE}# again\n"));
    assert_eq!(outcome.unwrap(), Outcome::Installed(Then::PowerOff));
    assert!(bench.is_zero("vda", DATA, 1 << 20), "the data were erased");
}

#[test]
fn what_is_not_empty_is_not_taken_without_a_word() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    let said = bench.answer("disk = \"only\"\n").0.unwrap_err().to_string();
    assert!(said.contains("it is not empty"), "{said}");
    // A file system on the whole disk, without any table.
    let bench = Bench::new("one");
    bench.open("vda").write_all_at(&[0x53, 0xef], 1080).unwrap();
    assert_eq!(bench.contents("vda"), Contents::Unknown("data without a partition table"));
    assert!(bench.answer("disk = \"only\"\n").0.unwrap_err().to_string().contains("it is not empty"));
}

#[test]
fn data_are_kept_with_their_partition() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    let data = bench.use_data("vda");
    let kept = |bench: &Bench| match postern(bench).data {
        Data::Kept(entry) => entry,
        other => panic!("{other:?}"),
    };
    let before = kept(&bench);
    bench::medium(&bench.place.medium.join("live"), "1.3.0");
    assert_eq!(bench.answer(KEEP).0.unwrap(), Outcome::Installed(Then::Reboot));
    assert_slot_a(&bench, "1.3.0");
    assert!(bench.octets("vda", DATA, data.len()) == data);
    assert_eq!((kept(&bench), postern(&bench).versions), (before, vec![('a', "1.3.0".into())]));
}

#[test]
fn data_that_are_kept_are_found_again_wherever_it_was_cut_short() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    let data = bench.use_data("vda");
    let steps = plan(&bench, Intent::KeepData).steps.len();
    for end in 2..steps {
        // As by a power cut: the plan ends in the middle, and nothing tidies up behind it.
        let mut plan = plan(&bench, Intent::KeepData);
        plan.steps.truncate(end);
        carry_out(&plan, &bench.medium(), &mut |_| {}).unwrap();
        let Postern { partitions, data: Data::Kept(entry), .. } = postern(&bench) else { panic!("after step {end}") };
        assert_eq!((entry.first, partitions.len()), (DATA, 1), "after step {end}");
        assert!(bench.is_zero("vda", 0, 440), "it starts nothing");
    }
    bench.answer(KEEP).0.unwrap();
    assert!(bench.octets("vda", DATA, data.len()) == data);
    assert_slot_a(&bench, "1.2.3");
}

#[test]
fn data_that_are_kept_are_found_by_the_copy_when_the_first_table_is_torn() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    bench.use_data("vda");
    let plan = plan(&bench, Intent::KeepData);
    for step in &plan.steps {
        let (Step::Clear { ends, .. } | Step::Finish { ends }) = step else { continue };
        // The copy is there, as it is written and synced first; of the beginning only every second sector.
        let disk = bench.open("vda");
        disk.write_all_at(&ends.tail, ends.tail_at * SECTOR).unwrap();
        for (at, sector) in ends.head.chunks(512).enumerate() {
            let torn = if at % 2 == 0 { sector } else { &[0xee; 512] };
            disk.write_all_at(torn, at as u64 * SECTOR).unwrap();
        }
        assert!(matches!(postern(&bench).data, Data::Kept(_)), "{step}");
        // Header whole, entries torn.
        disk.write_all_at(&ends.head[512..1024], SECTOR).unwrap();
        disk.write_all_at(&[0xee; 512], 3 * SECTOR).unwrap();
        assert!(matches!(postern(&bench).data, Data::Kept(_)), "{step}");
    }
    bench.answer(KEEP).0.unwrap();
    assert_slot_a(&bench, "1.2.3");
}

#[test]
fn data_elsewhere_are_not_kept() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    bench.use_data("vda");
    // As if an older version had had them one MiB further on.
    let Found::Table(mut table) = gpt::read(&bench.open("vda"), 4_194_304).unwrap() else { panic!("no table") };
    table.entries[6].first += 2048;
    bench.open("vda").write_all_at(&table.head(4_194_304, &[0; 440]), 0).unwrap();
    let said = bench.answer(KEEP).0.unwrap_err().to_string();
    assert!(said.contains("where this version has another one"), "{said}");
    assert!(bench.answer("disk = \"only\"\n").0.unwrap_err().to_string().contains("kept or erased"));
}

#[test]
fn damage_after_it_was_written_is_found_and_nothing_starts() {
    let places = [("boot.img", 266_240 + 3000), ("root.img", 462_848 + 4000), ("zero the beginning of data", DATA + 5)];
    for (what, sector) in places {
        let bench = Bench::new("one");
        let damage = || bench.open("vda").write_all_at(b"damage", sector * SECTOR).unwrap();
        let failed = disturbed(&bench, &plan(&bench, Intent::Erase), |s| *s == Step::ReadBack, damage);
        assert!(matches!(failed.trouble, Trouble::Differs { .. }) && failed.to_string().contains(what), "{failed}");
        assert_eq!(failed.left, Left::Empty);
        assert!(bench.is_zero("vda", 0, 1 << 20) && bench.is_zero("vda", 4_194_304 - 33, 33 * 512), "no table");
    }
}

#[test]
fn damage_while_data_are_kept_leaves_them() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    let data = bench.use_data("vda");
    let damage = || bench.open("vda").write_all_at(b"damage", 4096 * SECTOR).unwrap();
    let failed = disturbed(&bench, &plan(&bench, Intent::KeepData), |s| *s == Step::ReadBack, damage);
    assert_eq!(failed.left, Left::DataOnly);
    assert!(failed.to_string().contains("Its data partition is as it was"), "{failed}");
    assert!(matches!(postern(&bench).data, Data::Kept(_)));
    bench.answer(KEEP).0.unwrap();
    assert!(bench.octets("vda", DATA, data.len()) == data);
}

/// A file in memory that can be forbidden to grow, or to be written: a disk that claims too much, or one that died.
fn fragile(bench: &Bench, octets: u64) -> (std::os::fd::OwnedFd, Disk) {
    let file = memfd_create("disk", MFdFlags::MFD_ALLOW_SEALING).unwrap();
    nix::unistd::ftruncate(&file, i64::try_from(octets).unwrap()).unwrap();
    let disk = Disk { node: format!("/proc/self/fd/{}", file.as_raw_fd()).into(), ..bench.disk("vda") };
    (file, disk)
}

#[test]
fn a_disk_that_is_smaller_than_it_says() {
    let bench = Bench::new("one");
    let (file, disk) = fragile(&bench, 1 << 30);
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW)).unwrap();
    let failed = carry_out(&plan_for(&bench, &disk, Intent::Erase).unwrap(), &bench.medium(), &mut |_| {}).unwrap_err();
    assert!(matches!(failed.trouble, Trouble::Write { .. }), "{failed}");
    assert_eq!(failed.left, Left::Unknown);
}

#[test]
fn a_disk_that_takes_no_more_writes() {
    let bench = Bench::new("one");
    let (file, disk) = fragile(&bench, 2 << 30);
    let plan = plan_for(&bench, &disk, Intent::Erase).unwrap();
    let dies = || assert_eq!(fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)), Ok(0));
    let failed = disturbed(&bench, &plan, |s| matches!(s, Step::Copy { image: "root.img", .. }), dies);
    assert!(failed.to_string().starts_with("write root.img to root-a"), "{failed}");
    assert_eq!(failed.left, Left::Unknown);
    let mut head = vec![1; 512];
    nix::sys::uio::pread(&file, &mut head, 0).unwrap();
    assert!(head.iter().all(|o| *o == 0), "it starts nothing");
}

#[test]
fn a_medium_that_is_damaged_changes_nothing() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    bench.use_data("vda");
    let before = bench.octets("vda", 0, 8 << 20);
    for (file, at) in [("esp.img.zst", 30), ("root.img", 2_500_000), ("boot-code.img", 3), ("partitions.sfdisk", 3)] {
        let path = bench.place.medium.join("live").join(file);
        let whole = fs::read(&path).unwrap();
        for broken in [&whole[..at], &[&whole[..at], b"\xff\xfe\xfd", &whole[at + 3..]].concat()[..]] {
            fs::write(&path, broken).unwrap();
            let said = bench.answer(&format!("{ERASE}# again\n")).0.unwrap_err().to_string();
            assert!(said.contains("medium is damaged: ") && said.contains(file.trim_end_matches(".zst")), "{file}: {said}");
        }
        fs::write(&path, &whole).unwrap();
    }
    fs::remove_file(bench.place.medium.join("live/root.img")).unwrap();
    assert!(bench.answer(&format!("{ERASE}# again\n")).0.unwrap_err().to_string().contains("root.img"));
    assert!(bench.octets("vda", 0, 8 << 20) == before);
}

#[test]
fn a_plan_is_printed_before_it_is_carried_out() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    let printed = plan(&bench, Intent::Erase).to_string();
    assert!(
        printed.starts_with("  1. check the medium\n  2. take the old partition table away\n  3. wipe the beginning of old partition 1"),
        "{printed}"
    );
    assert!(printed.ends_with("read everything back\n 18. write boot code and partition table\n"), "{printed}");
    let small = Disk { sectors: 2_000_000, ..bench.disk("vda") };
    assert!(matches!(plan_for(&bench, &small, Intent::Erase), Err(Refusal::TooSmall { .. })));
}

#[test]
fn settings_of_the_machine_wait_on_the_data_partition() {
    if tool("mkfs.ext4", &["-V"]).is_none() || tool("debugfs", &["-V"]).is_none() {
        return;
    }
    let bench = Bench::new("one");
    let answers = format!("{ERASE}[machine]\nhostname = \"mx1.example.org\"\ntime_zone = \"Europe/Berlin\"\n");
    let (outcome, said) = bench.answer(&answers);
    outcome.unwrap();
    assert!(said.contains("make the data partition with the machine's settings"), "{said}");
    assert_slot_a(&bench, "1.2.3");
    assert!(matches!(postern(&bench).data, Data::Kept(_)));
    let at = format!("{}?offset={}", bench.node("vda").display(), DATA * SECTOR);
    let (is_good, said) = tool("e2fsck", &["-f", "-n", &at]).unwrap();
    assert!(is_good, "{said}");
    let (_, said) = tool("debugfs", &["-R", "cat /lib/postern-os/machine.toml", &at]).unwrap();
    assert!(said.contains("hostname = \"mx1.example.org\""), "{said}");
    let (_, said) = tool("debugfs", &["-R", "show_super_stats -h", &at]).unwrap();
    let has = |line: &str| said.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") == line);
    // All of the partition: 1,959,936 sectors.
    assert!(has("Block count: 244992") && has("Filesystem volume name: data"), "{said}");

    // Damage to the settings is found as damage to an image is.
    let bench = Bench::new("one");
    let wanted =
        Wanted { intent: Intent::Erase, machine: Some("hostname = \"mx9.example.org\"\n"), guid: Uuid::new_v4(), fresh: &mut Uuid::new_v4 };
    let plan = Plan::new(&bench.disk("vda"), &bench.medium(), wanted).unwrap();
    let damage = || {
        let (_, said) = tool(
            "debugfs",
            &["-R", "blocks /lib/postern-os/machine.toml", &format!("{}?offset={}", bench.node("vda").display(), DATA * SECTOR)],
        )
        .unwrap();
        let block: u64 = said.lines().next().unwrap().trim().parse().unwrap();
        bench.open("vda").write_all_at(b"H", DATA * SECTOR + block * 4096).unwrap();
    };
    let failed = disturbed(&bench, &plan, |s| *s == Step::ReadBack, damage);
    assert!(failed.to_string().contains("does not give the machine's settings back"), "{failed}");
    assert!(bench.is_zero("vda", 0, 1 << 20));
}

/// As the builder makes it (`slot` in image/src/recipe.rs), with the tool it uses.
#[test]
fn the_version_of_a_real_slot_is_read() {
    let bench = Bench::new("one");
    bench.answer(ERASE).0.unwrap();
    let slot = bench.folder.path().join("slot");
    fs::create_dir(&slot).unwrap();
    fs::write(slot.join("vmlinuz"), vec![0x5a; 3_000_000]).unwrap();
    fs::write(slot.join("slot.cfg"), "set version=2.0.0-rc.1\nset options=\"quiet\"\nset verity=1:2:3\n").unwrap();
    let image = bench.folder.path().join("boot.img");
    let options = ["-quiet", "-no-progress", "-noappend", "-all-root", "-comp", "gzip", "-noD", "-noF"];
    let arguments = [&[slot.to_str().unwrap(), image.to_str().unwrap()][..], &options].concat();
    let Some((is_made, said)) = tool("mksquashfs", &arguments) else { return };
    assert!(is_made, "{said}");
    bench.open("vda").write_all_at(&fs::read(&image).unwrap(), 1_249_280 * SECTOR).unwrap();
    assert_eq!(postern(&bench).versions, [('a', "1.2.3".into()), ('b', "2.0.0-rc.1".into())]);
}

#[test]
fn one_console_installs_and_answers_are_tried_once_in_a_boot() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("run");
    let turn = Turn::take(&at).unwrap().unwrap();
    assert!(Turn::take(&at).unwrap().is_none(), "another console has it");
    assert_eq!((turn.begin_answers().unwrap(), turn.begin_answers().unwrap()), (First::Yes, First::No));
    drop(turn);
    assert_eq!(Turn::wait(&at).unwrap().unwrap().begin_answers().unwrap(), First::No);

    let bench = Bench::new("one");
    let other = Turn::take(&bench.place.turn).unwrap();
    let (outcome, shown) = bench.type_lines(&["1", "", "ERASE vda"]);
    assert_eq!(outcome.unwrap(), Outcome::Left);
    assert!(shown.contains("runs on another console"), "{shown}");
    assert_eq!(bench.contents("vda"), Contents::Blank);
    drop(other);
    assert_eq!(bench.type_lines(&["1", "", "ERASE vda"]).0.unwrap(), Outcome::Installed(Then::Reboot));
}

#[test]
fn a_console_follows_answers_and_asks_when_they_lead_nowhere() {
    let bench = Bench::new("one");
    let (then, shown, everywhere) = bench.run(Some("disk = \"only\"\nkeep_data = true\n"), &["1", "off", "ERASE vda"]);
    assert!(everywhere.starts_with("Not installed by the answer file. postern-install.toml: disk vda: there are no data"), "{everywhere}");
    assert!(shown.contains("> ERASE vda\ncheck the medium"), "{shown}");
    assert_eq!(then, Some(Then::PowerOff));

    // The other console, or this one after a restart of its unit: by hand only.
    let (then, shown, everywhere) = bench.run(Some(ERASE), &[]);
    assert_eq!((then, everywhere.as_str()), (None, ""));
    assert!(shown.starts_with("The answer file was followed in this boot already."), "{shown}");

    // The next boot.
    fs::remove_dir_all(&bench.place.turn).unwrap();
    let (then, shown, everywhere) = bench.run(Some(ERASE), &[]);
    assert_eq!((then, shown.as_str()), (Some(Then::PowerOff), ""));
    assert!(everywhere.ends_with("write boot code and partition table\nInstalled on vda.\n"), "{everywhere}");

    // And one more, with the medium and the answers still there: the machine does not install itself again and again.
    fs::remove_dir_all(&bench.place.turn).unwrap();
    let (then, shown, everywhere) = bench.run(Some(ERASE), &[]);
    assert!(then.is_none() && everywhere.contains("vda was installed by this answer file before"), "{everywhere}");
    assert!(shown.contains("Number of the disk"), "{shown}");
}

#[test]
fn a_failure_is_said_and_asked_about_again() {
    let bench = Bench::new("one");
    let root = bench.place.medium.join("live/root.img");
    let whole = fs::read(&root).unwrap();
    fs::write(&root, &whole[..1000]).unwrap();
    let (then, shown, _) = bench.run(None, &["1", "", "ERASE vda", ""]);
    assert!(
        shown.contains(
            "root.img is not what was built; write it anew, or take another one. Nothing was written.\nEnter to begin again:\n> \n"
        ),
        "{shown}"
    );
    assert!(then.is_none() && bench.is_zero("vda", 0, 1 << 20));
}

#[test]
fn answers_are_tried_dry() {
    let bench = Bench::new("one");
    let printed = postern_os::install::session::dry_run(&bench.place, "disk = \"only\"\n").unwrap();
    assert!(printed.starts_with("vda, 2.0 GiB, serial vda-serial\nvda is empty: nothing is lost.\n  1. check the medium\n"), "{printed}");
    assert_eq!(bench.contents("vda"), Contents::Blank);
}

/// What an installation says everywhere, and whether another console could begin one meanwhile.
struct Watched<'a> {
    turn: &'a std::path::Path,
    said: Vec<u8>,
}

impl std::io::Write for Watched<'_> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        assert!(Turn::take(self.turn).unwrap().is_none(), "nobody has the turn");
        self.said.write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn while_answers_are_followed_no_other_console_installs() {
    let bench = Bench::new("one");
    let mut everywhere = Watched { turn: &bench.place.turn, said: Vec::new() };
    let (mut input, mut output) = (std::io::empty(), Vec::new());
    let mut console = Console { input: &mut input, output: &mut output };
    let then = session::run(&bench.place, Some(ERASE), &mut console, &mut everywhere).unwrap();
    assert_eq!(then, Some(Then::PowerOff));
    assert!(String::from_utf8(everywhere.said).unwrap().contains("read everything back"));
    assert!(Turn::take(&bench.place.turn).unwrap().is_some());
}
