use std::time::{Duration, SystemTime};

use probity_protocol::{Availability, Call, LimitedBy, OptionText, Reason};
use toml::{Table, Value};

use crate::{
    Accounts, Policy, Source, Sources, decide,
    one_tool::{call, defect, owner, policy, read, refused, words},
    plan, validate_with_help,
};

const PORT: &str = r#"
[[tool.option]]
name = "port"
flag = "--port"
value = { kind = "integer", min = 1, max = 65535 }
default = 443
help = "Port."
"#;

#[test]
fn an_ipv6_address_is_in_brackets_in_a_url_and_beside_a_colon_and_nowhere_else() {
    for (word, v4, v6, name) in [
        ("@{target}", "@10.0.0.1", "@fd00::1", "@fd00::5"),
        ("{target}", "10.0.0.1", "fd00::1", "fd00::5"),
        ("[{target}]", "[10.0.0.1]", "[fd00::1]", "[fd00::5]"),
        ("-{family}", "-4", "-6", "-6"),
        ("{target}:443", "10.0.0.1:443", "[fd00::1]:443", "[fd00::5]:443"),
        ("tcp:{target}", "tcp:10.0.0.1", "tcp:[fd00::1]", "tcp:[fd00::5]"),
        ("a:b={target}", "a:b=10.0.0.1", "a:b=fd00::1", "a:b=fd00::5"),
        (
            "{host}:{port}:{target}",
            "10.0.0.1:443:10.0.0.1",
            "[fd00::1]:443:[fd00::1]",
            "web.lab.internal:443:[fd00::5]",
        ),
        (
            "https://{host}/{target}",
            "https://10.0.0.1/10.0.0.1",
            "https://[fd00::1]/[fd00::1]",
            "https://web.lab.internal/[fd00::5]",
        ),
        (
            "host={host},{target}",
            "host=10.0.0.1,10.0.0.1",
            "host=fd00::1,fd00::1",
            "host=web.lab.internal,fd00::5",
        ),
    ] {
        let policy = policy(&format!("[\"{{options}}\", \"{word}\", \"--at={{target}}\"]"), PORT);
        for (target, expected) in [("10.0.0.1", v4), ("fd00::1", v6), ("Web.lab.internal", name)] {
            let words = words(&policy, target, &[]);
            let words: Vec<_> = words.iter().filter(|word| !word.starts_with("--")).collect();
            assert!(words.contains(&&expected.to_owned()), "{word} of {target}: {words:?}");
        }
    }
}

