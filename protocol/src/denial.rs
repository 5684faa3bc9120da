//! The stable codes of denials, and the parts of a request that they are about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The reason for a denial. Stable: clients and log queries rely on these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DenialCode {
    /// No tool has that name.
    UnknownTool,
    /// No grant gives this subject the tool.
    NotGranted,
    /// The grant that gave this subject the tool has ended.
    GrantExpired,
    /// Another person would have to approve, and the policy names none.
    NoApprover,
    /// The target is not an address, a network or a host name.
    TargetSyntax,
    /// The tool does not take this kind of target.
    TargetKind,
    /// Outside the policy's networks or names, or denied by it.
    TargetNotAllowed,
    /// More addresses than one call may aim at.
    TargetTooLarge,
    /// An allowed name for which no address was found.
    NameUnresolved,
    /// The arguments could not be read.
    ArgumentSyntax,
    /// The tool file has no such option or preset.
    OptionUnknown,
    /// A value is missing, of the wrong kind or out of range.
    OptionValue,
    /// A name that may not be asked for.
    QuestionNotAllowed,
    /// An option was given twice.
    OptionRepeated,
    /// Two options were set that exclude one another.
    OptionConflict,
    /// An option is not set that the tool, or another option that is set, requires.
    OptionMissing,
    /// A word that is neither an option nor a value.
    Operand,
    /// An option, or a value of it, that the caller's grants take away.
    OptionNotGranted,
    /// More time or resources than the policy's ceiling.
    Ceiling,
    /// An option, preset or tool of the intrusive tier without a grant for it.
    IntrusiveNotGranted,
}

/// Which part of the request a denial is about. Layers are checked in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layer {
    /// Which tool, and who asks.
    Tool,
    /// What it aims at.
    Target,
    /// What it is told.
    Argument,
    /// How far it goes.
    Intrusive,
}

impl DenialCode {
    /// Every one, by layer.
    pub const ALL: [Self; 20] = [
        Self::UnknownTool,
        Self::NotGranted,
        Self::GrantExpired,
        Self::NoApprover,
        Self::TargetSyntax,
        Self::TargetKind,
        Self::TargetNotAllowed,
        Self::TargetTooLarge,
        Self::NameUnresolved,
        Self::ArgumentSyntax,
        Self::OptionUnknown,
        Self::OptionValue,
        Self::QuestionNotAllowed,
        Self::OptionRepeated,
        Self::OptionConflict,
        Self::OptionMissing,
        Self::Operand,
        Self::OptionNotGranted,
        Self::Ceiling,
        Self::IntrusiveNotGranted,
    ];

    /// The stable spelling, as in JSON and in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTool => "UNKNOWN_TOOL",
            Self::NotGranted => "NOT_GRANTED",
            Self::GrantExpired => "GRANT_EXPIRED",
            Self::NoApprover => "NO_APPROVER",
            Self::TargetSyntax => "TARGET_SYNTAX",
            Self::TargetKind => "TARGET_KIND",
            Self::TargetNotAllowed => "TARGET_NOT_ALLOWED",
            Self::TargetTooLarge => "TARGET_TOO_LARGE",
            Self::NameUnresolved => "NAME_UNRESOLVED",
            Self::ArgumentSyntax => "ARGUMENT_SYNTAX",
            Self::OptionUnknown => "OPTION_UNKNOWN",
            Self::OptionValue => "OPTION_VALUE",
            Self::QuestionNotAllowed => "QUESTION_NOT_ALLOWED",
            Self::OptionRepeated => "OPTION_REPEATED",
            Self::OptionConflict => "OPTION_CONFLICT",
            Self::OptionMissing => "OPTION_MISSING",
            Self::Operand => "OPERAND",
            Self::OptionNotGranted => "OPTION_NOT_GRANTED",
            Self::Ceiling => "CEILING",
            Self::IntrusiveNotGranted => "INTRUSIVE_NOT_GRANTED",
        }
    }

    /// The layer the code belongs to.
    #[must_use]
    pub const fn layer(self) -> Layer {
        match self {
            Self::UnknownTool | Self::NotGranted | Self::GrantExpired | Self::NoApprover => {
                Layer::Tool
            }
            Self::TargetSyntax
            | Self::TargetKind
            | Self::TargetNotAllowed
            | Self::TargetTooLarge
            | Self::NameUnresolved => Layer::Target,
            Self::ArgumentSyntax
            | Self::OptionUnknown
            | Self::OptionValue
            | Self::QuestionNotAllowed
            | Self::OptionRepeated
            | Self::OptionConflict
            | Self::OptionMissing
            | Self::Operand
            | Self::OptionNotGranted
            | Self::Ceiling => Layer::Argument,
            Self::IntrusiveNotGranted => Layer::Intrusive,
        }
    }
}

impl fmt::Display for DenialCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Layer {
    /// The spelling in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Target => "target",
            Self::Argument => "argument",
            Self::Intrusive => "intrusive",
        }
    }
}
