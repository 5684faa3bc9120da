//! The bundle that a desktop assistant installs by a click, as a host takes it: unpacked and started by the
//! official package's own code, as somebody who is not root. And what a registry is told of it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use probity_tests::{
    STANDARD_TOOLS,
    broker::NOBODY_UID,
    lab::{HOST, Lab, PUBLIC},
    mcp::{OWN_TOOLS, Session},
    needs,
};
use serde_json::{Value, json};

use super::release::{named, sha256, version};

/// Asked of a server, whose tools are then all there.
const TOOLS: [&str; 3] = ["/usr/bin/nmap", "/usr/bin/ping", "/usr/bin/traceroute"];

/// A user's desktop, in a network where nothing is but the lab's.
struct Host {
    lab: Lab,
    folder: tempfile::TempDir,
    node: PathBuf,
}

impl Host {
    /// None where this machine lacks what it takes.
    fn new() -> Option<Self> {
        if !needs::root() || !TOOLS.iter().all(needs::tool) {
            return None;
        }
        let node = needs::venv("node/nodejs/bin/node")?;
        needs::venv("mcpb/ready")?;
        let lab = Lab::new().unwrap();
        // As most distributions have it, for ping without a capability.
        lab.client().shell("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        chown(&home, Some(NOBODY_UID), Some(NOBODY_UID)).unwrap();
        Some(Self { lab, folder, node })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Unpacks the bundle; what its manifest says, and a session with the server that it names.
    fn open(&self, bundle: &Path, settings: &Value) -> (Value, Session) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(&self.node);
        command.arg(here.join("clients/bundle.mjs")).arg(bundle);
        command.arg(self.path("unpacked")).arg(settings.to_string());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut start: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let nobody = NOBODY_UID.to_string();
        let mut server = self.lab.client().command("/usr/bin/setpriv");
        server.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "env", "-i"]);
        server.arg(format!("HOME={}", self.path("home").display()));
        for (name, value) in start["env"].as_object().unwrap() {
            server.arg(format!("{name}={}", text(value)));
        }
        server.arg(text(&start["command"]));
        server.args(start["args"].as_array().unwrap().iter().map(text)).stderr(Stdio::null());
        (start["manifest"].take(), Session::start(server).unwrap())
    }
}

/// Names and descriptions, by name.
fn tools(list: &Value) -> Vec<(String, String)> {
    let text = |tool: &Value, key: &str| tool[key].as_str().unwrap().to_owned();
    let tools = list.as_array().unwrap().iter();
    let mut tools: Vec<_> =
        tools.map(|tool| (text(tool, "name"), text(tool, "description"))).collect();
    tools.sort();
    tools
}

#[test]
fn a_host_starts_what_it_unpacked_and_the_tools_are_those_of_the_manifest() {
    let Some(bundle) = needs::release().map(|release| named(&release, ".mcpb")) else { return };
    let Some(host) = Host::new() else { return };
    let (manifest, mut session) = host.open(&bundle, &json!({}));
    assert_eq!(manifest["version"], session.server()["serverInfo"]["version"]);
    assert_eq!(manifest["server"]["type"], "binary");

    let listed = session.request("tools/list", json!({})).unwrap();
    let (listed, told) = (tools(&listed["result"]["tools"]), tools(&manifest["tools"]));
    let names = |tools: &[(String, String)]| tools.iter().map(|(name, _)| name.clone()).collect();
    let (listed_names, told_names): (Vec<_>, Vec<_>) = (names(&listed), names(&told));
    assert_eq!(listed_names, told_names);
    // The server says more of each: targets, and what to do first.
    for ((name, long), (_, short)) in listed.iter().zip(&told) {
        assert!(long.starts_with(short.as_str()), "{name}: {long}");
    }

    let ping = session.call("ping", json!({"target": HOST, "count": 1})).unwrap();
    assert_eq!(ping["structuredContent"]["parsed"]["alive"], true, "{ping}");
    let scan = session.call("nmap", json!({"target": HOST, "ports": "1"})).unwrap();
    assert_eq!(scan["structuredContent"]["returncode"], 0, "{scan}");
    let refused = session.call("ping", json!({"target": PUBLIC})).unwrap();
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("REFUSED (TARGET_NOT_ALLOWED)"), "{refused}");
    assert_eq!(session.close().unwrap(), Some(0));
}

