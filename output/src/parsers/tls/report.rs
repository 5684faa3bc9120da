//! What can be done with the report of a handshake.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{TlsCertificate, TlsReport, certificate::is_for, text};
use crate::parsers::{
    Report, one_line,
    shrink::{Step, cut_last},
};

const DAY_SECONDS: i64 = 24 * 60 * 60;

impl TlsReport {
    /// When the first of the certificates that the server sent ends, in seconds since 1970.
    #[must_use]
    pub fn first_end(&self) -> Option<i64> {
        self.chain.iter().filter_map(|certificate| certificate.within.map(|(_, end)| end)).min()
    }

    /// Tells it who was asked, by the command, and when: what is not in the output.
    pub fn tell(&mut self, argv: &[String], now: SystemTime) {
        let after = |flag: &str| {
            let at = argv.iter().rposition(|word| word == flag)?;
            argv.get(at + 1).map(String::as_str)
        };
        if let Some((address, port)) = after("-connect").and_then(|it| it.rsplit_once(':')) {
            self.address = Some(one_line(address.trim_matches(['[', ']'])));
            self.port = port.parse().ok();
        }
        let asked = after("-servername");
        self.server_name = asked.map(one_line);
        // An address is asked for by no name, and the certificate has to be for it all the same.
        if let Some(name) = asked.or(self.address.as_deref()) {
            let is_for =
                |own: &TlsCertificate| is_for(&own.names, name) || is_for(&own.more_names, name);
            self.name_matches = self.chain.first().map(is_for);
        }
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        for certificate in &mut self.chain {
            certificate.days_left =
                certificate.within.map(|(_, end)| end.saturating_sub(now).div_euclid(DAY_SECONDS));
        }
        self.days_left = self.chain.first().and_then(|first| first.days_left);
    }
}

impl Report for TlsReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_of_nothing(&self) -> bool {
        !self.complete && self.chain.is_empty()
    }

    fn owns_stderr(&self) -> bool {
        true
    }

    fn tell(&mut self, argv: &[String], now: SystemTime) {
        Self::tell(self, argv, now);
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        // The issuers' names interest least, and the server's own certificate most.
        for certificate in self.chain.iter_mut().rev() {
            step.drop_from_end(&mut certificate.names, |_| true);
        }
        step.drop_from_end(&mut self.chain, |_| true);
        step.drop_from_end(&mut self.chain_errors, |_| true);
        self.truncated |= step.took;
        let took = cut_last(self, max_bytes, |report| {
            [
                &mut report.address,
                &mut report.server_name,
                &mut report.protocol,
                &mut report.cipher,
                &mut report.key_exchange,
                &mut report.error,
            ]
        });
        self.truncated |= took;
    }
}
