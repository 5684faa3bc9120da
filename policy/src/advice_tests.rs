//! Advice held against the decision: what is suggested passes, goes beyond nothing that was asked for
//! or granted, and the words say the same.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use probity_advice::{Advice, SuggestedCall, advise, repair};
use probity_protocol::{
    Arguments, Availability, Call, ClientLabel, CorrelationId, DenialCode, GivenOption, HostName,
    Identifier, MAX_ARGS_BYTES, OptionText, RequestedLimits, Target, Tier, Token, ToolName,
    split_extra_args,
};
use proptest::prelude::*;

use crate::{
    Policy, Subject,
    accounts::Accounts,
    catalog::catalog,
    decide::decide,
    load::{Origin, load},
    one_tool::file_of,
    source::{Source, Sources},
    validate::validate,
};

/// Grants of one tool, of an intrusive tier, and of nothing.
const GRANTS: &str = r#"
[[grant]]
user = 1
tools = ["ping"]
[[grant]]
user = 2
tools = ["nmap"]
intrusive = true
[[grant]]
user = 3
tools = ["zmap", "sweep"]
"#;

/// A tool of the intrusive tier, and one that takes networks only.
const MORE_TOOLS: [(&str, &str); 2] = [
    (
        "sweep.toml",
        r#"
name = "sweep"
summary = "Sweeps a network."
command = "/usr/bin/true"
targets = ["network"]
argv = ["{options}", "{target}"]
sandbox = { net_raw = "never", syscalls = "base" }
[[option]]
name = "label"
flag = "--label"
join = "equals"
value = { kind = "text", class = "word", max_length = 4 }
help = "A label."
[[option]]
name = "kinds"
flag = "--kinds"
join = "equals"
value = { kind = "enumeration-list", words = ["arp", "icmp", "tcp"] }
help = "How."
"#,
    ),
    (
        "zmap.toml",
        r#"
name = "zmap"
summary = "Scans fast."
command = "/usr/bin/true"
targets = ["address", "network"]
tier = "intrusive"
argv = ["{options}", "{target}"]
sandbox = { net_raw = "never", syscalls = "base" }
[[option]]
name = "rate"
flag = "-r"
value = { kind = "number", min = 0.5, max = 9.5 }
help = "Rate."
"#,
    ),
];

fn sources() -> Sources {
    let mut sources = load(&Origin::Shipped).unwrap();
    let nmap = format!(
        "{}\n[preset.udp]\nhelp = \"UDP.\"\noptions = {{ udp_scan = true, top_ports = 100 }}\n",
        file_of(&mut sources, "nmap").text()
    );
    *file_of(&mut sources, "nmap") = Source::new("nmap.toml", nmap);
    sources.tools.extend(MORE_TOOLS.map(|(name, text)| Source::new(name, text)));
    let text = sources.policy.text().replace("deny      = []", "deny = [\"10.9.0.0/30\"]");
    sources.policy = Source::new("policy.toml", format!("{text}\n{GRANTS}"));
    sources
}

static POLICY: LazyLock<Policy> =
    LazyLock::new(|| validate(&sources(), &Accounts::default()).unwrap());

/// The same tools, where hardly anything may be aimed at and nobody runs for long.
static NARROW: LazyLock<Policy> = LazyLock::new(|| {
    let mut sources = sources();
    let text = sources
        .policy
        .text()
        .replace(
            "\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\"",
            "\"10.0.0.6/31\", \"10.0.0.9\"",
        )
        .replace("\"1h\"", "\"5s\"")
        .replace("max_hosts = 1024", "max_hosts = 2");
    sources.policy = Source::new("policy.toml", text);
    validate(&sources, &Accounts::default()).unwrap()
});

fn user(uid: u32) -> Subject {
    Subject { uid, gids: vec![], owner: false, most: Tier::Intrusive }
}

fn owner() -> Subject {
    Subject { uid: 1000, gids: vec![1000], owner: true, most: Tier::Intrusive }
}

fn identifier(text: &str) -> Identifier {
    Identifier::new(text).unwrap()
}

/// A call as a line: `tool target [preset=P] [property=value]… [-- words]`.
fn call(line: &str) -> Call {
    let (given, extra) = line.split_once(" -- ").unwrap_or((line, ""));
    let mut given = given.split(' ');
    let tool = ToolName::new(given.next().unwrap()).unwrap();
    let target = Target::as_given(given.next().unwrap());
    let (mut preset, mut options, mut timeout) = (None, vec![], None);
    for (name, value) in given.map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        match name {
            "preset" => preset = Some(identifier(value)),
            "timeout" => timeout = Some(Duration::from_secs(value.parse().unwrap())),
            name => options
                .push(GivenOption { name: identifier(name), value: OptionText::new(value).ok() }),
        }
    }
    let arguments = match split_extra_args(extra, MAX_ARGS_BYTES) {
        Ok(tokens) => Arguments::Given { preset, options, tokens },
        Err(defect) => Arguments::Malformed(defect),
    };
    Call {
        tool,
        target,
        arguments,
        limits: RequestedLimits { timeout, open_files: Some(64), ..Default::default() },
        correlation_id: CorrelationId::new("test").unwrap(),
        client: Some(ClientLabel::new("unit test").unwrap()),
    }
}

