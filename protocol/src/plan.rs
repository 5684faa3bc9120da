//! A plan, as it is told: what is executed, within which limits, and how it is confined.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Tier, ToolName};

/// An approved run, as it would be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// The tool's short name.
    pub tool: ToolName,
    /// The address or network it is aimed at.
    pub target: String,
    /// The program's path, then its arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    /// The tier the merged options came to.
    pub tier: Tier,
    /// Wall-clock limit.
    pub timeout: Duration,
    /// Who may approve it, as the policy names them. It waits for one of them; empty where nobody has to.
    pub approvers: Vec<String>,
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Open descriptors.
    pub open_files: u64,
    /// Standard output kept, in bytes.
    pub stdout_bytes: u64,
    /// Standard error kept, in bytes.
    pub stderr_bytes: u64,
    /// How it is confined.
    pub sandbox: SandboxSummary,
}

/// The confinement of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSummary {
    /// `CAP_NET_RAW` is passed to it.
    pub net_raw: bool,
    /// The syscall profile.
    pub syscalls: String,
    /// Files and folders it may read, beyond libraries.
    pub read: Vec<String>,
    /// Programs it may execute.
    pub execute: Vec<String>,
}
