use std::sync::LazyLock;

use probity_protocol::ParseTable;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ColumnKey, Part, Table, TableError, TableReport, propose};
use crate::parsers::{
    ITEMS_MAX, Parsed, Parser, SMALLEST_BYTES, TEXT_BYTES_MAX, tests::begins_as_our_own,
};

const LINES: &str = r#"{
    "format": "lines",
    "pattern": "^(?<host>\\S+) up (?<up>\\S+) in (?<rtt_ms>[\\d.]+) ms, (?<count>-?\\d+) of (?<flag>\\w+)$",
    "column": [
        {"name": "address", "title": "Address", "type": "address", "from": "host"},
        {"name": "up", "type": "flag"},
        {"name": "rtt_ms", "title": "Round trip", "type": "number", "unit": "ms"},
        {"name": "count", "type": "integer"},
        {"name": "flag", "type": "text"}
    ]
}"#;

const JSON: &str = r#"{
    "format": "json",
    "rows": "/links",
    "column": [
        {"name": "name"},
        {"name": "mtu", "type": "integer", "unit": "bytes"},
        {"name": "address", "type": "address", "from": "/info/address"},
        {"name": "flags"}
    ]
}"#;

const CSV: &str = r#"{
    "format": "csv",
    "separator": ";",
    "column": [
        {"name": "host", "from": "Host name"},
        {"name": "loss", "type": "number", "unit": "%"}
    ]
}"#;

const POSITIONS: &str = r#"{
    "format": "csv",
    "header": false,
    "column": [{"name": "second", "from": "2"}, {"name": "other", "from": "1"}]
}"#;

fn raw(text: &str) -> ParseTable {
    serde_json::from_str(text).unwrap()
}

fn table(text: &str) -> Table {
    Table::new(&raw(text)).unwrap()
}

fn rows(report: &TableReport) -> Value {
    json!(report.rows)
}

#[test]
fn lines_become_typed_rows() {
    let report = table(LINES)
        .read(
            "Scan of 2 hosts\n10.0.0.1 up yes in 0.5 ms, 3 of all\n\
             fd00::1 up NO in 12 ms, -4 of it\nweb up maybe in 1.2.3 ms, 5 of x\n10.0.0.9 up yes in 0",
        )
        .unwrap();
    let expected = json!([
        {"address": "10.0.0.1", "up": true, "rtt_ms": 0.5, "count": 3, "flag": "all"},
        {"address": "fd00::1", "up": false, "rtt_ms": 12.0, "count": -4, "flag": "it"},
        {"address": null, "up": null, "rtt_ms": null, "count": 5, "flag": "x"},
    ]);
    assert_eq!(rows(&report), expected);
    assert_eq!((report.row_count, report.other, report.unread), (3, 1, 3));
    // The last line was cut: half a number is no number.
    assert!(!report.complete);
    assert_eq!(table(LINES).read("nothing of the kind\n"), None);
}

#[test]
fn json_becomes_rows_by_pointers_and_one_value_after_another_too() {
    let output = r#"{"links": [
        {"name": "eth0", "mtu": 1500, "info": {"address": "10.0.0.1"}, "flags": ["UP", "LOWER"]},
        {"name": "lo", "mtu": "65536"},
        {"name": "x", "mtu": 1.5, "info": 7},
        "noise"
    ]}"#;
    let report = table(JSON).read(output).unwrap();
    let expected = json!([
        {"name": "eth0", "mtu": 1500, "address": "10.0.0.1", "flags": "[\"UP\",\"LOWER\"]"},
        {"name": "lo", "mtu": 65536, "address": null, "flags": null},
        {"name": "x", "mtu": null, "address": null, "flags": null},
    ]);
    assert_eq!(rows(&report), expected);
    assert_eq!((report.other, report.unread, report.complete), (1, 1, true));
    let stream = r#"{"links": {"name": "a"}} {"links": [{"name": "b"}]} {"links": [{"na"#;
    let report = table(JSON).read(stream).unwrap();
    assert_eq!((report.row_count, report.complete), (2, false));
    assert_eq!(table(JSON).read("Error: no such device"), None);
    assert_eq!(table(JSON).read("{\"links\": []}").unwrap().row_count, 0);
}

