//! Who asks over HTTP, and what that one may do.
//!
//! All HTTP users share this process's uid towards the broker, so the policy cannot tell them apart:
//! what is narrower for one of them is narrowed here. Nothing here can widen what the policy grants.

mod failures;
mod rights;
mod sessions;
mod tokens;

use std::{net::IpAddr, sync::Arc};

use probity_protocol::{ClientLabel, Tier, ToolEntry};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{calls::request::client_label, process::logging::Seldom};

pub use self::{
    failures::{FailureLevel, Failures},
    rights::Beyond,
    sessions::{LASTS, Sessions},
    tokens::{
        NewToken, Secret, Token, TokenStore, Tokens, TokensError, is_unguessable, whole_network,
    },
};

/// What a token is for. Each may do all that the one before it may.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Checks and runs, too.
    Operator,
    /// Enables, disables, resets and reads the configuration, too.
    Admin,
}

impl Role {
    /// The spelling in files and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// What a way in asks of whoever takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: probes of an orchestrator have neither token nor a matching Host.
    Everyone,
    /// To be on this machine, where `server.anonymous` allows that, or a viewer's token.
    Local,
    /// This role at least.
    Role(Role),
}

impl Access {
    /// The spelling in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Local => "local",
            Self::Role(role) => role.as_str(),
        }
    }
}

/// Notes that a client asked for more than its token is for: a role, or a tool.
pub fn log_forbidden(client: &str, needed: &str) {
    static LINES: Seldom = Seldom::new();
    LINES.line(client, |left_out| tracing::warn!(client, needed, left_out, "http.forbidden"));
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Their token; none where they came without.
    token: Option<Arc<Token>>,
    /// Where the request comes from, behind whatever proxies are believed.
    pub address: IpAddr,
    /// They came without a token, and this server lets those of its own machine look.
    local: bool,
}

impl Caller {
    /// Somebody who holds a token.
    #[must_use]
    pub fn with_token(token: Arc<Token>, address: IpAddr) -> Self {
        Self { token: Some(token), address, local: false }
    }

    /// Somebody without one. On the machine itself they may look, if `anonymous` says so.
    #[must_use]
    pub fn anonymous(address: IpAddr, anonymous: bool) -> Self {
        Self { token: None, address, local: anonymous && address.is_loopback() }
    }

    /// The name to log and to count by: the token's, or the address.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.token {
            Some(token) => token.name.clone(),
            None => self.address.to_string(),
        }
    }

    /// What the audit log calls them: a claim, as every label of a client is.
    #[must_use]
    pub fn label(&self) -> Option<ClientLabel> {
        client_label("http", &self.name())
    }

    /// Their token.
    #[must_use]
    pub fn token(&self) -> Option<&Arc<Token>> {
        self.token.as_ref()
    }

    /// Their role; none without a token.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.token.as_ref().map(|token| token.role)
    }

    /// Whether their token still is one, and still the same.
    #[must_use]
    pub fn is_known(&self, tokens: &TokenStore) -> bool {
        self.token.as_ref().is_some_and(|token| tokens.has(token, self.address))
    }

    /// Waits until their token is taken back, or allows less than it did when they came.
    pub fn withdrawn(&self, tokens: &TokenStore) -> impl Future<Output = ()> + Send + use<> {
        let (token, address, mut current) = (self.token.clone(), self.address, tokens.changes());
        async move {
            // Those who need no token have none to lose, and nobody loses one where nothing is read.
            if let Some(token) = token
                && current.wait_for(|tokens| !tokens.uphold(&token, address)).await.is_ok()
            {
                return;
            }
            std::future::pending().await
        }
    }

    /// Whether another comes with the very same token.
    #[must_use]
    pub fn has_token_of(&self, other: &Self) -> bool {
        matches!((&self.token, &other.token), (Some(own), Some(other)) if Arc::ptr_eq(own, other))
    }

    /// Whether they may take a way in.
    #[must_use]
    pub fn may(&self, access: Access) -> bool {
        match access {
            Access::Everyone => true,
            Access::Local => self.local || self.role().is_some(),
            Access::Role(least) => self.role().is_some_and(|role| role >= least),
        }
    }

    /// Whether it sees calls that come by themselves: they are nobody's own, and for everything.
    #[must_use]
    pub fn sees_watches(&self) -> bool {
        self.role() == Some(Role::Admin) && !self.is_restricted()
    }

    /// Whether their token is for less than what this server publishes.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        let narrows = |token: &Arc<Token>| token.no_intrusive || !token.tools.is_empty();
        self.token.as_ref().is_some_and(narrows)
    }

    /// Whether their token covers a tool.
    #[must_use]
    pub fn covers(&self, tool: &ToolEntry) -> bool {
        let Some(token) = &self.token else { return true };
        let names = || std::iter::once(&tool.name).chain(&tool.aliases);
        token.tools.is_empty()
            || names().any(|name| token.tools.iter().any(|tool| tool == name.as_str()))
    }

    /// The highest tier their token allows; `None` leaves it to configuration and policy.
    #[must_use]
    pub fn highest_tier(&self) -> Option<Tier> {
        self.token.as_ref().filter(|token| token.no_intrusive).map(|_| Tier::Standard)
    }
}
