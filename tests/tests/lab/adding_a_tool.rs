//! `docs/adding-a-tool.md` works as it is written: each file in it is sound, `probity-policy try` says what it
//! lacks, with that a running broker takes it over, clients hear of it, it runs in the lab, and what it
//! leaves out is refused.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use probity_tests::{
    broker::{USER_UID, program},
    lab::HOST,
    mcp::Session,
    needs,
    procs::wait_until,
    world::World,
};
use serde_json::{Value, json};

/// The page's tool files, by their names.
fn tool_file(name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/adding-a-tool.md");
    let page = fs::read_to_string(page).unwrap();
    let mut files = page.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let mark = format!("name    = \"{name}\"");
    files.find(|file| file.contains(&mark)).unwrap().to_owned()
}

fn policy(world: &World, words: &[&str]) -> (Option<i32>, String) {
    let policy = world.policy.path("policy.toml");
    // In the lab: `try` runs the tool.
    let mut command = world.lab.client().command(program("probity-policy"));
    let Output { status, stdout, stderr } =
        command.args(words).arg("--policy").arg(policy).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

fn tools(session: &mut Session) -> Vec<String> {
    let answer = session.request("tools/list", json!({})).unwrap();
    let tools = answer["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// A program of the host's, ended with this.
struct Server(Child);

impl Server {
    fn start(world: &World, words: &[&str]) -> Self {
        let mut command = world.lab.host().command(words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries a tool of the page until its sandbox suffices, with the lines that are printed pasted in.
fn try_until_it_suffices(world: &World, name: &str) {
    let file = format!("tools.d/{name}.toml");
    world.policy.write(&file, &tool_file(name)).unwrap();
    let host = HOST.to_string();
    for round in 0..4 {
        let (code, said) = policy(world, &["try", name, &host, "--json"]);
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        assert_eq!(answer["exit_status"], 0, "{answer:#}");
        if code == Some(0) {
            assert_eq!(answer["suffices"], true, "{answer:#}");
            assert!(round > 0, "the file of the page begins with nothing");
            let (code, said) = policy(world, &["try", name, &host]);
            assert!(code == Some(0) && said.contains("Its sandbox suffices"), "{said}");
            return;
        }
        for line in answer["lines"].as_array().unwrap() {
            paste(world, &file, line.as_str().unwrap());
        }
    }
    panic!("{name}: what is printed does not suffice");
}

/// Puts a line in the place of the one with its key, or below the table's head.
fn paste(world: &World, file: &str, line: &str) {
    let key = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let text = fs::read_to_string(world.policy.path(file)).unwrap();
    let (before, table) = text.split_once("[sandbox]\n").unwrap();
    let (table, after) = table.split_once("\n\n").unwrap();
    let others: Vec<&str> = table.lines().filter(|other| key(other) != key(line)).collect();
    let text = format!("{before}[sandbox]\n{}\n{line}\n\n{after}", others.join("\n"));
    world.policy.write(file, &text).unwrap();
}

/// A client that was connected before.
fn taken_into_use(world: &World, session: &mut Session, name: &str) {
    assert!(!tools(session).contains(&name.to_owned()));
    let (code, said) = policy(world, &["check"]);
    assert!(code == Some(0) && said.contains("sound, with"), "{said}");
    assert_eq!(world.broker.reload().unwrap()["outcome"], "applied");
    while session.message().unwrap()["method"] != "notifications/tools/list_changed" {}
    assert!(tools(session).contains(&name.to_owned()));
}

fn session(world: &World) -> Session {
    let words = world.frontend(USER_UID, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Session::start(command).unwrap()
}

/// Each is refused, has not run, and has a line of its own.
fn refuses(world: &World, session: &mut Session, name: &str, calls: &[Value]) {
    for call in calls {
        let result = session.call(name, call.clone()).unwrap();
        assert_eq!(result["isError"], true, "{call}: {result:#}");
        assert_eq!(result["structuredContent"]["returncode"], Value::Null, "{call}");
    }
    let log = world.broker.audit_path().display().to_string();
    let query = ["audit", "query", "--tool", name, "--file", &log, "--verdict", "denied"];
    let (_, denied) = policy(world, &query);
    assert_eq!(denied.lines().count(), 1 + calls.len(), "{denied}");
}

#[test]
fn snmpget_is_a_tool_in_as_many_steps_as_the_page_has() {
    let programs = ["/usr/bin/snmpget", "/usr/bin/python3", "/usr/bin/strace"];
    if !(needs::root() && programs.iter().all(needs::tool)) {
        return;
    }
    let world = World::new().unwrap();
    let mut session = session(&world);
    let host = HOST.to_string();
    let agent = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/snmp.py");
    let _agent = Server::start(&world, &["/usr/bin/python3", "-B", agent, &host]);
    let answers = || {
        let mut command = world.lab.client().command("/usr/bin/snmpget");
        command.args(["-v2c", "-c", "public", "-t", "1", "-r", "0", &host, "1.3.6.1.2.1.1.5.0"]);
        command.output().unwrap().status.success()
    };
    assert!(wait_until(Duration::from_secs(20), answers));
    try_until_it_suffices(&world, "snmpget");
    taken_into_use(&world, &mut session, "snmpget");
    let user = USER_UID.to_string();
    let explain = ["explain", "--user", &user, "--tool", "snmpget", "--target", &host];
    let (code, said) = policy(&world, &[&explain[..], &["--option", "value=name"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("/usr/bin/snmpget -v2c -c public -Oq -r 1 -t 2"), "{said}");
    let result = session.call("snmpget", json!({"target": host, "value": "name"})).unwrap();
    let content = &result["structuredContent"];
    assert_eq!(content["returncode"], 0, "{result:#}");
    assert!(content["stdout"].as_str().unwrap().contains("lab-device"), "{result:#}");
    let refused = [
        json!({"target": "192.0.2.1"}),
        json!({"target": host, "extra_args": "-d"}),
        json!({"target": host, "extra_args": "-M /root"}),
        json!({"target": host, "value": "1.3.6.1"}),
        json!({"target": host, "extra_args": "-t \"2; id\""}),
    ];
    refuses(&world, &mut session, "snmpget", &refused);
}

#[test]
fn openssl_is_a_tool_as_the_page_has_it() {
    if !(needs::root() && ["/usr/bin/openssl", "/usr/bin/strace"].iter().all(needs::tool)) {
        return;
    }
    let world = World::new().unwrap();
    let mut session = session(&world);
    let host = HOST.to_string();
    let folder = tempfile::tempdir().unwrap();
    let [key, certificate] =
        ["key", "cert"].map(|name| folder.path().join(name).display().to_string());
    let made = Command::new("/usr/bin/openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args([
            "-keyout",
            &key,
            "-out",
            &certificate,
            "-subj",
            "/CN=web.lab.internal",
            "-days",
            "3",
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let address = format!("{host}:4433");
    let _server = Server::start(
        &world,
        &[
            "/usr/bin/openssl",
            "s_server",
            "-accept",
            &address,
            "-cert",
            &certificate,
            "-key",
            &key,
            "-quiet",
        ],
    );
    let file = tool_file("s_client");
    assert!(file.contains("default = 443"));
    let listens = || {
        let mut command = world.lab.client().command("/usr/bin/openssl");
        command.args(["s_client", "-brief", "-connect", &address]).stdin(Stdio::null());
        command.output().unwrap().status.success()
    };
    assert!(wait_until(Duration::from_secs(20), listens));
    world.policy.write("tools.d/s_client.toml", &file).unwrap();
    // Its port is none of the machine's own services.
    let option = ["--option", "port=4433"];
    let (code, said) =
        policy(&world, &[&["try", "s_client", &host, "--json"][..], &option].concat());
    assert_eq!(code, Some(1), "{said}");
    let answer: Value = serde_json::from_str(&said).unwrap();
    for line in answer["lines"].as_array().unwrap() {
        paste(&world, "tools.d/s_client.toml", line.as_str().unwrap());
    }
    let (code, said) = policy(&world, &[&["try", "s_client", &host][..], &option].concat());
    assert_eq!(code, Some(0), "{said}");
    taken_into_use(&world, &mut session, "s_client");
    let result = session.call("s_client", json!({"target": host, "port": 4433})).unwrap();
    let content = &result["structuredContent"];
    assert_eq!(content["returncode"], 0, "{result:#}");
    assert!(content["stderr"].as_str().unwrap().contains("CN = web.lab.internal"), "{result:#}");
    let refused = [
        json!({"target": host, "extra_args": "-proxy 10.0.0.9:3128"}),
        json!({"target": host, "extra_args": "-CAfile /etc/shadow"}),
        json!({"target": host, "port": 0}),
    ];
    refuses(&world, &mut session, "s_client", &refused);
}

/// A tool of Python, and what `try` says of it.
fn tried(world: &World, text: &str, profile: &str) -> Value {
    let tool = format!(
        "name = \"tried\"\nsummary = \"Is tried.\"\ncommand = \"/usr/bin/python3\"\n\
         targets = [\"address\"]\nargv = [\"-I\", \"-S\", \"-c\", '''{text}''', \"{{target}}\"]\n\
         timeout = \"3s\"\n[sandbox]\nnet_raw = \"never\"\nsyscalls = \"{profile}\"\n"
    );
    world.policy.write("tools.d/tried.toml", &tool).unwrap();
    let (_, said) = policy(world, &["try", "tried", &HOST.to_string(), "--json"]);
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
}

#[test]
fn a_trial_says_how_the_run_ended_and_what_no_line_allows() {
    if !(needs::root() && ["/usr/bin/python3", "/usr/bin/strace"].iter().all(needs::tool)) {
        return;
    }
    let world = World::new().unwrap();
    // A status of the tool's own, which `timeout` has too.
    let answer = tried(&world, "import sys; sys.exit(124)", "network");
    assert_eq!((&answer["exit_status"], &answer["timed_out"]), (&json!(124), &json!(false)));
    let deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)";
    assert_eq!(tried(&world, deaf, "network")["timed_out"], true);
    let loud = "for _ in range(3000): print(1023 * \"x\")";
    let answer = tried(&world, loud, "network");
    assert_eq!(
        (&answer["exit_status"], answer["stdout"].as_str().unwrap().len()),
        (&json!(0), (1 << 20) - 1)
    );
    let by_address = "import socket, sys, threading\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        t = threading.Thread(target=lambda: s.sendto(b\"x\", (sys.argv[1], 9))); t.start(); t.join()\n\
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind((\"0.0.0.0\", 40406))";
    let answer = tried(&world, by_address, "event-loop");
    let never = ["a message by address, of a run with threads", "a port of its own choice"];
    assert_eq!((&answer["refused"]["never"], &answer["suffices"]), (&json!(never), &json!(false)));
}
