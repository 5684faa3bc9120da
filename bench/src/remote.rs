//! A whole call of ping over HTTP, by `execute` and by MCP's `tools/call`, against the same call over
//! standard input and output: from the request written to the answer read, on one connection.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::{
    Rounds, Unmeasured,
    policies::LOOPBACK_NAME,
    samples::{side_by_side, timed},
    server::{HttpServer, Installation, finished, ping_call, ran},
    table::{Goal, Quantity, Row, Unit},
};

const ROUNDS: usize = 300;

/// What HTTP may cost.
const AT_MOST: f64 = 1.3;

/// An answer at the end, and no events before it.
const PLAIN: &str = "Accept: application/json\r\n";
const LEGACY: &str =
    "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n";
const MODERN: &str = "Accept: application/json, text/event-stream\r\n\
    MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: ping\r\n";

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let installation = Installation::find()?;
    let server = installation.serve()?;
    let call = ping_call(1);
    let execute = Request::new(&server, "/tools/ping/execute", PLAIN, &call["arguments"]);
    let legacy = Request::new(&server, "/mcp", LEGACY, &message(call.clone()));
    let modern = Request::new(&server, "/mcp", MODERN, &message(with_meta(call)));
    let row = |what, request: &Request, check: fn(&Value) -> Result<(), Unmeasured>| {
        let mut stdio = installation.start()?;
        let mut connection = Connection::open(&server)?;
        let ask = || {
            let (answer, took) = timed(|| connection.ask(request))?;
            check(&answer).map(|()| took)
        };
        let (ours, theirs) = side_by_side(rounds.of(ROUNDS), ask, || stdio.ping())?;
        Ok::<_, Unmeasured>(
            Row::new(what, Unit::Seconds, ours.median(), LOOPBACK_NAME)
                .against("over stdio", theirs.median())
                .goal(Goal::at_most(Quantity::Ratio, AT_MOST)),
        )
    };
    Ok(vec![
        row("HTTP execute of ping -c 1", &execute, ran)?,
        row("MCP tools/call of it over HTTP", &legacy, finished)?,
        row("  the same in the era of 2026-07-28", &modern, finished)?,
    ])
}

fn message(params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

/// What each request of the newer era says of itself.
fn with_meta(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "probity-bench", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

/// A request, written once.
struct Request(Vec<u8>);

impl Request {
    fn new(server: &HttpServer<'_>, path: &str, headers: &str, body: &Value) -> Self {
        let (host, token, body) = (server.host(), server.token(), body.to_string());
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             {headers}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Self(text.into_bytes())
    }
}

/// A connection that is kept.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(server: &HttpServer<'_>) -> Result<Self, Unmeasured> {
        let stream = TcpStream::connect(server.host()).and_then(|stream| {
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        stream.map(BufReader::new).map(Self).map_err(Unmeasured::Http)
    }

    fn ask(&mut self, request: &Request) -> Result<Value, Unmeasured> {
        let read = self.exchange(request).map_err(Unmeasured::Http)?;
        serde_json::from_slice(&read)
            .map_err(|_| Unmeasured::Answer(String::from_utf8_lossy(&read).into_owned()))
    }

    /// The body of an answer that says how long it is.
    fn exchange(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        self.0.get_mut().write_all(&request.0)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (name, value) = line.split_once(':').unwrap_or((line.trim_end(), ""));
            if name.is_empty() {
                break;
            }
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }
}
