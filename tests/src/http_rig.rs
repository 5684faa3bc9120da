//! `probity http` over a rig, with an administrator's token.

use std::{fs, io};

use serde_json::Value;

use crate::{
    http::HttpServer,
    rig::{Rig, running_tools},
};

/// The token.
pub const TOKEN: &str = "a-token-of-the-tests";

/// A server with a broker of its own, on a free port.
pub struct HttpRig {
    rig: Rig,
    /// The server.
    pub server: HttpServer,
}

impl HttpRig {
    /// Starts it with these variables beside the token's.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn start(variables: &[(&str, &str)]) -> io::Result<Self> {
        let rig = Rig::new("")?;
        let all = [&[("PROBITY_HTTP_TOKEN", TOKEN)], variables].concat();
        let all: Vec<(String, String)> =
            all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut command = rig.embedded("http", &all);
        command.args(["--listen", "127.0.0.1:0"]);
        let server = HttpServer::start(command)?;
        Ok(Self { rig, server })
    }

    /// How many misbehaving tools run.
    #[must_use]
    pub fn tools(&self) -> usize {
        running_tools(self.server.pid()).len()
    }

    /// The lines of the audit log that are written in full.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn audit(&self) -> io::Result<Vec<Value>> {
        let mut lines = Vec::new();
        for file in fs::read_dir(self.rig.path("probity"))? {
            let text = fs::read_to_string(file?.path())?;
            lines.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
        }
        Ok(lines)
    }
}
