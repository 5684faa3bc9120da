//! System calls on the other processor: the names that filters are made of have numbers on aarch64 too, or
//! are of those that it never had, and then what its C library calls in their place is there as well.
//!
//! Numbers are read from two sources, which are made from the kernel's tables independently: the crates `libc`
//! and `seccompiler`. (That everything compiles for aarch64, `make aarch64` tries.)

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::root;

/// Calls that aarch64 never had, and what is called there instead; none where there is nothing to
/// call. The kernel made its generic table without them (include/uapi/asm-generic/unistd.h).
const OLDER: &[(&str, Option<&str>)] = &[
    ("access", Some("faccessat")),
    // The register of thread-local storage is written without the kernel.
    ("arch_prctl", None),
    ("chmod", Some("fchmodat")),
    ("chown", Some("fchownat")),
    ("dup2", Some("dup3")),
    ("epoll_create", Some("epoll_create1")),
    ("epoll_wait", Some("epoll_pwait")),
    // `clone`, which a profile has by a key of its own.
    ("fork", None),
    ("futimesat", Some("utimensat")),
    ("getpgrp", Some("getpgid")),
    // Ports and segments of x86.
    ("ioperm", None),
    ("iopl", None),
    ("lchown", Some("fchownat")),
    ("mkdir", Some("mkdirat")),
    ("modify_ldt", None),
    ("open", Some("openat")),
    ("pipe", Some("pipe2")),
    ("poll", Some("ppoll")),
    ("readlink", Some("readlinkat")),
    ("select", Some("pselect6")),
    ("stat", Some("newfstatat")),
    ("unlink", Some("unlinkat")),
    ("utime", Some("utimensat")),
    ("utimes", Some("utimensat")),
    ("vfork", None),
];

type Numbers = BTreeMap<String, i64>;

fn instead_of(name: &str) -> Option<Option<&'static str>> {
    OLDER.iter().find(|(older, _)| *older == name).map(|(_, instead)| *instead)
}

/// The sources of the crates, as cargo has them.
fn source_of(name: &str, packages: &Value) -> PathBuf {
    let packages = packages["packages"].as_array().unwrap().iter();
    let mut fitting = packages.filter(|package| package["name"] == name);
    let manifest = fitting.next().unwrap()["manifest_path"].as_str().unwrap();
    assert!(fitting.next().is_none(), "more than one {name}");
    Path::new(manifest).parent().unwrap().join("src")
}

fn packages() -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    command.args(["--filter-platform", "x86_64-unknown-linux-gnu"]).current_dir(root());
    serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
}

/// `pub const SYS_read: c_long = 63;`, the lines of this form in the files of a processor.
fn of_libc(packages: &Value, processor: &str) -> Numbers {
    let files = match processor {
        "x86_64" => ["mod.rs", "not_x32.rs"],
        _ => ["mod.rs", "lp64.rs"],
    };
    let folder = source_of("libc", packages).join("unix/linux_like/linux/gnu/b64").join(processor);
    let text: String = files.map(|file| fs::read_to_string(folder.join(file)).unwrap()).concat();
    let constants = text.lines().filter_map(|line| line.trim().strip_prefix("pub const SYS_"));
    let numbers = constants.filter_map(|rest| {
        let (name, number) = rest.strip_suffix(';')?.split_once(": c_long = ")?;
        Some((name.to_owned(), number.parse().ok()?))
    });
    numbers.collect()
}

/// `("read", 63),`, the same.
fn of_kernel(packages: &Value, processor: &str) -> Numbers {
    let file = format!("syscall_table/{processor}.rs");
    let text = fs::read_to_string(source_of("seccompiler", packages).join(file)).unwrap();
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.strip_suffix("),"));
    let numbers = rows.filter_map(|row| row.split_once("\", "));
    numbers.map(|(name, number)| (name.to_owned(), number.parse().unwrap())).collect()
}

/// Both sources of a processor's numbers.
fn numbers(packages: &Value, processor: &str) -> [Numbers; 2] {
    let sources = [of_libc(packages, processor), of_kernel(packages, processor)];
    assert!(sources.iter().all(|numbers| numbers.len() > 250), "{processor}");
    sources
}

