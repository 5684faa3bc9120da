use std::collections::BTreeSet;

use toml::{Table, Value as Toml};

use super::*;
use crate::{
    accounts::Accounts,
    load::{Origin, load},
    source::{Source, Sources},
    validate::validate,
};

fn shipped() -> Sources {
    load(&Origin::Shipped).unwrap()
}

fn read(sources: &Sources) -> Policy {
    validate(sources, &Accounts::default()).unwrap_or_else(|defects| panic!("{defects}"))
}

/// A policy of this one document.
fn inline(text: impl Into<String>) -> Sources {
    Sources { policy: Source::new("policy.toml", text), tools: Vec::new(), drop_ins: Vec::new() }
}

/// One key of a document, as the way to it.
type KeyPath = Vec<Step>;

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// The ways to everything that is no table and no list of tables.
fn leaves(value: &Toml, way: &KeyPath, found: &mut Vec<KeyPath>) {
    let mut next = |step, value: &Toml| {
        let mut way = way.clone();
        way.push(step);
        leaves(value, &way, found);
    };
    match value {
        Toml::Table(table) => table.iter().for_each(|(k, v)| next(Step::Key(k.clone()), v)),
        Toml::Array(array) => array.iter().enumerate().for_each(|(at, v)| next(Step::Index(at), v)),
        _ => found.push(way.clone()),
    }
}

fn at_way<'t>(document: &'t mut Toml, way: &[Step]) -> &'t mut Toml {
    way.iter().fold(document, |value, step| match step {
        Step::Key(key) => value.get_mut(key).unwrap(),
        Step::Index(at) => value.get_mut(*at).unwrap(),
    })
}

/// Other values for a key, of which validation accepts some.
fn others(value: &Toml) -> Vec<Toml> {
    const WORDS: &[&str] = &[
        "7s",
        "50s",
        "32 MiB",
        "10.9.0.0/16",
        "*.x.lab.internal",
        "/usr/bin/other",
        "standard",
        "intrusive",
        "never",
        "always",
        "by-option",
        "unless-ping-socket",
        "base",
        "network",
        "address",
        "equals",
        "attached",
        "separate",
        "ports",
        "--other",
        "22",
        "vuln",
        "safe",
        "nmap",
        "any",
        "http",
        "https",
        "imap",
        "insecure",
    ];
    match value {
        Toml::Boolean(on) => vec![Toml::Boolean(!on)],
        Toml::Integer(n) => vec![Toml::Integer(n + 1), Toml::Integer(n - 1)],
        Toml::Float(n) => vec![Toml::Float(n + 0.25)],
        Toml::String(text) => {
            let longer = Toml::String(format!("{text}x"));
            let words = WORDS.iter().filter(|word| *word != text);
            std::iter::once(longer).chain(words.map(|w| Toml::String((*w).into()))).collect()
        }
        other => panic!("no other value for {other:?}"),
    }
}

#[test]
fn the_shipped_policy_written_down_reads_as_the_same_policy() {
    let policy = read(&shipped());
    let written = policy.to_toml().unwrap();
    let again = read(&inline(written.clone()));
    assert_eq!(again.digest(), policy.digest());
    assert_eq!(again.to_toml().unwrap(), written);
}

