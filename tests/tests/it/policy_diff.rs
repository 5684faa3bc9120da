//! `probity-policy diff`, from outside: what a change of policy widens is marked, told to whom it
//! concerns, and fails; what only narrows passes; what makes no difference is said to make none.

use std::process::Command;

use probity_tests::broker::{PolicyFolder, program};
use serde_json::Value;

/// A finished run of `probity-policy diff`.
struct Answer {
    code: i32,
    said: String,
    complained: String,
}

fn diff(words: &[&str]) -> Answer {
    let output = Command::new(program("probity-policy")).arg("diff").args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (said, complained) = (text(output.stdout), text(output.stderr));
    assert!(!complained.contains("panicked"), "{complained}");
    Answer { code: output.status.code().unwrap(), said, complained }
}

/// The grants of every folder here: one of them intrusive, one of a tool alone.
const GRANTS: &str = "[[grant]]\nuser = 7\ntools = [\"nmap\"]\nintrusive = true\n\
                      [[grant]]\nuser = 8\ntools = [\"ping\"]\n";

fn folder() -> PolicyFolder {
    PolicyFolder::shipped(GRANTS).unwrap()
}

fn path(folder: &PolicyFolder) -> String {
    folder.path("policy.toml").display().to_string()
}

/// What is said of a change of one file, and the same for programs.
fn changed(file: &str, from: &str, to: &str) -> (Answer, Value) {
    let (old, new) = (folder(), folder());
    new.replace(file, from, to).unwrap();
    let (old, new) = (path(&old), path(&new));
    let json = diff(&[&old, &new, "--json"]);
    let answer = diff(&[&old, &new]);
    assert_eq!(json.code, answer.code);
    (answer, serde_json::from_str(&json.said).unwrap())
}

const POLICY: &str = "policy.toml";
const PING: &str = "tools.d/ping.toml";
const NMAP: &str = "tools.d/nmap.toml";

#[test]
fn what_widens_is_marked_and_fails() {
    let cases = [
        (POLICY, "max_hosts = 1024", "max_hosts = 4096", "at most 4096, was 1024"),
        (POLICY, "\"10.0.0.0/8\"", "\"10.0.0.0/7\"", "can be reached now: 11.0.0.0/8 (16777216"),
        (
            POLICY,
            "\"*.lab.internal\"",
            "\"*.internal\"",
            "names that may be asked for now: *.internal",
        ),
        (POLICY, "\"1h\"", "\"2h\"", "longest run: 2h, was 1h"),
        (POLICY, "\"512 MiB\"", "\"1 GiB\"", "memory of a tool: 1 GiB, was 512 MiB"),
        (POLICY, "concurrency          = 8", "concurrency = 9", "runs at once: 9, was 8"),
        (POLICY, "landlock_abi_min = 2", "landlock_abi_min = 1", "ABI 1 is enough, was 2"),
        (
            POLICY,
            "user = 8\ntools = [\"ping\"]",
            "user = 8\ntools = [\"*\"]",
            "nmap: gained, standard tier",
        ),
        (
            POLICY,
            "user = 8\ntools = [\"ping\"]",
            "user = 9\ntools = [\"ping\"]",
            "ping: gained, standard tier",
        ),
        (PING, "\"/usr/bin/ping\"", "\"/usr/bin/fping\"", "runs /usr/bin/fping, was /usr/bin/ping"),
        (
            PING,
            "[\"-n\", \"{options}\"",
            "[\"{options}\"",
            "command line is: {options} {target}; was: -n",
        ),
        (PING, "max = 100 }", "max = 1000 }", "count (-c): takes a whole number from 1 to 1000"),
        (PING, "default = 3\n", "", "count (-c): default none, was 3"),
        (PING, "[\"address\"]", "[\"address\", \"network\"]", "takes networks"),
        (PING, "\"unless-ping-socket\"", "\"always\"", "CAP_NET_RAW: always, was unless"),
        (PING, "\"echo\"", "\"packet-scanner\"", "has the sockets"),
        (PING, "timeout = \"30s\"", "timeout = \"1m\"", "runs for 1m unless"),
        (NMAP, "[\"/usr/share/nmap\"]", "[\"/usr/share\"]", "may read /usr/share"),
        (NMAP, "top_ports = 100, timing", "top_ports = 200, timing", "preset quick sets"),
        (NMAP, "concurrency = 1", "concurrency = 2", "runs at once: 2, was 1"),
    ];
    for (file, from, to, expected) in cases {
        let (answer, json) = changed(file, from, to);
        assert_eq!(answer.code, 1, "{to}: {}{}", answer.said, answer.complained);
        let mut lines = answer.said.lines().filter(|line| line.starts_with("  + "));
        assert!(lines.any(|line| line.contains(expected)), "{expected:?}: {}", answer.said);
        assert_eq!(json["widens"], true);
    }
}

