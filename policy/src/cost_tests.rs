//! No refusal costs much more than an approval: counted, not timed. Policies are as large as somebody
//! might write them, requests as hostile as the protocol lets them be.

use std::time::SystemTime;

use std::{fmt::Write as _, sync::LazyLock};

use probity_protocol::{
    Arguments, Availability, Call, CorrelationId, DenialCode, GivenOption, HostName, Identifier,
    MAX_ADDRESSES, MAX_OPTIONS, OptionText, RequestedLimits, Target, Tier, Token, ToolName,
};

use probity_advice::{advise, repair};

use crate::{
    Accounts, Origin, Policy, Source, Sources, Subject, catalog, decide, load, validate, work,
};

/// Parts of the policy that are looked at for a decision, whatever the policy: lists of networks, by
/// way of each address of a name.
const MOST_LOOKED: u32 = 100;

/// A policy with so many of everything that it may have many of.
fn policy(many: usize) -> Policy {
    let mut sources: Sources = load(&Origin::Shipped).unwrap();
    let tool = |name: &str, options: usize, words: usize| {
        let mut text = format!(
            "name = \"{name}\"\naliases = [\"{name}-also\"]\nsummary = \"A tool.\"\n\
             command = \"/usr/bin/true\"\ntargets = [\"address\", \"network\"]\n\
             argv = [\"{{options}}\", \"{{target}}\"]\n\
             sandbox = {{ net_raw = \"never\", syscalls = \"base\" }}\n"
        );
        let list = (0..words).map(|at| format!("\"word-{at}\"")).collect::<Vec<_>>().join(", ");
        let rendered = (0..words).map(|at| format!("w{at} = \"x\"")).collect::<Vec<_>>().join(", ");
        for at in 0..options {
            let value = match at {
                0 => "value = { kind = \"ports\" }\n".to_owned(),
                1 => format!("value = {{ kind = \"enumeration-list\", words = [{list}] }}\n"),
                2 => format!("value = {{ kind = \"enumeration\", words = [{list}] }}\n"),
                3 => format!("value = {{ kind = \"rendered\", rendered = {{ {rendered} }} }}\n"),
                _ => "value = { kind = \"integer\", min = 1, max = 9 }\n".to_owned(),
            };
            let tier = if at % 5 == 4 { "tier = \"intrusive\"\n" } else { "" };
            let _ = write!(
                text,
                "[[option]]\nname = \"option_{at}\"\nflag = \"--option-{at}\"\nhelp = \"x\"\n{value}{tier}"
            );
        }
        for at in 0..options {
            let _ = write!(
                text,
                "[preset.set_{at}]\nhelp = \"x\"\noptions = {{ option_4 = 1, option_0 = \"{}\" }}\n",
                at + 1
            );
        }
        Source::new(format!("{name}.toml"), text)
    };
    sources.tools.extend((0..many).map(|at| tool(&format!("scan-{at:04}"), 5, 3)));
    sources.tools.push(tool("wide", many.max(5), many.max(5)));
    let mut text = sources.policy.text().replace("names     = [", "names     = [\n@names ");
    let nets = |base: u32, step: u32| {
        let at =
            move |at: usize| std::net::Ipv4Addr::from(base + u32::try_from(at).unwrap() * step);
        (0..many).map(move |number| format!("\"{}/30\",", at(number))).collect::<String>()
    };
    let names: String = (0..many).map(|at| format!("\"*.n{at}.lab.internal\",")).collect();
    text = text.replace("@names", &names);
    text = text.replace("networks  = [", &format!("networks  = [{}", nets(0x5000_0000, 64)));
    text = text.replace("deny      = []", &format!("deny = [{}]", nets(0x0a00_0000, 8)));
    for at in 0..many {
        let (uid, tool) = (10_000 + at, format!("scan-{at:04}"));
        let _ = write!(text, "\n[[grant]]\nuser = {uid}\ntools = [\"{tool}\", \"wide\"]\n");
        let _ = write!(text, "\n[[grant]]\nuser = 7\ntools = [\"{tool}\"]\n");
    }
    sources.policy = Source::new("policy.toml", text);
    validate(&sources, &Accounts::default()).unwrap()
}