#[test]
fn a_text_that_begins_with_a_value_of_json_is_no_json() {
    for said in ["404 page not found\n", "\"eth9\" does not exist\n", "1\n", "null\n"] {
        assert_eq!(table(JSON).read(said), None, "{said}");
    }
    let bare =
        r#"{"format": "json", "column": [{"name": "value", "type": "integer", "from": ""}]}"#;
    assert_eq!(table(bare).read("1 2\n").unwrap().row_count, 2);
    assert_eq!(table(JSON).read("\u{feff}{\"links\": [{\"name\": \"a\"}]}").unwrap().row_count, 1);
}

#[test]
fn an_expression_that_takes_long_is_given_so_much_time_and_no_more() {
    let slow = r#"{
        "format": "lines", "pattern": "^(?<all>row)$|[01]*1[01]{900}x",
        "column": [{"name": "all"}]
    }"#;
    let mut bits = 7_u64;
    let digits: String = std::iter::repeat_with(|| {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if bits >> 40 & 1 == 1 { '1' } else { '0' }
    })
    .take(1 << 20)
    .collect();
    let mut lines = String::from("row\n");
    for at in (0..digits.len()).step_by(8000) {
        lines.push_str(&format!("{}\n", &digits[at..digits.len().min(at + 8000)]));
    }
    let began = std::time::Instant::now();
    let report = table(slow).read(&lines).unwrap();
    assert_eq!((report.row_count, report.truncated), (1, true));
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    // In one line, it is not even begun.
    let report = table(slow).read(&format!("{digits}\nrow\n")).unwrap();
    assert_eq!((report.row_count, report.other, report.truncated), (1, 1, false));
}

#[test]
fn a_quote_that_nobody_closes_hides_no_records_behind_it() {
    let report = table(CSV).read("Host name;loss\nweb;1\n\"db;2\nmail;3\n").unwrap();
    assert_eq!(rows(&report), json!([{"host": "web", "loss": 1.0}]));
    assert_eq!((report.other, report.complete), (1, false));
    let report = table(CSV).read("Host name;\"loss\nweb;1\n").unwrap();
    assert_eq!((report.row_count, report.complete), (0, false));
    let report = table(CSV).read("Host name;loss\n\"db\nmail\";2\nend\n").unwrap();
    assert_eq!((report.row_count, report.other, report.complete), (2, 0, true));
}

