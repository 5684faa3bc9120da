//! The policy's files as they are written, before anything is believed of them.
//!
//! These types only give keys a place in the text; every unknown key is an error. What the keys
//! mean, and whether it can stand, is `validate`'s business. The effective policy is written in the
//! same types (`effective`), so that what is shown is in the language that is read.

use std::{collections::BTreeMap, fmt};

use probity_protocol::{DefaultTarget, ParseTable};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use toml::Spanned;

/// A text with its place.
pub(crate) type Text = Spanned<String>;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPolicy {
    pub version: Spanned<u32>,
    pub targets: RawTargets,
    #[serde(default)]
    pub ceilings: RawCeilings,
    #[serde(default)]
    pub sandbox: RawGlobalSandbox,
    /// Networks and names that other places write as `@name`.
    #[serde(default, rename = "set", skip_serializing_if = "BTreeMap::is_empty")]
    pub sets: BTreeMap<Text, RawSet>,
    #[serde(default, rename = "grant")]
    pub grants: Vec<Spanned<RawGrant>>,
    #[serde(default, rename = "approver", skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<Spanned<RawApprover>>,
    pub audit: RawAudit,
    /// Tools written here rather than in files of `tools.d`.
    #[serde(default, rename = "tool", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Spanned<RawTool>>,
}

/// A file of `policy.d`: what it adds to `policy.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDropIn {
    #[serde(default, rename = "set")]
    pub sets: BTreeMap<Text, RawSet>,
    #[serde(default, rename = "grant")]
    pub grants: Vec<Spanned<RawGrant>>,
    #[serde(default, rename = "approver")]
    pub approvers: Vec<Spanned<RawApprover>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTargets {
    #[serde(default)]
    pub networks: Vec<Text>,
    #[serde(default)]
    pub names: Vec<Text>,
    #[serde(default)]
    pub deny: Vec<Text>,
    pub max_hosts: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCeilings {
    pub timeout: Option<Text>,
    pub concurrency: Option<Spanned<u32>>,
    pub concurrency_per_user: Option<Spanned<u32>>,
    pub queue: Option<Spanned<u32>>,
    pub connections: Option<Spanned<u32>>,
    pub connections_per_user: Option<Spanned<u32>>,
    pub requests_per_second: Option<Spanned<u32>>,
    pub approval_ttl: Option<Text>,
    pub memory: Option<Text>,
    pub open_files: Option<Spanned<u64>>,
    pub stdout: Option<Text>,
    pub stderr: Option<Text>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGlobalSandbox {
    pub landlock_abi_min: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGrant {
    pub user: Option<Spanned<RawAccount>>,
    pub group: Option<Spanned<RawAccount>>,
    #[serde(rename = "self")]
    pub owner: Option<Spanned<bool>>,
    pub tools: Vec<Text>,
    #[serde(default)]
    pub intrusive: bool,
    pub networks: Option<Spanned<Vec<Text>>>,
    pub names: Option<Spanned<Vec<Text>>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Text>,
    pub max_hosts: Option<Spanned<u64>>,
    pub timeout: Option<Text>,
    pub concurrency: Option<Spanned<u32>>,
    pub approval: Option<Spanned<RawApproval>>,
    pub until: Option<Spanned<RawMoment>>,
    pub note: Option<Text>,
    /// By tool, then by option. The key `deny` has options that are taken away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<Text, BTreeMap<Text, Spanned<RawLeft>>>,
}

/// What is left of an option: ports as a text, words as a list, or a range.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum RawLeft {
    Text(String),
    List(Vec<Text>),
    Range(RawRange),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRange {
    pub min: Option<Spanned<RawScalar>>,
    pub max: Option<Spanned<RawScalar>>,
}

/// By hand, so that the words of a list keep their places.
impl<'de> Deserialize<'de> for RawLeft {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = RawLeft;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "what is left of an option: a range such as { min = 1, max = 10 }, ports such as \
                     \"1-1024\", or a list of words; to take it away, write its name under deny",
                )
            }

            fn visit_str<E>(self, text: &str) -> Result<RawLeft, E> {
                Ok(RawLeft::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawLeft, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawLeft::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawLeft, A::Error> {
                RawRange::deserialize(MapAccessDeserializer::new(map)).map(RawLeft::Range)
            }
        }

        from.deserialize_any(Form)
    }
}

/// Whether another person has to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawApproval {
    Required,
}

/// Who may agree.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawApprover {
    pub user: Option<Spanned<RawAccount>>,
    pub group: Option<Spanned<RawAccount>>,
    pub tools: Vec<Text>,
}

