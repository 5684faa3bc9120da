//! What reaches a command line, held against a reader that knows nothing of the code that decides: each
//! word is taken apart by its template, and its parts are judged by their text alone. For random files and
//! calls it and the decision agree.

use std::{net::IpAddr, time::SystemTime};

use probity_protocol::{Call, Identifier, OptionText, Target};
use proptest::prelude::*;

use crate::one_tool::{call, owner, read_under};

/// Words that a file may have, and the options that they need.
const WORDS: [&str; 8] = [
    "@{target}",
    "{target}",
    "{host}:{port}:{target}",
    "{scheme}://{host}:{port}{path}",
    "x={target},p={port}",
    "{question}",
    "n={{{port}}}",
    "{names}",
];

const OPTIONS: &str = r#"
[[tool.option]]
name = "port"
flag = "--port"
value = { kind = "integer", min = 1, max = 65535 }
default = 80
help = "Port."
[[tool.option]]
name = "scheme"
flag = "--scheme"
value = { kind = "enumeration", words = ["http", "https"] }
default = "http"
help = "Scheme."
[[tool.option]]
name = "path"
flag = "--path"
value = { kind = "url_path", max_length = 12 }
default = "/"
help = "Path."
[[tool.option]]
name = "question"
flag = "--question"
value = { kind = "dns_name" }
help = "Name."
[[tool.option]]
name = "names"
flag = "--names"
value = { kind = "list", of = { kind = "dns_name" }, max = 2 }
help = "Names."
"#;

const GRANTS: &str = r#"
{ self = true, tools = ["*"], networks = ["10.1.0.0/16"], names = ["*.one.lab.internal"] },
{ self = true, tools = ["*"], networks = ["10.2.0.0/16", "fd00::/8"], names = ["*.two.lab.internal"] }"#;

const TARGETS: [&str; 7] = [
    "10.1.0.1",
    "10.2.0.1",
    "10.3.0.1",
    "fd00::1",
    "fe00::1",
    "a.one.lab.internal",
    "b.two.lab.internal",
];

const VALUES: [(&str, &[&str]); 5] = [
    ("port", &["443", "0", "65536", "08", "{host}", "8@x", "-1"]),
    ("scheme", &["https", "ftp", "http:", "{target}"]),
    (
        "path",
        &[
            "/a",
            "/%20",
            "//a",
            "/..",
            "/%2e%2e",
            "/a@b",
            "/[1]",
            "a",
            "/%zz",
            "/aaaaaaaaaaaa",
            "/{x}",
            "/%25",
        ],
    ),
    ("question", NAMES),
    (
        "names",
        &[
            "a.one.lab.internal,1.0.1.10.in-addr.arpa",
            "x.a.one.lab.internal",
            "b.two.lab.internal,b.two.lab.internal",
            "b.two.lab.internal",
            "a.one.lab.internal,b.two.lab.internal",
            "a.one.lab.internal,b.one.lab.internal,c.one.lab.internal",
            "-x",
            ",",
        ],
    ),
];

const NAMES: &[&str] = &[
    "a.one.lab.internal",
    "B.two.lab.internal",
    "one.lab.internal",
    "example.com",
    "1.0.1.10.in-addr.arpa",
    "1.0.2.10.in-addr.arpa",
    "8.8.8.8.in-addr.arpa",
    "0.1.10.in-addr.arpa",
    "-x.one.lab.internal",
    "a.one.lab.internal.",
    "{target}",
    "10.1.0.1",
    "@10.1.0.1",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
];

/// Which of the two grants reaches an address.
fn grant_of(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [10, 1, ..] => Some(1),
            [10, 2, ..] => Some(2),
            _ => None,
        },
        IpAddr::V6(v6) => (v6.octets()[0] == 0xfd).then_some(2),
    }
}

/// Whether a name is within a grant: its labels end as the grant's do, or spell an address of its own.
fn names_within(grant: usize, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let labels: Vec<&str> = name.split('.').collect();
    let plain = |label: &&str| {
        let edges = !label.starts_with('-') && !label.ends_with('-');
        edges
            && !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    if !labels.iter().all(plain) {
        return false;
    }
    let own = ["", "one", "two"][grant];
    let reversed: Vec<&str> = labels.iter().rev().copied().collect();
    match reversed.as_slice() {
        ["internal", "lab", second, _, ..] => *second == own,
        ["arpa", "in-addr", octets @ ..] if octets.len() == 4 => {
            octets.join(".").parse().ok().and_then(grant_of) == Some(grant)
        }
        ["arpa", "ip6", digits @ ..] if digits.len() == 32 => {
            let groups: Vec<String> = digits.chunks(4).map(|four| four.concat()).collect();
            groups.join(":").parse().ok().and_then(grant_of) == Some(grant)
        }
        _ => false,
    }
}

/// Whether a text is a value, for a call that this grant allows.
fn is_value(option: &str, text: &str, grant: usize) -> bool {
    match option {
        "port" => text.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == text),
        "scheme" => text == "http" || text == "https",
        "path" => {
            let rest = text.strip_prefix('/').unwrap_or("/");
            let fine = |c: char| c.is_ascii_alphanumeric() || c == ' ';
            // Of all that a path may have, these texts have letters, digits and an encoded blank.
            text.len() <= 12 && !rest.contains("..") && rest.replace("%20", " ").chars().all(fine)
        }
        "question" => names_within(grant, text),
        _ => {
            let parts: Vec<&str> = text.split(',').collect();
            let twice = parts.len() == 2 && parts[0].eq_ignore_ascii_case(parts[1]);
            parts.len() <= 2 && !twice && parts.iter().all(|name| names_within(grant, name))
        }
    }
}