/// The call as such a line again.
fn line(call: &Call) -> String {
    let mut words = vec![call.tool.to_string(), call.target.to_string()];
    let Arguments::Given { preset, options, tokens } = &call.arguments else {
        panic!("a suggestion has no readable arguments: {call:?}");
    };
    words.extend(preset.as_ref().map(|p| format!("preset={p}")));
    words.extend(options.iter().map(|o| match &o.value {
        Some(value) => format!("{}={value}", o.name),
        None => o.name.to_string(),
    }));
    words.extend(call.limits.timeout.map(|t| format!("timeout={}", t.as_secs())));
    if !tokens.is_empty() {
        words.push("--".into());
        words.extend(tokens.iter().map(Token::to_string));
    }
    words.join(" ")
}

fn code(policy: &Policy, subject: &Subject, call: &Call) -> Option<DenialCode> {
    decide(policy, subject, call, SystemTime::now()).err().map(|denied| denied.denial.reason.code())
}

/// What a frontend suggests: the repaired call, if the policy approves of it.
fn suggest(policy: &Policy, subject: &Subject, call: &Call) -> Option<Call> {
    let denial =
        decide(policy, subject, call, SystemTime::now()).expect_err("it was approved").denial;
    let catalog = catalog(policy, subject, SystemTime::now(), |_| Availability::Available);
    let repaired = repair(&catalog, call, &denial)?;
    decide(policy, subject, &repaired, SystemTime::now()).is_ok().then_some(repaired)
}

/// What a frontend says.
fn told(policy: &Policy, subject: &Subject, call: &Call) -> Advice {
    let denial =
        decide(policy, subject, call, SystemTime::now()).expect_err("it was approved").denial;
    let catalog = catalog(policy, subject, SystemTime::now(), |_| Availability::Available);
    let suggestion = suggest(policy, subject, call).and_then(SuggestedCall::of).map(Box::new);
    Advice { suggestion, ..advise(&catalog, call, &denial) }
}

/// What is suggested to the owner for a call that is denied.
fn suggested(asked: &Call) -> String {
    assert!(decide(&POLICY, &owner(), asked, SystemTime::now()).is_err());
    line(&suggest(&POLICY, &owner(), asked).unwrap())
}