static SMALL: LazyLock<Policy> = LazyLock::new(|| policy(5));
static LARGE: LazyLock<Policy> = LazyLock::new(|| policy(1500));

fn option(name: &str, value: &str) -> GivenOption {
    GivenOption {
        name: Identifier::new(name).unwrap(),
        value: Some(OptionText::new(value).unwrap()),
    }
}

fn call(tool: &str, target: &str, options: Vec<GivenOption>, words: &[String]) -> Call {
    Call {
        tool: ToolName::new(tool).unwrap(),
        target: Target::parse(target),
        arguments: Arguments::Given {
            preset: None,
            options,
            tokens: words.iter().map(|word| Token::new(word.clone()).unwrap()).collect(),
        },
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("test").unwrap(),
        client: None,
    }
}

/// Requests that are refused, each with the code, and how many parts it has.
fn hostile() -> Vec<(DenialCode, Call, u32)> {
    let plain = |tool: &str, target: &str| call(tool, target, vec![], &[]);
    let value =
        |name: &str, value: &str| call("wide", "10.200.0.1", vec![option(name, value)], &[]);
    let numbered = |before: &str, most: usize| -> Vec<String> {
        (0..most).map(|at| format!("{before}{at}")).collect()
    };
    let list = |parts: &[String]| format!("{},x", parts.join(","));
    let mut named = plain("ping", "10.0.0.1");
    let mut addresses = vec![[192, 168, 0, 1].into(); MAX_ADDRESSES];
    addresses[MAX_ADDRESSES - 1] = [8, 8, 8, 8].into();
    let name = HostName::new(format!("{}lab.internal", "a.".repeat(100))).unwrap();
    named.target = Target::Name { name, addresses };
    let mut preset = plain("wide", "10.200.0.1");
    if let Arguments::Given { preset, .. } = &mut preset.arguments {
        *preset = Some(Identifier::new("sett_7").unwrap());
    }
    let mut beyond = preset.clone();
    if let Arguments::Given { preset, .. } = &mut beyond.arguments {
        *preset = Some(Identifier::new("set_1").unwrap());
    }
    let unknown = |count| numbered("opton_", count).iter().map(|name| option(name, "1")).collect();
    let ports = list(&numbered("10", 300));
    let repeated = vec![numbered("1", 9); 50].concat();
    vec![
        (DenialCode::UnknownTool, plain("scan-12x4", "10.200.0.1"), 0),
        (DenialCode::UnknownTool, plain("nothing-like-any", "8.8.8.8"), 0),
        (DenialCode::UnknownTool, plain(&"scan-1-2-3".repeat(6), "10.0.0.0/8"), 0),
        (DenialCode::TargetSyntax, plain("wide", "10.0.0"), 0),
        (DenialCode::TargetKind, plain("ping", "10.0.0.0/8"), 0),
        (DenialCode::TargetNotAllowed, plain("wide", "8.8.8.8"), 0),
        (DenialCode::TargetNotAllowed, plain("wide", "10.0.0.0/8"), 0),
        (DenialCode::TargetNotAllowed, plain("wide", "fd00::/8"), 0),
        (DenialCode::TargetNotAllowed, named, 0),
        (DenialCode::TargetTooLarge, plain("wide", "172.16.0.0/12"), 0),
        (DenialCode::OptionValue, value("option_0", &ports), 301),
        (DenialCode::OptionValue, value("option_0", &list(&repeated)), 451),
        (DenialCode::OptionValue, value("option_1", &list(&numbered("word-", 200))), 201),
        (DenialCode::OptionValue, value("option_2", "wrod-3"), 1),
        (DenialCode::OptionValue, value("option_3", &"w".repeat(2000)), 1),
        (DenialCode::OptionUnknown, preset, 1),
        (DenialCode::IntrusiveNotGranted, beyond, 1),
        (DenialCode::OptionUnknown, call("wide", "10.200.0.1", unknown(3), &[]), 3),
        (DenialCode::OptionUnknown, call("wide", "10.200.0.1", unknown(60), &[]), 60),
        (DenialCode::OptionUnknown, call("wide", "10.200.0.1", unknown(MAX_OPTIONS), &[]), 256),
        (DenialCode::OptionUnknown, call("wide", "10.200.0.1", vec![], &numbered("-abc", 60)), 60),
        (
            DenialCode::OptionUnknown,
            call("wide", "10.200.0.1", vec![], &[format!("-{}", "n".repeat(2000))]),
            1,
        ),
        (DenialCode::Operand, call("wide", "10.200.0.1", vec![], &numbered("set_", 200)), 200),
    ]
}

