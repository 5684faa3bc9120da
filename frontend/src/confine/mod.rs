//! A server that uses the installed broker has nothing to execute, nothing to write and nobody to
//! connect to but a name server, so it gives all that up: whoever takes it over finds no shell and no
//! tool, and changes no file of the person who started it.
//!
//! It is its own doing, beside what a systemd unit says (`NoExecPaths=`), and holds for a server that a
//! person or an MCP client starts, too. It never widens anything. What the kernel does not know is left
//! out, and one without Landlock leaves things as they were: nothing that the policy rests on is held
//! up here.
//!
//! What stays: reading, sockets of the file system (the broker's, the system's name services), and
//! sending by UDP. Their fence is the unit's.

use std::path::Path;

use landlock::{
    ABI, AccessFs, AccessNet, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::{
    config::{CheckKind, CheckSettings},
    http::listen::Address,
};

/// Where names are asked for whose answers are too long for a datagram.
const NAME_SERVER_PORT: u16 = 53;

/// What a server still has to do.
#[derive(Debug, Default, Clone, Copy)]
pub struct Needs<'a> {
    /// Where it listens, unless that is passed to it.
    pub listens: Option<&'a Address>,
    /// What it looks at; some of these connect.
    pub health_checks: &'a [CheckSettings],
}

/// From here on neither this thread nor any that it starts executes a program, changes what is in the
/// file system, connects or binds by TCP beyond its needs, sends signals to other processes, or
/// connects to their abstract sockets. What is open stays open, and libraries are loaded as before.
///
/// # Errors
/// What the kernel refused.
pub fn give_up_all_but(needs: Needs<'_>) -> Result<RulesetStatus, RulesetError> {
    // An access that is handled, and no rule that grants it anywhere. (Settings of a terminal, which
    // the ABIs from the fifth know, are no change of any file.)
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
    match needs.listens {
        Some(Address::Tcp(_, port)) => {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
        }
        Some(Address::Unix(path)) => {
            // Made there, and removed in the end. Without the folder, listening fails by itself.
            if let Ok(folder) = PathFd::new(folder_of(path)) {
                let access = AccessFs::MakeSock | AccessFs::RemoveFile;
                rules = rules.add_rule(PathBeneath::new(folder, access))?;
            }
        }
        None => {}
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
        fs, io,
        net::{TcpListener, TcpStream, UdpSocket},
        os::unix::net::UnixListener,
        process::Command,
        thread,
        time::Duration,
    };

    use super::*;
    use crate::health::Priority;

    /// What a thread that gave up all but its needs gets to see.
    fn confined<T: Send>(needs: Needs<'_>, look: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let looked = scope.spawn(|| {
                assert_eq!(give_up_all_but(needs).unwrap(), RulesetStatus::FullyEnforced);
                look()
            });
            looked.join().unwrap()
        })
    }

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
            assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
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
        confined(Needs { listens: None, health_checks: &checks }, || {
            TcpStream::connect(watched).unwrap();
            refused(TcpStream::connect(other));
            refused(TcpListener::bind("127.0.0.1:0"));
            // Where names are asked for first.
            UdpSocket::bind("127.0.0.1:0").unwrap().connect(other).unwrap();
        });
    }

    #[test]
    fn it_listens_where_it_is_told_to_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("http.sock");
        let any_port = Address::Tcp("127.0.0.1".into(), 0);
        confined(Needs { listens: Some(&any_port), ..Needs::default() }, || {
            TcpListener::bind("127.0.0.1:0").unwrap();
            refused(TcpListener::bind("127.0.0.1:9"));
            refused(UnixListener::bind(&socket));
        });
        let at_socket = Address::Unix(socket.clone());
        confined(Needs { listens: Some(&at_socket), ..Needs::default() }, || {
            UnixListener::bind(&socket).unwrap();
            refused(fs::write(folder.path().join("file"), ""));
            fs::remove_file(&socket).unwrap();
            refused(TcpListener::bind("127.0.0.1:0"));
        });
    }
}
