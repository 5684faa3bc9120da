//! Tools that take no target: what they show is the machine that they run on.

use std::{net::IpAddr, time::SystemTime};

use probity_protocol::{Call, DenialCode, LexicalDefect, Reason, Target};

use crate::{
    Accounts, Defects, PacketsTo, Policy, Source, Sources,
    one_tool::{call, owner},
    plan, validate_with_help,
};

fn read(targets: &str, argv: &str, reach: &str) -> Result<Policy, Defects> {
    let text = format!(
        r#"
version = 1
targets = {{ networks = ["10.0.0.0/8"], names = ["*.lab.internal"] }}
audit = {{ path = "/a" }}
[[grant]]
self = true
tools = ["fetch"]
networks = ["10.1.0.0/16"]
names = ["a.lab.internal"]
[[tool]]
name = "fetch"
summary = "Shows."
command = "/usr/bin/ip"
targets = {targets}
argv = {argv}
sandbox = {{ net_raw = "never", syscalls = "base" {reach} }}
[[tool.option]]
name = "question"
value = {{ kind = "dns_name" }}
help = "Name."
"#
    );
    let policy = Source::new("policy.toml", text);
    let sources = Sources { policy, tools: Vec::new(), drop_ins: Vec::new() };
    validate_with_help(&sources, &Accounts::default())
}

fn policy() -> Policy {
    read("[]", r#"["-json", "{options}", "{question}"]"#, "").unwrap_or_else(|d| panic!("{d}"))
}

fn without_target(options: &[(&str, &str)]) -> Call {
    Call { target: Target::None, ..call("10.1.0.1", options, "") }
}

fn decided(policy: &Policy, call: &Call) -> Result<crate::Plan, Reason> {
    let decided = crate::decide(policy, &owner(), call, SystemTime::now());
    decided.map(plan).map_err(|denied| denied.denial.reason)
}

#[test]
fn it_runs_without_a_target_and_reaches_no_address() {
    let plan = decided(&policy(), &without_target(&[])).unwrap();
    assert_eq!((plan.arguments(), plan.target().as_str()), (&["-json".to_owned()][..], ""));
    assert_eq!(plan.reach(), PacketsTo::Nowhere);
    let addresses: [IpAddr; 3] = ["10.1.0.1", "127.0.0.1", "::1"].map(|text| text.parse().unwrap());
    assert!(addresses.iter().all(|address| !plan.reach().has(*address)));
}

#[test]
fn a_target_is_refused_and_so_is_none_where_one_is_taken() {
    let policy = policy();
    for target in ["10.1.0.1", "10.1.0.0/24", "a.lab.internal"] {
        let call = Call { target: Target::parse(target), ..without_target(&[]) };
        assert_eq!(decided(&policy, &call).unwrap_err(), Reason::TargetKind, "{target}");
    }
    let broken = Call { target: Target::parse("10.1.0"), ..without_target(&[]) };
    assert_eq!(decided(&policy, &broken).unwrap_err().code(), DenialCode::TargetSyntax);
    let taking = read(r#"["address"]"#, r#"["{options}", "{question}", "{target}"]"#, "").unwrap();
    let reason = decided(&taking, &without_target(&[])).unwrap_err();
    assert_eq!(reason, Reason::TargetSyntax(LexicalDefect::Empty));
}

#[test]
fn its_names_are_judged_by_its_grant_all_the_same() {
    let asked = |name| decided(&policy(), &without_target(&[("question", name)])).map(|_| ());
    assert_eq!(asked("a.lab.internal"), Ok(()));
    assert_eq!(asked("1.0.1.10.in-addr.arpa"), Ok(()));
    for name in ["b.lab.internal", "1.0.2.10.in-addr.arpa"] {
        assert_eq!(asked(name).unwrap_err().code(), DenialCode::QuestionNotAllowed, "{name}");
    }
}

#[test]
fn a_file_that_names_its_target_or_reaches_out_has_a_defect() {
    for word in ["{target}", "@{target}", "{host}", "{family}"] {
        let argv = format!("[\"{{options}}\", \"{{question}}\", \"{word}\"]");
        let said = read("[]", &argv, "").unwrap_err().to_string();
        assert!(said.contains("a tool with targets = [] has none"), "{said}");
    }
    let said = read("[]", r#"["{options}", "{question}"]"#, ", reach = \"any\"").unwrap_err();
    assert!(said.to_string().contains("a tool without a target sends nothing"), "{said}");
}
