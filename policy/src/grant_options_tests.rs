//! What grants leave of the options of their tools: by name, by flag, by preset and by default.

use std::time::SystemTime;

use probity_advice::{advise, repair};
use probity_protocol::{
    Arguments, Availability, Beyond, Call, Catalog, CorrelationId, DenialCode, GivenOption,
    Identifier, OptionEntry, OptionText, Ports, Reason, RequestedLimits, SetBy, Target, Tier,
    ToolName, ValueType, split_extra_args,
};

use proptest::prelude::*;

use super::*;
use crate::subject::Subject;

/// A tool with options of each kind, some of them by default.
const KINDS: &str = r#"
name = "kinds"
aliases = ["KindsTool"]
summary = "Looks."
command = "/usr/bin/true"
targets = ["address"]
argv = ["{options}", "{target}"]
sandbox = { net_raw = "never", syscalls = "base" }

[[option]]
name = "count"
flag = "-c"
value = { kind = "integer", min = 1, max = 100 }
default = 3
help = "How many."

[[option]]
name = "wait"
flag = "-W"
value = { kind = "duration", min = 0.5, max = 30 }
example = 10
help = "How long."

[[option]]
name = "ratio"
flag = "-r"
value = { kind = "number", min = 0, max = 1 }
help = "A part."

[[option]]
name = "ports"
flag = "-p"
value = { kind = "ports" }
help = "Ports."

[[option]]
name = "style"
flag = "-y"
value = { kind = "enumeration", words = ["plain", "terse", "loud"] }
help = "A style."

[[option]]
name = "parts"
flag = "--parts"
value = { kind = "enumeration-list", words = ["one", "two", "three"] }
help = "Parts."

[[option]]
name = "scripts"
flag = "--script"
value = { kind = "rendered", rendered = { safe = "s", more = "m" }, intrusive = { vuln = "v" } }
help = "Scripts."

[[option]]
name = "label"
flag = "--label"
value = { kind = "text", class = "digits", max_length = 3 }
help = "A label."

[[option]]
name = "brief"
flag = "-b"
default = true
help = "Say less."

[[option]]
name = "guess"
flag = "-O"
help = "Guess."

[[option]]
name = "storm"
flag = "-S"
tier = "intrusive"
help = "Send much."

[preset.all]
help = "Every port, and a guess."
options = { ports = "1-65535", guess = true }

[preset.few]
help = "Few ports."
options = { ports = "1-100" }
"#;

fn read(grants: &str) -> Result<Policy, Defects> {
    let text = format!(
        "version = 1\n[targets]\nnetworks = [\"10.0.0.0/8\"]\n[audit]\npath = \"/a\"\n{grants}"
    );
    let sources = Sources {
        policy: Source::new("policy.toml", text),
        tools: vec![Source::new("tools.d/kinds.toml", KINDS)],
        drop_ins: Vec::new(),
    };
    validate_with_help(&sources, &Accounts::default())
}

/// A policy with a grant to user 7 for each of these, from line 6 on.
fn leaving(options: &[&str]) -> Policy {
    let grants: String = options.iter().map(|options| grant(options)).collect();
    read(&grants).unwrap_or_else(|defects| panic!("{defects}"))
}

fn grant(options: &str) -> String {
    format!("[[grant]]\nuser = 7\ntools = [\"kinds\"]\noptions.kinds = {{ {options} }}\n")
}

fn who() -> Subject {
    Subject { uid: 7, gids: vec![50], owner: false, most: Tier::Intrusive }
}

/// A call of the tool, as `preset: name=value name -- flags`.
fn call(said: &str) -> Call {
    let (preset, said) = match said.split_once(": ") {
        Some((preset, said)) => (Some(Identifier::new(preset).unwrap()), said),
        None => (None, said),
    };
    let (typed, flags) = said.split_once("--- ").unwrap_or((said, ""));
    let given = |word: &str| {
        let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        GivenOption {
            name: Identifier::new(name).unwrap(),
            value: value.map(|value| OptionText::new(value).unwrap()),
        }
    };
    Call {
        tool: ToolName::new("kinds").unwrap(),
        target: Target::parse("10.0.0.1"),
        arguments: Arguments::Given {
            preset,
            options: typed.split_whitespace().map(given).collect(),
            tokens: split_extra_args(flags, 1000).unwrap(),
        },
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("t").unwrap(),
        client: None,
    }
}

