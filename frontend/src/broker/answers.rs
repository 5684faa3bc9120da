//! What comes of a question to the broker: how a run ended, what is told of it meanwhile, and why there
//! is no answer.

use std::{borrow::Cow, io, path::PathBuf};

use probity_protocol::{
    Awaiting, Busy, Denial, Exited, Failure, FrameError, NotApproved, PlanSummary, Queued, Refusal,
    RefusalKind, Started, Stream,
};
use tokio_util::sync::CancellationToken;

use crate::broker::accounts;

/// How a request to run ended, where the broker answered to the end.
#[derive(Debug)]
#[must_use]
pub enum RunOutcome {
    /// The policy refused it.
    Denied(Denial),
    /// Allowed, but no other person approved it.
    NotApproved(NotApproved),
    /// Approved, but there is no room now.
    Busy(Busy),
    /// Approved, but it could not be started.
    Failed(Failure),
    /// It ran, and is over.
    Finished(Box<(Output, Exited)>),
}

/// What is heard of a run before it is over.
#[derive(Debug, Clone, Copy)]
pub enum RunEvent<'a> {
    /// It waits until another person approves it.
    AwaitsApproval(&'a Awaiting),
    /// It waits for its turn. Comes again as the line moves on.
    Queued(Queued),
    /// The tool is running.
    Started(Begun<'a>),
    /// What it has just written.
    Output(Stream, &'a [u8]),
}

/// A run that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Begun<'a> {
    /// What runs.
    pub plan: &'a PlanSummary,
    /// Cancels it: the tool is ended, and the result is what it had written until then.
    pub cancel: &'a CancellationToken,
}

/// Hears of a run as it goes.
pub type OnEvent<'a> = &'a mut (dyn FnMut(RunEvent<'_>) + Send);

/// What a run has given so far.
#[derive(Debug)]
pub struct Output {
    /// How it was started.
    pub started: Started,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Nobody listens at the socket.
    #[error("no broker answers at {}: {source}", socket.display())]
    Unreachable {
        /// The address tried.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
        /// It was this process's own broker.
        embedded: bool,
    },
    /// The socket is there, and this user may not open it.
    #[error("no permission to use the broker at {}", socket.display())]
    NotPermitted {
        /// The address tried.
        socket: PathBuf,
    },
    /// There is no descriptor left for a connection.
    #[error("this process cannot open a connection to the broker: {0}")]
    NoDescriptor(io::Error),
    /// The broker refused the connection itself.
    #[error("the broker refused the connection: {0}")]
    Refused(Refusal),
    /// What came back is not the protocol.
    #[error("the broker's answer cannot be read: {0}")]
    Frame(#[from] FrameError),
    /// A valid message at the wrong place.
    #[error("the broker answered with something else than {0}")]
    Unexpected(&'static str),
    /// It did not decide: the failure says why, and what to do.
    #[error("{}", .0.message)]
    Undecided(Failure),
    /// The request is larger than the protocol carries.
    #[error("the request is too large")]
    RequestTooLarge,
    /// The connection failed or closed before an answer.
    #[error("the broker closed the connection without an answer")]
    NoAnswer,
    /// The broker keeps the connection open and says nothing.
    #[error("the broker did not answer in time")]
    Stalled,
    /// The connection ended while the tool was running. What it had written is kept.
    #[error("the broker was lost while the tool was running")]
    Lost(Box<Output>),
}

impl BrokerError {
    /// Whether it passes by itself at any moment: too many connections are open.
    #[must_use]
    pub fn is_momentary(&self) -> bool {
        matches!(self, Self::Refused(it) if it.kind == RefusalKind::TooManyConnections)
    }

    /// What the person at this machine can do about it.
    #[must_use]
    pub fn remedy(&self) -> Cow<'static, str> {
        let remedy = match self {
            Self::NotPermitted { socket } => return accounts::way_to(socket).into(),
            Self::Unreachable { embedded: true, .. } => {
                "This process's own broker has ended; its reasons are on standard error. A server \
                 keeps trying to start another; otherwise start probity again."
            }
            Self::Unreachable { .. } => {
                "Add `--embedded` to run with a private broker, or start the installed one: `sudo \
                 systemctl start probity-broker.socket`. `probity doctor` says what is wrong."
            }
            Self::NoDescriptor(_) => {
                "Wait until other calls have ended, then try again; where it stays so, raise the \
                 limit of open files (`ulimit -n`)."
            }
            Self::Undecided(failure) => return failure.remedy.clone().into(),
            Self::Refused(_) => "Try again in a moment.",
            Self::Stalled => {
                "Try again in a moment; where it stays so, `probity doctor` says what is wrong."
            }
            Self::Frame(_) | Self::Unexpected(_) | Self::RequestTooLarge => {
                "Install the same version of probity and probity-broker, and restart both."
            }
            Self::NoAnswer | Self::Lost(_) => {
                "`probity doctor` says what is wrong with it, and its log more (`sudo journalctl -u \
                 probity-broker`)."
            }
        };
        remedy.into()
    }

    /// Whether it is what a broker that starts again looks like, before it has welcomed anybody. A
    /// lack of descriptors passes too, when other calls end.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::NotFound
                    // More wait to be accepted than the kernel holds for it.
                    | io::ErrorKind::WouldBlock
            ),
            Self::Refused(_) => self.is_stopping(),
            Self::NoAnswer | Self::NoDescriptor(_) => true,
            _ => false,
        }
    }

    /// Whether the broker says that it stops, and has not taken what it was asked.
    pub(super) fn is_stopping(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.kind == RefusalKind::ShuttingDown)
    }
}
