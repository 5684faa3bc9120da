//! Runs on the page: found, shown, ended and compared.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, Uri},
    response::{IntoResponse as _, Redirect, Response},
};

use super::{field, fields, origin, who};
use crate::{
    calls::runs::{RunFilter, WholeRun},
    serve::{
        access::Caller,
        http::{Kind, Problem, Server, html::Document, routes::runs::problem},
        page::{self, RunPage, RunsPage},
    },
};

/// Runs of one page.
const SHOWN: usize = 50;

/// What was run, by tool, target and state.
pub(in crate::serve::http) async fn list(
    State(server): State<Arc<Server>>,
    caller: Caller,
    uri: Uri,
) -> Result<Document, Problem> {
    let given = fields(&uri);
    let wanted = |name: &str| field(&given, name).map(str::to_owned);
    let filter = RunFilter {
        tool: wanted("tool"),
        target: wanted("target"),
        state: wanted("state"),
        ..RunFilter::default()
    };
    let viewer = server.viewer(&caller);
    let list = server.service.runs().list(&viewer, &filter, SHOWN, field(&given, "cursor"));
    let list = list.await.map_err(problem)?;
    let next = list.next.as_ref().and_then(|cursor| {
        let mut query: Vec<(&str, &str)> =
            given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        query.retain(|(name, _)| *name != "cursor");
        query.push(("cursor", cursor));
        Some(format!("/ui/runs?{}", serde_urlencoded::to_string(query).ok()?))
    });
    let listing = server.listing_for(&caller);
    let page =
        RunsPage { list: &list, filter: &filter, catalog: &listing.catalog, next: next.as_deref() };
    Ok(Document(page::runs(&who(&caller), &page)))
}

/// One run.
pub(in crate::serve::http) async fn one(
    State(server): State<Arc<Server>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Document, Problem> {
    let (viewer, runs) = (server.viewer(&caller), server.service.runs());
    let run = runs.show(&viewer, &id).await.map_err(problem)?;
    // A run without a picture is shown all the same.
    let picture = match run.run.ended_at {
        Some(_) => runs.picture(&viewer, &id).await.ok(),
        None => None,
    };
    let listing = server.listing_for(&caller);
    let page = RunPage {
        run: &run,
        picture: picture.as_ref().map(|picture| picture.alternative.as_str()),
        catalog: &listing.catalog,
        origin: &origin(&headers),
    };
    Ok(Document(page::run(&who(&caller), &page)))
}

/// All of a run, for programs.
pub(in crate::serve::http) async fn whole(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WholeRun>, Problem> {
    let run = server.service.runs().show(&server.viewer(&caller), &id).await;
    run.map(Json).map_err(problem)
}

/// Has a run end, and goes back to it.
pub(in crate::serve::http) async fn cancel(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = server.service.runs().cancel(&server.viewer(&caller), &id).await.map_err(problem)?;
    Ok(Redirect::to(&format!("/ui/runs/{}", run.run_id)).into_response())
}

/// What changed: between two runs that were picked, or since the one before.
pub(in crate::serve::http) async fn compare(
    State(server): State<Arc<Server>>,
    caller: Caller,
    uri: Uri,
) -> Result<Document, Problem> {
    let given = fields(&uri);
    let (viewer, runs) = (server.viewer(&caller), server.service.runs());
    let picked: Vec<&str> =
        given.iter().filter(|(name, _)| name == "run").map(|(_, id)| id.as_str()).collect();
    let compared = match (picked.as_slice(), field(&given, "after")) {
        (&[one, other], _) => {
            let of = async |id| runs.status(&viewer, id).await.map_err(problem);
            let (one, other) = (of(one).await?, of(other).await?);
            let (before, after) =
                if one.asked_at <= other.asked_at { (&one, &other) } else { (&other, &one) };
            runs.compare(&viewer, Some(&before.run_id), &after.run_id).await
        }
        (_, Some(after)) => runs.compare(&viewer, field(&given, "before"), after).await,
        _ => {
            let message = "two runs are compared, neither one nor three";
            return Err(Problem::new(Kind::BadRequest, message, "Go back and tick two."));
        }
    };
    let compared = compared.map_err(problem)?;
    let (before, after) = (&compared.before.run_id, &compared.after.run_id);
    let picture = runs.picture_of_two(&viewer, before, after).await.ok();
    let alternative = picture.as_ref().map(|picture| picture.alternative.as_str());
    Ok(Document(page::compare(&who(&caller), &compared, alternative)))
}
