//! Whose request it is by its Host and Origin: pages of other sites, and names that were made to
//! point here (DNS rebinding), are kept out before anything else is looked at.
//!
//! A browser sends `Host` and `Origin` truthfully, and that is all this is about: it keeps nobody
//! out who can write a request themselves. For them there are tokens.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

use super::connection::Peer;

/// What is let in.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Names, without ports, beside those of this machine and the address asked.
    pub hosts: Vec<String>,
    /// Origins of other sites: `https://dash.example`.
    pub origins: Vec<String>,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// It names no host, several, or something that is none.
    NoHost,
    /// It names another host.
    Host,
    /// It comes from another site's page.
    Origin,
}

impl Foreign {
    /// The header that says so.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::NoHost | Self::Host => "Host",
            Self::Origin => "Origin",
        }
    }
}

impl Guard {
    /// # Errors
    /// What is foreign about a request.
    pub fn check(&self, headers: &HeaderMap, uri: &Uri, peer: &Peer) -> Result<(), Foreign> {
        let host = host_of(headers, uri).ok_or(Foreign::NoHost)?;
        // RULE: A page of another site is turned away by `Host` and `Origin`.
        if !self.is_ours(&host.0, peer) {
            return Err(Foreign::Host);
        }
        self.check_origin(headers, &host)
    }

    /// Pages of this very server may ask it, and those of the origins that were named. A page without
    /// an origin (`null`: a file, a sandboxed frame) is nobody's.
    ///
    /// # Errors
    /// [`Foreign::Origin`].
    fn check_origin(&self, headers: &HeaderMap, host: &Authority) -> Result<(), Foreign> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let origin = origin.to_str().map_err(|_| Foreign::Origin)?;
        let same = || {
            let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            rest.and_then(authority).is_some_and(|of_page| of_page == *host)
        };
        let known = self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin));
        match origins.next().is_none() && (known || same()) {
            true => Ok(()),
            false => Err(Foreign::Origin),
        }
    }

    /// Whether a request comes from a page of this very server, by its Origin.
    #[must_use]
    pub fn is_own_page(headers: &HeaderMap, uri: &Uri) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (origin, more) = (origins.next(), origins.next());
        let origin = origin.filter(|_| more.is_none()).and_then(|origin| origin.to_str().ok());
        let rest = origin.and_then(|origin| {
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
        });
        rest.and_then(authority).is_some_and(|of_page| host_of(headers, uri) == Some(of_page))
    }

    fn is_ours(&self, host: &str, peer: &Peer) -> bool {
        // An address is no name, and nobody can make it point elsewhere.
        let address: Option<IpAddr> = host.parse().ok();
        let arrived = peer.local.map(|local| local.ip().to_canonical());
        host == "localhost"
            || address.is_some_and(|address| address.is_loopback() || Some(address) == arrived)
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

/// A host in lower case and without brackets, and the port as written.
type Authority = (String, Option<u16>);

/// The one host that a request names.
fn host_of(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = authority(hosts.next()?.to_str().ok()?)?;
    let absolute = uri.authority().map(|written| authority(written.as_str()));
    let agrees = absolute.is_none_or(|written| written.as_ref() == Some(&host));
    (hosts.next().is_none() && agrees).then_some(host)
}

fn authority(text: &str) -> Option<Authority> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            text.split_at(end)
        }
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port.parse().ok()?),
        None if port.is_empty() => None,
        None => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.chars().all(plain)).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(host: &str, origin: Option<&str>) -> Result<(), Foreign> {
        let guard = Guard {
            hosts: vec!["probity.example".into()],
            origins: vec!["https://dash.example".into()],
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let local = Some("10.66.1.1:8080".parse().unwrap());
        let peer = Peer { address: [10, 66, 1, 2].into(), local, unix: false };
        guard.check(&headers, &Uri::from_static("/tools"), &peer)
    }

    #[test]
    fn this_machine_the_address_asked_and_named_hosts_are_ours_with_any_port() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.8.8.8",
            "[::1]:8080",
            "10.66.1.1",
            "Probity.Example:443",
        ] {
            assert_eq!(check(host, None), Ok(()), "{host}");
        }
    }

    #[test]
    fn every_other_name_is_foreign() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.66.1.2",
            "0.0.0.0",
            "2130706433",
            "probity.example.evil",
            // Another spelling that resolvers take for the same: a browser does not send it by itself.
            "localhost.",
            "probity.example.",
        ] {
            assert_eq!(check(host, None), Err(Foreign::Host), "{host:?}");
        }
    }

    #[test]
    fn what_is_no_host_is_told_apart() {
        for host in
            ["localhost:", "localhost:x", "user@localhost", "localhost localhost", "[::1", ""]
        {
            assert_eq!(check(host, None), Err(Foreign::NoHost), "{host:?}");
        }
    }

    #[test]
    fn pages_of_this_server_and_of_named_origins_may_ask_and_no_others() {
        for origin in ["http://localhost:8080", "https://localhost:8080", "https://dash.example"] {
            assert_eq!(check("localhost:8080", Some(origin)), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://localhost",
            "http://localhost:9090",
            "http://127.0.0.1:8080",
            "http://dash.example",
            "https://dash.example.evil",
            "https://evil.example",
            "file://",
            "chrome-extension://localhost:8080",
        ] {
            let said = check("localhost:8080", Some(origin));
            assert_eq!(said, Err(Foreign::Origin), "{origin:?}");
        }
    }
}
