//! What a recorded run asked for and its sandbox refuses, and the least that would do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::calls::{Call, Outcome, is_clone};
use crate::{Clones, NetRaw, Plan, Profile, SocketFamily, SocketRule, SocketType};

/// So many files of one folder, and the folder is meant.
const FOLDER_OF: usize = 3;

/// Errors by which a kernel refuses, or says that it has no such call: whoever is told so without a sandbox
/// does without.
const REFUSALS: [&str; 3] = ["EPERM", "EACCES", "ENOSYS"];

/// All of it; nothing where the sandbox suffices.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Needs {
    /// Calls that its profile does not have.
    pub system_calls: BTreeSet<String>,
    /// Threads or processes that its profile does not have.
    pub starts: BTreeSet<&'static str>,
    /// Sockets that its profile does not have.
    pub sockets: BTreeSet<String>,
    /// The smallest profile that has all of it, where it is another one.
    pub profile: Option<String>,
    /// There is none that has all of it: what the profile that comes nearest lacks.
    pub in_no_profile: BTreeSet<String>,
    /// Files and folders that it read and may not.
    pub read: BTreeSet<PathBuf>,
    /// The kernel's own view of processes and devices, which it read and may not: seldom needed.
    pub read_of_kernel: BTreeSet<PathBuf>,
    /// Files that its user may not read, whatever the sandbox says.
    pub unreadable: BTreeSet<String>,
    /// Programs that it executed and may not.
    pub execute: BTreeSet<PathBuf>,
    /// Files that it made in its own folder, where its file gives it none.
    pub files_made: usize,
    /// Files that it wrote elsewhere, which no tool may.
    pub written: BTreeSet<PathBuf>,
    /// It was refused a socket that takes the capability.
    pub net_raw: bool,
    /// Where it sent packets, of which none is its target.
    pub elsewhere: BTreeSet<IpAddr>,
    /// What no profile lets a run do.
    pub never: BTreeSet<&'static str>,
    /// Limits that it met.
    pub limits: BTreeSet<&'static str>,
}

impl Needs {
    pub fn of(calls: &[Call], plan: &Plan, folder: &Path) -> Self {
        let mut needs = Self::default();
        let kernel = Kernel::of(calls);
        needs.profile_for(&kernel, plan.profile());
        needs.files(calls, plan, folder);
        for call in calls {
            needs.note(call, plan);
            needs.never.extend(never(call, kernel.starts.contains("threads")));
        }
        needs
    }

    /// Whether nothing of it is refused that a program cannot be expected to do without.
    pub fn is_met(&self) -> bool {
        let Self { read_of_kernel, unreadable, .. } = self;
        let rest = Self {
            read_of_kernel: read_of_kernel.clone(),
            unreadable: unreadable.clone(),
            ..Self::default()
        };
        *self == rest
    }

    /// What the profile lacks, and the one that lacks nothing.
    fn profile_for(&mut self, kernel: &Kernel, own: &Profile) {
        self.system_calls = kernel.calls.difference(&own.syscalls).cloned().collect();
        self.starts = kernel.starts.iter().filter(|s| !has_start(own, s)).copied().collect();
        self.sockets = kernel.sockets.difference(&own.sockets).map(socket_text).collect();
        let lacks = |profile: &Profile| {
            let calls = kernel.calls.difference(&profile.syscalls).cloned();
            let starts = kernel.starts.iter().filter(|s| !has_start(profile, s));
            let sockets = kernel.sockets.difference(&profile.sockets).map(socket_text);
            calls.chain(starts.map(|s| (*s).to_owned())).chain(sockets).collect::<BTreeSet<_>>()
        };
        if lacks(own).is_empty() {
            return;
        }
        // Shipped profiles parse: a test of theirs.
        let all = Profile::all().unwrap_or_default();
        let nearest = all.values().min_by_key(|profile| {
            (lacks(profile).len(), profile.sockets.len(), profile.syscalls.len())
        });
        if let Some(nearest) = nearest {
            self.in_no_profile = lacks(nearest);
            self.profile = (nearest.name != own.name).then(|| nearest.name.clone());
        }
    }

