//! The broker's line: bounded, left by whoever closes, and never a way around a policy that changed.

use std::{fs, time::Duration};

use probity_protocol::{BusyScope, Reply, Request};
use probity_tests::{
    broker::{Broker, PolicyFolder, program},
    needs,
    peer::{Peer, call},
    procs::wait_until,
};

fn ask(broker: &Broker) -> (Peer, Reply) {
    let sleeps = Request::Run(call("hostile", "127.0.0.1", "--what sleep"));
    let mut peer = Peer::ask(&broker.socket(), &sleeps).unwrap();
    assert!(matches!(peer.reply().unwrap(), Some(Reply::Welcome(_))));
    let reply = peer.reply().unwrap().unwrap();
    (peer, reply)
}

#[test]
fn a_full_line_refuses_and_whoever_leaves_it_moves_the_others_up() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    policy.replace("policy.toml", "queue                = 50", "queue = 3").unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let (_running, started) = ask(&broker);
    assert!(matches!(started, Reply::Started(_)), "{started:?}");
    let (first, reply) = ask(&broker);
    assert!(matches!(reply, Reply::Queued(queued) if queued.ahead == 0), "{reply:?}");
    let (mut second, reply) = ask(&broker);
    assert!(matches!(reply, Reply::Queued(queued) if queued.ahead == 1), "{reply:?}");
    let (_, reply) = ask(&broker);
    let is_full = |busy: &probity_protocol::Busy| busy.scope == BusyScope::Tool && busy.limit == 1;
    assert!(matches!(&reply, Reply::Busy(busy) if is_full(busy)), "{reply:?}");
    drop(first);
    let reply = second.reply().unwrap();
    assert!(matches!(reply, Some(Reply::Queued(queued)) if queued.ahead == 0), "{reply:?}");
    let recorded = || broker.audit().unwrap().iter().any(|l| l.to_string().contains("client left"));
    assert!(wait_until(Duration::from_secs(5), recorded));
}

#[test]
fn what_a_new_policy_denies_is_not_served_from_the_line() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let (_running, _) = ask(&broker);
    let (mut waiting, reply) = ask(&broker);
    assert!(matches!(reply, Reply::Queued(_)), "{reply:?}");
    fs::remove_file(policy.path("tools.d/hostile.toml")).unwrap();
    broker.reload().unwrap();
    let reply = waiting.reply().unwrap();
    assert!(matches!(reply, Some(Reply::Denied(_))), "{reply:?}");
}
