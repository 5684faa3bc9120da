//! `probity-policy audit`, from outside: the chain verifies unless somebody touched it, and then the
//! place is named; a question finds the records it is about and no others; a log that grows is
//! followed. Of what a file holds nothing reaches the terminal as it is.
//!
//! - verify
//! - query
//! - tail
//! - `export`: OCSF, and readers that go on where the last one ended

mod export;

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_protocol::{Reply, Request, chain::Head};
use probity_tests::{
    broker::{BROKER_UID, Broker, PolicyFolder, program},
    needs,
    peer::{Peer, call},
    procs::wait_until,
};
use serde_json::Value;

/// Runs `probity-policy audit` to its end: its exit status and all it said.
fn ask(words: &[&str]) -> (i32, String) {
    let mut command = Command::new("timeout");
    command.arg("30").arg(program("probity-policy")).arg("audit").args(words);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(!said.contains("panicked"), "{words:?}: {said}");
    (output.status.code().unwrap(), said)
}

/// A log in a folder of its own, with members as they come after `prev`.
struct Log {
    folder: tempfile::TempDir,
    lines: Vec<String>,
    head: Head,
}

impl Log {
    fn of(records: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut this = Self { folder, lines: Vec::new(), head: Head::START };
        for record in records {
            let line = format!("{}{record}}}", this.head.next_line());
            this.head = this.head.followed_by(line.as_bytes());
            this.lines.push(line);
        }
        this.write("audit.jsonl", &this.lines);
        this
    }

