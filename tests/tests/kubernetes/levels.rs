//! The level of Pod Security that each namespace names is the one that its pods need: what goes beyond the
//! next stricter one is listed here field by field, and nothing else does.

use serde_json::{Value, json};

use crate::{
    manifests::{Kit, folders},
    pod_security::{Level, violations},
};

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// What keeps the broker with NET_RAW from `restricted`, the first of both from `baseline` too.
const BROKER: [&str; 2] = ["broker: capabilities.add", "broker: allowPrivilegeEscalation"];

/// What the node's network adds to that.
const HOST: [&str; 2] = ["http: hostPort", "pod: hostNetwork"];

fn sorted(lists: &[&[&str]]) -> Vec<String> {
    let mut all: Vec<_> = lists.concat().into_iter().map(str::to_owned).collect();
    all.sort();
    all
}

#[test]
fn pods_go_beyond_restricted_by_the_fields_that_are_told_of_and_no_others() {
    let Some(kit) = Kit::find() else { return };
    let overlays = folders("overlays").into_iter().map(|name| format!("overlays/{name}"));
    for below in overlays.chain(["base".to_owned()]) {
        let rendered = kit.kustomize(&below);
        let pod = rendered.pod();
        let labels = &rendered.one("Namespace")["metadata"]["labels"];
        let (level, baseline, restricted) = match below.as_str() {
            "overlays/restricted" => ("restricted", sorted(&[]), sorted(&[])),
            "overlays/host-network" => {
                ("privileged", sorted(&[&BROKER[..1], &HOST]), sorted(&[&BROKER, &HOST]))
            }
            _ => ("privileged", sorted(&[&BROKER[..1]]), sorted(&[&BROKER])),
        };
        assert_eq!(labels[ENFORCE], level, "{below}");
        assert_eq!(labels["pod-security.kubernetes.io/warn"], "restricted", "{below}");
        assert_eq!(violations(Level::Baseline, pod), baseline, "{below}");
        assert_eq!(violations(Level::Restricted, pod), restricted, "{below}");
    }
}

/// A pod that a level refuses, and by which fields.
type Case = (&'static str, Value, &'static [&'static str]);

/// The pod of the overlay `restricted`, with one thing changed: at a place, to a value.
fn cases() -> Vec<Case> {
    vec![
        ("/hostNetwork", json!(true), &["pod: hostNetwork"]),
        ("/hostPID", json!(true), &["pod: hostPID"]),
        (
            "/volumes/0",
            json!({"name": "x", "hostPath": {"path": "/"}}),
            &["pod: volumes", "pod: volumes.hostPath"],
        ),
        ("/volumes/0", json!({"name": "x", "nfs": {}}), &["pod: volumes"]),
        ("/securityContext/sysctls/0/name", json!("kernel.msgmax"), &["pod: sysctls"]),
        ("/securityContext/seccompProfile/type", json!("Unconfined"), &ALL_UNCONFINED),
        ("/securityContext/runAsNonRoot", json!(null), &NOT_SAID_TO_BE_OTHERS),
        ("/securityContext/seLinuxOptions", json!({"type": "spc_t"}), &["pod: seLinuxOptions"]),
        ("/containers/0/securityContext/privileged", json!(true), &["http: privileged"]),
        ("/containers/0/securityContext/runAsUser", json!(0), &["http: runAsUser"]),
        ("/containers/0/securityContext/procMount", json!("Unmasked"), &["http: procMount"]),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(null),
            &["http: allowPrivilegeEscalation"],
        ),
        (
            "/containers/0/securityContext/capabilities/drop",
            json!(["NET_RAW"]),
            &["http: capabilities.drop"],
        ),
        (
            "/initContainers/0/securityContext/capabilities/add",
            json!(["NET_ADMIN"]),
            &["policy: capabilities.add"],
        ),
        (
            "/initContainers/0/securityContext/appArmorProfile",
            json!({"type": "Unconfined"}),
            &["policy: appArmorProfile"],
        ),
        ("/containers/0/ports/0/hostPort", json!(8080), &["http: hostPort"]),
        ("/containers/0/livenessProbe/httpGet/host", json!("10.0.0.1"), &["http: probe host"]),
    ]
}

const ALL_UNCONFINED: [&str; 5] = [
    "broker: seccompProfile",
    "folders: seccompProfile",
    "http: seccompProfile",
    "pod: seccompProfile",
    "policy: seccompProfile",
];

const NOT_SAID_TO_BE_OTHERS: [&str; 4] =
    ["broker: runAsNonRoot", "folders: runAsNonRoot", "http: runAsNonRoot", "policy: runAsNonRoot"];

/// Puts a value where a pointer leads, making the last key.
fn put(pod: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = pod.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match key.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[key] = value,
    }
}

#[test]
fn a_pod_that_goes_beyond_its_level_is_told_of_by_field() {
    let Some(kit) = Kit::find() else { return };
    let rendered = kit.kustomize("overlays/restricted");
    for (pointer, value, expected) in cases() {
        let mut pod = rendered.pod().clone();
        put(&mut pod, pointer, value);
        assert_eq!(violations(Level::Restricted, &pod), expected, "{pointer}");
    }
    // What baseline lets add, restricted does not.
    let mut pod = rendered.pod().clone();
    put(&mut pod, "/containers/0/securityContext/capabilities/add", json!(["CHOWN"]));
    assert_eq!(violations(Level::Baseline, &pod), [""; 0]);
    assert_eq!(violations(Level::Restricted, &pod), ["http: capabilities.add"]);
}
