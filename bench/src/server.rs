//! `probity stdio --embedded` as a client starts it, under the loopback policy, and the ping that
//! both it and the bare spawn run.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use probity_tests::mcp::Session;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Unmeasured, io_error, policies, samples::timed};

const PING: &str = "/usr/bin/ping";
const TARGET: &str = "127.0.0.1";

/// ping's exit code where no reply came in time.
const NO_REPLY: i32 = 1;

/// The built programs, and a folder with a policy for them.
pub(crate) struct Installation {
    frontend: PathBuf,
    broker: PathBuf,
    folder: TempDir,
}

impl Installation {
    /// The programs that were built with this one.
    pub(crate) fn find() -> Result<Self, Unmeasured> {
        let own = std::env::current_exe().map_err(io_error("this program's own path"))?;
        let beside = own.parent().unwrap_or(Path::new("/"));
        let built = |name: &str| {
            let path = beside.join(name);
            if path.is_file() { Ok(path) } else { Err(Unmeasured::NotBuilt(path)) }
        };
        let (frontend, broker) = (built("probity")?, built("probity-broker")?);
        let folder = tempfile::tempdir().map_err(io_error("a folder for the policy"))?;
        let (policy, ping) = policies::loopback()?;
        write(folder.path(), &policy, &ping).map_err(io_error("the policy's files"))?;
        Ok(Self { frontend, broker, folder })
    }

    /// A session that is initialized.
    pub(crate) fn start(&self) -> Result<Server<'_>, Unmeasured> {
        self.started_by(self.frontend("stdio"))
    }

    /// The same with its runs kept in this file, or in memory alone.
    pub(crate) fn start_keeping(&self, runs: Option<&Path>) -> Result<Server<'_>, Unmeasured> {
        let mut command = self.frontend("stdio");
        match runs {
            Some(file) => command.env("PROBITY_HISTORY_PATH", file),
            None => command.env("PROBITY_HISTORY", "false"),
        };
        self.started_by(command)
    }

    fn started_by(&self, mut command: Command) -> Result<Server<'_>, Unmeasured> {
        let log = fs::File::create(self.log()).map_err(io_error("a log"))?;
        command.stderr(log);
        let session = Session::start(command).map_err(|error| self.silent(error))?;
        Ok(Server { session, installation: self })
    }

    /// A server over HTTP, which limits nobody.
    pub(crate) fn serve(&self) -> Result<HttpServer<'_>, Unmeasured> {
        self.served_by(self.frontend("http"))
    }

    /// The same under the policy that is compiled in, for what runs nothing.
    pub(crate) fn serve_shipped(&self) -> Result<HttpServer<'_>, Unmeasured> {
        self.served_by(self.frontend_shipped("http"))
    }

    /// The same with its runs kept in this file.
    pub(crate) fn serve_keeping(&self, runs: &Path) -> Result<HttpServer<'_>, Unmeasured> {
        let mut command = self.frontend("http");
        command.env("PROBITY_HISTORY_PATH", runs);
        self.served_by(command)
    }

    fn served_by(&self, mut command: Command) -> Result<HttpServer<'_>, Unmeasured> {
        command.args(["--listen", "127.0.0.1:0"]).env("PROBITY_HTTP_TOKEN", TOKEN);
        // So many in a second.
        command.env("PROBITY_RATE_REQUESTS", "100000").env("PROBITY_RATE_WINDOW_SEC", "1");
        let server = probity_tests::http::HttpServer::start(command).map_err(Unmeasured::Http)?;
        Ok(HttpServer { server, _installation: self })
    }

    /// A frontend with a broker of its own.
    fn frontend(&self, command: &str) -> Command {
        let mut frontend = self.frontend_shipped(command);
        frontend.arg("--policy").arg(self.folder.path().join("policy.toml"));
        frontend
    }

    fn frontend_shipped(&self, command: &str) -> Command {
        let mut frontend = Command::new(&self.frontend);
        frontend
            .args([command, "--embedded"])
            .env("PROBITY_BROKER", &self.broker)
            .env("XDG_STATE_HOME", self.folder.path().join("state"));
        frontend
    }

    /// What runs a broker without a frontend, and the socket that it makes.
    pub(crate) fn broker(&self, name: &str) -> (Command, PathBuf) {
        let path = |what: &str| self.folder.path().join(format!("{name}-{what}"));
        let socket = path("socket");
        let mut command = Command::new(&self.broker);
        command.args(["--embedded", "--policy"]).arg(self.folder.path().join("policy.toml"));
        command.arg("--socket").arg(&socket).arg("--audit").arg(path("audit.jsonl"));
        command.arg("--run-dir").arg(path("runs")).stdin(Stdio::null());
        (command, socket)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("stderr.txt")
    }

    /// With the last that it said.
    fn silent(&self, error: io::Error) -> Unmeasured {
        const LINES: usize = 5;
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
        let complaints = last.iter().map(|line| format!("\n  {line}")).collect();
        Unmeasured::Session { error, complaints }
    }
}

