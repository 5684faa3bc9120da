use std::{sync::LazyLock, time::Duration};

use probity_protocol::{
    ClientLabel, CorrelationId, DenialCode, GivenOption, HostName, Identifier, MAX_ARGS_BYTES,
    OptionText, RequestedLimits, Target, Tier, Token, ToolName, split_extra_args,
};
use proptest::prelude::*;

use super::*;
use crate::{
    accounts::Accounts,
    decide::decide,
    load::{Origin, load},
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
        sources.tools[0].text()
    );
    sources.tools[0] = Source::new("nmap.toml", nmap);
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
    let target = Target::parse(given.next().unwrap());
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

/// What is suggested to the owner for a call that is denied.
fn suggested(asked: &Call) -> String {
    assert!(decide(&POLICY, &owner(), asked).is_err());
    line(&suggest(&POLICY, &owner(), asked).unwrap())
}

/// Each denied call with its code and the call that is suggested for it.
const REPAIRS: &[(DenialCode, &str, &str)] = &[
    // Another tool, by its name or else by its targets. Flags of a foreign tool go.
    (DenialCode::UnknownTool, "fping 10.0.0.1 -- -c 2", "ping 10.0.0.1 -- -c 2"),
    (DenialCode::UnknownTool, "Nmap 10.0.0.0/28 preset=quick", "nmap 10.0.0.0/28 preset=quick"),
    (DenialCode::UnknownTool, "nmap_scan 10.0.0.1", "nmap 10.0.0.1"),
    (DenialCode::UnknownTool, "tracroute 8.8.8.8", "traceroute 10.0.0.1"),
    // Nothing like it: the lightest tool that fits, rather than a scan.
    (DenialCode::UnknownTool, "bash 10.0.0.1 -- -c 2", "ping 10.0.0.1"),
    (DenialCode::UnknownTool, "bash 10.0.0.0/24", "sweep 10.0.0.0/24"),
    // The rest of the denied call stays as it was.
    (DenialCode::TargetSyntax, "ping 10.0.0 count=2", "ping 10.0.0.1 count=2"),
    (DenialCode::TargetKind, "ping 192.168.7.0/24 -- -q", "ping 192.168.7.1 -- -q"),
    (DenialCode::TargetKind, "sweep 192.168.7.9", "sweep 192.168.7.0/24"),
    (DenialCode::TargetNotAllowed, "ping 8.8.8.8 count=2", "ping 10.0.0.1 count=2"),
    (DenialCode::TargetNotAllowed, "nmap 8.8.8.0/28", "nmap 10.0.0.0/28"),
    (DenialCode::TargetNotAllowed, "nmap 10.9.0.0/24", "nmap 10.9.0.128/25"),
    (DenialCode::TargetNotAllowed, "ping host.example.com", "ping 10.0.0.1"),
    (
        DenialCode::TargetTooLarge,
        "nmap 10.64.0.0/16 preset=quick",
        "nmap 10.64.0.0/22 preset=quick",
    ),
    (DenialCode::NameUnresolved, "ping web.lab.internal", "ping 10.0.0.1"),
    (DenialCode::ArgumentSyntax, "ping 10.0.0.1 -- -c 1; id", "ping 10.0.0.1"),
    (DenialCode::OptionUnknown, "ping 10.0.0.1 count=2 ttl=4", "ping 10.0.0.1 count=2"),
    (DenialCode::OptionUnknown, "ping 10.0.0.1 coutn=2", "ping 10.0.0.1 count=2"),
    (DenialCode::OptionUnknown, "ping 10.0.0.1 -- -f -c 2 --evil=1", "ping 10.0.0.1 -- -c 2"),
    (
        DenialCode::OptionUnknown,
        "traceroute 10.0.0.1 -- -nI -m 5",
        "traceroute 10.0.0.1 -- -n -I -m 5",
    ),
    (DenialCode::OptionUnknown, "nmap 10.0.0.1 preset=standrad", "nmap 10.0.0.1 preset=standard"),
    (
        DenialCode::OptionUnknown,
        "nmap 10.0.0.1 preset=everything timing=2",
        "nmap 10.0.0.1 timing=2",
    ),
    (DenialCode::OptionValue, "ping 10.0.0.1 count=1000", "ping 10.0.0.1 count=100"),
    (DenialCode::OptionValue, "ping 10.0.0.1 count=-1", "ping 10.0.0.1 count=1"),
    (
        DenialCode::OptionValue,
        "ping 10.0.0.1 count=99999999999999999999",
        "ping 10.0.0.1 count=100",
    ),
    (DenialCode::OptionValue, "ping 10.0.0.1 count=2.5", "ping 10.0.0.1 count=2"),
    (DenialCode::OptionValue, "ping 10.0.0.1 interval=10ms", "ping 10.0.0.1 interval=0.2"),
    (DenialCode::OptionValue, "ping 10.0.0.1 -- -i 2m -q", "ping 10.0.0.1 -- -i 60 -q"),
    (DenialCode::OptionValue, "ping 10.0.0.1 count=many", "ping 10.0.0.1 count=5"),
    (DenialCode::OptionValue, "ping 10.0.0.1 -- -q -c", "ping 10.0.0.1 -- -q -c 5"),
    (
        DenialCode::OptionValue,
        "nmap 10.0.0.1 -- -T9 --top-ports=0",
        "nmap 10.0.0.1 -- -T5 --top-ports=1",
    ),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=22,http,99999", "nmap 10.0.0.1 ports=22"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=80-22", "nmap 10.0.0.1 ports=22-80"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 -- -p 1-70000", "nmap 10.0.0.1 -- -p 1-65535"),
    (DenialCode::OptionValue, "nmap 10.0.0.1 ports=70000-80000,7", "nmap 10.0.0.1 ports=7"),
    (
        DenialCode::OptionValue,
        "nmap 10.0.0.1 -- --script exploit -sV",
        "nmap 10.0.0.1 -- --script safe -sV",
    ),
    (DenialCode::OptionValue, "ping 10.0.0.1 quiet=yes verbose=no", "ping 10.0.0.1 quiet"),
    (DenialCode::OptionValue, "sweep 10.0.0.0/24 label=toolong", "sweep 10.0.0.0/24"),
    (
        DenialCode::OptionValue,
        "sweep 10.0.0.0/24 kinds=arp,arp,sctp",
        "sweep 10.0.0.0/24 kinds=arp",
    ),
    (DenialCode::OptionRepeated, "ping 10.0.0.1 count=2 -- -c 3 -q", "ping 10.0.0.1 count=2 -- -q"),
    (DenialCode::OptionRepeated, "ping 10.0.0.1 -- -c 2 -c3", "ping 10.0.0.1 -- -c 2"),
    (DenialCode::Operand, "ping 10.0.0.1 -- -c 2 10.0.0.2", "ping 10.0.0.1 -- -c 2"),
    (DenialCode::Operand, "nmap 10.0.0.1 -- -sV quick", "nmap 10.0.0.1 preset=quick -- -sV"),
    // A preset that was chosen stays, and one beyond the grant is not offered.
    (DenialCode::Operand, "nmap 10.0.0.1 preset=quick -- quick", "nmap 10.0.0.1 preset=quick"),
    (DenialCode::Operand, "nmap 10.0.0.1 -- udp", "nmap 10.0.0.1"),
    (
        DenialCode::Ceiling,
        "ping 10.0.0.1 count=2 timeout=7200",
        "ping 10.0.0.1 count=2 timeout=3600",
    ),
    (DenialCode::Ceiling, "ping 10.0.0.1 timeout=0", "ping 10.0.0.1"),
    (DenialCode::IntrusiveNotGranted, "nmap 10.0.0.1 -- -sS -p 22", "nmap 10.0.0.1 -- -p 22"),
    (DenialCode::IntrusiveNotGranted, "nmap 10.0.0.1 scripts=vuln", "nmap 10.0.0.1 scripts=safe"),
    (
        DenialCode::IntrusiveNotGranted,
        "nmap 10.0.0.1 preset=udp timing=2",
        "nmap 10.0.0.1 preset=quick timing=2",
    ),
    (DenialCode::IntrusiveNotGranted, "zmap 10.0.0.0/24 -- -r 2", "nmap 10.0.0.0/24"),
    // More than one thing is wrong, in more than one layer.
    (DenialCode::UnknownTool, "ping6 fe80::1 cuont=900 -- -I eth0 x", "ping 10.0.0.1 count=100"),
    (
        DenialCode::TargetTooLarge,
        "nmap 10.64.0.0/10 preset=udp top_ports=99999 timeout=9999 -- -A -sV -Z",
        "nmap 10.64.0.0/22 preset=quick top_ports=65535 timeout=3600 -- -sV",
    ),
];

