//! The broker's socket, as a hostile frontend uses it: each bad frame gets a typed answer, and the
//! next honest peer is served as if nothing had been.

use std::{io::Write as _, os::unix::net::UnixStream, time::Duration};

use probity_advice::repair;
use probity_protocol::{Hello, MAX_REQUEST_FRAME, RefusalKind, Reply, Request, Verdict, encode};
use probity_tests::{
    broker::{Broker, PolicyFolder, program},
    needs,
    peer::{Peer, call, frame},
    procs::{settle, wait_until},
};

fn broker() -> Broker {
    let policy = PolicyFolder::with_grants("").unwrap();
    Broker::start(&program("probity-broker"), &policy, None).unwrap()
}

fn refused(broker: &Broker, bytes: &[u8]) -> RefusalKind {
    let mut peer = Peer::connect(&broker.socket()).unwrap();
    peer.send_raw(bytes).unwrap();
    peer.finish_sending().unwrap();
    match &peer.replies().unwrap()[..] {
        [Reply::Refused(refusal)] => refusal.kind,
        other => panic!("not refused: {other:?}"),
    }
}

fn hello_and(request: &[u8]) -> Vec<u8> {
    [frame(&encode(&Hello::default())), frame(request)].concat()
}

fn serves_honest_peers(broker: &Broker) {
    let check = Request::Check(call("ping", "10.0.0.1", "-c 1"));
    let replies = Peer::ask(&broker.socket(), &check).unwrap().replies().unwrap();
    assert!(
        matches!(&replies[..], [Reply::Welcome(_), Reply::Verdict(Verdict::Approved { .. })]),
        "{replies:?}"
    );
}

#[test]
fn each_kind_of_bad_frame_gets_its_own_refusal_and_the_next_peer_is_served() {
    if !needs::root() {
        return;
    }
    let broker = broker();
    let status = encode(&Request::Status);
    let trailing = [status.as_slice(), b"x"].concat();
    let huge = u32::try_from(MAX_REQUEST_FRAME + 1).unwrap().to_be_bytes();
    let ours = Hello::default();
    let other_version = encode(&Hello { version: ours.version + 1, ..ours });
    let cases = [
        ("trailing bytes", hello_and(&trailing), RefusalKind::Malformed),
        ("no request of ours", hello_and(&[0xff; 40]), RefusalKind::Malformed),
        ("another protocol", b"\0\0\0\x10GET / HTTP/1.1\r\n".to_vec(), RefusalKind::Malformed),
        ("another version", frame(&other_version), RefusalKind::Version),
        ("a frame that claims to be huge", huge.to_vec(), RefusalKind::TooLarge),
        ("half a frame", hello_and(&status)[..12].to_vec(), RefusalKind::Truncated),
        ("no request at all", frame(&encode(&Hello::default())), RefusalKind::Truncated),
    ];
    for (what, bytes, kind) in cases {
        assert_eq!(refused(&broker, &bytes), kind, "{what}");
        serves_honest_peers(&broker);
    }
}

#[test]
fn a_refusal_comes_with_a_call_that_the_broker_then_approves() {
    if !needs::root() {
        return;
    }
    let broker = broker();
    let answer = |request: &Request| {
        Peer::ask(&broker.socket(), request).unwrap().replies().unwrap().pop().unwrap()
    };
    let Reply::Catalog(catalog) = answer(&Request::Catalog { watch: false, tier: None }) else {
        panic!("no catalog");
    };
    for (tool, target, words) in [
        ("fping", "10.0.0.1", "-c 900"),
        ("ping", "10.0.0.0/24", "-vv"),
        ("nmap", "10.0.0.0/8", "-sS --top-ports=0"),
        ("traceroute", "10.0.0.1", "-nI"),
    ] {
        let asked = call(tool, target, words);
        let Reply::Verdict(Verdict::Denied(checked)) = answer(&Request::Check(asked.clone()))
        else {
            panic!("{tool} {target} {words} was not denied");
        };
        let repaired = repair(&catalog, &asked, &checked).expect("nothing is suggested");
        let again = answer(&Request::Check(repaired));
        assert!(
            matches!(again, Reply::Verdict(Verdict::Approved { .. })),
            "{checked:?}: {again:?}"
        );
    }
}

#[test]
fn a_peer_that_stalls_is_let_go_and_holds_nobody_up() {
    if !needs::root() {
        return;
    }
    let broker = broker();
    let mut stalled = Peer::connect(&broker.socket()).unwrap();
    stalled.send_raw(&frame(&encode(&Hello::default()))[..3]).unwrap();
    serves_honest_peers(&broker);
    let replies = stalled.replies().unwrap();
    assert!(
        matches!(&replies[..], [Reply::Refused(r)] if r.kind == RefusalKind::Stalled),
        "{replies:?}"
    );
}

#[test]
fn connections_that_come_and_go_leave_no_descriptor_behind() {
    if !needs::root() {
        return;
    }
    let broker = broker();
    serves_honest_peers(&broker);
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", broker.pid())).unwrap().count();
    let before = descriptors();
    for round in 0..300 {
        let mut stream = UnixStream::connect(broker.socket()).unwrap();
        if round % 3 == 0 {
            stream.write_all(b"\0\0").unwrap();
        }
    }
    assert!(
        wait_until(Duration::from_secs(5), || descriptors() <= before),
        "{before} before, {} after",
        descriptors()
    );
    assert!(wait_until(Duration::from_secs(5), || Peer::connect(&broker.socket()).is_ok()));
    assert!(settle(&[broker.pid()]));
    serves_honest_peers(&broker);
}

#[test]
fn one_user_cannot_take_every_connection() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_grants("").unwrap();
    policy
        .replace("policy.toml", "connections_per_user = 128", "connections_per_user = 4")
        .unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let held: Vec<_> = (0..4).map(|_| Peer::connect(&broker.socket()).unwrap()).collect();
    assert!(settle(&[broker.pid()]), "it has taken them in");
    let replies = Peer::ask(&broker.socket(), &Request::Status).unwrap().replies().unwrap();
    assert!(
        matches!(&replies[..], [Reply::Refused(r)] if r.kind == RefusalKind::TooManyConnections),
        "{replies:?}"
    );
    drop(held);
    assert!(wait_until(Duration::from_secs(3), || {
        let replies = Peer::ask(&broker.socket(), &Request::Status).unwrap().replies().unwrap();
        matches!(&replies[..], [Reply::Welcome(_), Reply::Status(_)])
    }));
}

#[test]
fn one_user_cannot_ask_without_end_and_is_heard_again_a_second_later() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_grants("").unwrap();
    policy
        .replace("policy.toml", "requests_per_second  = 1000", "requests_per_second = 5")
        .unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let answer = || {
        let replies = Peer::ask(&broker.socket(), &Request::Status).unwrap().replies().unwrap();
        replies.into_iter().next_back()
    };
    let refused = |reply: &Option<Reply>| matches!(reply, Some(Reply::Refused(r)) if r.kind == RefusalKind::RateLimited);
    assert!((0..20).any(|_| refused(&answer())));
    std::thread::sleep(Duration::from_millis(1100));
    assert!(matches!(answer(), Some(Reply::Status(_))));
}
