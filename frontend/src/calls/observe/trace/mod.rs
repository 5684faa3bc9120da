//! A span for each call, with its phases, for whoever follows a request through several programs.
//!
//! A caller says which trace it is in (W3C Trace Context): what it says is the caller's word, decides
//! nothing, and is ignored where it cannot be read. Without the feature `otel` there are no spans.

#[cfg(not(feature = "otel"))]
mod none;
#[cfg(feature = "otel")]
mod parent;
#[cfg(feature = "otel")]
mod spans;

#[cfg(not(feature = "otel"))]
pub(crate) use self::none::{CallSpan, Tracer};
#[cfg(feature = "otel")]
pub(crate) use self::spans::{CallSpan, Tracer};

/// Which trace a caller is in, in its own words.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceContext<'a> {
    /// `traceparent`.
    pub parent: Option<&'a str>,
    /// `tracestate`.
    pub state: Option<&'a str>,
}

/// The same, kept.
#[derive(Debug, Clone, Default)]
pub struct OwnedTraceContext {
    /// `traceparent`.
    pub parent: Option<String>,
    /// `tracestate`.
    pub state: Option<String>,
}

impl OwnedTraceContext {
    /// As a call takes it.
    #[must_use]
    pub fn borrowed(&self) -> TraceContext<'_> {
        TraceContext { parent: self.parent.as_deref(), state: self.state.as_deref() }
    }
}

/// A part of a call's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for its turn, here or in the broker.
    Queue,
    /// Its target's name is looked up.
    Resolve,
    /// The broker has it: until it has said no, or the tool has started.
    Decide,
    /// The tool runs.
    Run,
    /// Its output is made a result.
    Parse,
}

impl Phase {
    /// Its span's name.
    #[cfg(feature = "otel")]
    const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Resolve => "resolve",
            Self::Decide => "decide",
            Self::Run => "run",
            Self::Parse => "parse",
        }
    }
}
