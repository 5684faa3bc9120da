//! A frontend has nothing to execute, nothing to write but the runs that it keeps and the watches that are
//! added to it, and nobody to connect to but its broker, a name server, and what its settings name (health
//! checks, a collector, a gateway, a webhook), so it gives all that up: whoever takes it over starts no shell
//! and no tool, and changes no other file. One that root starts becomes nobody first (`user.rs`). Its own broker, where it has one, is started by another
//! process (`embedded`).
//!
//! It is its own doing, beside what a systemd unit says (`NoExecPaths=`), and holds for a frontend that a
//! person or an MCP client starts, too: by Landlock, and by a filter of system calls (`calls.rs`) for
//! what Landlock has no rule for. It never widens anything. What the kernel does not know is left out,
//! and one without Landlock leaves things as they were: nothing that the policy rests on is held up here.
//!
//! What stays: reading, sending by UDP, and sockets in the file system. Those are the broker's and the
//! name services', and a person's own as well: what serves that person by a socket (`systemd --user`,
//! the session's D-Bus, an ssh-agent) still does what it is asked. Only a unit hides them.

mod calls;
mod user;

use std::{io, path::Path};

use landlock::{
    ABI, AccessFs, AccessNet, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::config::{CheckKind, CheckSettings, HttpUrl, Telemetry};

pub use self::user::{NOBODY, become_owner_of, can_become_nobody, group_of};

/// Where names are asked for whose answers are too long for a datagram.
const NAME_SERVER_PORT: u16 = 53;

/// What a frontend still has to do.
#[derive(Debug, Default, Clone, Copy)]
pub struct Needs<'a> {
    /// The group in which it becomes nobody, where it is root and can.
    pub nobody_in: Option<u32>,
    /// A socket that it has made, and removes in the end.
    pub removes: Option<&'a Path>,
    /// The folder in which it keeps runs.
    pub keeps_runs_in: Option<&'a Path>,
    /// What it looks at; some of these connect.
    pub health_checks: &'a [CheckSettings],
    /// Where it pushes what it has counted and traced.
    pub telemetry: Option<&'a Telemetry>,
    /// Where it sends what watches tell.
    pub webhook: Option<&'a HttpUrl>,
}

/// How far the kernel holds this process to what it gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confined {
    /// The files, programs, ports and processes of Landlock: `fully`, `as far as this kernel knows it`,
    /// or `no`.
    pub landlock: &'static str,
    /// Whether the filter of system calls is there.
    pub seccomp: bool,
    /// Whether it is root still, who could become nobody else.
    pub root: bool,
}

/// From here on neither this thread nor any that it starts has a capability, executes a program, changes
/// what is in the file system, listens or connects by TCP beyond its needs, sends signals to other
/// processes, or connects to their abstract sockets. What is open stays open, and libraries are loaded as
/// before.
///
/// # Errors
/// Root that it cannot leave, or a capability.
pub fn give_up_all_but(needs: Needs<'_>) -> io::Result<Confined> {
    if let Some(group) = needs.nobody_in {
        // RULE: A server that root starts becomes nobody first.
        user::become_nobody(group)?;
    }
    user::give_up_capabilities()?;
    let landlock = match landlock(needs) {
        Ok(RulesetStatus::FullyEnforced) => "fully",
        Ok(RulesetStatus::PartiallyEnforced) => "as far as this kernel knows it",
        Ok(RulesetStatus::NotEnforced) | Err(_) => "no",
    };
    let root = rustix::process::geteuid().is_root();
    Ok(Confined { landlock, seccomp: calls::give_up().is_ok(), root })
}

