//! One token, or a crowd without any, takes what it can of HTTP; everybody else is served as if it were
//! not there.
//!
//! Each attack is held up for as long as it lasts: what the server closes is opened again. Meanwhile
//! another token asks, and its median time is held against that of the same server left in peace, just
//! before and just after. None of its requests is refused, and `/livez` is always answered.
//!
//! - bodies that never end, by TCP, through a proxy that everybody comes by, and by a Unix socket
//! - connections that say nothing, and half heads, from one address and from hundreds
//! - readers of events and of MCP's news, and answers that nobody reads
//! - more tokens than there are connections: probes are answered still
//!
//! Counts are small; with PROBITY_ABUSE=1 they are those of the attacks that were reported, on a server as
//! shipped.

use std::{
    env, io,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket},
};
use probity_tests::{
    alone::alone,
    http::{Answer, HttpServer},
    rig::Rig,
};
use serde_json::json;

/// Requests of which a median is taken, at least.
const ASKED: usize = 100;

/// How often an attack is looked after while others ask.
const ROUNDS: usize = 5;

/// A median below this is no wait, whatever it was without the attack: one look of the scheduler at
/// another process takes as long.
const NO_WAIT: Duration = Duration::from_millis(20);

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

fn is_long() -> bool {
    env::var("PROBITY_ABUSE").is_ok_and(|value| value == "1")
}

/// The connections of an attack, and what the server takes at once.
fn scale(long: usize) -> (usize, Vec<(&'static str, &'static str)>) {
    match is_long() {
        true => (long, Vec::new()),
        false => (160, vec![("PROBITY_MAX_CONNECTIONS", "128")]),
    }
}

/// Between two looks at what the server has closed: as in the attacks that were reported, and in
/// proportion. What is opened again at once is a flood of connections and no longer an attack on their
/// number: each of those costs the server as much as anybody else's does.
fn pause() -> Duration {
    Duration::from_millis(if is_long() { 2000 } else { 200 })
}

/// A server, with a token for whoever attacks and one for whoever is to be served all the same.
struct Ground {
    server: HttpServer,
    attacker: String,
    other: String,
    rig: Rig,
}

