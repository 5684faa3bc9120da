//! The tools: what is published, and an administrator's say in it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use probity_protocol::{Availability, OptionEntry, PresetEntry, Tier, ToolEntry};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    calls::{
        control::breaker::BreakerStatus,
        observe::metrics::ToolFigures,
        published::registry::{Hidden, Listing, NoSuchTool, Published},
        tool_view::tool_json,
    },
    serve::{
        access::Caller,
        http::{Kind, Problem, ProblemDetails, Server},
    },
};

/// A tool's name or alias, from the path.
#[derive(Debug)]
pub(super) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| no_such_tool("the path is no UTF-8"))
    }
}

/// The tools, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolList {
    /// What there is to know of each.
    tools: Vec<ToolInfo>,
}

/// What there is to know of a tool.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolInfo {
    /// The name to call it by.
    #[schema(value_type = String)]
    name: String,
    /// Other names it answers to.
    aliases: Vec<String>,
    /// A short title.
    title: Option<String>,
    /// What it is for.
    summary: String,
    /// The program that it runs.
    command: String,
    /// Whether it is published: an administrator may have disabled it.
    enabled: bool,
    /// Whether it can run here, and if not, why and what to do.
    #[schema(value_type = Object)]
    availability: Value,
    /// Its flags, as in `extra_args`.
    flags: Vec<String>,
    /// Seconds that a run may take unless the call says otherwise.
    timeout_sec: f64,
    /// Runs at once.
    concurrency: u32,
    /// Its circuit breaker; none where it is not published.
    breaker: Option<BreakerInfo>,
    /// What was counted of it.
    counters: ToolFigures,
    /// What whoever asks may do with it.
    policy: ToolPolicy,
    /// Its presets.
    templates: Vec<String>,
}

/// How a circuit breaker stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct BreakerInfo {
    /// `closed`, `open` or `half_open`
    state: &'static str,
    /// Failures in a row.
    failures: u32,
    /// Seconds until it lets a call through, where it lets none.
    retry_after_sec: Option<f64>,
    /// Why the last failure was one.
    last_failure: Option<String>,
}

/// What the policy lets whoever asks do with a tool.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolPolicy {
    /// Whether there is something intrusive in what one may do with it: the tool itself, an option or a
    /// preset. False for a tool that has nothing of the kind, whatever the grant.
    intrusive_allowed: bool,
    /// The flags of the standard tier.
    base_flags: Vec<String>,
    /// How many flags there are.
    total_flags: usize,
}

/// A tool with all that a call needs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolDetail {
    /// As in the list.
    #[serde(flatten)]
    info: ToolInfo,
    /// Its options, presets, target kinds, advice and the rest.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    more: Map<String, Value>,
}

/// What a change came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changed {
    /// The tool's own name.
    tool: String,
    /// Whether it is published now.
    enabled: bool,
    /// Whether anything changed.
    changed: bool,
}

#[utoipa::path(get, path = "/tools", responses((status = 200, body = ToolList)))]
pub(super) async fn list(State(server): State<Arc<Server>>, caller: Caller) -> Json<ToolList> {
    Json(ToolList::of(&server, &server.listing_for(&caller)))
}

