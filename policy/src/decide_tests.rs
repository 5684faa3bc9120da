use std::time::SystemTime;

use std::{net::Ipv4Addr, sync::LazyLock};

use probity_advice::{Advice, SuggestedCall, advise, repair};
use probity_protocol::{
    Availability, ClientLabel, CorrelationId, DenialCode, GivenOption, Identifier, Layer,
    MAX_ARGS_BYTES, OptionText, ToolName, split_extra_args,
};
use proptest::prelude::*;

use super::*;
use crate::{
    accounts::Accounts,
    catalog::catalog,
    load::{Origin, load},
    plan::plan,
    source::Source,
    validate::validate,
    value::ValueKind,
};

/// The shipped policy, with more text at its end.
fn policy_with(more: &str) -> Policy {
    let mut sources = load(&Origin::Shipped).unwrap();
    sources.policy = Source::new("policy.toml", format!("{}\n{more}", sources.policy.text()));
    validate(&sources, &Accounts::default()).unwrap()
}

fn owner() -> Subject {
    Subject { uid: 1000, gids: vec![1000], owner: true, most: Tier::Intrusive }
}

fn call(tool: &str, target: &str, extra_args: &str) -> Call {
    let arguments = match split_extra_args(extra_args, MAX_ARGS_BYTES) {
        Ok(tokens) => Arguments::Given { preset: None, options: Vec::new(), tokens },
        Err(defect) => Arguments::Malformed(defect),
    };
    Call {
        tool: ToolName::new(tool).unwrap(),
        target: Target::parse(target),
        arguments,
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("test").unwrap(),
        client: Some(ClientLabel::new("unit test").unwrap()),
    }
}

fn typed(tool: &str, preset: Option<&str>, options: &[(&str, Option<&str>)]) -> Call {
    let given = |(name, value): &(&str, Option<&str>)| GivenOption {
        name: Identifier::new(*name).unwrap(),
        value: value.map(|v| OptionText::new(v).unwrap()),
    };
    Call {
        arguments: Arguments::Given {
            preset: preset.map(|p| Identifier::new(p).unwrap()),
            options: options.iter().map(given).collect(),
            tokens: Vec::new(),
        },
        ..call(tool, "10.0.0.1", "")
    }
}

fn code(policy: &Policy, call: &Call) -> DenialCode {
    decide(policy, &owner(), call, SystemTime::now())
        .expect_err("it was approved")
        .denial
        .reason
        .code()
}

/// What a frontend says of a denial to the owner.
fn advice(policy: &Policy, call: &Call) -> Advice {
    let denied = decide(policy, &owner(), call, SystemTime::now()).expect_err("it was approved");
    let subject = owner().at_most(call.limits.tier).into_owned();
    let catalog = catalog(policy, &subject, SystemTime::now(), |_| Availability::Available);
    advise(&catalog, call, &denied.denial)
}

/// And what it suggests.
fn suggestion(policy: &Policy, call: &Call) -> SuggestedCall {
    let denied = decide(policy, &owner(), call, SystemTime::now()).expect_err("it was approved");
    let catalog = catalog(policy, &owner(), SystemTime::now(), |_| Availability::Available);
    let repaired = repair(&catalog, call, &denied.denial).expect("nothing is suggested");
    assert!(decide(policy, &owner(), &repaired, SystemTime::now()).is_ok(), "{repaired:?}");
    SuggestedCall::of(repaired).unwrap()
}

fn arguments(policy: &Policy, call: &Call) -> String {
    let approved = decide(policy, &owner(), call, SystemTime::now())
        .unwrap_or_else(|d| panic!("denied: {}", d.denial));
    plan(approved).arguments().join(" ")
}

#[test]
fn the_same_request_in_any_accepted_spelling_is_the_same_command_line() {
    let policy = policy_with("");
    for spelling in ["-c 4 -W 2", "-c4 -W2", "  -W  '2'   \"-c\" 4 ", "-W 2.0 -c 4", "-W 2s -c4"] {
        assert_eq!(
            arguments(&policy, &call("ping", "10.0.0.1", spelling)),
            "-n -c 4 -W 2 10.0.0.1"
        );
    }
    let by_property = typed("ping", None, &[("wait", Some("2")), ("count", Some("4"))]);
    assert_eq!(arguments(&policy, &by_property), "-n -c 4 -W 2 10.0.0.1");
}

