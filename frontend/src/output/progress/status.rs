//! Where one call stands, kept up to date by what is heard of it and looked at by whoever shows it:
//! the latest is what counts, and nobody has to keep up.

use std::time::Duration;

use probity_output::clean::clean_str;
use probity_protocol::{Awaiting, Queued, Stream};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Clock, Progress, Reader, about, counted, rounded};
use crate::broker::client::{Begun, RunEvent};

/// Where a call stands.
#[derive(Debug, Clone)]
pub enum Status {
    /// It has been asked for.
    Asked,
    /// It waits until another person approves it.
    AwaitsApproval(Awaiting),
    /// It waits for its turn.
    Queued(Queued),
    /// The tool is running.
    Running(Running),
}

/// A tool that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// When it began.
    pub since: Instant,
    /// How long it may run.
    pub limit: Duration,
    /// What it says of itself, where that can be read.
    pub progress: Option<Progress>,
    /// The time that its command gives it, where that tells how far it is.
    pub clock: Option<Clock>,
    /// Ends it; what it had written is kept.
    pub cancel: CancellationToken,
}

impl Running {
    /// How far it is by its own account or by its time: by whichever is nearer to the end, since that
    /// is what ends it.
    #[must_use]
    pub fn progress_at(&self, now: Instant) -> Option<Progress> {
        let told = self.progress.clone();
        let elapsed = now.saturating_duration_since(self.since);
        let Some(mut timed) = self.clock.map(|clock| clock.at(elapsed)) else { return told };
        match told {
            Some(told) if told.fraction >= timed.fraction => Some(told),
            Some(told) => {
                timed.message = format!("{}; {}", timed.message, told.message);
                Some(timed)
            }
            None => Some(timed),
        }
    }
}

impl Status {
    /// How far the tool is, where it or its command tells.
    #[must_use]
    pub fn progress_at(&self, now: Instant) -> Option<Progress> {
        match self {
            Self::Running(running) => running.progress_at(now),
            Self::Asked | Self::AwaitsApproval(_) | Self::Queued(_) => None,
        }
    }

    /// Whether its progress goes on while nothing is heard.
    #[must_use]
    pub fn goes_by_the_clock(&self) -> bool {
        matches!(self, Self::Running(Running { clock: Some(_), .. }))
    }

    /// What ends the tool and keeps what it had written, where it runs.
    #[must_use]
    pub fn cancel(&self) -> Option<&CancellationToken> {
        match self {
            Self::Running(running) => Some(&running.cancel),
            Self::Asked | Self::AwaitsApproval(_) | Self::Queued(_) => None,
        }
    }

    /// What is going on, where there is more to say than that it takes time.
    #[must_use]
    pub fn message_at(&self, now: Instant) -> Option<String> {
        match self {
            Self::Asked => None,
            Self::AwaitsApproval(awaiting) => Some(approval(awaiting)),
            Self::Queued(place) => Some(waiting(place)),
            Self::Running(running) => running.progress_at(now).map(|progress| progress.message),
        }
    }

    /// The time from `start` to the end, if the tool goes on as it or its command says or, where neither
    /// does, takes as long as it may. `None` where not even that is known.
    #[must_use]
    pub fn total_since(&self, start: Instant, now: Instant) -> Option<Duration> {
        let Self::Running(running) = self else { return None };
        let elapsed = now.saturating_duration_since(start);
        let known = running.progress_at(now).and_then(|progress| {
            match (progress.fraction, progress.remaining) {
                (Some(fraction), _) if fraction > 0.0 => {
                    Duration::try_from_secs_f64(elapsed.as_secs_f64() / fraction).ok()
                }
                (_, Some(remaining)) => elapsed.checked_add(remaining),
                _ => None,
            }
        });
        let limit = running.since.saturating_duration_since(start).checked_add(running.limit);
        known.or(limit).map(|total| total.max(elapsed))
    }
}

/// Whom to ask, and what for. One line, by which a person can go and ask.
#[must_use]
pub fn approval(awaiting: &Awaiting) -> String {
    let Awaiting { id, approvers, expires_in } = awaiting;
    let approvers = approvers.iter().map(|who| clean_str(who)).collect::<Vec<_>>().join(" or ");
    let most = rounded(*expires_in);
    format!(
        "waiting for another person: within {most} {approvers} can run `probity-policy approve {id}`"
    )
}

