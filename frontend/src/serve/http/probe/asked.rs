//! The call that a module and a target stand for: a target as blackbox_exporter takes it, which may be a
//! URL or have a port, as the properties that the module's tool takes.
//!
//! Nothing is guessed: a target that is none for its module is an error, and whether it may be probed is
//! for the broker to say.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{Uri, uri::Authority};
use serde_json::{Map, Value, json};

use crate::config::{ProbeModule, Prober};

/// Why a module and a target are no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unaskable {
    /// There is none.
    #[error("the parameter target is missing: name a host, as in target=192.168.1.1")]
    NoTarget,
    /// It is no host, with or without a port.
    #[error(
        "the target is no host: write HOST or HOST:PORT, an IPv6 address with a port in brackets"
    )]
    NoHost,
    /// It is no URL of HTTP.
    #[error("the target is no URL of HTTP: write http://HOST:PORT/PATH, https://HOST or HOST")]
    NoUrl,
    /// It has a port that nothing is done with.
    #[error("a target of the prober icmp has no port: leave {0} out")]
    UselessPort(u16),
    /// It has no port.
    #[error("the target names no port: write HOST:PORT, or set `options.ports` of the module {0}")]
    NoPort(String),
    /// There is nothing to ask the server for.
    #[error("nothing is asked for: set `query_name` of the module {0} in `[probe.modules.{0}]`")]
    NoQuestion(String),
    /// It is to be asked by another name than it is connected by.
    #[error(
        "a web server is asked by its target's own name: leave hostname out, and make it the target"
    )]
    OtherName,
}

/// The properties of the call.
///
/// # Errors
/// [`Unaskable`], with what to do.
pub fn properties(
    module: &ProbeModule,
    target: &str,
    hostname: Option<&str>,
) -> Result<Map<String, Value>, Unaskable> {
    let target = target.trim();
    if target.is_empty() {
        return Err(Unaskable::NoTarget);
    }
    let mut properties = module.options.clone();
    let mut put = |name: &str, value: Value| _ = properties.insert(name.to_owned(), value);
    let place = match &module.prober {
        Prober::Http(rules) => {
            let url = Url::parse(target)?;
            if hostname.is_some_and(|name| !name.eq_ignore_ascii_case(&url.place.host)) {
                return Err(Unaskable::OtherName);
            }
            url.scheme.into_iter().for_each(|scheme| put("scheme", json!(scheme)));
            url.path.into_iter().for_each(|path| put("path", json!(path)));
            url.place.port.into_iter().for_each(|port| put("port", json!(port)));
            if rules.reads_body() {
                put("show_body", json!(true));
            }
            if rules.insecure_skip_verify {
                put("insecure", json!(true));
            }
            url.place
        }
        Prober::Icmp => {
            let place = Place::parse(target)?;
            if let Some(port) = place.port {
                return Err(Unaskable::UselessPort(port));
            }
            place
        }
        Prober::Tcp => {
            let place = Place::parse(target)?;
            match place.port {
                Some(port) => put("ports", json!(port.to_string())),
                None if module.options.contains_key("ports") => {}
                None => return Err(Unaskable::NoPort(module.name.clone())),
            }
            place
        }
        Prober::Tls(_) => {
            let place = Place::parse(target)?;
            place.port.into_iter().for_each(|port| put("port", json!(port)));
            hostname.into_iter().for_each(|name| put("server_name", json!(name)));
            place
        }
        Prober::Dns(rules) => {
            let place = Place::parse(target)?;
            let name = rules.query_name.as_ref();
            let name = name.ok_or_else(|| Unaskable::NoQuestion(module.name.clone()))?;
            put("name", json!(name));
            put("type", json!(rules.query_type));
            place.port.into_iter().for_each(|port| put("port", json!(port)));
            place
        }
    };
    put("target", json!(place.host));
    Ok(properties)
}

/// A host, with a port where one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// Without brackets.
    host: String,
    port: Option<u16>,
}

impl Place {
    fn parse(text: &str) -> Result<Self, Unaskable> {
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: None });
        }
        let authority: Authority = text.parse().map_err(|_| Unaskable::NoHost)?;
        Self::of(&authority).ok_or(Unaskable::NoHost)
    }

    /// `None` with a user, a password, or a port that is none.
    fn of(authority: &Authority) -> Option<Self> {
        let rest = authority.as_str().strip_prefix(authority.host())?;
        let port = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(':')?.parse::<u16>().ok().filter(|port| *port > 0)?),
        };
        let host = authority.host();
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(bare) => bare.parse::<Ipv6Addr>().is_ok().then_some(bare),
            None => Some(host).filter(|host| !host.is_empty() && !host.contains(['[', ']'])),
        };
        Some(Self { host: host?.to_owned(), port })
    }
}

/// What is asked of a web server. What it does not say is left to the module.
#[derive(Debug, PartialEq, Eq)]
struct Url {
    place: Place,
    scheme: Option<&'static str>,
    /// Path and query, where they are more than `/`.
    path: Option<String>,
}

impl Url {
    fn parse(text: &str) -> Result<Self, Unaskable> {
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self { place: Place::parse(text)?, scheme: None, path: None });
        }
        let (scheme, whole) = match text.split_once("://") {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => (Some("http"), None),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => (Some("https"), None),
            // Of `://` in a path the text before it is no scheme.
            Some((scheme, _)) if !scheme.contains(['/', '?', '#', ':']) => {
                return Err(Unaskable::NoUrl);
            }
            _ => (None, Some(format!("http://{text}"))),
        };
        let uri: Uri = whole.as_deref().unwrap_or(text).parse().map_err(|_| Unaskable::NoUrl)?;
        let place = uri.authority().and_then(Place::of).ok_or(Unaskable::NoUrl)?;
        let path = uri.path_and_query().map(|path| path.as_str()).filter(|path| *path != "/");
        Ok(Self { place, scheme, path: path.map(str::to_owned) })
    }
}

#[cfg(test)]
#[path = "asked_tests.rs"]
mod tests;