#[test]
fn what_only_narrows_passes() {
    let cases = [
        (POLICY, "deny      = []", "deny = [\"10.1.0.0/16\"]", "no longer be reached: 10.1.0.0/16"),
        (POLICY, "max_hosts = 1024", "max_hosts = 4", "at most 4, was 1024"),
        (
            POLICY,
            "tools = [\"nmap\"]\nintrusive = true",
            "tools = [\"nmap\"]",
            "loses the intrusive tier",
        ),
        (POLICY, "user = 8\ntools = [\"ping\"]", "user = 8\ntools = []", "ping: lost"),
        (PING, "max = 100 }", "max = 10 }", "takes a whole number from 1 to 10"),
        (PING, "\"unless-ping-socket\"", "\"never\"", "CAP_NET_RAW: never"),
        (NMAP, "[\"/usr/share/nmap\"]", "[]", "may no longer read /usr/share/nmap"),
        (
            NMAP,
            "name = \"no_ping\"",
            "name = \"no_ping\"\ntier = \"intrusive\"",
            "intrusive tier, was",
        ),
    ];
    for (file, from, to, expected) in cases {
        let (answer, json) = changed(file, from, to);
        assert_eq!(answer.code, 0, "{to}: {}{}", answer.said, answer.complained);
        let mut lines = answer.said.lines().filter(|line| line.starts_with("  - "));
        assert!(lines.any(|line| line.contains(expected)), "{expected:?}: {}", answer.said);
        assert!(!answer.said.contains("  + "), "{}", answer.said);
        assert_eq!((&json["widens"], &json["wider_for"]), (&false.into(), &Value::Array(vec![])));
    }
}

#[test]
fn what_is_told_and_where_the_log_goes_neither_widens_nor_narrows() {
    for (file, from, to) in [
        (PING, "\"Ping a host\"", "\"Ping one host\""),
        (PING, "concurrency = 3", "concurrency = 3\ncache_seconds = 60"),
        (PING, "help    = \"Packets to send.", "help    = \"Packets."),
        (POLICY, "/var/log/probity/audit.jsonl", "/srv/audit.jsonl"),
    ] {
        let (answer, json) = changed(file, from, to);
        assert_eq!(answer.code, 0, "{to}: {}", answer.said);
        let changes = json["changes"].as_array().unwrap();
        assert!(!changes.is_empty() && changes.iter().all(|c| c["effect"] == "differs"), "{json}");
    }
}

#[test]
fn comments_order_and_spelling_make_no_difference_in_effect() {
    let (old, new) = (folder(), folder());
    new.replace(POLICY, "\"1h\"", "\"60m\" # one hour").unwrap();
    let (left, right) = ("\"10.0.0.0/8\", \"172.16.0.0/12\"", "\"172.16.0.0/12\", \"10.0.0.0/8\"");
    new.replace(POLICY, left, right).unwrap();
    let answer = diff(&[&path(&old), &path(&new)]);
    assert_eq!((answer.code, &*answer.said), (0, "no difference in effect.\n"));
}

