//! Where telemetry is sent: a plain `http://` URL. It is no secret, is shown as it is, and has no place for
//! a password.

use std::{fmt, net::Ipv6Addr};

/// An `http://` URL without a user, a query or a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// A name or an address; one of IPv6 in its brackets.
    host: String,
    port: u16,
    /// From the slash on, without one at the end; empty where there is none.
    path: String,
}

impl HttpUrl {
    /// Reads one; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let of_a_path = |c: char| c.is_ascii_alphanumeric() || "/-._~%:@+=,".contains(c);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, 80),
        };
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match inner {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(of_a_name),
        };
        let is_url = is_host && port != 0 && path.chars().all(of_a_path);
        let (host, path) = (host.to_owned(), path.trim_end_matches('/').to_owned());
        is_url.then_some(Self { host, port, path })
    }

    /// The port that is connected to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, as one connects to them.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether it says no more than host and port.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.path.is_empty()
    }

    /// The URL of something below it.
    #[must_use]
    pub fn join(&self, below: &str) -> String {
        format!("{self}/{below}")
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_plain_url_is_read_and_nothing_else() {
        for (text, read) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318"),
            ("http://[::1]:4318/otlp/", "http://[::1]:4318/otlp"),
            ("http://collector.monitoring", "http://collector.monitoring:80"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(HttpUrl::parse(text).unwrap().to_string(), read);
        }
        for text in [
            "",
            "https://collector:4318",
            "collector:4318",
            "http://",
            "http://:4318",
            "http://a:0",
            "http://a:99999",
            "http://a:b@c:1",
            "http://a:1/?x",
            "http://a:1/ b",
            "http://a:1/\r\nHost: b",
            "http://[::g]:1",
        ] {
            assert_eq!(HttpUrl::parse(text), None, "{text}");
        }
    }
}
