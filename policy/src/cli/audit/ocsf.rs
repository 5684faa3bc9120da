//! A record as an event of OCSF (Open Cybersecurity Schema Framework), which SIEMs take as it is: what was
//! asked as API Activity, what ran as Process Activity, and the broker's own life as Application Lifecycle.
//!
//! What has no place of its own there stands in `raw_data`, the log's line as it is, so that nothing is lost
//! and the chain can be verified from what arrived. Only what every version from 1.4 to 1.7 has is used.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::record::Record;

/// The version that events are written by.
const VERSION: &str = "1.4.0";

/// Who made it.
const VENDOR: &str = "Probity";

/// The number and name of something.
type Named = (u64, &'static str);

const INFORMATIONAL: Named = (1, "Informational");
const LOW: Named = (2, "Low");
const MEDIUM: Named = (3, "Medium");
const HIGH: Named = (4, "High");

const SUCCESS: Named = (1, "Success");
const FAILURE: Named = (2, "Failure");

/// The class of an event, with the category that it is in.
struct Class {
    uid: u64,
    name: &'static str,
    category: Named,
}

const API_ACTIVITY: Class =
    Class { uid: 6003, name: "API Activity", category: (6, "Application Activity") };
const PROCESS_ACTIVITY: Class =
    Class { uid: 1007, name: "Process Activity", category: (1, "System Activity") };
const APPLICATION_LIFECYCLE: Class =
    Class { uid: 6002, name: "Application Lifecycle", category: (6, "Application Activity") };

/// The event that a record is, read from `line`.
pub(super) fn event(record: &Record, line: &[u8]) -> Value {
    let (class, activity, own) = match record.event.as_str() {
        "exit" => (PROCESS_ACTIVITY, (2, "Terminate"), run(record)),
        "start" => (APPLICATION_LIFECYCLE, (3, "Start"), broker(record)),
        "stop" => (APPLICATION_LIFECYCLE, (4, "Stop"), broker(record)),
        "decision" | "awaits_approval" | "approval" | "not_started" | "refused" | "repeated"
        | "over_budget" => (API_ACTIVITY, (99, asked(record)), call(record)),
        // Reload, rotation, repair, and whatever later brokers write.
        _ => (APPLICATION_LIFECYCLE, (99, "Other"), broker(record)),
    };
    let (severity, status) = (severity(record), status(record));
    let mut event = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            event.insert(key.to_owned(), value);
        }
    };
    put("time", millis(&record.time).into());
    put("category_uid", class.category.0.into());
    put("category_name", class.category.1.into());
    put("class_uid", class.uid.into());
    put("class_name", class.name.into());
    put("activity_id", activity.0.into());
    put("activity_name", activity.1.into());
    put("type_uid", (class.uid * 100 + activity.0).into());
    put("type_name", format!("{}: {}", class.name, activity.1).into());
    put("severity_id", severity.0.into());
    put("severity", severity.1.into());
    put("status_id", status.0.into());
    put("status", status.1.into());
    put("status_code", record.code.as_ref().or(record.kind.as_ref()).cloned().into());
    put("status_detail", detail(record).into());
    put("count", record.count.into());
    put("start_time", record.first_time.as_deref().map(millis).into());
    put("end_time", record.last_time.as_deref().map(millis).into());
    put("metadata", metadata(record));
    put("raw_data", String::from_utf8_lossy(line).into());
    event.extend(own);
    Value::Object(event)
}

/// An object without what is not known.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let known = fields
        .into_iter()
        .filter(|(_, value)| !(value.is_null() || value.as_object().is_some_and(Map::is_empty)));
    Value::Object(known.map(|(key, value)| (key.to_owned(), value)).collect())
}

fn metadata(record: &Record) -> Value {
    let product = object([
        ("name", VENDOR.into()),
        ("vendor_name", VENDOR.into()),
        ("version", record.broker_version.clone().into()),
    ]);
    object([
        ("version", VERSION.into()),
        ("product", product),
        ("log_name", "audit".into()),
        ("event_code", record.event.clone().into()),
        ("sequence", record.seq.into()),
        ("original_time", record.time.clone().into()),
        ("correlation_uid", record.correlation_id.clone().into()),
    ])
}

/// By the kernel's word, but for the program: that is the frontend's.
fn actor(record: &Record) -> Value {
    let user = object([
        ("name", record.user.clone().into()),
        ("uid", record.uid.map(|uid| uid.to_string()).into()),
    ]);
    object([
        ("user", user),
        ("process", object([("pid", record.pid.into())])),
        ("app_name", record.claimed_client.clone().into()),
    ])
}

