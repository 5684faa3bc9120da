//! The units as they are shipped, weighed by systemd's own measure: without a systemd that runs.
//! What they do when one runs is in the suite `boot`.

use std::{path::PathBuf, process::Command};

use probity_tests::broker::program;

const UNITS: [&str; 3] =
    ["probity-broker.service", "probity.service", "probity-audit-forward.service"];

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../systemd").join(name)
}

/// What `systemd-analyze security` says of a unit in all.
fn exposure(unit: &str) -> f64 {
    let mut command = Command::new("/usr/bin/systemd-analyze");
    command.args(["security", "--offline=yes", "--no-pager"]).arg(shipped(unit));
    let output = command.output().unwrap();
    let (text, complaints) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    // A directive that it does not know is named there, and ignored.
    assert_eq!(complaints, "");
    let overall = text.lines().find_map(|line| line.split("Overall exposure level for ").nth(1));
    let level = overall.and_then(|line| line.split_whitespace().nth(1)).unwrap();
    level.parse().unwrap()
}

#[test]
fn the_broker_is_exposed_by_1_8_at_most_and_the_others_by_1_0() {
    assert!(exposure("probity-broker.service") <= 1.8);
    assert!(exposure("probity.service") <= 1.0);
    assert!(exposure("probity-audit-forward.service") <= 1.0);
}

/// A preinst is unpacked alone, so what it asks stands in both ways of installing.
#[test]
fn package_and_make_install_ask_the_same_of_accounts() {
    let taken = |path: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(path);
        let text = std::fs::read_to_string(path).unwrap();
        let (_, from) = text.split_once("\ntaken() {\n").unwrap();
        from.split_once("\n}\n").unwrap().0.to_owned()
    };
    assert_eq!(taken("install"), taken("debian/preinst"));
}

#[test]
fn each_directive_of_the_confinement_stands_below_a_comment() {
    for unit in UNITS {
        let text = std::fs::read_to_string(shipped(unit)).unwrap();
        let (_, confinement) = text.split_once("--- Who it is").unwrap();
        let (confinement, _) = confinement.split_once("--- What is left open").unwrap();
        let mut is_explained = false;
        for line in confinement.lines().skip(1) {
            match line {
                "" => is_explained = false,
                line if line.starts_with("# ---") => is_explained = false,
                line if line.starts_with('#') => is_explained = true,
                directive => assert!(is_explained, "{unit}: {directive}"),
            }
        }
    }
}

#[test]
fn what_is_left_open_is_explained_in_the_unit_itself() {
    for unit in UNITS {
        let mut command = Command::new("/usr/bin/systemd-analyze");
        command.args(["security", "--offline=yes", "--no-pager"]).arg(shipped(unit));
        // The marks are ASCII elsewhere.
        command.env("LC_ALL", "C.UTF-8");
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let open: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("✗ ")).collect();
        assert!(!open.is_empty());
        let unit_text = std::fs::read_to_string(shipped(unit)).unwrap();
        let (_, explained) = unit_text.split_once("--- What is left open").unwrap();
        for item in open {
            let name = item.split_whitespace().next().unwrap();
            // "RestrictAddressFamilies=~AF_PACKET" is explained as AF_PACKET, and so on.
            let (directive, value) = name.split_once('=').unwrap();
            let word = match value.trim_start_matches('~') {
                "" | "/RootImage=" => directive.to_owned() + "=",
                value if value.starts_with("CAP_NET_") => "CAP_NET_RAW".to_owned(),
                "AF_(INET|INET6)" => "AF_INET(6)".to_owned(),
                value => value.to_owned(),
            };
            assert!(explained.contains(&word), "{unit}: {word} is not explained");
        }
    }
}

/// Below it a run that stays within its own limits could be ended for another's sake.
#[test]
fn the_memory_of_the_broker_has_room_for_as_many_runs_as_the_shipped_policy_allows() {
    let mut command = Command::new(program("probity-policy"));
    let output = command.args(["show", "--shipped", "--toml"]).output().unwrap();
    let policy = String::from_utf8(output.stdout).unwrap();
    let value = |key: &str| {
        let key = format!("{key} = ");
        policy.lines().find_map(|line| line.strip_prefix(&key)).unwrap().to_owned()
    };
    let number = |key: &str| value(key).parse::<u64>().unwrap();
    assert_eq!(value("memory"), "\"512 MiB\"");
    /// The kernel's usual most of a socket's queue, which it doubles, in two directions.
    const QUEUES: u64 = 4 * 212_992;
    let run = (512 << 20) + number("open_files") * QUEUES;
    let unit = std::fs::read_to_string(shipped("probity-broker.service")).unwrap();
    let most = unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")).unwrap();
    let most = most.strip_suffix('G').unwrap().parse::<u64>().unwrap() << 30;
    let all = number("concurrency") * run;
    assert!(most >= all + (64 << 20), "{most} is less than {all} and the broker's own");
    assert!(most <= 2 * all, "{most} holds nobody back: the runs come to {all}");
}

#[test]
fn the_shipped_fence_is_the_shipped_policys() {
    let mut command = Command::new(program("probity-policy"));
    let output = command.args(["systemd-dropin", "--shipped"]).output().unwrap();
    let file = shipped("probity-broker.service.d/10-egress.conf");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        std::fs::read_to_string(file).unwrap(),
        "make it anew: probity-policy systemd-dropin --shipped"
    );
}
