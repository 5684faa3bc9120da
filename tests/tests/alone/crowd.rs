//! Many connections at the broker's socket: somebody else's make nobody's call fail.
//!
//! - a caller who finds the socket's queue full
//! - somebody who opens connections and closes them, as fast as he can

use std::{
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
        socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket},
    },
};
use probity_tests::{alone::alone, broker::USER_UID, needs, procs::limits, world::World};

/// What is asked: a verdict, and nothing runs.
const QUESTION: [&str; 5] = ["call", "ping", "10.66.2.2", "--dry-run", "--json"];

/// Connections that nobody takes in, until there is no room for another.
fn fill(path: &Path) -> Vec<OwnedFd> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let address = UnixAddr::new(path).unwrap();
    let mut waiting = Vec::new();
    loop {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let one = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        match connect(one.as_raw_fd(), &address) {
            Ok(()) => waiting.push(one),
            Err(Errno::EAGAIN) => return waiting,
            Err(error) => panic!("{error}, after {}", waiting.len()),
        }
    }
}

#[test]
fn who_finds_the_queue_full_waits_for_room() {
    let _alone = alone();
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    world.broker.signal(Signal::SIGSTOP);
    let waiting = fill(&world.broker.socket());
    assert!(!waiting.is_empty());
    let words = world.frontend(USER_UID, &QUESTION);
    let mut call = Command::new(&words[0]);
    let mut call = call.args(&words[1..]).stdout(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    assert!(call.try_wait().unwrap().is_none(), "it waits");
    world.broker.signal(Signal::SIGCONT);
    drop(waiting);
    assert!(call.wait().unwrap().success());
}

#[test]
fn who_opens_and_closes_connections_makes_no_call_fail() {
    let _alone = alone();
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let (socket, done) = (world.broker.socket(), AtomicBool::new(false));
    let flood = || -> io::Result<u32> {
        let mut made = 0;
        while !done.load(Ordering::Relaxed) {
            drop(UnixStream::connect(&socket)?);
            made += 1;
        }
        Ok(made)
    };
    let made = thread::scope(|scope| {
        let floods = [scope.spawn(flood), scope.spawn(flood)];
        let answers: Vec<_> = (0..10).map(|_| world.call(USER_UID, &QUESTION)).collect();
        done.store(true, Ordering::Relaxed);
        for (status, verdict) in answers.into_iter().map(Result::unwrap) {
            assert_eq!(status, 0, "{verdict}");
        }
        floods.map(|flood| flood.join().unwrap().unwrap())
    });
    assert!(made.iter().sum::<u32>() > 1000, "{made:?}");
    assert!(!world.broker.said().contains("Too many open files"), "{}", world.broker.said());
    assert!(limits(world.broker.pid()).unwrap().open_files.unwrap() >= 4096);
}
