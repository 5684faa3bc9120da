//! What is legal in a policy and probably not meant. Nothing here looks at the machine.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use probity_protocol::{PARSERS, ParserEntry, Tier};

use super::{Finding, scripts};
use crate::{
    approvers::Approver,
    cli::written::{Written, parse_network},
    diff::cover::{grant_covers, takes_nothing_away},
    granted_options::OptionLeft,
    grants::{Grant, GrantedTools, Grantee},
    networks::NetworkSet,
    policy::Policy,
    raw::{RawAccount, Text},
    tool::{Reach, Setting, Tool},
};

/// Groups that most systems put everybody into.
const EVERYBODY: &[&str] = &["users", "nogroup", "everyone", "staff"];
/// `users` of Debian and of most others, and `nogroup`.
const EVERYBODY_GIDS: &[u32] = &[100, 65534];

/// RFC 1918, and what IPv6 has in its place.
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];
const SCOPED: &[&str] = &["fe80::/10"];
/// How long before its end a grant is told of.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const MULTICAST: &[&str] = &["224.0.0.0/4", "ff00::/8"];

pub(super) fn find(policy: &Policy, written: &Written<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    targets(policy, written, &mut findings);
    grants(policy, written, &mut findings);
    approvers(policy, written, &mut findings);
    sets(written, &mut findings);
    tools(policy, written, &mut findings);
    scripts::find(policy, written, &mut findings);
    findings
}

fn targets(policy: &Policy, written: &Written<'_>, findings: &mut Vec<Finding>) {
    let Some(raw) = written.policy.as_ref().map(|raw| &raw.targets) else { return };
    let (private, loopback) = (set(PRIVATE), set(LOOPBACK));
    let (scoped, multicast) = (set(SCOPED), set(MULTICAST));
    for text in &raw.networks {
        let Some(network) = parse_network(text.get_ref()) else { continue };
        let message = if scoped.contains(network) {
            "is link-local: its addresses need a scope (%eth0), which no target has, so nothing in it \
             can be reached"
        } else if multicast.contains(network) {
            "is multicast: one probe reaches many hosts at once"
        } else if loopback.contains(network) {
            "is this host itself: what listens only there was never meant to be reached by others"
        } else if !private.contains(network) {
            "reaches beyond private networks (RFC 1918): probes would leave for hosts of others"
        } else if policy.targets.denied.contains(network) {
            "is denied as a whole, so this line allows nothing"
        } else {
            continue;
        };
        findings.push(Finding::policy(written.at(text, format!("{network} {message}"))));
    }
    for text in &raw.deny {
        let denied = parse_network(text.get_ref());
        let Some(network) = denied.filter(|it| !policy.targets.allowed.overlaps(*it)) else {
            continue;
        };
        let message =
            format!("{network} is in no network that is allowed, so this line denies nothing");
        findings.push(Finding::policy(written.at(text, message)));
    }
    if !raw.networks.is_empty() {
        return;
    }
    if let Some(first) = raw.names.first() {
        let message = "names are allowed, but no networks: every address of a name must be in one, \
                       so no name ever passes";
        findings.push(Finding::policy(written.at(first, message)));
    } else if let Some(policy) = &written.policy {
        let message = "no network is allowed, so nothing can be aimed at";
        findings.push(Finding::policy(written.at(&policy.version, message)));
    }
}