/// What a call asked for, and what it was answered.
fn call(record: &Record) -> Map<String, Value> {
    let denied = status(record) == FAILURE;
    let response = object([
        ("error", record.code.clone().filter(|_| denied).into()),
        ("error_message", record.message.clone().filter(|_| denied).into()),
    ]);
    let api = object([
        ("operation", record.tool.clone().unwrap_or_else(|| record.event.clone()).into()),
        ("service", json!({"name": "probity-broker"})),
        ("request", object([("uid", record.correlation_id.clone().into())])),
        ("response", response),
    ]);
    let target = record.address.as_ref().or(record.target.as_ref());
    let resources = target
        .filter(|target| target.contains('/'))
        .map(|network| json!([{"name": network, "type": "network"}]));
    let endpoint = object([
        ("ip", target.filter(|target| !target.contains('/')).cloned().into()),
        ("hostname", record.claimed_name.clone().into()),
    ]);
    let mut own = Map::new();
    own.insert("actor".into(), actor(record));
    own.insert("api".into(), api);
    // Callers come by a Unix socket of this machine.
    own.insert("src_endpoint".into(), json!({"name": "local"}));
    if let Some(resources) = resources {
        own.insert("resources".into(), resources);
    }
    if endpoint.as_object().is_some_and(|endpoint| !endpoint.is_empty()) {
        own.insert("dst_endpoint".into(), endpoint);
    }
    own
}

/// What ran, and how it ended.
fn run(record: &Record) -> Map<String, Value> {
    let command = shlex::try_join(record.argv.iter().map(String::as_str)).ok();
    let process = object([
        ("name", record.tool.clone().into()),
        ("pid", record.tool_pid.into()),
        ("cmd_line", command.filter(|line| !line.is_empty()).into()),
        ("uid", record.decision_seq.map(|seq| seq.to_string()).into()),
    ]);
    let mut own = Map::new();
    own.insert("actor".into(), actor(record));
    own.insert("device".into(), json!({"type_id": 0, "name": "local"}));
    own.insert("process".into(), process);
    own.extend(record.exit_code.map(|code| ("exit_code".to_owned(), code.into())));
    own.extend(record.duration_ms.map(|time| ("duration".to_owned(), time.into())));
    own
}

fn broker(record: &Record) -> Map<String, Value> {
    let app = object([
        ("name", "probity-broker".into()),
        ("vendor_name", VENDOR.into()),
        ("version", record.broker_version.clone().into()),
    ]);
    Map::from_iter([("app".to_owned(), app)])
}

fn asked(record: &Record) -> &'static str {
    match record.event.as_str() {
        "decision" if record.dry_run => "Check",
        "decision" | "awaits_approval" | "not_started" => "Run",
        "approval" => "Approve",
        _ => "Request",
    }
}

fn status(record: &Record) -> Named {
    let succeeded = match record.event.as_str() {
        "decision" => record.verdict.as_deref() == Some("approved"),
        "exit" => record.end.as_deref() == Some("finished") && record.exit_code == Some(0),
        "reload" => record.outcome.as_deref() == Some("applied"),
        "approval" => record.outcome.as_deref() == Some("approved"),
        "start" | "stop" | "rotated" | "awaits_approval" => true,
        _ => false,
    };
    if succeeded { SUCCESS } else { FAILURE }
}

fn severity(record: &Record) -> Named {
    match record.event.as_str() {
        "removed" => HIGH,
        "exit" if record.sandbox_violation => HIGH,
        "over_budget" | "repaired" => MEDIUM,
        "reload" if status(record) == FAILURE => MEDIUM,
        "exit" if record.fence_first.is_some() => LOW,
        "decision" | "refused" | "repeated" if status(record) == FAILURE => LOW,
        _ => INFORMATIONAL,
    }
}

fn detail(record: &Record) -> Option<String> {
    let signal = || record.signal.map(|signal| format!("signal {signal}"));
    let fence = || record.fence_first.as_ref().map(|first| format!("kept from {first}"));
    let ended = || record.end.clone().filter(|end| end != "finished");
    record.message.clone().or_else(fence).or_else(ended).or_else(signal)
}

/// A time of the log's, in milliseconds since 1970; 0 for what is none.
fn millis(time: &str) -> u64 {
    let since = humantime::parse_rfc3339(time).ok();
    let since = since.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or_default()
}
