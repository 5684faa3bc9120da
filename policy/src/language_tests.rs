//! docs/policy.md against the code: each key of each table is there and no other, its default is the
//! one in effect, what is said to be accepted is, and what is said to be refused is refused.

use probity_protocol::{ParseColumn, ParseTable};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::*;
use crate::{
    raw::{
        RawApprover, RawAudit, RawBreaker, RawCeilings, RawDropIn, RawGlobalSandbox, RawGrant,
        RawMode, RawOption, RawPolicy, RawPreset, RawRange, RawSandbox, RawSet, RawTargets,
        RawTool, RawValue,
    },
    validate_with_help,
};

const PAGE: &str = include_str!("../../docs/policy.md");

/// A section of the page with a table of keys.
struct Section {
    heading: &'static str,
    /// The keys that the code knows.
    known: fn() -> Vec<String>,
    /// The way to such a table in the page's policy, with its tool in it.
    way: &'static [&'static str],
    /// The examples are whole tables, since their keys hang together.
    whole: bool,
}

const SECTIONS: &[Section] = &[
    Section { heading: "policy.toml", known: keys::<RawPolicy>, way: &[], whole: false },
    Section { heading: "[targets]", known: keys::<RawTargets>, way: &["targets"], whole: false },
    Section { heading: "[ceilings]", known: keys::<RawCeilings>, way: &["ceilings"], whole: false },
    Section {
        heading: "[sandbox]",
        known: keys::<RawGlobalSandbox>,
        way: &["sandbox"],
        whole: false,
    },
    Section { heading: "[set.NAME]", known: keys::<RawSet>, way: &["set", "lab"], whole: false },
    Section { heading: "[[grant]]", known: keys::<RawGrant>, way: &["grant"], whole: true },
    Section {
        heading: "[[approver]]",
        known: keys::<RawApprover>,
        way: &["approver"],
        whole: true,
    },
    Section {
        heading: "options of a grant",
        known: || {
            [keys::<RawRange>(), ["deny", "a list", "a text"].map(str::to_owned).to_vec()].concat()
        },
        way: &["grant"],
        whole: true,
    },
    Section { heading: "policy.d", known: keys::<RawDropIn>, way: &[], whole: false },
    Section { heading: "[audit]", known: keys::<RawAudit>, way: &["audit"], whole: false },
    Section { heading: "tools.d/NAME.toml", known: keys::<RawTool>, way: &["tool"], whole: false },
    Section { heading: "mode", known: keys::<RawMode>, way: &["tool", "mode"], whole: true },
    Section {
        heading: "[breaker]",
        known: keys::<RawBreaker>,
        way: &["tool", "breaker"],
        whole: false,
    },
    Section {
        heading: "[sandbox] of a tool",
        known: keys::<RawSandbox>,
        way: &["tool", "sandbox"],
        whole: false,
    },
    Section { heading: "[parse]", known: keys::<ParseTable>, way: &["tool", "parse"], whole: true },
    Section {
        heading: "[[parse.column]]",
        known: keys::<ParseColumn>,
        way: &["tool", "parse"],
        whole: true,
    },
    Section {
        heading: "[[option]]",
        known: keys::<RawOption>,
        way: &["tool", "option"],
        whole: false,
    },
    Section {
        heading: "value",
        known: keys::<RawValue>,
        way: &["tool", "option", "value"],
        whole: true,
    },
    Section {
        heading: "[preset.NAME]",
        known: keys::<RawPreset>,
        way: &["tool", "preset", "loud"],
        whole: false,
    },
];

/// The keys of a type, by what serde says to one that it has not.
fn keys<T: DeserializeOwned>() -> Vec<String> {
    let error = toml::from_str::<T>("no-such-key = 1").err().unwrap().to_string();
    let (_, known) = error.split_once("expected ").unwrap_or_else(|| panic!("{error}"));
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

struct Row {
    key: String,
    default: String,
    accepted: String,
    refused: String,
}

fn rows(heading: &str) -> Vec<Row> {
    let (_, section) = PAGE.split_once(&format!("\n### {heading}\n")).expect(heading);
    let section = section.split("\n#").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 5 || cells.get(3) == Some(&"see below"), "{line}");
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default().to_owned();
        let key = cell(0).trim_matches('`').to_owned();
        Row { key, default: cell(2), accepted: cell(3), refused: cell(4) }
    };
    lines.map(row).collect()
}

/// The page's own example, with its tool in it.
fn example() -> Table {
    let mut blocks = PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut parse = || blocks.next().unwrap().parse::<Table>().unwrap();
    let (mut policy, tool) = (parse(), parse());
    policy.insert("tool".into(), Value::Array(vec![Value::Table(tool)]));
    policy
}

