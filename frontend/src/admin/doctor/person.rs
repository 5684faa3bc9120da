//! Who asks: what the kernel knows of this process, and what the machine's accounts know of the user.
//! The two differ from when a user joins a group until the next login.

use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist, getgroups};
use tokio::time::timeout;

/// Accounts may be asked of a directory server that does not answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a permission is asked of: the bits of `rwx`.
pub(super) const WRITE: u32 = 0o2;
pub(super) const PASS: u32 = 0o1;

/// The user of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    pub uid: u32,
    pub gid: u32,
    /// Groups that are in force for this process, the primary one included.
    pub groups: Vec<u32>,
    /// The user's name; none where the uid has no account.
    pub name: Option<String>,
    /// Groups that the accounts list for that name.
    pub listed: Vec<u32>,
}

/// Owner, group and mode of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ownership {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

impl Person {
    pub(super) async fn look() -> Self {
        let (uid, gid) = (geteuid(), getegid());
        let mut groups: Vec<u32> =
            getgroups().unwrap_or_default().into_iter().map(Gid::as_raw).collect();
        if !groups.contains(&gid.as_raw()) {
            groups.push(gid.as_raw());
        }
        let (name, listed) = in_time(move || account(uid)).await.flatten().unzip();
        Self {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
            groups,
            name,
            listed: listed.unwrap_or_default(),
        }
    }

    /// As a sentence names them.
    pub(super) fn called(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("uid {}", self.uid))
    }

    /// Whether the mode lets them. Lists of access control are not looked at.
    pub(super) fn may(&self, of: &Ownership, wanted: u32) -> bool {
        let shift = match () {
            () if self.uid == 0 => return true,
            () if self.uid == of.uid => 6,
            () if self.groups.contains(&of.gid) => 3,
            () => 0,
        };
        of.mode >> shift & wanted == wanted
    }
}

fn account(uid: Uid) -> Option<(String, Vec<u32>)> {
    let user = User::from_uid(uid).ok().flatten()?;
    let name = std::ffi::CString::new(user.name.clone()).ok()?;
    let listed = getgrouplist(&name, user.gid).unwrap_or_default();
    Some((user.name, listed.into_iter().map(Gid::as_raw).collect()))
}

/// A user's name, or the number.
pub(super) async fn user_name(uid: u32) -> String {
    let find = move || User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
    in_time(find).await.flatten().unwrap_or_else(|| uid.to_string())
}

/// A group's name, or the number.
pub(super) async fn group_name(gid: u32) -> String {
    let find = move || Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name);
    in_time(find).await.flatten().unwrap_or_else(|| gid.to_string())
}

async fn in_time<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    timeout(PATIENCE, tokio::task::spawn_blocking(look)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_that_a_user_is_in_decides() {
        let ada = Person { uid: 1000, gid: 1000, groups: vec![1000, 990], ..Person::default() };
        let of = |uid, gid, mode| Ownership { uid, gid, mode };
        for (ownership, may) in [
            (of(0, 990, 0o660), true),
            (of(0, 991, 0o660), false),
            (of(0, 991, 0o662), true),
            // The group's refusal counts, not what others may.
            (of(0, 990, 0o602), false),
            (of(1000, 990, 0o060), false),
            (of(1000, 0, 0o600), true),
        ] {
            assert_eq!(ada.may(&ownership, WRITE), may, "{ownership:?}");
        }
        assert!(Person::default().may(&of(7, 7, 0), WRITE), "root");
    }
}
