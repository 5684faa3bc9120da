//! What frontends are driven through. Each scenario answers with the log that came of it.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_tests::{
    http::HttpServer,
    lab::Lab,
    mcp::Session,
    needs,
    procs::{as_its_user, broker_below, brokers_below, wait_until},
    rig::{Rig, running_tools},
    sse::Events,
};
use serde_json::{Value, json};

use super::events;

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stand in a tool's output, in a call's arguments, and in a file under a key nobody knows.
pub const OUTPUT: &str = "MARK-OUTPUT";
pub const ARGUMENT: &str = "MARK-ARGUMENT";
pub const SECRET: &str = "MARK-SECRET";

/// What a host that answers prints, and more than a host should.
pub fn transcript() -> String {
    format!(
        "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
         64 bytes from {OUTPUT}.lab.internal (127.0.0.1): icmp_seq=1 ttl=64 time=0.031 ms\n{OUTPUT}\n\n\
         --- 127.0.0.1 ping statistics ---\n\
         1 packets transmitted, 1 received, 0% packet loss, time 0ms\n\
         rtt min/avg/max/mdev = 0.031/0.031/0.031/0.000 ms\n"
    )
}

pub fn log_in(format: &str) -> Vec<(String, String)> {
    variables(&[("LOG_LEVEL", "DEBUG"), ("PROBITY_LOG_FORMAT", format)])
}

