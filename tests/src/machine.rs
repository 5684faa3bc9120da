//! A Debian of its own, booted by systemd in a container, for what only a whole machine shows: units,
//! packages, what systemd makes of them and what it does when something dies.
//!
//! It is the tree that `make` prepares (`.venv/boot/root`) with a layer in memory over it, so machines
//! are quick to boot, know nothing of one another, and leave nothing. Its network is a lab's client
//! namespace: what it sends reaches the lab's hosts and nobody else. The machine below sees none of its
//! processes' names, users or sockets as its own.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use crate::{
    broker::package_folder,
    lab::{HOST, HOST_NAME, Lab},
    procs::{children, wait_until},
};

/// What tools' sandboxes, Landlock and cgroup filters need beyond what containers are usually let do.
const SECCOMP: &str = "seccomp";
const LANDLOCK: &str = "landlock_create_ruleset landlock_add_rule landlock_restrict_self";
const BPF: &str = "bpf";

/// Booting takes two seconds on a machine that does nothing else.
const BOOT: Duration = Duration::from_secs(60);

/// Seconds for a script inside. One that hangs fails, and holds up nobody.
const PATIENCE: &str = "120";

/// Where a machine finds the package.
const PACKAGE: &str = "/package/probity.deb";

/// The tree that machines are made of, where `make` has prepared it.
#[must_use]
pub fn root() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/boot");
    folder.join("ready").is_file().then(|| folder.join("root"))
}

/// The folder that cargo builds in.
fn target() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    this.ancestors().find(|folder| folder.join("package").is_dir()).map(Path::to_owned)
}

/// The package, where `make deb` has made it.
#[must_use]
pub fn package() -> Option<PathBuf> {
    let entries = fs::read_dir(target()?.join("package")).ok()?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some("deb".as_ref()))
}

/// How a machine differs from the usual one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kind {
    /// Its kernel answers as one without Landlock would.
    pub without_landlock: bool,
    /// It answers as one without BPF would, which fences are made of.
    pub without_bpf: bool,
    /// Nothing boots: one command at a time, as in a container image.
    pub without_systemd: bool,
}

impl Kind {
    /// System calls that are let through beyond the usual ones.
    fn calls(self) -> String {
        let more = [(LANDLOCK, self.without_landlock), (BPF, self.without_bpf)];
        let more = more.into_iter().filter(|(_, is_missing)| !is_missing).map(|(calls, _)| calls);
        [SECCOMP].into_iter().chain(more).collect::<Vec<_>>().join(" ")
    }
}

/// A machine that runs, until it is dropped.
#[derive(Debug)]
pub struct Machine {
    nspawn: Child,
    leader: u32,
    /// Its processes' own: machines that share one would mistake each other's units for theirs.
    _cgroup: Cgroup,
    /// Its network, taken down after it.
    lab: Lab,
}

