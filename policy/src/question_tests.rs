//! Which names a tool may ask for, and what paths and lists it takes: by one grant, after the policy and
//! the tool's file.

use std::net::IpAddr;

use probity_protocol::{DenialCode, DnsName, Excluded, LimitedBy, Reason};
use proptest::prelude::*;

use crate::{
    Policy,
    one_tool::{call, defect, policy, read_under, refused, words},
};

const ARGV: &str = r#"["@{target}", "{options}", "{question}", "{path}"]"#;

const OPTIONS: &str = r#"
[[tool.option]]
name = "question"
value = { kind = "dns_name" }
help = "Name."
[[tool.option]]
name = "path"
value = { kind = "url_path", max_length = 40 }
help = "Path."
[[tool.option]]
name = "names"
flag = "--names"
value = { kind = "list", of = { kind = "dns_name" }, max = 3 }
help = "Names."
[[tool.option]]
name = "numbers"
flag = "--numbers"
value = { kind = "list", of = { kind = "integer", min = 1, max = 9 }, max = 3 }
help = "Numbers."
[[tool.option]]
name = "sets"
flag = "--sets"
value = { kind = "list", max = 2, of = { kind = "rendered", rendered = { a = "x,y" }, intrusive = { b = "z" } } }
help = "Sets."
"#;

/// Grants of two networks, each with names of its own; the tool is never about one of them.
fn two_grants() -> Policy {
    let grants = r#"
        { self = true, tools = ["*"], networks = ["10.1.0.0/16"], names = ["*.one.lab.internal"] },
        { self = true, tools = ["*"], networks = ["10.2.0.0/16", "fd00::/8"], names = ["*.two.lab.internal"], deny = ["10.2.9.0/24"] }"#;
    let deny = r#", deny = ["10.9.0.0/16", "10.1.7.7"]"#;
    let of_tool = format!("deny = [\"10.2.8.0/24\"]\n{OPTIONS}");
    read_under(deny, grants, ARGV, &of_tool).unwrap_or_else(|defects| panic!("{defects}"))
}

fn asks(target: &str, name: &str) -> Result<(), Reason> {
    let policy = two_grants();
    let call = call(target, &[("question", name)], "");
    let owner = crate::one_tool::owner();
    let decided = crate::decide(&policy, &owner, &call, std::time::SystemTime::now());
    decided.map(|_| ()).map_err(|denied| denied.denial.reason)
}

#[test]
fn a_name_is_asked_for_by_the_grant_that_reaches_the_target_and_by_no_other() {
    assert_eq!(asks("10.1.0.1", "a.one.lab.internal"), Ok(()));
    assert_eq!(asks("10.2.0.1", "_sip._tcp.TWO.lab.internal"), Ok(()));
    assert_eq!(asks("10.2.0.1", "_sip._tcp.x.TWO.lab.internal"), Ok(()));
    for (target, name, by) in [
        ("10.1.0.1", "a.two.lab.internal", LimitedBy::Grant),
        ("10.2.0.1", "a.one.lab.internal", LimitedBy::Grant),
        ("10.1.0.1", "one.lab.internal", LimitedBy::Grant),
        ("10.1.0.1", "a.one.lab.internal.example.com", LimitedBy::Policy),
        ("10.1.0.1", "example.com", LimitedBy::Policy),
        ("10.1.0.1", "xone.lab.internal", LimitedBy::Grant),
        ("10.1.0.1", "1.10.in-addr.arpa", LimitedBy::Policy),
        ("10.1.0.1", "in-addr.arpa", LimitedBy::Policy),
    ] {
        let reason = asks(target, name);
        assert_eq!(reason, Err(Reason::QuestionName { option: option("question"), by }), "{name}");
    }
}

fn option(name: &str) -> probity_protocol::OptionId {
    let name = probity_protocol::Identifier::new(name).unwrap();
    probity_protocol::OptionId { name, flag: None }
}

#[test]
fn a_denied_address_is_not_asked_for_by_a_pattern_that_covers_its_reverse_name() {
    let text = format!(
        r#"
version = 1
targets = {{ networks = ["10.0.0.0/8"], names = ["*.in-addr.arpa"], deny = ["10.9.0.0/16"] }}
grant = [{{ self = true, tools = ["*"], deny = ["10.8.0.0/16"] }}]
audit = {{ path = "/a" }}
[[tool]]
name = "fetch"
summary = "Fetches."
command = "/usr/bin/fetch"
targets = ["address"]
argv = {ARGV}
sandbox = {{ net_raw = "never", syscalls = "base" }}
{OPTIONS}"#
    );
    let sources = crate::Sources {
        policy: crate::Source::new("policy.toml", text),
        tools: Vec::new(),
        drop_ins: Vec::new(),
    };
    let policy = crate::validate(&sources, &crate::Accounts::default()).unwrap();
    let is_asked = |name: &str| {
        let call = call("10.1.0.1", &[("question", name)], "");
        let owner = crate::one_tool::owner();
        crate::decide(&policy, &owner, &call, std::time::SystemTime::now()).is_ok()
    };
    for name in ["1.0.0.10.in-addr.arpa", "8.8.8.8.in-addr.arpa", "9.10.in-addr.arpa"] {
        assert!(is_asked(name), "{name} is one of the names");
    }
    for name in ["1.0.9.10.in-addr.arpa", "1.0.8.10.in-addr.arpa"] {
        assert!(!is_asked(name), "{name} is denied");
    }
}

