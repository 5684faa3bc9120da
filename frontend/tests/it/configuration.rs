//! Configuration as a person sees it, through the real program.
//!
//! - `probity config`: each variable and each layer, as a table and as JSON
//! - files that do not parse keep every command from starting
//! - `LOG_LEVEL` and `PROBITY_LOG_FORMAT`
//! - a bare `probity`

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use crate::support::{ScriptedBroker, samples::*};
use probity::config::settings::{Kind, SETTINGS};
use serde_json::Value;

/// Runs the program with these variables and no others.
fn probity(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.env_clear().envs(variables.iter().copied()).args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What `probity config --json` says.
fn config(arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let output = probity(&[&["config", "--json"], arguments].concat(), variables);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
    serde_json::from_str(&stdout(&output)).unwrap()
}

fn setting<'a>(config: &'a Value, key: &str) -> &'a Value {
    let all =
        config["settings"].as_array().unwrap().iter().chain(config["tools"].as_array().unwrap());
    all.into_iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}"))
}

/// A folder with one configuration file.
struct ConfigFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl ConfigFile {
    fn new(name: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

#[test]
fn each_variable_shows_with_its_value_and_its_name() {
    for wanted in SETTINGS {
        let (written, expected) = match wanted.kind {
            Kind::Whole { least, .. } => (least.to_string(), Value::from(least)),
            Kind::Seconds { least, .. } => (least.to_string(), Value::from(least)),
            Kind::PositiveSeconds => ("1.5".into(), 1.5.into()),
            Kind::Port => ("1".into(), 1.into()),
            Kind::Host => ("::1".into(), "::1".into()),
            Kind::Path => ("/x.sock".into(), "/x.sock".into()),
            Kind::Url => ("http://a:1".into(), "http://a:1".into()),
            Kind::Word(words) => (words[1].into(), words[1].into()),
            Kind::Level => ("critical".into(), "CRITICAL".into()),
            Kind::Names => ("ping, NmapTool".into(), serde_json::json!(["ping", "NmapTool"])),
            Kind::Networks => ("::1, unix".into(), serde_json::json!(["::1", "unix"])),
            Kind::Secret => ("a-secret-of-one's-own".into(), "(secret)".into()),
            Kind::Switch => ("true".into(), true.into()),
        };
        let config = config(&[], &[(wanted.variable, &written)]);
        let shown = setting(&config, wanted.key);
        assert_eq!(shown["value"], expected, "{shown}");
        assert_eq!(shown["source"], wanted.variable, "{shown}");
        assert_eq!(config["warnings"], serde_json::json!([]));
    }
}

#[test]
fn a_setting_that_comes_to_nothing_is_told_of_where_a_broker_answers() {
    let broker = ScriptedBroker::start(script());
    let socket = broker.socket.to_str().unwrap();
    let set = [("MCP_DEFAULT_CONCURRENCY", "5"), ("PING_CONCURRENCY", "2")];
    let asked = config(&["--socket", socket], &set);
    let holds = "ping 2, nmap 1";
    let expected = serde_json::json!([{
        "key": "tool.default_concurrency", "value": "5", "source": "MCP_DEFAULT_CONCURRENCY",
        "holds": holds,
    }]);
    assert_eq!(asked["no_effect"], expected);
    let text = stdout(&probity(&["config", "--socket", socket], &set));
    let told =
        "MCP_DEFAULT_CONCURRENCY: tool.default_concurrency is 5 and has no effect; what holds is";
    assert!(text.contains(told) && text.contains(holds), "{text}");

    let nobody = ["--socket", "/nowhere/broker.sock"];
    assert_eq!(config(&nobody, &set)["no_effect"], Value::Null);
    let text = stdout(&probity(&[&["config"], &nobody[..]].concat(), &set));
    assert!(text.contains("no broker answers that could say so"), "{text}");
    let nothing_set = config(&nobody, &[("LOG_LEVEL", "error")]);
    assert_eq!(nothing_set["no_effect"], serde_json::json!([]), "then none need be asked");
}

#[test]
fn values_of_a_file_show_with_their_lines_and_a_clamp_with_what_it_was() {
    let file = ConfigFile::new("p.yaml", "server:\n  port: 1\ntools:\n  nmap:\n    timeout: 2.5\n");
    let config = config(&["--config", file.path()], &[("MCP_DEFAULT_CONCURRENCY", "9")]);
    assert_eq!(config["file"], file.path());
    assert_eq!(setting(&config, "server.port")["source"], format!("{}:2", file.path()));
    let nmap = setting(&config, "tools.nmap.timeout");
    assert_eq!(
        (&nmap["value"], &nmap["source"]),
        (&2.5.into(), &format!("{}:5", file.path()).into())
    );
    let clamped = setting(&config, "tool.default_concurrency");
    assert_eq!((&clamped["value"], &clamped["clamped_from"]), (&5.into(), &"9".into()));
}

#[test]
fn the_table_is_plain_in_a_pipe_and_has_every_setting_and_warning() {
    let output = probity(&["config"], &[("MCP_SERVER_PORT", "a\u{1b}b"), ("PING_TIMEOUT", "soon")]);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
    let text = stdout(&output);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    for wanted in SETTINGS {
        assert!(text.contains(wanted.key), "{}", wanted.key);
    }
    assert!(text.contains("default (MCP_SERVER_PORT does not count)"), "{text}");
    assert!(text.contains("warning: PING_TIMEOUT: \"soon\" does not count"), "{text}");
}

#[test]
fn a_variable_that_another_program_may_own_is_neither_shown_nor_warned_of() {
    let variables =
        [("XYZ_TIMEOUT", "3"), ("ABC_CONCURRENCY", "many"), ("TRACERTTOOL_TIMEOUT", "4")];
    for arguments in [&["config"][..], &["config", "--json"]] {
        let text = stdout(&probity(arguments, &variables));
        assert!(!text.contains("XYZ") && !text.contains("xyz"), "{text}");
        assert!(!text.contains("ABC_CONCURRENCY"), "nobody said that it is Probity's: {text}");
        assert!(text.contains("TRACERTTOOL_TIMEOUT"), "{text}");
    }
}

/// Each tool that is shipped is known as such, by its name and by its aliases.
#[test]
fn the_variable_of_every_shipped_tool_is_shown() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/defaults/tools.d");
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let tool: toml::Table = text.parse().unwrap();
        let aliases = tool.get("aliases").and_then(toml::Value::as_array).into_iter().flatten();
        names.extend(aliases.chain([&tool["name"]]).map(|it| it.as_str().unwrap().to_owned()));
    }
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let variable = format!("{}_TIMEOUT", name.to_ascii_uppercase().replace('-', "_"));
        let text = stdout(&probity(&["config"], &[(variable.as_str(), "3")]));
        assert!(text.contains(&variable), "{text}");
    }
}

