//! `probity client-config`, as a person runs it: what is printed and where, and what `--write` does
//! to a client's file, which is never more than was asked for.
//!
//! - what is printed
//! - files that are made, merged into, and left alone
//! - files that are no configuration, or that may not be written
//! - any file at all (a property)

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_probity");

/// A user's home, and the folder that the program is started in.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg("client-config")
            .args(words)
            .current_dir(self.path(""))
            .env("HOME", self.path(""));
        for name in
            ["XDG_CONFIG_HOME", "PROBITY_SOCKET", "MCP_CONFIG_FILE", "SUDO_USER", "CODEX_HOME"]
        {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The JSON that is printed.
    fn printed(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What is said of a file that is written.
    fn written(&self, words: &[&str]) -> String {
        let output = self.run(&[words, &["--write"]].concat());
        assert!(output.status.success() && output.stdout.is_empty(), "{words:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Why a file is not written. It stays as it is, and nothing comes to stand beside it.
    fn refused(&self, words: &[&str]) -> String {
        let before = snapshot(&self.path(""));
        let output = self.run(&[words, &["--write"]].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert_eq!(snapshot(&self.path("")), before, "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

/// Every file below a folder with its bytes.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match fs::symlink_metadata(&path).unwrap().file_type() {
            kind if kind.is_dir() => found.extend(snapshot(&path)),
            kind if kind.is_file() => found.push((path.clone(), fs::read(&path).unwrap())),
            _ => found.push((path, Vec::new())),
        }
    }
    found.sort();
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

const CLIENTS: [(&str, &str, &str); 7] = [
    ("gemini", "mcpServers", ".gemini/settings.json"),
    ("zed", "context_servers", ".config/zed/settings.json"),
    ("windsurf", "mcpServers", ".codeium/windsurf/mcp_config.json"),
    ("claude-desktop", "mcpServers", ".config/Claude/claude_desktop_config.json"),
    ("claude-code", "mcpServers", ".mcp.json"),
    ("vscode", "servers", ".vscode/mcp.json"),
    ("cursor", "mcpServers", ".cursor/mcp.json"),
];

#[test]
fn each_client_is_given_its_own_form_with_the_path_of_this_program() {
    let home = Home::new();
    for (client, section, file) in CLIENTS {
        let mut entry = json!({"command": PROGRAM, "args": ["stdio"]});
        if client == "vscode" {
            entry = json!({"type": "stdio", "command": PROGRAM, "args": ["stdio"]});
        }
        let output = home.run(&[client]);
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed.to_string(), json!({section: {"probity": entry}}).to_string());
        // Where it goes is for people.
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(file) && said.contains("--write"), "{said}");
        assert!(said.contains(&format!("{PROGRAM} tools")), "{said}");
    }
    assert_eq!(snapshot(&home.path("")), [], "nothing is written unasked");
}

#[test]
fn flags_are_carried_over_as_paths_that_hold_anywhere() {
    let home = Home::new();
    let policy = home.write("my policy.toml", "").display().to_string();
    let config = home.write("p.toml", "").display().to_string();
    let args = |words: &[&str]| home.printed(words)["mcpServers"]["probity"]["args"].clone();
    let words = ["cursor", "--embedded", "--policy", "my policy.toml", "--config", "p.toml"];
    let expected = json!(["stdio", "--embedded", "--policy", policy, "--config", config]);
    assert_eq!(args(&words), expected);
    let socket = home.path("b.sock").display().to_string();
    assert_eq!(args(&["cursor", "--socket", "b.sock"]), json!(["stdio", "--socket", socket]));
    // What this shell's environment names, a client would not have.
    let output = home.command(&["cursor"]).env("PROBITY_SOCKET", "b.sock").output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["mcpServers"]["probity"]["args"], json!(["stdio", "--socket", socket]));
}

#[test]
fn a_server_elsewhere_is_reached_over_http_or_ssh() {
    let home = Home::new();
    let over_http = |client, url: &str| home.printed(&[client, &format!("--http={url}")]);
    let entry = &over_http("claude-code", "https://probe.example.org")["mcpServers"]["probity"];
    let headers = json!({"Authorization": "Bearer ${PROBITY_TOKEN}"});
    let url = "https://probe.example.org/mcp";
    assert_eq!(entry, &json!({"type": "http", "url": url, "headers": headers}));
    let entry = &over_http("cursor", "http://127.0.0.1:9/x")["mcpServers"]["probity"];
    assert_eq!(entry["url"], "http://127.0.0.1:9/x");
    assert_eq!(entry["headers"]["Authorization"], "Bearer ${env:PROBITY_TOKEN}");
    let vscode = home.printed(&["vscode", "--http"]);
    assert_eq!(vscode["servers"]["probity"]["url"], "http://127.0.0.1:8080/mcp");
    assert_eq!(vscode["inputs"][0]["password"], true);

    let entry = &home.printed(&["claude-desktop", "--ssh", "ada@probe"])["mcpServers"]["probity"];
    assert_eq!(entry, &json!({"command": "ssh", "args": ["ada@probe", "probity", "stdio"]}));
    let words = ["claude-desktop", "--ssh", "probe", "--embedded", "--policy", "/etc/a b.toml"];
    let args = &home.printed(&words)["mcpServers"]["probity"]["args"];
    let expected =
        json!(["probe", "probity", "stdio", "--embedded", "--policy", "'/etc/a b.toml'"]);
    assert_eq!(args, &expected, "a shell reads it there");
}

#[test]
fn a_token_over_an_open_network_is_warned_of() {
    let home = Home::new();
    let said = |url: &str| {
        let output = home.run(&["cursor", &format!("--http={url}")]);
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said("http://192.168.1.2:8080/mcp").contains("Without https"));
    assert!(!said("http://127.0.0.1:8080/mcp").contains("Without https"));
    assert!(!said("https://192.168.1.2/mcp").contains("Without https"));
}

#[test]
fn what_no_client_could_use_is_refused() {
    let home = Home::new();
    for (words, reason) in [
        (&["emacs"][..], "claude-desktop"),
        (&["cursor", "--embedded", "--policy", "missing.toml"], "there is no file"),
        (&["claude-desktop", "--http"], "--ssh HOST"),
        (&["cursor", "--http=ftp://x/"], "no URL"),
        (&["cursor", "--http=probe.example.org"], "no URL"),
        (&["cursor", "--http", "--embedded"], "cannot be used with"),
        (&["cursor", "--ssh", "-oProxyCommand=x"], ""),
        (&["cursor", "--ssh=-oProxyCommand=x"], "no host for ssh"),
        (&["cursor", "--ssh", "a b"], "no host for ssh"),
        (&["cursor", "--ssh", "probe", "--embedded", "--policy", "p.toml"], "write it from /"),
        (&["cursor", "--ssh", "probe", "--config", "/dev/null"], "cannot be used with"),
        (&["cursor", "--file", "x.json"], "--write"),
    ] {
        let output = home.run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words:?}: {said}");
        assert!(said.contains(reason), "{words:?}: {said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_made_for_its_user_alone_where_it_is_personal() {
    let home = Home::new();
    for (client, section, file) in CLIENTS {
        let said = home.written(&[client, "--embedded"]);
        let path = home.path(file);
        assert!(said.contains(&path.display().to_string()), "{said}");
        let value: Value = serde_json::from_str(&home.read(file)).unwrap();
        assert_eq!(value, home.printed(&[client, "--embedded"]), "{section}");
        let personal = !["claude-code", "vscode"].contains(&client);
        assert_eq!(mode(&path) == 0o600, personal, "{file}");
        if personal {
            assert_eq!(mode(path.parent().unwrap()), 0o700, "{file}");
        }
    }
    assert_eq!(snapshot(&home.path("")).len(), CLIENTS.len(), "and nothing beside them");
}

#[test]
fn where_a_client_looks_follows_xdg_config_home() {
    let home = Home::new();
    let elsewhere = home.path("elsewhere");
    let mut command = home.command(&["claude-desktop", "--write"]);
    assert!(command.env("XDG_CONFIG_HOME", &elsewhere).status().unwrap().success());
    assert!(elsewhere.join("Claude/claude_desktop_config.json").is_file());
    // One that is no path from the root means nothing, as the specification has it.
    let mut command = home.command(&["claude-desktop", "--write"]);
    assert!(command.env("XDG_CONFIG_HOME", "relative").status().unwrap().success());
    assert!(home.path(".config/Claude/claude_desktop_config.json").is_file());
}

const WITH_OTHERS: &str = "{
    \"globalShortcut\": \"Ctrl+Space\",
    \"mcpServers\": {
        \"files\": { \"command\": \"npx\", \"args\": [\"-y\", \"files\"] }
    },
    \"scale\": 1.10,
    \"large\": 123456789012345678901234567890,
    \"text\": \"\\u00e9\"
}
";

#[test]
fn an_entry_is_merged_and_all_else_stays_byte_for_byte() {
    let home = Home::new();
    let file = home.write("mcp.json", WITH_OTHERS);
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let said = home.written(&["cursor", "--file", "mcp.json"]);
    let args = "            \"args\": [\n                \"stdio\"\n            ]\n";
    let added = format!(
        ",\n        \"probity\": {{\n            \"command\": \"{PROGRAM}\",\n{args}        }}"
    );
    let other = "\"files\"] }";
    assert_eq!(home.read("mcp.json"), WITH_OTHERS.replace(other, &format!("{other}{added}")));
    assert_eq!(home.read("mcp.json.bak"), WITH_OTHERS);
    assert!(said.contains("mcp.json.bak"), "{said}");
    assert_eq!((mode(&file), mode(&home.path("mcp.json.bak"))), (0o640, 0o640));
}

#[test]
fn the_same_again_changes_nothing_and_keeps_no_copy() {
    let home = Home::new();
    home.write("mcp.json", WITH_OTHERS);
    home.written(&["cursor", "--file", "mcp.json"]);
    let before = (snapshot(&home.path("")), fs::metadata(home.path("mcp.json")).unwrap().ino());
    let said = home.written(&["cursor", "--file", "mcp.json"]);
    assert!(said.contains("nothing to do"), "{said}");
    let after = (snapshot(&home.path("")), fs::metadata(home.path("mcp.json")).unwrap().ino());
    assert_eq!(before, after);
}

#[test]
fn an_entry_that_differs_is_replaced_but_for_what_somebody_added_and_no_copy_is_lost() {
    let home = Home::new();
    let old = json!({"mcpServers": {"probity": {
        "command": "/old/probity", "args": ["stdio"], "env": {"NMAP_TIMEOUT": "900"}, "disabled": true}}});
    home.write("mcp.json", &old.to_string());
    let said = home.written(&["cursor", "--file", "mcp.json"]);
    assert!(said.contains("- command: \"/old/probity\""), "{said}");
    assert!(said.contains(&format!("+ command: \"{PROGRAM}\"")), "{said}");
    assert!(!said.contains("NMAP_TIMEOUT"), "{said}");
    let entry = |name| {
        let value: Value = serde_json::from_str(&home.read(name)).unwrap();
        value["mcpServers"]["probity"].clone()
    };
    let expected = json!({"command": PROGRAM, "args": ["stdio"], "env": {"NMAP_TIMEOUT": "900"}, "disabled": true});
    assert_eq!(entry("mcp.json"), expected);
    home.written(&["cursor", "--file", "mcp.json", "--embedded"]);
    home.written(&["cursor", "--file", "mcp.json"]);
    assert_eq!(home.read("mcp.json.bak"), old.to_string());
    assert_eq!(entry("mcp.json.bak.1"), expected);
    assert_eq!(entry("mcp.json.bak.2")["args"], json!(["stdio", "--embedded"]));
}

#[test]
fn a_link_is_followed_to_the_file_and_stays_a_link() {
    let home = Home::new();
    let real = home.write("dotfiles/mcp.json", "{}");
    symlink(&real, home.path("mcp.json")).unwrap();
    let said = home.written(&["cursor", "--file", "mcp.json"]);
    assert!(said.contains("dotfiles/mcp.json.bak"), "{said}");
    assert!(home.path("mcp.json").is_symlink());
    assert!(home.read("dotfiles/mcp.json").contains("probity"));

    symlink("nowhere", home.path("broken.json")).unwrap();
    let said = home.refused(&["cursor", "--file", "broken.json"]);
    assert!(said.contains("a link to a file that is not there"), "{said}");
}

#[test]
fn comments_stay_where_the_client_allows_them() {
    let home = Home::new();
    let before =
        "{\n  // Mine.\n  \"servers\": {\n    \"other\": {\"command\": \"x\"}, // kept\n  },\n}\n";
    home.write("mcp.json", before);
    home.written(&["vscode", "--file", "mcp.json"]);
    let after = home.read("mcp.json");
    for kept in ["  // Mine.\n", "\"other\": {\"command\": \"x\"}, // kept\n", "\"probity\": {"] {
        assert!(after.contains(kept), "{kept}: {after}");
    }
    let said = home.written(&["vscode", "--file", "mcp.json"]);
    assert!(said.contains("says so already"), "{said}");
    assert_eq!(home.read("mcp.json.bak"), before);
}

#[test]
fn codex_is_given_toml_and_keeps_the_rest_of_its_file() {
    let home = Home::new();
    let output = home.run(&["codex"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        printed,
        format!("[mcp_servers.probity]\ncommand = \"{PROGRAM}\"\nargs = [\"stdio\"]\n")
    );
    let before = "# Mine.\nmodel = \"o\"\n";
    home.write(".codex/config.toml", before);
    home.written(&["codex"]);
    assert_eq!(home.read(".codex/config.toml"), format!("{before}\n{printed}"));
    home.write(".codex/config.toml", "model =");
    let said = home.refused(&["codex"]);
    assert!(said.contains("it is no TOML") && said.contains(printed.trim_end()), "{said}");
}

#[test]
fn a_client_that_is_not_known_has_its_file_named() {
    let home = Home::new();
    let said = home.refused(&["generic"]);
    assert!(said.contains("--file PATH"), "{said}");
    home.written(&["generic", "--file", "any.json"]);
    let written: Value = serde_json::from_str(&home.read("any.json")).unwrap();
    assert_eq!(written, home.printed(&["generic"]));
}

#[test]
fn the_program_is_named_by_the_link_that_it_was_started_by() {
    let home = Home::new();
    let link = home.path("bin/probity");
    fs::create_dir(home.path("bin")).unwrap();
    std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    let command = |program: &Path| {
        let mut command = Command::new(program);
        let usual = std::env::var("PATH").unwrap();
        command.args(["client-config", "cursor"]).current_dir(home.path(""));
        command
            .env("HOME", home.path(""))
            .env("PATH", format!("{}:{usual}", home.path("bin").display()));
        let printed: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        printed["mcpServers"]["probity"]["command"].as_str().unwrap().to_owned()
    };
    let expected = link.display().to_string();
    assert_eq!(command(&link), expected, "by its path");
    assert_eq!(command(Path::new("bin/probity")), expected, "by a relative path");
    assert_eq!(command(Path::new("probity")), expected, "as it is found on PATH");
}

#[test]
fn what_is_no_configuration_is_left_alone_with_the_text_to_put_there() {
    let home = Home::new();
    for (client, text, reason) in [
        ("cursor", "{ // mine\n}", "no plain JSON"),
        ("cursor", "{\"a\": 1,}", "no plain JSON"),
        ("vscode", "half a", "no JSON, with or without comments"),
        ("vscode", "{\"servers\": {}} {}", "no JSON, with or without comments"),
        ("zed", "{\"a\": 1 \"b\": 2}", "no JSON, with or without comments"),
    ] {
        home.write("mcp.json", text);
        let said = home.refused(&[client, "--file", "mcp.json"]);
        assert!(said.contains(reason), "{text}: {said}");
        let (_, paste) = said.split_once("yourself:\n\n").unwrap();
        let pasted: Value = serde_json::from_str(&format!("{{{paste}}}")).unwrap();
        let printed = home.printed(&[client]);
        assert_eq!(Some(&pasted), printed.as_object().unwrap().values().next(), "{said}");
    }
    for (text, reason) in [
        ("[]", "the top level is no object"),
        ("{\"mcpServers\": []}", "\"mcpServers\" is no object"),
        ("{\"mcpServers\": {}, \"mcpServers\": {}}", "\"mcpServers\" stands there twice"),
    ] {
        home.write("mcp.json", text);
        let said = home.refused(&["cursor", "--file", "mcp.json"]);
        assert!(said.contains(reason), "{said}");
    }
    fs::write(home.path("mcp.json"), b"{\"a\": \"\xff\"}").unwrap();
    assert!(home.refused(&["cursor", "--file", "mcp.json"]).contains("no UTF-8"));
}

#[test]
fn what_is_no_file_or_may_not_be_written_is_left_alone() {
    let home = Home::new();
    fs::create_dir(home.path("folder")).unwrap();
    assert!(home.refused(&["cursor", "--file", "folder"]).contains("is no file"));
    nix::unistd::mkfifo(&home.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(home.refused(&["cursor", "--file", "pipe"]).contains("is no file"));
    assert!(home.refused(&["cursor", "--file", "/dev/null"]).contains("is no file"));
    home.write("file", "");
    assert!(home.refused(&["cursor", "--file", "file/mcp.json"]).contains("Not a directory"));
    home.write("large.json", &" ".repeat((16 << 20) + 1));
    assert!(home.refused(&["cursor", "--file", "large.json"]).contains("is larger than"));
}

#[test]
fn without_a_home_a_file_has_to_be_named() {
    let home = Home::new();
    let output = home.command(&["cursor", "--write"]).env_remove("HOME").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("--file PATH"));
}

/// A JSON value of small size.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner).prop_map(Value::from),
        ]
    })
}

