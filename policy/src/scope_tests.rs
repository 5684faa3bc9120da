//! How far a grant reaches: by its networks, names, size, time and end, and by the tool's file. Held
//! against a check that knows nothing of the code that decides.

use std::{
    net::IpAddr,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use probity_advice::{advise, repair};
use probity_protocol::{
    Arguments, Availability, Call, CorrelationId, DenialCode, Excluded, HostName, Identifier,
    LimitedBy, Reason, RequestedLimits, Target, Tier, ToolName, split_extra_args,
};
use proptest::prelude::*;

use super::*;
use crate::{
    decide::{granted_tool, judge},
    subject::Subject,
    subject_grants::SubjectGrants,
};

const ADA: u32 = 7;

/// 2026-01-01, long before and long after which nothing happens here.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn read(more: &str) -> Result<Policy, Defects> {
    let sources = load(&Origin::Shipped).unwrap();
    let text = format!(
        "version = 1\n[targets]\nnetworks = [\"10.0.0.0/8\", \"fd00::/8\"]\nnames = [\"*.lab.internal\"]\n\
         deny = [\"10.9.0.0/16\"]\nmax_hosts = 256\n[audit]\npath = \"/a\"\n{more}"
    );
    validate(&Sources { policy: Source::new("policy.toml", text), ..sources }, &Accounts::default())
}

fn granting(more: &str) -> Policy {
    read(more).unwrap_or_else(|defects| panic!("{defects}"))
}

/// The one defect of a policy.
fn defect(more: &str) -> String {
    let defects = read(more).expect_err("it has no defect");
    let [defect] = defects.0.as_slice() else { panic!("{defects}") };
    defect.message().to_owned()
}

fn ada() -> Subject {
    Subject { uid: ADA, gids: vec![50], owner: false, most: Tier::Intrusive }
}

fn call(tool: &str, target: &str, args: &str) -> Call {
    let tokens = split_extra_args(args, 1000).unwrap();
    Call {
        tool: ToolName::new(tool).unwrap(),
        target: Target::parse(target),
        arguments: Arguments::Given { preset: None, options: Vec::new(), tokens },
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("t").unwrap(),
        client: None,
    }
}

fn named(tool: &str, name: &str, addresses: &[&str]) -> Call {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Call {
        target: Target::Name { name: HostName::new(name).unwrap(), addresses },
        ..call(tool, "10.0.0.1", "")
    }
}

fn reason(policy: &Policy, call: &Call) -> Reason {
    decide(policy, &ada(), call, now()).expect_err("it was approved").denial.reason
}

/// The line of the grant that allows it.
fn line(policy: &Policy, call: &Call) -> u32 {
    let approved = decide(policy, &ada(), call, now());
    let plan = plan(approved.unwrap_or_else(|denied| panic!("{call:?}: {denied:?}")));
    plan.rule().line()
}

#[test]
fn a_grant_reaches_its_own_networks_and_no_others() {
    let policy = granting("[[grant]]\nuser = 7\ntools = [\"*\"]\nnetworks = [\"10.1.0.0/16\"]\n");
    line(&policy, &call("ping", "10.1.2.3", ""));
    let outside = reason(&policy, &call("ping", "10.2.0.1", ""));
    let expected = Reason::Target {
        network: "10.2.0.1/32".parse().unwrap(),
        excluded: Excluded::Outside,
        by: LimitedBy::Grant,
    };
    assert_eq!(outside, expected);
    // What the policy leaves out for everybody is told as the policy's.
    let by = |target| match reason(&policy, &call("ping", target, "")) {
        Reason::Target { by, .. } => by,
        other => panic!("{other:?}"),
    };
    assert_eq!((by("11.0.0.1"), by("10.9.0.1")), (LimitedBy::Policy, LimitedBy::Policy));
}

#[test]
fn deny_of_the_targets_wins_over_a_grant_that_names_the_network() {
    let policy = granting("[[grant]]\nuser = 7\ntools = [\"*\"]\nnetworks = [\"10.9.1.0/24\"]\n");
    assert!(matches!(
        reason(&policy, &call("ping", "10.9.1.1", "")),
        Reason::Target { excluded: Excluded::Denied, by: LimitedBy::Policy, .. }
    ));
}

#[test]
fn what_two_grants_give_is_never_added_up() {
    let policy = granting(
        "[[grant]]\nuser = 7\ntools = [\"nmap\"]\nnetworks = [\"10.1.0.0/25\"]\n\
         [[grant]]\ngroup = 50\ntools = [\"nmap\"]\nnetworks = [\"10.1.0.128/25\"]\nintrusive = true\n",
    );
    let (standard, intrusive) = (9, 13);
    assert_eq!(line(&policy, &call("nmap", "10.1.0.7", "-sV")), standard);
    assert_eq!(line(&policy, &call("nmap", "10.1.0.200", "-sS")), intrusive);
    // Intrusive in the first one's network, and a network that only both together hold.
    assert!(matches!(reason(&policy, &call("nmap", "10.1.0.7", "-sS")), Reason::Intrusive(_)));
    assert!(matches!(
        reason(&policy, &call("nmap", "10.1.0.0/24", "-sV")),
        Reason::Target { excluded: Excluded::Outside, by: LimitedBy::Grant, .. }
    ));
}

