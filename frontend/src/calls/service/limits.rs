//! What keeps a call from being one at all: its client asks too often, or may not ask for this. The
//! broker does not hear of either.

use super::{Asking, Service, turned_away};
use crate::calls::{
    control::limiter::{Exceeded, Limiter, Quota, RateKey},
    request::Asked,
    result::{ErrorType, ToolResult},
};

impl Service {
    /// How often a client may ask for a tool.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Whether that holds for the one client of standard input and output, too.
    #[must_use]
    pub fn limits_stdio(&self) -> bool {
        self.limiter.rate().stdio
    }

    /// Counts a request of a client's, whose name the log has, for a tool or alias. All names that are
    /// no tool's are counted as one.
    ///
    /// # Errors
    /// [`Exceeded`] where there are too many.
    pub fn admit(&self, name: &str, key: RateKey, tool: &str) -> Result<Quota, Exceeded> {
        let listing = self.listing();
        let tool = listing.entry(tool).map(|entry| entry.name.as_str());
        self.limiter.ask(key, tool.unwrap_or_default()).inspect_err(|exceeded| {
            self.metrics.rate_limited(tool.unwrap_or_default(), &listing);
            if exceeded.is_first {
                let seconds = exceeded.retry_after.as_secs_f64();
                tracing::warn!(client = name, tool, seconds, "rate.limited");
            }
        })
    }

    /// The answer to a call that [`Self::admit`] refused.
    #[must_use]
    pub fn rate_limited(&self, asking: Asking<'_>, exceeded: &Exceeded) -> ToolResult {
        turned_away::rate_limited(
            &Asked::unread(asking.tool, asking.arguments),
            self.limiter.rate(),
            exceeded,
        )
    }

    /// The answer to a call that its caller may not make.
    #[must_use]
    pub fn beyond_caller(&self, asking: Asking<'_>, message: &str, suggestion: &str) -> ToolResult {
        let (kind, asked) = (ErrorType::PolicyDenied, Asked::unread(asking.tool, asking.arguments));
        ToolResult::turned_away(&asked, kind, message.into(), suggestion.into())
    }
}