/// Words that begin so, in the code of a file between two lines of it.
fn named(file: &str, prefix: &str, from: &str, to: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("{file} lacks {from}"));
    let (part, _) = rest.split_once(to).unwrap();
    let words = part.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    words.filter_map(|word| word.strip_prefix(prefix)).map(str::to_owned).collect()
}

/// The words of a list in TOML, which has comments and nothing else in it; none where there is no such list.
fn words(text: &str, key: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once(&format!("\n{key} = [")) else { return Vec::new() };
    let lines = rest.lines().map(|line| line.split('#').next().unwrap());
    let list = lines.collect::<Vec<_>>().join(" ");
    let quoted = list.split(']').next().unwrap().split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// What each profile lists, with what it includes.
fn profiles() -> BTreeMap<String, BTreeSet<String>> {
    let folder = root().join("policy/defaults/profiles");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let own: BTreeMap<_, _> = files
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), text)
        })
        .collect();
    let whole = |name: &String| {
        let (mut calls, mut open_ends) = (BTreeSet::new(), vec![name.clone()]);
        while let Some(name) = open_ends.pop() {
            calls.extend(words(&own[&name], "syscalls"));
            open_ends.extend(words(&own[&name], "include"));
        }
        calls
    };
    own.keys().map(|name| (name.clone(), whole(name))).collect()
}

const BROKER: &str = "broker/src/sandbox/syscalls.rs";
const FRONTEND: &str = "frontend/src/process/confine/calls.rs";

/// Every call of the broker's table, and those of it that are x86_64's alone.
fn broker_calls() -> [BTreeSet<String>; 2] {
    let all = named(BROKER, "SYS_", "= table! {", "\n}");
    let older = named(BROKER, "SYS_", "= legacy! {", "\n}");
    assert!(all.len() > 100 && older.len() > 10);
    [all, older]
}

#[test]
fn each_call_of_the_brokers_table_has_its_number_on_both_processors_or_is_an_older_one() {
    let packages = packages();
    let [all, older] = broker_calls();
    for processor in ["x86_64", "aarch64"] {
        let [libc, kernel] = numbers(&packages, processor);
        for call in &all {
            let number = libc.get(call);
            assert!(number.is_some(), "{call} is none of {processor}'s");
            assert_eq!(number, kernel.get(call), "{call} of {processor}");
        }
        for call in &older {
            assert_eq!(libc.contains_key(call), processor == "x86_64", "{call} of {processor}");
            assert_eq!(libc.get(call), kernel.get(call), "{call} of {processor}");
        }
    }
    for call in &older {
        let instead =
            instead_of(call).unwrap_or_else(|| panic!("{call} stands in no row of OLDER"));
        assert!(instead.is_none_or(|instead| all.contains(instead)), "{call}: {instead:?}");
    }
}

#[test]
fn what_a_profile_allows_is_allowed_on_aarch64_by_the_name_that_it_has_there() {
    let [all, older] = broker_calls();
    let profiles = profiles();
    assert_eq!(profiles.len(), 10);
    for (profile, calls) in profiles {
        for call in &calls {
            assert!(all.contains(call) || older.contains(call), "{profile}: {call} is not known");
            if let Some(Some(instead)) = instead_of(call) {
                assert!(calls.contains(instead), "{profile} has {call} and lacks {instead}");
            }
        }
    }
}

#[test]
fn what_the_frontend_gives_up_it_gives_up_on_aarch64_too() {
    let packages = packages();
    let [libc, kernel] = numbers(&packages, "aarch64");
    let of = |list: &str| named(FRONTEND, "libc::SYS_", &format!("const {list}: "), "];");
    let (files, processes, older) = (of("FILES"), of("PROCESSES"), of("OLDER"));
    assert!(files.len() > 10 && processes.len() > 20 && older.len() > 5);
    for call in files.iter().chain(&processes) {
        assert!(libc.contains_key(call), "{call} is none of aarch64's");
        assert_eq!(libc.get(call), kernel.get(call), "{call}");
    }
    for call in &older {
        assert!(!libc.contains_key(call), "{call} is aarch64's too");
        let instead = instead_of(call).flatten();
        assert!(instead.is_some_and(|instead| files.contains(instead)), "{call}: {instead:?}");
    }
}
