//! A span for each call, at a collector of the test's own: in the caller's trace, by whichever way the call
//! came, with its phases; and nothing of it holds up a call or the end of a server.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use probity_tests::{
    collector::Collector, http::HttpServer, mcp::Session, procs::wait_until, rig::Rig,
};
use prost::Message as _;
use serde_json::{Value, json};

const TOKEN: &str = "a-token-that-is-long-enough-for-anybody";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the end of a server may take with a collector that does not answer: a second for what is left,
/// and more than a busy machine needs.
const AT_ONCE: Duration = Duration::from_secs(5);

fn variables(endpoint: &str) -> Vec<(String, String)> {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("PROBITY_HTTP_TOKEN", TOKEN),
        ("MCP_SERVER_PORT", "0"),
        ("PROBITY_RATE_REQUESTS", "100000"),
        ("LOG_LEVEL", "INFO"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn server(rig: &Rig, endpoint: &str) -> HttpServer {
    HttpServer::start(rig.embedded("http", &variables(endpoint))).unwrap()
}

/// Every span that came until now.
fn spans(collector: &Collector) -> Vec<Span> {
    let pushed = collector.pushed();
    let all = pushed.iter().flat_map(|pushed| {
        assert_eq!(pushed.request, "POST /v1/traces");
        assert!(
            pushed.headers.contains(&("content-type".into(), "application/x-protobuf".into())),
            "{pushed:?}"
        );
        ExportTraceServiceRequest::decode(&pushed.body[..]).unwrap().resource_spans
    });
    all.flat_map(|resource| {
        let service = resource.resource.as_ref().map(|of| text(&of.attributes, "service.name"));
        assert_eq!(service, Some(Some("probity".into())));
        resource.scope_spans
    })
    .flat_map(|scope| scope.spans)
    .collect()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        other => panic!("{key}: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The call's own span, once it has come, and those of its phases as they followed one another.
fn call_of(collector: &Collector, correlation_id: &str) -> (Span, Vec<Span>) {
    let of_call = |span: &Span| {
        text(&span.attributes, "probity.correlation_id").as_deref() == Some(correlation_id)
    };
    let mut found = None;
    assert!(
        wait_until(PATIENCE, || {
            found = spans(collector).into_iter().find(of_call);
            found.is_some()
        }),
        "no span of {correlation_id}"
    );
    let call = found.unwrap();
    let mut phases = spans(collector);
    phases.retain(|span| span.parent_span_id == call.span_id);
    phases.sort_by_key(|span| span.start_time_unix_nano);
    (call, phases)
}

fn names(phases: &[Span]) -> Vec<&str> {
    phases.iter().map(|span| span.name.as_str()).collect()
}

fn execute(server: &HttpServer, tool: &str, headers: &str, body: &Value) -> u16 {
    let body = body.to_string();
    let headers = format!(
        "Host: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}",
        server.host(),
        body.len()
    );
    server.raw("POST", &format!("/tools/{tool}/execute"), &headers, &body).unwrap().status
}

fn asked(correlation_id: &str) -> Value {
    json!({"target": "127.0.0.1", "correlation_id": correlation_id})
}

#[test]
fn a_call_over_http_is_a_span_of_its_callers_trace_with_its_phases() {
    let (rig, collector) = (Rig::new("").unwrap(), Collector::answering("200 OK").unwrap());
    let server = server(&rig, &collector.url());
    let parent =
        format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: a=1\r\ntracestate: b=2\r\n");
    assert_eq!(execute(&server, "LoudTool", &parent, &asked("ran")), 200);
    let (call, phases) = call_of(&collector, "ran");
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!((call.name.as_str(), call.kind), ("execute_tool loud", SpanKind::Server as i32));
    assert_eq!(call.trace_state, "a=1,b=2");
    for (key, expected) in [
        ("gen_ai.tool.name", "loud"),
        ("probity.status", "failure"),
        ("probity.target", "127.0.0.1"),
        ("error.type", "EXECUTION_ERROR"),
    ] {
        assert_eq!(text(&call.attributes, key).as_deref(), Some(expected), "{call:?}");
    }
    assert_eq!(call.status.as_ref().unwrap().code, StatusCode::Error as i32);
    assert_eq!(names(&phases), ["queue", "resolve", "decide", "run", "parse"]);
    let mut before = call.start_time_unix_nano;
    for phase in &phases {
        assert!(hex(&phase.trace_id) == TRACE && before <= phase.start_time_unix_nano, "{phase:?}");
        assert!(phase.start_time_unix_nano <= phase.end_time_unix_nano, "{phase:?}");
        before = phase.end_time_unix_nano;
    }
    assert!(before <= call.end_time_unix_nano, "{call:?}");

    // What the policy denies has no more than the broker's word.
    let denied = json!({"target": "8.8.8.8", "correlation_id": "denied"});
    assert_eq!(execute(&server, "loud", &parent, &denied), 403);
    let (call, phases) = call_of(&collector, "denied");
    assert_eq!(
        text(&call.attributes, "probity.denial_code").as_deref(),
        Some("TARGET_NOT_ALLOWED")
    );
    assert_eq!(text(&call.attributes, "probity.status").as_deref(), Some("denied"));
    assert!(!names(&phases).contains(&"run"), "{phases:?}");
    // Names that are no tool's are nobody's spans.
    assert_eq!(execute(&server, "made-up", "", &asked("unknown")), 404);
    assert_eq!(call_of(&collector, "unknown").0.name, "execute_tool _unknown");
}

#[test]
fn a_caller_that_says_nothing_that_can_be_read_has_a_trace_of_its_own_and_one_that_is_not_sampled_has_none()
 {
    let (rig, collector) = (Rig::new("").unwrap(), Collector::answering("200 OK").unwrap());
    let server = server(&rig, &collector.url());
    let unsampled = format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n");
    assert_eq!(execute(&server, "loud", &unsampled, &asked("unsampled")), 200);
    for (id, headers) in [
        ("nothing", String::new()),
        ("hostile", format!("traceparent: 00-{TRACE}-{PARENT}-01\"}}{{x\r\n")),
        ("long", format!("traceparent: {}\r\n", "0".repeat(8000))),
        ("zeros", format!("traceparent: 00-{}-{PARENT}-01\r\n", "0".repeat(32))),
        ("two", format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n").repeat(2)),
    ] {
        assert_eq!(execute(&server, "loud", &headers, &asked(id)), 200, "{id}");
        let (call, phases) = call_of(&collector, id);
        assert!(call.parent_span_id.is_empty() && hex(&call.trace_id) != TRACE, "{id}: {call:?}");
        assert!(phases.iter().all(|phase| phase.trace_id == call.trace_id), "{id}");
    }
    let of_trace = spans(&collector).into_iter().filter(|span| hex(&span.trace_id) == TRACE);
    assert_eq!(of_trace.count(), 0, "whoever does not want it sampled has no span");
}

#[test]
fn a_call_over_mcp_says_in_its_meta_which_trace_it_is_in_and_the_end_sends_what_is_left() {
    let (rig, collector) = (Rig::new("").unwrap(), Collector::answering("200 OK").unwrap());
    let mut variables = variables(&collector.url());
    // Nothing is sent before the end.
    variables.push(("OTEL_BSP_SCHEDULE_DELAY".into(), "600000".into()));
    let mut session = Session::start(rig.embedded("stdio", &variables)).unwrap();
    let meta = json!({"traceparent": format!("00-{TRACE}-{PARENT}-01"), "tracestate": "a=1"});
    let params = json!({"name": "loud", "arguments": asked("mcp"), "_meta": meta});
    let answer = session.request("tools/call", params).unwrap();
    assert_eq!(answer["result"]["structuredContent"]["returncode"], 3, "{answer}");
    assert!(collector.pushed().is_empty());
    assert_eq!(session.close().unwrap(), Some(0));
    let (call, phases) = call_of(&collector, "mcp");
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(call.trace_state, "a=1");
    assert_eq!(names(&phases), ["queue", "resolve", "decide", "run", "parse"]);
}

#[test]
fn over_mcps_http_the_meta_is_nearer_than_the_headers() {
    let (rig, collector) = (Rig::new("").unwrap(), Collector::answering("200 OK").unwrap());
    let server = server(&rig, &collector.url());
    let nearer = "1".repeat(32);
    for (id, meta, expected) in [
        ("by-header", json!({}), TRACE),
        ("by-meta", json!({"traceparent": format!("00-{nearer}-{PARENT}-01")}), &nearer),
    ] {
        let params = json!({"name": "loud", "arguments": asked(id), "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let body = body.to_string();
        let headers = format!(
            "Host: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\
             Content-Length: {}\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\n",
            server.host(),
            body.len()
        );
        let answer = server.raw("POST", "/mcp", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(hex(&call_of(&collector, id).0.trace_id), expected, "{id}");
    }
}

#[test]
fn a_collector_that_is_away_refuses_or_never_answers_holds_up_no_call_and_no_end() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It takes connections, and does nothing with them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = Collector::answering("401 Unauthorized").unwrap();
    for (endpoint, reason) in [
        (format!("http://{away}"), "Connection refused"),
        (format!("http://{}", silent.local_addr().unwrap()), "timeout"),
        (refusing.url(), "it answered 401"),
    ] {
        let rig = Rig::new("").unwrap();
        let mut server = server(&rig, &endpoint);
        let asked_at = Instant::now();
        for number in 0..5 {
            assert_eq!(execute(&server, "loud", "", &asked(&format!("c{number}"))), 200);
        }
        assert!(asked_at.elapsed() < AT_ONCE, "{endpoint}: {:?}", asked_at.elapsed());
        let log = server.log_with("telemetry.failed");
        assert!(log.contains("telemetry.failed what=traces") && log.contains(reason), "{log}");
        let ends_at = Instant::now();
        assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
        assert!(ends_at.elapsed() < AT_ONCE, "{endpoint}: {:?}", ends_at.elapsed());
    }
}