fn object(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![3 => ".{0,6}".prop_map(String::from), 1 => Just("probity".to_owned())];
    prop::collection::vec((key, values), 0..5).prop_map(Map::from_iter)
}

/// A file: servers at some place among other keys, or none; in one of the ways that JSON is laid out.
fn document() -> impl Strategy<Value = String> {
    let servers = prop::option::of((object(value()), any::<prop::sample::Index>()));
    (object(value()), servers, 0..3).prop_map(|(mut top, servers, layout)| {
        if let Some((servers, at)) = servers {
            top.shift_insert(at.index(top.len() + 1), "mcpServers".to_owned(), servers.into());
        }
        match layout {
            0 => serde_json::to_string(&top).unwrap(),
            1 => serde_json::to_string_pretty(&top).unwrap(),
            _ => serde_json::to_string_pretty(&top).unwrap().replace("\n", "\r\n  \t"),
        }
    })
}

/// Keys with the text of their values, in order.
type Members = Vec<(String, String)>;

/// The members of a document, and those of its servers but for the entry of this one.
fn parts(text: &str) -> (Members, Members) {
    let top: Map<String, Value> = serde_json::from_str(text).unwrap();
    let all = |map: &Map<String, Value>, without: &str| {
        let others = map.iter().filter(|(key, _)| *key != without);
        others.map(|(key, value)| (key.clone(), value.to_string())).collect()
    };
    let servers = top.get("mcpServers").and_then(Value::as_object);
    (all(&top, "mcpServers"), servers.map(|s| all(s, "probity")).unwrap_or_default())
}

proptest! {
    // Each case starts the program twice.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_a_file_holds_the_rest_of_it_stays_and_a_second_time_changes_nothing(text in document()) {
        let home = Home::new();
        home.write("mcp.json", &text);
        home.written(&["cursor", "--file", "mcp.json", "--embedded"]);
        let once = home.read("mcp.json");
        prop_assert_eq!(parts(&once), parts(&text));
        let value: Value = serde_json::from_str(&once).unwrap();
        let entry = &value["mcpServers"]["probity"];
        prop_assert_eq!(&entry["command"], PROGRAM);
        prop_assert_eq!(&entry["args"], &json!(["stdio", "--embedded"]));
        home.written(&["cursor", "--file", "mcp.json", "--embedded"]);
        prop_assert_eq!(home.read("mcp.json"), once);
        let kept = fs::read_dir(home.path("")).unwrap().count() - 1;
        prop_assert!(kept <= 1);
        if kept == 1 {
            prop_assert_eq!(home.read("mcp.json.bak"), text);
        }
    }
}
