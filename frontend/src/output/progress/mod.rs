//! How far a call is: its place in the queue, its start, and what the tool's own output says, or the
//! time that its command gives a tool that says nothing.
//!
//! Output is read as it comes, in pieces cut anywhere, and no more than a line of it is held. What
//! is made of it is a hint for whoever waits: no result depends on it, what cannot be read is passed
//! over, and its text comes from hosts nobody vouches for, so that it is cleaned as results are.

mod arping;
mod capture;
mod clock;
mod lines;
mod nmap;
mod ping;
mod status;
mod traceroute;
mod ways;

use std::{str::FromStr, time::Duration};

use probity_protocol::PlanSummary;

use self::{
    arping::Arping, capture::Capture, lines::Lines, nmap::Nmap, ping::Ping, traceroute::Traceroute,
};
pub use self::{
    clock::Clock,
    status::{Running, Status, Watcher, approval},
};

/// Longest message, in bytes: a line that a client can show.
const MESSAGE_MAX: usize = 240;

/// How far a tool is, by its own account or by its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The part that is done, from 0 to 1, where that can be told; it never goes back.
    pub fraction: Option<f64>,
    /// How long the rest of the run will take, where that is known of all of it.
    pub remaining: Option<Duration>,
    /// What it is at, in a few words.
    pub message: String,
}

impl Progress {
    /// The part that is done, in percent to one place.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        self.fraction.map(|fraction| (fraction * 1000.0).round() / 10.0)
    }
}

/// Reads a tool's output for its progress.
#[derive(Debug)]
pub struct Reader {
    lines: Lines,
    dialect: Dialect,
    furthest: Option<f64>,
}

/// Whose output it is.
#[derive(Debug)]
enum Dialect {
    Arping(Arping),
    Capture(Capture),
    Nmap(Nmap),
    Ping(Ping),
    Traceroute(Traceroute),
}

impl Reader {
    /// A reader for the output that `parser` understands, of the command `argv` aimed at `target`.
    /// `None` where there is none for it.
    #[must_use]
    pub fn new(parser: &str, argv: &[String], target: &str) -> Option<Self> {
        let dialect = match parser {
            "arping" => Dialect::Arping(Arping::new(argv)),
            "nmap-xml" => Dialect::Nmap(Nmap::new(argv, target)),
            "ping" => Dialect::Ping(Ping::new(argv)),
            "tcpdump" => Dialect::Capture(Capture::new(argv)),
            "traceroute" => Dialect::Traceroute(Traceroute::new(argv)),
            _ => return None,
        };
        Some(Self { lines: Lines::default(), dialect, furthest: None })
    }

    /// Takes the next piece of standard output; answers what is new, if anything is.
    pub fn read(&mut self, piece: &[u8]) -> Option<Progress> {
        let mut news: Option<Progress> = None;
        let Self { lines, dialect, furthest } = self;
        lines.feed(piece, |line| {
            let progress = match dialect {
                Dialect::Arping(arping) => arping.line(line),
                Dialect::Capture(capture) => capture.line(line),
                Dialect::Nmap(nmap) => nmap.line(line),
                Dialect::Ping(ping) => ping.line(line),
                Dialect::Traceroute(traceroute) => traceroute.line(line),
            };
            let Some(mut progress) = progress else { return };
            // A tool may think better of its estimate; a bar that goes back tells nobody anything.
            if let Some(fraction) = progress.fraction {
                let furthest = furthest.get_or_insert(0.0);
                *furthest = furthest.max(fraction.clamp(0.0, 1.0));
            }
            progress.fraction = *furthest;
            news = Some(progress);
        });
        let mut news = news?;
        news.message.truncate(news.message.floor_char_boundary(MESSAGE_MAX));
        Some(news)
    }
}

/// Says that a run cannot end by itself within its time limit, where the command shows it: a notice,
/// and no reason to refuse the call, whose answers until then may be all that is wanted.
#[must_use]
pub fn shortfall(parser: Option<&str>, plan: &PlanSummary) -> Option<String> {
    let (needs, why) = match parser? {
        "mtr" => ways::mtr_time(&plan.argv)?,
        "ping" => ping::sending_time(&plan.argv)?,
        _ => return None,
    };
    (needs >= plan.timeout).then(|| {
        let limit = plan.timeout.as_secs_f64();
        format!("{why} take {} s, and the time limit is {limit} s", needs.as_secs_f64())
    })
}

/// Whether a run that was ended at its time limit may well have needed more, so that its end says
/// nothing against the tool: by its command, or because it was at work.
#[must_use]
pub fn takes_longer(parser: Option<&str>, plan: &PlanSummary, stdout: &[u8]) -> bool {
    let longest = match parser {
        Some("arping") => ways::arping_time(&plan.argv),
        Some("mtr") => ways::mtr_time(&plan.argv).map(|(time, _)| time),
        Some("ping") => ping::longest_time(&plan.argv),
        Some("tracepath") => ways::tracepath_time(&plan.argv),
        Some("traceroute") => traceroute::longest_time(&plan.argv),
        Some("nmap-xml") => return nmap::is_at_work(stdout),
        _ => None,
    };
    longest.is_some_and(|longest| longest >= plan.timeout)
}

/// The number after `flag` in a command, in a word of its own or attached.
fn number_after<T: FromStr>(argv: &[String], flag: &str) -> Option<T> {
    argv.iter().enumerate().find_map(|(at, word)| {
        let value = match word.strip_prefix(flag)? {
            "" => argv.get(at + 1)?,
            attached => attached,
        };
        value.parse().ok()
    })
}

/// A span of time as people say it.
fn about(time: Duration) -> String {
    match time.as_secs() {
        0 => String::from("less than a second"),
        _ => format!("about {}", rounded(time)),
    }
}

/// A time in the unit that a person would use, rounded up: `90 s`, `10 min`.
#[must_use]
pub fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..100 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

/// A number with what it counts: `1 run`, `3 runs`.
fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests;
