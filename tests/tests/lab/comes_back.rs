//! Runs that one comes back to, as `docs/runs.md` has them, with the real tools: on a /24 of the lab, of
//! which 254 addresses answer. Nothing here says how long anything takes.
//!
//! | file | promise |
//! |---|---|
//! | [`compared`] | what changed from one run to the next is told, and silence is no change |
//! | [`each_way`] | a scan in the background comes to the same by each way in |
//! | [`ended`] | what is cancelled or cut leaves what it had found, and the next server finds it again |

mod compared;
mod each_way;
mod ended;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use probity_tests::{
    broker::{NOBODY_UID, program},
    http::{Answer, HttpServer},
    lab::{HOST, Lab},
    mcp::Session,
    needs,
    procs::{ProcStatus, children, wait_until},
    rig::folder_of_runs,
    sse::Events,
    world::World,
};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-that-is-long-enough-for-anybody";

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest that `run_result` waits.
const LONGEST_SEC: u64 = 50;

/// The host has all of it but the first and the last address, where nobody is.
const NETWORK: &str = "10.66.9.0/24";

/// Hosts that are done before a scan counts as half done. Half of the network are 127.
const HALF: u64 = 64;

/// Whether what these tests need is there.
fn can_run() -> bool {
    needs::root() && needs::tool("/usr/bin/nmap") && needs::tool("/usr/bin/openssl")
}

/// A world with the network, and the file of runs that a user's programs share.
struct Place {
    world: World,
    runs: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::around(Lab::new().unwrap())
    }

    fn around(lab: Lab) -> Self {
        let addresses = "for last in $(seq 254); do echo addr add 10.66.9.$last/32 dev lo; done";
        lab.host().shell(&format!("{addresses} | ip -batch -")).unwrap();
        lab.router().shell(&format!("ip route add {NETWORK} via {HOST}")).unwrap();
        Self { world: World::around(lab, "").unwrap(), runs: folder_of_runs().unwrap() }
    }

    /// From now on the router drops what goes to the upper half, but for the ports by which nmap finds out
    /// that somebody is there. A scan of the others takes far longer than any test.
    fn slow_down(&self) {
        let rule = "ip rule add to 10.66.9.128/25 ipproto tcp dport 1-79 blackhole";
        self.world.lab.router().shell(rule).unwrap();
    }

    /// A server of ports 22 and 80 at the addresses with these last octets.
    fn serve(&self, lasts: impl IntoIterator<Item = u8>) -> Served {
        let mut command = self.world.lab.host().command(program("lab-host"));
        command.args(lasts.into_iter().map(address));
        Served::start(command, "ready")
    }

    /// The frontend as a user without any privilege who keeps what is run.
    fn frontend(&self, arguments: &[&str]) -> Command {
        let words = self.world.frontend(NOBODY_UID, arguments);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("PROBITY_HISTORY_PATH", self.file());
        command
    }

    fn file(&self) -> PathBuf {
        self.runs.path().join("runs.db")
    }

    fn session(&self) -> Session {
        Session::start(self.frontend(&["stdio"])).unwrap()
    }

    fn http(&self) -> Http<'_> {
        let mut command = self.frontend(&["http", "--listen", "127.0.0.1:0"]);
        command.env("PROBITY_HTTP_TOKEN", TOKEN).env("PROBITY_RATE_REQUESTS", "100000");
        // Whatever goes on at its end does not come to an end of its own.
        command.env("PROBITY_GRACE_SEC", "0");
        Http { place: self, server: HttpServer::start(command).unwrap() }
    }

    /// What `probity runs` prints as JSON, and its exit code.
    fn runs(&self, arguments: &[&str]) -> (i32, Value) {
        let mut command = Command::new(program("probity"));
        command.env_clear().env("PROBITY_HISTORY_PATH", self.file());
        let output = command.arg("runs").args(arguments).arg("--json").output().unwrap();
        let printed = serde_json::from_slice(&output.stdout);
        (output.status.code().unwrap(), printed.unwrap_or_else(|_| panic!("{output:?}")))
    }

    fn has_nmap(&self) -> bool {
        let is_nmap = |pid: u32| ProcStatus::read(pid).is_ok_and(|status| status.name == "nmap");
        children(self.world.broker.pid()).into_iter().any(is_nmap)
    }
}

/// A server of HTTP in the lab's client, which answers there alone.
struct Http<'a> {
    place: &'a Place,
    server: HttpServer,
}

