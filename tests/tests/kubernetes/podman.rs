//! Containers of a pod, and pods that a test left.

use std::{path::Path, process::Output, sync::Once};

use probity_tests::{container::podman, needs};

use crate::manifests::done;

/// Whether containers can be run of the image. Pods of test processes that were killed are removed first.
pub fn has_image() -> bool {
    static ONCE: Once = Once::new();
    let has_it = needs::image();
    if has_it {
        ONCE.call_once(remove_stale);
    }
    has_it
}

/// Names are as `container::name` gives them, with the number of the test's process.
fn remove_stale() {
    for name in done(&mut podman(["pod", "ls", "--format", "{{.Name}}"])).lines() {
        let owner = name.strip_prefix("pbt-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another process may have been quicker.
            let _ = podman(["pod", "rm", "--force", "--time", "0", name]).output();
        }
    }
}

/// A container of a pod, which goes with the pod.
#[derive(Debug)]
pub struct Container(pub String);

impl Container {
    /// Runs a program in it, as its user.
    pub fn exec(&self, words: &[&str]) -> Output {
        podman(["exec", &self.0]).args(words).output().unwrap()
    }

    /// A file in it, as its user reads it.
    pub fn read(&self, path: &str) -> Option<String> {
        let output = self.exec(&["/usr/bin/cat", path]);
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// What it has written, to each of its outputs.
    pub fn logs(&self) -> Output {
        podman(["logs", &self.0]).output().unwrap()
    }

    /// What podman knows of it.
    pub fn inspect(&self, format: &str) -> String {
        self.done(&["inspect", "--format", format])
    }

    /// Has podman do something to it.
    pub fn done(&self, words: &[&str]) -> String {
        done(podman(words.iter().copied()).arg(&self.0)).trim().to_owned()
    }
}
