//! The way in: is the request for this server, whose is it, and under which id does it go.
//!
//! Every request passes here, those for paths that do not exist too. It lets nobody in: each route
//! says what it asks of whom, and [`admit`] holds them to it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    Kind, Problem, Server, body,
    connection::Peer,
    cookie,
    forwarded::is_direct,
    guard::{Foreign, Guard},
    html::Reader,
    paths,
    request_id::{CORRELATION_ID, RequestId},
    seats::Seat,
};
use crate::serve::access::{Access, Caller, FailureLevel, Token, is_unguessable, log_forbidden};

/// When to ask a server again that is stopping: another may have taken its place.
const AFTER_THE_END: Duration = Duration::from_secs(5);

/// When to ask again where there are too many, all of which may end at any time.
const MOMENT: Duration = Duration::from_secs(1);

/// By which browsers say whose page asks, and for what.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Names the request, looks at what can be told before anybody is asked who they are, and writes
/// out what went wrong further in.
pub(super) async fn enter(
    State(server): State<Arc<Server>>,
    mut request: Request,
    next: Next,
) -> Response {
    let RequestId(id) = RequestId::of(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let is_crowded = is_for_probes(&request);
    let reader = Reader::of(request.method(), request.uri(), request.headers());
    let mut response = match acceptable(&server, request) {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        match reader {
            Some(reader) => reader.told(&problem, &mut response),
            None => *response.body_mut() = problem.written_for(&id),
        }
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.entry(CORRELATION_ID).or_insert(value);
    }
    // What is answered is of now and for whoever asked.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if server.shutdown.is_stopping() || is_crowded {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether a request is for this server, and one that it still takes.
fn acceptable(server: &Server, request: Request) -> Result<Request, Problem> {
    // An orchestrator's probes have neither a token nor a name that is ours, and never end.
    if paths::is_probe(request.uri().path()) {
        return body::bounded(request, server.http.read_timeout);
    }
    if is_for_probes(&request) {
        return Err(no_room());
    }
    let peer = peer_of(&request)?;
    let checked = server.guard.check(request.headers(), request.uri(), &peer);
    checked.map_err(|foreign| turned_away(server, foreign, peer.address))?;
    if server.shutdown.is_stopping() {
        return Err(stopping());
    }
    body::bounded(request, server.http.read_timeout)
}

/// Whether the connection has one of the seats that are kept for probes.
fn is_for_probes(request: &Request) -> bool {
    request.extensions().get::<Arc<Seat>>().is_some_and(|seat| seat.is_for_probes())
}

/// Finds out whose request it is. One with a wrong token is nobody's.
pub(super) async fn identify(
    State(server): State<Arc<Server>>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&server, &request).and_then(|caller| seated(&server, &request, caller)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Lets a request through to a handler that asks `access` of whoever comes.
pub(super) async fn admit(access: Access, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    match caller {
        Some(caller) if caller.may(access) => next.run(request).await,
        Some(caller) if caller.role().is_some() => {
            log_forbidden(&caller.name(), access.as_str());
            let message = format!("this takes a token of role {}", access.as_str());
            let suggestion = "Ask whoever runs this server for one.";
            Problem::new(Kind::Forbidden, message, suggestion).into_response()
        }
        _ => unauthenticated("this takes a token").into_response(),
    }
}

/// Has the connection's seat be its caller's, whom it counts for from now on.
fn seated(server: &Server, request: &Request, caller: Caller) -> Result<Caller, Problem> {
    if let Some(seat) = request.extensions().get::<Arc<Seat>>()
        && !paths::is_probe(request.uri().path())
    {
        match caller.role() {
            Some(_) => seat.belong_to(server.key_of(&caller)).map_err(|_| share_taken())?,
            None => seat.leave_to(caller.address),
        }
    }
    Ok(caller)
}

fn caller(server: &Server, request: &Request) -> Result<Caller, Problem> {
    let headers = request.headers();
    let peer = peer_of(request)?;
    let proxies = &server.http.trusted_proxies;
    let address = proxies.client(headers, &peer);
    // What comes by a proxy is not of this machine, whatever its address.
    let is_direct = !proxies.trusts(&peer) && is_direct(request.version(), headers);
    let without_token = Caller::anonymous(address, server.http.anonymous && is_direct);
    // It is what the request came for, whatever else is sent along.
    if let Some(ticket) = ticket(request) {
        return with_ticket(server, ticket, address);
    }
    if paths::is_page(request.uri().path()) {
        of_own_page(request)?;
        if let (None, Some(token)) = (bearer(headers), session(server, request, address)) {
            return Ok(Caller::with_token(token, address));
        }
    }
    let Some(token) = bearer(headers) else { return Ok(without_token) };
    match token_of(server, token, address) {
        Ok(token) => Ok(Caller::with_token(token, address)),
        // They work whatever an orchestrator sends along, and show such a one no more than a stranger.
        Err(_) if paths::is_probe(request.uri().path()) => Ok(Caller::anonymous(address, false)),
        Err(problem) => Err(problem),
    }
}

/// Whose token it is. Those that somebody chose are not even looked at for an address that has failed
/// too often, or guessing would go on; those that are made here nobody guesses, and their holders are
/// let in whoever else fails from their address.
pub(super) fn token_of(
    server: &Server,
    token: &str,
    address: IpAddr,
) -> Result<Arc<Token>, Problem> {
    let wait = server.failures.wait(address);
    if (wait.is_none() || is_unguessable(token))
        && let Some(token) = server.tokens.find(token, address)
    {
        return Ok(token);
    }
    let from = address.to_string();
    match server.failures.count(address) {
        FailureLevel::Tolerated => tracing::warn!(address = from, "http.authentication_failed"),
        FailureLevel::JustTooMany => tracing::warn!(address = from, "http.authentication_limited"),
        FailureLevel::TooMany => {}
    }
    Err(match wait {
        Some(wait) => {
            let message = "too many wrong tokens from this address";
            let suggestion = format!("Wait {} s.", wait.as_secs() + 1);
            Problem::new(Kind::TooManyFailures, message, suggestion).after(wait)
        }
        // Other credentials than a token are not a wrong one.
        None if token.is_empty() => unauthenticated("this takes a token"),
        None => unauthenticated("this token is not known here").of_invalid_token(),
    })
}

/// A form of another site's page is turned away, whoever's browser sends it.
fn of_own_page(request: &Request) -> Result<(), Problem> {
    // RULE: What changes something on the page is taken from the page's own forms alone.
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match only_reads || Guard::is_own_page(request.headers(), request.uri()) {
        true => Ok(()),
        false => Err(foreign_problem(Foreign::Origin)),
    }
}

/// Whose session it is, where the token still holds. Another page on this machine may have a browser ask, too:
/// it may lead here, and is shown nothing.
fn session(server: &Server, request: &Request, address: IpAddr) -> Option<Arc<Token>> {
    // RULE: A session opens the page alone, and ends with its token.
    let said =
        |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_own = said(FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let leads_here = said(FETCH_MODE) == Some("navigate");
    let key = cookie::key(request.headers()).filter(|_| is_own || leads_here)?;
    server.sessions.find(key).filter(|token| server.tokens.has(token, address))
}

/// The ticket of a request for the events, where it has one.
fn ticket(request: &Request) -> Option<&str> {
    let is_for_events = request.uri().path() == paths::EVENTS && request.method() == Method::GET;
    let mut members = request.uri().query().filter(|_| is_for_events)?.split('&');
    members.find_map(|member| member.strip_prefix("ticket="))
}

/// Whose ticket it is, if the token that it was given for is still good here. Nobody guesses one, and a
/// browser comes again by itself with one that is used up, so these are no failed attempts.
fn with_ticket(server: &Server, ticket: &str, address: IpAddr) -> Result<Caller, Problem> {
    let token = server.tickets.redeem(ticket).filter(|token| server.tokens.has(token, address));
    token.map(|token| Caller::with_token(token, address)).ok_or_else(|| {
        let message = "this ticket is not known here: it was used, or its time is up";
        unauthenticated(message).of_invalid_token()
    })
}

/// The token of `Authorization: Bearer …`; an empty one, which is wrong, for any other kind of
/// credentials and for several of them.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let written = given.next()?.to_str().unwrap_or_default();
    let (scheme, token) = written.split_once(' ').unwrap_or((written, ""));
    let is_one = given.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    Some(if is_one { token.trim() } else { "" })
}

fn peer_of(request: &Request) -> Result<Peer, Problem> {
    let peer = request.extensions().get::<Peer>().copied();
    peer.ok_or_else(|| {
        let message = "the connection is not known";
        Problem::new(Kind::Internal, message, "Try again.")
    })
}

/// What is left of a request whose token was good only when it came.
pub(super) fn withdrawn() -> Problem {
    unauthenticated(
        "the token was taken back, or allows less now, and so what it had begun is ended",
    )
    .of_invalid_token()
}

fn unauthenticated(message: &str) -> Problem {
    let suggestion = "Send the header `Authorization: Bearer TOKEN`, with that word before the token. \
                      Whoever runs this server has tokens (`probity token new`); one without any \
                      prints one at its start.";
    Problem::new(Kind::Unauthenticated, message, suggestion)
}

/// A request that may be a page's of another site is noted, as far as there are not too many.
fn turned_away(server: &Server, foreign: Foreign, address: IpAddr) -> Problem {
    if server.rejected_origins.count(address) == FailureLevel::Tolerated {
        let address = address.to_string();
        tracing::warn!(address, header = foreign.header(), "http.foreign");
    }
    foreign_problem(foreign)
}

fn foreign_problem(foreign: Foreign) -> Problem {
    match foreign {
        Foreign::NoHost => Problem::new(
            Kind::BadRequest,
            "the request has to name one host, as host or host:port, in its Host header",
            "Send one such header; with a target in absolute form, the same in both.",
        ),
        Foreign::Host => Problem::new(
            Kind::ForeignHost,
            "the Host header names no host of this server",
            "Ask by the address it listens on, or add the name to server.allowed_hosts.",
        ),
        Foreign::Origin => Problem::new(
            Kind::ForeignOrigin,
            "the page that asks is of another site",
            "Add its origin to server.allowed_origins, if it is meant to ask.",
        ),
    }
}

/// The answer to a token that has as many requests open as others leave it.
fn share_taken() -> Problem {
    let message = "this token has as many requests open at once as are left to others";
    let suggestion = "Wait for one of them to end, or close a stream of events.";
    Problem::new(Kind::RateLimited, message, suggestion).after(MOMENT)
}

/// The answer to whoever comes when no more than a probe is answered.
fn no_room() -> Problem {
    let message = "as many requests are open as this server takes";
    Problem::new(Kind::NoRoom, message, "Try again in a moment.").after(MOMENT)
}

/// What is asked of a server that begins nothing new, or that ended before the answer was there.
pub(super) fn stopping() -> Problem {
    let message = "the server is stopping and begins nothing new";
    Problem::new(Kind::Stopping, message, "Ask again when it has started.").after(AFTER_THE_END)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Without a caller nobody was admitted.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| unauthenticated("this takes a token"))
    }
}
