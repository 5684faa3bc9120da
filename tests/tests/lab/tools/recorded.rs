//! Each shipped tool under its recording twin: what it does outside its sandbox is what its sandbox allows.

use std::collections::BTreeSet;

use probity_tests::{
    broker::program,
    lab::{HOST_NAME, Lab},
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::ways::runs;

/// A call of each tool that makes it do most of what it can, with what `probity-policy try` takes.
const CALLS: &[&[&str]] = &[
    &["arp", "10.66.1.1", "--option", "count=1"],
    &["capture", "10.66.2.2", "--timeout", "2"],
    &["dns", "10.66.2.2", "--option", "name=large.lab.internal", "--option", "type=TXT"],
    &[
        "http",
        HOST_NAME,
        "--address",
        "10.66.2.2",
        "--preset",
        "https",
        "--option",
        "show_body=true",
    ],
    &["mtr", "10.66.2.2", "--option", "cycles=1"],
    &["nmap", "10.66.2.2", "--option", "ports=22,80"],
    &["path_mtu", "10.66.2.2"],
    &["ping", "10.66.2.2", "--option", "count=1"],
    &["port", "10.66.2.2", "--option", "banner=true"],
    &["route", "10.66.2.2"],
    &["route", "10.66.1.1", "--preset", "neighbour"],
    &["tls", HOST_NAME, "--address", "10.66.2.2"],
    &["traceroute", "10.66.2.2"],
];

const PROGRAMS: [&str; 12] = [
    "/usr/bin/strace",
    "/usr/bin/arping",
    "/usr/bin/tcpdump",
    "/usr/bin/dig",
    "/usr/bin/curl",
    "/usr/bin/mtr",
    "/usr/bin/nmap",
    "/usr/bin/tracepath",
    "/usr/bin/ping",
    "/usr/bin/ip",
    "/usr/bin/openssl",
    "/usr/sbin/traceroute",
];

/// What tools ask for and have no need of, so that their sandboxes refuse it.
const DOES_WITHOUT: [(&str, &[&str]); 3] = [
    // What they say by TLS, they do not say here.
    ("dns", &["/etc/ssl/openssl.cnf"]),
    ("port", &["/etc/ssl/openssl.cnf"]),
    // Its look-ups are by a thread of their own, and there are none; LDAP is no protocol of ours.
    ("http", &["socketpair", "/etc/ldap/ldap.conf"]),
];

/// All that would be refused, but what the kernel tells of itself: that has no line in a tool's file.
fn refused(answer: &Value) -> BTreeSet<&str> {
    let parts = answer["refused"].as_object().unwrap().iter();
    let parts = parts.filter(|(part, _)| *part != "read_of_kernel");
    parts.flat_map(|(_, those)| those.as_array().into_iter().flatten()).map(text).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn the_sandbox_of_each_shipped_tool_allows_what_it_is_recorded_to_do_but_what_it_does_without() {
    if !needs::root() || !PROGRAMS.into_iter().all(needs::tool) {
        return;
    }
    let mut lab = Lab::new().unwrap();
    lab.serve_dns().unwrap();
    lab.serve_web().unwrap();
    let world = World::around(lab, "").unwrap();
    for _ in 0..runs(1) {
        for words in CALLS {
            let mut command = world.lab.client().command(program("probity-policy"));
            command.arg("try").args(*words).args(["--json", "--policy"]);
            let output = command.arg(world.policy.path("policy.toml")).output().unwrap();
            let answer: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
            let ended = &answer["exit_status"];
            assert!(*ended == 0 || words[0] == "capture" && *ended == 124, "{words:?}: {answer:#}");
            let without = DOES_WITHOUT.iter().find(|(tool, _)| *tool == words[0]);
            let expected: BTreeSet<_> =
                without.map(|(_, refused)| refused.iter().copied().collect()).unwrap_or_default();
            assert_eq!(refused(&answer), expected, "{words:?}: {answer:#}");
            let more = [&answer["refused"]["net_raw"], &answer["refused"]["files_made"]];
            assert_eq!(more, [&json!(false), &json!(0)], "{words:?}: {answer:#}");
        }
    }
}
