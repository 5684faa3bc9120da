//! The line that shows that a call is not stuck: on standard error, where that is a terminal, once
//! the call has taken a second, and gone when it ends.

use std::{
    convert::Infallible,
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use probity_output::clean::clean_str;
use probity_protocol::{ApprovalId, Awaiting};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::output::progress::{Status, approval};

/// A shorter call needs no line.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);

/// Towards an end, as cargo draws it; the words are cut where the terminal ends.
const BAR: &str = "{spinner} [{bar:20}] {wide_msg}";

/// Where no end is known.
const SPINNER: &str = "{spinner} {wide_msg}";

/// What a full bar counts.
const FULL: u64 = 1000;

/// What is being waited for.
#[derive(Debug)]
pub struct Waiting<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// The target as written.
    pub target: &'a str,
    /// The time limit, where one is known.
    pub limit: Option<Duration>,
    /// How far the call is.
    pub status: watch::Receiver<Status>,
}

/// Whether anybody would see the line.
#[must_use]
pub fn is_seen() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    stderr().is_terminal() && !dumb
}

/// Waits for a call and shows how far it is. Dropping the future takes the line away too.
pub async fn showing<T>(call: impl Future<Output = T>, waiting: Waiting<'_>) -> T {
    tokio::select! {
        biased;
        result = call => result,
        never = draw(waiting) => match never {},
    }
}

async fn draw(waiting: Waiting<'_>) -> Infallible {
    let started = Instant::now();
    let mut ticks = interval_at(started + PATIENCE, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut line = Line::new(&waiting);
    loop {
        line.draw(&waiting.status.borrow(), started);
        ticks.tick().await;
    }
}

/// The line itself, which goes when it is dropped.
struct Line {
    bar: ProgressBar,
    call: String,
    limit: Option<Duration>,
    /// How it is drawn: towards an end, or not. None before it is drawn at all.
    has_end: Option<bool>,
    /// The call that waits for an approval of which that was said.
    said: Option<ApprovalId>,
}

impl Line {
    fn new(waiting: &Waiting<'_>) -> Self {
        let call = format!("{} {}", waiting.tool, waiting.target).trim_end().to_owned();
        // One line, whatever was typed.
        let call = clean_str(&call).replace(['\n', '\t'], " ");
        let bar = ProgressBar::with_draw_target(Some(FULL), ProgressDrawTarget::stderr());
        Self { bar, call, limit: waiting.limit, has_end: None, said: None }
    }

    /// With how far the tool is where that can be told, and else with the time towards its limit.
    fn draw(&mut self, status: &Status, started: Instant) {
        let now = Instant::now();
        let (since, limit) = match status {
            Status::Asked => (started, self.limit),
            // The limit counts from the start of the tool.
            Status::AwaitsApproval(_) | Status::Queued(_) => (started, None),
            Status::Running(running) => (running.since, Some(running.limit)),
        };
        let elapsed = now.saturating_duration_since(since);
        let by_time = limit.map(|limit| elapsed.as_secs_f64() / limit.as_secs_f64());
        let fraction = status.progress_at(now).and_then(|progress| progress.fraction).or(by_time);
        let of_limit = limit.map(|limit| format!(" of {}", limit.as_secs_f64()));
        let mut words =
            format!("{}{} s  {}", elapsed.as_secs(), of_limit.unwrap_or_default(), self.call);
        let message = match status {
            // Whom to ask stands above the line, which may be too short for it.
            Status::AwaitsApproval(awaiting) => {
                self.say_whom_to_ask(awaiting);
                Some(String::from("waiting for another person"))
            }
            status => status.message_at(now),
        };
        if let Some(message) = message {
            words.push_str(": ");
            words.push_str(&message);
        }
        self.draw_towards_an_end(fraction.is_some());
        if self.bar.message() != words {
            self.bar.set_message(words);
        }
        // Whatever the fraction is, the conversion keeps to the bar.
        let position = (fraction.unwrap_or(0.0) * FULL as f64) as u64;
        self.bar.update(|state| state.set_pos(position));
    }

    fn say_whom_to_ask(&mut self, awaiting: &Awaiting) {
        if self.said.as_ref() != Some(&awaiting.id) {
            self.said = Some(awaiting.id.clone());
            self.bar.println(format!("probity: {}", approval(awaiting)));
        }
    }

    fn draw_towards_an_end(&mut self, is: bool) {
        if self.has_end.replace(is) == Some(is) {
            return;
        }
        // A template that does not parse leaves the library's own.
        if let Ok(style) = ProgressStyle::with_template(if is { BAR } else { SPINNER }) {
            self.bar.set_style(style.progress_chars("=> ").tick_chars("|/-\\ "));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
