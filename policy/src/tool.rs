//! A tool as its file defines it, after validation: every default is in range, every preset uses
//! options that exist, and every placeholder means something.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use probity_protocol::{
    Beyond, DefaultTarget, Identifier, OptionEntry, OptionId, ParserEntry, TargetKind, Tier,
    ToolName,
};
use serde::Serialize;

use crate::{
    canonical,
    lookup::Lookup,
    profile::Profile,
    raw::RawJoin,
    source::Place,
    targets::Scope,
    template::Template,
    value::{NotAValue, Value, ValueKind},
};

/// One file of `tools.d`.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    pub(crate) name: ToolName,
    #[serde(serialize_with = "canonical::as_set")]
    pub(crate) aliases: Vec<ToolName>,
    pub(crate) title: Option<String>,
    pub(crate) summary: String,
    pub(crate) advice: Option<String>,
    pub(crate) command: PathBuf,
    /// Where the program comes from, on Debian.
    pub(crate) package: Option<String>,
    #[serde(serialize_with = "canonical::as_set")]
    pub(crate) targets: Vec<TargetKind>,
    /// What a frontend aims a call without a target at.
    pub(crate) default_target: Option<DefaultTarget>,
    /// What its file leaves of the policy's targets.
    #[serde(serialize_with = "canonical::scope")]
    pub(crate) scope: Scope,
    pub(crate) argv: Vec<ArgvPart>,
    pub(crate) timeout: OrDefault<Duration>,
    /// Longest run, where that is less than the policy's ceiling.
    pub(crate) max_timeout: Option<Duration>,
    pub(crate) concurrency: OrDefault<u32>,
    pub(crate) parser: Option<ParserEntry>,
    /// How long the frontend may answer with a result again; 0 where it may not.
    pub(crate) cache_seconds: u32,
    pub(crate) tier: Tier,
    pub(crate) breaker: BreakerRule,
    pub(crate) sandbox: ToolSandbox,
    /// Free words for its users. Nothing is decided by them.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) options: Vec<ToolOption>,
    pub(crate) presets: BTreeMap<Identifier, Preset>,
    #[serde(skip)]
    pub(crate) lookup: Lookup,
    #[serde(skip)]
    pub(crate) place: Place,
}

/// A value that a tool's file may leave to the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct OrDefault<T> {
    pub value: T,
    /// The file says nothing, so a frontend's own default may tighten it.
    pub is_default: bool,
}

impl<T> OrDefault<T> {
    pub(crate) fn new(written: Option<T>, default: T) -> Self {
        let is_default = written.is_none();
        Self { value: written.unwrap_or(default), is_default }
    }

    /// What the file says.
    pub(crate) fn written(self) -> Option<T> {
        (!self.is_default).then_some(self.value)
    }
}

/// How a tool is confined.
#[derive(Debug, Clone, Serialize)]
pub struct ToolSandbox {
    pub(crate) net_raw: CapabilityRule,
    #[serde(serialize_with = "canonical::profile")]
    pub(crate) profile: Arc<Profile>,
    pub(crate) reach: Reach,
    #[serde(serialize_with = "canonical::as_set")]
    pub(crate) read: Vec<PathBuf>,
    #[serde(serialize_with = "canonical::as_set")]
    pub(crate) execute: Vec<PathBuf>,
    pub(crate) scratch: Option<Scratch>,
}

/// The folder of a run that writes files: what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scratch {
    /// Files that a run may make, those that it removes again included.
    pub files: u32,
    /// Largest file, in bytes.
    pub file_bytes: u64,
}

/// When a run is given `CAP_NET_RAW`.
pub(crate) use crate::raw::RawNetRaw as CapabilityRule;

/// Where a run may send packets.
pub(crate) use crate::raw::RawReach as Reach;

/// When the frontend stops asking for a tool that keeps failing. The broker does not use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BreakerRule {
    /// Failures in a row after which it stops.
    pub(crate) failure_threshold: OrDefault<u32>,
    /// How long it waits before it tries again.
    pub(crate) recovery_timeout: OrDefault<Duration>,
}

/// A part of the command line, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum ArgvPart {
    /// `{mode}`: one list or the other, by whether the run holds `CAP_NET_RAW`.
    Mode { raw: Vec<String>, plain: Vec<String> },
    /// `{options}`
    Options,
    /// A word, and what of a call stands in it.
    Word(Template),
}

/// An option a client may give.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ToolOption {
    pub name: Identifier,
    /// `None` of an operand, which a word of argv names, and of a switch that only `renders` words.
    pub flag: Option<String>,
    pub kind: ValueKind,
    pub join: RawJoin,
    pub renders: Option<Vec<Template>>,
    /// A word of argv names it, so it stands there and not among the others.
    pub is_placed: bool,
    /// Options that cannot be set beside it, by index, in order; each of them has this one.
    pub excludes: Vec<usize>,
    /// Options that have to be set with it, by index, in order.
    pub requires: Vec<usize>,
    pub tier: Tier,
    pub net_raw: bool,
    pub default: Option<Value>,
    /// The name that the call asks by, where it asks by one, is its default.
    pub host_is_default: bool,
    /// A call has to set it.
    pub required: bool,
    pub example: Option<Value>,
    pub help: String,
    #[serde(skip)]
    pub place: Place,
}

