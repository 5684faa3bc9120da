//! Who this process is to the kernel, and so to a broker, in names. It is for messages alone: nothing
//! is decided by what stands here, and names that only a directory service knows are numbers.

use std::{
    fmt, fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use rustix::process::{getegid, geteuid, getgroups};

use probity_output::clean::clean_str;

/// More groups than this are no help to anybody.
const MOST_SHOWN: usize = 16;

/// The user and groups by which a broker grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whom {
    /// The user.
    pub uid: u32,
    /// Its name, where this machine's files have it.
    pub user: Option<String>,
    /// The groups, by name or else by number.
    pub groups: Vec<String>,
}

impl Whom {
    /// This process.
    #[must_use]
    pub fn this_process() -> Self {
        let mut gids = vec![getegid().as_raw()];
        gids.extend(getgroups().unwrap_or_default().iter().map(|gid| gid.as_raw()));
        gids.sort_unstable();
        gids.dedup();
        let file = Names::of("/etc/group");
        let name = |gid: u32| file.name(gid).unwrap_or_else(|| gid.to_string());
        let uid = geteuid().as_raw();
        let user = Names::of("/etc/passwd").name(uid);
        Self { uid, user, groups: gids.into_iter().map(name).collect() }
    }

    /// The user as a policy's grant names it.
    #[must_use]
    pub fn as_grantee(&self) -> String {
        match &self.user {
            Some(name) => format!("user = \"{name}\""),
            None => format!("user = {}", self.uid),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(name) => write!(f, "the user {name} (uid {})", self.uid)?,
            None => write!(f, "uid {}", self.uid)?,
        }
        let many = if self.groups.len() == 1 { "group" } else { "groups" };
        let shown = self.groups.iter().take(MOST_SHOWN).map(String::as_str);
        write!(f, " in the {many} {}", shown.collect::<Vec<_>>().join(", "))?;
        match self.groups.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What gets this user to a socket that the system does not let it open.
#[must_use]
pub fn way_to(socket: &Path) -> String {
    // Where the socket cannot be seen, it is a folder above it that is closed.
    let seen = socket.ancestors().find_map(|path| Some((path, path.symlink_metadata().ok()?)));
    let Some((path, metadata)) = seen else {
        return String::from("Ask an administrator who may use the broker.");
    };
    let needed = if metadata.file_type().is_socket() { 0o020 } else { 0o010 };
    let (mode, gid) = (metadata.mode(), metadata.gid());
    if mode & needed == 0 || gid == 0 {
        return format!(
            "{} is closed to all but uid {}: ask an administrator (its broker takes `--group NAME`; root's \
             commands ask as nobody, in that group), or add `--embedded` to run with a private broker.",
            path.display(),
            metadata.uid()
        );
    }
    let groups = Names::of("/etc/group");
    let group = groups.name(gid).unwrap_or_else(|| gid.to_string());
    let user = Whom::this_process().user.unwrap_or_else(|| "USER".into());
    if groups.lists(gid, &user) {
        return format!(
            "{user} is in the group {group} since this session began: log in again (`newgrp {group}` is \
             enough for this terminal)."
        );
    }
    format!("Join the group {group}: `sudo usermod -aG {group} {user}`, then log in again.")
}

/// A file of the form of `/etc/passwd` and `/etc/group`: the name first, the number third.
struct Names(String);

impl Names {
    fn of(path: &str) -> Self {
        Self(fs::read_to_string(path).unwrap_or_default())
    }

    fn name(&self, number: u32) -> Option<String> {
        self.0.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, its) = (fields.next()?, fields.nth(1)?);
            let is_it = its.parse() == Ok(number) && !name.is_empty();
            is_it.then(|| clean_str(name).into_owned())
        })
    }

    /// Whether a group has this user among its members, which come fourth.
    fn lists(&self, gid: u32, user: &str) -> bool {
        self.0.lines().map(|line| line.split(':').collect::<Vec<_>>()).any(|fields| {
            let is_it = fields.get(2).is_some_and(|its| its.parse() == Ok(gid));
            is_it
                && fields
                    .get(3)
                    .is_some_and(|users| users.split(',').any(|one| !one.is_empty() && one == user))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    use super::*;

    #[test]
    fn a_number_gets_its_name_and_a_line_that_is_none_is_passed_over() {
        let names = Names("# a comment\n\nroot:x:0:0\nada:x:1000:\nbroken\n:x:7:\n".into());
        assert_eq!(names.name(1000).as_deref(), Some("ada"));
        assert_eq!(names.name(0).as_deref(), Some("root"));
        assert_eq!((names.name(7), names.name(8)), (None, None));
        let groups = Names("adm:x:4:syslog,ada\nprobity:x:990:\n".into());
        assert!(groups.lists(4, "ada"));
        assert!(!groups.lists(4, "ad") && !groups.lists(990, "ada") && !groups.lists(990, ""));
    }

    #[test]
    fn whom_a_broker_sees_is_said_and_named_as_a_grant_would() {
        let groups = ["ada", "docker"].map(String::from).to_vec();
        let mut whom = Whom { uid: 1000, user: Some("ada".into()), groups };
        assert_eq!(whom.to_string(), "the user ada (uid 1000) in the groups ada, docker");
        assert_eq!(whom.as_grantee(), "user = \"ada\"");
        whom = Whom { uid: 7, user: None, groups: (0..20).map(|n: u32| n.to_string()).collect() };
        assert!(whom.to_string().ends_with("15 and 4 more"), "{whom}");
        assert_eq!(whom.as_grantee(), "user = 7");
    }

    #[test]
    fn a_socket_that_nobody_else_may_open_sends_nobody_into_a_group() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("broker.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        let mode = |mode| fs::set_permissions(&socket, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o600);
        assert!(way_to(&socket).contains("closed to all but uid"));
        // The group of the one who runs the tests; root's is nobody's to join.
        mode(0o660);
        let belongs_to_root = socket.metadata().unwrap().gid() == 0;
        assert_eq!(way_to(&socket).contains("usermod -aG"), !belongs_to_root);
    }
}