#[test]
fn defaults_give_way_to_the_preset_and_the_preset_to_the_client() {
    let policy = policy_with("");
    let quick = |options| arguments(&policy, &typed("nmap", Some("quick"), options));
    assert!(quick(&[]).contains("--top-ports 100 -T4"));
    assert!(quick(&[("timing", Some("2"))]).contains("--top-ports 100 -T2"));
    assert_eq!(arguments(&policy, &call("ping", "10.0.0.1", "")), "-n -c 3 -W 5 10.0.0.1");
    let names = typed("traceroute", None, &[("numeric", Some("false"))]);
    // Nobody can take off what the tool's file has in argv.
    assert_eq!(arguments(&policy, &names), "-n 10.0.0.1");
    assert_eq!(arguments(&policy, &call("traceroute", "10.0.0.1", "-n")), "-n 10.0.0.1");
}

#[test]
fn aliases_are_the_tool() {
    let policy = policy_with("");
    assert_eq!(arguments(&policy, &call("PingTool", "10.0.0.1", "")), "-n -c 3 -W 5 10.0.0.1");
}

#[test]
fn an_option_given_twice_is_refused_wherever_it_is_given() {
    let policy = policy_with("");
    assert_eq!(code(&policy, &call("ping", "10.0.0.1", "-c 1 -c 2")), DenialCode::OptionRepeated);
    let mut both = typed("ping", None, &[("count", Some("1"))]);
    if let Arguments::Given { tokens, .. } = &mut both.arguments {
        *tokens = split_extra_args("-c 1", MAX_ARGS_BYTES).unwrap();
    }
    assert_eq!(code(&policy, &both), DenialCode::OptionRepeated);
}

#[test]
fn each_step_speaks_before_the_next() {
    let policy = policy_with("");
    let layer = |tool, target, args| code(&policy, &call(tool, target, args)).layer();
    assert_eq!(layer("bash", "8.8.8.8", "; id"), Layer::Tool);
    assert_eq!(layer("nmap", "8.8.8.8", "; id"), Layer::Target);
    assert_eq!(layer("nmap", "10.0.0.1", "-sS --evil"), Layer::Argument);
    assert_eq!(layer("nmap", "10.0.0.1", "-sS"), Layer::Intrusive);
}

#[test]
fn who_is_granted_nothing_does_not_learn_which_tools_exist() {
    let policy = policy_with("");
    let stranger = Subject { uid: 4242, gids: vec![4242], owner: false, most: Tier::Intrusive };
    for tool in ["ping", "bash"] {
        let denied =
            decide(&policy, &stranger, &call(tool, "10.0.0.1", ""), SystemTime::now()).unwrap_err();
        let unknown = Reason::NotGranted { grants_nothing: false, weight: None };
        assert_eq!(denied.denial.reason, unknown, "{tool}");
    }
}

#[test]
fn grants_are_by_kernel_credentials_and_any_of_them_counts() {
    let policy = policy_with("[[grant]]\ngroup = 7001\ntools = [\"nmap\"]\nintrusive = true\n");
    let member = Subject { uid: 5, gids: vec![5, 7001], owner: false, most: Tier::Intrusive };
    assert!(decide(&policy, &member, &call("nmap", "10.0.0.1", "-sS"), SystemTime::now()).is_ok());
    let ping =
        decide(&policy, &member, &call("ping", "10.0.0.1", ""), SystemTime::now()).unwrap_err();
    assert_eq!(ping.denial.reason.code(), DenialCode::NotGranted);
    // The standard grant of a subject does not hide its intrusive one.
    let both = Subject { owner: true, ..member };
    assert!(decide(&policy, &both, &call("nmap", "10.0.0.1", "-sS"), SystemTime::now()).is_ok());
    assert_eq!(code(&policy, &call("nmap", "10.0.0.1", "-sS")), DenialCode::IntrusiveNotGranted);
}

