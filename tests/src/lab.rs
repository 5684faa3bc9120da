//! The network that tests may scan: client – router – host, in namespaces of their own.
//!
//! ```text
//! client 10.66.1.2 ── 10.66.1.1 router 10.66.2.1 ── 10.66.2.2 host (lab-host: 22, 80, 8080)
//! ```
//!
//! A test of ping, traceroute and nmap needs real packets, hops and ports, and none of them may
//! ever reach a network that belongs to somebody. No lab has a link to the machine's own
//! namespace and no router has a default route, so a packet to any other address, 8.8.8.8 say,
//! dies inside. A lab never touches namespaces or files it did not name itself. Several may
//! exist at once: their addresses are the same and their namespaces are not.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// The client's address; its network is a /24.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 66, 1, 2);
/// The router's address on the client's side, the client's default gateway.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 66, 1, 1);
/// The router's address on the host's side, the host's default gateway.
pub const ROUTER_FAR: Ipv4Addr = Ipv4Addr::new(10, 66, 2, 1);
/// The host's address; its network is a /24.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 66, 2, 2);
/// The public address beside [`HOST`] under [`MIXED_NAME`]. In a lab no packet gets there.
pub const PUBLIC: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);

/// The client's name for [`HOST`].
pub const HOST_NAME: &str = "web.lab.internal";
/// The client's name for [`ROUTER`].
pub const ROUTER_NAME: &str = "router.lab.internal";
/// The client's name for two addresses, [`HOST`] and [`PUBLIC`].
pub const MIXED_NAME: &str = "mixed.lab.internal";

/// The environment variable that names the lab-host program, if it is not built beside the tests.
pub const LAB_HOST_ENV: &str = "PROBITY_LAB_HOST";

const PREFIX: &str = "pbt";
const NETNS_RUN: &str = "/run/netns";
const NETNS_ETC: &str = "/etc/netns";
/// The absolute path, so that a test may clear the environment of a [`Namespace::command`].
const IP: &str = "/usr/sbin/ip";
/// Binding three ports takes a millisecond; the rest is for a machine busy with other tests.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// What keeps a lab from being built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// A program could not be started, fed or awaited.
    #[error("running {program}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A set-up command said no; without root it does.
    #[error("{step} failed: {stderr}")]
    Step {
        /// The command and what it was about.
        step: String,
        /// What it printed.
        stderr: String,
    },
    /// A file below `/etc/netns` could not be written.
    #[error("writing {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lab-host program is at none of the places where it is built.
    #[error(
        "no lab-host program at {looked_at:?}: build the package's binaries or set {LAB_HOST_ENV}"
    )]
    NoLabHost {
        /// Where it was looked for.
        looked_at: Vec<PathBuf>,
    },
    /// The lab-host program ended, or kept silent, instead of saying that it listens.
    #[error("lab-host is not ready, it said {said:?}")]
    NotReady {
        /// The line it printed, empty if there was none.
        said: String,
    },
}

/// Three connected namespaces with servers on the host, taken down when dropped.
#[derive(Debug)]
pub struct Lab {
    client: Namespace,
    router: Namespace,
    host: Namespace,
    server: Option<Child>,
}

