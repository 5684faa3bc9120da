//! Giving up every privilege but `CAP_NET_RAW`, before the first connection.

use std::{fs, io};

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// A user to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
}

/// A privilege that cannot be given up: the broker does not start then.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// A user who is not there, or is root.
    #[error("--user {name}: {reason}")]
    User {
        /// As given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Root who cannot become anybody else.
    #[error(
        "it was started as root without {missing}, so it can become no other user, and it does not run as \
         root: add what is missing (--cap-add of a container, CapabilityBoundingSet= of a unit), or start \
         it as another user (--user=65534 of a container, User= of a unit)"
    )]
    CannotBecome {
        /// The capabilities that it lacks.
        missing: String,
    },
    /// A capability.
    #[error("a capability cannot be dropped: {0}")]
    Capability(#[from] CapsError),
    /// Anything else.
    #[error("{what}: {error}")]
    System {
        /// Which.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl Account {
    /// Finds a user in the text of /etc/passwd, or reads `UID` or `UID:GID`.
    pub(crate) fn find(name: &str, passwd: &str) -> Result<Self, PrivilegeError> {
        let fail = |reason| PrivilegeError::User { name: name.to_owned(), reason };
        let (uid, gid) = name.split_once(':').unwrap_or((name, name));
        let account = match (uid.parse(), gid.parse()) {
            (Ok(uid), Ok(gid)) => Self { uid, gid },
            _ => passwd
                .lines()
                .map(|line| line.split(':').collect::<Vec<_>>())
                .find_map(|fields| match fields[..] {
                    [user, _, uid, gid, ..] if user == name => {
                        Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
                    }
                    _ => None,
                })
                .ok_or_else(|| fail("there is no such user; create it, or name another"))?,
        };
        if account.uid == 0 || account.gid == 0 {
            return Err(fail("the broker does not run as root"));
        }
        Ok(account)
    }
}

/// What it takes to become another user, and to give that user the folder of the runs.
const TO_BECOME: [Capability; 3] =
    [Capability::CAP_CHOWN, Capability::CAP_SETGID, Capability::CAP_SETUID];

/// Who this process is, for what it may lend and what it must leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starter {
    /// Root, who becomes somebody else.
    Root,
    /// Anybody else. In a user namespace of this one user the number 0 is an ordinary user's, too.
    User,
}

impl Starter {
    /// Looks at this process.
    ///
    /// # Errors
    /// Root who can become nobody else.
    pub(crate) fn of_process() -> Result<Self, PrivilegeError> {
        if !Uid::effective().is_root() || is_ordinary_user_called_root() {
            return Ok(Self::User);
        }
        let lacks = |capability: &Capability| {
            caps::has_cap(None, CapSet::Effective, *capability).is_ok_and(|has| !has)
        };
        let missing: Vec<_> =
            TO_BECOME.iter().filter(|it| lacks(it)).map(ToString::to_string).collect();
        match missing.is_empty() {
            true => Ok(Self::Root),
            false => Err(PrivilegeError::CannotBecome { missing: missing.join(", ") }),
        }
    }
}

impl Account {
    /// The same, if this user namespace has it.
    ///
    /// # Errors
    /// A number that is nobody's here.
    pub(crate) fn if_mapped(self) -> Result<Self, PrivilegeError> {
        let holds = |file, id| fs::read_to_string(file).map_or(true, |map| holds(&map, id));
        if holds("/proc/self/uid_map", self.uid) && holds("/proc/self/gid_map", self.gid) {
            return Ok(self);
        }
        let reason = "this user namespace has no such number, so root cannot become it: map it, or start \
                      the broker as another user than root";
        Err(PrivilegeError::User { name: format!("{}:{}", self.uid, self.gid), reason })
    }
}

/// Whether one of a map's lines (first inside, first outside, count) has a number inside.
fn holds(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let numbers = line.split_whitespace().map(str::parse::<u64>).collect::<Result<Vec<_>, _>>();
        matches!(numbers.as_deref(), Ok([first, _, count])
            if (*first..first.saturating_add(*count)).contains(&id.into()))
    })
}

/// Whether this is root in a user namespace that holds one user only, who is not root outside
/// (`unshare --user --map-root-user`). There is nobody to become, and nothing that is root's.
fn is_ordinary_user_called_root() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| holds_one_ordinary_user(&map))
}

