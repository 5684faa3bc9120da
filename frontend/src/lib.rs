//! The unprivileged half of Probity.
//!
//! It speaks to assistants (MCP), scripts and people, and asks a broker to decide and to run. It
//! holds no privilege and grants none: whatever goes wrong here, the broker allows no more than its
//! policy. It never starts a tool itself.
//!
//! The way of a call: [`request`] reads it, [`resolve`] finds a name's addresses, [`service`] queues
//! it and asks the broker through [`broker_client`], [`result`] turns the answer into the one result
//! object, and [`mcp`] or [`terminal`] shows it; [`progress`] says how far it is meanwhile. [`config`] says how, within what the policy allows.
#![forbid(unsafe_code)]

pub mod access;
pub mod accounts;
pub mod arguments;
pub mod breaker;
pub mod broker_choice;
pub mod broker_client;
pub mod cache;
mod call_end;
pub mod call_events;
pub mod cli;
pub mod client_config;
pub mod commands;
pub mod config;
pub mod confine;
pub mod connect;
pub mod controls;
pub mod doctor;
pub mod embedded;
pub mod error_type;
pub mod events;
pub mod gate;
pub mod health;
pub mod http;
mod json;
pub mod limiter;
pub mod logging;
pub mod mcp;
pub mod meant;
pub mod metrics;
pub mod near;
pub mod progress;
pub mod registry;
pub mod request;
pub mod resolve;
pub mod result;
pub mod schema;
pub mod service;
pub mod shutdown;
pub mod signals;
pub mod suggestion;
pub mod terminal;
#[cfg(test)]
mod test_catalog;
pub mod tool_view;
pub mod watch;
