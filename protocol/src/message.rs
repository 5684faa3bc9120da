//! The messages, in the order in which a connection sees them.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    ApprovalAnswer, ApprovalId, ApprovalNote, Availability, Awaiting, Call, Catalog, CorrelationId,
    Denial, Digest, PendingCall, PlanSummary, Tier, ToolName, chain::Head,
};

/// The version of these messages. Another one is refused.
pub const PROTOCOL_VERSION: u16 = 9;

/// The client's first frame. Its layout never changes, so that versions can be told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Always [`Hello::MAGIC`].
    pub magic: [u8; 4],
    /// The protocol version the client speaks.
    pub version: u16,
}

impl Hello {
    /// What every connection starts with.
    pub const MAGIC: [u8; 4] = *b"PRBT";
}

impl Default for Hello {
    fn default() -> Self {
        Self { magic: Self::MAGIC, version: PROTOCOL_VERSION }
    }
}

/// The client's second frame: what it wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // One of these exists per connection.
pub enum Request {
    /// What this peer is granted; with `watch`, again at each change.
    Catalog {
        /// Keep the connection and send the catalog again when the policy changes.
        watch: bool,
        /// The highest tier to show, whatever the peer is granted.
        tier: Option<Tier>,
    },
    /// Decide, but run nothing.
    Check(Call),
    /// Decide and run.
    Run(Call),
    /// What is going on.
    Status,
    /// Which calls wait for an approval: the peer's own, and those that it may approve.
    Pending,
    /// Answers a call that waits for an approval.
    Answer {
        /// Which.
        id: ApprovalId,
        /// What becomes of it.
        answer: ApprovalAnswer,
    },
}

/// What a client may send while its run waits or goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interrupt {
    /// End the run. The answer is [`Exited`] as ever, or, where the run still waited for its turn, a
    /// [`Refusal`] of [`RefusalKind::Cancelled`]. Closing the connection does the same, without an
    /// answer.
    Cancel,
}

/// The broker's frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Always the first.
    Welcome(Welcome),
    /// Answers [`Request::Catalog`].
    Catalog(Catalog),
    /// Answers [`Request::Check`].
    Verdict(Verdict),
    /// [`Request::Run`] was refused by the policy.
    Denied(Denial),
    /// [`Request::Run`] was approved and waits for its turn. Comes again as the line moves on, and is
    /// followed by any other answer to a run.
    Queued(Queued),
    /// [`Request::Run`] was allowed, and waits until another person approves it. Is followed by any other
    /// answer to a run.
    AwaitsApproval(Awaiting),
    /// [`Request::Run`] was allowed, and another person refused it.
    NotApproved(NotApproved),
    /// [`Request::Run`] was approved, but there is no room now, nor in the line.
    Busy(Busy),
    /// [`Request::Run`] was approved, but could not be started.
    Failed(Failure),
    /// The tool is running.
    Started(Started),
    /// What it wrote.
    Output {
        /// Where it wrote.
        stream: Stream,
        /// At most [`crate::MAX_OUTPUT_CHUNK`] bytes, exactly as written.
        bytes: Vec<u8>,
    },
    /// The tool and everything it started are gone.
    Exited(Exited),
    /// Answers [`Request::Status`].
    Status(StatusReport),
    /// Answers [`Request::Pending`].
    Pending(Vec<PendingCall>),
    /// [`Request::Answer`] was taken: it holds for this call.
    Answered(PendingCall),
    /// The connection is of no use; it closes after this.
    Refused(Refusal),
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol version spoken from here on.
    pub protocol: u16,
    /// The broker's own version.
    pub broker_version: String,
    /// The policy it decides by.
    pub policy_digest: Digest,
    /// What its sandbox is made of.
    pub sandbox: SandboxFacts,
}

/// What the kernel and the broker's privileges provide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxFacts {
    /// The Landlock ABI in use.
    pub landlock_abi: u32,
    /// Whether the broker holds `CAP_NET_RAW`.
    pub net_raw: bool,
    /// Whether the kernel gives it ICMP echo sockets without a capability.
    pub ping_sockets: bool,
}

/// What would happen to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // One of these exists per connection.
pub enum Verdict {
    /// It would run like this, if the tool is available.
    Approved {
        /// Exactly what would be executed.
        plan: PlanSummary,
        /// Whether it could be, here and now.
        availability: Availability,
    },
    /// It would be refused.
    Denied(Denial),
}

/// No room for a run, now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// Which limit is reached.
    pub scope: BusyScope,
    /// Its value.
    pub limit: u32,
    /// How long a place in the line will probably take to come free, where runs have shown that.
    pub expected_wait: Option<Duration>,
}

/// An approved run's place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Runs that start before it, as things stand; 0 for the next.
    pub ahead: u32,
    /// How long that will probably take, where runs have shown that.
    pub expected_wait: Option<Duration>,
}

