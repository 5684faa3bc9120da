//! docs/deploy.md is as it is written. What asks no cluster is run; what does is held against what kubectl says
//! of its own commands, and against the objects that there are. What is run in a pod, [`crate::played`] runs.

use std::{collections::BTreeSet, fs, process::Command};

use probity_tests::broker::program;
use serde_json::{Value, json};

use crate::manifests::{Kit, Manifests, container, containers, done, folder, folders, root, said};

/// Lines that take a registry, a scanner, or a pod that runs.
const ELSEWHERE: &[&str] =
    &["make image", "podman push ", "curl ", "trivy sbom ", "grype sbom:", "kubectl apply -k ."];

/// A namespace of somebody else's, whose pods may be callers.
const SOMEBODY: &str = "ingress-nginx";

fn page() -> String {
    fs::read_to_string(root().join("docs/deploy.md")).unwrap()
}

/// The texts of the page's fences of one language.
fn fences(language: &str) -> Vec<String> {
    let text = page();
    let start = format!("```{language}\n");
    let parts = text.split(&start).skip(1);
    parts.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// The lines of its shell, less their comments, and the commands of kubectl within its sentences.
pub fn lines() -> Vec<String> {
    let shell = fences("sh");
    let shell: Vec<_> = shell.iter().map(|fence| fence.replace("\\\n", " ")).collect();
    let lines = shell.iter().flat_map(|fence| fence.lines());
    let lines = lines.map(|line| line.split("  #").next().unwrap().trim().to_owned());
    let text = page();
    let spans = text.split('`').filter(|span| span.starts_with("kubectl "));
    let spans = spans.map(str::to_owned).filter(|span| !span.contains('\n'));
    lines.filter(|line| !line.is_empty()).chain(spans).collect()
}

#[test]
fn what_asks_no_cluster_is_run_and_what_does_is_known_to_kubectl() {
    let Some(kit) = Kit::find() else { return };
    let work = tempfile::tempdir().unwrap();
    fs::copy(folder().join("base/policy.toml"), work.path().join("policy.toml")).unwrap();
    let mut ran = 0;
    for line in lines() {
        if ELSEWHERE.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        if line.starts_with("kubectl ") && !line.starts_with("kubectl kustomize ") {
            is_known_to_kubectl(&kit, &line);
            continue;
        }
        ran += 1;
        // The same values and files, without a cluster to install to.
        let line = line
            .replace("helm upgrade --install ", "helm template ")
            .replace("packaging/kubernetes", folder().to_str().unwrap());
        let bin = program("probity");
        let path =
            format!("{}:{}:/usr/bin", bin.parent().unwrap().display(), kit.folder().display());
        let mut shell = Command::new("/bin/bash");
        shell.args(["-ec", &line]).current_dir(work.path()).env("PATH", path);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{line}: {}", said(&output));
    }
    assert!(ran >= 5, "{ran}");
}

/// Whether kubectl has the command with these flags, and the objects that it names are there.
fn is_known_to_kubectl(kit: &Kit, line: &str) {
    let (words, _) = line.split_once(" -- ").unwrap_or((line, ""));
    let words: Vec<_> = words.split_whitespace().skip(1).collect();
    let words = words.strip_prefix(&["-n", "probity"][..]).unwrap_or(&words);
    let commands = words.iter().take_while(|word| !word.starts_with('-'));
    let most = if ["rollout", "create"].contains(&words[0]) { 2 } else { 1 };
    let most = if words.starts_with(&["create", "secret"]) { 3 } else { most };
    let mut help = kit.command("kubectl");
    let help = done(help.args(commands.clone().take(most)).arg("--help"));
    let flags = words.iter().filter(|word| word.starts_with('-'));
    for flag in flags.map(|flag| flag.split('=').next().unwrap()) {
        let is_listed = match flag.strip_prefix("--") {
            Some(_) => help.contains(&format!("{flag}=")) || help.contains(&format!("{flag}[")),
            None => help.contains(&format!("    {flag}, --")),
        };
        assert!(is_listed, "{line}: {flag} in\n{help}");
    }
    let rendered = [kit.kustomize("overlays/audit-log"), kit.kustomize("overlays/monitoring")];
    let named = names(&rendered);
    for word in words.iter().skip(most) {
        if let Some(name) = word.strip_prefix("deployment/") {
            assert!(named.contains(&format!("Deployment {name}")), "{line}");
        }
    }
    for pair in words.windows(2) {
        let kind = match pair[0] {
            "hpa" => "HorizontalPodAutoscaler",
            "networkpolicy" => "NetworkPolicy",
            "namespace" if pair[1] != SOMEBODY => "Namespace",
            "-c" => {
                container(rendered[0].pod(), pair[1]);
                continue;
            }
            "-l" => {
                let label = json!({"app.kubernetes.io/name": "probity"});
                let pods = &rendered[0].one("Deployment")["spec"]["template"]["metadata"]["labels"];
                assert_eq!((pods, pair[1]), (&label, "app.kubernetes.io/name=probity"), "{line}");
                continue;
            }
            "generic" => {
                let tokens = &rendered[0].pod()["volumes"][1]["secret"]["secretName"];
                let endpoint = &rendered[1].one("ServiceMonitor")["spec"]["endpoints"][0];
                let metrics = &endpoint["authorization"]["credentials"]["name"];
                assert!([tokens, metrics].iter().any(|name| **name == pair[1]), "{line}");
                continue;
            }
            _ => continue,
        };
        assert!(named.contains(&format!("{kind} {}", pair[1])), "{line}");
    }
}

/// Each object's kind and name.
fn names(rendered: &[Manifests]) -> BTreeSet<String> {
    let objects = rendered.iter().flat_map(|rendered| &rendered.0);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let name = |it: &Value| format!("{} {}", text(&it["kind"]), text(&it["metadata"]["name"]));
    objects.map(name).collect()
}

/// The commands that the manifests' comments name, and those that Helm prints.
#[test]
fn what_comments_and_notes_say_is_known_to_kubectl() {
    let Some(kit) = Kit::find() else { return };
    let mut install = kit.command("helm");
    install.args(["install", "probity", "packaging/kubernetes/chart", "--namespace", "probity"]);
    install.args(["--dry-run=client", "--set-json", "serviceMonitor.enabled=true"]);
    let installed = done(&mut install);
    let (_, notes) = installed.split_once("\nNOTES:\n").unwrap();
    let level = "namespace probity pod-security.kubernetes.io/enforce=privileged\n";
    assert!(notes.contains(level), "{notes}");
    let mut texts = vec![notes.to_owned()];
    let mut folders = vec![folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                texts.push(fs::read_to_string(&path).unwrap());
            }
        }
    }
    let lines = texts.iter().flat_map(|text| text.lines());
    let lines = lines.map(|line| line.trim_start_matches(['#', ' ']));
    let lines = lines.filter(|line| line.starts_with("kubectl "));
    let mut found = 0;
    for line in lines.map(|line| line.split("   ").next().unwrap()) {
        found += 1;
        if !line.starts_with("kubectl kustomize ") {
            is_known_to_kubectl(&kit, line);
        }
    }
    assert!(found > 15, "{found}");
}

