//! The audit log under load: how many decisions a second come to be on record, and what a run suffers
//! beside a flood of them.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Child,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use probity_protocol::{End, Reply, Request};
use probity_tests::{
    peer::{Peer, call},
    procs::wait_until,
};

use crate::{
    Rounds, Unmeasured, io_error,
    policies::LOOPBACK_NAME,
    samples::{Samples, seconds, side_by_side, timed},
    server::Installation,
    table::{Goal, Quantity, Row, Unit},
};

/// Records of each round, and peers that bring them about at the same time.
const RECORDS: u32 = 2000;
const PEERS: u32 = 2;
const ROUNDS: usize = 10;

/// What the log must take.
const RATE: f64 = 5000.0;

const RUNS: usize = 100;

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    /// "Without delay" leaves room for noise.
    const NO_SLOWER: f64 = 1.1;
    let installation = Installation::find()?;
    let (busy, other) =
        (Broker::start(&installation, "busy")?, Broker::start(&installation, "other")?);
    let mut rates = Vec::new();
    for _ in 0..rounds.of(ROUNDS) {
        rates.push(busy.rate()?);
    }
    let over = AtomicBool::new(false);
    let (ours, theirs) = thread::scope(|scope| {
        let floods: Vec<_> = (0..PEERS).map(|_| scope.spawn(|| busy.flood(&over))).collect();
        let measured = side_by_side(rounds.of(RUNS), || busy.ping(), || other.ping());
        over.store(true, Ordering::Relaxed);
        joined(floods).and(measured)
    })?;
    Ok(vec![
        Row::new(
            "decisions on record",
            Unit::PerSecond,
            Samples::new(rates).median(),
            LOOPBACK_NAME,
        )
        .goal(Goal::at_least(Quantity::Measured, RATE)),
        Row::new(
            "ping -c 1 beside 5000 denials a second",
            Unit::Seconds,
            ours.median(),
            LOOPBACK_NAME,
        )
        .against("by a broker beside that one", theirs.median())
        .goal(Goal::at_most(Quantity::Ratio, NO_SLOWER)),
    ])
}

/// A broker that peers speak to without a frontend.
struct Broker {
    child: Child,
    socket: PathBuf,
    /// No two requests are the same, since repeated ones are counted and not written.
    next: AtomicU32,
}

impl Broker {
    fn start(installation: &Installation, name: &str) -> Result<Self, Unmeasured> {
        let (mut command, socket) = installation.broker(name);
        let child = command.spawn().map_err(io_error("a broker"))?;
        let broker = Self { child, socket, next: AtomicU32::new(0) };
        let up = wait_until(Duration::from_secs(10), || records(&broker.socket).is_ok());
        if up { Ok(broker) } else { Err(Unmeasured::NoProcess("probity-broker")) }
    }

    /// Records per second.
    fn rate(&self) -> Result<f64, Unmeasured> {
        let before = records(&self.socket)?;
        let (done, took) = timed(|| {
            thread::scope(|scope| {
                let peer = || (0..RECORDS / PEERS).try_for_each(|_| self.denied());
                joined((0..PEERS).map(|_| scope.spawn(peer)).collect())
            })
        })
        .map(|((), took)| (records(&self.socket), took))?;
        let written = done?.saturating_sub(before);
        if written < u64::from(RECORDS) {
            return Err(Unmeasured::Broker(format!("{written} records of {RECORDS} decisions")));
        }
        Ok(f64::from(RECORDS) / took)
    }

    /// One peer's part of the denials that the log must take, until it is over.
    fn flood(&self, over: &AtomicBool) -> Result<(), Unmeasured> {
        let wanted = RATE / f64::from(PEERS);
        let (started, mut made) = (Instant::now(), 0.0);
        while !over.load(Ordering::Relaxed) {
            if made > seconds(started.elapsed()) * wanted {
                thread::sleep(Duration::from_micros(200));
            } else {
                self.denied()?;
                made += 1.0;
            }
        }
        let rate = made / seconds(started.elapsed());
        // A flood that is none delays nothing.
        if rate < 0.9 * wanted {
            return Err(Unmeasured::Broker(format!(
                "one of {PEERS} peers made only {rate:.0} denials a second"
            )));
        }
        Ok(())
    }

    /// Makes a call that the policy denies.
    fn denied(&self) -> Result<(), Unmeasured> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let target = Ipv4Addr::from_bits(0x0a00_0000 | (number & 0x00ff_ffff)).to_string();
        match ask(&self.socket, &Request::Run(call("ping", &target, "")))?.pop() {
            Some(Reply::Denied(_)) => Ok(()),
            other => Err(Unmeasured::Broker(format!("{other:?}"))),
        }
    }

    /// Seconds that a run takes.
    fn ping(&self) -> Result<f64, Unmeasured> {
        let request = Request::Run(call("ping", "127.0.0.1", "-c 1"));
        let (mut replies, took) = timed(|| ask(&self.socket, &request))?;
        match replies.pop() {
            Some(Reply::Exited(exited)) if exited.end == End::Finished => Ok(took),
            other => Err(Unmeasured::Broker(format!("{other:?}"))),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first failure of any.
fn joined(threads: Vec<ScopedJoinHandle<'_, Result<(), Unmeasured>>>) -> Result<(), Unmeasured> {
    threads.into_iter().try_for_each(|thread| match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

fn records(socket: &Path) -> Result<u64, Unmeasured> {
    match ask(socket, &Request::Status)?.pop() {
        Some(Reply::Status(status)) => Ok(status.audit_records),
        other => Err(Unmeasured::Broker(format!("{other:?}"))),
    }
}

fn ask(socket: &Path, request: &Request) -> Result<Vec<Reply>, Unmeasured> {
    let replies = Peer::ask(socket, request).and_then(|mut peer| peer.replies());
    replies.map_err(io_error("the broker's socket"))
}
