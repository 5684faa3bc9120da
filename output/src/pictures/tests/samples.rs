//! Pictures to look at, of every kind. A test writes them to a folder:
//!
//! ```sh
//! PICTURES=folder cargo test -p probity-output pictures_to_look_at
//! ```

use super::*;

/// Recorded outputs whose pictures differ.
const FILES: [&str; 38] = [
    "ping_partial_loss.txt",
    "ping_named.txt",
    "ping_silent.txt",
    "ping_quiet.txt",
    "ping_host_unreachable.txt",
    "ping_short_payload.txt",
    "traceroute_named.txt",
    "traceroute_multipath.txt",
    "traceroute_prohibited.txt",
    "traceroute_busybox_silent.txt",
    "traceroute6_named.txt",
    "tracepath_narrow.txt",
    "tracepath_silent.txt",
    "mtr_lossy.json",
    "mtr_named.json",
    "mtr_silent.json",
    "nmap_services.xml",
    "nmap_network.xml",
    "nmap_aggressive.xml",
    "nmap_extra_ports.xml",
    "nmap_ping_scan.xml",
    "nmap_silent.xml",
    "nmap6.xml",
    "tls_good.txt",
    "tls_chained.txt",
    "tls_expired.txt",
    "tls_self_signed.txt",
    "tls_no_tls.txt",
    "dig_default.txt",
    "dig_cname.txt",
    "dig_nxdomain.txt",
    "dig_hostile.txt",
    "curl_page.txt",
    "curl_https.txt",
    "curl_redirect.txt",
    "curl_refused.txt",
    "tcpdump_plain.txt",
    "tcpdump_talk.txt",
];

pub(super) fn all() -> Vec<(String, Picture)> {
    let mut all: Vec<(String, Picture)> =
        FILES.iter().map(|file| (file.replace('.', "_"), drawn(file))).collect();
    let mut add = |name: &str, picture: Picture| all.push((name.to_owned(), picture));
    add("made_ping_60", of("ping", &long_ping(60)));
    add("made_ping_1000", of("ping", &long_ping(1000)));
    add("made_mtr_14", of("mtr", &long_way(14)));
    add("made_nmap_40", of("nmap-xml", &large_scan(40, 9)));
    add("made_nmap_ipv6", of("nmap-xml", &scan_of_ipv6()));
    add("made_capture_ipv6", of("tcpdump", &capture_of_ipv6()));
    add("made_hostile", of("mtr", &hostile_way()));
    add("made_nmap_200", of("nmap-xml", &large_scan(200, 24)));
    add("made_nmap_1024", of("nmap-xml", &large_scan(1024, 24)));
    for (name, parser, before, after) in [
        ("two_nmap", "nmap-xml", fixture("nmap_extra_ports.xml"), fixture("nmap_services.xml")),
        ("two_nmap_large", "nmap-xml", large_scan(60, 6), large_scan(70, 7)),
        ("two_nmap_fewer", "nmap-xml", large_scan(40, 9), large_scan(40, 6)),
        ("two_ping", "ping", long_ping(100), fixture("ping_partial_loss.txt")),
        ("two_mtr", "mtr", long_way(9), long_way(14)),
        ("two_dig", "dig", fixture("dig_a.txt"), fixture("dig_cname.txt")),
        ("two_same", "ping", fixture("ping_named.txt"), fixture("ping_named.txt")),
    ] {
        let (mut one, two) = (shown(parser, &before), shown(parser, &after));
        one.at = Some("2026-11-30T09:00:00Z");
        add(name, of_two(parser, &one, &two).unwrap());
    }
    for (name, parser, title, results, changed) in watches() {
        let times = minutes(results.len() as u64, 15);
        let moments = moments(&times, &results, &changed);
        add(name, over_time(parser, title, &moments).unwrap());
    }
    all
}

pub(super) fn scan_of_ipv6() -> Value {
    let port =
        |port: u32, proto: &str, state: &str| json!({"port": port, "proto": proto, "state": state});
    let host = |n: u32| {
        json!({"address": format!("2001:db8:10:66:5054:ff:fe{n:02x}:{:x}", n * 4099), "state": "up", "extra_ports": [],
            "ports": [port(22, "tcp", if n == 2 { "filtered" } else { "open" }), port(53, "udp", "open"),
                port(443, "tcp", if n > 3 { "closed" } else { "open" })], "timed_out": n == 5})
    };
    json!({"hosts": (1..6).map(host).collect::<Vec<_>>(), "hosts_up": 5, "hosts_down": 3, "hosts_given_up": 1,
        "complete": false})
}

