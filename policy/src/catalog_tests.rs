use std::time::SystemTime;

use probity_protocol::{DnsName, UrlPath, ValueType};

use super::*;
use crate::{
    accounts::Accounts,
    load::{Origin, load},
    one_tool::file_of,
    source::Source,
    validate::validate,
};

/// The shipped policy with an intrusive preset of nmap, and with `from` replaced by `to` in ping.
fn policy(from: &str, to: &str) -> Policy {
    let mut sources = load(&Origin::Shipped).unwrap();
    let nmap = format!(
        "{}\n[preset.udp]\nhelp = \"UDP.\"\noptions = {{ udp_scan = true, top_ports = 20 }}\n\
         [preset.gentle]\nhelp = \"Slow.\"\noptions = {{ timing = 1, syn_scan = false }}\n",
        file_of(&mut sources, "nmap").text()
    );
    *file_of(&mut sources, "nmap") = Source::new("nmap.toml", nmap);
    let ping = file_of(&mut sources, "ping");
    assert!(ping.text().contains(from));
    *ping = Source::new("ping.toml", ping.text().replacen(from, to, 1));
    let more = "[[grant]]\nuser = 7\ntools = [\"nmap\"]\nintrusive = true\n";
    sources.policy = Source::new("policy.toml", format!("{}\n{more}", sources.policy.text()));
    validate(&sources, &Accounts::default()).unwrap()
}

fn owner() -> Subject {
    Subject { uid: 1000, gids: vec![1000], owner: true, most: Tier::Intrusive }
}

fn shown(policy: &Policy, subject: &Subject) -> Catalog {
    catalog(policy, subject, SystemTime::now(), |_| Availability::Available)
}

fn preset<'c>(catalog: &'c Catalog, name: &str) -> Option<&'c PresetEntry> {
    catalog.tool("nmap").unwrap().presets.iter().find(|preset| preset.name.as_str() == name)
}

fn example(catalog: &Catalog, tool: &str, option: &str) -> Option<String> {
    let options = &catalog.tool(tool).unwrap().options;
    options.iter().find(|o| o.name.as_str() == option).unwrap().example.clone()
}

#[test]
fn every_shipped_tool_says_what_it_is_for_and_names_the_others() {
    let catalog = shown(&policy("", ""), &owner());
    for (tool, others) in [
        ("ping", ["traceroute", "nmap"]),
        ("traceroute", ["ping", "nmap"]),
        ("nmap", ["ping", "traceroute"]),
    ] {
        let entry = catalog.tool(tool).unwrap();
        let advice = entry.advice.as_deref().unwrap();
        assert!(entry.title.is_some() && others.iter().all(|other| advice.contains(other)));
    }
}

#[test]
fn examples_are_typed_as_defaults_are_and_ports_always_have_one() {
    let catalog = shown(&policy("", ""), &owner());
    assert_eq!(example(&catalog, "ping", "interval").as_deref(), Some("0.5"));
    assert_eq!(example(&catalog, "nmap", "scripts").as_deref(), Some("safe"));
    assert_eq!(example(&catalog, "ping", "quiet"), None);
    let with_ports = policy(
        "[[option]]",
        "[[option]]\nname = \"some_ports\"\nflag = \"-P\"\nvalue = { kind = \"ports\" }\nhelp = \"Ports.\"\n[[option]]",
    );
    assert_eq!(
        example(&shown(&with_ports, &owner()), "ping", "some_ports").as_deref(),
        Some("22,80,443")
    );
}

#[test]
fn every_example_is_a_value_that_its_own_schema_describes() {
    let catalog = shown(&policy("", ""), &owner());
    let options = catalog.tools.iter().flat_map(|tool| &tool.options);
    let with_example = options.filter_map(|o| Some((o, o.example.as_deref()?)));
    let mut seen = 0;
    for (option, example) in with_example {
        seen += 1;
        match &option.value {
            ValueType::Integer { min, max } => {
                assert!((min..=max).contains(&&example.parse().unwrap()));
            }
            ValueType::Duration { min, max } => {
                assert!((min..=max).contains(&&example.parse().unwrap()));
            }
            ValueType::Enumeration(words) => assert!(words.iter().any(|word| word == example)),
            ValueType::DnsName => assert!(DnsName::parse(example).is_some()),
            ValueType::UrlPath { .. } => assert!(UrlPath::parse(example).is_some()),
            ValueType::Ports { .. } => {}
            ValueType::List { of, max } => {
                let ValueType::Integer { min, max: most } = &**of else { panic!("{of:?}") };
                let numbers: Vec<u64> = example.split(',').map(|n| n.parse().unwrap()).collect();
                assert!(numbers.len() as u64 <= u64::from(*max));
                assert!(numbers.iter().all(|number| (min..=most).contains(&number)));
            }
            other => panic!("no shipped option is {other:?}"),
        }
    }
    assert_eq!(seen, 33);
}

#[test]
fn a_preset_shows_what_it_sets_as_far_as_the_grant_goes() {
    let policy = policy("", "");
    let set = |catalog: &Catalog, name: &str| {
        let options = &preset(catalog, name).unwrap().options;
        let pairs = options.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    };
    let standard = shown(&policy, &owner());
    assert_eq!(set(&standard, "quick"), "timing=4 top_ports=100");
    assert_eq!(set(&standard, "standard"), "service_version=true");
    assert_eq!(set(&standard, "gentle"), "timing=1");
    assert!(preset(&standard, "udp").is_none());
    let intrusive =
        shown(&policy, &Subject { uid: 7, gids: vec![], owner: false, most: Tier::Intrusive });
    assert_eq!(set(&intrusive, "udp"), "top_ports=20 udp_scan=true");
    assert_eq!(set(&intrusive, "gentle"), "syn_scan=false timing=1");
    let user = Subject { uid: 7, gids: vec![], owner: false, most: Tier::Intrusive };
    let modest = shown(&policy, &user.at_most(Some(Tier::Standard)));
    assert!(preset(&modest, "udp").is_none(), "it asked for the standard tier");
    assert!(!modest.tool("nmap").unwrap().intrusive);
}

#[test]
fn limits_that_a_file_leaves_out_are_those_of_the_policy_and_are_told_apart() {
    let limits = |policy: &Policy| {
        let catalog = shown(policy, &owner());
        let ping = catalog.tool("ping").unwrap();
        let timeout = (ping.timeout.as_secs(), ping.timeout_is_default);
        (timeout, (ping.concurrency, ping.concurrency_is_default))
    };
    assert_eq!(limits(&policy("", "")), ((30, false), (3, false)));
    assert_eq!(limits(&policy("timeout = \"30s\"\n", "")), ((300, true), (3, false)));
    assert_eq!(limits(&policy("concurrency = 3\n", "")), ((30, false), (5, true)));
}

#[test]
fn no_default_exceeds_the_ceiling() {
    let mut sources = load(&Origin::Shipped).unwrap();
    let text = sources.policy.text().replace("\"1h\"", "\"2m\"");
    sources.policy = Source::new("policy.toml", text);
    let ping = file_of(&mut sources, "ping");
    *ping = Source::new("ping.toml", ping.text().replace("timeout = \"30s\"\n", ""));
    let catalog = shown(&validate(&sources, &Accounts::default()).unwrap(), &owner());
    assert_eq!(catalog.tool("ping").unwrap().timeout.as_secs(), 120);
    assert_eq!(catalog.tool("nmap").unwrap().timeout.as_secs(), 120);
}
