use std::time::SystemTime;

use probity_protocol::Reason;

use crate::{
    decide,
    one_tool::{call, defect, owner, policy, read_under, refused, words},
};

const ARGV: &str = r#"["{options}", "{target}"]"#;

/// Options `a` to `d`, of which `a` has these lines and `b` these; `c` is a switch that is on by itself,
/// and `d` has a value of its own.
fn options(of_a: &str, of_b: &str) -> String {
    let option = |name: &str, more: &str| {
        format!(
            "[[tool.option]]\nname = \"{name}\"\nflag = \"-{name}\"\nhelp = \"Help.\"\n{more}\n"
        )
    };
    let number = "value = { kind = \"integer\", min = 1, max = 9 }";
    [
        option("a", of_a),
        option("b", &format!("{number}\n{of_b}")),
        option("c", "default = true"),
        option("d", &format!("{number}\ndefault = 4")),
    ]
    .concat()
}

#[test]
fn options_that_exclude_one_another_are_refused_whoever_sets_them() {
    let preset = "[tool.preset.p]\nhelp = \"P.\"\noptions = { b = 3 }\n";
    // It is written once, and holds both ways.
    let policy = policy(ARGV, &(options("excludes = [\"b\"]", "") + preset));
    let both = call("10.0.0.1", &[("b", "2")], "-a");
    let (reason, said, _) = refused(&policy, &both);
    assert!(
        matches!(&reason, Reason::OptionConflict { option, other }
        if option.name.as_str() == "a" && other.name.as_str() == "b"),
        "{reason:?}"
    );
    assert!(said.starts_with("-a (property a) and -b (property b) exclude one another"), "{said}");
    let mut by_preset = call("10.0.0.1", &[("a", "true")], "");
    if let probity_protocol::Arguments::Given { preset, .. } = &mut by_preset.arguments {
        *preset = Some(probity_protocol::Identifier::new("p").unwrap());
    }
    assert!(matches!(refused(&policy, &by_preset).0, Reason::OptionConflict { .. }));
    assert_eq!(words(&policy, "10.0.0.1", &[("a", "true")])[0], "-a");
    assert_eq!(words(&policy, "10.0.0.1", &[("a", "false"), ("b", "2")])[..2], ["-b", "2"]);
}

#[test]
fn an_option_without_what_it_requires_is_refused_and_a_default_is_enough() {
    let policy = policy(ARGV, &options("requires = [\"b\", \"c\", \"d\"]", ""));
    let (reason, said, instead) = refused(&policy, &call("10.0.0.1", &[], "-a"));
    assert!(matches!(&reason, Reason::OptionMissing { needs, .. } if needs.name.as_str() == "b"));
    assert!(
        said.contains("Give -b (property b) too (a whole number from 1 to 9), or leave -a out."),
        "{said}"
    );
    assert_eq!(
        instead, None,
        "what is missing nobody can guess, and without the rest it may do more"
    );
    assert_eq!(
        words(&policy, "10.0.0.1", &[("a", "true"), ("b", "1")])[..4],
        ["-a", "-b", "1", "-c"]
    );
    let off = call("10.0.0.1", &[("a", "true"), ("b", "1"), ("c", "false")], "");
    let (reason, ..) = refused(&policy, &off);
    assert!(matches!(reason, Reason::OptionMissing { needs, .. } if needs.name.as_str() == "c"));
}

#[test]
fn a_call_without_what_is_required_is_refused_whichever_way_it_could_be_given() {
    let preset = "[tool.preset.p]\nhelp = \"P.\"\noptions = { b = 3 }\n";
    let policy =
        policy(ARGV, &(options("requires = [\"b\"]", "required = true\nexample = 7") + preset));
    let (reason, said, instead) = refused(&policy, &call("10.0.0.1", &[], ""));
    assert!(matches!(&reason, Reason::OptionRequired(option) if option.name.as_str() == "b"));
    assert_eq!(
        said,
        "fetch needs -b (property b), which is not set. Give -b (property b): a whole number from 1 to 9, \
         such as 7."
    );
    assert_eq!(instead, None, "nobody knows which was meant");
    assert_eq!(words(&policy, "10.0.0.1", &[("b", "2")])[..2], ["-b", "2"]);
    let by_flag = call("10.0.0.1", &[], "-b 2");
    let mut by_preset = call("10.0.0.1", &[], "");
    if let probity_protocol::Arguments::Given { preset, .. } = &mut by_preset.arguments {
        *preset = Some(probity_protocol::Identifier::new("p").unwrap());
    }
    for call in [by_flag, by_preset] {
        assert!(decide(&policy, &owner(), &call, SystemTime::now()).is_ok());
    }
}