fn argv(policy: &Policy, said: &str) -> String {
    let approved = decide(policy, &who(), &call(said), SystemTime::now());
    let plan = plan(approved.unwrap_or_else(|denied| panic!("{said}: {denied:?}")));
    plan.argv()[1..].join(" ")
}

fn is_approved(policy: &Policy, said: &str) -> bool {
    decide(policy, &who(), &call(said), SystemTime::now()).is_ok()
}

/// The option that the denial names, who set it, and what is left of it.
fn exceeded(policy: &Policy, said: &str) -> (String, SetBy, Option<ValueType>) {
    let denied = decide(policy, &who(), &call(said), SystemTime::now()).expect_err(said);
    assert_eq!(denied.denial.reason.code(), DenialCode::OptionNotGranted, "{said}: {denied:?}");
    assert_eq!(denied.rule.map(Place::line), Some(9), "{said}");
    let Reason::OptionNotGranted(exceeded) = denied.denial.reason else { panic!("{said}") };
    (exceeded.option.name.to_string(), exceeded.set_by, exceeded.left)
}

fn told(policy: &Policy) -> Catalog {
    catalog(policy, &who(), SystemTime::now(), |_| Availability::Available)
}

/// What the frontend says of a denial, and the call it suggests after the policy was asked.
fn advised(policy: &Policy, said: &str) -> (String, String, Option<Arguments>) {
    let (catalog, call) = (told(policy), call(said));
    let denial = decide(policy, &who(), &call, SystemTime::now()).expect_err(said).denial;
    let advice = advise(&catalog, &call, &denial);
    let repaired = repair(&catalog, &call, &denial);
    let approved = repaired.filter(|it| decide(policy, &who(), it, SystemTime::now()).is_ok());
    (advice.message, advice.recovery_suggestion, approved.map(|call| call.arguments))
}

#[test]
fn what_a_grant_takes_away_is_refused_however_it_is_spelled() {
    let policy = leaving(&["deny = [\"guess\", \"label\"]"]);
    for said in ["guess", "guess=true", "--- -O", "label=12", "--- --label=12", "all: "] {
        let (name, _, left) = exceeded(&policy, said);
        assert!(["guess", "label"].contains(&&*name) && left.is_none(), "{said}: {name}");
    }
    // What is not used is not missed.
    assert_eq!(argv(&policy, "guess=false"), "-c 3 -b 10.0.0.1");
    assert_eq!(argv(&policy, "all: guess=false"), "-c 3 -p 1-65535 -b 10.0.0.1");
    assert_eq!(argv(&policy, "few: style=loud"), "-c 3 -p 1-100 -y loud -b 10.0.0.1");
}

#[test]
fn a_value_of_each_kind_stays_within_what_is_left_of_it() {
    for (left, within, beyond) in [
        ("count = { max = 10 }", &["count=1", "count=10", "--- -c10"][..], &["count=11"][..]),
        ("count = { min = 2 }", &["count=2", "count=100"], &["count=1", "--- -c 1"]),
        ("count = { min = 3, max = 3 }", &["", "count=3"], &["count=2", "count=4"]),
        ("wait = { max = 2.5 }", &["wait=0.5", "wait=2500ms"], &["wait=2.501", "wait=3s"]),
        ("ratio = { min = 0.25 }", &["ratio=0.25", "ratio=1"], &["ratio=0.249999", "ratio=0"]),
        (
            "ports = \"1-1024,8000\"",
            &["ports=22", "ports=1000-1024,8000", "--- -p1-1024"],
            &["ports=1025", "ports=1-1025", "ports=22,8001", "ports=7999-8000", "all: "],
        ),
        ("style = [\"plain\", \"loud\"]", &["style=plain", "style=loud"], &["style=terse"]),
        (
            "parts = [\"one\", \"two\"]",
            &["parts=two", "parts=two,one"],
            &["parts=three", "parts=one,three", "--- --parts three"],
        ),
        ("scripts = [\"safe\"]", &["scripts=safe"], &["scripts=more"]),
    ] {
        let policy = leaving(&[left]);
        for said in within {
            argv(&policy, said);
        }
        for said in beyond {
            let (name, _, kept) = exceeded(&policy, said);
            assert!(left.starts_with(&name) && kept.is_some(), "{left}: {said}: {name} {kept:?}");
        }
    }
}

