//! More of everything than there is room for: calls, connections, and clients that hardly read.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use probity_protocol::{Hello, RefusalKind, Reply, Request, encode};
use probity_tests::{
    broker::USER_UID,
    needs,
    peer::{Peer, call, frame},
    procs::wait_until,
    served::{Served, arguments},
};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);

/// Calls of one tool that wait for their turn.
const QUEUE: usize = 50;

#[test]
fn of_five_hundred_calls_at_once_those_that_find_room_run_and_the_rest_are_told_how_long_to_wait() {
    const CALLS: usize = 500;
    const AT_ONCE: usize = 4;
    if !needs::root() {
        return;
    }
    let mut served = Served::start(4).unwrap();
    // How long a run takes is known after the first.
    served.does("nap", 10.0).unwrap();
    let before = served.leftovers().unwrap();
    let mut asked: Vec<u64> = (0..CALLS).map(|_| served.begin("nap", 10.0).unwrap()).collect();
    // Calls of another tool have places of their own.
    let ping = json!({"name": "ping", "arguments": {"target": "127.0.0.1", "count": 1}});
    let ping = served.session.send("tools/call", ping).unwrap();
    asked.push(ping);
    let (mut ran, mut refused) = (0, Vec::new());
    while !asked.is_empty() {
        let message = served.session.message().unwrap();
        let Some(id) = message["id"].as_u64().filter(|_| message["method"].is_null()) else {
            continue;
        };
        asked.retain(|asked| *asked != id);
        let result = &message["result"]["structuredContent"];
        if id == ping {
            assert_eq!(result["returncode"], 0, "{result}");
            assert!(asked.len() >= AT_ONCE, "the ping came behind what waited");
            continue;
        }
        match result["error_type"].as_str() {
            None => ran += 1,
            Some(_) => refused.push(result.clone()),
        }
    }
    // Some places come free while the last are still on their way.
    assert!((QUEUE + AT_ONCE..CALLS / 2).contains(&ran), "{ran} ran");
    assert_eq!(ran + refused.len(), CALLS);
    for result in &refused {
        assert_eq!(result["error_type"], "RESOURCE_EXHAUSTED", "{result}");
        let wait = &result["error_details"]["metadata"]["expected_wait_sec"];
        assert!(wait.as_f64().is_some_and(|wait| wait > 0.0), "{result}");
    }
    before.check().unwrap();
    served.is_well().unwrap();
}

#[test]
fn a_peer_that_reads_a_byte_a_second_holds_up_nobody_and_its_run_ends_in_time() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    let mut flood = call("hostile", "127.0.0.1", "--what endless");
    flood.limits.timeout = Some(Duration::from_secs(3));
    let mut stream = UnixStream::connect(served.broker.socket()).unwrap();
    let ask = [frame(&encode(&Hello::default())), frame(&encode(&Request::Run(flood)))].concat();
    stream.write_all(&ask).unwrap();
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(stream.read(&mut [0]).unwrap(), 1);
        let asked = Instant::now();
        served.is_well().unwrap();
        assert_eq!(served.does("nap", 5.0).unwrap()["returncode"], 0);
        thread::sleep(Duration::from_secs(1).saturating_sub(asked.elapsed()));
    }
    // Its answer waits for it for some seconds, but its tool does not run on.
    let traces = served.traces();
    assert!(wait_until(PATIENCE, || traces.processes().is_empty()));
    assert!(begun.elapsed() < PATIENCE);
    drop(stream);
    before.check().unwrap();
}

#[test]
fn a_client_of_mcp_that_reads_a_byte_a_second_is_gone_when_it_goes() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    let mut client = served.as_user(USER_UID, &["stdio"]);
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut slow = Reaped(client.spawn().unwrap());
    let mut to = slow.0.stdin.take().unwrap();
    let mut from = slow.0.stdout.take().unwrap();
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "slow", "version": "0"}});
    writeln!(to, "{}", request(0, "initialize", &hello)).unwrap();
    writeln!(to, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).unwrap();
    for id in 1..=40 {
        let asks = json!({"name": "hostile", "arguments": arguments("flood", 10.0)});
        writeln!(to, "{}", request(id, "tools/call", &asks)).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(from.read(&mut [0]).unwrap(), 1);
        served.is_well().unwrap();
        thread::sleep(Duration::from_secs(1));
    }
    drop((to, from));
    assert!(wait_until(PATIENCE, || matches!(slow.0.try_wait(), Ok(Some(_)))));
    before.check().unwrap();
    served.is_well().unwrap();
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// A process that is ended when this is dropped.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens a thousand connections as one user, each of which sends `first` and no more. Another user is
/// served meanwhile, and each of them is told why it is of no use.
fn a_thousand_connections(first: &[u8], in_vain: RefusalKind) {
    const CONNECTIONS: usize = 1000;
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    let socket = served.broker.socket();
    let connect = || {
        let mut peer = Peer::connect(&socket).unwrap();
        // One that was refused at once may have been closed already.
        let _ = peer.send_raw(first);
        peer
    };
    let mut peers: Vec<Peer> = (0..CONNECTIONS).map(|_| connect()).collect();
    let mut other = served.as_user(USER_UID, &["call", "ping", "127.0.0.1", "--json"]);
    let output = other.output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(answer["returncode"], 0, "{output:?}");
    let mut kinds = Vec::new();
    for peer in &mut peers {
        match peer.replies().unwrap().pop() {
            Some(Reply::Refused(refusal)) => kinds.push(refusal.kind),
            other => panic!("a connection ended with {other:?}"),
        }
    }
    // As many as may be open have their time, the rest no place.
    let expected = [RefusalKind::TooManyConnections, in_vain];
    for kind in &expected {
        assert!(kinds.contains(kind), "none was refused as {kind:?}");
    }
    assert!(kinds.iter().all(|kind| expected.contains(kind)), "{kinds:?}");
    drop(peers);
    before.check().unwrap();
    served.is_well().unwrap();
}

#[test]
fn a_thousand_silent_connections_of_one_user_are_refused_and_another_user_is_served() {
    a_thousand_connections(&[], RefusalKind::Stalled);
}

#[test]
fn a_thousand_half_sent_frames_of_one_user_are_refused_and_another_user_is_served() {
    let hello = frame(&encode(&Hello::default()));
    a_thousand_connections(&hello[..hello.len() / 2], RefusalKind::Stalled);
}
