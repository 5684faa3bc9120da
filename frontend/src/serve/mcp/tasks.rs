//! Runs as the extension `io.modelcontextprotocol/tasks` has them: a task is a run that nobody waits for.
//!
//! There is no second list of them, so what holds for runs holds for tasks: whose they are, how many, and
//! for how long.

use rmcp::{
    ErrorData,
    model::{
        CallToolResponse, CancelTaskParams, CreateTaskResult, DetailedTask, GetTaskParams,
        GetTaskResult, Task, TaskPayload, TaskStatus,
    },
};
use serde_json::{Value, json};

use super::{answer, store::ResultStore};
use crate::calls::runs::{RunView, Runs, RunsError, Viewer};

/// How often it is worth looking.
const POLL_MS: u64 = 1000;

/// A call that has become a task.
pub async fn created(
    runs: &Runs,
    viewer: &Viewer,
    id: &str,
) -> Result<CallToolResponse, ErrorData> {
    let run = runs.status(viewer, id).await.map_err(unknown)?;
    Ok(CallToolResponse::Task(CreateTaskResult::new(task(&run))))
}

/// How far a task is, and what it came to.
pub async fn get(
    runs: &Runs,
    viewer: &Viewer,
    request: &GetTaskParams,
    store: &ResultStore,
    read_on: bool,
) -> Result<GetTaskResult, ErrorData> {
    let run = runs.show(viewer, &request.task_id).await.map_err(unknown)?;
    let payload = match (run.run.state, &run.result) {
        ("queued" | "running", _) => TaskPayload::Working,
        ("cancelled", _) => TaskPayload::Cancelled,
        (_, Some(result)) => {
            let answer = answer::stored(result, &run, store, read_on);
            match json!(answer) {
                Value::Object(result) => TaskPayload::Completed { result },
                _ => TaskPayload::Working,
            }
        }
        // It was cut before there was anything to say.
        (state, None) => {
            let error = ErrorData::internal_error(format!("the run was {state}"), None);
            match json!(error) {
                Value::Object(error) => TaskPayload::Failed { error },
                _ => TaskPayload::Cancelled,
            }
        }
    };
    Ok(GetTaskResult::new(DetailedTask::new(task(&run.run), payload)))
}

/// Whether there is such a task.
pub async fn known(runs: &Runs, viewer: &Viewer, id: &str) -> Result<(), ErrorData> {
    runs.status(viewer, id).await.map(drop).map_err(unknown)
}

/// Has a task end.
pub async fn cancel(
    runs: &Runs,
    viewer: &Viewer,
    request: &CancelTaskParams,
) -> Result<(), ErrorData> {
    runs.cancel(viewer, &request.task_id).await.map(drop).map_err(unknown)
}

fn task(run: &RunView) -> Task {
    let status = match run.state {
        "queued" | "running" => TaskStatus::Working,
        "cancelled" => TaskStatus::Cancelled,
        "interrupted" => TaskStatus::Failed,
        _ => TaskStatus::Completed,
    };
    let updated = run.ended_at.as_ref().or(run.started_at.as_ref()).unwrap_or(&run.asked_at);
    let mut task = Task::new(&run.run_id, status, &run.asked_at, updated);
    task.poll_interval_ms = Some(POLL_MS);
    let message = run.progress.as_ref().map(|progress| &progress.message);
    match message.or(run.summary.as_ref()) {
        Some(message) => task.with_status_message(message),
        None => task,
    }
}

fn unknown(error: RunsError) -> ErrorData {
    match error {
        RunsError::Store(_) => ErrorData::internal_error(error.to_string(), None),
        _ => ErrorData::invalid_params(error.in_full(), None),
    }
}