#[test]
fn a_call_that_asks_for_the_standard_tier_gets_no_more_whatever_the_grant() {
    let policy = policy_with("[[grant]]\nself = true\ntools = [\"nmap\"]\nintrusive = true\n");
    let syn = call("nmap", "10.0.0.1", "-sS");
    assert!(decide(&policy, &owner(), &syn, SystemTime::now()).is_ok());
    for (tier, expected) in [
        (None, None),
        (Some(Tier::Intrusive), None),
        (Some(Tier::Standard), Some("allow_intrusive")),
    ] {
        let limits = RequestedLimits { tier, ..Default::default() };
        let asked = Call { limits, ..syn.clone() };
        assert_eq!(
            decide(&policy, &owner(), &asked, SystemTime::now()).is_err(),
            expected.is_some()
        );
        if let Some(words) = expected {
            assert_eq!(code(&policy, &asked), DenialCode::IntrusiveNotGranted);
            let message = advice(&policy, &asked).message;
            assert!(message.contains(words), "{message}");
        }
    }
    // And it gives nothing to who has no such grant.
    let limits = RequestedLimits { tier: Some(Tier::Intrusive), ..Default::default() };
    let standard = policy_with("");
    assert_eq!(code(&standard, &Call { limits, ..syn }), DenialCode::IntrusiveNotGranted);
}

#[test]
fn an_intrusive_grant_gets_the_capability_only_with_an_option_that_needs_it() {
    let policy = policy_with("[[grant]]\nself = true\ntools = [\"nmap\"]\nintrusive = true\n");
    assert!(arguments(&policy, &call("nmap", "10.0.0.1", "-sS")).starts_with("--privileged"));
    assert!(arguments(&policy, &call("nmap", "10.0.0.1", "-sV")).starts_with("--unprivileged"));
    let vuln = arguments(&policy, &call("nmap", "10.0.0.1", "--script vuln"));
    assert!(
        vuln.starts_with("--unprivileged") && vuln.contains(" --script ftp-libopie,"),
        "{vuln}"
    );
    for never in ["exploit", "brute", "dos", "malware", "fuzzer"] {
        let never = call("nmap", "10.0.0.1", &format!("--script {never}"));
        assert_eq!(code(&policy, &never), DenialCode::OptionValue);
    }
}

#[test]
fn denied_networks_win_over_allowed_ones_even_in_part() {
    let mut sources = load(&Origin::Shipped).unwrap();
    let text = sources.policy.text().replace("deny      = []", "deny = [\"10.9.0.0/30\"]");
    sources.policy = Source::new("policy.toml", text);
    let policy = validate(&sources, &Accounts::default()).unwrap();
    assert_eq!(code(&policy, &call("ping", "10.9.0.1", "")), DenialCode::TargetNotAllowed);
    assert_eq!(code(&policy, &call("nmap", "10.9.0.0/24", "")), DenialCode::TargetNotAllowed);
    assert!(decide(&policy, &owner(), &call("nmap", "10.9.1.0/24", ""), SystemTime::now()).is_ok());
}

