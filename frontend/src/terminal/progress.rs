//! The line that shows that a call is not stuck: on standard error, where that is a terminal, once
//! the call has taken a second, and gone when it ends.

use std::{
    convert::Infallible,
    fmt,
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::clean::clean_str;

/// A shorter call needs no line.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);

/// Towards a limit, as cargo draws it; the words are cut where the terminal ends.
const BAR: &str = "{spinner} [{bar:20}] {time}  {wide_msg}";

/// Where no limit is known.
const SPINNER: &str = "{spinner} {time}  {wide_msg}";

/// What is being waited for.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// The target as written.
    pub target: &'a str,
    /// The time limit, where one is known.
    pub limit: Option<Duration>,
}

/// Whether anybody would see the line.
#[must_use]
pub fn is_seen() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    stderr().is_terminal() && !dumb
}

/// Waits for a call and shows how long that takes. Dropping the future takes the line away too.
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
    let line = Line::new(&waiting);
    loop {
        line.draw(started.elapsed());
        ticks.tick().await;
    }
}

/// The line itself, which goes when it is dropped.
struct Line(ProgressBar);

impl Line {
    fn new(waiting: &Waiting<'_>) -> Self {
        let limit = waiting.limit;
        let of_limit = limit.map(|limit| format!(" of {}", limit.as_secs_f64()));
        let of_limit = of_limit.unwrap_or_default();
        let time = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            // What cannot be written is not shown.
            let _ = write!(out, "{}{of_limit} s", state.elapsed().as_secs());
        };
        let words = format!("{} {}", waiting.tool, waiting.target);
        // One line, whatever was typed.
        let words = clean_str(&words).replace(['\n', '\t'], " ");
        let bar =
            ProgressBar::with_draw_target(limit.map(milliseconds), ProgressDrawTarget::stderr())
                .with_message(words);
        // A template that does not parse leaves the library's own.
        if let Ok(style) = ProgressStyle::with_template(if limit.is_some() { BAR } else { SPINNER })
        {
            bar.set_style(style.with_key("time", time).progress_chars("=> ").tick_chars("|/-\\ "));
        }
        Self(bar.with_elapsed(PATIENCE))
    }

    fn draw(&self, elapsed: Duration) {
        self.0.update(|state| state.set_pos(milliseconds(elapsed)));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