impl Http<'_> {
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let client = self.place.world.lab.client();
        let request = || self.server.request(method, path, Some(TOKEN), body);
        client.within(request).unwrap().unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// Begins a run in the background; its id.
    fn begin(&self, tool: &str, arguments: &Value) -> String {
        let answer =
            self.ask("POST", &format!("/tools/{tool}/execute?wait=false"), Some(arguments));
        let begun = answer.json();
        let id = begun["metadata"]["run_id"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
        let place = format!("/runs/{id}");
        assert_eq!((answer.status, answer.header("location")), (202, Some(place.as_str())));
        id.to_owned()
    }

    /// What becomes of a run, after what a reader has had.
    fn watch(&self, id: &str, had: &str) -> Events {
        let stream = self.place.world.lab.client().within(|| self.server.connect());
        let (host, path) = (self.server.host(), format!("/runs/{id}/events"));
        Events::ask_after(stream.unwrap().unwrap(), host, &path, TOKEN, None, had).unwrap()
    }

    /// Waits until a run is over; what it is then.
    fn over(&self, id: &str) -> Value {
        self.watch(id, "").data_of("ended").unwrap()
    }

    /// Makes a run to its end; its id.
    fn run(&self, tool: &str, arguments: &Value) -> String {
        let id = self.begin(tool, arguments);
        assert_eq!(self.over(&id)["state"], "finished");
        id
    }

    /// Waits until half of a scan is done.
    fn await_half(&self, id: &str) {
        let mut events = self.watch(id, "");
        while hosts_done(&events.data_of("progress").unwrap()) < HALF {}
    }
}

/// Begins a run in the background over MCP; its id.
fn begin(session: &mut Session, tool: &str, arguments: &Value) -> String {
    let mut arguments = arguments.clone();
    arguments["background"] = json!(true);
    let answer = session.call(tool, arguments).unwrap();
    let id = &answer["structuredContent"]["metadata"]["run_id"];
    id.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Calls one of the tools for runs, which does not refuse.
fn about(session: &mut Session, tool: &str, arguments: Value) -> Value {
    let answer = session.call(tool, arguments).unwrap();
    assert!(answer["structuredContent"].is_object(), "{tool}: {answer}");
    answer
}

/// Waits for the end of a run; the answer.
fn result(session: &mut Session, id: &str) -> Value {
    about(session, "run_result", json!({"id": id, "wait_sec": LONGEST_SEC}))
}

/// Waits until half of a scan is done.
fn await_half(session: &mut Session, id: &str) {
    assert!(wait_until(PATIENCE, || {
        thread::sleep(Duration::from_millis(100));
        let status = about(session, "run_status", json!({"id": id}));
        hosts_done(&status["structuredContent"]["progress"]) >= HALF
    }));
}

/// What an answer that is shortened leads to.
fn whole_of(answer: &Value, mut read: impl FnMut(Value) -> Value) -> Value {
    let uri = &answer["structuredContent"]["metadata"]["full_result"]["uri"];
    assert!(uri.is_string(), "an answer that leads nowhere: {answer}");
    let contents = read(json!({"uri": uri}));
    serde_json::from_str(contents["contents"][0]["text"].as_str().unwrap()).unwrap()
}

fn text(answer: &Value) -> &str {
    answer["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// `12 % of Connect Scan, about 3 s left; 64 of 254 hosts done`
fn hosts_done(progress: &Value) -> u64 {
    let message = progress["message"].as_str().unwrap_or_default();
    let done = message.rsplit("; ").next().and_then(|text| text.strip_suffix(" hosts done"));
    done.and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0)
}

fn address(last: u8) -> String {
    format!("10.66.9.{last}")
}

/// The hosts that a scan found, each with its open ports.
fn found(result: &Value) -> BTreeMap<String, Vec<u64>> {
    let hosts = result["parsed"]["hosts"].as_array().unwrap_or_else(|| panic!("{result}"));
    let up = hosts.iter().filter(|host| host["state"] == "up");
    let host = |host: &Value| {
        let ports = host["ports"].as_array().into_iter().flatten();
        let open = ports.filter(|port| port["state"] == "open");
        let open = open.map(|port| port["port"].as_u64().unwrap()).collect();
        (host["address"].as_str().unwrap().to_owned(), open)
    };
    up.map(host).collect()
}

/// A server on the lab's host that a test ends, or replaces by another.
struct Served {
    child: Child,
    /// Whatever it says later has somewhere to go.
    _said: BufReader<ChildStdout>,
}

impl Served {
    /// Starts it, and waits for the line by which it says that it listens.
    fn start(mut command: Command, ready: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let is_ready = said.by_ref().lines().any(|line| line.is_ok_and(|line| line == ready));
        assert!(is_ready, "it ended: {command:?}");
        Self { child, _said: said }
    }

    /// One that shows a certificate at a port of the host's.
    fn showing(lab: &Lab, certificate: &Path, port: u16) -> Self {
        let mut command = lab.host().command("/usr/bin/openssl");
        command.args(["s_server", "-www", "-accept", &format!("{HOST}:{port}"), "-cert"]);
        command.arg(certificate).arg("-key").arg(certificate);
        Self::start(command, "ACCEPT")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
