//! A token as its holder has it, and what is kept of it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::TokensError;

/// Begins every token, so that people and secret scanners know one when they see it.
const PREFIX: &str = "probity_";

/// How much of a token is random.
const RANDOM_BYTES: usize = 32;

/// Begins every hash in the file: the way it was made.
pub(super) const HASH_PREFIX: &str = "sha256:";

/// Shortest token that somebody may choose themselves.
pub(super) const LEAST_CHOSEN: usize = 16;

/// A token as its holder has it. It is shown once, and never logged.
pub struct Secret(String);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// The kernel has no random bytes to give.
    pub fn random() -> Result<Self, TokensError> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| TokensError::NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", hex(&bytes))))
    }

    /// One that somebody chose.
    ///
    /// # Errors
    /// It is too short to be a secret.
    pub fn chosen(text: &str) -> Result<Self, TokensError> {
        match text.len() >= LEAST_CHOSEN && text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(Self(text.to_owned())),
            false => Err(TokensError::WeakToken),
        }
    }

    /// To be shown to its holder.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

/// Whether a token has the form of those that are made here. Nobody guesses one of them; what has
/// another form may be somebody's own choice.
#[must_use]
pub fn is_unguessable(presented: &str) -> bool {
    let digits = presented.strip_prefix(PREFIX).unwrap_or_default();
    digits.len() == 2 * RANDOM_BYTES && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is kept of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenHash(pub(super) [u8; 32]);

impl TokenHash {
    pub(super) fn of(token: &str) -> Self {
        // RULE: Tokens are kept as hashes.
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(HASH_PREFIX).filter(|d| d.len() == 64 && d.is_ascii())?;
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH_PREFIX}{}", hex(&self.0))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
