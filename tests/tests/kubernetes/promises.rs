//! What the manifests and their comments say, held against what is rendered.

use std::{collections::BTreeSet, fs, process::Command};

use probity_tests::broker::program;
use serde_json::{Value, json};

use crate::manifests::{Kit, Manifests, container, containers, done, folder, folders, root, said};

fn base() -> Option<Manifests> {
    Some(Kit::find()?.kustomize("base"))
}

/// The guide's figures.
#[test]
fn requests_limits_and_probes_are_the_guide_figures() {
    let Some(base) = base() else { return };
    let pod = base.pod();
    for name in ["broker", "http"] {
        let resources = &container(pod, name)["resources"];
        assert_eq!(resources["requests"], json!({"memory": "256Mi", "cpu": "250m"}), "{name}");
        assert_eq!(resources["limits"], json!({"memory": "512Mi", "cpu": "500m"}), "{name}");
    }
    let http = container(pod, "http");
    let times = |probe: &str| {
        let probe = &http[probe];
        (probe["initialDelaySeconds"].clone(), probe["periodSeconds"].clone())
    };
    assert_eq!(times("livenessProbe"), (json!(30), json!(10)));
    assert_eq!(times("readinessProbe"), (json!(5), json!(5)));
    // docs/http.md has both as what an orchestrator asks, without a token.
    let page = fs::read_to_string(root().join("docs/http.md")).unwrap();
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(http[probe]["httpGet"]["path"], path);
        assert!(page.contains(&format!("| GET | `{path}` | anybody |")), "{path}");
    }
    assert_eq!(http["ports"], json!([{"name": "http", "containerPort": 8080}]));
}

#[test]
fn every_container_is_confined_and_the_broker_alone_gains_one_capability() {
    let Some(kit) = Kit::find() else { return };
    for below in folders("overlays").into_iter().map(|name| format!("overlays/{name}")) {
        let rendered = kit.kustomize(&below);
        let pod = rendered.pod();
        assert_eq!(pod["automountServiceAccountToken"], false, "{below}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{below}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{below}");
        for each in containers(pod) {
            let context = &each["securityContext"];
            assert_eq!(context["readOnlyRootFilesystem"], true, "{below}: {}", each["name"]);
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{below}");
            let may_gain = each["name"] == "broker" && below != "overlays/restricted";
            assert_eq!(context["allowPrivilegeEscalation"], may_gain, "{below}: {}", each["name"]);
            let added = if may_gain { json!(["NET_RAW"]) } else { Value::Null };
            assert_eq!(context["capabilities"]["add"], added, "{below}: {}", each["name"]);
            assert!(each["resources"]["limits"]["memory"].is_string(), "{below}");
        }
    }
}

/// The order in which they start: a policy is checked before anything goes by it, and the broker serves
/// before the frontend starts and ends after it. A patch that merged by names would change it.
#[test]
fn a_policy_is_checked_before_a_broker_starts_and_the_broker_serves_before_the_frontend() {
    let Some(kit) = Kit::find() else { return };
    for below in folders("overlays").into_iter().map(|name| format!("overlays/{name}")) {
        let rendered = kit.kustomize(&below);
        let pod = rendered.pod();
        let order: Vec<_> = containers(pod).filter_map(|each| each["name"].as_str()).collect();
        let expected: &[_] = match below.as_str() {
            "overlays/audit-log" => &["policy", "folders", "audit", "broker", "http"],
            _ => &["policy", "folders", "broker", "http"],
        };
        assert_eq!(order, expected, "{below}");
        for each in containers(pod) {
            let stays = ["audit", "broker"].iter().any(|name| each["name"] == *name);
            let policy = if stays { json!("Always") } else { Value::Null };
            assert_eq!(each["restartPolicy"], policy, "{below}: {}", each["name"]);
        }
        let policy = container(pod, "policy");
        assert_eq!(policy["command"], json!(["/usr/bin/probity-policy", "check"]));
        assert_eq!(policy["volumeMounts"][0], container(pod, "broker")["volumeMounts"][0]);
    }
}