/// Each denied call with its code and the call that is suggested for it; `-` where there is none.
const REPAIRS: &[(DenialCode, &str, &str)] = &[
    // The tool that was meant by its name. Whatever else is like none.
    (DenialCode::UnknownTool, "fping 10.0.0.1 -- -c 2", "ping 10.0.0.1 -- -c 2"),
    (DenialCode::UnknownTool, "Nmap 10.0.0.0/28 preset=quick", "nmap 10.0.0.0/28 preset=quick"),
    (DenialCode::UnknownTool, "nmap_scan 10.0.0.1", "nmap 10.0.0.1"),
    (DenialCode::UnknownTool, "ping6 10.0.0.1", "ping 10.0.0.1"),
    (DenialCode::UnknownTool, "bash 10.0.0.1 -- -c 2", "-"),
    (DenialCode::UnknownTool, "bash 10.0.0.0/24", "-"),
    // Nothing but what is in the request is aimed at.
    (DenialCode::UnknownTool, "tracroute 8.8.8.8", "-"),
    (DenialCode::TargetSyntax, "ping 10.0.0 count=2", "-"),
    (DenialCode::TargetKind, "ping 192.168.7.0/24 -- -q", "ping 192.168.7.1 -- -q"),
    (DenialCode::TargetKind, "ping 192.168.7.9/24", "ping 192.168.7.9"),
    (DenialCode::TargetKind, "sweep 192.168.7.9", "-"),
    (DenialCode::TargetNotAllowed, "ping 8.8.8.8 count=2", "-"),
    (DenialCode::TargetNotAllowed, "nmap 8.8.8.0/28", "-"),
    (DenialCode::TargetNotAllowed, "ping host.example.com", "-"),
    (DenialCode::TargetNotAllowed, "nmap 10.9.0.0/24", "nmap 10.9.0.128/25"),
    (DenialCode::TargetNotAllowed, "nmap 10.9.0.9/24", "nmap 10.9.0.8/29"),
    (DenialCode::TargetNotAllowed, "nmap 192.168.0.0/15", "nmap 192.168.0.0/22"),
    (
        DenialCode::TargetTooLarge,
        "nmap 10.64.0.0/16 preset=quick",
        "nmap 10.64.0.0/22 preset=quick",
    ),
    // The part around the address that it was given with.
    (DenialCode::TargetTooLarge, "nmap 10.66.7.10/21", "nmap 10.66.4.0/22"),
    (DenialCode::TargetNotAllowed, "nmap 10.200.77.1/8", "nmap 10.200.76.0/22"),
    (DenialCode::NameUnresolved, "ping web.lab.internal", "-"),
    // What did not travel may have been anything.
    (DenialCode::ArgumentSyntax, "ping 10.0.0.1 -- -c 1; id", "-"),
    // An option that there is not may have been a limit: only what changes nothing but the words
    // on the screen is left out.
    (DenialCode::OptionUnknown, "ping 10.0.0.1 count=2 ttl=4", "-"),
    (DenialCode::OptionUnknown, "ping 10.0.0.1 coutn=2", "ping 10.0.0.1 count=2"),
    (DenialCode::OptionUnknown, "ping 10.0.0.1 c=2 explanation=why", "ping 10.0.0.1 count=2"),
    (DenialCode::OptionUnknown, "ping 10.0.0.1 -- -f -c 2", "-"),
    (DenialCode::OptionUnknown, "ping 10.0.0.1 -- --count 2", "ping 10.0.0.1 -- -c 2"),
    (DenialCode::OptionUnknown, "ping 10.0.0.1 -- --cuont=2 -q", "ping 10.0.0.1 -- -c 2 -q"),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 -- -oX - -p 22 -vv", "nmap 10.0.0.1 -- -p 22"),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 -- --exclude 10.0.0.1", "-"),
    (
        DenialCode::OptionUnknown,
        "traceroute 10.0.0.1 -- -nI -m 5",
        "traceroute 10.0.0.1 -- -n -I -m 5",
    ),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 -- -F", "nmap 10.0.0.1 preset=quick"),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 -- -F -p 22", "nmap 10.0.0.1 -- -p 22"),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 preset=standard -- -F", "-"),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 preset=standrad", "nmap 10.0.0.1 preset=standard"),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 preset=fast", "nmap 10.0.0.1 preset=quick"),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 preset=deep", "nmap 10.0.0.1 preset=thorough"),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 preset=everything timing=2", "-"),
    // A value that is written otherwise, or beyond its range.
    (DenialCode::OptionValue, "ping 10.0.0.1 count=1000", "ping 10.0.0.1 count=100"),
    (DenialCode::OptionValue, "ping 10.0.0.1 count=-1", "ping 10.0.0.1 count=1"),
    (
        DenialCode::OptionValue,
        "ping 10.0.0.1 count=99999999999999999999",
        "ping 10.0.0.1 count=100",
    ),
    (DenialCode::OptionValue, "ping 10.0.0.1 count=2.5", "ping 10.0.0.1 count=2"),
    (DenialCode::OptionValue, "ping 10.0.0.1 count=10s", "ping 10.0.0.1 count=10"),
    (DenialCode::OptionValue, "ping 10.0.0.1 interval=10ms", "ping 10.0.0.1 interval=0.2"),
    (DenialCode::OptionValue, "ping 10.0.0.1 interval=2seconds", "ping 10.0.0.1 interval=2"),
    (DenialCode::OptionValue, "ping 10.0.0.1 -- -i 2m -q", "ping 10.0.0.1 -- -i 60 -q"),
    // The file's default stands in for what nobody understands,
    (DenialCode::OptionValue, "ping 10.0.0.1 count=many", "ping 10.0.0.1"),
    (DenialCode::OptionValue, "ping 10.0.0.1 -- -q -c", "ping 10.0.0.1 -- -q"),
    // but nothing does where there is none, or where it is about ports.
    (DenialCode::OptionValue, "nmap 10.0.0.1 timing=soon", "-"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=some", "-"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 timing=T4", "nmap 10.0.0.1 timing=4"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 timing=-T4", "nmap 10.0.0.1 timing=4"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 timing=aggressive", "nmap 10.0.0.1 timing=4"),
    (
        DenialCode::OptionValue,
        "nmap 10.0.0.1 -- -T9 --top-ports=0",
        "nmap 10.0.0.1 -- -T5 --top-ports=1",
    ),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=22,http,99999", "nmap 10.0.0.1 ports=22,80"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=http,https", "nmap 10.0.0.1 ports=80,443"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=80-22", "nmap 10.0.0.1 ports=22-80"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=-", "nmap 10.0.0.1 ports=1-65535"),
    (
        DenialCode::OptionValue,
        "nmap 10.0.0.1 ports=T:80,443/tcp,U:53",
        "nmap 10.0.0.1 ports=80,443",
    ),
    (DenialCode::OptionValue, "nmap 10.0.0.1 -- -p http", "nmap 10.0.0.1 -- -p 80"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 -- -p-", "nmap 10.0.0.1 -- -p1-65535"),
    (
        DenialCode::OptionValue,
        "nmap 10.0.0.1 -- -p 60000- -sV",
        "nmap 10.0.0.1 -- -p 60000-65535 -sV",
    ),
    (DenialCode::OptionValue, "nmap 10.0.0.1 -- -p 1-70000", "nmap 10.0.0.1 -- -p 1-65535"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=70000-80000,7", "nmap 10.0.0.1 ports=7"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 -- --script exploit -sV", "-"),
    (
        DenialCode::OptionValue,
        "nmap 10.0.0.1 -- --script deafult -sV",
        "nmap 10.0.0.1 -- --script default -sV",
    ),
    (
        DenialCode::OptionValue,
        "ping 10.0.0.1 quiet=yes verbose=no",
        "ping 10.0.0.1 quiet verbose=false",
    ),
    (DenialCode::OptionValue, "sweep 10.0.0.0/24 label=toolong", "-"),
    (
        DenialCode::OptionValue,
        "sweep 10.0.0.0/24 kinds=arp,arp,sctp",
        "sweep 10.0.0.0/24 kinds=arp",
    ),
    // Of an option that is given twice the first stands.
    (DenialCode::OptionRepeated, "ping 10.0.0.1 count=2 -- -c 3 -q", "ping 10.0.0.1 count=2 -- -q"),
    (DenialCode::OptionRepeated, "ping 10.0.0.1 -- -c 2 -c3", "ping 10.0.0.1 -- -c 2"),
    // Another target stays out; a word that may have been a limit does not.
    (DenialCode::Operand, "ping 10.0.0.1 -- -c 2 10.0.0.2", "ping 10.0.0.1 -- -c 2"),
    (DenialCode::Operand, "nmap 10.0.0.1 -- 22", "-"),
    (DenialCode::Operand, "nmap 10.0.0.1 -- -sV quick", "nmap 10.0.0.1 preset=quick -- -sV"),
    (DenialCode::Operand, "nmap 10.0.0.1 preset=quick -- quick", "nmap 10.0.0.1 preset=quick"),
    (DenialCode::Operand, "nmap 10.0.0.1 preset=standard -- quick", "-"),
    // A preset beyond the grant: one that is like it, of no more ports.
    (DenialCode::Operand, "nmap 10.0.0.1 -- udp", "nmap 10.0.0.1 preset=quick"),
    (
        DenialCode::Ceiling,
        "ping 10.0.0.1 count=2 timeout=7200",
        "ping 10.0.0.1 count=2 timeout=3600",
    ),
    (DenialCode::Ceiling, "ping 10.0.0.1 timeout=0", "ping 10.0.0.1"),
    (DenialCode::IntrusiveNotGranted, "nmap 10.0.0.1 -- -sS -p 22", "nmap 10.0.0.1 -- -p 22"),
    (DenialCode::IntrusiveNotGranted, "nmap 10.0.0.1 scripts=vuln", "nmap 10.0.0.1"),
    (
        DenialCode::IntrusiveNotGranted,
        "nmap 10.0.0.1 preset=udp timing=2",
        "nmap 10.0.0.1 preset=quick timing=2",
    ),
    // In the place of a tool beyond the grant, one that takes less and scans no ports.
    (DenialCode::IntrusiveNotGranted, "zmap 10.0.0.0/24 -- -r 2", "sweep 10.0.0.0/24"),
    (DenialCode::IntrusiveNotGranted, "zmap 10.0.0.1 -- -r 2", "ping 10.0.0.1"),
    // More than one thing is wrong, in more than one layer.
    (DenialCode::UnknownTool, "ping6 10.7.7.7 cuont=900 -- 10.0.0.2", "ping 10.7.7.7 count=100"),
    (DenialCode::UnknownTool, "ping6 fe80::1 cuont=900", "-"),
    (
        DenialCode::TargetTooLarge,
        "nmap 10.64.0.0/10 preset=udp top_ports=99999 timeout=9999 -- -A -sV -vv",
        "nmap 10.64.0.0/22 preset=quick top_ports=65535 timeout=3600 -- -sV",
    ),
];

