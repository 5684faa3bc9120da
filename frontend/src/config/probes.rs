//! `[probe.modules.NAME]`: what `GET /probe` may be asked for by name, as modules of blackbox_exporter are.
//!
//! Some are shipped, and a table of the file lies over the shipped one of its name. A module that is not
//! described as it should be is told of and left out, the shipped one of its name too; the others stay.
//! What is read here asks for a call, and grants nothing.

mod read;

use std::{fmt, time::Duration};

use regex::Regex;
use serde_json::{Map, Value, json};

pub(super) use self::read::Written;

/// One module.
#[derive(Debug, Clone)]
pub struct ProbeModule {
    /// Its name, as scrapers ask for it.
    pub name: String,
    /// How its results are judged and told.
    pub prober: Prober,
    /// The tool that is called, by name or alias.
    pub tool: String,
    /// How long a probe may take at most; `None` leaves it to the scraper and the tool.
    pub timeout: Option<Duration>,
    /// Properties of each call, as a client would give them.
    pub options: Map<String, Value>,
    /// Where it is described, a file with its line; `None` for one that is shipped.
    pub source: Option<String>,
}

/// How the results of a module are judged and told.
#[derive(Debug, Clone)]
pub enum Prober {
    /// Whether a host answers, of what reads as ping does.
    Icmp,
    /// What a web server answers, of what reads as curl does.
    Http(HttpRules),
    /// Whether ports are open, of what reads as nmap does.
    Tcp,
    /// Whether a client would accept a certificate, of what reads as openssl's `s_client` does.
    Tls(TlsRules),
    /// What a name server says, of what reads as dig does.
    Dns(DnsRules),
}

/// Which answers of a web server are good.
#[derive(Debug, Clone, Default)]
pub struct HttpRules {
    /// The statuses; empty for 200 to 299.
    pub valid_status_codes: Vec<u16>,
    /// It may not be by TLS.
    pub fail_if_ssl: bool,
    /// It has to be by TLS.
    pub fail_if_not_ssl: bool,
    /// Any certificate will do.
    pub insecure_skip_verify: bool,
    /// None of them may be found in the body.
    pub fail_if_body_matches: Vec<Regex>,
    /// Each of them has to be found in the body.
    pub fail_if_body_not_matches: Vec<Regex>,
}

/// Which handshakes are good.
#[derive(Debug, Clone, Default)]
pub struct TlsRules {
    /// Any certificate will do.
    pub insecure_skip_verify: bool,
}

/// What a name server is asked, and which answers are good.
#[derive(Debug, Clone)]
pub struct DnsRules {
    /// The name; without one nothing can be asked.
    pub query_name: Option<String>,
    /// The type of record.
    pub query_type: String,
    /// The words of good answers: `NOERROR`, `NXDOMAIN`.
    pub valid_rcodes: Vec<String>,
}

impl Default for DnsRules {
    fn default() -> Self {
        Self { query_name: None, query_type: "A".into(), valid_rcodes: vec!["NOERROR".into()] }
    }
}

impl HttpRules {
    /// Whether the body is looked at.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        !self.fail_if_body_matches.is_empty() || !self.fail_if_body_not_matches.is_empty()
    }
}

impl Prober {
    /// The spelling in files.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Http(_) => "http",
            Self::Tcp => "tcp",
            Self::Tls(_) => "tls",
            Self::Dns(_) => "dns",
        }
    }

    /// The shipped tool that it is for.
    #[must_use]
    pub const fn usual_tool(&self) -> &'static str {
        match self {
            Self::Icmp => "ping",
            Self::Http(_) => "http",
            Self::Tcp => "port",
            Self::Tls(_) => "tls",
            Self::Dns(_) => "dns",
        }
    }

    /// The parser whose results it takes.
    #[must_use]
    pub const fn parser(&self) -> &'static str {
        match self {
            Self::Icmp => "ping",
            Self::Http(_) => "curl",
            Self::Tcp => "nmap-xml",
            Self::Tls(_) => "tls",
            Self::Dns(_) => "dig",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "icmp" => Self::Icmp,
            "http" => Self::Http(HttpRules::default()),
            "tcp" => Self::Tcp,
            "tls" => Self::Tls(TlsRules::default()),
            "dns" => Self::Dns(DnsRules::default()),
            _ => return None,
        })
    }
}

impl fmt::Display for ProbeModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.prober.as_str(), self.tool)?;
        if let Some(timeout) = self.timeout {
            write!(f, " within {} s", timeout.as_secs_f64())?;
        }
        for (at, (name, value)) in self.options.iter().enumerate() {
            write!(f, "{} {name}={value}", if at == 0 { " with" } else { "," })?;
        }
        Ok(())
    }
}

/// All of them, by name.
#[derive(Debug, Clone)]
pub struct ProbeModules(Vec<ProbeModule>);

impl ProbeModules {
    /// The one of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&ProbeModule> {
        self.0.iter().find(|module| module.name == name)
    }

    /// Each, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ProbeModule> {
        self.0.iter()
    }
}

impl Default for ProbeModules {
    /// Those that are shipped.
    fn default() -> Self {
        let dns = Prober::Dns(DnsRules::default());
        let http = Prober::Http(HttpRules::default());
        let tls = Prober::Tls(TlsRules::default());
        Self(vec![
            // One question to the server and no more, as blackbox_exporter asks.
            ProbeModule::of("dns", dns).with_option("tries", 1),
            ProbeModule::of("http_2xx", http),
            ProbeModule::of("icmp", Prober::Icmp).with_option("count", 1),
            ProbeModule::of("tcp_connect", Prober::Tcp),
            ProbeModule::of("tls_connect", tls),
        ])
    }
}

impl ProbeModule {
    fn of(name: &str, prober: Prober) -> Self {
        let tool = prober.usual_tool().to_owned();
        let (name, options) = (name.to_owned(), Map::new());
        Self { name, prober, tool, timeout: None, options, source: None }
    }

    fn with_option(mut self, name: &str, value: u32) -> Self {
        self.options.insert(name.to_owned(), json!(value));
        self
    }
}