#[test]
fn the_nearest_reason_is_told_and_not_the_last_one_tried() {
    let policy = granting(
        "[[grant]]\nuser = 7\ntools = [\"nmap\"]\nmax_hosts = 16\nnetworks = [\"10.1.0.0/16\"]\n\
         [[grant]]\nuser = 7\ntools = [\"nmap\"]\nnetworks = [\"10.2.0.0/16\"]\n",
    );
    // The first grant would give a part of it, the second nothing.
    assert_eq!(
        reason(&policy, &call("nmap", "10.1.0.0/24", "")).code(),
        DenialCode::TargetTooLarge
    );
    assert_eq!(
        reason(&policy, &call("nmap", "10.3.0.0/24", "")).code(),
        DenialCode::TargetNotAllowed
    );
}

#[test]
fn a_name_has_to_match_the_grant_and_each_of_its_addresses_has_to_be_in_it() {
    let policy = granting(
        "[[grant]]\nuser = 7\ntools = [\"*\"]\nnames = [\"*.x.lab.internal\"]\nnetworks = [\"10.1.0.0/16\"]\n",
    );
    line(&policy, &named("ping", "a.x.lab.internal", &["10.1.0.1", "10.1.0.2"]));
    assert_eq!(
        reason(&policy, &named("ping", "a.lab.internal", &["10.1.0.1"])),
        Reason::Name(LimitedBy::Grant)
    );
    assert!(matches!(
        reason(&policy, &named("ping", "a.x.lab.internal", &["10.1.0.1", "10.2.0.1"])),
        Reason::AddressOfName { by: LimitedBy::Grant, excluded: Excluded::Outside, .. }
    ));
}

#[test]
fn a_host_that_a_grant_denies_is_denied_by_each_of_its_addresses() {
    let policy = granting("[[grant]]\nuser = 7\ntools = [\"*\"]\ndeny = [\"10.1.0.1\"]\n");
    for target in ["10.1.0.1", "10.1.0.0/24", "::ffff:10.1.0.1", "fd00::5efe:10.1.0.1"] {
        let tool = if target.contains('/') { "nmap" } else { "ping" };
        match reason(&policy, &call(tool, target, "")) {
            Reason::Target { by: LimitedBy::Grant, .. } => {}
            other => panic!("{target}: {other:?}"),
        }
    }
    line(&policy, &call("ping", "10.1.0.2", ""));
}

#[test]
fn of_grants_that_allow_a_call_the_one_that_gives_most_time_decides_in_any_order() {
    let (short, long) = (
        "[[grant]]\nuser = 7\ntools = [\"ping\"]\ntimeout = \"5s\"\n",
        "[[grant]]\nuser = 7\ntools = [\"ping\"]\ntimeout = \"20s\"\n",
    );
    for policy in [granting(&format!("{short}{long}")), granting(&format!("{long}{short}"))] {
        let approved = decide(&policy, &ada(), &call("ping", "10.0.0.1", ""), now()).unwrap();
        assert_eq!(plan(approved).limits().timeout, Duration::from_secs(20));
        let asked = |seconds| {
            let mut call = call("ping", "10.0.0.1", "");
            call.limits.timeout = Some(Duration::from_secs(seconds));
            call
        };
        line(&policy, &asked(20));
        let expected = Reason::Time {
            asked: Duration::from_secs(21),
            most: Duration::from_secs(20),
            by: LimitedBy::Grant,
        };
        assert_eq!(reason(&policy, &asked(21)), expected);
    }
}

#[test]
fn of_grants_that_give_equal_time_the_one_with_most_runs_at_once_decides_in_any_order() {
    let grant = |more: &str| format!("[[grant]]\nuser = 7\ntools = [\"ping\"]\n{more}\n");
    let chosen = |grants: [&str; 2]| {
        let policy = granting(&grants.map(grant).concat());
        let approved = decide(&policy, &ada(), &call("ping", "10.0.0.1", ""), now()).unwrap();
        plan(approved).grant_concurrency()
    };
    for (grants, expected) in [
        (["concurrency = 1", "concurrency = 2"], Some(2)),
        (["concurrency = 8", ""], None),
        (["concurrency = 1\ntimeout = \"20s\"", "concurrency = 2\ntimeout = \"5s\""], Some(1)),
    ] {
        let [one, other] = grants;
        assert_eq!(
            [chosen([one, other]), chosen([other, one])],
            [expected, expected],
            "{grants:?}"
        );
    }
}

#[test]
fn of_grants_that_allow_a_call_one_that_needs_no_approval_decides_in_any_order() {
    let approver = "[[approver]]\nuser = 8\ntools = [\"*\"]\n";
    let free = "[[grant]]\nuser = 7\ntools = [\"ping\"]\ntimeout = \"5s\"\n";
    let held = "[[grant]]\nuser = 7\ntools = [\"ping\"]\napproval = \"required\"\n";
    for policy in
        [granting(&[free, held, approver].concat()), granting(&[held, free, approver].concat())]
    {
        let of = |seconds: Option<u64>| {
            let mut call = call("ping", "10.0.0.1", "");
            call.limits.timeout = seconds.map(Duration::from_secs);
            plan(decide(&policy, &ada(), &call, now()).unwrap()).approvers().to_vec()
        };
        assert!(of(None).is_empty());
        assert!(of(Some(5)).is_empty());
        assert_eq!(of(Some(6)), ["user 8"], "only the other one gives so much time");
    }
}

#[test]
fn sets_that_name_others_twice_are_no_larger_for_it() {
    let mut text =
        "[set.s0]\nnetworks = [\"10.0.0.0/8\"]\nnames = [\"*.lab.internal\"]\n".to_owned();
    for (inner, set) in (0..40).zip(1..) {
        let twice = format!("[\"@s{inner}\", \"@s{inner}\"]");
        text += &format!("[set.s{set}]\nnetworks = {twice}\nnames = {twice}\n");
    }
    let grant =
        "[[grant]]\nuser = 7\ntools = [\"ping\"]\nnetworks = [\"@s40\"]\nnames = [\"@s40\"]\n";
    let policy = granting(&format!("{text}{grant}"));
    assert!(decide(&policy, &ada(), &call("ping", "10.0.0.1", ""), now()).is_ok());
}

