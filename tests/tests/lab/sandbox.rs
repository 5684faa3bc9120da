//! The sandbox, tried from inside: hostile-tool attempts what a subverted tool would, and gets
//! nowhere but its own folder, which is gone afterwards.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
};

use nix::sys::signal::Signal;
use probity_protocol::{End, ExitStatus, Exited, Reply, Request};
use probity_tests::{
    broker::{BROKER_UID, Broker, HOSTILE_SCRATCH, PolicyFolder, program},
    needs,
    peer::{Peer, call, run_to_its_end},
    procs::limits,
};

/// A broker whose tool is hostile, and the folder that the tool is in.
struct Hostile {
    broker: Broker,
    _policy: PolicyFolder,
}

impl Hostile {
    fn start() -> Self {
        let policy = PolicyFolder::with_hostile_tool(4).unwrap();
        let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
        Self { broker, _policy: policy }
    }

    /// Lets it do one thing, to its end.
    fn run(&self, what: &str) -> (Exited, String, String) {
        let call = call("hostile", "127.0.0.1", &format!("--what {what}"));
        let ran = run_to_its_end(&self.broker.socket(), call).unwrap();
        (ran.exited, ran.stdout, ran.stderr)
    }

    /// What it says of its attempts.
    fn probe(&self) -> Vec<String> {
        let (exited, stdout, stderr) = self.run("probe");
        let lines: Vec<String> = stdout.lines().map(str::to_owned).collect();
        assert_eq!(exited.end, End::Finished, "{lines:#?} {stderr}");
        assert_eq!(exited.status, ExitStatus::Code(0), "{lines:#?} {stderr}");
        assert_eq!(lines.last().map(String::as_str), Some("end: ok"), "{lines:#?}");
        lines
    }

    /// That each attempt came out as it must.
    fn answers(&self, expected: &[&str]) {
        let lines = self.probe();
        for line in expected {
            assert!(lines.iter().any(|l| l == line), "not {line:?}: {lines:#?}");
        }
    }

    fn leaves_nothing(&self) {
        let left: Vec<_> = fs::read_dir(self.broker.runs()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn nothing_is_read_or_written_but_its_list_and_its_own_folder() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start();
    hostile.answers(&[
        "read /etc/hostname: EACCES",
        "read /etc/shadow: EACCES",
        "read /proc/1/cmdline: EACCES",
        "read /proc/self/status: EACCES",
        "read the broker's environment: EACCES",
        "list /root: EACCES",
        "list /tmp: EACCES",
        "list the other runs: EACCES",
        "write /tmp: EACCES",
        "write beside its folder: EACCES",
        "append to the audit log: EACCES",
        "write its own program: EACCES",
        "write its own folder: ok",
        "read its own folder: ok",
        "list its own folder: ok",
        "make a folder: EPERM",
        "link out of its folder: EPERM",
    ]);
    // Three files were left there.
    hostile.leaves_nothing();
}

#[test]
fn a_tool_whose_file_gives_it_no_folder_writes_nothing_and_has_none() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    policy.replace("tools.d/hostile.toml", HOSTILE_SCRATCH, "").unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let hostile = Hostile { broker, _policy: policy };
    hostile.answers(&[
        "write its own folder: EACCES",
        "write beside its folder: EACCES",
        "list its own folder: EACCES",
        "make a folder: EPERM",
        "make a program: EACCES",
        "env HOME=/nonexistent",
        "env TMPDIR=/nonexistent",
    ]);
    let (_, stdout, _) = hostile.run("many-files");
    assert_eq!(stdout, "files made: 0, then EACCES\n");
    hostile.leaves_nothing();
}

#[test]
fn a_run_makes_as_many_files_as_its_file_says() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start();
    let (_, stdout, _) = hostile.run("many-files");
    assert_eq!(stdout, "files made: 8, then EDQUOT\n");
    hostile.leaves_nothing();
}

#[test]
fn no_program_runs_but_the_tool() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start();
    hostile.answers(&[
        "make a program: ok",
        "chmod: EPERM",
        "copy itself: ok",
        "execute what it wrote: EACCES",
        "execute its own copy: EACCES",
        "execute a shell: EACCES",
        "execute ping: EACCES",
        "execute itself: EACCES",
        "execute the loader: EACCES",
    ]);
    hostile.leaves_nothing();
}

#[test]
fn no_process_is_made_left_or_signalled() {
    if !needs::root() {
        return;
    }
    Hostile::start().answers(&[
        "thread: EPERM",
        "fork and execute itself: EPERM",
        "setsid: EPERM",
        "setpgid: EPERM",
        "signal the broker: EPERM",
        "ask for the broker: EPERM",
        "signal everybody: EPERM",
        "clear the signal at the broker's death: EPERM",
    ]);
}

#[test]
fn no_socket_is_had_but_those_of_the_profile_and_none_listens() {
    if !needs::root() {
        return;
    }
    Hostile::start().answers(&[
        "unix datagram socket: EAFNOSUPPORT",
        "unix listener: EAFNOSUPPORT",
        "unix pair: EPERM",
        "listen on tcp: EACCES",
        "udp socket: ok",
        "raw ip socket: EAFNOSUPPORT",
        "packet socket: EAFNOSUPPORT",
        "netlink socket: EAFNOSUPPORT",
        "vsock: EAFNOSUPPORT",
    ]);
}

