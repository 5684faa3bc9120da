//! `docs/adding-a-tool.md` works as it is written: the file in it is sound, a running broker takes it
//! over, clients hear of it, it runs in the lab, and what it leaves out is refused.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use probity_tests::{
    broker::{USER_UID, program},
    lab::{HOST, ROUTER},
    mcp::Session,
    needs,
    world::World,
};
use serde_json::{Value, json};

/// The page's one tool file.
fn tool_file() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/adding-a-tool.md");
    let page = fs::read_to_string(page).unwrap();
    let mut blocks = page.split("```toml\n").skip(1);
    let (file, _) = blocks.next().unwrap().split_once("```").unwrap();
    assert_eq!(blocks.next(), None, "one file");
    file.to_owned()
}

fn policy(world: &World, words: &[&str]) -> (Option<i32>, String) {
    let policy = world.policy.path("policy.toml");
    let mut command = Command::new(program("probity-policy"));
    let Output { status, stdout, stderr } =
        command.args(words).arg("--policy").arg(policy).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

fn tools(session: &mut Session) -> Vec<String> {
    let answer = session.request("tools/list", json!({})).unwrap();
    let tools = answer["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_tool_of_the_page_is_taken_into_use_while_a_client_is_connected() {
    if !(needs::root() && needs::tool("/usr/bin/tracepath")) {
        return;
    }
    let world = World::new().unwrap();
    let words = world.frontend(USER_UID, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let mut session = Session::start(command).unwrap();
    assert!(!tools(&mut session).contains(&"tracepath".to_owned()));

    world.policy.write("tools.d/tracepath.toml", &tool_file()).unwrap();
    let (code, said) = policy(&world, &["check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("sound, with 8 tools") && !said.contains("tracepath"), "{said}");
    let user = USER_UID.to_string();
    let explain = ["explain", "--user", &user, "--tool", "tracepath", "--target"];
    let host = HOST.to_string();
    let (code, said) = policy(&world, &[&explain[..], &[&host, "--option", "max_hops=5"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("/usr/bin/tracepath -n -m 5 {host}")), "{said}");

    assert_eq!(world.broker.reload().unwrap()["outcome"], "applied");
    while session.message().unwrap()["method"] != "notifications/tools/list_changed" {}
    assert!(tools(&mut session).contains(&"tracepath".to_owned()));

    let result = session.call("tracepath", json!({"target": host, "max_hops": 5})).unwrap();
    let content = &result["structuredContent"];
    let stdout = content["stdout"].as_str().unwrap_or_default();
    assert_eq!(content["returncode"], 0, "{result:#}");
    assert!(stdout.contains(&ROUTER.to_string()) && stdout.contains("reached"), "{result:#}");
    assert!(stdout.contains("pmtu 1500"), "{stdout}");

    for refused in [
        json!({"target": "192.0.2.1"}),
        json!({"target": host, "extra_args": "-p 53"}),
        json!({"target": host, "extra_args": "-b"}),
        json!({"target": host, "extra_args": "-m 31"}),
        json!({"target": host, "extra_args": "-m \"5; id\""}),
    ] {
        let result = session.call("tracepath", refused.clone()).unwrap();
        assert_eq!(result["isError"], true, "{refused}: {result:#}");
        assert_eq!(result["structuredContent"]["returncode"], Value::Null, "{refused}");
    }
    let log = world.broker.audit_path().display().to_string();
    let query = ["audit", "query", "--tool", "tracepath", "--file", &log];
    let (_, denied) = policy(&world, &[&query[..], &["--verdict", "denied"]].concat());
    assert_eq!(denied.lines().count(), 1 + 5, "{denied}");
    let (_, runs) = policy(&world, &[&query[..], &["--event", "exit"]].concat());
    assert_eq!(runs.lines().count(), 1 + 1, "{runs}");
}
