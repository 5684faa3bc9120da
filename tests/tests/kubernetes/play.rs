//! A rendered pod, run by `podman kube play`, in a network that a test made.
//!
//! podman 4.3 takes pods as the API has them, but for what a kubelet does around them. That is done here, in
//! the kubelet's way, and nothing else of the pod is touched:
//!
//! | a kubelet | here |
//! |---|---|
//! | makes volumes: an emptyDir that everybody may write, with the group `fsGroup`; a ConfigMap and a Secret as links to files of root's | the same folders, mounted as `hostPath` |
//! | mounts one file or folder of a volume (`subPath`) | that one, as a `hostPath` of its own |
//! | adds `fsGroup` to the groups of each container | as `supplementalGroups` |
//! | lets an init container with `restartPolicy` run on, and starts the next one by its startup probe | such ones are containers; [`Pod::start`] waits for the probe, and then starts what comes after |
//! | asks probes, and waits for a hook before it stops a container | tests do, by what stands in the manifest |
//! | gives the pod an address, and the sysctls that its security context names | the lab's client's, moved into the pod; written to its /proc/sys |

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use probity_tests::{
    container::{IMAGE, name, podman},
    lab::{CLIENT, Lab, ROUTER},
    procs::wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    manifests::{Manifests, containers, done, said},
    podman::Container,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Volumes of a pod, as a kubelet lays them out, and the pod with its names.
#[derive(Debug)]
pub struct Node {
    folder: TempDir,
    /// The pod's specification.
    spec: Value,
    name: String,
}

/// A pod that runs, until it is dropped.
#[derive(Debug)]
pub struct Pod {
    // Before its network and its volumes.
    removed: Removed,
    spec: Value,
    lab: Lab,
    node: Node,
}

impl Node {
    /// Lays out the volumes of a workload's pod; `tokens` is the Secret.
    pub fn lay_out(rendered: &Manifests, tokens: &str) -> Self {
        let node = Self {
            folder: tempfile::tempdir().unwrap(),
            spec: rendered.pod().clone(),
            name: name(),
        };
        // Containers' users pass through it.
        fs::set_permissions(node.folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        for volume in node.spec["volumes"].as_array().unwrap() {
            let name = volume["name"].as_str().unwrap();
            if volume["configMap"].is_object() {
                let map = rendered.one("ConfigMap");
                assert_eq!(volume["configMap"]["name"], map["metadata"]["name"]);
                node.project(name, &map["data"], 0o644);
            } else if volume["secret"].is_object() {
                let mode =
                    u32::try_from(volume["secret"]["defaultMode"].as_u64().unwrap()).unwrap();
                node.project(name, &json!({"tokens.toml": tokens}), mode);
            } else {
                assert!(volume["emptyDir"].is_object(), "{volume}");
                node.empty(name);
            }
        }
        node
    }

    fn group(&self) -> u32 {
        u32::try_from(self.spec["securityContext"]["fsGroup"].as_u64().unwrap()).unwrap()
    }

    /// Where a volume is.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn empty(&self, name: &str) -> PathBuf {
        let path = self.volume(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(0), Some(self.group())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2777)).unwrap();
        path
    }

    /// Files behind two links each, so that all of them change at once.
    fn project(&self, name: &str, files: &Value, mode: u32) {
        let volume = self.empty(name);
        let version = volume.join("..2026_01_01_00_00_00.1");
        fs::create_dir(&version).unwrap();
        symlink(version.file_name().unwrap(), volume.join("..data")).unwrap();
        for (file, text) in files.as_object().unwrap() {
            let path = version.join(file);
            fs::write(&path, text.as_str().unwrap()).unwrap();
            chown(&path, Some(0), Some(self.group())).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            symlink(Path::new("..data").join(file), volume.join(file)).unwrap();
        }
    }

    /// The pod with these containers, as podman takes it.
    fn pod(&self, name: &str, initial: &[&str], lasting: &[&str]) -> Value {
        let mut volumes = Vec::new();
        let mut of = |names: &[&str]| -> Vec<Value> {
            let found =
                containers(&self.spec).filter(|each| names.iter().any(|n| each["name"] == *n));
            found.map(|each| self.container(each, &mut volumes)).collect()
        };
        let (initial, lasting) = (of(initial), of(lasting));
        let mut context = self.spec["securityContext"].clone();
        context["supplementalGroups"] = json!([self.group()]);
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                // Else podman starts init containers again and again.
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": context,
                "initContainers": initial,
                "containers": lasting,
                "volumes": volumes,
            },
        })
    }

    fn container(&self, container: &Value, volumes: &mut Vec<Value>) -> Value {
        let mut container = container.clone();
        let fields = container.as_object_mut().unwrap();
        // Ports are a bridge's: here nobody comes from outside.
        for field in [
            "restartPolicy",
            "ports",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
        ] {
            fields.remove(field);
        }
        fields.insert("image".to_owned(), json!(IMAGE));
        fields.insert("imagePullPolicy".to_owned(), json!("Never"));
        for mount in container["volumeMounts"].as_array_mut().unwrap() {
            let volume = self.volume(mount["name"].as_str().unwrap());
            let path = match mount["subPath"].as_str() {
                Some(part) => volume.join(part).canonicalize().unwrap(),
                None => volume,
            };
            let name = format!("volume-{}", volumes.len());
            volumes.push(json!({"name": name, "hostPath": {"path": path}}));
            let fields = mount.as_object_mut().unwrap();
            fields.remove("subPath");
            fields.insert("name".to_owned(), json!(name));
        }
        container
    }

    /// Runs an init container that makes something, to its end.
    pub fn run_to_its_end(&self, name: &str) {
        let pod = format!("{}-{name}", self.name);
        let _removed = Removed(pod.clone());
        create(&self.pod(&pod, &[], &[name])).unwrap();
        done(&mut podman(["pod", "start", &pod]));
        let container = Container(format!("{pod}-{name}"));
        let code = container.done(&["wait"]);
        assert_eq!(code, "0", "{name}: {}", said(&container.logs()));
    }

    /// Starts the pod: its init containers, the sidecars, and the rest when those serve.
    ///
    /// # Errors
    /// What kept it from starting, with what the init container that failed has written.
    pub fn start(self) -> io::Result<Pod> {
        self.run_to_its_end("folders");
        let has = |name: &&str| containers(&self.spec).any(|each| each["name"] == *name);
        let lasting: Vec<_> = ["audit", "broker", "http"].into_iter().filter(has).collect();
        create(&self.pod(&self.name, &["policy"], &lasting))?;
        let pod = Pod {
            removed: Removed(self.name.clone()),
            spec: self.spec.clone(),
            lab: Lab::new().unwrap(),
            node: self,
        };
        pod.make_network();
        let started = podman(["pod", "start", pod.name()]).output()?;
        if !started.status.success() {
            let logs = said(&pod.container("policy").logs());
            return Err(io::Error::other(format!("{}\n{logs}", said(&started))));
        }
        let serves = wait_until(PATIENCE, || pod.probe("broker", "startupProbe"));
        assert!(serves, "the broker: {}", said(&pod.container("broker").logs()));
        pod.container("http").done(&["start"]);
        let serves = wait_until(PATIENCE, || pod.probe("http", "readinessProbe"));
        assert!(serves, "the frontend: {}", said(&pod.container("http").logs()));
        Ok(pod)
    }
}