/// Takes a word apart by its template, and hands each part with its placeholder to `part`.
fn taken_apart(template: &str, word: &str, part: &mut dyn FnMut(&str, &str) -> bool) -> bool {
    let Some(open) = template.find('{') else { return template == word };
    let (literal, rest) = template.split_at(open);
    let Some(word) = word.strip_prefix(literal) else { return false };
    if let Some(rest) = rest.strip_prefix("{{") {
        return word.strip_prefix('{').is_some_and(|word| taken_apart(rest, word, part));
    }
    let (name, rest) = rest[1..].split_once('}').unwrap();
    // A part ends where the text after it begins: in brackets after them, and a path is the rest.
    let (value, word) = match (word.strip_prefix('['), rest.chars().next()) {
        (Some(inside), _) => match inside.split_once(']') {
            Some((inside, _)) => word.split_at(inside.len() + 2),
            None => return false,
        },
        (None, Some('{')) if !rest.starts_with("{{") => {
            word.split_at(word.find('/').unwrap_or(word.len()))
        }
        (None, Some(next)) => word.split_at(word.find(next).unwrap_or(word.len())),
        (None, None) => word.split_at(word.len()),
    };
    let rest = rest.strip_prefix("}}").map_or(rest.to_owned(), |rest| format!("\u{1}{rest}"));
    let word = match rest.starts_with('\u{1}') {
        true => word.replacen('}', "\u{1}", 1),
        false => word.to_owned(),
    };
    part(name, value) && taken_apart(&rest, &word, part)
}

proptest! {
    #[test]
    fn an_independent_reader_of_the_command_line_agrees_with_the_decision(
        words in prop::sample::subsequence(WORDS.to_vec(), 1..=WORDS.len()),
        asked in prop::collection::vec(
            (
                prop::sample::select(TARGETS.to_vec()),
                prop::sample::subsequence(VALUES.to_vec(), 0..=2),
                any::<prop::sample::Index>(),
            ),
            20,
        ),
    ) {
        let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        let argv = format!("[\"{{options}}\", {}]", quoted.join(", "));
        let Ok(policy) = read_under("", GRANTS, &argv, OPTIONS) else {
            prop_assert!(!words.iter().any(|word| word.contains("{target}")), "{:?}", words);
            return Ok(());
        };
        for (target, options, which) in asked {
            let given: Vec<(&str, &str)> =
                options.iter().map(|(name, values)| (*name, *which.get(values))).collect();
            let sendable = given.iter().all(|(_, text)| OptionText::new(*text).is_ok());
            prop_assert!(sendable);
            let Call { target: aimed, .. } = call(target, &given, "");
            // Names have an address of the second grant alone.
            let (address, name) = match &aimed {
                Target::Name { name, addresses } => (addresses[0], Some(name.to_string())),
                Target::Address(address) => (*address, None),
                other => panic!("{other:?}"),
            };
            let grant = grant_of(address)
                .filter(|grant| name.as_ref().is_none_or(|name| names_within(*grant, name)));
            let expected = grant.is_some_and(|grant| {
                given.iter().all(|(name, text)| is_value(name, text, grant))
            });
            let asked = call(target, &given, "");
            let decided = crate::decide(&policy, &owner(), &asked, SystemTime::now());
            prop_assert_eq!(decided.is_ok(), expected, "{} {:?} {:?}", target, given, decided.err());
            let Ok(approved) = crate::decide(&policy, &owner(), &asked, SystemTime::now()) else {
                continue;
            };
            let rendered = crate::plan(approved).arguments().to_vec();
            let is_set = |name: &str| given.iter().any(|(given, _)| *given == name);
            let left: Vec<&&str> = words
                .iter()
                .filter(|word| match **word {
                    "{question}" => is_set("question"),
                    "{names}" => is_set("names"),
                    _ => true,
                })
                .collect();
            // What no word names stands among the options, before them.
            let own = &rendered[rendered.len() - left.len()..];
            for (template, word) in left.iter().zip(own) {
                let host = name.clone().unwrap_or_else(|| address.to_string());
                let mut fine = |placeholder: &str, value: &str| {
                    let bare = value.trim_start_matches('[').trim_end_matches(']');
                    match placeholder {
                        "target" => bare.parse() == Ok(address),
                        "host" => bare == host,
                        name => is_value(name, value, grant.unwrap()),
                    }
                };
                prop_assert!(taken_apart(template, word, &mut fine), "{} by {}", word, template);
                let is_v6 = |text: &str| text.contains(':');
                let touches = template.contains("://") || template.contains("}:") || template.contains(":{");
                if is_v6(&address.to_string()) && template.contains("{target}") {
                    prop_assert_eq!(word.contains(&format!("[{address}]")), touches, "{}", word);
                }
            }
            for (name, _) in &given {
                prop_assert!(Identifier::new(*name).is_ok());
                let is_named = words.iter().any(|word| word.contains(&format!("{{{name}}}")));
                let by_flag = rendered.contains(&format!("--{name}"));
                prop_assert_eq!(by_flag, !is_named, "{}", name);
            }
        }
    }
}
