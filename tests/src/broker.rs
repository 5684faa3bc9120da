//! A broker started as an administrator would start it: by root, with files of root's, to become
//! another user who holds `CAP_NET_RAW` and nothing else.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_protocol::{Reply, Request};

use crate::{
    lab::Namespace,
    peer::Peer,
    procs::{broker_below, wait_until},
};

/// Who the broker becomes. No account of that number needs to exist.
pub const BROKER_UID: u32 = 64000;

/// The group that may connect.
pub const CLIENT_GID: u32 = 64010;

/// A user who is granted the standard tier.
pub const USER_UID: u32 = 64001;

/// A user who is granted the intrusive tier too.
pub const ADMIN_UID: u32 = 64002;

/// Whom a frontend that root starts becomes, and a broker of root's own where there is no user for it.
pub const NOBODY_UID: u32 = 65534;

/// For what has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// What hostile-tool can do.
const HOSTILE_WORDS: &[&str] = &[
    "probe",
    "ptrace",
    "memfd",
    "flood",
    "stderr-flood",
    "endless",
    "stubborn",
    "sleep",
    "memory",
    "spin",
    "big-file",
    "exit3",
    "nap",
    "huge-flood",
    "parting",
    "close-outputs",
    "forks",
    "many-files",
];

/// The folder that hostile-tool has, where a test does not take this line away.
pub const HOSTILE_SCRATCH: &str = "scratch = { files = 8, file_size = \"16 MiB\" }";

/// The files of a policy, in a folder of their own.
pub struct PolicyFolder {
    folder: tempfile::TempDir,
}

impl PolicyFolder {
    /// The shipped policy and tools, with `more` after the end of `policy.toml`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn shipped(more: &str) -> io::Result<Self> {
        let defaults = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/defaults");
        let this = Self { folder: tempfile::tempdir()? };
        // Others may pass through and read, and only root may write.
        fs::set_permissions(this.folder.path(), fs::Permissions::from_mode(0o755))?;
        let policy = fs::read_to_string(defaults.join("policy.toml"))?;
        this.write("policy.toml", &format!("{policy}\n{more}"))?;
        fs::create_dir(this.path("tools.d"))?;
        for entry in fs::read_dir(defaults.join("tools.d"))? {
            let entry = entry?;
            let name = format!("tools.d/{}", entry.file_name().to_string_lossy());
            this.write(&name, &fs::read_to_string(entry.path())?)?;
        }
        Ok(this)
    }

    /// The shipped policy with grants for the users of this module, for root, whose tests speak to the
    /// socket themselves, and for nobody, whom a frontend of root's becomes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn with_grants(more: &str) -> io::Result<Self> {
        let grants = format!(
            "[[grant]]\nuser = 0\ntools = [\"*\"]\n\
             [[grant]]\nuser = {NOBODY_UID}\ntools = [\"*\"]\n\
             [[grant]]\nuser = {USER_UID}\ntools = [\"*\"]\n\
             [[grant]]\nuser = {ADMIN_UID}\ntools = [\"*\"]\nintrusive = true\n{more}"
        );
        Self::shipped(&grants)
    }

    /// [`PolicyFolder::with_grants`], for loopback alone, and with the tool `hostile`: the program
    /// hostile-tool of this crate, of which `concurrency` may run at once. It may make a few files.
    ///
    /// The program is copied into the folder, since whoever runs it may not reach where it is
    /// built. The folder must therefore live as long as the broker.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn with_hostile_tool(concurrency: u32) -> io::Result<Self> {
        let this = Self::with_grants("")?;
        let networks = "networks  = [\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\"]";
        this.replace("policy.toml", networks, "networks = [\"127.0.0.0/8\"]")?;
        let command = this.path("hostile-tool");
        // By another process: while this one had it open for writing, a fork of another test would
        // keep it busy, and it could not be executed.
        let copied = Command::new("install")
            .args(["-m", "755"])
            .arg(program("hostile-tool"))
            .arg(&command)
            .status()?;
        if !copied.success() {
            return Err(io::Error::other("hostile-tool cannot be copied"));
        }
        let tool = format!(
            "name = \"hostile\"\n\
             summary = \"Tries what a tool must not do.\"\n\
             command = \"{}\"\n\
             targets = [\"address\"]\n\
             argv = [\"{{options}}\", \"{{target}}\"]\n\
             timeout = \"30s\"\n\
             concurrency = {concurrency}\n\
             [sandbox]\n\
             net_raw = \"never\"\n\
             syscalls = \"network\"\n\
             {HOSTILE_SCRATCH}\n\
             [[option]]\n\
             name = \"what\"\n\
             flag = \"--what\"\n\
             value = {{ kind = \"enumeration\", words = {HOSTILE_WORDS:?} }}\n\
             help = \"How it misbehaves.\"\n",
            command.display()
        );
        this.write("tools.d/hostile.toml", &tool)?;
        Ok(this)
    }

    /// Where a file of it is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of it, readable by all and writable by its owner.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.path(name), text)?;
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644))
    }

    /// Replaces a text in a file of it.
    ///
    /// # Errors
    /// Those of the file system, and a text that is not there.
    pub fn replace(&self, name: &str, from: &str, to: &str) -> io::Result<()> {
        let text = fs::read_to_string(self.path(name))?;
        if !text.contains(from) {
            return Err(io::Error::other(format!("{name} has no {from:?}")));
        }
        self.write(name, &text.replace(from, to))
    }
}