#[test]
fn an_address_is_asked_for_where_it_could_be_aimed_at() {
    let reverse = |address: &str| DnsName::of_address(address.parse().unwrap()).to_string();
    for (target, address) in
        [("10.1.0.1", "10.1.200.3"), ("10.2.0.1", "10.2.0.9"), ("10.2.0.1", "fd00::1:2")]
    {
        assert_eq!(asks(target, &reverse(address)), Ok(()), "{address}");
    }
    for (target, address, excluded, by) in [
        ("10.1.0.1", "8.8.8.8", Excluded::Outside, LimitedBy::Policy),
        ("10.1.0.1", "2001:db8::1", Excluded::Outside, LimitedBy::Policy),
        ("10.1.0.1", "10.9.1.1", Excluded::Denied, LimitedBy::Policy),
        ("10.1.0.1", "10.1.7.7", Excluded::Denied, LimitedBy::Policy),
        ("10.1.0.1", "10.2.0.1", Excluded::Outside, LimitedBy::Grant),
        ("10.2.0.1", "10.1.0.1", Excluded::Outside, LimitedBy::Grant),
        ("10.2.0.1", "10.2.9.1", Excluded::Denied, LimitedBy::Grant),
        ("10.2.0.1", "10.2.8.1", Excluded::Denied, LimitedBy::Tool),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let option = Box::new(option("question"));
        let expected = Reason::QuestionAddress { option, address, excluded, by };
        assert_eq!(asks(target, &reverse(&address.to_string())), Err(expected), "{address}");
    }
}

#[test]
fn every_name_of_a_list_is_judged() {
    let policy = two_grants();
    let asked = |names: &str| refused(&policy, &call("10.1.0.1", &[("names", names)], "")).0;
    assert!(matches!(asked("a.one.lab.internal,example.com"), Reason::QuestionName { .. }));
    assert!(matches!(
        asked("a.one.lab.internal,8.8.8.8.in-addr.arpa"),
        Reason::QuestionAddress { .. }
    ));
    let fine = words(&policy, "10.1.0.1", &[("names", "B.one.lab.internal,4.3.1.10.in-addr.arpa")]);
    assert_eq!(fine[1..], ["--names", "b.one.lab.internal,4.3.1.10.in-addr.arpa"]);
    let reason = refused(&policy, &call("10.1.0.1", &[], "--names example.com")).0;
    assert_eq!(reason.code(), DenialCode::QuestionNotAllowed);
}

#[test]
fn a_list_has_different_values_and_no_more_than_its_cap() {
    let policy = policy(ARGV, OPTIONS);
    assert_eq!(words(&policy, "10.0.0.1", &[("numbers", "3,1,2")])[1..], ["--numbers", "3,1,2"]);
    for text in [
        "", ",", "1,", ",1", "1,,2", "1,1", "1,2,3,4", "0", "10", "1 2", "1, 2", "-1", "1,-2", "01",
    ] {
        let call = match text {
            "" => call("10.0.0.1", &[("numbers", ",")], ""),
            text => call("10.0.0.1", &[("numbers", text)], ""),
        };
        assert_eq!(refused(&policy, &call).0.code(), DenialCode::OptionValue, "{text}");
    }
    assert_eq!(words(&policy, "10.0.0.1", &[("sets", "a")])[1..], ["--sets", "x,y"]);
    let twice = call("10.0.0.1", &[("names", "a.lab.internal,A.lab.internal")], "");
    assert_eq!(refused(&policy, &twice).0.code(), DenialCode::OptionValue);
}

