//! Whose requests these are, and what of the service is theirs.

use std::{pin::Pin, sync::Arc};

use probity_history::Owner;
use probity_protocol::{ClientLabel, Tier};
use rmcp::{RoleServer, service::RequestContext};

use crate::{
    calls::{
        control::{gate::ClientKey, limiter::RateKey},
        observe::trace::{OwnedTraceContext, TraceContext},
        published::registry::Listing,
        request::client_label,
        runs::{Viewer, this_user},
        service::Service,
    },
    serve::access::{Beyond, Caller, TokenStore},
};

/// Most streams of news that the client of standard output has open. One is enough for all there is
/// to hear.
const MAX_LISTENS: usize = 16;

/// The same of a caller: many programs may share a token.
pub(crate) const MAX_LISTENS_OF_CALLER: usize = 64;

/// Who asks.
#[derive(Debug, Clone)]
pub enum Client {
    /// The one client of standard input and output: it is this process's own user.
    Only,
    /// One of those who come over HTTP.
    Caller(Box<Asker>),
}

/// Who asks over HTTP, with one request.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Whose token it is.
    pub caller: Caller,
    /// All requests of that token are one client's.
    pub key: ClientKey,
    /// Those of that token from that address are counted together.
    pub rate_key: RateKey,
    /// The request's id.
    pub correlation_id: String,
    /// Which trace the request is in, by its headers.
    pub trace: OwnedTraceContext,
    /// By which one hears that theirs is taken back.
    pub tokens: Arc<TokenStore>,
}

impl Client {
    /// Whose requests are counted.
    #[must_use]
    pub fn rate_key(&self) -> RateKey {
        match self {
            Self::Only => RateKey::ONLY,
            Self::Caller(asker) => asker.rate_key,
        }
    }

    /// Whose turn it is, and whose results they are.
    #[must_use]
    pub fn key(&self) -> ClientKey {
        match self {
            Self::Only => ClientKey::ONLY,
            Self::Caller(asker) => asker.key,
        }
    }

    /// Waits until it may not go on with what it began.
    #[must_use]
    pub fn withdrawn(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self {
            Self::Only => Box::pin(std::future::pending()),
            Self::Caller(asker) => Box::pin(asker.caller.withdrawn(&asker.tokens)),
        }
    }

    /// How long a run in the background goes on, in words.
    #[must_use]
    pub const fn ends_with(&self) -> &'static str {
        match self {
            Self::Only => "It ends when this client leaves. run_result gives its result.",
            Self::Caller(_) => "It goes on when you leave. run_result gives its result.",
        }
    }

    /// The name to log and to count by.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Only => String::from("stdio"),
            Self::Caller(asker) => asker.caller.name(),
        }
    }

    /// What the audit log calls it: a claim.
    #[must_use]
    pub fn label(&self, context: &RequestContext<RoleServer>) -> Option<ClientLabel> {
        match self {
            Self::Only => {
                let client = context.client_info();
                client.and_then(|info| client_label(&info.name, &info.version))
            }
            Self::Caller(asker) => asker.caller.label(),
        }
    }

    /// The same, for a call that outlives its request.
    #[must_use]
    pub fn owned_trace(&self, context: &RequestContext<RoleServer>) -> OwnedTraceContext {
        let TraceContext { parent, state } = self.trace(context);
        OwnedTraceContext { parent: parent.map(str::to_owned), state: state.map(str::to_owned) }
    }

    /// Which trace a request is in: by what it says itself, or by the headers that it came with.
    #[must_use]
    pub fn trace<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> TraceContext<'a> {
        let meta = &context.meta;
        match (meta.get_traceparent(), self) {
            (None, Self::Caller(asker)) => asker.trace.borrowed(),
            (parent, _) => TraceContext { parent, state: meta.get_tracestate() },
        }
    }

    /// The highest tier it may use; `None` leaves it to configuration and policy.
    #[must_use]
    pub fn highest_tier(&self) -> Option<Tier> {
        match self {
            Self::Only => None,
            Self::Caller(asker) => asker.caller.highest_tier(),
        }
    }

    /// Whose its runs are.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match self {
            Self::Only => this_user(),
            Self::Caller(asker) => asker.caller.owner(),
        }
    }

    /// What it sees of runs, by what is published.
    #[must_use]
    pub fn viewer(&self, listing: Arc<Listing>) -> Viewer {
        match self {
            Self::Only => Viewer::owner(this_user(), listing, None),
            Self::Caller(asker) => asker.caller.viewer(listing),
        }
    }

    /// What it sees of what is published.
    #[must_use]
    pub fn view(&self, listing: Arc<Listing>) -> Arc<Listing> {
        match self {
            Self::Caller(asker) => asker.caller.view(listing),
            Self::Only => listing,
        }
    }

    /// Whether what it asks for is counted.
    #[must_use]
    pub fn is_limited(&self, service: &Service) -> bool {
        matches!(self, Self::Caller(_)) || service.limits_stdio()
    }

    /// Whether it sees what comes by itself: whoever started this server, and administrators whose token is
    /// for all of it.
    #[must_use]
    pub fn sees_watches(&self) -> bool {
        match self {
            Self::Only => true,
            Self::Caller(asker) => asker.caller.sees_watches(),
        }
    }

    /// How many streams of news it may have open.
    #[must_use]
    pub fn most_listens(&self) -> usize {
        match self {
            Self::Only => MAX_LISTENS,
            Self::Caller(_) => MAX_LISTENS_OF_CALLER,
        }
    }

    /// Why it may not call a tool at all, whatever the policy has to say. What there is not, the broker
    /// refuses and records.
    #[must_use]
    pub fn beyond(&self, tool: &str, listing: &Listing) -> Option<Beyond> {
        match self {
            Self::Caller(asker) => asker.caller.beyond(tool, listing),
            Self::Only => None,
        }
    }
}
