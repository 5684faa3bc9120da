//! Who may come in over HTTP, and how they get there: over real sockets, with a scripted broker.
//!
//! - listening: where, and not to other machines before somebody has a token
//! - the one token of a server that was given none; `PROBITY_HTTP_TOKEN`; the tokens file, reread
//! - a token's limits: networks, tools, the standard tier
//! - failed authentication, limited and logged; no token in any log or answer
//! - who is anonymous, and who is behind a proxy

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    process::{Command, Stdio},
};

use crate::support::{ScriptedBroker, Step, http::*, samples::*};
use nix::sys::signal::Signal;
use probity_protocol::*;
use serde_json::json;

/// The program, where it is to end by itself.
fn ends(broker: &ScriptedBroker, variables: &[(&str, &str)], listen: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.env_clear().env("PROBITY_SOCKET", &broker.socket).envs(variables.iter().copied());
    let output = command.args(["http", "--listen", listen]).stdin(Stdio::null()).output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn status(server: &HttpServer, path: &str, token: &str) -> u16 {
    server.get(path, Some(token)).unwrap().status
}

#[test]
fn other_machines_are_not_listened_to_before_somebody_has_a_token() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    file.write("");
    for listen in ["0.0.0.0:0", "[::]:0"] {
        for variables in [vec![], vec![file.variable()]] {
            let (code, said) = ends(&broker, &variables, listen);
            assert_eq!(code, 2, "{said}");
            assert!(said.contains("nobody has been given a token"), "{said}");
            assert!(!said.contains("probity_"), "none is made for nothing: {said}");
        }
    }
    assert!(broker.requests.lock().unwrap().is_empty());
    file.add("ada", "viewer", &[]);
    for variables in [vec![file.variable()], vec![("PROBITY_HTTP_TOKEN", CHOSEN)]] {
        let mut command = command(&broker, &variables);
        command.args(["--listen", "0.0.0.0:0"]);
        let server = HttpServer::start(command);
        // clap refuses the flag twice: it is the variable that says where.
        assert!(server.is_err());
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.env_clear().env("PROBITY_SOCKET", &broker.socket).envs(variables);
        command.env("MCP_SERVER_HOST", "0.0.0.0").env("MCP_SERVER_PORT", "0").arg("http");
        let server = HttpServer::start(command).unwrap();
        assert!(server.host().starts_with("0.0.0.0:"), "{}", server.host());
    }
}

#[test]
fn what_cannot_be_listened_on_is_said_and_nobody_is_asked() {
    let broker = ScriptedBroker::start(script());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    let (code, said) = ends(&broker, &[], &place);
    assert_eq!(code, 2);
    assert!(said.contains("cannot listen on 127.0.0.1 port "), "{said}");
    assert!(said.contains("--listen 127.0.0.1:0"), "{said}");
    assert!(!said.contains("shutdown.finished"), "{said}");
    let (code, said) = ends(&broker, &[("PROBITY_HTTP_TOKEN", "short")], "127.0.0.1:0");
    assert!(code == 2 && said.contains("at least 16"), "{said}");
    assert!(!said.contains("short"), "{said}");
    let (code, said) = ends(&broker, &[("PROBITY_TOKENS_FILE", "/nonexistent/t")], "127.0.0.1:0");
    assert!(code == 2 && said.contains("/nonexistent/t: "), "{said}");
    let remedy = "`probity token new --name NAME --role operator --file /nonexistent/t`";
    assert!(said.contains("server.tokens_file") && said.contains(remedy), "{said}");
    assert!(broker.requests.lock().unwrap().is_empty());
}

