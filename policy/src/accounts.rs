//! Users and groups by name, from the text of /etc/passwd and /etc/group alone, and from /etc/subuid the numbers
//! that users have besides their own.
//!
//! NSS is not asked: its modules would run foreign code, LDAP and DNS clients among it, inside the
//! process that decides.

use std::{collections::HashMap, ops::RangeInclusive};

/// The names that a policy may use.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
    names: HashMap<u32, String>,
    subordinate: Vec<RangeInclusive<u32>>,
}

impl Accounts {
    /// Reads the two files' texts. Lines that are not of their form are skipped, as libc does.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        let mut this = Self::default();
        // Of lines that say the same name or the same id, libc believes the first.
        for (name, uid) in entries(passwd) {
            this.names.entry(uid).or_insert_with(|| name.clone());
            this.users.entry(name).or_insert(uid);
        }
        for (name, gid) in entries(group) {
            this.groups.entry(name).or_insert(gid);
        }
        this
    }

    /// The same with the text of /etc/subuid.
    #[must_use]
    pub fn with_subordinates(self, subuid: &str) -> Self {
        // `name:first:count`, where the name may be a number.
        let range = |line: &str| {
            let mut numbers = line.split(':').skip(1).map(number);
            let (first, count) = (numbers.next()??, numbers.next()??);
            Some(first..=first.saturating_add(count.checked_sub(1)?))
        };
        Self { subordinate: subuid.lines().filter_map(range).collect(), ..self }
    }

    /// Whether a number is one that somebody has besides his own: whoever has it takes it in a user namespace,
    /// and keeps his groups there.
    pub(crate) fn is_subordinate(&self, uid: u32) -> bool {
        let is_within = self.subordinate.iter().any(|range| range.contains(&uid));
        // Ranges are also given to root over accounts that others have.
        is_within && !self.names.contains_key(&uid)
    }

    /// A user's id, by name or number.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<u32> {
        number(name).or_else(|| self.users.get(name).copied())
    }

    /// A group's id, by name or number.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<u32> {
        number(name).or_else(|| self.groups.get(name).copied())
    }

    /// A user's name, by id.
    #[must_use]
    pub fn user_name(&self, uid: u32) -> Option<&str> {
        self.names.get(&uid).map(String::as_str)
    }
}

/// Digits only: Rust also reads a sign.
pub(crate) fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `name:password:id:…`, in both files.
fn entries(text: &str) -> impl Iterator<Item = (String, u32)> + '_ {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|n| !n.is_empty() && !n.starts_with('#'))?;
        let id = number(fields.nth(1)?)?;
        Some((name.to_owned(), id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_both_work_and_broken_lines_do_not() {
        let accounts = Accounts::parse(
            "root:x:0:0::/:\nada:x:1000:1000::/:\nbroken\n#x:y:7:\n",
            "probity:x:990:ada\n",
        );
        assert_eq!(accounts.user("ada"), Some(1000));
        assert_eq!(accounts.user("64001"), Some(64001));
        assert_eq!(accounts.group("probity"), Some(990));
        assert_eq!(accounts.user("broken"), None);
        assert_eq!(accounts.user("+5"), None);
        let twice = Accounts::parse("ada:x:1:1::/:\nada:x:2:2::/:\n", "");
        assert_eq!(twice.user("ada"), Some(1));
        assert_eq!(accounts.user("#x"), None);
        assert_eq!(accounts.user_name(1000), Some("ada"));
    }

    #[test]
    fn a_number_of_subuid_is_subordinate_unless_an_account_has_it() {
        let subuid = "ada:100000:65536\nroot:1000:1\n7:4294967290:100\nbob:5:0\nbob:x:1\nbob\n";
        let accounts = Accounts::parse("ada:x:1000:1000::/:\n", "").with_subordinates(subuid);
        for (uid, expected) in [
            (99_999, false),
            (100_000, true),
            (165_535, true),
            (165_536, false),
            (1000, false),
            (5, false),
            (u32::MAX, true),
        ] {
            assert_eq!(accounts.is_subordinate(uid), expected, "{uid}");
        }
    }
}