/// A pod that is told to go has as long as what is in flight in it, and nobody is asked to replace a pod by
/// one that does not serve.
#[test]
fn a_pod_has_time_for_its_calls_and_goes_when_its_successor_serves() {
    let Some(base) = base() else { return };
    let pod = base.pod();
    let http = container(pod, "http");
    let env = http["env"].as_array().unwrap();
    let grace = env.iter().find(|variable| variable["name"] == "PROBITY_GRACE_SEC").unwrap();
    let grace: u64 = grace["value"].as_str().unwrap().parse().unwrap();
    let hook = http["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    let help = fs::read_to_string(root().join("broker/src/help.txt")).unwrap();
    assert!(help.contains("(default: 10, at most 3600)"), "the broker's own grace: {help}");
    // Each has seconds more for those that go on: to say what they had, and to be killed.
    let (frontend, broker) = (grace + 4, 10 + 2);
    let whole = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(whole >= hook + frontend + broker, "{whole}");
    // Every shipped tool but the longest scanner ends within it.
    let nmap = fs::read_to_string(root().join("policy/defaults/tools.d/nmap.toml")).unwrap();
    assert!(nmap.contains("timeout = \"10m\"") && grace == 600);
    let workload = &base.one("Deployment")["spec"];
    let page = fs::read_to_string(root().join("docs/deploy.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for (says, is_so) in [
        ("have 600 seconds (`PROBITY_GRACE_SEC`)", grace == 600),
        ("`terminationGracePeriodSeconds` 30 above it", whole == grace + 30),
        ("serving for five seconds (`preStop`)", hook == 5),
        ("the rollout fails after five minutes", workload["progressDeadlineSeconds"] == 300),
    ] {
        assert!(page.contains(says) && is_so, "{says}");
    }
    let update = &workload["strategy"]["rollingUpdate"];
    assert_eq!(update, &json!({"maxUnavailable": 0, "maxSurge": 1}));
}

/// What the policy lets aim at is what the fence lets through, and the policy is the shipped one for the
/// frontend's group.
#[test]
fn the_policy_is_the_shipped_one_and_the_fence_has_its_networks() {
    let Some(base) = base() else { return };
    let text = base.one("ConfigMap")["data"]["policy.toml"].as_str().unwrap();
    let networks = text.split("networks  = [").nth(1).unwrap().split(']').next().unwrap();
    let networks: BTreeSet<_> =
        networks.split(", ").map(|network| network.trim_matches('"')).collect();
    let rules = base.one("NetworkPolicy")["spec"]["egress"][0]["to"].as_array().unwrap();
    let fence: BTreeSet<_> =
        rules.iter().filter_map(|rule| rule["ipBlock"]["cidr"].as_str()).collect();
    assert_eq!(networks, fence);
    assert_eq!(fence, BTreeSet::from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]));

    let mut diff = Command::new(program("probity-policy"));
    diff.args(["diff", "--shipped", "--json"]).arg(folder().join("base/policy.toml"));
    let output = diff.output().unwrap();
    let diff: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&output)));
    let changes = diff["changes"].as_array().unwrap();
    let texts: BTreeSet<_> = changes.iter().filter_map(|change| change["text"].as_str()).collect();
    assert_eq!(texts, BTreeSet::from(["gained, standard tier", "lost"]), "{diff}");
    assert_eq!(diff["wider_for"], json!(["group 1000"]), "who the frontend runs as");
    let http = &container(base.pod(), "http")["securityContext"];
    assert_eq!((&http["runAsGroup"], &http["runAsUser"]), (&json!(1000), &json!(1000)));
    assert_eq!(base.pod()["securityContext"]["fsGroup"], 1000, "whose the socket is");
    let mut check = Command::new(program("probity-policy"));
    check.args(["check", "--strict"]).arg(folder().join("base/policy.toml"));
    done(&mut check);
}

#[test]
fn the_autoscaler_goes_by_a_metric_that_probity_has() {
    let Some(base) = base() else { return };
    let scaler = &base.one("HorizontalPodAutoscaler")["spec"];
    let metric = scaler["metrics"][0]["pods"]["metric"]["name"].as_str().unwrap();
    let page = fs::read_to_string(root().join("docs/http.md")).unwrap();
    assert!(page.contains(&format!("`{metric}{{tool}}`")), "{metric}");
    let rule = fs::read_to_string(folder().join("base/autoscaler.yaml")).unwrap();
    assert!(rule.contains(&format!("seriesQuery: '{metric}{{")), "the adapter's rule names it");
    assert_eq!(scaler["scaleTargetRef"]["name"], base.one("Deployment")["metadata"]["name"]);
}

#[test]
fn the_image_is_of_this_version() {
    let Some(kit) = Kit::find() else { return };
    let image = format!("probity:{}", env!("CARGO_PKG_VERSION"));
    let overlays = folders("overlays").into_iter().map(|name| format!("overlays/{name}"));
    for below in overlays.chain(["base".to_owned()]) {
        let rendered = kit.kustomize(&below);
        for each in containers(rendered.pod()) {
            assert_eq!(each["image"], image.as_str(), "{below}: {}", each["name"]);
        }
    }
}

