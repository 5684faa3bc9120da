//! A stdio session of the era of `initialize`, for suites that ask and look at answers.

use std::{io, process::Command};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Client, LEGACY};

/// The session. Its numbers of requests are its own affair.
pub struct Session {
    client: Client,
    next_id: u64,
    server: Value,
}

impl Session {
    /// Starts a frontend and initializes the session.
    ///
    /// # Errors
    /// Those of the process, and an answer that is none.
    pub fn start(command: Command) -> io::Result<Self> {
        let mut client = Client::start(command, LEGACY)?;
        let mut answer = client.initialize(1)?;
        Ok(Self { client, next_id: 1, server: answer["result"].take() })
    }

    /// Sends a request and waits for its answer: the whole JSON-RPC object.
    ///
    /// # Errors
    /// Those of the pipes, and a line that is no message.
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
        self.client.input()?.request(self.next_id, method, params)?;
        Ok(self.next_id)
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// Those of the pipe.
    pub fn notify(&mut self, method: &str, params: Value) -> io::Result<()> {
        self.client.input()?.notify(method, params)
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
    /// The end of the session, and a line that is no message.
    pub fn message(&mut self) -> io::Result<Value> {
        self.client.message()
    }

    /// What it answered to `initialize`.
    #[must_use]
    pub fn server(&self) -> &Value {
        &self.server
    }

    /// The frontend's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.client.pid()
    }

    /// Closes its input and waits for its end.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn close(&mut self) -> io::Result<Option<i32>> {
        self.say_no_more();
        self.wait()
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
        self.client.signal(signal)
    }

    /// Waits for its exit code; none where a signal ended it.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn wait(&mut self) -> io::Result<Option<i32>> {
        self.client.wait()
    }

    /// Closes its input alone.
    pub fn say_no_more(&mut self) {
        self.client.say_no_more();
    }

    /// Goes as a client that is killed does: nobody writes and nobody reads any more.
    pub fn vanish(&mut self) {
        self.say_no_more();
        self.client.stop_reading();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.close();
    }
}
