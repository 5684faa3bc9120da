//! The log's beginning, its end, and its way from one file to the next.

use std::{collections::VecDeque, rc::Rc, time::Instant};

use probity_protocol::{Digest, SandboxFacts, chain::Head};

use super::{
    AuditError, AuditLog, LogFile,
    announce::Announcer,
    members, record,
    repeats::Repeats,
    tail::{self, Tail, TailError, Torn},
};
use crate::{buckets::Buckets, complain::complain};

impl AuditLog {
    /// Takes the file for this broker, goes on where its chain ends, and records the start. A torn
    /// line at the end is cut off and kept in a line of its own. With `announce` the chain's head is
    /// told on standard error from time to time.
    ///
    /// # Errors
    /// A file that another broker has, or whose last line is none of an audit log; one that cannot
    /// be written.
    pub(crate) fn start(
        file: LogFile,
        policy: Digest,
        facts: &SandboxFacts,
        announce: bool,
    ) -> Result<Self, AuditError> {
        file.lock()?;
        let Tail { head, torn } = end_of(&file)?;
        let continued = head != Head::START || torn.is_some();
        let mut log = Self {
            file,
            head,
            records: 0,
            repeats: Repeats::default(),
            room: Buckets::default(),
            announcer: Announcer::new(announce),
            owed: VecDeque::new(),
            retry: None,
            failed: None,
            removed: None,
            sooner: Rc::default(),
        };
        if let Some(torn) = torn {
            log.repair(&torn)?;
        }
        log.write("start", |line| {
            line.text("policy", &policy.to_string());
            line.text("broker_version", env!("CARGO_PKG_VERSION"));
            line.number("pid", std::process::id().into());
            line.number("uid", nix::unistd::geteuid().as_raw().into());
            line.number("landlock_abi", facts.landlock_abi.into());
            line.flag("net_raw", facts.net_raw);
            line.flag("continued", continued);
        })?;
        log.announcer.tell(log.head, "start");
        Ok(log)
    }

    /// Goes on in the file that is now where the log was opened, if that is another one.
    ///
    /// # Errors
    /// A file that cannot be gone on in: the log stays in the one it has.
    pub(crate) fn reopen(&mut self) -> Result<(), AuditError> {
        if self.file.is_removed()? {
            return self.follow_removal();
        }
        if !self.file.was_moved()? {
            return Ok(());
        }
        let next = self.next_file()?;
        let closed = self.close_windows(|_| true);
        if let Err(error) = closed.and_then(|()| self.write("rotated", |_| {})) {
            // The chain goes on without that line: the next one is written after the last there is.
            complain!("{error}: it ends without saying that it was rotated");
        }
        self.file = next;
        self.announcer.tell(self.head, "rotated");
        Ok(())
    }

    /// What is in the log's place now, empty and taken for this broker.
    fn next_file(&self) -> Result<LogFile, AuditError> {
        let next = self.file.open_anew()?;
        next.lock()?;
        let Tail { head, torn } = end_of(&next)?;
        if head != Head::START || torn.is_some() {
            return Err(
                next.refused("it holds lines already, and this chain goes on in an empty one")
            );
        }
        Ok(next)
    }

    /// Where somebody removed the file, makes it anew, and puts on record there what is missing and where
    /// the chain goes on.
    ///
    /// # Errors
    /// That there is no file to go on in: what would be written is lost, so nothing is to be done.
    pub(super) fn follow_removal(&mut self) -> Result<(), AuditError> {
        if !self.file.is_removed()? {
            return Ok(());
        }
        let next = self.next_file().map_err(|error| self.file.removed(error))?;
        complain!(
            "the audit log {} was removed while this broker wrote to it: it is made anew. Lines up to {} \
             are not in it",
            next.path().display(),
            self.head
        );
        self.file = next;
        self.removed = Some(Instant::now());
        let lost = self.head;
        self.put(&members("removed", |line| {
            line.number("lost_to", lost.seq);
            line.text("message", "the file was removed: the lines up to that number are not here");
        }))
    }

    /// Records the end.
    pub(crate) fn stop(&mut self, policy: Digest) -> Result<(), AuditError> {
        let closed = self.close_windows(|_| true);
        let records = self.records;
        let stopped = self.write("stop", |line| {
            line.text("policy", &policy.to_string());
            line.number("pid", std::process::id().into());
            line.number("records", records);
        });
        self.announcer.tell(self.head, "stop");
        closed.and(stopped).map(drop)
    }

    /// Cuts off what a crash left of a line, and keeps it in a whole one.
    fn repair(&mut self, torn: &Torn) -> Result<(), AuditError> {
        complain!(
            "the audit log {} ends with {} bytes of a line that was not written to its end \
             (SHA-256 {}): they are cut off, and kept in a line of event \"repaired\"",
            self.file.path().display(),
            torn.bytes,
            torn.sha256
        );
        self.file.cut(torn.from)?;
        let written = self.write("repaired", |line| record::repaired(line, torn));
        if written.is_err() {
            // On a full disk the broker does not start, and the evidence stays for the next time. Of
            // more than is kept, its length and hash were said above.
            let _ = self.file.append(&torn.kept);
        }
        written.map(drop)
    }
}

/// Where a file's chain has come to.
fn end_of(file: &LogFile) -> Result<Tail, AuditError> {
    tail::read(&file.file).map_err(|error| match error {
        TailError::Io(error) => file.unwritable(error),
        TailError::Foreign => file.refused(format!(
            "{error}, so nothing is appended: move it away (mv {0} {0}.other) or name another file \
             with --audit",
            file.path().display()
        )),
    })
}