fn grants(policy: &Policy, written: &Written<'_>, findings: &mut Vec<Finding>) {
    if let (true, Some(raw)) = (policy.grants.is_empty(), &written.policy) {
        let message = "there is no [[grant]], so nobody may use anything";
        findings.push(Finding::policy(written.at(&raw.version, message)));
    }
    for (at, grant) in policy.grants.iter().enumerate() {
        let mut say = |message: String| {
            findings.push(Finding::policy(written.place(&grant.place, message)));
        };
        let all = matches!(grant.tools, GrantedTools::All);
        if grant.intrusive && is_everybody(&grant.grantee) {
            say("the intrusive tier is granted to a group that every user may be in".into());
        } else if grant.intrusive && all {
            say(
                "the intrusive tier of every tool is granted, of those to come too: name the tools"
                    .into(),
            );
        }
        match &grant.tools {
            GrantedTools::Named(names) if names.is_empty() => {
                say("tools is empty, so this grants nothing".into());
            }
            GrantedTools::Named(names) if !grant.intrusive => {
                let tools = names.iter().filter_map(|name| policy.tool(name));
                for tool in tools.filter(|tool| tool.tier == Tier::Intrusive) {
                    say(format!(
                        "{} is intrusive as a whole, so this grant never covers it without \
                         intrusive = true",
                        tool.name
                    ));
                }
            }
            GrantedTools::Named(_) | GrantedTools::All => {}
        }
        let now = SystemTime::now();
        if let Some(until) = grant.until {
            let moment = humantime::format_rfc3339_seconds(until);
            if until <= now {
                say(format!("this grant ended at {moment}: renew it, or take it out"));
            } else if until.duration_since(now).is_ok_and(|left| left <= SOON) {
                say(format!("this grant ends within a week, at {moment}"));
            }
        }
        for (tool, left) in &grant.options.0 {
            let Some(tool) = policy.tool(tool.as_str()) else { continue };
            if left.is_empty() {
                say(format!("options.{} takes nothing away", tool.name));
            }
            options(tool, left, grant.tier(), &mut say);
        }
        // Of two that say the same, the later one is too many.
        let others = policy.grants.iter().enumerate().filter(|(other, _)| *other != at);
        let shadow = others
            .filter(|(other, by)| {
                covers(by, grant, policy) && (*other < at || !covers(grant, by, policy))
            })
            .map(|(_, by)| by)
            .next();
        if let Some(by) = shadow {
            say(format!("this grant adds nothing to the one at {}", by.place));
        }
    }
}

/// Approvers who have nothing to approve, and grants whose own people approve them.
fn approvers(policy: &Policy, written: &Written<'_>, findings: &mut Vec<Finding>) {
    let needing = || policy.grants.iter().filter(|grant| grant.needs_approval);
    let meets = |approver: &Approver, grant: &Grant| {
        let both =
            |tool: &&Arc<Tool>| approver.tools.has(&tool.name) && grant.tools.has(&tool.name);
        policy.tools().iter().any(|tool| both(&tool))
    };
    for approver in &policy.approvers {
        let mut say = |message: String| {
            findings.push(Finding::policy(written.place(&approver.place, message)));
        };
        if !needing().any(|grant| meets(approver, grant)) {
            say("no grant asks for an approval of these tools, so there is nothing to approve: \
                 write approval = \"required\" in the grant that is meant"
                .into());
        }
        if is_everybody(&approver.who) {
            say("every user may be in this group, so anybody may approve".into());
        }
        for grant in
            needing().filter(|grant| grant.grantee == approver.who && meets(approver, grant))
        {
            say(match &grant.grantee {
                Grantee::Group(_) => format!(
                    "the members of {} approve each other's calls (granted at {}): name another group",
                    grant.grantee, grant.place
                ),
                _ => format!(
                    "{} is granted this at {}, and nobody approves his own calls",
                    grant.grantee, grant.place
                ),
            });
        }
    }
}

/// What a grant says of a tool's options, and does not take away or takes away from every call.
fn options(tool: &Tool, left: &[OptionLeft], tier: Tier, say: &mut impl FnMut(String)) {
    for said in left {
        let Some(option) = tool.options.get(said.at) else { continue };
        if option.tier > tier {
            say(format!(
                "{} of {} is intrusive, and so beyond this grant anyway: the line takes nothing away",
                option.name, tool.name
            ));
        } else if takes_nothing_away(&said.left, option, tier) {
            say(format!(
                "{said}: that is all that {} takes, so the line takes nothing away",
                tool.name
            ));
        }
        if let Some(default) = option.default.as_ref().filter(|default| !said.left.has(default)) {
            say(format!(
                "{} of {} is {} by default, which this grant does not leave: each call has to say \
                 something else",
                option.name,
                tool.name,
                option.written(&Setting::On(default.clone()))
            ));
        }
    }
}