/// Why an allowed run was not approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotApproved {
    /// Somebody refused it.
    Refused {
        /// His account's name, or its number.
        by: String,
        /// What he says.
        why: Option<ApprovalNote>,
    },
    /// Nobody answered in this time.
    Expired(Duration),
}

/// The limit that a [`Busy`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BusyScope {
    /// Runs by the grant that allows it.
    Grant,
    /// Runs of this tool.
    Tool,
    /// Runs of this user.
    User,
    /// Runs in all.
    Broker,
    /// Calls that wait for another person.
    Approval,
}

/// Why an approved run did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, for programs.
    pub kind: FailureKind,
    /// What happened.
    pub message: String,
    /// What an administrator does about it.
    pub remedy: String,
}

/// The kinds of [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The tool is not installed, or cannot work without a privilege the broker lacks.
    NotFound,
    /// A layer of the sandbox did not install fully.
    Sandbox,
    /// The audit log cannot be written.
    Audit,
    /// The kernel has no process, descriptor or memory to spare.
    Resources,
}

/// A run has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The process, for those who look at it from outside.
    pub pid: u32,
    /// What it was started as.
    pub plan: PlanSummary,
}

/// Where a tool wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a run ended. By then no process of it is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// What the kernel says.
    pub status: ExitStatus,
    /// What ended it.
    pub end: End,
    /// Wall-clock time from start to end.
    pub duration: Duration,
    /// Processor time used.
    pub cpu: Duration,
    /// Largest resident set, in bytes.
    pub max_rss_bytes: u64,
    /// Bytes it wrote to standard output, those beyond the limit included.
    pub stdout_bytes: u64,
    /// Bytes it wrote to standard error, those beyond the limit included.
    pub stderr_bytes: u64,
    /// Standard output was cut.
    pub truncated_stdout: bool,
    /// Standard error was cut.
    pub truncated_stderr: bool,
    /// It tried to reach something beyond its target, and was kept from it.
    pub fence_refusals: Option<FenceRefusals>,
}

/// Where a run was not let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceRefusals {
    /// The first address that it tried; the port is 0 where a packet has none.
    pub first: SocketAddr,
    /// How often it tried, whatever the address.
    pub count: u64,
}

impl FenceRefusals {
    /// The first address as people write it: without a port where there is none.
    #[must_use]
    pub fn first(&self) -> String {
        match self.first.port() {
            0 => self.first.ip().to_string(),
            _ => self.first.to_string(),
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// Why a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The tool ended by itself.
    Finished,
    /// Its time was up.
    TimedOut,
    /// The client cancelled.
    Cancelled,
    /// It made a system call that ends a process: something is badly wrong with it.
    SandboxViolation,
    /// The broker is stopping.
    ShuttingDown,
}

/// What is going on in the broker, as far as it is this peer's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The peer's own runs.
    pub runs: Vec<RunSummary>,
    /// Runs of everybody, the peer's own included.
    pub total_runs: u32,
    /// Open connections of everybody.
    pub connections: u32,
    /// Time since the broker started.
    pub uptime: Duration,
    /// Lines written to the audit log since then.
    pub audit_records: u64,
    /// Where the audit log's chain has come to: its last line's number and hash.
    pub audit_head: Head,
    /// Time since a line of it could not be written, where none has been since.
    pub audit_failed: Option<Duration>,
    /// How long ago its file was found removed, if it ever was: lines until then are not in it.
    pub audit_removed: Option<Duration>,
    /// Time since a reload was refused, where none has been applied since: an older policy works on.
    pub reload_refused: Option<Duration>,
}

/// One run of the peer's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The tool.
    pub tool: ToolName,
    /// What it is aimed at.
    pub target: String,
    /// The call's correlation id.
    pub correlation_id: CorrelationId,
    /// Time since its start.
    pub elapsed: Duration,
}

/// Why a connection is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind, for programs.
    pub kind: RefusalKind,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// The kinds of [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// The client speaks another version.
    Version,
    /// A frame holds what is no message, or more than one.
    Malformed,
    /// A frame is larger than any message.
    TooLarge,
    /// The connection ended within a frame.
    Truncated,
    /// Nothing complete came in time.
    Stalled,
    /// Too many connections.
    TooManyConnections,
    /// Too many requests in a short time.
    RateLimited,
    /// The broker is stopping.
    ShuttingDown,
    /// The client cancelled its run while that waited for its turn: nothing was started.
    Cancelled,
    /// No call waits under this id, and none did lately.
    NoSuchCall,
    /// Who asks does not approve his own call.
    OwnCall,
    /// No line of the policy lets this peer approve it.
    NotAnApprover,
    /// Somebody has approved or refused it already.
    AlreadyAnswered,
    /// It waits no more: nobody answered in time, its caller left, or the policy was read again.
    NoLongerWaits,
}
