use super::*;
use crate::admin::doctor::CheckState;

const DIGEST: Digest = Digest([7; 32]);

fn grounds(decided_by: Option<Digest>) -> PolicyFacts {
    PolicyFacts { file: PolicyFile::System, decided_by, systemd: true }
}

fn word(text: &str) -> Found {
    Found::Word(serde_json::from_str(text).unwrap())
}

fn defective() -> Found {
    word(
        r#"{"policy": "p", "ok": false, "defects": [{"file": "/etc/probity/policy.toml",
            "line": 3, "column": 1, "message": "unknown key", "text": "netwoks = []"}]}"#,
    )
}

#[test]
fn defects_are_shown_with_their_place_and_fail_where_no_broker_runs() {
    let check = super::check(&defective(), &grounds(None));
    assert_eq!(check.state, CheckState::Failed);
    assert!(check.found.contains("/etc/probity/policy.toml:3:1: unknown key"), "{}", check.found);
    // The one that runs decides by what it read before.
    let check = super::check(&defective(), &grounds(Some(DIGEST)));
    assert_eq!(check.state, CheckState::Warning);
    assert!(check.found.contains("does not start with it again"), "{}", check.found);
}

#[test]
fn many_defects_are_cut_and_counted() {
    let defect = r#"{"file": "f", "line": 1, "column": 1, "message": "m"}"#;
    let defects = [defect; 9].join(",");
    let check = super::check(&word(&format!("{{\"defects\": [{defects}]}}")), &grounds(None));
    assert!(check.found.ends_with("and 4 more"), "{}", check.found);
}

#[test]
fn a_file_that_was_changed_and_not_read_again_is_seen_by_its_digest() {
    let sound =
        |digest: &str| word(&format!(r#"{{"ok": true, "digest": "{digest}", "tools": 4}}"#));
    let same = DIGEST.to_string();
    let check = super::check(&sound(&same), &grounds(Some(DIGEST)));
    assert_eq!((check.state, check.remedy), (CheckState::Ok, None));
    let changed = super::check(&sound(&"8".repeat(64)), &grounds(Some(DIGEST)));
    assert_eq!(changed.state, CheckState::Warning);
    assert_eq!(changed.remedy.unwrap().commands, ["sudo systemctl reload probity-broker"]);
}

#[test]
fn what_this_user_may_not_read_is_left_to_root() {
    let check = super::check(&Found::Closed, &grounds(None));
    assert_eq!(check.state, CheckState::NotChecked);
    assert_eq!(check.remedy.unwrap().commands, ["sudo probity-policy check"]);
    let check = super::check(&Found::Closed, &grounds(Some(DIGEST)));
    assert_eq!(check.state, CheckState::Ok);
    assert!(check.found.contains("070707070707"), "{}", check.found);
}

#[test]
fn a_file_that_is_gone_fails_unless_a_broker_still_lives_by_it() {
    assert_eq!(super::check(&Found::Missing, &grounds(None)).state, CheckState::Failed);
    assert_eq!(super::check(&Found::Missing, &grounds(Some(DIGEST))).state, CheckState::Warning);
}

#[test]
fn without_the_program_the_word_of_the_broker_is_enough() {
    let found = Found::NoWord("probity-policy is not there".into());
    assert_eq!(super::check(&found, &grounds(Some(DIGEST))).state, CheckState::Ok);
    assert_eq!(super::check(&found, &grounds(None)).state, CheckState::NotChecked);
}
