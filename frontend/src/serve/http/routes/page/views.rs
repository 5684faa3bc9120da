//! Views that only look: how this server is, what comes by itself, what one may do, and what waits.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::who;
use crate::{
    calls::runs::{RunFilter, RunView, Viewer},
    serve::{
        access::Caller,
        http::{
            Kind, Problem, Server,
            html::Document,
            routes::runs::{problem, svg},
        },
        page::{self, Overview, WatchPage},
    },
    watches::served::WatchView,
};

/// Runs that are shown of each kind.
const LATEST: usize = 8;
const GOING_ON: usize = 50;

/// Runs of a watch that its picture has.
const OF_WATCH: usize = 200;

pub(in crate::serve::http) async fn overview(
    State(server): State<Arc<Server>>,
    caller: Caller,
) -> Result<Document, Problem> {
    let (viewer, listing) = (server.viewer(&caller), server.listing_for(&caller));
    let health = server.service.health().await;
    let health = health.narrowed(|tool| !caller.is_restricted() || listing.name_of(tool).is_some());
    let breakers: Vec<_> =
        listing.tools().map(|tool| server.service.control(tool).breaker.status()).collect();
    let mut running = in_state(&server, &viewer, "running").await?;
    running.extend(in_state(&server, &viewer, "queued").await?);
    let all = RunFilter::default();
    let latest = server.service.runs().list(&viewer, &all, LATEST * 2, None).await;
    let mut latest = latest.map_err(problem)?.runs;
    latest.retain(|run| run.ended_at.is_some());
    latest.truncate(LATEST);
    let watches = caller.sees_watches().then(|| server.watches.list());
    let shown = Overview {
        health: &health,
        listing: &listing,
        breakers: &breakers,
        running: &running,
        latest: &latest,
        watches: watches.as_ref(),
    };
    Ok(Document(page::overview(&who(&caller), &shown)))
}

pub(in crate::serve::http) async fn grants(
    State(server): State<Arc<Server>>,
    caller: Caller,
) -> Document {
    Document(page::grants(&who(&caller), &server.listing_for(&caller)))
}

pub(in crate::serve::http) async fn waiting(
    State(server): State<Arc<Server>>,
    caller: Caller,
) -> Result<Document, Problem> {
    let runs = in_state(&server, &server.viewer(&caller), "queued").await?;
    Ok(Document(page::waiting(&who(&caller), &runs)))
}

pub(in crate::serve::http) async fn watches(
    State(server): State<Arc<Server>>,
    caller: Caller,
) -> Result<Document, Problem> {
    sees_watches(&caller)?;
    Ok(Document(page::watches(&who(&caller), &server.watches.list())))
}

pub(in crate::serve::http) async fn watch(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Document, Problem> {
    let (watch, runs) = of_watch(&server, &caller, &name).await?;
    let viewer = server.viewer(&caller);
    let picture = server.service.runs().picture_over_time(&viewer, &watch.name, &runs).await.ok();
    let page = WatchPage {
        watch: &watch,
        runs: &runs[..runs.len().min(LATEST * 2)],
        picture: picture.as_ref().map(|picture| picture.alternative.as_str()),
    };
    Ok(Document(page::watch(&who(&caller), &page)))
}

pub(in crate::serve::http) async fn watch_picture(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let (watch, runs) = of_watch(&server, &caller, &name).await?;
    let viewer = server.viewer(&caller);
    let picture = server.service.runs().picture_over_time(&viewer, &watch.name, &runs).await;
    Ok(svg(picture.map_err(problem)?))
}

/// A watch, and its runs that are kept, the newest first.
async fn of_watch(
    server: &Server,
    caller: &Caller,
    name: &str,
) -> Result<(WatchView, Vec<RunView>), Problem> {
    sees_watches(caller)?;
    let watch = server.watches.get(name).ok_or_else(|| {
        Problem::new(Kind::NotFound, "there is no such watch", "The view Watches lists them.")
    })?;
    let target = watch.arguments.get("target").and_then(|target| target.as_str());
    let filter = RunFilter {
        tool: Some(watch.tool.clone()),
        target: target.map(str::to_owned),
        ..RunFilter::default()
    };
    let viewer = server.viewer(caller);
    let list = server.service.runs().list(&viewer, &filter, OF_WATCH, None).await;
    let mut runs = list.map_err(problem)?.runs;
    let label = format!("watch {}", watch.name);
    runs.retain(|run| run.client.as_deref() == Some(&label) && run.ended_at.is_some());
    Ok((watch, runs))
}

async fn in_state(server: &Server, viewer: &Viewer, state: &str) -> Result<Vec<RunView>, Problem> {
    let filter = RunFilter { state: Some(state.to_owned()), ..RunFilter::default() };
    let list = server.service.runs().list(viewer, &filter, GOING_ON, None).await;
    Ok(list.map_err(problem)?.runs)
}

fn sees_watches(caller: &Caller) -> Result<(), Problem> {
    match caller.sees_watches() {
        true => Ok(()),
        false => {
            let message = "watches are for an administrator whose token is for everything";
            Err(Problem::new(Kind::Forbidden, message, "Ask whoever runs this server for one."))
        }
    }
}
