//! The network that tests may scan: client – router – host, in namespaces of their own.
//!
//! ```text
//! client 10.66.1.2 ── 10.66.1.1 router 10.66.2.1 ── 10.66.2.2 host (lab-host: 22, 80, 8080, 8000)
//! ```
//!
//! A test of ping, traceroute and nmap needs real packets, hops and ports, and none of them may
//! ever reach a network that belongs to somebody. No lab has a link to the machine's own
//! namespace and no router has a default route, so a packet to any other address, 8.8.8.8 say,
//! dies inside. A lab never touches namespaces or files it did not name itself. Several may
//! exist at once: their addresses are the same and their namespaces are not.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

mod beyond;
mod dns;
mod flawed;
mod namespace;
mod web;
mod wider;

pub use self::dns::CHANGING_NAME;
pub use self::namespace::Namespace;
use self::namespace::{End, LabId, ip, remove_stale};
pub use self::web::HTTP;
pub use self::wider::{HOST6, ROUTER6};

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
    id: LabId,
    client: Namespace,
    router: Namespace,
    host: Namespace,
    servers: Vec<Child>,
    /// What its name server was asked, where there is one.
    questions: Option<tempfile::NamedTempFile>,
    /// Those of its web servers, where there are some.
    certificates: Option<tempfile::TempDir>,
    /// Where its servers are to be found: [`HOST`], and [`HOST6`] where there is IPv6.
    served: Vec<IpAddr>,
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
            id,
            client: id.namespace("client"),
            router: id.namespace("router"),
            host: id.namespace("host"),
            servers: Vec::new(),
            questions: None,
            certificates: None,
            served: vec![HOST.into()],
        };
        lab.connect()?;
        lab.write_names()?;
        lab.serve(&[HOST.into()])?;
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

    fn connect(&self) -> Result<(), LabError> {
        let Self { id, client, router, host, .. } = self;
        ip(&[], &[client, router, host].map(|ns| format!("netns add {}", ns.name())).join("\n"))?;

        // Before there are links, so that none of them ever gets an IPv6 address. The pace the
        // kernel sets for ICMP errors would lose hops of a traceroute at random.
        let quiet = "cd /proc/sys/net && echo 0 >ipv4/icmp_ratelimit && \
            { [ ! -e ipv6 ] || echo 1 >ipv6/conf/default/disable_ipv6; }";
        client.shell(quiet)?;
        host.shell(quiet)?;
        router.shell(&format!("{quiet} && echo 1 >ipv4/ip_forward"))?;

        for (namespace, near, address, far, gateway) in
            [(client, "c", CLIENT, "rc", ROUTER), (host, "h", HOST, "rh", ROUTER_FAR)]
        {
            let (near, far) = (id.link(near), id.link(far));
            let (near, far) = (End { link: &near, address }, End { link: &far, address: gateway });
            namespace.link(near, router, far)?;
            namespace.route_by(gateway)?;
        }
        Ok(())
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

    /// Starts the servers at addresses of the host.
    fn serve(&mut self, addresses: &[IpAddr]) -> Result<(), LabError> {
        let mut command = self.host.command(lab_host()?);
        command.args(addresses.iter().map(IpAddr::to_string));
        self.start(command)
    }

    /// Starts a server of the host's, and waits until it says that it is ready.
    fn start(&mut self, mut command: Command) -> Result<(), LabError> {
        let mut child = command
            // Held open by the lab: its end is the program's end, even if the test is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| LabError::Run { program: command.get_program().into(), source })?;
        let stdout = child.stdout.take();
        self.servers.push(child);

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
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        for namespace in [&self.client, &self.router, &self.host] {
            namespace.remove();
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