#[test]
fn a_server_without_a_token_makes_one_and_prints_a_curl_line_that_works() {
    let broker = ScriptedBroker::start(script());
    let mut command = command(&broker, &[]);
    command.env("PROBITY_LOG_FORMAT", "json").env("LOG_LEVEL", "TRACE");
    let server = HttpServer::start(command).unwrap();
    let log = server.log();
    let line = log.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap();
    let output = Command::new("sh").args(["-c", &format!("{line} -s")]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["tools"][1]["name"], "ping");
    let token = server.token().unwrap();
    assert_eq!(status(&server, "/config", &token), 200, "an administrator's");
    let shown = server.get("/config", Some(&token)).unwrap().json();
    let settings = shown["settings"].as_array().unwrap();
    let port = settings.iter().find(|it| it["key"] == "server.port").unwrap();
    assert_eq!(
        port["value"].to_string(),
        server.host().rsplit(':').next().unwrap(),
        "the bound one"
    );
    let events = log.lines().filter(|line| line.starts_with('{'));
    assert!(
        events.count() > 1
            && !server.log().lines().any(|l| l.starts_with('{') && l.contains(&token))
    );
    // Another server has another one.
    let other = HttpServer::start(self::command(&broker, &[])).unwrap();
    assert_eq!(status(&other, "/config", &token), 401);
}

#[test]
fn a_token_of_the_environment_is_for_an_administrator_and_shows_nowhere() {
    let broker = ScriptedBroker::start(script());
    let mut server = serve_with(&broker, &[("LOG_LEVEL", "TRACE")]);
    assert_eq!(status(&server, "/config", CHOSEN), 200);
    assert_eq!(server.token(), None, "none is made");
    for wrong in [
        "Bearer",
        "Bearer a-token-of-one's-ow",
        "Bearer a-token-of-one's-own.",
        "Bearer A-TOKEN-OF-ONE'S-OWN",
        "Basic a-token-of-one's-own",
        "a-token-of-one's-own",
        "",
    ] {
        let headers = format!("Host: localhost\r\nAuthorization: {wrong}\r\n");
        let answer = server.raw("GET", "/tools", &headers, "").unwrap();
        assert_eq!(answer.status, 401, "{wrong:?}");
        // RFC 6750: other credentials, or none, are no wrong token.
        let expected = match wrong.strip_prefix("Bearer ") {
            Some(_) => "Bearer realm=\"probity\", error=\"invalid_token\"",
            None => "Bearer realm=\"probity\"",
        };
        assert_eq!(answer.header("www-authenticate"), Some(expected), "{wrong:?}");
        assert!(!answer.body.contains(CHOSEN) && !answer.body.contains("one's-ow"));
    }
    let twice = format!(
        "Host: localhost\r\nAuthorization: Bearer {CHOSEN}\r\nAuthorization: Bearer {CHOSEN}\r\n"
    );
    assert_eq!(server.raw("GET", "/config", &twice, "").unwrap().status, 401);
    let config = server.get("/config", Some(CHOSEN)).unwrap();
    assert!(!config.body.contains(CHOSEN) && config.body.contains("(secret)"), "{}", config.body);
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
    let log = server.log_with("shutdown.finished");
    assert!(log.contains("http.listening") && !log.contains(CHOSEN), "{log}");
}

#[test]
fn the_file_holds_no_token_and_is_read_again_at_sighup() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let ada = file.add("ada", "admin", &[]);
    assert!(!file.text().contains(&ada) && file.text().contains("sha256:"), "{}", file.text());
    assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o022, 0);
    let mut server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    assert_eq!(status(&server, "/config", &ada), 200);

    let bob = file.add("bob", "viewer", &[]);
    assert_eq!(status(&server, "/tools", &bob), 401, "not yet");
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("tokens.reloaded tokens=2").unwrap();
    assert_eq!(status(&server, "/tools", &bob), 200);
    assert_eq!(status(&server, "/config", &bob), 403);

    // One that became wrong changes nothing, and says where.
    let good = file.text();
    file.write(&format!("{good}\n[[token]]\nname = 7\n"));
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("tokens.reload_failed").unwrap();
    let log = server.log_with("tokens.toml:12");
    assert!(log.contains("tokens.toml:12"), "{log}");
    assert_eq!(status(&server, "/config", &ada), 200);

    // Who is taken out is out.
    let only_bob = good.split("[[token]]").nth(2).unwrap();
    file.write(&format!("[[token]]{only_bob}"));
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("tokens.reloaded tokens=1").unwrap();
    assert_eq!(status(&server, "/config", &ada), 401);
    assert_eq!(status(&server, "/tools", &bob), 200);
    let log = server.log();
    assert!(!log.contains(&ada) && !log.contains(&bob));
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0), "SIGHUP ended nothing");
}