#[test]
fn its_help_names_every_variable() {
    let help = stdout(&probity(&["config", "--help"], &[]));
    for wanted in SETTINGS {
        assert!(help.contains(wanted.variable), "{}", wanted.variable);
    }
    assert!(help.contains("Examples:"));
}

#[test]
fn whoever_stops_reading_is_not_complained_to() {
    let program = env!("CARGO_BIN_EXE_probity");
    let line = format!("{program} config --json 2>&1 >/dev/full | cat");
    let full = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(stdout(&full).contains("cannot write to standard output"), "{full:?}");
    // `true` reads nothing and is gone before the program has waited this long.
    let line = format!("(sleep 0.2; {program} config --json 2>&3) | true");
    let gone = Command::new("bash").args(["-c", &format!("{{ {line}; }} 3>&1")]).output().unwrap();
    assert_eq!(stdout(&gone), "");
}

#[test]
fn a_broken_file_keeps_every_command_from_starting() {
    let broker = ScriptedBroker::start(script());
    let socket = broker.socket.to_str().unwrap();
    let file = ConfigFile::new("p.toml", "[server]\nport = = 1\n");
    let place = format!("{}:2:8: ", file.path());
    for command in [&["stdio"][..], &["tools"], &["call", "ping", "10.0.0.1"], &["config"], &[]] {
        let variables = [("MCP_CONFIG_FILE", file.path()), ("PROBITY_SOCKET", socket)];
        let by_variable = probity(command, &variables);
        let by_flag = probity(&[command, &["--config", file.path()]].concat(), &variables[1..]);
        for output in [by_variable, by_flag] {
            assert_eq!((status(&output), stdout(&output).as_str()), (2, ""), "{command:?}");
            let text = stderr(&output);
            let is_of_a_server = command.is_empty() || command == ["stdio"];
            let said = match is_of_a_server {
                true => format!("ERROR config.apply_failed error=\"{place}"),
                false => format!("probity: {place}"),
            };
            assert!(text.contains(&said), "{text}");
            assert_eq!(text.matches(&place).count(), 1, "once is enough: {text}");
            assert!(text.contains("Nothing starts without the file"), "{text}");
        }
    }
    assert!(broker.requests.lock().unwrap().is_empty(), "nobody was asked");
    let unlogged = probity(&["stdio", "--config", file.path()], &[("LOG_LEVEL", "off")]);
    assert!(stderr(&unlogged).starts_with(&format!("probity: {place}")), "{}", stderr(&unlogged));
}