/// The effect, the tool and those concerned, of the changes of one dimension.
fn of<'v>(json: &'v Value, dimension: &str) -> Vec<(&'v str, &'v str, Vec<&'v str>)> {
    let changes = json["changes"].as_array().unwrap().iter();
    let alike = changes.filter(|change| change["dimension"] == dimension);
    let told = alike.map(|change| {
        let whom = change["for"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        let tool = change["tool"].as_str().unwrap_or("");
        (change["effect"].as_str().unwrap(), tool, whom.collect())
    });
    told.collect()
}

#[test]
fn a_change_is_told_to_those_it_concerns_and_to_no_others() {
    let (_, json) = changed(PING, "max = 100 }", "max = 200 }");
    let users = vec!["user 8", "group probity", "self (embedded)"];
    let [(effect, tool, mut told)] = of(&json, "option").try_into().unwrap();
    told.sort_by_key(|name| users.iter().position(|user| user == name));
    assert_eq!((effect, tool, told), ("widens", "ping", users));

    // A word of the intrusive tier is for those who are granted that tier.
    let (_, json) =
        changed(NMAP, "[option.value.intrusive]", "[option.value.intrusive]\nmore = \"x\"");
    assert_eq!(of(&json, "option"), [("widens", "nmap", vec!["user 7"])]);

    // What nobody is granted widens nothing.
    let (old, new) = (folder(), folder());
    let grant = ("tools = [\"nmap\"]\nintrusive = true", "tools = [\"nmap\"]");
    for folder in [&old, &new] {
        folder.replace(POLICY, grant.0, grant.1).unwrap();
    }
    new.replace(NMAP, "[option.value.intrusive]", "[option.value.intrusive]\nmore = \"x\"")
        .unwrap();
    let answer = diff(&[&path(&old), &path(&new)]);
    assert_eq!(answer.code, 0, "{}", answer.said);
    assert!(answer.said.contains("  ~ scripts (--script): takes more too"), "{}", answer.said);
}

#[test]
fn the_shipped_policy_can_take_the_place_of_the_old_one() {
    let new = folder();
    let answer = diff(&["--shipped", &path(&new)]);
    assert_eq!(answer.code, 1, "{}", answer.complained);
    assert!(answer.said.starts_with("user 7\n  + nmap: gained, intrusive tier included\n"));
    assert!(answer.said.contains("Wider for user 7, user 8.\n"), "{}", answer.said);
    let same = diff(&["--shipped", &path(&PolicyFolder::shipped("").unwrap())]);
    assert_eq!((same.code, &*same.said), (0, "no difference in effect.\n"));
}

#[test]
fn a_question_that_cannot_be_answered_is_neither_yes_nor_no() {
    let (sound, broken) = (folder(), folder());
    broken.replace(POLICY, "max_hosts = 1024", "max_hosts = 0").unwrap();
    let (sound, broken) = (path(&sound), path(&broken));
    for (words, complaint) in [
        (vec![&*sound, &*broken], "at least 1"),
        (vec![&*broken, &*sound], "at least 1"),
        (vec![&*sound, "/no/such/policy.toml"], "/no/such"),
        (vec!["--shipped", &*sound, &*sound], "take the place of OLD"),
        (vec![], "required"),
    ] {
        let answer = diff(&words);
        assert_eq!(answer.code, 2, "{words:?}: {}", answer.said);
        assert!(answer.complained.contains(complaint), "{words:?}: {}", answer.complained);
        assert_eq!(answer.said, "", "{words:?}");
    }
}

#[test]
fn nothing_that_a_file_holds_reaches_the_terminal_as_more_than_text() {
    let (old, new) = (folder(), folder());
    new.replace(PING, "\"/usr/bin/ping\"", "\"/usr/bin/\\u001b[31mping\"").unwrap();
    let answer = diff(&[&path(&old), &path(&new)]);
    // No path has such a character, so this is a defect; it is shown harmlessly all the same.
    assert_eq!(answer.code, 2, "{}", answer.said);
    let all = format!("{}{}", answer.said, answer.complained);
    assert!(all.contains("control character") || all.contains("absolute"), "{all:?}");
    assert!(!all.contains('\u{1b}'), "{all:?}");
}

#[test]
fn a_path_below_an_old_one_may_be_a_link_elsewhere_so_it_widens() {
    let (answer, _) = changed(NMAP, "\"/usr/share/nmap\"", "\"/usr/share/nmap/scripts\"");
    assert_eq!(answer.code, 1, "{}", answer.said);
    assert!(answer.said.contains("/usr/share/nmap/scripts"), "{}", answer.said);
}
