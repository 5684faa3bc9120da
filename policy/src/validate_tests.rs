use super::*;
use crate::load::{Origin, load};
use crate::one_tool::file_of;

fn shipped() -> Sources {
    load(&Origin::Shipped).unwrap()
}

/// The shipped policy with `from` replaced by `to` in the file whose name ends with `file`.
fn changed(file: &str, from: &str, to: &str) -> Sources {
    let mut sources = shipped();
    let every = std::iter::once(&mut sources.policy).chain(&mut sources.tools);
    let source = every.into_iter().find(|s| s.name().ends_with(file)).unwrap();
    assert!(source.text().contains(from), "{file} has no {from:?}");
    *source = Source::new(file, source.text().replacen(from, to, 1));
    sources
}

fn defects(sources: &Sources) -> String {
    let all = validate_with_help(sources, &Accounts::default()).expect_err("it was accepted");
    // The broker refuses it too, for one of these reasons, if in fewer words.
    let first = validate(sources, &Accounts::default()).expect_err("it was accepted");
    let refused_at: Vec<_> = first.0.iter().map(Defect::place).collect();
    assert!(!refused_at.is_empty());
    for place in refused_at {
        assert!(all.0.iter().any(|defect| defect.place() == place), "{place} in\n{all}");
    }
    all.to_string()
}

#[test]
fn the_shipped_policy_is_valid_and_warns_only_of_the_group_that_is_not_there() {
    let policy = validate(&shipped(), &Accounts::default()).unwrap();
    assert_eq!(policy.tools().len(), shipped().tools.len());
    let warnings: Vec<_> = policy.warnings().iter().map(|w| w.message.as_str()).collect();
    assert_eq!(warnings, ["there is no group \"probity\": this grant matches nobody"]);
}

