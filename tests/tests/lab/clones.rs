//! Profiles with threads and with helpers: what a run may start, that it is all gone at the end, and that
//! nothing that runs beside it moves an address while the fence looks at it.
//!
//! The tool is Python, as in [`super::reach`]. Its target is 127.0.0.1; 127.0.0.2 stands for everybody
//! else.

use std::{
    net::{TcpListener, UdpSocket},
    time::{Duration, Instant},
};

use probity_protocol::{ExitStatus, Exited, Request};
use probity_tests::{
    broker::{Broker, PolicyFolder, program},
    needs,
    peer::{Peer, call, run_to_its_end},
    procs::{children, state_of, wait_until},
};

const PYTHON: &str = "/usr/bin/python3";

/// A broker with a tool of this program under a profile, and the folder of its policy.
fn broker(text: &str, profile: &str, more: &str) -> (Broker, PolicyFolder) {
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let tool = format!(
        "name = \"several\"\n\
         summary = \"Is more than one.\"\n\
         command = \"{PYTHON}\"\n\
         targets = [\"address\"]\n\
         argv = [\"-I\", \"-S\", \"-c\", '''{text}''', \"{{options}}\", \"{{target}}\"]\n\
         timeout = \"30s\"\n\
         [sandbox]\n\
         net_raw = \"never\"\n\
         syscalls = \"{profile}\"\n\
         {more}\n"
    );
    policy.write("tools.d/several.toml", &tool).unwrap();
    (Broker::start(&program("probity-broker"), &policy, None).unwrap(), policy)
}

fn run(broker: &Broker) -> (String, Exited) {
    let ran = run_to_its_end(&broker.socket(), call("several", "127.0.0.1", "")).unwrap();
    assert_eq!(ran.stderr, "");
    (ran.stdout, ran.exited)
}

/// What a call of the kernel's comes to, by its number on this processor.
const PRELUDE: &str = r#"
import ctypes, errno, fcntl, mmap, os, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
CLONE = 56 if os.uname().machine == 'x86_64' else 220
def clone(flags):
    pid = libc.syscall(CLONE, flags | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0: os._exit(0)
    if pid == -1: raise OSError(ctypes.get_errno(), '')
def tell(attempts):
    for name, attempt in attempts:
        try: attempt(); said = 'ok'
        except OSError as error: said = errno.errorcode.get(error.errno, str(error))
        except RuntimeError as error: said = str(error)
        print(name + ': ' + said, flush=True)
"#;

const TRY_PROCESSES: &str = r#"
def lasting():
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN); os.close(0); os.close(1); os.close(2)
        time.sleep(600); os._exit(0)
def child():
    pid = os.fork()
    if pid == 0: time.sleep(600)
    return pid
def ended(pid): os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
tell([
    ('a helper by its name', lambda: subprocess.run(['/usr/bin/true'], check=True, close_fds=False)),
    ('another program', lambda: subprocess.run(['/usr/bin/id'], check=True, close_fds=False)),
    ('a child is ended', lambda: ended(child())),
    ('the parent is ended', lambda: os.kill(os.getppid(), signal.SIGKILL)),
    ('everybody is ended', lambda: os.kill(-1, signal.SIGKILL)),
    ('a session of its own', lambda: os.setsid()),
    ('a group of its own', lambda: os.setpgid(0, 0)),
    ('a thread', lambda: threading.Thread(target=lambda: None).start()),
    ('a process in its memory', lambda: clone(0x100)),
    ('a child of its parent', lambda: clone(0x8000)),
    ('another user namespace', lambda: clone(0x10000000)),
    ('another network', lambda: clone(0x40000000)),
    ('memory for several', lambda: mmap.mmap(-1, 4096)),
    ('one that lasts', lasting),
    ('another one', lasting),
])
"#;

#[test]
fn helpers_are_started_by_name_share_nothing_and_are_gone_at_the_end() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let (broker, _policy) =
        broker(&format!("{PRELUDE}{TRY_PROCESSES}"), "helper", "execute = [\"/usr/bin/true\"]");
    let (stdout, exited) = run(&broker);
    let expected = "a helper by its name: ok\n\
        another program: EACCES\n\
        a child is ended: ok\n\
        the parent is ended: EPERM\n\
        everybody is ended: EPERM\n\
        a session of its own: EPERM\n\
        a group of its own: EPERM\n\
        a thread: can't start new thread\n\
        a process in its memory: EPERM\n\
        a child of its parent: EPERM\n\
        another user namespace: EPERM\n\
        another network: EPERM\n\
        memory for several: EPERM\n\
        one that lasts: ok\n\
        another one: ok\n";
    assert_eq!(stdout, expected, "{exited:?}");
    let left = left_of_runs(&broker);
    assert!(left.is_empty(), "{left:?}");
}