/// Sets that nothing uses.
fn sets(written: &Written<'_>, findings: &mut Vec<Finding>) {
    let Some(raw) = &written.policy else { return };
    let added = || written.drop_ins.iter().map(|(_, added)| added);
    let sets = || raw.sets.iter().chain(added().flat_map(|added| &added.sets));
    let grants = raw.grants.iter().chain(added().flat_map(|added| &added.grants));
    let targets = &raw.targets;
    let lists = sets().flat_map(|(_, set)| set.networks.iter().chain(&set.names));
    let lists = lists.chain(&targets.networks).chain(&targets.names).chain(&targets.deny);
    let some = |list: &'_ Option<toml::Spanned<Vec<Text>>>| -> Vec<String> {
        let texts = list.iter().flat_map(|list| list.get_ref());
        texts.map(|text| text.get_ref().clone()).collect()
    };
    let grants = grants.map(toml::Spanned::get_ref);
    let of_grants =
        grants.flat_map(|g| [some(&g.networks), some(&g.names), texts(&g.deny)].concat());
    let tools = written.tools.iter().map(|(_, tool)| tool);
    let of_tools = tools.flat_map(|t| [some(&t.networks), some(&t.names), texts(&t.deny)].concat());
    let used = lists.map(|text| text.get_ref().clone()).chain(of_grants).chain(of_tools);
    let used: BTreeSet<String> = used.collect();
    let is_unused = |name: &&Text| !used.contains(&format!("@{}", name.get_ref()));
    let message = |name: &Text| format!("nothing uses the set @{}", name.get_ref());
    for name in raw.sets.keys().filter(is_unused) {
        findings.push(Finding::policy(written.at(name, message(name))));
    }
    for (source, added) in &written.drop_ins {
        for name in added.sets.keys().filter(is_unused) {
            findings.push(Finding::policy(source.defect(&name.span(), message(name))));
        }
    }
}

fn texts(list: &[Text]) -> Vec<String> {
    list.iter().map(|text| text.get_ref().clone()).collect()
}

/// Whether whoever has `of` and `by` has no more than with `by` alone.
fn covers(by: &Grant, of: &Grant, policy: &Policy) -> bool {
    if by.grantee != of.grantee || !grant_covers(by, of, policy, None) {
        return false;
    }
    match (&by.tools, &of.tools) {
        // That it grants nothing is a warning of its own.
        (_, GrantedTools::Named(of)) if of.is_empty() => false,
        (GrantedTools::All, _) => true,
        (GrantedTools::Named(_), GrantedTools::All) => false,
        (GrantedTools::Named(by), GrantedTools::Named(of)) => of.iter().all(|n| by.contains(n)),
    }
}

fn is_everybody(grantee: &Grantee) -> bool {
    match grantee {
        Grantee::Group(RawAccount::Name(name)) => EVERYBODY.contains(&name.as_str()),
        Grantee::Group(RawAccount::Id(gid)) => EVERYBODY_GIDS.contains(gid),
        Grantee::User(_) | Grantee::Owner => false,
    }
}

fn tools(policy: &Policy, written: &Written<'_>, findings: &mut Vec<Finding>) {
    for excluded in policy.excluded() {
        let message = format!("the tool {} is left out: {}", excluded.name, excluded.reason);
        findings.push(Finding::policy(written.place(&excluded.place, message)));
    }
    let ceiling = policy.ceilings.timeout;
    let beyond =
        |tool: &&std::sync::Arc<Tool>| !tool.timeout.is_default && tool.timeout.value > ceiling;
    for tool in policy.tools().iter().filter(beyond) {
        let line = policy.lines.timeout.as_ref().map(|place| format!(" of line {}", place.line()));
        let message = format!(
            "the timeout of {} ({}) is above the ceiling ({}){}, which holds",
            tool.name,
            humantime::format_duration(tool.timeout.value),
            humantime::format_duration(ceiling),
            line.unwrap_or_default()
        );
        let raw = written.tools.iter().find(|(_, raw)| raw.name.get_ref() == tool.name.as_str());
        let timeout = raw.and_then(|(source, raw)| Some((source, raw.timeout.as_ref()?)));
        findings.push(Finding::policy(match timeout {
            Some((source, timeout)) => source.defect(&timeout.span(), message),
            None => written.place(&tool.place, message),
        }));
    }
    for tool in policy.tools() {
        if let Some(ParserEntry::Named(parser)) = &tool.parser
            && !PARSERS.contains(&parser.as_str())
        {
            let message = format!(
                "{}: there is no parser {parser:?}, so its results are text alone; those of this \
                 version's frontend are {}",
                tool.name,
                PARSERS.join(", ")
            );
            findings.push(Finding::policy(written.place(&tool.place, message)));
        }
    }
    for tool in policy.tools().iter().filter(|tool| tool.sandbox.reach == Reach::Any) {
        let message = format!(
            "{} may send packets to every address (reach = \"any\"), so whatever answers it can send \
             it anywhere: leave the key out unless it is no use without",
            tool.name
        );
        findings.push(Finding::policy(written.place(&tool.place, message)));
    }
}

fn set(networks: &[&str]) -> NetworkSet {
    NetworkSet::new(&networks.iter().filter_map(|text| parse_network(text)).collect::<Vec<_>>())
}
