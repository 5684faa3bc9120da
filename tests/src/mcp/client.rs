//! A client of `probity stdio` as plain as can be: what a test writes is what the server reads, line by
//! line, and whatever the server writes is given back as it comes. It answers nothing by itself.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    mem,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{Era, LEGACY, client_info};
use crate::procs::wait_until;

/// For whatever has to come at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that was started, and both ends of its pipes.
pub struct Client {
    child: Child,
    input: Option<Input>,
    output: Output,
}

/// The client's side of standard input.
pub struct Input {
    pipe: ChildStdin,
    era: Era,
}

enum Output {
    /// Read when somebody asks for a line. Until then the server waits, once the pipe is full.
    OnDemand(BufReader<ChildStdout>),
    /// Read by a thread at once, so that the server never waits.
    AtOnce(Receiver<String>),
    Closed,
}

impl Input {
    /// Writes bytes as they are.
    ///
    /// # Errors
    /// Those of the pipe.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pipe.write_all(bytes)
    }

    /// Writes a line.
    ///
    /// # Errors
    /// Those of the pipe.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.bytes(&[line, b"\n"].concat())
    }

    /// Sends a request without waiting for its answer.
    ///
    /// # Errors
    /// Those of the pipe.
    pub fn request(&mut self, id: u64, method: &str, params: Value) -> io::Result<()> {
        self.line(self.era.request(id, method, params).to_string().as_bytes())
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// Those of the pipe.
    pub fn notify(&mut self, method: &str, params: Value) -> io::Result<()> {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.line(message.to_string().as_bytes())
    }
}

impl Client {
    /// Starts a server and says nothing yet. It is read as lines are asked for. The command has all but
    /// its standard input and output.
    ///
    /// # Errors
    /// Those of the process.
    pub fn start(mut command: Command, era: Era) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let missing = || io::Error::other("no pipe");
        let pipe = child.stdin.take().ok_or_else(missing)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let input = Some(Input { pipe, era });
        Ok(Self { child, input, output: Output::OnDemand(output) })
    }

    /// Reads from now on whatever comes as it comes.
    pub fn read_at_once(&mut self) {
        if let Output::OnDemand(stdout) = mem::replace(&mut self.output, Output::Closed) {
            let (sender, lines) = channel();
            thread::spawn(move || {
                stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
            });
            self.output = Output::AtOnce(lines);
        }
    }

    /// Shakes hands as the older era does; what it answered.
    ///
    /// # Errors
    /// Those of the pipes, and an answer that is none.
    pub fn initialize(&mut self, id: u64) -> io::Result<Value> {
        let params = json!({ "protocolVersion": LEGACY.version, "capabilities": {},
            "clientInfo": client_info() });
        self.input()?.request(id, "initialize", params)?;
        let answer = loop {
            let message = self.message()?;
            if message["id"] == json!(id) {
                break message;
            }
        };
        self.input()?.notify("notifications/initialized", json!({}))?;
        Ok(answer)
    }

    /// Where to write.
    ///
    /// # Errors
    /// That it was closed.
    pub fn input(&mut self) -> io::Result<&mut Input> {
        self.input.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Standard input, to be written from elsewhere; none where it was closed.
    pub fn take_input(&mut self) -> Option<Input> {
        self.input.take()
    }

    /// The next line, whatever it is. A client that reads at once waits a minute for it.
    ///
    /// # Errors
    /// The end of the output, and none in time.
    pub fn line(&mut self) -> io::Result<String> {
        match &mut self.output {
            Output::OnDemand(stdout) => stdout.lines().next().unwrap_or_else(|| Err(closed())),
            Output::AtOnce(lines) => lines.recv_timeout(PATIENCE).map_err(|error| match error {
                RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
                RecvTimeoutError::Disconnected => closed(),
            }),
            Output::Closed => Err(closed()),
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// As [`Self::line`], and a line that is no message.
    pub fn message(&mut self) -> io::Result<Value> {
        let line = self.line()?;
        let message: Value = serde_json::from_str(&line)
            .map_err(|error| io::Error::other(format!("not JSON ({error}): {line}")))?;
        match message["jsonrpc"] == "2.0" {
            true => Ok(message),
            false => Err(io::Error::other(format!("not JSON-RPC: {line}"))),
        }
    }

    /// Closes standard input.
    pub fn say_no_more(&mut self) {
        self.input = None;
    }

    /// Closes the end that the server writes to, where no thread has it.
    pub fn stop_reading(&mut self) {
        self.output = Output::Closed;
    }

    /// The server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
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

    /// Whether it has ended by then.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        wait_until(patience, || matches!(self.child.try_wait(), Ok(Some(_))))
    }

    /// Ends it at once, if it has not ended.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its resident memory.
    ///
    /// # Errors
    /// That there is no such process any more.
    pub fn resident_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        number.ok_or_else(|| io::Error::other(status))
    }
}

fn closed() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