/// Who is there besides the broker: what has no parent any more is the supervisor's, which waits for it.
fn left_of_runs(broker: &Broker) -> Vec<u32> {
    let left = children(broker.supervisor()).into_iter().chain(children(broker.pid()));
    let left = left.filter(|pid| *pid != broker.pid() && state_of(*pid).is_some_and(|s| s != 'Z'));
    left.collect()
}

/// Helpers that take a while to go, since their memory has to be given back.
const LARGE_ONES: &str = r#"
for _ in range(8):
    if os.fork() == 0:
        memory = bytearray(48 << 20); os.write(1, b'.')
        os.close(0); os.close(1); os.close(2); time.sleep(600); os._exit(0)
time.sleep(1.5)
"#;

#[test]
fn helpers_that_take_long_to_go_are_gone_before_the_end_is_told() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let text = format!("{PRELUDE}{LARGE_ONES}");
    let (broker, _policy) = broker(&text, "helper", "execute = [\"/usr/bin/true\"]");
    for _ in 0..3 {
        let (stdout, exited) = run(&broker);
        let left = left_of_runs(&broker);
        assert_eq!(stdout, "........", "{exited:?}");
        assert!(left.is_empty(), "{left:?}");
    }
}

const TRY_THREADS: &str = r#"
def udp(): return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def tcp(): return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
def connected(address=('127.0.0.1', PORT)):
    sock = udp(); sock.connect(address); return sock
def at_once():
    sock = tcp(); sock.setblocking(False)
    if sock.connect_ex(('127.0.0.1', PORT)) not in (0, errno.EINPROGRESS): raise OSError(errno.EIO, '')
def bound(port):
    sock = udp(); sock.bind(('0.0.0.0', port)); sock.connect(('127.0.0.1', PORT)); sock.send(b'x')
def waits(make_it):
    sock = tcp(); make_it(sock)
    if not fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK: raise OSError(errno.EIO, '')
def thread():
    done = []
    one = threading.Thread(target=lambda: done.append(1)); one.start(); one.join()
    if not done: raise OSError(errno.EIO, '')
tell([
    ('a thread', thread),
    ('a process', lambda: os.fork()),
    ('a connection at once', at_once),
    ('a socket as it was made does not wait', lambda: waits(lambda sock: None)),
    ('nor one of which that is asked', lambda: waits(lambda sock: fcntl.ioctl(sock, 0x5421, struct.pack('i', 0)))),
    ('a socket that waits', lambda: fcntl.fcntl(tcp(), fcntl.F_SETFL, 0)),
    ('a connection elsewhere', lambda: connected(('127.0.0.2', PORT))),
    ('a message where it is connected', lambda: connected().send(b'x')),
    ('the same in pieces', lambda: connected().sendmsg([b'x', b'y'])),
    ('a message to the target by address', lambda: udp().sendto(b'x', ('127.0.0.1', PORT))),
    ('a message elsewhere', lambda: udp().sendmsg([b'x'], [], 0, ('127.0.0.2', PORT))),
    ('a message elsewhere where it is connected', lambda: connected().sendmsg([b'x'], [], 0, ('127.0.0.2', PORT))),
    ('with a time to live', lambda: connected().sendmsg([b'x'], [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack('i', 9))])),
    ('a port of the kernel\'s choice', lambda: bound(0)),
    ('a port of its own', lambda: bound(40405)),
    ('the parent is ended', lambda: os.kill(os.getppid(), signal.SIGKILL)),
    ('it ends itself', lambda: os.kill(os.getpid(), 0)),
])
"#;

#[test]
fn a_run_with_threads_connects_to_its_target_and_sends_there_alone() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port();
    let _open = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let there = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    let text = format!("{PRELUDE}PORT = {port}\n{TRY_THREADS}");
    let (stdout, exited) = run(&broker(&text, "event-loop", "").0);
    let expected = "a thread: ok\n\
        a process: EPERM\n\
        a connection at once: ok\n\
        a socket as it was made does not wait: ok\n\
        nor one of which that is asked: ok\n\
        a socket that waits: EPERM\n\
        a connection elsewhere: EACCES\n\
        a message where it is connected: ok\n\
        the same in pieces: ok\n\
        a message to the target by address: EACCES\n\
        a message elsewhere: EACCES\n\
        a message elsewhere where it is connected: EACCES\n\
        with a time to live: EACCES\n\
        a port of the kernel's choice: ok\n\
        a port of its own: EACCES\n\
        the parent is ended: EPERM\n\
        it ends itself: ok\n";
    assert_eq!(stdout, expected, "{exited:?}");
    assert_eq!(exited.fence_refusals.unwrap().first.ip().to_string(), "127.0.0.2");
    let mut bytes = [0; 8];
    for message in [&b"x"[..], b"xy", b"x"] {
        let length = here.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], message);
    }
    there.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(there.recv(&mut bytes).is_err());
}

