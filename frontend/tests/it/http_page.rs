//! The page over HTTP, with a scripted broker and without a browser: who comes in, what they are shown, and what
//! its forms come to. `tests/tests/lab/page.rs` has it in a browser.
//!
//! - a link with a code opens it once; a token opens it by the form; a session ends when it should
//! - a session opens nothing but the page, and a form counts only where it is the page's own
//! - nobody is shown a button that they may not press, nor a run that is not theirs
//! - what a scanned host or a client sends is shown as it is, and never as HTML

use std::time::Duration;

use nix::sys::signal::Signal;
use probity_protocol::{DenialCode, Stream};
use probity_tests::procs::wait_until;

use crate::support::{PATIENCE, ScriptedBroker, Step, http::*, samples::*};

const HTML: &str = "Accept: text/html\r\n";

/// A browser: it keeps a cookie, says whose page asks, and follows nothing by itself.
struct Browser<'a> {
    server: &'a HttpServer,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn new(server: &'a HttpServer) -> Self {
        Self { server, cookie: String::new() }
    }

    /// One that has shown a token.
    fn with_token(server: &'a HttpServer, token: &str) -> Self {
        let mut browser = Self::new(server);
        let answer = browser.post("/ui/login", &[("token", token)]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/ui/")), "{answer:?}");
        browser
    }

    fn ask(&mut self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let mut headers = format!("Host: {}\r\n{more}", self.server.host());
        if !self.cookie.is_empty() {
            headers += &format!("Cookie: other=1; {}\r\n", self.cookie);
        }
        if method == "POST" {
            let kind = "application/x-www-form-urlencoded";
            headers += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        }
        let answer = self.server.raw(method, path, &headers, body).unwrap();
        if let Some(line) = answer.header("set-cookie") {
            self.cookie = line.split(';').next().unwrap().to_owned();
        }
        answer
    }

    fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, HTML, "")
    }

    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let own = format!("{HTML}Origin: http://{}\r\n", self.server.host());
        self.post_from(path, fields, &own)
    }

    fn post_from(&mut self, path: &str, fields: &[(&str, &str)], more: &str) -> Answer {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.ask("POST", path, more, &body.join("&"))
    }

    /// The page of a run, once that is over.
    fn over(&mut self, path: &str) -> String {
        let mut page = String::new();
        assert!(wait_until(PATIENCE, || {
            page = text(&self.get(path));
            page.contains("Run again")
        }));
        page
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn text(answer: &Answer) -> String {
    answer.body.clone()
}

fn quick(output_text: &str) -> Vec<Step> {
    vec![started(), output(Stream::Stdout, output_text), exited(0)]
}

/// A server without a token of anybody's, and the link that it prints.
fn with_link(broker: &ScriptedBroker) -> (HttpServer, String) {
    let mut server = HttpServer::start(command(broker, &[])).unwrap();
    server.await_log("/ui/login?code=").unwrap();
    let log = server.log_with("/ui/login?code=");
    let link = log.lines().find(|line| line.contains("code=")).unwrap().trim();
    let (_, path) = link.split_once(server.host()).unwrap();
    let path = path.to_owned();
    (server, path)
}

#[test]
fn a_link_opens_the_page_once_until_its_holder_leaves() {
    let broker = ScriptedBroker::start(script());
    let (server, link) = with_link(&broker);
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get("/ui/").status, 401);
    let entered = browser.get(&link);
    assert_eq!(entered.status, 200, "{entered:?}");
    let cookie = entered.header("set-cookie").unwrap();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/ui;", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(text(&entered).contains("url=/ui/"), "{entered:?}");
    let overview = browser.get("/ui/");
    assert_eq!(overview.status, 200);
    assert!(text(&overview).contains("<h1>Overview</h1>"), "{overview:?}");
    let twice = format!("{HTML}Cookie: {0}; {0}\r\n", browser.cookie);
    let mut two = Browser::new(&server);
    let neither = two.ask("GET", "/ui/", &twice, "");
    assert!(neither.status == 401 && text(&neither).contains("sends two sessions"), "{neither:?}");
    // The link again: for the same browser it leads in, and for another it is used up.
    assert_eq!(browser.get(&link).status, 303);
    let late = Browser::new(&server).get(&link);
    assert!(late.status == 401 && text(&late).contains("used up"), "{late:?}");
    assert_eq!(Browser::new(&server).get("/ui/login?code=x").status, 401);
    let mut other_tab = Browser { server: &server, cookie: browser.cookie.clone() };
    let left = browser.post("/ui/logout", &[]);
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"), "{left:?}");
    let gone = other_tab.get("/ui/runs?tool=ping");
    assert_eq!(gone.status, 401);
    let said = text(&gone);
    assert!(
        said.contains("Your session is over") && said.contains("value=\"/ui/runs?tool=ping\""),
        "{said}"
    );
    assert!(!server.log_with("/ui/login?code=").contains(&browser.cookie), "a key is never logged");
}

