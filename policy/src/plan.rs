//! From an approval to exactly what is executed.
//!
//! Pure: what `explain` prints is what the broker runs. The fields are private, so that nobody can
//! change a plan after the policy made it.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use probity_protocol::{HostName, Identifier, PlanSummary, SandboxSummary, Tier, ToolName};

use crate::{
    decide::Approved,
    profile::Profile,
    source::Place,
    template::{Aim, Template, spelled},
    tool::{ArgvPart, CapabilityRule, Reach, Scratch},
};

/// Processor time beyond the wall clock's that a tool may use up while it is being ended.
const CPU_MARGIN: Duration = Duration::from_secs(2);

/// With less no tool starts, and a request for it would only make noise in the broker's log.
pub(crate) const LEAST_MEMORY: u64 = 16 << 20;
const LEAST_OPEN_FILES: u64 = 16;

/// An approved run.
#[derive(Debug, Clone)]
#[must_use = "a plan that is dropped runs nothing"]
pub struct Plan {
    tool: ToolName,
    target: Option<IpNet>,
    name: Option<HostName>,
    command: PathBuf,
    arguments: Vec<String>,
    limits: Limits,
    net_raw: NetRaw,
    profile: Arc<Profile>,
    read: Vec<PathBuf>,
    execute: Vec<PathBuf>,
    reach: Reach,
    scratch: Option<Scratch>,
    tier: Tier,
    concurrency: u32,
    grant_concurrency: Option<u32>,
    approvers: Vec<String>,
    rule: Place,
    note: Option<String>,
    until: Option<SystemTime>,
}

/// What a run may use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time.
    pub timeout: Duration,
    /// Processor time, in whole seconds.
    pub cpu_seconds: u64,
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Open descriptors.
    pub open_files: u64,
    /// Largest file written, in bytes: 0 where a run makes none.
    pub file_bytes: u64,
    /// Standard output kept, in bytes.
    pub stdout_bytes: u64,
    /// Standard error kept, in bytes.
    pub stderr_bytes: u64,
}

/// What a process may not exceed whatever the policy says: its hard limits. `u64::MAX` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardLimits {
    /// Processor time, in whole seconds.
    pub cpu_seconds: u64,
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Open descriptors.
    pub open_files: u64,
    /// Largest file written, in bytes.
    pub file_bytes: u64,
}

/// Whether a run is given `CAP_NET_RAW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetRaw {
    /// It is not.
    No,
    /// It is, and cannot do without.
    Yes,
    /// It is, unless the kernel gives the broker's group ICMP echo sockets.
    UnlessPingSocket,
}

/// Where a run may send packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketsTo {
    /// Its tool takes no target.
    Nowhere,
    /// Its target.
    Network(IpNet),
    /// Every address that the machine reaches.
    Everywhere,
}

impl PacketsTo {
    /// Whether an address is among them.
    #[must_use]
    pub fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Network(network) => network.contains(&address),
            Self::Everywhere => true,
        }
    }
}

/// A variable's value, as far as it is known before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentValue {
    /// This text.
    Text(&'static str),
    /// The folder made for a run that writes files; none where it does not.
    PrivateFolder,
}

/// Where a run without a folder is told that it has one, as Debian tells users without a home.
pub const NO_FOLDER: &str = "/nonexistent";

