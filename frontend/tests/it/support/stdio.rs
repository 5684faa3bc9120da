//! An MCP client as plain as can be: it writes lines of JSON and reads lines of JSON.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

pub struct Session {
    child: Child,
    input: Option<Input>,
    lines: Receiver<String>,
    /// Kept open and never read, for a client that does not.
    unread: Option<ChildStdout>,
    /// Notifications that came while an answer was awaited.
    pub notifications: Vec<Value>,
}

/// The client's side of standard input.
pub struct Input {
    pipe: ChildStdin,
    /// 2026-07-28: no handshake, everything in each request's `_meta`.
    modern: bool,
}

impl Input {
    /// Writes a line.
    pub fn line(&mut self, line: &[u8]) {
        self.pipe.write_all(&[line, b"\n"].concat()).unwrap();
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
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.line(request.to_string().as_bytes());
    }
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
            session.initialize();
        }
        session
    }

    /// Shakes hands as the older era does.
    pub fn initialize(&mut self) {
        let client = json!({ "name": "a test", "version": "1" });
        let params =
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let answer = self.ask(1, "initialize", params);
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "probity");
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    /// Starts `probity stdio` and says nothing yet.
    pub fn silent(socket: &Path, modern: bool) -> Self {
        Self::with(socket, modern, &[])
    }

    /// The same, with variables in its environment.
    pub fn with(socket: &Path, modern: bool, variables: &[(&str, &str)]) -> Self {
        let mut session = Self::spawn(socket, modern, variables);
        let output = BufReader::new(session.unread.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        session.lines = lines;
        session
    }

    /// Starts it for a client that never reads.
    pub fn unread(socket: &Path) -> Self {
        Self::unread_with(socket, &[])
    }

    /// The same, with variables in its environment.
    pub fn unread_with(socket: &Path, variables: &[(&str, &str)]) -> Self {
        Self::spawn(socket, true, variables)
    }

    fn spawn(socket: &Path, modern: bool, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_probity"))
            .args(["stdio", "--socket"])
            .arg(socket)
            .env_remove("LOG_LEVEL")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let unread = child.stdout.take();
        let input = child.stdin.take().map(|pipe| Input { pipe, modern });
        Self { child, input, lines: channel().1, unread, notifications: Vec::new() }
    }

    fn input(&mut self) -> &mut Input {
        self.input.as_mut().unwrap()
    }

    /// Writes a line as it is.
    pub fn line(&mut self, line: &[u8]) {
        self.input().line(line);
    }

    /// Writes a part of a line.
    pub fn partial(&mut self, bytes: &[u8]) {
        self.input().pipe.write_all(bytes).unwrap();
    }

    pub fn send(&mut self, message: &Value) {
        self.line(message.to_string().as_bytes());
    }

    /// Sends a request without waiting for its answer.
    pub fn request(&mut self, id: u64, method: &str, params: Value) {
        self.input().request(id, method, params);
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
        let line = self.next_line()?;
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        Some(message)
    }

    /// The next line, whatever it is.
    pub fn next_line(&mut self) -> Option<String> {
        self.lines.recv_timeout(Duration::from_secs(10)).ok()
    }

    /// The client's side of standard input, to be written from elsewhere.
    pub fn detached_input(&mut self) -> Input {
        self.input.take().unwrap()
    }

    /// Closes standard input and waits for the end.
    pub fn close(mut self) -> i32 {
        self.input.take();
        self.exit_code()
    }

    /// Waits for the end.
    pub fn exit_code(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    /// Writes so many requests, or as many as are taken until `patience` is over. Answers how many.
    pub fn flood(&mut self, requests: usize, patience: Duration) -> usize {
        let mut input = self.detached_input();
        let (sender, written) = channel();
        thread::spawn(move || {
            for id in 0..requests {
                let line = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": {
                    "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                        "io.modelcontextprotocol/clientInfo": { "name": "a test", "version": "1" },
                        "io.modelcontextprotocol/clientCapabilities": {} } } });
                // The end of the server ends this.
                if input.pipe.write_all(format!("{line}\n").as_bytes()).is_err()
                    || sender.send(()).is_err()
                {
                    return;
                }
            }
        });
        let deadline = Instant::now() + patience;
        let mut count = 0;
        while written.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {
            count += 1;
        }
        count
    }

    /// Asks and cancels at once, so many times. Answers how many were taken.
    pub fn flood_cancelled(&mut self, requests: usize, patience: Duration) -> usize {
        let mut input = self.detached_input();
        let (sender, written) = channel();
        thread::spawn(move || {
            for id in 0..requests {
                let request = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": {
                    "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                        "io.modelcontextprotocol/clientInfo": { "name": "a test", "version": "1" },
                        "io.modelcontextprotocol/clientCapabilities": {} } } });
                let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
                    "params": { "requestId": id } });
                let lines = format!("{request}\n{cancel}\n");
                if input.pipe.write_all(lines.as_bytes()).is_err() || sender.send(()).is_err() {
                    return;
                }
            }
        });
        let deadline = Instant::now() + patience;
        let mut count = 0;
        while written.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {
            count += 1;
        }
        count
    }

    /// Closes the end that the server writes to.
    pub fn stop_reading(&mut self) {
        self.unread.take();
    }

    /// Resident memory of the server.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Closes what is left of the client's ends, as its death would.
    pub fn abandon(&mut self) {
        self.unread.take();
        self.input.take();
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Whether the server has ended by then.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