/// Each selects the pods of this workload, and none selects others.
#[test]
fn services_budgets_and_policies_select_the_pods() {
    let Some(base) = base() else { return };
    let label = json!({"app.kubernetes.io/name": "probity"});
    let workload = &base.one("Deployment")["spec"];
    assert_eq!(workload["template"]["metadata"]["labels"], label);
    assert_eq!(workload["selector"]["matchLabels"], label);
    assert_eq!(base.one("Service")["spec"]["selector"], label);
    assert_eq!(base.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], label);
    let fence = &base.one("NetworkPolicy")["spec"];
    assert_eq!(fence["podSelector"]["matchLabels"], label);
    let dns = &fence["egress"][1]["to"][0]["podSelector"]["matchLabels"];
    assert_eq!(dns, &json!({"k8s-app": "kube-dns"}), "the name server's pods have their own");
}

/// Prometheus finds the pods by their Service, and is let in with a token that the page has made.
#[test]
fn prometheus_is_led_to_the_metrics_and_let_in() {
    let Some(kit) = Kit::find() else { return };
    let rendered = kit.kustomize("overlays/monitoring");
    let monitor = rendered.one("ServiceMonitor");
    let service = rendered.one("Service");
    assert_eq!(monitor["metadata"]["namespace"], service["metadata"]["namespace"]);
    let chosen = &monitor["spec"]["selector"]["matchLabels"];
    assert_eq!(chosen, &service["metadata"]["labels"]);
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    let page = fs::read_to_string(root().join("docs/http.md")).unwrap();
    assert_eq!(endpoint["path"], "/metrics");
    assert!(page.contains("| GET | `/metrics` | this machine |"), "others take a token");
    let from = rendered.one("NetworkPolicy")["spec"]["ingress"][0]["from"].as_array().unwrap();
    let name = |rule: &Value| {
        rule["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].clone()
    };
    assert!(from.iter().map(name).any(|name| name == "monitoring"), "{from:?}");
}

/// A release of another name has nothing that is another's, and goes by its own values.
#[test]
fn another_release_has_names_and_values_of_its_own() {
    let Some(kit) = Kit::find() else { return };
    let policy = "version = 1\n\n# {{ no template }}\nnames = [\"*.lab\"]\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), policy).unwrap();
    let mut helm = kit.command("helm");
    helm.args(["template", "lab", "packaging/kubernetes/chart", "--namespace", "net"]);
    helm.arg("--set-file").arg(format!("policy={}", file.path().display()));
    helm.args(["--set-json", "allowedHosts=[\"probes.example\"]"]);
    helm.args(["--set-json", "trustedProxies=[\"10.244.0.0/16\", \"10.0.0.7\"]"]);
    let networks = r#"networkPolicy.networks=[{"cidr":"10.0.0.0/8","except":["10.96.0.0/12"]}]"#;
    let rendered = Manifests::read(&done(helm.args(["--set-json", networks])));

    let map = rendered.one("ConfigMap");
    assert_eq!(map["data"]["policy.toml"], policy);
    let pod = rendered.pod();
    assert_eq!(pod["volumes"][0]["configMap"]["name"], map["metadata"]["name"]);
    let account = &rendered.one("ServiceAccount")["metadata"]["name"];
    assert_eq!((&pod["serviceAccountName"], account), (&json!("lab"), &json!("lab")));
    let env = container(pod, "http")["env"].as_array().unwrap();
    let hosts = env.iter().find(|variable| variable["name"] == "PROBITY_ALLOWED_HOSTS").unwrap();
    assert_eq!(hosts["value"], "lab,lab.net,lab.net.svc,lab.net.svc.cluster.local,probes.example");
    let proxies = json!({"name": "PROBITY_TRUSTED_PROXIES", "value": "10.244.0.0/16,10.0.0.7"});
    assert!(env.contains(&proxies), "{env:?}");
    let rule = &rendered.one("NetworkPolicy")["spec"]["egress"][0]["to"];
    assert_eq!(rule, &json!([{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.96.0.0/12"]}}]));
    for object in &rendered.0 {
        assert_eq!(object["metadata"]["namespace"], "net", "{object}");
        let label = &object["metadata"]["labels"]["app.kubernetes.io/name"];
        assert_eq!(label, "lab", "{object}");
        let name = object["metadata"]["name"].as_str().unwrap();
        assert!(name == "lab" || name.starts_with("lab-policy-"), "{name}");
    }
    assert_eq!(
        rendered.one("Service")["spec"]["selector"],
        json!({"app.kubernetes.io/name": "lab"})
    );
    assert_eq!(rendered.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"], "lab");
}
