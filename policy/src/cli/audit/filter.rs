//! Which records are looked for. Every filter that is given must match.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use probity_protocol::{HostName, NamePattern, Target};

use super::record::Record;
use crate::{
    accounts::number,
    cli::{CliError, Which, people::People},
};

/// The log's events, as `docs/audit.md` lists them: a misspelt one would find nothing, and look as if
/// there were nothing.
const EVENTS: [&str; 14] = [
    "start",
    "decision",
    "awaits_approval",
    "approval",
    "not_started",
    "exit",
    "refused",
    "repeated",
    "over_budget",
    "reload",
    "repaired",
    "rotated",
    "removed",
    "stop",
];

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Whose calls: a name, or a uid
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Calls of this tool; where a policy can be read, by its aliases too
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// What was decided
    #[arg(long, value_parser = ["approved", "denied"])]
    verdict: Option<String>,
    /// Why it was denied, as in TARGET_NOT_ALLOWED; case does not matter
    #[arg(long)]
    code: Option<String>,
    /// Calls that aimed at any of this address or network, or at this name (or *.suffix)
    #[arg(long, value_parser = aim)]
    target: Option<Aim>,
    /// What kind of line
    #[arg(long, value_parser = EVENTS)]
    event: Option<String>,
    /// Not before this: 2026-11-23T13:00:00Z, 2026-11-23, or 90m, 2d for so long ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<SystemTime>,
    /// Not after this
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<SystemTime>,
    /// One call, by its correlation id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// A target that is looked for.
#[derive(Debug, Clone)]
enum Aim {
    Network(IpNet),
    Name(NamePattern),
}

/// The same, with what this machine and its policy know of names.
pub(super) struct Filter<'f> {
    asked: &'f Filters,
    /// The uid of the user's name, or the number that was given.
    uid: Option<u32>,
    tools: Vec<String>,
}

impl Filters {
    /// Whether a file may have a record that is looked for, by when it was last written to.
    pub(super) fn may_match_in(&self, file: &Path) -> bool {
        let written = file.metadata().and_then(|found| found.modified());
        match (self.since, written) {
            (Some(since), Ok(written)) => written >= since,
            _ => true,
        }
    }

    pub(super) fn on_this_machine(&self, which: &Which) -> Result<Filter<'_>, CliError> {
        let uid = match &self.user {
            None => None,
            Some(name) => match number(name) {
                Some(uid) => Some(uid),
                None => People::read()?.user(name).map(|user| user.uid),
            },
        };
        let mut tools: Vec<_> = self.tool.iter().cloned().collect();
        // A log can be searched where its policy is not.
        if let Some(name) = &self.tool
            && let Ok((_, policy)) = which.read()
            && let Some(tool) = policy.tool(name)
        {
            tools.push(tool.name.to_string());
            tools.extend(tool.aliases.iter().map(ToString::to_string));
        }
        Ok(Filter { asked: self, uid, tools })
    }
}

impl Filter<'_> {
    pub(super) fn matches(&self, record: &Record) -> bool {
        let asked = self.asked;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&asked.verdict, record.verdict())
            && is(&asked.event, Some(&record.event))
            && is(&asked.id, record.correlation_id.as_deref())
            && asked.code.as_ref().is_none_or(|wanted| {
                record.code.as_ref().is_some_and(|code| code.eq_ignore_ascii_case(wanted))
            })
            && (self.tools.is_empty()
                || record.tool.as_ref().is_some_and(|tool| self.tools.contains(tool)))
            && self.is_by_the_user(record)
            && asked.target.as_ref().is_none_or(|aim| aim.matches(record))
            && self.is_in_time(record)
    }

    /// By the name on record. Where there is none, or a number was given, by uid.
    fn is_by_the_user(&self, record: &Record) -> bool {
        let Some(wanted) = &self.asked.user else { return true };
        let same_uid = self.uid.is_some() && self.uid == record.uid;
        match &record.user {
            Some(user) => user == wanted || (same_uid && number(wanted).is_some()),
            None => same_uid,
        }
    }

    fn is_in_time(&self, record: &Record) -> bool {
        if self.asked.since.is_none() && self.asked.until.is_none() {
            return true;
        }
        let Ok(time) = humantime::parse_rfc3339(&record.time) else { return false };
        self.asked.since.is_none_or(|since| since <= time)
            && self.asked.until.is_none_or(|until| time <= until)
    }
}

impl Aim {
    /// A scan of a network aimed at each of its addresses, so containment counts both ways.
    fn matches(&self, record: &Record) -> bool {
        match self {
            Self::Network(network) => {
                record.aims().any(|aimed| network.contains(&aimed) || aimed.contains(network))
            }
            Self::Name(pattern) => {
                let name = record.claimed_name.as_deref().map(HostName::new);
                name.is_some_and(|name| name.is_ok_and(|name| pattern.matches(&name)))
            }
        }
    }
}

fn aim(text: &str) -> Result<Aim, String> {
    match Target::parse(text) {
        Target::Address(address) => Ok(Aim::Network(address.into())),
        Target::Network(network) => Ok(Aim::Network(network)),
        _ => text.parse().map(Aim::Name).map_err(|_| {
            "an address, a network in CIDR form, a host name, or *.suffix is needed".into()
        }),
    }
}

fn time(text: &str) -> Result<SystemTime, String> {
    let ago = |ago: Duration| SystemTime::now().checked_sub(ago);
    let parsed = match humantime::parse_duration(text) {
        Ok(duration) => ago(duration),
        Err(_) => humantime::parse_rfc3339_weak(text)
            .or_else(|_| humantime::parse_rfc3339_weak(&format!("{text} 00:00:00")))
            .ok(),
    };
    parsed.ok_or_else(|| {
        "a time like 2026-11-23T13:00:00Z or 2026-11-23, or 90m, 2d, is needed".into()
    })
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
