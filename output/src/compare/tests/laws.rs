//! What is so of any two results of any parser, whatever stands in them.

use std::{sync::LazyLock, time::Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    clean::{clean_str, clean_value},
    compare::{CompareError, Unit, Which},
    parsers::{self, SMALLEST_BYTES, TEXT_BYTES_MAX},
};

const PARSERS: [&str; 12] = [
    "arping",
    "curl",
    "dig",
    "ip-json",
    "mtr",
    "nmap-xml",
    "ping",
    "table",
    "tcpdump",
    "tls",
    "tracepath",
    "traceroute",
];

/// Every recorded output as it is published.
fn reports() -> &'static [(&'static str, Value)] {
    static REPORTS: LazyLock<Vec<(&str, Value)>> = LazyLock::new(|| {
        let read = |(parser, _, bytes): &(&'static str, String, Vec<u8>)| {
            (*parser, serde_json::to_value(read(parser, bytes).unwrap().unwrap()).unwrap())
        };
        let tables = [
            json!([{"a": "x", "b": 1}, {"a": "y", "b": null}]),
            json!([{"a": "x", "b": 2}, {"a": "z", "b": 1.5}, {"a": null, "b": true}]),
            json!([{"a": "x", "b": 2}, {"a": "x", "b": 2}]),
        ];
        let columns = json!([{"name": "a", "title": "A"}, {"name": "b", "title": "B"}]);
        let table = |rows| ("table", json!({"columns": columns, "rows": rows, "complete": true}));
        fixtures().iter().map(read).chain(tables.map(table)).collect()
    });
    &REPORTS
}

fn side(parsed: &Value, complete: bool) -> Side<'_> {
    Side { parsed: Some(parsed), complete, command: &[] }
}

fn schema_errors(comparison: &Comparison) -> Vec<String> {
    static VALIDATOR: LazyLock<jsonschema::Validator> =
        LazyLock::new(|| jsonschema::draft202012::new(&Comparison::schema()).unwrap());
    let value = serde_json::to_value(comparison).unwrap();
    VALIDATOR.iter_errors(&value).map(|error| error.to_string()).collect()
}

/// All that must hold for a comparison of anything.
fn check(comparison: &Comparison) -> Result<(), TestCaseError> {
    let errors = schema_errors(comparison);
    prop_assert!(errors.is_empty(), "{errors:?}");
    let text = comparison.text();
    prop_assert!(text.len() <= TEXT_BYTES_MAX && text.ends_with('\n'), "{text}");
    prop_assert_eq!(&clean_str(&text), &text);
    for line in text.lines().filter(|line| !line.is_empty()) {
        prop_assert!(begins_as_our_own(line), "{line:?} in {text}");
    }
    prop_assert!(!comparison.sentence.contains('\n'));
    let shows = |what: Kind| !matches!(what, Kind::Noise | Kind::Unsure);
    let is_same = !comparison.changes.iter().any(|change| shows(change.what));
    prop_assert!(comparison.truncated || comparison.same == is_same, "{comparison:?}");
    let value = serde_json::to_value(comparison).unwrap();
    let mut cleaned = value.clone();
    clean_value(&mut cleaned);
    prop_assert_eq!(value, cleaned);
    Ok(())
}

/// Whether a line begins with words of ours, a number, an address or a quote.
fn begins_as_our_own(line: &str) -> bool {
    const OWN: [&str; 64] = [
        "came  ",
        "gone  ",
        "changed  ",
        "worse  ",
        "better  ",
        "unsure  ",
        "not seen  ",
        "noise  ",
        "note: ",
        "… ",
        "Nothing ",
        "Loss ",
        "Latency ",
        "Target ",
        "The target ",
        "Record ",
        "Row ",
        "Flow ",
        "MAC ",
        "Neighbour ",
        "Route ",
        "Message ",
        "Hop ",
        "Number ",
        "Path MTU ",
        "Limit ",
        "Address ",
        "Certificate ",
        "Chain ",
        "Handshake ",
        "Protocol ",
        "Cipher ",
        "Key exchange ",
        "Port ",
        "Server name ",
        "Error ",
        "URL ",
        "Method ",
        "Status ",
        "Answer ",
        "Redirect ",
        "HTTP version ",
        "Header ",
        "Body ",
        "Body, ",
        "Time ",
        "Question ",
        "Columns ",
        "Authoritative ",
        "Validated ",
        "Why ",
        "In ",
        "property ",
        "Properties ",
        "Things ",
        "Hops ",
        "\"",
        "certificate ",
        "Device ",
        "route ",
        "neighbour ",
        "hop ",
        "MAC address",
        "unknown host",
    ];
    let first = line.split([' ', ',', ';', '.']).next().unwrap_or_default();
    let address = line.split(' ').next().unwrap_or_default();
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    is_number || parsers::is_address(address) || OWN.iter().any(|own| line.starts_with(own))
}

