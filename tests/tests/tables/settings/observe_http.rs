//! The observations of HTTP: each starts a server and says what it saw of it as JSON.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use probity_tests::{
    http::{HttpServer, read_answer},
    procs::wait_until,
};
use serde_json::{Value, json};

use super::observe::{Configured, PATIENCE};

/// A token that each of these servers knows, where the setting is about something else.
const TOKEN: &str = "a-token-of-the-tests";

/// How long a body is waited for that would take much longer where nothing is set.
const A_WHILE: Duration = Duration::from_millis(2500);

impl Configured<'_> {
    fn variables_with(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let more = more.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        more.chain(self.variables.iter().cloned()).collect()
    }

    /// A server on a free port.
    fn server(&self, more: &[(&str, &str)]) -> HttpServer {
        let variables = self.variables_with(&[more, &[("MCP_SERVER_PORT", "0")]].concat());
        HttpServer::start(self.rig.embedded("http", &variables)).unwrap()
    }

    fn server_with_token(&self) -> HttpServer {
        self.server(&[("PROBITY_HTTP_TOKEN", TOKEN)])
    }
}

/// The one of these with which `GET /tools` is answered, or that none is.
fn the_one(words: [&str; 2], is_let_in: impl Fn(&str) -> bool) -> Value {
    let let_in: Vec<&str> = words.into_iter().filter(|word| is_let_in(word)).collect();
    match let_in.as_slice() {
        [] => json!("neither"),
        [one] => json!(one),
        _ => panic!("{let_in:?}"),
    }
}

pub fn host_bound(configured: &Configured<'_>, _: &Value) -> Value {
    let server = configured.server(&[]);
    let (host, _) = server.host().rsplit_once(':').unwrap();
    json!(host)
}

pub fn port_bound(configured: &Configured<'_>, _: &Value) -> Value {
    // An address of this machine's that nobody else listens on.
    let [.., a, b] = std::process::id().to_be_bytes();
    let host = format!("127.{a}.{b}.77");
    let variables = configured.variables_with(&[("MCP_SERVER_HOST", &host)]);
    let server = HttpServer::start(configured.rig.embedded("http", &variables)).unwrap();
    let (bound, port) = server.host().rsplit_once(':').unwrap();
    assert_eq!(bound, host);
    json!(port)
}

pub fn anonymous_look(configured: &Configured<'_>, _: &Value) -> Value {
    json!(configured.server_with_token().get("/tools", None).unwrap().status)
}

pub fn page_look(configured: &Configured<'_>, _: &Value) -> Value {
    json!(configured.server_with_token().get("/ui/login", None).unwrap().status)
}

pub fn tokens_known(configured: &Configured<'_>, _: &Value) -> Value {
    let made = ["a", "b"].map(|name| {
        let path = configured.rig.path(name);
        // It is here already in the other ways of setting it.
        let _ = std::fs::remove_file(&path);
        let mut command = configured.rig.probity(&["token", "new", "--role", "viewer"], &[]);
        let output = command.args(["--name", name, "--file"]).arg(path).output().unwrap();
        (name, String::from_utf8(output.stdout).unwrap().trim().to_owned())
    });
    let server = configured.server(&[]);
    the_one(["a", "b"], |name| {
        let (_, token) = made.iter().find(|(made, _)| *made == name).unwrap();
        server.get("/tools", Some(token)).unwrap().status == 200
    })
}

pub fn token_known(configured: &Configured<'_>, _: &Value) -> Value {
    let server = configured.server(&[]);
    let tokens = ["a-secret-of-one's-own", "another-secret-of-theirs"];
    let known = the_one(tokens, |token| server.get("/config", Some(token)).unwrap().status == 200);
    // Where none is set one is made, and whichever is set stands in no log.
    assert_eq!(server.token().is_none(), known != json!("neither"));
    assert!(tokens.iter().all(|token| !server.log().contains(token)), "{}", server.log());
    known
}

pub fn hosts_known(configured: &Configured<'_>, _: &Value) -> Value {
    let server = configured.server_with_token();
    the_one(["a.example", "b.example"], |host| {
        server.raw("GET", "/", &format!("Host: {host}:8080\r\n"), "").unwrap().status == 200
    })
}