impl Pod {
    /// Its name, with which those of its containers begin.
    pub fn name(&self) -> &str {
        &self.removed.0
    }

    /// One of its containers.
    pub fn container(&self, name: &str) -> Container {
        Container(format!("{}-{name}", self.name()))
    }

    /// The process that holds the pod's namespaces, by the number that this machine gives it.
    fn leader(&self) -> String {
        self.infra().inspect("{{.State.Pid}}")
    }

    fn infra(&self) -> Container {
        let id = ["pod", "inspect", "--format", "{{.InfraContainerID}}", self.name()];
        Container(done(&mut podman(id)).trim().to_owned())
    }

    /// The pod's network is the lab's client's: its link, with its address. And it has the pod's settings.
    fn make_network(&self) {
        self.infra().done(&["start"]);
        let (client, leader) = (self.lab.client(), self.leader());
        let mut script = format!(
            "set -e\n\
             link=$(ip -n {client} -o link show type veth | sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/')\n\
             ip -n {client} link set \"$link\" netns {leader}\n\
             pod() {{ nsenter --target {leader} --net \"$@\"; }}\n\
             pod ip addr add {CLIENT}/24 dev \"$link\"\n\
             pod ip link set \"$link\" up\n\
             pod ip route add default via {ROUTER}\n",
            client = client.name(),
        );
        for sysctl in self.spec["securityContext"]["sysctls"].as_array().into_iter().flatten() {
            let file = sysctl["name"].as_str().unwrap().replace('.', "/");
            let value = sysctl["value"].as_str().unwrap();
            script += &format!("pod sh -c 'echo {value} >/proc/sys/{file}'\n");
        }
        done(Command::new("/bin/sh").args(["-c", &script]));
    }

    /// A command in the pod's network, as another container of it would have it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["--target", &self.leader(), "--net", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Asks one of the manifest's probes, as a kubelet does: whether it is well.
    pub fn probe(&self, container: &str, probe: &str) -> bool {
        let found = containers(&self.spec).find(|each| each["name"] == container).unwrap();
        let probe = &found[probe];
        if let Some(words) = probe["exec"]["command"].as_array() {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            return self.container(container).exec(&words).status.success();
        }
        let path = probe["httpGet"]["path"].as_str().unwrap();
        assert_eq!(probe["httpGet"]["port"], "http");
        // By the pod's address, as its Host says, too.
        let mut curl = self.command("/usr/bin/curl");
        curl.args(["--silent", "--fail", "--noproxy", "*", "--max-time", "3"]);
        let output = curl.arg(format!("http://{CLIENT}:8080{path}")).output().unwrap();
        output.status.success()
    }

    /// Changes the way to the hosts.
    pub fn shell_at_the_router(&self, script: &str) {
        self.lab.router().shell(script).unwrap();
    }

    /// Where the node has a volume of the pod.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.node.volume(name)
    }
}

/// A pod that goes when this does.
#[derive(Debug)]
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = podman(["pod", "rm", "--force", "--time", "0", &self.0]).output();
    }
}

/// Makes a pod, whose network is its own, with nothing in it. It does not start yet.
fn create(pod: &Value) -> io::Result<()> {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
    fs::write(file.path(), pod.to_string())?;
    let mut play = podman(["kube", "play", "--start=false", "--network", "none"]);
    let output = play.arg(file.path()).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(said(&output))),
    }
}