#[test]
fn one_command_logs_errors_and_what_is_wrong_with_the_configuration_unless_told_otherwise() {
    let broker = ScriptedBroker::start(script());
    let socket = ("PROBITY_SOCKET", broker.socket.to_str().unwrap());
    let bad = ("MCP_SERVER_PORT", "abc");
    let log = |more: &[(&str, &str)]| {
        let output = probity(&["call", "ping", "10.0.0.1"], &[&[socket, bad], more].concat());
        assert_eq!(status(&output), 0);
        stderr(&output)
    };
    let usual = log(&[]);
    assert!(usual.contains(" WARN env.invalid_server_port"), "{usual}");
    assert_eq!(usual.lines().count(), 1, "{usual}");
    assert_eq!(log(&[("LOG_LEVEL", "CRITICAL")]), "");
    assert_eq!(log(&[("LOG_LEVEL", "off")]), "");
    let warned = log(&[("LOG_LEVEL", "Warning")]);
    assert!(warned.contains(" WARN env.invalid_server_port key=server.port value=abc"), "{warned}");
    assert!(!warned.contains("INFO"), "{warned}");
    assert!(log(&[("LOG_LEVEL", "DEBUG")]).contains("DEBUG env.override key=log.level"));
    let file = ConfigFile::new("p.toml", "log.level = \"INFO\"");
    let told = log(&[("MCP_CONFIG_FILE", file.path())]);
    assert!(told.contains(&format!(" INFO config.applied path={}", file.path())), "{told}");
}

#[test]
fn lines_of_json_are_objects_that_name_the_event() {
    let variables =
        [("PROBITY_LOG_FORMAT", "json"), ("LOG_LEVEL", "debug"), ("TOOLS_PACKAGE", "a\n\"b\"")];
    let log = stderr(&probity(&["config"], &variables));
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let package =
        events.iter().find(|event| event["event"] == "env.invalid_tools_package").unwrap();
    assert_eq!((&package["level"], &package["value"]), (&"WARN".into(), &"a \"b\"".into()));
    assert!(package["timestamp"].as_str().unwrap().ends_with('Z'), "{package}");
}

#[test]
fn the_flag_for_the_socket_wins_over_the_variable() {
    let broker = ScriptedBroker::start(script());
    let line = ["tools", "--socket", broker.socket.to_str().unwrap()];
    assert_eq!(status(&probity(&line, &[("PROBITY_SOCKET", "/nonexistent/broker.sock")])), 0);
}

#[test]
fn a_bare_probity_serves_mcp_on_standard_input() {
    let broker = ScriptedBroker::start(script());
    let socket = ("PROBITY_SOCKET", broker.socket.to_str().unwrap());
    let output = probity(&[], &[socket]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, ""), "{}", stderr(&output));
    assert_eq!(broker.requests.lock().unwrap().len(), 1, "the catalog was asked for");
    assert!(!stderr(&output).contains("--help"), "nobody is there to be helped");
}

#[test]
fn a_server_at_a_terminal_says_what_it_waits_for_and_how_to_end_it() {
    let broker = ScriptedBroker::start(script());
    for arguments in ["", " stdio"] {
        let program = format!("{}{arguments}", env!("CARGO_BIN_EXE_probity"));
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &program, "/dev/null"]);
        command.env("PROBITY_SOCKET", &broker.socket).env_remove("MCP_CONFIG_FILE");
        // The end of input is the terminal's Ctrl-D.
        let output = command.stdin(Stdio::null()).output().unwrap();
        // Lines end where the terminal does.
        let said = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("waits for MCP on standard input"), "{output:?}");
        assert!(said.contains("Ctrl-D or Ctrl-C ends it"), "{output:?}");
        assert_eq!(status(&output), 0, "{output:?}");
    }
}

#[test]
fn a_subcommand_says_itself_what_to_serve() {
    let broker = ScriptedBroker::start(script());
    let socket = ("PROBITY_SOCKET", broker.socket.to_str().unwrap());
    let output = probity(&["stdio"], &[("MCP_SERVER_TRANSPORT", "http"), socket]);
    assert_eq!(status(&output), 0, "a subcommand says itself what to serve");
}
