//! What tools may send without a privilege, and what the broker adds: `CAP_NET_RAW`, or the kernel's
//! ICMP echo sockets for groups in a range.

use std::{env, fs, path::Path};

use probity_protocol::SandboxFacts;

use super::{
    person::Person,
    report::{Check, CheckState, Mode},
};

const NAME: &str = "capability";

const RANGE_FILE: &str = "/proc/sys/net/ipv4/ping_group_range";

/// The groups that may open ICMP echo sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PingRange(Option<(u32, u32)>);

impl PingRange {
    pub(super) fn look() -> Self {
        Self::parse(&fs::read_to_string(RANGE_FILE).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let bounds: Vec<u32> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        Self(match bounds[..] {
            [first, last] => Some((first, last)),
            _ => None,
        })
    }

    /// A sentence on the range and this user's groups.
    fn said(self, person: &Person) -> String {
        let Some((first, last)) = self.0 else {
            return format!("{RANGE_FILE} cannot be read");
        };
        let holds = |gid: &u32| (first..=last).contains(gid);
        let range = format!("net.ipv4.ping_group_range is \"{first} {last}\"");
        match (holds(&person.gid), person.groups.iter().any(holds)) {
            (true, _) => format!("{range}, and your group {} is in it", person.gid),
            // The broker asks for its primary group only.
            (false, true) => {
                format!("{range}, and of your groups only others than the primary one")
            }
            (false, false) if first > last => format!("{range}, which is no group at all"),
            (false, false) => format!("{range}, and none of your groups is in it"),
        }
    }
}

/// Whether this process is in a container, by what podman, Docker and Kubernetes put into each of theirs.
pub(super) fn is_container() -> bool {
    ["/run/.containerenv", "/.dockerenv"].iter().any(|mark| Path::new(mark).exists())
        || env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// What the broker may send.
pub(super) fn capability(
    facts: Option<&SandboxFacts>,
    range: PingRange,
    person: &Person,
    mode: Mode,
    is_container: bool,
) -> Check {
    let check = found(facts, range, person, mode);
    match (check.state, is_container) {
        (CheckState::Warning, true) => check.advise(
            "Add NET_RAW to the broker's container: --cap-add=NET_RAW, cap_add: [NET_RAW] of a compose file, \
             capabilities.add of a securityContext. Where the runtime gives it to root alone, as Docker and \
             Kubernetes do, run /usr/lib/probity/probity-broker of the image, whose file has it, in a \
             container that may gain privileges. For ping alone --sysctl \
             net.ipv4.ping_group_range=\"0 2147483647\" does.",
        ),
        _ => check,
    }
}

fn found(facts: Option<&SandboxFacts>, range: PingRange, person: &Person, mode: Mode) -> Check {
    let Some(facts) = facts else {
        return Check::not_checked(NAME, "no broker says what it holds");
    };
    if facts.net_raw {
        return Check::ok(NAME, "the broker holds CAP_NET_RAW, and lends it where a plan says so");
    }
    let without = "SYN scans, ICMP traces and captures are not to be had";
    if mode == Mode::Installed {
        let ping = match facts.ping_sockets {
            true => "ping works by the kernel's echo sockets",
            false => "ping does not work either",
        };
        let found = format!("the installed broker lacks CAP_NET_RAW: {without}; {ping}");
        return Check::warning(NAME, found).mend(
            "Its unit gives it the capability; started in a terminal, it has to be started by root. \
             AmbientCapabilities must hold CAP_NET_RAW:",
            ["systemctl cat probity-broker", "sudo systemctl restart probity-broker"],
        );
    }
    let range = range.said(person);
    if facts.ping_sockets {
        let found =
            format!("a broker of your own holds none: {without}; ping works, since {range}");
        return Check::ok(NAME, found);
    }
    let found =
        format!("a broker of your own holds none: {without}. Ping does not work either: {range}");
    Check::warning(NAME, found).mend(
        "Use an installed broker, which has CAP_NET_RAW; or let every group open ICMP echo sockets, now \
         and from the next boot on:",
        [
            "sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"",
            "echo 'net.ipv4.ping_group_range = 0 2147483647' | sudo tee /etc/sysctl.d/60-ping.conf",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(net_raw: bool, ping_sockets: bool) -> SandboxFacts {
        SandboxFacts { landlock_abi: 7, net_raw, ping_sockets }
    }

    fn ada() -> Person {
        Person { uid: 1000, gid: 1000, groups: vec![1000, 990], ..Person::default() }
    }

    #[test]
    fn what_a_missing_capability_leaves_out_depends_on_the_range_of_groups() {
        let range = PingRange::parse("1\t0\n");
        let of = |facts, mode| capability(Some(&facts), range, &ada(), mode, false);
        assert_eq!(of(facts(true, false), Mode::Installed).state, CheckState::Ok);
        assert_eq!(of(facts(false, true), Mode::Embedded).state, CheckState::Ok);
        let none = of(facts(false, false), Mode::NothingInstalled);
        assert_eq!(none.state, CheckState::Warning);
        assert!(none.found.contains("\"1 0\", which is no group at all"), "{}", none.found);
        let remedy = none.remedy.unwrap();
        assert_eq!(remedy.commands[0], "sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"");
        let installed = of(facts(false, false), Mode::Installed);
        assert!(installed.remedy.unwrap().advice.contains("AmbientCapabilities"));
        let unknown = capability(None, range, &ada(), Mode::Embedded, false);
        assert_eq!(unknown.state, CheckState::NotChecked);
        let contained = capability(Some(&facts(false, false)), range, &ada(), Mode::Embedded, true);
        assert!(contained.remedy.unwrap().advice.contains("--cap-add=NET_RAW"));
    }

    #[test]
    fn a_range_is_held_against_the_groups_of_the_user() {
        for (range, says) in [
            ("0 2147483647", "your group 1000 is in it"),
            ("990 990", "only others than the primary one"),
            ("5 7", "none of your groups"),
            ("1 0", "no group at all"),
            ("", "cannot be read"),
            ("1", "cannot be read"),
        ] {
            let said = PingRange::parse(range).said(&ada());
            assert!(said.contains(says), "{range}: {said}");
        }
    }
}