#[test]
fn a_second_number_of_somebody_neither_approves_nor_is_approved() {
    let grant = "[[grant]]\ngroup = 50\ntools = [\"ping\"]\napproval = \"required\"\n";
    let approver = "[[approver]]\ngroup = 60\ntools = [\"*\"]\n";
    let (second, other) = (100_007, 9);
    let sources = load(&Origin::Shipped).unwrap();
    let text = format!(
        "version = 1\n[targets]\nnetworks = [\"10.0.0.0/8\"]\n[audit]\npath = \"/a\"\n{grant}{approver}"
    );
    let sources = Sources { policy: Source::new("policy.toml", text), ..sources };
    let accounts = Accounts::parse("ada:x:7:50::/:\n", "").with_subordinates("ada:100000:65536\n");
    let policy = validate(&sources, &accounts).unwrap();
    // She keeps her groups in a user namespace, where she is whom she likes of her numbers.
    let subject = |uid| Subject { uid, gids: vec![50, 60], owner: false, most: Tier::Intrusive };
    let may =
        |by, asked_by| policy.may_approve(&subject(by), &ToolName::new("ping").unwrap(), asked_by);
    assert!(may(other, ADA) && may(ADA, other));
    assert!(!may(second, ADA) && !may(ADA, second) && !may(second, 100_008));
    let call = call("ping", "10.0.0.1", "");
    assert!(decide(&policy, &subject(ADA), &call, now()).is_ok());
    let denied = decide(&policy, &subject(second), &call, now()).unwrap_err();
    assert_eq!(denied.denial.reason, Reason::NoApprover);
}

#[test]
fn nobody_approves_a_call_of_his_own_and_an_approver_is_one_for_his_tools_alone() {
    let grant = "[[grant]]\ngroup = 50\ntools = [\"ping\", \"nmap\"]\napproval = \"required\"\n";
    let policy = granting(&format!(
        "{grant}[[approver]]\nuser = 7\ntools = [\"ping\"]\n[[approver]]\nuser = 8\ntools = [\"nmap\"]\n\
         [[approver]]\ngroup = 60\ntools = [\"ping\"]\n"
    ));
    let who = |tool| plan(decide(&policy, &ada(), &call(tool, "10.0.0.1", ""), now()).unwrap());
    assert_eq!(who("ping").approvers(), ["group 60"], "7 is who asks");
    assert_eq!(who("nmap").approvers(), ["user 8"]);
    let may = |uid, gids: &[u32], tool: &str| {
        let subject = Subject { uid, gids: gids.to_vec(), owner: false, most: Tier::Intrusive };
        policy.may_approve(&subject, &ToolName::new(tool).unwrap(), ADA)
    };
    assert!(!may(7, &[60], "ping"), "his own, whatever group he is in");
    assert!(may(9, &[60], "ping") && !may(9, &[60], "nmap") && !may(9, &[50], "ping"));
    assert!(may(8, &[], "nmap") && !may(8, &[], "ping"));
    // Who is alone with his right is refused at once, and told so.
    let alone = format!("{grant}[[approver]]\nuser = 7\ntools = [\"*\"]\n");
    assert_eq!(reason(&granting(&alone), &call("ping", "10.0.0.1", "")), Reason::NoApprover);
}

#[test]
fn an_approval_that_nobody_can_give_is_a_defect_that_says_what_to_add() {
    let grant = |who: &str| {
        format!("[[grant]]\n{who}\ntools = [\"ping\", \"nmap\"]\napproval = \"required\"\n")
    };
    for (policy, expected) in [
        (grant("user = 7"), "nobody else may approve calls of"),
        (
            format!("{}[[approver]]\nuser = 8\ntools = [\"ping\"]\n", grant("user = 7")),
            "calls of nmap: add [[approver]]",
        ),
        (
            format!("{}[[approver]]\nuser = 7\ntools = [\"*\"]\n", grant("user = 7")),
            "nobody else may approve",
        ),
        (
            format!("{}[[approver]]\nuser = 8\ntools = [\"*\"]\n", grant("self = true")),
            "is alone with it",
        ),
        ("[[approver]]\ntools = [\"ping\"]\n".into(), "an approver names one of: user, group"),
        (
            "[[approver]]\nuser = 8\nself = true\ntools = [\"ping\"]\n".into(),
            "unknown field `self`",
        ),
        ("[[approver]]\nuser = 8\ntools = [\"pong\"]\n".into(), "no tool is called \"pong\""),
        (
            "[[grant]]\nuser = 7\ntools = [\"ping\"]\napproval = \"perhaps\"\n".into(),
            "unknown variant `perhaps`",
        ),
        ("[[grant]]\nuser = 7\ntools = [\"ping\"]\napproval = true\n".into(), ""),
        ("[ceilings]\napproval_ttl = \"0s\"\n".into(), ""),
    ] {
        let said = defect(&policy);
        assert!(said.contains(expected), "{policy}: {said}");
    }
    // An approver of a file of policy.d counts, and one of a group may be another than who asks.
    granting(&format!("{}[[approver]]\ngroup = 50\ntools = [\"*\"]\n", grant("group = 50")));
}

