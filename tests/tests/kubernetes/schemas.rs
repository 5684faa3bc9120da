//! Every object, held against the API's own schemas, strictly: a key that the API does not know is a mistake.

use std::{collections::BTreeSet, fs};

use crate::manifests::{Kit, done, folders, said};

/// Objects of other APIs, whose schemas are nowhere to be had offline: the Prometheus operator's.
const ELSEWHERE: &[&str] = &["ServiceMonitor"];

/// The oldest version that the manifests are for, kubectl's own, and the newest that there is.
const VERSIONS: [&str; 3] = ["1.30.0", "1.34.0", "1.37.0"];

/// Renders a folder, and says what the schemas have against it.
fn against(kit: &Kit, version: &str, text: &str) -> Option<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    // What stands in several overlays is looked at once.
    let documents: BTreeSet<_> = text.split("\n---\n").map(str::trim).collect();
    let of_the_api = documents.into_iter().filter(|document| {
        !ELSEWHERE.iter().any(|kind| document.contains(&format!("\nkind: {kind}\n")))
    });
    fs::write(file.path(), of_the_api.collect::<Vec<_>>().join("\n---\n")).unwrap();
    let mut validate = kit.command("bin/kubernetes-validate");
    let output = validate.args(["--strict", "-k", version]).arg(file.path()).output().unwrap();
    let said = said(&output);
    // It warns of what it has no schema for, and goes on.
    (!output.status.success() || said.contains("WARN")).then_some(said)
}

#[test]
fn the_api_takes_the_base_the_overlays_and_the_chart() {
    let Some(kit) = Kit::find() else { return };
    let mut texts = Vec::new();
    let overlays = folders("overlays").into_iter().map(|name| format!("overlays/{name}"));
    for below in overlays.chain(["base".to_owned()]) {
        let folder = format!("packaging/kubernetes/{below}");
        texts.push(done(kit.command("kubectl").args(["kustomize", &folder])));
    }
    let mut helm = kit.command("helm");
    texts.push(done(helm.args(["template", "probity", "packaging/kubernetes/chart"])));
    let whole = texts.join("\n---\n");
    for version in VERSIONS {
        assert_eq!(against(&kit, version, &whole), None, "{version}");
    }
}

#[test]
fn an_object_that_the_api_does_not_take_is_told_of() {
    let Some(kit) = Kit::find() else { return };
    let base = done(kit.command("kubectl").args(["kustomize", "packaging/kubernetes/base"]));
    for (from, to) in [
        ("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
        ("periodSeconds: 10", "periodSeconds: ten"),
        ("kind: NetworkPolicy", "kind: NetworkPolice"),
    ] {
        let wrong = base.replacen(from, to, 1);
        assert_ne!(wrong, base);
        assert!(against(&kit, VERSIONS[1], &wrong).is_some(), "{to}");
    }
}

#[test]
fn values_that_the_chart_does_not_know_are_refused() {
    let Some(kit) = Kit::find() else { return };
    for (wrong, why) in [
        ("netRaw=\"no\"", "got string, want boolean"),
        ("replicas=3", "additional properties 'replicas' not allowed"),
        ("grace=4000", "maximum"),
        ("kind=\"StatefulSet\"", "must be one of"),
        // Two replicas on one node would want one port.
        ("hostNetwork=true", "must be 'DaemonSet'"),
        ("resources.http.limits.memory=512", "got number, want string"),
        ("networkPolicy.networks=[]", "minItems"),
    ] {
        let mut helm = kit.command("helm");
        helm.args(["template", "x", "packaging/kubernetes/chart", "--set-json", wrong]);
        let output = helm.output().unwrap();
        let said = said(&output);
        assert!(!output.status.success() && said.contains(why), "{wrong}: {said}");
    }
    let lint =
        kit.command("helm").args(["lint", "--strict", "packaging/kubernetes/chart"]).output();
    let lint = lint.unwrap();
    assert!(lint.status.success(), "{}", said(&lint));
}
