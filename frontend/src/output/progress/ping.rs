//! ping: reply by reply. It writes a line for each, at once, into a pipe too; of a packet that gets
//! no answer it writes nothing, which shows as a gap in the numbers of those that do.

use std::time::Duration;

use probity_output::parsers::{self, Parsed, ping::PingReply, ping::Unreachable};

use super::{Progress, counted, number_after};

/// Seconds between two packets where the command does not say.
const USUAL_INTERVAL: f64 = 1.0;

/// Seconds that it waits for the last answers where the command does not say.
const USUAL_WAIT: f64 = 10.0;

/// How long sending alone takes, and of what.
pub(super) fn sending_time(argv: &[String]) -> Option<(Duration, String)> {
    let count: u32 = number_after(argv, "-c").filter(|count| *count > 1)?;
    let interval: f64 = number_after(argv, "-i").unwrap_or(USUAL_INTERVAL);
    let time = Duration::try_from_secs_f64(f64::from(count - 1) * interval).ok()?;
    Some((time, format!("{count} packets, {interval} s apart,")))
}

/// How long it takes where nobody answers.
pub(super) fn longest_time(argv: &[String]) -> Option<Duration> {
    let wait = number_after(argv, "-W").unwrap_or(USUAL_WAIT);
    let sending = sending_time(argv).map_or(Duration::ZERO, |(time, _)| time);
    sending.checked_add(Duration::try_from_secs_f64(wait).ok()?)
}

/// What has come back so far.
#[derive(Debug)]
pub(super) struct Ping {
    count: Option<u32>,
    /// inetutils and busybox count from 0.
    from_zero: bool,
    /// Packets known to have been sent.
    sent: u32,
    received: u32,
    failed: u32,
}

impl Ping {
    pub(super) fn new(argv: &[String]) -> Self {
        let count = number_after(argv, "-c").filter(|count: &u32| *count > 0);
        Self { count, from_zero: false, sent: 0, received: 0, failed: 0 }
    }

    pub(super) fn line(&mut self, line: &str) -> Option<Progress> {
        // With its end, by which the parser knows that nothing is missing.
        let line = format!("{line}\n");
        let Ok(Some(Parsed::Ping(report))) = parsers::parse("ping", line.as_bytes(), b"") else {
            return None;
        };
        match (report.replies.first(), report.unreachable.first()) {
            (Some(reply), _) if !reply.duplicate && reply.is_sound() => Some(self.reply(reply)),
            (None, Some(error)) => Some(self.error(error)),
            _ => None,
        }
    }

    fn reply(&mut self, reply: &PingReply) -> Progress {
        self.received = self.received.saturating_add(1);
        let number = self.number(reply.sequence);
        let time = reply.time_ms.map(|time| format!(": {time} ms")).unwrap_or_default();
        self.progress(format!("reply {number}{} from {}{time}", self.of_count(number), reply.from))
    }

    fn error(&mut self, error: &Unreachable) -> Progress {
        self.failed = self.failed.saturating_add(1);
        let next = self.sent.saturating_add(u32::from(!self.from_zero));
        let number = self.number(error.sequence.unwrap_or(next));
        let from = error.from.as_deref().map(|from| format!(" from {from}")).unwrap_or_default();
        self.progress(format!("packet {number}{}: {}{from}", self.of_count(number), error.message))
    }

    /// The packet's number, counted from 1.
    fn number(&mut self, sequence: u32) -> u32 {
        self.from_zero |= sequence == 0;
        let number = sequence.saturating_add(u32::from(self.from_zero));
        self.sent = self.sent.max(number);
        number
    }

    fn of_count(&self, number: u32) -> String {
        self.count
            .filter(|count| number <= *count)
            .map(|count| format!(" of {count}"))
            .unwrap_or_default()
    }

    fn progress(&self, mut message: String) -> Progress {
        let lost = self.sent.saturating_sub(self.received).saturating_sub(self.failed);
        if lost > 0 {
            message.push_str(&format!(", {} without a reply", counted(lost.into(), "packet")));
        }
        let fraction = self.count.map(|count| f64::from(self.sent) / f64::from(count));
        Progress { fraction, remaining: None, message }
    }
}