/// A running broker with its supervisor, ended when this is dropped.
pub struct Broker {
    command: Command,
    /// What was started: the supervisor, or the broker itself where it needs none.
    child: Child,
    pid: u32,
    folder: tempfile::TempDir,
}

impl Broker {
    /// Starts a broker by a policy, inside a namespace or in the machine's own, and waits until it
    /// answers: its socket is there before its log is found fit. `program` is the path of `probity-broker`.
    ///
    /// # Errors
    /// What it said if it ended instead.
    pub fn start(
        program: &Path,
        policy: &PolicyFolder,
        namespace: Option<&Namespace>,
    ) -> io::Result<Self> {
        Self::start_with(program, policy, namespace, &[])
    }

    /// [`Broker::start`] with arguments after its own: the last of two wins.
    ///
    /// # Errors
    /// What it said if it ended instead.
    pub fn start_with(
        program: &Path,
        policy: &PolicyFolder,
        namespace: Option<&Namespace>,
        more: &[&std::ffi::OsStr],
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let mut command = match namespace {
            Some(namespace) => namespace.command(program),
            None => Command::new(program),
        };
        let socket = folder.path().join("broker.sock");
        command
            .args(["--user", &BROKER_UID.to_string(), "--group", &CLIENT_GID.to_string()])
            .arg("--socket")
            .arg(&socket)
            .arg("--policy")
            .arg(policy.path("policy.toml"))
            .arg("--audit")
            .arg(folder.path().join("audit.jsonl"))
            .arg("--run-dir")
            .arg(folder.path().join("runs"))
            // No test waits for a run that nobody waits for, but where it says so.
            .args(["--grace", "0"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("stderr.txt"))?);
        let child = command.spawn()?;
        let mut broker = Self { command, child, pid: 0, folder };
        broker.comes_up()?;
        Ok(broker)
    }

