//! Where the packets of a run go: to its own target, whatever the tool tries and whoever it is that
//! sends it elsewhere.
//!
//! The tool is Python, so that no attempt is shaped by a library's idea of sockets. Its target is
//! 127.0.0.1; 127.0.0.2 stands for everybody else.

use std::{net::IpAddr, process::Command};

use nix::unistd::Uid;
use probity_protocol::{Call, Exited, Reply, Request, Target};
use probity_tests::{
    broker::{ADMIN_UID, Broker, PolicyFolder, program},
    lab::{HOST, Lab, ROUTER},
    needs,
    peer::{Peer, call, run_to_its_end},
    world::World,
};

const PYTHON: &str = "/usr/bin/python3";

/// What each attempt comes to: inside the fence, and without one.
const ATTEMPTS: &[(&str, &str, &str)] = &[
    ("tcp to the target", "ECONNREFUSED", "ECONNREFUSED"),
    ("tcp elsewhere", "EACCES", "ECONNREFUSED"),
    ("tcp elsewhere, a mapped address", "EACCES", "ECONNREFUSED"),
    ("tcp to the target, a mapped address", "ECONNREFUSED", "ECONNREFUSED"),
    ("tcp to the other loopback", "EACCES", "ECONNREFUSED"),
    ("tcp to the unspecified address, which is this machine", "ECONNREFUSED", "ECONNREFUSED"),
    ("tcp elsewhere, with the first data", "EACCES", "ECONNREFUSED"),
    ("udp to the target", "ok", "ok"),
    ("udp elsewhere", "EACCES", "ok"),
    ("udp elsewhere, connected", "EACCES", "ok"),
    ("udp elsewhere, of no family", "EACCES", "ok"),
    ("a message to the target", "ok", "ok"),
    ("a message elsewhere", "EACCES", "ok"),
    ("a message to the target, with a time to live", "ok", "ok"),
    ("a message to the target, with options for the way", "EACCES", "ok"),
    ("a connected message", "ok", "ok"),
    ("undo a connection", "ok", "ok"),
    ("several messages, connected", "ok", "ok"),
    ("several messages, one elsewhere", "EACCES", "ok"),
    ("a source route", "EPERM", "ok"),
    ("join a group", "EPERM", "ok"),
    ("another host's address as its own", "EPERM", "ok"),
    ("another host's address as its own, of IPv6", "EPERM", "ok"),
    ("speak to all hosts of a network", "EPERM", "ok"),
    ("a port of its own", "EACCES", "ok"),
    ("a port of the kernel's choice", "ok", "ok"),
    ("multipath tcp", "EAFNOSUPPORT", "ok"),
    ("an address outside of memory", "EFAULT", "EFAULT"),
];

const TRY_ALL: &str = r#"
import ctypes, errno, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
HERE, THERE = ('127.0.0.1', 9), ('127.0.0.2', 9)

def tcp(family=socket.AF_INET): return socket.socket(family, socket.SOCK_STREAM)
def udp(): return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def to(address):
    connected = udp(); connected.connect(address); return connected

def call(name, *arguments):
    if libc[name](*arguments) == -1: raise OSError(ctypes.get_errno(), '')

def sockaddr(family, address): return struct.pack('!2s2s4s8x', struct.pack('=H', family), b'\0\x09', socket.inet_aton(address))

keep = []
def address_of(data):
    keep.append(ctypes.create_string_buffer(data, len(data))); return ctypes.addressof(keep[-1])

def header(name):
    part = struct.pack('=QQ', address_of(b'x'), 1)
    at = address_of(name) if name else 0
    return struct.pack('=QIxxxxQQQQIxxxx', at, len(name or b''), address_of(part), 1, 0, 0, 0) + bytes(8)

def several(sock, names):
    call('sendmmsg', sock.fileno(), ctypes.c_void_p(address_of(b''.join(map(header, names)))), len(names), 0)

def unspecified(sock): call('connect', sock.fileno(), ctypes.c_char_p(struct.pack('=H14x', 0)), 16)

ttl = [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack('=i', 3))]
way = [(socket.IPPROTO_IP, socket.IP_RETOPTS, b'\x01\x01\x01\0')]
ELSEWHERE, NO_FAMILY = sockaddr(2, '127.0.0.2'), sockaddr(0, '127.0.0.2')