#[test]
fn a_list_is_as_intrusive_as_any_of_its_values() {
    let policy = read_under("", r#"{ self = true, tools = ["*"] }"#, ARGV, OPTIONS).unwrap();
    let both = call("10.0.0.1", &[("sets", "a,b")], "");
    assert_eq!(refused(&policy, &both).0.code(), DenialCode::IntrusiveNotGranted);
    assert_eq!(words(&policy, "10.0.0.1", &[("sets", "a")])[1..], ["--sets", "x,y"]);
}

#[test]
fn a_slip_in_a_name_a_path_or_a_list_is_answered_with_what_was_meant() {
    let policy = policy(ARGV, OPTIONS);
    for (option, given, meant) in [
        ("question", "web.lab.internal.", Some("web.lab.internal")),
        ("question", "10.1.2.3", Some("3.2.1.10.in-addr.arpa")),
        ("question", "https://Web.lab.internal/x", Some("web.lab.internal")),
        ("question", "example.com", None),
        ("question", "8.8.8.8", None),
        ("path", "status", Some("/status")),
        ("path", "/a b[1]", Some("/a%20b%5B1%5D")),
        ("path", "/../etc", None),
        ("names", "a.lab.internal b.lab.internal.", Some("a.lab.internal,b.lab.internal")),
        ("names", "a.lab.internal,a.lab.internal", Some("a.lab.internal")),
        ("names", "a.lab.internal,%", None),
        ("numbers", "1,2,3,4", None),
    ] {
        let (_, said, instead) = refused(&policy, &call("10.0.0.1", &[(option, given)], ""));
        let value = instead.map(|call| call.options[0].value.as_ref().unwrap().to_string());
        assert_eq!(value.as_deref(), meant, "{option}={given}: {said}");
    }
}

#[test]
fn kinds_that_cannot_be_are_defects() {
    let option = |value: &str| {
        format!(
            "[[tool.option]]\nname = \"x\"\nflag = \"-x\"\nhelp = \"X.\"\nvalue = {{ {value} }}"
        )
    };
    for (value, expected) in [
        ("kind = \"dns_name\", max_length = 3", "has no max_length"),
        ("kind = \"url_path\", max_length = 0", "a path has 1 to 1024 characters"),
        ("kind = \"url_path\", max_length = 1025", "a path has 1 to 1024 characters"),
        ("kind = \"list\", max = 3", "a list needs of"),
        ("kind = \"list\", of = { kind = \"dns_name\" }", "and max"),
        ("kind = \"list\", of = { kind = \"dns_name\" }, max = 0", "1 to 32"),
        ("kind = \"list\", of = { kind = \"dns_name\" }, max = 33", "1 to 32"),
        ("kind = \"list\", of = { kind = \"ports\" }, max = 3", "\"ports\" is none"),
        ("kind = \"list\", of = { kind = \"none\" }, max = 3", "\"none\" is none"),
        (
            "kind = \"list\", of = { kind = \"list\", of = { kind = \"dns_name\" }, max = 2 }, max = 3",
            "\"list\" is none",
        ),
        ("kind = \"list\", of = { kind = \"names\" }, max = 3", "is not a kind of value"),
    ] {
        let said = defect(r#"["{options}", "{target}"]"#, &option(value));
        assert!(said.contains(expected), "{value}: {said}");
    }
    let default = option("kind = \"dns_name\"") + "\ndefault = \"10.0.0.1\"";
    assert!(defect(r#"["{options}", "{target}"]"#, &default).contains("does not fit x"));
}

proptest! {
    /// Whoever finds a name on a command line finds it within the scope of one grant that reaches the
    /// target too.
    #[test]
    fn no_other_name_ever_reaches_a_command_line(
        target in "10\\.[0-3]\\.[079]\\.7",
        name in "([a-z]\\.)?(one|two|x)\\.lab\\.(internal|internal\\.x)|[0-9]\\.[79]\\.[0-9]\\.(10|11)\\.in-addr\\.arpa|([0-9a-f]\\.){31}[df]\\.ip6\\.arpa",
    ) {
        let policy = two_grants();
        let call = call(&target, &[("question", &name)], "");
        let owner = crate::one_tool::owner();
        let Ok(approved) = crate::decide(&policy, &owner, &call, std::time::SystemTime::now()) else {
            return Ok(());
        };
        let words = crate::plan(approved).arguments().to_vec();
        prop_assert_eq!(words.last().unwrap(), &name);
        let octets: Vec<&str> = target.split('.').collect();
        let inside = |address: &str, of: &str| {
            let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
            let is_in = |text: &str| net(text).contains(&address.parse::<IpAddr>().unwrap());
            let denied = ["10.9.0.0/16", "10.1.7.7/32", "10.2.8.0/24"].into_iter().any(is_in);
            !denied && match of {
                "1" => is_in("10.1.0.0/16"),
                _ => (is_in("10.2.0.0/16") || is_in("fd00::/8")) && !is_in("10.2.9.0/24"),
            }
        };
        prop_assert!(inside(&target, octets[1]));
        let suffix = if octets[1] == "1" { ".one.lab.internal" } else { ".two.lab.internal" };
        let by_pattern = name.ends_with(suffix);
        let by_address = DnsName::parse(&name).unwrap().reversed();
        let by_address = by_address.is_some_and(|address| inside(&address.to_string(), octets[1]));
        prop_assert!(by_pattern || by_address, "{}", name);
    }
}
