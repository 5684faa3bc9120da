//! The servers: who asks and what they may, MCP over standard input and HTTP, and REST.

pub mod access;
mod call_end;
pub mod http;
pub mod mcp;