#[test]
fn each_denied_call_is_suggested_again_changed_only_where_it_must_be() {
    let mut wrong = Vec::new();
    for (code, asked, expected) in REPAIRS {
        let asked_for = call(asked);
        let found = self::code(&POLICY, &owner(), &asked_for).expect(asked);
        let suggested = suggest(&POLICY, &owner(), &asked_for);
        if let Some(suggested) = &suggested {
            assert!(
                decide(&POLICY, &owner(), suggested, SystemTime::now()).is_ok(),
                "{asked}: {suggested:?}"
            );
        }
        let suggested = suggested.map_or("-".to_owned(), |suggested| line(&suggested));
        if (found, suggested.as_str()) != (*code, *expected) {
            wrong.push(format!("{asked}: {found}, {suggested}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_its_repair() {
    let not_granted = DenialCode::NotGranted;
    let codes: std::collections::HashSet<_> =
        REPAIRS.iter().map(|(code, ..)| *code).chain([not_granted]).collect();
    assert_eq!(codes.len(), 14);

    let asked = call("nmap 10.0.0.1 -- -sV");
    assert_eq!(code(&POLICY, &user(1), &asked), Some(not_granted));
    let suggested = suggest(&POLICY, &user(1), &asked).unwrap();
    assert_eq!(line(&suggested), "ping 10.0.0.1");
}

#[test]
fn of_a_name_that_was_looked_up_an_allowed_address_is_suggested_and_an_allowed_name_stays() {
    let named = |line: &str, addresses: &[&str]| Call {
        target: Target::Name {
            name: HostName::new("web.lab.internal").unwrap(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        },
        ..call(line)
    };
    assert_eq!(suggested(&named("ping x", &["8.8.8.8", "10.1.2.3"])), "ping 10.1.2.3");
    assert_eq!(suggested(&named("ping x -- -vv", &["10.1.2.3"])), "ping web.lab.internal -- -v");
    // A network around its address would be more than was asked for.
    assert_eq!(suggest(&POLICY, &owner(), &named("sweep x", &["10.1.2.3"])), None);
    assert_eq!(suggest(&POLICY, &owner(), &named("ping x", &["8.8.8.8"])), None);
}

#[test]
fn what_the_frontend_asked_for_beside_is_kept() {
    let asked = call("nmap 10.0.0.1 timeout=9999 -- -sS");
    let suggested = suggest(&POLICY, &owner(), &asked).unwrap();
    assert_eq!(suggested.limits.open_files, Some(64));
    assert_eq!(suggested.correlation_id, asked.correlation_id);
    assert_eq!(suggested.client, asked.client);
}

#[test]
fn who_is_granted_nothing_is_suggested_nothing() {
    for line in ["ping 10.0.0.1", "bash 10.0.0.1", "ping 8.8.8.8 -- ;"] {
        let asked = call(line);
        assert_eq!(suggest(&POLICY, &user(99), &asked), None);
        let told = told(&POLICY, &user(99), &asked);
        for tool in ["nmap", "traceroute", "sweep"] {
            assert!(!format!("{told:?}").contains(tool), "{told:?}");
        }
    }
}

#[test]
fn no_word_of_a_denial_offers_what_is_not_granted() {
    let beyond =
        ["-sS", "-sU", "-A", "syn_scan", "udp_scan", "udp", "vuln", "auth", "zmap", "rate", "-r"];
    let lines = [
        "nmap 10.0.0.1 -- -Z",
        "nmap 10.0.0.1 sin_scan=1",
        "nmap 10.0.0.1 preset=ud",
        "nmap 10.0.0.1 scripts=valn",
        "zmop 10.0.0.1",
        "nothing 10.0.0.1",
    ];
    for line in lines {
        let asked = call(line);
        let told = format!("{:?}", told(&POLICY, &owner(), &asked));
        let words: Vec<_> =
            told.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).collect();
        for word in beyond {
            assert!(!words.contains(&word), "{line}: {word} in {told}");
        }
    }
}

#[test]
fn the_sentence_and_the_suggestion_say_the_same() {
    for (line, said, suggested) in [
        ("nmap 10.9.0.0/24", "Of it 10.9.0.128/25 may be aimed at.", "10.9.0.128/25"),
        ("nmap 10.64.0.0/16", "Use a /22 or smaller, such as 10.64.0.0/22.", "10.64.0.0/22"),
        ("ping 10.64.7.9/16", "Give one address or host name, such as 10.64.7.9.", "10.64.7.9"),
        ("ping 10.0.0.1 count=1000", "such as 100.", "100"),
        ("nmap 10.0.0.1 preset=udp", "Use the preset quick, or none.", "quick"),
        ("nmap 10.0.0.1 -- quick", "`--preset quick` with probity call", "quick"),
        (
            "nmap 10.0.0.1 ports=80-22",
            "the lower end first, joined by commas, such as 22-80.",
            "22-80",
        ),
        ("nmap 10.0.0.1 ports=http", "joined by commas, such as 80.", "80"),
    ] {
        let asked = call(line);
        let told = told(&POLICY, &owner(), &asked);
        assert!(told.recovery_suggestion.contains(said), "{line}: {}", told.recovery_suggestion);
        let suggestion = format!("{:?}", told.suggestion.unwrap());
        assert!(suggestion.contains(&format!("\"{suggested}\"")), "{line}: {suggestion}");
    }
}

#[test]
fn a_refusal_without_a_suggestion_names_no_target_that_was_not_asked_for() {
    for line in [
        "ping 8.8.8.8",
        "nmap 8.8.8.0/28",
        "ping 10.9.0.1",
        "ping host.example.com",
        "ping web.lab.internal",
        "ping 10.0.0",
        "sweep 192.168.7.9",
        "nmap fd00::/64",
    ] {
        let asked = call(line);
        let told = told(&POLICY, &owner(), &asked);
        assert_eq!(told.suggestion, None, "{line}");
        assert!(told.metadata.iter().all(|(key, _)| key != "example"), "{line}: {told:?}");
        let way = &told.recovery_suggestion;
        // What is allowed is told as the policy has it, and nothing is picked out of it.
        assert!(!way.chars().any(|c| c.is_ascii_digit()), "{line}: {way}");
    }
}

#[test]
fn what_grows_beyond_what_can_be_sent_is_not_suggested() {
    let many =
        |count| (0..count).map(|at| (10_000 + 2 * at).to_string()).collect::<Vec<_>>().join(",");
    let asked = call(&format!("nmap 10.0.0.1 -- -p {},65000-", many(338)));
    assert!(suggested(&asked).ends_with(",65000-65535"));
    let asked = call(&format!("nmap 10.0.0.1 -- -p {},65000-", many(340)));
    assert!(decide(&POLICY, &owner(), &asked, SystemTime::now()).is_err());
    assert_eq!(suggest(&POLICY, &owner(), &asked), None);
}

/// Anything a client may write: much of it nearly right.
fn calls() -> impl Strategy<Value = Call> {
    let tool = prop_oneof![
        4 => prop::sample::select(vec!["ping", "nmap", "traceroute", "sweep", "zmap"])
            .prop_map(str::to_owned),
        1 => "[!-~]{1,12}",
    ];
    let target = prop_oneof![
        prop::sample::select(vec![
            "10.0.0.1",
            "10.9.0.1",
            "8.8.8.8",
            "10.0.0.0/8",
            "10.9.0.0/24",
            "192.168.0.0/28",
            "0.0.0.0/0",
            "web.lab.internal",
            "example.com",
            "fd00::1",
            "::/0",
            "10.0.0.6/31",
        ])
        .prop_map(str::to_owned),
        ".{0,20}",
    ];
    let name = prop_oneof![
        3 => prop::sample::select(vec![
            "count", "wait", "interval", "quiet", "ports", "top_ports", "timing", "scripts",
            "syn_scan", "udp_scan", "max_hops", "label", "kinds", "rate", "conut",
        ])
        .prop_map(str::to_owned),
        1 => "[a-z][a-z0-9_]{0,9}",
    ];
    let value = prop_oneof![
        Just(None),
        "-?[0-9]{1,22}(\\.[0-9]{1,4})?(ms|s|m)?".prop_map(Some),
        "[a-z0-9,-]{1,12}".prop_map(Some),
        prop::sample::select(vec!["true", "false", "yes", "vuln", "safe", "arp,icmp", "1-65535"])
            .prop_map(|text| Some(text.to_owned())),
    ];
    let word = prop_oneof![
        prop::sample::select(vec![
            "-c",
            "-W",
            "-i",
            "-q",
            "-v",
            "-p",
            "-sV",
            "-sS",
            "-T4",
            "-T9",
            "-n",
            "-I",
            "-nI",
            "--script",
            "--script=vuln",
            "--top-ports=0",
            "-A",
            "-oN",
            "8.8.8.8",
            "--",
            "-",
            "--label=x",
            "--kinds=arp,x",
            "-r",
        ])
        .prop_map(str::to_owned),
        "[A-Za-z0-9.:/=+,@%_-]{1,8}",
    ];
    let preset = prop::option::of(prop_oneof![
        prop::sample::select(vec!["quick", "standard", "thorough", "udp", "quik"])
            .prop_map(str::to_owned),
        "[a-z]{1,8}",
    ]);
    let timeout = prop::option::of(prop_oneof![Just(0), 1..100_u64, 3000..1_000_000_u64]);
    let options = prop::collection::vec((name, value), 0..5);
    let given = (preset, options, prop::collection::vec(word, 0..8));
    (tool, target, given, timeout, any::<Option<[u8; 4]>>()).prop_map(
        |(tool, target, (preset, options, words), timeout, address)| {
            let mut call = call("ping 10.0.0.1");
            call.tool = ToolName::new(tool).unwrap();
            call.target = Target::parse(&target);
            if let (Target::Name { addresses, .. }, Some(address)) = (&mut call.target, address) {
                addresses.push(address.into());
            }
            call.limits.timeout = timeout.map(Duration::from_secs);
            call.arguments = Arguments::Given {
                preset: preset.map(|p| identifier(&p)),
                options: options
                    .into_iter()
                    .map(|(name, value)| GivenOption {
                        name: identifier(&name),
                        value: value.map(|v| OptionText::new(v).unwrap()),
                    })
                    .collect(),
                tokens: words.into_iter().map(|word| Token::new(word).unwrap()).collect(),
            };
            call
        },
    )
}

/// Whether all of one target is in another: an address of a name is in the name.
fn is_within(part: &Target, whole: &Target) -> bool {
    let network = |target: &Target| match target.canonical() {
        Target::Address(address) => Some(IpNet::from(address)),
        Target::Network(network) => Some(network),
        Target::Name { .. } | Target::Malformed(_) | Target::None => None,
    };
    match (network(part), whole.canonical()) {
        (None, whole) => part.canonical() == whole,
        (Some(part), Target::Name { addresses, .. }) => {
            addresses.iter().any(|address| IpNet::from(*address) == part)
        }
        (Some(part), whole) => network(&whole).is_some_and(|whole| whole.contains(&part)),
    }
}

/// The words of a call by which it chooses ports, as far as they can be told by their spelling.
fn chooses_ports(call: &Call) -> bool {
    let Arguments::Given { preset, options, tokens } = &call.arguments else { return true };
    let names = options.iter().any(|option| ["ports", "top_ports"].contains(&option.name.as_str()));
    let flag = |token: &Token| {
        let word = token.as_str();
        word.starts_with("-p") || word.starts_with("--top-ports") || word == "-F"
    };
    preset.is_some() || names || tokens.iter().any(flag)
}

fn scans_ports(tool: &crate::Tool) -> bool {
    let mut options = tool.options.iter();
    options.any(|o| {
        matches!(o.kind, crate::value::ValueKind::Ports) || o.flag.as_deref() == Some("--top-ports")
    })
}

/// The ports that a plan has scanned, where its command line names them.
fn ports_of(words: &[String]) -> Option<Vec<(u16, u16)>> {
    let at = words.iter().position(|word| word == "-p")?;
    let each = words[at + 1].split(',').map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        (first.parse().unwrap(), last.parse().unwrap())
    });
    Some(each.collect())
}

proptest! {
    #[test]
    fn whatever_is_suggested_passes_and_does_no_more_than_was_asked(
        asked in calls(),
        uid in 0..5_u32,
        narrow: bool,
    ) {
        let policy: &Policy = if narrow { &NARROW } else { &POLICY };
        // The owner, who has the standard tier of all; three odd grants; and nobody.
        let subject = if uid == 0 { owner() } else { user(uid) };
        let Err(_) = decide(policy, &subject, &asked, SystemTime::now()) else { return Ok(()) };
        let Some(suggested) = suggest(policy, &subject, &asked) else { return Ok(()) };
        prop_assert!(uid < 4, "who is granted nothing is suggested nothing: {:?}", suggested);
        let approved = decide(policy, &subject, &suggested, SystemTime::now());
        prop_assert!(approved.is_ok(), "{:?}: {:?}", suggested, approved);
        let approved = approved.unwrap();
        prop_assert_eq!(&suggested.correlation_id, &asked.correlation_id);
        // What can be asked for in these words is this call.
        let request = SuggestedCall::of(suggested.clone()).unwrap();
        prop_assert!(Target::parse(&request.target).to_string() == request.target);

        prop_assert!(is_within(&suggested.target, &asked.target), "{:?}", suggested.target);
        if let Some(timeout) = suggested.limits.timeout {
            prop_assert!(asked.limits.timeout.is_some_and(|asked| timeout <= asked));
        }
        let is_same_tool = policy.tool(asked.tool.as_str()).is_none_or(|t| t.name == suggested.tool);
        let tool = policy.tool(suggested.tool.as_str()).unwrap();
        if !is_same_tool {
            prop_assert!(!scans_ports(tool), "{:?}", suggested);
        }
        // Who chose ports is not led into those that the tool likes.
        if chooses_ports(&asked) && tool.name.as_str() == "nmap" {
            prop_assert!(chooses_ports(&suggested), "{:?}", suggested);
        }
        // Nothing of the intrusive tier comes in that was not asked for by its own name.
        let Arguments::Given { options, tokens, .. } = &suggested.arguments else { panic!() };
        let Arguments::Given { options: given, tokens: words, .. } = &asked.arguments else { panic!() };
        for (option, value) in tool.options.iter().zip(&approved.settings) {
            let tier = value.as_ref().map(|value| option.tier_with(value));
            let was_asked_for = given.iter().any(|given| given.name == option.name)
                || words.iter().any(|word| word.as_str().starts_with(option.flag.as_deref().unwrap()));
            let by_preset = matches!(&asked.arguments, Arguments::Given { preset: Some(_), .. });
            prop_assert!(tier != Some(Tier::Intrusive) || was_asked_for || by_preset, "{}", option.name);
        }
        prop_assert!(options.len() <= given.len() && tokens.len() <= 2 * words.len());
    }

    #[test]
    fn of_ports_only_those_that_were_meant_are_left(
        parts in prop::collection::vec(
            prop_oneof![
                (1..=65535_u16).prop_map(|port| (port.to_string(), Some((port, port)))),
                (1..=65535_u16, 1..=65535_u16)
                    .prop_map(|(a, b)| (format!("{a}-{b}"), Some((a.min(b), a.max(b))))),
                prop::sample::select(vec![("http", 80), ("https", 443), ("SSH", 22)])
                    .prop_map(|(name, port): (&str, u16)| (name.to_owned(), Some((port, port)))),
                (1..=65535_u16).prop_map(|port| (format!("{port}-"), Some((port, u16::MAX)))),
                (65536..=99999_u32).prop_map(|port| (port.to_string(), None)),
                "[g-m]{3,6}".prop_map(|word| (word, None)),
                Just(("u:53".to_owned(), None)),
            ],
            1..8,
        ),
        as_words: bool,
    ) {
        let text = parts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",");
        let mut asked = call("nmap 10.0.0.1");
        let Arguments::Given { options, tokens, .. } = &mut asked.arguments else { panic!() };
        match as_words {
            true => tokens.extend(["-p", &text].map(|word| Token::new(word).unwrap())),
            false => options.push(GivenOption {
                name: identifier("ports"),
                value: OptionText::new(text).ok(),
            }),
        }
        let meant: Vec<(u16, u16)> = parts.iter().filter_map(|(_, range)| *range).collect();
        let to_be_run = match decide(&POLICY, &owner(), &asked, SystemTime::now()) {
            Ok(_) => Some(asked),
            Err(_) => suggest(&POLICY, &owner(), &asked),
        };
        prop_assert_eq!(to_be_run.is_some(), !meant.is_empty());
        if let Some(call) = to_be_run {
            let plan = crate::plan(decide(&POLICY, &owner(), &call, SystemTime::now()).unwrap());
            let found = ports_of(plan.arguments()).unwrap();
            let is_in = |port: u16, ranges: &[(u16, u16)]| {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&port))
            };
            for port in found.iter().chain(&meant).flat_map(|(a, b)| [*a, *b, a.saturating_sub(1), b.saturating_add(1)]) {
                prop_assert_eq!(is_in(port, &found), is_in(port, &meant), "{} of {:?}", port, found);
            }
        }
    }

    #[test]
    fn a_call_with_slips_in_it_is_suggested_as_it_was_meant(
        slips in prop::collection::vec(0..SLIPS.len(), 1..4),
        (high, low, prefix) in (any::<u8>(), 1..255_u8, 22..=28_u8),
    ) {
        // Each option once.
        let mut slips: Vec<_> = slips.into_iter().map(|at| SLIPS[at]).collect();
        let option = |slip: &Slip| slip.right.split('=').next().unwrap();
        slips.sort_unstable_by_key(|slip| (option(slip), slip.wrong));
        slips.dedup_by_key(|slip| option(slip));
        // None of these is as large as may be, and none is denied.
        let target = format!("10.77.{high}.{low}/{prefix}");
        let spelled = |column: fn(&Slip) -> &'static str| {
            let words = |kind| {
                let of_kind = slips.iter().filter(move |slip| slip.kind == kind).map(column);
                of_kind.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
            };
            let line = format!("nmap {target} {}", words("property"));
            match words("word").as_str() {
                "" => line.trim_end().to_owned(),
                words => format!("{} -- {words}", line.trim_end()),
            }
        };
        let (asked, meant) = (call(&spelled(|slip| slip.wrong)), call(&spelled(|slip| slip.right)));
        prop_assert!(decide(&POLICY, &owner(), &asked, SystemTime::now()).is_err(), "{asked:?}");
        let suggested = suggest(&POLICY, &owner(), &asked);
        let run = |call: &Call| crate::plan(decide(&POLICY, &owner(), call, SystemTime::now()).unwrap()).argv();
        prop_assert_eq!(suggested.as_ref().map(run), Some(run(&meant)), "{:?}", asked);
    }

    #[test]
    fn under_any_policy_a_target_is_suggested_just_where_some_of_it_is_allowed(
        allowed in prop::collection::vec((any::<u16>(), 16..=32_u8), 0..4),
        denied in prop::collection::vec((any::<u16>(), 16..=32_u8), 0..4),
        (asked, prefix) in (any::<u16>(), 8..=32_u8),
        max_hosts in 1..2000_u64,
        tool in prop::sample::select(vec!["ping", "nmap", "sweep"]),
    ) {
        let make = |(low, prefix): (u16, u8)| {
            let [high, low] = low.to_be_bytes();
            IpNet::new([10, 0, high, low].into(), prefix).unwrap()
        };
        let [allowed, denied] = [allowed, denied].map(|nets| {
            let nets = nets.into_iter().map(|net| make(net).trunc());
            nets.collect::<Vec<_>>()
        });
        let mut policy = POLICY.clone();
        policy.targets = crate::targets::Targets::new(&allowed, &denied, vec![], max_hosts);
        let asked_for = Call { target: Target::Network(make((asked, prefix))), ..call(&format!("{tool} x")) };
        let Err(_) = decide(&policy, &owner(), &asked_for, SystemTime::now()) else { return Ok(()) };
        let suggested = suggest(&policy, &owner(), &asked_for);
        let is_open = |address: IpNet| {
            allowed.iter().any(|net| net.contains(&address)) && !denied.iter().any(|net| net.contains(&address))
        };
        match &suggested {
            Some(suggested) => {
                prop_assert!(is_within(&suggested.target, &asked_for.target), "{suggested:?}");
                prop_assert!(decide(&policy, &owner(), suggested, SystemTime::now()).is_ok());
                // The address that was written is in it where it may be.
                let written = IpNet::from(make((asked, prefix)).addr());
                let is_network = Target::Network(make((asked, prefix))).canonical().to_string() != written.addr().to_string();
                let has_host_bits = make((asked, prefix)).addr() != make((asked, prefix)).network();
                if is_network && has_host_bits && tool == "nmap" && is_open(written) {
                    let whole = Target::Address(written.addr());
                    prop_assert!(is_within(&whole, &suggested.target), "{suggested:?} without {written}");
                }
            }
            None if tool == "sweep" => {}
            None => {
                let network = make((asked, prefix)).trunc();
                let some = allowed.iter().flat_map(|net| net.hosts()).take(5000).find(|host| {
                    network.contains(host) && is_open(IpNet::from(*host))
                });
                prop_assert_eq!(some, None, "nothing is suggested of {}", network);
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Slip {
    kind: &'static str,
    wrong: &'static str,
    right: &'static str,
}

const fn slip(kind: &'static str, wrong: &'static str, right: &'static str) -> Slip {
    Slip { kind, wrong, right }
}

/// Slips that are made in a call of nmap, and what is meant by each.
const SLIPS: [Slip; 16] = [
    slip("property", "ports=http,https", "ports=80,443"),
    slip("property", "ports=443-80", "ports=80-443"),
    slip("property", "prots=22", "ports=22"),
    slip("property", "p=22", "ports=22"),
    slip("property", "timing=T4", "timing=4"),
    slip("property", "timing=aggressive", "timing=4"),
    slip("property", "timming=3", "timing=3"),
    slip("property", "no_ping=yes", "no_ping"),
    slip("property", "preset=fast", "preset=quick"),
    slip("property", "scripts=Default", "scripts=default"),
    slip("property", "verbose=true", ""),
    slip("word", "--service-version", "-sV"),
    slip("word", "-vv --open", ""),
    slip("word", "-oX -", ""),
    slip("word", "-sS", ""),
    slip("word", "10.0.0.9", ""),
];