/// A moment as TOML writes it, or as a text.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a moment such as 2030-12-31T18:00:00Z")]
pub(crate) enum RawMoment {
    Moment(toml::value::Datetime),
    Text(String),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSet {
    #[serde(default)]
    pub networks: Vec<Text>,
    #[serde(default)]
    pub names: Vec<Text>,
}

/// An account by name or by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected an account's name or number")]
pub(crate) enum RawAccount {
    Id(u32),
    Name(String),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAudit {
    pub path: Text,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTool {
    pub name: Text,
    #[serde(default)]
    pub aliases: Vec<Text>,
    pub title: Option<Text>,
    pub summary: Text,
    pub advice: Option<Text>,
    pub command: Text,
    pub package: Option<Text>,
    pub targets: Spanned<Vec<Text>>,
    pub default_target: Option<Spanned<DefaultTarget>>,
    pub networks: Option<Spanned<Vec<Text>>>,
    pub names: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub deny: Vec<Text>,
    pub max_hosts: Option<Spanned<u64>>,
    pub argv: Spanned<Vec<Text>>,
    pub mode: Option<Spanned<RawMode>>,
    pub timeout: Option<Text>,
    pub max_timeout: Option<Text>,
    pub concurrency: Option<Spanned<u32>>,
    pub parser: Option<Text>,
    pub parse: Option<Spanned<ParseTable>>,
    pub cache_seconds: Option<Spanned<u32>>,
    #[serde(default)]
    pub tier: RawTier,
    #[serde(default)]
    pub breaker: RawBreaker,
    pub sandbox: RawSandbox,
    /// Free words for the tool's users.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<Text, Text>,
    #[serde(default, rename = "option")]
    pub options: Vec<Spanned<RawOption>>,
    #[serde(default, rename = "preset")]
    pub presets: BTreeMap<Text, RawPreset>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMode {
    pub raw: Vec<String>,
    pub plain: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawTier {
    #[default]
    Standard,
    Intrusive,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBreaker {
    pub failure_threshold: Option<Spanned<u32>>,
    pub recovery_timeout: Option<Text>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSandbox {
    pub net_raw: RawNetRaw,
    pub syscalls: Text,
    #[serde(default)]
    pub reach: RawReach,
    #[serde(default)]
    pub read: Vec<Text>,
    #[serde(default)]
    pub execute: Vec<Text>,
    pub scratch: Option<Spanned<RawScratch>>,
}

/// Where a run may send packets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawReach {
    /// To its own target.
    #[default]
    Target,
    /// To every address that the machine reaches.
    Any,
}

/// The folder of a run that writes files.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawScratch {
    pub files: Spanned<u32>,
    pub file_size: Text,
}

/// When a tool is given `CAP_NET_RAW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawNetRaw {
    /// Not at all.
    Never,
    /// In each run.
    Always,
    /// In a run that uses an option marked `net_raw`.
    ByOption,
    /// In each run, unless the kernel offers the broker's group ICMP echo sockets.
    UnlessPingSocket,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOption {
    pub name: Text,
    pub flag: Option<Text>,
    pub value: Option<Spanned<RawValue>>,
    #[serde(default)]
    pub join: RawJoin,
    /// Arguments rendered in place of the flag, for an option without a value.
    pub renders: Option<Spanned<Vec<Text>>>,
    /// Options that cannot be set beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<Text>,
    /// Options that have to be set with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Text>,
    #[serde(default)]
    pub tier: RawTier,
    pub net_raw: Option<Spanned<bool>>,
    /// A call has to set it.
    pub required: Option<Spanned<bool>>,
    pub default: Option<Spanned<RawScalar>>,
    pub example: Option<Spanned<RawScalar>>,
    pub help: Option<Text>,
}

/// How flag and value stand together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawJoin {
    /// `-p 22`
    #[default]
    Separate,
    /// `-T4`
    Attached,
    /// `--top-ports=100`
    Equals,
}

/// A value's kind with the keys of every kind; which of them fit is checked later.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawValue {
    pub kind: Text,
    pub min: Option<Spanned<RawScalar>>,
    pub max: Option<Spanned<RawScalar>>,
    pub words: Option<Spanned<Vec<Text>>>,
    pub rendered: Option<Spanned<BTreeMap<Text, String>>>,
    pub intrusive: Option<Spanned<BTreeMap<Text, String>>>,
    pub class: Option<Text>,
    pub max_length: Option<Spanned<u32>>,
    /// What each value of a list is.
    pub of: Option<Spanned<Box<RawValue>>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPreset {
    pub help: Text,
    #[serde(default)]
    pub options: BTreeMap<Text, Spanned<RawScalar>>,
}

/// A value as TOML writes it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected true, false, a number, a text or a list of texts")]
pub(crate) enum RawScalar {
    Switch(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<String>),
}

impl RawScalar {
    /// The value as a client would write it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Switch(on) => on.to_string(),
            Self::Integer(n) => n.to_string(),
            Self::Float(n) => n.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(words) => words.join(","),
        }
    }
}
