//! A frontend that root starts becomes nobody: it has no use for anything that root may do. Whoever it is,
//! it has no use for a capability.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::{
    process::geteuid,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
        set_capabilities, set_no_new_privs,
    },
};

/// The user, and the group, of old custom. It owns nothing.
pub const NOBODY: u32 = 65534;

/// Whether this is root, and can become somebody else. Root of a user namespace that holds nobody else is
/// an ordinary user, and one without the capabilities for it stays what little it is.
#[must_use]
pub fn can_become_nobody() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    let may = || capabilities(None).is_ok_and(|sets| sets.effective.contains(needed));
    let is_there = |map| fs::read_to_string(map).map_or(true, |map| holds_nobody(&map));
    geteuid().is_root()
        && may()
        && ["/proc/self/uid_map", "/proc/self/gid_map"].iter().all(is_there)
}

/// Whether one of the map's lines (first inside, first outside, count) has nobody's number.
fn holds_nobody(map: &str) -> bool {
    map.lines().any(|line| {
        let numbers: Option<Vec<u64>> =
            line.split_whitespace().map(|number| number.parse().ok()).collect();
        matches!(numbers.as_deref(), Some([first, _, count])
            if (*first..first.saturating_add(*count)).contains(&NOBODY.into()))
    })
}

/// Becomes nobody, in this group and no other.
///
/// # Errors
/// Those of the system: this process may be root still, and is not to go on.
pub(super) fn become_nobody(group: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(group));
    setgroups(&[gid])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    match geteuid().as_raw() {
        NOBODY => Ok(()),
        _ => Err(io::Error::other("it is still root")),
    }
}

/// Root that looks into another user's file becomes that user first: what it makes beside the file is then
/// that user's, too. Whoever else this is stays who it is.
///
/// # Errors
/// Those of the system: this process may be root still, and is not to go on.
pub fn become_owner_of(file: &Path) -> io::Result<()> {
    let found = fs::metadata(file)?;
    let (uid, gid) = (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()));
    if !geteuid().is_root() || uid.is_root() {
        return Ok(());
    }
    setgroups(&[gid])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    match geteuid().is_root() {
        false => Ok(()),
        true => Err(io::Error::other("it is still root")),
    }
}

/// Gives up what capabilities there are, for good.
pub(super) fn give_up_capabilities() -> io::Result<()> {
    let empty = CapabilitySet::empty();
    let none = CapabilitySets { effective: empty, permitted: empty, inheritable: empty };
    // A unit that gives it none does not let it set any, either.
    if capabilities(None)? != none {
        clear_ambient_capability_set()?;
        set_capabilities(None, none)?;
    }
    Ok(set_no_new_privs(true)?)
}

/// The group that may connect to a socket, as far as nobody can be in it. Root's is no group to keep.
#[must_use]
pub fn group_of(socket: &Path) -> u32 {
    fs::metadata(socket).map(|found| found.gid()).ok().filter(|gid| *gid != 0).unwrap_or(NOBODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_there_to_become_only_where_the_namespace_has_his_number() {
        assert!(holds_nobody("         0          0 4294967295\n"));
        assert!(holds_nobody("0 1000 1\n1 100000 65536\n"));
        for without in ["0 1000 1\n", "0 0 65534\n", ""] {
            assert!(!holds_nobody(without), "{without}");
        }
    }

    #[test]
    fn the_group_of_root_is_not_kept_for_the_sake_of_a_socket() {
        assert_eq!(group_of(Path::new("/")), NOBODY);
        assert_eq!(group_of(Path::new("/nowhere/broker.sock")), NOBODY);
    }
}