    /// Starts it again after its end, as before.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn start_again(&mut self) -> io::Result<()> {
        self.child.wait()?;
        self.child = self.command.spawn()?;
        self.comes_up()
    }

    fn comes_up(&mut self) -> io::Result<()> {
        let (socket, child) = (self.socket(), &mut self.child);
        let mut ended = None;
        let up = wait_until(PATIENCE, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some() || answers(&socket)
        });
        if up && ended.is_none() {
            self.pid = broker_below(self.supervisor()).unwrap_or(self.supervisor());
            return Ok(());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        Err(io::Error::other(format!("the broker did not start: {}", self.said())))
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("broker.sock")
    }

    /// The broker's own process, which decides and is the parent of its tools.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its supervisor's process, which is the one that was started.
    #[must_use]
    pub fn supervisor(&self) -> u32 {
        self.child.id()
    }

    /// The folder of the runs' private folders.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    /// Its audit log, where [`Broker::start_with`] was not given another.
    #[must_use]
    pub fn audit_path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    /// The lines of its audit log.
    ///
    /// # Errors
    /// Those of the file system, and a line that is no JSON.
    pub fn audit(&self) -> io::Result<Vec<serde_json::Value>> {
        let text = fs::read_to_string(self.audit_path())?;
        text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
    }

    /// Asks it to stop, and waits for its exit code.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn stop(&mut self) -> io::Result<Option<i32>> {
        self.ask_to_stop();
        self.exit_code()
    }

    /// Asks it to stop, as whoever started it would: through its supervisor.
    pub fn ask_to_stop(&self) {
        send(self.supervisor(), Signal::SIGTERM);
    }

    /// Waits for its end, and gives its exit code.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn exit_code(&mut self) -> io::Result<Option<i32>> {
        Ok(self.child.wait()?.code())
    }

    /// Sends a signal to the broker's own process.
    pub fn signal(&self, signal: Signal) {
        send(self.pid, signal);
    }

    /// What it wrote on standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr.txt")).unwrap_or_default()
    }

    /// Sends it SIGHUP, and gives the audit log's line about it.
    ///
    /// # Errors
    /// That no line came in half a minute.
    pub fn reload(&self) -> io::Result<serde_json::Value> {
        let reloads = || -> io::Result<Vec<serde_json::Value>> {
            Ok(self.audit()?.into_iter().filter(|line| line["event"] == "reload").collect())
        };
        let before = reloads()?.len();
        self.signal(Signal::SIGHUP);
        let mut line = None;
        let came = || {
            // A line may be read while it is written.
            line = reloads().ok().and_then(|lines| lines.into_iter().nth(before));
            line.is_some()
        };
        let _ = wait_until(PATIENCE, came);
        line.ok_or_else(|| io::Error::other(format!("no reload; it said: {}", self.said())))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.ask_to_stop();
            let child = &mut self.child;
            if !wait_until(Duration::from_secs(8), || matches!(child.try_wait(), Ok(Some(_)))) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// It may have ended already. A number of 0 would mean this test's own group.
fn send(pid: u32, signal: Signal) {
    if pid != 0 {
        let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
    }
}

fn answers(socket: &Path) -> bool {
    let replies = Peer::ask(socket, &Request::Status).and_then(|mut peer| peer.replies());
    replies.is_ok_and(|replies| matches!(replies.last(), Some(Reply::Status(_))))
}

/// A program of this workspace, built beside the test that asks for it.
///
/// # Panics
/// If it was not built: `make test` builds the workspace first.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    let built = this.ancestors().map(|folder| folder.join(name)).find(|path| path.is_file());
    built.unwrap_or_else(|| panic!("{name} is not built: cargo build --workspace"))
}

/// By which profile the programs of the package are built: `make test` has them of what the tests are built
/// of, and whoever does not say gets them as they are shipped.
fn profile() -> String {
    std::env::var("PROBITY_PROFILE").unwrap_or_else(|_| "release".into())
}

/// Cargo's folder of the programs of the package, below its target.
#[must_use]
pub fn package_folder() -> String {
    match profile().as_str() {
        "dev" => "debug".into(),
        named => named.into(),
    }
}

/// An optimized broker, where what it costs is what a test is about: the package's, where that is one.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn optimized_broker() -> PathBuf {
    static BUILT: OnceLock<bool> = OnceLock::new();
    let package = profile();
    let profile = if package == "dev" { "ci" } else { &package };
    let built = BUILT.get_or_init(|| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--profile", profile, "-p", "probity-broker", "--bins"]);
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        cargo.current_dir(workspace).status().is_ok_and(|status| status.success())
    });
    assert!(built, "the broker is not built: make build");
    let debug = program("probity-broker");
    let target = debug.ancestors().nth(2).expect("the folder of what is built");
    target.join(profile).join("probity-broker")
}

/// Makes a script that can be executed at once. Another process writes it, for the reason of
/// [`copy_of_program`].
///
/// # Errors
/// Those of the shell.
pub fn script(to: &Path, text: &str) -> io::Result<()> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""]).arg(to).arg(text);
    let written = command.status()?;
    written.success().then_some(()).ok_or_else(|| io::Error::other("no script"))
}

/// Copies a program of this build to where every user can reach it. Another process does it: were the
/// copy open for writing here, a child that another test starts just then would have it open too, and
/// the kernel runs no program that is open for writing.
///
/// # Errors
/// Those of `install(1)`.
pub fn copy_of_program(name: &str, to: &Path) -> io::Result<()> {
    let copied =
        Command::new("install").args(["-m", "0755"]).arg(program(name)).arg(to).status()?;
    copied.success().then_some(()).ok_or_else(|| io::Error::other(format!("no copy of {name}")))
}
