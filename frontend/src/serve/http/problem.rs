//! Errors over HTTP: RFC 9457's `application/problem+json`, with the fields that every error of
//! Probity has. Nothing of a panic, a path or another caller is ever in one.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::request_id::CORRELATION_ID;
use crate::calls::result::{ErrorDetails, ErrorType, ToolResult};

/// What went wrong with a request, and what to do about it.
#[derive(Debug, Clone)]
pub struct Problem(Box<ProblemDetails>);

/// The same as clients read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemDetails {
    /// What kind of thing, as a URN: `urn:probity:error:policy-denied`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in words.
    pub title: &'static str,
    /// The response's status.
    pub status: u16,
    /// What is wrong, in a sentence.
    pub detail: String,
    /// The kind, as every way in names it.
    pub error_type: &'static str,
    /// A denial's stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// `detail` again, under the name that results have for it.
    pub message: String,
    /// What to do instead.
    pub recovery_suggestion: String,
    /// When, in RFC 3339.
    pub timestamp: String,
    /// The tool asked for, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// The target asked for, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Facts for programs.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Ties this to the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// When it is worth asking again; also the header.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
    /// A token was given, and is none (RFC 6750).
    #[serde(skip)]
    pub is_invalid_token: bool,
}

/// A problem that has no tool in it: its status, its kind and its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No token, or a wrong one.
    Unauthenticated,
    /// A token that does not go so far.
    Forbidden,
    /// A name of another host.
    ForeignHost,
    /// A page of another site.
    ForeignOrigin,
    /// No such path, or no such tool.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// Not while things are as they are.
    Conflict,
    /// An answer of a type that was not asked for.
    NotAcceptable,
    /// A body that is not what it has to be.
    BadRequest,
    /// A body of another type.
    UnsupportedMediaType,
    /// A body that is too large.
    TooLarge,
    /// A body that takes too long.
    TooSlow,
    /// Too many requests.
    RateLimited,
    /// Too many wrong tokens.
    TooManyFailures,
    /// Too many connections.
    NoRoom,
    /// What is kept cannot be read now.
    Unreadable,
    /// The server is at its end.
    Stopping,
    /// A fault in this program.
    Internal,
}

impl Kind {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unauthenticated => {
                (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "A token is needed")
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "FORBIDDEN", "Beyond this token"),
            Self::ForeignHost => (StatusCode::FORBIDDEN, "FOREIGN_HOST", "Another host's name"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "FOREIGN_ORIGIN", "Another site's page"),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND", "Not found"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Not with this method")
            }
            Self::Conflict => (StatusCode::CONFLICT, "VALIDATION_ERROR", "Not now"),
            Self::NotAcceptable => {
                (StatusCode::NOT_ACCEPTABLE, "VALIDATION_ERROR", "Another type of answer is given")
            }
            Self::BadRequest => {
                (StatusCode::BAD_REQUEST, "VALIDATION_ERROR", "Not a valid request")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "VALIDATION_ERROR",
                "Another type of body is needed",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "VALIDATION_ERROR", "Too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "TIMEOUT", "Too slow"),
            Self::RateLimited | Self::TooManyFailures => {
                (StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", "Too many requests")
            }
            Self::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "RESOURCE_EXHAUSTED", "No room now"),
            Self::Unreadable => {
                (StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN", "What is kept cannot be read")
            }
            Self::Stopping => {
                (StatusCode::SERVICE_UNAVAILABLE, "SHUTTING_DOWN", "The server is stopping")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "A fault in Probity"),
        }
    }
}

