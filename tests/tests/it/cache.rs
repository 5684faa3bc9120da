//! Results that are given again: as often as a tool's file says, and never past the policy.
//!
//! What ran and what was only decided is read in the broker's audit log.

use std::{fs, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_tests::{
    http::{Answer, HttpServer},
    mcp::Session,
    procs::{broker_below, wait_until},
    rig::Rig,
};
use serde_json::{Value, json};

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a host that answers prints.
const ANSWER: &str = "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
    64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.031 ms\n\n\
    --- 127.0.0.1 ping statistics ---\n\
    1 packets transmitted, 1 received, 0% packet loss, time 0ms\n\
    rtt min/avg/max/mdev = 0.031/0.031/0.031/0.000 ms\n";

const KEPT: &str = "cache_seconds = 60";

/// A server whose tool `replay` has its results kept for a minute, and so has `loud`, which never
/// succeeds.
struct Server {
    session: Session,
    rig: Rig,
}

impl Server {
    fn start() -> Self {
        Self::with(ANSWER, &[])
    }

    fn with(replayed: &str, variables: &[(String, String)]) -> Self {
        let rig = Rig::new("").unwrap();
        rig.replay_and_succeed(replayed, KEPT).unwrap();
        let loud = format!("{KEPT}\n[sandbox]");
        rig.policy().replace("tools.d/loud.toml", "[sandbox]", &loud).unwrap();
        Self::over(rig, variables)
    }

    fn over(rig: Rig, variables: &[(String, String)]) -> Self {
        let mut command = rig.embedded("stdio", variables);
        command.stderr(Stdio::null());
        Self { session: Session::start(command).unwrap(), rig }
    }

    fn call(&mut self, tool: &str, id: &str, more: Value) -> Value {
        let mut arguments = json!({"target": "127.0.0.1", "correlation_id": id});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.session.call(tool, arguments).unwrap();
        let result = &answer["structuredContent"];
        assert_eq!(result["correlation_id"], id, "{answer}");
        result.clone()
    }

    fn replay(&mut self, id: &str) -> Value {
        self.call("replay", id, json!({}))
    }

    /// What the log has of a call: `check` or `run` for each verdict, with `denied` where it was no,
    /// and `exit` for each run.
    fn recorded(&self, id: &str) -> Vec<&'static str> {
        let of_call = self.audit().into_iter().filter(|line| line["correlation_id"] == id);
        let told = of_call.map(|line| {
            let (event, dry) = (line["event"].as_str().unwrap(), line["dry_run"] == true);
            match (event, dry, line["verdict"] == "denied") {
                ("decision", true, false) => "check",
                ("decision", true, true) => "check denied",
                ("decision", false, false) => "run",
                ("decision", false, true) => "run denied",
                ("exit", ..) => "exit",
                _ => panic!("{line}"),
            }
        });
        told.collect()
    }

    fn audit(&self) -> Vec<Value> {
        let logs = fs::read_dir(self.rig.path("probity")).unwrap();
        let logs = logs.map(|log| fs::read_to_string(log.unwrap().path()).unwrap());
        logs.flat_map(|log| {
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
        })
        .collect()
    }

    fn reload(&self) {
        let broker = broker_below(self.session.pid()).unwrap();
        kill(Pid::from_raw(broker.cast_signed()), Signal::SIGHUP).unwrap();
        let applied = || self.audit().iter().any(|line| line["outcome"] == "applied");
        assert!(wait_until(PATIENCE, applied));
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        self.rig.policy().replace(file, from, to).unwrap();
    }
}

fn is_cached(result: &Value) -> bool {
    result["metadata"]["cached"] == true
}

