//! A validated policy. It cannot be made but by `validate`, and it never changes.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use probity_protocol::{Digest, ToolName};
use serde::Serialize;

use crate::{
    accounts::Accounts,
    approvers::Approver,
    grants::{Grant, GrantIndex},
    lines::Lines,
    source::Place,
    subject::Subject,
    targets::Targets,
    tool::Tool,
};

/// Who may do what to whom, and what nobody exceeds.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) digest: Digest,
    pub(crate) targets: Targets,
    pub(crate) ceilings: Ceilings,
    pub(crate) landlock_abi_min: u32,
    pub(crate) grants: Vec<Grant>,
    pub(crate) approvers: Vec<Approver>,
    /// This machine's, which tell who is one person.
    pub(crate) accounts: Accounts,
    pub(crate) audit_path: PathBuf,
    pub(crate) tools: Vec<Arc<Tool>>,
    /// Indexes into `tools`, by name and alias.
    pub(crate) names: HashMap<String, usize>,
    /// `grants` by whom they are for.
    pub(crate) grant_index: GrantIndex,
    pub(crate) excluded: Vec<ExcludedTool>,
    pub(crate) warnings: Vec<Warning>,
    /// Where its parts stand, for denials.
    pub(crate) lines: Lines,
}

/// What nobody exceeds.
#[derive(Debug, Clone, Serialize)]
pub struct Ceilings {
    /// Wall-clock time of a run.
    pub timeout: Duration,
    /// Runs at once, all tools and users together.
    pub concurrency: u32,
    /// Runs at once of one user.
    pub concurrency_per_user: u32,
    /// Runs of one tool that wait for a place. With 0 nobody waits.
    pub queue: u32,
    /// Connections at once.
    pub connections: u32,
    /// Connections at once of one user.
    pub connections_per_user: u32,
    /// Requests of one user in a second.
    pub requests_per_second: u32,
    /// How long a call waits for another person to approve it.
    pub approval_ttl: Duration,
    /// Address space of a tool, in bytes.
    pub memory_bytes: u64,
    /// Open descriptors of a tool.
    pub open_files: u64,
    /// Standard output kept, in bytes.
    pub stdout_bytes: u64,
    /// Standard error kept, in bytes.
    pub stderr_bytes: u64,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3600),
            concurrency: 8,
            concurrency_per_user: 4,
            queue: 50,
            connections: 256,
            connections_per_user: 128,
            requests_per_second: 1000,
            approval_ttl: Duration::from_secs(600),
            memory_bytes: 512 << 20,
            open_files: 256,
            stdout_bytes: 1 << 20,
            stderr_bytes: 256 << 10,
        }
    }
}

/// A file of `tools.d` that is not loaded because of the name in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExcludedTool {
    /// The file.
    pub file: String,
    /// The name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Where the name stands.
    pub place: Place,
}

/// Something legal that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

impl Policy {
    /// The digest of the effective policy: comments, order, spelling and defaults that are written
    /// out do not change it, and everything that could change a decision or what is published does.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What nobody exceeds.
    #[must_use]
    pub fn ceilings(&self) -> &Ceilings {
        &self.ceilings
    }

    /// The longest run of a tool that anybody gets.
    pub(crate) fn longest(&self, tool: &Tool) -> Duration {
        tool.max_timeout.map_or(self.ceilings.timeout, |most| most.min(self.ceilings.timeout))
    }

    /// The least Landlock ABI that the administrator accepts.
    #[must_use]
    pub fn landlock_abi_min(&self) -> u32 {
        self.landlock_abi_min
    }

    /// Where the audit log goes.
    #[must_use]
    pub fn audit_path(&self) -> &PathBuf {
        &self.audit_path
    }

    /// The tools, in the order of their files.
    #[must_use]
    pub fn tools(&self) -> &[Arc<Tool>] {
        &self.tools
    }

    /// Files that were left out because of the tool's name.
    #[must_use]
    pub fn excluded(&self) -> &[ExcludedTool] {
        &self.excluded
    }

    /// What is legal but probably not meant.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A tool by its name or an alias of it.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.names.get(name).and_then(|&at| self.tools.get(at))
    }

    /// The number of a tool in the list of tools, by its name or an alias of it.
    pub(crate) fn tool_number(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Who may approve this user's calls of a tool.
    pub(crate) fn approvers(&self, tool: &ToolName, uid: u32) -> impl Iterator<Item = &Approver> {
        let is_known = !self.accounts.is_subordinate(uid);
        let others = self.approvers.iter();
        let others = others.filter(move |approver| is_known && approver.is_other_than(uid));
        others.filter(move |approver| approver.tools.has(tool))
    }

    /// Whether `subject` may approve a call of a tool that the user `asked_by` made.
    // RULE: Nobody approves a call of his own.
    #[must_use]
    pub fn may_approve(&self, subject: &Subject, tool: &ToolName, asked_by: u32) -> bool {
        // RULE: A number that somebody has besides his own is nobody else.
        subject.uid != asked_by
            && !self.accounts.is_subordinate(subject.uid)
            && self.approvers(tool, asked_by).any(|approver| approver.is(subject))
    }
}
