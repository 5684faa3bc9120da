//! The audit log: one line for each decision and each exit, chained.
//!
//! A line is written before the answer is given, and what cannot be written does not happen: a call
//! whose decision cannot be recorded is refused. Each line holds the hash of the one before
//! (`probity_protocol::chain`), across restarts and rotated files. Refusals that a peer repeats are
//! counted, and of those that differ each user has a share of the log, so that nobody can flood it;
//! approvals and exits are a line each.

mod announce;
mod approval;
mod cut;
mod file;
mod json;
mod life;
mod record;
mod repeats;
mod tail;
mod upkeep;

use std::{
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use probity_policy::{Denied, Plan};
use probity_protocol::{Call, Digest, Exited, Refusal, chain::Head};
use tokio::sync::Notify;

use announce::Announcer;
use json::Line;
use repeats::{Repeats, What};

use crate::buckets::{Buckets, Rate};

pub use file::AuditError;
pub(crate) use file::LogFile;
pub(crate) use record::{By, Decision};

/// How much each user's refusals may write. Mistakes, a line of 1 KiB each, never come near: it is two
/// thousand at once, and sixteen more each second.
const ROOM: Rate = Rate { burst: 2048.0 * 1024.0, per_second: 16.0 * 1024.0 };

/// An append-only log, one JSON object a line.
#[derive(Debug)]
pub(crate) struct AuditLog {
    file: LogFile,
    head: Head,
    records: u64,
    repeats: Repeats,
    /// What each user's refusals may still write, in bytes.
    room: Buckets,
    announcer: Announcer,
    /// Lines about what has happened already, for which there was no room: no call is decided before
    /// they are written. There are never more than runs at once.
    owed: VecDeque<Line>,
    /// Until then what could not be written is left alone.
    retry: Option<Instant>,
    /// When a line could not be written, where none has been since.
    failed: Option<Instant>,
    /// When it was found removed, and was made anew.
    removed: Option<Instant>,
    /// Told when [`AuditLog::due`] may have come nearer.
    sooner: Rc<Notify>,
}

/// How a reload went.
pub(crate) enum Reloaded<'a> {
    Applied { to: Digest, needs_restart: &'a [&'a str] },
    Refused { to: Option<Digest>, reason: &'a str },
}

impl AuditLog {
    /// Lines written since the start.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Where the chain has come to.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// When a line could not be written, where none has been since.
    pub(crate) fn failed(&self) -> Option<Instant> {
        self.failed
    }

    /// How long ago the file was found removed; no time at all, where nobody has written since.
    pub(crate) fn removed(&self) -> Option<Duration> {
        let is_removed = self.file.is_removed().unwrap_or(false);
        is_removed.then_some(Duration::ZERO).or_else(|| self.removed.map(|since| since.elapsed()))
    }

    /// Records that the policy said yes, to a run or to the question alone.
    pub(crate) fn approved(
        &mut self,
        by: By<'_>,
        call: &Call,
        plan: &Plan,
        ping_sockets: bool,
        dry_run: bool,
    ) -> Result<Decision, AuditError> {
        let mut decision = Decision::of(plan, ping_sockets);
        decision.head = self.write("decision", |line| {
            record::by(line, by);
            record::claims(line, call);
            record::request(line, call, false);
            line.text("verdict", "approved");
            line.flag("dry_run", dry_run);
            line.number("timeout_ms", record::millis(plan.limits().timeout));
            decision.describe(line);
        })?;
        Ok(decision)
    }

    /// Records that the policy said no, by which line of it where there is one, or counts it where
    /// this peer was told so just now.
    pub(crate) fn denied(
        &mut self,
        by: By<'_>,
        call: &Call,
        denied: &Denied<'_>,
        dry_run: bool,
    ) -> Result<(), AuditError> {
        let reason = &denied.denial.reason;
        let code = reason.code().as_str();
        let what = What::Denied { tool: call.tool.to_string(), code };
        let refusal = |line: &mut Line| {
            record::request(line, call, true);
            line.text("verdict", "denied");
            line.flag("dry_run", dry_run);
            line.text("code", code);
            line.text("message", &cut::text(&reason.to_string()));
            line.optional_text("rule", denied.rule.map(ToString::to_string).as_deref());
        };
        self.refuse("decision", by, what, |line| record::claims(line, call), refusal)
    }

    /// Records a connection that came to no decision, or counts it where this peer had the same
    /// just now.
    pub(crate) fn refused(&mut self, by: By<'_>, refusal: &Refusal) -> Result<(), AuditError> {
        let kind = record::refusal(refusal.kind);
        self.refuse(
            "refused",
            by,
            What::Refused { kind },
            |_| {},
            |line| {
                line.text("kind", kind);
                line.text("message", &refusal.message);
            },
        )
    }

    /// Records that an approved run did not start.
    pub(crate) fn not_started(
        &mut self,
        by: By<'_>,
        call: &Call,
        decision: &Decision,
        message: &str,
    ) -> Result<(), AuditError> {
        self.run("not_started", by, call, decision, |line| line.text("message", message))
    }

    /// Records how a run ended.
    pub(crate) fn exit(
        &mut self,
        by: By<'_>,
        call: &Call,
        decision: &Decision,
        pid: u32,
        exited: &Exited,
    ) -> Result<(), AuditError> {
        self.run("exit", by, call, decision, |line| {
            line.number("tool_pid", pid.into());
            record::ending(line, exited);
        })
    }

