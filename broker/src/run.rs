//! One run, from its start to the end of its last process.
//!
//! The tool cannot leave its process group: no profile lets it. So ending the group ends the run,
//! and a run is over when its process is reaped and its group is gone.

use std::{io, os::fd::OwnedFd, time::Duration};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};
use probity_policy::{LONGEST_TIME, Limits};
use probity_protocol::{End, ExitStatus, Exited, Reply, Stream};
use tokio::{
    io::{AsyncReadExt as _, unix::AsyncFd},
    net::unix::pipe,
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    complain::complain,
    connection::{Gone, Incoming, Outgoing},
    sandbox::{Fence, PrivateFolder, Process},
    shutdown::Phase,
    slices::Share,
    sys::process::{Reaped, reap, watch},
};

/// Between TERM and KILL: time for a tool to write what it has.
const GRACE: Duration = Duration::from_secs(2);

/// Output read at once. Most runs write less in all; a flood fills one after the other.
const CHUNK: usize = 16 << 10;
const _: () = assert!(CHUNK <= probity_protocol::MAX_OUTPUT_CHUNK);

/// How long a client may take to read what is left when the tool is gone.
const DRAIN: Duration = Duration::from_secs(5);

/// The same, when the broker ends.
const STOP_DRAIN: Duration = Duration::from_millis(500);

/// How long helpers that were ended may take to go, and how often that is looked at.
const GOING: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Carries a run through: streams its output, ends it when its time is up, when the client cancels
/// or goes away, or when the broker ends, and waits until nothing of it is left.
pub(crate) async fn supervise(
    process: Process,
    limits: &Limits,
    started: Reply,
    incoming: &mut Incoming,
    outgoing: &mut Outgoing,
    mut phases: watch::Receiver<Phase>,
    share: &Share,
) -> Exited {
    let mut run = match Run::new(process, limits) {
        Ok(run) => run,
        Err(failed) => return failed,
    };
    run.tell(outgoing, &started);
    // Each is listened to until it has said its last word. A broker that waits for what runs has not.
    let (mut listening, mut seen) = (true, Phase::Draining);
    let reaped = loop {
        // A client that is slow to read slows the tool, through its pipes, and nothing else.
        let sending = outgoing.is_pending() && !run.client_left;
        tokio::select! {
            // In this order: no flood of output may hold up the clock or the client, and what was
            // written before the end is read before the end is seen.
            biased;
            () = sleep_until(run.next_step) => run.time_is_up(),
            // RULE: A run lives no longer than its connection.
            wants_answer = incoming.interrupted(), if listening => {
                listening = false;
                run.client_left |= !wants_answer;
                run.end(End::Cancelled);
            }
            phase = Phase::after(&mut phases, seen), if seen < Phase::Killing => {
                seen = phase;
                run.end(End::ShuttingDown);
                if phase == Phase::Killing {
                    run.child.signal(Signal::SIGKILL);
                }
            }
            sent = outgoing.flush(), if sending => run.sent(sent),
            // What a tool writes and asks for is its user's time on this thread.
            chunk = run.stdout.read(), if run.stdout.open && !sending => {
                let _slice = share.next().await;
                run.pass_on(Stream::Stdout, chunk, outgoing);
            }
            chunk = run.stderr.read(), if run.stderr.open && !sending => {
                let _slice = share.next().await;
                run.pass_on(Stream::Stderr, chunk, outgoing);
            }
            () = run.fence.serve(share) => {}
            reaped = run.child.ended() => break reaped,
        }
    };
    run.finish(reaped, outgoing, Phase::Ending.reached(&phases)).await
}

struct Run {
    child: Child,
    started: Instant,
    /// When the next of timeout and KILL is due.
    next_step: Instant,
    /// What began to end it, if anything did.
    ending: Option<End>,
    client_left: bool,
    stdout: Output,
    stderr: Output,
    fence: Fence,
    folder: Option<PrivateFolder>,
}

