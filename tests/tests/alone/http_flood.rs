//! A server under attack goes on answering: whatever thousands of connections do, `/livez` answers all
//! the while, memory stays bounded, and afterwards everything is as it was.
//!
//! - 5,000 connections, all open at once
//! - heads and bodies that never come to their end, and large ones that nearly do
//! - answers that nobody reads
//! - more clients that ask for verdicts than the broker takes connections
//! - bodies without end, and garbage

use std::{
    fs, io,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use probity_tests::{
    alone::alone,
    http::{HttpServer, read_answer},
    procs::wait_until,
    rig::Rig,
};
use serde_json::json;

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(20);

const TOKEN: &str = "a-token-of-the-tests";

/// Resident memory that no attack may take the frontend beyond, as it is built for tests.
const MOST_MEMORY: u64 = 128 << 20;

struct Attacked {
    server: HttpServer,
    _rig: Rig,
}

impl Attacked {
    fn start(variables: &[(&str, &str)]) -> Self {
        let rig = Rig::new("").unwrap();
        rig.replay_and_succeed("Here.\n", "").unwrap();
        let own = [("PROBITY_HTTP_TOKEN", TOKEN), ("PROBITY_RATE_REQUESTS", "100000")];
        let variables = [&own[..], variables].concat();
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut command = rig.embedded("http", &variables);
        command.args(["--listen", "127.0.0.1:0"]);
        Self { server: HttpServer::start(command).unwrap(), _rig: rig }
    }

    /// Attacks while another asks `/livez`, over new connections and over one that it keeps. Each has
    /// to be answered; then a run is, and what the attack held is given back.
    fn under(&self, attack: impl FnOnce(&HttpServer)) {
        // What a server opens as it goes, it has opened once it has answered.
        self.runs();
        let before = self.descriptors();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let probing = scope.spawn(|| {
                let mut asked = 0;
                while !is_over.load(Ordering::Relaxed) || asked == 0 {
                    let answer = self.server.get("/livez", None).unwrap();
                    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok"})));
                    asked += 1;
                    thread::sleep(Duration::from_millis(2));
                }
                asked
            });
            // The probes end even if this panics.
            let _over = OnDrop(|| is_over.store(true, Ordering::Relaxed));
            attack(&self.server);
            assert!(!probing.is_finished(), "a probe was not answered");
        });
        let peak = self.memory("VmHWM:");
        assert!(peak < MOST_MEMORY, "{peak}");
        self.runs();
        let given_back = || self.descriptors() <= before;
        assert!(wait_until(PATIENCE, given_back), "{} of {before}", self.descriptors());
        assert!(!self.server.log().contains("panic"), "{}", self.server.log());
    }

    fn runs(&self) {
        let body = json!({"target": "127.0.0.1"});
        let ran = self.server.post("/tools/replay/execute", TOKEN, &body).unwrap();
        assert_eq!((ran.status, &ran.json()["returncode"]), (200, &json!(0)), "{}", ran.body);
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.server.pid())).unwrap().count()
    }

    /// A line of the process' memory, in bytes.
    fn memory(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Room for so many descriptors in this process and in those that it starts, which the usual 1,024 are
/// not.
fn make_room_for(descriptors: u64) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(most >= descriptors, "this needs {descriptors} open files: raise `ulimit -Hn`");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

fn connections(server: &HttpServer, count: usize, words: &str) -> Vec<TcpStream> {
    let connections = (0..count).map(|_| {
        let mut stream = server.connect().unwrap();
        // It may have been closed already.
        let _ = stream.write_all(words.as_bytes());
        stream
    });
    connections.collect()
}

/// Whether the server has closed it, whatever it said before that.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut sink = [0; 16 << 10];
    loop {
        match stream.read(&mut sink) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return !is_nothing_yet(&error),
        }
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn head(server: &HttpServer, more: &str) -> String {
    format!(
        "Host: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n{more}\r\n",
        server.host()
    )
}

#[test]
fn five_thousand_connections_are_held_at_once_and_probes_answered() {
    let _alone = alone();
    const CROWD: usize = 5000;
    // The server keeps two for each connection that it may have to hold.
    make_room_for(13_000);
    let attacked = Attacked::start(&[("PROBITY_MAX_CONNECTIONS", "6000")]);
    let before = attacked.memory("VmRSS:");
    attacked.under(|server| {
        let mut held = connections(server, CROWD, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(held.iter_mut().map(is_answered).filter(|answered| !answered).count(), 0);
        let each = (attacked.memory("VmRSS:") - before) / CROWD as u64;
        assert!(each < 20 << 10, "{each} bytes for a connection");
    });
}

fn is_answered(stream: &mut TcpStream) -> bool {
    let mut line = [0; 12];
    stream.read_exact(&mut line).is_ok() && &line == b"HTTP/1.1 200"
}

#[test]
fn heads_and_bodies_that_never_end_do_and_keep_nobody_waiting() {
    let _alone = alone();
    let attacked = Attacked::start(&[("PROBITY_READ_TIMEOUT_SEC", "1")]);
    attacked.under(|server| {
        let slow_head = "GET /tools HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
        let typed = head(server, "Content-Length: 1000\r\n");
        let slow_body = format!("POST /tools/replay/execute HTTP/1.1\r\n{typed}{{");
        let typed = head(server, "Transfer-Encoding: chunked\r\n");
        let slow_chunks = format!("POST /tools/replay/execute HTTP/1.1\r\n{typed}");
        let mut slow = connections(server, 100, slow_head);
        slow.extend(connections(server, 100, &slow_body));
        slow.extend(connections(server, 100, &slow_chunks));
        let deadline = Instant::now() + PATIENCE;
        while !slow.is_empty() {
            assert!(Instant::now() < deadline, "{} are still open", slow.len());
            // A byte now and then: a blank is one of a head, of a body and of no chunk's size.
            for (number, stream) in slow.iter_mut().enumerate() {
                let byte: &[u8] = if number % 3 == 0 { b"1\r\n \r\n" } else { b" " };
                let _ = stream.write_all(byte);
            }
            slow.retain_mut(|stream| !is_closed(stream));
            thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn large_bodies_without_their_last_byte_are_not_all_kept() {
    let _alone = alone();
    make_room_for(4000);
    let attacked = Attacked::start(&[]);
    attacked.under(|server| {
        let typed = head(server, "Content-Length: 200000\r\n");
        let nearly =
            format!("POST /tools/replay/execute HTTP/1.1\r\n{typed}{}", " ".repeat(199_999));
        // 160 MB of them.
        let held = connections(server, 800, &nearly);
        assert_eq!(server.get("/tools", Some(TOKEN)).unwrap().status, 200);
        drop(held);
    });
}

#[test]
fn answers_that_nobody_reads_are_not_kept_and_make_room() {
    let _alone = alone();
    let attacked = Attacked::start(&[("PROBITY_MAX_CONNECTIONS", "64")]);
    attacked.under(|server| {
        // Each asks for some 100 MB of answers.
        let request = format!("GET /openapi.json HTTP/1.1\r\n{}", head(server, ""));
        let deaf: Vec<TcpStream> = (0..300)
            .map(|_| {
                let mut stream = server.connect().unwrap();
                stream.set_nonblocking(true).unwrap();
                for _ in 0..20 {
                    // As much as is taken.
                    let _ = stream.write(request.repeat(100).as_bytes());
                }
                stream
            })
            .collect();
        let answer = server.get("/tools", Some(TOKEN)).unwrap();
        assert_eq!(answer.status, 200);
        drop(deaf);
    });
}

#[test]
fn more_clients_than_the_broker_takes_connections_all_get_their_verdicts() {
    let _alone = alone();
    // Of one user the broker takes 128.
    const CLIENTS: usize = 400;
    make_room_for(2000);
    let attacked = Attacked::start(&[]);
    attacked.under(|server| {
        let body = json!({"target": "127.0.0.1"}).to_string();
        let more = format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
        let text = format!("POST /tools/replay/check HTTP/1.1\r\n{}{body}", head(server, &more));
        let mut clients = connections(server, CLIENTS, "");
        for stream in &mut clients {
            stream.write_all(text.as_bytes()).unwrap();
        }
        for mut stream in clients {
            let answer = read_answer(&mut stream).unwrap();
            assert_eq!(
                (answer.status, &answer.json()["dry_run"]),
                (200, &json!(true)),
                "{answer:?}"
            );
        }
    });
}

#[test]
fn bodies_without_end_and_garbage_are_ended() {
    let _alone = alone();
    let attacked = Attacked::start(&[]);
    attacked.under(|server| {
        thread::scope(|scope| {
            for kind in 0..16_u8 {
                scope.spawn(move || {
                    for _ in 0..4 {
                        endless(server, kind);
                    }
                });
            }
        });
    });
}

/// Writes until the server has had enough, 64 MiB at most.
fn endless(server: &HttpServer, kind: u8) {
    let chunked = head(server, "Transfer-Encoding: chunked\r\n");
    let (first, again) = match kind % 4 {
        0 => (
            format!("POST /tools/replay/execute HTTP/1.1\r\n{chunked}"),
            format!("8000\r\n{}\r\n", "[".repeat(0x8000)).into_bytes(),
        ),
        // For which nobody waits.
        1 => (
            format!("POST /livez HTTP/1.1\r\n{chunked}"),
            format!("8000\r\n{}\r\n", "x".repeat(0x8000)).into_bytes(),
        ),
        2 => ("GET /tools HTTP/1.1\r\n".into(), b"X-Much: much\r\n".repeat(2000)),
        _ => (String::new(), (0..=255).cycle().take(0x8000).collect()),
    };
    let mut stream = server.connect().unwrap();
    let mut written = stream.write_all(first.as_bytes());
    let mut left = 2048;
    while written.is_ok() && left > 0 {
        written = stream.write_all(&again);
        left -= 1;
    }
    assert!(left > 0, "kind {kind}: it took everything");
}
