//! The ways in as OpenAPI describes them, for programs that make clients and for those that try this
//! server.
//!
//! What a handler takes and what it gives where all is well stands beside it, in its own types. What
//! every way in has in common is added here from the table: who may take it, and what it answers
//! where something is wrong. A test holds the table against the document both ways.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    http::{HeaderName, HeaderValue, header},
};
use serde_json::json;
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        self, Content, Header, RefOr, Response, Schema,
        path::{Operation, PathItem},
        schema::{AdditionalProperties, KnownFormat, ObjectBuilder, SchemaFormat, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    ROUTES, Route, cache, events, health, info, mcp, metrics, probe, run, runs, tools, watches,
};
use crate::serve::{
    access::Access,
    http::{ProblemDetails, body::Properties, paths::is_probe},
};

/// What the document calls the one way to say who one is.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Probity",
        description = "Network diagnostics within a policy. Every error is a problem (RFC 9457), \
                       every answer has the header `X-Correlation-Id`, and a request may bring one.",
    ),
    paths(
        info::info,
        info::livez,
        info::readyz,
        info::config,
        health::health,
        metrics::metrics,
        events::events,
        events::ticket,
        tools::list,
        tools::one,
        tools::enable,
        tools::disable,
        tools::reset,
        run::check,
        run::execute,
        probe::probe,
        cache::clear,
        runs::list,
        runs::one,
        runs::cancel,
        runs::events,
        runs::diff,
        runs::picture,
        runs::diff_picture,
        watches::list,
        watches::put,
        watches::remove,
        mcp::post,
        mcp::get,
        mcp::delete,
        self::openapi,
    ),
    components(schemas(ProblemDetails))
)]
struct Described;

/// The document, written once.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| document().to_json().unwrap_or_default().into());

#[utoipa::path(get, path = "/openapi.json", responses((status = 200, body = Object)))]
pub(super) async fn openapi() -> ([(HeaderName, HeaderValue); 1], Bytes) {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], DOCUMENT.clone())
}

/// Apart from the handler, whose type the table itself has in it.
fn document() -> openapi::OpenApi {
    let mut document = Described::openapi();
    let description = "A token of this server: `probity token new --name N --role R` makes one.";
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer));
    for route in ROUTES {
        let item = document.paths.paths.get_mut(route.path);
        if let Some(operation) = item.and_then(|item| operation_of(item, route.method)) {
            complete(operation, route);
        }
    }
    document
}

fn operation_of<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    let operation = match method {
        "GET" => get,
        "PUT" => put,
        "POST" => post,
        "DELETE" => delete,
        "OPTIONS" => options,
        "HEAD" => head,
        "PATCH" => patch,
        "TRACE" => trace,
        _ => return None,
    };
    operation.as_mut()
}

/// Adds what the handler cannot know of its route.
fn complete(operation: &mut Operation, route: &Route) {
    operation.summary = Some(route.summary.to_owned());
    operation.description = Some(match route.access {
        Access::Everyone => "Takes no token.".to_owned(),
        Access::Local => {
            "Takes a token of any role, or none from this machine itself (`server.anonymous`)."
                .to_owned()
        }
        Access::Role(role) => format!("Takes a token of role {} or above.", role.as_str()),
    });
    let with_token = || SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, []);
    operation.security = Some(match route.access {
        Access::Everyone => Vec::new(),
        Access::Local => vec![SecurityRequirement::default(), with_token()],
        Access::Role(_) => vec![with_token()],
    });
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = route.summary.to_owned();
        }
    }
    let has_body = operation.request_body.is_some();
    for (status, description) in problems(route, has_body) {
        // What a handler says itself of one of these is nearer.
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_string()).or_insert_with(|| problem(*status, description));
    }
}