#[test]
fn a_token_opens_it_by_the_form_until_it_is_taken_back() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let ann = file.add("ann", "operator", &[]);
    let mut server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let mut browser = Browser::new(&server);
    let wrong = browser.post("/ui/login", &[("token", "a-token-that-nobody-has")]);
    assert!(wrong.status == 401 && text(&wrong).contains("not known here"), "{wrong:?}");
    let in_by = browser.post("/ui/login", &[("token", &ann), ("next", "/ui/grants")]);
    assert_eq!((in_by.status, in_by.header("location")), (303, Some("/ui/grants")));
    for elsewhere in ["https://evil.example/", "//evil.example/ui/", "/tools"] {
        let answer = browser.post("/ui/login", &[("token", &ann), ("next", elsewhere)]);
        assert_eq!(answer.header("location"), Some("/ui/"), "{elsewhere}");
    }
    assert!(text(&browser.get("/ui/grants")).contains("What I may do"));
    let cookie = browser.cookie.clone();
    file.write("");
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("tokens.reloaded").unwrap();
    let mut browser = Browser { server: &server, cookie };
    let gone = browser.get("/ui/grants");
    assert!(gone.status == 401 && text(&gone).contains("Your session is over"), "{gone:?}");
}

#[test]
fn a_session_opens_the_page_and_nothing_else() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[("PROBITY_HTTP_ANONYMOUS", "false")]);
    let mut browser = Browser::with_token(&server, CHOSEN);
    for (method, path) in [
        ("GET", "/runs"),
        ("GET", "/events"),
        ("GET", "/config"),
        ("GET", "/probe?target=10.0.0.1"),
        ("POST", "/tools/ping/execute"),
        ("POST", "/mcp"),
    ] {
        let own = format!("Origin: http://{}\r\n", server.host());
        assert_eq!(browser.ask(method, path, &own, "").status, 401, "{path}");
    }
    assert_eq!(browser.get("/ui/").status, 200);
}

#[test]
fn a_form_counts_only_where_it_is_the_pages_own() {
    let broker = ScriptedBroker::start(script_with(&[quick(PONG)]));
    let server = serve(&broker);
    let mut browser = Browser::with_token(&server, CHOSEN);
    let fields = [("target", "10.0.0.1")];
    let port = server.host().rsplit_once(':').unwrap().1;
    for from in [
        String::new(),
        "Origin: null\r\n".to_owned(),
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: http://127.0.0.1:1\r\n".to_owned(),
        // It is this machine, and another origin.
        format!("Origin: http://localhost:{port}\r\n"),
    ] {
        for path in ["/ui/tools/ping", "/ui/tools/ping/check", "/ui/logout", "/ui/login"] {
            assert_eq!(browser.post_from(path, &fields, &from).status, 403, "{path} {from}");
        }
    }
    assert_eq!(broker.runs(), []);
    // Another page on this machine is the same site to a browser. It may lead here, and read nothing.
    let site = "Sec-Fetch-Site: same-site\r\n";
    assert_eq!(browser.ask("GET", "/ui/runs", &format!("{HTML}{site}"), "").status, 401);
    let leads = format!("{HTML}{site}Sec-Fetch-Mode: navigate\r\n");
    assert_eq!(browser.ask("GET", "/ui/runs", &leads, "").status, 200);
}

