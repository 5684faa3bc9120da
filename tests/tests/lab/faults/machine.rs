//! A machine that runs out: of disk, of descriptors, of processes; and one whose clock steps back.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use probity_tests::{
    clock::Clock,
    leftovers::descriptors,
    needs,
    procs::{ProcStatus, children, limits, settle, wait_until},
    served::{Served, arguments},
};
use serde_json::{Value, json};

/// A file system of 64 KiB, unmounted when this is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("/usr/bin/mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k,mode=755", "probity-test"]).arg(folder.path());
        assert!(mount.status().unwrap().success());
        Self(folder)
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("audit.jsonl")
    }

    fn fill(&self) {
        let mut file = File::create(self.0.path().join("full")).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.0.path().join("full")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("/usr/bin/umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn when_the_disk_of_the_log_is_full_nothing_runs_and_when_it_is_not_everything_does() {
    if !needs::root() {
        return;
    }
    let disk = SmallDisk::mount();
    let mut served = Served::logging_to(2, disk.log()).unwrap();
    let before = served.leftovers().unwrap();
    // One is under way when the disk fills: its end is owed a line, and gets it.
    let going_on = served.begin("nap", 5.0).unwrap();
    disk.fill();
    assert_eq!(served.end(going_on).unwrap()["returncode"], 0);
    // The last page of the log itself has room for some more.
    let refused = (0..200).map(|_| served.does("nap", 5.0).unwrap()).find(is_refused);
    let refused = refused.expect("a call that was refused");
    let said = refused["error"].as_str().unwrap_or_default();
    assert!(said.contains("cannot be recorded"), "{refused}");
    // A check of it is on record, too, or refused with the same words.
    let mut check = arguments("nap", 5.0);
    check["dry_run"] = json!(true);
    let unchecked = served.session.call("hostile", check).unwrap();
    let unchecked = &unchecked["structuredContent"];
    assert_eq!(unchecked["error"], refused["error"], "{unchecked}");
    assert_eq!(unchecked["error_type"], refused["error_type"], "{unchecked}");
    assert!(served.traces().processes().is_empty());
    disk.empty();
    served.is_well().unwrap();
    before.check().unwrap();
}

fn is_refused(result: &Value) -> bool {
    !result["error_type"].is_null()
}

/// Sets a soft limit of a living process, and leaves the hard one. As that process's own user: root
/// needs a capability for it that not every machine gives.
fn set_limit(pid: u32, resource: &str, soft: u64) {
    let of = ProcStatus::read(pid).unwrap();
    let mut prlimit = Command::new("setpriv");
    prlimit.args(["--reuid", &of.uid.to_string(), "--regid", &of.gid.to_string()]);
    prlimit.args(["--clear-groups", "prlimit", "--pid", &pid.to_string()]);
    prlimit.arg(format!("--{resource}={soft}:"));
    assert!(prlimit.status().unwrap().success());
}

#[test]
fn a_broker_out_of_descriptors_starts_nothing_forgets_nobody_and_recovers() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(4).unwrap();
    let before = served.leftovers().unwrap();
    let broker = served.broker.pid();
    let usual = limits(broker).unwrap().open_files.unwrap();
    let open = u64::try_from(descriptors(broker).unwrap()).unwrap();
    // Enough to take a connection, too few for a run.
    set_limit(broker, "nofile", open + 2);
    let refused = served.does("nap", 5.0).unwrap();
    assert_eq!(refused["error_type"], "RESOURCE_EXHAUSTED", "{refused}");
    // Too few for a connection: it waits.
    set_limit(broker, "nofile", open);
    let id = served.begin("nap", 5.0).unwrap();
    assert!(settle(&[served.session.pid()]));
    set_limit(broker, "nofile", usual);
    assert_eq!(served.end(id).unwrap()["returncode"], 0);
    before.check().unwrap();
    served.is_well().unwrap();
}

#[test]
fn a_broker_out_of_processes_says_so_and_recovers() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(4).unwrap();
    let before = served.leftovers().unwrap();
    let broker = served.broker.pid();
    let usual = limits(broker).unwrap().processes;
    // Brokers of other tests have the same user: one is reached in any case.
    set_limit(broker, "nproc", 1);
    for _ in 0..3 {
        let refused = served.does("nap", 5.0).unwrap();
        assert_eq!(refused["error_type"], "RESOURCE_EXHAUSTED", "{refused}");
    }
    before.check().unwrap();
    set_limit(broker, "nproc", usual.unwrap_or(1 << 20));
    served.is_well().unwrap();
    before.check().unwrap();
}

#[test]
fn a_clock_that_steps_back_changes_neither_the_length_of_a_run_nor_the_chain_of_the_log() {
    if !needs::root() {
        return;
    }
    let Some(clock) = Clock::new() else { return };
    let mut served = Served::with_variables(4, &clock.variables()).unwrap();
    let before = served.leftovers().unwrap();
    let id = served.begin("sleep", 2.0).unwrap();
    let broker = served.broker.pid();
    let runs = || children(broker).len() == 1 && settle(&children(broker));
    assert!(wait_until(Duration::from_secs(20), runs));
    clock.is_off_by("-2d");
    let result = served.end(id).unwrap();
    let took = result["execution_time"].as_f64().unwrap();
    assert!((2.0..4.0).contains(&took) && result["timed_out"] == true, "{result}");
    served.is_well().unwrap();
    clock.is_off_by("+2d");
    served.is_well().unwrap();
    let log = served.broker.audit().unwrap();
    let times: Vec<_> = log.iter().map(|line| line["time"].as_str().unwrap()).collect();
    assert!(!times.is_sorted(), "the clock did not step: {times:?}");
    before.check().unwrap();
}
