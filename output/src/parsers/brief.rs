//! The shorter form of a typed result: for a model, which pays for each word. What says nothing is left
//! out, and what is said twice is said once; nothing is renamed, so that whoever reads the long form
//! reads this one. The long form is kept beside it.
//!
//! It works on JSON, so that a result that is kept as such can be shown in it too.

use serde_json::{Map, Value};

use super::room::json_bytes;

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

/// The shorter form of a report that is kept, of at most `max_bytes` of JSON as far as lists can be shortened
/// for that, and whether anything was dropped: of a scan what interests least, as from a report itself, and then
/// from the ends of its longest lists, whatever they hold.
#[must_use]
pub fn brief_within(report: &Value, max_bytes: usize) -> (Value, bool) {
    let mut brief = brief(report);
    let mut dropped = drop_of_scan(&mut brief, max_bytes);
    loop {
        let bytes = json_bytes(&brief);
        let Some(longest) = longest_list(&mut brief).filter(|_| bytes > max_bytes) else { break };
        // What is kept is about the share that has room, and less of it each time.
        let kept = longest.len() * max_bytes / bytes.max(1);
        longest.truncate(kept.min(longest.len() - 1));
        dropped = true;
    }
    if let Value::Object(members) = &mut brief
        && dropped
    {
        members.insert("truncated".into(), Value::Bool(true));
    }
    (brief, dropped)
}

/// Drops of a scan what there is no room for, from the ends: hosts that are not up, ports that are not open, and
/// hosts without open ports. Whether that was anything.
fn drop_of_scan(report: &mut Value, max_bytes: usize) -> bool {
    let mut dropped = false;
    let steps: [fn(&mut Vec<Value>, usize) -> usize; 3] =
        [drop_down, |hosts, excess| drop_closed_ports(hosts, excess), drop_without_open];
    for step in steps {
        let excess = json_bytes(report).saturating_sub(max_bytes);
        let is_scan = report.get("hosts_up").is_some();
        let hosts = report.get_mut("hosts").and_then(Value::as_array_mut);
        let Some(hosts) = hosts.filter(|_| excess > 0 && is_scan) else { break };
        dropped |= step(hosts, excess) < excess;
    }
    dropped
}

fn drop_down(hosts: &mut Vec<Value>, excess: usize) -> usize {
    let is_down = |host: &Value| host["state"].as_str().is_some_and(|state| state != "up");
    drop_from_end(hosts, excess, is_down)
}

fn drop_closed_ports(hosts: &mut [Value], excess: usize) -> usize {
    let lists = hosts.iter_mut().rev().filter_map(|host| host.get_mut("ports")?.as_array_mut());
    lists.fold(excess, |excess, ports| drop_from_end(ports, excess, |port| !is_open(port)))
}

fn drop_without_open(hosts: &mut Vec<Value>, excess: usize) -> usize {
    let has_open = |ports: &Vec<Value>| ports.iter().any(is_open);
    drop_from_end(hosts, excess, |host| !host["ports"].as_array().is_some_and(has_open))
}

fn is_open(port: &Value) -> bool {
    port["state"] == "open"
}

/// Drops from the end what may go, until so many bytes are gone; how many are still too many.
fn drop_from_end(
    items: &mut Vec<Value>,
    mut excess: usize,
    may_go: impl Fn(&Value) -> bool,
) -> usize {
    items.reverse();
    items.retain(|item| {
        let goes = excess > 0 && may_go(item);
        if goes {
            excess = excess.saturating_sub(json_bytes(item));
        }
        !goes
    });
    items.reverse();
    excess
}

/// The list that takes most. Of one item alone, the longest list within it, if there is any: whatever is
/// found of the one host that was asked about is worth more than none of it.
fn longest_list(value: &mut Value) -> Option<&mut Vec<Value>> {
    let Value::Object(members) = value else { return None };
    let lists = members.iter().filter_map(|(name, member)| match member {
        Value::Array(items) if !items.is_empty() => Some((json_bytes(items), name)),
        _ => None,
    });
    let (_, name) = lists.max()?;
    let name = name.clone();
    let Some(Value::Array(items)) = members.get_mut(&name) else { return None };
    let is_alone = items.len() == 1 && has_list(&items[0]);
    if is_alone { longest_list(&mut items[0]) } else { Some(items) }
}

fn has_list(value: &Value) -> bool {
    let lists = |member: &Value| member.as_array().is_some_and(|items| !items.is_empty());
    value.as_object().is_some_and(|members| members.values().any(lists))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn of_one_host_the_ports_from_the_end_go_and_the_host_stays() {
        let ports: Vec<Value> =
            (1..500).map(|port| json!({ "port": port, "state": "open" })).collect();
        let report = json!({ "hosts_up": 1, "hosts": [{ "address": "10.0.0.1", "ports": ports }] });
        let (brief, dropped) = brief_within(&report, 2000);
        assert!(dropped && brief["truncated"] == true);
        assert!(json_bytes(&brief) <= 2000 + 20, "{}", json_bytes(&brief));
        assert_eq!(brief["hosts"][0]["ports"][0]["port"], 1);
        assert_eq!(brief_within(&report, usize::MAX), (super::brief(&report), false));
    }

    #[test]
    fn of_a_scan_what_interests_least_goes_first() {
        let host = |last: u64, state: &str| {
            let port = |port: u64| json!({ "port": port, "state": state });
            json!({ "address": format!("10.0.0.{last}"), "state": "up", "ports": [port(22), port(80)] })
        };
        let mut hosts: Vec<Value> = (1..200).map(|last| host(last, "closed")).collect();
        hosts.push(json!({ "address": "10.0.0.200", "state": "down" }));
        hosts.push(host(201, "open"));
        let report = json!({ "hosts_up": 200, "hosts_down": 1, "hosts": hosts });
        for most in [1000, 4000, 12_000] {
            let (brief, dropped) = brief_within(&report, most);
            assert!(dropped && brief["truncated"] == true);
            assert!(json_bytes(&brief) <= most + 20, "{}", json_bytes(&brief));
            let hosts = brief["hosts"].as_array().unwrap();
            let last = hosts.last().unwrap();
            assert_eq!(
                (&last["address"], &last["ports"][1]["port"]),
                (&json!("10.0.0.201"), &json!(80))
            );
            assert!(hosts.len() > 1 && hosts[0]["address"] == "10.0.0.1", "{most}");
        }
    }

    proptest! {
        #[test]
        fn a_report_of_any_lists_comes_to_fit(
            lists in prop::collection::vec(prop::collection::vec(".{0,60}", 0..80), 0..5),
            most in 200..2000_usize,
        ) {
            let members = lists.iter().enumerate().map(|(at, list)| (format!("l{at}"), json!(list)));
            let report = Value::Object(members.collect());
            let (brief, dropped) = brief_within(&report, most);
            prop_assert!(json_bytes(&brief) <= most + 20);
            prop_assert_eq!(dropped, json_bytes(&super::brief(&report)) > most);
        }
    }
}