impl Problem {
    /// A problem of the request itself.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>, suggestion: impl Into<String>) -> Self {
        let (status, error_type, title) = kind.parts();
        Self::of(status, error_type, title, message.into(), suggestion.into())
    }

    /// What a call that did not run says, or one whose broker was lost; `None` where it ran.
    #[must_use]
    pub fn of_result(result: &ToolResult) -> Option<Self> {
        let details = result.error_details.as_ref()?;
        let status = status_of(result, details)?;
        Some(Self::of_details(result, details, status))
    }

    /// What a run says that was ended through no fault of its target's: by its sandbox, by a signal, or
    /// because it was cancelled. `None` of any other.
    #[must_use]
    pub fn of_interrupted(result: &ToolResult) -> Option<Self> {
        let details = result.error_details.as_ref()?;
        let is_killed = result.signal.is_some() && !result.timed_out;
        let is_violation = details.error_type == ErrorType::SandboxViolation;
        let is_it = is_killed || is_violation || result.is_cancelled();
        is_it.then(|| Self::of_details(result, details, StatusCode::SERVICE_UNAVAILABLE))
    }

    fn of_details(result: &ToolResult, details: &ErrorDetails, status: StatusCode) -> Self {
        let title = title_of(details.error_type);
        let (message, suggestion) = (details.message.clone(), details.recovery_suggestion.clone());
        let mut problem = Self::of(status, details.error_type.as_str(), title, message, suggestion);
        problem.code = details.code;
        problem.timestamp.clone_from(&details.timestamp);
        problem.tool_name = Some(details.tool_name.clone());
        problem.target = Some(details.target.clone()).filter(|target| !target.is_empty());
        problem.metadata.clone_from(&details.metadata);
        problem.correlation_id = Some(result.correlation_id.clone());
        problem.retry_after = retry_after(status, details);
        if !result.stdout.is_empty() || !result.stderr.is_empty() {
            // What a run had given before its broker was lost.
            problem.metadata.insert("result".into(), json!(result));
        }
        problem
    }

    /// The same of a tool that is not in the catalog. The broker does not tell one that is not granted
    /// from one that there is not; at this path there is nothing either way.
    #[must_use]
    pub fn of_no_tool(mut self) -> Self {
        if let Some("UNKNOWN_TOOL" | "NOT_GRANTED") = self.code {
            self.status = StatusCode::NOT_FOUND.as_u16();
        }
        self
    }

    /// It as text, for the request with this id unless it has one of its own.
    pub(super) fn written_for(mut self, id: &str) -> Body {
        self.correlation_id.get_or_insert_with(|| id.to_owned());
        serde_json::to_vec(&*self.0).unwrap_or_default().into()
    }

    /// With the time after which to ask again.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// The answer to a token that was given and is none.
    pub(super) fn of_invalid_token(mut self) -> Self {
        self.is_invalid_token = true;
        self
    }

    fn of(
        status: StatusCode,
        error_type: &'static str,
        title: &'static str,
        message: String,
        recovery_suggestion: String,
    ) -> Self {
        let word = error_type.to_ascii_lowercase().replace('_', "-");
        Self(Box::new(ProblemDetails {
            kind: format!("urn:probity:error:{word}"),
            title,
            status: status.as_u16(),
            detail: message.clone(),
            error_type,
            code: None,
            message,
            recovery_suggestion,
            timestamp: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            tool_name: None,
            target: None,
            metadata: Map::new(),
            correlation_id: None,
            retry_after: None,
            is_invalid_token: false,
        }))
    }
}

impl Deref for Problem {
    type Target = ProblemDetails;

    fn deref(&self) -> &ProblemDetails {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut ProblemDetails {
        &mut self.0
    }
}

impl IntoResponse for Problem {
    /// Its body is written where every answer leaves, since that is where its id is known.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after.map(|time| time.as_secs_f64().ceil().max(1.0) as u64);
        // A call's own id, which may be its body's.
        let challenge = match self.is_invalid_token {
            true => "Bearer realm=\"probity\", error=\"invalid_token\"",
            false => "Bearer realm=\"probity\"",
        };
        let id = self.correlation_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(id) = id {
            headers.insert(CORRELATION_ID, id);
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// The status of a call that did not run; `None` of one that did, however it ended.
fn status_of(result: &ToolResult, details: &ErrorDetails) -> Option<StatusCode> {
    let ran = result.returncode.is_some() || result.signal.is_some() || result.timed_out;
    Some(match details.error_type {
        ErrorType::ValidationError if details.code == Some("UNKNOWN_TOOL") => StatusCode::NOT_FOUND,
        ErrorType::ValidationError => StatusCode::BAD_REQUEST,
        ErrorType::PolicyDenied => StatusCode::FORBIDDEN,
        ErrorType::Disabled => StatusCode::CONFLICT,
        ErrorType::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        ErrorType::CircuitBreakerOpen | ErrorType::BrokerLost | ErrorType::BrokerUnreachable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        // A tool that is not installed, or did not start: nothing that the client sent wrong.
        _ if !ran => StatusCode::SERVICE_UNAVAILABLE,
        _ => return None,
    })
}

const fn title_of(kind: ErrorType) -> &'static str {
    match kind {
        ErrorType::Timeout => "The time is up",
        ErrorType::NotFound => "The tool cannot run here",
        ErrorType::ValidationError => "Not a valid request",
        ErrorType::PolicyDenied => "Refused by the policy",
        ErrorType::ExecutionError => "The tool could not be run",
        ErrorType::ResourceExhausted => "No room now",
        ErrorType::Disabled => "The tool is disabled",
        ErrorType::CircuitBreakerOpen => "The tool has failed too often lately",
        ErrorType::BrokerLost => "The broker was lost",
        ErrorType::BrokerUnreachable => "There is no broker to ask",
        ErrorType::SandboxViolation => "The sandbox could not be kept",
        ErrorType::Unknown => "Something else",
    }
}

/// What the error says itself, and otherwise a moment.
fn retry_after(status: StatusCode, details: &ErrorDetails) -> Option<Duration> {
    const MOMENT: Duration = Duration::from_secs(5);
    let worth = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let said = details.metadata.get("retry_after_sec").and_then(Value::as_f64);
    let said = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    worth.then(|| said.unwrap_or(MOMENT))
}
