//! What a peer is granted, as the broker tells it.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Decimal, Digest, Identifier, NamePattern, ParseTable, Ports, ToolName};

/// How far a tool, option or preset goes. A grant covers `Standard` unless it says `intrusive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Diagnostics that a target would call harmless.
    Standard,
    /// Probes that a target may notice, log or suffer from.
    Intrusive,
}

/// What a tool can be aimed at. A host name counts as an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// One address, or one name.
    Address,
    /// A network in CIDR form.
    Network,
}

/// What a call that names no target is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultTarget {
    /// The first name server of the machine that the caller may aim at.
    NameServer,
}

/// Everything one peer may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The policy it was taken from.
    pub policy_digest: Digest,
    /// What the policy leaves to everybody.
    pub allowance: Allowance,
    /// The tools, by name.
    pub tools: Vec<ToolEntry>,
}

/// What calls may aim at, and how long they may take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Networks that may be aimed at.
    pub networks: Vec<IpNet>,
    /// Networks that may not, whatever `networks` says.
    pub denied: Vec<IpNet>,
    /// Names that may be looked up and aimed at.
    pub names: Vec<NamePattern>,
    /// Most addresses one call may aim at.
    pub max_hosts: u64,
    /// Longest run anybody gets.
    pub timeout_ceiling: Duration,
}

/// What a tool's file says of its circuit breaker; `None` leaves it to the frontend's own settings.
/// The breaker itself is the frontend's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failure_threshold: Option<u32>,
    /// How long it then refuses before it lets one call try.
    pub recovery_timeout: Option<Duration>,
}

/// A granted tool, without what is beyond the grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolEntry {
    /// The name to call it by.
    pub name: ToolName,
    /// Other names it answers to.
    pub aliases: Vec<ToolName>,
    /// A short title for people: "Ping a host".
    pub title: Option<String>,
    /// What it is for, in a sentence.
    pub summary: String,
    /// When to use it, and when to prefer another tool. It may name tools that this peer is not
    /// granted: it is the administrator's text.
    pub advice: Option<String>,
    /// The program that it runs.
    pub command: String,
    /// The package that the program comes from, on Debian.
    pub package: Option<String>,
    /// What it takes as a target.
    pub targets: Vec<TargetKind>,
    /// What a call without one is aimed at. The frontend finds and names it, and the policy judges it as any
    /// other.
    pub default_target: Option<DefaultTarget>,
    /// What it may aim at, where that is less than what the policy leaves to everybody.
    pub allowance: Option<Allowance>,
    /// Its tier.
    pub tier: Tier,
    /// Whether the peer is granted its intrusive tier.
    pub intrusive: bool,
    /// Each run waits until another person approves it.
    pub needs_approval: bool,
    /// The granted options.
    pub options: Vec<OptionEntry>,
    /// The granted presets.
    pub presets: Vec<PresetEntry>,
    /// How long a run may take unless the call says otherwise.
    pub timeout: Duration,
    /// The tool's file sets no timeout: a frontend's own default may be shorter.
    pub timeout_is_default: bool,
    /// Runs at once.
    pub concurrency: u32,
    /// The tool's file sets no concurrency: a frontend's own default may be smaller.
    pub concurrency_is_default: bool,
    /// When to leave the tool alone after failures.
    pub breaker: BreakerSettings,
    /// Free words for its users, by their keys. Models are not told of them.
    pub metadata: Vec<(String, String)>,
    /// What reads its output; without it there is no typed result.
    pub parser: Option<ParserEntry>,
    /// How long a frontend may answer the same call with the same result, in seconds; 0 where each
    /// call runs.
    pub cache_seconds: u32,
    /// Whether it can run here and now.
    pub availability: Availability,
}

/// What reads a tool's output, in a frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParserEntry {
    /// One of the frontend's own: see [`PARSERS`](crate::PARSERS). A frontend of another version may have
    /// none of this name.
    Named(String),
    /// The table in the tool's own file.
    Table(ParseTable),
}

/// Whether a granted tool can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    /// It can.
    Available,
    /// It cannot, and this is how to mend it.
    Unavailable {
        /// What is missing.
        reason: String,
        /// What an administrator does about it.
        remedy: String,
    },
}

/// An option of a tool, as a typed property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionEntry {
    /// The property.
    pub name: Identifier,
    /// Its spelling in `extra_args`; `None` of one that is given as a property alone.
    pub flag: Option<String>,
    /// What it does.
    pub help: String,
    /// Its tier.
    pub tier: Tier,
    /// What it takes.
    pub value: ValueType,
    /// The value used when neither preset nor client says otherwise, where a grant leaves it: else a call
    /// has to give one. May be [`OptionEntry::HOST`].
    pub default: Option<String>,
    /// A call has to set it.
    pub required: bool,
    /// A value that passes, as a client would write it. Always there for ports.
    pub example: Option<String>,
    /// Granted options that cannot be set beside it.
    pub excludes: Vec<Identifier>,
    /// Options that have to be set with it.
    pub requires: Vec<Identifier>,
    /// Of its words those of the intrusive tier, where the peer is granted them.
    pub intrusive_words: Vec<String>,
}

impl OptionEntry {
    /// As a default: the name that the call asks by, where it asks by one.
    pub const HOST: &str = "{host}";
}

/// A named set of options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresetEntry {
    /// Its name.
    pub name: Identifier,
    /// What it is for.
    pub help: String,
    /// The tier of its most intrusive option.
    pub tier: Tier,
    /// What it sets: option and value, as a client would write them; `true` and `false` where an
    /// option takes no value.
    pub options: Vec<(Identifier, String)>,
}

/// What an option takes, with everything a schema needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueType {
    /// Nothing: it is given or not.
    None,
    /// A whole number.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A number with at most six decimals.
    Number {
        /// Smallest.
        min: Decimal,
        /// Largest.
        max: Decimal,
    },
    /// A time in seconds, with at most three decimals.
    Duration {
        /// Shortest, in seconds.
        min: Decimal,
        /// Longest, in seconds.
        max: Decimal,
    },
    /// Ports and ranges of ports: `22,80,8000-8100`.
    Ports {
        /// All of them are among these; `None` for every port.
        within: Option<Ports>,
    },
    /// One word of these.
    Enumeration(Vec<String>),
    /// Several different words of these, joined by commas.
    EnumerationList(Vec<String>),
    /// A name that the tool asks for: one that the caller may aim at, or the reverse name of such an
    /// address.
    DnsName,
    /// The path of a URL.
    UrlPath {
        /// Longest, in characters.
        max_length: u32,
    },
    /// Several different values, joined by commas.
    List {
        /// What each of them is.
        of: Box<ValueType>,
        /// Most of them.
        max: u32,
    },
    /// Free text of certain characters.
    Text {
        /// The characters, as a regular expression's class: `[A-Za-z0-9_-]`.
        class: String,
        /// Longest, in characters.
        max_length: u32,
    },
}
