//! The proxies of `docs/http.md`: the page's nginx is run as it is written, over TLS, before a server
//! with a real broker; of traefik's there is no package, and its YAML is only read.
//!
//! What is added to the page's server is what a whole configuration takes, and ports that are free.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use probity_tests::{
    http::HttpServer,
    needs,
    procs::wait_until,
    rig::{Rig, running_tools},
};
use serde_json::{Value, json};
use yaml_rust2::YamlLoader;

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// The name that the page gives its server.
const NAME: &str = "probity.example";

/// Where a client comes from whose token is for that address alone.
const ELSEWHERE: &str = "127.0.0.9";

/// A block of the page.
fn fence(language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The page's proxy before a server that is set up as the page says.
struct Proxied {
    rig: Rig,
    server: HttpServer,
    nginx: Child,
    port: u16,
    /// An operator's, from [`ELSEWHERE`] alone.
    token: String,
}

/// A curl that goes on.
struct Running {
    curl: Child,
    lines: BufReader<ChildStdout>,
}

impl Drop for Proxied {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

impl Proxied {
    fn start() -> Self {
        let rig = Rig::new("").unwrap();
        let tokens = rig.path("tokens.toml");
        let mut new = rig.probity(&["token", "new", "--name", "ada", "--role", "operator"], &[]);
        let made = new.args(["--network", ELSEWHERE, "--file"]).arg(&tokens).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let settings = [
            ("PROBITY_TOKENS_FILE", tokens.to_str().unwrap()),
            ("PROBITY_ALLOWED_HOSTS", NAME),
            ("PROBITY_TRUSTED_PROXIES", "127.0.0.1"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut command = rig.embedded("http", &settings);
        command.args(["--listen", "127.0.0.1:0"]);
        let server = HttpServer::start(command).unwrap();
        let port = free_port();
        let nginx = nginx(&rig, server.host(), port);
        let this = Self { rig, server, nginx, port, token };
        let answers = || this.curl("/livez", &[]).output().is_ok_and(|it| it.status.success());
        assert!(wait_until(PATIENCE, answers), "{}", this.log());
        this
    }

    /// A request over TLS, from where the token is for.
    fn curl(&self, path: &str, more: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/curl");
        command.args(["--silent", "--show-error", "--no-buffer", "--max-time", "20"]);
        command.args(["--noproxy", "*", "--interface", ELSEWHERE, "--cacert"]);
        command.arg(self.rig.path("probity.pem"));
        command.arg("--resolve").arg(format!("{NAME}:{}:127.0.0.1", self.port));
        command.args(more).arg(format!("https://{NAME}:{}{path}", self.port));
        command
    }

    /// The status and the body of its answer.
    fn ask(&self, path: &str, more: &[&str]) -> (u16, Value) {
        let authorization = self.authorization();
        self.ask_as_nobody(path, &[&["--header", &authorization], more].concat())
    }

    fn ask_as_nobody(&self, path: &str, more: &[&str]) -> (u16, Value) {
        let output = self.curl(path, more).args(["--write-out", "\n%{http_code}"]).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap();
        let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
        (status.parse().unwrap(), body)
    }

    fn begin(&self, path: &str, more: &[&str]) -> Running {
        let mut curl = self.curl(path, more);
        let curl = curl.arg("--header").arg(self.authorization());
        let mut curl = curl.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(curl.stdout.take().unwrap());
        Running { curl, lines }
    }

    fn authorization(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    fn tools(&self) -> usize {
        running_tools(self.server.pid()).len()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.rig.path("nginx.log")).unwrap_or_default()
    }
}

impl Running {
    /// The next line that has this in it.
    fn line_with(&mut self, text: &str) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if line.contains(text) {
                return line;
            }
            line.clear();
        }
        panic!("no {text:?} came");
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs the page's server block, in the foreground and with all that it writes in the rig's folder.
fn nginx(rig: &Rig, upstream: &str, port: u16) -> Child {
    let path = |name: &str| rig.path(name).to_str().unwrap().to_owned();
    certify(&rig.path("probity.pem"), &rig.path("probity.key"));
    let mut server = fence("nginx");
    for (on_page, here) in [
        ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
        ("/etc/ssl/probity.pem", path("probity.pem")),
        ("/etc/ssl/probity.key", path("probity.key")),
        ("http://127.0.0.1:8080", format!("http://{upstream}")),
    ] {
        assert_eq!(server.matches(on_page).count(), 1, "{on_page}");
        server = server.replace(on_page, &here);
    }
    let kept: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
        .concat();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {};\nevents {{}}\nhttp {{\naccess_log off;\n{kept}{server}}}\n",
        path("nginx.pid")
    );
    fs::write(rig.path("nginx.conf"), whole).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/nginx/nginx");
    let mut command = Command::new(&program);
    command.arg("-p").arg(rig.path("")).args(["-c", &path("nginx.conf"), "-e", &path("nginx.log")]);
    let nginx = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    nginx.unwrap_or_else(|error| panic!("{}: {error}: run `make venv`", program.display()))
}

/// A certificate for the page's name that signs itself.
fn certify(certificate: &PathBuf, key: &PathBuf) {
    let mut command = Command::new("/usr/bin/openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    command.args(["-days", "1", "-subj", &format!("/CN={NAME}")]);
    command.args(["-addext", &format!("subjectAltName=DNS:{NAME}")]);
    let made = command.arg("-out").arg(certificate).arg("-keyout").arg(key).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn can_run() -> bool {
    needs::tool("/usr/bin/curl") && needs::tool("/usr/bin/openssl")
}

/// curl's words for a call of a tool.
fn call(what: &str) -> Vec<String> {
    let body = json!({"target": "127.0.0.1", "what": what}).to_string();
    ["--json".to_owned(), body].into()
}

fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

#[test]
fn nginx_passes_calls_and_mcp_on_and_says_who_asks() {
    if !can_run() {
        return;
    }
    let proxied = Proxied::start();
    let (status, result) = proxied.ask("/tools/loud/execute", &words(&call("exit3")));
    assert_eq!((status, &result["returncode"]), (200, &json!(3)), "{result} {}", proxied.log());
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let both = "Accept: application/json, text/event-stream";
    let (status, listed) = proxied.ask("/mcp", &["--json", &message, "--header", both]);
    assert_eq!(status, 200, "{listed}");
    assert!(listed["result"]["tools"][0]["name"].is_string(), "{listed}");

    // The token is for one address: the client's, which the proxy tells, and nobody else can.
    let told = format!("X-Forwarded-For: {ELSEWHERE}");
    let from_here = ["--interface", "127.0.0.1", "--header", &told];
    assert_eq!(proxied.ask("/tools/loud", &from_here).0, 401);
    assert_eq!(proxied.ask("/tools/loud", &[]).0, 200);
    // Whoever comes through it is not of this machine.
    assert_eq!(proxied.ask_as_nobody("/tools", &["--interface", "127.0.0.1"]).0, 401);
    let (status, problem) = proxied.ask("/tools", &["--header", "Host: another.example"]);
    assert_eq!((status, &problem["error_type"]), (403, &json!("FOREIGN_HOST")));
}

#[test]
fn nginx_holds_no_event_back_and_who_leaves_ends_the_run() {
    if !can_run() {
        return;
    }
    let proxied = Proxied::start();
    let mut all = proxied.begin("/events", &[]);
    all.line_with("\"metrics\"");
    for is_watched in [true, false] {
        let mut words_of = call("sleep");
        if is_watched {
            words_of.extend(["--header".into(), "Accept: text/event-stream".into()]);
        }
        let mut run = proxied.begin("/tools/loud/execute", &words(&words_of));
        assert!(wait_until(PATIENCE, || proxied.tools() == 1), "nothing runs");
        if is_watched {
            run.line_with("\"started\"");
            assert_eq!(proxied.tools(), 1, "it came at the end");
        }
        all.line_with("\"started\"");
        drop(run);
        assert!(wait_until(PATIENCE, || proxied.tools() == 0), "the tool is still there");
    }
}

#[test]
fn the_traefik_configuration_is_yaml_that_names_this_server() {
    let read = YamlLoader::load_from_str(&fence("yaml")).unwrap();
    let http = &read[0]["http"];
    let router = &http["routers"]["probity"];
    assert_eq!(router["rule"].as_str(), Some("Host(`probity.example`)"));
    let service = &http["services"][router["service"].as_str().unwrap()];
    let url = &service["loadBalancer"]["servers"][0]["url"];
    assert_eq!(url.as_str(), Some("http://127.0.0.1:8080"));
}