#[test]
fn who_set_an_option_is_said_and_a_default_is_never_silently_changed() {
    let policy = leaving(&["count = { max = 2 }, deny = [\"brief\"], ports = \"22\""]);
    assert_eq!(exceeded(&policy, "brief=false").1, SetBy::Default);
    assert_eq!(exceeded(&policy, "count=1").1, SetBy::Default);
    assert_eq!(exceeded(&policy, "count=1 --- -b").1, SetBy::Caller);
    let few = SetBy::Preset(Identifier::new("few").unwrap());
    assert_eq!(exceeded(&policy, "few: count=1 brief=false").1, few);
    assert_eq!(argv(&policy, "count=1 brief=false"), "-c 1 10.0.0.1");
    assert_eq!(argv(&policy, "few: count=1 brief=false ports=22"), "-c 1 -p 22 10.0.0.1");
    // In words, with what would pass.
    let (message, instead, suggested) = advised(&policy, "brief=false");
    assert_eq!(
        message,
        "-c 3 of kinds, which it has by default, is more than your grants leave of it."
    );
    assert!(instead.contains("a whole number from 1 to 2, such as 2."), "{instead}");
    assert_eq!(suggested, Some(call("brief=false count=2").arguments));
    let (message, instead, _) = advised(&policy, "count=1");
    assert!(message.starts_with("-b of kinds, which it has by default,"), "{message}");
    assert!(instead.contains("Give the property brief as false."), "{instead}");
    let (message, _, suggested) = advised(&policy, "few: count=1 brief=false");
    assert!(message.contains("which the preset few has, is more"), "{message}");
    assert_eq!(suggested, Some(call("few: count=1 brief=false ports=22").arguments));
}

#[test]
fn one_grant_has_to_leave_all_the_options_of_a_call() {
    let policy = leaving(&["deny = [\"guess\"], style = [\"plain\"]", "ports = \"1-1024\""]);
    assert_eq!(argv(&policy, "ports=9000"), "-c 3 -p 9000 -b 10.0.0.1");
    assert_eq!(argv(&policy, "guess ports=22"), "-c 3 -p 22 -b -O 10.0.0.1");
    // The first leaves the ports, the second the guess, neither both: said is what would pass.
    let denied = decide(&policy, &who(), &call("guess ports=9000"), SystemTime::now());
    let denied = denied.unwrap_err();
    let Reason::OptionNotGranted(exceeded) = &denied.denial.reason else { panic!() };
    assert_eq!(exceeded.option.name.as_str(), "ports");
    let within = Ports::parse("1-1024");
    assert_eq!(exceeded.left, Some(ValueType::Ports { within }));
    assert_eq!(denied.rule.unwrap().line(), 13);
    // The order of grants says nothing.
    let turned = leaving(&["ports = \"1-1024\"", "deny = [\"guess\"], style = [\"plain\"]"]);
    for said in ["", "guess", "ports=9000", "guess ports=22", "guess ports=9000", "style=loud"] {
        assert_eq!(is_approved(&policy, said), is_approved(&turned, said), "{said}");
    }
}

