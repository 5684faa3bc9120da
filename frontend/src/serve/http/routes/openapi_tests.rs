use std::collections::BTreeSet;

use probity_advice::Advice;
use probity_protocol::{
    Allowance, Busy, BusyScope, Catalog, DenialCode, Digest, Failure, FailureKind,
};
use serde_json::Value;

use super::*;
use crate::{
    broker::client::BrokerError,
    calls::{
        control::breaker::{BreakerState, BreakerStatus},
        published::registry::Hidden,
        result::{Asked, ToolResult},
        service::turned_away,
    },
    serve::{
        access::Role,
        http::{Kind, Problem},
    },
};

fn written() -> Value {
    serde_json::from_slice(&DOCUMENT).unwrap()
}

/// Method, path and operation of each.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let item = item.as_object().unwrap().clone();
        let path = path.clone();
        item.into_iter()
            .map(move |(method, operation)| (method.to_ascii_uppercase(), path.clone(), operation))
    };
    paths.iter().flat_map(of_path).collect()
}

fn operation(method: &str, path: &str) -> Value {
    let all = operations(&written());
    let found = all.into_iter().find(|(m, p, _)| m == method && p == path);
    found.unwrap_or_else(|| panic!("{method} {path}")).2
}

fn statuses(operation: &Value) -> BTreeSet<u16> {
    let responses = operation["responses"].as_object().unwrap();
    responses.keys().map(|status| status.parse().unwrap()).collect()
}

#[test]
fn the_routes_of_the_table_are_described_and_no_others() {
    let table: BTreeSet<(String, String)> =
        ROUTES.iter().map(|route| (route.method.into(), route.path.into())).collect();
    assert_eq!(table.len(), ROUTES.len(), "a way in stands in the table twice");
    let described: BTreeSet<_> =
        operations(&written()).into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(described, table);
}

#[test]
fn each_route_says_what_it_does_who_may_take_it_and_what_it_answers() {
    for route in ROUTES {
        let of = operation(route.method, route.path);
        assert_eq!(of["summary"], route.summary);
        let expected = match route.access {
            Access::Everyone => json!([]),
            Access::Local => json!([{}, {"token": []}]),
            Access::Role(_) => json!([{"token": []}]),
        };
        assert_eq!(of["security"], expected, "{}", route.path);
        let statuses = statuses(&of);
        assert!(statuses.iter().any(|status| *status < 300), "{}: no success", route.path);
        let is_open = route.access == Access::Everyone;
        assert_eq!(statuses.contains(&401), !is_open, "{}", route.path);
        let has_name = of["parameters"][0]["name"] == "name";
        assert_eq!(has_name, route.path.contains("{name}"), "{}", route.path);
    }
    let admin = operation("DELETE", "/tools/{name}/cache");
    let role = Role::Admin.as_str();
    assert_eq!(admin["description"], format!("Takes a token of role {role} or above."));
}

#[test]
fn what_is_wrong_is_always_the_one_shape() {
    for (method, path, operation) in operations(&written()) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert_ne!(response["description"], "", "{method} {path} {status}");
            // What says all in its status has none.
            let content = response["content"].as_object();
            let is_problem = content.is_some_and(|c| c.contains_key("application/problem+json"));
            // A probe's own word is no problem.
            let is_probe = super::is_probe(&path) && status == "503";
            let expected = !status.starts_with('2') && !is_probe;
            assert_eq!(is_problem, expected, "{method} {path} {status}");
            let retry = response["headers"]["Retry-After"].is_object();
            let has_time = is_problem && ["429", "503"].contains(&status.as_str());
            assert_eq!(retry, has_time, "{method} {path} {status}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = written();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > ROUTES.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let operations = operations(&document);
    let names: BTreeSet<_> =
        operations.iter().map(|(_, _, operation)| operation["operationId"].to_string()).collect();
    assert_eq!(names.len(), operations.len(), "{names:?}");
}

#[test]
fn whatever_a_call_can_come_to_is_declared() {
    let declared = statuses(&operation("POST", "/tools/{name}/execute"));
    // A check has no background.
    let mut of_check = statuses(&operation("POST", "/tools/{name}/check"));
    of_check.insert(202);
    assert_eq!(of_check, declared);
    let own = [
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::ForeignHost,
        Kind::ForeignOrigin,
        Kind::NotFound,
        Kind::BadRequest,
        Kind::UnsupportedMediaType,
        Kind::TooLarge,
        Kind::TooSlow,
        Kind::RateLimited,
        Kind::TooManyFailures,
        Kind::Stopping,
    ];
    let own = own.map(|kind| Problem::new(kind, "", "").status);
    let of_results =
        results().into_iter().map(|result| Problem::of_result(&result).unwrap().status);
    let answered: BTreeSet<u16> = own.into_iter().chain(of_results).chain([200, 202]).collect();
    assert_eq!(declared, answered);
}

/// A call that did not run, for each reason.
fn results() -> Vec<ToolResult> {
    let asked = Asked {
        tool: "ping".into(),
        target: "10.0.0.1".into(),
        correlation_id: "c-1".into(),
        preset: None,
        dry_run: false,
    };
    let catalog = Catalog {
        policy_digest: Digest([0; 32]),
        allowance: Allowance {
            networks: vec![],
            denied: vec![],
            names: vec![],
            max_hosts: 1,
            timeout_ceiling: std::time::Duration::from_secs(1),
        },
        tools: vec![],
    };
    let denied = |code| {
        let (message, recovery_suggestion) = (String::new(), String::new());
        let denial =
            Advice { code, message, recovery_suggestion, metadata: vec![], suggestion: None };
        ToolResult::denied(&asked, &denial, &catalog)
    };
    let failed = |kind| {
        let (message, remedy) = (String::new(), String::new());
        ToolResult::failed(&asked, &Failure { kind, message, remedy })
    };
    let open = BreakerStatus {
        tool: "ping".into(),
        state: BreakerState::Open,
        failures: 5,
        since: tokio::time::Instant::now(),
        retry_after: None,
        last_failure: None,
    };
    vec![
        denied(DenialCode::UnknownTool),
        denied(DenialCode::TargetSyntax),
        denied(DenialCode::NotGranted),
        denied(DenialCode::TargetNotAllowed),
        denied(DenialCode::IntrusiveNotGranted),
        failed(FailureKind::NotFound),
        failed(FailureKind::Sandbox),
        failed(FailureKind::Audit),
        failed(FailureKind::Resources),
        turned_away::hidden(&asked, Hidden::Disabled),
        ToolResult::busy(&asked, &Busy { scope: BusyScope::Tool, limit: 1, expected_wait: None }),
        turned_away::breaker_open(&asked, &open),
        ToolResult::unanswered(&asked, &BrokerError::NoAnswer, None),
        ToolResult::unanswered(&asked, &BrokerError::RequestTooLarge, None),
    ]
}
