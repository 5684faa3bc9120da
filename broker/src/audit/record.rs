//! What stands in a line, for each kind of event. Nothing is decided or written here.
//!
//! `docs/audit.md` lists every event and key; it changes with this file.

use std::time::{Duration, SystemTime};

use probity_policy::Plan;
use probity_protocol::{
    Arguments, Call, Digest, End, ExitStatus, Exited, RefusalKind, Target, chain::Head,
};

use super::{
    cut,
    json::Line,
    repeats::{What, Window},
    tail::Torn,
};
use crate::peer::Peer;

/// Whose call it is, and by which policy.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    pub policy: Digest,
    pub peer: &'a Peer,
}

/// An allowed call, as the lines that follow its decision repeat it.
#[derive(Clone)]
pub(crate) struct Decision {
    /// Where the chain is after the line that records it.
    pub(super) head: Head,
    /// Who approved it, where somebody had to: a number, and a name where the account has one.
    approved_by: Option<(u32, Option<String>)>,
    address: String,
    argv: Vec<String>,
    rule: String,
    note: Option<String>,
    net_raw: bool,
}

impl Decision {
    /// `ping_sockets` is whether the kernel gives the broker ICMP echo sockets, on which some plans'
    /// capability depends.
    pub(super) fn of(plan: &Plan, ping_sockets: bool) -> Self {
        Self {
            head: Head::START,
            approved_by: None,
            address: plan.target(),
            argv: plan.argv(),
            rule: plan.rule().to_string(),
            note: plan.note().map(str::to_owned),
            net_raw: plan.net_raw().given(ping_sockets),
        }
    }

    /// The hash of the line that records it, which is no other's.
    pub(crate) fn hash(&self) -> Digest {
        self.head.hash
    }

    pub(crate) fn is_approved(&self) -> bool {
        self.approved_by.is_some()
    }

    pub(crate) fn approve(&mut self, uid: u32, user: Option<String>) {
        self.approved_by = Some((uid, user));
    }

    pub(crate) fn void(&mut self) {
        self.approved_by = None;
    }

    /// What is executed, and by whose leave.
    pub(super) fn describe(&self, line: &mut Line) {
        // A tool that takes no target has none.
        line.optional_text("address", Some(&*self.address).filter(|address| !address.is_empty()));
        line.list("argv", self.argv.iter().map(String::as_str));
        line.flag("net_raw", self.net_raw);
        line.text("rule", &self.rule);
        line.optional_text("note", self.note.as_deref());
        if let Some((uid, user)) = &self.approved_by {
            line.number("approved_by_uid", u64::from(*uid));
            line.optional_text("approved_by", user.as_deref());
        }
    }
}

/// By which policy, and who asks, by the kernel's word.
pub(super) fn by(line: &mut Line, by: By<'_>) {
    line.text("policy", &by.policy.to_string());
    line.number("pid", by.peer.pid.unsigned_abs().into());
    line.number("uid", by.peer.subject.uid.into());
    line.number("gid", by.peer.gid.into());
    line.optional_text("user", by.peer.user.as_deref());
}

/// Which of a client's calls it is, by the frontend's word.
pub(super) fn claims(line: &mut Line, call: &Call) {
    line.text("correlation_id", call.correlation_id.as_str());
    line.optional_text("claimed_client", call.client.as_ref().map(|c| c.as_str()));
}

/// What is asked for. The name and its addresses are the frontend's word. Of what is refused long
/// parts are cut.
pub(super) fn request(line: &mut Line, call: &Call, refused: bool) {
    let list = |line: &mut Line, key: &str, texts: Vec<String>| {
        let texts = if refused { cut::list(texts) } else { texts };
        line.list(key, texts.iter().map(String::as_str));
    };
    line.text("tool", call.tool.as_str());
    match &call.target {
        Target::Name { name, addresses } => {
            line.text("claimed_name", name.as_str());
            let addresses = addresses.iter().map(ToString::to_string).collect();
            list(line, "claimed_addresses", addresses);
        }
        Target::Malformed(defect) => line.text("target_defect", &defect.to_string()),
        Target::None => {}
        target => line.text("target", &target.to_string()),
    }
    match &call.arguments {
        Arguments::Malformed(defect) => line.text("arguments_defect", &defect.to_string()),
        Arguments::Given { preset, options, tokens } => {
            line.optional_text("preset", preset.as_ref().map(|p| p.as_str()));
            let given = options
                .iter()
                .map(|o| match &o.value {
                    Some(value) => format!("{}={value}", o.name),
                    None => o.name.to_string(),
                })
                .collect();
            list(line, "options", given);
            list(line, "extra_args", tokens.iter().map(|t| t.as_str().to_owned()).collect());
        }
    }
}

/// How a run ended, and what it used.
pub(super) fn ending(line: &mut Line, exited: &Exited) {
    match exited.status {
        ExitStatus::Code(code) => line.number("exit_code", u64::from(code.unsigned_abs())),
        ExitStatus::Signal(signal) => line.number("signal", u64::from(signal.unsigned_abs())),
    }
    line.text("end", end(exited.end));
    line.flag("sandbox_violation", exited.end == End::SandboxViolation);
    line.number("duration_ms", millis(exited.duration));
    line.number("cpu_ms", millis(exited.cpu));
    line.number("max_rss_bytes", exited.max_rss_bytes);
    line.number("stdout_bytes", exited.stdout_bytes);
    line.number("stderr_bytes", exited.stderr_bytes);
    line.flag("truncated_stdout", exited.truncated_stdout);
    line.flag("truncated_stderr", exited.truncated_stderr);
    if let Some(refusals) = exited.fence_refusals {
        line.number("fence_refusals", refusals.count);
        line.text("fence_first", &refusals.first());
    }
}

/// How often a refusal came again.
pub(super) fn repeated(line: &mut Line, window: &Window) {
    line.text("policy", &window.policy.to_string());
    line.number("uid", window.uid.into());
    match &window.what {
        What::Denied { tool, code } => {
            line.text("of", "decision");
            line.text("tool", tool);
            line.text("code", code);
        }
        What::Refused { kind } => {
            line.text("of", "refused");
            line.text("kind", kind);
        }
        What::OverBudget => line.text("of", "over_budget"),
    }
    line.number("first_seq", window.first_seq);
    line.number("count", window.count);
    if let Some((first, last)) = window.times {
        line.text("first_time", &time(first));
        line.text("last_time", &time(last));
    }
}

/// What a crash left of a line, one character for each byte.
pub(super) fn repaired(line: &mut Line, torn: &Torn) {
    line.number("torn_bytes", torn.bytes);
    line.text("torn_sha256", &torn.sha256.to_string());
    let text: String = torn.kept.iter().map(|byte| char::from(*byte)).collect();
    line.text("torn_text", &text);
}

pub(super) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

pub(super) fn millis(duration: Duration) -> u64 {
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

pub(super) const fn refusal(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Version => "version",
        RefusalKind::Malformed => "malformed",
        RefusalKind::TooLarge => "too_large",
        RefusalKind::Truncated => "truncated",
        RefusalKind::Stalled => "stalled",
        RefusalKind::TooManyConnections => "too_many_connections",
        RefusalKind::RateLimited => "rate_limited",
        RefusalKind::ShuttingDown => "shutting_down",
        RefusalKind::Cancelled => "cancelled",
        RefusalKind::NoSuchCall => "no_such_call",
        RefusalKind::OwnCall => "own_call",
        RefusalKind::NotAnApprover => "not_an_approver",
        RefusalKind::AlreadyAnswered => "already_answered",
        RefusalKind::NoLongerWaits => "no_longer_waits",
    }
}
