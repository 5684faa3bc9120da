//! News of runs, for whoever watches this process as it works.
//!
//! It is lossy: nobody is waited for, and one who listens too slowly misses the oldest. Where nobody
//! listens, nothing is made.

use std::{sync::Arc, time::Duration};

use probity_protocol::ClientLabel;
use tokio::sync::broadcast;

use crate::calls::{
    observe::metrics::Status,
    result::{Asked, ErrorType, ToolResult},
};

/// News that one who listens may be behind, before he misses the oldest.
const NEWS_HELD: usize = 256;

/// A run has begun or ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunNews {
    /// The tool's own name, or what was asked for where there is no such tool.
    pub tool: String,
    /// The target as asked for.
    pub target: String,
    /// The call's id.
    pub correlation_id: String,
    /// What the client calls itself.
    pub client: Option<String>,
    /// How it ended; none where it begins.
    pub end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// As it is counted.
    pub status: Status,
    /// The tool's exit code.
    pub returncode: Option<i32>,
    /// How long the tool ran.
    pub time: Duration,
    /// What kind of thing went wrong.
    pub error_type: Option<ErrorType>,
}

/// Where news is told.
#[derive(Debug)]
pub(super) struct News(broadcast::Sender<Arc<RunNews>>);

impl News {
    pub(super) fn new() -> Self {
        Self(broadcast::channel(NEWS_HELD).0)
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<RunNews>> {
        self.0.subscribe()
    }

    /// A run begins. Its end is told when what this gives is dropped.
    pub(super) fn began<'a>(
        &'a self,
        asked: &'a Asked,
        client: Option<&'a ClientLabel>,
    ) -> Told<'a> {
        let told = Told { news: self, asked, client, end: None };
        told.tell(None);
        told
    }
}

/// A run that was told of. Dropped before its end, it counts as taken back.
#[must_use = "dropping it tells that the run was taken back"]
pub(super) struct Told<'a> {
    news: &'a News,
    asked: &'a Asked,
    client: Option<&'a ClientLabel>,
    end: Option<RunEnd>,
}

impl Told<'_> {
    /// There is a result.
    pub(super) fn ended(mut self, result: &ToolResult) {
        self.end = Some(RunEnd {
            status: Status::of(result),
            returncode: result.returncode,
            time: Duration::try_from_secs_f64(result.execution_time).unwrap_or_default(),
            error_type: result.error_type,
        });
    }

    fn tell(&self, end: Option<RunEnd>) {
        if self.news.0.receiver_count() == 0 {
            return;
        }
        let Asked { tool, target, correlation_id, .. } = self.asked;
        // Whoever listened may be gone by now, which is as well.
        let _ = self.news.0.send(Arc::new(RunNews {
            tool: tool.clone(),
            target: target.clone(),
            correlation_id: correlation_id.clone(),
            client: self.client.map(|label| label.to_string()),
            end,
        }));
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let taken_back = || RunEnd {
            status: Status::Cancelled,
            returncode: None,
            time: Duration::ZERO,
            error_type: None,
        };
        let end = self.end.take().unwrap_or_else(taken_back);
        self.tell(Some(end));
    }
}
