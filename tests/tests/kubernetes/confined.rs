//! What a pod's processes may do, by what the kernel says inside, held against the table of docs/deploy.md.

use std::{collections::BTreeMap, fs, process::Stdio};

use probity_tests::procs::{ProcStatus, wait_until};
use serde_json::json;

use crate::{
    manifests::{root, said},
    play::Pod,
    played::{PATIENCE, execute},
};

/// Bit 13.
const NET_RAW: u64 = 1 << 13;

/// Beside the lab's host; nobody has it.
const SILENT: &str = "10.66.2.99";

/// The table of docs/deploy.md, by row and column.
fn table() -> BTreeMap<(String, String), String> {
    let page = fs::read_to_string(root().join("docs/deploy.md")).unwrap();
    let (_, section) = page.split_once("\n### What holds in a pod\n").unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut rows = lines.take_while(|line| line.starts_with('|')).map(cells);
    let head = rows.next().unwrap();
    let mut table = BTreeMap::new();
    for row in rows.skip(1) {
        for (column, cell) in head.iter().zip(&row).skip(1) {
            table.insert((row[0].clone(), column.clone()), cell.clone());
        }
    }
    table
}

/// Compares the page with what the kernel says inside. `kind` is what its columns have after the name.
pub fn holds_what_the_page_says(pod: &Pod, token: &str, kind: &str) {
    // One that waits, and keeps what it was lent, which ping does not.
    let has_capability = kind.is_empty();
    let trace = json!({"target": SILENT, "wait": 30, "queries": 1, "icmp": has_capability});
    pod.shell_at_the_router(&format!("ip route add blackhole {SILENT}"));
    let mut sleeper = execute(pod, token, "traceroute", &trace);
    let mut sleeper = sleeper.stdout(Stdio::null()).spawn().unwrap();
    let is_tool = |status: &ProcStatus| status.name.starts_with("traceroute");
    let mut inside = Vec::new();
    let begins = wait_until(PATIENCE, || {
        inside = statuses(pod, "broker");
        inside.iter().any(|(_, status)| is_tool(status))
    });
    assert!(begins, "the tool runs");
    let one = |what: &dyn Fn(u32, &ProcStatus) -> bool| {
        &inside.iter().find(|(pid, status)| what(*pid, status)).unwrap().1
    };
    // The first process of the broker's container is its supervisor, which holds nothing.
    let supervisor = one(&|pid, _| pid == 1);
    assert_eq!((supervisor.cap_eff, supervisor.cap_prm, supervisor.cap_amb), (0, 0, 0));
    assert!(supervisor.no_new_privs);
    let frontend = statuses(pod, "http");
    let seen = [
        ("broker", one(&|_, status| status.ppid == 1)),
        ("frontend", &frontend[0].1),
        ("a tool", one(&|_, status| is_tool(status))),
    ];
    let table = table();
    for (who, status) in seen {
        let column = format!("{who}{kind}");
        let says = |row: &str| {
            let cell = table.get(&(row.to_owned(), column.clone()));
            cell.unwrap_or_else(|| panic!("no {row} of {column} in {table:?}")).as_str()
        };
        let mask = |row: &str| match says(row) {
            "none" => 0,
            "NET_RAW" => NET_RAW,
            "as its plan says" if has_capability => NET_RAW,
            "as its plan says" => 0,
            other => panic!("{row} of {column}: {other}"),
        };
        assert_eq!(format!("{}, {}", status.uid, status.gid), says("user, group"), "{column}");
        assert_eq!((status.uids, status.gids), ([status.uid; 4], [status.gid; 4]), "{column}");
        for (row, is) in [
            ("CapEff, CapPrm", status.cap_eff),
            ("CapEff, CapPrm", status.cap_prm),
            ("CapBnd", status.cap_bnd),
            ("CapAmb", status.cap_amb),
        ] {
            assert_eq!(is, mask(row), "{column} {row}: {status:?}");
        }
        for (row, is) in [("no_new_privs", status.no_new_privs), ("seccomp", status.seccomp == 2)] {
            assert_eq!((says(row), is), ("yes", true), "{column} {row}: {status:?}");
        }
    }
    for (name, who) in [("broker", "broker"), ("http", "frontend")] {
        let inside = pod.container(name);
        let touched = inside.exec(&["/usr/bin/touch", "/usr/bin/x"]);
        let is_read_only = said(&touched).contains("Read-only file system");
        assert_eq!(table[&("root read-only".to_owned(), format!("{who}{kind}"))], "yes");
        assert!(!touched.status.success() && is_read_only, "{name}: {}", said(&touched));
        let limits = ["memory/memory.limit_in_bytes", "memory.max"];
        let limits = limits.map(|file| inside.read(&format!("/sys/fs/cgroup/{file}")));
        let limit = limits.into_iter().flatten().next().expect("a limit of memory");
        assert_eq!(limit.trim(), (512_u64 << 20).to_string(), "{name}");
    }
    // Hanging up ends it.
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    let is_gone = || !statuses(pod, "broker").iter().any(|(_, status)| is_tool(status));
    assert!(wait_until(PATIENCE, is_gone), "the run ends with its request");
}

/// The processes of a container with their numbers, by what its own /proc says; without the one that asks.
fn statuses(pod: &Pod, container: &str) -> Vec<(u32, ProcStatus)> {
    let ask = "/usr/bin/find /proc -maxdepth 2 -path /proc/[0-9]*/status -exec /usr/bin/cat {} +";
    let words: Vec<_> = ask.split(' ').collect();
    // One that ends meanwhile is missing, and find says so.
    let output = pod.container(container).exec(&words);
    let text = String::from_utf8(output.stdout).unwrap();
    let parts = text.split("Name:\t").skip(1).map(|part| format!("Name:\t{part}"));
    let pid = |part: &str| part.split("\nPid:\t").nth(1)?.lines().next()?.parse().ok();
    let read = parts.map(|part| (pid(&part).unwrap(), ProcStatus::of_text(&part).unwrap()));
    read.filter(|(_, status)| !["find", "cat"].contains(&status.name.as_str())).collect()
}
