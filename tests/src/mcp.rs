//! A client of `probity stdio`, line by line: what a test sends is what the frontend reads.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

/// A stdio session of the era of `initialize`.
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    next_id: u64,
    server: Value,
}

impl Session {
    /// Starts a frontend and initializes the session.
    ///
    /// # Errors
    /// Those of the process, and an answer that is none.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let missing = || io::Error::other("no pipe");
        let stdin = Some(child.stdin.take().ok_or_else(missing)?);
        let stdout = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut session = Self { child, stdin, stdout, next_id: 0, server: Value::Null };
        let client = json!({"name": "probity-tests", "version": "0"});
        let mut answer = session.request(
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}),
        )?;
        session.server = answer["result"].take();
        session.notify("notifications/initialized", json!({}))?;
        Ok(session)
    }

    /// Sends a request and waits for its answer: the whole JSON-RPC object.
    ///
    /// # Errors
    /// Those of the pipes, and a line that is no JSON.
    pub fn request(&mut self, method: &str, params: Value) -> io::Result<Value> {
        let id = self.send(method, params)?;
        loop {
            let message = self.message()?;
            if message["id"] == json!(id) {
                return Ok(message);
            }
        }
    }

    /// Sends a request without waiting; answers its id.
    ///
    /// # Errors
    /// Those of the pipe.
    pub fn send(&mut self, method: &str, params: Value) -> io::Result<u64> {
        self.next_id += 1;
        let id = self.next_id;
        self.line(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        Ok(id)
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// Those of the pipe.
    pub fn notify(&mut self, method: &str, params: Value) -> io::Result<()> {
        self.line(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    /// Calls a tool; answers the `result`, or the whole message if it is an error.
    ///
    /// # Errors
    /// As [`Session::request`].
    pub fn call(&mut self, tool: &str, arguments: Value) -> io::Result<Value> {
        let mut answer =
            self.request("tools/call", json!({"name": tool, "arguments": arguments}))?;
        Ok(match answer.get_mut("result") {
            Some(result) => result.take(),
            None => answer,
        })
    }

    /// The next message, whatever it is.
    ///
    /// # Errors
    /// The end of the session, and a line that is no JSON.
    pub fn message(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_str(&line)
            .map_err(|error| io::Error::other(format!("not JSON ({error}): {line}")))
    }

    /// What it answered to `initialize`.
    #[must_use]
    pub fn server(&self) -> &Value {
        &self.server
    }

    /// The frontend's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its input and waits for its end.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn close(&mut self) -> io::Result<Option<i32>> {
        self.stdin = None;
        Ok(self.child.wait()?.code())
    }

    /// Ends it with a signal, as systemd and Ctrl-C do, and waits for its exit code. Calls that still
    /// run have the time of `shutdown.grace`.
    ///
    /// # Errors
    /// Those of `kill(2)` and `wait(2)`.
    pub fn end(&mut self, signal: Signal) -> io::Result<Option<i32>> {
        self.signal(signal)?;
        self.wait()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// Those of `kill(2)`.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }

    /// Waits for its exit code; none where a signal ended it.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn wait(&mut self) -> io::Result<Option<i32>> {
        Ok(self.child.wait()?.code())
    }

    /// Closes its input alone.
    pub fn say_no_more(&mut self) {
        self.stdin = None;
    }

    /// Goes as a client that is killed does: nobody writes and nobody reads any more.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn vanish(&mut self) -> io::Result<()> {
        self.stdin = None;
        let (nothing, _) = io::pipe()?;
        self.stdout = BufReader::new(ChildStdout::from(std::os::fd::OwnedFd::from(nothing)));
        Ok(())
    }

    fn line(&mut self, message: &Value) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{message}")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}
