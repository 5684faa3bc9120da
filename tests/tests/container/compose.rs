//! The two services of `packaging/container/compose.yaml`, started by podman-compose in a lab: as they stand,
//! with the broker's capability in its file as Docker would have it, and with `compose.podman.yaml` over them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use probity_tests::{
    container::{Container, Run, name, with_store},
    lab::{HOST, HOST_NAME, Lab, ROUTER},
    machine::said,
    needs,
    procs::{ProcStatus, wait_until},
};
use serde_json::Value;

/// `CAP_NET_RAW`, as a bit.
const NET_RAW: u64 = 1 << 13;

/// What takes the capability that podman gives to the broker's user away again: Docker gives none.
const AS_DOCKER: &str = r#"
    entrypoint: ["/usr/bin/setpriv", "--ambient-caps=-all", "--inh-caps=-all", "/usr/lib/probity/probity-broker"]"#;

/// Whose the broker's capability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its file's.
    Docker,
    /// Its user's, as an ambient one.
    Podman,
}

/// Both services, until they are dropped.
struct Stack {
    lab: Lab,
    project: String,
    files: Vec<PathBuf>,
    token: String,
    _folder: tempfile::TempDir,
}

fn podman_compose() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/compose/bin/podman-compose")
}

fn packaged(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/container").join(file)
}

impl Stack {
    fn up(way: Way) -> Self {
        let (lab, folder) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let tokens = folder.path().join("tokens.toml");
        // As the page makes it where nothing is installed: the token to its holder, and its entry beside.
        let new = ["token", "new", "--name", "ada", "--role", "operator"];
        let made = Run::alone().output(&new).unwrap();
        let token = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        let entry = String::from_utf8_lossy(&made.stderr).into_owned();
        let entry = &entry[entry.find("[[token]]").unwrap_or_else(|| panic!("{entry}"))..];
        fs::write(&tokens, entry).unwrap();
        fs::set_permissions(&tokens, fs::Permissions::from_mode(0o644)).unwrap();

        // The lab's network in the place of a bridge and of a published port.
        let network = format!("network_mode: \"ns:/run/netns/{}\"", lab.client().name());
        let over = folder.path().join("lab.yaml");
        let broker = if way == Way::Docker { AS_DOCKER } else { "" };
        let text = format!(
            "services:\n  broker:\n    {network}{broker}\n  frontend:\n    {network}\n    ports: !reset []\n    \
             extra_hosts: [\"{HOST_NAME}:{HOST}\"]\nsecrets:\n  tokens:\n    file: {}\n",
            tokens.display()
        );
        fs::write(&over, text).unwrap();
        let more = (way == Way::Podman).then(|| packaged("compose.podman.yaml"));
        let files = [packaged("compose.yaml")].into_iter().chain(more).chain([over]).collect();
        let stack = Self { lab, project: name(), files, token, _folder: folder };
        stack.compose(&["up", "--detach"]);
        let serves = || stack.curl("/livez", None).0 == "200";
        assert!(
            wait_until(Duration::from_secs(60), serves),
            "{}{}",
            stack.container("broker").logs().unwrap(),
            stack.container("frontend").logs().unwrap()
        );
        stack
    }

    fn compose(&self, words: &[&str]) {
        let mut command = with_store(podman_compose());
        command.args(["--in-pod", "false", "--project-name", &self.project]);
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
    }

    /// As podman-compose names it.
    fn container(&self, service: &str) -> Container {
        Container::named(&format!("{}_{service}_1", self.project))
    }

    fn curl_command(&self, path: &str, body: Option<&str>) -> Command {
        let mut curl = self.lab.client().command("/usr/bin/curl");
        curl.args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code}"]);
        curl.args(["--header", &format!("Authorization: Bearer {}", self.token)]);
        curl.args(body.into_iter().flat_map(|body| ["--json", body]));
        curl.arg(format!("http://127.0.0.1:8080{path}"));
        curl
    }

    /// The status, and the answer where it is JSON.
    fn curl(&self, path: &str, body: Option<&str>) -> (String, Value) {
        let output = self.curl_command(path, body).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = said.rsplit_once('\n').unwrap_or_default();
        (status.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }

    fn execute(&self, tool: &str, body: &str) -> (String, Value) {
        self.curl(&format!("/tools/{tool}/execute"), Some(body))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // The broker last: the frontend depends on it, and podman keeps what another depends on.
        for service in ["frontend", "broker"] {
            self.container(service).remove();
        }
        let volumes =
            ["socket", "audit", "runs", "history"].map(|name| format!("{}_{name}", self.project));
        let mut remove = with_store("/usr/bin/podman");
        let _ = remove.args(["volume", "rm"]).args(volumes).output();
    }
}

/// The table of the page: column by column, what each row says.
fn promised() -> BTreeMap<String, BTreeMap<String, String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploy-containers.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("\n| | broker, Docker's way |").expect("the table");
    let table = format!("| | broker, Docker's way |{}", table.split("\n\n").next().unwrap());
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = table.lines();
    let head = cells(lines.next().unwrap());
    let mut columns = BTreeMap::<String, BTreeMap<String, String>>::new();
    for row in lines.skip(1).map(cells) {
        for (column, cell) in head.iter().zip(&row).skip(1) {
            columns.entry(column.clone()).or_default().insert(row[0].clone(), cell.clone());
        }
    }
    columns
}

