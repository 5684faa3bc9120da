//! The official MCP clients, each driven by a script of `clients/` that takes the same steps and
//! prints the same answer. `clients/driver.py` says which.
//!
//! A server is a command that they run, or the address of one that runs already ([`Endpoint`]).
//!
//! They are programs of their own, in Python and TypeScript, since what they are asked is whether a
//! server pleases code that its author did not write. `make venv` makes what they run in.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
};

use serde_json::{Value, json};

use crate::lab::Namespace;

/// A client and the era of the protocol that it is told to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    runtime: &'static str,
    script: &'static str,
    mode: &'static str,
    /// The version that it and Probity agree on.
    pub protocol: &'static str,
}

impl Client {
    /// PyPI `mcp`, current line, in the era of `server/discover`.
    pub const PYTHON: Self = Self {
        runtime: "python/bin/python",
        script: "session.py",
        mode: "auto",
        protocol: "2026-07-28",
    };
    /// PyPI `mcp`, current line, in the era of `initialize`.
    pub const PYTHON_LEGACY: Self = Self { mode: "legacy", protocol: "2025-11-25", ..Self::PYTHON };
    /// PyPI `mcp`, line 1.x, which knows the era of `initialize` alone.
    pub const PYTHON_V1: Self =
        Self { runtime: "python-v1/bin/python", script: "session_v1.py", ..Self::PYTHON_LEGACY };
    /// npm `@modelcontextprotocol/client`, in the era of `server/discover`.
    pub const TYPESCRIPT: Self =
        Self { runtime: "node/nodejs/bin/node", script: "session.mjs", ..Self::PYTHON };
    /// npm `@modelcontextprotocol/client`, in the era of `initialize`.
    pub const TYPESCRIPT_LEGACY: Self =
        Self { mode: "legacy", protocol: "2025-11-25", ..Self::TYPESCRIPT };

    /// Starts it, to take `steps` with the server that the words of `server` run.
    ///
    /// # Errors
    /// Those of starting it, and that `make venv` did not make it.
    pub fn start(&self, steps: &Value, server: &[String]) -> io::Result<Driver> {
        self.start_by(Command::new, steps, server)
    }

    /// Starts it inside a network namespace, to take `steps` with a server that listens there.
    ///
    /// # Errors
    /// As [`Client::start`].
    pub fn connect(&self, within: &Namespace, steps: &Value, at: &Endpoint) -> io::Result<Driver> {
        let server = [at.url.clone(), at.token.clone()];
        self.start_by(|program| within.command(program), steps, &server)
    }

    fn start_by(
        &self,
        command: impl FnOnce(PathBuf) -> Command,
        steps: &Value,
        server: &[String],
    ) -> io::Result<Driver> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runtime: PathBuf = here.join("../.venv").join(self.runtime);
        if !runtime.is_file() {
            let missing = format!("no {}: run `make venv`", runtime.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, missing));
        }
        let mut child = command(runtime)
            .arg(here.join("clients").join(self.script))
            .args([self.mode, &steps.to_string()])
            .args(server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("no pipe"))?;
        Ok(Driver { child, stderr: BufReader::new(stderr), said: String::new() })
    }

    /// Takes `steps` and gives the answer.
    ///
    /// # Errors
    /// As [`Client::start`] and [`Driver::finish`].
    pub fn run(&self, steps: &Value, server: &[String]) -> io::Result<Value> {
        self.start(steps, server)?.finish()
    }
}

/// Where a server listens, and what opens it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `http://127.0.0.1:8080/mcp`
    pub url: String,
    /// The token to send.
    pub token: String,
}

/// What a server sent, with every number as a float: JavaScript prints 600.0 as 600.
#[must_use]
pub fn alike(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(alike).collect(),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (name.clone(), alike(value))).collect(),
        ),
        other => other.clone(),
    }
}

/// Makes a test for each client of each promise, which is a function of the client. They run beside
/// one another, each in a world of its own.
#[macro_export]
macro_rules! each_client {
    ($($promise:ident)*) => {$(
        mod $promise {
            use $crate::{clients::Client, needs};

            #[test]
            fn python() { check(&Client::PYTHON) }
            #[test]
            fn python_legacy() { check(&Client::PYTHON_LEGACY) }
            #[test]
            fn python_v1() { check(&Client::PYTHON_V1) }
            #[test]
            fn typescript() { check(&Client::TYPESCRIPT) }
            #[test]
            fn typescript_legacy() { check(&Client::TYPESCRIPT_LEGACY) }

            fn check(client: &Client) {
                if needs::root() {
                    super::$promise(client);
                }
            }
        }
    )*};
}

/// A client at work, ended when this is dropped.
pub struct Driver {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Driver {
    /// Its process: the server's is among its descendants.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says `word`: "held" or "listening".
    ///
    /// # Errors
    /// What it said if it ended instead.
    pub fn wait_for(&mut self, word: &str) -> io::Result<()> {
        loop {
            let before = self.said.len();
            if self.stderr.read_line(&mut self.said)? == 0 {
                return Err(self.complaint(&format!("it ended without saying {word:?}")));
            }
            if self.said[before..].trim_end() == word {
                return Ok(());
            }
        }
    }

    /// Lets it go on, from this hold and from those that follow, and waits for its answer. By then
    /// the client has closed its connection.
    ///
    /// # Errors
    /// What it said if it failed.
    pub fn finish(mut self) -> io::Result<Value> {
        self.child.stdin = None;
        // One after the other would do only if neither pipe ever filled.
        let stdout = self.child.stdout.take();
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.map_or(Ok(0), |mut stdout| stdout.read_to_string(&mut text)).map(|_| text)
        });
        self.stderr.read_to_string(&mut self.said)?;
        let text = reading.join().map_err(|_| io::Error::other("the reader panicked"))??;
        if !self.child.wait()?.success() {
            return Err(self.complaint("it failed"));
        }
        serde_json::from_str(&text).map_err(|error| self.complaint(&error.to_string()))
    }

    fn complaint(&self, what: &str) -> io::Error {
        io::Error::other(format!("{what}; on standard error:\n{}", self.said))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The end of its pipes ends the server too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
