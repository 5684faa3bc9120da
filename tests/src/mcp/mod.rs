//! MCP as plain as can be, for every suite: a client over standard input and output ([`Client`], and
//! [`Session`] where only answers matter), and what requests of either era look like ([`Era`]), over HTTP
//! too.
//!
//! The official clients are in [`crate::clients`]: these show what is on the wire, and mend nothing.

use serde_json::{Value, json};

mod client;
mod session;

pub use self::{
    client::{Client, Input},
    session::Session,
};

/// An era of the protocol, and a session in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Era {
    /// The version that is asked for.
    pub version: &'static str,
    /// The session's id over HTTP, sent along where there is one.
    pub session: Option<&'static str>,
}

/// 2025-11-25: a handshake, and over HTTP a session's id from then on.
pub const LEGACY: Era = Era { version: "2025-11-25", session: None };
/// 2026-07-28: no handshake, everything in each request's `_meta`.
pub const MODERN: Era = Era { version: "2026-07-28", session: None };

/// How these clients name themselves.
fn client_info() -> Value {
    json!({ "name": "a test", "version": "1" })
}

/// The frontend's own tools, as they stand behind those of the policy.
pub const OWN_TOOLS: [&str; 6] =
    ["read_result", "run_status", "run_result", "run_cancel", "run_list", "compare_runs"];

/// What a client finds where these tools of the policy are published.
#[must_use]
pub fn with_own(tools: &[&str]) -> Vec<String> {
    tools.iter().chain(&OWN_TOOLS).map(ToString::to_string).collect()
}

impl Era {
    /// Whether each request says everything.
    #[must_use]
    pub fn is_modern(self) -> bool {
        self.version == MODERN.version
    }

    /// The same in a session.
    #[must_use]
    pub const fn in_session(self, id: &'static str) -> Self {
        Self { session: Some(id), ..self }
    }

    /// A request as this era writes it.
    #[must_use]
    pub fn request(self, id: u64, method: &str, mut params: Value) -> Value {
        if self.is_modern() {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!(self.version);
            meta["io.modelcontextprotocol/clientInfo"] = client_info();
            let capabilities = &mut meta["io.modelcontextprotocol/clientCapabilities"];
            if capabilities.is_null() {
                *capabilities = json!({});
            }
        }
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// A request's headers over HTTP, but for those of every request.
    #[must_use]
    pub fn headers(self, token: &str, method: &str, params: &Value) -> String {
        let mut headers = format!(
            "Authorization: Bearer {token}\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: {}\r\n",
            self.version
        );
        if self.is_modern() {
            headers += &format!("Mcp-Method: {method}\r\n");
            let name = params["name"].as_str().or(params["uri"].as_str());
            headers += &name.map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
        }
        if let Some(session) = self.session {
            headers += &format!("Mcp-Session-Id: {session}\r\n");
        }
        headers
    }
}
