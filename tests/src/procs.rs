//! What the kernel says about a process: the truth that a claim of confinement is held against.
//!
//! A broker may report that it dropped every capability; these functions read `/proc`, where the
//! kernel reports it. They only read: nothing here signals, traces or changes a process, and
//! nothing falls back to a default where a line is missing, for a default of zero capabilities
//! would pass every test.

use std::{
    collections::HashMap,
    fs, io,
    path::Path,
    process::Command,
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

/// The lines of `/proc/PID/status` that privilege tests look at.
///
/// They describe the thread whose id is the pid, the main thread: other threads of the process
/// may differ, and are read by passing their thread id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcStatus {
    /// Command name, at most 15 bytes, with the kernel's escapes.
    pub name: String,
    /// Parent process id; 0 where the parent is outside this pid namespace.
    pub ppid: u32,
    /// Number of threads in the process.
    pub threads: u32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Real, effective, saved and file-system user id. A drop that keeps a saved 0 is no drop.
    pub uids: [u32; 4],
    /// Real, effective, saved and file-system group id.
    pub gids: [u32; 4],
    /// Supplementary group ids.
    pub groups: Vec<u32>,
    /// Inheritable capabilities, one bit each (bit 13 is `CAP_NET_RAW`).
    pub cap_inh: u64,
    /// Permitted capabilities.
    pub cap_prm: u64,
    /// Effective capabilities.
    pub cap_eff: u64,
    /// Capability bounding set.
    pub cap_bnd: u64,
    /// Ambient capabilities.
    pub cap_amb: u64,
    /// Whether exec can no longer raise privileges (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privs: bool,
    /// Seccomp mode: 0 none, 1 strict, 2 filter.
    pub seccomp: u8,
    /// Number of seccomp filters in force.
    pub seccomp_filters: u32,
}

impl ProcStatus {
    /// Reads the status of process (or thread) `pid`.
    ///
    /// # Errors
    /// `NotFound` if there is no such process, `InvalidData` naming the line that is missing or
    /// unreadable.
    pub fn read(pid: u32) -> io::Result<Self> {
        // The command name may be any bytes; every other line is ASCII.
        let bytes = fs::read(format!("/proc/{pid}/status"))?;
        Self::of_text(&String::from_utf8_lossy(&bytes))
    }

    /// Reads the text of a status, as a process in another container sees it.
    ///
    /// # Errors
    /// `InvalidData` naming the line that is missing or unreadable.
    pub fn of_text(text: &str) -> io::Result<Self> {
        let uids = four(text, "Uid")?;
        let gids = four(text, "Gid")?;
        Ok(Self {
            name: field(text, "Name")?.to_owned(),
            ppid: number(text, "PPid")?,
            threads: number(text, "Threads")?,
            uid: uids[1],
            gid: gids[1],
            uids,
            gids,
            groups: numbers(text, "Groups")?,
            cap_inh: mask(text, "CapInh")?,
            cap_prm: mask(text, "CapPrm")?,
            cap_eff: mask(text, "CapEff")?,
            cap_bnd: mask(text, "CapBnd")?,
            cap_amb: mask(text, "CapAmb")?,
            no_new_privs: number::<u8>(text, "NoNewPrivs")? != 0,
            seccomp: number(text, "Seccomp")?,
            seccomp_filters: number(text, "Seccomp_filters")?,
        })
    }
}

/// Soft resource limits of a process, as `/proc/PID/limits` shows them; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time in seconds.
    pub cpu_seconds: Option<u64>,
    /// Address space in bytes.
    pub address_space_bytes: Option<u64>,
    /// Open files: the highest descriptor plus one.
    pub open_files: Option<u64>,
    /// Size of a core file in bytes.
    pub core_bytes: Option<u64>,
    /// Size of a file the process may write, in bytes.
    pub file_bytes: Option<u64>,
    /// Processes of the same real user.
    pub processes: Option<u64>,
}

/// Reads the soft resource limits of process `pid`.
///
/// # Errors
/// `NotFound` if there is no such process, `InvalidData` naming the limit that is missing or
/// unreadable.
pub fn limits(pid: u32) -> io::Result<Limits> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    Ok(Limits {
        cpu_seconds: soft_limit(&text, "Max cpu time")?,
        address_space_bytes: soft_limit(&text, "Max address space")?,
        open_files: soft_limit(&text, "Max open files")?,
        core_bytes: soft_limit(&text, "Max core file size")?,
        file_bytes: soft_limit(&text, "Max file size")?,
        processes: soft_limit(&text, "Max processes")?,
    })
}

