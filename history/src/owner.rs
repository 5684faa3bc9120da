//! Whose a run is, and whose runs a reader may see.

use std::fmt;

use serde::Serialize;

/// Bytes of an owner's name at most.
pub const OWNER_BYTES_MAX: usize = 512;

/// Whose a run is, such as `uid:1000` or `token:dashboard`. Names are compared byte by byte: nothing is
/// folded, trimmed or matched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Owner(String);

/// A text that names no owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an owner's name has 1 to {OWNER_BYTES_MAX} bytes")]
pub struct BadOwner;

impl Owner {
    /// The owner of that name.
    ///
    /// # Errors
    /// If the name is empty, or longer than [`OWNER_BYTES_MAX`].
    pub fn new(name: impl Into<String>) -> Result<Self, BadOwner> {
        let name = name.into();
        if name.is_empty() || name.len() > OWNER_BYTES_MAX {
            return Err(BadOwner);
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whose runs are looked at. There is no default, and nothing is read without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The runs of one owner alone.
    Owner(Owner),
    /// Everybody's: for whoever the file itself belongs to, or an administrator of the server.
    All,
}
