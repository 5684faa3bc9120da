//! What grants leave of options, for a comparison: whether one leaves all that another leaves, and in words.

use std::fmt;

use probity_protocol::{Ports, Tier};

use crate::{
    granted_options::{Left, OptionLeft},
    value::ValueKind,
};

impl Left {
    /// All values of a kind up to a tier; `None` where they cannot be told so.
    pub(crate) fn all(kind: &ValueKind, tier: Tier) -> Option<Self> {
        Some(match kind {
            ValueKind::Integer { min, max } => Self::Integer { min: *min, max: *max },
            ValueKind::Number { min, max } | ValueKind::Duration { min, max } => {
                Self::Decimal { min: *min, max: *max }
            }
            ValueKind::Ports => Self::Ports(Ports::all()),
            ValueKind::Enumeration(words) | ValueKind::EnumerationList(words) => {
                Self::Words(words.iter().cloned().collect())
            }
            ValueKind::Rendered(words) => {
                let within = words.iter().filter(|(_, word)| word.tier <= tier);
                Self::Words(within.map(|(name, _)| name.clone()).collect())
            }
            _ => return None,
        })
    }

    /// Whether it has every value that the other has.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Nothing) => true,
            (Self::Integer { min, max }, Self::Integer { min: low, max: high }) => {
                min <= low && high <= max
            }
            (Self::Decimal { min, max }, Self::Decimal { min: low, max: high }) => {
                min <= low && high <= max
            }
            (Self::Ports(these), Self::Ports(those)) => these.cover(those),
            (Self::Words(these), Self::Words(those)) => those.is_subset(these),
            _ => false,
        }
    }
}

/// In words: `count 1 to 10`, `ports 1-1024`, `no os_detection`.
impl fmt::Display for OptionLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.left {
            Left::Nothing => write!(f, "no {name}"),
            Left::Integer { min, max } => write!(f, "{name} {min} to {max}"),
            Left::Decimal { min, max } => write!(f, "{name} {min} to {max}"),
            Left::Ports(ports) => write!(f, "{name} {ports}"),
            Left::Words(words) => {
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                write!(f, "{name} {}", words.join("|"))
            }
        }
    }
}