#[test]
fn a_grant_that_has_ended_gives_nothing_and_says_since_when() {
    let until = |moment: &str| {
        granting(&format!("[[grant]]\nuser = 7\ntools = [\"ping\"]\nuntil = {moment}\n"))
    };
    let ping = call("ping", "10.0.0.1", "");
    line(&until("2026-01-01T00:00:01Z"), &ping);
    // By its offset an hour earlier than it looks, and that very second.
    for ended in ["2026-01-01T00:59:59+01:00", "2026-01-01T00:00:00Z", "\"2026-01-01T00:00:00Z\""] {
        let policy = until(ended);
        assert!(matches!(reason(&policy, &ping), Reason::Expired { since } if since <= now()));
        // Neither is it published, and other tools are as unknown as to anybody.
        let catalog = catalog(&policy, &ada(), now(), |_| Availability::Available);
        assert!(catalog.tools.is_empty() && catalog.allowance.networks.is_empty());
        assert_eq!(reason(&policy, &call("nmap", "10.0.0.1", "")).code(), DenialCode::NotGranted);
        let denial = decide(&policy, &ada(), &ping, now()).unwrap_err().denial;
        let said = advise(&catalog, &ping, &denial);
        assert_eq!(said.code, DenialCode::GrantExpired);
        assert!(
            said.message.contains("2025-12-31T23:59:59Z")
                || said.message.contains("2026-01-01T00:00:00Z"),
            "{said:?}"
        );
    }
    // Another that holds is enough.
    let both = granting(
        "[[grant]]\nuser = 7\ntools = [\"ping\"]\nuntil = 2020-01-01T00:00:00Z\n\
         [[grant]]\nuser = 7\ntools = [\"ping\"]\n",
    );
    assert_eq!(line(&both, &ping), 13);
}

#[test]
fn a_tool_reaches_what_its_file_leaves_for_whoever_is_granted_it() {
    let tool = "[[tool]]\nname = \"near\"\nsummary = \"Looks.\"\ncommand = \"/usr/bin/true\"\n\
        targets = [\"address\", \"network\"]\nnetworks = [\"10.1.0.0/16\", \"192.168.0.0/16\"]\n\
        deny = [\"10.1.0.1\"]\nmax_hosts = 4\nargv = [\"{options}\", \"{target}\"]\n\
        sandbox = { net_raw = \"never\", syscalls = \"base\" }\n";
    let policy = granting(&format!("{tool}[[grant]]\nuser = 7\ntools = [\"*\"]\n"));
    line(&policy, &call("near", "10.1.0.2", ""));
    line(&policy, &call("near", "10.1.0.4/30", ""));
    line(&policy, &call("ping", "10.2.0.1", ""));
    for (target, expected) in [
        ("10.2.0.1", (Excluded::Outside, LimitedBy::Tool)),
        ("10.1.0.1", (Excluded::Denied, LimitedBy::Tool)),
        ("10.1.0.8/29", (Excluded::TooLarge, LimitedBy::Tool)),
        // It narrows the policy's networks, and adds none.
        ("192.168.0.1", (Excluded::Outside, LimitedBy::Policy)),
    ] {
        match reason(&policy, &call("near", target, "")) {
            Reason::Target { excluded, by, .. } => assert_eq!((excluded, by), expected, "{target}"),
            other => panic!("{target}: {other:?}"),
        }
    }
    // The catalog says so for this tool, and not for the others.
    let catalog = catalog(&policy, &ada(), now(), |_| Availability::Available);
    let near = catalog.tool("near").unwrap();
    let allowance = near.allowance.as_ref().unwrap();
    assert_eq!(allowance.networks, ["10.1.0.0/16".parse::<IpNet>().unwrap()]);
    assert_eq!(allowance.max_hosts, 4);
    assert_eq!(catalog.tool("ping").unwrap().allowance, None);
}

#[test]
fn a_suggestion_keeps_to_what_the_caller_is_granted_for_that_tool() {
    let policy = granting(
        "[[grant]]\nuser = 7\ntools = [\"nmap\"]\nnetworks = [\"10.1.2.0/24\"]\nmax_hosts = 16\n\
         [[grant]]\nuser = 8\ntools = [\"*\"]\n",
    );
    let wide = call("nmap", "10.1.0.0/16", "");
    let denial = decide(&policy, &ada(), &wide, now()).unwrap_err().denial;
    let catalog = catalog(&policy, &ada(), now(), |_| Availability::Available);
    let repaired = repair(&catalog, &wide, &denial).unwrap();
    assert!(decide(&policy, &ada(), &repaired, now()).is_ok(), "{repaired:?}");
    let Target::Network(network) = repaired.target else { panic!("{repaired:?}") };
    assert_eq!(network, "10.1.2.0/28".parse().unwrap());
    // What only somebody else is granted is not even named.
    let outside = call("nmap", "10.5.0.1", "");
    let denial = decide(&policy, &ada(), &outside, now()).unwrap_err().denial;
    let said = advise(&catalog, &outside, &denial).message;
    assert!(said.contains("outside the networks of your grants"), "{said}");
    assert!(said.contains("10.1.2.0/24") && !said.contains("10.0.0.0/8"), "{said}");
    assert_eq!(catalog.allowance.networks, ["10.1.2.0/24".parse::<IpNet>().unwrap()]);
}

/// What the catalog says of a tool's networks, and of what is denied.
fn told(policy: &Policy, tool: &str) -> (Vec<String>, Vec<String>) {
    let catalog = catalog(policy, &ada(), now(), |_| Availability::Available);
    let allowance = catalog.allowance_of(catalog.tool(tool).unwrap()).clone();
    let texts = |networks: Vec<IpNet>| networks.iter().map(ToString::to_string).collect();
    (texts(allowance.networks), texts(allowance.denied))
}

