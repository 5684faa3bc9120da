//! `docs/http.md` and the lines of HTTP in `docs/runs.md`, `docs/watches.md` and `docs/monitoring.md` work as they are written: there is a curl line for every way in, and each is run.

use std::{fs, path::Path, process::Command};

use probity::serve::http::ROUTES;
use probity_tests::{http::HttpServer, needs, rig::Rig};
use serde_json::json;

const TOKEN: &str = "a-token-of-the-tests";

/// The lines of the pages' shell fences that are curl's.
fn curl_lines() -> Vec<String> {
    let page = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        fs::read_to_string(path).unwrap()
    };
    let page = ["http.md", "runs.md", "watches.md", "monitoring.md"].map(page).concat();
    let fences = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = fences.flat_map(str::lines).filter(|line| line.starts_with("curl "));
    lines.map(str::to_owned).collect()
}

#[test]
fn there_is_a_curl_line_for_every_way_in() {
    let lines = curl_lines();
    for route in ROUTES {
        let path = route.path.replace("/watches/{name}", "/watches/gateway");
        let path = path.replace("{name}", "ping");
        let path = ["{id}", "{a}", "{b}"].iter().fold(path, |path, id| path.replace(id, "$RUN"));
        let url = format!("$PROBITY{path}");
        let is_it = |line: &String| {
            let mut words = line.split([' ', '\'', '"', '?']);
            let posts = ["-X POST", "--json", "-d "].iter().any(|flag| line.contains(flag));
            let method = match line.split_once("-X ") {
                Some((_, rest)) => rest.split(' ').next().unwrap(),
                None if posts => "POST",
                None => "GET",
            };
            words.any(|word| word == url) && method == route.method
        };
        assert!(lines.iter().any(is_it), "no curl line for {} {url}", route.method);
    }
}

#[test]
fn each_curl_line_does_what_it_says() {
    // Of others' brokers, ping has no capability.
    if !needs::root() || !needs::tool("/usr/bin/ping") || !needs::tool("/usr/bin/curl") {
        return;
    }
    let rig = Rig::new("").unwrap();
    rig.policy()
        .replace("policy.toml", "tools = [\"loud\"", "tools = [\"ping\", \"loud\"")
        .unwrap();
    let variables = [("PROBITY_HTTP_TOKEN".into(), TOKEN.into())];
    let mut command = rig.embedded("http", &variables);
    command.args(["--listen", "127.0.0.1:0"]);
    let server = HttpServer::start(command).unwrap();
    let run =
        server.post("/tools/ping/execute", TOKEN, &json!({"target": "127.0.0.1", "count": 1}));
    let run = run.unwrap().json()["metadata"]["run_id"].as_str().unwrap().to_owned();
    for line in curl_lines() {
        // Its own host, since a test aims at nothing else.
        let line = line.replace("192.168.1.1", "127.0.0.1");
        let script = format!(
            "curl() {{ command curl --silent --show-error --fail-with-body --max-time 20 \"$@\"; }}\n{line}"
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script]);
        command.env("PROBITY", format!("http://{}", server.host()));
        command.env("RUN", &run);
        command.env("AUTH", format!("Authorization: Bearer {TOKEN}"));
        let output = command.output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{line}\n{output:?}");
    }
}
