//! A client of MCP over HTTP as plain as can be: one request, one answer, in either era.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::http::{Answer, HttpServer};

/// 2025-11-25: a handshake, and a session's id from then on.
pub const LEGACY: Era = Era { version: "2025-11-25", session: None };
/// 2026-07-28: everything in each request.
pub const MODERN: Era = Era { version: "2026-07-28", session: None };

#[derive(Debug, Clone, Copy)]
pub struct Era {
    pub version: &'static str,
    /// Sent along where there is one.
    pub session: Option<&'static str>,
}

impl Era {
    pub fn is_modern(self) -> bool {
        self.version == MODERN.version
    }

    pub const fn in_session(self, id: &'static str) -> Self {
        Self { session: Some(id), ..self }
    }

    /// A request's headers, but for those of every request.
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

    pub fn message(self, id: u64, method: &str, mut params: Value) -> Value {
        if self.is_modern() {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!(self.version);
            meta["io.modelcontextprotocol/clientInfo"] =
                json!({ "name": "a test", "version": "1" });
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// Sends a request and reads the whole answer.
    pub fn ask(self, server: &HttpServer, token: &str, method: &str, params: Value) -> Answer {
        let mut stream = self.begin(server, token, 7, method, params);
        super::http::read_answer(&mut stream).unwrap()
    }

    /// The same of a call; answers its result.
    pub fn call(self, server: &HttpServer, token: &str, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.ask(server, token, "tools/call", params);
        assert_eq!(answer.status, 200, "{answer:?}");
        last_message(&answer)["result"].clone()
    }

    /// Sends a request and leaves it open.
    pub fn begin(
        self,
        server: &HttpServer,
        token: &str,
        id: u64,
        method: &str,
        params: Value,
    ) -> TcpStream {
        let headers = self.headers(token, method, &params);
        post(server, &headers, &self.message(id, method, params).to_string())
    }

    /// Opens the stream of news that the older era has.
    pub fn listen(self, server: &HttpServer, token: &str) -> TcpStream {
        let headers = self.headers(token, "", &json!({}));
        let mut stream = server.connect().unwrap();
        let host = server.host();
        write!(stream, "GET /mcp HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").unwrap();
        stream
    }
}

/// Posts a body with these headers and leaves the request open.
pub fn post(server: &HttpServer, headers: &str, body: &str) -> TcpStream {
    let mut stream = server.connect().unwrap();
    let (host, length) = (server.host(), body.len());
    // A server that has answered already reads no more.
    let _ = write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream
}

/// Reads until this has come.
pub fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let so_far = String::from_utf8_lossy(&read).into_owned();
        if so_far.contains(text) {
            return so_far;
        }
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "no {text:?} in {so_far:?}");
        read.extend_from_slice(&buffer[..length]);
    }
}

/// The messages of an answer, which is one or a stream of them.
pub fn messages(answer: &Answer) -> Vec<Value> {
    if answer.header("content-type") == Some("application/json") {
        return vec![answer.json()];
    }
    let lines = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

pub fn last_message(answer: &Answer) -> Value {
    messages(answer).pop().unwrap_or_else(|| panic!("no message: {answer:?}"))
}
