//! The audit log on its way to where auditors look: the journal and a syslog server, by a unit that the
//! broker knows nothing of. What arrives is the log: its chain verifies.

use std::{fs, path::Path, time::Duration};

use probity_tests::{
    lab::HOST,
    machine::{Machine, said},
    procs::wait_until,
};

use super::{installed, let_ada_in};

const PATIENCE: Duration = Duration::from_secs(30);

/// What the page has an administrator write for a syslog server.
fn drop_in() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/audit.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, fence) = page.split_once("```ini\n").unwrap();
    fence.split_once("```").unwrap().0.to_owned()
}

/// A server that takes what a client sends by TCP, and writes it into a file as it comes.
const SYSLOG_SERVER: &str = "\
import socket
listener = socket.create_server(('127.0.0.1', 6514))
taken, _ = listener.accept()
with open('/tmp/syslog', 'wb', buffering=0) as file:
    while data := taken.recv(65536):
        file.write(data)
";

fn ping(machine: &Machine) {
    let ping = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
    assert!(ping.status.success(), "{}", said(&ping));
}

/// The lines of the log itself.
fn log(machine: &Machine) -> String {
    machine.done("cat /var/log/probity/audit.jsonl").unwrap()
}

#[test]
fn the_journal_has_each_line_once_also_those_of_a_time_when_nobody_forwarded() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    assert_eq!(
        machine.run("systemctl is-active probity-audit-forward").unwrap().status.code(),
        Some(3)
    );
    ping(&machine);
    machine.done("systemctl enable --now --quiet probity-audit-forward").unwrap();
    let journal = || machine.done("journalctl -t probity-audit -o cat").unwrap();
    let has_all = || wait_until(PATIENCE, || journal() == log(&machine));
    assert!(has_all(), "{}\n{}", journal(), log(&machine));
    machine.done("systemctl stop probity-audit-forward").unwrap();
    ping(&machine);
    // Rotated meanwhile, as logrotate does it.
    let before = log(&machine);
    machine.done("logrotate --force /etc/logrotate.d/probity").unwrap();
    ping(&machine);
    machine.done("systemctl start probity-audit-forward").unwrap();
    let whole =
        || machine.done("cat /var/log/probity/audit.jsonl.1 /var/log/probity/audit.jsonl").unwrap();
    assert!(whole().len() > before.len());
    assert!(wait_until(PATIENCE, || journal() == whole()), "{}\n{}", journal(), whole());
    let verified =
        machine.done("journalctl -t probity-audit -o cat | probity-policy audit verify -").unwrap();
    assert!(verified.contains("OK: lines 1 to "), "{verified}");
    // It is nobody that there is otherwise, without any capability.
    let pid = machine.main_process("probity-audit-forward").unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line}: {status}");
    }
}

#[test]
fn a_syslog_server_gets_each_line_by_rfc_5424_as_the_page_has_it() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    let of_test = drop_in().replace("192.168.1.5", "127.0.0.1");
    assert!(of_test.contains("--server 127.0.0.1 --port 6514"), "{of_test}");
    let folder = "/etc/systemd/system/probity-audit-forward.service.d";
    machine
        .done(&format!("mkdir -p {folder} && cat >{folder}/syslog.conf <<'E'\n{of_test}E"))
        .unwrap();
    machine.done(&format!("cat >/tmp/server.py <<'E'\n{SYSLOG_SERVER}E")).unwrap();
    machine.done("systemd-run --quiet --unit=server python3 /tmp/server.py").unwrap();
    ping(&machine);
    machine.done("systemctl daemon-reload && systemctl start probity-audit-forward").unwrap();
    let taken = || machine.run("cat /tmp/syslog").unwrap().stdout;
    let journal = || machine.done("journalctl -u probity-audit-forward -o cat").unwrap();
    let lines = log(&machine);
    let last = lines.lines().last().unwrap();
    let came = wait_until(PATIENCE, || String::from_utf8_lossy(&taken()).contains(last));
    let taken = String::from_utf8(taken()).unwrap();
    assert!(came, "{taken}\n{}", journal());
    // Octets are counted, as RFC 6587 has it: a length, a space, and as much of a message.
    let (mut rest, mut messages) = (taken.as_str(), Vec::new());
    while let Some((length, after)) = rest.split_once(' ') {
        let (message, after) = after.split_at(length.parse().unwrap());
        messages.push(message);
        rest = after;
    }
    assert_eq!(messages.len(), lines.lines().count(), "{taken}");
    for (message, line) in messages.iter().zip(lines.lines()) {
        // Facility 10 (authpriv), severity 6 (informational), version 1.
        assert!(message.starts_with("<86>1 ") && message.contains(" probity-audit "), "{message}");
        assert!(message.ends_with(line), "{message}");
    }
}