fn waiting(place: &Queued) -> String {
    let ahead = match place.ahead {
        0 => String::from("it is the next"),
        1 => String::from("1 run is ahead"),
        more => format!("{} are ahead", counted(more.into(), "run")),
    };
    let wait = place.expected_wait.map(|wait| format!(", {}", about(wait))).unwrap_or_default();
    format!("waiting for its turn: {ahead}{wait}")
}

/// Hears of a call and keeps its status.
#[derive(Debug)]
pub struct Watcher {
    parser: Option<String>,
    reader: Option<Reader>,
    status: watch::Sender<Status>,
}

impl Watcher {
    /// Watches a call whose tool's output `parser` understands, and where its status is to be seen.
    #[must_use]
    pub fn new(parser: Option<&str>) -> (Self, watch::Receiver<Status>) {
        let (status, receiver) = watch::channel(Status::Asked);
        (Self { parser: parser.map(str::to_owned), reader: None, status }, receiver)
    }

    /// Takes what is heard.
    pub fn hear(&mut self, event: RunEvent<'_>) {
        match event {
            RunEvent::AwaitsApproval(awaiting) => {
                self.status.send_replace(Status::AwaitsApproval(awaiting.clone()));
            }
            RunEvent::Queued(place) => {
                self.status.send_replace(Status::Queued(place));
            }
            RunEvent::Started(Begun { plan, cancel }) => {
                let parser = self.parser.as_deref();
                let (argv, target) = (&plan.argv, &plan.target);
                let clock = parser.and_then(|it| Clock::new(it, argv, target, plan.timeout));
                // nmap gives a percentage of ports, which those that are silent reach all at once.
                let is_read = parser.filter(|it| *it != "nmap-xml" || clock.is_none());
                self.reader = is_read.and_then(|it| Reader::new(it, argv, target));
                self.status.send_replace(Status::Running(Running {
                    since: Instant::now(),
                    limit: plan.timeout,
                    progress: None,
                    clock,
                    cancel: cancel.clone(),
                }));
            }
            RunEvent::Output(Stream::Stdout, piece) => {
                if let Some(news) = self.reader.as_mut().and_then(|reader| reader.read(piece)) {
                    self.status.send_if_modified(|status| match status {
                        Status::Running(running) => {
                            running.progress = Some(news);
                            true
                        }
                        Status::Asked | Status::AwaitsApproval(_) | Status::Queued(_) => false,
                    });
                }
            }
            RunEvent::Output(Stream::Stderr, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(clock: Option<Clock>, progress: Option<Progress>) -> (Status, Instant) {
        let since = Instant::now();
        let limit = Duration::from_secs(10);
        let cancel = CancellationToken::new();
        (Status::Running(Running { since, limit, progress, clock, cancel }), since)
    }

    fn told(fraction: Option<f64>) -> Option<Progress> {
        Some(Progress { fraction, remaining: None, message: "5 of 10 packets".into() })
    }

    #[test]
    fn what_is_nearer_to_the_end_is_told_first() {
        let clock = Clock::new("tcpdump", &[], "x", Duration::from_secs(10));
        let (status, since) = running(clock, told(Some(0.5)));
        let at = |seconds| {
            let progress = status.progress_at(since + Duration::from_secs(seconds)).unwrap();
            (progress.fraction.unwrap(), progress.message)
        };
        assert_eq!(at(0), (0.5, "5 of 10 packets".to_owned()));
        assert_eq!(at(5), (0.5, "5 of 10 packets".to_owned()));
        assert_eq!(at(8), (0.8, "watches, 8 s of 10 s; 5 of 10 packets".to_owned()));
        // By the clock alone it goes on, and the time that it takes is known from the first moment.
        let (status, since) = running(clock, None);
        let words = |seconds| status.message_at(since + Duration::from_secs(seconds)).unwrap();
        assert_eq!([words(1), words(2)], ["watches, 1 s of 10 s", "watches, 2 s of 10 s"]);
        assert_eq!(status.total_since(since, since), Some(Duration::from_secs(10)));
        assert!(status.goes_by_the_clock());
    }

    #[test]
    fn without_a_clock_only_the_tool_tells() {
        let (status, since) = running(None, told(None));
        assert_eq!(status.progress_at(since), told(None));
        let (status, since) = running(None, None);
        assert_eq!((status.message_at(since), status.goes_by_the_clock()), (None, false));
    }
}
