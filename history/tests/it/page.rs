//! The page docs/history.md: its queries run, its views are those that there are, and each view has what
//! results of its tools have.

use std::{collections::BTreeSet, fs, path::Path};

use probity_history::Facts;
use rusqlite::{Connection, OpenFlags, types::Value};

use crate::support::{begun, ending, open};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/history.md");

/// A result of each parser that a view knows, as far as the views read it.
const RESULTS: [(&str, &str, &str); 9] = [
    (
        "nmap",
        "nmap-xml",
        r#"{"hosts":[{"address":"10.0.0.1","hostnames":["web.lab"],"mac":null,"state":"up",
        "ports":[{"port":443,"proto":"tcp","state":"open","service":"https","product":"nginx","version":"1.2"},
        {"port":22,"proto":"tcp","state":"closed","service":"ssh"}],
        "route":[{"number":1,"address":"10.0.0.1","rtt_ms":0.5}]},{"address":"10.0.0.2","state":"down"}]}"#,
    ),
    (
        "ping",
        "ping",
        r#"{"target":"web.lab","address":"10.0.0.1","alive":true,"loss_percent":50.0,
        "replies":[{"sequence":1,"ttl":64,"time_ms":0.4,"from":"10.0.0.1","bytes":64,"duplicate":false}]}"#,
    ),
    (
        "ping",
        "ping",
        r#"{"target":null,"address":"10.0.0.9","alive":false,"loss_percent":100.0,"replies":[]}"#,
    ),
    (
        "arp",
        "arping",
        r#"{"target":"10.0.0.1","owners":[{"mac":"02:00:00:00:00:01","answers":3}]}"#,
    ),
    (
        "route",
        "ip-json",
        r#"{"neighbours":[{"address":"10.0.0.7","mac":"02:00:00:00:00:07","states":["REACHABLE"]}]}"#,
    ),
    (
        "traceroute",
        "traceroute",
        r#"{"hops":[{"number":1,"probes":[{"address":"10.0.0.1","rtt_ms":2.0},
        {"address":"10.0.0.1","rtt_ms":1.0},{"address":"10.0.0.3","rtt_ms":4.0}],"timeouts":0},
        {"number":2,"probes":[],"timeouts":3}]}"#,
    ),
    (
        "mtr",
        "mtr",
        r#"{"hops":[{"number":1,"address":"10.0.0.1","name":null,"avg_ms":1.5,"loss_percent":10.0}]}"#,
    ),
    (
        "dns",
        "dig",
        r#"{"server":"10.0.0.53","answer":[{"name":"web.lab.","ttl":60,"type":"A","data":"10.0.0.1"}]}"#,
    ),
    (
        "tls",
        "tls",
        r#"{"address":"10.0.0.1","port":443,"connected":true,"chain":[{"subject":"CN=web.lab",
        "issuer":"CN=lab","names":["web.lab"],"not_before":null,"not_after":"2027-01-01","days_left":12,
        "serial":"01","self_signed":false}]}"#,
    ),
];

/// A file with these runs, as `sqlite3 -readonly` opens it.
fn filled(folder: &Path) -> Connection {
    let path = folder.join("runs.db");
    let store = open(&path);
    for (tool, parser, parsed) in RESULTS {
        let mut run = begun(tool, "web.lab.internal");
        run.facts = Facts::default();
        // The parser is known at its end alone.
        let mut end = ending(&format!(r#"{{"tool":"{tool}","parsed":{parsed}}}"#));
        end.facts.parser = Some(parser.into());
        store.keep(run, end).wait().unwrap();
    }
    // Results without a report, and with one of another shape.
    for parsed in ["null", r#"{"hosts":null,"hops":[],"chain":"cut"}"#] {
        for parser in
            ["nmap-xml", "ping", "tls", "mtr", "traceroute", "arping", "ip-json", "dig", "curl"]
        {
            let mut run = begun("x", "y");
            run.facts.parser = Some(parser.into());
            store.keep(run, ending(&format!(r#"{{"parsed":{parsed}}}"#))).wait().unwrap();
        }
    }
    Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// The rows of a query, each as its values with bars between them.
fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let columns = statement.column_count();
    let shown = |value: Value| match value {
        Value::Null => String::from("-"),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:.1}"),
        Value::Text(text) => text,
        Value::Blob(_) => panic!("a blob"),
    };
    let read = |row: &rusqlite::Row<'_>| {
        let values = (0..columns).map(|column| row.get(column).map(shown));
        Ok(values.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
    };
    statement.query_map((), read).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_views_have_what_is_in_results() {
    let folder = tempfile::tempdir().unwrap();
    let file = filled(folder.path());
    assert_eq!(
        rows(&file, "SELECT tool, address, name, mac, state FROM hosts"),
        [
            "nmap|10.0.0.1|web.lab|-|up",
            "nmap|10.0.0.2|-|-|down",
            "ping|10.0.0.1|web.lab|-|up",
            "ping|10.0.0.9|-|-|silent",
            "arp|10.0.0.1|-|02:00:00:00:00:01|up",
            "route|10.0.0.7|-|02:00:00:00:00:07|reachable",
        ]
    );
    assert_eq!(
        rows(
            &file,
            "SELECT tool, address, port, proto, state, service, product, version FROM ports"
        ),
        [
            "nmap|10.0.0.1|443|tcp|open|https|nginx|1.2",
            "nmap|10.0.0.1|22|tcp|closed|ssh|-|-",
            "tls|10.0.0.1|443|tcp|open|tls|-|-",
        ]
    );
    assert_eq!(
        rows(&file, "SELECT tool, number, address, rtt_ms, loss_percent FROM hops"),
        [
            "traceroute|1|10.0.0.1|1.0|-",
            "traceroute|1|10.0.0.3|4.0|-",
            "traceroute|2|-|-|-",
            "mtr|1|10.0.0.1|1.5|10.0",
            "nmap|1|10.0.0.1|0.5|-",
        ]
    );
    assert_eq!(
        rows(&file, "SELECT sequence, address, time_ms, ttl, bytes, duplicate FROM replies"),
        ["1|10.0.0.1|0.4|64|64|0"]
    );
    assert_eq!(
        rows(&file, "SELECT server, name, type, ttl, data FROM records"),
        ["10.0.0.53|web.lab.|A|60|10.0.0.1"]
    );
    assert_eq!(
        rows(
            &file,
            "SELECT place, subject, issuer, names, days_left, self_signed FROM certificates"
        ),
        [r#"0|CN=web.lab|CN=lab|["web.lab"]|12|0"#]
    );
}

#[test]
fn the_queries_of_the_page_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = filled(folder.path());
    let page = fs::read_to_string(PAGE).unwrap();
    let queries = page.split("```sql\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let found: Vec<_> =
        queries.map(|sql| rows(&file, sql.trim_end().trim_end_matches(';'))).collect();
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 2], "{found:?}");
    assert!(found[0][0].starts_with("10.0.0.1|443|"), "{found:?}");
    assert!(found[2][0].ends_with("|50.0"), "{found:?}");
}

#[test]
fn the_page_has_each_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = filled(folder.path());
    let views: BTreeSet<_> =
        rows(&file, "SELECT name FROM sqlite_schema WHERE type = 'view'").into_iter().collect();
    let page = fs::read_to_string(PAGE).unwrap();
    let table = page.split_once("| view |").unwrap().1.split_once("\n\n").unwrap().0;
    let listed = table.lines().skip(2).filter_map(|line| line.split('`').nth(1));
    assert_eq!(listed.map(str::to_owned).collect::<BTreeSet<_>>(), views);
}
