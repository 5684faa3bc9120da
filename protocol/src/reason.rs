//! Why the policy says no, as a value.
//!
//! It holds what a reader needs to word the denial and to repair the call, and nothing that the
//! caller may not know: neither where in the policy a rule stands, nor what somebody else is granted.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{DenialCode, Identifier, LexicalDefect, Tier, ValueType};

/// A call that the policy denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{reason}")]
pub struct Denial {
    /// The first reason against it.
    pub reason: Reason,
    /// Which parts of it the caller's grants do not give at all, whatever the reason is. The caller has
    /// named each of them.
    pub beyond: Vec<Beyond>,
}

/// The first reason against a call, in the order of the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Reason {
    /// No grant gives this caller the tool.
    #[error("no grant covers this tool")]
    NotGranted {
        /// The policy grants nothing to anybody.
        grants_nothing: bool,
        /// What the tool takes, where there is one of that name. Who is granted nothing at all does
        /// not learn which tools exist.
        weight: Option<Weight>,
    },
    /// Each grant of the tool has ended.
    #[error("the grant of this tool has ended")]
    Expired {
        /// When the last of them did.
        since: SystemTime,
    },
    /// Each grant of the tool asks for another person's approval, and the policy names none who could.
    #[error("it needs another person's approval, and nobody else may approve it")]
    NoApprover,
    /// No tool has that name.
    #[error("there is no tool of this name")]
    UnknownTool,
    /// The target cannot be read.
    #[error("the target cannot be read: {0}")]
    TargetSyntax(LexicalDefect),
    /// The tool takes targets of another kind.
    #[error("the tool does not take this kind of target")]
    TargetKind,
    /// The target may not be aimed at.
    #[error("{network} may not be aimed at{by}: {excluded}")]
    Target {
        /// The target in its canonical form.
        network: IpNet,
        /// Why not.
        excluded: Excluded,
        /// What says so.
        by: LimitedBy,
    },
    /// No pattern covers the name.
    #[error("the name is not one that may be aimed at{0}")]
    Name(LimitedBy),
    /// An address of the name may not be aimed at.
    #[error("the name has the address {address}, which may not be aimed at{by}: {excluded}")]
    AddressOfName {
        /// The address.
        address: IpAddr,
        /// Why not.
        excluded: Excluded,
        /// What says so.
        by: LimitedBy,
    },
    /// The name is allowed, and no address came with it.
    #[error("no address was found for the name")]
    NameUnresolved,
    /// The arguments cannot be read.
    #[error("the arguments cannot be read: {0}")]
    ArgumentSyntax(LexicalDefect),
    /// The tool has no such option.
    #[error("the tool has no option {0}")]
    OptionUnknown(Excerpt),
    /// The tool has no such preset.
    #[error("the tool has no preset {0}")]
    PresetUnknown(Identifier),
    /// The option does not take this value, or lacks one.
    #[error("the value of {} is missing, of the wrong kind or out of range", option.shown())]
    OptionValue {
        /// The option.
        option: OptionId,
        /// What was given for it.
        given: Option<Excerpt>,
    },
    /// An option's value is a name that may not be asked for.
    #[error("the name given for {} is not one that may be asked for{by}", option.shown())]
    QuestionName {
        /// The option.
        option: OptionId,
        /// What says so.
        by: LimitedBy,
    },
    /// An option's value is the reverse name of an address that may not be aimed at.
    #[error("{} asks for the name of {address}, which may not be aimed at{by}: {excluded}", option.shown())]
    QuestionAddress {
        /// The option.
        option: Box<OptionId>,
        /// The address.
        address: IpAddr,
        /// Why not.
        excluded: Excluded,
        /// What says so.
        by: LimitedBy,
    },
    /// The option is given more than once.
    #[error("{} is given more than once", .0.shown())]
    OptionRepeated(OptionId),
    /// Two options are set that exclude one another: by the client, a preset or a default.
    #[error("{} cannot be set together with {}", option.shown(), other.shown())]
    OptionConflict {
        /// The one.
        option: OptionId,
        /// The other.
        other: Box<OptionId>,
    },
    /// An option is set without one that it requires.
    #[error("{} cannot be set without {}", option.shown(), needs.shown())]
    OptionMissing {
        /// The option.
        option: OptionId,
        /// What it requires.
        needs: Box<OptionId>,
    },
    /// An option is not set that the tool cannot do without.
    #[error("{} is not given, and the tool cannot do without", .0.shown())]
    OptionRequired(OptionId),
    /// A word that is neither an option nor a value of one.
    #[error("{0} is neither an option nor a value of one")]
    Operand(Excerpt),
    /// The grants take the option away, or what it is in this call.
    #[error("{0}")]
    OptionNotGranted(Box<Exceeded>),
    /// More time than the policy's ceiling, or than the grants allow.
    #[error("a timeout of {} s is more than the ceiling of {} s{by}", asked.as_secs_f64(), most.as_secs_f64())]
    Time {
        /// What was asked for.
        asked: Duration,
        /// What would pass.
        most: Duration,
        /// What says so.
        by: LimitedBy,
    },
    /// No time at all.
    #[error("a timeout of zero leaves no time to run")]
    NoTime,
    /// Beyond the caller's tier.
    #[error("it is intrusive, and the grant is for the standard tier")]
    Intrusive(Beyond),
}

/// What says no to a target or a time. A call must keep to all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LimitedBy {
    /// The policy, to everybody.
    Policy,
    /// The tool's file.
    Tool,
    /// Every grant that gives the caller the tool: none of them covers the call as a whole.
    Grant,
}

