//! The broker: whether it answers, which versions it is of, whether it can write its audit log, and
//! what it grants this user.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use probity_protocol::{
    FrameError, PROTOCOL_VERSION, RefusalKind, SandboxFacts, StatusReport, Welcome,
};
use tokio::time::timeout;

use super::{
    person::Person,
    report::{Check, Mode},
    socket::{Host, journal},
};
use crate::{
    broker::{
        client::{Broker, BrokerError},
        embedded::{EmbeddedBroker, EmbeddedError},
    },
    calls::published::registry::Listing,
};

const NAME: &str = "broker";
const AUDIT_LOG: &str = "audit_log";
const GRANTS: &str = "grants";

/// Networks that are named in one line.
const NETWORKS_NAMED: usize = 6;

/// Complaints of a broker that are shown: a few defects, each with its line.
const LINES_SHOWN: usize = 16;

/// What came of asking a broker for its status.
pub(super) struct Answers {
    pub answer: Result<Answer, Silence>,
}

/// A broker that answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub welcome: Welcome,
    pub status: StatusReport,
    /// How long that took.
    pub took: Duration,
}

/// A broker that does not.
#[derive(Debug)]
pub(super) enum Silence {
    /// What the connection came to.
    Error(BrokerError),
    /// One of this process's own that could not be started.
    NeverStarted { reason: String, lacks: Lacks },
    /// The same, and it ended, with these words.
    Ended(String),
}

/// What a broker of one's own could not be started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lacks {
    Program,
    /// Its words say what to do.
    Proc,
    Folder,
}

impl Answers {
    pub(super) async fn of(broker: &Broker, patience: Duration) -> Self {
        let asked_at = Instant::now();
        let answer = timeout(patience, broker.status()).await.unwrap_or(Err(BrokerError::Stalled));
        let took = asked_at.elapsed();
        let answer = answer.map(|(welcome, status)| Answer { welcome, status, took });
        Self { answer: answer.map_err(Silence::Error) }
    }

    pub(super) fn never_started(error: &EmbeddedError) -> Self {
        let lacks = match error {
            EmbeddedError::NotFound { .. } | EmbeddedError::NoSuchFile(_) => Lacks::Program,
            EmbeddedError::NoProc(_) => Lacks::Proc,
            _ => Lacks::Folder,
        };
        Self { answer: Err(Silence::NeverStarted { reason: error.to_string(), lacks }) }
    }

    /// Takes a broker's own words for its silence, where it has ended.
    pub(super) fn note_end(&mut self, embedded: Option<&mut EmbeddedBroker>, patience: Duration) {
        let Some(embedded) = embedded.filter(|_| self.answer.is_err()) else { return };
        if embedded.ended_within(patience).is_some() {
            self.answer = Err(Silence::Ended(embedded.complaints()));
        }
    }

    pub(super) fn welcome(&self) -> Option<&Welcome> {
        self.answer.as_ref().ok().map(|answer| &answer.welcome)
    }

    pub(super) fn facts(&self) -> Option<&SandboxFacts> {
        self.welcome().map(|welcome| &welcome.sandbox)
    }

    /// What the connection came to, where it came to nothing.
    pub(super) fn error(&self) -> Option<&BrokerError> {
        match &self.answer {
            Err(Silence::Error(error)) => Some(error),
            _ => None,
        }
    }
}

/// Whether it answers, and as what. Where the policy is bad, that is why it does not.
pub(super) fn check(asked: &Answers, mode: Mode, host: &Host, is_policy_bad: bool) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    match &asked.answer {
        Ok(answer) => {
            let version = &answer.welcome.broker_version;
            let found = format!(
                "probity-broker {version} {} in {:.1} ms; protocol {}; {} runs under way",
                if mode == Mode::Installed { "answers" } else { "starts and answers" },
                answer.took.as_secs_f64() * 1e3,
                answer.welcome.protocol,
                answer.status.total_runs,
            );
            match version == own {
                true => Check::ok(NAME, found),
                false => same_version(
                    Check::warning(
                        NAME,
                        format!("{found}. This probity is {own}, of another release"),
                    ),
                    host,
                ),
            }
        }
        Err(Silence::NeverStarted { reason, lacks: Lacks::Proc }) => Check::failed(NAME, reason),
        Err(Silence::NeverStarted { reason, lacks: Lacks::Program }) => Check::failed(NAME, reason)
            .mend(
                "Put probity-broker beside probity, or say where it is. From the sources:",
                ["cargo install --path broker"],
            ),
        Err(Silence::NeverStarted { reason, lacks: Lacks::Folder }) => Check::failed(NAME, reason)
            .mend(
                "A broker of your own needs a folder in /tmp or $XDG_RUNTIME_DIR:",
                ["df -h /tmp", "ls -ld /tmp \"$XDG_RUNTIME_DIR\""],
            ),
        Err(Silence::Ended(_)) if is_policy_bad => {
            Check::failed(NAME, "it does not start by that policy")
        }
        Err(Silence::Ended(words)) => ended(words),
        Err(Silence::Error(error)) => silent(error, mode, host),
    }
}

