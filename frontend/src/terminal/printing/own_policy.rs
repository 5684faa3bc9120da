//! What to say after a refusal to a person whose own policy it rests on: which line would allow it.
//!
//! It is for a person at a terminal alone. A model, a script or a client is never told how to loosen a
//! policy, and nobody is told of a policy that is not his to change.

use std::{
    fs,
    io::{IsTerminal as _, stderr},
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use probity_protocol::{Catalog, DenialCode};
use rustix::process::geteuid;

use probity_output::clean::clean_str;

/// A policy that decided a call of a broker of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnPolicy {
    /// What is compiled in.
    BuiltIn,
    /// This user's file.
    File(PathBuf),
}

impl OwnPolicy {
    /// The policy of an embedded broker, where a person at a terminal may change what it is.
    #[must_use]
    pub fn of_person(policy: Option<&Path>) -> Option<Self> {
        if !stderr().is_terminal() {
            return None;
        }
        match policy {
            None => Some(Self::BuiltIn),
            Some(path) => {
                let owner = fs::metadata(path).ok()?.uid();
                (owner == geteuid().as_raw()).then(|| Self::File(path.to_owned()))
            }
        }
    }

    /// What would allow a target that was refused; `None` where that is not what it was refused for.
    #[must_use]
    pub fn way_to_allow(&self, code: &str, target: &str, catalog: &Catalog) -> Option<String> {
        if code != DenialCode::TargetNotAllowed.as_str() {
            return None;
        }
        let file = match self {
            Self::BuiltIn => {
                return Some(
                    "That is the built-in policy's word. If the network is yours, `probity-policy init` \
                     writes a policy of your own, and networks are added there."
                        .into(),
                );
            }
            Self::File(path) => path,
        };
        let text = fs::read_to_string(file).unwrap_or_default();
        let place = |key: &str| {
            let shown = clean_str(&file.to_string_lossy()).into_owned();
            line_of(&text, key).map_or(shown.clone(), |line| format!("{shown}:{line}"))
        };
        let target = target.trim();
        let network: Option<IpNet> =
            target.parse().ok().or_else(|| target.parse::<IpAddr>().ok().map(IpNet::from));
        let said = match network {
            Some(network)
                if catalog.allowance.denied.iter().any(|denied| overlap(*denied, network)) =>
            {
                format!(
                    "That is your own policy's word: {} has it under deny, which wins. Take it out there if \
                 it is meant to be allowed.",
                    place("deny")
                )
            }
            Some(network) if targets_hold(&text, network) => format!(
                "That is your own policy's word: [targets] has the network, and no [[grant]] of yours reaches \
                 it, or the tool's file leaves it out. What each grant reaches: `probity-policy show`. They \
                 stand in {}",
                clean_str(&file.to_string_lossy())
            ),
            Some(network) => {
                let entry = match network.prefix_len() == network.max_prefix_len() {
                    true => network.addr().to_string(),
                    false => network.trunc().to_string(),
                };
                format!(
                    "That is your own policy's word. If the network is yours, add \"{entry}\" to networks \
                     there: {}",
                    place("networks")
                )
            }
            None => format!(
                "That is your own policy's word. If the host is yours, add \"{}\" to names there: {}, and \
                 its addresses to networks.",
                clean_str(&target.to_ascii_lowercase()),
                place("names")
            ),
        };
        Some(said)
    }
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Whether one of the networks of `[targets]` holds a network, as far as they are written out.
fn targets_hold(text: &str, network: IpNet) -> bool {
    let Ok(document) = text.parse::<toml::Table>() else { return false };
    let written = document.get("targets").and_then(|targets| targets.get("networks"));
    let texts = written.and_then(toml::Value::as_array).into_iter().flatten();
    let network_of =
        |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let mut networks = texts.filter_map(|text| network_of(text.as_str()?));
    networks.any(|allowed| allowed.contains(&network))
}

/// The line on which a key of `[targets]` stands; where it does not, that of the section.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let (section, targets) = document.get_ref().get_key_value("targets")?;
    let key =
        targets.get_ref().as_table().and_then(|table| Some(table.get_key_value(key)?.0.span()));
    let at = key.unwrap_or_else(|| section.span()).start;
    Some(text.get(..at)?.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::test_catalog;

    const POLICY: &str =
        "version = 1\n\n[targets]\nnetworks = [\n    \"10.0.0.0/8\",\n]\nnames = []\n";

    fn said(code: DenialCode, target: &str) -> Option<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(POLICY.as_bytes()).unwrap();
        let mut catalog = test_catalog::of(&["ping"]);
        catalog.allowance.denied = vec!["10.9.0.0/16".parse().unwrap()];
        let said =
            OwnPolicy::File(file.path().to_owned()).way_to_allow(code.as_str(), target, &catalog);
        said.map(|said| said.replace(&file.path().display().to_string(), "policy.toml"))
    }

    #[test]
    fn the_owner_of_a_policy_is_told_which_line_would_allow_the_target() {
        let code = DenialCode::TargetNotAllowed;
        for (target, expected) in [
            ("127.0.0.1", "add \"127.0.0.1\" to networks there: policy.toml:4"),
            ("192.0.2.9/24", "add \"192.0.2.0/24\" to networks there: policy.toml:4"),
            ("Web.Example", "add \"web.example\" to names there: policy.toml:7"),
            // It is in the networks, so it was a grant or the tool's file.
            ("10.5.0.1", "no [[grant]] of yours reaches it"),
            // No line for deny: the section's.
            ("10.9.1.1", "policy.toml:3 has it under deny, which wins"),
        ] {
            let said = said(code, target).unwrap();
            assert!(said.contains(expected), "{target}: {said}");
        }
    }

    #[test]
    fn what_was_refused_for_another_reason_is_not_answered_with_a_wider_policy() {
        for code in
            [DenialCode::NotGranted, DenialCode::IntrusiveNotGranted, DenialCode::TargetSyntax]
        {
            assert_eq!(said(code, "127.0.0.1"), None);
        }
    }
}