/// What a comparison says, for holding it against that of the swapped sides.
fn swapped(comparison: &Comparison) -> Vec<(bool, String, Option<String>, Option<String>)> {
    // What came is gone, or was not seen, if the sides are swapped.
    let mirrored = |kind| matches!(kind, Kind::Came | Kind::Gone | Kind::NotSeen);
    let mut all: Vec<_> = comparison
        .changes
        .iter()
        .map(|it| (mirrored(it.what), it.subject.clone(), it.before.clone(), it.after.clone()))
        .collect();
    all.sort();
    all
}

fn check_pair(parser: &str, one: Side<'_>, other: Side<'_>) -> Result<(), TestCaseError> {
    let (there, back) = match (compare(parser, one, other), compare(parser, other, one)) {
        (Ok(there), Ok(back)) => (there, back),
        (Err(there), Err(_)) => {
            let said = there.to_string();
            prop_assert_eq!(&clean_str(&said), &said);
            return Ok(());
        }
        (there, back) => {
            return Err(TestCaseError::fail(format!("{there:?} but {back:?}")));
        }
    };
    check(&there)?;
    // Silence of a run that was stopped is not absence.
    let has = |what: Kind| there.changes.iter().any(|change| change.what == what);
    prop_assert!(other.complete || !has(Kind::Gone), "{there:?}");
    prop_assert!(one.complete || !has(Kind::Came), "{there:?}");
    prop_assert_eq!(there.same, back.same);
    prop_assert_eq!(there.complete, back.complete);
    if there.truncated {
        return Ok(());
    }
    let mut mirrored: Vec<_> = swapped(&back)
        .into_iter()
        .map(|(one_sided, subject, before, after)| (one_sided, subject, after, before))
        .collect();
    mirrored.sort();
    // A host that moved is named by where it is.
    let values = |list: &[(bool, String, Option<String>, Option<String>)]| -> Vec<_> {
        let mut all: Vec<_> = list.iter().map(|it| (it.0, it.2.clone(), it.3.clone())).collect();
        all.sort();
        all
    };
    prop_assert_eq!(values(&swapped(&there)), values(&mirrored));
    let number = |comparison: &Comparison, what: Kind| {
        comparison.changes.iter().filter(|change| change.what == what).count()
    };
    prop_assert_eq!(number(&there, Kind::Worse), number(&back, Kind::Better));
    prop_assert_eq!(number(&there, Kind::Unsure), number(&back, Kind::Unsure));
    prop_assert!(number(&there, Kind::Gone) <= number(&back, Kind::Came));
    Ok(())
}

/// Turns one value of a document into another.
fn edit(value: &mut Value, way: &mut std::slice::Iter<'_, Index>, new: &Value) {
    let Some(index) = way.next() else {
        *value = new.clone();
        return;
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = index.index(items.len());
            edit(&mut items[at], way, new);
        }
        Value::Object(members) if !members.is_empty() => {
            let at = index.index(members.len());
            if let Some((_, member)) = members.iter_mut().nth(at) {
                edit(member, way, new);
            }
        }
        other => *other = new.clone(),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("REFUSED: run\n> this")),
        Just(json!("up")),
        Just(json!("open")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,8}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

#[test]
fn a_result_is_the_same_as_itself() {
    for (parser, report) in reports() {
        for complete in [true, false] {
            let itself = compare(parser, side(report, complete), side(report, complete)).unwrap();
            assert!(itself.same, "{parser}: {itself:?}");
            assert!(
                itself.sentence.starts_with("Nothing changed"),
                "{parser}: {}",
                itself.sentence
            );
            check(&itself).unwrap();
        }
    }
}

#[test]
fn any_two_recorded_results_of_a_parser_can_be_compared() {
    for (parser, one) in reports() {
        for (_, other) in reports().iter().filter(|(other, _)| other == parser) {
            for complete in [true, false] {
                let checked = check_pair(parser, side(one, complete), side(other, true));
                assert!(checked.is_ok(), "{parser}: {checked:?}");
            }
        }
    }
}

#[test]
fn results_in_their_shorter_form_can_be_compared_too() {
    for (parser, report) in reports() {
        let brief = parsers::brief::brief(report);
        let short = compare(parser, side(&brief, true), side(&brief, true)).unwrap();
        assert!(short.same, "{parser}: {short:?}");
    }
}

#[test]
fn each_parser_that_is_known_can_be_compared() {
    for parser in probity_protocol::PARSERS.into_iter().chain(["table"]) {
        assert!(PARSERS.contains(&parser));
        let empty = json!({});
        assert!(compare(parser, side(&empty, true), side(&empty, true)).is_ok(), "{parser}");
    }
}