    fn files(&mut self, calls: &[Call], plan: &Plan, folder: &Path) {
        let profile = plan.profile();
        let allowed: Vec<PathBuf> = plan
            .read()
            .iter()
            .chain(&profile.read)
            .chain(&profile.read_write)
            .chain(&profile.execute)
            .chain(plan.execute())
            .filter_map(|path| fs::canonicalize(path).ok())
            .chain([fs::canonicalize(plan.command()).unwrap_or_default()])
            .collect();
        let mut read = BTreeSet::new();
        for call in calls.iter().filter(|call| ["open", "openat"].contains(&call.name.as_str())) {
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.has_flag(flag));
            match &call.result {
                Outcome::Done { path: Some(path), .. } => {
                    let path = PathBuf::from(path);
                    if path.starts_with("/proc") || path.starts_with("/sys") {
                        if !writes && !is_of_network(&path) {
                            self.read_of_kernel.insert(without_number(&path));
                        }
                    } else if path.starts_with(folder) {
                        self.files_made += usize::from(writes && plan.scratch().is_none());
                    } else if writes && path != Path::new("/dev/null") {
                        self.written.insert(path);
                    } else if !allowed.iter().any(|allowed| path.starts_with(allowed)) {
                        read.insert(path);
                    }
                }
                Outcome::Failed(error) if error == "EACCES" && !writes => {
                    self.unreadable.extend(call.text());
                }
                _ => {}
            }
        }
        self.read = by_folder(read);
    }

    fn note(&mut self, call: &Call, plan: &Plan) {
        match (call.name.as_str(), &call.result) {
            ("execve", Outcome::Done { .. }) => {
                // /bin is /usr/bin.
                let whole =
                    |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                let program = call.text().map(|text| whole(Path::new(&text)));
                let mut known = plan.execute().iter().map(PathBuf::as_path).chain([plan.command()]);
                self.execute
                    .extend(program.filter(|path| !known.any(|known| whole(known) == *path)));
            }
            ("socket", Outcome::Failed(error)) if error == "EPERM" => {
                self.net_raw |= plan.net_raw() == NetRaw::No;
            }
            ("mmap" | "brk" | "mremap", Outcome::Failed(error)) if error == "ENOMEM" => {
                self.limits.insert("memory");
            }
            (_, Outcome::Failed(error)) if error == "EMFILE" => {
                self.limits.insert("open_files");
            }
            ("connect" | "sendto" | "sendmsg" | "sendmmsg", _) => {
                let to = address(&call.arguments).filter(|to| !plan.reach().has(*to));
                self.elsewhere.extend(to);
            }
            _ => {}
        }
    }
}

/// What of a run concerns its profile.
struct Kernel {
    calls: BTreeSet<String>,
    starts: BTreeSet<&'static str>,
    sockets: BTreeSet<SocketRule>,
}

impl Kernel {
    fn of(calls: &[Call]) -> Self {
        let refused = |call: &&Call| matches!(&call.result, Outcome::Failed(error) if REFUSALS.contains(&error.as_str()));
        let mut kernel =
            Self { calls: BTreeSet::new(), starts: BTreeSet::new(), sockets: BTreeSet::new() };
        for call in calls.iter().filter(|call| !refused(call) && !asks_for_a_terminal(call)) {
            if is_clone(&call.name) {
                let is_thread = call.has_flag("CLONE_THREAD");
                kernel.starts.insert(if is_thread { "threads" } else { "processes" });
            } else {
                kernel.calls.insert(call.name.clone());
            }
            if call.name == "socket" {
                kernel.sockets.extend(socket(&call.arguments));
            }
        }
        // Which addresses this machine has: libc asks by netlink, and does without.
        if kernel.sockets.iter().any(|socket| socket.family != SocketFamily::Netlink) {
            kernel.sockets.retain(|socket| socket.family != SocketFamily::Netlink);
        }
        kernel
    }
}

/// libc asks whether it writes to a terminal, and does without an answer: no reason for a profile with sockets.
fn asks_for_a_terminal(call: &Call) -> bool {
    call.name == "ioctl" && (call.has_flag("TCGETS") || call.has_flag("TIOCGWINSZ"))
}

fn has_start(profile: &Profile, start: &str) -> bool {
    let own = match profile.clone {
        Some(Clones::Threads) => "threads",
        Some(Clones::Processes) => "processes",
        None => return false,
    };
    own == start
}

/// A socket as a profile lists it. None has Unix sockets, which libc asks a cache of names by, and does
/// without.
fn socket(arguments: &str) -> Option<SocketRule> {
    let mut words = arguments.split(", ");
    let family = match words.next()? {
        "AF_INET" => SocketFamily::Inet,
        "AF_INET6" => SocketFamily::Inet6,
        "AF_NETLINK" => SocketFamily::Netlink,
        "AF_PACKET" => SocketFamily::Packet,
        _ => return None,
    };
    let kind = match words.next()?.split('|').next()? {
        "SOCK_STREAM" => SocketType::Stream,
        "SOCK_DGRAM" => SocketType::Dgram,
        "SOCK_RAW" => SocketType::Raw,
        _ => return None,
    };
    Some(SocketRule { family, kind })
}

fn socket_text(socket: &SocketRule) -> String {
    format!("{:?} {:?}", socket.family, socket.kind).to_lowercase()
}

/// What of a call the fence refuses every run, whatever its profile.
fn never(call: &Call, has_threads: bool) -> Option<&'static str> {
    let port = || call.arguments.split_once("port=htons(")?.1.split(')').next();
    match call.name.as_str() {
        _ if !call.succeeded() => None,
        "socket"
            if call.arguments.starts_with("AF_NETLINK")
                && !call.arguments.contains("NETLINK_ROUTE") =>
        {
            Some("netlink for anything but routes and links")
        }
        "bind" if port().is_some_and(|port| port != "0") => Some("a port of its own choice"),
        "sendto" | "sendmsg" | "sendmmsg" if has_threads => {
            address(&call.arguments).map(|_| "a message by address, of a run with threads")
        }
        _ => None,
    }
}

