//! A probe, as Prometheus asks blackbox_exporter for one. It is a call like any other: of an operator,
//! counted, limited, and ended by whoever hangs up.
//!
//! What is wrong with the target is a figure, `probe_success 0`. What is wrong with the question, or here,
//! is a problem with its own status, so that nobody takes a refusal for a host that is down.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use probity_protocol::{DenialCode, ToolEntry, ValueType};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::{
    call::{Call, with_id},
    rate::limited,
    tools::Named,
};
use crate::{
    calls::{observe::metrics, result::ToolResult},
    config::{ProbeModule, Prober},
    serve::{
        access::Caller,
        http::{
            Kind, Problem, ProblemDetails, Server,
            probe::{self, TimeLeft, USUAL_MODULE},
            request_id::RequestId,
            traced::Traced,
        },
    },
};

/// What is probed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// A host, `HOST:PORT` or a URL, as the module takes it.
    target: Option<String>,
    /// A module of configuration; without it `http_2xx`.
    module: Option<String>,
    /// The name that is asked for by TLS, where that is not the target.
    hostname: Option<String>,
    /// `true` for a page that says what was run, too.
    debug: Option<String>,
}

#[utoipa::path(
    get,
    path = "/probe",
    params(
        Wanted,
        (
            "X-Prometheus-Scrape-Timeout-Seconds" = Option<String>,
            Header,
            description = "How long the scraper waits.",
        ),
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (
            status = 404,
            description = "There is no such tool as the module's.",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "The module's tool is disabled.",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn probe(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    trace: Traced,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let began = Instant::now();
    let Query(wanted) = wanted.map_err(|_| twice())?;
    let name = wanted.module.as_deref().unwrap_or(USUAL_MODULE);
    let module = server.probes.find(name).cloned().ok_or_else(|| unknown(&server))?;
    let target = wanted.target.as_deref().unwrap_or_default();
    let properties = probe::properties(&module, target, wanted.hostname.as_deref());
    let properties = properties.map_err(|error| unaskable(&error))?;
    let left = TimeLeft::of(&headers, module.timeout).map_err(|error| unaskable(&error))?;
    let tool = module.tool.clone();
    let for_people = wanted.debug.as_deref() == Some("true");
    let probing = Probing { module, properties, left, began, for_people };
    let run = async {
        probing.answer(Arc::clone(&server), &caller, id.clone(), trace).await.into_response()
    };
    Ok(limited(&server, &caller, &id.0, &tool, run).await)
}

/// A probe that can be put as a call.
struct Probing {
    module: ProbeModule,
    properties: Map<String, Value>,
    left: Option<TimeLeft>,
    began: Instant,
    /// It is for a page with what was run.
    for_people: bool,
}

impl Probing {
    async fn answer(
        self,
        server: Arc<Server>,
        caller: &Caller,
        id: RequestId,
        trace: Traced,
    ) -> Result<Response, Problem> {
        let Self { module, properties, left, began, for_people } = self;
        let tool = module.tool.clone();
        let properties = fitted(&server, &module, properties, left)?;
        let call = Call::of(server, caller, id, trace, Named(tool), properties)?.unkept();
        let result = answered(&call, left, began).await?;
        let text = probe::text(&module, &result, began.elapsed());
        let (kind, text) = match for_people {
            true => ("text/plain; charset=utf-8", probe::page(&module, &result, &text)),
            false => (metrics::TEXT, text),
        };
        let kind = HeaderValue::from_static(kind);
        let response = ([(header::CONTENT_TYPE, kind)], text).into_response();
        Ok(with_id(response, Some(&result.correlation_id)))
    }
}

/// The result of a call that says something about its target, within its time.
async fn answered(
    call: &Call,
    left: Option<TimeLeft>,
    began: Instant,
) -> Result<ToolResult, Problem> {
    let result = match left {
        Some(left) => match timeout_at(began + left.all, call.result(None)).await {
            Ok(result) => result?,
            Err(_) => return Err(call.named(late(left.all))),
        },
        None => call.result(None).await?,
    };
    match call.problem_of(&result) {
        // A name that is gone is what a monitor looks for, and no refusal.
        Some(problem) if problem.code == Some(DenialCode::NameUnresolved.as_str()) => Ok(result),
        Some(problem) => Err(problem),
        None => match Problem::of_interrupted(&result) {
            Some(problem) => Err(problem),
            None => Ok(result),
        },
    }
}

/// The properties with the time that there is, where the module's tool is one that its prober can read.
/// What there is not, the service says.
fn fitted(
    server: &Server,
    module: &ProbeModule,
    mut properties: Map<String, Value>,
    left: Option<TimeLeft>,
) -> Result<Map<String, Value>, Problem> {
    let listing = server.service.listing();
    let Some(tool) = listing.tool(&module.tool) else { return Ok(properties) };
    let (needed, parser) = (module.prober.parser(), tool.parser.map(|parser| parser.name()));
    if parser != Some(needed) {
        let (name, prober) = (&module.name, module.prober.as_str());
        let message = format!(
            "the module {name} cannot be told: the prober {prober} takes results of the parser \
             {needed}, and {} has others",
            tool.entry.name
        );
        let suggestion = format!("Set `tool` of [probe.modules.{name}] to such a tool.");
        return Err(Problem::new(Kind::BadRequest, message, suggestion));
    }
    if let Some(TimeLeft { run, .. }) = left {
        // More than the tool has is not asked for: it would be refused.
        if run < tool.entry.timeout {
            properties.insert("timeout_sec".into(), json!(run.as_secs_f64()));
        }
        if let Some(wait) = own_wait(module, tool.entry, run) {
            properties.entry("wait").or_insert_with(|| json!(wait));
        }
    }
    Ok(properties)
}

/// The time after which curl or dig give up themselves, and then say how far they came.
fn own_wait(module: &ProbeModule, entry: &ToolEntry, run: Duration) -> Option<u64> {
    if !matches!(module.prober, Prober::Http(_) | Prober::Dns(_)) {
        return None;
    }
    let option = entry.options.iter().find(|option| option.name.as_str() == "wait")?;
    let ValueType::Integer { min, max } = option.value else { return None };
    (run.as_secs() >= min).then(|| run.as_secs().min(max))
}

fn unaskable(error: &dyn std::error::Error) -> Problem {
    let suggestion = "docs/monitoring.md has what each module takes.";
    Problem::new(Kind::BadRequest, error.to_string(), suggestion)
}

fn unknown(server: &Server) -> Problem {
    let known: Vec<&str> = server.probes.iter().map(|module| module.name.as_str()).collect();
    let suggestion = format!("Ask for one of {}.", known.join(", "));
    Problem::new(Kind::BadRequest, "there is no such module", suggestion)
}

fn twice() -> Problem {
    let suggestion = "Ask with target, module, hostname and debug, each once.";
    Problem::new(Kind::BadRequest, "the query cannot be read", suggestion)
}

fn late(time: Duration) -> Problem {
    let message =
        format!("the probe did not come to its end within {} s of waiting", time.as_secs_f64());
    let suggestion =
        "Others' runs were before it: scrape less at once, or raise the tool's concurrency.";
    Problem::new(Kind::NoRoom, message, suggestion).after(Duration::from_secs(1))
}