#[test]
fn a_token_for_a_tool_that_there_is_not_is_told_of_at_the_start_and_when_it_is_read() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    file.add("ada", "operator", &["--tool", "PingTool", "--tool", "pign"]);
    let mut server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    server.await_log("tokens.unknown_tool client=ada tool=pign nearest=ping").unwrap();
    file.add("bob", "operator", &["--tool", "nothing-like-it"]);
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("tokens.unknown_tool client=bob tool=nothing-like-it\n").unwrap();
    assert!(!server.log().contains("PingTool"), "{}", server.log());
}

#[test]
fn a_token_in_a_file_that_everybody_can_read_is_warned_of() {
    let broker = ScriptedBroker::start(script());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probity.toml");
    fs::write(&path, format!("[server]\ntoken = \"{CHOSEN}\"\n")).unwrap();
    for (mode, is_open) in [(0o640, false), (0o644, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let file = path.to_str().unwrap();
        let server = HttpServer::start(command(&broker, &[("MCP_CONFIG_FILE", file)])).unwrap();
        let log = server.log();
        let warning = format!("config.exposed key=server.token source={file}:2");
        assert_eq!(log.contains(&warning), is_open, "{log}");
        assert!(!log.contains(CHOSEN), "{log}");
    }
}

#[test]
fn a_tokens_file_that_others_could_write_keeps_the_server_from_starting() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    file.add("ada", "admin", &[]);
    fs::set_permissions(&file.path, fs::Permissions::from_mode(0o666)).unwrap();
    let (code, said) = ends(&broker, &[file.variable()], "127.0.0.1:0");
    assert!(code == 2 && said.contains("chmod go-w"), "{said}");
}

#[test]
fn a_name_is_given_once_and_an_entry_can_be_had_without_a_file() {
    let file = TokensFile::new();
    file.add("ada", "admin", &[]);
    let new = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.env_clear().args(["token", "new"]).args(arguments).output().unwrap()
    };
    let path = file.path.to_str().unwrap();
    let again = new(&["--name", "ada", "--role", "viewer", "--file", path]);
    assert_eq!(again.status.code(), Some(2));
    assert!(again.stdout.is_empty());
    assert_eq!(file.text().matches("[[token]]").count(), 1);
    let entry = new(&["--name", "eve", "--role", "viewer", "--network", "10.0.0.0/8"]);
    let (token, entry) = (String::from_utf8(entry.stdout), String::from_utf8(entry.stderr));
    assert!(token.unwrap().starts_with("probity_"));
    assert!(entry.unwrap().contains("networks = [\"10.0.0.0/8\"]"));
    for bad in [["--name", "", "--role", "viewer"], ["--name", "x", "--role", "root"]] {
        assert_eq!(new(&bad).status.code(), Some(2));
    }
    // The file is one that the server takes.
    let broker = ScriptedBroker::start(script());
    assert!(HttpServer::start(command(&broker, &[file.variable()])).is_ok());
}