#[test]
fn the_second_call_is_decided_and_not_run_and_gives_the_same_under_its_own_id() {
    let mut server = Server::start();
    let (first, second) = (server.replay("first"), server.replay("second"));
    assert!(!is_cached(&first) && is_cached(&second), "{first} {second}");
    assert!(second["metadata"]["cached_age_sec"].as_f64().unwrap() < 60.0, "{second}");
    for same in ["argv", "address", "stdout", "stderr", "returncode", "parsed", "execution_time"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    assert!(second["parsed"].is_object(), "{second}");
    assert_eq!(server.recorded("first"), ["check", "run", "exit"]);
    assert_eq!(server.recorded("second"), ["check"]);
}

#[test]
fn a_spelling_makes_no_difference_and_whatever_changes_the_run_does() {
    let mut server = Server::start();
    server.replay("first");
    // The alias, an address as a network of one, and a limit that is the tool's own.
    for (tool, more) in [
        ("ReplayTool", json!({})),
        ("replay", json!({"target": "127.0.0.1/32"})),
        ("replay", json!({"timeout_sec": 300})),
    ] {
        assert!(is_cached(&server.call(tool, "again", more.clone())), "{more}");
    }
    for more in [json!({"target": "127.0.0.2"}), json!({"timeout_sec": 7})] {
        assert!(!is_cached(&server.call("replay", "other", more.clone())), "{more}");
        assert!(is_cached(&server.call("replay", "again", more.clone())), "{more}");
    }
}

#[test]
fn a_dry_run_neither_keeps_nor_takes_what_is_kept() {
    let mut server = Server::start();
    let dry = || json!({"dry_run": true});
    server.call("replay", "before", dry());
    assert!(!is_cached(&server.replay("first")));
    let after = server.call("replay", "after", dry());
    assert!(!is_cached(&after) && after["metadata"]["plan"].is_object(), "{after}");
}

#[test]
fn only_whole_successes_are_kept() {
    // `loud` exits with 3, and its sleep ends with its time.
    let mut server = Server::start();
    for more in [json!({}), json!({"what": "sleep", "timeout_sec": 0.1})] {
        for id in ["one", "two"] {
            assert!(!is_cached(&server.call("loud", id, more.clone())), "{more}");
        }
    }
    // More than the frontend asks for.
    let few = [("MCP_MAX_STDOUT_BYTES".to_owned(), "1024".to_owned())];
    let mut server = Server::with(&"x".repeat(2000), &few);
    for id in ["one", "two"] {
        let cut = server.replay(id);
        assert_eq!((&cut["truncated_stdout"], is_cached(&cut)), (&json!(true), false), "{cut}");
    }
}

#[test]
fn a_reload_that_denies_wins_over_what_is_kept() {
    let mut server = Server::start();
    server.replay("first");
    server.change("policy.toml", "networks = [\"127.0.0.0/8\"]", "networks = [\"127.0.1.0/24\"]");
    server.reload();
    let denied = server.replay("second");
    assert_eq!(denied["error_details"]["code"], "TARGET_NOT_ALLOWED", "{denied}");
    assert_eq!(denied["stdout"], Value::Null);
    assert_eq!(server.recorded("second"), ["check denied"]);
}

#[test]
fn a_policy_that_changed_elsewhere_is_reason_enough_to_run_again() {
    let mut server = Server::start();
    server.replay("first");
    server.change("policy.toml", "timeout = \"10m\"", "timeout = \"9m\"");
    server.reload();
    assert!(!is_cached(&server.replay("second")));
    assert_eq!(server.recorded("second"), ["check", "run", "exit"]);
    assert!(is_cached(&server.replay("third")));
}

#[test]
fn a_tool_whose_file_does_not_ask_for_it_is_decided_once_and_runs_each_time() {
    let rig = Rig::new("").unwrap();
    rig.replay_and_succeed(ANSWER, "").unwrap();
    let mut server = Server::over(rig, &[]);
    for id in ["first", "second"] {
        let result = server.replay(id);
        assert_eq!((&result["returncode"], is_cached(&result)), (&json!(0), false), "{result}");
        assert_eq!(server.recorded(id), ["run", "exit"]);
    }
}

#[test]
fn the_metadata_of_the_tool_say_what_its_file_asks_for() {
    let server = Server::start();
    let output = server.rig.embedded("tools", &[]).arg("--json").output().unwrap();
    let catalog: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tool = |name: &str| {
        catalog["tools"]
            .as_array()
            .unwrap()
            .iter()
            .find(|tool| tool["name"] == name)
            .unwrap()
            .clone()
    };
    let expected =
        json!({"seconds": 60, "results": 0, "bytes": 0, "hits": 0, "misses": 0, "hit_rate": 0.0});
    assert_eq!(tool("replay")["cache"], expected);
    assert_eq!(tool("steady")["cache"], Value::Null);
}

/// The same rig behind HTTP, with an administrator's token and one that is narrower.
struct Http {
    server: HttpServer,
    admin: String,
    operator: String,
    _rig: Rig,
}

impl Http {
    fn start() -> Self {
        let rig = Rig::new("").unwrap();
        rig.replay_and_succeed(ANSWER, KEPT).unwrap();
        let network = "syscalls = \"network\"\n";
        let fierce = "[[option]]\nname = \"fierce\"\nflag = \"--fierce\"\ntier = \"intrusive\"\nhelp = \"x\"\n";
        rig.policy()
            .replace("tools.d/replay.toml", network, &format!("{network}{fierce}"))
            .unwrap();
        let tokens = rig.path("tokens.toml");
        let make = |name: &str, role: &str, more: &[&str]| {
            let words = ["token", "new", "--name", name, "--role", role, "--file"];
            let mut command = rig.probity(&words, &[]);
            let output = command.arg(&tokens).args(more).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let admin = make("ada", "admin", &[]);
        let operator = make("otto", "operator", &["--no-intrusive"]);
        let file = ("PROBITY_TOKENS_FILE".to_owned(), tokens.display().to_string());
        let mut command = rig.embedded("http", &[file]);
        command.args(["--listen", "127.0.0.1:0"]);
        let server = HttpServer::start(command).unwrap();
        Self { server, admin, operator, _rig: rig }
    }

    fn run(&self, token: &str, more: Value) -> Answer {
        let mut body = json!({"target": "127.0.0.1"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.server.post("/tools/replay/execute", token, &body).unwrap()
    }

    fn clear(&self, token: &str, tool: &str) -> Answer {
        let path = format!("/tools/{tool}/cache");
        self.server.request("DELETE", &path, Some(token), None).unwrap()
    }

    /// Results kept, hits and misses.
    fn counted(&self) -> [u64; 3] {
        let tool = self.server.get("/tools/replay", Some(&self.admin)).unwrap().json();
        ["results", "hits", "misses"].map(|name| tool["cache"][name].as_u64().unwrap())
    }
}

#[test]
fn an_administrator_sees_what_is_kept_and_clears_it() {
    let http = Http::start();
    assert!(!is_cached(&http.run(&http.admin, json!({})).json()));
    // Whoever may have it run is given it.
    assert!(is_cached(&http.run(&http.operator, json!({})).json()));
    assert_eq!(http.counted(), [1, 1, 1]);
    assert_eq!(http.clear(&http.operator, "replay").status, 403);
    assert_eq!(http.clear(&http.admin, "nothing").status, 404);
    assert_eq!(http.counted(), [1, 1, 1]);
    let cleared = http.clear(&http.admin, "ReplayTool");
    assert_eq!((cleared.status, cleared.json()), (200, json!({"tool": "replay", "results": 1})));
    assert_eq!(http.counted(), [0, 1, 1]);
    assert!(!is_cached(&http.run(&http.operator, json!({})).json()));
}

#[test]
fn a_result_that_is_given_again_is_no_execution() {
    let http = Http::start();
    for _ in 0..3 {
        assert_eq!(http.run(&http.admin, json!({})).status, 200);
    }
    let metrics = http.server.get("/metrics?format=json", Some(&http.admin)).unwrap().json();
    let tool = &metrics["tools"]["replay"];
    assert_eq!((&tool["executions"], &tool["successes"]), (&json!(1), &json!(1)), "{metrics}");
    assert_eq!(http.counted(), [1, 2, 1]);
}

#[test]
fn what_is_beyond_a_token_is_refused_however_much_is_kept() {
    let http = Http::start();
    let fierce = || json!({"fierce": true});
    http.run(&http.admin, fierce());
    assert!(is_cached(&http.run(&http.admin, fierce()).json()));
    let refused = http.run(&http.operator, fierce());
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(refused.json()["code"], "INTRUSIVE_NOT_GRANTED", "{refused:?}");
    assert!(!refused.body.contains("icmp_seq"), "{refused:?}");
}

#[test]
fn disabling_a_tool_drops_what_it_gave() {
    let http = Http::start();
    http.run(&http.admin, json!({}));
    for word in ["disable", "enable"] {
        let path = format!("/tools/replay/{word}");
        assert_eq!(http.server.post(&path, &http.admin, &json!({})).unwrap().status, 200);
    }
    assert_eq!(http.counted()[0], 0);
    assert!(!is_cached(&http.run(&http.admin, json!({})).json()));
}
