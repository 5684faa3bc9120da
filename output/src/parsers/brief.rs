//! The shorter form of a typed result: for a model, which pays for each word. What says nothing is left
//! out, and what is said twice is said once; nothing is renamed, so that whoever reads the long form
//! reads this one. The long form is kept beside it.
//!
//! It works on JSON, so that a result that is kept as such can be shown in it too.

use serde_json::{Map, Value};

/// Reasons of ports that go without saying: an answer, a refusal, silence.
const USUAL_REASONS: [&str; 7] = [
    "syn-ack",
    "conn-refused",
    "reset",
    "no-response",
    "no-responses",
    "udp-response",
    "port-unreach",
];

/// The shorter form of a report.
#[must_use]
pub fn brief(report: &Value) -> Value {
    let mut report = report.clone();
    if let Value::Object(members) = &mut report {
        // Nothing of it is missing.
        drop_where(members, "truncated", |cut| *cut == Value::Bool(false));
        let address = members.get("address").cloned();
        drop_where(members, "target", |target| Some(target) == address.as_ref());
        for reply in list(members, "replies") {
            ping_reply(reply, address.as_ref());
        }
        list(members, "hops").iter_mut().for_each(traceroute_hop);
        if members.contains_key("hosts_up") {
            // It repeats the counts.
            members.remove("summary");
            drop_where(members, "exit", |how| how == "success");
            for none in ["hosts_unknown", "hosts_given_up"] {
                drop_where(members, none, |count| *count == 0);
            }
            list(members, "hosts").iter_mut().for_each(nmap_host);
        }
    }
    without_nothing(&mut report);
    report
}

fn ping_reply(reply: &mut Value, address: Option<&Value>) {
    let Value::Object(reply) = reply else { return };
    reply.remove("bytes");
    drop_where(reply, "from", |from| Some(from) == address);
    drop_where(reply, "duplicate", |is| *is == Value::Bool(false));
}

fn traceroute_hop(hop: &mut Value) {
    let Value::Object(hop) = hop else { return };
    let timeouts = hop.get("timeouts").and_then(Value::as_u64).unwrap_or(0);
    let probes = list(hop, "probes");
    // The line as it was written says more only where nothing was understood of it.
    let is_understood = timeouts > 0 || !probes.is_empty();
    // Probes of a hop are mostly answered by one router. Only the first of a row names it.
    let mut before = None;
    for probe in probes.iter_mut().filter_map(Value::as_object_mut) {
        let who = (probe.get("address").cloned(), probe.get("name").cloned());
        if before.as_ref() == Some(&who) && who.0.as_ref().is_some_and(Value::is_string) {
            probe.remove("address");
            probe.remove("name");
        }
        before = Some(who);
    }
    if is_understood {
        hop.remove("data");
    }
    drop_where(hop, "timeouts", |count| *count == 0);
}

fn nmap_host(host: &mut Value) {
    let Value::Object(host) = host else { return };
    host.remove("address_type");
    // That nobody has looked is worth a word.
    drop_where(host, "reason", |reason| reason != "user-set");
    drop_where(host, "timed_out", |is| *is == Value::Bool(false));
    for extra in list(host, "extra_ports").iter_mut().filter_map(Value::as_object_mut) {
        drop_where(extra, "reasons", |reasons| {
            let mut names = reasons.as_array().into_iter().flatten().map(|one| &one["reason"]);
            names.all(|name| name.as_str().is_some_and(|name| USUAL_REASONS.contains(&name)))
        });
    }
    for port in list(host, "ports").iter_mut().filter_map(Value::as_object_mut) {
        drop_where(port, "reason", |reason| {
            reason.as_str().is_some_and(|reason| USUAL_REASONS.contains(&reason))
        });
        // By its number, as everybody would.
        drop_where(port, "service_method", |how| how == "table");
    }
}

/// The items of a list; none where there is no such list.
fn list<'a>(object: &'a mut Map<String, Value>, name: &str) -> &'a mut [Value] {
    match object.get_mut(name) {
        Some(Value::Array(items)) => items,
        _ => &mut [],
    }
}

fn drop_where(object: &mut Map<String, Value>, name: &str, is: impl Fn(&Value) -> bool) {
    if object.get(name).is_some_and(is) {
        object.remove(name);
    }
}

/// Leaves out members that are null or hold nothing, however deep they stand.
fn without_nothing(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(without_nothing);
            members.retain(|_, value| !is_nothing(value));
        }
        Value::Array(items) => items.iter_mut().for_each(without_nothing),
        _ => {}
    }
}

/// Whether a value is null or holds nothing.
#[must_use]
pub fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
