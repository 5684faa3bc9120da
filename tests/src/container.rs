//! Containers of the image that `make image-here` has built, run by podman as an administrator would.
//!
//! Images and containers are in a store of their own below `target/podman`, so nothing of podman's on this
//! machine is touched. A container's network is a lab's client namespace or none at all. What a test made is
//! removed with it, by name; nothing else in the store is.

use std::{
    fs, io,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{sys::signal::Signal, unistd::Pid};

use crate::{lab::Lab, machine::said, procs::ProcStatus};

/// The image, as `make image-here` tags it.
pub const IMAGE: &str = "localhost/probity:latest";

/// The folder with the image's store, where it has been built.
#[must_use]
pub fn store() -> Option<PathBuf> {
    let folder = built()?.join("podman");
    folder.join("storage.conf").is_file().then_some(folder)
}

/// The list of the image's parts, where it has been built. It is written last.
#[must_use]
pub fn parts() -> Option<PathBuf> {
    let list = built()?.join("image/sbom.cdx.json");
    fs::metadata(&list).is_ok_and(|found| found.len() > 0).then_some(list)
}

/// The folder that cargo builds in.
fn built() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    this.ancestors().find(|folder| folder.join("image").is_dir()).map(Path::to_owned)
}

/// podman, or a program that starts it, with the image's store.
///
/// # Panics
/// Where the image is not built; `needs::image` asks.
#[must_use]
pub fn with_store(program: impl AsRef<Path>) -> Command {
    let store = store().expect("the image's store: make image-here");
    let mut command = Command::new(program.as_ref());
    command.env("CONTAINERS_CONF", store.join("containers.conf"));
    command.env("CONTAINERS_STORAGE_CONF", store.join("storage.conf"));
    command.stdin(Stdio::null());
    command
}

/// podman with these words.
#[must_use]
pub fn podman<'w>(words: impl IntoIterator<Item = &'w str>) -> Command {
    let mut command = with_store("/usr/bin/podman");
    command.args(words);
    command
}

/// Runs podman; what it wrote, if it succeeded.
///
/// # Errors
/// Its failure, with all that it said.
pub fn done<'w>(words: impl IntoIterator<Item = &'w str>) -> io::Result<String> {
    let mut command = podman(words);
    let output = command.output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(io::Error::other(format!("{command:?}\n{}", said(&output)))),
    }
}

/// A name that no other test has.
#[must_use]
pub fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("pbt-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// How a container is run.
#[derive(Debug, Clone)]
pub struct Run {
    options: Vec<String>,
}

impl Run {
    /// In a lab, as its client.
    #[must_use]
    pub fn in_lab(lab: &Lab) -> Self {
        Self::on(&format!("ns:/run/netns/{}", lab.client().name()))
    }

    /// Without a network.
    #[must_use]
    pub fn alone() -> Self {
        Self::on("none")
    }

    fn on(network: &str) -> Self {
        // A health check takes systemd to be asked at times; tests ask for it themselves.
        let options = ["--rm", "--no-healthcheck", "--network", network];
        Self { options: options.map(str::to_owned).to_vec() }
    }

    /// The same with more options of `podman run`, as a shell would split them.
    #[must_use]
    pub fn with(mut self, options: &str) -> Self {
        self.options.extend(options.split_whitespace().map(str::to_owned));
        self
    }

    /// The command that runs the image so; `words` are its entrypoint's.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = podman(["run"]);
        command.args(&self.options).arg(IMAGE).args(words);
        command
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// Those of starting podman.
    pub fn output(&self, words: &[&str]) -> io::Result<Output> {
        self.command(words).output()
    }

    /// Starts it and leaves it running.
    ///
    /// # Errors
    /// podman's, with what it said.
    pub fn start(&self, words: &[&str]) -> io::Result<Running> {
        let name = name();
        let run = self.clone().with(&format!("--detach --name {name}"));
        let container = Running(Container { name });
        let output = run.output(words)?;
        match output.status.success() {
            true => Ok(container),
            false => Err(io::Error::other(said(&output))),
        }
    }
}

/// What the processes of a container may use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupLimits {
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
}

/// A container by its name.
#[derive(Debug, Clone)]
pub struct Container {
    name: String,
}

/// A container that a test started, removed when dropped.
#[derive(Debug)]
pub struct Running(Container);

impl Deref for Running {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.remove();
    }
}

impl Container {
    /// One that something else started, and removes.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Runs a program in it, as its user.
    ///
    /// # Errors
    /// Those of starting podman.
    pub fn exec(&self, words: &[&str]) -> io::Result<Output> {
        podman(["exec", &self.name]).args(words).output()
    }

    /// A file in it, as its user reads it.
    ///
    /// # Errors
    /// podman's, with what it said.
    pub fn read(&self, path: &str) -> io::Result<String> {
        done(["exec", &self.name, "/usr/bin/cat", path])
    }

    /// What its own /proc says of one of its processes.
    ///
    /// # Errors
    /// That there is none.
    pub fn status(&self, pid: u32) -> io::Result<ProcStatus> {
        ProcStatus::of_text(&self.read(&format!("/proc/{pid}/status"))?)
    }

    /// All that it has written.
    ///
    /// # Errors
    /// Those of starting podman.
    pub fn logs(&self) -> io::Result<String> {
        Ok(said(&podman(["logs", &self.name]).output()?))
    }

    /// Its processes by the numbers that it gives them, without those that only look.
    ///
    /// # Errors
    /// podman's, with what it said.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        let listed = done(["exec", &self.name, "/usr/bin/ls", "/proc"])?;
        let numbers = listed.split_whitespace().filter_map(|name| name.parse().ok());
        let is_there = |pid: &u32| self.status(*pid).is_ok();
        Ok(numbers.filter(is_there).collect())
    }

    /// What its processes may use together.
    ///
    /// # Errors
    /// podman's, and numbers that are none.
    pub fn limits(&self) -> io::Result<CgroupLimits> {
        // Of the first version of cgroups and of the second.
        let number = |files: [&str; 2]| {
            let read = files.iter().find_map(|file| self.read(file).ok());
            let read = read.ok_or_else(|| io::Error::other(format!("none of {files:?}")))?;
            read.trim().parse().map_err(|_| io::Error::other(read))
        };
        let memory = ["/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"];
        let processes = ["/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"];
        Ok(CgroupLimits { memory_bytes: number(memory)?, processes: number(processes)? })
    }

    /// Runs the health check of its image.
    ///
    /// # Errors
    /// That it says no, with what it said.
    pub fn is_healthy(&self) -> io::Result<()> {
        done(["healthcheck", "run", &self.name]).map(drop)
    }

    /// Sends its first process a signal.
    ///
    /// # Errors
    /// podman's, with what it said.
    pub fn signal(&self, signal: &str) -> io::Result<()> {
        done(["kill", "--signal", signal, &self.name]).map(drop)
    }

    /// Kills its first process from outside of it, of which podman is not told: it was nobody's wish.
    ///
    /// # Errors
    /// That there is none.
    pub fn kill(&self) -> io::Result<()> {
        let pid = done(["inspect", "--format", "{{.State.Pid}}", &self.name])?;
        let pid = pid.trim().parse().ok().filter(|pid| *pid > 1);
        let pid = pid.ok_or_else(|| io::Error::other("it does not run"))?;
        Ok(nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL)?)
    }

    /// Ends it at once, and removes it with what it wrote.
    pub fn remove(&self) {
        let _ = podman(["rm", "--force", "--time", "0", &self.name]).output();
    }
}