/// The whole environment of every tool. Nothing of the broker's own is passed on.
const fn environment(folder: EnvironmentValue) -> [(&'static str, EnvironmentValue); 4] {
    [
        // Parsers read the tools' own words, not a translation.
        ("LC_ALL", EnvironmentValue::Text("C")),
        ("TZ", EnvironmentValue::Text("UTC")),
        ("HOME", folder),
        ("TMPDIR", folder),
    ]
}

/// Turns an approval into what is executed.
// RULE: A call runs only if the policy approved it.
pub fn plan(approved: Approved<'_>) -> Plan {
    let Approved {
        policy,
        tool,
        target,
        name,
        settings,
        tier,
        timeout,
        requested,
        grant,
        approvers,
    } = approved;
    let ceilings = &policy.ceilings;
    let smaller = |asked: Option<u64>, most: u64| asked.map_or(most, |asked| asked.min(most));

    let used = || {
        let pairs = tool.options.iter().zip(&settings);
        pairs.filter_map(|(option, value)| value.as_ref().map(|value| (option, value)))
    };
    let net_raw = match tool.sandbox.net_raw {
        CapabilityRule::Never => NetRaw::No,
        CapabilityRule::Always => NetRaw::Yes,
        CapabilityRule::UnlessPingSocket => NetRaw::UnlessPingSocket,
        CapabilityRule::ByOption if used().any(|(option, _)| option.net_raw) => NetRaw::Yes,
        CapabilityRule::ByOption => NetRaw::No,
    };
    let aim = Aim { target, name: name.as_ref() };
    let value = |name: &Identifier| {
        let at = tool.option_index(name.as_str())?;
        tool.options.get(at)?.kind.render(settings.get(at)?.as_ref()?)
    };
    let word = |template: &Template| template.render(aim, value);
    let mut arguments = Vec::new();
    for part in &tool.argv {
        match part {
            ArgvPart::Mode { raw, plain } => {
                arguments.extend_from_slice(if net_raw == NetRaw::Yes { raw } else { plain });
            }
            ArgvPart::Options => {
                // RULE: No text of a client reaches a command line.
                arguments.extend(used().flat_map(|(option, value)| match &option.renders {
                    Some(words) => words.iter().filter_map(word).collect(),
                    None if option.is_placed => Vec::new(),
                    None => option.render(value),
                }));
            }
            ArgvPart::Word(template) => arguments.extend(word(template)),
        }
    }
    Plan {
        tool: tool.name.clone(),
        target,
        name,
        command: tool.command.clone(),
        arguments,
        limits: Limits {
            timeout,
            cpu_seconds: (timeout + CPU_MARGIN).as_secs(),
            // RULE: A setting of the frontend only ever tightens what the policy allows.
            memory_bytes: smaller(requested.memory_bytes, ceilings.memory_bytes).max(LEAST_MEMORY),
            open_files: smaller(requested.open_files, ceilings.open_files).max(LEAST_OPEN_FILES),
            file_bytes: tool.sandbox.scratch.map_or(0, |scratch| scratch.file_bytes),
            stdout_bytes: smaller(requested.stdout_bytes, ceilings.stdout_bytes),
            stderr_bytes: smaller(requested.stderr_bytes, ceilings.stderr_bytes),
        },
        net_raw,
        profile: Arc::clone(&tool.sandbox.profile),
        read: tool.sandbox.read.clone(),
        execute: tool.sandbox.execute.clone(),
        reach: tool.sandbox.reach,
        scratch: tool.sandbox.scratch,
        tier,
        concurrency: tool.concurrency.value,
        grant_concurrency: grant.concurrency,
        approvers: approvers.iter().map(|approver| approver.who.to_string()).collect(),
        rule: grant.place.clone(),
        note: grant.note.clone(),
        until: grant.until,
    }
}

impl Plan {
    /// The tool's short name.
    #[must_use]
    pub fn tool(&self) -> &ToolName {
        &self.tool
    }

    /// The address or network, as it stands on the command line; empty of a tool that takes none.
    #[must_use]
    pub fn target(&self) -> String {
        self.target.map(spelled).unwrap_or_default()
    }

    /// The name the target was asked by, as the frontend claims.
    #[must_use]
    pub fn claimed_name(&self) -> Option<&HostName> {
        self.name.as_ref()
    }

    /// The program, by its absolute path.
    #[must_use]
    pub fn command(&self) -> &Path {
        &self.command
    }

    /// What follows the program's path on the command line.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The whole environment.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, EnvironmentValue)> {
        environment(match self.scratch {
            Some(_) => EnvironmentValue::PrivateFolder,
            None => EnvironmentValue::Text(NO_FOLDER),
        })
        .into_iter()
    }

    /// What it may use up.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The same plan where the broker itself is held to less: nobody can raise a hard limit, so a run
    /// has the smaller of both.
    pub fn within(mut self, hard: &HardLimits) -> Self {
        let limits = &mut self.limits;
        limits.cpu_seconds = limits.cpu_seconds.min(hard.cpu_seconds);
        limits.memory_bytes = limits.memory_bytes.min(hard.memory_bytes);
        limits.open_files = limits.open_files.min(hard.open_files);
        limits.file_bytes = limits.file_bytes.min(hard.file_bytes);
        self
    }

    /// Whether it is given `CAP_NET_RAW`.
    #[must_use]
    pub fn net_raw(&self) -> NetRaw {
        self.net_raw
    }

    /// Its syscall profile.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// What it may read, beyond its profile.
    #[must_use]
    pub fn read(&self) -> &[PathBuf] {
        &self.read
    }

    /// What it may execute, beyond its command and its profile's.
    #[must_use]
    pub fn execute(&self) -> &[PathBuf] {
        &self.execute
    }

    /// Where its packets may go.
    #[must_use]
    pub fn reach(&self) -> PacketsTo {
        match (self.reach, self.target) {
            (_, None) => PacketsTo::Nowhere,
            (Reach::Target, Some(target)) => PacketsTo::Network(target),
            (Reach::Any, Some(_)) => PacketsTo::Everywhere,
        }
    }

    /// The folder that it may write to, if it has one.
    #[must_use]
    pub fn scratch(&self) -> Option<Scratch> {
        self.scratch
    }

    /// Runs of this tool at once.
    #[must_use]
    pub fn concurrency(&self) -> u32 {
        self.concurrency
    }

    /// Runs at once by the grant that allowed it, where the grant says so.
    #[must_use]
    pub fn grant_concurrency(&self) -> Option<u32> {
        self.grant_concurrency
    }

    /// Who may approve it, as the policy names them: empty where nobody has to.
    #[must_use]
    pub fn approvers(&self) -> &[String] {
        &self.approvers
    }

    /// The tier that the merged options came to.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The grant that allowed it: for the audit log and administrators.
    #[must_use]
    pub fn rule(&self) -> &Place {
        &self.rule
    }

    /// What the grant says of itself: who asked for it, and why.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether the grant that allowed it has ended since. It is decided again then.
    #[must_use]
    pub fn has_ended(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// The program's path and its arguments.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let command = self.command.to_string_lossy().into_owned();
        std::iter::once(command).chain(self.arguments.iter().cloned()).collect()
    }

    /// The plan as clients see it. `ping_sockets` is whether the kernel gives the broker ICMP echo
    /// sockets, on which some tools' capability depends.
    #[must_use]
    pub fn summary(&self, ping_sockets: bool) -> PlanSummary {
        let text = |value| match value {
            EnvironmentValue::Text(text) => text.to_owned(),
            EnvironmentValue::PrivateFolder => "(a private folder)".to_owned(),
        };
        let shown = |path: &PathBuf| path.to_string_lossy().into_owned();
        PlanSummary {
            tool: self.tool.clone(),
            target: self.target(),
            argv: self.argv(),
            environment: self.environment().map(|(k, v)| (k.to_owned(), text(v))).collect(),
            tier: self.tier,
            timeout: self.limits.timeout,
            approvers: self.approvers.clone(),
            memory_bytes: self.limits.memory_bytes,
            open_files: self.limits.open_files,
            stdout_bytes: self.limits.stdout_bytes,
            stderr_bytes: self.limits.stderr_bytes,
            sandbox: SandboxSummary {
                net_raw: self.net_raw.given(ping_sockets),
                syscalls: self.profile.name.clone(),
                read: self.read.iter().map(shown).collect(),
                execute: std::iter::once(&self.command).chain(&self.execute).map(shown).collect(),
            },
        }
    }
}

impl NetRaw {
    /// Whether the capability is passed on, given what the kernel offers without it.
    #[must_use]
    pub fn given(self, ping_sockets: bool) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::UnlessPingSocket => !ping_sockets,
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
