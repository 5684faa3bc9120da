//! What servers say: of names, of their certificates, over HTTP; and rows of a tool's own table.

use serde_json::json;

use super::*;

#[test]
fn records_come_and_go_and_times_to_live_are_no_change() {
    let before = fixture("dig_a.txt");
    let aged = changed("dig_a.txt", |output| output.replace("\t60\t", "\t12\t"));
    assert!(of("dig", &before, &aged).same);
    let moved = changed("dig_a.txt", |output| output.replace("A\t10.66.2.2", "A\t10.66.2.3"));
    let comparison = of("dig", &before, &moved);
    assert_eq!(
        comparison.sentence,
        "Record web.lab.internal. A came (10.66.2.3); record web.lab.internal. A is gone (was 10.66.2.2)."
    );
    let line = "web.lab.internal.\t60\tIN\tA\t10.66.2.2\n";
    let two = |first: &str, second: &str| {
        let rows = [first, second].map(|last| line.replace("10.66.2.2", last)).concat();
        changed("dig_a.txt", |output| output.replace(line, &rows))
    };
    let order = of("dig", &two("10.66.2.2", "10.66.2.3"), &two("10.66.2.3", "10.66.2.2"));
    assert!(order.same, "{order:?}");
}

#[test]
fn a_name_that_is_gone_is_a_change_of_the_status() {
    let before = changed("dig_a.txt", |output| output.replace("web.lab", "missing.lab"));
    let comparison = of("dig", &before, &fixture("dig_nxdomain.txt"));
    assert!(
        comparison.sentence.contains("tatus changed from NOERROR to NXDOMAIN"),
        "{}",
        comparison.sentence
    );
    let comparison = of("dig", &fixture("dig_a.txt"), &fixture("dig_nxdomain.txt"));
    assert_eq!(kinds(&comparison), [(Kind::Changed, "question")]);
}

#[test]
fn a_zone_that_was_edited_has_another_serial() {
    let after = changed("dig_soa.txt", |output| output.replace("2024010101", "2024010102"));
    let comparison = of("dig", &fixture("dig_soa.txt"), &after);
    assert_eq!(kinds(&comparison), [(Kind::Changed, "record zone.lab.internal. SOA")]);
}

#[test]
fn a_server_that_does_not_answer_has_not_lost_its_records() {
    let comparison = of("dig", &fixture("dig_a.txt"), &fixture("dig_silent.txt"));
    assert_eq!(kinds(&comparison), [(Kind::NotSeen, "answer")]);
    assert!(comparison.notes.iter().any(|note| note.starts_with("The second run had no answer")));
}

#[test]
fn a_certificate_that_was_replaced_is_told_with_what_is_new() {
    let before = fixture("tls_good.txt");
    let comparison = of("tls", &before, &fixture("tls_wrong_name.txt"));
    assert!(kinds(&comparison).contains(&(Kind::Changed, "certificate")));
    let names: Vec<_> = kinds(&comparison);
    assert!(names.contains(&(Kind::Came, "certificate name other.lab.internal")), "{names:?}");
    assert!(names.contains(&(Kind::Gone, "certificate name web.lab.internal")), "{names:?}");
    let comparison = of("tls", &before, &fixture("tls_expired.txt"));
    assert!(
        all(&comparison, Kind::Changed)
            .iter()
            .any(|it| it.starts_with("chain: accepted > refused: ")),
        "{comparison:?}"
    );
    let without = of("tls", &before, &fixture("tls_no_tls.txt"));
    assert!(kinds(&without).contains(&(Kind::NotSeen, "certificate")), "{without:?}");
}

#[test]
fn days_that_pass_are_no_change_until_none_are_left() {
    let with_days = |days: i64| {
        let mut report = fixture("tls_good.txt");
        report["chain"][0]["days_left"] = json!(days);
        report
    };
    let comparison = of("tls", &with_days(30), &with_days(9));
    assert_eq!(comparison.sentence, "Nothing changed. The certificate has 9 days left.");
    let comparison = of("tls", &with_days(30), &with_days(-1));
    assert_eq!(
        comparison.sentence,
        "Certificate changed from in its time to over. The certificate ended 1 day ago."
    );
}

#[test]
fn another_status_or_header_is_told_and_the_time_of_day_is_not() {
    let before = fixture("curl_page.txt");
    let comparison = of("curl", &before, &fixture("curl_missing.txt"));
    let status = all(&comparison, Kind::Changed);
    assert!(status.contains(&"status: 200 > 404".to_owned()), "{status:?}");
    let gone = all(&comparison, Kind::Gone);
    assert!(gone.contains(&"header cache-control: no-store > -".to_owned()), "{gone:?}");
    let dated = changed("curl_page.txt", |output| {
        output
            .replace("\"server\":[\"lab/1.0\"],", "\"server\":[\"lab/1.0\"],\n\"date\":[\"Mon\"],")
    });
    assert!(of("curl", &before, &dated).same);
    let comparison = of("curl", &before, &fixture("curl_redirect.txt"));
    assert!(all(&comparison, Kind::Came)[0].starts_with("redirect: - > "), "{comparison:?}");
    let refused = of("curl", &before, &fixture("curl_refused.txt"));
    assert!(kinds(&refused).contains(&(Kind::NotSeen, "answer")), "{refused:?}");
}

#[test]
fn the_time_of_one_request_is_never_judged() {
    let mut slow = fixture("curl_page.txt");
    slow["total_ms"] = json!(4000.0);
    let comparison = of("curl", &fixture("curl_page.txt"), &slow);
    assert!(comparison.same, "{comparison:?}");
    assert!(
        comparison.sentence.contains("one sample, which tells nothing"),
        "{}",
        comparison.sentence
    );
}

fn table(rows: Value) -> Value {
    let columns = json!([
        {"name": "name", "title": "Name", "type": "text", "unit": null},
        {"name": "mtu", "title": "MTU", "type": "integer", "unit": "bytes"}
    ]);
    json!({"columns": columns, "rows": rows, "row_count": 0, "other": 0, "unread": 0,
        "complete": true, "truncated": false})
}

#[test]
fn rows_are_known_by_their_first_column_where_it_tells_them_apart() {
    let before = table(json!([{"name": "lo", "mtu": 65536}, {"name": "eth0", "mtu": 1500}]));
    let after = table(json!([{"name": "eth0", "mtu": 1400}, {"name": "eth1", "mtu": null}]));
    let comparison = of("table", &before, &after);
    assert_eq!(
        kinds(&comparison),
        [(Kind::Gone, "row lo"), (Kind::Changed, "row eth0, MTU"), (Kind::Came, "row eth1")]
    );
    assert_eq!(all(&comparison, Kind::Changed), ["row eth0, MTU: 1500 > 1400"]);
}

#[test]
fn rows_that_nothing_tells_apart_are_counted() {
    let row = json!({"name": "lo", "mtu": 1});
    let before = table(json!([row, row, {"name": "lo", "mtu": 2}]));
    let after = table(json!([{"name": "lo", "mtu": 2}, {"name": "lo", "mtu": 3}]));
    let comparison = of("table", &before, &after);
    assert_eq!(all(&comparison, Kind::Gone), ["row lo 1: 2 times > -"]);
    assert_eq!(all(&comparison, Kind::Came), ["row lo 3: - > -"]);
}