/// The address that a call names.
fn address(arguments: &str) -> Option<IpAddr> {
    let after = |mark: &str| arguments.split_once(mark)?.1.split('"').next()?.parse().ok();
    let address: IpAddr = after("inet_addr(\"").or_else(|| after("inet_pton(AF_INET6, \""))?;
    // libc connects a socket to port 0 to learn its own address; nothing is sent.
    let is_asked = arguments.contains("port=htons(0)");
    (!is_asked && !address.is_unspecified()).then_some(address.to_canonical())
}

fn is_of_network(path: &Path) -> bool {
    without_number(path).starts_with("/proc/self/net")
}

/// A process by its number is the tool's own.
fn without_number(path: &Path) -> PathBuf {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = path.iter().filter_map(|part| part.to_str());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(root), Some("proc"), Some(number)) if is_number(number) => {
            Path::new(root).join("proc/self").join(parts.collect::<PathBuf>())
        }
        _ => path.to_owned(),
    }
}

/// Files, but a folder where several of it are read.
fn by_folder(files: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let mut count: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for folder in files.iter().filter_map(|file| file.parent()) {
        *count.entry(folder.to_owned()).or_default() += 1;
    }
    let files = files.into_iter().map(|file| match file.parent() {
        // Never all of /etc.
        Some(folder) if folder.iter().count() > 2 && count.get(folder) >= Some(&FOLDER_OF) => {
            folder.to_owned()
        }
        _ => file,
    });
    let all: BTreeSet<PathBuf> = files.collect();
    let below = |path: &PathBuf| all.iter().any(|other| other != path && path.starts_with(other));
    all.iter().filter(|path| !below(path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_files_of_a_folder_are_the_folder_and_those_of_etc_never_are() {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        let files = paths(&[
            "/usr/share/snmp/mibs/a",
            "/usr/share/snmp/mibs/b",
            "/usr/share/snmp/mibs/c",
            "/etc/a",
            "/etc/b",
            "/etc/c",
            "/usr/share/x/one",
        ]);
        let expected =
            paths(&["/usr/share/snmp/mibs", "/etc/a", "/etc/b", "/etc/c", "/usr/share/x/one"]);
        assert_eq!(by_folder(files), expected);
    }

    #[test]
    fn addresses_are_read_where_something_is_sent() {
        let of = |arguments: &str| address(arguments).map(|address| address.to_string());
        let v4 =
            r#"3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.9.0.2")}, 16"#;
        assert_eq!(of(v4).as_deref(), Some("10.9.0.2"));
        let v6 = r#"3, {sa_family=AF_INET6, sin6_port=htons(80), inet_pton(AF_INET6, "fd00::1", &sin6_addr)}, 28"#;
        assert_eq!(of(v6).as_deref(), Some("fd00::1"));
        assert_eq!(of(&v4.replace("53", "0")), None);
        assert_eq!(of("3, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110"), None);
    }

    #[test]
    fn who_asks_for_a_terminal_needs_no_profile_with_sockets() {
        let calls =
            |line: &str| Kernel::of(&[super::super::calls::Call::parse(line).unwrap()]).calls;
        let terminal = "ioctl(1, TCGETS, 0x7ffd) = -1 ENOTTY (Inappropriate ioctl for device)";
        assert!(calls(terminal).is_empty());
        assert_eq!(calls("ioctl(3, FIOCLEX) = 0").len(), 1);
    }

    #[test]
    fn what_no_profile_allows_is_told() {
        let call = |line: &str| super::super::calls::Call::parse(line).unwrap();
        let bind = |port: u16| {
            call(&format!(
                "bind(3, {{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"0.0.0.0\")}}, 16) = 0"
            ))
        };
        assert_eq!(never(&bind(40404), false), Some("a port of its own choice"));
        assert_eq!(never(&bind(0), true), None);
        let send = call(
            "sendto(3, \"x\", 1, 0, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = 1",
        );
        assert_eq!(never(&send, false), None);
        assert_eq!(never(&send, true), Some("a message by address, of a run with threads"));
        let sockets = call("socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_SOCK_DIAG) = 3");
        assert_eq!(never(&sockets, false), Some("netlink for anything but routes and links"));
        let routes = call("socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 3");
        assert_eq!(never(&routes, false), None);
        let connected = call("sendmsg(3, {msg_name=NULL, msg_namelen=0, msg_iovlen=1}, 0) = 1");
        assert_eq!(never(&connected, true), None);
    }

    #[test]
    fn the_numbers_of_processes_are_their_own() {
        let of = |path| without_number(Path::new(path)).display().to_string();
        assert_eq!(of("/proc/17/net/dev"), "/proc/self/net/dev");
        assert_eq!(of("/proc/sys/net"), "/proc/sys/net");
        assert_eq!(of("/sys/class/net"), "/sys/class/net");
    }
}