#[test]
fn the_catalog_has_what_several_grants_leave_together_and_no_more() {
    let policy = granting(
        "[[grant]]\nuser = 7\ntools = [\"nmap\"]\nnetworks = [\"10.1.0.0/16\"]\ndeny = [\"10.1.5.0/24\"]\n\
         [[grant]]\nuser = 7\ntools = [\"nmap\"]\nnetworks = [\"10.2.0.0/16\"]\n",
    );
    let (networks, denied) = told(&policy, "nmap");
    assert_eq!(networks, ["10.1.0.0/16", "10.2.0.0/16"]);
    assert_eq!(denied, ["10.1.5.0/24", "10.9.0.0/16"]);
    // What one denies and the other reaches is not denied.
    let policy = granting(
        "[[grant]]\nuser = 7\ntools = [\"nmap\"]\ndeny = [\"10.1.5.0/24\"]\n\
         [[grant]]\nuser = 7\ntools = [\"nmap\"]\nnetworks = [\"10.1.0.0/16\"]\n",
    );
    assert_eq!(told(&policy, "nmap").1, ["10.9.0.0/16"]);
    // A grant that does not reach the tool's tier gives nothing of it.
    let tool = "[[tool]]\nname = \"loud\"\ntier = \"intrusive\"\nsummary = \"Looks.\"\n\
        command = \"/usr/bin/true\"\ntargets = [\"address\"]\nargv = [\"{options}\", \"{target}\"]\n\
        sandbox = { net_raw = \"never\", syscalls = \"base\" }\n";
    let policy = granting(&format!(
        "{tool}[[grant]]\nuser = 7\ntools = [\"*\"]\n\
         [[grant]]\nuser = 7\ntools = [\"loud\"]\nintrusive = true\nnetworks = [\"10.1.0.0/16\"]\n"
    ));
    assert_eq!(told(&policy, "loud").0, ["10.1.0.0/16"]);
    assert!(matches!(reason(&policy, &call("loud", "10.2.0.1", "")), Reason::Intrusive(_)));
}

#[test]
fn a_set_stands_for_what_is_in_it_and_in_the_sets_in_it() {
    let policy = granting(
        "[set.lab]\nnetworks = [\"10.1.0.0/16\", \"@more\"]\nnames = [\"*.x.lab.internal\"]\n\
         [set.more]\nnetworks = [\"10.2.0.0/16\"]\n\
         [[grant]]\nuser = 7\ntools = [\"*\"]\nnetworks = [\"@lab\"]\nnames = [\"@lab\"]\ndeny = [\"@more\"]\n\
         [[grant]]\nuser = 8\ntools = [\"*\"]\nnetworks = [\"@more\"]\n",
    );
    line(&policy, &call("ping", "10.1.0.1", ""));
    line(&policy, &named("ping", "a.x.lab.internal", &["10.1.0.1"]));
    assert!(matches!(
        reason(&policy, &call("ping", "10.2.0.1", "")),
        Reason::Target { excluded: Excluded::Denied, by: LimitedBy::Grant, .. }
    ));
    // Written out, it is the same policy.
    let again = Source::new("policy.toml", policy.to_toml().unwrap());
    let again = validate(
        &Sources { policy: again, tools: Vec::new(), drop_ins: Vec::new() },
        &Accounts::default(),
    )
    .unwrap();
    assert_eq!(again.digest(), policy.digest());
}

/// The shipped policy's targets, with files of `policy.d` beside it.
fn with_drop_ins(files: &[(&str, &str)]) -> Result<Policy, Defects> {
    let mut sources = load(&Origin::Shipped).unwrap();
    sources.drop_ins = files.iter().map(|(name, text)| Source::new(*name, *text)).collect();
    validate(&sources, &Accounts::default())
}

#[test]
fn drop_ins_add_grants_and_sets_in_any_order_and_see_each_others_sets() {
    let grants =
        ("policy.d/ada.toml", "[[grant]]\nuser = 7\ntools = [\"ping\"]\nnetworks = [\"@lab\"]\n");
    let sets = ("policy.d/sets.toml", "[set.lab]\nnetworks = [\"10.1.0.0/16\", \"@more\"]\n");
    let more = ("policy.d/z.toml", "[set.more]\nnetworks = [\"10.2.0.0/16\"]\n");
    let policy = with_drop_ins(&[grants, sets, more]).unwrap();
    let other = with_drop_ins(&[more, sets, grants]).unwrap();
    assert_eq!(policy.digest(), other.digest());
    let shipped = with_drop_ins(&[]).unwrap();
    assert_ne!(policy.digest(), shipped.digest());
    for policy in [policy, other] {
        let approved = decide(&policy, &ada(), &call("ping", "10.2.0.1", ""), now()).unwrap();
        assert_eq!(plan(approved).rule().to_string(), "policy.d/ada.toml:1:1");
        assert!(decide(&policy, &ada(), &call("ping", "10.3.0.1", ""), now()).is_err());
        // As one document it is the same.
        let one = Source::new("policy.toml", policy.to_toml().unwrap());
        let one = Sources { policy: one, drop_ins: Vec::new(), tools: Vec::new() };
        assert_eq!(validate(&one, &Accounts::default()).unwrap().digest(), policy.digest());
    }
}

