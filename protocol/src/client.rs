//! What only those need who ask a broker or write its policy: the broker is built without the feature
//! `client`, and so without this. Nothing here is believed by it.

use ipnet::IpNet;

use crate::{
    Allowance, Catalog, Decimal, FORBIDDEN_CHARACTERS, LexicalDefect, MAX_ARGS_BYTES, MAX_OPTIONS,
    Token, ToolEntry,
    lexical::{check_length, saturate},
};

/// The parsers of this version's frontend, by the names that a tool's file gives them. They stand here
/// for `probity-policy check`, which warns of another; a test of the frontend's holds that it has
/// exactly these.
pub const PARSERS: [&str; 11] = [
    "arping",
    "curl",
    "dig",
    "ip-json",
    "mtr",
    "nmap-xml",
    "ping",
    "tcpdump",
    "tls",
    "tracepath",
    "traceroute",
];

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

/// Families for which the policy has networks: no other is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkFamilies {
    /// IPv4 may be aimed at.
    pub ipv4: bool,
    /// IPv6 may be aimed at.
    pub ipv6: bool,
}

impl Allowance {
    /// Which families are worth looking up.
    #[must_use]
    pub fn families(&self) -> NetworkFamilies {
        NetworkFamilies {
            ipv4: self.networks.iter().any(|n| matches!(n, IpNet::V4(_))),
            ipv6: self.networks.iter().any(|n| matches!(n, IpNet::V6(_))),
        }
    }
}

impl Catalog {
    /// What calls of a tool of it may aim at. Where several grants give the tool it is what they allow
    /// together, though a call must keep to one of them: the policy has the last word.
    #[must_use]
    pub fn allowance_of<'c>(&'c self, tool: &'c ToolEntry) -> &'c Allowance {
        tool.allowance.as_ref().unwrap_or(&self.allowance)
    }

    /// A tool by its name or one of its aliases.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&ToolEntry> {
        self.tools
            .iter()
            .find(|t| t.name.as_str() == name || t.aliases.iter().any(|a| a.as_str() == name))
    }
}

impl Decimal {
    /// The nearest floating point number, for JSON.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn to_f64(self) -> f64 {
        self.micros() as f64 / 1e6
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
}
