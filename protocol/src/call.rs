//! One request to run a tool, as the frontend puts it to the broker.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    ClientLabel, CorrelationId, Identifier, LexicalDefect, MAX_ARGS_BYTES, OptionText, Target,
    Tier, Token, ToolName,
    bounded::{self, Size},
};

/// Most typed options, and most words of `extra_args`, in one call. No tool has as many.
pub const MAX_OPTIONS: usize = 256;

/// Everything the broker needs to decide and run. Nothing in it is believed: it is what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// A tool's name or alias.
    pub tool: ToolName,
    /// What to aim at.
    pub target: Target,
    /// Preset, options and further arguments.
    pub arguments: Arguments,
    /// What the frontend asks for; the broker takes the smaller of this and the policy's.
    pub limits: RequestedLimits,
    /// Carried to the audit log.
    pub correlation_id: CorrelationId,
    /// The frontend's word for its own client.
    pub client: Option<ClientLabel>,
}

/// What was asked of the tool. Lists and texts are bounded when decoded, whoever sent them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arguments {
    /// Lexically valid arguments.
    Given {
        /// A named set of options.
        preset: Option<Identifier>,
        /// Typed options, by property name.
        #[serde(deserialize_with = "bounded_list")]
        options: Vec<GivenOption>,
        /// The words of `extra_args`.
        #[serde(deserialize_with = "bounded_list")]
        tokens: Vec<Token>,
    },
    /// The frontend could not read them. They still travel, so that a bad target is refused before
    /// bad arguments are, and the broker records the attempt.
    Malformed(LexicalDefect),
}

impl Default for Arguments {
    fn default() -> Self {
        Self::Given { preset: None, options: Vec::new(), tokens: Vec::new() }
    }
}

/// A typed option as given: the property, and its value as text where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenOption {
    /// The property's name.
    pub name: Identifier,
    /// `None` for an option that takes no value.
    pub value: Option<OptionText>,
}

/// Limits the frontend asks for, each `None` where it has no wish.
///
/// `timeout` is the client's own: one above the policy's ceiling is refused. The others come from
/// the frontend's configuration and are lowered to the policy's without a word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedLimits {
    /// Wall-clock time the run may take.
    pub timeout: Option<Duration>,
    /// Address space, in bytes.
    pub memory_bytes: Option<u64>,
    /// Open descriptors.
    pub open_files: Option<u64>,
    /// Standard output kept, in bytes.
    pub stdout_bytes: Option<u64>,
    /// Standard error kept, in bytes.
    pub stderr_bytes: Option<u64>,
    /// The highest tier to allow, whatever the peer is granted.
    pub tier: Option<Tier>,
}

fn bounded_list<'de, D: Deserializer<'de>, T: Deserialize<'de> + Size>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    bounded::list(from, MAX_OPTIONS, MAX_ARGS_BYTES)
}

impl Size for GivenOption {
    fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, |value| value.as_str().len())
    }
}

impl Size for Token {
    fn bytes(&self) -> usize {
        self.as_str().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_honest_frontend_sends_is_refused_when_it_is_decoded() {
        let token = || Token::new("a".repeat(1500)).unwrap();
        let given = |tokens| Arguments::Given { preset: None, options: Vec::new(), tokens };
        let decodes = |arguments| crate::decode::<Arguments>(&crate::encode(&arguments)).is_ok();
        assert!(decodes(given(vec![token()])));
        assert!(!decodes(given(vec![token(), token()])));
        assert!(!decodes(given(vec![Token::new("a").unwrap(); MAX_OPTIONS + 1])));
    }
}
