//! What each condition holds of, and what is refused in which words.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::watches::told::RunIds;

fn ran(result: Value) -> Ran {
    let run = RunIds::by_correlation("1");
    Ran { result, success: true, duration: Duration::ZERO, run, changed: None }
}

fn holds(text: &str, parser: &str, result: Value) -> Option<bool> {
    let condition = Condition::read(text, "tool", Some(parser)).unwrap();
    condition.holds(&ran(result)).map(|(holds, _)| holds)
}

#[test]
fn each_operator_compares_in_the_unit_that_was_written() {
    let ping = |loss: f64, rtt: f64| json!({"parsed": {"loss_percent": loss, "rtt_avg_ms": rtt}});
    for (text, loss, rtt, expected) in [
        ("loss > 5 %", 5.0, 0.0, false),
        ("loss > 5%", 5.1, 0.0, true),
        ("loss >= 5", 5.0, 0.0, true),
        ("loss != 0", 0.0, 0.0, false),
        ("loss==100%", 100.0, 0.0, true),
        ("rtt < 200 ms", 0.0, 199.9, true),
        ("rtt<=0.2s", 0.0, 200.0, true),
        ("rtt > 1 m", 0.0, 60_000.0, false),
    ] {
        assert_eq!(holds(text, "ping", ping(loss, rtt)), Some(expected), "{text}");
    }
    let tls =
        |days: i64, trusted: bool| json!({"parsed": {"days_left": days, "chain_holds": trusted}});
    assert_eq!(holds("days_left < 21", "tls", tls(-3, true)), Some(true));
    assert_eq!(holds("days_left < 21 days", "tls", tls(21, true)), Some(false));
    assert_eq!(holds("trusted == false", "tls", tls(1, false)), Some(true));
    assert_eq!(holds("trusted != true", "tls", tls(1, true)), Some(false));
    let dns = json!({"parsed": {"status": "SERVFAIL"}});
    assert_eq!(holds("status != NOERROR", "dig", dns.clone()), Some(true));
    assert_eq!(holds("status == NXDOMAIN", "dig", dns), Some(false));
    assert_eq!(holds("duration > 2 s", "anything", json!({"execution_time": 2.5})), Some(true));
}

#[test]
fn what_the_result_does_not_tell_neither_holds_nor_does_not() {
    assert_eq!(holds("loss > 5 %", "ping", json!({"parsed": {"loss_percent": null}})), None);
    assert_eq!(holds("loss > 5 %", "ping", json!({"parsed": null})), None);
}

#[test]
fn a_figure_that_the_tool_does_not_have_is_refused_with_those_that_it_has() {
    let error = Condition::read("days_left < 21", "ping", Some("ping")).unwrap_err().to_string();
    assert!(error.contains("results of ping have no figure \"days_left\""), "{error}");
    assert!(error.contains("loss, rtt,"), "{error}");
    let error = Condition::read("los > 5 %", "ping", Some("ping")).unwrap_err().to_string();
    assert!(error.contains("did you mean \"loss\"?"), "{error}");
    let error = Condition::read("loss > 5 %", "own", None).unwrap_err().to_string();
    assert!(error.ends_with("they have duration"), "{error}");
}

#[test]
fn a_wrong_unit_says_which_one_is_right() {
    for (text, parser, expected) in [
        ("loss > 5 ms", "ping", "a share such as 5 %"),
        ("rtt > 200", "ping", "200 ms or 2 s"),
        ("rtt > 200 %", "ping", "200 ms or 2 s"),
        ("days_left < 21 h", "tls", "21 days"),
        ("days_left < 1.5", "tls", "whole days"),
        ("open_ports > 2 %", "nmap-xml", "a whole number"),
        ("trusted < true", "tls", "true or false"),
        ("trusted == yes", "tls", "true or false"),
        ("status == noerror", "dig", "a word in capitals"),
        ("loss > five", "ping", "a share"),
        ("loss > 1e3", "ping", "a share"),
    ] {
        let error = Condition::read(text, "tool", Some(parser)).unwrap_err();
        assert!(matches!(error, ConditionError::Value { .. }), "{text}: {error}");
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}

#[test]
fn what_is_always_or_never_true_is_refused() {
    for (text, word) in [
        ("loss > 100 %", "never"),
        ("loss >= 0 %", "always"),
        ("loss <= 100", "always"),
        ("loss == 101", "never"),
        ("loss != 101", "always"),
        ("loss < -1", "never"),
        ("rtt >= 0 ms", "always"),
        ("rtt < 0 ms", "never"),
    ] {
        let error = Condition::read(text, "ping", Some("ping")).unwrap_err().to_string();
        assert!(error.contains(&format!("this is {word} true")), "{text}: {error}");
    }
    for text in ["loss >= 100 %", "loss > 0", "loss <= 0", "rtt > 0 ms", "loss < 100"] {
        assert!(Condition::read(text, "ping", Some("ping")).is_ok(), "{text}");
    }
}

#[test]
fn what_has_no_form_of_a_condition_is_told_what_has() {
    for text in
        ["", "chnaged", "loss", "loss 5 %", "loss > ", "loss = 5", "loss =! 5", "> 5", "loss >> 5"]
    {
        let error = Condition::read(text, "ping", Some("ping")).unwrap_err();
        let is_expected = matches!(error, ConditionError::Form(..) | ConditionError::Figure { .. });
        assert!(is_expected, "{text}: {error}");
    }
    let error = Condition::read("chnaged", "ping", Some("ping")).unwrap_err().to_string();
    assert!(error.contains("did you mean \"changed\"?"), "{error}");
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in "(loss|rtt|alive|x)? ?[<>=!]{0,3} ?.{0,12}") {
        let _ = Condition::read(&text, "ping", Some("ping"));
    }

    #[test]
    fn a_condition_that_is_written_out_is_read_as_the_same(
        sign in "(<=|>=|<|>|==|!=)", limit in 1..100_u32, space in " ?",
    ) {
        let text = format!("loss{space}{sign}{space}{limit}{space}%");
        let read = |text: &str| Condition::read(text, "ping", Some("ping")).unwrap();
        let condition = read(&text);
        prop_assert_eq!(read(&condition.to_string()), condition);
    }
}