#[test]
fn each_defect_is_refused_and_named_with_file_line_and_column() {
    let cases = [
        (
            "policy.toml",
            "version = 1",
            "version = 1\nversoin = 2",
            "policy.toml:7:1: unknown field `versoin`",
        ),
        ("policy.toml", "version = 1", "version = 2", "policy.toml:6:11: this is version 2"),
        (
            "policy.toml",
            "\"10.0.0.0/8\"",
            "\"10.0.0/8\"",
            "policy.toml:9:14: \"10.0.0/8\" is not a network",
        ),
        (
            "policy.toml",
            "\"10.0.0.0/8\"",
            "\"10.0.0.1/8\"",
            "host bits set; the network is 10.0.0.0/8",
        ),
        ("policy.toml", "\"10.0.0.0/8\"", "\"::ffff:10.0.0.0/104\"", "judged as IPv4"),
        ("policy.toml", "*.lab.internal", "*lab.internal", "not a name or *.suffix"),
        ("policy.toml", "\"512 MiB\"", "\"lots\"", "is not a size"),
        ("policy.toml", "\"1h\"", "\"soon\"", "is not a time"),
        (
            "policy.toml",
            "landlock_abi_min = 2",
            "landlock_abi_min = 0",
            "Landlock cannot be done without",
        ),
        ("policy.toml", "tools = [\"*\"]", "tools = [\"nmpa\"]", "no tool is called \"nmpa\""),
        (
            "policy.toml",
            "group = \"probity\"",
            "group = \"probity\"\nuser = 0",
            "a grant names one of",
        ),
        ("policy.toml", "/var/log", "var/log", "must be absolute"),
        (
            "ping.toml",
            "default = 3",
            "default = 101",
            "ping.toml:31:11: \"101\" does not fit count",
        ),
        (
            "ping.toml",
            "example = 5",
            "example = 101",
            "ping.toml:32:11: \"101\" does not fit count",
        ),
        (
            "ping.toml",
            "flag = \"-q\"",
            "flag = \"-q\"\nexample = true",
            "an option without a value needs no example",
        ),
        (
            "nmap.toml",
            "example = \"safe\"",
            "example = \"vuln\"",
            "an example cannot go beyond its option's tier",
        ),
        ("ping.toml", "\"Ping a host\"", "\" \"", "ping.toml:5:11: a text that says nothing"),
        (
            "ping.toml",
            "\"Ping a host\"",
            "\"0123456789012345678901234567890123456789012345678901234567890123x\"",
            "65 characters, and at most 64 fit",
        ),
        ("ping.toml", "seems down. If", "seems down.\\nIf", "U+000A is not"),
        ("ping.toml", "Ping a host", "Ping \u{202e}a host", "U+202E is not"),
        ("ping.toml", "timeout = \"30s\"", "timeout = \"soon\"", "is not a time"),
        ("ping.toml", "concurrency = 3", "concurrency = 0", "at least 1"),
        (
            "ping.toml",
            "concurrency = 3",
            "cache_seconds = 3601",
            "ping.toml:13:17: a result is kept for at most 3600 seconds",
        ),
        ("ping.toml", "concurrency = 3", "cache_seconds = \"1m\"", "expected u32"),
        ("ping.toml", "[sandbox]", "[metadata]\nowner = \"a\\u0007\"\n[sandbox]", "U+0007 is not"),
        ("ping.toml", "[sandbox]", "[metadata]\n\"a b\" = \"x\"\n[sandbox]", "a key is at most 32"),
        ("ping.toml", "max = 100", "max = 0", "min is larger than max"),
        ("ping.toml", "min = 1, max = 100", "min = 1", "a range needs min and max"),
        ("ping.toml", "kind = \"integer\"", "kind = \"int\"", "is not a kind of value"),
        ("ping.toml", "kind = \"integer\"", "kind = \"ports\"", "has no min"),
        ("ping.toml", "name    = \"count\"", "name    = \"target\"", "is a property of every tool"),
        ("ping.toml", "name    = \"count\"", "name    = \"wait\"", "taken at"),
        ("ping.toml", "flag    = \"-c\"", "flag    = \"-W\"", "the option's flag is taken at"),
        ("ping.toml", "flag    = \"-c\"", "flag    = \"c\"", "a flag is"),
        ("ping.toml", "syscalls = \"echo\"", "syscalls = \"none\"", "no syscall profile is called"),
        ("ping.toml", "/usr/bin/ping", "ping", "a path is absolute"),
        ("ping.toml", "\"{target}\"", "\"{target}{options}\"", "{options} is a word of its own"),
        ("ping.toml", "\"{target}\"", "\"--to={targte}\"", "did you mean {target}?"),
        ("ping.toml", ", \"{target}\"", "", "argv needs {target}"),
        ("ping.toml", "name    = \"ping\"", "name    = \"nmap\"", "the name \"nmap\" is taken"),
        ("ping.toml", "aliases = [\"PingTool\"]", "aliases = [\"NmapTool\"]", "is taken"),
        ("ping.toml", "name    = \"ping\"", "name    = \"Ping\"", "lower-case"),
        ("ping.toml", "targets = [\"address\"]", "targets = [\"host\"]", "is not a kind of target"),
        ("traceroute.toml", "\"by-option\"", "\"never\"", "needs sandbox.net_raw"),
        ("nmap.toml", "top_ports = 100", "topports = 100", "the tool has no option \"topports\""),
        ("nmap.toml", "top_ports = 100", "top_ports = 0", "\"0\" does not fit top_ports"),
        ("nmap.toml", "vuln = \"\"\"", "safe = \"\"\"", "the word is both standard and intrusive"),
        ("nmap.toml", "[preset.quick]", "[preset.quick", "nmap.toml:"),
    ];
    for (file, from, to, expected) in cases {
        let shown = defects(&changed(file, from, to));
        assert!(shown.contains(expected), "{from:?} -> {to:?}: expected {expected:?} in\n{shown}");
    }
}