#[test]
fn a_form_is_put_to_the_policy_and_run() {
    let broker = ScriptedBroker::start(script_with(&[quick(PONG)]));
    let server = serve(&broker);
    let mut browser = Browser::with_token(&server, CHOSEN);
    let form = text(&browser.get("/ui/tools/ping?target=10.0.0.1&count=2"));
    assert!(form.contains("value=\"10.0.0.1\"") && form.contains("data-check="), "{form}");
    let own = format!("Origin: http://{}\r\nX-Part: verdict\r\n", server.host());
    let fields = [("target", "10.0.0.1"), ("count", "2"), ("preset", "")];
    let verdict = text(&browser.post_from("/ui/tools/ping/check", &fields, &own));
    assert!(verdict.contains("allowed") && verdict.contains("/usr/bin/ping"), "{verdict}");
    assert!(!verdict.contains("<html"), "the verdict alone: {verdict}");
    let whole = text(&browser.post("/ui/tools/ping/check", &fields));
    assert!(whole.contains("<html") && whole.contains("allowed"), "{whole}");
    assert_eq!(broker.runs(), [], "a check runs nothing");

    let begun = browser.post("/ui/tools/ping", &fields);
    assert_eq!(begun.status, 303, "{begun:?}");
    let place = begun.header("location").unwrap().to_owned();
    let page = browser.over(&place);
    for said in [
        "finished",
        "is alive",
        "The same call elsewhere",
        "probity call ping 10.0.0.1",
        "Compare with",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let list = text(&browser.get("/ui/runs?tool=ping&state=finished"));
    assert!(list.contains(&place), "{list}");
    assert!(text(&browser.get("/ui/")).contains(&place));
    let json = browser.get(&format!("{place}/result.json"));
    assert_eq!(json.json()["result"]["returncode"], 0);
    let picture = browser.get(&format!("{place}/picture.svg"));
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"), "{picture:?}");
    let gone = browser.get("/ui/runs/abcdefghijklmnopqrstuvwxyz");
    assert!(gone.status == 404 && text(&gone).contains("no such run"), "{gone:?}");
}

#[test]
fn a_refusal_is_shown_and_what_was_written_stays() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]));
    let server = serve(&broker);
    let mut browser = Browser::with_token(&server, CHOSEN);
    let refused = browser.post("/ui/tools/ping", &[("target", "8.8.8.8"), ("count", "4")]);
    let page = text(&refused);
    assert_eq!(refused.status, 403, "{page}");
    assert!(page.contains("TARGET_NOT_ALLOWED") && page.contains("refused"), "{page}");
    assert!(page.contains("value=\"8.8.8.8\"") && page.contains("value=\"4\""), "{page}");
}

#[test]
fn a_viewer_is_shown_no_button_and_no_run_that_is_not_theirs() {
    let broker = ScriptedBroker::start(script_with(&[quick(PONG)]));
    let file = TokensFile::new();
    let ann = file.add("ann", "operator", &[]);
    let bob = file.add("bob", "viewer", &[]);
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let mut of_ann = Browser::with_token(&server, &ann);
    let place = of_ann.post("/ui/tools/ping", &[("target", "10.0.0.1")]);
    let place = place.header("location").unwrap().to_owned();
    of_ann.over(&place);
    let mut of_bob = Browser::with_token(&server, &bob);
    assert_eq!(of_bob.get(&place).status, 404);
    assert_eq!(of_bob.get(&format!("{place}/picture.svg")).status, 404);
    assert!(!text(&of_bob.get("/ui/runs")).contains(&place));
    for path in ["/ui/", "/ui/tools/ping", "/ui/runs", "/ui/grants", "/ui/approvals"] {
        let page = text(&of_bob.get(path));
        // To log out, to search and to compare is for everybody.
        for word in ["Run again", ">Run<", "Cancel", "Ask the policy<", "/ui/watches"] {
            assert!(!page.contains(word), "{path} has {word}");
        }
    }
    for path in ["/ui/tools/ping", "/ui/tools/ping/check", &format!("{place}/cancel")] {
        assert_eq!(of_bob.post(path, &[("target", "10.0.0.1")]).status, 403, "{path}");
    }
    for path in ["/ui/watches", "/ui/watches/any"] {
        assert_eq!(of_ann.get(path).status, 403, "{path}");
    }
}