#[test]
fn a_name_needs_a_pattern_and_every_address_allowed_and_the_tool_gets_the_first() {
    let policy = policy_with("");
    let named = |name: &str, addresses: &[&str]| Call {
        target: Target::Name {
            name: HostName::new(name).unwrap(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        },
        ..call("ping", "10.0.0.1", "")
    };
    let fine = named("web.lab.internal", &["10.1.2.3", "10.1.2.4"]);
    assert!(arguments(&policy, &fine).ends_with(" 10.1.2.3"));
    assert_eq!(code(&policy, &named("web.lab.internal", &[])), DenialCode::NameUnresolved);
    for refused in [
        named("web.lab.internal", &["10.1.2.3", "8.8.8.8"]),
        named("web.lab.internal", &["::ffff:8.8.8.8"]),
        named("web.lab.internal", &["fd00::1"]),
        named("web.example.com", &["10.1.2.3"]),
        named("lab.internal", &["10.1.2.3"]),
    ] {
        assert_eq!(code(&policy, &refused), DenialCode::TargetNotAllowed, "{:?}", refused.target);
    }
}

#[test]
fn what_a_hostile_frontend_builds_by_hand_is_judged_in_canonical_form() {
    let policy = policy_with("");
    let by_hand = |target| Call { target, ..call("nmap", "10.0.0.1", "") };
    let mapped = by_hand(Target::Address("::ffff:8.8.8.8".parse().unwrap()));
    assert_eq!(code(&policy, &mapped), DenialCode::TargetNotAllowed);
    let one = by_hand(Target::Network("10.0.0.7/32".parse().unwrap()));
    assert!(arguments(&policy, &one).ends_with(" 10.0.0.7"));
    let mapped = by_hand(Target::Network("::ffff:10.0.0.0/96".parse().unwrap()));
    assert_eq!(code(&policy, &mapped), DenialCode::TargetNotAllowed);
}

#[test]
fn the_size_limit_names_the_prefix_that_would_pass() {
    let policy = policy_with("");
    let denial = advice(&policy, &call("nmap", "10.0.0.0/20", ""));
    assert_eq!(denial.code, DenialCode::TargetTooLarge);
    assert!(denial.metadata.contains(&("suggested_cidr".into(), "/22".into())));
    assert!(denial.metadata.contains(&("example".into(), "10.0.0.0/22".into())));
}

#[test]
fn a_timeout_of_the_client_is_refused_above_the_ceiling_and_limits_of_the_frontend_are_lowered() {
    let policy = policy_with("");
    let mut long = call("ping", "10.0.0.1", "");
    long.limits.timeout = Some(Duration::from_secs(3601));
    assert_eq!(code(&policy, &long), DenialCode::Ceiling);
    long.limits.timeout = Some(Duration::ZERO);
    assert_eq!(code(&policy, &long), DenialCode::Ceiling);

    let mut greedy = call("ping", "10.0.0.1", "");
    greedy.limits.memory_bytes = Some(u64::MAX);
    greedy.limits.open_files = Some(32);
    greedy.limits.timeout = Some(Duration::from_millis(1500));
    let plan = plan(decide(&policy, &owner(), &greedy, SystemTime::now()).unwrap());
    assert_eq!(plan.limits().memory_bytes, 512 << 20);
    assert_eq!(plan.limits().open_files, 32);
    assert_eq!(plan.limits().timeout, Duration::from_millis(1500));
}

#[test]
fn clusters_of_short_flags_are_refused_with_the_way_to_write_them() {
    let policy = policy_with("");
    let denial = advice(&policy, &call("traceroute", "10.0.0.1", "-nI"));
    assert_eq!(denial.code, DenialCode::OptionUnknown);
    assert!(denial.message.contains("-n -I"), "{}", denial.message);
}

#[test]
fn a_long_flag_that_there_is_not_is_named_in_full() {
    let policy = policy_with("");
    for words in ["--count 1", "--count=1"] {
        let denial = advice(&policy, &call("ping", "10.0.0.1", words));
        assert_eq!(denial.code, DenialCode::OptionUnknown);
        assert!(denial.message.starts_with("The option --count is not"), "{}", denial.message);
        assert!(denial.message.contains("Did you mean count?"), "{}", denial.message);
    }
}

/// Whether every word of a command line is explained by the tool's file.
fn explained(tool: &Tool, words: &[String]) -> bool {
    let fixed = ["-n", "-oX", "-", "--stats-every", "2s", "--max-hostgroup", "8", "--unprivileged"];
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        if words.peek().is_none() {
            return word.parse::<Ipv4Addr>().is_ok_and(|a| a.is_private());
        }
        let option = tool.options.iter().find(|o| {
            let flag = o.flag.as_deref().unwrap();
            flag == word || (word.starts_with(flag) && o.join == crate::raw::RawJoin::Attached)
        });
        match option {
            None if fixed.contains(&word) => {}
            None => return false,
            Some(o) if o.tier > Tier::Standard => return false,
            Some(o) if matches!(o.kind, ValueKind::None) => {}
            Some(o) => {
                let value = word.strip_prefix(o.flag.as_deref().unwrap()).filter(|v| !v.is_empty());
                let Some(value) = value.or_else(|| words.next()) else { return false };
                let rendered = matches!(&o.kind, ValueKind::Rendered(words)
                    if words.values().any(|w| w.text == value && w.tier == Tier::Standard));
                if !rendered && o.kind.parse(value).is_err() {
                    return false;
                }
            }
        }
    }
    false
}

