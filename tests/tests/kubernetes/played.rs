//! The pod, run: calls go through it, and it is confined as docs/deploy.md says.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use probity_tests::{
    broker::program,
    container::{IMAGE, podman},
    lab::{HOST, ROUTER},
    procs::wait_until,
};
use serde_json::{Value, json};

use crate::{
    confined,
    manifests::{Kit, Manifests, container as container_of, done, said},
    page,
    play::{Node, Pod},
    podman::has_image,
};

/// For what takes a moment.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The programs and the image, where both are there.
fn kit() -> Option<Kit> {
    has_image().then(Kit::find)?
}

/// The file that `probity token new` writes for the Secret, and the token.
fn tokens() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let mut probity = Command::new(program("probity"));
    probity.args(["token", "new", "--name", "ops", "--role", "operator", "--file"]).arg(&file);
    let token = done(&mut probity).trim().to_owned();
    (fs::read_to_string(file).unwrap(), token)
}

fn start(rendered: &Manifests) -> (Pod, String) {
    let (file, token) = tokens();
    let pod = Node::lay_out(rendered, &file).start().unwrap();
    (pod, token)
}

/// The Service's name, by which another pod asks.
const SERVICE: &str = "probity.probity.svc:8080";

/// curl, as whoever asks the pod by a name.
fn curl(pod: &Pod, host: &str, arguments: &[&str], path: &str) -> Command {
    let mut curl = pod.command("/usr/bin/curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]);
    curl.args(["--write-out", "\n%{http_code}", "--header", &format!("Host: {host}")]);
    curl.args(arguments).arg(format!("http://127.0.0.1:8080{path}"));
    curl
}

/// Status and body of an answer.
fn answer(printed: &str) -> (u16, Value) {
    let (body, status) = printed.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A call of a tool, to be run.
pub fn execute(pod: &Pod, token: &str, tool: &str, call: &Value) -> Command {
    let bearer = format!("Authorization: Bearer {token}");
    let arguments = ["--header", &bearer, "--json", &call.to_string()];
    curl(pod, SERVICE, &arguments, &format!("/tools/{tool}/execute"))
}

fn call(pod: &Pod, token: &str, tool: &str, call: &Value) -> (u16, Value) {
    answer(&done(&mut execute(pod, token, tool, call)))
}

/// The answer of a call that runs.
fn ran(pod: &Pod, token: &str, tool: &str, body: Value) -> Value {
    let (status, answer) = call(pod, token, tool, &body);
    assert_eq!((status, &answer["returncode"]), (200, &json!(0)), "{tool} {body}: {answer}");
    answer
}

#[test]
fn calls_go_through_the_pod_of_the_base_and_end_with_it() {
    let Some(kit) = kit() else { return };
    let base = kit.kustomize("base");
    let (pod, token) = start(&base);
    assert!(pod.probe("http", "livenessProbe") && pod.probe("broker", "livenessProbe"));

    let ping = ran(&pod, &token, "ping", json!({"target": HOST, "count": 1}));
    assert_eq!(ping["parsed"]["alive"], true, "{ping}");
    // With raw packets, which is what the capability is for.
    let trace = ran(&pod, &token, "traceroute", json!({"target": HOST, "icmp": true}));
    let hops = trace["parsed"]["hops"].as_array().unwrap();
    let addresses: Vec<_> = hops.iter().map(|hop| &hop["probes"][0]["address"]).collect();
    assert_eq!(addresses, [&json!(ROUTER), &json!(HOST)], "{trace}");
    let scan = ran(&pod, &token, "nmap", json!({"target": HOST, "ports": "22,443"}));
    assert_eq!(scan["parsed"]["open_ports"], 1, "{scan}");
    let (status, refused) = call(&pod, &token, "ping", &json!({"target": "8.8.8.8"}));
    assert_eq!((status, &refused["code"]), (403, &json!("TARGET_NOT_ALLOWED")), "{refused}");

    the_broker_file_has_the_capability(&base, &pod);
    who_else_asks_gets_nothing(&pod, &token);
    confined::holds_what_the_page_says(&pod, &token, "");
    a_policy_with_a_defect_starts_nothing(&base, &pod);
    what_the_page_runs_in_a_pod_runs(&pod);
    the_log_is_the_broker_own_and_whole(&pod);
    a_broker_that_was_killed_is_found_again(&pod, &token);
    calls_in_flight_and_in_line_are_answered_when_the_pod_goes(&pod, &token);
}

/// podman gives a user the added capability as an ambient one, too, and a kubelet does not: there it comes
/// from the program's file alone. As permitted and not effective, since without NET_RAW in the bounding set the
/// kernel would not execute the file.
fn the_broker_file_has_the_capability(base: &Manifests, pod: &Pod) {
    let command = &container_of(base.pod(), "broker")["command"][0];
    let pid = pod.container("broker").inspect("{{.State.Pid}}");
    let file = format!("/proc/{pid}/root{}", command.as_str().unwrap());
    let said = done(Command::new("/usr/sbin/getcap").arg(&file));
    assert_eq!(said.trim(), format!("{file} cap_net_raw=p"));
}

fn who_else_asks_gets_nothing(pod: &Pod, token: &str) {
    // The pod's own loopback is where a port-forward comes from.
    for path in ["/tools", "/metrics"] {
        assert_eq!(answer(&done(&mut curl(pod, SERVICE, &[], path))).0, 401, "{path}");
    }
    let bearer = format!("Authorization: Bearer {token}");
    let mut foreign = curl(pod, "probity.example", &["--header", &bearer], "/tools");
    let (status, problem) = answer(&done(&mut foreign));
    assert_eq!((status, &problem["error_type"]), (403, &json!("FOREIGN_HOST")), "{problem}");
}

/// What a rollout of a bad policy comes to: the new pod does not start, and the old one goes on.
fn a_policy_with_a_defect_starts_nothing(base: &Manifests, old: &Pod) {
    let mut bad = base.clone();
    let map = bad.0.iter_mut().find(|object| object["kind"] == "ConfigMap").unwrap();
    let text = map["data"]["policy.toml"].as_str().unwrap();
    let text = text.replace("\"10.0.0.0/8\"", "\"10.0.0.1/8\"");
    let line = 1 + text.lines().position(|line| line.contains("10.0.0.1/8")).unwrap();
    map["data"]["policy.toml"] = json!(text);
    let error = match Node::lay_out(&bad, "").start() {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    };
    let place = format!("/etc/probity/policy.toml:{line}:14: ");
    assert!(error.contains(&place) && error.contains("10.0.0.1/8"), "{place} in {error}");
    assert!(old.probe("http", "readinessProbe"), "the old pod goes on");
}

/// The commands of docs/deploy.md that are for a container, in it.
fn what_the_page_runs_in_a_pod_runs(pod: &Pod) {
    let mut ran = 0;
    for line in page::lines() {
        let Some((outside, inside)) = line.split_once(" -- ") else { continue };
        let name = outside.split_once(" -c ").map_or("http", |(_, name)| name.trim());
        let words: Vec<_> = inside.split_whitespace().collect();
        let output = pod.container(name).exec(&words);
        // There is no name server here, which is what that command is for.
        let expected = if inside.contains("web.lab.internal") { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{line}: {}", said(&output));
        ran += 1;
    }
    assert!(ran >= 4, "{ran}");
}

fn the_log_is_the_broker_own_and_whole(pod: &Pod) {
    let verify = ["/usr/bin/probity-policy", "audit", "verify"];
    let verified = pod.container("broker").exec(&verify);
    assert!(verified.status.success(), "{}", said(&verified));
    let log = pod.volume("state").join("log/audit.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("TARGET_NOT_ALLOWED") && text.contains("\"ping\""), "{text}");
    let seen = pod.container("http").exec(&["/usr/bin/ls", "/var/log/probity/audit.jsonl"]);
    assert!(!seen.status.success(), "{}", said(&seen));
}

/// As where memory ran out: the kubelet starts the container again, in the volumes that are there.
fn a_broker_that_was_killed_is_found_again(pod: &Pod, token: &str) {
    let broker = pod.container("broker");
    broker.done(&["kill", "--signal", "KILL"]);
    let is_unready = || !pod.probe("http", "readinessProbe");
    assert!(wait_until(PATIENCE, is_unready), "the pod is taken out of the Service");
    assert!(pod.probe("http", "livenessProbe"), "and its frontend is left alone");
    broker.done(&["start"]);
    assert!(wait_until(PATIENCE, || pod.probe("broker", "startupProbe")));
    assert!(wait_until(PATIENCE, || pod.probe("http", "readinessProbe")));
    ran(pod, token, "ping", json!({"target": HOST, "count": 1}));
    the_log_is_the_broker_own_and_whole(pod);
}

/// As a kubelet ends a pod: the frontend is told first, and the sidecars when it has ended.
fn calls_in_flight_and_in_line_are_answered_when_the_pod_goes(pod: &Pod, token: &str) {
    let log = pod.volume("state").join("log/audit.jsonl");
    // Three pings run at once, as shipped, and the last one is in line.
    let counts = [6, 6, 6, 2];
    let mut running = Vec::new();
    for count in counts {
        let mut curl = execute(pod, token, "ping", &json!({"target": HOST, "count": count}));
        running.push(curl.stdout(Stdio::piped()).spawn().unwrap());
        let begun = || begun(&log) == running.len().min(3);
        assert!(wait_until(PATIENCE, begun), "{}", fs::read_to_string(&log).unwrap());
    }
    let is_in_line = || waiting(pod, token) == 1;
    assert!(wait_until(PATIENCE, is_in_line), "the fourth waits for its turn");
    for name in ["http", "broker"] {
        let container = pod.container(name);
        container.done(&["stop", "--time", "60"]);
        let code = container.inspect("{{.State.ExitCode}}");
        assert_eq!(code, "0", "{name}: told to stop, it ends in order");
    }
    for (curl, count) in running.into_iter().zip(counts) {
        let output = curl.wait_with_output().unwrap();
        let (status, answer) = answer(&String::from_utf8(output.stdout).unwrap());
        assert_eq!((status, &answer["parsed"]["received"]), (200, &json!(count)), "{answer}");
    }
}

/// How many of those pings the broker has approved.
fn begun(log: &Path) -> usize {
    let text = fs::read_to_string(log).unwrap();
    let of_six = |line: &&str| line.contains("\"decision\"") && line.contains("\"-c\",\"6\"");
    text.lines().filter(of_six).count()
}

/// Calls of ping that wait for their turn, by the metric that the autoscaler goes by.
fn waiting(pod: &Pod, token: &str) -> u64 {
    let bearer = format!("Authorization: Bearer {token}");
    let text = done(&mut curl(pod, SERVICE, &["--header", &bearer], "/metrics"));
    let value =
        text.lines().find_map(|line| line.strip_prefix("probity_queue_waiting{tool=\"ping\"} "));
    value.map_or(0, |value| value.parse().unwrap())
}

/// The same from the chart, without the capability, and with the log on a container's output.
#[test]
fn calls_go_through_a_restricted_pod_of_the_chart() {
    let Some(kit) = kit() else { return };
    let (pod, token) = start(&kit.helm(&["netRaw=false", "auditLog=true"]));
    let ping = ran(&pod, &token, "ping", json!({"target": HOST, "count": 1}));
    assert_eq!(ping["parsed"]["alive"], true, "by an ICMP echo socket: {ping}");
    let trace = ran(&pod, &token, "traceroute", json!({"target": HOST}));
    assert_eq!(trace["parsed"]["completed"], true, "by UDP: {trace}");
    let scan = ran(&pod, &token, "nmap", json!({"target": HOST, "ports": "22,443"}));
    assert_eq!(scan["parsed"]["open_ports"], 1, "by connecting: {scan}");
    let (status, lacking) =
        call(&pod, &token, "traceroute", &json!({"target": HOST, "icmp": true}));
    let text = lacking.to_string();
    assert!(status == 503 && text.contains("CAP_NET_RAW"), "{status} {text}");
    confined::holds_what_the_page_says(&pod, &token, ", `restricted`");
    // tail's own words are on the other output.
    let shown = || String::from_utf8(pod.container("audit").logs().stdout).unwrap();
    let log = pod.volume("state").join("log/audit.jsonl");
    let is_whole = || shown() == fs::read_to_string(&log).unwrap();
    assert!(wait_until(PATIENCE, is_whole), "{}", shown());
    assert!(shown().contains("\"traceroute\""), "{}", shown());
}

/// Why the policy is mounted by `subPath`.
#[test]
fn a_config_map_that_is_mounted_as_a_folder_is_refused() {
    let Some(kit) = kit() else { return };
    let base = kit.kustomize("base");
    let mount = &container_of(base.pod(), "broker")["volumeMounts"][0];
    assert_eq!((&mount["name"], &mount["subPath"]), (&json!("policy"), &json!("policy.toml")));
    let node = Node::lay_out(&base, "");
    let folder: PathBuf = node.volume("policy");
    let check = || {
        let mount = format!("--volume={}:/etc/probity:ro", folder.display());
        let mut run = podman(["run", "--rm", "--network", "none", "--user", "1001:1001", &mount]);
        run.args(["--entrypoint", "/usr/bin/probity-policy", IMAGE, "check"]).output().unwrap()
    };
    let refused = check();
    assert!(!refused.status.success());
    assert!(said(&refused).contains("the folder can be written by others"), "{}", said(&refused));
    // Though nobody could: the files in it are links.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = check();
    assert!(!refused.status.success());
    assert!(said(&refused).contains("it is a symbolic link"), "{}", said(&refused));
}