/// A status and what it is for.
type Status = (u16, &'static str);

/// What a route answers where something is wrong, in the order in which it is found out.
fn problems(route: &Route, has_body: bool) -> impl Iterator<Item = &'static Status> {
    const EVERY: &[Status] = &[(413, "The body is too large.")];
    const GUARDED: &[Status] = &[
        (400, "The request is not valid: what it says, its body or its `Host` header."),
        (401, "A token is needed, or this one is not known."),
        (403, "The token, the policy, or the `Host` or `Origin` header does not allow it."),
        (429, "Too many requests, too many wrong tokens, or no room for another run."),
        (
            503,
            "The server is stopping, the tool is left alone or cannot run, or the broker is away.",
        ),
    ];
    const OF_TOOL: &[Status] = &[(404, "There is no such tool.")];
    const OF_RUN: &[Status] = &[(404, "There is no such run that is the caller's to see.")];
    const OF_TWO_RUNS: &[Status] = &[(409, "A run goes on, or they do not compare.")];
    const OF_PICTURE: &[Status] =
        &[(409, "The run goes on, or there is no picture of its results.")];
    const OF_WATCH: &[Status] = &[
        (404, "There is no such watch."),
        (409, "It stands in the server's file, or there are as many as may be."),
    ];
    const WITH_BODY: &[Status] =
        &[(408, "The body did not come in time."), (415, "The body has to be JSON.")];
    const OF_CALL: &[Status] = &[(409, "The tool is disabled.")];

    let of_tool = route.path.starts_with("/tools/{name}");
    let parts = [
        (true, EVERY),
        (!is_probe(route.path), GUARDED),
        (of_tool, OF_TOOL),
        (route.path.starts_with("/runs/"), OF_RUN),
        (route.path.contains("/diff/"), OF_TWO_RUNS),
        (route.path == "/runs/{id}/picture.svg", OF_PICTURE),
        (route.path.starts_with("/watches/"), OF_WATCH),
        (has_body, WITH_BODY),
        (has_body && of_tool, OF_CALL),
    ];
    parts.into_iter().filter(|(applies, _)| *applies).flat_map(|(_, statuses)| statuses)
}

fn problem(status: u16, description: &str) -> RefOr<Response> {
    let mut response = Response::new(description);
    let schema = openapi::Ref::from_schema_name(ProblemDetails::name());
    response.content.insert("application/problem+json".into(), Content::new(Some(schema)));
    if matches!(status, 429 | 503) {
        let mut seconds = Header::new(ObjectBuilder::new().schema_type(Type::Integer).build());
        seconds.description = Some("Seconds after which it is worth asking again.".into());
        response.headers.insert("Retry-After".into(), seconds);
    }
    response.into()
}

impl ToSchema for Properties {
    fn name() -> std::borrow::Cow<'static, str> {
        "Call".into()
    }
}

impl PartialSchema for Properties {
    /// What every tool takes; its own options stand in its `input_schema`, which is what a call is
    /// held against.
    fn schema() -> RefOr<Schema> {
        // What is null counts as left out.
        let or_null = |kind: Type, description: &str| {
            let kinds = openapi::schema::SchemaType::from_iter([kind, Type::Null]);
            ObjectBuilder::new().schema_type(kinds).description(Some(description))
        };
        let target = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(253))
            .description(Some(
                "An address, a network in CIDR form, or a host name; left out for a tool that shows \
                 the server's own machine.",
            ))
            .examples([json!("192.168.1.1")]);
        let timeout = or_null(Type::Number, "Most seconds the run may take.")
            .minimum(Some(0.001))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)));
        let id = or_null(Type::String, "Your own id for this call, for the logs.")
            .pattern(Some("^[A-Za-z0-9_.:-]{1,128}$"));
        ObjectBuilder::new()
            .description(Some(
                "What to call a tool with: these, and its own options by their names, as \
                 `GET /tools/{name}` has them in `input_schema`.",
            ))
            .examples([json!({ "target": "127.0.0.1" })])
            .property("target", target)
            .property("preset", or_null(Type::String, "A named set of options."))
            .property("timeout_sec", timeout)
            .property("dry_run", or_null(Type::Boolean, "Return the verdict and run nothing."))
            .property("extra_args", or_null(Type::String, "The tool's own flags as text."))
            .property("correlation_id", id)
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .build()
            .into()
    }
}

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
