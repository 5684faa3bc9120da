//! What a pod's processes may do, by what the kernel says inside, held against the table of docs/deploy.md.

use std::{collections::BTreeMap, fs, process::Stdio};

use probity_tests::procs::wait_until;
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
    let is_tool = |status: &Status| status.get("Name").starts_with("traceroute");
    let mut inside = Vec::new();
    let begins = wait_until(PATIENCE, || {
        inside = statuses(pod, "broker");
        inside.iter().any(is_tool)
    });
    assert!(begins, "the tool runs");
    let one = |what: &dyn Fn(&Status) -> bool| inside.iter().find(|it| what(it)).unwrap();
    // The first process of the broker's container is its supervisor, which holds nothing.
    let supervisor = one(&|status| status.get("Pid") == "1");
    for line in ["CapEff", "CapPrm", "CapAmb"] {
        assert_eq!(supervisor.mask(line), 0, "{:?}", supervisor.0);
    }
    assert_eq!(supervisor.get("NoNewPrivs"), "1");
    let frontend = statuses(pod, "http");
    let seen = [
        ("broker", one(&|status| status.get("PPid") == "1")),
        ("frontend", &frontend[0]),
        ("a tool", one(&is_tool)),
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
        // Real, effective, saved and of files: all the same.
        let (uid, gid) = says("user, group").split_once(", ").unwrap();
        assert_eq!(status.get("Uid"), [uid; 4].join("\t"), "{column}");
        assert_eq!(status.get("Gid"), [gid; 4].join("\t"), "{column}");
        for (line, row) in [
            ("CapEff", "CapEff, CapPrm"),
            ("CapPrm", "CapEff, CapPrm"),
            ("CapBnd", "CapBnd"),
            ("CapAmb", "CapAmb"),
        ] {
            assert_eq!(status.mask(line), mask(row), "{column} {line}: {:?}", status.0);
        }
        for (line, row, yes) in [("NoNewPrivs", "no_new_privs", "1"), ("Seccomp", "seccomp", "2")] {
            assert_eq!((says(row), status.get(line)), ("yes", yes), "{column}");
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
    let is_gone = || !statuses(pod, "broker").iter().any(is_tool);
    assert!(wait_until(PATIENCE, is_gone), "the run ends with its request");
}

/// What the kernel says of a process: the lines of its status, by their names.
struct Status(BTreeMap<String, String>);

impl Status {
    fn get(&self, line: &str) -> &str {
        self.0.get(line).unwrap_or_else(|| panic!("no {line} in {:?}", self.0))
    }

    fn mask(&self, line: &str) -> u64 {
        u64::from_str_radix(self.get(line), 16).unwrap()
    }
}

/// The processes of a container, by what its own /proc says; without the one that asks.
fn statuses(pod: &Pod, container: &str) -> Vec<Status> {
    let ask = "/usr/bin/find /proc -maxdepth 2 -path /proc/[0-9]*/status -exec /usr/bin/cat {} +";
    let words: Vec<_> = ask.split(' ').collect();
    // One that ends meanwhile is missing, and find says so.
    let output = pod.container(container).exec(&words);
    let text = String::from_utf8(output.stdout).unwrap();
    let parts = text.split("Name:\t").skip(1).map(|part| format!("Name:\t{part}"));
    let line =
        |line: &str| line.split_once(":\t").map(|(key, value)| (key.to_owned(), value.to_owned()));
    let read = parts.map(|part| Status(part.lines().filter_map(line).collect()));
    read.filter(|status| !["find", "cat"].contains(&status.get("Name"))).collect()
}