fn hostile_words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("-c".to_owned()),
        Just("-W".to_owned()),
        Just("-i".to_owned()),
        Just("-p".to_owned()),
        Just("-sV".to_owned()),
        Just("-T4".to_owned()),
        Just("-n".to_owned()),
        Just("-I".to_owned()),
        Just("--script".to_owned()),
        Just("safe".to_owned()),
        Just("--script=vuln".to_owned()),
        Just("-oN".to_owned()),
        Just("/tmp/x".to_owned()),
        Just("-iL".to_owned()),
        Just("--".to_owned()),
        Just("8.8.8.8".to_owned()),
        Just("-sS".to_owned()),
        Just("--top-ports".to_owned()),
        "[0-9]{1,5}",
        "-[a-zA-Z]{1,3}[0-9]{0,3}",
        "--[a-z-]{1,9}(=[a-z0-9/.]{0,6})?",
        "[ -~]{1,6}",
    ];
    prop::collection::vec(word, 0..6).prop_map(|words| words.join(" "))
}

/// Made once: a property asks it thousands of times.
static POLICY: LazyLock<Policy> = LazyLock::new(|| policy_with(""));

proptest! {
    #[test]
    fn every_rfc_1918_address_is_accepted_and_every_other_is_refused(bits: u32, block in 0..4_usize) {
        // Three quarters of the cases are drawn from the private blocks, or hardly any would be.
        let address = Ipv4Addr::from(match block {
            0 => 0x0a00_0000 | (bits & 0x00ff_ffff),
            1 => 0xac10_0000 | (bits & 0x000f_ffff),
            2 => 0xc0a8_0000 | (bits & 0x0000_ffff),
            _ => bits,
        });
        let verdict = decide(&POLICY, &owner(), &call("ping", &address.to_string(), ""), SystemTime::now());
        prop_assert_eq!(verdict.is_ok(), address.is_private(), "{}", address);
    }

    #[test]
    fn whatever_is_rendered_is_within_the_tool_file(
        tool in prop::sample::select(vec!["ping", "traceroute", "nmap"]),
        args in hostile_words(),
    ) {
        if let Ok(approved) = decide(&POLICY, &owner(), &call(tool, "10.66.2.2", &args), SystemTime::now()) {
            let plan = plan(approved);
            let tool = POLICY.tool(tool).unwrap();
            prop_assert!(explained(tool, plan.arguments()), "{:?}", plan.arguments());
        }
    }

    #[test]
    fn random_text_never_panics(target in ".{0,40}", args in ".{0,60}") {
        let _ = decide(&POLICY, &owner(), &call("nmap", &target, &args), SystemTime::now());
    }
}

#[test]
fn the_scanner_takes_one_word_and_its_deep_scans_are_of_the_intrusive_tier() {
    let policy = policy_with("[[grant]]\nuser = 7\ntools = [\"ScannerTool\"]\nintrusive = true\n");
    let admin = Subject { uid: 7, gids: vec![], owner: false, most: Tier::Intrusive };
    for preset in ["quick", "standard", "normal"] {
        let plan = plan(
            decide(&policy, &owner(), &typed("ScannerTool", Some(preset), &[]), SystemTime::now())
                .unwrap(),
        );
        assert_eq!(plan.tool().as_str(), "scanner", "{preset}");
        assert!(plan.arguments().contains(&"--unprivileged".to_owned()), "{preset}");
    }
    for preset in ["deep", "thorough"] {
        let deep = typed("scanner", Some(preset), &[]);
        let denial = advice(&policy, &deep);
        assert_eq!(denial.code, DenialCode::IntrusiveNotGranted);
        let way = &denial.recovery_suggestion;
        assert!(way.contains("preset") && way.contains("An administrator can grant"), "{way}");
        let meant = suggestion(&policy, &deep);
        let preset = meant.preset.as_ref().map(Identifier::as_str);
        assert_eq!(preset, Some("standard"), "the most thorough of those that are less so");
        assert!(way.contains("the preset standard"), "{way}");
        let plan = plan(decide(&policy, &admin, &deep, SystemTime::now()).unwrap());
        let arguments = plan.arguments().join(" ");
        let deep = "-p 1-65535 -T4 -sV -O --traceroute --script address-info,";
        assert!(arguments.contains(deep), "{arguments}");
    }
}