#[test]
fn options_need_a_place_of_their_own_only_where_one_has_no_other() {
    let none = policy(r#"["-n", "{target}"]"#, "");
    assert_eq!(words(&none, "10.0.0.1", &[]), ["-n", "10.0.0.1"]);
    let placed = policy(r#"["{target}:{port}"]"#, PORT);
    assert_eq!(words(&placed, "10.0.0.1", &[("port", "80")]), ["10.0.0.1:80"]);
    let lost = defect(r#"["{target}"]"#, PORT);
    assert_eq!(lost, "argv needs {options}: port has no other place in it");
    let twice = defect(r#"["{options}", "{target}", "{options}"]"#, PORT);
    assert_eq!(twice, "argv has {options} at most once");
    let switch = "[[tool.option]]\nname = \"quiet\"\nflag = \"-q\"\nhelp = \"Less.\"\n";
    assert!(defect(r#"["{target}"]"#, switch).contains("quiet has no other place"));
}

#[test]
fn an_option_that_argv_names_stands_there_alone_and_is_rendered_anew() {
    let policy = policy(r#"["{options}", "{target}:{port}", "p={port}"]"#, PORT);
    assert_eq!(words(&policy, "10.0.0.1", &[]), ["10.0.0.1:443", "p=443"]);
    assert_eq!(words(&policy, "10.0.0.1", &[("port", "80")]), ["10.0.0.1:80", "p=80"]);
}

#[test]
fn words_of_renders_are_templates_too() {
    let more = format!(
        "{PORT}[[tool.option]]\nname = \"pinned\"\nflag = \"--pin\"\nhelp = \"Pins.\"\n\
         renders = [\"--pin\", \"{{host}}:{{port}}:{{target}}\", \"%{{{{json}}}}\"]"
    );
    let policy = policy(r#"["{options}", "{target}"]"#, &more);
    let pinned = words(&policy, "web.lab.internal", &[("pinned", "true")]);
    // Only renders names the port, so it has its flag besides.
    let expected =
        ["--port", "443", "--pin", "web.lab.internal:443:[fd00::5]", "%{json}", "fd00::5"];
    assert_eq!(pinned, expected);
}

#[test]
fn a_doubled_brace_stands_for_itself_and_a_value_is_never_looked_through() {
    let more = r#"
[[tool.option]]
name = "form"
flag = "--form"
value = { kind = "rendered", rendered = { odd = "{target}{{x" } }
help = "Odd."
default = "odd"
"#;
    let policy = policy(r#"["{options}", "{{{target}}}", "{{target}}", "f={form}"]"#, more);
    assert_eq!(words(&policy, "10.0.0.1", &[]), ["{10.0.0.1}", "{target}", "f={target}{{x"]);
}

#[test]
fn what_is_no_template_is_refused_with_what_there_is_and_what_was_meant() {
    let within =
        |word: &str| defect(&format!("[\"{{options}}\", \"{{target}}\", \"{word}\"]"), PORT);
    assert_eq!(
        within("x{hots}"),
        "there is no placeholder {hots}; there are {options}, {mode}, {target}, {host}, {family}, {port}: \
         did you mean {host}?"
    );
    assert!(within("{Port}").ends_with("did you mean {port}?"));
    for word in ["a{", "a}", "}{", "{}", "{{}", "{tar{get}}", "%{"] {
        assert!(within(word).contains("write {{ or }}"), "{word}: {}", within(word));
    }
    for word in ["x{options}", "{mode}x", "{options}{target}"] {
        assert!(within(word).contains("is a word of its own"), "{word}: {}", within(word));
    }
}

#[test]
fn a_value_within_a_word_is_always_there() {
    let without = PORT.replace("default = 443\n", "");
    let said = defect(r#"["{options}", "{target}:{port}"]"#, &without);
    assert!(said.contains("\"port\" stands within a word, so it needs a default"), "{said}");
    let switch = "[[tool.option]]\nname = \"loud\"\nflag = \"-l\"\nhelp = \"Loud.\"";
    let said = defect(r#"["{options}", "{target}", "{loud}"]"#, switch);
    assert!(said.contains("has no value to stand there"), "{said}");
}

#[test]
fn a_value_after_its_own_colon_goes_with_it() {
    let without = PORT.replace("default = 443\n", "");
    let policy = policy(r#"["{options}", "https://{host}{:port}/", "{target}{:port}"]"#, &without);
    for (target, port, url, bare) in [
        ("10.0.0.1", None, "https://10.0.0.1/", "10.0.0.1"),
        ("10.0.0.1", Some("80"), "https://10.0.0.1:80/", "10.0.0.1:80"),
        ("fd00::1", None, "https://[fd00::1]/", "[fd00::1]"),
        ("fd00::1", Some("80"), "https://[fd00::1]:80/", "[fd00::1]:80"),
        ("web.lab.internal", Some("80"), "https://web.lab.internal:80/", "[fd00::5]:80"),
    ] {
        let given: Vec<_> = port.iter().map(|port| ("port", *port)).collect();
        assert_eq!(words(&policy, target, &given), [url, bare]);
    }
    let said = defect(r#"["{options}", "{target}{:prot}"]"#, PORT);
    assert!(said.contains("no placeholder {prot}"), "{said}");
    assert!(policy.to_toml().unwrap().contains("https://{host}{:port}/"));
}

#[test]
fn a_tools_own_ceiling_holds_where_it_is_less_than_the_policys() {
    let timed = |time: &str, seconds: u64| {
        let policy = policy(r#"["{target}"]"#, time);
        let mut call = call("10.0.0.1", &[], "");
        call.limits.timeout = Some(Duration::from_secs(seconds));
        (policy, call)
    };
    let (short, asked) = timed("max_timeout = \"60s\"", 61);
    let (reason, said, _) = refused(&short, &asked);
    assert!(matches!(reason, Reason::Time { by: LimitedBy::Tool, .. }), "{reason:?}");
    assert!(said.contains("more than this tool's ceiling of 60 s"), "{said}");
    let run = |(policy, call): (Policy, Call)| {
        plan(decide(&policy, &owner(), &call, SystemTime::now()).unwrap()).limits().timeout
    };
    assert_eq!(run(timed("max_timeout = \"60s\"", 60)), Duration::from_secs(60));
    // Without a word of its own a run has no longer than that either.
    let mut unsaid = timed("max_timeout = \"60s\"", 1);
    unsaid.1.limits.timeout = None;
    assert_eq!(run(unsaid), Duration::from_secs(60));
    let catalog = crate::catalog(&short, &owner(), SystemTime::now(), |_| Availability::Available);
    let ceiling = catalog.allowance_of(&catalog.tools[0]).timeout_ceiling;
    assert_eq!(ceiling, Duration::from_secs(60));
    let said = defect(r#"["{target}"]"#, "timeout = \"2m\"\nmax_timeout = \"60s\"");
    assert!(said.starts_with("less than timeout"), "{said}");
}

#[test]
fn the_name_that_a_askedasks_by_can_be_a_default() {
    let name = "[[tool.option]]\nname = \"name\"\nflag = \"--name\"\nvalue = { kind = \"dns_name\" }\n\
                default = \"{host}\"\nhelp = \"Name.\"\n";
    let policy = policy(r#"["{options}", "{target}"]"#, name);
    assert_eq!(words(&policy, "Web.lab.internal", &[]), ["--name", "web.lab.internal", "fd00::5"]);
    assert_eq!(words(&policy, "10.0.0.1", &[]), ["10.0.0.1"]);
    let other = words(&policy, "web.lab.internal", &[("name", "db.lab.internal")]);
    assert_eq!(other, ["--name", "db.lab.internal", "fd00::5"]);
    assert!(policy.to_toml().unwrap().contains("default = \"{host}\""));
    let port = PORT.replace("443", "\"{host}\"");
    assert!(defect(r#"["{options}", "{target}"]"#, &port).contains("does not fit port"));
}

#[test]
fn the_address_that_was_checked_is_always_given() {
    for argv in [r#"["{options}"]"#, r#"["{options}", "https://{host}/"]"#] {
        assert!(defect(argv, PORT).starts_with("argv needs {target}"));
    }
    let twice = defect(r#"["{options}", "{target}", "{target}"]"#, PORT);
    assert!(twice.contains("at most once"), "{twice}");
}

#[test]
fn a_network_is_no_host() {
    let mut document = r#"["{options}", "{target}", "{host}:{port}"]"#.to_owned();
    document.push_str("\nmax_hosts = 1");
    assert!(read(&document, PORT).is_ok());
    let networks = read(r#"["{options}", "{target}", "{host}"]"#, PORT).unwrap().to_toml().unwrap();
    let networks = networks.replace("targets = [\"address\"]", "targets = [\"network\"]");
    let sources =
        Sources { policy: Source::new("p", networks), tools: Vec::new(), drop_ins: Vec::new() };
    let said = validate_with_help(&sources, &Accounts::default()).unwrap_err().to_string();
    assert!(said.contains("this tool takes networks"), "{said}");
}

#[test]
fn the_effective_form_has_each_word_as_it_was_written() {
    let argv = r#"["{options}", "@{target}", "https://{host}:{port}{{x}}", "{port}"]"#;
    let written = policy(argv, PORT);
    let effective: Table = toml::from_str(&written.to_toml().unwrap()).unwrap();
    let shown = &effective["tool"][0]["argv"];
    assert_eq!(*shown, toml::from_str::<Table>(&format!("a = {argv}")).unwrap()["a"]);
    let again = Source::new("policy.toml", toml::to_string(&Value::Table(effective)).unwrap());
    let sources = Sources { policy: again, tools: Vec::new(), drop_ins: Vec::new() };
    let again = validate_with_help(&sources, &Accounts::default()).unwrap();
    assert_eq!(again.digest(), written.digest());
}

const QUESTION: &str = r#"
[[tool.option]]
name = "question"
value = { kind = "text", class = "word", max_length = 20 }
help = "What to ask."
"#;

#[test]
fn an_operand_stands_where_argv_names_it_and_is_left_out_where_it_is_not_set() {
    let policy =
        policy(r#"["@{target}", "{question}", "{options}"]"#, &(QUESTION.to_owned() + PORT));
    assert_eq!(words(&policy, "fd00::1", &[]), ["@fd00::1", "--port", "443"]);
    let asked = words(&policy, "fd00::1", &[("port", "53"), ("question", "www")]);
    assert_eq!(asked, ["@fd00::1", "www", "--port", "53"]);
}

#[test]
fn an_operand_is_a_property_and_no_word_of_extra_args() {
    let policy =
        policy(r#"["@{target}", "{question}", "{options}"]"#, &(QUESTION.to_owned() + PORT));
    for words in ["www", "--port 53 www", "--question www", "--question=www"] {
        let (reason, _, instead) = refused(&policy, &call("10.0.0.1", &[], words));
        assert!(matches!(reason, Reason::Operand(_) | Reason::OptionUnknown(_)), "{reason:?}");
        let instead = instead.unwrap_or_else(|| panic!("nothing instead of {words}"));
        let given = instead.options.iter().map(|o| (o.name.as_str(), o.value.as_ref().unwrap()));
        let www = OptionText::new("www").unwrap();
        assert_eq!(given.collect::<Vec<_>>(), [("question", &www)], "{words}");
    }
    let (_, said, instead) = refused(&policy, &call("10.0.0.1", &[("question", "-x")], ""));
    assert!(
        said.starts_with("question does not take \"-x\": expected at most 20 characters"),
        "{said}"
    );
    assert_eq!(instead, None);
    let twice = call("10.0.0.1", &[("question", "a"), ("question", "b")], "");
    assert!(refused(&policy, &twice).1.starts_with("question is given more than once."));
}

#[test]
fn an_option_without_a_flag_says_what_it_is_on_the_command_line() {
    let argv = r#"["{options}", "{target}"]"#;
    assert!(defect(argv, QUESTION).ends_with("and none has {question}"));
    let switch = "[[tool.option]]\nname = \"tcp\"\nhelp = \"By TCP.\"\n";
    assert!(defect(argv, switch).contains("has one, or the words that it renders"));
    let joined = QUESTION.replace("help", "join = \"attached\"\nhelp");
    assert!(defect(r#"["{options}", "{target}", "{question}"]"#, &joined).contains("about a flag"));
    let policy = policy(argv, &format!("{switch}renders = [\"+tcp\"]"));
    assert_eq!(words(&policy, "10.0.0.1", &[("tcp", "true")]), ["+tcp", "10.0.0.1"]);
}