    /// So many lines that say next to nothing.
    fn long(lines: usize) -> Self {
        let records: Vec<_> =
            (0..lines).map(|at| format!(r#""event":"stop","records":{at}"#)).collect();
        Self::of(&records.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn write(&self, name: &str, lines: &[String]) -> String {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.write_text(name, &text)
    }

    fn write_text(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> String {
        self.path("audit.jsonl").display().to_string()
    }

    /// The chain's head at a line.
    fn head_at(&self, seq: usize) -> String {
        Head::of(self.lines[seq - 1].as_bytes()).unwrap().to_string()
    }
}

/// What `verify --json` reports of a log that it does not pass.
fn broken(file: &str) -> Value {
    let (code, said) = ask(&["verify", "--json", file]);
    assert_eq!(code, 1, "{said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn an_unbroken_log_verifies_whole_in_pieces_and_from_the_middle() {
    let log = Log::long(9);
    let (code, said) = ask(&["verify", &log.file()]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("OK: lines 1 to 9 are unbroken (9 lines)"), "{said}");
    assert!(said.contains(&format!("head: {}", log.head)) && said.contains("has no key"), "{said}");

    let older = log.write("audit.jsonl.1", &log.lines[..4]);
    let newer = log.write("audit.jsonl.0", &log.lines[4..]);
    let (code, said) = ask(&["verify", &older, &newer]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("lines 1 to 9 are unbroken (9 lines, in 2 files)"), "{said}");
    let (code, said) = ask(&["verify", &newer]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("begins with line 5: those before it are in older files, or gone"),
        "{said}"
    );
    assert_eq!(ask(&["verify", &newer, &older]).0, 1, "the wrong way round");

    let empty = log.write("empty.jsonl", &[]);
    assert_eq!(ask(&["verify", &empty]).0, 0);
    assert_eq!(ask(&["verify", &log.path("none.jsonl").display().to_string()]).0, 2);
    assert_eq!(ask(&["verify", &log.folder.path().display().to_string()]).0, 2);
}

#[test]
fn a_break_is_named_by_file_and_line_and_by_what_was_done() {
    let log = Log::long(9);
    let lines = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = log.lines.clone();
        change(&mut lines);
        lines
    };
    let text = r#""records":4"#;
    let cases = [
        // What was done, the line where it shows, what it is called, and what is said of it.
        (lines(&|l| drop(l.remove(4))), 5, "missing", "Line 5 was taken away."),
        (lines(&|l| drop(l.drain(2..5))), 3, "missing", "Lines 3 to 5 were taken away."),
        (lines(&|l| l.insert(4, l[3].clone())), 5, "repeated", "Line 4 was there already"),
        (lines(&|l| l.swap(4, 6)), 5, "reordered", "Line 5 stands further on, at "),
        (
            lines(&|l| l[4] = l[4].replace(text, r#""records":5"#)),
            6,
            "changed",
            "So line 5 before it",
        ),
        (lines(&|l| l[4] = "{}".into()), 5, "not_a_line", "writes no such line"),
        (lines(&|l| l[4] = String::new()), 5, "not_a_line", "writes no such line"),
        (lines(&|l| l[4] = "x".repeat(3 << 20)), 5, "not_a_line", "writes no such line"),
    ];
    for (lines, at, problem, meaning) in cases {
        let report = broken(&log.write("touched.jsonl", &lines));
        let broken = &report["broken"];
        assert_eq!(
            (&broken["line"], &broken["problem"]),
            (&at.into(), &problem.into()),
            "{report}"
        );
        assert!(broken["meaning"].as_str().unwrap().contains(meaning), "{report}");
        assert_eq!((&report["lines"], &report["ok"]), (&(at - 1).into(), &false.into()));
        assert_eq!(report["head"], Head::of(lines[at - 2].as_bytes()).unwrap().to_string());
    }
    let text = fs::read_to_string(log.path("audit.jsonl")).unwrap();
    for cut in [1, 20] {
        let report = broken(&log.write_text("torn.jsonl", &text[..text.len() - cut]));
        assert_eq!(report["broken"]["problem"], "torn", "{report}");
        assert_eq!((&report["broken"]["line"], &report["lines"]), (&9.into(), &8.into()));
        assert_eq!(report["head"], log.head_at(8));
    }
    let touched = log.write("touched.jsonl", &log.lines[1..]);
    let (_, said) = ask(&["verify", &log.file(), &touched]);
    assert!(said.contains("NOT OK: the chain breaks after line 9"), "{said}");
    assert!(said.contains(&format!("broken at {touched}:1")), "{said}");
    assert!(
        said.contains("expected: line 10, with the hash") && said.contains("found:    line 2"),
        "{said}"
    );
}

#[test]
fn a_chain_that_begins_anew_is_not_taken_for_the_old_one_going_on() {
    let log = Log::long(3);
    let other = Log::long(2);
    let (code, said) = ask(&["verify", &log.file(), &other.file()]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("Another chain begins"), "{said}");
}

#[test]
fn what_a_chain_cannot_show_a_kept_head_does() {
    let log = Log::long(9);
    let rewritten = Log::of(&[r#""event":"start""#; 9]);
    let verify = |file: &str, head: &str| ask(&["verify", file, "--head", head]);
    for seq in [1, 5, 9] {
        let (code, said) = verify(&log.file(), &log.head_at(seq));
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("is in the chain, at {}:{seq}", log.file())), "{said}");
    }
    let cut = log.write("cut.jsonl", &log.lines[..6]);
    assert_eq!(ask(&["verify", &cut]).0, 0, "its end does not show");
    let (code, said) = verify(&cut, &log.head_at(9));
    assert_eq!(code, 1);
    assert!(said.contains("which ends before it: lines were cut off"), "{said}");

    assert_eq!(ask(&["verify", &rewritten.file()]).0, 0, "all of it anew does not show");
    let (code, said) = verify(&rewritten.file(), &log.head_at(5));
    assert_eq!(code, 1);
    assert!(said.contains("were written anew"), "{said}");

    let newer = log.write("newer.jsonl", &log.lines[4..]);
    assert_eq!(verify(&newer, &log.head_at(4)).0, 0, "the first line vouches for it");
    assert_eq!(verify(&newer, &rewritten.head_at(4)).0, 1);
    let (code, said) = verify(&newer, &log.head_at(2));
    assert_eq!(code, 1);
    assert!(said.contains("from before the first line"), "{said}");
    assert_eq!(verify(&log.file(), "9:abc").0, 2);
}

#[test]
fn the_log_of_a_broker_verifies_across_rotation_with_the_head_it_told() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let mut broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let run = |what: &str, target: &str| {
        let call = call("hostile", target, &format!("--what {what}"));
        Peer::ask(&broker.socket(), &Request::Run(call)).unwrap().replies().unwrap();
    };
    run("exit3", "127.0.0.1");
    run("exit3", "192.0.2.1");
    let log = broker.audit_path();
    let rotated = log.with_extension("jsonl.1");
    fs::rename(&log, &rotated).unwrap();
    fs::write(&log, "").unwrap();
    chown(&log, Some(BROKER_UID), None).unwrap();
    fs::set_permissions(&log, Permissions::from_mode(0o640)).unwrap();
    broker.reload().unwrap();
    let status = Peer::ask(&broker.socket(), &Request::Status).unwrap().replies().unwrap();
    let Some(Reply::Status(status)) = status.last() else { panic!("{status:?}") };
    let head = status.audit_head.to_string();
    assert_eq!(broker.stop().unwrap(), Some(0));
    let [older, newer] = [rotated, log].map(|path| path.display().to_string());
    let (code, said) = ask(&["verify", &older, &newer, "--head", &head]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("in 2 files"), "{said}");

    let (_, joined) = ask(&["query", "--joined", "--user", "root", &older]);
    let rows: Vec<_> = joined.lines().skip(1).collect();
    assert_eq!(rows.len(), 2, "{joined}");
    assert!(rows[0].contains("exit 3") && rows[0].contains("--what exit3 127.0.0.1"), "{joined}");
    assert!(rows[1].contains("denied") && rows[1].contains("192.0.2.1"), "{joined}");
    let (_, json) = ask(&["query", "--joined", "--json", "--verdict", "approved", &older]);
    let joined: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(joined["end"]["decision_seq"], joined["decision"]["seq"], "{json}");
}

/// Nine records of two users.
fn history() -> Log {
    let who = |user: &str, uid: u32| format!(r#""uid":{uid},"user":"{user}""#);
    let (ada, bob) = (who("ada", 901), who("bob", 902));
    let call = |at: u32, who: &str, id: &str, rest: &str| {
        format!(
            r#""time":"2026-11-23T13:00:0{at}.000Z","event":"decision",{who},"correlation_id":"{id}",{rest},"dry_run":false"#
        )
    };
    let approved = r#""verdict":"approved","argv":["/usr/bin/ping","-n","10.1.0.5"]"#;
    let ping = format!(r#""tool":"ping","target":"10.1.0.5","address":"10.1.0.5",{approved}"#);
    let named = format!(
        r#""tool":"ping","claimed_name":"nas.lab.internal","claimed_addresses":["10.2.0.9"],"address":"10.2.0.9",{approved}"#
    );
    let denied = r#""tool":"nmap","target":"192.0.2.0/24","verdict":"denied","code":"TARGET_NOT_ALLOWED","message":"no"#;
    let end = |at: u32, seq: u32, id: &str| {
        format!(
            r#""time":"2026-11-23T13:00:0{at}.000Z","event":"exit",{ada},"correlation_id":"{id}","tool":"ping","decision_seq":{seq},"exit_code":0,"end":"finished","duration_ms":2100"#
        )
    };
    Log::of(&[
        r#""time":"2026-11-23T13:00:00.000Z","event":"start","broker_version":"1","continued":false"#,
        &call(1, &ada, "a1", &ping),
        &call(2, &ada, "a2", &named),
        &end(3, 3, "a2"),
        &end(4, 2, "a1"),
        &call(5, &bob, "b1", &format!(r#"{denied} \u001b[31m""#)),
        &format!(
            r#""time":"2026-11-23T13:00:06.000Z","event":"repeated",{},"of":"decision","tool":"nmap","code":"TARGET_NOT_ALLOWED","first_seq":6,"count":7"#,
            r#""uid":902"#
        ),
        &call(8, &ada, "a3", &ping),
        r#""time":"2026-11-23T13:00:09.000Z","event":"start","broker_version":"1","continued":true"#,
    ])
}

/// The numbers of the records that a question finds.
fn found(log: &Log, words: &[&str]) -> Vec<u64> {
    let (code, said) = ask(&[&["query", "--json", &log.file()], words].concat());
    assert_eq!(code, 0, "{words:?}: {said}");
    let seq = |line: &str| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap();
    said.lines().map(seq).collect()
}

#[test]
fn a_question_finds_the_records_it_is_about_and_no_others() {
    let log = history();
    let cases: [(&[&str], &[u64]); 15] = [
        (&[], &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (&["--user", "ada"], &[2, 3, 4, 5, 8]),
        (&["--user", "902"], &[6, 7]),
        (&["--tool", "nmap"], &[6, 7]),
        (&["--verdict", "approved"], &[2, 3, 8]),
        (&["--verdict", "denied"], &[6, 7]),
        (&["--code", "target_not_allowed"], &[6, 7]),
        (&["--target", "10.0.0.0/8"], &[2, 3, 8]),
        (&["--target", "192.0.2.7"], &[6]),
        (&["--target", "*.lab.internal"], &[3]),
        (&["--event", "exit"], &[4, 5]),
        (&["--id", "a1"], &[2, 5]),
        (&["--since", "2026-11-23T13:00:05Z", "--until", "2026-11-23T13:00:06Z"], &[6, 7]),
        (&["--user", "ada", "--limit", "2"], &[2, 3]),
        (&["--since", "1s", "--user", "nobody-at-all"], &[]),
    ];
    for (words, expected) in cases {
        assert_eq!(found(&log, words), expected, "{words:?}");
    }
    for wrong in [["--target", "10.0.0.0/40"], ["--verdict", "maybe"], ["--since", "then"]] {
        assert_eq!(ask(&[&["query", &log.file()], &wrong[..]].concat()).0, 2, "{wrong:?}");
    }
}

#[test]
fn every_event_of_the_page_of_the_log_can_be_asked_for_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/audit.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| event | when |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let events: Vec<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert!(events.contains(&"decision") && events.contains(&"rotated"), "{events:?}");
    let log = history();
    for event in events {
        found(&log, &["--event", event]);
    }
    assert_eq!(ask(&["query", "--event", "exits", &log.file()]).0, 2);
}

#[test]
fn a_run_and_its_end_are_joined_by_the_number_of_the_decision() {
    let log = history();
    let (code, said) = ask(&["query", "--joined", "--json", "--user", "ada", &log.file()]);
    assert_eq!(code, 0, "{said}");
    let pairs: Vec<_> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|both| (both["decision"]["seq"].as_u64(), both["end"]["seq"].as_u64()))
        .collect();
    // As the ends came; what its broker did not see end has none.
    assert_eq!(pairs, [(Some(3), Some(4)), (Some(2), Some(5)), (Some(8), None)]);
}

#[test]
fn nothing_of_a_file_reaches_a_terminal_as_it_is() {
    let log = history();
    let forged =
        format!("{}\"event\":\"\u{202e}x\",\"user\":\"\u{1b}[2J\u{9b}y\"}}", log.head.next_line());
    let file = log.write("forged.jsonl", &[forged, "\u{1b}]0;title\u{7}".into()]);
    for words in [
        &["query", &file][..],
        &["query", "--json", &file],
        &["query", "--joined", &file],
        &["query", "--format", "ocsf", &file],
        &["tail", &file],
        &["tail", "--json", &file],
        &["verify", &file],
        &["query", &log.file()],
    ] {
        let (_, said) = ask(words);
        let is_calm =
            |c: char| c == '\n' || c == char::REPLACEMENT_CHARACTER || (' '..='~').contains(&c);
        assert!(said.chars().all(is_calm), "{words:?}: {said:?}");
    }
    let (code, said) = ask(&["query", &file]);
    assert_eq!(code, 0);
    assert!(said.contains("lines that are none of an audit log: 2, the first at"), "{said}");
}

#[test]
fn the_policy_says_where_the_log_is_unless_files_are_named() {
    let log = Log::long(3);
    let policy = PolicyFolder::shipped("").unwrap();
    policy.replace("policy.toml", "/var/log/probity/audit.jsonl", &log.file()).unwrap();
    let policy = policy.path("policy.toml").display().to_string();
    let (code, said) = ask(&["verify", "--policy", &policy]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("lines 1 to 3"), "{said}");
    let (code, said) = ask(&["tail", "--json", "-n", "2", "--file", &log.file()]);
    assert_eq!(code, 0);
    assert_eq!(said.lines().collect::<Vec<_>>(), log.lines[1..], "the lines as they are");
}

#[test]
fn a_log_is_followed_across_rotation_until_ctrl_c() {
    let log = Log::long(9);
    let file = log.write("grows.jsonl", &log.lines[..3]);
    let mut tail = Command::new(program("probity-policy"))
        .args(["audit", "tail", "--json", "-f", "-n", "2", &file])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || said.next().unwrap().unwrap();
    assert_eq!([next(), next()], log.lines[1..3]);
    let append = |path: &Path, text: &str| {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    // A line comes when it is whole.
    let (begin, end) = log.lines[3].split_at(40);
    append(Path::new(&file), begin);
    append(Path::new(&file), &format!("{end}\n"));
    assert_eq!(next(), log.lines[3]);
    let rotated = log.path("grows.jsonl.1");
    fs::rename(&file, &rotated).unwrap();
    append(&rotated, &format!("{}\n", log.lines[4]));
    assert_eq!(next(), log.lines[4], "until the broker goes over it writes to the old file");
    append(&rotated, &format!("{}\n", log.lines[5]));
    append(Path::new(&file), &format!("{}\n", log.lines[6]));
    assert_eq!([next(), next()], log.lines[5..7]);
    kill(Pid::from_raw(tail.id().cast_signed()), Signal::SIGINT).unwrap();
    let mut ended = None;
    let _ = wait_until(Duration::from_secs(10), || {
        ended = tail.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}