fn landlock(needs: Needs<'_>) -> Result<RulesetStatus, RulesetError> {
    // An access that is handled, and no rule that grants it anywhere. (Settings of a terminal, which
    // the ABIs from the fifth know, are no change of any file.)
    // RULE: A server executes nothing, changes no file beyond the folder of the runs that it keeps, and connects by TCP to name servers and to what its settings name alone.
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_write(ABI::V3) | AccessFs::Execute)?
        .handle_access(AccessNet::ConnectTcp | AccessNet::BindTcp)?
        .scope(Scope::Signal | Scope::AbstractUnixSocket)?
        .create()?
        .add_rule(NetPort::new(NAME_SERVER_PORT, AccessNet::ConnectTcp))?;
    for check in needs.health_checks {
        if let CheckKind::Tcp(address) = check.kind {
            rules = rules.add_rule(NetPort::new(address.port(), AccessNet::ConnectTcp))?;
        }
    }
    let webhook = needs.webhook.map(HttpUrl::port);
    for port in needs.telemetry.into_iter().flat_map(Telemetry::ports).chain(webhook) {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    // Where the folder is not there, nothing is kept.
    if let Some(folder) = needs.keeps_runs_in.and_then(|path| PathFd::new(path).ok()) {
        let kept = AccessFs::WriteFile
            | AccessFs::Truncate
            | AccessFs::MakeReg
            | AccessFs::RemoveFile
            | AccessFs::MakeDir
            | AccessFs::RemoveDir;
        rules = rules.add_rule(PathBeneath::new(folder, kept))?;
    }
    // Without the folder there is nothing to remove.
    if let Some(folder) = needs.removes.and_then(|path| PathFd::new(folder_of(path)).ok()) {
        rules = rules.add_rule(PathBeneath::new(folder, AccessFs::RemoveFile))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        io,
        net::{TcpListener, TcpStream, UdpSocket},
        os::unix::{
            fs::PermissionsExt as _,
            net::{UnixListener, UnixStream},
        },
        process::Command,
        thread,
        time::{Duration, SystemTime},
    };

    use rustix::{
        fs::{XattrFlags, setxattr},
        io::Errno,
        net::{AddressFamily, SocketType},
        process::{Pid, Signal, kill_process},
    };

    use super::*;
    use crate::config::Priority;

    /// What a thread that gave up all but its needs gets to see.
    fn confined<T: Send>(needs: Needs<'_>, look: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let looked = scope.spawn(|| {
                let confined = give_up_all_but(needs).unwrap();
                let root = rustix::process::geteuid().is_root();
                assert_eq!(confined, Confined { landlock: "fully", seccomp: true, root });
                look()
            });
            looked.join().unwrap()
        })
    }

    /// By either of them: EACCES or EPERM.
    fn refused<T: std::fmt::Debug>(result: io::Result<T>) {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn what_executes_nothing_does_not_and_others_do() {
        let run = || Command::new("/usr/bin/true").status();
        confined(Needs::default(), || {
            refused(run());
            refused(thread::spawn(run).join().unwrap());
        });
        assert!(run().unwrap().success());
    }

    #[test]
    fn no_file_is_made_changed_or_removed_and_all_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("diary");
        fs::write(&file, "mine").unwrap();
        confined(Needs::default(), || {
            refused(fs::write(&file, "yours"));
            refused(fs::write(folder.path().join("new"), ""));
            refused(fs::remove_file(&file));
            refused(fs::rename(&file, folder.path().join("elsewhere")));
            // Of these Landlock knows nothing.
            refused(fs::set_permissions(&file, fs::Permissions::from_mode(0o777)));
            refused(std::os::unix::fs::chown(&file, None, None));
            refused(File::open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH));
            refused(setxattr(&file, "user.mark", b"1", XattrFlags::empty()).map_err(Into::into));
            assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        });
    }

    #[test]
    fn where_it_keeps_runs_it_makes_changes_and_removes_files_and_nowhere_else() {
        let folders = [0, 0].map(|_| tempfile::tempdir().unwrap());
        let [own, other] = folders.each_ref().map(|folder| folder.path());
        confined(Needs { keeps_runs_in: Some(own), ..Needs::default() }, || {
            let file = own.join("runs.db");
            fs::write(&file, "one").unwrap();
            File::options().write(true).open(&file).unwrap().set_len(1).unwrap();
            fs::remove_file(&file).unwrap();
            fs::create_dir(own.join("live")).unwrap();
            refused(UnixListener::bind(own.join("socket")));
            refused(std::os::unix::fs::symlink("/etc/passwd", own.join("link")));
            refused(fs::write(other.join("runs.db"), "one"));
        });
    }

    #[test]
    fn it_signals_itself_and_nobody_else() {
        let mut other = Command::new("/usr/bin/sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&other);
        confined(Needs::default(), || {
            refused(kill_process(pid, Signal::TERM).map_err(Into::into));
            // What `abort` does, by which the standard library ends in despair.
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGURG).unwrap();
        });
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn sockets_are_those_that_it_serves_and_asks_by() {
        let socket = |family| rustix::net::socket(family, SocketType::DGRAM, None);
        confined(Needs::default(), || {
            for family in [AddressFamily::UNIX, AddressFamily::INET, AddressFamily::INET6] {
                socket(family).unwrap();
            }
            for family in [AddressFamily::PACKET, AddressFamily::VSOCK, AddressFamily::BLUETOOTH] {
                assert_eq!(socket(family).unwrap_err(), Errno::PERM);
            }
        });
    }

    #[test]
    fn it_connects_where_its_health_checks_look_and_nowhere_else() {
        let listeners = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let [watched, other] = listeners.each_ref().map(|it| it.local_addr().unwrap());
        let checks = [CheckSettings {
            name: "watched".into(),
            kind: CheckKind::Tcp(watched),
            priority: Priority::Low,
            timeout: Duration::from_secs(1),
        }];
        confined(Needs { health_checks: &checks, ..Needs::default() }, || {
            TcpStream::connect(watched).unwrap();
            refused(TcpStream::connect(other));
            refused(TcpListener::bind("127.0.0.1:0"));
            // Where names are asked for first.
            UdpSocket::bind("127.0.0.1:0").unwrap().connect(other).unwrap();
        });
    }

    #[test]
    fn it_connects_to_its_collector_and_to_none_where_it_has_none() {
        let listeners = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let [collector, other] = listeners.each_ref().map(|it| it.local_addr().unwrap());
        let telemetry = Telemetry {
            otlp: None,
            pushgateway: HttpUrl::parse(&format!("http://{collector}")),
            push_interval: Duration::from_secs(1),
        };
        confined(Needs { telemetry: Some(&telemetry), ..Needs::default() }, || {
            TcpStream::connect(collector).unwrap();
            refused(TcpStream::connect(other));
        });
        let webhook = HttpUrl::parse(&format!("http://{other}/hook"));
        confined(Needs { webhook: webhook.as_ref(), ..Needs::default() }, || {
            TcpStream::connect(other).unwrap();
            refused(TcpStream::connect(collector));
        });
        confined(Needs::default(), || refused(TcpStream::connect(collector)));
    }

    #[test]
    fn it_listens_at_what_it_has_bound_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("http.sock");
        let _bound = UnixListener::bind(&socket).unwrap();
        confined(Needs { removes: Some(&socket), ..Needs::default() }, || {
            UnixStream::connect(&socket).unwrap();
            refused(TcpListener::bind("127.0.0.1:0"));
            refused(UnixListener::bind(folder.path().join("another.sock")));
            refused(fs::write(folder.path().join("file"), ""));
            fs::remove_file(&socket).unwrap();
        });
    }
}
