//! A run that goes on: where it is, what it tells, and how it is ended.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use probity_history::{NotKept, Owner, Reply, RunId, State, UtcMs};
use probity_protocol::Tier;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    log::RunLog,
    view::{ProgressView, RunView},
    when::stamp,
};
use crate::{
    calls::request::Asked,
    output::progress::{Progress, Status},
};

/// How long whoever asks for a run in the background waits for the word that its begin is kept.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of a run since its tool runs.
pub(super) struct Began {
    pub(super) at: UtcMs,
    /// What the tool is aimed at.
    pub(super) address: String,
    /// How far the call goes.
    pub(super) tier: Tier,
}

/// What a run came to.
pub(super) struct Over {
    pub(super) state: State,
    pub(super) at: UtcMs,
    /// In words, and as the call would have answered; none of one that was ended before its tool ran.
    pub(super) text: Option<String>,
    /// The words in a line.
    pub(super) headline: Option<String>,
    pub(super) result: Option<Value>,
}

/// A run that goes on in this process.
pub struct Live {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub owner: Owner,
    /// What it tells. A run that somebody waits for tells it to that one instead.
    pub log: RunLog,
    /// Nobody waits for it.
    pub in_background: bool,
    /// When it was asked for.
    pub(super) queued: UtcMs,
    client: Option<String>,
    asked: OnceLock<Asked>,
    began: OnceLock<Began>,
    over: OnceLock<Over>,
    status: OnceLock<watch::Receiver<Status>>,
    interrupted: OnceLock<&'static str>,
    /// Somebody has asked for its end.
    cancelled: CancellationToken,
    /// What ends its tool, where that runs, and keeps what it had written.
    recall: Mutex<Option<CancellationToken>>,
    /// The word that its begin is kept.
    written: Mutex<Option<Reply<(), NotKept>>>,
    /// It is over, and kept if it could be.
    ended: CancellationToken,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("id", &self.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Live {
    /// A run that begins.
    pub(super) fn new(
        id: RunId,
        owner: Owner,
        client: Option<String>,
        in_background: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            owner,
            queued: UtcMs::now(),
            client,
            began: OnceLock::new(),
            over: OnceLock::new(),
            log: RunLog::default(),
            in_background,
            asked: OnceLock::new(),
            status: OnceLock::new(),
            interrupted: OnceLock::new(),
            cancelled: CancellationToken::new(),
            recall: Mutex::default(),
            written: Mutex::default(),
            ended: CancellationToken::new(),
        })
    }

    /// Where its status is to be seen.
    pub(crate) fn watch(&self, status: watch::Receiver<Status>) {
        let _ = self.status.set(status);
    }

    /// Its tool runs, and this ends it.
    pub(super) fn started(&self, began: Began, recall: &CancellationToken) {
        let _ = self.began.set(began);
        *self.recall.lock().unwrap_or_else(PoisonError::into_inner) = Some(recall.clone());
        if self.cancelled.is_cancelled() {
            recall.cancel();
        }
    }

    /// Has it end. Of a tool that runs already, what it had written is its result.
    pub fn cancel(&self) {
        self.cancelled.cancel();
        if let Some(recall) = &*self.recall.lock().unwrap_or_else(PoisonError::into_inner) {
            recall.cancel();
        }
    }

    /// Has it end, for another reason than that somebody asked for that.
    pub fn interrupt(&self, reason: &'static str) {
        // Only the first reason counts.
        let _ = self.interrupted.set(reason);
        self.cancel();
    }

    /// Why it ends, where nobody asked for that.
    pub(super) fn interruption(&self) -> Option<&'static str> {
        self.interrupted.get().copied()
    }

    /// Whether it is to end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Waits until it is to end.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Waits for ever where its tool runs: what that has written comes soon.
    pub(crate) async fn is_in_line(&self) {
        let runs = self.recall.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if runs {
            std::future::pending::<()>().await;
        }
    }

    /// What is said of its call, once that is read.
    pub(crate) fn asked(&self) -> Option<&Asked> {
        self.asked.get()
    }

    pub(super) fn read(&self, asked: &Asked) {
        let _ = self.asked.set(asked.clone());
    }

    /// How far it is, where anything tells.
    #[must_use]
    pub fn progress(&self) -> Option<ProgressView> {
        let status = self.status.get()?.borrow();
        let now = Instant::now();
        let progress = status.progress_at(now);
        let message = status.message_at(now)?;
        Some(ProgressView {
            percent: progress.as_ref().and_then(Progress::percent),
            remaining_sec: progress
                .as_ref()
                .and_then(|it| it.remaining)
                .map(|time| time.as_secs_f64().round()),
            message,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn state(&self) -> State {
        match (self.over.get(), self.began.get()) {
            (Some(over), _) => over.state,
            (None, Some(_)) => State::Running,
            (None, None) => State::Queued,
        }
    }

    /// What is known of it since its tool runs.
    pub(super) fn began(&self) -> Option<&Began> {
        self.began.get()
    }

    /// What it came to.
    pub(super) fn over(&self) -> Option<&Over> {
        self.over.get()
    }

    /// Notes what it came to.
    pub(super) fn came_to(&self, over: Over) {
        let _ = self.over.set(over);
    }

    /// The run as clients see it; none before its call is read.
    pub(super) fn view(&self) -> Option<RunView> {
        let asked = self.asked.get()?;
        let over = self.over.get();
        let field = |name: &str| over.and_then(|over| over.result.as_ref()?.get(name));
        Some(RunView {
            run_id: self.id.to_string(),
            tool: asked.tool.clone(),
            target: asked.target.clone(),
            state: self.state().as_str(),
            progress: if over.is_none() { self.progress() } else { None },
            asked_at: stamp(self.queued),
            started_at: self.began.get().map(|began| stamp(began.at)),
            ended_at: over.map(|over| stamp(over.at)),
            returncode: field("returncode").and_then(|code| i32::try_from(code.as_i64()?).ok()),
            error_type: field("error_type").and_then(|kind| kind.as_str().map(str::to_owned)),
            summary: over.and_then(|over| over.headline.clone()),
            client: self.client.clone(),
            owner: None,
            correlation_id: asked.correlation_id.clone(),
        })
    }

    pub(super) fn end(&self) {
        self.log.end();
        self.ended.cancel();
    }

    /// The word that its begin is kept, which is on its way.
    pub(super) fn written(&self, word: Reply<(), NotKept>) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
    }

    /// Waits until its begin is kept, or cannot be: then its end may be.
    pub(crate) async fn is_written(&self) {
        let word = self.written.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(word) = word {
            let _ = timeout(PATIENCE, word).await;
        }
    }

    /// Waits until it is over.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