#[test]
fn a_token_opens_only_from_its_networks() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let here = file.add("here", "viewer", &["--network", "127.0.0.0/8", "--network", "::1/128"]);
    let elsewhere = file.add("elsewhere", "viewer", &["--network", "10.0.0.0/8"]);
    let variables = [file.variable(), ("PROBITY_TRUSTED_PROXIES", "127.0.0.1")];
    let direct = HttpServer::start(command(&broker, &variables[..1])).unwrap();
    let proxied = HttpServer::start(command(&broker, &variables)).unwrap();
    let ask = |server: &HttpServer, token: &str, forwarded: &str| {
        let headers = format!(
            "Host: localhost\r\nAuthorization: Bearer {token}\r\nX-Forwarded-For: {forwarded}\r\n"
        );
        server.raw("GET", "/tools", &headers, "").unwrap().status
    };
    assert_eq!(status(&direct, "/tools", &here), 200);
    assert_eq!(status(&direct, "/tools", &elsewhere), 401);
    // Nobody is believed who is no proxy of ours.
    assert_eq!(ask(&direct, &elsewhere, "10.1.2.3"), 401);
    assert_eq!(ask(&proxied, &elsewhere, "10.1.2.3"), 200);
    assert_eq!(ask(&proxied, &here, "10.1.2.3"), 401);
    // Only what the proxy itself wrote.
    assert_eq!(ask(&proxied, &elsewhere, "10.1.2.3, 192.168.1.1"), 401);
    assert_eq!(ask(&proxied, &elsewhere, "192.168.1.1, 10.1.2.3"), 200);
    let line = "http.authentication_failed address=192.168.1.1";
    let log = proxied.log_with(line);
    assert!(log.contains(line), "{log}");
}