#[utoipa::path(
    get,
    path = "/tools/{name}",
    params(("name" = String, Path, description = "A tool's name or alias.")),
    responses(
        (status = 200, body = ToolDetail),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn one(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Named(name): Named,
) -> Result<Json<ToolDetail>, Problem> {
    let listing = server.listing_for(&caller);
    if let Some(tool) = listing.tool(&name) {
        let info = ToolInfo::of(&server, tool, &listing);
        let more = match tool_json(tool, &server.service.control(tool)) {
            Value::Object(more) => more.into_iter().filter(|(name, _)| !is_in_list(name)).collect(),
            _ => Map::new(),
        };
        return Ok(Json(ToolDetail { info, more }));
    }
    let mut hidden = listing.all_hidden().filter(|(_, hidden)| *hidden == Hidden::Disabled);
    let found = hidden.find(|(entry, _)| listing.entry(&name) == Some(*entry));
    match found {
        Some((entry, _)) => {
            let info = ToolInfo::of_entry(entry, None, counters(&server, entry, &listing));
            Ok(Json(ToolDetail { info, more: Map::new() }))
        }
        None => Err(no_such_tool("there is no such tool")),
    }
}

#[utoipa::path(
    post,
    path = "/tools/{name}/enable",
    params(("name" = String, Path, description = "A tool's name or alias.")),
    responses(
        (status = 200, body = Changed),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn enable(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Named(name): Named,
) -> Result<Json<Changed>, Problem> {
    set_enabled(&server, &caller, &name, true)
}

#[utoipa::path(
    post,
    path = "/tools/{name}/disable",
    params(("name" = String, Path, description = "A tool's name or alias.")),
    responses(
        (status = 200, body = Changed),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn disable(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Named(name): Named,
) -> Result<Json<Changed>, Problem> {
    set_enabled(&server, &caller, &name, false)
}

#[utoipa::path(
    post,
    path = "/tools/{name}/reset",
    params(("name" = String, Path, description = "A tool's name or alias.")),
    responses(
        (status = 200, body = Changed),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn reset(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Named(name): Named,
) -> Result<Json<Changed>, Problem> {
    let tool = covered_name(&server, &caller, &name)?;
    let changed = server.service.reset_breaker(&tool).map_err(|none| unknown(&none))?;
    let client = caller.name();
    tracing::info!(tool, client, changed, "breaker.reset");
    let enabled = server.service.listing().tool(&tool).is_some();
    Ok(Json(Changed { tool, enabled, changed }))
}

fn set_enabled(
    server: &Server,
    caller: &Caller,
    name: &str,
    enabled: bool,
) -> Result<Json<Changed>, Problem> {
    let tool = covered_name(server, caller, name)?;
    let changed = server.service.set_enabled(&tool, enabled).map_err(|none| unknown(&none))?;
    let client = caller.name();
    match enabled {
        true => tracing::info!(tool, client, changed, "registry.enabled"),
        false => tracing::info!(tool, client, changed, "registry.disabled"),
    }
    // One that the configuration leaves out stays out.
    let enabled = server.service.listing().tool(&tool).is_some();
    Ok(Json(Changed { tool, enabled, changed }))
}

/// The own name of a tool that a caller's token covers.
pub(super) fn covered_name(
    server: &Server,
    caller: &Caller,
    name: &str,
) -> Result<String, Problem> {
    let listing = server.service.listing();
    let entry = listing.entry(name).filter(|entry| caller.covers(entry));
    let own = entry.map(|entry| entry.name.to_string());
    own.ok_or_else(|| no_such_tool("there is no such tool, or this token is not for it"))
}

fn counters(server: &Server, entry: &ToolEntry, listing: &Listing) -> ToolFigures {
    server.service.metrics().figures(entry.name.as_str(), listing)
}

pub(super) fn unknown(none: &NoSuchTool) -> Problem {
    no_such_tool(&none.to_string())
}

fn no_such_tool(message: &str) -> Problem {
    Problem::new(Kind::NotFound, message, "GET /tools lists the tools.")
}

/// What the list has of a tool is not said twice.
fn is_in_list(name: &str) -> bool {
    const IN_LIST: [&str; 8] = [
        "name",
        "aliases",
        "title",
        "summary",
        "command",
        "availability",
        "timeout_sec",
        "concurrency",
    ];
    IN_LIST.contains(&name)
}

impl ToolList {
    /// Those of a listing, with those that an administrator has disabled.
    pub fn of(server: &Server, listing: &Listing) -> Self {
        let disabled = listing.all_hidden().filter(|(_, hidden)| *hidden == Hidden::Disabled);
        let counters = |entry: &ToolEntry| counters(server, entry, listing);
        let info = |tool: Published<'_>| ToolInfo::of(server, tool, listing);
        let mut tools: Vec<ToolInfo> = listing.tools().map(info).collect();
        tools.extend(disabled.map(|(entry, _)| ToolInfo::of_entry(entry, None, counters(entry))));
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        Self { tools }
    }
}

impl ToolInfo {
    fn of(server: &Server, tool: Published<'_>, listing: &Listing) -> Self {
        let breaker = server.service.control(tool).breaker.status();
        Self::of_entry(tool.entry, Some(breaker.into()), counters(server, tool.entry, listing))
    }

    /// What the catalog says; the breaker where it is published.
    fn of_entry(entry: &ToolEntry, breaker: Option<BreakerInfo>, counters: ToolFigures) -> Self {
        let flag = |option: &OptionEntry| option.flag.clone();
        let base = entry.options.iter().filter(|option| option.tier == Tier::Standard);
        let name_of = |preset: &PresetEntry| preset.name.to_string();
        Self {
            name: entry.name.to_string(),
            aliases: entry.aliases.iter().map(ToString::to_string).collect(),
            title: entry.title.clone(),
            summary: entry.summary.clone(),
            command: entry.command.clone(),
            enabled: breaker.is_some(),
            availability: match &entry.availability {
                Availability::Available => json!({ "available": true }),
                Availability::Unavailable { reason, remedy } => {
                    json!({ "available": false, "reason": reason, "remedy": remedy })
                }
            },
            flags: entry.options.iter().filter_map(flag).collect(),
            timeout_sec: entry.timeout.as_secs_f64(),
            concurrency: entry.concurrency,
            breaker,
            counters,
            policy: ToolPolicy {
                intrusive_allowed: is_intrusive(entry),
                base_flags: base.filter_map(flag).collect(),
                total_flags: entry.options.len(),
            },
            templates: entry.presets.iter().map(name_of).collect(),
        }
    }
}

/// Whether what is granted of a tool has anything of the intrusive tier. The grant alone says nothing of
/// the tool: it may have no such options.
fn is_intrusive(entry: &ToolEntry) -> bool {
    let tiers = entry.options.iter().map(|option| option.tier);
    let mut tiers = tiers.chain(entry.presets.iter().map(|preset| preset.tier)).chain([entry.tier]);
    tiers.any(|tier| tier == Tier::Intrusive)
}

impl From<BreakerStatus> for BreakerInfo {
    fn from(status: BreakerStatus) -> Self {
        Self {
            state: status.state.as_str(),
            failures: status.failures,
            retry_after_sec: status.retry_after.map(|time| time.as_secs_f64()),
            last_failure: status.last_failure,
        }
    }
}