#[test]
fn a_refusal_does_a_bounded_amount_of_work_whatever_the_policy_and_the_request() {
    let who = |uid, owner| Subject { uid, gids: (0..20).collect(), owner, most: Tier::Intrusive };
    // The owner is granted all tools, this user all but a few one by one, and this one two.
    let subjects = [who(1000, true), who(7, false), who(10_003, false)];
    for subject in subjects {
        for (code, call, parts) in hostile() {
            for policy in [&*SMALL, &*LARGE] {
                let (decided, done) =
                    work::of(|| decide(policy, &subject, &call, SystemTime::now()));
                let Err(denied) = decided else { panic!("{call:?}") };
                let found = denied.denial.reason.code();
                assert!(found == code || found == DenialCode::NotGranted, "{found}: {call:?}");
                let tools = policy.tools().len();
                // The line that refuses and what is beyond the grant come from the same decision.
                assert_eq!(done.judged, 1, "{tools} tools: {done:?}: {call:?}");
                assert!(done.looked <= MOST_LOOKED, "{tools} tools: {done:?}: {call:?}");
                // What travels is bounded by the request.
                let bytes = probity_protocol::encode(&denied.denial).len();
                assert!(bytes < 300 + 150 * parts as usize, "{bytes} bytes: {call:?}");
            }
        }
    }
}

#[test]
fn a_decision_looks_at_few_of_many_grants_of_one_user() {
    let sources = load(&Origin::Shipped).unwrap();
    let grants: String = (0..1500)
        .map(|at| {
            let network = format!("10.{}.{}.0/24", at / 250, at % 250);
            format!("[[grant]]\nuser = 7\ntools = [\"ping\"]\nnetworks = [\"{network}\"]\n")
        })
        .collect();
    let text = format!("{}\n{grants}", sources.policy.text());
    let sources = Sources { policy: Source::new("policy.toml", text), ..sources };
    let policy = validate(&sources, &Accounts::default()).unwrap();
    let subject = Subject { uid: 7, gids: vec![], owner: false, most: Tier::Intrusive };
    for target in ["10.0.0.1", "10.3.77.1", "10.5.249.1"] {
        let call = call("ping", target, vec![], &[]);
        let (decided, done) = work::of(|| decide(&policy, &subject, &call, SystemTime::now()));
        assert!(decided.is_ok(), "{target}: {decided:?}");
        assert!(done.looked <= 10, "{target}: {done:?}");
    }
    for (target, words) in [("10.9.0.1", ""), ("11.0.0.1", ""), ("10.3.77.1", "-c 1000")] {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let call = call("ping", target, vec![], &words);
        let (decided, done) = work::of(|| decide(&policy, &subject, &call, SystemTime::now()));
        assert!(decided.is_err(), "{target}");
        assert!(done.looked <= 10, "{target}: {done:?}");
    }
}

#[test]
fn nobody_is_told_the_whole_policy() {
    let owner = Subject { uid: 1000, gids: vec![], owner: true, most: Tier::Intrusive };
    for policy in [&*SMALL, &*LARGE] {
        let catalog = catalog(policy, &owner, SystemTime::now(), |_| Availability::Available);
        for (code, call, _) in hostile() {
            let denied = decide(policy, &owner, &call, SystemTime::now()).unwrap_err();
            let advice = advise(&catalog, &call, &denied.denial);
            assert_eq!(advice.code, code);
            let words = advice.message.len() + advice.recovery_suggestion.len();
            assert!(words < 8_000, "{words} bytes: {call:?}");
            if let Some(repaired) = repair(&catalog, &call, &denied.denial) {
                assert!(
                    decide(policy, &owner, &repaired, SystemTime::now()).is_ok(),
                    "{call:?}: {repaired:?}"
                );
            }
        }
    }
}
