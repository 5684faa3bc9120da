//! Tools that do what no tool should, each called through MCP.

use std::time::{Duration, Instant};

use probity_tests::{
    needs,
    procs::{children, settle, wait_until},
    served::Served,
};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_tool_that_floods_a_hundred_megabytes_is_read_to_its_end_and_cut() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    let flood = served.does("huge-flood", 30.0).unwrap();
    assert_eq!((&flood["returncode"], &flood["timed_out"]), (&json!(0), &json!(false)), "{flood}");
    assert_eq!(flood["truncated_stdout"], true);
    assert!(flood["stdout"].as_str().unwrap().starts_with("xxx"));
    let log = served.broker.audit().unwrap();
    let exit = log.iter().rfind(|line| line["event"] == "exit").unwrap();
    assert_eq!(exit["stdout_bytes"], 100_000_000);
    before.check().unwrap();
    served.is_well().unwrap();
}

#[test]
fn a_tool_that_ignores_term_is_gone_after_its_grace() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    let result = served.does("stubborn", 0.2).unwrap();
    assert_eq!((&result["timed_out"], &result["error_type"]), (&json!(true), &json!("TIMEOUT")));
    assert!(result["stdout"].as_str().unwrap().contains("stubborn: ok"), "{result}");
    before.check().unwrap();
    served.is_well().unwrap();
}

#[test]
fn a_tool_that_forks_has_no_children_and_ends_in_time() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    let id = served.begin("forks", 1.0).unwrap();
    let broker = served.broker.pid();
    assert!(wait_until(PATIENCE, || !children(broker).is_empty()));
    // It has tried by then, and waits for its end.
    assert!(wait_until(PATIENCE, || children(broker).len() == 1 && settle(&children(broker))));
    let below = children(broker);
    assert_eq!(below.len(), 1, "{below:?}");
    // What is looked for afterwards is found while it is there.
    let traces = served.traces();
    assert_eq!(traces.processes(), [(below[0], "hostile-tool".to_owned())]);
    assert_eq!(traces.folders().unwrap().len(), 1);
    assert_eq!(traces.status().unwrap().total_runs, 1);
    assert!(traces.verify_log().is_err());
    let result = served.end(id).unwrap();
    let said = result["stdout"].as_str().unwrap();
    assert_eq!(said.matches("fork: EPERM\n").count(), 20, "{said}");
    assert_eq!(said.matches("thread: EPERM\n").count(), 20, "{said}");
    assert_eq!(result["timed_out"], true);
    before.check().unwrap();
    served.is_well().unwrap();
}

#[test]
fn a_tool_that_closes_its_outputs_and_stays_is_not_taken_for_ended() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    let asked = Instant::now();
    let result = served.does("close-outputs", 1.0).unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(1));
    assert_eq!(
        (&result["timed_out"], &result["stdout"]),
        (&json!(true), &json!("closing: ok\nclose: ok\n"))
    );
    // Nor is it forgotten where its client goes.
    let id = served.begin("close-outputs", 20.0).unwrap();
    let broker = served.broker.pid();
    assert!(wait_until(PATIENCE, || !children(broker).is_empty()));
    served.session.notify("notifications/cancelled", json!({"requestId": id})).unwrap();
    before.check().unwrap();
    served.is_well().unwrap();
}

#[test]
fn what_a_tool_wrote_before_it_left_is_read_after_it_is_gone() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    for _ in 0..10 {
        let result = served.does("parting", 10.0).unwrap();
        assert_eq!(result["returncode"], 0, "{result}");
    }
    let log = served.broker.audit().unwrap();
    let exits: Vec<_> = log.iter().filter(|line| line["event"] == "exit").skip(1).collect();
    assert_eq!(exits.len(), 10);
    for exit in exits {
        let written = (&exit["stdout_bytes"], &exit["stderr_bytes"]);
        assert_eq!(written, (&json!(50_000), &json!(50_000)), "{exit}");
        assert_eq!(exit["truncated_stdout"], false);
    }
    before.check().unwrap();
    served.is_well().unwrap();
}
