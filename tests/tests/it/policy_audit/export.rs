//! The log on its way elsewhere: as events of OCSF, and line by line for whoever goes on where the last
//! reader ended.

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_protocol::{Reply, Request};
use probity_tests::{
    broker::{Broker, PolicyFolder, program},
    needs,
    peer::{Peer, call},
};
use serde_json::{Value, json};

use super::{Log, ask, history};

/// Holds events against the schema, each line of them.
fn take_as_a_siem(events: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../.venv/ocsf/bin/python");
    let mut siem = Command::new(&python)
        .arg(root.join("clients/siem.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: run `make venv`", python.display()));
    siem.stdin.take().unwrap().write_all(events.as_bytes()).unwrap();
    let output = siem.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = format!("{} events\n", events.lines().count());
    assert!(output.status.success() && said == count, "{said}{output:?}\n{events}");
}

fn events(words: &[&str]) -> (String, Vec<Value>) {
    let (code, said) = ask(&[&["query", "--format", "ocsf"], words].concat());
    assert_eq!(code, 0, "{said}");
    let events = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (said, events)
}

#[test]
fn every_event_of_the_log_is_one_of_the_schema() {
    let time = r#""time":"2026-11-23T13:00:00.000Z""#;
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/audit.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| event | when |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let names = rows.map(|row| row.split('`').nth(1).unwrap());
    // As little as a line can say: nothing that the schema requires depends on the rest.
    let records: Vec<_> = names.map(|name| format!("{time},\"event\":\"{name}\"")).collect();
    let bare = Log::of(&records.iter().map(String::as_str).collect::<Vec<_>>());
    let (said, of_all) = events(&[&bare.file()]);
    assert_eq!(of_all.len(), 14, "{said}");
    take_as_a_siem(&said);

    let log = history();
    let (said, events) = events(&[&log.file()]);
    take_as_a_siem(&said);
    let (approved, end, denied) = (&events[2], &events[3], &events[5]);
    assert_eq!(approved["class_name"], "API Activity");
    assert_eq!(approved["actor"]["user"], json!({"name": "ada", "uid": "901"}));
    assert_eq!(approved["api"]["operation"], "ping");
    assert_eq!(approved["dst_endpoint"], json!({"ip": "10.2.0.9", "hostname": "nas.lab.internal"}));
    assert_eq!(
        (&end["class_name"], &end["exit_code"], &end["duration"]),
        (&json!("Process Activity"), &json!(0), &json!(2100))
    );
    assert_eq!(
        (&denied["status"], &denied["status_code"]),
        (&json!("Failure"), &json!("TARGET_NOT_ALLOWED"))
    );
    assert_eq!(denied["resources"][0]["name"], "192.0.2.0/24");
    assert_eq!(events[6]["count"], 7);
    // From what arrived, the chain can be verified.
    let raw: Vec<&str> = events.iter().map(|event| event["raw_data"].as_str().unwrap()).collect();
    assert_eq!(raw, log.lines);
    assert_eq!(ask(&["query", "--joined", "--format", "ocsf", &log.file()]).0, 2);
}

#[test]
fn what_a_broker_writes_is_taken_as_it_is() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let mut broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    for (target, what) in [("127.0.0.1", "exit3"), ("127.0.0.1", "ptrace"), ("192.0.2.0/24", "nap")]
    {
        let run = Request::Run(call("hostile", target, &format!("--what {what}")));
        let replies = Peer::ask(&broker.socket(), &run).unwrap().replies().unwrap();
        assert!(matches!(replies.last(), Some(Reply::Exited(_) | Reply::Denied(_))), "{replies:?}");
    }
    broker.reload().unwrap();
    broker.stop().unwrap();
    let (said, events) = events(&[&broker.audit_path().display().to_string()]);
    take_as_a_siem(&said);
    let outline: Vec<_> = events
        .iter()
        .map(|event| ["type_name", "status", "severity"].map(|key| event[key].as_str().unwrap()))
        .collect();
    let (run, end) = ("API Activity: Run", "Process Activity: Terminate");
    assert_eq!(
        outline,
        [
            ["Application Lifecycle: Start", "Success", "Informational"],
            [run, "Success", "Informational"],
            [end, "Failure", "Informational"],
            [run, "Success", "Informational"],
            [end, "Failure", "High"],
            [run, "Failure", "Low"],
            ["Application Lifecycle: Other", "Success", "Informational"],
            ["Application Lifecycle: Stop", "Success", "Informational"],
        ]
    );
}

