use std::time::SystemTime;

use probity_advice::repair;
use probity_protocol::{
    Arguments, Availability, Call, CorrelationId, RequestedLimits, Target, TargetKind, ToolName,
};
use proptest::prelude::*;

use super::*;
use crate::{
    Accounts, Origin, Place, Source, catalog, decide,
    grants::{Grant, GrantedTools},
    load, validate,
    value::ValueKind,
};

/// Grants as somebody writes them: for whom, of which tools (none: all), and in which tier.
fn grants() -> impl Strategy<Value = Vec<(u8, Vec<u8>, bool)>> {
    prop::collection::vec((0..5_u8, prop::collection::vec(0..5_u8, 0..4), any::<bool>()), 0..8)
}

const TOOLS: [&str; 5] = ["nmap", "ping", "scanner", "traceroute", "zmap"];
const ZMAP: &str = "name = \"zmap\"\nsummary = \"Fast.\"\ncommand = \"/usr/bin/true\"\ntier = \"intrusive\"\n\
    targets = [\"network\"]\nargv = [\"{options}\", \"{target}\"]\n\
    sandbox = { net_raw = \"never\", syscalls = \"base\" }\n";

fn policy(grants: &[(u8, Vec<u8>, bool)]) -> Policy {
    let mut sources = load(&Origin::Shipped).unwrap();
    let (before, _) = sources.policy.text().split_once("[[grant]]").unwrap();
    let mut text = format!("{before}\n[audit]\npath = \"/var/log/audit.jsonl\"\n");
    for (whom, tools, intrusive) in grants {
        let whom =
            ["user = 7", "user = 8", "group = 7", "group = 9", "self = true"][usize::from(*whom)];
        let names = tools.iter().map(|at| format!("{:?}", TOOLS[usize::from(*at)]));
        let names =
            if tools.is_empty() { "\"*\"".into() } else { names.collect::<Vec<_>>().join(", ") };
        text.push_str(&format!("[[grant]]\n{whom}\ntools = [{names}]\nintrusive = {intrusive}\n"));
    }
    sources.policy = Source::new("policy.toml", text);
    sources.tools.push(Source::new("zmap.toml", ZMAP));
    validate(&sources, &Accounts::default()).unwrap()
}

/// What the grants give, by a look at each of them.
fn by_a_look_at_each<'p>(
    policy: &'p Policy,
    subject: &Subject,
    tool: Option<&Tool>,
) -> Option<(Tier, Vec<&'p Place>)> {
    let is = |principal| match principal {
        Principal::User(uid) => subject.uid == uid,
        Principal::Group(gid) => subject.gids.contains(&gid),
        Principal::Owner => subject.owner,
        Principal::Nobody => false,
    };
    let covers = |grant: &&Grant| {
        is(grant.principal)
            && match (&grant.tools, tool) {
                (GrantedTools::All, _) => true,
                (GrantedTools::Named(names), Some(tool)) => {
                    names.iter().any(|name| name == tool.name.as_str())
                }
                (GrantedTools::Named(_), None) => false,
            }
    };
    let covering: Vec<_> = policy.grants.iter().filter(covers).collect();
    let is_intrusive = covering.iter().any(|grant| grant.intrusive);
    let granted = if is_intrusive { Tier::Intrusive } else { Tier::Standard };
    let places = || covering.iter().map(|grant| &grant.place).collect();
    (!covering.is_empty()).then(|| (granted.min(subject.most), places()))
}

fn found_of(granted: Granted<'_>) -> (Tier, Vec<&Place>) {
    (granted.tier(), granted.each().map(|(grant, _)| &grant.place).collect())
}

/// How much a tool takes: what is less may stand in for what is more.
fn weight(policy: &Policy, tool: &Tool) -> (Tier, std::time::Duration) {
    (tool.tier, tool.timeout.value.min(policy.longest(tool)))
}

/// Whether a tool may stand in for another: it takes this kind of target, and scans no ports of its own
/// choice.
fn takes_lightly(tool: &Tool, kind: TargetKind) -> bool {
    let scans = tool.options.iter().any(|option| {
        matches!(option.kind, ValueKind::Ports) || option.flag.as_deref() == Some("--top-ports")
    });
    tool.targets.contains(&kind) && !scans
}

fn bare_call(tool: &Tool, target: &str) -> Call {
    Call {
        tool: ToolName::new(tool.name.as_str()).unwrap(),
        target: Target::as_given(target),
        arguments: Arguments::default(),
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("t").unwrap(),
        client: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_index_says_what_a_look_at_each_grant_says(
        grants in grants(),
        (uid, groups, owner, standard) in (6..9_u32, prop::collection::vec(6..10_u32, 0..3), any::<bool>(), any::<bool>()),
    ) {
        let policy = policy(&grants);
        let most = if standard { Tier::Standard } else { Tier::Intrusive };
        let subject = Subject { uid, gids: groups, owner, most };
        let granted = SubjectGrants::of(&policy, &subject, None, SystemTime::now());
        let mut usable = Vec::new();
        for (at, tool) in policy.tools.iter().enumerate() {
            let expected = by_a_look_at_each(&policy, &subject, Some(tool));
            let found = granted.granted(Some(at)).map(found_of);
            prop_assert_eq!(&found, &expected);
            let can = expected.is_some_and(|(tier, _)| tool.tier <= tier);
            prop_assert_eq!(granted.can_use(at).is_some(), can);
            usable.extend(can.then_some(at));
        }
        let found = granted.granted(None).map(found_of);
        prop_assert_eq!(found, by_a_look_at_each(&policy, &subject, None));
        let found: Vec<_> = granted.usable().map(|(at, ..)| at).collect();
        prop_assert_eq!(&found, &usable);

        // In the place of a tool that is not granted the lightest is suggested, if it takes no more.
        let catalog = catalog(&policy, &subject, SystemTime::now(), |_| Availability::Available);
        let usable: Vec<_> = usable.iter().map(|at| &policy.tools[*at]).collect();
        let refused = policy.tools.iter().enumerate();
        for (_, tool) in refused.filter(|(at, _)| granted.granted(Some(*at)).is_none()) {
            for (kind, target) in [(TargetKind::Address, "10.0.0.1"), (TargetKind::Network, "10.0.0.0/28")] {
                let call = bare_call(tool, target);
                let denial = decide(&policy, &subject, &call, SystemTime::now()).unwrap_err().denial;
                let found = repair(&catalog, &call, &denial).map(|call| {
                    weight(&policy, policy.tool(call.tool.as_str()).unwrap())
                });
                let takers = usable.iter().filter(|tool| takes_lightly(tool, kind));
                let lightest = takers.map(|tool| weight(&policy, tool)).min();
                prop_assert_eq!(found, lightest.filter(|least| *least <= weight(&policy, tool)));
            }
        }
    }
}
