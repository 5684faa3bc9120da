//! The servers: who asks and what they may, the page for people, MCP over standard input and HTTP, and REST.

pub mod access;
mod call_end;
pub mod http;
pub mod mcp;
pub mod page;