/// The table at the end of a way; of a list of tables the first.
fn table_at<'t>(document: &'t mut Table, way: &[&str]) -> &'t mut Table {
    way.iter().fold(document, |table, key| {
        let next = table.entry(*key).or_insert_with(|| Value::Table(Table::new()));
        match next {
            Value::Array(array) => array[0].as_table_mut().unwrap(),
            Value::Table(table) => table,
            other => panic!("{key} is {other:?}"),
        }
    })
}

fn read(document: &Table) -> Result<Policy, Defects> {
    let policy = Source::new("policy.toml", toml::to_string(document).unwrap());
    validate_with_help(
        &Sources { policy, tools: Vec::new(), drop_ins: Vec::new() },
        &Accounts::default(),
    )
}

/// A cell's value, where it has one.
fn value(cell: &str) -> Option<Value> {
    let text = cell.strip_prefix('`')?.strip_suffix('`')?;
    let document = format!("x = {text}").parse::<Table>().unwrap_or_else(|e| panic!("{cell}: {e}"));
    document.get("x").cloned()
}

fn with(section: &Section, key: &str, value: Value) -> Result<Policy, Defects> {
    let mut document = example();
    let table = table_at(&mut document, section.way);
    match value {
        Value::Table(whole) if section.whole => *table = whole,
        value => drop(table.insert(key.to_owned(), value)),
    }
    read(&document)
}

#[test]
fn the_page_has_every_key_and_no_other() {
    for section in SECTIONS {
        let mut known = (section.known)();
        let mut written: Vec<_> = rows(section.heading).into_iter().map(|row| row.key).collect();
        known.sort();
        written.sort();
        assert_eq!(written, known, "{}", section.heading);
    }
}

#[test]
fn the_examples_of_the_page_are_a_policy() {
    let policy = read(&example()).unwrap_or_else(|defects| panic!("{defects}"));
    assert_eq!(policy.tools().len(), 1);
}

#[test]
fn what_the_page_says_is_accepted_is_and_what_it_says_is_refused_is_not() {
    let mut tried = 0;
    for section in SECTIONS {
        for row in rows(section.heading) {
            let place = format!("{} {}", section.heading, row.key);
            if let Some(accepted) = value(&row.accepted) {
                let policy = with(section, &row.key, accepted);
                policy.unwrap_or_else(|defects| panic!("{place}: {defects}"));
                tried += 1;
            }
            if let Some(refused) = value(&row.refused) {
                assert!(with(section, &row.key, refused).is_err(), "{place}");
                tried += 1;
            }
        }
    }
    assert!(tried > 90, "{tried}");
}

#[test]
fn what_the_page_says_is_the_default_is() {
    for section in SECTIONS.iter().filter(|section| !section.whole) {
        for row in rows(section.heading).into_iter().filter(|row| row.accepted != "see below") {
            let place = format!("{} {}", section.heading, row.key);
            let mut document = example();
            table_at(&mut document, section.way).remove(&row.key);
            let policy = read(&document);
            if row.default.starts_with("required") {
                let said = policy.unwrap_err().to_string();
                assert!(said.contains(&format!("missing field `{}`", row.key)), "{place}: {said}");
                continue;
            }
            let policy = policy.unwrap_or_else(|defects| panic!("{place}: {defects}"));
            let mut effective = policy.to_toml().unwrap().parse::<Table>().unwrap();
            let in_effect = table_at(&mut effective, section.way).get(&row.key).cloned();
            assert_eq!(value(&row.default), in_effect, "{place}");
        }
    }
}

/// What the page says of values that are judged by more than their spelling.
#[test]
fn the_values_that_the_page_shows_are_accepted_and_refused() {
    let (_, section) = PAGE.split_once("#### Names, paths and lists\n").unwrap();
    let section = section.split("\n#").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let mut tried = 0;
    for line in lines {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let kind = match cells[0] {
            "`dns_name`" => "kind = \"dns_name\"",
            "`url_path`" => "kind = \"url_path\"",
            _ => "kind = \"list\", max = 3, of = { kind = \"integer\", min = 1, max = 9 }",
        };
        let more = format!(
            "[[tool.option]]\nname = \"x\"\nflag = \"-x\"\nhelp = \"X.\"\nvalue = {{ {kind} }}"
        );
        let policy = one_tool::policy(r#"["{options}", "{target}"]"#, &more);
        for (cell, is_accepted) in [(cells[1], true), (cells[2], false)] {
            for value in cell.split("`, `").map(|value| value.trim_matches('`')) {
                tried += 1;
                if probity_protocol::OptionText::new(value).is_err() {
                    assert!(!is_accepted, "{kind}: {value} cannot even be sent");
                    continue;
                }
                let call = one_tool::call("10.0.0.1", &[("x", value)], "");
                let decided =
                    decide(&policy, &one_tool::owner(), &call, std::time::SystemTime::now());
                assert_eq!(decided.is_ok(), is_accepted, "{kind}: {value}");
            }
        }
    }
    assert!(tried > 20, "{tried}");
}
