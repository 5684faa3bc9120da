//! Manifests as `kubectl kustomize` and `helm template` render them, read into values.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use probity_tests::needs;
use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// The programs that `make venv` puts into a folder.
#[derive(Debug)]
pub struct Kit(PathBuf);

/// Objects of the API, in the order in which they were rendered.
#[derive(Debug, Clone)]
pub struct Manifests(pub Vec<Value>);

/// Where `packaging/kubernetes` is.
pub fn folder() -> PathBuf {
    root().join("packaging/kubernetes")
}

/// Where the workspace is.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

impl Kit {
    /// The programs; none where `make venv` has not made them.
    pub fn find() -> Option<Self> {
        let kit = Self(root().join(".venv/kubernetes"));
        let programs = ["kubectl", "helm", "bin/kubernetes-validate"];
        programs.iter().all(|name| needs::tool(kit.0.join(name))).then_some(kit)
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// One of them, which asks no cluster: there is no configuration that would name one.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.0.join(program));
        command.env_clear().env("PATH", "/usr/bin").env("HOME", "/nonexistent");
        command.current_dir(root());
        command
    }

    /// What `kubectl kustomize` makes of a folder below `packaging/kubernetes`.
    pub fn kustomize(&self, below: &str) -> Manifests {
        self.kustomize_folder(&folder().join(below))
    }

    /// What it makes of any folder.
    pub fn kustomize_folder(&self, folder: &Path) -> Manifests {
        Manifests::read(&done(self.command("kubectl").arg("kustomize").arg(folder)))
    }

    /// What the chart comes to as the release `probity` in the namespace `probity`.
    pub fn helm(&self, set: &[&str]) -> Manifests {
        let mut helm = self.command("helm");
        helm.args(["template", "probity"]).arg(folder().join("chart"));
        helm.args(["--namespace", "probity"]);
        for value in set {
            helm.args(["--set-json", value]);
        }
        Manifests::read(&done(&mut helm))
    }
}

/// The standard output of a command that succeeds.
pub fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything that a command printed.
pub fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr];
    texts.map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

impl Manifests {
    /// Reads a stream of YAML documents.
    pub fn read(text: &str) -> Self {
        let documents = YamlLoader::load_from_str(text).unwrap();
        let objects = documents.iter().map(as_json).filter(|object| !object.is_null());
        Self(objects.collect())
    }

    /// The one object of a kind.
    pub fn one(&self, kind: &str) -> &Value {
        let found: Vec<_> = self.0.iter().filter(|object| object["kind"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind} in {:?}", self.kinds());
        found[0]
    }

    /// The kinds, sorted.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<_> =
            self.0.iter().filter_map(|object| object["kind"].as_str()).collect();
        kinds.sort_unstable();
        kinds
    }

    /// What the pods are made of.
    pub fn pod(&self) -> &Value {
        let is_daemon = self.kinds().contains(&"DaemonSet");
        &self.one(if is_daemon { "DaemonSet" } else { "Deployment" })["spec"]["template"]["spec"]
    }
}

/// A container of a pod, by its name.
pub fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let found = containers(pod).find(|container| container["name"] == name);
    found.unwrap_or_else(|| panic!("no container {name} in {pod}"))
}

/// Those of a pod that start one after another, and then those that run side by side.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().flat_map(|list| pod[list].as_array()).flatten()
}

/// The folders below one, by their names, sorted.
pub fn folders(below: &str) -> Vec<String> {
    let entries = fs::read_dir(folder().join(below)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn as_json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => Value::from(text.parse::<f64>().unwrap()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Boolean(is) => Value::from(*is),
        Yaml::Array(items) => Value::Array(items.iter().map(as_json).collect()),
        Yaml::Hash(pairs) => {
            let named = |(key, value): (&Yaml, &Yaml)| {
                (key.as_str().expect("keys are names").to_owned(), as_json(value))
            };
            Value::Object(pairs.iter().map(named).collect::<Map<_, _>>())
        }
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => panic!("no value of JSON: {yaml:?}"),
    }
}
