//! A broker starts as its administrator meant it or not at all, and says why: policy, ownership,
//! user, socket, descriptors, and privileges that somebody lent it.

mod surroundings;

use std::{
    fs::{self, File, Permissions},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use probity_protocol::{Reply, Request};
use probity_tests::{
    broker::{
        BROKER_UID, Broker, CLIENT_GID, PolicyFolder, USER_UID, copy_of_program, program, script,
    },
    needs,
    peer::{Peer, call},
    procs::{ProcStatus, broker_below, wait_until},
};

const SETPRIV: &str = "/usr/bin/setpriv";
const SETCAP: &str = "/usr/sbin/setcap";

/// By this systemd knows that there is no use in trying again.
const REFUSED_POLICY: i32 = 78;

/// A folder for a broker's socket, log and runs, with what it takes to start one.
struct BrokerPlace {
    folder: tempfile::TempDir,
    policy: PolicyFolder,
}

impl BrokerPlace {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        Self { folder, policy: PolicyFolder::with_grants("").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The broker's program where every user can reach it, with no privilege of its own.
    fn own_program(&self) -> PathBuf {
        let copy = self.path("probity-broker");
        copy_of_program("probity-broker", &copy).unwrap();
        copy
    }

    /// Gives the policy and the folder to a user.
    fn give_to(&self, uid: u32) {
        let give = |path: &Path| chown(path, Some(uid), Some(uid)).unwrap();
        give(self.folder.path());
        give(&self.policy.path(""));
        give(&self.policy.path("policy.toml"));
        give(&self.policy.path("tools.d"));
        for entry in fs::read_dir(self.policy.path("tools.d")).unwrap() {
            give(&entry.unwrap().path());
        }
    }

    /// Arguments for everything but the user.
    fn arguments(&self) -> Vec<String> {
        let path = |name| self.path(name).display().to_string();
        let policy = self.policy.path("policy.toml").display().to_string();
        let pairs = [
            ("--socket", path("broker.sock")),
            ("--policy", policy),
            ("--audit", path("audit.jsonl")),
            ("--run-dir", path("runs")),
        ];
        pairs.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
    }

    /// What a broker says that does not start: it has five seconds to say it.
    fn refused(&self, more: &[&str]) -> String {
        let mut command = Command::new("/usr/bin/timeout");
        command.arg("5").arg(program("probity-broker")).args(self.arguments()).args(more);
        let output = command.output().unwrap();
        let said = said(&output);
        assert!(matches!(output.status.code(), Some(1 | REFUSED_POLICY)), "{said}");
        assert!(!self.path("broker.sock").exists(), "{said}");
        said
    }

    fn refused_as_usual(&self) -> String {
        self.refused(&["--user", &BROKER_UID.to_string()])
    }
}

/// A process of the test's own, ended when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn broker(arguments: &[&str]) -> Output {
    Command::new(program("probity-broker")).args(arguments).output().unwrap()
}

#[test]
fn a_defect_in_the_policy_is_shown_with_file_line_and_column() {
    if !needs::root() {
        return;
    }
    let defects = [
        ("policy.toml", "max_hosts = 1024 ", "max_hots  = 1024 "),
        ("policy.toml", "\"10.0.0.0/8\"", "\"10.0.0.0/99\""),
        ("tools.d/ping.toml", "min = 1, max = 100", "min = 9, max = 1"),
    ];
    for (file, from, to) in defects {
        let place = BrokerPlace::new();
        place.policy.replace(file, from, to).unwrap();
        let path = place.policy.path(file);
        let text = fs::read_to_string(&path).unwrap();
        let line = 1 + text.lines().position(|line| line.contains(to)).unwrap();
        let said = place.refused_as_usual();
        let start = format!("{}:{line}:", path.display());
        let column = said.split_once(&start).and_then(|(_, rest)| rest.split(':').next());
        let column = column.unwrap_or_else(|| panic!("no {start} in {said}"));
        let column: usize = column.parse().unwrap_or_else(|_| panic!("{said}"));
        assert!((1..=text.lines().nth(line - 1).unwrap().len()).contains(&column), "{said}");
    }
}

#[test]
fn every_defect_is_shown_at_once() {
    if !needs::root() {
        return;
    }
    let place = BrokerPlace::new();
    place.policy.replace("policy.toml", "\"10.0.0.0/8\"", "\"10.0.0.0/99\"").unwrap();
    place.policy.replace("tools.d/ping.toml", "min = 1, max = 100", "min = 9, max = 1").unwrap();
    let said = place.refused_as_usual();
    assert!(said.contains("policy.toml:") && said.contains("ping.toml:"), "{said}");
}

#[test]
fn files_that_others_can_write_are_refused_with_the_command_that_mends_it() {
    if !needs::root() {
        return;
    }
    // Whoever can write a folder can replace what is in it.
    for name in ["", "policy.toml", "tools.d", "tools.d/ping.toml"] {
        let place = BrokerPlace::new();
        // Without the slash at the end of a folder's.
        let path: PathBuf = place.policy.path(name).components().collect();
        let mode = fs::metadata(&path).unwrap().mode();
        fs::set_permissions(&path, Permissions::from_mode(mode | 0o020)).unwrap();
        let said = place.refused_as_usual();
        assert!(said.contains(&format!("chmod go-w {}", path.display())), "{said}");

        let place = BrokerPlace::new();
        let path: PathBuf = place.policy.path(name).components().collect();
        chown(&path, Some(USER_UID), None).unwrap();
        let said = place.refused_as_usual();
        let shown = path.display().to_string();
        assert!(said.contains(&shown) && said.contains("uid 64001"), "{said}");
        assert!(said.contains("must belong to root") && said.contains("chown"), "{said}");
    }
}

/// Whoever can write a folder on the way can put another one in the place of the next.
#[test]
fn a_way_that_others_can_change_is_refused_to_policy_log_and_runs_at_every_step() {
    if !needs::root() {
        return;
    }
    let place = BrokerPlace::new();
    let open = place.path("open");
    fs::create_dir_all(open.join("between/etc")).unwrap();
    for folder in ["open", "open/between", "open/between/etc"] {
        fs::set_permissions(place.path(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let policy = open.join("between/etc/policy.toml");
    fs::copy(place.policy.path("policy.toml"), &policy).unwrap();
    let user = BROKER_UID.to_string();
    let below = |name: &str| open.join("between").join(name).display().to_string();
    for (option, path) in [
        ("--policy", policy.display().to_string()),
        ("--audit", below("audit.jsonl")),
        ("--run-dir", below("new/runs")),
    ] {
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let said = place.refused(&["--user", &user, option, &path]);
        let mends = format!("chmod go-w {}", open.display());
        assert!(said.contains(&mends), "{option}: {said}");
    }
    assert!(!open.join("between/new").exists());
    assert!(!open.join("between/audit.jsonl").exists());
}

#[test]
fn a_run_folder_that_is_a_link_or_belongs_to_somebody_else_is_not_given_away() {
    if !needs::root() {
        return;
    }
    let place = BrokerPlace::new();
    let elsewhere = place.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, place.path("runs")).unwrap();
    let said = place.refused_as_usual();
    assert!(said.contains("runs: it is there, and is no folder of uid"), "{said}");
    assert_eq!(fs::metadata(&elsewhere).unwrap().uid(), 0);
    fs::remove_file(place.path("runs")).unwrap();
    fs::create_dir(place.path("runs")).unwrap();
    let said = place.refused_as_usual();
    assert!(said.contains("runs: it is there, and is no folder of uid"), "{said}");
    assert_eq!(fs::metadata(place.path("runs")).unwrap().uid(), 0);
}

#[test]
fn a_broker_does_not_run_as_root_nor_as_a_user_who_is_not_there() {
    if !needs::root() {
        return;
    }
    for root in ["root", "0", "0:64000", "64000:0"] {
        let said = BrokerPlace::new().refused(&["--user", root]);
        assert!(said.contains(&format!("--user {root}")) && said.contains("root"), "{said}");
    }
    let said = BrokerPlace::new().refused(&["--user", "probity-nobody-here"]);
    assert!(said.contains("there is no such user; create it, or name another"), "{said}");
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    if !passwd.lines().any(|line| line.starts_with("probity-broker:")) {
        let said = BrokerPlace::new().refused(&[]);
        assert!(said.contains("--user probity-broker: there is no such user"), "{said}");
    }
}

#[test]
fn mistakes_on_the_command_line_exit_2_and_help_and_version_exit_0() {
    for wrong in [&["--sokcet", "x"][..], &["--socket"], &["extra"], &["--listen-fd", "1"]] {
        let output = broker(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(said(&output).contains("Try probity-broker --help."), "{output:?}");
    }
    for (option, word) in [("--help", "Usage:"), ("-h", "Usage:"), ("--version", "probity-broker ")]
    {
        let output = broker(&[option]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains(word), "{option}");
    }
}

#[test]
fn a_broker_without_a_socket_says_so() {
    if !needs::root() {
        return;
    }
    let place = BrokerPlace::new();
    let mut arguments = place.arguments();
    arguments.drain(..2);
    let mut command = Command::new("/usr/bin/timeout");
    command.arg("5").arg(program("probity-broker")).args(arguments);
    let output = command.args(["--user", "64000"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("there is no socket to listen on"), "{output:?}");
}

#[test]
fn the_socket_has_its_mode_and_group_from_the_start() {
    if !needs::root() {
        return;
    }
    let place = BrokerPlace::new();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(program("probity-broker"));
    command.args(place.arguments()).args(["--user", "64000", "--group", "64010"]);
    let _running = Running(command.stderr(Stdio::null()).spawn().unwrap());
    let socket = place.path("broker.sock");
    let began = std::time::Instant::now();
    // Without a pause: whatever it is at first is what a quick peer would meet.
    let first = loop {
        match fs::symlink_metadata(&socket) {
            Ok(metadata) => break metadata,
            Err(_) => assert!(began.elapsed() < Duration::from_secs(10), "no socket"),
        }
    };
    assert!(first.file_type().is_socket());
    assert_eq!((first.mode() & 0o7777, first.gid()), (0o660, CLIENT_GID));
}

#[test]
fn a_stale_socket_is_replaced_and_a_file_or_a_living_socket_is_not() {
    if !needs::root() {
        return;
    }
    let place = BrokerPlace::new();
    let socket = place.path("broker.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let mut command = Command::new(program("probity-broker"));
    command.args(place.arguments()).args(["--user", "64000"]).stderr(Stdio::null());
    let running = Running(command.spawn().unwrap());
    assert!(wait_until(Duration::from_secs(5), || Peer::connect(&socket).is_ok()));

    let second = |place: &BrokerPlace| {
        let mut command = Command::new("/usr/bin/timeout");
        command.arg("5").arg(program("probity-broker")).args(place.arguments());
        command.args(["--user", "64000"]).output().unwrap()
    };
    // One that lives is left alone, and goes on.
    let output = second(&place);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("broker.sock"), "{output:?}");
    let replies = Peer::ask(&socket, &Request::Status).unwrap().replies().unwrap();
    assert!(matches!(replies[..], [Reply::Welcome(_), Reply::Status(_)]), "{replies:?}");
    drop(running);

    let place = BrokerPlace::new();
    fs::write(place.path("broker.sock"), "somebody's notes").unwrap();
    let output = second(&place);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(fs::read(place.path("broker.sock")).unwrap(), b"somebody's notes");
}

#[test]
fn what_the_parent_left_open_reaches_neither_the_broker_nor_its_tools() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let careless = policy.path("careless");
    let text = format!(
        "#!/bin/bash\nexec 9</etc/shadow 200</etc/shadow\nexec {} \"$@\"\n",
        program("probity-broker").display()
    );
    script(&careless, &text).unwrap();
    let broker = Broker::start(&careless, &policy, None).unwrap();
    let open = fs::read_dir(format!("/proc/{}/fd", broker.pid())).unwrap();
    // One may be closed while they are looked at.
    let open: Vec<_> = open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok()).collect();
    assert!(!open.is_empty());
    assert!(!open.contains(&PathBuf::from("/etc/shadow")), "{open:?}");

    let request = Request::Run(call("hostile", "127.0.0.1", "--what probe"));
    let replies = Peer::ask(&broker.socket(), &request).unwrap().replies().unwrap();
    let output = replies.into_iter().filter_map(|reply| match reply {
        Reply::Output { bytes, .. } => Some(bytes),
        _ => None,
    });
    let text = String::from_utf8(output.flatten().collect()).unwrap();
    let open = text.lines().filter(|line| line.starts_with("descriptor ")).count();
    assert_eq!(open, 3, "{text}");
}

#[test]
fn a_socket_of_somebody_else_is_left_alone_with_what_to_do_about_it() {
    let place = BrokerPlace::new();
    let socket = place.path("broker.sock");
    let said_of_it = || {
        let mut command = Command::new("/usr/bin/timeout");
        let paths = place.arguments();
        // All but the policy: the shipped one serves.
        let paths = [&paths[..2], &paths[4..]].concat();
        command.arg("5").arg(program("probity-broker")).arg("--embedded").args(paths);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        said(&output)
    };
    let first = UnixListener::bind(&socket).unwrap();
    let said = said_of_it();
    for part in ["a broker listens there already", "probity tools --socket", "another --socket"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(UnixStream::connect(&socket).is_ok());

    drop(first);
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "notes").unwrap();
    let said = said_of_it();
    assert!(said.contains("is no socket: remove it"), "{said}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "notes");
}

#[test]
fn a_broker_with_a_capability_of_its_file_takes_no_policy_but_that_of_the_system() {
    if !needs::root() || !needs::tool(SETPRIV) || !needs::tool(SETCAP) {
        return;
    }
    let place = BrokerPlace::new();
    place.give_to(USER_UID);
    let program = place.own_program();
    let set = Command::new(SETCAP).arg("cap_net_raw=ep").arg(&program).status().unwrap();
    assert!(set.success());
    let uid = USER_UID.to_string();
    for embedded in [&[][..], &["--embedded"]] {
        let mut command = Command::new("/usr/bin/timeout");
        command.args(["5", SETPRIV, "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
        let output = command.arg(&program).args(place.arguments()).args(embedded).output().unwrap();
        let said = said(&output);
        assert!(said.contains("it decides by /etc/probity/policy.toml alone"), "{output:?}");
        if !Path::new("/etc/probity/policy.toml").exists() {
            assert_eq!(output.status.code(), Some(REFUSED_POLICY), "{said}");
            assert!(said.contains("the policy cannot be read: /etc/probity"), "{said}");
        }
        assert!(!place.path("audit.jsonl").exists());
    }
}

#[test]
fn a_broker_that_inherits_a_capability_drops_it_before_the_policy_of_a_user() {
    if !needs::root() || !needs::tool(SETPRIV) {
        return;
    }
    let uid = USER_UID.to_string();
    let lent = |program: &Path| {
        let mut command = Command::new(SETPRIV);
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups"]);
        command.args(["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"]).arg(program);
        command
    };
    // Lent it is: another program keeps it.
    let mut sleep = lent(Path::new("/usr/bin/sleep"));
    let sleep = Running(sleep.arg("60").spawn().unwrap());
    let status = || ProcStatus::read(sleep.0.id()).unwrap();
    assert!(wait_until(Duration::from_secs(5), || status().name == "sleep"));
    assert_eq!((status().cap_prm, status().cap_amb), (1 << 13, 1 << 13));

    // One file or folder of the user's is enough: what is decided by is his.
    for of_root in [&[][..], &["policy.toml"], &["", "policy.toml", "tools.d"]] {
        let place = BrokerPlace::new();
        place.give_to(USER_UID);
        of_root.iter().for_each(|name| chown(place.policy.path(name), Some(0), Some(0)).unwrap());
        let mut command = lent(&place.own_program());
        let errors = File::create(place.path("stderr")).unwrap();
        command.args(place.arguments()).stderr(errors);
        let running = Running(command.spawn().unwrap());
        let socket = place.path("broker.sock");
        let up = wait_until(Duration::from_secs(5), || Peer::connect(&socket).is_ok());
        assert!(up, "{}", fs::read_to_string(place.path("stderr")).unwrap());
        // The socket is there a moment before the two are.
        let mut broker = None;
        assert!(wait_until(Duration::from_secs(5), || {
            broker = broker_below(running.0.id());
            broker.is_some()
        }));
        for pid in [running.0.id(), broker.unwrap()] {
            let status = ProcStatus::read(pid).unwrap();
            assert_eq!(status.uids, [USER_UID; 4]);
            let sets = [status.cap_prm, status.cap_eff, status.cap_inh, status.cap_amb];
            assert_eq!(sets, [0; 4], "{of_root:?}: {status:?}");
            assert!(status.no_new_privs);
        }
        let mut peer = Peer::ask(&socket, &Request::Status).unwrap();
        match peer.reply().unwrap() {
            Some(Reply::Welcome(welcome)) => assert!(!welcome.sandbox.net_raw),
            other => panic!("{other:?}"),
        }
    }
}

/// As in a pipe whose reader has seen enough: the other end of its output is gone.
#[test]
fn what_nobody_reads_any_more_is_no_failure_of_its_own() {
    let gone = || std::io::pipe().map(|(_, unread)| unread).unwrap();
    let code = |command: &mut Command| command.status().unwrap().code();
    let broker = || Command::new(program("probity-broker"));
    assert_eq!(code(broker().arg("--help").stdout(gone())), Some(0));
    assert_eq!(code(broker().arg("--version").stdout(gone())), Some(0));
    assert_eq!(code(broker().arg("--sokcet").stderr(gone())), Some(2));
    let missing = ["--embedded", "--socket", "/nowhere/s", "--policy", "/nowhere/policy.toml"];
    assert_eq!(code(broker().args(missing).stderr(gone())), Some(REFUSED_POLICY));
}