#[test]
fn every_defect_is_reported_at_once() {
    let mut sources = changed("policy.toml", "\"1h\"", "\"soon\"");
    let ping = changed("ping.toml", "default = 3", "default = 101");
    sources.tools = ping.tools;
    let shown = defects(&sources);
    assert!(shown.contains("soon") && shown.contains("101"), "{shown}");
}

#[test]
fn every_key_that_a_file_lacks_is_named_at_once() {
    let mut sources = shipped();
    let text = "name = \"dig\"\n[sandbox]\nread = []\n[[option]]\nname = \"short\"\n[preset.fast]\noptions = {}\n";
    sources.tools.push(Source::new("tools.d/dig.toml", text));
    let shown = defects(&sources);
    for key in ["summary", "command", "targets", "argv", "syscalls", "help"] {
        assert!(shown.contains(&format!("missing field `{key}`")), "{key}: {shown}");
    }
}

#[test]
fn a_file_that_is_left_out_may_be_as_unfinished_as_it_likes() {
    let mut sources = shipped();
    sources
        .tools
        .push(Source::new("tools.d/draft.toml", "name = \"example-dig\"\nsummry = 3\n= ="));
    let policy = validate(&sources, &Accounts::default()).unwrap();
    assert_eq!(policy.tools().len(), shipped().tools.len());
    assert_eq!(policy.excluded()[0].name.as_str(), "example-dig");
}

#[test]
fn a_default_of_the_intrusive_tier_is_refused() {
    let shown =
        defects(&changed("nmap.toml", "flag    = \"-sS\"", "flag    = \"-sS\"\ndefault = true"));
    assert!(shown.contains("cannot be of the intrusive tier"), "{shown}");
}

#[test]
fn files_whose_tool_is_named_like_a_template_are_left_out_with_the_reason() {
    for name in
        ["test-ping", "mockping", "abstract-x", "example", "pingbase", "my-mixin", "x-interface"]
    {
        let mut sources = shipped();
        let text =
            file_of(&mut sources, "ping").text().replacen("\"ping\"", &format!("{name:?}"), 1);
        sources.tools.push(Source::new("tools.d/extra.toml", text));
        let policy = validate(&sources, &Accounts::default()).unwrap();
        assert_eq!(policy.tools().len(), shipped().tools.len(), "{name}");
        assert_eq!(policy.excluded()[0].name, name);
    }
    let sources = changed("ping.toml", "name    = \"ping\"", "name    = \"_ping\"");
    assert_eq!(validate(&sources, &Accounts::default()).unwrap().excluded().len(), 1);
}

#[test]
fn a_tool_with_no_options_at_all_is_legal() {
    let mut sources = shipped();
    let ping = file_of(&mut sources, "ping");
    let (without, _) = ping.text().split_once("[[option]]").unwrap();
    *ping = Source::new("ping.toml", without);
    assert!(validate(&sources, &Accounts::default()).is_ok());
}

#[test]
fn what_would_overflow_a_clock_or_steer_a_reader_is_a_defect() {
    for (file, from, to, words) in [
        ("policy.toml", "\"1h\"", "\"500000000000y\"", "seven days"),
        ("ping.toml", "\"30s\"", "\"8d\"", "seven days"),
        ("policy.toml", "/audit.jsonl\"", "/\\u0000x\"", "control character"),
        ("ping.toml", "\"-n\"", "\"-n\\u0000\"", "NUL"),
        ("nmap.toml", "\"--privileged\"", "\"--privileged\\u0000\"", "NUL"),
        ("policy.toml", "\"512 MiB\"", "\"8 MiB\"", "at least 16 MiB"),
        ("ping.toml", "help    = \"", "help    = \"\u{202e}", "U+202E"),
        ("ping.toml", "\"Check whether", "\"\\u001b[31mCheck whether", "printable"),
    ] {
        let said = defects(&changed(file, from, to));
        assert!(said.contains(words), "{from} to {to}: {said}");
    }
}

