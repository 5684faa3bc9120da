//! Users and the groups they are in, from the text of /etc/passwd and /etc/group alone: the
//! credentials that the kernel would report of them.

use std::collections::BTreeSet;

use super::{CliError, read_text};
use crate::accounts::number;

/// Users.
pub(super) const PASSWD: &str = "/etc/passwd";
/// Groups.
pub(super) const GROUP: &str = "/etc/group";

/// Uids of people; below are the system's own accounts.
const PEOPLE: std::ops::Range<u32> = 1000..60000;

/// Everybody.
#[derive(Debug, Default)]
pub(super) struct People {
    users: Vec<User>,
    groups: Vec<Group>,
}

/// A line of passwd.
#[derive(Debug)]
pub(super) struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

#[derive(Debug)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

impl People {
    /// Those of this machine.
    pub(super) fn read() -> Result<Self, CliError> {
        Ok(Self::parse(&read_text(PASSWD)?, &read_text(GROUP)?))
    }

    pub(super) fn parse(passwd: &str, group: &str) -> Self {
        let user = |line: &str| {
            let mut fields = line.split(':');
            let (name, _) = (fields.next()?.to_owned(), fields.next()?);
            Some(User { name, uid: number(fields.next()?)?, gid: number(fields.next()?)? })
        };
        let group_of = |line: &str| {
            let mut fields = line.split(':');
            let (name, _) = (fields.next()?.to_owned(), fields.next()?);
            let gid = number(fields.next()?)?;
            let members = fields.next().unwrap_or_default().split(',').map(str::to_owned);
            Some(Group { name, gid, members: members.collect() })
        };
        Self {
            users: passwd.lines().filter_map(user).collect(),
            groups: group.lines().filter_map(group_of).collect(),
        }
    }

    /// A user by name or number.
    pub(super) fn user(&self, name: &str) -> Option<&User> {
        match number(name) {
            Some(uid) => self.users.iter().find(|user| user.uid == uid),
            None => self.users.iter().find(|user| user.name == name),
        }
    }

    pub(super) fn user_of(&self, uid: u32) -> Option<&User> {
        self.users.iter().find(|user| user.uid == uid)
    }

    /// A group's id by its name.
    pub(super) fn group(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|group| group.name == name).map(|group| group.gid)
    }

    pub(super) fn group_name(&self, gid: u32) -> Option<&str> {
        self.groups.iter().find(|group| group.gid == gid).map(|group| group.name.as_str())
    }

    /// Every group id of a user: primary and supplementary.
    pub(super) fn gids(&self, user: &User) -> Vec<u32> {
        let member = |group: &&Group| group.members.contains(&user.name);
        let more = self.groups.iter().filter(member).map(|group| group.gid);
        let all: BTreeSet<u32> = std::iter::once(user.gid).chain(more).collect();
        all.into_iter().collect()
    }

    /// Whether a user has this group id.
    pub(super) fn is_in(&self, user: &User, gid: u32) -> bool {
        self.gids(user).contains(&gid)
    }

    /// The users that have this group id.
    pub(super) fn members(&self, gid: u32) -> impl Iterator<Item = &User> {
        self.users.iter().filter(move |user| self.is_in(user, gid))
    }

    /// Whether a group is everybody's: at least two people, and all of them are in it.
    pub(super) fn is_everybody(&self, gid: u32) -> bool {
        let mut people = self.users.iter().filter(|user| PEOPLE.contains(&user.uid));
        let count = people.clone().count();
        count > 1 && people.all(|user| self.is_in(user, gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_user_are_the_primary_one_and_those_that_list_the_name() {
        let people = People::parse(
            "root:x:0:0::/:\nada:x:1000:100::/:\nbob:x:1001:100::/:\nbroken\n",
            "users:x:100:\nprobity:x:990:ada\nbroken:x:\n",
        );
        let ada = people.user("ada").unwrap();
        assert_eq!(people.gids(ada), [100, 990]);
        assert_eq!(people.user("1001").unwrap().name, "bob");
        assert!(people.user("broken").is_none() && people.group("broken").is_none());
        assert_eq!(people.group("probity"), Some(990));
        assert!(people.is_everybody(100), "root is no person");
        assert!(!people.is_everybody(990));
    }
}