/// The kustomization of the page, in a folder beside `packaging`, comes to what the page says.
#[test]
fn the_kustomization_of_the_page_has_its_components_its_image_and_its_policy() {
    let Some(kit) = Kit::find() else { return };
    let own = tempfile::Builder::new().prefix(".kustomization-").tempdir_in(root()).unwrap();
    // The second is to be added to the first.
    let fences = fences("yaml");
    assert!(fences[0].starts_with("# kustomization.yaml") && fences[1].starts_with("patches:"));
    fs::write(own.path().join("kustomization.yaml"), fences.concat()).unwrap();
    fs::write(own.path().join("policy.toml"), "# mine\n").unwrap();
    let rendered = kit.kustomize_folder(own.path());
    assert!(rendered.kinds().contains(&"ServiceMonitor"));
    let names: Vec<_> = containers(rendered.pod()).map(|each| &each["name"]).collect();
    assert_eq!(names, ["policy", "folders", "audit", "broker", "http"]);
    for each in containers(rendered.pod()) {
        let image = format!("registry.example/probity:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(each["image"], image.as_str(), "{}", each["name"]);
    }
    let map = rendered.one("ConfigMap");
    assert_eq!(
        (&map["data"]["policy.toml"], &map["immutable"]),
        (&json!("# mine\n"), &json!(true))
    );
    let base = kit.kustomize("base");
    let other = &base.one("ConfigMap")["metadata"]["name"];
    assert_ne!(&map["metadata"]["name"], other, "another text is another name");
    let volume = &rendered.pod()["volumes"][0]["configMap"]["name"];
    assert_eq!(volume, &map["metadata"]["name"], "and the pods go by it");
}

#[test]
fn each_component_has_its_row() {
    let page = page();
    for name in folders("components") {
        let rows = page.lines().filter(|line| line.starts_with(&format!("| `{name}` | `")));
        assert_eq!(rows.count(), 1, "{name}");
    }
}
