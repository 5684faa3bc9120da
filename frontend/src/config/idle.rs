//! A setting that comes to nothing, as it is told of. Which ones do is found out where the tools are
//! known.

use std::fmt;

use serde::Serialize;

/// A setting without effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdleSetting {
    /// Its key.
    pub key: String,
    /// What it is set to.
    pub value: String,
    /// Where it was set.
    pub source: String,
    /// What holds instead, for which tool.
    pub holds: String,
}

impl IdleSetting {
    /// Logs it.
    pub fn emit(&self) {
        let Self { key, value, source, holds } = self;
        tracing::warn!(key, value, source, holds, "config.no_effect");
    }
}

impl fmt::Display for IdleSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, source, holds } = self;
        write!(f, "{source}: {key} is {value} and has no effect; what holds is {holds}")
    }
}
