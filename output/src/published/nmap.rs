//! Hosts and ports of a scan.

use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Host<'a> {
    #[serde(borrow)]
    pub address: Option<&'a str>,
    #[serde(borrow)]
    pub mac: Option<&'a str>,
    #[serde(borrow)]
    pub hostnames: Vec<&'a str>,
    #[serde(borrow)]
    pub state: Option<&'a str>,
    pub timed_out: bool,
    #[serde(borrow)]
    pub ports: Vec<Port<'a>>,
    #[serde(borrow)]
    pub extra_ports: Vec<Extra<'a>>,
}

/// Two that are equal say the same of the port and of its service.
#[derive(Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Port<'a> {
    pub port: u64,
    pub proto: &'a str,
    #[serde(borrow)]
    pub state: Option<&'a str>,
    #[serde(borrow)]
    pub service: Option<&'a str>,
    #[serde(borrow)]
    pub service_method: Option<&'a str>,
    #[serde(borrow)]
    pub product: Option<&'a str>,
    #[serde(borrow)]
    pub version: Option<&'a str>,
    #[serde(borrow)]
    pub extra_info: Option<&'a str>,
    #[serde(borrow)]
    pub tunnel: Option<&'a str>,
}

/// Ports that nmap only counted, by the state that they have in common.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Extra<'a> {
    pub state: &'a str,
    pub count: u64,
}

impl Host<'_> {
    pub fn is_up(&self) -> bool {
        self.state == Some("up")
    }

    pub fn has_ports(&self) -> bool {
        !self.ports.is_empty() || !self.extra_ports.is_empty()
    }
}

impl<'a> Port<'a> {
    pub fn state(&self) -> &'a str {
        self.state.unwrap_or("unknown")
    }

    pub fn is_open(&self) -> bool {
        self.state == Some("open")
    }
}
