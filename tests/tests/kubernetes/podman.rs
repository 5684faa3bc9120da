//! podman with the image that `make image-here` has built, in the store that it lies in.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use probity_tests::needs;

use crate::manifests::done;

/// The image, as it is tagged there.
pub const IMAGE: &str = "localhost/probity:latest";

/// What names of pods begin with, before the number of the test's process.
const PREFIX: &str = "pbt-k-";

/// Whether containers can be run of the image.
pub fn has_image() -> bool {
    // What the image was made of: it is there where the image is.
    let program = target().map(|target| target.join("image/build/programs/probity"));
    let program = program.unwrap_or_else(|| PathBuf::from("the container image: make image-here"));
    let has_it = needs::root()
        && ["/usr/bin/podman", "/usr/sbin/runc"].into_iter().all(needs::tool)
        && needs::tool(program);
    if has_it {
        static ONCE: Once = Once::new();
        ONCE.call_once(remove_stale);
    }
    has_it
}

/// Removes the pods of test processes that were killed.
fn remove_stale() {
    for name in done(&mut podman(["pod", "ls", "--format", "{{.Name}}"])).lines() {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another process may have been quicker.
            let _ = podman(["pod", "rm", "--force", "--time", "0", name]).output();
        }
    }
}

/// The folder that cargo builds in, where the image has been built.
fn target() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    this.ancestors().find(|folder| folder.join("podman").is_dir()).map(Path::to_owned)
}

/// podman with these words.
pub fn podman<'w>(words: impl IntoIterator<Item = &'w str>) -> Command {
    let store = target().expect("the image's store: make image-here").join("podman");
    let mut command = Command::new("/usr/bin/podman");
    command.env("CONTAINERS_CONF", store.join("containers.conf"));
    command.env("CONTAINERS_STORAGE_CONF", store.join("storage.conf"));
    command.args(words).stdin(Stdio::null());
    command
}

/// A name that no other test has.
pub fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A container of a pod.
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

    /// What it has written, to both of its outputs.
    pub fn logs(&self) -> Output {
        podman(["logs", &self.0]).output().unwrap()
    }

    /// What podman knows of it.
    pub fn inspect(&self, format: &str) -> String {
        done(&mut podman(["inspect", "--format", format, &self.0])).trim().to_owned()
    }

    /// Has podman do something to it.
    pub fn done(&self, words: &[&str]) -> String {
        done(podman(words.iter().copied()).arg(&self.0)).trim().to_owned()
    }
}
