//! A server for tests of faults: an installed broker, the tool that misbehaves, and frontends over
//! them, of which a test does to each what it likes.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{
    broker::{self, Broker, CLIENT_GID, PolicyFolder, program},
    leftovers::{Leftovers, Traces},
    mcp::Session,
};

/// Failures in a row that no test comes to: here runs fail on purpose, and the next is to be served.
const NEVER: &str =
    "[breaker]\nfailure_threshold = 1000000\nrecovery_timeout = \"1s\"\n\n[sandbox]";

/// A broker, the folder of its policy, and a frontend.
pub struct Served {
    /// The frontend that is asked.
    pub session: Session,
    /// The broker.
    pub broker: Broker,
    /// Its policy, which holds the misbehaving tool's program.
    pub policy: PolicyFolder,
    folder: tempfile::TempDir,
    audit: PathBuf,
}

impl Served {
    /// Starts one of which so many misbehaving tools may run at once. Their failures, and ping's, open
    /// no breaker.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn start(concurrency: u32) -> io::Result<Self> {
        Self::prepare(concurrency, None, &[])
    }

    /// The same with a broker that is started with these variables.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn with_variables(concurrency: u32, variables: &[(&str, String)]) -> io::Result<Self> {
        Self::prepare(concurrency, None, variables)
    }

    /// The same with its audit log elsewhere.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn logging_to(concurrency: u32, audit: PathBuf) -> io::Result<Self> {
        Self::prepare(concurrency, Some(audit), &[])
    }

    fn prepare(
        concurrency: u32,
        audit: Option<PathBuf>,
        variables: &[(&str, String)],
    ) -> io::Result<Self> {
        let policy = patient_policy(concurrency)?;
        let more = audit.iter().flat_map(|log| ["--audit".as_ref(), log.as_os_str()]);
        let more: Vec<_> = more.collect();
        let built = program("probity-broker");
        let broker = if variables.is_empty() {
            Broker::start_with(&built, &policy, None, &more)?
        } else {
            // `env` becomes the broker: the process is the same.
            let set = variables.iter().map(|(name, value)| format!("{name}={value}"));
            let words: Vec<_> = set.chain([built.display().to_string()]).collect();
            let script = policy.path("start-broker");
            let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            let text = format!("#!/bin/sh\nexec env {} \"$@\"\n", quoted.join(" "));
            broker::script(&script, &text)?;
            Broker::start_with(&script, &policy, None, &more)?
        };
        let audit = audit.unwrap_or_else(|| broker.audit_path());
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let frontend = folder.path().join("probity");
        // By another process, as the tool's program is: this one's forks would keep it busy.
        let mut copy = Command::new("install");
        copy.args(["-m", "755"]).arg(program("probity")).arg(&frontend);
        if !copy.status()?.success() {
            return Err(io::Error::other("probity cannot be copied"));
        }
        let session = open(&frontend, &broker, &folder)?;
        let mut this = Self { session, broker, policy, folder, audit };
        this.is_well()?;
        Ok(this)
    }

    /// Another session, by another frontend.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn another_session(&self) -> io::Result<Session> {
        open(&self.folder.path().join("probity"), &self.broker, &self.folder)
    }

    /// The words that run the frontend as another user, who is in the broker's group.
    #[must_use]
    pub fn as_user(&self, uid: u32, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        let uid = uid.to_string();
        command.args(["--reuid", &uid, "--regid", &uid, "--groups", &CLIENT_GID.to_string()]);
        command.arg("--no-new-privs").arg(self.folder.path().join("probity")).args(arguments);
        command.arg("--socket").arg(self.broker.socket());
        command
    }

    /// Where its work leaves traces.
    #[must_use]
    pub fn traces(&self) -> Traces {
        Traces::of(&self.broker, &self.policy).logged_at(self.audit.clone())
    }

    /// What it holds now, when nothing runs.
    ///
    /// # Errors
    /// As [`Leftovers::before`].
    pub fn leftovers(&self) -> io::Result<Leftovers> {
        let mut lasting = vec![self.session.pid(), self.broker.pid(), self.broker.supervisor()];
        lasting.dedup();
        Leftovers::before(self.traces(), &lasting)
    }

    /// Whether it serves: a ping of this machine is answered, by a session that is there already.
    ///
    /// # Errors
    /// Another answer than that of a ping that was answered.
    pub fn is_well(&mut self) -> io::Result<()> {
        let answer = self.session.call("ping", json!({"target": "127.0.0.1", "count": 1}))?;
        match &answer["structuredContent"]["returncode"] {
            code if *code == json!(0) => Ok(()),
            _ => Err(io::Error::other(format!("the ping was not answered: {answer}"))),
        }
    }

    /// Runs the misbehaving tool to its end.
    ///
    /// # Errors
    /// Those of the session, and an answer that is no result.
    pub fn does(&mut self, what: &str, timeout_sec: f64) -> io::Result<Value> {
        structured(self.session.call("hostile", arguments(what, timeout_sec))?)
    }

    /// Begins to run it; answers the request's id.
    ///
    /// # Errors
    /// Those of the session.
    pub fn begin(&mut self, what: &str, timeout_sec: f64) -> io::Result<u64> {
        let params = json!({"name": "hostile", "arguments": arguments(what, timeout_sec)});
        self.session.send("tools/call", params)
    }

    /// The result of a request that was begun.
    ///
    /// # Errors
    /// Those of the session, and an answer that is no result.
    pub fn end(&mut self, id: u64) -> io::Result<Value> {
        loop {
            let mut message = self.session.message()?;
            if message["id"] == json!(id) {
                return structured(message["result"].take());
            }
        }
    }
}

/// Arguments of the misbehaving tool.
#[must_use]
pub fn arguments(what: &str, timeout_sec: f64) -> Value {
    json!({"target": "127.0.0.1", "what": what, "timeout_sec": timeout_sec})
}

/// Sends a process a signal.
///
/// # Errors
/// Those of `kill(2)`.
pub fn send(pid: u32, signal: Signal) -> io::Result<()> {
    Ok(kill(Pid::from_raw(pid.cast_signed()), signal)?)
}

/// The policy with the misbehaving tool, under which no breaker ever opens and many calls fit.
///
/// # Errors
/// Those of the file system.
pub fn patient_policy(concurrency: u32) -> io::Result<PolicyFolder> {
    let policy = PolicyFolder::with_hostile_tool(concurrency)?;
    policy.replace("tools.d/hostile.toml", "[sandbox]", NEVER)?;
    policy.replace("tools.d/ping.toml", "failure_threshold = 5", "failure_threshold = 1000000")?;
    policy.replace("policy.toml", "concurrency          = 8", "concurrency = 64")?;
    policy.replace("policy.toml", "concurrency_per_user = 4", "concurrency_per_user = 64")?;
    policy.replace("policy.toml", "requests_per_second  = 1000", "requests_per_second = 100000")?;
    Ok(policy)
}

fn open(
    frontend: &std::path::Path,
    broker: &Broker,
    folder: &tempfile::TempDir,
) -> io::Result<Session> {
    let mut command = Command::new(frontend);
    command.args(["stdio", "--socket"]).arg(broker.socket()).env_clear();
    let log = fs::File::options().create(true).append(true).open(folder.path().join("log"))?;
    command.stderr(log);
    Session::start(command)
}

fn structured(mut result: Value) -> io::Result<Value> {
    match result["structuredContent"].take() {
        Value::Null => Err(io::Error::other(format!("no result: {result}"))),
        content => Ok(content),
    }
}