attempts = [
    ('tcp to the target', lambda: tcp().connect(HERE)),
    ('tcp elsewhere', lambda: tcp().connect(THERE)),
    ('tcp elsewhere, a mapped address', lambda: tcp(socket.AF_INET6).connect(('::ffff:127.0.0.2', 9))),
    ('tcp to the target, a mapped address', lambda: tcp(socket.AF_INET6).connect(('::ffff:127.0.0.1', 9))),
    ('tcp to the other loopback', lambda: tcp(socket.AF_INET6).connect(('::1', 9))),
    ('tcp to the unspecified address, which is this machine', lambda: tcp().connect(('0.0.0.0', 9))),
    ('tcp elsewhere, with the first data', lambda: tcp().sendto(b'x', socket.MSG_FASTOPEN, THERE)),
    ('udp to the target', lambda: udp().sendto(b'x', HERE)),
    ('udp elsewhere', lambda: udp().sendto(b'x', THERE)),
    ('udp elsewhere, connected', lambda: to(THERE)),
    ('udp elsewhere, of no family', lambda: call('sendto', udp_kept().fileno(), b'x', 1, 0, ctypes.c_char_p(NO_FAMILY), 16)),
    ('a message to the target', lambda: udp().sendmsg([b'x'], [], 0, HERE)),
    ('a message elsewhere', lambda: udp().sendmsg([b'x'], [], 0, THERE)),
    ('a message to the target, with a time to live', lambda: udp().sendmsg([b'x'], ttl, 0, HERE)),
    ('a message to the target, with options for the way', lambda: udp().sendmsg([b'x'], way, 0, HERE)),
    ('a connected message', lambda: to(HERE).sendmsg([b'x'])),
    ('undo a connection', lambda: unspecified(to_kept(HERE))),
    ('several messages, connected', lambda: several(to_kept(HERE), [None, None])),
    ('several messages, one elsewhere', lambda: several(to_kept(HERE), [None, ELSEWHERE])),
    ('a source route', lambda: udp().setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b'\x01\x01\x01\0')),
    ('join a group', lambda: udp().setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('239.1.2.3') + socket.inet_aton('127.0.0.1'))),
    ('another host\'s address as its own', lambda: udp().setsockopt(socket.IPPROTO_IP, 15, 1)),
    ('another host\'s address as its own, of IPv6', lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).setsockopt(41, 78, 1)),
    ('speak to all hosts of a network', lambda: broadcast(udp())),
    ('a port of its own', lambda: udp().bind(('127.0.0.1', 40404))),
    ('a port of the kernel\'s choice', lambda: udp().bind(('127.0.0.1', 0))),
    ('multipath tcp', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)),
    ('an address outside of memory', lambda: call('connect', udp_kept().fileno(), ctypes.c_void_p(8), 16)),
]
# It is answered as if it were done, since nmap asks and has no use for it.
def broadcast(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST): raise OSError(errno.EPERM, '')

def udp_kept(): keep.append(udp()); return keep[-1]
def to_kept(address): keep.append(to(address)); return keep[-1]

for name, attempt in attempts:
    try: attempt(); said = 'ok'
    except OSError as error: said = errno.errorcode.get(error.errno, str(error))
    print(name + ': ' + said, flush=True)
"#;

/// A tool of this program, with `more` in its sandbox.
fn tool(program: &str, more: &str) -> String {
    format!(
        "name = \"straying\"\n\
         summary = \"Goes elsewhere.\"\n\
         command = \"{PYTHON}\"\n\
         targets = [\"address\"]\n\
         argv = [\"-I\", \"-S\", \"-c\", '''{program}''', \"{{options}}\", \"{{target}}\"]\n\
         timeout = \"20s\"\n\
         [sandbox]\n\
         net_raw = \"never\"\n\
         syscalls = \"packet-scanner\"\n\
         {more}\n"
    )
}

/// Runs it through a broker of its own: what it wrote, and how it ended.
fn run(program_text: &str, more: &str) -> (String, Exited, Broker) {
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    policy.write("tools.d/straying.toml", &tool(program_text, more)).unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let (stdout, exited) = run_by(&broker);
    (stdout, exited, broker)
}

fn straying() -> Call {
    call("straying", "127.0.0.1", "")
}

fn run_by(broker: &Broker) -> (String, Exited) {
    run_call(broker, straying())
}

fn run_call(broker: &Broker, call: Call) -> (String, Exited) {
    let ran = run_to_its_end(&broker.socket(), call).unwrap();
    assert_eq!(ran.stderr, "");
    (ran.stdout, ran.exited)
}

fn lines(answer: fn(&(&str, &'static str, &'static str)) -> &'static str) -> String {
    ATTEMPTS.iter().map(|attempt| format!("{}: {}\n", attempt.0, answer(attempt))).collect()
}

