//! Who asks, for questions about somebody: a name of /etc/passwd or a number, with groups.

use probity_protocol::Tier;

use super::{CliError, people::People};
use crate::{Subject, accounts::number};

/// Somebody, by name and by the kernel's numbers.
pub(super) struct Asker {
    pub name: String,
    pub subject: Subject,
    pub groups: Vec<String>,
}

impl Asker {
    /// With the credentials that the kernel would report, and in some groups besides.
    pub(super) fn of(
        user: &str,
        groups: &[String],
        embedded: bool,
        people: &People,
    ) -> Result<Self, CliError> {
        let usage = |message: String| CliError::Usage(message);
        let found = people.user(user);
        let uid = found.map(|user| user.uid).or_else(|| number(user)).ok_or_else(|| {
            usage(format!("there is no user {user:?} in /etc/passwd; a number would do too"))
        })?;
        let mut gids = found.map(|user| people.gids(user)).unwrap_or_default();
        for name in groups {
            let gid = number(name).or_else(|| people.group(name));
            gids.push(gid.ok_or_else(|| {
                usage(format!("there is no group {name:?} in /etc/group; a number would do too"))
            })?);
        }
        gids.sort_unstable();
        gids.dedup();
        let named = |gid: &u32| match people.group_name(*gid) {
            Some(name) => format!("{name} ({gid})"),
            None => gid.to_string(),
        };
        Ok(Self {
            name: found.map_or_else(|| user.to_owned(), |user| user.name.clone()),
            groups: gids.iter().map(named).collect(),
            subject: Subject { uid, gids, owner: embedded, most: Tier::Intrusive },
        })
    }
}
