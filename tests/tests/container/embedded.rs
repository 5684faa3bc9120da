//! One container that an assistant starts, with a broker of its own: `run -i … probity stdio --embedded`.

use std::process::Stdio;

use probity_tests::{
    container::Run,
    lab::{HOST, Lab, ROUTER},
    machine::said,
    mcp::Session,
    needs,
};
use serde_json::{Value, json};

/// Podman's capability for a user other than root; nothing else, and nothing to be gained.
const WITH_NET_RAW: &str = "--cap-drop ALL --cap-add NET_RAW --security-opt no-new-privileges --pids-limit 100 --memory 512m";

/// Of an image that nobody changes: a place for the audit log and the broker's socket, in memory.
const READ_ONLY: &str = "--read-only --tmpfs /tmp --env XDG_STATE_HOME=/tmp";

fn call(session: &mut Session, tool: &str, arguments: Value) -> Value {
    session.call(tool, arguments).unwrap()
}

#[test]
fn an_assistant_pings_traces_and_scans_and_is_refused_what_the_policy_refuses() {
    if !needs::image() {
        return;
    }
    let lab = Lab::new().unwrap();
    for options in [WITH_NET_RAW.to_owned(), format!("{WITH_NET_RAW} {READ_ONLY}")] {
        let run = Run::in_lab(&lab).with(&format!("--interactive {options}"));
        let mut server = run.command(&["stdio", "--embedded"]);
        server.stderr(Stdio::null());
        let mut session = Session::start(server).unwrap();
        let host = HOST.to_string();
        let ping = call(&mut session, "ping", json!({ "target": host, "count": 1 }));
        assert_eq!(ping["structuredContent"]["parsed"]["alive"], true, "{ping}");
        let trace = call(&mut session, "traceroute", json!({ "target": host }));
        let hop = &trace["structuredContent"]["parsed"]["hops"][0]["probes"][0]["address"];
        assert_eq!(hop, &json!(ROUTER.to_string()), "{trace}");
        let scan = call(&mut session, "nmap", json!({ "target": host, "ports": "22,80,81" }));
        assert_eq!(scan["structuredContent"]["parsed"]["open_ports"], 2, "{scan}");
        let refused = call(&mut session, "ping", json!({ "target": "8.8.8.8" }));
        assert_eq!(refused["isError"], true, "{refused}");
        assert!(refused.to_string().contains("TARGET_NOT_ALLOWED"), "{refused}");
        // The whole container ends with its standard input.
        assert_eq!(session.close().unwrap(), Some(0));
    }
}

#[test]
fn without_the_capability_what_needs_none_runs() {
    if !needs::image() {
        return;
    }
    let lab = Lab::new().unwrap();
    // As Docker does for every container of its own network.
    lab.client().shell("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range").unwrap();
    let bare = Run::in_lab(&lab).with("--cap-drop ALL --security-opt no-new-privileges");
    let host = HOST.to_string();
    for words in [&["ping"][..], &["traceroute"], &["nmap"]] {
        let output = bare.output(&[&["call", "--embedded", words[0], &host], &words[1..]].concat());
        let output = output.unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
    }
}