/// What a broker of one's own complained of before it ended.
fn ended(words: &str) -> Check {
    let words: Vec<_> = words.trim().lines().take(LINES_SHOWN).collect();
    let found = match words.is_empty() {
        true => "it does not start, and does not say why".to_owned(),
        false => format!("it does not start. It says:\n{}", words.join("\n")),
    };
    Check::failed(NAME, found).advise("Mend what it complains of, then ask again.")
}

fn silent(error: &BrokerError, mode: Mode, host: &Host) -> Check {
    match error {
        BrokerError::Unreachable { .. }
        | BrokerError::NotPermitted { .. }
        | BrokerError::NoDescriptor(_)
            if mode == Mode::Installed =>
        {
            Check::not_checked(NAME, "this user does not get through to it: see socket")
        }
        BrokerError::Frame(FrameError::Version(other)) => {
            let found = format!("it speaks protocol {other}, and this probity {PROTOCOL_VERSION}");
            same_version(Check::failed(NAME, found), host)
        }
        BrokerError::Refused(refusal) if refusal.kind == RefusalKind::Version => {
            let found = format!("it speaks another protocol version: {refusal}");
            same_version(Check::failed(NAME, found), host)
        }
        BrokerError::Frame(_) | BrokerError::Unexpected(_) | BrokerError::RequestTooLarge => {
            let found = format!("{error}: it is another program, or of another release");
            same_version(Check::failed(NAME, found), host)
        }
        BrokerError::Refused(refusal)
            if matches!(
                refusal.kind,
                RefusalKind::RateLimited | RefusalKind::TooManyConnections
            ) =>
        {
            Check::warning(NAME, format!("it is there, and busy: {refusal}"))
                .advise("Ask again in a moment.")
        }
        BrokerError::Stalled => log_of(
            Check::failed(NAME, "it takes the connection, and does not answer in time"),
            host,
        ),
        _ => log_of(Check::failed(NAME, error.to_string()), host),
    }
}

fn same_version(check: Check, host: &Host) -> Check {
    let restart = host.systemd.then_some("sudo systemctl restart probity-broker".to_owned());
    let versions = ["probity --version", "probity-broker --version"].map(String::from);
    check.mend(
        "Install probity and probity-broker of one release, and start the broker again:",
        versions.into_iter().chain(restart),
    )
}

/// systemd takes connections for a broker that does not start.
fn log_of(check: Check, host: &Host) -> Check {
    let check_policy = "sudo probity-policy check".to_owned();
    match host.systemd {
        true => check.mend(
            "Perhaps it does not start. Its log says why:",
            ["systemctl status probity-broker".into(), journal(), check_policy],
        ),
        false => check.mend(
            "Its standard error says why, where you started it. A policy with defects is shown by:",
            [check_policy],
        ),
    }
}

