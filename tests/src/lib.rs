//! What the suites stand on: a lab of network namespaces, a broker started as an administrator
//! would start it, and peers that speak its protocol.
//!
//! The suites are in `tests/`: one binary for each way of running them, one module for each promise. This
//! library holds no assertion.
#![forbid(unsafe_code)]

pub mod alone;
pub mod broker;
pub mod clients;
pub mod clock;
pub mod collector;
pub mod container;
pub mod count;
pub mod http;
pub mod http_rig;
pub mod imports;
pub mod lab;
pub mod leftovers;
pub mod machine;
pub mod mcp;
pub mod needs;
pub mod peer;
pub mod procs;
pub mod prometheus;
pub mod rig;
pub mod served;
pub mod sse;
mod tokens;
pub mod world;

/// The shipped tools of the standard tier, by name.
pub const STANDARD_TOOLS: [&str; 12] = [
    "arp",
    "dns",
    "http",
    "mtr",
    "nmap",
    "path_mtu",
    "ping",
    "port",
    "route",
    "scanner",
    "tls",
    "traceroute",
];
