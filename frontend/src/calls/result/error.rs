//! Everything known about what went wrong with a call.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::calls::error_type::ErrorType;

/// What a client needs to do better next time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErrorDetails {
    /// The kind.
    pub error_type: ErrorType,
    /// The denial's stable code, for a denial.
    pub code: Option<&'static str>,
    /// The denial's layer, for a denial.
    pub layer: Option<&'static str>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do instead.
    pub recovery_suggestion: String,
    /// When, in RFC 3339.
    pub timestamp: String,
    /// The tool asked for.
    pub tool_name: String,
    /// The target asked for.
    pub target: String,
    /// Facts for programs.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}