/// Of root or whoever runs this, and not writable by others: the broker refuses anything else.
fn write(folder: &Path, policy: &str, ping: &str) -> io::Result<()> {
    let tools = folder.join("tools.d");
    fs::create_dir(&tools)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(&tools, fs::Permissions::from_mode(0o755))?;
    for (path, text) in [(folder.join("policy.toml"), policy), (tools.join("ping.toml"), ping)] {
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// The token of a server over HTTP.
const TOKEN: &str = "a-token-of-the-bench";

/// A running frontend that is asked over HTTP.
pub(crate) struct HttpServer<'a> {
    server: probity_tests::http::HttpServer,
    /// Its policy lives as long.
    _installation: &'a Installation,
}

impl HttpServer<'_> {
    /// Where it listens.
    pub(crate) fn host(&self) -> &str {
        self.server.host()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// What it is asked with.
    pub(crate) const fn token(&self) -> &'static str {
        TOKEN
    }

    /// What it answers at a path, and the seconds that takes, with the connection.
    pub(crate) fn get(&self, path: &str) -> Result<(Value, f64), Unmeasured> {
        let (answer, took) =
            timed(|| self.server.get(path, Some(TOKEN))).map_err(Unmeasured::Http)?;
        match answer.status {
            200 => Ok((answer.json(), took)),
            _ => Err(Unmeasured::Answer(answer.body)),
        }
    }

    /// Has it make a call.
    pub(crate) fn ping(&self) -> Result<(), Unmeasured> {
        let body = &ping_call(1)["arguments"];
        let answer = self.server.post("/tools/ping/execute", TOKEN, body);
        ran(&answer.map_err(Unmeasured::Http)?.json())
    }
}

/// A running frontend with its broker.
pub(crate) struct Server<'a> {
    session: Session,
    installation: &'a Installation,
}

impl Server<'_> {
    /// The frontend's process.
    pub(crate) fn pid(&self) -> u32 {
        self.session.pid()
    }

    /// Asks for the list of tools.
    pub(crate) fn list(&mut self) -> Result<Value, Unmeasured> {
        let answer = self.session.request("tools/list", json!({}));
        answer.map_err(|error| self.installation.silent(error))
    }

    /// Seconds that a call takes.
    pub(crate) fn ping(&mut self) -> Result<f64, Unmeasured> {
        let (answer, took) = timed(|| self.session.request("tools/call", ping_call(1)))
            .map_err(|error| self.installation.silent(error))?;
        finished(&answer)?;
        Ok(took)
    }

    /// Asks for a ping without waiting for it, and gives the request's number. From the second packet
    /// on, it takes a while.
    pub(crate) fn send_ping(&mut self, packets: u32) -> Result<u64, Unmeasured> {
        let sent = self.session.send("tools/call", ping_call(packets));
        sent.map_err(|error| self.installation.silent(error))
    }

    /// Cancels a call.
    pub(crate) fn cancel(&mut self, call: u64) -> Result<(), Unmeasured> {
        let sent = self.session.notify("notifications/cancelled", json!({"requestId": call}));
        sent.map_err(|error| self.installation.silent(error))
    }

    /// Waits for the next call to end, whichever it is.
    pub(crate) fn next_finished(&mut self) -> Result<(), Unmeasured> {
        let answer = self.session.message().map_err(|error| self.installation.silent(error))?;
        finished(&answer)
    }
}

/// Packets after the first are 4 s apart: a run of two is a long one that costs nothing.
pub(crate) fn ping_call(packets: u32) -> Value {
    let mut arguments = json!({"target": TARGET, "count": packets});
    if packets > 1 {
        arguments["interval"] = json!(4);
    }
    json!({"name": "ping", "arguments": arguments})
}

/// A refusal would be fast, and no measure of anything.
pub(crate) fn finished(answer: &Value) -> Result<(), Unmeasured> {
    let result = &answer["result"];
    match result["isError"] == json!(true) {
        true => Err(Unmeasured::Answer(answer.to_string())),
        false => ran(&result["structuredContent"]),
    }
}

/// The same of a result without its envelope.
pub(crate) fn ran(result: &Value) -> Result<(), Unmeasured> {
    match &result["returncode"] {
        code if *code == json!(0) => Ok(()),
        code if *code == json!(NO_REPLY) => Err(Unmeasured::NoReply),
        _ => Err(Unmeasured::Answer(result.to_string())),
    }
}

/// Seconds that the same ping takes when it is simply run.
pub(crate) fn bare_ping() -> Result<f64, Unmeasured> {
    let mut command = Command::new(PING);
    command
        .args(["-n", "-c", "1", "-W", "5", TARGET])
        .env_clear()
        .envs([("LC_ALL", "C"), ("TZ", "UTC"), ("HOME", "/"), ("TMPDIR", "/tmp")])
        .stdin(Stdio::null());
    let (output, took) = timed(|| command.output()).map_err(io_error("a bare ping"))?;
    match output.status.code() {
        Some(0) => Ok(took),
        Some(NO_REPLY) => Err(Unmeasured::NoReply),
        _ => Err(Unmeasured::Failed { program: PING, status: output.status }),
    }
}
