//! The observations: each configures nothing itself, and says what it saw as JSON.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    process::Stdio,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use probity_tests::{
    mcp::Session,
    procs::{Limits, limits, wait_until},
    rig::{Rig, running_tools},
};
use serde_json::{Value, json};

/// For whatever has to happen at all; never waited out where all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long a limit is looked at, once as many run as it allows.
const A_WHILE: Duration = Duration::from_millis(200);

/// A rig with one way of configuring the frontend.
pub struct Configured<'a> {
    pub rig: &'a Rig,
    pub key: &'static str,
    pub variables: Vec<(String, String)>,
}

impl Configured<'_> {
    fn call(&self, arguments: &[&str]) -> Value {
        self.rig.call(arguments, &self.variables).unwrap()
    }

    pub fn session(&self) -> Session {
        self.session_with(&[("PROBITY_GRACE_SEC".into(), "0".into())])
    }

    /// With these variables too.
    fn session_with(&self, more: &[(String, String)]) -> Session {
        let variables = [more, &self.variables].concat();
        let mut command = self.rig.embedded("stdio", &variables);
        command.stderr(Stdio::null());
        Session::start(command).unwrap()
    }

    fn catalog(&self) -> Value {
        let output = self.rig.embedded("tools", &self.variables).arg("--json").output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Standard error of a call that is denied, which is worth an INFO and a WARN.
    fn log_of_a_denial(&self, more: &[(&str, &str)]) -> String {
        let more = more.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let variables: Vec<_> = self.variables.iter().cloned().chain(more).collect();
        let mut command = self.rig.embedded("call", &variables);
        let output = command.args(["loud", "127.0.0.1", "--", "--nonsense"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Looks at a run of `loud` that waits.
    pub fn limits_of_a_run(&self) -> Limits {
        let mut session = self.session();
        sleep(&mut session, "loud");
        let mut found = Vec::new();
        let is_there = wait_until(PATIENCE, || {
            found = running_tools(session.pid());
            !found.is_empty()
        });
        assert!(is_there, "nothing runs");
        let limits = limits(found[0]).unwrap();
        session.end(Signal::SIGTERM).unwrap();
        limits
    }
}

/// Asks for a run that waits, and does not wait for it.
pub fn sleep(session: &mut Session, tool: &str) {
    let arguments = json!({"target": "127.0.0.1", "what": "sleep"});
    session.send("tools/call", json!({"name": tool, "arguments": arguments})).unwrap();
}

/// Whether a call that takes three seconds is still answered after SIGTERM.
pub fn answered_at_the_end(configured: &Configured<'_>, _: &Value) -> Value {
    let mut session = configured.session_with(&[]);
    let arguments = json!({"target": "127.0.0.1", "what": "sleep", "timeout_sec": 3});
    let call = json!({"name": "loud", "arguments": arguments});
    let id = session.send("tools/call", call).unwrap();
    assert!(wait_until(PATIENCE, || !running_tools(session.pid()).is_empty()));
    session.signal(Signal::SIGTERM).unwrap();
    let answer = session.message().unwrap();
    assert_eq!(answer["id"], id, "{answer}");
    assert_eq!(session.wait().unwrap(), Some(0));
    // One that is ended then is answered too, with what it had until then.
    json!(answer["result"]["structuredContent"]["metadata"]["cancelled"].is_null())
}

/// How many calls of one tool are let through at once, where stdio is limited.
pub fn calls_let_through(configured: &Configured<'_>, _: &Value) -> Value {
    json!(limited_after(configured, &[("PROBITY_RATE_STDIO", "true")]).0)
}

/// How long the second is to wait, where one is let through.
pub fn tens_of_seconds_to_wait(configured: &Configured<'_>, _: &Value) -> Value {
    let one = [("PROBITY_RATE_STDIO", "true"), ("PROBITY_RATE_REQUESTS", "1")];
    let (_, refused) = limited_after(configured, &one);
    let seconds = &refused["error_details"]["metadata"]["retry_after_sec"];
    // Some pass until the second call, on a busy machine.
    json!((seconds.as_f64().unwrap() / 10.0).round() as u64)
}

pub fn limits_stdio(configured: &Configured<'_>, _: &Value) -> Value {
    let (_, last) = limited_after(configured, &[("PROBITY_RATE_REQUESTS", "1")]);
    json!(last["error_type"] == "RESOURCE_EXHAUSTED")
}

/// Calls until one is refused for there being too many, a dozen at most; how many were not, and the
/// last one's result.
fn limited_after(configured: &Configured<'_>, more: &[(&str, &str)]) -> (usize, Value) {
    let more: Vec<_> = more.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let mut session = configured.session_with(&more);
    let mut last = Value::Null;
    for let_through in 0..12 {
        let mut answer = session.call("loud", json!({"target": "127.0.0.1"})).unwrap();
        last = answer["structuredContent"].take();
        if last["error_type"] == "RESOURCE_EXHAUSTED" {
            return (let_through, last);
        }
    }
    (12, last)
}

pub fn shown(configured: &Configured<'_>, _: &Value) -> Value {
    let output = configured.rig.probity(&["config", "--json"], &configured.variables).output();
    let config: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let settings = config["settings"].as_array().unwrap();
    settings.iter().find(|row| row["key"] == configured.key).unwrap()["value"].clone()
}

pub fn what_bare_probity_serves(configured: &Configured<'_>, _: &Value) -> Value {
    let socket = ("PROBITY_SOCKET".into(), configured.rig.path("nobody").display().to_string());
    // HTTP does not start there without a token, and does not get as far as looking for a broker.
    let everywhere = ("MCP_SERVER_HOST".into(), "0.0.0.0".into());
    let variables = [configured.variables.clone(), vec![socket, everywhere]].concat();
    let output = configured.rig.probity(&[], &variables).stdin(Stdio::null()).output().unwrap();
    match output.status.code() {
        // It looked for its broker.
        Some(4) => json!("stdio"),
        Some(2) => json!("http"),
        _ => panic!("{output:?}"),
    }
}

pub fn listed(configured: &Configured<'_>, _: &Value) -> Value {
    let catalog = configured.catalog();
    let names: Vec<&Value> =
        catalog["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    // What is not listed cannot be called either, by whichever name.
    for (tool, alias) in [("loud", "LoudTool"), ("steady", "SteadyTool")] {
        let refused = &configured.call(&[alias, "127.0.0.1", "--dry-run"])["error_type"];
        assert_eq!(refused.is_null(), names.contains(&&json!(tool)), "{alias}: {refused}");
    }
    json!(names)
}

pub fn fate_of_12_bytes(configured: &Configured<'_>, _: &Value) -> Value {
    let result = configured.call(&["loud", "127.0.0.1", "--", "--what", "exit3"]);
    let code = result["error_details"]["code"].clone();
    assert_eq!(result["returncode"] == 3, code.is_null(), "{result}");
    json!([result["error_type"], code])
}

/// Of `loud`, of `steady`, and of `loud` where the call itself says 7.
pub fn times(configured: &Configured<'_>, _: &Value) -> Value {
    let time = |tool, more: &[&str]| {
        let call = [&[tool, "127.0.0.1", "--dry-run"], more].concat();
        configured.call(&call)["metadata"]["timeout_sec"].clone()
    };
    json!([time("loud", &[]), time("steady", &[]), time("loud", &["--timeout", "7"])])
}

/// Of `loud` and of `steady`, while many more are asked for.
pub fn runs_at_once(configured: &Configured<'_>, expected: &Value) -> Value {
    let count = |tool| {
        let mut session = configured.session();
        (0..8).for_each(|_| sleep(&mut session, tool));
        // The frontend has read all of them once it has answered this.
        session.request("ping", json!({})).unwrap();
        let wanted = &expected[usize::from(tool == "steady")];
        let running = || json!(running_tools(session.pid()).len());
        let _ = wait_until(PATIENCE, || running() == *wanted);
        thread::sleep(A_WHILE);
        let running = running();
        session.end(Signal::SIGTERM).unwrap();
        running
    };
    json!([count("loud"), count("steady")])
}

/// How many wait for a turn, of many more that are asked for: the rest is refused at once.
pub fn waiting_at_once(configured: &Configured<'_>, expected: &Value) -> Value {
    let mut session = configured.session();
    let more = 3;
    let room = expected.as_u64().unwrap();
    (0..=room + more).for_each(|_| sleep(&mut session, "steady"));
    for _ in 0..more {
        let answer = session.message().unwrap();
        let content = &answer["result"]["structuredContent"];
        assert_eq!(content["error_type"], "RESOURCE_EXHAUSTED", "{answer}");
        let words = format!("{room} calls of steady are waiting");
        assert!(content["error"].as_str().unwrap().starts_with(&words), "{answer}");
    }
    // Answers in their order: nobody else was refused before this.
    assert!(session.request("ping", json!({})).unwrap().get("result").is_some());
    session.end(Signal::SIGTERM).unwrap();
    json!(room)
}

/// A session in which runs that sleep use up the tool's own time.
fn short_session(configured: &Configured<'_>) -> Session {
    configured.session_with(&[("LOUD_TIMEOUT".into(), "0.05".into())])
}

/// A run that fails by the tool's own time limit.
fn failing(session: &mut Session) -> Value {
    let arguments = json!({"target": "127.0.0.1", "what": "sleep"});
    session.call("loud", arguments).unwrap()["structuredContent"].take()
}

pub fn failures_before_it_opens(configured: &Configured<'_>, _: &Value) -> Value {
    let mut session = short_session(configured);
    let errors = std::iter::from_fn(|| Some(failing(&mut session)["error_type"].clone()));
    let failures = errors.take_while(|error| error == "TIMEOUT").count();
    session.end(Signal::SIGTERM).unwrap();
    json!(failures)
}

pub fn seconds_it_stays_open(configured: &Configured<'_>, _: &Value) -> Value {
    let once = ("PROBITY_BREAKER_FAILURES".into(), "1".into());
    let variables = [configured.variables.clone(), vec![once]].concat();
    let configured = Configured { variables, ..*configured };
    let mut session = short_session(&configured);
    assert_eq!(failing(&mut session)["error_type"], "TIMEOUT");
    let refused = failing(&mut session);
    session.end(Signal::SIGTERM).unwrap();
    assert_eq!(refused["error_type"], "CIRCUIT_BREAKER_OPEN", "{refused}");
    refused["error_details"]["metadata"]["retry_after_sec"].clone()
}

pub fn memory(configured: &Configured<'_>, _: &Value) -> Value {
    json!(configured.limits_of_a_run().address_space_bytes)
}

pub fn descriptors(configured: &Configured<'_>, _: &Value) -> Value {
    json!(configured.limits_of_a_run().open_files)
}

pub fn stdout(configured: &Configured<'_>, _: &Value) -> Value {
    let result = configured.call(&["loud", "127.0.0.1", "--", "--what", "flood"]);
    json!([result["stdout"].as_str().unwrap().len(), result["truncated_stdout"]])
}

pub fn stderr(configured: &Configured<'_>, _: &Value) -> Value {
    let result = configured.call(&["loud", "127.0.0.1", "--", "--what", "stderr-flood"]);
    json!([result["stderr"].as_str().unwrap().len(), result["truncated_stderr"]])
}

/// Whether the option and the preset are published, and how the broker answers to the option typed,
/// to the flag as text, and to the preset.
pub fn intrusive_use(configured: &Configured<'_>, _: &Value) -> Value {
    let mut session = configured.session();
    let list = session.request("tools/list", json!({})).unwrap();
    let tools = list["result"]["tools"].as_array().unwrap();
    let loud = tools.iter().find(|tool| tool["name"] == "loud").unwrap();
    let properties = &loud["inputSchema"]["properties"];
    let presets = properties["preset"].to_string();
    assert!(presets.contains("calm"), "{presets}");
    let mut refused = |more: Value| {
        let mut arguments = json!({"target": "127.0.0.1", "dry_run": true});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = session.call("loud", arguments).unwrap();
        answer["structuredContent"]["error_details"]["code"].clone()
    };
    let refused = [
        refused(json!({"fierce": true})),
        refused(json!({"extra_args": "--fierce"})),
        refused(json!({"preset": "savage"})),
    ];
    json!({"listed": [properties["fierce"].is_object(), presets.contains("savage")], "refused": refused})
}

pub fn levels_logged(configured: &Configured<'_>, _: &Value) -> Value {
    let log = configured.log_of_a_denial(&[("PROBITY_LOG_FORMAT", "json")]);
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let levels: BTreeSet<String> =
        lines.map(|line| line["level"].as_str().unwrap().to_owned()).collect();
    json!(levels)
}

pub fn form_of_lines(configured: &Configured<'_>, _: &Value) -> Value {
    let log = configured.log_of_a_denial(&[("LOG_LEVEL", "INFO")]);
    let line = log.lines().find(|line| line.contains("tool.start")).unwrap();
    match serde_json::from_str::<Value>(line) {
        Ok(line) => {
            assert_eq!(line["event"], "tool.start");
            json!("json")
        }
        Err(_) => {
            assert!(line.contains("Z  INFO tool.start tool=loud target=127.0.0.1 "), "{line}");
            json!("text")
        }
    }
}

/// Which of two sockets is connected to.
pub fn broker_asked(configured: &Configured<'_>, _: &Value) -> Value {
    let listeners = ["a", "b"].map(|name| {
        let path = configured.rig.path(name);
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        // Root's frontend asks as nobody.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        listener.set_nonblocking(true).unwrap();
        (name, listener)
    });
    let mut command = configured.rig.probity(&["tools"], &configured.variables);
    // Nor one of its own, where nothing is installed.
    command.env("PROBITY_EMBEDDED", "false");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut asked = json!("neither");
    let has_ended = wait_until(PATIENCE, || {
        // Hung up at once: it needs no answer.
        for (name, listener) in &listeners {
            if listener.accept().is_ok() {
                asked = json!(name);
            }
        }
        child.try_wait().unwrap().is_some()
    });
    assert!(has_ended);
    assert_eq!(child.wait().unwrap().code(), Some(4), "no broker answered");
    asked
}

/// Whether a broker of one's own is started, in place of asking at the socket that is named.
pub fn starts_its_own(configured: &Configured<'_>, _: &Value) -> Value {
    let mut command = configured.rig.probity(&["tools"], &configured.variables);
    command.env("PROBITY_SOCKET", "/nonexistent/broker.sock").env("PROBITY_BROKER", "/bin/false");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let is_own = said.contains("the embedded broker ended at once");
    assert!(is_own || said.contains("no broker answers at /nonexistent"), "{said}");
    json!(is_own)
}

/// Which policy a broker of one's own looks for. Neither is there, so it refuses the start; nothing else
/// is decided by instead.
pub fn decided_by(configured: &Configured<'_>, _: &Value) -> Value {
    let mut command = configured.rig.probity(&["tools", "--json"], &configured.variables);
    command.env("PROBITY_EMBEDDED", "true").env("XDG_CONFIG_HOME", configured.rig.path("nowhere"));
    let output = command.output().unwrap();
    if output.status.success() {
        let tools: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(tools.to_string().contains("traceroute"), "{tools}");
        return json!("built-in");
    }
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let named = ["a.toml", "b.toml"].into_iter().filter(|name| said.contains(*name));
    json!(named.collect::<Vec<_>>().join(","))
}