impl fmt::Display for LimitedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "",
            Self::Tool => " by this tool",
            Self::Grant => " under this caller's grants",
        })
    }
}

/// An option that goes further in a call than the caller's grants leave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceeded {
    /// The option.
    pub option: OptionId,
    /// What it is in this call, as a client would write it.
    pub value: Excerpt,
    /// Who says so.
    pub set_by: SetBy,
    /// What the nearest grant leaves of it, where it leaves anything.
    pub left: Option<ValueType>,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (option, set_by) = (self.option.shown(), &self.set_by);
        match self.left {
            None => write!(f, "this caller's grants take {option} away{set_by}"),
            Some(_) => write!(f, "this caller's grants leave less of {option}{set_by}"),
        }
    }
}

/// Who says what an option is in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetBy {
    /// The client, by a property or a flag.
    Caller,
    /// The preset that the client chose.
    Preset(Identifier),
    /// The tool's file, where nobody says anything.
    Default,
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller => Ok(()),
            Self::Preset(name) => write!(f, ", which the preset {name} sets"),
            Self::Default => f.write_str(", which is there by default"),
        }
    }
}

/// Why a network may not be aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Excluded {
    /// No allowed network holds it.
    #[error("it is outside the allowed networks")]
    Outside,
    /// Some of it is denied.
    #[error("it or a part of it is denied")]
    Denied,
    /// One address of it reaches many hosts, and no line names it.
    #[error("it reaches many hosts at once, and no line names it")]
    Many,
    /// The kernel takes an address of it for this, which is not allowed, or is denied.
    #[error("an address of it is taken for {0}")]
    TakenFor(IpNet),
    /// It may carry to this, which is denied.
    #[error("it may carry to {0}")]
    Carries(IpNet),
    /// It holds more addresses than one call may aim at.
    #[error("it holds more addresses than one call may aim at")]
    TooLarge,
}

/// A part of a call that is beyond the caller's tier, or that his grants take away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Beyond {
    /// All of the tool.
    Tool,
    /// A preset.
    Preset {
        /// Its name.
        name: Identifier,
        /// What it sets that the caller may set himself.
        options: Vec<(Identifier, String)>,
    },
    /// An option.
    Option {
        /// The option.
        option: OptionId,
        /// A value belongs to it.
        takes_value: bool,
        /// Its own tier. Without an intrusive one a call does less.
        tier: Tier,
    },
    /// The value of an option that is of the standard tier itself.
    Value(OptionId),
}

/// An option, as a client may write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionId {
    /// The property.
    pub name: Identifier,
    /// Its spelling in `extra_args`; `None` of one that is given as a property alone.
    pub flag: Option<String>,
}

impl OptionId {
    /// Its flag, or else its property.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.flag.as_deref().unwrap_or(self.name.as_str())
    }
}

/// How much a tool takes. What is less can stand in for what is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Weight {
    /// Its tier.
    pub tier: Tier,
    /// How long a run may take.
    pub timeout: Duration,
}

/// The beginning of a text that a client wrote: enough to know it again, and never long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt(String);

impl Excerpt {
    /// Longest piece that is repeated, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// The beginning of `text`, with an ellipsis where more follows.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text.get(..text.floor_char_boundary(Self::MAX_BYTES)) {
            Some(start) if start.len() < text.len() => Self(format!("{start}…")),
            _ => Self(text.to_owned()),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Reason {
    /// Its stable name.
    #[must_use]
    pub const fn code(&self) -> DenialCode {
        match self {
            Self::NotGranted { .. } => DenialCode::NotGranted,
            Self::Expired { .. } => DenialCode::GrantExpired,
            Self::NoApprover => DenialCode::NoApprover,
            Self::UnknownTool => DenialCode::UnknownTool,
            Self::TargetSyntax(_) => DenialCode::TargetSyntax,
            Self::TargetKind => DenialCode::TargetKind,
            Self::Target { excluded: Excluded::TooLarge, .. } => DenialCode::TargetTooLarge,
            Self::Target { .. } | Self::Name(_) | Self::AddressOfName { .. } => {
                DenialCode::TargetNotAllowed
            }
            Self::NameUnresolved => DenialCode::NameUnresolved,
            Self::ArgumentSyntax(_) => DenialCode::ArgumentSyntax,
            Self::OptionUnknown(_) | Self::PresetUnknown(_) => DenialCode::OptionUnknown,
            Self::OptionValue { .. } => DenialCode::OptionValue,
            Self::QuestionName { .. } | Self::QuestionAddress { .. } => {
                DenialCode::QuestionNotAllowed
            }
            Self::OptionRepeated(_) => DenialCode::OptionRepeated,
            Self::OptionConflict { .. } => DenialCode::OptionConflict,
            Self::OptionMissing { .. } | Self::OptionRequired(_) => DenialCode::OptionMissing,
            Self::Operand(_) => DenialCode::Operand,
            Self::OptionNotGranted(_) => DenialCode::OptionNotGranted,
            Self::Time { .. } | Self::NoTime => DenialCode::Ceiling,
            Self::Intrusive(_) => DenialCode::IntrusiveNotGranted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_client_is_repeated_in_part_and_cut_between_characters() {
        assert_eq!(Excerpt::of("-c").as_str(), "-c");
        let long = Excerpt::of(&"é".repeat(1000));
        assert_eq!(long.as_str(), format!("{}…", "é".repeat(32)));
    }
}