/// Whether decisions can be recorded. Without that nothing is approved. A doctor's broker keeps its log
/// elsewhere than those of calls, which `place` is about.
pub(super) fn audit_log(asked: &Answers, place: Result<(), EmbeddedError>, mode: Mode) -> Check {
    if let Err(error) = place {
        return Check::failed(AUDIT_LOG, error.to_string());
    }
    let status = match &asked.answer {
        Ok(answer) => &answer.status,
        Err(_) => return Check::not_checked(AUDIT_LOG, "no broker says how it is"),
    };
    if let (None, Some(since)) = (status.audit_failed, status.audit_removed) {
        return removed(since);
    }
    match status.audit_failed {
        None if mode == Mode::Installed => {
            let lines = match status.audit_records {
                1 => "1 line".to_owned(),
                lines => format!("{lines} lines"),
            };
            Check::ok(AUDIT_LOG, format!("it is written; {lines} since the broker started"))
        }
        None => Check::ok(AUDIT_LOG, "it is written (what a doctor's broker writes goes with it)"),
        Some(since) => Check::failed(
            AUDIT_LOG,
            format!(
                "a line could not be written {} s ago, and none has been since: calls are refused \
                 until one can be",
                since.as_secs()
            ),
        )
        .mend(
            "Make room, or give the log's folder back to the broker:",
            ["df -h /var/log/probity".to_owned(), "ls -ld /var/log/probity".to_owned(), journal()],
        ),
    }
}

/// The file was taken away under the broker.
fn removed(since: Duration) -> Check {
    let found = match since.is_zero() {
        true => "its file is removed: the next line makes it anew, or refuses the call".to_owned(),
        false => format!(
            "its file was removed, which was seen {} s ago, and it was made anew: lines until then are gone",
            since.as_secs()
        ),
    };
    Check::warning(AUDIT_LOG, found).mend(
        "See who removes it (a rotation moves it and sends SIGUSR1); the head that the lost lines came to \
         stands in the broker's log, and the line of event \"removed\" in the new file:",
        [journal(), "sudo probity-policy audit query --event removed".to_owned()],
    )
}

/// What this user may have run, and at what.
pub(super) fn grants(
    listing: &Arc<Listing>,
    granted: &[String],
    person: &Person,
    mode: Mode,
) -> Check {
    let who = person.called();
    if granted.is_empty() {
        return nothing_granted(&who, person, mode);
    }
    let catalog = &listing.catalog;
    let intrusive = catalog.tools.iter().filter(|tool| tool.intrusive);
    let intrusive: Vec<_> = intrusive.map(|tool| tool.name.as_str()).collect();
    let intrusive = match intrusive.as_slice() {
        [] => "the standard tier".to_owned(),
        tools => format!("the intrusive tier of {} too", tools.join(", ")),
    };
    let networks = catalog.allowance.networks.iter().map(ToString::to_string);
    let targets = networks.chain(catalog.allowance.names.iter().map(ToString::to_string));
    let mut targets: Vec<_> = targets.collect();
    if targets.len() > NETWORKS_NAMED {
        let more = targets.len() - NETWORKS_NAMED;
        targets.truncate(NETWORKS_NAMED);
        targets.push(format!("{more} more (`probity tools`)"));
    }
    Check::ok(
        GRANTS,
        format!("{who} has {} ({intrusive}), at {}", granted.join(", "), targets.join(", ")),
    )
}

fn nothing_granted(who: &str, person: &Person, mode: Mode) -> Check {
    let check = Check::failed(GRANTS, format!("the policy grants {who} no tool"));
    let name = person.name.as_deref().unwrap_or("USER");
    match (mode, person.uid) {
        (Mode::Installed, 0) => check.mend(
            "Root is granted nothing but by name, and this look is root's: other commands of root's ask as \
             nobody, in the group of the broker's socket. Ask as the user whose calls are to work (whose \
             name is to stand for USER):",
            ["runuser -u USER -- probity doctor"],
        ),
        (Mode::Installed, _) => check.mend(
            format!(
                "Let an administrator see who has a grant, and whether its groups exist; then add a \
                 [[grant]] to /etc/probity/policy.toml, or let {name} join a group that has one and log \
                 in again:"
            ),
            ["sudo probity-policy show", "sudo probity-policy check"],
        ),
        _ => check.advise(
            "A broker of your own grants by `self = true`. Add to the policy:\n  [[grant]]\n  self = \
             true\n  tools = [\"*\"]",
        ),
    }
}

/// What stands in the place of the grants, where nobody tells them.
pub(super) fn no_catalog(error: Option<&BrokerError>) -> Check {
    match error {
        Some(error) => Check::failed(GRANTS, format!("the broker does not say them: {error}"))
            .mend("Ask again; where it stays so, look at the broker's log:", [journal()]),
        None => Check::not_checked(GRANTS, "no broker tells them"),
    }
}

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;
