//! What systemd is told, held against a socket of the test's own: that the broker serves, reloads,
//! stops, and still turns. And what systemd's variables may not do.

use std::{
    fs,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::PermissionsExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use nix::sys::signal::Signal;
use probity_protocol::{Reply, Request};
use probity_tests::{
    broker::{Broker, PolicyFolder, program, script},
    needs,
    peer::{Peer, call},
    procs::{broker_below, children, state_of, wait_until},
};

/// A broker, and what it told.
struct Told {
    broker: Broker,
    policy: PolicyFolder,
    socket: UnixDatagram,
}

impl Told {
    /// `variables` are set as a shell sets them: `$$` is the process that is started.
    fn new(variables: &str) -> Self {
        Self::with_grace("0", variables)
    }

    /// The same of a broker that lets what runs finish.
    fn with_grace(seconds: &str, variables: &str) -> Self {
        let policy = PolicyFolder::with_hostile_tool(1).unwrap();
        let path = policy.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let more = ["--grace".as_ref(), seconds.as_ref()];
        Self::start(&path.display().to_string(), socket, policy, variables, &more)
    }

    fn at(address: &str, socket: UnixDatagram, policy: PolicyFolder, variables: &str) -> Self {
        Self::start(address, socket, policy, variables, &[])
    }

    fn start(
        address: &str,
        socket: UnixDatagram,
        policy: PolicyFolder,
        variables: &str,
        more: &[&std::ffi::OsStr],
    ) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let started = policy.path("started-by-systemd");
        let text = format!(
            "#!/bin/bash\nexport NOTIFY_SOCKET={address} {variables}\nexec {} \"$@\"\n",
            program("probity-broker").display()
        );
        script(&started, &text).unwrap();
        let broker = Broker::start_with(&started, &policy, None, more).unwrap();
        Self { broker, policy, socket }
    }

    /// The next message, in lines.
    fn message(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("a message");
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The next that is no sign of life.
    fn news(&self) -> Vec<String> {
        loop {
            let message = self.message();
            if message != ["WATCHDOG=1"] {
                return message;
            }
        }
    }
}

const EACH_100_MS: &str = "WATCHDOG_USEC=200000 WATCHDOG_PID=$$";

#[test]
fn systemd_hears_that_it_serves_reloads_and_stops() {
    if !needs::root() {
        return;
    }
    // A supervisor stands between them: the variables mean the process that was started.
    let mut told = Told::new(EACH_100_MS);
    assert_ne!(told.broker.pid(), told.broker.supervisor());
    let digest = told.broker.audit().unwrap()[0]["policy"].as_str().unwrap().to_owned();
    let ready = told.news();
    assert_eq!(ready, ["READY=1".to_owned(), format!("STATUS=Deciding by policy {digest}")]);
    assert_eq!(told.message(), ["WATCHDOG=1"]);

    told.policy.replace("policy.toml", "max_hosts = 1024", "max_hosts = 512").unwrap();
    let digest = told.broker.reload().unwrap()["new_policy"].as_str().unwrap().to_owned();
    is_reloading(&told.news());
    let ready = told.news();
    assert_eq!(ready, ["READY=1".to_owned(), format!("STATUS=The policy was reloaded: {digest}")]);

    told.policy.replace("policy.toml", "max_hosts = 512", "max_hots = 512").unwrap();
    told.broker.reload().unwrap();
    is_reloading(&told.news());
    let expected = format!("STATUS=the policy was not reloaded: {digest} works on");
    assert_eq!(told.news(), ["READY=1".to_owned(), expected]);

    assert_eq!(told.broker.stop().unwrap(), Some(0));
    assert_eq!(told.news()[0], "STOPPING=1");
}

/// It would be told that the broker serves again.
#[test]
fn a_broker_that_stops_reloads_nothing() {
    if !needs::root() {
        return;
    }
    let mut told = Told::with_grace("5", "");
    assert_eq!(told.news()[0], "READY=1");
    let sleep = Request::Run(call("hostile", "127.0.0.1", "--what sleep"));
    let mut peer = Peer::ask(&told.broker.socket(), &sleep).unwrap();
    while !matches!(peer.reply().unwrap(), Some(Reply::Output { .. })) {}
    told.broker.signal(Signal::SIGTERM);
    assert_eq!(told.news()[0], "STOPPING=1");
    told.broker.signal(Signal::SIGHUP);
    peer.cancel().unwrap();
    assert!(matches!(peer.replies().unwrap().last(), Some(Reply::Exited(_))));
    assert_eq!(told.broker.exit_code().unwrap(), Some(0));
    told.socket.set_nonblocking(true).unwrap();
    assert!(told.socket.recv(&mut [0; 64]).is_err());
    let reloads = |line: &serde_json::Value| line["event"] == "reload";
    assert!(!told.broker.audit().unwrap().iter().any(reloads));
}

fn is_reloading(message: &[String]) {
    assert_eq!(message[0], "RELOADING=1");
    let now = message[1].strip_prefix("MONOTONIC_USEC=").expect("a time");
    assert!(now.parse::<u64>().unwrap() > 0, "{message:?}");
}

#[test]
fn under_systemd_there_is_no_supervisor_and_the_watchdog_sees_a_broker_that_stands_still() {
    if !needs::root() {
        return;
    }
    let told = Told::new(&format!("SYSTEMD_EXEC_PID=$$ {EACH_100_MS}"));
    assert_eq!(told.broker.pid(), told.broker.supervisor());
    assert_eq!(broker_below(told.broker.pid()), None);
    assert!(children(told.broker.pid()).is_empty());
    assert_eq!(told.news()[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(told.message(), ["WATCHDOG=1"]);
    }
    told.broker.signal(Signal::SIGSTOP);
    assert!(wait_until(Duration::from_secs(10), || state_of(told.broker.pid()) == Some('T')));
    told.socket.set_nonblocking(true).unwrap();
    while told.socket.recv(&mut [0; 64]).is_ok() {}
    std::thread::sleep(Duration::from_millis(600));
    assert!(told.socket.recv(&mut [0; 64]).is_err());
    told.broker.signal(Signal::SIGCONT);
    told.socket.set_nonblocking(false).unwrap();
    assert_eq!(told.message(), ["WATCHDOG=1"]);
}

#[test]
fn variables_that_mean_another_process_are_not_followed() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    // A name without a file, too.
    let name = format!("probity-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let variables = "SYSTEMD_EXEC_PID=1 WATCHDOG_USEC=20000 WATCHDOG_PID=1";
    let told = Told::at(&format!("@{name}"), socket, policy, variables);
    assert_ne!(told.broker.pid(), told.broker.supervisor());
    assert_eq!(told.message()[0], "READY=1");
    told.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(told.socket.recv(&mut [0; 64]).is_err());
}

#[test]
fn a_tool_hears_nothing_of_systemd() {
    if !needs::root() {
        return;
    }
    let told = Told::new("LISTEN_PID=1");
    let request = Request::Run(call("hostile", "127.0.0.1", "--what probe"));
    let replies = Peer::ask(&told.broker.socket(), &request).unwrap().replies().unwrap();
    let output = replies.into_iter().filter_map(|reply| match reply {
        Reply::Output { bytes, .. } => Some(bytes),
        _ => None,
    });
    let text = String::from_utf8(output.flatten().collect()).unwrap();
    assert!(text.contains("\nenv ") && text.contains("end: ok"), "{text}");
    assert!(!text.contains("NOTIFY") && !text.contains("LISTEN"), "{text}");
}

#[test]
fn an_address_that_is_none_is_told_of_and_ends_nothing() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    let told = Told::at("vsock:2:1234", socket, policy, "");
    assert!(told.broker.said().contains("NOTIFY_SOCKET vsock:2:1234: it is no socket's address"));
}
