//! `probity stdio` over a scripted broker, and the harness's client of it: whatever is not as it should be
//! fails the test at once.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use probity_tests::mcp::{Client, Era, Input, LEGACY, MODERN};

use serde_json::{Value, json};

pub struct Session {
    client: Client,
    era: Era,
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
            assert!(versions.as_array().unwrap().contains(&json!(session.era.version)), "{answer}");
        } else {
            session.initialize();
        }
        session
    }

    /// Shakes hands as the older era does.
    pub fn initialize(&mut self) {
        let answer = self.client.initialize(1).unwrap();
        assert_eq!(answer["result"]["protocolVersion"], LEGACY.version, "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "probity");
    }

    /// Starts `probity stdio` and says nothing yet.
    pub fn silent(socket: &Path, modern: bool) -> Self {
        Self::with(socket, modern, &[])
    }

    /// The same, with variables in its environment.
    pub fn with(socket: &Path, modern: bool, variables: &[(&str, &str)]) -> Self {
        let mut session = Self::spawn(socket, modern, variables);
        session.client.read_at_once();
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.args(["stdio", "--socket"]).arg(socket).env_remove("LOG_LEVEL");
        command.envs(variables.iter().copied()).stderr(Stdio::null());
        let era = if modern { MODERN } else { LEGACY };
        let client = Client::start(command, era).unwrap();
        Self { client, era, notifications: Vec::new() }
    }

    /// Writes a line as it is.
    pub fn line(&mut self, line: &[u8]) {
        self.client.input().unwrap().line(line).unwrap();
    }

    /// Writes a part of a line.
    pub fn partial(&mut self, bytes: &[u8]) {
        self.client.input().unwrap().bytes(bytes).unwrap();
    }

    pub fn send(&mut self, message: &Value) {
        self.line(message.to_string().as_bytes());
    }

    /// Sends a request without waiting for its answer.
    pub fn request(&mut self, id: u64, method: &str, params: Value) {
        self.client.input().unwrap().request(id, method, params).unwrap();
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

    /// The next line, which has to be JSON-RPC; none at the end, or where none comes.
    pub fn next(&mut self) -> Option<Value> {
        let line = self.next_line()?;
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        Some(message)
    }

    /// The next line, whatever it is.
    pub fn next_line(&mut self) -> Option<String> {
        self.client.line().ok()
    }

    /// The client's side of standard input, to be written from elsewhere.
    pub fn detached_input(&mut self) -> Input {
        self.client.take_input().unwrap()
    }

    /// Closes standard input and waits for the end.
    pub fn close(mut self) -> i32 {
        self.client.say_no_more();
        self.exit_code()
    }

    /// Waits for the end.
    pub fn exit_code(mut self) -> i32 {
        self.client.wait().unwrap().unwrap()
    }

    /// Writes so many requests, or as many as are taken until `patience` is over. Answers how many.
    pub fn flood(&mut self, requests: usize, patience: Duration) -> usize {
        self.flood_with(requests, patience, |input, id| {
            input.request(id, "tools/list", json!({})).is_ok()
        })
    }

    /// Asks and cancels at once, so many times. Answers how many were taken.
    pub fn flood_cancelled(&mut self, requests: usize, patience: Duration) -> usize {
        let era = self.era;
        self.flood_with(requests, patience, move |input, id| {
            let request = era.request(id, "tools/list", json!({}));
            let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": { "requestId": id } });
            input.line(format!("{request}\n{cancel}").as_bytes()).is_ok()
        })
    }

    fn flood_with(
        &mut self,
        requests: usize,
        patience: Duration,
        write: impl Fn(&mut Input, u64) -> bool + Send + 'static,
    ) -> usize {
        let mut input = self.detached_input();
        let (sender, written) = channel();
        thread::spawn(move || {
            // The end of the server ends this.
            for id in 0..requests {
                if !write(&mut input, id as u64) || sender.send(()).is_err() {
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
        self.client.stop_reading();
    }

    /// Resident memory of the server.
    pub fn resident_kib(&self) -> u64 {
        self.client.resident_kib().unwrap()
    }

    /// Closes what is left of the client's ends, as its death would.
    pub fn abandon(&mut self) {
        self.stop_reading();
        self.client.say_no_more();
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) {
        self.client.signal(signal).unwrap();
    }

    /// Whether the server has ended by then.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        self.client.ends_within(patience)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.client.kill();
    }
}
