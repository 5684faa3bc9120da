//! Who may do what over HTTP, as one full table: every way in, asked by everybody.
//!
//! The rows are held against the table that the server itself is made of, so a way in that nobody
//! thought about here fails.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
};

use probity::serve::http::{PAGES, ROUTES};
use probity_tests::{http::HttpServer, rig::Rig};
use serde_json::json;

/// Whoever asks, in the order of the columns: somebody else's machine, this one, and the roles.
const CALLERS: [&str; 5] = ["stranger", "local", "viewer", "operator", "admin"];

/// Who is let in: those from this caller on.
#[rustfmt::skip] // A table.
const LEAST: &[(&str, &str, &str)] = &[
    ("GET",  "/",                     "local"),
    ("GET",  "/livez",                "stranger"),
    ("GET",  "/readyz",               "stranger"),
    ("GET",  "/health",               "stranger"),
    ("GET",  "/metrics",              "local"),
    ("GET",  "/events",               "viewer"),
    ("POST", "/events/ticket",        "viewer"),
    ("GET",  "/tools",                "local"),
    ("GET",  "/tools/{name}",         "viewer"),
    ("POST", "/tools/{name}/check",   "operator"),
    ("POST", "/tools/{name}/execute", "operator"),
    ("GET",  "/probe",                "operator"),
    ("GET",  "/runs",                 "viewer"),
    ("GET",  "/runs/{id}",            "viewer"),
    ("GET",  "/runs/{id}/events",     "viewer"),
    ("GET",  "/runs/{id}/picture.svg", "viewer"),
    ("GET",  "/runs/{a}/diff/{b}",    "viewer"),
    ("GET",  "/runs/{a}/diff/{b}/picture.svg", "viewer"),
    ("DELETE", "/runs/{id}",          "operator"),
    ("GET",  "/watches",              "admin"),
    ("PUT",  "/watches/{name}",       "admin"),
    ("DELETE", "/watches/{name}",     "admin"),
    ("POST", "/tools/{name}/reset",   "admin"),
    ("POST", "/tools/{name}/disable", "admin"),
    ("POST", "/tools/{name}/enable",  "admin"),
    ("DELETE", "/tools/{name}/cache", "admin"),
    ("GET",  "/config",               "admin"),
    ("POST", "/mcp",                  "viewer"),
    ("GET",  "/mcp",                  "viewer"),
    ("DELETE", "/mcp",                "viewer"),
    ("GET",  "/openapi.json",         "local"),
];

/// The same of the page for people, which shows nothing to whoever has not logged in.
#[rustfmt::skip] // A table.
const LEAST_OF_PAGE: &[(&str, &str, &str)] = &[
    ("GET",  "/ui",                            "stranger"),
    ("GET",  "/ui/",                           "viewer"),
    ("GET",  "/ui/login",                      "stranger"),
    ("POST", "/ui/login",                      "stranger"),
    ("POST", "/ui/logout",                     "stranger"),
    ("GET",  "/ui/assets/{name}",              "stranger"),
    ("GET",  "/ui/events",                     "viewer"),
    ("GET",  "/ui/tools/{name}",               "viewer"),
    ("POST", "/ui/tools/{name}",               "operator"),
    ("POST", "/ui/tools/{name}/check",         "operator"),
    ("GET",  "/ui/runs",                       "viewer"),
    ("GET",  "/ui/runs/{id}",                  "viewer"),
    ("GET",  "/ui/runs/{id}/events",           "viewer"),
    ("GET",  "/ui/runs/{id}/result.json",      "viewer"),
    ("GET",  "/ui/runs/{id}/picture.svg",      "viewer"),
    ("GET",  "/ui/runs/{a}/diff/{b}/picture.svg", "viewer"),
    ("POST", "/ui/runs/{id}/cancel",           "operator"),
    ("GET",  "/ui/compare",                    "viewer"),
    ("GET",  "/ui/watches",                    "admin"),
    ("GET",  "/ui/watches/{name}",             "admin"),
    ("GET",  "/ui/watches/{name}/picture.svg", "admin"),
    ("GET",  "/ui/grants",                     "viewer"),
    ("GET",  "/ui/approvals",                  "viewer"),
];

/// Paths that anonymous callers of this machine may read, and nothing else.
const ANONYMOUS: [&str; 7] =
    ["/", "/livez", "/readyz", "/health", "/metrics", "/tools", "/openapi.json"];

struct Callers {
    _rig: Rig,
    server: HttpServer,
    tokens: [String; 3],
}

