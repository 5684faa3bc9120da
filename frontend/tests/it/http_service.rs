//! `probity http` as a service of systemd's: sockets that are passed to it, and what it tells.

use std::{
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    process::Command,
    time::Duration,
};

use crate::support::{ScriptedBroker, http::*, open_to_all, samples::*};
use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::Signal;

/// A server to which this socket is passed as systemd does. The process of the shell becomes it.
fn activated(broker: &ScriptedBroker, socket: OwnedFd, variables: &[(&str, &str)]) -> Command {
    let program = env!("CARGO_BIN_EXE_probity");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("LISTEN_PID=$$ LISTEN_FDS=1 exec {program} http")]);
    command.env_clear().env("PROBITY_SOCKET", &broker.socket).envs(variables.iter().copied());
    command.fd_mappings(vec![FdMapping { parent_fd: socket, child_fd: 3 }]).unwrap();
    command
}

fn asked(mut stream: impl std::io::Read + std::io::Write) -> String {
    let text = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_socket_that_systemd_passes_is_served() {
    let broker = ScriptedBroker::start(script());
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    // Whoever comes before the server is there waits in the socket.
    let early = TcpStream::connect(address).unwrap();
    let mut server = HttpServer::start(activated(&broker, tcp.into(), &[])).unwrap();
    assert_eq!(server.host(), address.to_string());
    assert_eq!(asked(early), "200");
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let mut server = HttpServer::start(activated(&broker, unix.into(), &[])).unwrap();
    let line = format!("curl --unix-socket {} -H ", path.display());
    assert!(server.log_with(&line).contains(&line));
    assert_eq!(asked(UnixStream::connect(&path).unwrap()), "200");
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
    assert!(path.exists(), "it is systemd's");
}

#[test]
fn a_passed_socket_that_other_machines_reach_takes_a_token_too() {
    let broker = ScriptedBroker::start(script());
    let everywhere = || OwnedFd::from(TcpListener::bind("0.0.0.0:0").unwrap());
    let refused = activated(&broker, everywhere(), &[]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("nobody has been given a token"), "{said}");
    let token = [("PROBITY_HTTP_TOKEN", CHOSEN)];
    assert!(HttpServer::start(activated(&broker, everywhere(), &token)).is_ok());
}

#[test]
fn systemd_is_told_of_readiness_reloading_and_the_end_and_its_watchdog_is_fed() {
    let broker = ScriptedBroker::start(script());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    // As systemd's is.
    open_to_all(&path);
    manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let next = |unwanted: &str| loop {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.trim() != unwanted {
            return text;
        }
    };
    let file = TokensFile::new();
    file.add("ada", "viewer", &[]);
    let mut command = command(&broker, &[file.variable()]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "40000");
    let mut server = HttpServer::start(command).unwrap();
    let fed = "WATCHDOG=1";
    assert_eq!(next(fed).trim(), "READY=1");
    assert_eq!((next("").trim(), next("").trim()), (fed, fed));
    server.signal(Signal::SIGHUP).unwrap();
    let reloading = next(fed);
    let mut lines = reloading.lines();
    assert_eq!(lines.next(), Some("RELOADING=1"));
    let time = lines.next().and_then(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()), "{reloading}");
    assert_eq!(next(fed).trim(), "READY=1");
    server.signal(Signal::SIGTERM).unwrap();
    assert_eq!(next(fed).trim(), "STOPPING=1");
    assert_eq!(server.wait().unwrap(), Some(0));
}