#[test]
fn a_run_reaches_its_target_and_nothing_else() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let (stdout, exited, broker) = run(TRY_ALL, "");
    same_lines(&stdout, &lines(|attempt| attempt.1));
    let refusals = exited.fence_refusals.unwrap();
    assert_eq!(refusals.first, "127.0.0.2:9".parse().unwrap());
    assert!(refusals.count >= 7, "{refusals:?}");
    // It is on record, for whoever wants to know which host sends tools elsewhere.
    let audit = broker.audit().unwrap();
    let exit = audit.iter().find(|line| line["event"] == "exit").unwrap();
    assert_eq!(exit["fence_first"], "127.0.0.2:9", "{exit}");
    assert_eq!(exit["fence_refusals"], refusals.count, "{exit}");
}

/// The test above would pass if the attempts could not succeed anywhere.
#[test]
fn outside_the_sandbox_the_same_attempts_succeed() {
    if !needs::tool(PYTHON) {
        return;
    }
    let output = Command::new(PYTHON).args(["-I", "-S", "-c", TRY_ALL]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    same_lines(&stdout, &lines(|attempt| attempt.2));
    assert!(Uid::current().is_root() || !stdout.is_empty());
}

#[test]
fn a_tool_whose_file_lets_it_reach_everything_still_takes_no_port_and_no_way_of_its_own() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let (stdout, exited, _broker) = run(TRY_ALL, "reach = \"any\"");
    for line in ["tcp elsewhere: ECONNREFUSED", "udp elsewhere: ok", "a message elsewhere: ok"] {
        assert!(stdout.lines().any(|l| l == line), "{line}: {stdout}");
    }
    for line in ["a port of its own: EACCES", "a source route: EPERM"] {
        assert!(stdout.lines().any(|l| l == line), "{line}: {stdout}");
    }
    assert_eq!(exited.fence_refusals, None);
}

/// What shows this machine sends nothing, not even to this machine.
#[test]
fn a_tool_without_a_target_reaches_nobody() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let file = tool(TRY_ALL, "");
    let file = file.replace("[\"address\"]", "[]").replace(", \"{target}\"", "");
    policy.write("tools.d/straying.toml", &file).unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let (stdout, exited) = run_call(&broker, Call { target: Target::None, ..straying() });
    let reached = ATTEMPTS.iter().filter(|attempt| ["ok", "ECONNREFUSED"].contains(&attempt.2));
    for (name, _, _) in reached {
        let said = stdout.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let is_kept = match *name {
            // Nothing is sent by it.
            "a port of the kernel's choice" => said == Some("ok"),
            _ => said.is_some_and(|said| !["ok", "ECONNREFUSED"].contains(&said)),
        };
        assert!(is_kept, "{name}: {said:?}");
    }
    assert!(exited.fence_refusals.unwrap().count > 10, "{exited:?}");
    // A target is refused, and not left out.
    let request = Request::Run(straying());
    let replies = Peer::ask(&broker.socket(), &request).unwrap().replies().unwrap();
    assert!(matches!(replies[..], [Reply::Welcome(_), Reply::Denied(_)]), "{replies:?}");
}

/// Frames name their destination inside; rings of packets are memory beside the limit on memory.
const TRY_PACKETS: &str = r#"
import errno, socket, struct
SOL_PACKET, RX_RING, TX_RING = 263, 5, 13
MiB = 1 << 20

def packet():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); sock.bind(('lo', 0)); return sock