#[test]
fn a_token_for_some_tools_sees_and_runs_those() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let ping = file.add("ping-only", "admin", &["--tool", "PingTool"]);
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let listed = server.get("/tools", Some(&ping)).unwrap().json();
    assert_eq!(listed["tools"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(status(&server, "/tools/ping", &ping), 200);
    assert_eq!(status(&server, "/tools/nmap", &ping), 404);
    for name in ["ping", "PingTool"] {
        let path = format!("/tools/{name}/execute");
        assert_eq!(server.post(&path, &ping, &target()).unwrap().status, 200);
    }
    let runs = broker.runs().len();
    for action in ["execute", "check"] {
        let answer = server.post(&format!("/tools/nmap/{action}"), &ping, &target()).unwrap();
        assert_eq!((answer.status, &answer.json()["error_type"]), (403, &json!("FORBIDDEN")));
    }
    for action in ["enable", "disable", "reset"] {
        let answer = server.post(&format!("/tools/nmap/{action}"), &ping, &json!({})).unwrap();
        assert_eq!(answer.status, 404, "{action}");
    }
    assert_eq!((broker.runs().len(), broker.checks().len()), (runs, 0), "nobody else was asked");
    let line = "http.forbidden client=ping-only needed=nmap";
    assert!(server.log_with(line).contains(line));
}

#[test]
fn a_tool_that_has_nothing_intrusive_allows_nothing_of_the_kind_whatever_the_grant() {
    let mut script = script();
    let mut catalog = catalog();
    let tool = |catalog: &mut Catalog, name: &str| {
        catalog.tools.iter().position(|tool| tool.name.as_str() == name).unwrap()
    };
    let (ping, nmap) = (tool(&mut catalog, "ping"), tool(&mut catalog, "nmap"));
    for at in [ping, nmap] {
        catalog.tools[at].intrusive = true;
    }
    catalog.tools[nmap].presets.push(PresetEntry {
        name: Identifier::new("deep").unwrap(),
        help: "Everything.".into(),
        options: vec![],
        tier: Tier::Intrusive,
    });
    script.catalog = vec![Step::Send(Reply::Catalog(catalog))];
    let broker = ScriptedBroker::start(script);
    let server = HttpServer::start(command(&broker, &[])).unwrap();
    let allowed = |name: &str| {
        let list = server.get("/tools", None).unwrap().json();
        let mut tools = list["tools"].as_array().unwrap().iter();
        tools.find(|tool| tool["name"] == name).unwrap()["policy"]["intrusive_allowed"].clone()
    };
    assert_eq!((allowed("ping"), allowed("nmap")), (json!(false), json!(true)));
}

#[test]
fn a_token_without_intrusive_use_asks_the_broker_for_no_more_and_sees_no_more() {
    let mut script = script();
    let mut catalog = catalog();
    let ping = catalog.tools.iter_mut().find(|tool| tool.name.as_str() == "ping").unwrap();
    ping.intrusive = true;
    ping.options[1].tier = Tier::Intrusive;
    let hidden = ping.options[1].flag.clone().unwrap();
    let nmap = catalog.tools.iter_mut().find(|tool| tool.name.as_str() == "nmap").unwrap();
    nmap.tier = Tier::Intrusive;
    script.catalog = vec![Step::Send(Reply::Catalog(catalog))];
    let broker = ScriptedBroker::start(script);
    let file = TokensFile::new();
    let tame = file.add("tame", "operator", &["--no-intrusive"]);
    let free = file.add("free", "operator", &[]);
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let flags = |token: &str| {
        let list = server.get("/tools", Some(token)).unwrap().json();
        let tools = list["tools"].as_array().unwrap().clone();
        let ping = tools.iter().find(|tool| tool["name"] == "ping").unwrap().clone();
        (tools.len(), ping["flags"].to_string().contains(&hidden), ping["policy"].clone())
    };
    let (count, shows, policy) = flags(&tame);
    assert_eq!((count, shows, &policy["intrusive_allowed"]), (1, false, &json!(false)));
    assert_eq!(policy["total_flags"], 5);
    let (count, shows, policy) = flags(&free);
    assert_eq!((count, shows, &policy["intrusive_allowed"]), (2, true, &json!(true)));
    assert_eq!(
        (policy["base_flags"].as_array().unwrap().len(), &policy["total_flags"]),
        (5, &json!(6))
    );
    for (token, tier) in [(&tame, Some(Tier::Standard)), (&free, None)] {
        server.post("/tools/ping/execute", token, &target()).unwrap();
        server.post("/tools/ping/check", token, &target()).unwrap();
        // What is refused here is put to the broker under the same limit.
        server.post("/tools/ping/execute", token, &json!({"target": "10.0.0.1", "x": 1})).unwrap();
        assert_eq!(broker.runs().pop().unwrap().limits.tier, tier);
        let checks = broker.checks();
        assert!(checks.iter().rev().take(2).all(|call| call.limits.tier == tier), "{checks:?}");
    }
}

#[test]
fn guessing_is_limited_and_logged_and_a_made_token_opens_all_the_same() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let made = file.add("ada", "viewer", &[]);
    let server = serve_with(&broker, &[file.variable()]);
    let wrong = |n: usize| server.get("/tools", Some(&format!("guess-number-{n:05}"))).unwrap();
    assert!((0..10).all(|n| wrong(n).status == 401));
    let limited = wrong(10);
    assert_eq!(limited.status, 429, "{}", limited.body);
    assert_eq!(limited.json()["error_type"], "RESOURCE_EXHAUSTED");
    let seconds: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    for n in 11..40 {
        assert_eq!(wrong(n).status, 429);
    }
    // A guess would not be told from the right one: what was chosen is not even looked at.
    assert_eq!(status(&server, "/tools", CHOSEN), 429);
    // Nobody guesses this, and whoever has it is let in.
    assert_eq!(status(&server, "/tools", &made), 200);
    // Nor does it keep out those who come without one.
    assert_eq!(server.get("/tools", None).unwrap().status, 200);
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
    let log = server.log_with("http.authentication_limited");
    assert_eq!(log.matches("http.authentication_failed address=127.0.0.1").count(), 10, "{log}");
    assert_eq!(log.matches("http.authentication_limited address=127.0.0.1").count(), 1, "{log}");
    assert!(!log.contains("guess-number"), "{log}");
}

#[test]
fn whoever_asks_for_too_much_too_often_fills_no_log() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let viewer = file.add("vera", "viewer", &[]);
    let mut server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    for _ in 0..15 {
        assert_eq!(status(&server, "/config", &viewer), 403);
        drop(Events::ask(server.connect().unwrap(), server.host(), "/events", &viewer, None));
    }
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
    let log = server.log_with("shutdown.finished");
    for event in ["http.forbidden client=vera", "events.read client=vera"] {
        assert_eq!(log.matches(event).count(), 10, "{log}");
    }
}

