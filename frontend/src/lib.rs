//! The unprivileged half of Probity.
//!
//! It speaks to assistants (MCP), scripts and people, and asks a broker to decide and to run. It
//! holds no privilege and grants none: whatever goes wrong here, the broker allows no more than its
//! policy. It never starts a tool itself.
//!
//! Ten rooms. Each uses those below it and none above; a test holds that.
//!
//! ```text
//! terminal   the command line                    cli, commands, connect, printing
//! admin      for whoever runs a server           doctor, client_config
//! serve      MCP and HTTP                        access, mcp, http
//! watches    calls that come by themselves       file, schedule, condition, runner, metrics, webhook
//! calls      a call, from request to result      request, published, control, result, observe, service
//! output     a tool's output as it comes         progress
//! broker     which broker, and how it is asked   client, choice, embedded, accounts, resolve
//! process    this process                        logging, events, signals, shutdown, confine
//! config     the settings
//! text       texts                               near, json
//! ```
#![forbid(unsafe_code)]

pub mod admin;
pub mod broker;
pub mod calls;
pub mod config;
pub mod output;
pub mod process;
pub mod serve;
pub mod terminal;
pub mod text;
pub mod watches;

#[cfg(test)]
mod test_catalog;
