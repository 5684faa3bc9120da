//! The installed broker's socket: whether it is there, whether anybody listens, and whether this user
//! may connect; if not, which file on the way is closed to them, and which group would open it.
//!
//! Whether it can be connected to is known from trying; owners and modes only explain it.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use super::{
    person::{self, Ownership, PASS, Person, WRITE},
    report::Check,
};
use crate::broker::{
    choice::{UNIT, has_unit},
    client::BrokerError,
};

const NAME: &str = "socket";

/// The group that a broker opens its socket to.
const GROUP: &str = "probity";

/// How a broker is started here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Host {
    /// systemd runs this machine.
    pub systemd: bool,
    /// It has the broker's unit.
    pub unit: bool,
}

/// What is at the socket's path.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    path: PathBuf,
    place: SocketPlace,
    /// The first file on the way, the socket included, that is closed to this user.
    barrier: Option<Barrier>,
}

#[derive(Debug, Clone)]
enum SocketPlace {
    /// It cannot be seen, for the barrier.
    Unseen,
    Nothing,
    NoSocket,
    Socket(Barrier),
}

/// A file with its owner and group by name.
#[derive(Debug, Clone)]
struct Barrier {
    path: PathBuf,
    of: Ownership,
    owner: String,
    group: String,
}

/// How trying to connect went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Knock {
    /// Somebody took the connection.
    Taken,
    /// There is no such file.
    Nothing,
    /// Nobody listens.
    Deserted,
    /// Not by this user.
    Barred,
    /// Another reason.
    Other(String),
}

impl Host {
    pub(super) fn look() -> Self {
        Self { systemd: Path::new("/run/systemd/system").is_dir(), unit: has_unit() }
    }

    /// The words and commands that start a broker at `socket`.
    fn start(self, check: Check, socket: &Path) -> Check {
        let by_hand = format!("sudo probity-broker --socket {}", socket.display());
        match self {
            Self { systemd: true, unit: true } => check.mend(
                "Start it. If it ends again, its log says why:",
                [format!("sudo systemctl enable --now {UNIT}"), journal()],
            ),
            Self { systemd: true, unit: false } => check.mend(
                "systemd has no unit of the broker's: install the package or `make install`, or run \
                 it in a terminal. `--embedded` does without:",
                [by_hand, "probity tools --embedded".into()],
            ),
            Self { systemd: false, .. } => check.mend(
                "systemd does not run this machine, so nobody starts the broker: run it under your \
                 own supervisor or in a terminal. `--embedded` does without:",
                [by_hand, "probity tools --embedded".into()],
            ),
        }
    }
}

/// The broker's own words.
pub(super) fn journal() -> String {
    "sudo journalctl -u probity-broker -n 20".into()
}

impl Knock {
    /// From what came of asking the broker.
    pub(super) fn of(error: Option<&BrokerError>) -> Self {
        match error {
            Some(BrokerError::NotPermitted { .. }) => Self::Barred,
            Some(BrokerError::Unreachable { source, .. }) => match source.kind() {
                io::ErrorKind::NotFound => Self::Nothing,
                io::ErrorKind::ConnectionRefused => Self::Deserted,
                io::ErrorKind::WouldBlock => {
                    Self::Other("more connections wait than it takes in".into())
                }
                _ => Self::Other(source.to_string()),
            },
            Some(BrokerError::NoDescriptor(source)) => Self::Other(source.to_string()),
            _ => Self::Taken,
        }
    }
}

impl Socket {
    pub(super) async fn look(path: &Path, person: &Person) -> Self {
        let mut barrier = None;
        let mut folders: Vec<_> = path.ancestors().skip(1).collect();
        folders.reverse();
        for folder in folders.iter().filter(|folder| !folder.as_os_str().is_empty()) {
            if let Ok(found) = fs::metadata(folder)
                && !person.may(&ownership(&found), PASS)
            {
                barrier = Some(Barrier::of(folder, &found).await);
                break;
            }
        }
        let place = match fs::metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                let socket = Barrier::of(path, &found).await;
                if barrier.is_none() && !person.may(&socket.of, WRITE) {
                    barrier = Some(socket.clone());
                }
                SocketPlace::Socket(socket)
            }
            Ok(_) => SocketPlace::NoSocket,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => SocketPlace::Unseen,
            Err(_) => SocketPlace::Nothing,
        };
        Self { path: path.to_owned(), place, barrier }
    }
}

impl Barrier {
    async fn of(path: &Path, found: &fs::Metadata) -> Self {
        let of = ownership(found);
        let (owner, group) = (person::user_name(of.uid).await, person::group_name(of.gid).await);
        Self { path: path.to_owned(), of, owner, group }
    }

    /// `/run/probity/broker.sock (root:probity, mode 0660)`
    fn shown(&self) -> String {
        let Self { path, of, owner, group } = self;
        format!("{} ({owner}:{group}, mode {:04o})", path.display(), of.mode & 0o7777)
    }
}

