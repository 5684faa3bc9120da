//! What must stand in the picture of one run.

use super::*;

/// That a picture says each of these.
fn says(picture: &Picture, wanted: &[&str]) {
    let texts = texts(picture);
    for wanted in wanted {
        assert!(texts.contains(wanted), "{wanted:?} is not in {texts}");
    }
}

#[test]
fn a_ping_shows_what_was_lost_and_how_long_replies_took() {
    let picture = drawn("ping_partial_loss.txt");
    says(
        &picture,
        &["ping 10.66.2.2", "2026-11-30 22:12 UTC", "5 of 7 requests answered, 29% lost"],
    );
    says(&picture, &["no answer", "0.107 ms to 0.167 ms, 0.141 ms on average", "request 1"]);
    assert!(picture.alternative.contains("29% lost"), "{}", picture.alternative);
    // A cross for each request without an answer, and one of the legend.
    let crosses = picture.svg.split("pb-bad-line\"").nth(1).unwrap();
    assert_eq!(crosses.split("/>").next().unwrap().matches('M').count(), 4, "{crosses}");
}

#[test]
fn a_ping_that_nobody_answers_says_so_and_who_said_what() {
    says(&drawn("ping_silent.txt"), &["none of 2 requests was answered"]);
    let picture = drawn("ping_host_unreachable.txt");
    says(&picture, &["none of 3 requests was answered", "said \"Destination Host Unreachable\""]);
}

#[test]
fn a_quiet_ping_shows_shares_and_the_range() {
    says(&drawn("ping_quiet.txt"), &["all 5 requests answered, none lost", "answered"]);
}

#[test]
fn replies_that_a_report_leaves_out_are_not_drawn_as_lost() {
    let mut ping = long_ping(60);
    ping["replies"].as_array_mut().unwrap().truncate(10);
    ping["truncated"] = json!(true);
    let picture = of("ping", &ping);
    says(&picture, &["request 1"]);
    assert!(!texts(&picture).contains("\n60\n"), "{}", texts(&picture));
}

#[test]
fn a_way_shows_each_hop_and_whether_the_target_answered() {
    let picture = drawn("traceroute_multipath.txt");
    says(&picture, &["the target answered at hop 2", "10.66.3.1", "or 10.66.1.1", "10.66.2.50"]);
    let picture = drawn("traceroute_busybox_silent.txt");
    says(
        &picture,
        &["the target did not answer, nor did any hop", "hops 1 to 3 did not answer", "no answer"],
    );
    says(&drawn("traceroute_prohibited.txt"), &["said !X: prohibited"]);
}

#[test]
fn a_path_shows_what_gets_through() {
    says(
        &drawn("tracepath_narrow.txt"),
        &["path MTU 1,280 bytes", "lets packets of 1,280 bytes through"],
    );
}

#[test]
fn what_a_router_does_not_answer_is_not_shown_as_lost() {
    let picture = of("mtr", &long_way(14));
    says(
        &picture,
        &["8% lost", "from hop 9 on", "35% unanswered", "8% lost", "hops 5 to 6 did not answer"],
    );
    assert!(!texts(&picture).contains("35% lost"));
    says(&drawn("mtr_lossy.json"), &["25% lost"]);
}

#[test]
fn one_host_is_a_list_of_its_ports() {
    let picture = drawn("nmap_services.xml");
    says(&picture, &["/tcp", "http"]);
    assert!(picture.alternative.contains("tcp/"), "{}", picture.alternative);
}

#[test]
fn a_few_hosts_are_lists_one_below_the_other() {
    let picture = of("nmap-xml", &large_scan(3, 30));
    says(&picture, &["10.66.0.0", "10.66.0.2", "20/tcp", "22/tcp", "and 22 more open ports"]);
}

#[test]
fn hosts_are_a_table_of_ports() {
    let picture = of("nmap-xml", &large_scan(12, 9));
    says(&picture, &["10.66.0.0", "open", "+6"]);
    assert!(!texts(&picture).contains("all 12 hosts"));
    says(&drawn("nmap_silent.xml"), &["no host answered"]);
}

#[test]
fn the_end_of_a_long_address_is_seen() {
    let picture = of("nmap-xml", &samples::scan_of_ipv6());
    says(&picture, &["…", ":1003", "nmap gave up", "53/udp"]);
}

#[test]
fn a_chain_shows_days_and_names() {
    says(&drawn("tls_chained.txt"), &["left", "bars: how much of its time is left"]);
    says(&drawn("tls_expired.txt"), &["ended"]);
    says(&drawn("tls_no_tls.txt"), &["no handshake"]);
}

#[test]
fn an_answer_shows_its_records() {
    let picture = drawn("dig_cname.txt");
    says(&picture, &["CNAME", "answered by", " s"]);
    says(&drawn("dig_nxdomain.txt"), &["NXDOMAIN after"]);
}

#[test]
fn a_request_shows_where_its_time_went() {
    says(&drawn("curl_https.txt"), &["200 OK", "connect", "TLS", "wait", "where the time went"]);
    says(&drawn("curl_redirect.txt"), &["sends its clients to"]);
    says(&drawn("curl_refused.txt"), &["nobody took the connection"]);
}

#[test]
fn a_capture_shows_who_spoke_with_whom() {
    says(&drawn("tcpdump_talk.txt"), &["tcp", "conversation"]);
}

#[test]
fn what_cannot_be_drawn_is_refused_with_what_to_do() {
    let parsed = json!({});
    let refused =
        |parser: &str, parsed: &Value| of_run(parser, &shown(parser, parsed)).unwrap_err();
    assert!(matches!(refused("arping", &parsed), PictureError::NotDrawn { .. }));
    assert!(matches!(refused("ping", &Value::Null), PictureError::NothingParsed));
    assert!(matches!(
        refused("ping", &json!({"transmitted": "many"})),
        PictureError::Unreadable { .. }
    ));
    assert!(matches!(refused("ping", &json!([1])), PictureError::Unreadable { .. }));
    for parser in ["ping", "mtr", "traceroute", "tracepath", "nmap-xml", "tls", "dig", "curl"] {
        let error = refused(parser, &parsed);
        assert!(matches!(error, PictureError::NothingToDraw { .. }), "{parser}: {error}");
        assert!(error.to_string().contains("; "), "{error}");
    }
    assert!(!is_drawn("arping") && !is_drawn("table") && is_drawn("nmap-xml"));
}

#[test]
fn a_run_that_was_stopped_says_so() {
    let parsed = fixture("ping_named.txt");
    let run = Shown { complete: false, at: None, ..shown("ping", &parsed) };
    says(&of_run("ping", &run).unwrap(), &["stopped before its end"]);
}