#[test]
fn a_grant_never_widens_what_the_tools_file_and_the_tier_leave() {
    let policy = leaving(&["scripts = [\"safe\", \"vuln\"], count = { max = 100 }"]);
    for (said, code) in [
        ("scripts=vuln", DenialCode::IntrusiveNotGranted),
        ("storm", DenialCode::IntrusiveNotGranted),
        ("count=101", DenialCode::OptionValue),
    ] {
        let denied = decide(&policy, &who(), &call(said), SystemTime::now()).unwrap_err();
        assert_eq!(denied.denial.reason.code(), code, "{said}");
    }
    // An intrusive grant that takes the option away is nearer than one of the standard tier.
    let policy = read(&format!(
        "{}{}",
        "[[grant]]\nuser = 7\ntools = [\"kinds\"]\noptions.kinds = { deny = [\"storm\"] }\nintrusive = true\n",
        "[[grant]]\nuser = 7\ntools = [\"*\"]\n"
    ))
    .unwrap();
    assert_eq!(exceeded(&policy, "storm").0, "storm");
    assert!(is_approved(&policy, "scripts=vuln"));
}

#[test]
fn a_suggestion_keeps_to_what_one_grant_leaves() {
    let policy = leaving(&["deny = [\"guess\"], ports = \"1-1024\", parts = [\"one\", \"two\"]"]);
    for (said, suggested) in [
        ("ports=22,9000", Some("ports=22")),
        ("ports=1-65535", Some("ports=1-1024")),
        ("parts=three,two", Some("parts=two")),
        ("--- -p 1000-2000", Some("--- -p 1000-1024")),
        // Nothing of it is left, and without it the rest does more, or may.
        ("ports=9000", None),
        ("guess ports=22", None),
        ("ports=22 gues", None),
    ] {
        let expected = suggested.map(|said| call(said).arguments);
        assert_eq!(advised(&policy, said).2, expected, "{said}");
    }
    let (message, instead, _) = advised(&policy, "guess");
    assert_eq!(message, "-O of kinds is not left to you by your grants.");
    assert_eq!(instead, "Leave -O out. An administrator can grant more.");
    let (message, instead, _) = advised(&policy, "ports=9000");
    assert_eq!(message, "-p 9000 of kinds is more than your grants leave of it.");
    assert!(instead.contains("port numbers within 1-1024"), "{instead}");
    // Each part that no grant leaves is named, whatever the reason is.
    let denied = decide(&policy, &who(), &call("guess nonsense"), SystemTime::now()).unwrap_err();
    let [Beyond::Option { option, tier: Tier::Standard, .. }] = denied.denial.beyond.as_slice()
    else {
        panic!("{denied:?}")
    };
    assert_eq!(option.name.as_str(), "guess");
}

#[test]
fn what_cannot_be_taken_away_is_a_defect_that_says_what_was_meant() {
    for (options, expected) in [
        ("deny = [\"gues\"]", "kinds has no option \"gues\": did you mean \"guess\"?"),
        ("deny = [\"-O\"]", "kinds has no option \"-O\": write \"guess\""),
        ("deny = \"guess\"", "deny is a list of names of options"),
        ("deny = [\"count\"]", "count has the default 3, which no call can leave out"),
        ("deny = [\"guess\", \"guess\"]", "guess is taken away already"),
        ("ports = \"22\", deny = [\"ports\"]", "ports is taken away already"),
        ("prots = \"22\"", "kinds has no option \"prots\": did you mean \"ports\"?"),
        ("ports = \"http\"", "\"http\" is not ports such as"),
        ("ports = [\"22\"]", "ports is narrowed by ports such as \"1-1024\""),
        ("ports = { max = 1024 }", "ports is narrowed by ports"),
        ("count = { max = 101 }", "the tool's file has it from 1 to 100"),
        ("count = { min = 0 }", "the tool's file has it from 1 to 100"),
        ("count = { min = 9, max = 8 }", "min is larger than max"),
        ("count = {}", "a range has min, max or both"),
        ("count = { most = 8 }", "unknown field `most`"),
        ("count = \"1-8\"", "count is narrowed by a range such as { min = 1, max = 10 }"),
        ("count = 8", "expected what is left of an option"),
        ("wait = { max = \"soon\" }", "not a number this kind can hold"),
        ("guess = false", "to take it away, write its name under deny"),
        ("guess = []", "guess has no values that can be narrowed"),
        ("label = [\"12\"]", "label has no values that can be narrowed"),
        ("style = [\"plian\"]", "style has no word \"plian\": did you mean \"plain\"?"),
        ("style = []", "no word is left"),
        ("style = \"plain\"", "style is narrowed by a list of its words"),
    ] {
        let defects = read(&grant(options)).expect_err(options).0;
        let [defect] = defects.as_slice() else { panic!("{options}: {defects:?}") };
        assert!(defect.message().contains(expected), "{options}: {}", defect.message());
        assert_eq!(defect.place().line(), 9, "{options}");
    }
    let options = |tools: &str, options: &str| {
        let grant = format!("[[grant]]\nuser = 7\ntools = [{tools}]\noptions = {{ {options} }}\n");
        let defects = read(&grant).expect_err(options).0;
        let [defect] = defects.as_slice() else { panic!("{options}: {defects:?}") };
        defect.message().to_owned()
    };
    for (tools, left, expected) in [
        ("\"*\"", "kind = { deny = [] }", "no tool is called \"kind\": did you mean \"kinds\"?"),
        ("", "kinds = { deny = [\"guess\"] }", "this grant does not give kinds: add it to tools"),
        ("\"*\"", "kinds = {}, KindsTool = {}", "are there by another name too"),
    ] {
        let message = options(tools, left);
        assert!(message.contains(expected), "{left}: {message}");
    }
}

