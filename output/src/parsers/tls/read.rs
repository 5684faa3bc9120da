//! From what s_client prints to a report, in the order in which it prints it: what a mail server says before or
//! after the handshake stands behind all that is read here.

use super::{CHAIN_MAX, TlsReport, certificate::certificate};
use crate::parsers::{ITEMS_MAX, Line, lines, one_line, room::Room};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
/// How a line begins that says how the key was agreed on, in the words of several versions.
const KEY_EXCHANGE: [&str; 3] =
    ["Server Temp Key: ", "Peer Temp Key: ", "Negotiated TLS1.3 group: "];

const END: &str = "-----END CERTIFICATE-----";

/// Parses what openssl wrote. `None` where there is neither a connection nor a word of why there is none.
pub(in crate::parsers) fn parse(stdout: &str, stderr: &str) -> Option<TlsReport> {
    let mut report = TlsReport::default();
    let mut room = Room::default();
    let mut reading = Reading { report: &mut report, room: &mut room, pem: None, is_over: false };
    lines(stdout).for_each(|line| reading.line(&line));
    for line in lines(stderr).filter(|line| line.whole) {
        on_stderr(&mut report, line.text, &mut room);
    }
    // Of no certificate openssl says that all is well.
    report.chain_holds = report.chain_holds.filter(|_| !report.chain.is_empty());
    report.complete |= report.error.is_some();
    report.truncated |= room.full;
    let recognised = report.connected || !report.chain.is_empty() || report.error.is_some();
    recognised.then_some(report)
}

struct Reading<'r> {
    report: &'r mut TlsReport,
    room: &'r mut Room,
    /// The certificate that is being read.
    pem: Option<String>,
    /// What counts has been said.
    is_over: bool,
}

impl Reading<'_> {
    fn line(&mut self, line: &Line<'_>) {
        if !line.whole || self.is_over {
            return;
        }
        let text = line.text;
        if let Some(pem) = &mut self.pem {
            pem.push_str(text);
            pem.push('\n');
            if text == END {
                let pem = std::mem::take(pem);
                self.pem = None;
                self.certificate(&pem);
            }
            return;
        }
        let report = &mut *self.report;
        if text == BEGIN {
            self.pem = Some(format!("{BEGIN}\n"));
        } else if text.starts_with("CONNECTED(") {
            report.connected = true;
        } else if let Some(key) = KEY_EXCHANGE.iter().find_map(|begin| text.strip_prefix(begin)) {
            report.key_exchange.get_or_insert_with(|| one_line(key));
        } else if let Some(agreed) =
            text.strip_prefix("New, ").or_else(|| text.strip_prefix("Reused, "))
        {
            let (protocol, cipher) = agreed.split_once(", Cipher is ").unwrap_or((agreed, ""));
            let real = |word: &str| (!word.is_empty() && word != "(NONE)").then(|| one_line(word));
            if report.protocol.is_none() {
                (report.protocol, report.cipher) = (real(protocol), real(cipher));
            }
        } else if text.starts_with("Verification: OK") {
            report.chain_holds = Some(true);
        } else if let Some(why) = text.strip_prefix("Verification error: ") {
            self.chain_error(why);
        } else if let Some(code) = text.trim_start().strip_prefix("Verify return code: ") {
            let why = code.split_once(" (").and_then(|(_, why)| why.strip_suffix(')'));
            match (code.starts_with("0 "), why) {
                (true, _) => _ = report.chain_holds.get_or_insert(true),
                (false, why) => self.chain_error(why.unwrap_or(code)),
            }
            self.report.complete = true;
            self.is_over = true;
        }
    }

    fn certificate(&mut self, pem: &str) {
        match certificate(pem) {
            Some((found, is_cut)) => {
                self.room.full |= is_cut;
                self.room.push(&mut self.report.chain, found, CHAIN_MAX);
            }
            None => self.room.full = true,
        }
    }

    fn chain_error(&mut self, why: &str) {
        self.report.chain_holds = Some(false);
        add_error(self.report, why, self.room);
    }
}

/// Each is said several times.
fn add_error(report: &mut TlsReport, why: &str, room: &mut Room) {
    let why = one_line(why);
    if !report.chain_errors.contains(&why) {
        room.push(&mut report.chain_errors, why, CHAIN_MAX.min(ITEMS_MAX));
    }
}

/// - `verify error:num=10:certificate has expired`
/// - `40F7:error:8000006F:system library:BIO_connect:Connection refused:file:117:calling connect()`
/// - `Didn't find STARTTLS in server response, trying anyway...`
fn on_stderr(report: &mut TlsReport, text: &str, room: &mut Room) {
    if let Some(why) = text.strip_prefix("verify error:num=").and_then(|rest| rest.split_once(':'))
    {
        add_error(report, why.1, room);
        report.chain_holds = Some(false);
        return;
    }
    let mut parts = text.splitn(7, ':');
    let (_, word, _, _, _, why) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
    if word == Some("error") {
        // The first is the cause, and the others are what that led to.
        let why = why.filter(|why| !why.is_empty()).unwrap_or("no reason is given");
        report.error.get_or_insert_with(|| one_line(why));
    } else if text.starts_with("Didn't find STARTTLS") || text.starts_with("Didn't find starttls") {
        report.error.get_or_insert_with(|| "the server offers no STARTTLS".to_owned());
    }
}
