//! The sandbox, tried from inside: hostile-tool attempts what a subverted tool would, and gets
//! nowhere but its own folder, which is gone afterwards.

use std::fs;

use nix::libc;
use probity_protocol::{End, ExitStatus, Exited, Reply, Request, Stream};
use probity_tests::{
    broker::{Broker, PolicyFolder, program},
    needs,
    peer::{Peer, call},
};

/// A broker whose tool is hostile, and the folder that the tool is in.
struct Hostile {
    broker: Broker,
    _policy: PolicyFolder,
}

impl Hostile {
    fn start() -> Self {
        let policy = PolicyFolder::with_hostile_tool(4).unwrap();
        let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
        Self { broker, _policy: policy }
    }

    /// Lets it do one thing, to its end.
    fn run(&self, what: &str) -> (Exited, String, String) {
        let call = call("hostile", "127.0.0.1", &format!("--what {what}"));
        let mut peer = Peer::ask(&self.broker.socket(), &Request::Run(call)).unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        for reply in peer.replies().unwrap() {
            match reply {
                Reply::Welcome(_) | Reply::Started(_) => {}
                Reply::Output { stream: Stream::Stdout, bytes } => stdout.extend(bytes),
                Reply::Output { stream: Stream::Stderr, bytes } => stderr.extend(bytes),
                Reply::Exited(exited) => {
                    let [stdout, stderr] = [stdout, stderr].map(|b| String::from_utf8(b).unwrap());
                    return (exited, stdout, stderr);
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        panic!("{what}: no end");
    }

    /// What it says of its attempts.
    fn probe(&self) -> Vec<String> {
        let (exited, stdout, stderr) = self.run("probe");
        let lines: Vec<String> = stdout.lines().map(str::to_owned).collect();
        assert_eq!(exited.end, End::Finished, "{lines:#?} {stderr}");
        assert_eq!(exited.status, ExitStatus::Code(0), "{lines:#?} {stderr}");
        assert_eq!(lines.last().map(String::as_str), Some("end: ok"), "{lines:#?}");
        lines
    }

    fn leaves_nothing(&self) {
        let left: Vec<_> = fs::read_dir(self.broker.runs()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
#[test]
fn explore() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start();
    for w in ["probe", "ptrace", "memfd", "memory", "big-file", "exit3"] {
        let r = hostile.run(w);
        println!("{w} {:?}\n{}\n--{}", r.0, r.1, r.2);
    }
    hostile.probe();
    hostile.leaves_nothing();
    let _ = libc::SIGSYS;
}