#[test]
fn the_policy_as_it_is_shown_is_the_same_policy() {
    let options = "deny = [\"guess\", \"label\"], count = { max = 10 }, wait = { min = 0.5, max = 2.5 }, \
                   ports = \"22,1-10\", style = [\"loud\", \"plain\"], scripts = [\"safe\"]";
    let policy = leaving(&[options]);
    let again = Source::new("policy.toml", policy.to_toml().unwrap());
    let again = Sources { policy: again, tools: Vec::new(), drop_ins: Vec::new() };
    let again =
        validate(&again, &Accounts::default()).unwrap_or_else(|defects| panic!("{defects}"));
    assert_eq!(again.digest(), policy.digest());
    // Spelling and order say nothing; a value more or less does.
    let same = "scripts = [\"safe\"], style = [\"plain\", \"loud\"], ports = \"1-9,10,22\", \
                wait = { max = 2.5 }, count = { min = 1, max = 10 }, deny = [\"label\", \"guess\"]";
    assert_eq!(leaving(&[same]).digest(), policy.digest());
    for other in [
        options.replace("\"guess\", ", ""),
        options.replace("max = 10", "max = 11"),
        options.replace("22,1-10", "23,1-10"),
        options.replace("\"loud\", ", ""),
    ] {
        assert_ne!(leaving(&[&other]).digest(), policy.digest(), "{other}");
    }
    // As a table of its own, and by an alias of the tool.
    let table = format!(
        "[[grant]]\nuser = 7\ntools = [\"KindsTool\"]\n[grant.options.KindsTool]\n{}",
        options
            .replace(", wait", "\nwait")
            .replace(", count", "\ncount")
            .replace(", ports", "\nports")
            .replace(", style", "\nstyle")
            .replace(", scripts", "\nscripts")
    );
    assert_eq!(read(&table).unwrap().digest(), policy.digest());
}

#[test]
fn only_what_is_written_about_the_tool_counts_for_it() {
    let other = KINDS.replace("\"kinds\"", "\"other\"").replace("KindsTool", "OtherTool");
    let grants = "[[grant]]\nuser = 7\ntools = [\"*\"]\noptions.other = { deny = [\"guess\"] }\n";
    let text = format!(
        "version = 1\n[targets]\nnetworks = [\"10.0.0.0/8\"]\n[audit]\npath = \"/a\"\n{grants}"
    );
    let tools = vec![Source::new("kinds.toml", KINDS), Source::new("other.toml", other)];
    let sources = Sources { policy: Source::new("policy.toml", text), tools, drop_ins: Vec::new() };
    let policy = validate(&sources, &Accounts::default()).unwrap();
    assert!(is_approved(&policy, "guess"));
    let asked = Call { tool: ToolName::new("OtherTool").unwrap(), ..call("guess") };
    assert!(decide(&policy, &who(), &asked, SystemTime::now()).is_err());
}