pub fn origins_known(configured: &Configured<'_>, _: &Value) -> Value {
    let server = configured.server_with_token();
    the_one(["https://a.example", "https://b.example"], |origin| {
        let headers = format!("Host: localhost\r\nOrigin: {origin}\r\n");
        let answer = server.raw("GET", "/", &headers, "").unwrap();
        let shared = answer.header("access-control-allow-origin") == Some(origin);
        assert_eq!(answer.status == 200, shared, "{answer:?}");
        shared
    })
}

/// The address that a request by a proxy counts as one of.
pub fn address_logged(configured: &Configured<'_>, _: &Value) -> Value {
    let mut server = configured.server_with_token();
    let headers =
        "Host: localhost\r\nAuthorization: Bearer wrong\r\nX-Forwarded-For: 10.66.0.9\r\n";
    assert_eq!(server.raw("GET", "/", headers, "").unwrap().status, 401);
    let event = "http.authentication_failed address=";
    server.await_log(event).unwrap();
    let log = server.log();
    let (_, rest) = log.split_once(event).unwrap();
    json!(rest.lines().next().unwrap())
}

/// How many of forty connections that say nothing stay open.
pub fn connections_held(configured: &Configured<'_>, expected: &Value) -> Value {
    let server = configured.server_with_token();
    let mut silent: Vec<TcpStream> = (0..40).map(|_| server.connect().unwrap()).collect();
    for stream in &silent {
        stream.set_nonblocking(true).unwrap();
    }
    let held = |silent: &mut Vec<TcpStream>| {
        // One that is closed reads as its end.
        silent.retain_mut(|stream| stream.read(&mut [0]).is_err());
        json!(silent.len())
    };
    let _ = wait_until(PATIENCE, || held(&mut silent) == *expected);
    thread::sleep(Duration::from_millis(200));
    held(&mut silent)
}

/// What is said of a body that does not come, if it is said soon.
pub fn time_for_a_body(configured: &Configured<'_>, _: &Value) -> Value {
    let server = configured.server_with_token();
    let mut stream = server.connect().unwrap();
    let text = format!(
        "POST /tools/loud/check HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
    stream.set_read_timeout(Some(A_WHILE)).unwrap();
    let Ok(answer) = read_answer(&mut stream) else { return json!("later") };
    assert_eq!(answer.status, 408);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    json!(detail[detail.find("within").unwrap()..])
}

/// By which secret a receiver can verify what a watch tells; none is told where there is none.
pub fn secret_that_signs(configured: &Configured<'_>, _: &Value) -> Value {
    let secrets = ["a-secret-of-one's-own", "another-secret-of-theirs"];
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", receiver.local_addr().unwrap());
    let more = [("PROBITY_WEBHOOK", url.as_str()), ("PROBITY_HTTP_TOKEN", TOKEN)];
    let variables = configured.variables_with(&[&more[..], &[("MCP_SERVER_PORT", "0")]].concat());
    let Ok(server) = HttpServer::start(configured.rig.embedded("http", &variables)) else {
        return json!("neither");
    };
    let watch = json!({"tool": "loud", "target": "127.0.0.1", "every": "1s", "timeout": "1s"});
    let added = server.request("PUT", "/watches/loud", Some(TOKEN), Some(&watch)).unwrap();
    assert_eq!(added.status, 201, "{added:?}");
    let (time, signature, body) = loop {
        let (mut stream, _) = receiver.accept().unwrap();
        if let Some(told) = told(&mut stream) {
            break told;
        }
    };
    the_one(secrets, |secret| {
        let mut sign = Command::new("openssl");
        sign.args(["dgst", "-sha256", "-hmac", secret])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut sign = sign.spawn().unwrap();
        write!(sign.stdin.take().unwrap(), "{time}.{body}").unwrap();
        let output = sign.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().ends_with(&signature)
    })
}

/// A delivery's time, signature and body; none of a connection that says nothing.
fn told(stream: &mut TcpStream) -> Option<(String, String, String)> {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.ends_with('}') {
        let count = stream.read(&mut buffer).unwrap();
        if count == 0 {
            return None;
        }
        text += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = head.lines().find_map(|line| line.strip_prefix("probity-signature: t="))?;
    let (time, signature) = header.split_once(",v1=")?;
    Some((time.into(), signature.into(), body.into()))
}