fn capture_of_ipv6() -> Value {
    let flow = |n: u64| {
        json!({"protocol": "tcp", "from": format!("2001:db8:10:66::{n:x}"), "from_port": 40000 + n,
            "to": "2001:db8:10:66:5054:ff:fe01:1", "to_port": 443, "packets_sent": 10 * n, "packets_received": 25 * n,
            "bytes_sent": 1200 * n, "bytes_received": 38_000 * n, "retransmissions": n % 2, "outcome": "connected"})
    };
    json!({"packets": 210, "flow_count": 40, "duration_seconds": 12.5, "dropped": 3,
        "flows": (1..6).map(flow).collect::<Vec<_>>()})
}

fn hostile_way() -> Value {
    let name = "</text><script>alert(1)</script>\u{202e}\u{1b}[2J ]]> \"' onload=x \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{6f22}\u{5b57}";
    let mut way = long_way(4);
    way["hops"][1]["name"] = json!(name);
    way["hops"][2]["name"] = json!(name.repeat(9));
    way["target"] = json!(name);
    way["reached"] = json!(false);
    way
}

type Watch = (&'static str, &'static str, &'static str, Vec<Option<Value>>, Vec<usize>);

/// Watches of each kind, with runs that failed.
pub(super) fn watches() -> Vec<Watch> {
    let unless_failed = |n: u32, value: Value| (n % 19 != 13).then_some(value);
    let ping = |n: u32| {
        let mean = 20.0 + f64::from(n * 31 % 17) / 4.0 + if n > 50 { 30.0 } else { 0.0 };
        let loss = if (60..66).contains(&n) { 40.0 } else { 0.0 };
        unless_failed(
            n,
            json!({"transmitted": 10, "received": 10, "loss_percent": loss, "rtt_min_ms": mean * 0.8,
                "rtt_avg_ms": mean, "rtt_max_ms": mean * 1.4, "complete": true}),
        )
    };
    let way = |n: u32| {
        let mut way = long_way(if n > 24 { 11 } else { 10 });
        if n > 24 {
            way["hops"][2]["address"] = json!("203.0.113.3");
        }
        if n.is_multiple_of(9) {
            way["reached"] = json!(false);
        }
        way["hops"][1]["avg_ms"] = json!(5.0 + f64::from(n * 13 % 29));
        unless_failed(n, way)
    };
    let scan = |n: u32| {
        unless_failed(
            n,
            json!({"hosts_up": 12, "open_ports": if n > 9 { 17 } else { 14 }, "hosts": []}),
        )
    };
    let tls = |n: u32| {
        unless_failed(
            n,
            json!({"days_left": if n < 30 { 30 - i64::from(n) } else { 90 - i64::from(n - 30) }, "protocol": "TLSv1.3"}),
        )
    };
    let http = |n: u32| {
        unless_failed(
            n,
            json!({"status": if n == 7 { 503 } else { 200 }, "total_ms": 120.0 + f64::from(n * 37 % 50)}),
        )
    };
    vec![
        (
            "watch_ping",
            "ping",
            "gateway every 15 minutes",
            (0..80).map(ping).collect(),
            vec![51, 60],
        ),
        ("watch_mtr", "mtr", "way to the data centre", (0..48).map(way).collect(), vec![25]),
        ("watch_nmap", "nmap-xml", "ports of the lab", (0..30).map(scan).collect(), vec![10]),
        ("watch_tls", "tls", "certificate of web.lab", (0..40).map(tls).collect(), vec![30]),
        ("watch_http", "curl", "the shop's front page", (0..24).map(http).collect(), vec![7, 8]),
        (
            "watch_arping",
            "arping",
            "who has 10.66.1.9",
            (0..24).map(|n| unless_failed(n, json!({}))).collect(),
            vec![3],
        ),
        ("watch_one", "ping", "just begun", vec![ping(0)], vec![]),
    ]
}

#[test]
fn pictures_to_look_at_are_written_where_one_asks_for_them() {
    let all = all();
    for (name, picture) in &all {
        assert!(laws::check(picture).is_ok(), "{name}: {:?}", laws::check(picture));
    }
    let Some(folder) = std::env::var_os("PICTURES") else { return };
    for (name, picture) in &all {
        let path = std::path::Path::new(&folder).join(format!("{name}.svg"));
        std::fs::write(path, &picture.svg).unwrap();
    }
}