#[test]
fn an_approver_of_a_drop_in_counts_for_the_grants_of_every_file_in_any_order() {
    let grant =
        ("policy.d/ada.toml", "[[grant]]\nuser = 7\ntools = [\"ping\"]\napproval = \"required\"\n");
    let approver = ("policy.d/leads.toml", "[[approver]]\nuser = 8\ntools = [\"ping\"]\n");
    let policy = with_drop_ins(&[grant, approver]).unwrap();
    assert_eq!(policy.digest(), with_drop_ins(&[approver, grant]).unwrap().digest());
    let approved = decide(&policy, &ada(), &call("ping", "10.2.0.1", ""), now()).unwrap();
    assert_eq!(plan(approved).approvers(), ["user 8"]);
    let alone = with_drop_ins(&[grant]).expect_err("nobody may approve");
    assert!(
        alone.to_string().contains("policy.d/ada.toml:4:12: nobody else may approve"),
        "{alone}"
    );
    // As one document it is the same.
    let one = Source::new("policy.toml", policy.to_toml().unwrap());
    let one = Sources { policy: one, drop_ins: Vec::new(), tools: Vec::new() };
    assert_eq!(validate(&one, &Accounts::default()).unwrap().digest(), policy.digest());
}

#[test]
fn a_drop_in_with_a_defect_is_a_policy_with_a_defect() {
    let defects = |files: &[(&str, &str)]| {
        let defects = with_drop_ins(files).expect_err("it has no defect").0;
        defects.iter().map(|d| format!("{}: {}", d.place(), d.message())).collect::<Vec<_>>()
    };
    let grant = "[[grant]]\nuser = 7\ntools = [\"ping\"]\n";
    for (text, place, expected) in [
        ("[[grant]]\nuser = 7\n", "policy.d/a.toml:1:1", "missing field `tools`"),
        (
            "[targets]\nnetworks = [\"0.0.0.0/0\"]\n",
            "policy.d/a.toml:1:2",
            "unknown field `targets`",
        ),
        ("[ceilings]\ntimeout = \"2h\"\n", "policy.d/a.toml:1:2", "unknown field `ceilings`"),
        ("version = 1\n", "policy.d/a.toml:1:1", "unknown field `version`"),
        ("nonsense", "policy.d/a.toml:1:9", "key with no value"),
        (
            &format!("{grant}networks = [\"8.8.8.0/24\"]\n"),
            "policy.d/a.toml:4:13",
            "a grant only narrows",
        ),
        (&format!("{grant}timeout = \"2h\"\n"), "policy.d/a.toml:4:11", "more than timeout"),
        (
            &format!("{grant}networks = [\"@none\"]\n"),
            "policy.d/a.toml:4:13",
            "there is no set @none",
        ),
    ] {
        let found = defects(&[("policy.d/a.toml", text)]);
        let [found] = found.as_slice() else { panic!("{text}: {found:?}") };
        assert!(found.starts_with(place) && found.contains(expected), "{text}: {found}");
    }
    let set = "[set.lab]\nnetworks = [\"10.1.0.0/16\"]\n";
    let found = defects(&[("policy.d/a.toml", set), ("policy.d/b.toml", set)]);
    assert_eq!(found, ["policy.d/b.toml:1:6: the set @lab is at policy.d/a.toml:1:6 already"]);
    let circle = "[set.a]\nnetworks = [\"@b\"]\n";
    let found = defects(&[
        ("policy.d/a.toml", circle),
        ("policy.d/b.toml", "[set.b]\nnetworks = [\"@a\"]\n"),
    ]);
    assert_eq!(found, ["policy.d/b.toml:2:13: a set is inside itself: @a has @b has @a"]);
}

#[test]
fn what_does_not_narrow_is_a_defect_that_says_what_to_do() {
    let grant = "[[grant]]\nuser = 7\ntools = [\"*\"]\n";
    for (more, expected) in [
        ("networks = [\"10.0.0.0/7\"]\n", "10.0.0.0/7 is not inside the networks of [targets]"),
        ("networks = [\"192.168.0.0/16\"]\n", "a grant only narrows them"),
        ("networks = []\n", "reaches nothing: leave the key out"),
        ("names = [\"*.internal\"]\n", "*.internal is none of the names of [targets]"),
        ("max_hosts = 257\n", "more than max_hosts of [targets], which is 256"),
        ("max_hosts = 0\n", "at least 1"),
        ("timeout = \"2h\"\n", "more than timeout of [ceilings], which is 1h"),
        ("concurrency = 9\n", "more than concurrency of [ceilings], which is 8"),
        ("concurrency = 0\n", "at least 1"),
        ("until = 2026-12-31\n", "not a moment with its offset from UTC"),
        ("until = 2026-12-31T10:00:00\n", "not a moment with its offset from UTC"),
        ("until = \"tomorrow\"\n", "write one such as 2030-12-31T18:00:00Z"),
        ("networks = [\"@nowhere\"]\n", "there is no set @nowhere"),
        ("networks = [\"@\"]\n", "there is no set @"),
    ] {
        let message = defect(&format!("{grant}{more}"));
        assert!(message.contains(expected), "{more}: {message}");
    }
    let sets = "[set.lab]\nnetworks = [\"10.1.0.0/16\"]\n";
    let message = defect(&format!("{sets}{grant}names = [\"@lab\"]\n"));
    assert!(message.contains("the set @lab has no names"), "{message}");
    for (sets, expected) in [
        ("[set.a]\nnetworks = [\"@a\"]\n", "@a has @a"),
        (
            "[set.a]\nnetworks = [\"@b\"]\n[set.b]\nnetworks = [\"@c\"]\n[set.c]\nnetworks = [\"@a\"]\n",
            "@a has @b has @c has @a",
        ),
    ] {
        let message = defect(sets);
        assert!(message.contains("inside itself") && message.contains(expected), "{message}");
    }
    assert!(defect("[set.\"A b\"]\nnetworks = [\"10.1.0.0/16\"]\n").contains("lower-case letters"));
}