impl Run {
    fn new(process: Process, limits: &Limits) -> Result<Self, Exited> {
        let Process { pid, pidfd, stdout, stderr, listener, rules, folder } = process;
        let watched = watch(pidfd).and_then(|pidfd| {
            let child = Child { pid, pidfd, reaped: false };
            let stdout = Output::new(stdout, limits.stdout_bytes)?;
            let stderr = Output::new(stderr, limits.stderr_bytes)?;
            Ok((child, stdout, stderr, Fence::new(listener, pid, rules)?))
        });
        let now = Instant::now();
        match watched {
            Ok((child, stdout, stderr, fence)) => Ok(Self {
                child,
                started: now,
                // Policies are held to seven days; what is added here cannot overflow.
                next_step: now + limits.timeout.min(LONGEST_TIME),
                ending: None,
                client_left: false,
                stdout,
                stderr,
                fence,
                folder,
            }),
            Err(error) => {
                // Only without memory or descriptors. The tool has begun, so it is ended.
                complain!("a run cannot be watched: {error}");
                let _ = killpg(pid, Signal::SIGKILL);
                let _ = waitpid(pid, None);
                Err(killed_at_once())
            }
        }
    }

    /// Passes output on, up to its limit. Beyond it output is counted and dropped, so that the tool
    /// is not stopped by a full pipe.
    fn pass_on(&mut self, stream: Stream, chunk: usize, outgoing: &mut Outgoing) {
        let output = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let bytes = output.keep(chunk);
        if !bytes.is_empty() {
            self.tell(outgoing, &Reply::Output { stream, bytes });
        }
    }

    /// Puts a message in line for the client, if there is one.
    fn tell(&mut self, outgoing: &mut Outgoing, reply: &Reply) {
        if !self.client_left {
            let put = outgoing.put(reply);
            self.sent(put);
        }
    }

    /// A client that takes nothing any more has left.
    fn sent(&mut self, sent: Result<(), Gone>) {
        if sent.is_err() {
            self.client_left = true;
            self.end(End::Cancelled);
        }
    }

    fn time_is_up(&mut self) {
        if self.ending.is_none() && self.child.is_over() {
            // It ended in time: this broker was held up, and hears of the clock first.
            self.next_step = Instant::now() + GRACE;
        } else if self.ending.is_none() {
            self.end(End::TimedOut);
        } else {
            self.child.signal(Signal::SIGKILL);
            self.next_step = Instant::now() + GRACE;
        }
    }

    /// Asks the tool to end; KILL follows after a grace.
    fn end(&mut self, why: End) {
        if self.ending.is_none() {
            self.ending = Some(why);
            self.child.signal(Signal::SIGTERM);
            self.next_step = Instant::now() + GRACE;
        }
    }

    /// Nothing is left that could write: drains the pipes, as far as the client keeps up.
    async fn finish(
        mut self,
        reaped: Reaped,
        outgoing: &mut Outgoing,
        broker_ends: impl Future<Output = ()>,
    ) -> Exited {
        let duration = self.started.elapsed();
        // What happens from here on did not end the run.
        let ending = self.ending;
        let mut deadline = Instant::now() + DRAIN;
        tokio::pin!(broker_ends);
        let mut hurried = false;
        loop {
            let sending = outgoing.is_pending() && !self.client_left;
            if !sending && !self.stdout.open && !self.stderr.open {
                break;
            }
            tokio::select! {
                biased;
                () = sleep_until(deadline) => break,
                // Who waits for a broker to end does not wait for a client to read.
                () = &mut broker_ends, if !hurried => {
                    hurried = true;
                    deadline = deadline.min(Instant::now() + STOP_DRAIN);
                }
                sent = outgoing.flush(), if sending => self.sent(sent),
                chunk = self.stdout.read(), if self.stdout.open && !sending => {
                    self.pass_on(Stream::Stdout, chunk, outgoing);
                }
                chunk = self.stderr.read(), if self.stderr.open && !sending => {
                    self.pass_on(Stream::Stderr, chunk, outgoing);
                }
            }
        }
        self.child.others_are_gone().await;
        let violated = reaped.status == ExitStatus::Signal(libc::SIGSYS);
        if let Some(folder) = self.folder.take() {
            folder.remove().await;
        }
        let end = match ending {
            _ if violated => End::SandboxViolation,
            Some(ending) => ending,
            None => End::Finished,
        };
        Exited {
            status: reaped.status,
            end,
            duration,
            cpu: reaped.cpu,
            max_rss_bytes: reaped.max_rss_bytes,
            stdout_bytes: self.stdout.written,
            stderr_bytes: self.stderr.written,
            truncated_stdout: self.stdout.truncated(),
            truncated_stderr: self.stderr.truncated(),
            fence_refusals: self.fence.refusals(),
        }
    }
}

