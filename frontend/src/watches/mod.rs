//! Watches: calls that come again by themselves, and what somebody wants to be told of them.
//!
//! [`file`](mod@file) reads what is to be watched, [`written`] writes it, [`schedule`] says when, [`condition`]
//! what is told, [`runner`] has it done by a [`caller`], [`metrics`] counts it, and [`webhook`] carries the
//! news out. [`served`] puts all of it together for a server. A watch is put to the service as any other
//! call, so the policy decides each time anew. Nothing here runs a tool or asks a broker.

pub mod caller;
pub mod condition;
pub mod cron;
pub mod defects;
pub mod figures;
pub mod file;
pub mod metrics;
pub mod name;
pub mod runner;
#[cfg(test)]
mod samples;
pub mod schedule;
pub mod served;
mod slots;
pub mod standing;
pub mod told;
pub mod tools;
pub mod watch;
pub mod webhook;
pub mod written;