/// A grant as it is written: networks by number, deny, size, whether it is intrusive, what is left of options.
type Written = (Vec<usize>, Vec<usize>, Option<u64>, bool, OptionsWritten);

/// What a grant leaves of nmap's options: options that it denies, by number, and values.
#[derive(Debug, Clone)]
struct OptionsWritten {
    denied: Vec<usize>,
    ports: Option<(u16, u16)>,
    timing: Option<(u8, u8)>,
    only_safe: bool,
}

/// Options that may be denied, by name and by the word that stands for them on the command line.
const DENIABLE: [(&str, &str); 4] = [
    ("service_version", "-sV"),
    ("top_ports", "--top-ports"),
    ("syn_scan", "-sS"),
    ("no_ping", "-Pn"),
];

const NETWORKS: [&str; 6] =
    ["10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/15", "10.3.0.0/28", "10.1.2.128/25", "10.8.0.0/14"];

fn written() -> impl Strategy<Value = Written> {
    let some = |most| prop::collection::vec(0..NETWORKS.len(), 0..most);
    let size = prop::option::of(prop::sample::select(vec![1, 16, 256]));
    (some(3), some(2), size, any::<bool>(), options_written())
}

fn options_written() -> impl Strategy<Value = OptionsWritten> {
    let denied = prop::sample::subsequence(vec![0, 1, 2, 3], 0..=2);
    let ports = prop::option::of(prop::sample::select(vec![(1, 1024), (22, 22), (1, 65535)]));
    let timing = prop::option::of(prop::sample::select(vec![(0, 3), (4, 5), (2, 4)]));
    (denied, ports, timing, any::<bool>()).prop_map(|(denied, ports, timing, only_safe)| {
        OptionsWritten { denied, ports, timing, only_safe }
    })
}

impl OptionsWritten {
    fn text(&self) -> String {
        let names = self.denied.iter().map(|at| format!("{:?}", DENIABLE[*at].0));
        let mut keys = vec![format!("deny = [{}]", names.collect::<Vec<_>>().join(", "))];
        keys.extend(self.ports.map(|(first, last)| format!("ports = \"{first}-{last}\"")));
        keys.extend(
            self.timing.map(|(min, max)| format!("timing = {{ min = {min}, max = {max} }}")),
        );
        keys.extend(self.only_safe.then(|| "scripts = [\"safe\"]".to_owned()));
        format!("options.nmap = {{ {} }}\n", keys.join(", "))
    }

    /// Whether it leaves what stands on a command line, told from nothing but its words. `safe` is what
    /// the word of that name stands for.
    fn leaves(&self, argv: &[String], safe: &str) -> bool {
        let after = |flag: &str| {
            argv.iter().zip(argv.iter().skip(1)).find(|(word, _)| *word == flag).map(|(_, v)| v)
        };
        let is_denied = |word: &String| {
            self.denied.iter().any(|at| word.split('=').next() == Some(DENIABLE[*at].1))
        };
        let is_port = |port: &str| {
            let port: u16 = port.parse().unwrap();
            self.ports.is_none_or(|(first, last)| (first..=last).contains(&port))
        };
        let timing = argv.iter().find_map(|word| word.strip_prefix("-T")?.parse::<u8>().ok());
        !argv.iter().any(is_denied)
            && after("-p").is_none_or(|ports| ports.split([',', '-']).all(is_port))
            && timing.is_none_or(|t| self.timing.is_none_or(|(min, max)| (min..=max).contains(&t)))
            && after("--script").is_none_or(|scripts| !self.only_safe || scripts == safe)
    }
}

/// What is said to nmap: a preset, and flags.
fn said() -> impl Strategy<Value = (Option<&'static str>, String)> {
    let preset = vec![None, None, Some("quick"), Some("standard"), Some("thorough")];
    let flags = [
        "-sV",
        "-Pn",
        "-sS",
        "-p 22",
        "-p 80,443",
        "-p 1-1024",
        "-p 9000",
        "-T3",
        "-T 4",
        "-T1",
        "--top-ports 10",
        "--script safe",
        "--script default",
        "--script vuln",
    ];
    let flags = prop::sample::subsequence(flags.to_vec(), 0..4);
    (prop::sample::select(preset), flags).prop_map(|(preset, flags)| (preset, flags.join(" ")))
}

fn saying(target: &str, (preset, flags): (Option<&str>, &str)) -> Call {
    let mut call = call("nmap", target, flags);
    if let Arguments::Given { preset: given, .. } = &mut call.arguments {
        *given = preset.map(|name| Identifier::new(name).unwrap());
    }
    call
}

fn grants_text(grants: &[Written]) -> String {
    let mut text = String::new();
    for (networks, denied, most, intrusive, options) in grants {
        let list = |which: &[usize]| {
            let networks = which.iter().map(|at| format!("{:?}", NETWORKS[*at]));
            networks.collect::<Vec<_>>().join(", ")
        };
        text.push_str("[[grant]]\nuser = 7\ntools = [\"nmap\"]\n");
        text.push_str(&format!("intrusive = {intrusive}\ndeny = [{}]\n", list(denied)));
        if !networks.is_empty() {
            text.push_str(&format!("networks = [{}]\n", list(networks)));
        }
        text.extend(most.map(|most| format!("max_hosts = {most}\n")));
        text.push_str(&options.text());
    }
    text
}

fn nets(which: &[usize]) -> Vec<IpNet> {
    which.iter().map(|at| NETWORKS[*at].parse().unwrap()).collect()
}

