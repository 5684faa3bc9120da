//! Sends what is pushed: traces to a collector, metrics to a gateway. By HTTP without TLS, to where the
//! settings say and nowhere else: no proxy of the environment's, and no redirection.
//!
//! It waits, so whoever uses it does so on a thread that may. Whatever becomes of what was sent, nothing
//! else does: one that is away is told of in the log, seldom.

use std::time::Duration;

use ureq::{
    Agent, Body,
    http::{Request, Response},
};

use super::logging::Seldom;

/// How long all of one request may take. It is also what the end of a server can be held up by.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Most of an answer that is read.
const LONGEST_ANSWER: u64 = 64 << 10;

/// A client for one destination.
#[derive(Debug)]
pub struct Sender {
    agent: Agent,
    /// What it is for, in the log.
    what: &'static str,
}

static FAILURES: Seldom = Seldom::new();

/// What did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It was not reached, or did not answer in time.
    #[error(transparent)]
    Failed(#[from] ureq::Error),
    /// It did not take it.
    #[error("it answered {0}")]
    Refused(u16),
}

impl Sender {
    /// A client that has sent nothing yet. `what` is what is sent, in the log.
    #[must_use]
    pub fn of(what: &'static str) -> Self {
        Self { agent: agent(PATIENCE), what }
    }

    /// Sends a request and reads its answer, within [`PATIENCE`].
    ///
    /// # Errors
    /// [`SendError`], which is in the log by then.
    pub fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, SendError> {
        let answered = self.agent.run(request).and_then(whole).map_err(SendError::Failed);
        let taken = answered.and_then(|answer| match answer.status() {
            status if status.is_success() => Ok(answer),
            status => Err(SendError::Refused(status.as_u16())),
        });
        taken.inspect_err(|error| {
            FAILURES.line(self.what, |left_out| {
                let (what, error) = (self.what, error.to_string());
                tracing::warn!(what, error, left_out, "telemetry.failed");
            });
        })
    }
}

/// What speaks HTTP here: to where a request says and nowhere else, each request within `patience`.
pub(crate) fn agent(patience: Duration) -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(patience))
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("probity/", env!("CARGO_PKG_VERSION")))
        .build();
    config.into()
}

fn whole(answer: Response<Body>) -> Result<Response<Vec<u8>>, ureq::Error> {
    let (head, mut body) = answer.into_parts();
    let body = body.with_config().limit(LONGEST_ANSWER).read_to_vec()?;
    Ok(Response::from_parts(head, body))
}
