//! What a run that does not come to its end leaves: everything that the tool had written until then,
//! read as far as it goes, and no process. With the real tools, on hosts of the lab that are slow on
//! purpose.
//!
//! - time: the limit of a call, and the ceiling of the policy
//! - cancelling: Ctrl-C and SIGTERM in `probity call`, `notifications/cancelled` over MCP

use std::{
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_tests::{
    broker::USER_UID,
    mcp::Session,
    needs,
    procs::{ProcStatus, children, settle, wait_until, written_by},
    rig::{Rig, running_tools},
    world::World,
};
use serde_json::{Value, json};

/// More than any of these takes; a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(20);

/// A lab in whose host 10.66.9.0/26 answers. For .32/27 the router drops TCP, but for the ports by
/// which nmap finds out that somebody is there, and the host UDP, so that routes end before it.
fn world_with_slow_hosts() -> World {
    let world = World::new().unwrap();
    let ip = |words: &str, in_router: bool| {
        let namespace = if in_router { world.lab.router() } else { world.lab.host() };
        let status = namespace.command("/usr/sbin/ip").args(words.split(' ')).status().unwrap();
        assert!(status.success(), "ip {words}");
    };
    ip("route add local 10.66.9.0/26 dev lo", false);
    ip("route add 10.66.9.0/26 via 10.66.2.2", true);
    for ports in ["1-79", "81-442", "444-65534"] {
        let to = "to 10.66.9.32/27";
        ip(&format!("rule add {to} ipproto tcp dport {ports} blackhole"), true);
    }
    // What is for a host itself is usually looked up before any rule.
    for rule in ["add pref 9 lookup local", "add pref 1 to 10.66.9.32/27 ipproto udp blackhole"] {
        ip(&format!("rule {rule}"), false);
    }
    ip("rule del pref 0", false);
    world
}

fn is_running(world: &World, tool: &str) -> bool {
    running(world, tool).is_some()
}

fn running(world: &World, tool: &str) -> Option<u32> {
    let named = |pid: &u32| ProcStatus::read(*pid).is_ok_and(|status| status.name == tool);
    children(world.broker.pid()).into_iter().find(named)
}

fn assert_timed_out(result: &Value) {
    assert_eq!(result["timed_out"], true, "{result}");
    assert_eq!(result["error_type"], "TIMEOUT", "{result}");
}

#[test]
fn a_ping_whose_time_is_up_gives_the_replies_until_then() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let call = ["call", "--json", "--timeout", "1.5", "ping", "10.66.2.2", "--", "-c", "100"];
    let (code, result) = world.call(USER_UID, &[&call[..], &["-i", "0.2"]].concat()).unwrap();
    assert_eq!(code, 1, "{result}");
    assert_timed_out(&result);
    assert!(result["parsed"]["received"].as_u64().unwrap() >= 3, "{result}");
    assert_eq!(result["parsed"]["complete"], false);
    assert!(!is_running(&world, "ping"));
}

#[test]
fn a_traceroute_whose_time_is_up_gives_the_hops_until_then() {
    if !needs::root() {
        return;
    }
    let world = world_with_slow_hosts();
    // The router answers at once, and the silent host costs it more than its time.
    let call = ["call", "--json", "--timeout", "3", "traceroute", "10.66.9.33", "--"];
    let (code, result) =
        world.call(USER_UID, &[&call[..], &["-q", "10", "-w", "2"]].concat()).unwrap();
    assert_eq!(code, 1, "{result}");
    assert_timed_out(&result);
    let first = &result["parsed"]["hops"][0];
    assert_eq!(first["probes"][0]["address"], "10.66.1.1", "{result}");
    assert_eq!(result["parsed"]["completed"], false);
    assert!(!is_running(&world, "traceroute"));
}

#[test]
fn a_scan_whose_time_is_up_gives_the_hosts_it_finished() {
    if !needs::root() {
        return;
    }
    let world = world_with_slow_hosts();
    let call = ["call", "--json", "--timeout", "6", "nmap", "10.66.9.0/26", "--", "-p", "1-300"];
    let (code, result) = world.call(USER_UID, &call).unwrap();
    assert_eq!(code, 1, "{result}");
    assert_timed_out(&result);
    let parsed = &result["parsed"];
    assert_eq!(parsed["complete"], false);
    // The half that answers, and nothing of a host that was not finished.
    let hosts = parsed["hosts"].as_array().unwrap_or_else(|| panic!("{result}"));
    assert!((8..64).contains(&hosts.len()), "{} hosts: {result}", hosts.len());
    for host in hosts {
        let extra = host["extra_ports"].as_array().unwrap().iter();
        let counted: u64 = extra.map(|ports| ports["count"].as_u64().unwrap()).sum();
        assert_eq!(counted + host["ports"].as_array().unwrap().len() as u64, 300, "{host}");
    }
    assert!(!is_running(&world, "nmap"));
}

#[test]
fn a_longer_time_than_the_ceiling_is_refused_with_the_ceiling_named() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let call = ["call", "--json", "--timeout", "7200", "ping", "10.66.2.2"];
    let (code, result) = world.call(USER_UID, &call).unwrap();
    assert_eq!(code, 3, "{result}");
    let mut session = stdio(&world);
    let arguments = json!({"target": "10.66.2.2", "timeout_sec": 7200});
    let answer = session.call("ping", arguments).unwrap();
    for refused in [&result, &answer["structuredContent"]] {
        assert_eq!(refused["error_details"]["code"], "CEILING", "{refused}");
        let words = format!("{} {}", refused["error"], refused["error_details"]);
        assert!(words.contains("3600") || words.contains("1h"), "{words}");
    }
    let audit = world.broker.audit().unwrap();
    let ran = |line: &Value| {
        line["event"] == "exit" || (line["verdict"] == "approved" && line["dry_run"] == false)
    };
    assert!(!audit.iter().any(ran), "nothing ran: {audit:?}");
}