fn option<'c>(catalog: &'c Catalog, name: &str) -> Option<&'c OptionEntry> {
    let mut options = catalog.tools.iter().flat_map(|tool| &tool.options);
    options.find(|option| option.name.as_str() == name)
}

fn presets(catalog: &Catalog) -> Vec<&str> {
    let presets = catalog.tools.iter().flat_map(|tool| &tool.presets);
    presets.map(|preset| preset.name.as_str()).collect()
}

#[test]
fn the_catalog_has_of_each_option_what_a_grant_leaves() {
    let policy = leaving(&[
        "deny = [\"guess\", \"brief\"], count = { max = 2 }, wait = { max = 5 }, \
                            ports = \"1-1024\", style = [\"loud\", \"plain\"], scripts = [\"safe\"]",
    ]);
    let catalog = told(&policy);
    let of = |name: &str| option(&catalog, name).unwrap();
    assert!(option(&catalog, "guess").is_none() && option(&catalog, "brief").is_none());
    assert_eq!(of("count").value, ValueType::Integer { min: 1, max: 2 });
    assert_eq!(of("count").default, None, "a call has to say it");
    assert_eq!(of("wait").example, None, "it is not left");
    let within = Ports::parse("1-1024");
    assert_eq!(of("ports").value, ValueType::Ports { within });
    assert_eq!(of("ports").example.as_deref(), Some("1"));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(of("style").value, ValueType::Enumeration(words(&["plain", "loud"])));
    assert_eq!(of("scripts").value, ValueType::Enumeration(words(&["safe"])));
    assert_eq!(of("label"), option(&told(&leaving(&[""])), "label").unwrap());
    assert_eq!(presets(&catalog), ["few"], "the other one guesses, and takes all ports");
}

#[test]
fn of_several_grants_the_catalog_has_what_they_leave_together() {
    let together = |grants: &[&str], name: &str| {
        option(&told(&leaving(grants)), name).map(|option| option.value.clone())
    };
    let ports = |text| Some(ValueType::Ports { within: Ports::parse(text) });
    let integer = |min, max| Some(ValueType::Integer { min, max });
    assert_eq!(together(&["ports = \"1-10\"", "ports = \"8-20,99\""], "ports"), ports("1-20,99"));
    assert_eq!(
        together(&["ports = \"1-10\"", "deny = [\"ports\"]", "ports = \"99\""], "ports"),
        ports("1-10,99")
    );
    assert_eq!(
        together(&["ports = \"1-10\"", "deny = [\"label\"]"], "ports"),
        Some(ValueType::Ports { within: None })
    );
    assert_eq!(
        together(&["count = { max = 9 }", "count = { min = 3, max = 20 }"], "count"),
        integer(1, 20)
    );
    let words = ["safe", "more"].map(str::to_owned).to_vec();
    assert_eq!(
        together(&["scripts = [\"safe\"]", "scripts = [\"more\"]"], "scripts"),
        Some(ValueType::Enumeration(words))
    );
    assert_eq!(together(&["deny = [\"guess\"]", "deny = [\"guess\", \"label\"]"], "guess"), None);
    assert_eq!(
        together(&["deny = [\"guess\"]", "deny = [\"label\"]"], "guess"),
        Some(ValueType::None)
    );
    // A preset is there where one grant leaves all of it.
    let catalog = told(&leaving(&["ports = \"1-1024\"", "deny = [\"guess\"]"]));
    assert_eq!(presets(&catalog), ["few"]);
}

