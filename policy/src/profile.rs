//! Syscall profiles: commented data under `defaults/profiles/`, compiled in.
//!
//! A tool file names one. The broker turns it into filters; this module only reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use serde::Deserialize;

/// What a tool's process may ask of the kernel. Whatever is not listed answers EPERM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name a tool file uses.
    pub name: String,
    /// Names of system calls.
    pub syscalls: BTreeSet<String>,
    /// What it may be beside its one thread, if anything.
    pub clone: Option<Clones>,
    /// Sockets it may open. `AF_UNIX` cannot be written here.
    pub sockets: BTreeSet<SocketRule>,
    /// What it may be given to read besides the tool file's own list: libraries and system files.
    /// Paths that a machine does not have are left out.
    pub read: BTreeSet<PathBuf>,
    /// What it may execute besides its command: the dynamic loader.
    pub execute: BTreeSet<PathBuf>,
    /// Devices it may read and write.
    pub read_write: BTreeSet<PathBuf>,
}

/// What the system call `clone` may make. Threads share their memory, which a broker that reads an
/// address in it has to know; processes do not, as far as filters can see to it. So never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clones {
    /// Threads of the one process. It sends on sockets that are connected, and no other way.
    Threads,
    /// Processes, none of which shares memory with another that runs: helpers.
    Processes,
}

/// One kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketRule {
    /// The address family.
    pub family: SocketFamily,
    /// The type, without its flags.
    #[serde(rename = "type")]
    pub kind: SocketType,
}

/// Address families that exist for tools. There is no `unix`, on purpose: Landlock does not cover
/// path-named Unix sockets, and through one a tool could reach another service's privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketFamily {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// Interfaces and routes, to read.
    Netlink,
    /// Whole frames; needs `CAP_NET_RAW`.
    Packet,
}

/// Socket types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketType {
    /// TCP.
    Stream,
    /// UDP, and ICMP echo without a capability.
    Dgram,
    /// Raw; needs `CAP_NET_RAW`, except for netlink.
    Raw,
}

/// The profiles as written, by name.
const SHIPPED: &[(&str, &str)] = &[
    ("base", include_str!("../defaults/profiles/base.toml")),
    ("network", include_str!("../defaults/profiles/network.toml")),
    ("echo", include_str!("../defaults/profiles/echo.toml")),
    ("route", include_str!("../defaults/profiles/route.toml")),
    ("packet-scanner", include_str!("../defaults/profiles/packet-scanner.toml")),
    ("event-loop", include_str!("../defaults/profiles/event-loop.toml")),
    ("helper", include_str!("../defaults/profiles/helper.toml")),
    ("link", include_str!("../defaults/profiles/link.toml")),
    ("capture", include_str!("../defaults/profiles/capture.toml")),
    ("routes", include_str!("../defaults/profiles/routes.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    syscalls: Vec<String>,
    clone: Option<Clones>,
    #[serde(default)]
    sockets: Vec<SocketRule>,
    #[serde(default)]
    read: Vec<PathBuf>,
    #[serde(default)]
    execute: Vec<PathBuf>,
    #[serde(default)]
    read_write: Vec<PathBuf>,
}

impl Profile {
    /// The names a tool file may use.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// A profile with everything it includes.
    ///
    /// # Errors
    /// What is wrong, in a sentence: an unknown name, or shipped data that does not parse (which a
    /// test rules out).
    pub fn shipped(name: &str) -> Result<Self, String> {
        let (known, text) = SHIPPED.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            let names = Self::names().collect::<Vec<_>>().join(", ");
            format!("no syscall profile is called {name:?}; there are {names}")
        })?;
        let raw: RawProfile = toml::from_str(text).map_err(|e| format!("profile {known}: {e}"))?;
        let mut profile = Self {
            name: (*known).to_owned(),
            syscalls: raw.syscalls.into_iter().collect(),
            clone: raw.clone,
            sockets: raw.sockets.into_iter().collect(),
            read: raw.read.into_iter().collect(),
            execute: raw.execute.into_iter().collect(),
            read_write: raw.read_write.into_iter().collect(),
        };
        for included in raw.include {
            // The shipped files include only files above them, so this ends.
            let included = Self::shipped(&included)?;
            profile.syscalls.extend(included.syscalls);
            profile.clone = profile.clone.or(included.clone);
            profile.sockets.extend(included.sockets);
            profile.read.extend(included.read);
            profile.execute.extend(included.execute);
            profile.read_write.extend(included.read_write);
        }
        profile.syscalls.extend(profile.clone.map(|_| "clone".to_owned()));
        Ok(profile)
    }

    /// The same, read once however many tools name it.
    ///
    /// # Errors
    /// As [`Profile::shipped`].
    pub(crate) fn shared(name: &str) -> Result<Arc<Self>, String> {
        static ALL: LazyLock<BTreeMap<&str, Arc<Profile>>> = LazyLock::new(|| {
            let all = Profile::all().unwrap_or_default().into_iter();
            all.map(|(name, profile)| (name, Arc::new(profile))).collect()
        });
        match ALL.get(name) {
            Some(profile) => Ok(Arc::clone(profile)),
            // The sentence that says why there is none.
            None => Self::shipped(name).map(Arc::new),
        }
    }

    /// Every shipped profile, by name.
    ///
    /// # Errors
    /// As [`Profile::shipped`].
    pub fn all() -> Result<BTreeMap<&'static str, Self>, String> {
        Self::names().map(|name| Ok((name, Self::shipped(name)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_parses_and_holds_more_than_nothing() {
        for (name, profile) in Profile::all().unwrap() {
            assert!(!profile.syscalls.is_empty(), "{name}");
        }
    }

    #[test]
    fn no_profile_lets_a_tool_leave_its_group_trace_or_make_code_of_memory() {
        for (name, profile) in Profile::all().unwrap() {
            for never in [
                "setsid",
                "setpgid",
                "ptrace",
                "memfd_create",
                "mount",
                "bpf",
                "unshare",
                "execveat",
                "clone3",
                "io_uring_setup",
            ] {
                assert!(!profile.syscalls.contains(never), "{name} has {never}");
            }
        }
    }

    #[test]
    fn packet_sockets_are_for_those_that_need_them_and_never_beside_threads_and_helpers() {
        for (name, profile) in Profile::all().unwrap() {
            let packet = profile.sockets.iter().any(|s| s.family == SocketFamily::Packet);
            assert_eq!(packet, ["packet-scanner", "link", "capture"].contains(&name), "{name}");
            let clone = match name {
                "event-loop" => Some(Clones::Threads),
                "helper" => Some(Clones::Processes),
                _ => None,
            };
            assert_eq!(profile.clone, clone, "{name}");
            assert_eq!(profile.syscalls.contains("clone"), clone.is_some(), "{name}");
        }
    }
}