/// All living descendants of process `pid`, parents before their children. Zombies count, for an
/// unreaped child is something a test wants to see.
///
/// A descendant whose parent died has been handed to another parent and is no longer found: to
/// prove that nothing survives, collect the pids before the parent ends.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let mut by_parent: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that ended since the listing is not a child any more.
        if let Some(parent) = parent(child) {
            by_parent.entry(parent).or_default().push(child);
        }
    }
    let mut found = by_parent.remove(&pid).unwrap_or_default();
    let mut next = 0;
    while let Some(child) = found.get(next) {
        // Removing each parent once ends the walk even if a pid was reused while listing.
        found.extend(by_parent.remove(child).unwrap_or_default());
        next += 1;
    }
    found
}

/// The broker below a process that may be its supervisor, or the parent of that.
///
/// A process is a broker's own if it is called `probity-broker` and no such process is below it. What
/// it starts is called the same until it executes the tool, so what is found has to stay.
#[must_use]
pub fn broker_below(pid: u32) -> Option<u32> {
    /// Looks, 5 ms apart, at which the same is found.
    const STEADY: usize = 4;

    let is_broker = |pid: &u32| ProcStatus::read(*pid).is_ok_and(|it| it.name == "probity-broker");
    // Parents come before their children.
    let find = || children(pid).into_iter().rfind(is_broker);
    let (mut found, mut same) = (find(), 0);
    let _ = wait_until(Duration::from_secs(5), || {
        let now = find();
        same = if now == found { same + 1 } else { 0 };
        found = now;
        same >= STEADY
    });
    found
}

/// A command by the user of a process, who may do to it what not every root may: in a container root may lack
/// the capability.
///
/// # Panics
/// Where there is no such process.
#[must_use]
pub fn as_its_user(pid: u32, program: &str) -> Command {
    let status = ProcStatus::read(pid).expect("the process's status");
    let this = ProcStatus::read(std::process::id()).expect("this process's status");
    if status.uids == this.uids {
        return Command::new(program);
    }
    let [uid, gid] = [status.uids[0], status.gids[0]].map(|id| id.to_string());
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups", program]);
    command
}

/// The supervisors and brokers below a process, parents first, without their tools.
#[must_use]
pub fn brokers_below(pid: u32) -> Vec<u32> {
    let is_broker = |pid: &u32| ProcStatus::read(*pid).is_ok_and(|it| it.name == "probity-broker");
    children(pid).into_iter().filter(is_broker).collect()
}

