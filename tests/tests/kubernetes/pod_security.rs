//! The Pod Security Standards' rules, as the API server's admission has them from version 1.34 on. It asks
//! nobody: a pod's fields against two levels.
//!
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>

use serde_json::Value;

use crate::manifests::containers;

/// How much a namespace allows. `privileged` allows everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No known way to more privileges.
    Baseline,
    /// What is good practice.
    Restricted,
}

/// Capabilities that a container may add at `baseline`. NET_RAW is not among them.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Settings of the kernel that are a pod's own.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

const SELINUX_TYPES: [&str; 5] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// Volumes at `restricted`: those that are not the node's.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What a level has against a pod: the container, or the pod, and the field.
pub fn violations(level: Level, pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    baseline(pod, &mut found);
    if level >= Level::Restricted {
        restricted(pod, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn baseline(pod: &Value, found: &mut Vec<String>) {
    for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
        note(found, is_true(&pod[namespace]), "pod", namespace);
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        note(found, !volume["hostPath"].is_null(), "pod", "volumes.hostPath");
    }
    for sysctl in pod["securityContext"]["sysctls"].as_array().into_iter().flatten() {
        note(found, !is_in(&sysctl["name"], &SYSCTLS), "pod", "sysctls");
    }
    contexts(pod, &mut |who, context| {
        note(found, is_true(&context["windowsOptions"]["hostProcess"]), who, "hostProcess");
        note(found, context["seccompProfile"]["type"] == "Unconfined", who, "seccompProfile");
        note(found, context["appArmorProfile"]["type"] == "Unconfined", who, "appArmorProfile");
        let selinux = &context["seLinuxOptions"];
        let is_custom = !selinux["user"].is_null() || !selinux["role"].is_null();
        let is_of_a_type = selinux["type"].is_null() || is_in(&selinux["type"], &SELINUX_TYPES);
        note(found, is_custom || !is_of_a_type, who, "seLinuxOptions");
    });
    for (who, container) in named(pod) {
        let context = &container["securityContext"];
        note(found, is_true(&context["privileged"]), who, "privileged");
        let mount = &context["procMount"];
        note(found, !mount.is_null() && mount != "Default", who, "procMount");
        for added in context["capabilities"]["add"].as_array().into_iter().flatten() {
            note(found, !is_in(added, &CAPABILITIES), who, "capabilities.add");
        }
        for port in container["ports"].as_array().into_iter().flatten() {
            note(found, port["hostPort"].as_u64().unwrap_or_default() != 0, who, "hostPort");
        }
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
        let hooks = ["postStart", "preStop"].map(|hook| &container["lifecycle"][hook]);
        for handler in probes.map(|probe| &container[probe]).into_iter().chain(hooks) {
            for kind in ["httpGet", "tcpSocket"] {
                let host = handler[kind]["host"].as_str().unwrap_or_default();
                note(found, !host.is_empty(), who, "probe host");
            }
        }
    }
}

fn restricted(pod: &Value, found: &mut Vec<String>) {
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let is_one = VOLUMES.iter().any(|kind| !volume[kind].is_null());
        note(found, !is_one, "pod", "volumes");
    }
    contexts(pod, &mut |who, context| {
        note(found, context["runAsUser"] == 0, who, "runAsUser");
        note(found, context["runAsNonRoot"] == false, who, "runAsNonRoot");
    });
    let all = &pod["securityContext"];
    for (who, container) in named(pod) {
        let context = &container["securityContext"];
        note(found, context["allowPrivilegeEscalation"] != false, who, "allowPrivilegeEscalation");
        let is_dropped = context["capabilities"]["drop"]
            .as_array()
            .is_some_and(|dropped| dropped.iter().any(|name| name == "ALL"));
        note(found, !is_dropped, who, "capabilities.drop");
        for added in context["capabilities"]["add"].as_array().into_iter().flatten() {
            note(found, added != "NET_BIND_SERVICE", who, "capabilities.add");
        }
        let of = |field: &str| if context[field].is_null() { &all[field] } else { &context[field] };
        note(found, of("runAsNonRoot") != true, who, "runAsNonRoot");
        let profile = &of("seccompProfile")["type"];
        note(found, !is_in(profile, &["RuntimeDefault", "Localhost"]), who, "seccompProfile");
    }
}

/// The pod's own security context, and that of each container.
fn contexts<'a>(pod: &'a Value, look: &mut dyn FnMut(&'a str, &'a Value)) {
    look("pod", &pod["securityContext"]);
    for (who, container) in named(pod) {
        look(who, &container["securityContext"]);
    }
}

fn named(pod: &Value) -> impl Iterator<Item = (&str, &Value)> {
    containers(pod).map(|container| (container["name"].as_str().unwrap_or("?"), container))
}

fn note(found: &mut Vec<String>, is_wrong: bool, who: &str, field: &str) {
    if is_wrong {
        found.push(format!("{who}: {field}"));
    }
}

fn is_true(value: &Value) -> bool {
    value == true
}

fn is_in(value: &Value, names: &[&str]) -> bool {
    value.as_str().is_some_and(|text| names.contains(&text))
}
