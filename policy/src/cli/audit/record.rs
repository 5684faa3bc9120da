//! What a line says, as far as questions are asked of it. Keys that are not known here are left
//! alone, so that logs of later brokers can be read; `docs/audit.md` lists them all.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use crate::cli::written::parse_network;

/// A line of the log.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub seq: u64,
    pub time: String,
    pub event: String,
    pub pid: Option<u64>,
    pub uid: Option<u32>,
    pub user: Option<String>,
    pub correlation_id: Option<String>,
    pub claimed_client: Option<String>,
    pub tool: Option<String>,
    pub target: Option<String>,
    pub claimed_name: Option<String>,
    pub claimed_addresses: Vec<IpAddr>,
    pub target_defect: Option<String>,
    pub arguments_defect: Option<String>,
    pub preset: Option<String>,
    pub options: Vec<String>,
    pub extra_args: Vec<String>,
    pub verdict: Option<String>,
    pub dry_run: bool,
    pub code: Option<String>,
    pub kind: Option<String>,
    pub message: Option<String>,
    /// The target as the tool was given it.
    pub address: Option<String>,
    pub argv: Vec<String>,
    pub rule: Option<String>,
    pub decision_seq: Option<u64>,
    pub tool_pid: Option<u64>,
    pub exit_code: Option<u64>,
    pub signal: Option<u64>,
    pub end: Option<String>,
    pub sandbox_violation: bool,
    pub duration_ms: Option<u64>,
    pub of: Option<String>,
    pub first_seq: Option<u64>,
    pub count: Option<u64>,
    pub first_time: Option<String>,
    pub last_time: Option<String>,
    pub outcome: Option<String>,
    /// Of a call that waits for another person.
    pub id: Option<String>,
    pub approvers: Vec<String>,
    pub asked_by_uid: Option<u32>,
    pub asked_by: Option<String>,
    pub why: Option<String>,
    pub broker_version: Option<String>,
    pub continued: bool,
    pub fence_first: Option<String>,
    pub fence_refusals: Option<u64>,
    pub torn_bytes: Option<u64>,
    pub records: Option<u64>,
}

impl Record {
    /// `None` for what is no line of the log.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(line).ok()?;
        (record.seq > 0 && !record.event.is_empty()).then_some(record)
    }

    /// `approved` or `denied`, of a decision and of denials that came again.
    pub(super) fn verdict(&self) -> Option<&str> {
        let again = self.event == "repeated" && self.of.as_deref() == Some("decision");
        self.verdict.as_deref().or(again.then_some("denied"))
    }

    /// Whether a run follows, and a line about its end.
    pub(super) fn begins_a_run(&self) -> bool {
        self.event == "decision" && self.verdict.as_deref() == Some("approved") && !self.dry_run
    }

    /// Every network and address that was aimed at: as asked, as the frontend claimed, as pinned.
    pub(super) fn aims(&self) -> impl Iterator<Item = IpNet> {
        let texts = [&self.target, &self.address].into_iter().flatten();
        let claimed = self.claimed_addresses.iter().map(|address| IpNet::from(*address));
        texts.filter_map(|text| parse_network(text)).chain(claimed)
    }
}
