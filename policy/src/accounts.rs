//! Users and groups by name, from the text of /etc/passwd and /etc/group alone.
//!
//! NSS is not asked: its modules would run foreign code, LDAP and DNS clients among it, inside the
//! process that decides.

use std::collections::HashMap;

/// The names that a policy may use.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
    names: HashMap<u32, String>,
}

impl Accounts {
    /// Reads the two files' texts. Lines that are not of their form are skipped, as libc does.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        let users: HashMap<_, _> = entries(passwd).collect();
        // The first name of an id is the one `id` shows.
        let mut names = HashMap::new();
        for (name, uid) in entries(passwd) {
            names.entry(uid).or_insert(name);
        }
        Self { users, groups: entries(group).collect(), names }
    }

    /// A user's id, by name or number.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<u32> {
        name.parse().ok().or_else(|| self.users.get(name).copied())
    }

    /// A group's id, by name or number.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<u32> {
        name.parse().ok().or_else(|| self.groups.get(name).copied())
    }

    /// A user's name, by id.
    #[must_use]
    pub fn user_name(&self, uid: u32) -> Option<&str> {
        self.names.get(&uid).map(String::as_str)
    }
}

/// `name:password:id:…`, in both files.
fn entries(text: &str) -> impl Iterator<Item = (String, u32)> + '_ {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|n| !n.is_empty() && !n.starts_with('#'))?;
        let id = fields.nth(1)?.parse().ok()?;
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
        assert_eq!(accounts.user("#x"), None);
        assert_eq!(accounts.user_name(1000), Some("ada"));
    }
}