impl Callers {
    fn new() -> Self {
        let rig = Rig::new("").unwrap();
        let file = rig.path("tokens.toml").display().to_string();
        let tokens = ["viewer", "operator", "admin"].map(|role| {
            let new = ["token", "new", "--name", role, "--role", role, "--file", file.as_str()];
            let output = rig.probity(&new, &[]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        });
        let variables = [("PROBITY_TOKENS_FILE".into(), file)];
        let mut command = rig.embedded("http", &variables);
        command.args(["--listen", "127.0.0.1:0"]);
        let server = HttpServer::start(command).unwrap();
        Self { _rig: rig, server, tokens }
    }

    fn status(&self, caller: &str, method: &str, path: &str) -> u16 {
        let path = path.replace("{name}", "loud");
        let body = json!({"target": "127.0.0.1"}).to_string();
        let mut headers = format!(
            "Host: {0}\r\nOrigin: http://{0}\r\nContent-Type: application/json\r\nContent-Length: {1}\r\n",
            self.server.host(),
            body.len()
        );
        match CALLERS.iter().position(|known| *known == caller).unwrap() {
            // It comes by a proxy, so it is not of this machine.
            0 => headers += "X-Forwarded-For: 10.66.0.1\r\n",
            1 => {}
            role => headers += &format!("Authorization: Bearer {}\r\n", self.tokens[role - 2]),
        }
        let mut stream = self.server.connect().unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n{body}")
            .unwrap();
        // The first line alone: the events do not end.
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn every_way_in_lets_in_those_of_its_row_and_nobody_else() {
    let asked = LEAST.iter().map(|(method, path, _)| (*method, *path));
    let served = ROUTES.iter().map(|route| (route.method, route.path));
    assert_eq!(asked.collect::<BTreeSet<_>>(), served.collect::<BTreeSet<_>>());
    let callers = Callers::new();
    for (method, path, least) in LEAST {
        let least = CALLERS.iter().position(|caller| caller == least).unwrap();
        for (rank, caller) in CALLERS.iter().enumerate() {
            let status = callers.status(caller, method, path);
            let expected: &[u16] = match (rank >= least, rank) {
                // A busy machine's word is another one, and an answer all the same.
                (true, _) if *path == "/health" => &[200, 207, 503],
                // No target: whoever is let in is told so.
                (true, _) if *path == "/probe" => &[400],
                // No message and no session: the same.
                // A call is no watch, and so there is none.
                (true, _) if path.starts_with("/watches/") && *method == "PUT" => &[400],
                (true, _) if path.starts_with("/watches/") => &[404],
                // None of that id.
                (true, _) if path.starts_with("/runs/") => &[404],
                (true, _) if *path == "/mcp" && *method != "GET" => &[400],
                (true, _) => &[200],
                // Who somebody is comes before what they may do.
                (false, 0 | 1) => &[401],
                (false, _) => &[403],
            };
            assert!(expected.contains(&status), "{status} to {method} {path} by {caller}");
        }
    }
    let open = LEAST.iter().filter(|(_, _, least)| ["stranger", "local"].contains(least));
    for (_, path, _) in open {
        assert!(ANONYMOUS.contains(path), "{path}");
    }
}

#[test]
fn every_view_of_the_page_lets_in_those_of_its_row_and_nobody_else() {
    let asked = LEAST_OF_PAGE.iter().map(|(method, path, _)| (*method, *path));
    let served = PAGES.iter().map(|route| (route.method, route.path));
    assert_eq!(asked.collect::<BTreeSet<_>>(), served.collect::<BTreeSet<_>>());
    let callers = Callers::new();
    for (method, path, least) in LEAST_OF_PAGE {
        let least = CALLERS.iter().position(|caller| caller == least).unwrap();
        for (rank, caller) in CALLERS.iter().enumerate() {
            let status = callers.status(caller, method, path);
            let turned_away = if rank < 2 { 401 } else { 403 };
            match rank >= least {
                // What there is not is another matter.
                true => assert!(
                    ![401, 403].contains(&status),
                    "{status} to {method} {path} by {caller}"
                ),
                false => assert_eq!(status, turned_away, "{method} {path} by {caller}"),
            }
        }
    }
}

#[test]
fn no_role_is_told_more_by_a_path_that_there_is_not_or_another_method() {
    let callers = Callers::new();
    for caller in CALLERS {
        assert_eq!(callers.status(caller, "GET", "/nothing"), 404, "{caller}");
        assert_eq!(callers.status(caller, "GET", "/tools/{name}/nothing"), 404, "{caller}");
        assert_eq!(callers.status(caller, "DELETE", "/config"), 405, "{caller}");
        assert_eq!(callers.status(caller, "GET", "/tools/{name}/cache"), 405, "{caller}");
    }
}

#[test]
fn a_role_that_does_not_go_so_far_is_refused_before_its_tool_is_looked_up() {
    let callers = Callers::new();
    for path in ["/tools/nobody/execute", "/tools/nobody/disable"] {
        assert_eq!(callers.status("viewer", "POST", path), 403);
        assert_eq!(callers.status("local", "POST", path), 401);
    }
    let log = callers.server.log_with("needed=admin");
    assert!(log.contains("http.forbidden client=viewer needed=operator"), "{log}");
    assert!(log.contains("http.forbidden client=viewer needed=admin"), "{log}");
}
