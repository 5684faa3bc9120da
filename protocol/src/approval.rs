//! A call that waits until another person approves it: what is told of it, and what may be answered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ApprovalId, ApprovalNote, ClientLabel, PlanSummary};

/// What who waits is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaiting {
    /// What an approver names it by.
    pub id: ApprovalId,
    /// Who may approve it, as the policy names them: `user ann`, `group leads`.
    pub approvers: Vec<String>,
    /// How long it waits.
    pub expires_in: Duration,
}

/// A call that waits, as an approver sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCall {
    /// What it is named by.
    pub id: ApprovalId,
    /// Who asked, by the kernel's word.
    pub uid: u32,
    /// The name of that account, where it has one.
    pub user: Option<String>,
    /// What the frontend says of its own client.
    pub claimed_client: Option<ClientLabel>,
    /// The name that it was asked by, as the frontend claims.
    pub claimed_name: Option<String>,
    /// What the grant says of itself.
    pub note: Option<String>,
    /// Exactly what would be run.
    pub plan: PlanSummary,
    /// How long it has waited.
    pub waited: Duration,
    /// How much longer it waits.
    pub expires_in: Duration,
    /// Whether who is told may approve it. What he cannot approve is a call of his own.
    pub may_approve: bool,
}

/// What becomes of a call that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApprovalAnswer {
    /// It runs, once.
    Approve,
    /// It does not run.
    Refuse {
        /// Why not, for who asked.
        why: Option<ApprovalNote>,
    },
}
