//! The service over HTTP: REST, events and MCP, for scripts, dashboards, monitoring and remote
//! clients.
//!
//! It is thin, as MCP over stdio is: who asks is found out here, what they get is the service's. A
//! request goes through [`entry`] (is it for us, and whose is it), then through its route's access,
//! then to its handler in [`routes`].

mod accept;
mod body;
mod connection;
mod cookie;
mod entry;
mod events;
mod feed;
mod forwarded;
mod guard;
mod html;
pub mod listen;
mod mcp;
mod paths;
mod probe;
mod problem;
mod request_id;
mod routes;
mod seats;
mod sse;
mod tickets;
mod traced;

use std::{
    convert::Infallible,
    future::pending,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{connection::Limits, events::Hub, tickets::Tickets};
pub use self::{
    guard::Guard,
    problem::{Kind, Problem, ProblemDetails},
    routes::{PAGES, ROUTES, Route},
};
use crate::{
    calls::{
        control::{gate::ClientKey, limiter::RateKey},
        published::registry::Listing,
        runs::Viewer,
        service::Service,
    },
    config::{Config, Http, ProbeModules},
    process::shutdown::Shutdown,
    serve::{
        access::{Caller, Failures, Sessions, TokenStore},
        http::{listen::Listener, mcp::Mcp},
        mcp::Shared,
    },
    watches::served::ServedWatches,
};

/// How long clients may take to read their last answers.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What every request needs.
pub struct Server {
    /// What is served.
    service: Arc<Service>,
    /// What `GET /config` shows, secrets left out.
    settings: Value,
    /// The settings of HTTP.
    http: Http,
    /// What may be probed for by name.
    probes: ProbeModules,
    /// Who may come in.
    tokens: Arc<TokenStore>,
    /// What browsers read the events with.
    tickets: Tickets,
    /// Browsers that have shown a token.
    sessions: Sessions,
    /// Failed authentication.
    failures: Failures,
    /// Requests that were turned away for their Host or Origin.
    rejected_origins: Failures,
    /// Whose requests are let in at all.
    guard: Guard,
    /// Makes numbers of clients' names.
    keys: RandomState,
    /// How far this server's end is.
    shutdown: Shutdown,
    /// The calls that are open: the server's end waits for them.
    calls: TaskTracker,
    /// What answers MCP.
    mcp: Arc<Mcp>,
    /// Those who read the events.
    hub: Hub,
    /// Calls that come by themselves.
    watches: Arc<ServedWatches>,
}

/// What a server holds that is read again while it runs.
pub struct Held {
    /// Who may come in.
    pub tokens: Arc<TokenStore>,
    /// Calls that come by themselves.
    pub watches: Arc<ServedWatches>,
}

impl Server {
    /// A server over `service`, until `shutdown` says otherwise.
    #[must_use]
    pub fn new(
        service: Arc<Service>,
        config: &Config,
        settings: Value,
        held: Held,
        shutdown: Shutdown,
    ) -> Arc<Self> {
        let Held { tokens, watches } = held;
        let http = config.http.clone();
        let guard =
            Guard { hosts: http.allowed_hosts.clone(), origins: http.allowed_origins.clone() };
        let calls = TaskTracker::new();
        let (own, watched) = (Arc::clone(&service), Arc::clone(&watches));
        let shared = Shared::new(own, watched, shutdown.clone(), calls.clone());
        let mcp = Arc::new(Mcp::new(shared));
        Arc::new(Self {
            service,
            settings,
            http,
            probes: config.probes.clone(),
            tokens,
            tickets: Tickets::default(),
            sessions: Sessions::default(),
            failures: Failures::default(),
            rejected_origins: Failures::default(),
            guard,
            keys: RandomState::new(),
            shutdown,
            calls,
            mcp,
            hub: Hub::new(),
            watches,
        })
    }

    /// A code that opens the page once, for whoever holds this token; none where there is no page.
    #[must_use]
    pub fn page_code(&self, token: &str) -> Option<String> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let token = self.tokens.find(token, here).filter(|_| self.http.ui)?;
        Some(self.sessions.code(token))
    }

    /// Serves `most` connections at once until it is to stop. From then on it still answers, so that
    /// whoever asks `/readyz` hears of it, but begins nothing new; calls in flight have their grace
    /// period.
    pub async fn serve(self: Arc<Self>, listener: &Listener, most: usize) {
        let closing = CancellationToken::new();
        let connections = TaskTracker::new();
        let router = routes::router(&self);
        let limits =
            Limits { connections: most, head: self.http.read_timeout, unread: listen::UNREAD_FOR };
        // Those who read keep their connections, and others want to ask.
        self.hub.open(most);
        tokio::select! {
            never = connection::accept_all(listener, router, limits, &connections, &closing) => match never {},
            never = self.sessions_kept() => match never {},
            () = self.ended() => {}
        }
        closing.cancel();
        connections.close();
        let _ = timeout(LAST_ANSWERS, connections.wait()).await;
    }

    /// Ends the sessions of tokens that are taken back or changed, whenever they are read again.
    async fn sessions_kept(&self) -> Infallible {
        let mut changes = self.tokens.changes();
        while changes.changed().await.is_ok() {
            let tokens = Arc::clone(&changes.borrow_and_update());
            self.sessions.keep(|token| tokens.iter().any(|known| known == token));
        }
        pending().await
    }

    /// Waits until nothing is open any more, or the grace period is over and what was open is
    /// taken back.
    async fn ended(&self) {
        self.shutdown.stopping().await;
        self.calls.close();
        if !self.calls.is_empty() {
            tracing::info!(calls = self.calls.len(), "shutdown.waiting");
        }
        tokio::select! {
            () = self.calls.wait() => {}
            () = self.shutdown.keep_time() => {}
        }
        // Those who are left are told so.
        self.shutdown.end("end of the grace period");
        let _ = timeout(LAST_ANSWERS, self.calls.wait()).await;
    }

    /// What is published, as far as a caller's token covers it.
    fn listing_for(&self, caller: &Caller) -> Arc<Listing> {
        caller.view(self.service.listing())
    }

    /// What a caller sees of runs.
    fn viewer(&self, caller: &Caller) -> Viewer {
        caller.viewer(self.service.listing())
    }

    /// Whose turn it is: all calls of one token, or without one of one address, are one client's.
    fn key_of(&self, caller: &Caller) -> ClientKey {
        ClientKey::numbered(self.keys.hash_one(caller.name()))
    }

    /// Whose requests are counted: those of one token from one address.
    fn rate_key_of(&self, caller: &Caller) -> RateKey {
        RateKey::new(self.key_of(caller), caller.address)
    }
}
