use std::time::SystemTime;

use probity_protocol::{
    Arguments, Call, CorrelationId, RequestedLimits, Target, Tier, ToolName, split_extra_args,
};

use crate::{Accounts, Origin, Policy, Source, Subject, decide, load, validate};

/// The shipped policy with more in its lists; and its files, to see what stands in a line.
fn policy() -> (crate::Sources, Policy) {
    let mut sources = load(&Origin::Shipped).unwrap();
    let text = sources
        .policy
        .text()
        .replace("deny      = []", "deny = [\n  \"10.66.0.0/16\",\n  \"10.67.0.0/16\",\n]");
    sources.policy = Source::new("policy.toml", text);
    let policy = validate(&sources, &Accounts::default()).unwrap();
    (sources, policy)
}

fn call(tool: &str, target: Target, extra: &str, seconds: Option<u64>) -> Call {
    Call {
        tool: ToolName::new(tool).unwrap(),
        target,
        arguments: Arguments::Given {
            preset: None,
            options: Vec::new(),
            tokens: split_extra_args(extra, 2048).unwrap(),
        },
        limits: RequestedLimits {
            timeout: seconds.map(std::time::Duration::from_secs),
            ..RequestedLimits::default()
        },
        correlation_id: CorrelationId::new("test").unwrap(),
        client: None,
    }
}

/// The text of the line that decided, after the file's name.
fn line(tool: &str, target: Target, extra: &str, seconds: Option<u64>) -> Option<String> {
    let (sources, policy) = policy();
    let subject = Subject { uid: 7, gids: vec![7], owner: true, most: Tier::Intrusive };
    let call = call(tool, target, extra, seconds);
    let place =
        decide(&policy, &subject, &call, SystemTime::now()).expect_err("it was approved").rule?;
    let source = sources.every().find(|source| source.name() == place.file()).unwrap();
    Some(source.line(place.line()).unwrap().trim().to_owned())
}

#[test]
fn the_line_that_refused_a_target_is_named() {
    let refused = |text: &str| line("ping", Target::parse(text), "", None).unwrap();
    assert_eq!(refused("10.66.1.1"), "\"10.66.0.0/16\",");
    assert_eq!(refused("10.67.1.1"), "\"10.67.0.0/16\",");
    assert!(refused("8.8.8.8").starts_with("networks  = ["));
    assert!(refused("x.example").starts_with("names     = ["));
    assert_eq!(refused("10.0.0.0/24"), "name    = \"ping\"", "it takes no networks");
    let named = |addresses: [&str; 2]| {
        let Target::Name { name, .. } = Target::parse("nas.lab.internal") else { unreachable!() };
        let addresses = addresses.map(|address| address.parse().unwrap()).to_vec();
        line("ping", Target::Name { name, addresses }, "", None).unwrap()
    };
    assert_eq!(named(["10.0.0.1", "10.67.0.1"]), "\"10.67.0.0/16\",");
    assert!(named(["8.8.8.8", "10.67.0.1"]).starts_with("networks  = ["));
    let large = line("nmap", Target::parse("10.0.0.0/16"), "", None).unwrap();
    assert!(large.starts_with("max_hosts = 1024"));
}

#[test]
fn the_option_the_file_of_the_tool_or_the_ceiling_that_refused_an_argument_is_named() {
    let refused =
        |tool: &str, extra, seconds| line(tool, Target::parse("10.0.0.1"), extra, seconds).unwrap();
    assert_eq!(refused("ping", "-c 1000", None), "name    = \"count\"");
    assert_eq!(refused("ping", "-c 1 -c 2", None), "name    = \"count\"");
    assert_eq!(refused("ping", "-f", None), "name    = \"ping\"");
    assert_eq!(refused("ping", "word", None), "name    = \"ping\"");
    assert_eq!(refused("nmap", "-T4 -sS", None), "name    = \"syn_scan\"");
    assert!(refused("ping", "", Some(7200)).starts_with("timeout              = \"1h\""));
}

#[test]
fn where_no_line_is_to_blame_none_is_named() {
    let target = || Target::parse("10.0.0.1");
    assert_eq!(line("nikto", target(), "", None), None);
    assert_eq!(line("ping", target(), "", Some(0)), None);
    assert_eq!(line("ping", Target::parse(""), "", None), None);
}
