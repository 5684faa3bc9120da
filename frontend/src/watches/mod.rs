//! Watches: calls that come again by themselves, and what somebody wants to be told of them.
//!
//! [`file`](mod@file) reads what is to be watched, [`schedule`] says when, [`condition`] what is told,
//! [`runner`] has it done, [`metrics`] counts it, and [`webhook`] carries the news out. How a call is made
//! is the business of whoever starts a runner: a watch is put to the service as any other call, so the
//! policy decides each time anew. Nothing here runs a tool, asks a broker, or writes a file.

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
mod slots;
pub mod standing;
pub mod told;
pub mod tools;
pub mod watch;
pub mod webhook;
