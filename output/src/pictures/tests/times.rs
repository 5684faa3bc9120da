//! What must stand in the picture of two runs, and of a watch.

use super::*;

#[test]
fn two_scans_show_what_came_and_what_went() {
    let scan = |ports: &[u16]| {
        let ports: Vec<Value> = ports
            .iter()
            .map(|port| json!({"port": port, "proto": "tcp", "state": if *port == 25 { "closed" } else { "open" }}))
            .collect();
        json!({"hosts": [{"address": "10.66.2.2", "state": "up", "ports": ports, "extra_ports": []}],
            "hosts_up": 1, "hosts_down": 0, "complete": true})
    };
    let (before, after) = (scan(&[22, 25]), scan(&[22, 25, 8080]));
    let picture = of_two("nmap-xml", &shown("nmap", &before), &shown("nmap", &after)).unwrap();
    assert!(laws::check(&picture).is_ok());
    let said = texts(&picture);
    assert!(said.contains("8080"), "{said}");
    assert!(picture.alternative.contains("8080"), "{}", picture.alternative);
    assert_eq!(picture.title, "nmap 10.66.2.2, compared");
}

#[test]
fn two_pings_show_both_figures() {
    let (before, after) = (long_ping(200), fixture("ping_partial_loss.txt"));
    let picture = of_two("ping", &shown("ping", &before), &shown("ping", &after)).unwrap();
    let said = texts(&picture);
    assert!(said.contains("before") && said.contains("after") && said.contains("29%"), "{said}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let parsed = json!({});
    let error = of_two("whois", &shown("whois", &parsed), &shown("whois", &parsed)).unwrap_err();
    assert!(matches!(error, PictureError::NotComparable(_)));
}

#[test]
fn a_watch_shows_changes_and_failures() {
    for (name, parser, title, results, changed) in samples::watches() {
        let times = minutes(results.len() as u64, 15);
        let moments = moments(&times, &results, &changed);
        let picture = over_time(parser, title, &moments).unwrap();
        let said = texts(&picture);
        assert!(said.contains(title), "{name}: {said}");
        assert_eq!(said.contains("something changed"), !changed.is_empty(), "{name}: {said}");
        assert_eq!(said.contains("failed"), results.iter().any(Option::is_none), "{name}: {said}");
    }
}

#[test]
fn a_watch_of_ways_names_its_hops_and_says_how_often_the_target_answered() {
    let (_, parser, title, results, changed) = samples::watches().swap_remove(1);
    let times = minutes(results.len() as u64, 15);
    let picture = over_time(parser, title, &moments(&times, &results, &changed)).unwrap();
    let said = texts(&picture);
    assert!(said.contains("203.0.113.3") && said.contains("line: another router"), "{said}");
    assert!(picture.alternative.contains("The target answered in"), "{}", picture.alternative);
}

#[test]
fn a_watch_of_scans_shows_ports_and_hosts() {
    let scan = |ports: u64| json!({"hosts_up": 12, "open_ports": ports, "hosts": []});
    let results = [Some(scan(3)), None, Some(scan(5))];
    let times = minutes(3, 60);
    let picture = over_time("nmap-xml", "lab", &moments(&times, &results, &[2])).unwrap();
    let said = texts(&picture);
    assert!(said.contains("open ports") && said.contains("hosts up"), "{said}");
    let told = "3 runs, 1 failed, 1 change. Between 3 open ports and 5 open ports, 5 open ports at last. Each time \
                12 hosts.";
    assert_eq!(picture.alternative, told);
}

#[test]
fn many_ports_that_two_scans_tell_apart_are_a_table() {
    let (before, after) = (large_scan(40, 9), large_scan(40, 6));
    let picture =
        of_two("nmap-xml", &shown("nmap-xml", &before), &shown("nmap-xml", &after)).unwrap();
    let said = texts(&picture);
    assert!(said.contains("open no more") && !said.contains("open now"), "{said}");
    let picture =
        of_two("nmap-xml", &shown("nmap-xml", &after), &shown("nmap-xml", &before)).unwrap();
    assert!(texts(&picture).contains("open now"), "{}", texts(&picture));
}

#[test]
fn a_watch_that_has_not_run_is_refused() {
    assert_eq!(over_time("ping", "gateway", &[]), Err(PictureError::NoMoments));
}

#[test]
fn a_time_without_runs_stays_empty() {
    let result = json!({"total_ms": 5.0, "status": 200});
    let at = |at| Moment { at, parsed: Some(&result), changed: false };
    let close =
        [at("2026-11-30T00:00:00Z"), at("2026-11-30T00:01:00Z"), at("2026-11-30T00:02:00Z")];
    let gap = [at("2026-11-30T00:00:00Z"), at("2026-11-30T00:01:00Z"), at("2026-11-30T10:00:00Z")];
    let bars = |moments: &[Moment<'_>]| {
        let svg = over_time("curl", "page", moments).unwrap().svg;
        let bars =
            svg.split("pb-good\" d=\"").last().unwrap().split('"').next().unwrap().to_owned();
        bars.matches('M').count()
    };
    assert_eq!((bars(&close), bars(&gap)), (3, 2));
}

#[test]
fn times_that_are_none_are_shown_as_they_are() {
    let moments = [
        Moment { at: "yesterday", parsed: None, changed: false },
        Moment { at: "\u{202e}today", parsed: None, changed: false },
    ];
    let picture = over_time("ping", "gateway", &moments).unwrap();
    assert!(laws::check(&picture).is_ok());
    assert!(texts(&picture).contains(r"\u{202e}today"), "{}", texts(&picture));
}
