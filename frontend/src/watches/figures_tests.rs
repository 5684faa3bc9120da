//! Where figures are read, held against the schemas of results, and the page.

use probity_output::parsers::Parser;
use serde_json::json;

use super::*;

fn read(parser: &str, name: &str, result: &Value) -> Option<Amount> {
    named(Some(parser), name).unwrap().of(result)
}

/// A member's schema, through lists.
fn of_schema<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(schema, |schema, name| {
        let schema = schema.get("items").unwrap_or(schema);
        schema.get("properties")?.get(name)
    })
}

#[test]
fn every_parser_has_figures_and_each_is_a_member_of_its_schema_in_its_type() {
    let names: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
    let parsers = probity_protocol::PARSERS.iter();
    assert!(parsers.clone().all(|name| names.contains(name)), "{names:?}");
    for (parser, figures) in FIGURES.iter().filter(|(name, _)| *name != "table") {
        let schema = Parser::named(parser).unwrap().schema();
        for figure in *figures {
            let path = figure.path().unwrap();
            let found = of_schema(&schema, path);
            let found = found.unwrap_or_else(|| panic!("{parser} has no {path}"));
            let kind = found["type"].to_string();
            let expected = match (figure.reading, figure.unit) {
                (Length(_), _) => "array",
                (_, Flag) => "boolean",
                (_, Word) => "string",
                (Sum(_), _) | (_, Count | Days | Bytes) => "integer",
                _ => "number",
            };
            assert!(kind.contains(expected), "{parser}: {path} is {kind}, not {expected}");
            if let AtTheEnd { reached, .. } = figure.reading {
                assert!(of_schema(&schema, reached).is_some(), "{parser} has no {reached}");
            }
        }
    }
}

#[test]
fn the_page_has_a_row_for_each_figure() {
    let row = |whose: &str, figure: &Figure| {
        let unit = match figure.unit {
            Percent => "%",
            Millis => "a time",
            Days => "days",
            Count => "a number",
            Bytes => "bytes",
            Flag => "a flag",
            Word => "a word",
        };
        format!("| {whose} | `{}` | {unit} | {} |\n", figure.name, figure.what)
    };
    let of_all = OF_ALL.iter().map(|figure| row("every tool", figure));
    let of_one = FIGURES.iter().flat_map(|(parser, figures)| {
        figures.iter().map(move |figure| row(&format!("`{parser}`"), figure))
    });
    let table: String = of_all.chain(of_one).collect();
    let page = include_str!("../../../docs/watches.md");
    assert!(page.contains(&table), "docs/watches.md is to have these rows:\n{table}");
}

#[test]
fn no_kind_of_result_has_two_figures_of_a_name() {
    for (parser, _) in FIGURES {
        let mut names: Vec<&str> = of(Some(parser)).map(|figure| figure.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{parser}");
    }
}

#[test]
fn figures_are_read_where_they_stand() {
    let ping = json!({"execution_time": 2.5, "parsed": {"loss_percent": 40.0, "alive": true}});
    assert_eq!(read("ping", "loss", &ping), Some(Amount::Number(40.0)));
    assert_eq!(read("ping", "alive", &ping), Some(Amount::Flag(true)));
    assert_eq!(read("ping", "rtt", &ping), None, "not told");
    assert_eq!(read("ping", "duration", &ping), Some(Amount::Number(2_500.0)));
    let dns = json!({"parsed": {"status": "NXDOMAIN", "answer": [{}, {}]}});
    assert_eq!(read("dig", "status", &dns), Some(Amount::Word("NXDOMAIN".into())));
    assert_eq!(read("dig", "answers", &dns), Some(Amount::Number(2.0)));
    let flows = json!({"parsed": {"flows": [{"resets": 1}, {"resets": 2}]}});
    assert_eq!(read("tcpdump", "resets", &flows), Some(Amount::Number(3.0)));
    let trace = |completed: bool| {
        let hops =
            json!([{"probes": [{"rtt_ms": 9.0}]}, {"probes": [{"rtt_ms": 1.0}, {"rtt_ms": 2.0}]}]);
        json!({"parsed": {"completed": completed, "hops": hops}})
    };
    assert_eq!(read("traceroute", "rtt", &trace(true)), Some(Amount::Number(1.5)));
    assert_eq!(read("traceroute", "rtt", &trace(false)), None, "the last hop is no target");
}

#[test]
fn what_is_no_report_has_no_figures() {
    for result in [json!(null), json!({}), json!({"parsed": null}), json!({"parsed": []})] {
        for (parser, figures) in FIGURES {
            for figure in figures {
                assert_eq!(figure.of(&result), None, "{parser} {}", figure.name);
            }
        }
    }
}
