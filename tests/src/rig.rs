//! A frontend with a broker of its own (`--embedded`): no root is needed, the policy allows loopback
//! alone, and no tool in it sends anything.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    broker::{NOBODY_UID, PolicyFolder, program},
    procs::{ProcStatus, children},
};

/// Everything is granted, intrusive use too, to whoever starts the broker.
const POLICY: &str = r#"
version = 1
[targets]
networks = ["127.0.0.0/8"]
names = ["*.lab.internal"]
[ceilings]
timeout = "10m"
concurrency = 32
concurrency_per_user = 32
memory = "512 MiB"
open_files = 256
stdout = "1 MiB"
stderr = "256 KiB"
[[grant]]
self = true
tools = ["loud", "steady", "replay", "garbled"]
intrusive = true
[audit]
path = "/var/log/probity/audit.jsonl"
"#;

/// Options of the tools that misbehave on demand.
const OPTIONS: &str = r#"
[[option]]
name = "what"
flag = "--what"
value = { kind = "enumeration", words = ["sleep", "stubborn", "flood", "stderr-flood", "exit3"] }
default = "exit3"
help = "What it does."
[[option]]
name = "fierce"
flag = "--fierce"
tier = "intrusive"
help = "Only with the grant."
[preset.calm]
options = { what = "exit3" }
help = "It fails."
[preset.savage]
options = { fierce = true }
help = "Only with the grant."
"#;

/// A folder for a file of runs: root's frontend keeps them as nobody.
pub fn folder_of_runs() -> io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    if nix::unistd::geteuid().is_root() {
        chown(folder.path(), Some(NOBODY_UID), Some(NOBODY_UID))?;
    }
    Ok(folder)
}

/// A folder with a policy, its tools and whatever the frontend writes.
pub struct Rig {
    policy: PolicyFolder,
    state: tempfile::TempDir,
}

impl Rig {
    /// The tools are `loud` (alias `LoudTool`), whose file sets neither time nor concurrency;
    /// `steady` (`SteadyTool`), whose file sets 20 s and 1; `replay`, which prints `replayed` and is
    /// read as ping is; and `garbled`, which prints the same and is read as nmap is.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn new(replayed: &str) -> io::Result<Self> {
        let policy = PolicyFolder::with_hostile_tool(1)?;
        policy.write("policy.toml", POLICY)?;
        policy.write("replayed", replayed)?;
        let hostile = policy.path("hostile-tool");
        let own = "timeout = \"20s\"\nconcurrency = 1";
        for (name, alias, more) in [("loud", "LoudTool", ""), ("steady", "SteadyTool", own)] {
            let head = head(name, alias, &hostile, "\"{options}\", \"{target}\"", more);
            policy.write(&format!("tools.d/{name}.toml"), &format!("{head}{OPTIONS}"))?;
        }
        let text = policy.path("replayed").display().to_string();
        for (name, alias, parser) in
            [("replay", "ReplayTool", "ping"), ("garbled", "GarbledTool", "nmap-xml")]
        {
            let argv = format!("\"{text}\", \"{{options}}\", \"{{target}}\"");
            let more = format!("parser = \"{parser}\"");
            let head = head(name, alias, Path::new("/usr/bin/cat"), &argv, &more);
            policy
                .write(&format!("tools.d/{name}.toml"), &format!("{head}read = [\"{text}\"]\n"))?;
        }
        let state = tempfile::tempdir()?;
        // A broker that root starts becomes another user, who has to get through.
        fs::set_permissions(state.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self { policy, state })
    }

    /// Has `replay` print this text and exit with 0, where it fails for want of a file called like its
    /// target; its file has these lines too.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn replay_and_succeed(&self, text: &str, more: &str) -> io::Result<()> {
        // Takes the target, and prints nothing of it.
        let format = Value::from(format!("{}%.0s", text.replace('%', "%%")));
        let argv = format!("{format}, \"{{options}}\", \"{{target}}\"");
        let more = format!("parser = \"ping\"\n{more}");
        let head = head("replay", "ReplayTool", Path::new("/usr/bin/printf"), &argv, &more);
        self.policy.write("tools.d/replay.toml", &head)
    }

    /// A path for a file or a socket of the test's own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    /// Goes on with another policy, for servers that start from now on.
    pub fn replace_policy(&mut self, policy: PolicyFolder) {
        self.policy = policy;
    }

    /// Removes the audit logs of servers that have ended.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn forget_logs(&self) -> io::Result<()> {
        fs::remove_dir_all(self.path("probity"))
    }

    /// Its policy.
    #[must_use]
    pub fn policy(&self) -> &PolicyFolder {
        &self.policy
    }

    /// The frontend with these arguments, these variables and no others. A broker that it starts
    /// writes into this rig's folder.
    #[must_use]
    pub fn probity(&self, arguments: &[&str], variables: &[(String, String)]) -> Command {
        let mut command = Command::new(program("probity"));
        command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
        command.env("XDG_STATE_HOME", self.state.path()).env("XDG_RUNTIME_DIR", self.state.path());
        command.args(arguments);
        command
    }

    /// The same for a command that asks a broker: one of its own, by this rig's policy.
    #[must_use]
    pub fn embedded(&self, command: &str, variables: &[(String, String)]) -> Command {
        let mut command = self.probity(&[command, "--embedded", "--policy"], variables);
        command.arg(self.policy.path("policy.toml"));
        command
    }

    /// The result of `probity call --json` with these arguments.
    ///
    /// # Errors
    /// Those of starting it, and an answer that is no JSON.
    pub fn call(&self, arguments: &[&str], variables: &[(String, String)]) -> io::Result<Value> {
        let output = self.embedded("call", variables).arg("--json").args(arguments).output()?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| io::Error::other(format!("{error}: {output:?}")))
    }
}

/// The processes of misbehaving tools below a frontend. Before its exec a tool is still its broker.
#[must_use]
pub fn running_tools(frontend: u32) -> Vec<u32> {
    let is_tool = |pid: &u32| ProcStatus::read(*pid).is_ok_and(|it| it.name == "hostile-tool");
    children(frontend).into_iter().filter(is_tool).collect()
}

fn head(name: &str, alias: &str, command: &Path, argv: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\naliases = [\"{alias}\"]\nsummary = \"A tool of the tests.\"\n\
         command = \"{}\"\ntargets = [\"address\"]\nargv = [{argv}]\n{more}\n\
         [sandbox]\nnet_raw = \"never\"\nsyscalls = \"network\"\n",
        command.display()
    )
}
