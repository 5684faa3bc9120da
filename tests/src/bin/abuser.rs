//! A user of the broker's who means ill: he is granted what everybody is, and takes up what he can.
//!
//! `abuser SOCKET WHAT SECONDS` does one thing for so long and prints how often, as `done: N`. It is
//! bounded in time and in what it holds, and speaks to nothing but the socket that it is given.
#![forbid(unsafe_code)]

use std::{
    env,
    os::unix::net::UnixStream,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use probity_protocol::Request;
use probity_tests::peer::{Peer, call};

/// Connections that `silent` has at most; `watch` stays below the shipped policy's 128 for a user.
const SILENT: usize = 500;
const WATCHERS: usize = 120;

/// Who does it at the same time.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [socket, what, seconds] = &arguments[..] else {
        eprintln!("usage: abuser SOCKET WHAT SECONDS");
        return ExitCode::from(2);
    };
    let Ok(seconds) = seconds.parse() else { return ExitCode::from(2) };
    let (socket, end) = (Path::new(socket), Instant::now() + Duration::from_secs_f64(seconds));
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    let done = match what.as_str() {
        "connect" => together(end, |_| drop(UnixStream::connect(socket))),
        "silent" => hold(end, SILENT, || UnixStream::connect(socket).ok()),
        "watch" => hold(end, WATCHERS, || {
            let mut peer = Peer::ask(socket, &Request::Catalog { watch: true, tier: None }).ok()?;
            // What it is told is taken, so that the broker has it out of its hands.
            peer.reply().ok()?;
            peer.reply().ok()?;
            Some(peer)
        }),
        what => match asked(what) {
            Some(asked) => together(end, |number| ask(socket, asked(number))),
            None => return ExitCode::from(2),
        },
    };
    println!("done: {done}");
    ExitCode::SUCCESS
}

/// What is asked, for each way of asking.
fn asked(what: &str) -> Option<fn(usize) -> Request> {
    const PORTS: &str = "1,2,3,4,5,6,7,8,9,";
    Some(match what {
        // A name that is nearly another's.
        "unknown-tool" => |_| Request::Check(call("hostlie", "127.0.0.1", "")),
        // All of what a client may send, with one character that is none of a port's.
        "wrong-ports" => |_| {
            let ports = format!("-p {}x", PORTS.repeat(2000 / PORTS.len()));
            Request::Check(call("nmap", "127.0.0.1", &ports))
        },
        // No two alike.
        "varied" => |number| {
            let long = "x".repeat(1900);
            Request::Check(call("hostile", "127.0.0.1", &format!("--what {long}{number}")))
        },
        "run-files" => |_| Request::Run(call("hostile", "127.0.0.1", "--what many-files")),
        "check" => |_| Request::Check(call("hostile", "127.0.0.1", "--what probe")),
        _ => return None,
    })
}

fn ask(socket: &Path, request: Request) {
    // What is answered does not matter, nor whether anything is.
    let _ = Peer::ask(socket, &request).and_then(|mut peer| peer.replies());
}

fn together(end: Instant, act: impl Fn(usize) + Sync) -> usize {
    let act = &act;
    thread::scope(|scope| {
        let threads = [0, 1].map(|first| {
            scope.spawn(move || {
                let mut number = first;
                while Instant::now() < end {
                    act(number);
                    number += THREADS;
                }
                number / THREADS
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
    })
}

/// Has as many of something as it gets, and gets others where it loses some.
fn hold<T>(end: Instant, most: usize, get: impl Fn() -> Option<T>) -> usize {
    let mut held = Vec::new();
    let mut got = 0;
    while Instant::now() < end {
        if held.len() == most {
            held.remove(0);
        }
        match get() {
            Some(one) => {
                held.push(one);
                got += 1;
            }
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    got
}