/// Whether every address of a small network is in one of these, by a look at each.
fn all_in(network: IpNet, these: &[IpNet]) -> bool {
    network.hosts().chain([network.network(), network.broadcast()]).all(|a| any_has(these, a))
}

fn any_has(these: &[IpNet], address: IpAddr) -> bool {
    these.iter().any(|net| net.contains(&address))
}

/// Who is granted everything, to see what a call comes to.
static OPEN: LazyLock<Policy> =
    LazyLock::new(|| granting("[[grant]]\nuser = 7\ntools = [\"*\"]\nintrusive = true\n"));

/// The command line of a call, whatever it aims at; `None` where the tool does not take it.
fn rendered(said: (Option<&str>, &str)) -> Option<Vec<String>> {
    let approved = decide(&OPEN, &ada(), &saying("10.1.0.1", said), now()).ok()?;
    Some(plan(approved).argv())
}

static SAFE: LazyLock<String> = LazyLock::new(|| {
    rendered((None, "--script safe")).unwrap().iter().rev().nth(1).unwrap().clone()
});

proptest! {
    #[test]
    fn a_call_is_allowed_where_one_grant_covers_all_of_it(
        grants in prop_oneof![
            3 => prop::collection::vec(written(), 1..4),
            1 => prop::collection::vec(written(), 9..16),
        ],
        (second, third, prefix) in (prop::sample::select(vec![1_u8, 2, 3, 9, 10]), 0..4_u8, 24..=32_u8),
        (preset, flags) in said(),
    ) {
        let policy = granting(&grants_text(&grants));
        let target = IpNet::new(IpAddr::from([10, second, third, 0]), prefix).unwrap().trunc();
        let call = saying(&target.to_string(), (preset, &flags));

        let size = 1_u64 << (32 - prefix);
        let denied_to_all = ["10.9.0.0/16".parse().unwrap()];
        let of_policy = !any_has(&denied_to_all, target.network()) && size <= 256;
        let argv = rendered((preset, &flags));
        let intrusive = flags.contains("-sS") || flags.contains("vuln");
        let covers = |(networks, denied, most, tier, options): &Written| {
            let (networks, denied) = (nets(networks), nets(denied));
            let touches = |net: &IpNet| net.contains(&target) || target.contains(net);
            (networks.is_empty() || all_in(target, &networks))
                && !denied.iter().any(touches)
                && most.is_none_or(|most| size <= most)
                && (*tier || !intrusive)
                && argv.as_ref().is_some_and(|argv| options.leaves(argv, &SAFE))
        };
        let expected = of_policy && grants.iter().any(covers);
        let found = decide(&policy, &ada(), &call, now());
        prop_assert_eq!(found.is_ok(), expected, "{:?}", found);
        // What is suggested instead is approved of, or nothing is; it aims at no more, and does no more.
        if let Err(denied) = &found {
            let catalog = catalog(&policy, &ada(), now(), |_| Availability::Available);
            if let Some(repaired) = repair(&catalog, &call, &denied.denial)
                && let Ok(approved) = decide(&policy, &ada(), &repaired, now())
            {
                let plan = plan(approved);
                if let Some(argv) = &argv {
                    let scanned = |argv: &[String]| argv.iter().any(|w| w == "-p" || w.starts_with("--top"));
                    prop_assert!(scanned(&plan.argv()) || !scanned(argv), "{:?}", plan.argv());
                }
                let Target::Network(part) = &repaired.target else { return Ok(()) };
                prop_assert!(target.contains(part), "{:?}", repaired);
            }
        }
    }
}

proptest! {
    #[test]
    fn who_holds_many_grants_is_told_the_same_by_a_look_at_those_that_may_reach_the_target(
        grants in prop::collection::vec((written(), prop::option::of(1..9_u64)), 9..40),
        (second, third, prefix) in (prop::sample::select(vec![1_u8, 2, 3, 9, 10]), 0..4_u8, 24..=32_u8),
        second_address: bool,
        (preset, flags) in said(),
        asked in prop::option::of(1..9_u64),
    ) {
        let text: String = grants.iter().map(|(grant, seconds)| {
            // Before its options, which may be a table.
            let timeout = seconds.map(|s| format!("timeout = \"{s}s\"\n")).unwrap_or_default();
            grants_text(std::slice::from_ref(grant)).replace("options.nmap", &format!("{timeout}options.nmap"))
        }).collect();
        let policy = granting(&text);
        let target = IpNet::new(IpAddr::from([10, second, third, 0]), prefix).unwrap().trunc();
        let mut call = saying(&target.to_string(), (preset, &flags));
        if second_address {
            let addresses = vec![target.addr(), IpAddr::from([10, 1, 2, 129])];
            call.target = Target::Name { name: HostName::new("a.lab.internal").unwrap(), addresses };
        }
        call.limits.timeout = asked.map(Duration::from_secs);

        let subject = ada();
        let all = SubjectGrants::of(&policy, &subject, None, now());
        let (tool, granted) = granted_tool(&all, "nmap").unwrap();
        let by_all = judge(&policy, tool, ADA, granted, &call);
        match (decide(&policy, &subject, &call, now()), by_all) {
            (Ok(found), Ok(expected)) => {
                let (found, expected) = (plan(found), plan(expected));
                prop_assert_eq!(found.rule(), expected.rule());
                prop_assert_eq!(found.limits().timeout, expected.limits().timeout);
            }
            (Err(found), Err(expected)) => {
                prop_assert_eq!(found.denial.reason, expected.denial.reason);
                prop_assert_eq!(found.rule, expected.rule);
            }
            (found, expected) => prop_assert!(false, "{found:?}, by all {expected:?}"),
        }
    }
}