#[test]
fn every_key_of_the_shipped_policy_changes_the_digest_and_reads_back() {
    let policy = read(&shipped());
    let document: Toml = policy.to_toml().unwrap().parse::<Table>().unwrap().into();
    let mut ways = Vec::new();
    leaves(&document, &KeyPath::new(), &mut ways);
    assert!(ways.len() > 200, "{}", ways.len());
    let (mut keys, mut changed_keys) = (BTreeSet::new(), BTreeSet::new());
    for way in &ways {
        let mut changed = document.clone();
        let accepted = others(&at_way(&mut changed, way).clone()).into_iter().find_map(|other| {
            *at_way(&mut changed, way) = other;
            let sources = inline(toml::to_string(&changed).unwrap());
            validate(&sources, &Accounts::default()).ok()
        });
        let key = way.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.clone()),
            Step::Index(_) => None,
        });
        keys.extend(key.clone());
        // Some keys hang together, so that no other value is accepted for one of them alone.
        let Some(changed) = accepted else { continue };
        changed_keys.extend(key);
        assert_ne!(changed.digest(), policy.digest(), "{way:?}");
        let written = changed.to_toml().unwrap();
        let again = read(&inline(written.clone()));
        assert_eq!(again.to_toml().unwrap(), written, "{way:?}");
        assert_eq!(again.digest(), changed.digest(), "{way:?}");
    }
    // Each key was changed somewhere, but self and default_target, which have one value, kind, which changes with the keys
    // of the kind, and what names options that a change would set against each other.
    let fixed: Vec<_> = keys.difference(&changed_keys).map(String::as_str).collect();
    assert_eq!(fixed, ["default_target", "kind", "requires", "self", "way"]);
}

#[test]
fn comments_order_spelling_and_written_out_defaults_leave_the_digest_alone() {
    let digest = read(&shipped()).digest();
    let same = [
        ("version = 1", "version = 1 # the first"),
        (
            "\"10.0.0.0/8\", \"172.16.0.0/12\"",
            "\"172.16.0.0/12\", \"10.0.0.0/9\", \"10.128.0.0/9\"",
        ),
        ("\"1h\"", "\"60m\""),
        ("\"512 MiB\"", "\"524288 KiB\""),
        ("connections          = 256", ""),
        ("landlock_abi_min = 2", ""),
        ("tools = [\"*\"]", "intrusive = false\ntools = [\"*\", \"PingTool\"]"),
        ("*.lab.internal", "*.LAB.internal"),
    ];
    for (from, to) in same {
        let mut sources = shipped();
        let text = sources.policy.text();
        assert!(text.contains(from), "{from:?}");
        sources.policy = Source::new("elsewhere.toml", text.replacen(from, to, 1));
        sources.tools.reverse();
        assert_eq!(read(&sources).digest(), digest, "{from:?} -> {to:?}");
    }
}

#[test]
fn the_order_of_options_is_the_order_on_the_command_line_and_part_of_the_digest() {
    let policy = read(&shipped());
    let mut raw = policy.effective();
    let place = policy.tools().iter().position(|tool| tool.name.as_str() == "ping").unwrap();
    let ping = &mut raw.tools[place];
    let mut tool = std::mem::replace(ping, at(tool(&policy.tools()[place]))).into_inner();
    tool.options.reverse();
    *ping = at(tool);
    let reversed = read(&inline(toml::to_string(&raw).unwrap()));
    assert_ne!(reversed.digest(), policy.digest());
}

#[test]
fn a_timeout_that_is_written_out_differs_from_one_that_a_frontend_may_lower() {
    let mut sources = shipped();
    let ping = sources.tools.iter_mut().find(|tool| tool.name().ends_with("ping.toml")).unwrap();
    let (with, without) =
        ["timeout = \"5m\"", ""].map(|key| ping.text().replace("timeout = \"30s\"", key)).into();
    let digest_of = |text: String, sources: &Sources| {
        let tools = vec![Source::new("ping.toml", text)];
        read(&Sources { policy: sources.policy.clone(), tools, drop_ins: Vec::new() }).digest()
    };
    let sources = sources.clone();
    assert_ne!(digest_of(with, &sources), digest_of(without, &sources));
}

#[test]
fn sizes_are_exact_and_in_the_largest_unit_that_fits() {
    for (bytes, written) in
        [(0, "0 B"), (1000, "1000 B"), (1536, "1536 B"), (3 << 20, "3 MiB"), (1 << 30, "1 GiB")]
    {
        assert_eq!(size(bytes), written);
        assert_eq!(written.parse::<bytesize::ByteSize>().unwrap().as_u64(), bytes);
    }
}