/// A reader that goes on where the one before it ended.
struct Forwarder {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Forwarder {
    fn start(log: &str, bookmark: &str) -> Self {
        let mut child = Command::new(program("probity-policy"))
            .args(["audit", "tail", "--json", "--follow", "--resume", bookmark, log])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Stops it; what it had left to say, on standard output and error.
    fn stop(self) -> (Vec<String>, String) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let left = self.lines.map(Result::unwrap).collect();
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (left, String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn a_reader_goes_on_where_the_last_one_ended_and_leaves_nothing_out() {
    let log = Log::long(9);
    let file = log.write("log", &log.lines[..2]);
    let bookmark = log.path("bookmark").display().to_string();
    let append = |name: &str, lines: &[String]| {
        let mut file =
            fs::OpenOptions::new().create(true).append(true).open(log.path(name)).unwrap();
        lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
    };
    let mut first = Forwarder::start(&file, &bookmark);
    assert_eq!([first.next(), first.next()], log.lines[..2]);
    append("log", &log.lines[2..3]);
    assert_eq!(first.next(), log.lines[2]);
    assert_eq!(first.stop(), (vec![], String::new()));

    // While nobody reads, more is written and the file is rotated.
    append("log", &log.lines[3..5]);
    fs::rename(log.path("log"), log.path("log.1")).unwrap();
    append("log", &log.lines[5..7]);
    let policy = PolicyFolder::shipped("").unwrap();
    policy.replace("policy.toml", "/var/log/probity/audit.jsonl", &file).unwrap();
    let policy = policy.path("policy.toml").display().to_string();
    // Without a file's name it is the policy's log, whose rotated files are read too.
    let mut child = Command::new(program("probity-policy"))
        .args(["--policy", &policy, "audit", "tail", "--json", "-f", "--resume", &bookmark])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut second = Forwarder { child, lines };
    assert_eq!([0; 4].map(|_| second.next()), log.lines[3..7]);
    append("log", &log.lines[7..8]);
    assert_eq!(second.next(), log.lines[7]);
    assert_eq!(second.stop(), (vec![], String::new()));
    let mut third = Forwarder::start(&file, &bookmark);
    append("log", &log.lines[8..]);
    assert_eq!(third.next(), log.lines[8]);
    assert_eq!(third.stop(), (vec![], String::new()));
}

#[test]
fn a_log_that_lacks_the_line_that_was_shown_last_is_shown_whole_and_that_is_said() {
    let (log, other) = (Log::long(3), history());
    let bookmark = log.path("bookmark").display().to_string();
    fs::write(&bookmark, format!("{}\n", other.head)).unwrap();
    let mut reader = Forwarder::start(&log.file(), &bookmark);
    assert_eq!([0; 3].map(|_| reader.next()), log.lines[..]);
    let (left, said) = reader.stop();
    assert!(left.is_empty() && said.contains("not in the log any more"), "{said}");
    fs::write(&bookmark, "3:xyz\n").unwrap();
    let (code, said) = ask(&["tail", "-f", "--resume", &bookmark, &log.file()]);
    assert!(code == 2 && said.contains("remove it"), "{said}");
    assert_eq!(ask(&["tail", "--resume", &bookmark, &log.file()]).0, 2, "only what is followed");
}
