//! Scans that do not come to their end: cancelled halfway, or cut by the end of the server or the client.
//! What they had found is kept, no nmap is left, and the next server finds all of it again.

use nix::sys::signal::Signal;
use probity_tests::procs::wait_until;
use serde_json::{Value, json};

use super::{
    HALF, NETWORK, PATIENCE, Place, about, await_half, begin, can_run, found, result, text,
};

/// A scan that cannot come to its end once [`Place::slow_down`] was called.
fn wide() -> Value {
    json!({"target": NETWORK, "ports": "1-60", "timing": 4})
}

/// One that does.
fn small() -> Value {
    json!({"target": "10.66.9.16/28", "ports": "22,80"})
}

/// What a run found that was ended halfway: some of the network, and not all of it.
fn assert_half(run: &Value) {
    let found = found(&run["result"]);
    assert!((HALF..254).contains(&(found.len() as u64)), "{} hosts", found.len());
    assert_eq!(found["10.66.9.16"], [22]);
    assert_eq!(run["result"]["parsed"]["complete"], false);
}

#[test]
fn a_scan_that_is_cancelled_halfway_keeps_what_it_had_found_and_leaves_no_process() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _served = place.serve([16, 32]);
    let mut session = place.session();
    let whole = begin(&mut session, "nmap", &wide());
    result(&mut session, &whole);
    place.slow_down();

    let id = begin(&mut session, "nmap", &wide());
    await_half(&mut session, &id);
    let cancelled = about(&mut session, "run_cancel", json!({"id": id}));
    assert!(text(&cancelled).contains("is being ended"), "{cancelled}");
    let answer = result(&mut session, &id);
    assert!(text(&answer).starts_with("CANCELLED"), "{answer}");
    assert!(!place.has_nmap());
    let status = about(&mut session, "run_status", json!({"id": id}));
    assert_eq!(status["structuredContent"]["state"], "cancelled");
    let (_, kept) = place.runs(&["show", &id]);
    assert_half(&kept);

    // What it did not get to is not seen, and nothing is gone.
    let compared = about(&mut session, "compare_runs", json!({"id": id, "earlier": whole}));
    let compared = &compared["structuredContent"];
    assert_eq!(compared["complete"], false, "{compared}");
    let changes = compared["changes"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["what"] == "not_seen"), "{compared}");
    let unseen = 254 - found(&kept["result"]).len();
    assert_eq!(compared["change_count"], unseen, "{compared}");

    // The same by HTTP, for whoever watches it, too.
    let http = place.http();
    let id = http.begin("nmap", &wide());
    http.await_half(&id);
    let mut events = http.watch(&id, "");
    assert_eq!(http.ask("DELETE", &format!("/runs/{id}"), None).status, 202);
    let ended = events.data_of("ended").unwrap();
    assert!(!place.has_nmap());
    assert_eq!(ended["state"], "cancelled", "{ended}");
    assert_half(&ended);
    assert_half(&http.get(&format!("/runs/{id}")));
    assert_eq!(http.ask("DELETE", &format!("/runs/{id}"), None).status, 200, "it is over");
}

#[test]
fn a_server_that_is_started_anew_finds_the_runs_again_and_marks_those_that_were_cut() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _served = place.serve([16]);
    place.slow_down();
    let mut http = place.http();
    let done = http.begin("nmap", &small());
    let before = http.over(&done);
    let killed = http.begin("nmap", &wide());
    http.await_half(&killed);
    http.server.end(Signal::SIGKILL).unwrap();
    assert!(wait_until(PATIENCE, || !place.has_nmap()), "nmap outlives a server that was killed");

    let mut http = place.http();
    let states = |list: Value| -> Vec<(String, String)> {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let runs = list["runs"].as_array().unwrap().iter();
        runs.map(|run| (word(&run["run_id"]), word(&run["state"]))).collect()
    };
    let [finished, interrupted] = ["finished", "interrupted"].map(str::to_owned);
    let known = [(killed.clone(), interrupted.clone()), (done.clone(), finished)];
    assert_eq!(states(http.get("/runs")), known);
    let after = http.get(&format!("/runs/{done}"));
    assert_eq!(after["result"]["parsed"], before["result"]["parsed"]);
    assert_eq!(found(&after["result"]).len(), 16, "{after}");
    // Nobody was left to keep what it had found.
    assert_eq!(http.get(&format!("/runs/{killed}"))["result"], Value::Null);
    let ended = http.over(&killed);
    assert_eq!(ended["state"], "interrupted", "who watches it is told: {ended}");

    // One that ends in order has its runs say what they had found.
    let stopped = http.begin("nmap", &wide());
    http.await_half(&stopped);
    assert_eq!(http.server.end(Signal::SIGTERM).unwrap(), Some(0));
    assert!(wait_until(PATIENCE, || !place.has_nmap()), "nmap outlives a server that has ended");
    let http = place.http();
    let all = [&[(stopped.clone(), interrupted)], &known[..]].concat();
    assert_eq!(states(http.get("/runs")), all);
    assert_half(&http.get(&format!("/runs/{stopped}")));
    assert_eq!(states(place.runs(&["list"]).1), all, "at the terminal");
}

#[test]
fn a_client_that_comes_back_finds_the_runs_again_and_what_ended_when_it_left() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _served = place.serve([16]);
    place.slow_down();
    let mut session = place.session();
    let done = begin(&mut session, "nmap", &small());
    let before = result(&mut session, &done);
    let cut = begin(&mut session, "nmap", &wide());
    await_half(&mut session, &cut);
    assert_eq!(session.close().unwrap(), Some(0));
    assert!(wait_until(PATIENCE, || !place.has_nmap()), "nmap outlives its client");

    let mut session = place.session();
    let list = session.call("run_list", json!({})).unwrap();
    let mut lines = text(&list).lines();
    for (id, state) in [(&cut, "interrupted"), (&done, "finished")] {
        let line = lines.next().unwrap();
        assert!(line.starts_with(&format!("{id} nmap ")) && line.contains(state), "{list}");
    }
    let after = result(&mut session, &done);
    assert_eq!(text(&after), text(&before));
    assert_eq!(after["structuredContent"]["parsed"], before["structuredContent"]["parsed"]);
    let (_, kept) = place.runs(&["show", &cut]);
    assert_eq!(kept["state"], "interrupted");
    assert_half(&kept);
    let answer = result(&mut session, &cut);
    assert_eq!(text(&answer), kept["text"].as_str().unwrap(), "{answer}");
}
