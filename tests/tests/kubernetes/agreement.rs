//! The chart and the kustomize base are one thing, said twice: what each renders is compared, and so is each
//! component with the values that switch it on.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::manifests::{Kit, Manifests, folders};

/// Each overlay, with the values of the chart that come to the same.
const OVERLAYS: [(&str, &[&str]); 6] = [
    ("audit-log", &["auditLog=true"]),
    ("daemonset", &["kind=\"DaemonSet\""]),
    ("host-network", &["kind=\"DaemonSet\"", "hostNetwork=true"]),
    ("http-replicas", &["sessionAffinity=true", "autoscaling.min=3", "autoscaling.max=12"]),
    ("monitoring", &["serviceMonitor.enabled=true"]),
    ("restricted", &["netRaw=false"]),
];

/// What Helm writes on everything that it makes.
const HELM_LABELS: [&str; 3] =
    ["app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"];

#[test]
fn the_chart_is_the_base() {
    let Some(kit) = Kit::find() else { return };
    assert_same(kit.kustomize("base"), kit.helm(&[]), "base");
}

#[test]
fn the_chart_with_its_values_is_each_overlay() {
    let Some(kit) = Kit::find() else { return };
    assert_eq!(folders("overlays"), OVERLAYS.map(|(name, _)| name), "each is in the table");
    assert_eq!(folders("components"), OVERLAYS.map(|(name, _)| name));
    for (name, values) in OVERLAYS {
        assert_same(kit.kustomize(&format!("overlays/{name}")), kit.helm(values), name);
    }
}

/// Components that change one another's pods.
#[test]
fn components_go_together_as_values_do() {
    let Some(kit) = Kit::find() else { return };
    let folder = tempfile::Builder::new().tempdir_in(crate::manifests::folder()).unwrap();
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
        resources: [../base]\ncomponents: [../components/restricted, ../components/daemonset, \
        ../components/audit-log, ../components/monitoring]\n";
    std::fs::write(folder.path().join("kustomization.yaml"), text).unwrap();
    let values =
        ["netRaw=false", "kind=\"DaemonSet\"", "auditLog=true", "serviceMonitor.enabled=true"];
    assert_same(kit.kustomize_folder(folder.path()), kit.helm(&values), "several");
}

fn assert_same(base: Manifests, chart: Manifests, what: &str) {
    let (base, chart) = (normal(base), normal(chart));
    let mut found = Vec::new();
    differences("", &base, &chart, &mut found);
    assert!(
        found.is_empty(),
        "{what}: the kustomization and the chart differ\n{}",
        found.join("\n")
    );
}

/// What a manifest says, by kind and name, without what either program writes of its own accord.
fn normal(manifests: Manifests) -> Value {
    // Helm makes no namespace; NOTES.txt has the line that labels it.
    let objects = manifests.0.into_iter().filter(|object| object["kind"] != "Namespace");
    let named = objects.map(plain).map(|object| {
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        (name.replace('"', ""), object)
    });
    Value::Object(named.collect())
}

fn plain(mut object: Value) -> Value {
    let labels = object["metadata"]["labels"].as_object_mut().expect("every object has labels");
    labels.retain(|key, _| !HELM_LABELS.contains(&key.as_str()));
    if let Some(metadata) = object["metadata"].as_object_mut() {
        // Helm would remove the ConfigMap of pods that are still there; kubectl does not.
        metadata.remove("annotations");
    }
    name_policy(&mut object);
    object
}

/// The policy's ConfigMap has a name that ends in a hash of its text, each program's own.
fn name_policy(value: &mut Value) {
    match value {
        Value::String(text) => {
            let hash = text.strip_prefix("probity-policy-").filter(|hash| hash.len() == 10);
            if hash.is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
                *text = "probity-policy-HASH".to_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(name_policy),
        Value::Object(fields) => fields.values_mut().for_each(name_policy),
        _ => {}
    }
}

/// Where two values differ: the place, and what stands there in each.
fn differences(place: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for key in keys {
                differences(&format!("{place}/{key}"), &left[key], &right[key], found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (left, right)) in one.iter().zip(other).enumerate() {
                differences(&format!("{place}/{at}"), left, right, found);
            }
        }
        (left, right) if left != right => found.push(format!("{place}: {left} | {right}")),
        _ => {}
    }
}

/// A comparison that finds nothing is worth as much as what it finds where something is.
#[test]
fn a_difference_is_told_by_its_place() {
    let Some(kit) = Kit::find() else { return };
    let (base, chart) = (kit.kustomize("base"), kit.helm(&["grace=60", "netRaw=false"]));
    let mut found = Vec::new();
    differences("", &normal(base), &normal(chart), &mut found);
    let places: Vec<_> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    let pod = "/Deployment probity/spec/template/spec";
    let expected = [
        "/containers/0/env/7/value",
        "/initContainers/2/securityContext/allowPrivilegeEscalation",
        "/initContainers/2/securityContext/capabilities/add",
        "/securityContext/sysctls",
        "/terminationGracePeriodSeconds",
    ];
    assert_eq!(places, expected.map(|place| format!("{pod}{place}")), "{found:#?}");
}
