//! One request to run a tool, as the frontend puts it to the broker.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    ClientLabel, CorrelationId, FORBIDDEN_CHARACTERS, Identifier, LexicalDefect, MAX_ARGS_BYTES,
    OptionText, Target, Tier, Token, ToolName,
    bounded::{self, Size},
    lexical::{check_length, saturate},
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

/// Splits `extra_args` into words by the shell's quoting rules, without a shell.
///
/// # Errors
/// Text over `limit` bytes (never more than [`MAX_ARGS_BYTES`]), a character that is never
/// accepted, an open quote, or a word that is no [`Token`]. Positions count from the start of the
/// text, or of the word.
pub fn split_extra_args(text: &str, limit: usize) -> Result<Vec<Token>, LexicalDefect> {
    check_length(text.len(), limit.min(MAX_ARGS_BYTES))?;
    // Before splitting: shlex drops what follows `#`, and takes tabs and newlines for blanks.
    let forbidden = |&(_, c): &(usize, char)| {
        !(c.is_ascii_graphic() || c == ' ') || FORBIDDEN_CHARACTERS.contains(c)
    };
    if let Some((position, character)) = text.char_indices().find(forbidden) {
        return Err(LexicalDefect::Character { character, position: saturate(position) });
    }
    let words = shlex::split(text).ok_or(LexicalDefect::Unbalanced)?;
    if words.len() > MAX_OPTIONS {
        return Err(LexicalDefect::TooMany {
            count: saturate(words.len()),
            limit: saturate(MAX_OPTIONS),
        });
    }
    words.into_iter().map(Token::new).collect()
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

    fn words(text: &str) -> Result<Vec<String>, LexicalDefect> {
        let tokens = split_extra_args(text, MAX_ARGS_BYTES)?;
        Ok(tokens.into_iter().map(String::from).collect())
    }

    #[test]
    fn blanks_and_quotes_split_as_in_a_shell() {
        assert_eq!(words("  -c   2  ").unwrap(), ["-c", "2"]);
        assert_eq!(words("'-c' \"2\"").unwrap(), ["-c", "2"]);
        assert!(words("").unwrap().is_empty());
    }

    #[test]
    fn what_a_shell_would_act_on_is_refused_even_inside_quotes() {
        for text in [
            "-c 1; id", "-c '1;'", "`id`", "$(id)", "-c 1 > x", "a|b", "a&&b", "a\nb", "a\tb",
            "-c 2 # x", "–c",
        ] {
            assert!(matches!(words(text), Err(LexicalDefect::Character { .. })), "{text:?}");
        }
    }

    #[test]
    fn open_quotes_and_a_last_backslash_are_refused() {
        assert_eq!(words("-c '1"), Err(LexicalDefect::Unbalanced));
        assert_eq!(words("-c 1\\"), Err(LexicalDefect::Unbalanced));
    }

    #[test]
    fn an_empty_word_is_refused() {
        assert_eq!(words("-c ''"), Err(LexicalDefect::Empty));
    }

    #[test]
    fn the_length_is_capped_before_anything_else() {
        let long = "-q ".repeat(1000);
        assert!(matches!(words(&long), Err(LexicalDefect::TooLong { bytes: 3000, limit: 2048 })));
    }

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