impl Lab {
    /// Builds a lab and waits until its servers listen. Labs of processes that died without
    /// dropping theirs are removed first.
    ///
    /// # Errors
    /// Without root, `/usr/sbin/ip` or the lab-host program. Nothing half-built stays behind.
    pub fn new() -> Result<Self, LabError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let id = LabId { pid: std::process::id(), number: COUNT.fetch_add(1, Ordering::Relaxed) };
        remove_stale(id);
        // From here on Drop cleans up, also after an early return.
        let mut lab = Self {
            client: id.namespace("client"),
            router: id.namespace("router"),
            host: id.namespace("host"),
            server: None,
        };
        lab.connect(id)?;
        lab.write_names()?;
        lab.start_server()?;
        Ok(lab)
    }

    /// The namespace the tools under test run in, with the lab's names in `/etc/hosts`.
    #[must_use]
    pub fn client(&self) -> Namespace {
        self.client.clone()
    }

    /// The namespace that forwards between client and host.
    #[must_use]
    pub fn router(&self) -> Namespace {
        self.router.clone()
    }

    /// The namespace with the servers.
    #[must_use]
    pub fn host(&self) -> Namespace {
        self.host.clone()
    }

    fn connect(&self, id: LabId) -> Result<(), LabError> {
        let Self { client, router, host, .. } = self;
        ip(&[], &[client, router, host].map(|ns| format!("netns add {}", ns.name)).join("\n"))?;

        // Before there are links, so that none of them ever gets an IPv6 address. The pace the
        // kernel sets for ICMP errors would lose hops of a traceroute at random.
        let quiet = "cd /proc/sys/net && echo 0 >ipv4/icmp_ratelimit && \
            { [ ! -e ipv6 ] || echo 1 >ipv6/conf/default/disable_ipv6; }";
        client.shell(quiet)?;
        host.shell(quiet)?;
        router.shell(&format!("{quiet} && echo 1 >ipv4/ip_forward"))?;

        client.attach(&id.link("c"), CLIENT, router, &id.link("rc"), ROUTER)?;
        host.attach(&id.link("h"), HOST, router, &id.link("rh"), ROUTER_FAR)
    }

    /// `ip netns exec` mounts these files over those in `/etc`, for the client alone.
    fn write_names(&self) -> Result<(), LabError> {
        let dir = self.client.etc();
        let files = [
            (
                "hosts",
                format!(
                    "127.0.0.1 localhost\n{HOST} {HOST_NAME}\n{ROUTER} {ROUTER_NAME}\n\
                     {HOST} {MIXED_NAME}\n{PUBLIC} {MIXED_NAME}\n"
                ),
            ),
            // Nobody answers there, and the options say how soon to notice.
            ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n".to_owned()),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_owned()),
        ];
        fs::create_dir_all(&dir).map_err(|source| LabError::Write { path: dir.clone(), source })?;
        for (name, text) in files {
            let path = dir.join(name);
            fs::write(&path, text).map_err(|source| LabError::Write { path, source })?;
        }
        Ok(())
    }

    fn start_server(&mut self) -> Result<(), LabError> {
        let program = lab_host()?;
        let mut child = self
            .host
            .command(&program)
            .arg(HOST.to_string())
            // Held open by the lab: its end is the program's end, even if the test is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| LabError::Run { program, source })?;
        let stdout = child.stdout.take();
        self.server = Some(child);

        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            // On an error or the end of the stream the line stays empty, and that is the report.
            let _ = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
            let _ = sender.send(line);
        });
        let said = receiver.recv_timeout(READY_TIMEOUT).unwrap_or_default();
        if said.trim_end() == "ready" { Ok(()) } else { Err(LabError::NotReady { said }) }
    }
}

impl Drop for Lab {
    /// Ends the servers, then removes the namespaces. What fails is left to the next lab.
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        for namespace in [&self.client, &self.router, &self.host] {
            namespace.remove();
        }
    }
}