#[test]
fn no_descriptor_is_inherited_but_the_three_and_more_than_the_limit_are_not_to_be_had() {
    if !needs::root() {
        return;
    }
    let lines = Hostile::start().probe();
    let open: Vec<_> = lines.iter().filter(|l| l.starts_with("descriptor ")).collect();
    assert_eq!(open, ["descriptor 0: /dev/null", "descriptor 1: pipe:", "descriptor 2: pipe:"]);
    // 256 of the policy, less the three.
    let limit = "descriptors opened: 253, then EMFILE";
    assert!(lines.iter().any(|l| l == limit), "{lines:#?}");
    assert!(lines.iter().any(|l| l == "list /proc/self/fd: EACCES"), "{lines:#?}");
}

#[test]
fn the_environment_is_four_variables_and_two_of_them_name_its_folder() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start();
    let lines = hostile.probe();
    let mut variables: Vec<_> = lines.iter().filter_map(|l| l.strip_prefix("env ")).collect();
    variables.sort_unstable();
    let [home, locale, temporary, zone] = variables[..] else { panic!("{variables:?}") };
    assert_eq!((locale, zone), ("LC_ALL=C", "TZ=UTC"));
    let home = home.strip_prefix("HOME=").unwrap();
    assert_eq!(temporary.strip_prefix("TMPDIR=").unwrap(), home);
    assert!(std::path::Path::new(home).starts_with(hostile.broker.runs()), "{home}");
}

#[test]
fn tracing_and_programs_in_memory_end_the_process_and_are_reported() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start();
    for what in ["ptrace", "memfd"] {
        let (exited, stdout, _) = hostile.run(what);
        assert_eq!(exited.end, End::SandboxViolation, "{what}: {exited:?}");
        assert_eq!(exited.status, ExitStatus::Signal(Signal::SIGSYS as i32), "{what}");
        assert_eq!(stdout, "", "{what}");
    }
    let ends = hostile.broker.audit().unwrap();
    let ends: Vec<_> = ends.iter().filter_map(|line| line.get("end")?.as_str()).collect();
    assert_eq!(ends, ["sandbox_violation", "sandbox_violation"]);
    hostile.leaves_nothing();
}

#[test]
fn memory_and_file_size_are_limited() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start();
    let (exited, stdout, stderr) = hostile.run("memory");
    assert_eq!(exited.status, ExitStatus::Signal(Signal::SIGABRT as i32), "{stdout}");
    assert!(stderr.contains("memory allocation of 1073741824 bytes failed"), "{stderr}");
    let (exited, ..) = hostile.run("big-file");
    assert_eq!(exited.status, ExitStatus::Signal(Signal::SIGXFSZ as i32));
    hostile.leaves_nothing();
}

/// The tests above would pass if the attempts could not succeed anywhere.
#[test]
fn outside_the_sandbox_the_same_attempts_succeed() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new(policy.path("hostile-tool"));
    command.args(["--what", "probe", "127.0.0.1"]).current_dir(folder.path());
    let output = command.uid(BROKER_UID).gid(BROKER_UID).output().unwrap();
    let _ = fs::remove_file("/tmp/probity-hostile");
    let stdout = String::from_utf8(output.stdout).unwrap();
    for attempt in [
        "read /etc/hostname",
        "read /proc/1/cmdline",
        "list /tmp",
        "list the other runs",
        "write /tmp",
        "link out of its folder",
        "unix datagram socket",
        "unix listener",
        "unix pair",
        "listen on tcp",
        "netlink socket",
        "setsid",
        "thread",
        "fork and execute itself",
        "list /proc/self/fd",
        "chmod",
        "make a folder",
        "clear the signal at the broker's death",
    ] {
        assert!(stdout.lines().any(|l| l == format!("{attempt}: ok")), "{attempt}: {stdout}");
    }
    // What it wrote ran in its place.
    assert_eq!(stdout.lines().last(), Some("out"), "{stdout}");
}

/// What no hostile-tool can try without unsafe code, in the words of another language.
const LIMITS_OF_THE_BROKER: &str = r#"
name = "limiter"
summary = "Takes the broker's descriptors away."
command = "/usr/bin/python3"
targets = ["address"]
argv = ["-I", "-S", "-c", """
import os, resource
for who in (os.getppid(), 0):
    try:
        resource.prlimit(who, resource.RLIMIT_NOFILE, (9, 9))
        print('taken', flush=True)
    except PermissionError:
        print('refused', flush=True)
""", "{options}", "{target}"]
timeout = "10s"
concurrency = 1
[sandbox]
net_raw = "never"
syscalls = "packet-scanner"
"#;

#[test]
fn a_tool_cannot_set_the_limits_of_the_broker_whose_uid_it_shares() {
    if !needs::root() || !needs::tool("/usr/bin/python3") {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    policy.write("tools.d/limiter.toml", LIMITS_OF_THE_BROKER).unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let before = limits(broker.pid()).unwrap();
    let request = Request::Run(call("limiter", "127.0.0.1", ""));
    let replies = Peer::ask(&broker.socket(), &request).unwrap().replies().unwrap();
    let output = replies.iter().filter_map(|reply| match reply {
        Reply::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    // Its own it may lower.
    assert_eq!(output.collect::<String>(), "refused\ntaken\n", "{replies:?}");
    assert_eq!(limits(broker.pid()).unwrap().open_files, before.open_files);
}
