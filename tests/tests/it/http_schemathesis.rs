//! Schemathesis reads `/openapi.json` and throws at the server what it makes of it: what the document
//! allows, what it does not, and tokens that are none. Every answer has to be one that stands there,
//! and no answer may be a fault.
//!
//! The policy's only targets are this machine's own, no name is looked up, and none of its tools sends
//! anything, so nothing goes anywhere, whatever is made up. `make venv` makes what it runs in;
//! `clients/schemathesis.toml` is what it is told. `PROBITY_EXAMPLES` has it make more.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    process::Command,
};

use probity_tests::{
    http::HttpServer,
    rig::{Rig, folder_of_runs},
};
use serde_json::{Value, json};

/// Requests of each kind for each operation.
const EXAMPLES: &str = "25";

/// What its tool writes: two runs of it can be compared.
const PONG: &str = "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.031 ms\n\n\
--- 127.0.0.1 ping statistics ---\n\
1 packets transmitted, 1 received, 0% packet loss, time 0ms\n\
rtt min/avg/max/mdev = 0.031/0.031/0.031/0.000 ms\n";

/// Addresses of this machine alone, no names, and tools whose failures open no breaker.
fn rig() -> Rig {
    const NEVER: &str =
        "[breaker]\nfailure_threshold = 1000000\nrecovery_timeout = \"1s\"\n\n[sandbox]";
    let rig = Rig::new("").unwrap();
    rig.replay_and_succeed(PONG, "cache_seconds = 1").unwrap();
    let policy = rig.policy();
    policy.replace("policy.toml", "names = [\"*.lab.internal\"]", "names = []").unwrap();
    for tool in ["replay", "garbled", "loud", "steady"] {
        policy.replace(&format!("tools.d/{tool}.toml"), "[sandbox]", NEVER).unwrap();
    }
    rig
}

/// A token of an administrator that was made here: nobody's failures keep it out.
fn token(rig: &Rig, file: &str) -> String {
    let new = ["token", "new", "--name", "all", "--role", "admin", "--file", file];
    let output = rig.probity(&new, &[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn server(rig: &Rig, file: &str, runs: &Path) -> HttpServer {
    let runs = runs.join("runs.db").display().to_string();
    let variables = [
        ("PROBITY_TOKENS_FILE", file),
        // In memory the first would be gone before the last is asked for.
        ("PROBITY_HISTORY_PATH", runs.as_str()),
        // No limit stands before what is to be tried.
        ("PROBITY_RATE_REQUESTS", "100000"),
        ("PROBITY_RATE_WINDOW_SEC", "1"),
        ("LOG_LEVEL", "ERROR"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut command = rig.embedded("http", &variables);
    command.args(["--listen", "127.0.0.1:0"]);
    HttpServer::start(command).unwrap()
}

/// Which statuses each operation answered with, by the document's own names for them.
fn answered(document: &Value, archive: &Value) -> BTreeMap<String, BTreeSet<u64>> {
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.insert(format!("{} {path}", method.to_ascii_uppercase()), BTreeSet::new());
        }
    }
    for entry in archive["log"]["entries"].as_array().unwrap() {
        let (request, status) = (&entry["request"], &entry["response"]["status"]);
        let url = request["url"].as_str().unwrap();
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let mut parts: Vec<&str> = path.split('/').collect();
        match parts.as_mut_slice() {
            ["tools" | "watches", name, ..] => *name = "{name}",
            ["runs", a, "diff", b, ..] => (*a, *b) = ("{a}", "{b}"),
            ["runs", id, ..] => *id = "{id}",
            _ => {}
        }
        let operation = format!("{} /{}", request["method"].as_str().unwrap(), parts.join("/"));
        if let Some(statuses) = operations.get_mut(&operation) {
            statuses.insert(status.as_u64().unwrap());
        }
    }
    operations
}

#[test]
fn nothing_that_schemathesis_makes_of_the_document_is_answered_otherwise_than_it_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = here.join("../.venv/schemathesis/bin/schemathesis");
    assert!(program.is_file(), "no {}: run `make venv`", program.display());
    let rig = rig();
    let file = rig.path("tokens.toml").display().to_string();
    let token = token(&rig, &file);
    let runs = folder_of_runs().unwrap();
    let server = server(&rig, &file, runs.path());
    let ran =
        server.post("/tools/replay/execute", &token, &json!({"target": "127.0.0.1"})).unwrap();
    let run = ran.json()["metadata"]["run_id"].as_str().unwrap().to_owned();
    let watch = json!({"tool": "replay", "target": "127.0.0.1", "every": "1h"});
    let added = server.request("PUT", "/watches/mine", Some(&token), Some(&watch)).unwrap();
    assert_eq!(added.status, 201, "{added:?}");
    let examples = env::var("PROBITY_EXAMPLES").unwrap_or_else(|_| EXAMPLES.into());
    let archive = rig.path("archive.har");
    let config = fs::read_to_string(here.join("clients/schemathesis.toml")).unwrap();
    fs::write(rig.path("schemathesis.toml"), config.replace("\"RUN\"", &format!("{run:?}")))
        .unwrap();
    let output = Command::new(program)
        .arg("--config-file")
        .arg(rig.path("schemathesis.toml"))
        .args(["run", "--max-examples", &examples, "--request-timeout", "20"])
        .args(["--generation-database", "none", "--report-har-path"])
        .arg(&archive)
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .arg(format!("http://{}/openapi.json", server.host()))
        .env("PROBITY_TOKEN", &token)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // It writes where it stands.
        .current_dir(rig.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}\n{}", server.log());
    assert!(!server.log().contains("panic"), "{}", server.log());
    // It has really been everywhere. The document it has read to begin with.
    let document = server.get("/openapi.json", Some(&token)).unwrap().json();
    let archive = serde_json::from_slice(&fs::read(&archive).unwrap()).unwrap();
    let mut answered = answered(&document, &archive);
    answered.remove("GET /openapi.json");
    // The tools of its modules are none of this rig's: tests/tests/lab/probed.rs.
    answered.remove("GET /probe");
    // What it makes up is no watch: frontend/tests/it/watches.rs.
    answered.remove("PUT /watches/{name}");
    // Of what this rig's tools write there is no picture: frontend/tests/it/http_page.rs.
    answered.retain(|operation, _| !operation.ends_with("/picture.svg"));
    for (operation, statuses) in answered {
        let is_good = |status: &u64| matches!(status, 200..300 | 503);
        assert!(statuses.iter().any(is_good), "{operation} had nothing but {statuses:?}");
    }
}
