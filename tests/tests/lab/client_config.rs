//! `docs/clients.md` works as it is written, and so does what `probity client-config` prints.
//!
//! - each JSON block is what the command above it prints; each command works
//! - an official client starts the server from the entry, embedded and installed
//! - files that are somebody else's
//!
//! What `--write` does to a file otherwise is the frontend's own suite of this name.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    process::{Command, Output},
};

use probity_tests::{
    broker::{USER_UID, copy_of_program, program},
    clients::Client,
    needs,
    world::World,
};
use serde_json::{Value, json};

/// Where the page has the program.
const INSTALLED: &str = "/usr/bin/probity";

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients.md");
    fs::read_to_string(page).unwrap()
}

/// The arguments of every `probity client-config` in the page's shell fences.
fn commands(page: &str) -> Vec<Vec<String>> {
    let fences = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = fences.flat_map(str::lines).map(|line| line.split('#').next().unwrap().trim());
    let lines = lines.filter_map(|line| line.strip_prefix("probity "));
    let words = lines.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    words.filter(|words| words[0] == "client-config").collect()
}

/// Runs it as somebody whose home is this folder.
fn probity(home: &Path, words: &[String]) -> Output {
    let mut command = Command::new(program("probity"));
    command.args(words).current_dir(home).env("HOME", home);
    for name in ["XDG_CONFIG_HOME", "PROBITY_SOCKET", "MCP_CONFIG_FILE", "SUDO_USER", "CODEX_HOME"]
    {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn each_json_block_of_the_page_is_what_the_command_above_it_prints() {
    let page = page();
    let home = tempfile::tempdir().unwrap();
    let this = program("probity").display().to_string();
    let mut shown = Vec::new();
    for block in page.split("```json\n").skip(1).chain(page.split("```toml\n").skip(1)) {
        let (block, _) = block.split_once("```").unwrap();
        let before = &page[..block.as_ptr().addr() - page.as_ptr().addr()];
        let (command, _) = before.rsplit_once("```sh\n").unwrap().1.split_once("\n```\n").unwrap();
        let output = probity(home.path(), &words(command.strip_prefix("probity ").unwrap()));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.replace(&this, INSTALLED), block, "{command}");
        shown.push(command);
    }
    for client in ["codex", "gemini", "zed", "windsurf", "generic"] {
        let command = format!("probity client-config {client}");
        assert!(shown.contains(&command.as_str()), "{command}");
    }
    for client in ["claude-desktop", "claude-code", "vscode", "cursor"] {
        for form in ["", " --embedded"] {
            let command = format!("probity client-config {client}{form}");
            assert!(shown.contains(&command.as_str()), "{command}");
        }
    }
    for client in ["claude-code", "vscode", "cursor", "codex", "gemini", "windsurf", "generic"] {
        let command = format!("probity client-config {client} --http=");
        assert!(shown.iter().any(|shown| shown.starts_with(&command)), "{command}");
    }
}

#[test]
fn each_command_of_the_page_works() {
    let commands = commands(&page());
    assert!(commands.iter().any(|words| words.contains(&"--write".to_owned())), "{commands:?}");
    for words in commands {
        let home = tempfile::tempdir().unwrap();
        let output = probity(home.path(), &words);
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
}

/// The command that an entry has a client start.
fn started_by(entry: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let args = entry["args"].as_array().unwrap().iter().map(text);
    [text(&entry["command"])].into_iter().chain(args).collect()
}

#[test]
fn an_official_client_starts_a_server_of_its_own_from_each_entry() {
    // Without root, Debian's ping is not among the tools.
    if !needs::root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let state = format!("XDG_STATE_HOME={}", home.path().join("state").display());
    for (client, section) in [
        ("claude-desktop", "mcpServers"),
        ("claude-code", "mcpServers"),
        ("vscode", "servers"),
        ("cursor", "mcpServers"),
        ("gemini", "mcpServers"),
        ("zed", "context_servers"),
        ("windsurf", "mcpServers"),
        ("generic", "mcpServers"),
    ] {
        let output = probity(home.path(), &words(&format!("client-config {client} --embedded")));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let server = ["env".to_owned(), state.clone()].into_iter();
        let server: Vec<_> = server.chain(started_by(&printed[section]["probity"])).collect();
        let answer = Client::PYTHON.run(&json!([]), &server).unwrap();
        let tools = answer["tools"].as_array().unwrap();
        assert!(tools.iter().any(|tool| tool["name"] == "ping"), "{client}: {answer}");
    }
}

#[test]
fn an_official_client_reaches_the_installed_broker_by_the_entry() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let line = world.frontend(USER_UID, &["client-config", "claude-desktop"]);
    let output = Command::new(&line[0]).args(&line[1..]).output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let server = started_by(&printed["mcpServers"]["probity"]);
    // As the same user, in the same network.
    let user = line.iter().take_while(|word| **word != server[0]).cloned();
    let steps = json!([{"call": "ping", "arguments": {"target": "10.66.2.2", "count": 1}}]);
    let answer =
        Client::PYTHON.run(&steps, &user.chain(server.clone()).collect::<Vec<_>>()).unwrap();
    assert_eq!(answer["results"][0]["structuredContent"]["parsed"]["received"], 1, "{answer}");
}

#[test]
fn the_file_of_root_is_not_written_for_somebody_who_used_sudo() {
    if !needs::root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(program("probity"));
        command.args(["client-config", "claude-desktop", "--write"]).args(words);
        let command = command.current_dir(home.path()).env("HOME", home.path());
        command.env("SUDO_USER", "ada").env_remove("XDG_CONFIG_HOME").output().unwrap()
    };
    let output = run(&[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("root's") && said.contains("the client of ada"), "{said}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    // Whoever names a file means it, and it stays the one of whom it was.
    let file = home.path().join("mcp.json");
    fs::write(&file, "{}").unwrap();
    chown(&file, Some(USER_UID), Some(USER_UID)).unwrap();
    assert!(run(&["--file", "mcp.json"]).status.success());
    for name in ["mcp.json", "mcp.json.bak"] {
        let path = home.path().join(name);
        assert_eq!(fs::metadata(path).unwrap().uid(), USER_UID, "{name}");
    }
}

#[test]
fn a_file_that_a_user_may_not_write_is_not_replaced_in_a_folder_that_is_his() {
    if !needs::root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    chown(home.path(), Some(USER_UID), Some(USER_UID)).unwrap();
    let this = tempfile::tempdir().unwrap();
    fs::set_permissions(this.path(), Permissions::from_mode(0o755)).unwrap();
    copy_of_program("probity", &this.path().join("probity")).unwrap();
    let file = home.path().join("mcp.json");
    let user = USER_UID.to_string();
    let run = || {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        command.arg(this.path().join("probity")).args(["client-config", "cursor", "--write"]);
        command.args(["--file", "mcp.json"]).current_dir(home.path()).output().unwrap()
    };
    // Another's, which he may read; his own, which he has locked; another's that all may write, whose
    // owner a new file could not have.
    for (owner, mode) in [(0, 0o644), (USER_UID, 0o444), (0, 0o666)] {
        fs::write(&file, "{}").unwrap();
        chown(&file, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let output = run();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{mode:o}: {said}");
        assert!(said.contains("mcp.json") && said.contains("Nothing was changed"), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}", "{mode:o}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "{mode:o}");
    }
    chown(&file, Some(USER_UID), Some(USER_UID)).unwrap();
    let output = run();
    assert!(output.status.success(), "{output:?}");
}