def ring(sock, size, option=RX_RING):
    sock.setsockopt(SOL_PACKET, option, struct.pack('=IIII', MiB, size // MiB, 2048, size // 2048))

def frame(kind, packet): return bytes(12) + kind + packet
def ip(address): return frame(b'\x08\x00', b'\x45\0\0\x14' + bytes(4) + b'\x40\x11\0\0' + bytes(4) + socket.inet_aton(address))
def arp(address): return frame(b'\x08\x06', bytes(24) + socket.inet_aton(address))
def send(data): packet().sendto(data, ('lo', 0x0800))

def raw(address):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sock.sendto(ip(address)[14:], (address, 0))

first, second, third = packet(), packet(), packet()
attempts = [
    ('a frame to the target', lambda: send(ip('127.0.0.1'))),
    ('a frame elsewhere', lambda: send(ip('127.0.0.2'))),
    ('who has the target', lambda: send(arp('127.0.0.1'))),
    ('who has another', lambda: send(arp('127.0.0.2'))),
    ('a frame of another kind', lambda: send(frame(b'\x88\xcc', bytes(60)))),
    ('a raw packet to the target', lambda: raw('127.0.0.1')),
    ('a raw packet elsewhere', lambda: raw('127.0.0.2')),
    ('a ring of 64 MiB', lambda: ring(first, 64 * MiB)),
    ('a ring of 8 MiB', lambda: ring(first, 8 * MiB)),
    ('another of 8 MiB', lambda: ring(second, 8 * MiB)),
    ('a third of 1 MiB', lambda: ring(third, MiB)),
    ('one is closed', lambda: first.close()),
    ('a third of 4 MiB', lambda: ring(third, 4 * MiB)),
    ('a ring to send', lambda: ring(packet(), MiB, TX_RING)),
]
for name, attempt in attempts:
    try: attempt(); said = 'ok'
    except OSError as error: said = errno.errorcode.get(error.errno, str(error))
    print(name + ': ' + said, flush=True)
"#;

#[test]
fn with_the_capability_frames_and_rings_are_held_too() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let lab = Lab::new().unwrap();
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let tool = tool(TRY_PACKETS, "").replace("\"never\"", "\"always\"");
    policy.write("tools.d/straying.toml", &tool).unwrap();
    let program = program("probity-broker");
    let broker = Broker::start(&program, &policy, Some(&lab.client())).unwrap();
    let (stdout, exited) = run_by(&broker);
    let expected = "a frame to the target: ok\n\
        a frame elsewhere: EACCES\n\
        who has the target: ok\n\
        who has another: EACCES\n\
        a frame of another kind: EACCES\n\
        a raw packet to the target: ok\n\
        a raw packet elsewhere: EACCES\n\
        a ring of 64 MiB: ENOMEM\n\
        a ring of 8 MiB: ok\n\
        another of 8 MiB: ok\n\
        a third of 1 MiB: ENOMEM\n\
        one is closed: ok\n\
        a third of 4 MiB: ok\n\
        a ring to send: EPERM\n";
    same_lines(&stdout, expected);
    assert_eq!(exited.fence_refusals.unwrap().first.ip(), "127.0.0.2".parse::<IpAddr>().unwrap());
}

/// What nmap does to a neighbour by itself: it asks by ARP, captures with libpcap's rings, and sends
/// packets that it builds.
#[test]
fn raw_scans_of_nmap_do_not_meet_the_fence() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let world = World::new().unwrap();
    for target in [ROUTER, HOST] {
        let target = target.to_string();
        let scan = ["call", "nmap", &target, "--json", "--", "-p", "22,80"];
        for option in ["-sS", "-O", "-sU"] {
            let (code, result) = world.call(ADMIN_UID, &[&scan[..], &[option]].concat()).unwrap();
            assert_eq!(code, 0, "{target} {option}: {result}");
            assert_eq!(result["parsed"]["hosts_up"], 1, "{target} {option}: {result}");
        }
    }
    let audit = world.broker.audit().unwrap();
    let exits: Vec<_> = audit.iter().filter(|line| line["event"] == "exit").collect();
    assert_eq!(exits.len(), 6);
    for exit in exits {
        assert_eq!(exit.get("fence_refusals"), None, "{exit}");
    }
}

/// A tool that asks all the time holds up nobody: its own end, and others' runs, come in time.
#[test]
fn questions_without_end_hold_up_neither_the_clock_nor_anybody_else() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    const FOR_EVER: &str = r#"
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print('asking', flush=True)
while True:
    try: sock.sendto(b'x', ('127.0.0.2', 9))
    except OSError: pass
"#;
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let asking = tool(FOR_EVER, "").replace("20s", "2s");
    policy.write("tools.d/straying.toml", &asking).unwrap();
    let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
    let mut asking =
        Peer::ask(&broker.socket(), &Request::Run(call("straying", "127.0.0.1", ""))).unwrap();
    let mut others = 0;
    loop {
        match asking.reply().unwrap().unwrap() {
            Reply::Exited(exited) => {
                assert_eq!(exited.end, probity_protocol::End::TimedOut);
                assert!(exited.fence_refusals.unwrap().count > 1000, "{exited:?}");
                break;
            }
            Reply::Output { .. } => {
                for _ in 0..20 {
                    let request = Request::Run(call("hostile", "127.0.0.1", "--what exit3"));
                    let replies = Peer::ask(&broker.socket(), &request).unwrap().replies().unwrap();
                    assert!(matches!(replies.last(), Some(Reply::Exited(_))), "{replies:?}");
                    others += 1;
                }
            }
            Reply::Welcome(_) | Reply::Started(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(others, 20);
}

/// Compared line by line, so that a failure shows the line.
fn same_lines(found: &str, expected: &str) {
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{found}");
}
