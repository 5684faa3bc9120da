//! MCP over HTTP against a server of a test's own: one request, one answer, in either era.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

pub use probity_tests::mcp::{Era, LEGACY, MODERN, with_own};
use serde_json::{Value, json};

use super::http::{Answer, HttpServer, read_answer};

/// What an era's client does.
pub trait OverHttp: Sized {
    /// Sends a request and leaves it open.
    fn begin(
        self,
        server: &HttpServer,
        token: &str,
        id: u64,
        method: &str,
        params: Value,
    ) -> TcpStream;

    /// Opens the stream of news that the older era has.
    fn listen(self, server: &HttpServer, token: &str) -> TcpStream;

    /// Sends a request and reads the whole answer.
    fn ask(self, server: &HttpServer, token: &str, method: &str, params: Value) -> Answer {
        read_answer(&mut self.begin(server, token, 7, method, params)).unwrap()
    }

    /// The same of a call; answers its result.
    fn call(self, server: &HttpServer, token: &str, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.ask(server, token, "tools/call", params);
        assert_eq!(answer.status, 200, "{answer:?}");
        last_message(&answer)["result"].clone()
    }
}

impl OverHttp for Era {
    fn begin(
        self,
        server: &HttpServer,
        token: &str,
        id: u64,
        method: &str,
        params: Value,
    ) -> TcpStream {
        let headers = self.headers(token, method, &params);
        post(server, &headers, &self.request(id, method, params).to_string())
    }

    fn listen(self, server: &HttpServer, token: &str) -> TcpStream {
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