#[test]
fn a_signal_cancels_a_call_which_prints_what_it_had_and_leaves_no_process() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let call = ["call", "--json", "ping", "10.66.2.2", "--", "-c", "100", "-i", "0.2"];
        let words = world.frontend(USER_UID, &call);
        let mut command = Command::new(&words[0]);
        let mut child = command.args(&words[1..]).stdout(Stdio::piped()).spawn().unwrap();
        // Until a reply is there, behind the line that says who is asked.
        let written = || running(&world, "ping").and_then(written_by);
        assert!(wait_until(PATIENCE, || written() > Some(150)));
        signalled(&mut child, signal);
        let output = child.wait_with_output().unwrap();
        assert!(!is_running(&world, "ping"), "{signal}");
        let result = cancelled(&output);
        assert!(result["parsed"]["received"].as_u64().unwrap() >= 1, "{result}");
        let audit = world.broker.audit().unwrap();
        assert!(audit.iter().any(|line| line["end"] == "cancelled"), "{audit:?}");
    }
}

#[test]
fn ctrl_c_leaves_nothing_of_an_embedded_broker_either() {
    let rig = Rig::new("").unwrap();
    let mut command = rig.embedded("call", &[]);
    command.args(["--json", "loud", "127.0.0.1", "--", "--what", "sleep"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    assert!(wait_until(PATIENCE, || running_tools(child.id()).len() == 1));
    let family = children(child.id());
    // It says that it sleeps before it does.
    assert!(settle(&[&[child.id()][..], &family].concat()));
    signalled(&mut child, Signal::SIGINT);
    let result = cancelled(&child.wait_with_output().unwrap());
    assert_eq!(result["stdout"], "sleeping: ok\n");
    assert_eq!(result["metadata"]["stdout_bytes"], 13);
    for pid in family {
        assert!(ProcStatus::read(pid).is_err(), "{pid} is left");
    }
}

#[test]
fn a_call_cancelled_over_mcp_leaves_what_it_had_among_the_resources() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let mut session = stdio(&world);
    let arguments = json!({"target": "10.66.2.2", "count": 100, "interval": 0.2});
    let call = json!({"name": "ping", "arguments": arguments, "_meta": {"progressToken": 1}});
    let id = session.send("tools/call", call).unwrap();
    let replied = |message: &Value| {
        message["params"]["message"].as_str().is_some_and(|said| said.starts_with("reply 2 of 100"))
    };
    while !replied(&session.message().unwrap()) {}
    session.notify("notifications/cancelled", json!({"requestId": id})).unwrap();
    assert!(wait_until(PATIENCE, || !is_running(&world, "ping")));

    let mut uri = None;
    assert!(wait_until(PATIENCE, || {
        let list = session.request("resources/list", json!({})).unwrap();
        let resources = list["result"]["resources"].as_array().unwrap();
        let found = resources.iter().find(|it| it["name"] == "cancelled");
        uri = found.map(|it| it["uri"].clone());
        uri.is_some()
    }));
    let read = session.request("resources/read", json!({"uri": uri})).unwrap();
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    let result: Value = serde_json::from_str(text).unwrap();
    assert_eq!(result["metadata"]["cancelled"], true, "{result}");
    assert!(result["parsed"]["received"].as_u64().unwrap() >= 2, "{result}");
}

#[test]
fn a_scan_says_which_hosts_are_done_as_it_goes() {
    if !needs::root() {
        return;
    }
    let world = world_with_slow_hosts();
    let mut session = stdio(&world);
    let arguments = json!({"target": "10.66.9.0/26", "ports": "1-300", "timeout_sec": 8});
    let call = json!({"name": "nmap", "arguments": arguments, "_meta": {"progressToken": 1}});
    let id = session.send("tools/call", call).unwrap();
    let mut news: Vec<Value> = Vec::new();
    let answer = loop {
        let message = session.message().unwrap();
        match message["id"] == json!(id) {
            true => break message,
            false => news.push(message["params"].clone()),
        }
    };
    assert_timed_out(&answer["result"]["structuredContent"]);
    let done: Vec<f64> = news.iter().map(|n| n["progress"].as_f64().unwrap()).collect();
    assert!(done.is_sorted_by(|a, b| a < b), "{news:?}");
    let said: Vec<&str> = news.iter().map(|n| n["message"].as_str().unwrap()).collect();
    assert!(said.iter().any(|said| said.ends_with("of 64 hosts done")), "{said:?}");
    assert!(said.iter().any(|said| said.contains(" % of Connect Scan")), "{said:?}");
}

fn stdio(world: &World) -> Session {
    let words = world.frontend(USER_UID, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Session::start(command).unwrap()
}

fn signalled(child: &mut Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// The result of a call that a signal cancelled.
fn cancelled(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["error_type"], "EXECUTION_ERROR", "{result}");
    assert_eq!(result["metadata"]["cancelled"], true, "{result}");
    result
}
