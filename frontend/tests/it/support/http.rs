//! `probity http` over a scripted broker, and the harness's client of it.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use super::ScriptedBroker;
pub use probity_tests::{
    http::{Answer, HttpServer, read_answer},
    sse::{Events, Message},
};

/// A token that somebody chose.
pub const CHOSEN: &str = "a-token-of-one's-own";

/// The program with these variables and no others, to serve on a free port.
pub fn command(broker: &ScriptedBroker, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.env_clear().env("PROBITY_SOCKET", &broker.socket);
    // Nobody is limited unless a test says so.
    command.env("PROBITY_RATE_REQUESTS", "100000").envs(variables.iter().copied());
    command.args(["http", "--listen", "127.0.0.1:0"]);
    command
}

/// A server with the token [`CHOSEN`] and these variables.
pub fn serve_with(broker: &ScriptedBroker, variables: &[(&str, &str)]) -> HttpServer {
    let variables = [&[("PROBITY_HTTP_TOKEN", CHOSEN)], variables].concat();
    HttpServer::start(command(broker, &variables)).unwrap()
}

pub fn serve(broker: &ScriptedBroker) -> HttpServer {
    serve_with(broker, &[])
}

pub fn target() -> Value {
    json!({"target": "10.0.0.1"})
}

/// A tokens file in a folder of its own.
pub struct TokensFile {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
}

impl TokensFile {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        Self { _folder: folder, path }
    }

    /// Adds a token with `probity token new`; answers it.
    pub fn add(&self, name: &str, role: &str, more: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.env_clear().args(["token", "new", "--name", name, "--role", role, "--file"]);
        let output = command.arg(&self.path).args(more).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    pub fn write(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    pub fn variable(&self) -> (&'static str, &str) {
        ("PROBITY_TOKENS_FILE", self.path.to_str().unwrap())
    }
}
