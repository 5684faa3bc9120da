//! Claude Code itself, with what docs/clients.md tells to give it: it starts or reaches Probity, says that it
//! is connected, and comes back to a run.
//!
//! It is large and somebody else's, so `make test-long` fetches and runs it, and `make test` does not. It
//! runs in a network namespace with loopback alone: what else it would like to send goes nowhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use probity_tests::{broker::program, needs};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-the-tests-only";

/// Where `make test-long` puts it.
fn claude() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/claude-code/node_modules/.bin/claude")
}

/// What this prints, run by somebody with a new home, in a project of his. Its own variables: where the
/// programs are.
fn said_of(script: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    // A question to a person otherwise, once for each project.
    fs::create_dir(home.path().join(".claude")).unwrap();
    let allowed = r#"{"enableAllProjectMcpServers": true}"#;
    fs::write(home.path().join(".claude/settings.json"), allowed).unwrap();
    let project = home.path().join("project");
    fs::create_dir(&project).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--net", "timeout", "120", "bash", "-euc"]);
    command.arg(format!("ip link set lo up\n{script}")).current_dir(&project).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", home.path());
    command.env("TERM", "dumb").env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    command.env("CLAUDE", claude()).env("PROBITY", program("probity")).env("PROBITY_TOKEN", TOKEN);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The line that is printed for that, run.
fn added_for_every_project(words: &str) -> String {
    format!(
        "line=$($PROBITY client-config claude-code {words} 2>&1 >/dev/null | \
         sed -n 's/.*For every project: claude/\"$CLAUDE\"/p')\n\
         test -n \"$line\"\neval \"$line\""
    )
}

fn is_connected(said: &str) -> bool {
    said.lines().any(|line| line.starts_with("probity: ") && line.contains("Connected"))
}

#[test]
#[ignore = "needs Claude Code, which make test-long fetches"]
fn it_starts_the_server_of_a_project() {
    if !needs::root() || !needs::tool(claude()) {
        return;
    }
    let said = said_of("$PROBITY client-config claude-code --embedded --write\n$CLAUDE mcp list");
    assert!(is_connected(&said), "{said}");
}

#[test]
#[ignore = "needs Claude Code, which make test-long fetches"]
fn it_starts_the_server_that_its_own_command_adds_for_every_project() {
    if !needs::root() || !needs::tool(claude()) {
        return;
    }
    let said = said_of(&format!("{}\n$CLAUDE mcp list", added_for_every_project("--embedded")));
    assert!(is_connected(&said), "{said}");
}

#[test]
#[ignore = "needs Claude Code, which make test-long fetches"]
fn it_reaches_a_server_over_http_with_the_token_of_its_environment() {
    if !needs::root() || !needs::tool(claude()) {
        return;
    }
    let script = "PROBITY_HTTP_TOKEN=$PROBITY_TOKEN $PROBITY http --embedded --listen 127.0.0.1:8080 2>log &\n\
                  server=$!\n\
                  until grep -q 'serving on' log; do sleep 0.05; done\n\
                  $PROBITY client-config claude-code --http=http://127.0.0.1:8080/mcp --write\n\
                  $CLAUDE mcp list\n\
                  PROBITY_TOKEN=another $CLAUDE mcp list >denied\n\
                  ! grep Connected denied\n\
                  rm .mcp.json\n";
    let again = added_for_every_project("--http=http://127.0.0.1:8080/mcp");
    let ended = "$CLAUDE mcp list >added\ngrep Connected added\nkill $server; wait $server";
    let said = said_of(&format!("{script}{again}\n{ended}"));
    assert!(is_connected(&said), "{said}");
}

/// With a model that is a script, so that what is tried is what the client makes of a run in the background.
/// This version declares no tasks: it is told the id, and comes back by the tools for runs.
#[test]
#[ignore = "needs Claude Code, which make test-long fetches"]
fn it_begins_a_run_in_the_background_and_comes_back_to_it() {
    if !needs::root() || !needs::tool(claude()) {
        return;
    }
    let begun = json!({"target": "10.66.2.2", "count": 3, "interval": 0.5, "background": true});
    let calls = json!([
        {"name": "mcp__probity__ping", "input": begun},
        {"name": "mcp__probity__run_result", "input": {"id": "$RUN", "wait_sec": 30}},
        {"name": "mcp__probity__run_list", "input": {"tool": "ping"}},
    ]);
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/model.py");
    let said = said_of(&format!(
        "ip addr add 10.66.2.2/32 dev lo\n\
         $PROBITY client-config claude-code --embedded --write >&2\n\
         python3 {} 8081 '{calls}' notes >model &\n\
         model=$!\n\
         until grep -q ready model; do sleep 0.05; done\n\
         export ANTHROPIC_BASE_URL=http://127.0.0.1:8081 ANTHROPIC_API_KEY=none\n\
         $CLAUDE --print go --allowedTools 'mcp__probity__*' >&2\n\
         kill $model\n\
         cat notes",
        model.display()
    ));
    let results: Vec<Value> = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    let [begun, result, list] = &results[..] else { panic!("{said}") };
    // Its model is given the structured answer where there is one, and the text where there is not.
    assert!(begun["content"].to_string().contains("run_result gives its result"), "{begun}");
    assert_eq!(structured(result)["parsed"]["received"], 3, "{result}");
    assert!(list["content"].to_string().contains("ping 10.66.2.2: finished"), "{list}");
}

fn structured(result: &Value) -> Value {
    result["content"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
