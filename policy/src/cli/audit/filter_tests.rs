use clap::Parser;

use super::*;

#[derive(Parser)]
struct Asked {
    #[command(flatten)]
    filters: Filters,
}

/// Whether a record, given as its JSON, is among those that are asked for.
fn finds(words: &[&str], record: &str) -> bool {
    let asked = Asked::parse_from([&["query"], words].concat());
    let record: Record = serde_json::from_str(record).unwrap();
    let which = Which { policy: None, shipped: true };
    asked.filters.on_this_machine(&which).unwrap().matches(&record)
}

#[test]
fn a_target_is_found_by_what_was_asked_claimed_and_pinned_and_by_what_contains_it() {
    let scan = r#"{"target":"10.1.0.0/24"}"#;
    let named = r#"{"claimed_name":"nas.lab.internal","claimed_addresses":["10.2.0.1"],"address":"10.2.0.1"}"#;
    for (asked, of_scan, of_name) in [
        ("10.1.0.7", true, false),
        ("10.1.0.0/28", true, false),
        ("10.0.0.0/8", true, true),
        ("10.2.0.1", false, true),
        ("::ffff:10.2.0.1", false, true),
        ("nas.lab.internal", false, true),
        ("NAS.lab.internal", false, true),
        ("*.lab.internal", false, true),
        ("lab.internal", false, false),
        ("192.168.0.0/16", false, false),
        ("fd00::/8", false, false),
    ] {
        let args = ["--target", asked];
        assert_eq!((finds(&args, scan), finds(&args, named)), (of_scan, of_name), "{asked}");
    }
    assert!(!finds(&["--target", "10.0.0.0/8"], r#"{"event":"start"}"#));
    assert!(Asked::try_parse_from(["query", "--target", "10.0.0.0/33"]).is_err());
}

#[test]
fn a_user_is_found_by_the_name_on_record_and_by_number() {
    let root = r#"{"uid":0,"user":"root"}"#;
    let counted = r#"{"uid":0}"#;
    // Who had that number then is not who has the name now.
    let renamed = r#"{"uid":0,"user":"toor"}"#;
    assert!(finds(&["--user", "root"], root) && finds(&["--user", "0"], root));
    assert!(finds(&["--user", "root"], counted) && finds(&["--user", "0"], counted));
    assert!(!finds(&["--user", "root"], renamed) && finds(&["--user", "0"], renamed));
    assert!(!finds(&["--user", "no-such-user"], counted));
}

#[test]
fn a_tool_is_found_by_its_aliases_where_the_policy_is_known() {
    assert!(finds(&["--tool", "ping"], r#"{"tool":"PingTool"}"#));
    assert!(finds(&["--tool", "PingTool"], r#"{"tool":"ping"}"#));
    assert!(finds(&["--tool", "gone"], r#"{"tool":"gone"}"#));
    assert!(!finds(&["--tool", "ping"], r#"{"tool":"nmap"}"#));
}

#[test]
fn denials_that_came_again_are_denied() {
    let again = r#"{"event":"repeated","of":"decision","code":"TARGET_NOT_ALLOWED"}"#;
    assert!(finds(&["--verdict", "denied", "--code", "target_not_allowed"], again));
    assert!(!finds(&["--verdict", "denied"], r#"{"event":"repeated","of":"refused"}"#));
}

#[test]
fn times_are_moments_days_or_so_long_ago() {
    let record = r#"{"time":"2026-11-23T13:05:46.524Z"}"#;
    for (words, found) in [
        (["--since", "2026-11-23"], true),
        (["--since", "2026-11-23T13:05:46.524Z"], true),
        (["--since", "2026-11-23 13:05:47"], false),
        (["--until", "2026-11-23T13:05:46Z"], false),
        (["--until", "2026-11-24"], true),
    ] {
        assert_eq!(finds(&words, record), found, "{words:?}");
    }
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    let now = format!(r#"{{"time":"{now}"}}"#);
    assert!(finds(&["--since", "90m"], &now) && !finds(&["--until", "2d"], &now));
    assert!(Asked::try_parse_from(["query", "--since", "yesterday"]).is_err());
}