#[test]
fn the_usual_slips_are_answered_with_what_to_write() {
    let policy = [
        ("[[grant]]\ngroup", "[grant]\ngroup", "31:1", "write [[grant]], in two brackets"),
        ("[\"10.0.0.0/8\"", "[10.0.0.0/8", "9:18", "write it in quotes: \"10.0.0.0/8\""),
        ("\"1h\"", "3600", "15:24", "timeout = \"3600s\", or \"1h\""),
        ("\"1h\"", "\"3600\"", "15:24", "write the unit, \"3600s\""),
        ("\"512 MiB\"", "536870912", "22:24", "memory = \"536870912 B\", or \"512 MiB\""),
        ("\"10.0.0.0/8\"", "\"::/0\"", "9:14", "\"2000::/3\" for all that is routed of IPv6"),
        ("\"10.0.0.0/8\"", "\"any/thing\"", "9:14", "such as \"10.0.0.0/8\", or an address"),
        ("\"*.lab.internal\"", "\"*\"", "10:14", "as \"*.lab.internal\""),
        ("\"*.lab.internal\"", "\"a.lab.\"", "10:14", "without the dot or blank: \"a.lab\""),
        ("[\"*\"]", "[\"pnig\"]", "33:10", "did you mean \"ping\"?"),
        ("[\"*\"]", "\"ping\"", "33:9", "a list stands in brackets: tools = [\"ping\"]"),
        ("[ceilings]", "[targets]", "14:2", "[targets] stands above already"),
        ("group = \"probity\"", "user = ada", "32:8", "write it in quotes: \"ada\""),
        ("group = \"probity\"", "user = [\"a\"]", "32:8", "another [[grant]] for each"),
        ("[\"*\"]", "[\"*\"]\nintrusive = \"yes\"", "34:13", "without quotes: intrusive = true"),
        ("[\"*\"]", "[\"*\"]\nintrusive = yes", "34:13", "write true"),
        ("= 8 ", "= \"8\" ", "16:24", "write a whole number without quotes: concurrency = 8"),
        ("[ceilings]", "[ceilings]\ndeny = []", "15:1", "deny belongs under [targets]"),
        ("version = 1", "version = 1\nnames = []", "7:1", "names belongs under [targets]"),
        ("version = 1", "version = 3", "6:11", "write version = 1, or install a newer"),
        ("version = 1", "", "1:1", "write version = 1 above the first section"),
        ("max_hosts = 1024", "max_hosts: 1024", "12:12", "write = in place of the colon"),
        ("version = 1", "// mine", "6:4", "a comment begins with #"),
        (
            "[\"10.0.0.0/8\"",
            "[\u{201c}10.0.0.0/8\u{201d}",
            "9:14",
            "straight quotes: \"10.0.0.0/8\"",
        ),
        ("/16\"] #", "/16\" #", "10:1", "the list above is not closed: write ]"),
    ];
    for (from, to, place, expected) in policy {
        let said = defects(&changed("policy.toml", from, to));
        assert!(said.contains(&format!("policy.toml:{place}: ")), "{to}: {said}");
        assert!(said.contains(expected), "{to}: {said}");
    }
    let said = defects(&changed("ping.toml", "timeout = \"30s\"", "timeout = 30"));
    assert!(said.contains("timeout = \"30s\""), "{said}");
}

#[test]
fn what_a_slip_leads_to_is_no_defect_of_its_own() {
    for (from, to) in [
        ("group = \"probity\"", "user = -1"),
        ("/16\"] #", "/16\" #"),
        ("[\"10.0.0.0/8\"", "[\u{201c}10.0.0.0/8\u{201d}"),
        ("self = true", "self = \"ada\""),
    ] {
        let sources = changed("policy.toml", from, to);
        for validate in [validate, validate_with_help] {
            let Err(Defects(found)) = validate(&sources, &Accounts::default()) else {
                panic!("{to}")
            };
            assert_eq!(found.len(), 1, "{to}: {found:?}");
        }
    }
}