/// Asks `condition` every 5 ms until it holds or `timeout` has passed, and says whether it held.
/// It is asked at least once, and a last time at the end.
#[must_use]
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    const PAUSE: Duration = Duration::from_millis(5);

    let deadline = Instant::now() + timeout;
    loop {
        let is_over = Instant::now() >= deadline;
        if condition() {
            return true;
        }
        if is_over {
            return false;
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until these processes have nothing left to do: what they were told has gone through all of them,
/// and each thread of theirs waits for something else, or has ended. False where that takes longer than
/// half a minute.
#[must_use]
pub fn settle(pids: &[u32]) -> bool {
    /// Looks in a row, 5 ms apart, at which all of them slept.
    const STEADY: usize = 20;
    let mut in_a_row = 0;
    wait_until(Duration::from_secs(30), || {
        in_a_row = if pids.iter().all(|&pid| sleeps(pid)) { in_a_row + 1 } else { 0 };
        in_a_row >= STEADY
    })
}

/// Whether every thread of a process waits. One that has ended does nothing either.
fn sleeps(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    let state = |thread: fs::DirEntry| state(&thread.path().join("stat"));
    threads.flatten().all(|thread| matches!(state(thread), Some('S' | 'Z') | None))
}

/// What a process is doing, in the kernel's letter: `S` sleeps, `T` was stopped, `Z` has ended.
#[must_use]
pub fn state_of(pid: u32) -> Option<char> {
    state(Path::new(&format!("/proc/{pid}/stat")))
}

/// How many bytes a process has written to files and pipes; none where there is no such process.
#[must_use]
pub fn written_by(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("wchar: "))?.parse().ok()
}

fn state(stat: &Path) -> Option<char> {
    let bytes = fs::read(stat).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

fn parent(pid: u32) -> Option<u32> {
    let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&bytes);
    // `pid (name) state ppid …`: the name may hold blanks and brackets, so read past the last.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn field<'a>(text: &'a str, key: &str) -> io::Result<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| (name == key).then_some(value.trim()))
        .ok_or_else(|| invalid(key, "missing"))
}

fn number<T: FromStr>(text: &str, key: &str) -> io::Result<T> {
    let value = field(text, key)?;
    value.parse().map_err(|_| invalid(key, value))
}

fn numbers(text: &str, key: &str) -> io::Result<Vec<u32>> {
    let value = field(text, key)?;
    let parsed: Result<Vec<u32>, _> = value.split_ascii_whitespace().map(str::parse).collect();
    parsed.map_err(|_| invalid(key, value))
}

fn four(text: &str, key: &str) -> io::Result<[u32; 4]> {
    numbers(text, key)?.try_into().map_err(|_| invalid(key, "not four ids"))
}

fn mask(text: &str, key: &str) -> io::Result<u64> {
    let value = field(text, key)?;
    u64::from_str_radix(value, 16).map_err(|_| invalid(key, value))
}

fn soft_limit(text: &str, key: &str) -> io::Result<Option<u64>> {
    let rest = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .ok_or_else(|| invalid(key, "missing"))?;
    match rest.split_ascii_whitespace().next() {
        Some("unlimited") => Ok(None),
        Some(soft) => soft.parse().map(Some).map_err(|_| invalid(key, soft)),
        None => Err(invalid(key, "empty")),
    }
}

fn invalid(key: &str, value: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("line {key:?} of /proc: {value}"))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::{fs::MetadataExt, process::parent_id},
        process::{Command, Stdio, id},
    };

    use super::*;

    #[test]
    fn the_own_status_agrees_with_what_std_knows() {
        let status = ProcStatus::read(id()).unwrap();
        let owner = fs::metadata("/proc/self").unwrap();
        assert_eq!(status.ppid, parent_id());
        assert_eq!((status.uid, status.gid), (owner.uid(), owner.gid()));
        assert_eq!((status.uids[1], status.gids[1]), (status.uid, status.gid));
        assert!(status.threads >= 1);
        assert!(!status.name.is_empty());
        assert_eq!(status.cap_eff & !status.cap_prm, 0, "effective is a part of permitted");
        assert_eq!(status.seccomp == 2, status.seccomp_filters > 0);
    }

    #[test]
    fn a_missing_line_is_an_error_and_never_a_zero() {
        let text = fs::read_to_string("/proc/self/status").unwrap();
        for key in ["CapEff", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Uid"] {
            let without: Vec<&str> =
                text.lines().filter(|line| !line.starts_with(&format!("{key}:"))).collect();
            let refusal = ProcStatus::of_text(&without.join("\n")).unwrap_err();
            assert_eq!(refusal.kind(), io::ErrorKind::InvalidData);
            assert!(refusal.to_string().contains(key), "{refusal}");
        }
    }

    #[test]
    fn a_limit_set_by_the_shell_is_read_back() {
        let mut shell = Command::new("sh")
            .args(["-c", "ulimit -S -n 77; ulimit -S -c 0; ulimit -S -t unlimited; cat; :"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = shell.id();
        let is_set = wait_until(Duration::from_secs(5), || {
            limits(pid).is_ok_and(|limits| limits.open_files == Some(77))
                && !children(pid).is_empty()
        });
        let seen = limits(pid).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(is_set, "{seen:?}");
        assert_eq!((seen.core_bytes, seen.cpu_seconds), (Some(0), None));
    }

    #[test]
    fn children_are_found_down_to_grandchildren() {
        let mut shell = Command::new("sh")
            .args(["-c", "(cat; :); :"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = shell.id();
        let has_both = wait_until(Duration::from_secs(5), || children(pid).len() == 2);
        let found = children(pid);
        let is_mine = children(id()).contains(&pid);
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(has_both && is_mine, "{found:?}");
        assert!(children(pid).is_empty());
    }

    #[test]
    fn what_works_has_not_settled_and_what_waits_has() {
        let mut shell = Command::new("sh")
            .args(["-c", "read line; while :; do :; done"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = shell.id();
        let waits = settle(&[pid]);
        drop(shell.stdin.take());
        let works = wait_until(Duration::from_secs(5), || state_of(pid) == Some('R'));
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert!(waits && works);
        assert_eq!(state_of(pid), None);
    }

    #[test]
    fn waiting_asks_at_least_once_and_ends() {
        assert!(wait_until(Duration::ZERO, || true));
        assert!(!wait_until(Duration::from_millis(20), || false));
        assert_eq!(ProcStatus::read(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