    /// Records that the policy was read anew.
    pub(crate) fn reload(&mut self, from: Digest, how: &Reloaded<'_>) -> Result<(), AuditError> {
        self.write("reload", |line| {
            line.text("policy", &from.to_string());
            match how {
                Reloaded::Applied { to, needs_restart } => {
                    line.text("outcome", "applied");
                    line.text("new_policy", &to.to_string());
                    line.list("needs_restart", needs_restart.iter().copied());
                }
                Reloaded::Refused { to, reason } => {
                    line.text("outcome", "refused");
                    line.optional_text("new_policy", to.map(|to| to.to_string()).as_deref());
                    line.text("message", beginning(reason));
                }
            }
        })
        .map(drop)
    }

    /// A refusal in full, or counted. `claims` are the parts that make no difference.
    fn refuse(
        &mut self,
        event: &str,
        by: By<'_>,
        what: What,
        claims: impl FnOnce(&mut Line),
        refusal: impl Fn(&mut Line),
    ) -> Result<(), AuditError> {
        let uid = by.peer.subject.uid;
        if !self.room.take(uid, 0.0, ROOM, Instant::now()) {
            return self.over_budget(by);
        }
        let mut same = Line::new();
        refusal(&mut same);
        let same = Digest::of(same.after(&format!("{}{uid}{event}", by.policy)).as_bytes());
        self.first_of(same, event, by, what, |line| {
            claims(line);
            refusal(line);
        })
    }

    /// A refusal whose user has used up his share of the log.
    fn over_budget(&mut self, by: By<'_>) -> Result<(), AuditError> {
        let same = format!("{} {} over budget", by.policy, by.peer.subject.uid);
        let same = Digest::of(same.as_bytes());
        self.first_of(same, "over_budget", by, What::OverBudget, |line| {
            let message = "its refusals fill the log: more of them are counted, and not listed";
            line.text("message", message);
        })
    }

    /// Counts what is on record; else writes it, and counts from now on.
    fn first_of(
        &mut self,
        same: Digest,
        event: &str,
        by: By<'_>,
        what: What,
        fill: impl FnOnce(&mut Line),
    ) -> Result<(), AuditError> {
        if self.repeats.count(&same) {
            return Ok(());
        }
        if self.repeats.is_full() {
            self.close_oldest()?;
        }
        let line = members(event, |line| {
            record::by(line, by);
            fill(line);
        });
        self.settle()?;
        self.append(&line)?;
        let uid = by.peer.subject.uid;
        self.room.charge(uid, line.bytes(), ROOM, Instant::now());
        let due = self.due();
        self.repeats.open(same, self.head.seq, by.policy, uid, what);
        self.wake_if_sooner(due);
        Ok(())
    }

    /// A line about an approved run that can be read without the line of its decision.
    fn run(
        &mut self,
        event: &str,
        by: By<'_>,
        call: &Call,
        decision: &Decision,
        fill: impl FnOnce(&mut Line),
    ) -> Result<(), AuditError> {
        let line = members(event, |line| {
            record::by(line, by);
            record::claims(line, call);
            record::request(line, call, false);
            line.number("decision_seq", decision.head.seq);
            decision.describe(line);
            fill(line);
        });
        let written = self.settle().and_then(|()| self.append(&line));
        if written.is_err() {
            let due = self.due();
            self.owed.push_back(line);
            self.retry.get_or_insert_with(|| Instant::now() + repeats::WINDOW);
            self.wake_if_sooner(due);
        }
        written
    }

    /// Writes one line, after those that are owed, and answers where the chain is then.
    fn write(&mut self, event: &str, fill: impl FnOnce(&mut Line)) -> Result<Head, AuditError> {
        self.settle()?;
        self.append(&members(event, fill))?;
        Ok(self.head)
    }

    /// Writes what is owed.
    fn settle(&mut self) -> Result<(), AuditError> {
        while let Some(line) = self.owed.pop_front() {
            if let Err(error) = self.append(&line) {
                self.owed.push_front(line);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Puts a line into the chain.
    fn append(&mut self, members: &Line) -> Result<(), AuditError> {
        let due = self.due();
        let written = self.follow_removal().and_then(|()| self.put(members));
        self.failed = written.is_err().then(Instant::now);
        written?;
        self.wake_if_sooner(due);
        Ok(())
    }

    /// The same for the file that there is.
    fn put(&mut self, members: &Line) -> Result<(), AuditError> {
        // RULE: Each line of the audit log has the hash of the one before.
        let text = members.after(&self.head.next_line());
        self.file.append(text.as_bytes())?;
        self.head = self.head.followed_by(text.trim_end_matches('\n').as_bytes());
        self.records += 1;
        self.announcer.note(self.head);
        Ok(())
    }
}

/// A line but for its place in the chain.
fn members(event: &str, fill: impl FnOnce(&mut Line)) -> Line {
    let mut line = Line::new();
    line.text("time", &record::time(SystemTime::now()));
    line.text("event", event);
    fill(&mut line);
    line
}

/// At most 4 KiB of a text.
fn beginning(text: &str) -> &str {
    const MOST: usize = 4 << 10;
    text.get(..text.floor_char_boundary(MOST)).unwrap_or_default()
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