#[test]
fn whoever_is_on_this_machine_may_look_unless_that_is_closed_or_a_proxy_stands_before() {
    let broker = ScriptedBroker::start(script());
    let tools = |server: &HttpServer, headers: &str| {
        server.raw("GET", "/tools", &format!("Host: localhost\r\n{headers}"), "").unwrap().status
    };
    let open = serve(&broker);
    assert_eq!(tools(&open, ""), 200);
    assert_eq!(open.get("/", None).unwrap().status, 200);
    assert_eq!(open.get("/config", None).unwrap().status, 401);
    for header in [
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "Via: 1.1 proxy",
        "X-Forwarded-Host: localhost",
        "X-Forwarded-Proto: https",
        "CF-Connecting-IP: 127.0.0.1",
        "True-Client-IP: 127.0.0.1",
        "X-Envoy-External-Address: 127.0.0.1",
        "X-Nobody-Has-Heard-Of: it",
    ] {
        assert_eq!(tools(&open, &format!("{header}\r\n")), 401, "{header}");
    }
    // As nginx asks that was told of nothing but the place.
    let old = open.exchange(b"GET /tools HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(old.unwrap().status, 401);
    let health = open.raw("GET", "/health", "Host: localhost\r\nX-Client-IP: 127.0.0.1\r\n", "");
    assert!(health.unwrap().json().get("checks").is_none(), "a stranger is told one word");
    let proxied = serve_with(&broker, &[("PROBITY_TRUSTED_PROXIES", "127.0.0.0/8")]);
    assert_eq!(tools(&proxied, ""), 401, "the proxy is not the client");
    assert_eq!(tools(&proxied, "X-Forwarded-For: 127.0.0.1\r\n"), 401);
    let closed = serve_with(&broker, &[("PROBITY_HTTP_ANONYMOUS", "false")]);
    assert_eq!(tools(&closed, ""), 401);
    assert_eq!(closed.get("/", None).unwrap().status, 401);
    assert_eq!(closed.get("/livez", None).unwrap().status, 200);
    assert_eq!(closed.get("/tools", Some(CHOSEN)).unwrap().status, 200);
}

#[test]
fn a_unix_socket_serves_the_same_and_goes_with_the_server() {
    let broker = ScriptedBroker::start(script());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.env_clear().env("PROBITY_SOCKET", &broker.socket);
    command.args(["http", "--listen", &format!("unix:{}", path.display())]);
    let mut server = HttpServer::start(command).unwrap();
    let log = server.log_with("curl ");
    let token = server.token().unwrap();
    assert!(log.contains(&format!("curl --unix-socket {} -H ", path.display())), "{log}");
    let ask = |target: &str, token: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        let text =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{token}Connection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(ask("/tools", ""), "200");
    assert_eq!(ask("/config", ""), "401");
    assert_eq!(ask("/config", &format!("Authorization: Bearer {token}\r\n")), "200");
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
    // Root's server is nobody by then, and may not take it out of a folder of root's.
    assert_eq!(path.exists(), rustix::process::geteuid().is_root());
}

#[test]
fn the_configuration_shows_what_is_set_for_tools_and_nothing_of_other_programs() {
    let broker = ScriptedBroker::start(script());
    let variables = [("FOO_TIMEOUT", "7"), ("BAR_CONCURRENCY", "x"), ("PING_TIMEOUT", "90")];
    let server = serve_with(&broker, &variables);
    let shown = server.get("/config", Some(CHOSEN)).unwrap().json();
    let tools = shown["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 1, "{shown}");
    assert_eq!(
        (&tools[0]["key"], &tools[0]["value"]),
        (&"tools.ping.timeout".into(), &90.0.into())
    );
    assert_eq!(shown["warnings"].as_array().map(Vec::len), Some(0), "{shown}");
    assert!(!server.log().contains("FOO") && !server.log().contains("BAR"), "{}", server.log());
}