fn killed_at_once() -> Exited {
    Exited {
        status: ExitStatus::Signal(libc::SIGKILL),
        end: End::Cancelled,
        duration: Duration::ZERO,
        cpu: Duration::ZERO,
        max_rss_bytes: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
        truncated_stdout: true,
        truncated_stderr: true,
        fence_refusals: None,
    }
}

/// The tool's process and its group.
struct Child {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
    /// Its number may be somebody else's by now.
    reaped: bool,
}

impl Child {
    /// Waits for its end, ends what it left in its group, and reaps it.
    async fn ended(&mut self) -> Reaped {
        loop {
            match self.pidfd.readable().await {
                // Level-triggered for good: a process ends once.
                Ok(mut ready) => ready.retain_ready(),
                Err(error) => complain!("a run cannot be watched: {error}"),
            }
            // Not reaped yet, its number is still its own, and so is the group's.
            // RULE: Every process of a run is gone before its end is told.
            self.signal(Signal::SIGKILL);
            match reap(self.pid) {
                Ok(None) => {}
                Ok(Some(reaped)) => {
                    self.reaped = true;
                    return reaped;
                }
                Err(error) => {
                    // There is no such child, so it is over.
                    complain!("a run cannot be waited for: {error}");
                    self.reaped = true;
                    return Reaped {
                        status: ExitStatus::Signal(libc::SIGKILL),
                        cpu: Duration::ZERO,
                        max_rss_bytes: 0,
                    };
                }
            }
        }
    }

    /// Waits for what it left in its group: that is ended with it, and takes a moment to go.
    async fn others_are_gone(&self) {
        let latest = Instant::now() + GOING;
        // The number is the group's for as long as anybody is in it.
        while killpg(self.pid, None).is_ok() && Instant::now() < latest {
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether it has ended, reaped or not.
    fn is_over(&self) -> bool {
        let only_look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        self.reaped || !matches!(waitid(Id::Pid(self.pid), only_look), Ok(WaitStatus::StillAlive))
    }

    /// Signals the whole group, while its number is its own.
    fn signal(&self, signal: Signal) {
        if self.reaped {
            return;
        }
        match killpg(self.pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => complain!("{signal} does not reach a run: {error}"),
        }
    }
}

impl Drop for Child {
    /// Whatever way this goes, nothing of it is left.
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::SIGKILL);
            let _ = waitpid(self.pid, None);
        }
    }
}

/// One of a run's pipes.
struct Output {
    pipe: pipe::Receiver,
    buffer: Vec<u8>,
    limit: u64,
    written: u64,
    open: bool,
}

impl Output {
    fn new(pipe: OwnedFd, limit: u64) -> io::Result<Self> {
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        Ok(Self { pipe, buffer: Vec::new(), limit, written: 0, open: true })
    }

    /// Reads what is there, up to a chunk. 0 is the end.
    async fn read(&mut self) -> usize {
        self.buffer.resize(CHUNK, 0);
        self.pipe.read(&mut self.buffer).await.unwrap_or(0)
    }

    /// Counts a chunk that was read, and answers the part of it within the limit.
    fn keep(&mut self, chunk: usize) -> Vec<u8> {
        if chunk == 0 {
            self.open = false;
            return Vec::new();
        }
        let room = self.limit.saturating_sub(self.written);
        self.written = self.written.saturating_add(chunk as u64);
        let kept = usize::try_from(room).unwrap_or(usize::MAX).min(chunk);
        self.buffer.get(..kept).unwrap_or_default().to_vec()
    }

    fn truncated(&self) -> bool {
        self.written > self.limit
    }
}