impl Ground {
    fn new(variables: &[(&str, &str)]) -> Self {
        // The server keeps two descriptors for each connection that it may have to hold.
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(most >= 8000, "this needs 8000 open files: raise `ulimit -Hn`");
        setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
        let rig = Rig::new("").unwrap();
        let file = rig.path("tokens.toml").display().to_string();
        let token = |name: &str, role: &str| new_token(&rig, &file, name, role);
        let (attacker, other) = (token("attacker", "viewer"), token("other", "operator"));
        let mut all = vec![("PROBITY_TOKENS_FILE".to_owned(), file)];
        all.extend(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let mut command = rig.embedded("http", &all);
        command.args(["--listen", "127.0.0.1:0"]);
        Self { server: HttpServer::start(command).unwrap(), attacker, other, rig }
    }

    /// The median of the other token's requests, each over a connection of its own, with a probe beside
    /// each, until there are enough and `is_enough` says so.
    fn median(&self, forwarded: &str, is_enough: impl Fn() -> bool) -> Duration {
        let headers = format!(
            "Host: {}\r\nAuthorization: Bearer {}\r\n{forwarded}",
            self.server.host(),
            self.other
        );
        let (mut times, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        while times.len() < ASKED || !is_enough() {
            assert!(Instant::now() < deadline, "it takes too long: {times:?}");
            let began = Instant::now();
            let answer = self.server.raw("GET", "/tools/replay", &headers, "").unwrap();
            times.push(began.elapsed());
            assert_eq!(answer.status, 200, "{}", answer.body);
            let probe = self.server.get("/livez", None).unwrap();
            assert_eq!((probe.status, probe.json()), (200, json!({"status": "ok"})));
        }
        times.sort();
        times[times.len() / 2]
    }

    /// Holds so many connections open, whatever the server does about it, while another asks. Answers
    /// how often one had to be opened again.
    fn under(&self, count: usize, forwarded: &str, open: impl Fn(usize) -> Held + Sync) -> usize {
        let before = self.median(forwarded, || true);
        let is_over = AtomicBool::new(false);
        let [rounds, renewed] = [0; 2].map(AtomicUsize::new);
        let during = thread::scope(|scope| {
            // The attack ends even if this panics.
            let _over = OnDrop(|| is_over.store(true, Ordering::Relaxed));
            let attack = scope.spawn(|| {
                let mut all: Vec<Held> = (0..count).map(&open).collect();
                while !is_over.load(Ordering::Relaxed) {
                    for (number, one) in all.iter_mut().enumerate() {
                        if one.is_closed() {
                            *one = open(number);
                            renewed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(pause());
                }
            });
            let come_to = |round| rounds.load(Ordering::Relaxed) >= round;
            let deadline = Instant::now() + PATIENCE;
            while !come_to(1) {
                assert!(!attack.is_finished() && Instant::now() < deadline, "no attack");
                thread::sleep(Duration::from_millis(1));
            }
            let during = self.median(forwarded, || come_to(1 + ROUNDS));
            assert!(!attack.is_finished(), "the attack has ended by itself");
            during
        });
        let peace = before.max(self.median(forwarded, || true));
        let renewed = renewed.into_inner();
        println!("{count} held: {during:?}; in peace {peace:?}; {renewed} closed by the server");
        assert!(during <= NO_WAIT.max(2 * peace), "{during:?} where {peace:?} is usual");
        assert!(!self.server.log().contains("panic"), "{}", self.server.log());
        renewed
    }

    /// The head of a request of the attacker's, without its end.
    fn head(&self, line: &str, more: &str) -> String {
        let (host, token) = (self.server.host(), &self.attacker);
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
    }

    fn half_body(&self, more: &str) -> String {
        let typed = "Accept: application/json, text/event-stream\r\n\
                     Content-Type: application/json\r\nContent-Length: 200000\r\n";
        self.head("POST /mcp", &format!("{typed}{more}")) + "{"
    }

    fn held(&self, words: &str) -> Held {
        Held::with(self.server.connect().unwrap(), words)
    }
}

fn new_token(rig: &Rig, file: &str, name: &str, role: &str) -> String {
    let new = ["token", "new", "--name", name, "--role", role, "--file", file];
    let output = rig.probity(&new, &[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A connection of an attack.
struct Held {
    stream: TcpStream,
    /// What comes is read, and nothing else is done with it.
    reads: bool,
    /// Each look at it is a byte more of what it says.
    drips: bool,
}

impl Held {
    fn with(mut stream: TcpStream, words: &str) -> Self {
        // It may have been closed already.
        let _ = stream.write_all(words.as_bytes());
        stream.set_nonblocking(true).unwrap();
        Self { stream, reads: true, drips: false }
    }

    fn is_closed(&mut self) -> bool {
        let mut sink = [0; 4096];
        if self.drips && self.stream.write_all(b" ").is_err() {
            return true;
        }
        loop {
            let read = match self.reads {
                true => self.stream.read(&mut sink),
                false => self.stream.peek(&mut sink[..1]),
            };
            match read {
                Ok(0) => return true,
                // It stays where it is.
                Ok(_) if !self.reads => return false,
                // A refusal is the end of it, too.
                Ok(length) if sink[..length].starts_with(b"HTTP/1.1 4") => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A connection from an address of one's choice, all of which are this machine's.
fn connect_from(from: Ipv4Addr, to: &str) -> TcpStream {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    let [a, b, c, d] = from.octets();
    bind(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0)).unwrap();
    let SocketAddr::V4(to) = to.parse().unwrap() else { panic!("{to} is of IPv4") };
    connect(socket.as_raw_fd(), &SockaddrIn::from(to)).unwrap();
    TcpStream::from(socket)
}

#[test]
fn bodies_that_never_end_keep_nobody_waiting() {
    let _alone = alone();
    let (count, variables) = scale(2300);
    let ground = Ground::new(&variables);
    let words = ground.half_body("");
    let renewed = ground.under(count, "", |_| ground.held(&words));
    assert!(renewed > 0, "{count} of them were held, which is more than there are");
}

#[test]
fn bodies_that_never_end_keep_nobody_waiting_who_comes_by_the_same_proxy() {
    let _alone = alone();
    let (count, mut variables) = scale(2300);
    variables.push(("PROBITY_TRUSTED_PROXIES", "127.0.0.0/8"));
    let ground = Ground::new(&variables);
    let forwarded = "X-Forwarded-For: 10.66.0.9\r\n";
    let words = ground.half_body(forwarded);
    let renewed = ground.under(count, forwarded, |_| ground.held(&words));
    assert!(renewed > 0, "{count} of them were held, which is more than there are");
}

#[test]
fn bodies_that_come_byte_by_byte_keep_nobody_waiting() {
    let _alone = alone();
    let (count, variables) = scale(2300);
    let ground = Ground::new(&variables);
    let words = ground.half_body("");
    let renewed = ground.under(count, "", |_| Held { drips: true, ..ground.held(&words) });
    assert!(renewed > 0);
}

#[test]
fn connections_that_say_nothing_or_half_of_something_keep_nobody_waiting() {
    let _alone = alone();
    let (count, variables) = scale(2300);
    let ground = Ground::new(&variables);
    let half_head = ground.head("GET /tools", "X-Half: ");
    let words = ["", "G", &half_head[..half_head.len() - 2], "POST /livez HTTP/1.1\r\nHost: a\r\n"];
    let renewed = ground.under(count, "", |number| ground.held(words[number % words.len()]));
    assert!(renewed > 0);
}

#[test]
fn a_crowd_of_addresses_keeps_nobody_waiting() {
    let _alone = alone();
    let (count, variables) = scale(2300);
    let ground = Ground::new(&variables);
    let renewed = ground.under(count, "", |number| {
        let [high, low] = u16::try_from(number + 256).unwrap().to_be_bytes();
        let from = Ipv4Addr::new(127, 9, high, low);
        Held::with(connect_from(from, ground.server.host()), "GET /tools HTTP/1.1\r\n")
    });
    assert!(renewed > 0);
}

#[test]
fn readers_of_events_leave_places_to_others() {
    let _alone = alone();
    let (count, variables) = scale(1100);
    let ground = Ground::new(&variables);
    let words = ground.head("GET /events", "");
    let is_served = |answer: &str| answer.starts_with("HTTP/1.1 200");
    let renewed = ground.under(count, "", |_| ground.held(&words));
    assert!(renewed > 0, "all of them were let in");
    // Held all at once, and another reads.
    let held: Vec<Held> = (0..count).map(|_| ground.held(&words)).collect();
    let mut stream = ground.server.connect().unwrap();
    let own = words.replace(&ground.attacker, &ground.other);
    stream.write_all(own.as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert!(is_served(&String::from_utf8_lossy(&head)), "{head:?}");
    drop(held);
}

#[test]
fn streams_of_news_leave_places_to_others() {
    let _alone = alone();
    let (count, variables) = scale(1100);
    let ground = Ground::new(&variables);
    let words = ground.head("GET /mcp", "Accept: text/event-stream\r\n");
    assert!(ground.under(count, "", |_| ground.held(&words)) > 0);
}

#[test]
fn answers_that_nobody_reads_keep_nobody_waiting() {
    let _alone = alone();
    let (count, variables) = scale(1100);
    let ground = Ground::new(&variables);
    // Some megabytes of answers for each.
    let words = ground.head("GET /openapi.json", "").repeat(40);
    ground.under(count, "", |_| Held { reads: false, ..ground.held(&words) });
}

#[test]
fn a_unix_socket_is_no_way_around_it() {
    let _alone = alone();
    let rig = Rig::new("").unwrap();
    let file = rig.path("tokens.toml").display().to_string();
    let token = |name: &str, role: &str| new_token(&rig, &file, name, role);
    let (attacker, other) = (token("attacker", "viewer"), token("other", "operator"));
    let variables =
        [("PROBITY_TOKENS_FILE".into(), file), ("PROBITY_MAX_CONNECTIONS".into(), "16".into())];
    let path = rig.path("http.sock");
    let mut command = rig.embedded("http", &variables);
    command.arg("--listen").arg(format!("unix:{}", path.display()));
    let _server = HttpServer::start(command).unwrap();
    let ask = |line: &str, token: &str, more: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = write!(
            stream,
            "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
        );
        stream
    };
    let half = "Content-Type: application/json\r\nContent-Length: 200000\r\n";
    let held: Vec<UnixStream> = (0..100).map(|_| ask("POST /mcp", &attacker, half)).collect();
    for line in ["GET /livez", "GET /tools/replay"] {
        let mut answer = String::new();
        ask(line, &other, "Connection: close\r\n").read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{line}: {answer}");
    }
    drop(held);
}

#[test]
fn probes_are_answered_where_all_connections_are_taken_by_tokens() {
    let _alone = alone();
    const MOST: usize = 16;
    let ground = Ground::new(&[("PROBITY_MAX_CONNECTIONS", "16")]);
    let file = ground.rig.path("tokens.toml").display().to_string();
    let tokens: Vec<String> = (0..MOST)
        .map(|number| new_token(&ground.rig, &file, &format!("reader-{number}"), "viewer"))
        .collect();
    ground.server.signal(nix::sys::signal::Signal::SIGHUP).unwrap();
    assert!(ground.server.log_with("tokens.reloaded").contains("tokens.reloaded"));
    let mut news: Vec<TcpStream> = Vec::new();
    for token in &tokens {
        let words = ground.head("GET /mcp", "Accept: text/event-stream\r\n");
        let mut stream = ground.server.connect().unwrap();
        stream.write_all(words.replace(&ground.attacker, token).as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        news.push(stream);
    }
    let silent: Vec<TcpStream> = (0..200).map(|_| ground.server.connect().unwrap()).collect();
    let ask =
        |path: &str, token: Option<&str>| -> Answer { ground.server.get(path, token).unwrap() };
    for path in ["/livez", "/readyz", "/health"] {
        let answer = ask(path, None);
        assert!(answer.status < 300, "{path}: {}", answer.body);
    }
    let refused = ask("/tools/replay", Some(&ground.other));
    assert_eq!(
        (refused.status, &refused.json()["error_type"]),
        (503, &json!("RESOURCE_EXHAUSTED"))
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("connection"), Some("close"));
    // Nobody who reads was closed for it.
    for stream in &mut news {
        stream.set_nonblocking(true).unwrap();
        let mut sink = [0; 4096];
        while stream.read(&mut sink).is_ok_and(|length| length > 0) {}
        let now = stream.read(&mut sink).unwrap_err();
        assert_eq!(now.kind(), io::ErrorKind::WouldBlock);
    }
    drop((news, silent));
    let deadline = Instant::now() + PATIENCE;
    while ask("/tools/replay", Some(&ground.other)).status != 200 {
        assert!(Instant::now() < deadline, "what was held is not given back");
        thread::sleep(Duration::from_millis(10));
    }
}
