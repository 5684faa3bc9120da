//! What changed between two scans of a thousand hosts, against reading both results from their JSON: whoever
//! compares two kept runs waits for both.

use std::fmt::Write as _;

use probity_output::{
    compare::{Comparison, Side, compare},
    parsers::parse,
};
use serde_json::Value;

use crate::{
    Rounds, Unmeasured,
    policies::NONE_NAME,
    samples::{side_by_side, timed},
    table::{Goal, Quantity, Row, Unit},
};

const PARSER: &str = "nmap-xml";
const HOSTS: u16 = 1024;
const COMMAND: [&str; 6] = ["/usr/bin/nmap", "-n", "-sV", "-oX", "-", "10.66.0.0/22"];
const ROUNDS: usize = 100;

/// What nmap says of a usual host: port, service, product and version.
const PORTS: [(u16, &str, &str, &str); 8] = [
    (22, "ssh", "OpenSSH", "9.2p1 Debian 2+deb12u2"),
    (25, "smtp", "Exim smtpd", "4.96"),
    (53, "domain", "ISC BIND", "9.18.24"),
    (80, "http", "nginx", "1.22.1"),
    (110, "pop3", "Dovecot pop3d", "2.3.19"),
    (443, "https", "nginx", "1.22.1"),
    (3306, "mysql", "MariaDB", "10.11.6"),
    (8080, "http-proxy", "Apache Tomcat", "10.1.6"),
];

/// Of each thirty-two hosts, the number of the one that has a port closed in the second scan, of the one
/// that has another version, of the one that is silent there, and of the one that was silent in the first.
const CLOSED: u16 = 3;
const UPGRADED: u16 = 5;
const SILENT: u16 = 9;
const NEW: u16 = 11;
const OF: u16 = 32;

/// Which of the two scans.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scan {
    Before,
    After,
}

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let [before, after] = [Scan::Before, Scan::After].map(|scan| result(&scan.xml()));
    let (before, after) = (before?, after?);
    let texts = [before.to_string(), after.to_string()];
    let command = COMMAND.map(str::to_owned);
    let difference = || {
        let side = |parsed| Side { parsed: Some(parsed), complete: true, command: &command };
        let (comparison, took) = timed(|| compare(PARSER, side(&before), side(&after)))?;
        is_as_made(&comparison).map(|()| took)
    };
    let read = || {
        let both = || texts.iter().map(|text| serde_json::from_str(text)).collect();
        let (_, took) = timed::<Vec<Value>, serde_json::Error>(both)
            .map_err(|error| Unmeasured::History(error.to_string()))?;
        Ok(took)
    };
    let (ours, theirs) = side_by_side(rounds.of(ROUNDS), difference, read)?;
    Ok(vec![
        Row::new(
            "what changed between two scans of 1,024 hosts",
            Unit::Seconds,
            ours.median(),
            NONE_NAME,
        )
        .against("reading both from JSON", theirs.median())
        .goal(Goal::at_most(Quantity::Measured, 50e-3)),
    ])
}

/// The result of a scan, as it is published.
fn result(xml: &str) -> Result<Value, Unmeasured> {
    let report = parse(PARSER, xml.as_bytes(), b"")?;
    let value = serde_json::to_value(report).unwrap_or_default();
    match value["total_hosts"].as_u64() {
        Some(_) if value["truncated"] == false => Ok(value),
        _ => Err(Unmeasured::History(String::from("the report of a scan is cut"))),
    }
}

/// A quick and wrong answer is no measure of anything.
fn is_as_made(comparison: &Comparison) -> Result<(), Unmeasured> {
    let expected = 4 * usize::from(HOSTS / OF);
    match comparison.change_count == expected && comparison.complete && !comparison.truncated {
        true => Ok(()),
        false => Err(Unmeasured::History(format!(
            "{} changes of {expected}: {}",
            comparison.change_count, comparison.sentence
        ))),
    }
}

impl Scan {
    /// What nmap would write.
    fn xml(self) -> String {
        let arguments = COMMAND[1..].join(" ");
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n\
             <nmaprun scanner=\"nmap\" args=\"nmap {arguments}\" start=\"1795440583\" version=\"7.93\" \
             xmloutputversion=\"1.05\">\n\
             <scaninfo type=\"syn\" protocol=\"tcp\" numservices=\"1000\" services=\"1-1000\"/>\n"
        );
        let is_silent = match self {
            Self::Before => NEW,
            Self::After => SILENT,
        };
        let seen = (0..HOSTS).filter(|number| number % OF != is_silent);
        seen.clone().for_each(|number| self.host(number, &mut xml));
        let up = seen.count();
        let _ = writeln!(
            xml,
            "<runstats><finished time=\"1795440602\" summary=\"Nmap done: 1024 IP addresses ({up} hosts up) \
             scanned in 19.00 seconds\" elapsed=\"19.00\" exit=\"success\"/><hosts up=\"{up}\" down=\"{}\" \
             total=\"{HOSTS}\"/>\n</runstats>\n</nmaprun>",
            usize::from(HOSTS) - up,
        );
        xml
    }

    fn host(self, number: u16, xml: &mut String) {
        let address = format!("10.66.{}.{}", number / 256, number % 256);
        let is_changed = |by| self == Self::After && number % OF == by;
        let _ = write!(
            xml,
            "<host starttime=\"1795440583\" endtime=\"1795440602\"><status state=\"up\" reason=\"echo-reply\" \
             reason_ttl=\"63\"/>\n<address addr=\"{address}\" addrtype=\"ipv4\"/>\n<hostnames>\n</hostnames>\n\
             <ports><extraports state=\"closed\" count=\"992\">\n\
             <extrareasons reason=\"reset\" count=\"992\" proto=\"tcp\"/>\n</extraports>\n"
        );
        for (port, service, product, version) in PORTS {
            let is_closed = port == 80 && is_changed(CLOSED);
            let state = if is_closed { "closed" } else { "open" };
            let version = match port == 22 && is_changed(UPGRADED) {
                true => "9.6p1 Debian 4",
                false => version,
            };
            let _ = writeln!(
                xml,
                "<port protocol=\"tcp\" portid=\"{port}\"><state state=\"{state}\" reason=\"syn-ack\" \
                 reason_ttl=\"63\"/><service name=\"{service}\" product=\"{product}\" version=\"{version}\" \
                 ostype=\"Linux\" method=\"probed\" conf=\"10\"/></port>"
            );
        }
        xml.push_str("</ports>\n<times srtt=\"189\" rttvar=\"2868\" to=\"100000\"/>\n</host>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scans_are_whole_and_differ_as_they_were_made() {
        assert!(rows(Rounds { quick: true }).is_ok());
    }
}
