//! What a tool's process may do: the capability, system calls, sockets and files.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use probity_protocol::Tier;

use super::{AboutTool, Dimension, Effect, some};
use crate::{
    effective::size,
    profile::{Clones, Profile, SocketRule},
    tool::{ArgvPart, CapabilityRule, Reach, Scratch, Tool, ToolSandbox},
};

pub(super) fn compare(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    capability(old, new, about);
    let (was, is) = (&old.sandbox, &new.sandbox);
    if was.profile.name != is.profile.name {
        let text = format!("system calls as of {}, was {}", is.profile.name, was.profile.name);
        about.differs(Dimension::Confinement, text);
    }
    let (before, after) = (&was.profile, &is.profile);
    members("system calls", &before.syscalls, &after.syscalls, about);
    members("what it may start", &clones(before), &clones(after), about);
    members("sockets", &sockets(before), &sockets(after), about);
    let all = |own: &[PathBuf], of_profile: &BTreeSet<PathBuf>| {
        own.iter().chain(of_profile).cloned().collect::<BTreeSet<_>>()
    };
    let reads = |s: &ToolSandbox| all(&s.read, &s.profile.read);
    let executes = |s: &ToolSandbox| all(&s.execute, &s.profile.execute);
    paths("read", &reads(was), &reads(is), about);
    paths("execute", &executes(was), &executes(is), about);
    paths("read and write", &before.read_write, &after.read_write, about);
    reach(was.reach, is.reach, about);
    scratch(was.scratch, is.scratch, about);
}

fn clones(profile: &Profile) -> BTreeSet<String> {
    let word = |clones| match clones {
        Clones::Threads => "threads".to_owned(),
        Clones::Processes => "helpers".to_owned(),
    };
    profile.clone.map(word).into_iter().collect()
}

fn reach(was: Reach, is: Reach, about: &mut AboutTool<'_>) {
    match (was, is) {
        (Reach::Target, Reach::Any) => {
            let text = "may send packets to every address, not to its target alone".to_owned();
            about.widens(Dimension::Confinement, Tier::Standard, text);
        }
        (Reach::Any, Reach::Target) => {
            let text = "may send packets to its target alone".to_owned();
            about.narrows(Dimension::Confinement, text);
        }
        (Reach::Target, Reach::Target) | (Reach::Any, Reach::Any) => {}
    }
}

fn scratch(was: Option<Scratch>, is: Option<Scratch>, about: &mut AboutTool<'_>) {
    let [before, after] =
        [was, is].map(|scratch| scratch.map_or((0, 0), |s| (s.files, s.file_bytes)));
    let word = |(files, bytes)| match files {
        0 => "no files".to_owned(),
        files => format!("{files} files of {}", size(bytes)),
    };
    let text = format!("may make {}, was {}", word(after), word(before));
    if after.0 > before.0 || after.1 > before.1 {
        about.widens(Dimension::Confinement, Tier::Standard, text);
    } else if after != before {
        about.narrows(Dimension::Confinement, text);
    }
}

fn capability(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    let (was, is) = (old.sandbox.net_raw, new.sandbox.net_raw);
    if was == is {
        return;
    }
    let text = format!("CAP_NET_RAW: {}, was {}", word(is), word(was));
    match lost(was, is) && !argv_follows_capability(new) {
        true => about.narrows(Dimension::NetRaw, text),
        false => about.widens(Dimension::NetRaw, Tier::Standard, text),
    }
}

/// Whether no run has the capability under the second rule that had not under the first.
fn lost(was: CapabilityRule, is: CapabilityRule) -> bool {
    is == CapabilityRule::Never || was == CapabilityRule::Always
}

/// Whether a run without the capability has another command line, so that to lose it is to run
/// something else.
pub(super) fn argv_follows_capability(tool: &Tool) -> bool {
    tool.argv.iter().any(|part| matches!(part, ArgvPart::Mode { raw, plain } if raw != plain))
}

const fn word(rule: CapabilityRule) -> &'static str {
    match rule {
        CapabilityRule::Never => "never",
        CapabilityRule::Always => "always",
        CapabilityRule::ByOption => "by option",
        CapabilityRule::UnlessPingSocket => "unless the kernel gives ICMP echo sockets",
    }
}

fn sockets(profile: &Profile) -> BTreeSet<String> {
    let name = |SocketRule { family, kind }: &SocketRule| format!("{family:?} {kind:?}");
    profile.sockets.iter().map(|socket| name(socket).to_lowercase()).collect()
}

fn members(what: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, about: &mut AboutTool<'_>) {
    let gained: Vec<_> = new.difference(old).collect();
    let lost: Vec<_> = old.difference(new).collect();
    said(&format!("has the {what}"), &gained, &format!("no longer has the {what}"), &lost, about);
}

/// A folder holds whatever is below it.
fn paths(verb: &str, old: &BTreeSet<PathBuf>, new: &BTreeSet<PathBuf>, about: &mut AboutTool<'_>) {
    let beyond = |these: &BTreeSet<PathBuf>, those: &BTreeSet<PathBuf>| {
        let outside = |path: &&PathBuf| !those.iter().any(|folder| path.starts_with(folder));
        these.iter().filter(outside).map(|p| Path::display(p).to_string()).collect::<Vec<_>>()
    };
    // A path below an old one may be a link to somewhere else, and Landlock goes where it leads.
    let gained: Vec<String> = new.difference(old).map(|p| Path::display(p).to_string()).collect();
    let lost = beyond(old, new);
    if gained.is_empty() && lost.is_empty() && old != new {
        about.differs(
            Dimension::Confinement,
            format!("may {verb} the same files, listed otherwise"),
        );
    }
    said(&format!("may {verb}"), &gained, &format!("may no longer {verb}"), &lost, about);
}

fn said(
    gains: &str,
    gained: &[impl ToString],
    loses: &str,
    lost: &[impl ToString],
    about: &mut AboutTool<'_>,
) {
    for (effect, verb, items) in [
        (Effect::Widens, gains, gained.iter().map(ToString::to_string).collect::<Vec<_>>()),
        (Effect::Narrows, loses, lost.iter().map(ToString::to_string).collect()),
    ] {
        let text = format!("{verb} {}", some(&items));
        match effect {
            _ if items.is_empty() => {}
            Effect::Widens => about.widens(Dimension::Confinement, Tier::Standard, text),
            _ => about.narrows(Dimension::Confinement, text),
        }
    }
}