#[test]
fn what_is_required_has_a_value_no_default_and_the_tier_of_its_tool() {
    let plain = "value = { kind = \"integer\", min = 1, max = 9 }\nrequired = true\n";
    for (of_a, expected) in [
        ("required = true", "required is for an option with a value"),
        (&format!("{plain}default = 3"), "an option with a default is always given"),
        (&format!("{plain}tier = \"intrusive\""), "so the tool is too: tier = \"intrusive\""),
        (&format!("{plain}excludes = [\"d\"]"), "\"a\" excludes \"d\""),
    ] {
        let said = crate::one_tool::read(ARGV, &options(of_a, "")).expect_err(of_a).to_string();
        assert!(said.contains(expected), "{of_a}: {said}");
    }
    // One that is always there can be what another needs, and a grant cannot take it away.
    policy(ARGV, &options("default = true\nrequires = [\"b\"]", "required = true"));
    let grant = "{ self = true, tools = [\"*\"], options = { fetch = { deny = [\"b\"] } } }";
    let said =
        read_under("", grant, ARGV, &options("", "required = true")).unwrap_err().to_string();
    assert!(said.contains("no call can leave b out"), "{said}");
}

#[test]
fn relations_that_cannot_be_met_are_defects_with_their_place() {
    for (of_a, of_b, expected) in [
        ("excludes = [\"a\"]", "", "neither excludes nor requires itself"),
        ("requires = [\"a\"]", "", "neither excludes nor requires itself"),
        ("excludes = [\"e\"]", "", "the tool has no option \"e\""),
        ("excludes = [\"b\", \"b\"]", "", "\"b\" is written twice"),
        (
            "requires = [\"b\"]\nexcludes = [\"b\"]",
            "",
            "\"a\" can never be given: \"a\" excludes \"b\"",
        ),
        ("requires = [\"b\"]", "excludes = [\"a\"]", "\"a\" can never be given"),
        ("requires = [\"b\"]", "requires = [\"c\"]\nexcludes = [\"d\"]", "can never be given"),
        ("excludes = [\"d\"]", "", "\"a\" can never be given: \"a\" excludes \"d\""),
        (
            "default = true\nexcludes = [\"c\"]",
            "",
            "the defaults cannot stand: \"a\" excludes \"c\"",
        ),
        (
            "default = true\nrequires = [\"b\"]",
            "",
            "the defaults cannot stand: \"a\" requires \"b\"",
        ),
        ("requires = [\"b\"]", "tier = \"intrusive\"", "what requires it is too"),
    ] {
        let more = options(of_a, of_b);
        let said = crate::one_tool::read(ARGV, &more).expect_err(&more).to_string();
        assert!(said.contains(expected), "{of_a} {of_b}: {said}");
    }
    let named = options("excludes = [\"lang\"]", "").replace("name = \"d\"", "name = \"long\"");
    assert_eq!(defect(ARGV, &named), "the tool has no option \"lang\": did you mean \"long\"?");
}

#[test]
fn a_preset_that_breaks_them_is_a_defect() {
    let preset = |sets: &str| format!("[tool.preset.p]\nhelp = \"P.\"\noptions = {{ {sets} }}\n");
    let with = |sets| options("excludes = [\"b\"]\nrequires = [\"c\"]", "") + &preset(sets);
    assert!(
        defect(ARGV, &with("a = true, b = 1"))
            .contains("the preset cannot stand: \"a\" excludes \"b\"")
    );
    assert!(
        defect(ARGV, &with("a = true, c = false"))
            .contains("\"a\" requires \"c\", which would not")
    );
    policy(ARGV, &with("a = true"));
    policy(ARGV, &with("a = false, b = 1"));
}

#[test]
fn the_effective_form_has_an_exclusion_both_ways_and_means_the_same() {
    let [one, other, both] = [
        ("excludes = [\"b\"]", ""),
        ("", "excludes = [\"a\"]"),
        ("excludes = [\"b\"]", "excludes = [\"a\"]"),
    ]
    .map(|(a, b)| policy(ARGV, &options(a, b)));
    assert!(one.digest() == other.digest() && one.digest() == both.digest());
    assert_ne!(one.digest(), policy(ARGV, &options("", "")).digest());
    let shown = one.to_toml().unwrap();
    assert!(
        shown.contains("excludes = [\"a\"]") && shown.contains("excludes = [\"b\"]"),
        "{shown}"
    );
}
