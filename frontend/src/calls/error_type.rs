//! The kinds of error that a client can tell apart.
//!
//! They stand below results and schemas, which both name them.

use std::fmt;

use probity_protocol::DenialCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The kinds of error a client can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorType {
    /// The run's time was up.
    Timeout,
    /// The tool is not installed, or cannot work here.
    NotFound,
    /// The request is not one that the policy can allow.
    ValidationError,
    /// The request is well formed, and beyond what the policy allows.
    PolicyDenied,
    /// The tool failed, and nothing could be read from its output.
    ExecutionError,
    /// No room for a run now.
    ResourceExhausted,
    /// This process does not publish the tool.
    Disabled,
    /// The tool has failed too often lately.
    CircuitBreakerOpen,
    /// The broker went away during the run.
    BrokerLost,
    /// There is no broker to ask.
    BrokerUnreachable,
    /// The tool did what its sandbox ends it for, or the sandbox could not be made.
    SandboxViolation,
    /// Something else.
    Unknown,
}

impl ErrorType {
    /// Every kind, in the order of the schema.
    pub const ALL: [Self; 12] = [
        Self::Timeout,
        Self::NotFound,
        Self::ValidationError,
        Self::PolicyDenied,
        Self::ExecutionError,
        Self::ResourceExhausted,
        Self::Disabled,
        Self::CircuitBreakerOpen,
        Self::BrokerLost,
        Self::BrokerUnreachable,
        Self::SandboxViolation,
        Self::Unknown,
    ];

    /// The spelling in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "TIMEOUT",
            Self::NotFound => "NOT_FOUND",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::PolicyDenied => "POLICY_DENIED",
            Self::ExecutionError => "EXECUTION_ERROR",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::Disabled => "DISABLED",
            Self::CircuitBreakerOpen => "CIRCUIT_BREAKER_OPEN",
            Self::BrokerLost => "BROKER_LOST",
            Self::BrokerUnreachable => "BROKER_UNREACHABLE",
            Self::SandboxViolation => "SANDBOX_VIOLATION",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The kind a denial belongs to.
    #[must_use]
    pub const fn of_denial(code: DenialCode) -> Self {
        match code {
            DenialCode::NotGranted
            | DenialCode::TargetNotAllowed
            | DenialCode::OptionNotGranted
            | DenialCode::IntrusiveNotGranted => Self::PolicyDenied,
            _ => Self::ValidationError,
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