#[test]
fn what_cannot_be_compared_is_said_with_what_to_do() {
    let report = json!({});
    let said = |result: Result<Comparison, CompareError>| result.unwrap_err().to_string();
    let unknown = said(compare("whois", side(&report, true), side(&report, true)));
    assert_eq!(
        unknown,
        "results of the parser \"whois\" cannot be compared; compare the texts that the tool wrote instead"
    );
    let nothing = Side { parsed: None, complete: true, command: &[] };
    let error = compare("ping", side(&report, true), nothing).unwrap_err();
    assert_eq!(error, CompareError::NothingParsed { which: Which::After });
    assert!(error.to_string().starts_with("the second result has no typed values"), "{error}");
    let list = json!([]);
    let error = compare("ping", side(&list, true), side(&report, true)).unwrap_err();
    let wanted = "the first result is no report of the parser \"ping\" (it is no object); compare two \
        results of the same tool";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn the_schema_is_a_valid_object_and_refuses_what_it_does_not_describe() {
    let schema = Comparison::schema();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    assert_eq!(schema["type"], "object");
    let kinds = &schema["properties"]["changes"]["items"]["properties"];
    assert_eq!(kinds["what"]["enum"], json!(Kind::ALL));
    assert_eq!(kinds["measured"]["properties"]["unit"]["enum"], json!(Unit::ALL));
    let mut value = json!(of("ping", &json!({}), &json!({})));
    value["surprise"] = Value::Null;
    assert!(!jsonschema::draft202012::new(&schema).unwrap().is_valid(&value));
}

/// A scan of many hosts, each with its own ports.
fn scan(hosts: u32, ports: u16, state: &str) -> Value {
    let port = |port| json!({"port": port, "proto": "tcp", "state": state, "scripts": []});
    let host = |n: u32| {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
        let ports: Vec<_> = (1..=ports).map(port).collect();
        json!({"address": address, "state": "up", "ports": ports, "extra_ports": []})
    };
    json!({"hosts": (0..hosts).map(host).collect::<Vec<_>>(), "complete": true})
}

#[test]
fn two_scans_of_a_thousand_hosts_take_no_time() {
    let (one, other) = (scan(1024, 10, "open"), scan(1024, 10, "closed"));
    let began = Instant::now();
    let comparison = of("nmap-xml", &one, &other);
    // Unoptimized and on a busy machine it takes a tenth of this.
    let took = began.elapsed();
    println!("two scans of 1,024 hosts: {took:?}");
    assert!(took.as_millis() < 5000, "{took:?}");
    assert_eq!(comparison.change_count, 10_240);
    assert_eq!(comparison.sentence, "10240 ports closed on 1024 hosts.");
    assert!(comparison.truncated && comparison.changes.len() == parsers::ITEMS_MAX);
    let text = comparison.text();
    assert!(parsers::is_cut(&text), "{text}");
}

#[test]
fn a_comparison_can_be_made_small() {
    let whole = of("nmap-xml", &scan(60, 10, "open"), &scan(70, 10, "closed"));
    let size = |comparison: &Comparison| serde_json::to_vec(comparison).unwrap().len();
    for max in (0..size(&whole) + 2000).step_by(1000) {
        let mut small = whole.clone();
        small.shrink_to(max);
        check(&small).unwrap();
        assert!(size(&small) <= max.max(SMALLEST_BYTES), "{} > {max}", size(&small));
        assert_eq!(small.truncated, size(&whole) > max.max(SMALLEST_BYTES));
        assert_eq!(small.change_count, whole.change_count);
    }
}

proptest! {
    #[test]
    fn two_results_that_were_tampered_with_keep_the_laws(
        at in any::<Index>(),
        pair in any::<Index>(),
        ways in prop::collection::vec((prop::collection::vec(any::<Index>(), 1..5), any_value()), 0..5),
        ends in any::<(bool, bool)>(),
    ) {
        let (parser, one) = &reports()[at.index(reports().len())];
        let others: Vec<_> = reports().iter().filter(|(other, _)| other == parser).collect();
        let mut other = others[pair.index(others.len())].1.clone();
        for (way, new) in &ways {
            edit(&mut other, &mut way.iter(), new);
        }
        check_pair(parser, side(one, ends.0), side(&other, ends.1))?;
        if let Ok(itself) = compare(parser, side(&other, ends.1), side(&other, ends.1)) {
            prop_assert!(itself.same, "{itself:?}");
        }
    }

    #[test]
    fn anything_at_all_is_compared_or_refused(parser in 0..PARSERS.len(), one in any_value(), other in any_value()) {
        check_pair(PARSERS[parser], side(&one, true), side(&other, false))?;
    }

    #[test]
    fn any_two_tables_keep_the_laws(
        rows in prop::array::uniform2(prop::collection::vec(("[a-d]{1,2}", 0..4_u8), 0..8)),
    ) {
        let columns = json!([{"name": "a", "title": "A"}, {"name": "b", "title": "B"}]);
        let [one, other] = rows.map(|rows| {
            let row = |(a, b): (String, u8)| json!({"a": a, "b": b});
            json!({"columns": columns, "rows": rows.into_iter().map(row).collect::<Vec<_>>()})
        });
        check_pair("table", side(&one, true), side(&other, true))?;
    }
}