/// One thread changes the address over and over, the other connects and sends by it.
const RACE: &str = r#"
def sockaddr(last): return struct.pack('=H', socket.AF_INET) + struct.pack('!H', PORT) + bytes([127, 0, 0, last]) + bytes(8)
HERE, THERE = sockaddr(1), sockaddr(2)
shared = ctypes.create_string_buffer(HERE, 16)
at = ctypes.addressof(shared)
over = False
def change():
    while not over:
        ctypes.memmove(at, THERE, 16); ctypes.memmove(at, HERE, 16)
one = threading.Thread(target=change); one.start()
sys.setswitchinterval(1e-6)
count = 0
for number in range(TIMES):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if libc.connect(sock.fileno(), ctypes.c_void_p(at), 16) == 0:
        count += libc.send(sock.fileno(), b'x', 1, 0)
    sock.close()
over = True; one.join()
print('sent' if count > 0 else 'none')
"#;

#[test]
fn no_thread_moves_an_address_that_was_looked_at() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port();
    let there = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    let text = format!("{PRELUDE}PORT, TIMES = {port}, 4000\n{RACE}");
    let (stdout, exited) = run(&broker(&text, "event-loop", "").0);
    assert_eq!(stdout, "sent\n", "{exited:?}");
    // Both addresses were met.
    assert!(exited.fence_refusals.unwrap().count > 0);
    here.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(here.recv(&mut [0; 8]).is_ok());
    there.set_nonblocking(true).unwrap();
    let gone = there.recv(&mut [0; 8]);
    assert!(gone.is_err(), "a message went elsewhere");
}

/// It stops, all of it, while its threads wait for sockets of the broker's.
const STOPS: &str = r#"
def ask():
    while True:
        try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
        except OSError: pass
for _ in range(3): threading.Thread(target=ask, daemon=True).start()
time.sleep(0.3)
os.kill(0, signal.SIGSTOP)
"#;

#[test]
fn a_run_that_stops_while_it_asks_for_sockets_holds_up_nobody() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let (broker, _policy) = broker(&format!("{PRELUDE}{STOPS}"), "event-loop", "");
    for _ in 0..3 {
        let request = Request::Run(call("several", "127.0.0.1", ""));
        let asking = Peer::ask(&broker.socket(), &request).unwrap();
        let is_stopped =
            || children(broker.pid()).into_iter().any(|pid| state_of(pid) == Some('T'));
        assert!(wait_until(Duration::from_secs(10), is_stopped));
        let other = call("hostile", "127.0.0.1", "--what nap");
        let ran = run_to_its_end(&broker.socket(), other).unwrap();
        assert_eq!(ran.exited.status, ExitStatus::Code(0));
        // Whoever asked for it leaves, and it is gone though it stands still.
        drop(asking);
        assert!(wait_until(Duration::from_secs(20), || children(broker.pid()).is_empty()));
    }
}

/// It asks that closing a connection wait until all has gone out, and its peer takes nothing.
const LINGERS: &str = r#"
sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM); sock.setblocking(False)
sock.connect_ex(('127.0.0.1', PORT)); time.sleep(0.2)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 600))
try:
    while True: sock.send(bytes(65536))
except BlockingIOError: print('full')
"#;

#[test]
fn a_run_whose_peer_takes_nothing_holds_up_nobody_at_its_end() {
    if !needs::root() || !needs::tool(PYTHON) {
        return;
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = format!("{PRELUDE}PORT = {port}\n{LINGERS}");
    let (broker, _policy) = broker(&text, "event-loop", "");
    let began = Instant::now();
    let (stdout, exited) = run(&broker);
    assert_eq!(stdout, "full\n", "{exited:?}");
    // The broker has closed its copy of the connection by then, in its one thread.
    let other = call("hostile", "127.0.0.1", "--what nap");
    let ran = run_to_its_end(&broker.socket(), other).unwrap();
    assert_eq!(ran.exited.status, ExitStatus::Code(0));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