/// The kernel's lines of first uid inside, first uid outside, and count.
fn holds_one_ordinary_user(uid_map: &str) -> bool {
    let numbers: Vec<&str> = uid_map.split_whitespace().collect();
    matches!(numbers[..], ["0", outside, "1"] if outside != "0")
}

/// Becomes `account` where this is root, and keeps `CAP_NET_RAW` if `keep_net_raw` and nothing else
/// in any case.
pub(crate) fn drop_to(account: Option<Account>, keep_net_raw: bool) -> Result<(), PrivilegeError> {
    let system =
        |what| move |error: nix::Error| PrivilegeError::System { what, error: error.into() };
    let had = caps::has_cap(None, CapSet::Permitted, Capability::CAP_NET_RAW)?;
    let kept = if keep_net_raw && had {
        CapsHashSet::from([Capability::CAP_NET_RAW])
    } else {
        CapsHashSet::new()
    };

    caps::clear(None, CapSet::Ambient)?;
    // NET_RAW stays in the bounding set even where the broker does not hold it: the kernel refuses
    // to execute a file with a capability outside the set, as Debian's ping is. no_new_privs keeps
    // it from being gained.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::all() {
            if capability != Capability::CAP_NET_RAW
                && caps::has_cap(None, CapSet::Bounding, capability)?
            {
                caps::drop(None, CapSet::Bounding, capability)?;
            }
        }
    }
    if let Some(Account { uid, gid }) = account {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        nix::sys::prctl::set_keepcaps(true).map_err(system("keeping capabilities"))?;
        setgroups(&[gid]).map_err(system("leaving root's groups"))?;
        setresgid(gid, gid, gid).map_err(system("changing the group"))?;
        setresuid(uid, uid, uid).map_err(system("changing the user"))?;
        nix::sys::prctl::set_keepcaps(false).map_err(system("no longer keeping capabilities"))?;
    }
    // Effective first: it may not hold what permitted does not.
    caps::clear(None, CapSet::Effective)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Inheritable, &kept)?;
    nix::sys::prctl::set_no_new_privs().map_err(system("no_new_privs"))?;
    // Nobody of the same uid may look into this process or steer it.
    nix::sys::prctl::set_dumpable(false).map_err(system("closing this process to others"))?;
    verify(&kept)
}

/// Gives up every capability, for a process that needs none.
pub(crate) fn give_up_all() -> Result<(), PrivilegeError> {
    for set in [CapSet::Ambient, CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set)?;
    }
    verify(&CapsHashSet::new())
}

/// Believes what the kernel says afterwards, not what was asked of it.
fn verify(kept: &CapsHashSet) -> Result<(), PrivilegeError> {
    let wrong =
        |what| PrivilegeError::System { what, error: io::Error::other("it is still there") };
    for set in [CapSet::Permitted, CapSet::Effective, CapSet::Inheritable] {
        if &caps::read(None, set)? != kept {
            return Err(wrong("a capability"));
        }
    }
    if !caps::read(None, CapSet::Ambient)?.is_empty() {
        return Err(wrong("an ambient capability"));
    }
    let is_root = Uid::effective().is_root() || Uid::current().is_root();
    if is_root && !is_ordinary_user_called_root() {
        return Err(wrong("root"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nprobity-broker:x:990:991::/:/sbin/nologin\n";

    #[test]
    fn users_are_found_by_name_and_by_number_and_root_is_nobody_to_become() {
        let find = |name| Account::find(name, PASSWD);
        assert_eq!(find("probity-broker").unwrap(), Account { uid: 990, gid: 991 });
        assert_eq!(find("64000").unwrap(), Account { uid: 64000, gid: 64000 });
        assert_eq!(find("64000:64001").unwrap(), Account { uid: 64000, gid: 64001 });
        for wrong in ["root", "0", "5:0", "nobody-here", ""] {
            assert!(find(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn root_is_an_ordinary_user_only_where_the_namespace_holds_nobody_else() {
        assert!(holds_one_ordinary_user("         0       1000          1\n"));
        assert!(holds("0 1000 1\n1 100000 65536\n", 65534));
        assert!(!holds("0 0 1\n", 65534) && !holds("", 0));
        for root in [
            "         0          0 4294967295\n",
            "0 0 1\n",
            "0 1000 1\n1 100000 65536\n",
            "0 1000 2\n",
            "",
        ] {
            assert!(!holds_one_ordinary_user(root), "{root}");
        }
    }
}
