//! Pictures of recorded outputs, read by the parsers as any output is, and of values that no parser makes.
//!
//! | file | holds |
//! |---|---|
//! | `laws` | what is so of any picture, whatever it is made of |
//! | `runs` | what must stand in the picture of one run |
//! | `times` | the same of two runs, and of watches |
//! | `samples` | pictures to look at |
//! | `style` | the style sheet |
//! | `document` | a picture, read again |

mod document;
mod laws;
mod runs;
mod samples;
mod style;
mod times;

use serde_json::{Value, json};

use super::*;
use crate::parsers::tests::{fixtures, read};

/// The typed result of a recorded output, as it is published.
fn fixture(file: &str) -> Value {
    let (parser, _, bytes) = fixtures().iter().find(|(_, name, _)| name == file).unwrap();
    let mut parsed = read(parser, bytes).unwrap().unwrap();
    let argv =
        ["openssl", "s_client", "-connect", "10.66.2.2:443", "-servername", "web.lab.internal"];
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_796_000_000);
    parsed.tell(&argv.map(str::to_owned), now);
    serde_json::to_value(parsed).unwrap()
}

/// The parser of a recorded output.
fn parser_of(file: &str) -> &'static str {
    fixtures().iter().find(|(_, name, _)| name == file).unwrap().0
}

fn shown<'a>(parser: &'a str, parsed: &'a Value) -> Shown<'a> {
    Shown {
        tool: if parser == "nmap-xml" { "nmap" } else { parser },
        target: "10.66.2.2",
        at: Some("2026-11-30T22:12:31Z"),
        parsed,
        complete: true,
        command: &[],
    }
}

/// The picture of a recorded output.
fn drawn(file: &str) -> Picture {
    let parsed = fixture(file);
    of_run(parser_of(file), &shown(parser_of(file), &parsed)).unwrap()
}

/// The picture of a result.
fn of(parser: &str, parsed: &Value) -> Picture {
    of_run(parser, &shown(parser, parsed)).unwrap()
}

/// What a picture says: its texts, one a line, as a reader of XML gives them.
fn texts(picture: &Picture) -> String {
    let document = document::Document::read(&picture.svg).unwrap();
    document.texts.join("\n")
}

/// A scan of so many hosts, the first of which have ports.
fn large_scan(hosts: usize, ports: usize) -> Value {
    let port = |port: usize, state: &str| json!({"port": port, "proto": "tcp", "state": state});
    let host = |at: usize| {
        let open = (0..ports)
            .map(|n| port(20 + 7 * n + at % 5, "open"))
            .take(if at.is_multiple_of(3) { ports } else { at % 4 });
        let closed = (0..3).map(|n| port(9000 + n, "closed"));
        json!({
            "address": format!("10.66.{}.{}", at / 256, at % 256), "state": if at % 7 == 6 { "down" } else { "up" },
            "ports": open.chain(closed).collect::<Vec<_>>(),
            "extra_ports": [{"state": "filtered", "count": 900, "reasons": []}],
        })
    };
    json!({
        "hosts": (0..hosts).map(host).collect::<Vec<_>>(), "total_hosts": hosts, "hosts_up": hosts,
        "hosts_down": 0, "complete": true,
    })
}

/// A way of so many hops, with names, with one that is silent, one where several answer, and loss behind it.
fn long_way(hops: u32) -> Value {
    let hop = |number: u32| {
        let loss = if number == 4 {
            35.0
        } else if number >= 9 {
            8.0
        } else {
            0.0
        };
        let mean = f64::from(number) * 3.7 + if number > 6 { 40.0 } else { 0.0 };
        match number {
            5 | 6 => json!({"number": number, "address": null, "name": null}),
            _ => json!({
                "number": number, "address": format!("198.51.100.{number}"),
                "name": if number.is_multiple_of(2) { Some(format!("ae{number}.core-{number}.frankfurt.example.net")) } else { None },
                "loss_percent": loss, "sent": 50, "best_ms": mean * 0.8, "avg_ms": mean, "worst_ms": mean * 1.5,
            }),
        }
    };
    json!({
        "target": format!("198.51.100.{hops}"), "cycles": 50, "hop_count": hops, "reached": true,
        "loss_percent": 8.0, "loss_from_hop": 9, "complete": true,
        "hops": (1..=hops).map(hop).collect::<Vec<_>>(),
    })
}

/// A ping of so many requests, some of which are lost.
fn long_ping(requests: u32) -> Value {
    let is_lost = |n: &u32| n % 17 == 5 || (requests / 2..requests / 2 + requests / 20).contains(n);
    let time = |n: u32| {
        20.0 + f64::from(n * 7919 % 100) / 25.0 + if n.is_multiple_of(41) { 60.0 } else { 0.0 }
    };
    let replies: Vec<Value> = (1..=requests)
        .filter(|n| !is_lost(n))
        .map(|n| json!({"sequence": n, "time_ms": time(n), "ttl": 63, "from": "10.66.2.2", "bytes": 64, "duplicate": false, "flaws": []}))
        .collect();
    json!({
        "target": "10.66.2.2", "address": "10.66.2.2", "transmitted": requests, "received": replies.len(),
        "loss_percent": 100.0 * (1.0 - replies.len() as f64 / f64::from(requests)),
        "rtt_min_ms": 20.0, "rtt_avg_ms": 22.9, "rtt_max_ms": 83.9, "replies": replies, "complete": true,
    })
}

/// Times of a watch, so many minutes apart.
fn minutes(count: u64, apart: u64) -> Vec<String> {
    let time =
        |n: u64| jiff::Timestamp::from_second(1_796_000_000 + (n * apart * 60) as i64).unwrap();
    (0..count).map(|n| time(n).to_string()).collect()
}

/// A watch of results, of which some failed; a change is told of where it says so.
fn moments<'a>(
    times: &'a [String],
    results: &'a [Option<Value>],
    changed: &[usize],
) -> Vec<Moment<'a>> {
    let moment = |(at, (time, parsed)): (usize, (&'a String, &'a Option<Value>))| Moment {
        at: time,
        parsed: parsed.as_ref(),
        changed: changed.contains(&at),
    };
    times.iter().zip(results).enumerate().map(moment).collect()
}