/// Holds what the kernel says of a process in a container against a column of the page.
fn compare(column: &str, status: &ProcStatus, container: &Container) {
    let mounts = container.read("/proc/1/mountinfo").unwrap();
    let limits = container.limits().unwrap();
    let mut columns = self::promised();
    let of_broker = columns["broker, podman's way"].clone();
    let promised = columns.remove(column).unwrap();
    for (row, says) in promised {
        let says = if says == "the broker's" { of_broker[&row].clone() } else { says };
        let set = |set: u64| match says.as_str() {
            "none" => set == 0,
            "NET_RAW" => set == NET_RAW,
            "as its plan says" => set & !NET_RAW == 0,
            _ => false,
        };
        let flag = |is: bool| says == if is { "yes" } else { "no" };
        let root = || mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
        let holds = match row.as_str() {
            "uid" => status.uids.iter().all(|uid| uid.to_string() == says),
            "CapEff" => set(status.cap_eff),
            "CapPrm" => set(status.cap_prm),
            "CapBnd" => set(status.cap_bnd),
            "CapAmb" => set(status.cap_amb),
            "NoNewPrivs" => flag(status.no_new_privs),
            "Seccomp" => (says == "filter") == (status.seccomp == 2),
            "memory" => says == format!("{} MiB", limits.memory_bytes >> 20),
            "processes" => says == limits.processes.to_string(),
            "root read-only" => {
                flag(root().split(' ').nth(5).unwrap().split(',').any(|option| option == "ro"))
            }
            other => panic!("a row that nobody looks at: {other}"),
        };
        assert!(holds, "{column}, {row}: the page says {says}, the kernel {status:?}");
    }
}

/// The first process in a container with a name, and one that is not PID 1.
fn process(container: &Container, name: &str) -> Option<ProcStatus> {
    let pids = container.processes().unwrap().into_iter().filter(|&pid| pid != 1);
    pids.filter_map(|pid| container.status(pid).ok()).find(|status| status.name == name)
}

fn holds(way: Way, column: &str) {
    if !needs::image() || !needs::tool(podman_compose()) {
        return;
    }
    let stack = Stack::up(way);
    let host = format!("\"target\": \"{HOST}\"");

    let (status, ping) = stack.execute("ping", &format!("{{{host}, \"count\": 1}}"));
    assert_eq!((status.as_str(), &ping["parsed"]["alive"]), ("200", &true.into()), "{ping}");
    let (_, trace) = stack.execute("traceroute", &format!("{{\"target\": \"{HOST_NAME}\"}}"));
    let hop = &trace["parsed"]["hops"][0]["probes"][0]["address"];
    assert_eq!(hop, &Value::from(ROUTER.to_string()), "{trace}");
    let (_, scan) = stack.execute("nmap", &format!("{{{host}, \"ports\": \"22,80,81\"}}"));
    assert_eq!(scan["parsed"]["open_ports"], 2, "{scan}");
    let (status, refused) = stack.execute("ping", "{\"target\": \"8.8.8.8\"}");
    assert_eq!((status.as_str(), &refused["code"]), ("403", &"TARGET_NOT_ALLOWED".into()));

    // The image's health check, and the same with its words.
    let (broker, frontend) = (stack.container("broker"), stack.container("frontend"));
    frontend.is_healthy().unwrap();
    let doctor = frontend.exec(&["/usr/bin/probity", "doctor"]).unwrap();
    assert!(!said(&doctor).contains("warning"), "{}", said(&doctor));

    let mut long = stack.curl_command(
        "/tools/ping/execute",
        Some(&format!("{{{host}, \"count\": 100, \"interval\": 0.5, \"timeout_sec\": 50}}")),
    );
    let mut long = long.stdout(Stdio::null()).spawn().unwrap();
    let mut tool = None;
    let runs = || {
        tool = process(&broker, "ping");
        tool.is_some()
    };
    assert!(wait_until(Duration::from_secs(20), runs));
    compare(column, &process(&broker, "probity-broker").unwrap(), &broker);
    compare("a tool", &tool.unwrap(), &broker);
    compare("frontend", &frontend.status(1).unwrap(), &frontend);
    let supervisor = broker.status(1).unwrap();
    let sets = [supervisor.cap_eff, supervisor.cap_prm, supervisor.cap_inh, supervisor.cap_amb];
    assert_eq!((sets, supervisor.uid), ([0; 4], 1001), "{supervisor:?}");
    long.kill().unwrap();
    long.wait().unwrap();

    // As the page has an administrator do it.
    for (container, event) in
        [(&broker, "the policy was reloaded"), (&frontend, "tokens.reloaded tokens=1")]
    {
        container.signal("HUP").unwrap();
        let is_told = || container.logs().unwrap().contains(event);
        assert!(wait_until(Duration::from_secs(20), is_told), "{}", container.logs().unwrap());
    }

    // The audit log is closed to the frontend, were it in its container at all; and the broker's is whole.
    assert!(!frontend.exec(&["/usr/bin/ls", "/var/log/probity"]).unwrap().status.success());
    let verified = broker.exec(&["/usr/bin/probity-policy", "audit", "verify"]).unwrap();
    assert!(verified.status.success(), "{}", said(&verified));

    // Killed from without, as when memory runs out: it is started again, and found again.
    broker.kill().unwrap();
    let is_back = || stack.execute("ping", &format!("{{{host}, \"count\": 1}}")).0 == "200";
    assert!(wait_until(Duration::from_secs(30), is_back), "{}", broker.logs().unwrap());
}

#[test]
fn with_the_capability_in_the_brokers_file_as_docker_would_have_it() {
    holds(Way::Docker, "broker, Docker's way");
}

#[test]
fn with_podmans_ambient_capability_and_no_privilege_to_be_gained() {
    holds(Way::Podman, "broker, podman's way");
}
