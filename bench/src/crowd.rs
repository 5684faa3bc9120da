//! Crowds at `probity http`, on loopback: how many requests it answers, how long a check takes while two
//! hundred clients ask, and what a thousand readers of its events cost.

mod load;
mod readers;

use serde_json::Value;

use crate::{
    Rounds, Unmeasured,
    policies::{LOOPBACK_NAME, SHIPPED_NAME},
    samples::Samples,
    server::{HttpServer, Installation, ping_call},
    table::{Goal, Quantity, Row, Unit},
};
use load::Load;

/// Connections that ask as fast as they are answered.
const CONNECTIONS: usize = 32;

/// Loads of each kind, and requests in each: a load lasts a second or so.
const LOADS: usize = 10;
const REQUESTS: usize = 30_000;

/// Clients that ask for verdicts.
const CLIENTS: usize = 200;

/// Checks of which the slowest hundredth is told.
const CHECKS: usize = 20_000;

/// Checks a second of all clients together where they do not ask as fast as they can: each asks five
/// times a second.
const CHECK_RATE: u32 = 1000;

const READERS: usize = 1000;

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let installation = Installation::find()?;
    let mut rows = Vec::new();
    let shipped = installation.serve_shipped()?;
    for (what, path, expected) in [
        ("GET /livez over HTTP, kept alive", "/livez", "ok"),
        ("GET /tools over HTTP, kept alive", "/tools", "traceroute"),
    ] {
        rows.push(
            Row::new(what, Unit::PerSecond, rate(rounds, &shipped, path, expected)?, SHIPPED_NAME)
                .goal(Goal::at_least(Quantity::Measured, 20_000.0)),
        );
    }
    drop(shipped);
    rows.extend(checks(rounds, &installation.serve()?)?);
    rows.push(readers(&installation)?);
    Ok(rows)
}

/// Requests per second.
fn rate(
    rounds: Rounds,
    server: &HttpServer<'_>,
    path: &str,
    expected: &'static str,
) -> Result<f64, Unmeasured> {
    let load = Load::open(server.host(), CONNECTIONS, get(server, path), expected);
    let mut load = load.map_err(Unmeasured::Http)?;
    let mut rates = Vec::new();
    for _ in 0..rounds.of(LOADS) {
        rates.push(load.closed(REQUESTS).map_err(Unmeasured::Http)?.rate);
    }
    Ok(Samples::new(rates).median())
}

/// Two hundred clients that all ask as fast as they are answered wait for each other: then the time is
/// their number divided by the rate, and says nothing else. So it is measured at a moderate rate too.
fn checks(rounds: Rounds, server: &HttpServer<'_>) -> Result<Vec<Row>, Unmeasured> {
    let request = post(server, "/tools/ping/check", &ping_call(1)["arguments"]);
    let load = Load::open(server.host(), CLIENTS, request, "\"dry_run\":true");
    let mut load = load.map_err(Unmeasured::Http)?;
    load.closed(CLIENTS).map_err(Unmeasured::Http)?;
    let calm = load.at_rate(CHECK_RATE, rounds.of(CHECKS)).map_err(Unmeasured::Http)?;
    let busy = load.closed(rounds.of(CHECKS)).map_err(Unmeasured::Http)?;
    let (calm, busy_rate, busy) = (Samples::new(calm.took), busy.rate, Samples::new(busy.took));
    let row = |what, unit, measured| Row::new(what, unit, measured, LOOPBACK_NAME);
    Ok(vec![
        row("check by 200 HTTP clients at 1,000/s, p99", Unit::Seconds, calm.p99())
            .goal(Goal::at_most(Quantity::Measured, 3e-3)),
        row("  the same at p50", Unit::Seconds, calm.median()),
        row("  as fast as they are answered, p99", Unit::Seconds, busy.p99()),
        row("  and how many that is", Unit::PerSecond, busy_rate),
    ])
}

/// Of a server that has answered nothing else.
fn readers(installation: &Installation) -> Result<Row, Unmeasured> {
    let server = installation.serve()?;
    let (host, token) = (server.host(), server.token());
    let request =
        format!("GET /events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    let memory = readers::memory(&server, READERS, &request).map_err(Unmeasured::Http)?;
    Ok(Row::new(
        "memory of the frontend with 1,000 readers of /events",
        Unit::Bytes,
        memory,
        LOOPBACK_NAME,
    )
    .goal(Goal::at_most(Quantity::Measured, f64::from(40 << 20))))
}

fn get(server: &HttpServer<'_>, path: &str) -> String {
    let host = server.host();
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn post(server: &HttpServer<'_>, path: &str, body: &Value) -> String {
    let (host, token, body) = (server.host(), server.token(), body.to_string());
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