impl Machine {
    /// Boots one, with the lab's names in its `/etc/hosts`.
    ///
    /// # Errors
    /// What keeps it from booting, with its console's last lines.
    pub fn boot(kind: Kind) -> io::Result<Self> {
        let lab = Lab::new().map_err(io::Error::other)?;
        let console = tempfile::NamedTempFile::new()?;
        let cgroup = Cgroup::make(lab.client().name())?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""]).arg(&cgroup.0);
        command.arg("/usr/bin/systemd-nspawn");
        command
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .args(["--quiet", "--volatile=overlay"]);
        command.arg("--directory").arg(root().ok_or_else(|| missing("make .venv/boot/ready"))?);
        command.arg(format!("--network-namespace-path=/run/netns/{}", lab.client().name()));
        command.arg(format!("--machine={}", lab.client().name()));
        // None of the services of this machine's own systemd, which may not run.
        command.args(["--register=no", "--keep-unit", "--capability=all", "--resolv-conf=off"]);
        command.arg(format!("--system-call-filter={}", kind.calls()));
        let package = package().ok_or_else(|| missing("make deb"))?;
        command.arg(format!("--bind-ro={}:{PACKAGE}", package.display()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        command.arg(format!("--bind-ro={}:/src", source.display()));
        let built = target().ok_or_else(|| missing("make deb"))?.join(package_folder());
        command.arg(format!("--bind-ro={}:/target/release", built.display()));
        match kind.without_systemd {
            true => command.args(["--as-pid2", "/usr/bin/sleep", "infinity"]),
            false => command.args(["--boot", "systemd.unit=multi-user.target"]),
        };
        command.stdin(Stdio::null()).stdout(console.reopen()?).stderr(console.reopen()?);
        let nspawn = command.spawn()?;
        let mut machine = Self { nspawn, leader: 0, _cgroup: cgroup, lab };
        let is_up = wait_until(BOOT, || machine.look_whether_it_is_up(kind));
        if !is_up {
            let said = fs::read_to_string(console.path()).unwrap_or_default();
            return Err(io::Error::other(format!("the machine does not boot:\n{said}")));
        }
        machine.done(&format!("echo '{HOST} {HOST_NAME}' >>/etc/hosts"))?;
        Ok(machine)
    }

    fn look_whether_it_is_up(&mut self, kind: Kind) -> bool {
        let Some(&leader) = children(self.nspawn.id()).first() else { return false };
        // Another one comes first, and goes: it makes the namespaces.
        if numbers(leader).is_none_or(|numbers| numbers.len() < 2) {
            return false;
        }
        self.leader = leader;
        let question = if kind.without_systemd { "true" } else { "systemctl is-system-running" };
        let Ok(output) = self.run(question) else { return false };
        match kind.without_systemd {
            true => output.status.success(),
            false => {
                matches!(String::from_utf8_lossy(&output.stdout).trim(), "running" | "degraded")
            }
        }
    }

    /// A program inside, with nothing of this process's environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["--target", &self.leader.to_string()]);
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]);
        command.args([
            "env",
            "-i",
            "--chdir=/",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
        ]);
        command.args(["HOME=/root", "TERM=dumb", "LANG=C.UTF-8"]).arg(program);
        command
    }

    /// Runs a shell's script inside, as root.
    ///
    /// # Errors
    /// Those of the process.
    pub fn run(&self, script: &str) -> io::Result<Output> {
        let mut command = self.command("timeout");
        command.args([PATIENCE, "sh", "-c", script]).stdin(Stdio::null()).output()
    }

    /// The same as a process of the machine's systemd: with its filters, too, which keep Landlock from a
    /// machine that is to have none.
    ///
    /// # Errors
    /// Those of the process.
    pub fn run_by_systemd(&self, script: &str) -> io::Result<Output> {
        let mut command = self.command("systemd-run");
        command.args(["--quiet", "--wait", "--pipe", "--service-type=exec", "timeout", PATIENCE]);
        command.args(["sh", "-c", script]).stdin(Stdio::null()).output()
    }

    /// The same as a user, who has just logged in.
    ///
    /// # Errors
    /// Those of the process.
    pub fn run_as(&self, user: &str, script: &str) -> io::Result<Output> {
        let mut command = self.command("runuser");
        command.args(["-u", user, "--", "env", &format!("HOME=/home/{user}"), "timeout", PATIENCE]);
        command.args(["sh", "-c", script]);
        command.stdin(Stdio::null()).output()
    }

    /// Runs a script that has to succeed; answers what it printed.
    ///
    /// # Errors
    /// Its failure, with all that it said.
    pub fn done(&self, script: &str) -> io::Result<String> {
        let output = self.run(script)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => {
                let said = said(&output);
                Err(io::Error::other(format!("{script}\n{}: {said}", output.status)))
            }
        }
    }

    /// The process of a unit, by its number on the machine below, where `/proc` is read.
    ///
    /// # Errors
    /// That it has none.
    pub fn main_process(&self, unit: &str) -> io::Result<u32> {
        let inside = self.done(&format!("systemctl show --property=MainPID --value {unit}"))?;
        self.outside(inside.trim())
    }

    /// A process by its number inside, as the machine below numbers it.
    ///
    /// # Errors
    /// That there is none.
    pub fn outside(&self, inside: &str) -> io::Result<u32> {
        let below =
            |pid| numbers(pid).is_some_and(|numbers| numbers.last() == Some(&inside.to_owned()));
        let mut level = vec![self.leader];
        while let Some(pid) = level.pop() {
            if pid != self.leader && below(pid) {
                return Ok(pid);
            }
            level.extend(children(pid));
        }
        Err(io::Error::other(format!("no process {inside} in the machine")))
    }

    /// The network that it is in.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for Machine {
    /// As when the power goes: with its first process all others are gone.
    fn drop(&mut self) {
        if let Ok(leader) = i32::try_from(self.leader)
            && leader > 0
        {
            let leader = nix::unistd::Pid::from_raw(leader);
            let _ = nix::sys::signal::kill(leader, nix::sys::signal::Signal::SIGKILL);
            if wait_until(Duration::from_secs(10), || matches!(self.nspawn.try_wait(), Ok(Some(_))))
            {
                return;
            }
        }
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }
}

/// A cgroup, removed with all below it once its processes are gone.
#[derive(Debug)]
struct Cgroup(PathBuf);

impl Cgroup {
    fn make(name: &str) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = mounts.find(|fields| fields.get(2) == Some(&"cgroup2"));
        let mount = mount.ok_or_else(|| io::Error::other("no cgroup2 is mounted"))?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let folder = Path::new(mount[1]).join(own).join(name);
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = wait_until(Duration::from_secs(5), || remove_below(&self.0).is_ok());
    }
}

fn remove_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

/// The numbers of a process in its namespaces, outermost first.
fn numbers(pid: u32) -> Option<Vec<String>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    Some(numbers.split_whitespace().map(str::to_owned).collect())
}

/// All that a process said.
#[must_use]
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn missing(command: &str) -> io::Error {
    io::Error::other(format!("not prepared: {command}"))
}