fn ownership(found: &fs::Metadata) -> Ownership {
    Ownership { uid: found.uid(), gid: found.gid(), mode: found.mode() }
}

/// Whether this user reaches the broker.
pub(super) fn reach(socket: &Socket, knock: &Knock, person: &Person, host: &Host) -> Check {
    let path = &socket.path;
    let shown = path.display();
    match (&socket.place, knock) {
        (SocketPlace::NoSocket, _) => Check::failed(NAME, format!("{shown} is no socket")).mend(
            "Name the broker's socket, with --socket or in PROBITY_SOCKET; or, if a broker is to \
             listen here, remove what is in its place:",
            [format!("ls -l {shown}")],
        ),
        (SocketPlace::Socket(at), Knock::Taken) => {
            Check::ok(NAME, format!("{}, and {} may connect", at.shown(), person.called()))
        }
        // It came or went meanwhile.
        (_, Knock::Taken) => Check::ok(NAME, format!("{shown}: connected")),
        (_, Knock::Barred) => barred(socket, person, host),
        (_, Knock::Nothing) => {
            host.start(Check::failed(NAME, format!("there is no {shown}")), path)
        }
        (_, Knock::Deserted) => {
            let found = format!("{shown} is there, and nobody listens: its broker has ended");
            host.start(Check::failed(NAME, found), path)
        }
        (_, Knock::Other(reason)) => Check::failed(NAME, format!("{shown}: {reason}")).mend(
            "Ask again in a moment; where it stays so, look at the broker's log:",
            [journal()],
        ),
    }
}

/// Why this user may not connect.
fn barred(socket: &Socket, person: &Person, host: &Host) -> Check {
    let who = person.called();
    let Some(barrier) = &socket.barrier else {
        let shown = socket.path.display();
        let found =
            format!("the system does not let {who} connect to {shown}, though its mode does");
        return Check::failed(NAME, found).mend(
            "An access control list or a security module (AppArmor, SELinux) forbids it:",
            [format!("getfacl {shown}"), "sudo journalctl -k -g 'apparmor|avc' -n 20".into()],
        );
    };
    let wanted = if barrier.path == socket.path { WRITE } else { PASS };
    let lets_group = barrier.of.mode >> 3 & wanted == wanted;
    let group = &barrier.group;
    let closed = format!("{} is closed to {who}", barrier.shown());
    if !lets_group || person.uid == barrier.of.uid || person.groups.contains(&barrier.of.gid) {
        let found = format!("{closed}: its mode lets not even group {group} in");
        let check = Check::failed(NAME, found);
        return match barrier.path == socket.path {
            true => again(check, host),
            // Who made it does not make it anew.
            false => check.mend(
                "Let others pass through it again:",
                [format!("sudo chmod 755 {}", barrier.path.display())],
            ),
        };
    }
    if barrier.of.gid == 0 {
        let found = format!("{closed}: it belongs to group root, so nobody but root may connect");
        let check = Check::failed(NAME, found);
        let name = person.name.as_deref().unwrap_or("USER");
        let restart =
            if host.systemd { "sudo systemctl restart probity-broker.socket" } else { "" };
        let commands = [
            format!("sudo groupadd --system --force {GROUP}"),
            format!("sudo usermod -aG {GROUP} {name}"),
            restart.to_owned(),
        ];
        return check.mend(
            "A broker that starts where there is a group probity opens its socket to that. Make the \
             group, join it, start the broker again, then log in again:",
            commands.into_iter().filter(|command| !command.is_empty()),
        );
    }
    let Some(name) = &person.name else {
        let found = format!("{closed}, who is not in group {group} and has no account here");
        return Check::failed(NAME, found).advise(format!(
            "Start this process with group {gid}, as `setpriv --groups {gid}` or a container's \
                 `--group-add {gid}` does.",
            gid = barrier.of.gid
        ));
    };
    if person.listed.contains(&barrier.of.gid) {
        let found = format!(
            "{closed}: {name} is in group {group} since this session began, so it is not in force yet"
        );
        return Check::failed(NAME, found).mend(
            "Log out and in again; Claude Desktop and the like have to be started anew too. In \
                 this terminal alone, at once:",
            [format!("newgrp {group}")],
        );
    }
    Check::failed(NAME, format!("{closed}, who is not in group {group}")).mend(
        "Join the group, then log out and in again:",
        [format!("sudo usermod -aG {group} {name}")],
    )
}

fn again(check: Check, host: &Host) -> Check {
    match host.systemd {
        true => check.mend(
            "Have systemd make it anew, with its own owner and mode:",
            [format!("sudo systemctl restart {UNIT}")],
        ),
        false => check.advise("Start the broker again: it makes the socket with mode 0660."),
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