#[test]
fn a_header_of_many_names_is_gone_through_once() {
    let output = format!("Host name;{}\n{}", "x;".repeat(100_000), "a;1\n".repeat(20_000));
    let began = std::time::Instant::now();
    let report = table(CSV).read(&output).unwrap();
    assert_eq!((report.row_count, report.unread), (20_000, 0));
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn csv_becomes_rows_by_header_or_position() {
    let report = table(CSV)
        .read("n;Host name;loss\r\n1;\"web; lab\";12.5\r\n2;db\r\n3;x;many\r\n4;cut;1")
        .unwrap();
    let expected = json!([
        {"host": "web; lab", "loss": 12.5}, {"host": "db", "loss": null}, {"host": "x", "loss": null},
    ]);
    assert_eq!(rows(&report), expected);
    assert_eq!((report.unread, report.complete), (1, false));
    assert_eq!(table(CSV).read("Error; no such file\n"), None);
    let report = table(POSITIONS).read("a,b\nc\n").unwrap();
    assert_eq!(
        rows(&report),
        json!([{"second": "b", "other": "a"}, {"second": null, "other": "c"}])
    );
}

#[test]
fn the_text_is_a_table_that_a_terminal_holds_and_nobody_forges_a_line_of() {
    let forged = "REFUSED (X): no";
    let output = format!("a;Host name;loss\n1;{forged};5\n1;{};0.25\n", "x".repeat(300));
    let text = Parsed::Table(table(CSV).read(&output).unwrap()).text();
    let expected = format!(
        "| host{}  loss (%)\n| {forged}{}       5.0\n| {}…      0.25\n2 rows\n",
        " ".repeat(64),
        " ".repeat(53),
        "x".repeat(67),
    );
    assert_eq!(text, expected);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// What of a table is wrong, and where.
fn wrong(change: impl Fn(&mut Value), of: &str) -> TableError {
    let mut value: Value = serde_json::from_str(of).unwrap();
    change(&mut value);
    Table::new(&serde_json::from_value(value).unwrap()).unwrap_err()
}

#[test]
fn what_cannot_be_carried_out_is_named_with_its_place() {
    let pattern = |text: &'static str| move |table: &mut Value| table["pattern"] = json!(text);
    let column = |key: &'static str, value: Value| {
        move |table: &mut Value| table["column"][1][key] = value.clone()
    };
    for (error, part, says) in [
        (wrong(pattern("(?<host>"), LINES), Part::Key("pattern"), "unclosed group"),
        (
            wrong(pattern("^(?<host>a)$"), LINES),
            Part::Column(1, ColumnKey::From),
            "no group \"up\"",
        ),
        (
            wrong(
                |t| t["pattern"] = json!("(?<more>x)".to_owned() + t["pattern"].as_str().unwrap()),
                LINES,
            ),
            Part::Key("pattern"),
            "\"more\" has no column",
        ),
        (wrong(pattern(r"(?<host>\w{1,900}){900}"), LINES), Part::Key("pattern"), "too large"),
        (
            wrong(|t| t["pattern"] = json!("x".repeat(3000)), LINES),
            Part::Key("pattern"),
            "3000 bytes",
        ),
        (wrong(|t| t["pattern"] = Value::Null, LINES), Part::Table, "needs a pattern"),
        (wrong(|t| t["rows"] = json!("/x"), LINES), Part::Key("rows"), "format = \"json\""),
        (wrong(|t| t["header"] = json!(true), JSON), Part::Key("header"), "format = \"csv\""),
        (wrong(|t| t["rows"] = json!("links"), JSON), Part::Key("rows"), "pointer begins with a /"),
        (wrong(|t| t["column"] = json!([]), JSON), Part::Table, "1 to 32 columns"),
        (
            wrong(column("name", json!("Host")), JSON),
            Part::Column(1, ColumnKey::Name),
            "lower-case",
        ),
        (wrong(column("name", json!("name")), JSON), Part::Column(1, ColumnKey::Name), "already"),
        (
            wrong(column("from", json!("mtu")), JSON),
            Part::Column(1, ColumnKey::From),
            "begins with a /",
        ),
        (
            wrong(column("title", json!("a\u{1b}b")), JSON),
            Part::Column(1, ColumnKey::Title),
            "printable",
        ),
        (
            wrong(column("unit", json!("x".repeat(17))), JSON),
            Part::Column(1, ColumnKey::Unit),
            "1 to 16",
        ),
        (wrong(|t| t["separator"] = json!("::"), CSV), Part::Key("separator"), "one character"),
        (wrong(|t| t["separator"] = json!("a"), CSV), Part::Key("separator"), "no letter"),
        (
            wrong(column("from", json!("0")), POSITIONS),
            Part::Column(1, ColumnKey::From),
            "a position",
        ),
    ] {
        assert_eq!(error.part, part, "{error}");
        assert!(error.message.contains(says), "{error}");
    }
}

#[test]
fn a_sample_leads_to_a_table_that_reads_it() {
    let proposed = |sample: &str| {
        let found = propose(sample).unwrap_or_else(|| panic!("{sample}"));
        let kinds = found.columns.iter().map(|c| format!("{}:{:?}", c.name, c.kind).to_lowercase());
        (kinds.collect::<Vec<_>>().join(" "), Table::new(&found).unwrap().read(sample).unwrap())
    };
    let (columns, report) = proposed(
        "[{\"ifname\": \"lo\", \"mtu\": 65536, \"stats\": {\"rx\": 1.5}, \"up\": true}, {\"ifname\": \"e\", \"ip\": \"10.0.0.1\"}]",
    );
    assert_eq!(columns, "ifname:text mtu:integer stats_rx:number up:flag ip:address");
    assert_eq!((report.row_count, report.unread), (2, 0));
    let (columns, report) = proposed("{\"v\": 1, \"hosts\": [{\"a b\": 1}, {\"a b\": 2}]}");
    assert_eq!((columns.as_str(), report.row_count), ("a_b:integer", 2));
    let (columns, report) = proposed("Host;Loss %;ip\nweb;0.5;10.0.0.1\ndb;1;10.0.0.2\n");
    assert_eq!((columns.as_str(), report.row_count), ("host:text loss:number ip:address", 2));
    let (columns, _) = proposed("Host,ms,Host\nweb,1,10.0.0.1\n");
    assert_eq!(columns, "host:text ms:integer");
    let (columns, report) = proposed("Proto Recv-Q Local\ntcp 0 0.0.0.0:22\nudp 12 x:1\n");
    assert_eq!(columns, "proto:text recv_q:integer local:text");
    assert_eq!((report.row_count, report.other), (2, 1));
    let (columns, report) = proposed("a 1\nb 2\nc 3\nsome more words here\n");
    assert_eq!((columns.as_str(), report.row_count), ("column_1:text column_2:integer", 3));
    assert_eq!(propose(" \n"), None);
}

#[test]
fn a_flood_of_rows_is_cut_and_counted() {
    let output = "x,y\n".repeat(ITEMS_MAX + 5);
    let report = table(POSITIONS).read(&output).unwrap();
    assert_eq!((report.rows.len(), report.row_count), (ITEMS_MAX, ITEMS_MAX + 5));
    assert!(report.truncated);
}

static PARSERS: LazyLock<Vec<Parser>> = LazyLock::new(|| {
    [LINES, JSON, CSV, POSITIONS].map(|text| Parser::of_table(&raw(text)).unwrap()).to_vec()
});

proptest! {
    /// The same promises as those of every other parser.
    #[test]
    fn whatever_is_written_a_result_fits_the_schema_of_its_columns(
        words in prop::collection::vec(prop::sample::select(&[
            "10.0.0.1", " up ", "yes", " in ", "0.5", " ms, ", "3", " of ", "all", "\n", "Host name;", "loss",
            ";", ",", "\"", "{\"links\": [", "{\"name\": \"", "\"}", "]}", "\u{1b}[2J", "\u{202e}", "1e999", "\\",
            "REFUSED (X)", "{\"links\": {\"mtu\": 18446744073709551616}}",
        ] as &[&str]), 0..60),
        noise in prop::collection::vec(any::<u8>(), 0..40),
        max in 0..9_000_usize,
    ) {
        let output = [words.concat().as_bytes(), &noise].concat();
        for parser in PARSERS.iter() {
            let Ok(parsed) = parser.read(&output, b"", false) else { continue };
            let validator = jsonschema::draft202012::new(&parser.schema()).unwrap();
            let mut shrunk = parsed.clone();
            shrunk.shrink_to(max);
            let limit = max.max(SMALLEST_BYTES);
            prop_assert!(serde_json::to_vec(&shrunk).unwrap().len() <= limit);
            for one in [parsed, shrunk] {
                let value = serde_json::to_value(&one).unwrap();
                let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
                prop_assert!(errors.is_empty(), "{errors:?}");
                let mut cleaned = value.clone();
                crate::clean::clean_value(&mut cleaned);
                prop_assert_eq!(value, cleaned);
                let text = one.text();
                prop_assert!(text.len() <= TEXT_BYTES_MAX && text.ends_with('\n'));
                for line in text.lines() {
                    prop_assert!(line.starts_with('|') || begins_as_our_own(line), "{line:?}");
                }
            }
        }
    }

    /// Whatever an administrator saved, the table for it can be carried out, and makes rows of it.
    #[test]
    fn what_is_proposed_for_a_sample_reads_it(
        words in prop::collection::vec(prop::sample::select(&[
            "10.0.0.1", " ", "\t", "\n", "\r\n", ",", ";", "|", "\"", "a", "Name", "name", "1", "1.5", "-", "%", "é",
            "{\"a\": 1}", "{\"a\": {\"b\": [1]}}", "[", "]", "{", "}", ":", "\u{feff}", "\u{1b}[0m", "column_1", "null",
        ] as &[&str]), 0..40),
    ) {
        let sample = words.concat();
        if let Some(found) = propose(&sample) {
            let table = Table::new(&found);
            prop_assert!(table.is_ok(), "{table:?}");
            let read = table.unwrap().read(&format!("{}\n", sample.trim_end()));
            prop_assert!(read.is_some_and(|report| report.row_count > 0));
        }
    }
}