#[test]
fn what_is_sent_is_shown_and_never_html() {
    const CANARY: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let line =
        format!("64 bytes from {CANARY} (10.0.0.1): icmp_seq=1 ttl=63 time=0.042 ms\n{CANARY}\n");
    let broker = ScriptedBroker::start(script_with(&[quick(&line)]));
    let server = serve(&broker);
    let mut browser = Browser::with_token(&server, CHOSEN);
    let form = format!("/ui/tools/ping?target={0}&count={0}&{0}={0}", encoded(CANARY));
    let search = format!("/ui/runs?tool={0}&target={0}", encoded(CANARY));
    let begun = browser.post("/ui/tools/ping", &[("target", "10.0.0.1"), ("extra_args", CANARY)]);
    let place = begun.header("location").map(str::to_owned);
    let mut pages = vec![text(&begun), text(&browser.get(&form)), text(&browser.get(&search))];
    pages.extend(place.map(|place| browser.over(&place)));
    pages.push(text(&browser.get(&format!("/ui/{}", encoded(CANARY)))));
    for page in &pages {
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{page}");
    }
    assert!(pages.iter().any(|page| page.contains("&lt;script&gt;alert(1)")), "{pages:?}");
}

#[test]
fn every_document_loads_nothing_from_elsewhere_and_has_nothing_inline() {
    let broker = ScriptedBroker::start(script_with(&[quick(PONG)]));
    let server = serve(&broker);
    let mut browser = Browser::with_token(&server, CHOSEN);
    let begun = browser.post("/ui/tools/ping", &[("target", "10.0.0.1")]);
    let place = begun.header("location").unwrap().to_owned();
    browser.over(&place);
    let paths = [
        "/ui/",
        "/ui/login",
        "/ui/tools/ping",
        "/ui/runs",
        "/ui/watches",
        "/ui/grants",
        "/ui/approvals",
        "/ui/nothing",
        &place,
    ];
    for path in paths {
        let answer = browser.get(path);
        // Whoever is in has no need to log in.
        if answer.status == 303 {
            continue;
        }
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path}"));
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let page = text(&answer);
        assert!(
            !page.contains("<style") && !page.contains(" style=") && !page.contains("javascript:"),
            "{path}"
        );
        assert!(
            page.matches("<script").count()
                == page.matches("<script type=\"module\" src=\"/ui/assets/").count(),
            "{path}"
        );
        for address in page.split("href=\"").skip(1).chain(page.split("src=\"").skip(1)) {
            assert!(
                address.starts_with('/') || address.starts_with('#'),
                "{path}: {}",
                &address[..40]
            );
        }
        for (address, kind) in page.split("/ui/assets/").skip(1).zip(0..) {
            let address = address.split('"').next().unwrap();
            let asset = browser.get(&format!("/ui/assets/{address}"));
            assert!(
                asset.status == 200 && asset.header("cache-control").unwrap().contains("immutable"),
                "{kind}: {asset:?}"
            );
        }
    }
}

#[test]
fn what_waits_for_another_person_says_whom_to_ask() {
    let waits = vec![awaits_approval(), Step::Wait(Duration::from_secs(60))];
    let broker = ScriptedBroker::start(script_with(&[waits]));
    let server = serve(&broker);
    let mut browser = Browser::with_token(&server, CHOSEN);
    let begun = browser.post("/ui/tools/ping", &[("target", "10.0.0.1")]);
    let place = begun.header("location").unwrap().to_owned();
    let waiting = text(&browser.get("/ui/approvals"));
    assert!(
        waiting.contains(&place) && waiting.contains("probity-policy approve 3f2a91c0"),
        "{waiting}"
    );
    assert_eq!(browser.post(&format!("{place}/cancel"), &[]).status, 303);
}

#[test]
fn without_the_setting_there_is_no_page() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[("PROBITY_HTTP_UI", "false")]);
    for path in ["/ui", "/ui/", "/ui/login", "/ui/assets/page.css"] {
        assert_eq!(Browser::new(&server).get(path).status, 404, "{path}");
    }
    let mut server = HttpServer::start(command(&broker, &[("PROBITY_HTTP_UI", "false")])).unwrap();
    server.await_log("serving on").unwrap();
    assert!(!server.log().contains("/ui/"), "{}", server.log());
}
