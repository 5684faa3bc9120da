//! An MCP client as plain as can be: it writes lines of JSON and reads lines of JSON.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// 2026-07-28: no handshake, everything in each request's `_meta`.
    modern: bool,
    /// Notifications that came while an answer was awaited.
    pub notifications: Vec<Value>,
}

impl Session {
    /// Starts `probity stdio` and shakes hands as the era has it.
    pub fn start(socket: &Path, modern: bool) -> Self {
        let mut session = Self::silent(socket, modern);
        if modern {
            let answer = session.ask(1, "server/discover", json!({}));
            let versions = &answer["result"]["supportedVersions"];
            assert!(versions.as_array().unwrap().contains(&json!("2026-07-28")), "{answer}");
        } else {
            let client = json!({ "name": "a test", "version": "1" });
            let answer = session.ask(
                1,
                "initialize",
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }),
            );
            assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
            assert_eq!(answer["result"]["serverInfo"]["name"], "probity");
            session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        }
        session
    }

    /// Starts `probity stdio` and says nothing yet.
    pub fn silent(socket: &Path, modern: bool) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_probity"))
            .args(["stdio", "--socket"])
            .arg(socket)
            .env_remove("LOG_LEVEL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, lines, modern, notifications: Vec::new() }
    }

    pub fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Sends a request without waiting for its answer.
    pub fn request(&mut self, id: u64, method: &str, mut params: Value) {
        if self.modern {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientInfo"] =
                json!({ "name": "a test", "version": "1" });
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.request(id, method, params);
        self.answer(id)
    }

    pub fn call(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        self.ask(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// The answer to a request. Whatever else comes has to be JSON-RPC too.
    pub fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.next().expect("no answer in time");
            if message["id"] == id {
                return message;
            }
            assert!(message.get("method").is_some(), "not asked for: {message}");
            self.notifications.push(message);
        }
    }

    /// The next line, which has to be JSON-RPC.
    pub fn next(&mut self) -> Option<Value> {
        let line = self.lines.recv_timeout(Duration::from_secs(10)).ok()?;
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        Some(message)
    }

    /// Closes standard input and waits for the end.
    pub fn close(mut self) -> i32 {
        self.input.take();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