#[test]
fn each_denied_call_is_suggested_again_changed_only_where_it_must_be() {
    let mut wrong = Vec::new();
    for (code, asked, expected) in REPAIRS {
        let asked_for = call(asked);
        let denial = decide(&POLICY, &owner(), &asked_for).expect_err(asked);
        let Some(suggested) = suggest(&POLICY, &owner(), &asked_for) else {
            wrong.push(format!("{asked}: nothing is suggested"));
            continue;
        };
        assert!(decide(&POLICY, &owner(), &suggested).is_ok(), "{asked}: {suggested:?}");
        if (denial.code, line(&suggested).as_str()) != (*code, *expected) {
            wrong.push(format!("{asked}: {}, {}", denial.code, line(&suggested)));
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
    let denial = decide(&POLICY, &user(1), &asked).unwrap_err();
    assert_eq!(denial.code, not_granted);
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
    assert_eq!(suggested(&named("sweep x", &["10.1.2.3"])), "sweep 10.1.2.0/24");
    assert_eq!(suggested(&named("ping x -- -f", &["10.1.2.3"])), "ping web.lab.internal");
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
        let denial = decide(&POLICY, &user(99), &asked).unwrap_err();
        assert_eq!(suggest(&POLICY, &user(99), &asked), None);
        let told = with_suggestion(&POLICY, &user(99), &asked, denial);
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
        let denial = decide(&POLICY, &owner(), &asked).unwrap_err();
        let told = format!("{:?}", with_suggestion(&POLICY, &owner(), &asked, denial));
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
        ("ping 10.9.0.1", "such as 10.0.0.1.", "10.0.0.1"),
        ("nmap 10.64.0.0/16", "Use a /22 or smaller, such as 10.64.0.0/22.", "10.64.0.0/22"),
        ("ping 10.0.0.1 count=1000", "such as 100.", "100"),
        ("nmap 10.0.0.1 preset=udp", "Use the preset quick, or none.", "quick"),
        ("nmap 10.0.0.1 scripts=vuln", "Use --script safe, or leave it out.", "safe"),
        ("nmap 10.0.0.1 -- quick", "`--preset quick` with probity call", "quick"),
        (
            "nmap 10.0.0.1 ports=80-22",
            "the lower end first, joined by commas, such as 22-80.",
            "22-80",
        ),
        ("nmap 10.0.0.1 ports=http", "joined by commas, such as 22,80", "22,80,443,8000-8100"),
        ("zmap 10.0.0.1", "Use one of: nmap, ping, scanner, traceroute, sweep.", "nmap"),
    ] {
        let asked = call(line);
        let denial = decide(&POLICY, &owner(), &asked).unwrap_err();
        let told = with_suggestion(&POLICY, &owner(), &asked, denial);
        assert!(told.recovery_suggestion.contains(said), "{line}: {}", told.recovery_suggestion);
        let suggestion = format!("{:?}", told.suggestion.unwrap());
        assert!(suggestion.contains(&format!("\"{suggested}\"")), "{line}: {suggestion}");
    }
}

#[test]
fn words_that_grow_beyond_what_can_be_sent_are_left_out() {
    let ports = "22,".repeat(677) + "2";
    let asked = call(&format!("nmap 10.0.0.1 preset=quick -- -p {ports} --script x"));
    assert_eq!(suggested(&asked), "nmap 10.0.0.1 preset=quick");
    // One word less, and they can be sent.
    let asked = call(&format!("nmap 10.0.0.1 preset=quick -- -p {} --script x", &ports[3..]));
    assert!(suggested(&asked).ends_with(" --script safe"));
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

proptest! {
    #[test]
    fn whatever_is_denied_comes_with_a_call_that_passes_where_any_could(
        asked in calls(),
        uid in 0..5_u32,
        narrow: bool,
    ) {
        let policy: &Policy = if narrow { &NARROW } else { &POLICY };
        // The owner, who has the standard tier of all; three odd grants; and nobody.
        let subject = if uid == 0 { owner() } else { user(uid) };
        let granted = uid < 4;
        if let Err(denial) = decide(policy, &subject, &asked) {
            let suggested = suggest(policy, &subject, &asked);
            prop_assert_eq!(suggested.is_some(), granted, "{:?}", denial);
            if let Some(suggested) = suggested {
                let verdict = decide(policy, &subject, &suggested);
                prop_assert!(verdict.is_ok(), "{:?}: {:?}", suggested, verdict);
                prop_assert_eq!(&suggested.correlation_id, &asked.correlation_id);
                let is_name = matches!(suggested.target, Target::Name { .. });
                prop_assert!(!is_name || suggested.target == asked.target);
                let request = SuggestedCall::of(suggested).unwrap();
                prop_assert!(Target::parse(&request.target).to_string() == request.target);
            }
        }
    }
}