#[test]
fn what_a_user_sets_in_the_host_reaches_the_server() {
    let Some(bundle) = needs::release().map(|release| named(&release, ".mcpb")) else { return };
    let Some(host) = Host::new() else { return };
    let folder = host.path("policy");
    fs::create_dir(&folder).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/defaults");
    let copied = Command::new("cp").arg("-r").arg(shipped.join("tools.d")).arg(&folder).status();
    assert!(copied.unwrap().success());
    let policy = fs::read_to_string(shipped.join("policy.toml")).unwrap();
    let networks = policy.lines().find(|line| line.starts_with("networks")).unwrap();
    fs::write(
        folder.join("policy.toml"),
        policy.replace(networks, "networks = [\"10.66.2.0/24\"]"),
    )
    .unwrap();
    // The user's own, as a policy has to be.
    let owned = Command::new("chown").arg("-R").arg(NOBODY_UID.to_string()).arg(&folder).status();
    assert!(owned.unwrap().success());

    let settings = json!({"policy": folder.join("policy.toml"), "exclude": "nmap,scanner"});
    let (_, mut session) = host.open(&bundle, &settings);
    let listed = session.request("tools/list", json!({})).unwrap();
    let names: Vec<_> =
        tools(&listed["result"]["tools"]).into_iter().map(|(name, _)| name).collect();
    let mut expected: Vec<_> = STANDARD_TOOLS.into_iter().chain(OWN_TOOLS).collect();
    expected.retain(|name| !["nmap", "scanner"].contains(name));
    expected.sort_unstable();
    assert_eq!(names, expected);
    let ping = session.call("ping", json!({"target": HOST, "count": 1})).unwrap();
    assert_eq!(ping["structuredContent"]["parsed"]["alive"], true, "{ping}");
    let refused = session.call("ping", json!({"target": "10.66.1.1"})).unwrap();
    assert_eq!(refused["structuredContent"]["error_type"], "POLICY_DENIED", "{refused}");
    assert_eq!(session.close().unwrap(), Some(0));
}

#[test]
fn what_the_registry_is_told_fits_its_schema_and_the_bundle() {
    let Some(release) = needs::release() else { return };
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let schema = jsonschema::draft7::new(&read(&cases.join("server.schema.json"))).unwrap();
    let server = read(&release.join("server.json"));
    let faults: Vec<_> = schema.iter_errors(&server).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:#?}");

    let bundle = named(&release, ".mcpb");
    let package = &server["packages"][0];
    assert_eq!(package["fileSha256"], sha256(&bundle));
    let file = bundle.file_name().unwrap().to_str().unwrap();
    assert!(package["identifier"].as_str().unwrap().ends_with(&format!("/v{}/{file}", version())));
    assert_eq!([&server["version"], &package["version"]], [&json!(version()); 2]);

    // The schema refuses what the registry would.
    for (pointer, wrong) in [
        ("/name", json!("no-namespace")),
        ("/description", json!("x".repeat(101))),
        ("/version", json!("^1.0.0")),
        ("/packages/0/fileSha256", json!("@SHA256@")),
        ("/packages/0/identifier", json!("http://example.com/probity.mcpb")),
        ("/packages/0/transport/type", json!("pipe")),
        ("/packages/0/environmentVariables/0/format", json!("path")),
    ] {
        let mut changed = server.clone();
        *changed.pointer_mut(pointer).unwrap() = wrong;
        assert!(!schema.is_valid(&changed), "{pointer}");
    }
}
