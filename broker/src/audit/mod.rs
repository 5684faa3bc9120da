//! The audit log: one line for each decision and each exit.
//!
//! It is written before the answer is given, and what cannot be written does not happen: a call
//! whose decision cannot be recorded is refused.

mod json;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use nix::fcntl::OFlag;
use probity_policy::Plan;
use probity_protocol::{
    Arguments, Call, Denial, Digest, End, ExitStatus, Exited, RefusalKind, Target,
};

use crate::peer::Peer;
use json::Line;

/// An append-only log, one JSON object a line.
#[derive(Debug)]
pub(crate) struct AuditLog {
    path: PathBuf,
    file: File,
    records: u64,
}

/// The log cannot be written, so nothing may be done that belongs in it.
#[derive(Debug, thiserror::Error)]
#[error("the audit log {} cannot be written: {error}", path.display())]
pub struct AuditError {
    path: PathBuf,
    error: io::Error,
}

/// What was decided.
pub(crate) enum Decision<'a> {
    /// The policy said yes, to a run or to the question alone.
    Approved { plan: &'a Plan, dry_run: bool },
    /// The policy said no.
    Denied(&'a Denial),
}

impl AuditLog {
    /// Opens the log for appending, and makes it where it is not there.
    ///
    /// # Errors
    /// Those of `open(2)`. A symbolic link in the last place is refused.
    pub(crate) fn open(path: &Path) -> Result<Self, AuditError> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(path)
            .and_then(|file| match file.metadata()?.is_file() {
                true => Ok(file),
                false => Err(io::Error::other("it is no regular file")),
            })
            .map_err(|error| AuditError { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), file, records: 0 })
    }

    /// Lines written since the start.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Records what the policy said of a call.
    pub(crate) fn decision(
        &mut self,
        policy: Digest,
        peer: &Peer,
        call: &Call,
        decision: &Decision<'_>,
    ) -> Result<(), AuditError> {
        let mut line = self.begin("decision", policy, peer);
        describe(&mut line, call);
        match decision {
            Decision::Approved { plan, dry_run } => {
                line.text("verdict", "approved");
                line.flag("dry_run", *dry_run);
                line.text("address", &plan.target());
                line.list("argv", plan.argv().iter().map(String::as_str));
                line.number("timeout_ms", millis(plan.limits().timeout));
                line.text("rule", &plan.rule().to_string());
            }
            Decision::Denied(denial) => {
                line.text("verdict", "denied");
                line.text("code", denial.code.as_str());
                line.text("message", &denial.message);
            }
        }
        self.write(line)
    }

    /// Records that an approved run did not start.
    pub(crate) fn not_started(
        &mut self,
        policy: Digest,
        peer: &Peer,
        call: &Call,
        message: &str,
    ) -> Result<(), AuditError> {
        let mut line = self.begin("not_started", policy, peer);
        describe(&mut line, call);
        line.text("message", message);
        self.write(line)
    }

    /// Records how a run ended.
    pub(crate) fn exit(
        &mut self,
        policy: Digest,
        peer: &Peer,
        call: &Call,
        pid: u32,
        exited: &Exited,
    ) -> Result<(), AuditError> {
        let mut line = self.begin("exit", policy, peer);
        describe(&mut line, call);
        line.number("tool_pid", pid.into());
        match exited.status {
            ExitStatus::Code(code) => line.number("exit_code", u64::from(code.unsigned_abs())),
            ExitStatus::Signal(signal) => line.number("signal", u64::from(signal.unsigned_abs())),
        }
        line.text("end", end(exited.end));
        line.number("duration_ms", millis(exited.duration));
        line.number("cpu_ms", millis(exited.cpu));
        line.number("max_rss_bytes", exited.max_rss_bytes);
        line.number("stdout_bytes", exited.stdout_bytes);
        line.number("stderr_bytes", exited.stderr_bytes);
        line.flag("truncated_stdout", exited.truncated_stdout);
        line.flag("truncated_stderr", exited.truncated_stderr);
        self.write(line)
    }

    /// Records a connection that came to no decision: its peer does not speak the protocol.
    pub(crate) fn refusal(
        &mut self,
        policy: Digest,
        peer: &Peer,
        kind: RefusalKind,
        message: &str,
    ) -> Result<(), AuditError> {
        let mut line = self.begin("refused", policy, peer);
        line.text("kind", refusal(kind));
        line.text("message", message);
        self.write(line)
    }

    fn begin(&self, event: &str, policy: Digest, peer: &Peer) -> Line {
        let mut line = Line::new();
        line.text("time", &humantime::format_rfc3339_millis(SystemTime::now()).to_string());
        line.number("seq", self.records + 1);
        line.text("event", event);
        line.text("policy", &policy.to_string());
        line.number("pid", peer.pid.unsigned_abs().into());
        line.number("uid", peer.subject.uid.into());
        line.number("gid", peer.gid.into());
        line.optional_text("user", peer.user.as_deref());
        line
    }

    /// One write for one line. A part of a line, when the disk is full, is taken back.
    fn write(&mut self, line: Line) -> Result<(), AuditError> {
        let text = line.finish();
        let written = self.file.write(text.as_bytes());
        let result = match written {
            Ok(bytes) if bytes == text.len() => Ok(()),
            Ok(part) => self.take_back(part).and(Err(io::ErrorKind::StorageFull.into())),
            Err(error) => Err(error),
        };
        result.map_err(|error| AuditError { path: self.path.clone(), error })?;
        self.records += 1;
        Ok(())
    }

    /// Nobody else writes to the log, so its last bytes are those just written.
    fn take_back(&self, bytes: usize) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.file.set_len(length.saturating_sub(bytes as u64))
    }
}

/// What the call says of itself. The name and the client are the frontend's word.
fn describe(line: &mut Line, call: &Call) {
    line.text("correlation_id", call.correlation_id.as_str());
    line.optional_text("claimed_client", call.client.as_ref().map(|c| c.as_str()));
    line.text("tool", call.tool.as_str());
    match &call.target {
        Target::Name { name, addresses } => {
            line.text("claimed_name", name.as_str());
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            line.list("claimed_addresses", addresses.iter().map(String::as_str));
        }
        Target::Malformed(defect) => line.text("target_defect", &defect.to_string()),
        target => line.text("target", &target.to_string()),
    }
    match &call.arguments {
        Arguments::Malformed(defect) => line.text("arguments_defect", &defect.to_string()),
        Arguments::Given { preset, options, tokens } => {
            line.optional_text("preset", preset.as_ref().map(|p| p.as_str()));
            let given: Vec<_> = options
                .iter()
                .map(|o| match &o.value {
                    Some(value) => format!("{}={value}", o.name),
                    None => o.name.to_string(),
                })
                .collect();
            line.list("options", given.iter().map(String::as_str));
            line.list("extra_args", tokens.iter().map(|t| t.as_str()));
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const fn end(end: End) -> &'static str {
    match end {
        End::Finished => "finished",
        End::TimedOut => "timed_out",
        End::Cancelled => "cancelled",
        End::SandboxViolation => "sandbox_violation",
        End::ShuttingDown => "shutting_down",
    }
}

const fn refusal(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Version => "version",
        RefusalKind::Malformed => "malformed",
        RefusalKind::TooLarge => "too_large",
        RefusalKind::Truncated => "truncated",
        RefusalKind::Stalled => "stalled",
        RefusalKind::TooManyConnections => "too_many_connections",
        RefusalKind::RateLimited => "rate_limited",
        RefusalKind::ShuttingDown => "shutting_down",
    }
}