#[test]
fn what_a_grant_of_one_tier_leaves_is_not_told_of_the_other() {
    let grants = "[[grant]]\nuser = 7\ntools = [\"kinds\"]\noptions.kinds = { scripts = [\"vuln\"], deny = [\"storm\"] }\nintrusive = true\n\
                  [[grant]]\ngroup = 50\ntools = [\"*\"]\n";
    let policy = read(grants).unwrap();
    let catalog = told(&policy);
    assert!(option(&catalog, "storm").is_none());
    let scripts = option(&catalog, "scripts").unwrap();
    let ValueType::Enumeration(mut words) = scripts.value.clone() else { panic!("{scripts:?}") };
    words.sort();
    assert_eq!(words, ["more", "safe", "vuln"]);
    assert_eq!(scripts.intrusive_words, ["vuln"]);
    // Subjects with other grants have other catalogs.
    let key = |subject: &Subject| CatalogKey::of(&policy, subject, SystemTime::now());
    let alone = Subject { gids: vec![], ..who() };
    assert_ne!(key(&who()), key(&alone));
    let standard = |catalog: Catalog| catalog.tools[0].options.len();
    let of_alone = catalog_of(&policy, &alone);
    assert_eq!(standard(of_alone), standard(catalog));
}

fn catalog_of(policy: &Policy, subject: &Subject) -> Catalog {
    catalog(policy, subject, SystemTime::now(), |_| Availability::Available)
}

/// What a grant may leave, with every default.
const LEFT: [&str; 8] = [
    "",
    "deny = [\"guess\", \"wait\"]",
    "ports = \"1-10\", wait = { max = 20 }",
    "ports = \"8000-9000,9100\", style = [\"loud\"]",
    "scripts = [\"safe\"], parts = [\"two\"], count = { max = 5 }",
    "scripts = [\"vuln\", \"more\"], ratio = { min = 0.5 }",
    "deny = [\"ports\", \"label\"], ratio = { max = 0.25 }, parts = [\"one\", \"three\"]",
    "deny = [\"storm\", \"scripts\", \"style\"], count = { min = 2, max = 3 }",
];

proptest! {
    #[test]
    fn whatever_the_catalog_shows_of_an_option_is_approved_of(
        grants in prop::collection::vec((0..LEFT.len(), any::<bool>()), 1..4),
    ) {
        let text = grants.iter().map(|(left, intrusive)| {
            format!("{}intrusive = {intrusive}\n", grant(LEFT[*left]))
        });
        let policy = read(&text.collect::<String>()).unwrap();
        let catalog = told(&policy);
        for entry in catalog.tools.iter().flat_map(|tool| &tool.options) {
            let mut values: Vec<String> = entry.example.iter().chain(&entry.default).cloned().collect();
            values.extend(match &entry.value {
                ValueType::None => vec!["true".to_owned()],
                ValueType::Integer { min, max } => vec![min.to_string(), max.to_string()],
                ValueType::Number { min, max } | ValueType::Duration { min, max } => {
                    vec![min.to_string(), max.to_string()]
                }
                ValueType::Ports { within } => {
                    let ranges = within.iter().flat_map(Ports::ranges);
                    ranges.map(|(first, last)| format!("{first}-{last}")).collect()
                }
                ValueType::Enumeration(words) | ValueType::EnumerationList(words) => words.clone(),
                ValueType::Text { .. } => vec!["12".to_owned()],
                ValueType::DnsName | ValueType::UrlPath { .. } | ValueType::List { .. } => Vec::new(),
            });
            for value in values {
                let said = format!("{}={value}", entry.name);
                prop_assert!(is_approved(&policy, &said), "{grants:?}: {said}");
            }
        }
        for preset in presets(&catalog) {
            prop_assert!(is_approved(&policy, &format!("{preset}: ")), "{grants:?}: {preset}");
        }
        // What it does not show is refused.
        for (name, value) in [("guess", "true"), ("wait", "1"), ("ports", "1"), ("storm", "true"), ("style", "loud")] {
            let shown = option(&catalog, name).is_some();
            let said = format!("{name}={value}");
            prop_assert!(shown || !is_approved(&policy, &said), "{grants:?}: {said}");
        }
    }
}