/// A named set of values, by index into the tool's options.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Preset {
    pub help: String,
    pub settings: Vec<(usize, Setting)>,
    pub tier: Tier,
}

/// What is said of an option: a value, or that it stays away although a default would set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Setting {
    On(Value),
    Off,
}

impl Tool {
    /// Its short name.
    #[must_use]
    pub fn name(&self) -> &ToolName {
        &self.name
    }

    /// The program it runs.
    #[must_use]
    pub fn command(&self) -> &Path {
        &self.command
    }

    /// The package that its program comes from, on Debian.
    #[must_use]
    pub fn package(&self) -> Option<&str> {
        self.package.as_deref()
    }

    /// Its confinement.
    #[must_use]
    pub fn sandbox(&self) -> &ToolSandbox {
        &self.sandbox
    }

    /// When the frontend should stop asking for it.
    #[must_use]
    pub fn breaker(&self) -> BreakerRule {
        self.breaker
    }

    /// Runs at once.
    #[must_use]
    pub fn concurrency(&self) -> u32 {
        self.concurrency.value
    }

    /// The names of options, by their indexes.
    #[cfg(any(test, feature = "cli"))]
    pub(crate) fn names<'t>(&'t self, of: &'t [usize]) -> impl Iterator<Item = &'t Identifier> {
        of.iter().filter_map(|at| self.options.get(*at).map(|option| &option.name))
    }

    pub(crate) fn option_index(&self, name: &str) -> Option<usize> {
        self.lookup.name(name)
    }

    /// What a preset sets of the options up to a tier, as a client would write it.
    pub(crate) fn set_by(&self, preset: &Preset, tier: Tier) -> Vec<(Identifier, String)> {
        let set = preset.settings.iter().filter_map(|(at, setting)| {
            let option = self.options.get(*at).filter(|option| option.tier <= tier)?;
            Some((option.name.clone(), option.written(setting)))
        });
        set.collect()
    }
}

impl ToolSandbox {
    /// Its syscall profile.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// True where the tool does nothing without `CAP_NET_RAW`.
    #[must_use]
    pub fn needs_net_raw(&self) -> bool {
        self.net_raw == CapabilityRule::Always
    }

    /// True where the tool needs either `CAP_NET_RAW` or the kernel's ICMP echo sockets.
    #[must_use]
    pub fn needs_net_raw_or_ping_sockets(&self) -> bool {
        self.net_raw == CapabilityRule::UnlessPingSocket
    }
}

impl ToolOption {
    /// How a client may write it.
    pub(crate) fn id(&self) -> OptionId {
        OptionId { name: self.name.clone(), flag: self.flag.clone() }
    }

    /// As one that is not granted.
    pub(crate) fn beyond(&self) -> Beyond {
        Beyond::Option { option: self.id(), takes_value: self.takes_value(), tier: self.tier }
    }

    /// Its flag, or else its property.
    #[cfg(feature = "cli")]
    pub(crate) fn shown(&self) -> &str {
        self.flag.as_deref().unwrap_or(self.name.as_str())
    }

    pub(crate) fn takes_value(&self) -> bool {
        !matches!(self.kind, ValueKind::None)
    }

    /// The tier of this option with this value.
    pub(crate) fn tier_with(&self, value: &Value) -> Tier {
        self.tier.max(self.kind.tier(value))
    }

    /// Its words on the command line, but for those of `renders`.
    pub(crate) fn render(&self, value: &Value) -> Vec<String> {
        let Some(flag) = &self.flag else { return Vec::new() };
        match (self.kind.render(value), self.join) {
            (None, _) => vec![flag.clone()],
            (Some(value), RawJoin::Separate) => vec![flag.clone(), value],
            (Some(value), RawJoin::Attached) => vec![format!("{flag}{value}")],
            (Some(value), RawJoin::Equals) => vec![format!("{flag}={value}")],
        }
    }

    /// Reads what was given for it. `None` is the bare flag.
    pub(crate) fn parse(&self, given: Option<&str>) -> Result<Setting, NotAValue> {
        match (&self.kind, given) {
            (ValueKind::None, None | Some("true")) => Ok(Setting::On(Value::Given)),
            (ValueKind::None, Some("false")) => Ok(Setting::Off),
            (kind, Some(text)) => kind.parse(text).map(Setting::On),
            (_, None) => Err(NotAValue),
        }
    }

    /// Its default as a file writes it.
    pub(crate) fn written_default(&self) -> Option<String> {
        let value = self.default.as_ref().map(|value| self.written(&Setting::On(value.clone())));
        value.or_else(|| self.host_is_default.then(|| OptionEntry::HOST.to_owned()))
    }

    /// A setting as a client would write it: a rendered enumeration's word, not its text.
    pub(crate) fn written(&self, setting: &Setting) -> String {
        match setting {
            Setting::Off => "false".to_owned(),
            Setting::On(Value::Given) => "true".to_owned(),
            Setting::On(Value::Word(word)) => word.clone(),
            Setting::On(Value::List(values)) => {
                let words = values.iter().map(|value| match (value, &self.kind) {
                    (Value::Word(word), _) => word.clone(),
                    (value, ValueKind::List { of, .. }) => of.render(value).unwrap_or_default(),
                    _ => String::new(),
                });
                words.collect::<Vec<_>>().join(",")
            }
            Setting::On(value) => self.kind.render(value).unwrap_or_default(),
        }
    }
}
