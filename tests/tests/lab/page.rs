//! The page in a browser, with the real tools: Chromium, which `clients/browser.py` drives as a person would, in
//! the lab. `frontend/tests/it/http_page.rs` has what needs no browser.
//!
//! Each view is looked at by axe-core, on a desk and on a phone, light and dark; the screenshots are in
//! `target/page`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::sys::signal::Signal;
use probity_tests::{broker::USER_UID, http::HttpServer, needs, world::World};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-that-is-long-enough-for-anybody";

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/browser/bin/python")
}

fn can_run() -> bool {
    needs::root() && needs::tool("/usr/bin/chromium") && needs::tool(python())
}

struct Site {
    world: World,
    /// Where its watches are.
    folder: tempfile::TempDir,
    server: HttpServer,
}

impl Site {
    fn new() -> Self {
        let world = World::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("watches.toml"), WATCHES).unwrap();
        let server = serve(&world, &folder.path().join("watches.toml"), "127.0.0.1:0");
        Self { world, folder, server }
    }

    /// Begins a story in a browser of its own.
    fn begin(&self, story: &str) -> Child {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let url = format!("http://{}", self.server.host());
        let mut command = self.world.lab.client().command(python());
        command.arg(here.join("clients/browser.py")).args([story, &url, TOKEN]);
        command.arg(here.join("../target/page"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What a story saw. Whatever it was, the browser complained of nothing.
    fn told(&self, story: &str) -> Value {
        ended(self.begin(story), String::new())
    }
}

/// A call that comes by itself every two seconds.
const WATCHES: &str = "[[watch]]\nname = \"gateway\"\ntool = \"ping\"\ntarget = \"10.66.2.2\"\n\
                       every = \"2s\"\ntimeout = \"2s\"\ntell = [\"loss > 5 %\"]\n[watch.options]\ncount = 1\n";

fn serve(world: &World, watches: &Path, at: &str) -> HttpServer {
    let words = world.frontend(USER_UID, &["http", "--listen", at]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env("PROBITY_HTTP_TOKEN", TOKEN).env("PROBITY_HISTORY", "false");
    command.env("PROBITY_WATCHES", watches);
    HttpServer::start(command).unwrap()
}

fn ended(mut child: Child, mut said: String) -> Value {
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said).unwrap();
    }
    assert!(child.wait().unwrap().success(), "{said}");
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{said}"));
    assert_eq!(told["complaints"], json!([]), "{told}");
    assert_eq!(told["wide"], json!([]), "a view is wider than its window");
    for (view, found) in told["axe"].as_object().unwrap() {
        assert_eq!(found, &json!([]), "{view}");
    }
    told
}

#[test]
fn an_operator_is_refused_makes_the_call_that_passes_watches_it_and_compares() {
    if !can_run() {
        return;
    }
    let told = Site::new().told("operator");
    let said = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    assert!(said("came_back_to").ends_with("/ui/runs?tool=ping"), "{told}");
    assert_eq!(told["first_stop"], "Skip to content");
    assert!(said("command").starts_with("/usr/bin/ping -n -c 4"), "{told}");
    assert!(said("live").contains("icmp_seq=2") && !said("live").contains("statistics"), "{told}");
    assert_eq!(told["summary"], "10.66.2.2 is alive: 4 sent, 4 received, 0% loss");
    assert_eq!(told["drawn"], true, "the picture of a run");
    assert_eq!(told["one_is_enough"], false);
    assert_eq!(told["changed"], told["picked"]);
    assert_eq!(told["axe"].as_object().unwrap().len(), 9 * 4, "each view was looked at");
}

#[test]
fn without_scripts_a_call_is_made_and_its_result_is_read() {
    if !can_run() {
        return;
    }
    let told = Site::new().told("plain");
    let verdict = told["verdict"].as_str().unwrap();
    assert!(verdict.contains("allowed") && verdict.contains("/usr/bin/ping -n -c 2"), "{told}");
    assert_eq!(told["summary"], "10.66.2.2 is alive: 2 sent, 2 received, 0% loss");
}

#[test]
fn a_script_in_a_banner_is_shown_and_not_run() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let banner = "<script>window.canary=1</script><img src=x onerror=window.canary=2>";
    let script = format!(
        "import socket\n\
         listener = socket.create_server(('', 8081))\n\
         while True:\n\
         \x20   peer, _ = listener.accept()\n\
         \x20   try: peer.sendall(b'HTTP/1.0 200 OK\\r\\nServer: {banner}\\r\\n\\r\\n{banner}')\n\
         \x20   except OSError: pass\n\
         \x20   peer.close()\n"
    );
    let mut command = site.world.lab.host().command("/usr/bin/python3");
    let mut host = command.args(["-c", &script]).spawn().unwrap();
    let told = site.told("hostile");
    host.kill().unwrap();
    host.wait().unwrap();
    assert_eq!(told["ran"], Value::Null, "{told}");
    assert!(told["shown"].as_str().unwrap().contains("<script>window.canary"), "{told}");
}

#[test]
fn a_watch_is_shown_over_time() {
    if !can_run() {
        return;
    }
    let told = Site::new().told("watch");
    let state = told["state"].as_str().unwrap();
    assert!(state.contains("works") && state.contains("every 2s"), "{told}");
    assert_eq!(told["drawn"], true, "{told}");
}

#[test]
fn a_page_whose_server_is_gone_says_so_and_finds_the_next() {
    if !can_run() {
        return;
    }
    let mut site = Site::new();
    let host = site.server.host().to_owned();
    let mut child = site.begin("lost");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let mut wait_for = |word: &str| loop {
        let line = lines.next().unwrap_or_else(|| panic!("{said}")).unwrap();
        if line == word {
            break;
        }
        said += &line;
    };
    wait_for("open");
    site.server.end(Signal::SIGTERM).unwrap();
    wait_for("lost");
    site.server = serve(&site.world, &site.folder.path().join("watches.toml"), &host);
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let told = ended(child, said);
    assert!(told["said"].as_str().unwrap().contains("Trying again"), "{told}");
    assert!(told["then"].as_str().unwrap().contains("Your session is over"), "{told}");
}