/// A network namespace of a lab: its name, which outlives the lab without keeping it alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// The name that `ip netns` knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs `program` inside, with the files of `/etc/netns/NAME` mounted over
    /// those in `/etc`. The pid of the child is that of `program`: `ip` replaces itself.
    ///
    /// `ip` needs root to enter, so the command must not change its user; `program` may.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(IP);
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    fn shell(&self, script: &str) -> Result<(), LabError> {
        run(self.command("/bin/sh").args(["-c", script]), "")
    }

    /// Makes a link whose two ends appear inside the namespaces, never in the machine's own.
    fn attach(
        &self,
        near: &str,
        address: Ipv4Addr,
        router: &Self,
        far: &str,
        gateway: Ipv4Addr,
    ) -> Result<(), LabError> {
        let far_end =
            format!("link set lo up\naddr add {gateway}/24 dev {far}\nlink set {far} up\n");
        let near_end = format!(
            "link set lo up\naddr add {address}/24 dev {near}\nlink set {near} up\n\
             route add default via {gateway}\n"
        );
        let link = format!("link add {near} type veth peer name {far} netns {}", router.name);
        ip(&["-n", &self.name], &link)?;
        ip(&["-n", &router.name], &far_end)?;
        ip(&["-n", &self.name], &near_end)
    }

    fn etc(&self) -> PathBuf {
        Path::new(NETNS_ETC).join(&self.name)
    }

    fn remove(&self) {
        // The shared parent stays: removing it would race with a lab that is being built.
        let _ = fs::remove_dir_all(self.etc());
        if Path::new(NETNS_RUN).join(&self.name).exists() {
            let _ = ip(&[], &format!("netns del {}", self.name));
        }
    }
}

/// Who built a lab, and which of theirs it is. Written into every name, so that leftovers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LabId {
    pid: u32,
    number: u32,
}

impl LabId {
    fn namespace(self, role: &str) -> Namespace {
        Namespace { name: format!("{PREFIX}-{}-{}-{role}", self.pid, self.number) }
    }

    /// Hexadecimal, for an interface name has 15 bytes: 2 of role, 6 of pid, 1, 6 of number.
    fn link(self, role: &str) -> String {
        format!("{role}{:x}n{:x}", self.pid, self.number)
    }

    /// The reverse of [`Self::namespace`]; `None` for every name that is not a lab's.
    fn of_namespace(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        let prefix = parts.next()?;
        let id = Self { pid: parts.next()?.parse().ok()?, number: parts.next()?.parse().ok()? };
        let role = parts.next()?;
        // Comparing with the name it would have been given leaves no second spelling.
        (prefix == PREFIX && ["client", "router", "host"].contains(&role))
            .then(|| id.namespace(role))
            .filter(|namespace| namespace.name == name)
            .map(|_| id)
    }

    /// Whether a lab found under this id is nobody's while `mine` is being built: its process is
    /// dead, or it bears the id that is mine, from a process that once had my pid.
    fn is_stale(self, mine: Self) -> bool {
        self == mine || !Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

/// Removes what dead processes left. Another process may be doing the same at the same time, and
/// whichever comes second finds nothing, so failures do not matter.
fn remove_stale(mine: LabId) {
    for dir in [NETNS_RUN, NETNS_ETC] {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if LabId::of_namespace(&name).is_some_and(|id| id.is_stale(mine)) {
                Namespace { name }.remove();
            }
        }
    }
}

/// Tests run from `target/debug/deps`, and cargo puts the package's programs one above.
fn lab_host() -> Result<PathBuf, LabError> {
    let named = env::var_os(LAB_HOST_ENV).map(PathBuf::from);
    let looked_at: Vec<PathBuf> = match (named, env::current_exe()) {
        (Some(named), _) => vec![named],
        (None, Ok(own)) => {
            own.ancestors().skip(1).take(2).map(|dir| dir.join("lab-host")).collect()
        }
        (None, Err(_)) => Vec::new(),
    };
    looked_at.iter().find(|path| path.is_file()).cloned().ok_or(LabError::NoLabHost { looked_at })
}

/// Runs `ip OPTIONS -batch -` on `lines`, many changes for the price of one process.
fn ip(options: &[&str], lines: &str) -> Result<(), LabError> {
    run(Command::new(IP).args(options).args(["-batch", "-"]), lines)
}

fn run(command: &mut Command, input: &str) -> Result<(), LabError> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            // A program that ended early has said why on stderr, which tells more than EPIPE.
            let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
            child.wait_with_output()
        })
        .map_err(|source| LabError::Run { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LabError::Step { step: format!("{command:?} {input:?}"), stderr })
}