pub fn variables(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// Almost everything that can happen to a call, and to the configuration.
pub fn a_session(format: &str) -> String {
    let rig = Rig::new(&transcript()).unwrap();
    let file = rig.path("probity.toml");
    let text = format!(
        "[server]\nport = \"abc\"\ntoken = \"{SECRET}\"\n[tool]\ndefault_timeout = 5\n\
         [tools.loud]\nconcurrency = 9\npassword = \"{SECRET}\"\n"
    );
    fs::write(&file, text).unwrap();
    // As the file of a tool for another version may have it.
    let tool = "tools.d/loud.toml";
    let text = fs::read_to_string(rig.policy().path(tool)).unwrap();
    let text = text.replace("\n[sandbox]", "\nparser = \"of-another-version\"\n[sandbox]");
    rig.policy().write(tool, &text).unwrap();
    let mut set = log_in(format);
    set.extend(variables(&[
        ("MCP_CONFIG_FILE", file.to_str().unwrap()),
        ("TOOLS_PACKAGE", "tools"),
        ("TOOL_EXCLUDE", "nobody"),
        ("LOUD_TIMEOUT", "soon"),
        ("STEADY_TIMEOUT", "19"),
        ("STEADY_CONCURRENCY", "4"),
        ("VAULT_TIMEOUT", SECRET),
        ("VAULT_TOKEN", SECRET),
    ]));
    let mut session = Driven::start(&rig, &set);
    session.call("replay", json!({}));
    session.call("garbled", json!({}));
    session.call("loud", json!({"preset": "calm"}));
    session.call("loud", json!({"dry_run": true}));
    session.call("loud", json!({"what": ARGUMENT}));
    session.call("loud", json!({"fierce": true, "dry_run": true}));
    session.call("loud", json!({"extra_args": format!("--{ARGUMENT}")}));
    session.call("loud", json!({"extra_args": format!("; {ARGUMENT}")}));
    session.call("loud", json!({ARGUMENT: ARGUMENT}));
    session.call("loud", json!({"target": "8.8.8.8", "dry_run": true}));
    session.call("nobody", json!({}));
    let request = session.begin_to_sleep("id-cancelled");
    session.mcp.notify("notifications/cancelled", json!({"requestId": request})).unwrap();
    assert!(wait_until(PATIENCE, || running_tools(session.mcp.pid()).is_empty()));
    // Longer than any line that is read.
    session.mcp.notify("notifications/x", json!({"x": ARGUMENT.repeat(500_000)})).unwrap();
    session.begin_to_sleep("id-still-there");
    session.end_by(Signal::SIGTERM)
}

pub fn a_broken_file() -> String {
    let rig = Rig::new("").unwrap();
    let file = rig.path("probity.toml");
    fs::write(&file, format!("[server]\ntoken = {SECRET} x\n")).unwrap();
    let mut set = log_in("json");
    set.push(("MCP_CONFIG_FILE".into(), file.display().to_string()));
    let output = rig.embedded("stdio", &set).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

pub fn the_end_of_input() -> String {
    let rig = Rig::new("").unwrap();
    let mut session = Driven::start(&rig, &log_in("json"));
    assert_eq!(session.mcp.close().unwrap(), Some(0));
    session.log()
}

pub fn no_session() -> String {
    let rig = Rig::new("").unwrap();
    let (log, first) = (rig.path("log"), rig.path("first"));
    let client = json!({"name": "probity-tests", "version": "0"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let initialize = json!({"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": params});
    fs::write(&first, format!("{initialize}\n")).unwrap();
    let mut command = rig.embedded("stdio", &log_in("json"));
    // The handshake cannot be answered.
    let nowhere = File::options().write(true).open("/dev/full").unwrap();
    command.stdout(nowhere).stdin(File::open(first).unwrap()).stderr(File::create(&log).unwrap());
    assert_eq!(command.status().unwrap().code(), Some(1));
    fs::read_to_string(log).unwrap()
}

/// Runs go on where the file of them is something else, which stays as it is.
pub fn a_file_of_runs_that_is_none() -> String {
    let rig = Rig::new(&transcript()).unwrap();
    let diary = rig.path("diary");
    fs::write(&diary, "mine").unwrap();
    let mut set = log_in("json");
    set.push(("PROBITY_HISTORY_PATH".into(), diary.display().to_string()));
    let mut session = Driven::start(&rig, &set);
    let ran = session.call("loud", json!({}));
    assert_eq!(ran["structuredContent"]["returncode"], 3, "{ran}");
    let log = session.end_by(Signal::SIGTERM);
    assert_eq!(fs::read_to_string(diary).unwrap(), "mine");
    log
}

pub fn an_interrupt() -> String {
    let rig = Rig::new("").unwrap();
    Driven::start(&rig, &log_in("json")).end_by(Signal::SIGINT)
}

/// Two frontends with brokers of their own, and a third that asks whichever a link points to.
pub fn a_broker_that_goes_and_comes() -> String {
    let (first, second) = (Rig::new("").unwrap(), Rig::new("").unwrap());
    let mut before = Driven::start(&first, &[]);
    let link = first.path("link");
    // The third is not whom either was started for.
    open_to_all(&socket_of(&first));
    symlink(socket_of(&first), &link).unwrap();
    let mut set = log_in("json");
    set.push(("PROBITY_SOCKET".into(), link.display().to_string()));
    let third = Rig::new("").unwrap();
    let mut session = Driven::of(third.path("log"), third.probity(&["stdio"], &set));
    before.mcp.close().unwrap();
    assert!(session.waits_for("broker.lost"));
    let lost = session.call("loud", json!({}));
    assert_eq!(lost["structuredContent"]["error_type"], "BROKER_UNREACHABLE", "{lost}");
    let after = Driven::start(&second, &[]);
    open_to_all(&socket_of(&second));
    fs::remove_file(&link).unwrap();
    symlink(socket_of(&second), &link).unwrap();
    assert!(session.waits_for("broker.found"));
    let log = session.end_by(Signal::SIGTERM);
    let taken = events(&log).iter().filter(|event| event["event"] == "policy.configured").count();
    assert_eq!(taken, 2, "the catalog is taken again: {log}");
    after.end_by(Signal::SIGTERM);
    log
}

/// A server whose own broker is killed, cannot be started for a while, and is there again.
pub fn an_own_broker_that_is_killed() -> String {
    let rig = Rig::new("").unwrap();
    let program = rig.path("probity-broker");
    symlink(probity_tests::broker::program("probity-broker"), &program).unwrap();
    let mut set = log_in("json");
    set.push(("PROBITY_BROKER".into(), program.display().to_string()));
    let session = Driven::start(&rig, &set);
    let own = brokers_below(session.mcp.pid());
    fs::rename(&program, rig.path("away")).unwrap();
    kill(Pid::from_raw(own[0].cast_signed()), Signal::SIGKILL).unwrap();
    assert!(session.waits_for("broker.start_failed"));
    fs::rename(rig.path("away"), &program).unwrap();
    assert!(session.waits_for("broker.found"));
    session.end_by(Signal::SIGTERM)
}

/// One call is let through, and of the two that are not the log has the first.
pub fn a_client_that_asks_too_often() -> String {
    let rig = Rig::new("").unwrap();
    let mut set = log_in("json");
    set.extend(variables(&[("PROBITY_RATE_STDIO", "true"), ("PROBITY_RATE_REQUESTS", "1")]));
    let mut session = Driven::start(&rig, &set);
    for limited in [false, true, true] {
        let result = session.call("loud", json!({}));
        let kind = &result["structuredContent"]["error_type"];
        assert_eq!(kind == "RESOURCE_EXHAUSTED", limited, "{result}");
    }
    let log = session.end_by(Signal::SIGTERM);
    let refusals = events(&log).iter().filter(|event| event["event"] == "rate.limited").count();
    assert_eq!(refusals, 1, "{log}");
    log
}

/// Long enough for its breaker to open, and to try it again.
pub fn a_tool_that_fails_and_recovers() -> String {
    let rig = Rig::new("").unwrap();
    let mut set = log_in("json");
    set.extend(variables(&[
        ("PROBITY_BREAKER_FAILURES", "1"),
        ("PROBITY_BREAKER_RECOVERY_SEC", "1"),
        ("LOUD_TIMEOUT", "1"),
    ]));
    let mut session = Driven::start(&rig, &set);
    session.call("loud", json!({"what": "sleep"}));
    let refused = session.call("loud", json!({}));
    assert_eq!(refused["structuredContent"]["error_type"], "CIRCUIT_BREAKER_OPEN", "{refused}");
    // A non-zero exit is an answer, not a failure of the tool's.
    let answers = |result: &Value| result["structuredContent"]["returncode"] == 3;
    assert!(wait_until(PATIENCE, || answers(&session.call("loud", json!({})))));
    session.end_by(Signal::SIGTERM)
}

/// A result that is given again, one whose time is up, and one that another policy drops.
pub fn results_that_are_kept() -> String {
    let rig = Rig::new("").unwrap();
    rig.replay_and_succeed(&transcript(), "cache_seconds = 1").unwrap();
    let mut session = Driven::start(&rig, &log_in("json"));
    session.call("replay", json!({}));
    assert!(wait_until(PATIENCE, || {
        session.call("replay", json!({}));
        session.log().contains("cache.hit")
    }));
    thread::sleep(Duration::from_secs(1));
    session.call("replay", json!({}));
    rig.policy().replace("policy.toml", "timeout = \"10m\"", "timeout = \"9m\"").unwrap();
    let broker = broker_below(session.mcp.pid()).unwrap();
    kill(Pid::from_raw(broker.cast_signed()), Signal::SIGHUP).unwrap();
    assert!(session.waits_for("cache.cleared"));
    session.end_by(Signal::SIGTERM)
}

/// Who comes, with which token and from which page, and what an administrator does.
pub fn a_server_over_http() -> String {
    let rig = Rig::new("").unwrap();
    let file = rig.path("tokens.toml").display().to_string();
    let [viewer, _, admin] = ["viewer", "operator", "admin"].map(|role| {
        let new = ["token", "new", "--name", role, "--role", role, "--file", file.as_str()];
        let mut new = rig.probity(&new, &[]);
        if role == "operator" {
            new.args(["--tool", "laud"]);
        }
        String::from_utf8(new.output().unwrap().stdout).unwrap().trim().to_owned()
    });
    let settings = rig.path("settings.toml");
    fs::write(&settings, "[server]\ntoken = \"MARK-SECRET-of-http\"\n").unwrap();
    fs::set_permissions(&settings, fs::Permissions::from_mode(0o644)).unwrap();
    let mut set = log_in("json");
    set.extend(variables(&[
        ("PROBITY_TOKENS_FILE", &file),
        ("MCP_CONFIG_FILE", settings.to_str().unwrap()),
        ("NOTIFY_SOCKET", "/nonexistent"),
    ]));
    let mut command = rig.embedded("http", &set);
    command.args(["--listen", "127.0.0.1:0"]);
    let mut server = HttpServer::start(command).unwrap();
    let post = |path: &str, token: &str| {
        let body = json!({"target": "127.0.0.1", "extra_args": format!("--{ARGUMENT}")});
        server.post(path, token, &body).unwrap().status
    };
    assert_eq!(post("/tools/loud/execute", &viewer), 403);
    assert_eq!(post("/tools/loud/execute", &admin), 400);
    for action in ["disable", "enable", "reset"] {
        assert_eq!(post(&format!("/tools/loud/{action}"), &admin), 200);
    }
    for guess in 0..12 {
        let token = format!("{SECRET}-{guess}");
        let status = server.get("/config", Some(&token)).unwrap().status;
        assert_eq!(status, if guess < 10 { 401 } else { 429 });
    }
    let foreign = server.raw("GET", "/", &format!("Host: {SECRET}.example\r\n"), "").unwrap();
    assert_eq!(foreign.status, 403);
    let host = server.host();
    let form = format!("token={admin}");
    let headers = format!(
        "Host: {host}\r\nOrigin: http://{host}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n",
        form.len()
    );
    assert_eq!(server.raw("POST", "/ui/login", &headers, &form).unwrap().status, 303);
    // The viewer, who stands first, is taken out while reading.
    let connection = server.connect().unwrap();
    let mut events = Events::ask(connection, server.host(), "/events", &viewer, None).unwrap();
    events.data_of("metrics").unwrap();
    let tokens = fs::read_to_string(&file).unwrap();
    fs::write(&file, &tokens[tokens.rfind("[[token]]").unwrap()..]).unwrap();
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("tokens.reloaded").unwrap();
    server.await_log("events.dismissed").unwrap();
    fs::write(&file, format!("[[token]]\nname = \"{SECRET}\"\n")).unwrap();
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("tokens.reload_failed").unwrap();
    let number = server.pid();
    let pid = number.to_string();
    let limit = |limit: &str| {
        let set = as_its_user(number, "prlimit")
            .args(["--pid", &pid, &format!("--nofile={limit}:")])
            .status();
        assert!(set.unwrap().success());
    };
    // Fewer than it has open already.
    limit("4");
    let _waits = server.connect().unwrap();
    server.await_log("http.accept_failed").unwrap();
    limit("1024");
    assert_eq!(server.get("/livez", None).unwrap().status, 200, "it goes on when some are free");
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
    server.log_with("shutdown.finished")
}

/// Watches of the file and over HTTP, with nobody at the webhook.
pub fn watches() -> String {
    let rig = Rig::new("").unwrap();
    let file = rig.path("watches.toml").display().to_string();
    let watch = "[[watch]]\nname = \"loud\"\ntool = \"loud\"\ntarget = \"127.0.0.1\"\n";
    let text = format!("{watch}every = \"1s\"\ntimeout = \"1s\"\n");
    fs::write(&file, &text).unwrap();
    let secret = format!("{SECRET}-of-watches");
    let mut set = log_in("json");
    set.extend(variables(&[
        ("PROBITY_WATCHES", &file),
        ("PROBITY_WEBHOOK", "http://127.0.0.1:1"),
        ("PROBITY_WEBHOOK_SECRET", &secret),
        ("PROBITY_HTTP_TOKEN", &secret),
    ]));
    let mut command = rig.embedded("http", &set);
    command.args(["--listen", "127.0.0.1:0"]);
    let mut server = HttpServer::start(command).unwrap();
    server.await_log("watch.webhook_unreachable").unwrap();
    server.await_log("watch.told").unwrap();
    let ask = |method: &str, body: Option<&Value>| {
        server.request(method, "/watches/mine", Some(&secret), body).unwrap().status
    };
    let mine = json!({"tool": "loud", "target": "127.0.0.1", "every": "1h"});
    assert_eq!(ask("PUT", Some(&mine)), 201);
    assert_eq!(ask("DELETE", None), 204);
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("watches.reloaded").unwrap();
    fs::write(&file, "[[watch").unwrap();
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("watches.load_failed").unwrap();
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
    server.log_with("shutdown.finished")
}

/// In a namespace whose only names stand in a file: nobody is asked for this one.
pub fn a_name_without_addresses() -> String {
    if !needs::root() {
        return String::new();
    }
    let (lab, rig) = (Lab::new().unwrap(), Rig::new("").unwrap());
    let inside = rig.embedded("stdio", &log_in("json"));
    let mut command = lab.client().command(inside.get_program());
    command.args(inside.get_args());
    command.envs(inside.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut session = Driven::of(rig.path("log"), command);
    let result = session.call("loud", json!({"target": "absent.lab.internal", "dry_run": true}));
    let code = &result["structuredContent"]["error_details"]["code"];
    assert_eq!(code, "NAME_UNRESOLVED", "{result}");
    session.end_by(Signal::SIGTERM)
}

/// Where the broker that this rig's only frontend has started listens.
/// Lets others than a broker's own frontend get to its socket.
fn open_to_all(socket: &Path) {
    let open =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(socket.parent().unwrap(), 0o755);
    open(socket, 0o666);
}

pub fn socket_of(rig: &Rig) -> PathBuf {
    let entries = fs::read_dir(rig.path("")).unwrap();
    let sockets = entries.map(|entry| entry.unwrap().path().join("listen/broker.sock"));
    sockets.into_iter().find(|socket| socket.exists()).expect("a broker's socket")
}

/// A session whose log goes to a file.
pub struct Driven {
    mcp: Session,
    log: PathBuf,
}

impl Driven {
    pub fn start(rig: &Rig, variables: &[(String, String)]) -> Self {
        Self::of(rig.path("log"), rig.embedded("stdio", variables))
    }

    pub fn of(log: PathBuf, mut command: Command) -> Self {
        // A little of it, so that waiting for a call shows.
        command.stderr(File::create(&log).unwrap()).env("PROBITY_GRACE_SEC", "0.3");
        Self { mcp: Session::start(command).unwrap(), log }
    }

    /// Calls a tool, on 127.0.0.1 unless the arguments say otherwise.
    pub fn call(&mut self, tool: &str, mut arguments: Value) -> Value {
        if arguments["target"].is_null() {
            arguments["target"] = json!("127.0.0.1");
        }
        self.mcp.call(tool, arguments).unwrap()
    }

    /// Asks for a run that waits, until it does; answers the request's id.
    pub fn begin_to_sleep(&mut self, id: &str) -> u64 {
        let arguments = json!({"target": "127.0.0.1", "what": "sleep", "correlation_id": id});
        let call = json!({"name": "loud", "arguments": arguments});
        let request = self.mcp.send("tools/call", call).unwrap();
        assert!(wait_until(PATIENCE, || !running_tools(self.mcp.pid()).is_empty()));
        request
    }

    fn waits_for(&self, event: &str) -> bool {
        wait_until(PATIENCE, || self.log().contains(event))
    }

    pub fn end_by(mut self, signal: Signal) -> String {
        assert_eq!(self.mcp.end(signal).unwrap(), Some(0));
        self.log()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}
