//! What is written down of one call: that it began to run, and what it came to.
//!
//! A call that never comes to run is not written down, unless it is one that nobody waits for and that
//! has begun to wait for its turn. What one that is dropped had found goes with it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use probity_history::{Begun, Ended, Ending, Facts, NotKept, Owner, Store, UtcMs};
use probity_output::parsers::Parsed;
use probity_protocol::ClientLabel;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{
    Live, Runs, fresh_id,
    live::{Began, Over},
    view::headline,
    viewer::tier_word,
};
use crate::{
    broker::client::RunEvent,
    calls::{
        error_type::ErrorType, published::registry::Listing, request::Asked, result::ToolResult,
    },
};

/// How long an answer waits for the word that its run is kept.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is to be known of a call before it begins.
pub(crate) struct Recorded<'a> {
    /// Whose it is.
    pub(crate) owner: &'a Owner,
    /// What the client calls itself.
    pub(crate) client: Option<&'a ClientLabel>,
    /// The properties.
    pub(crate) arguments: &'a Map<String, Value>,
    /// It is written down at all.
    pub(crate) kept: bool,
    /// The run that it is, where nobody waits for it.
    pub(crate) live: Option<&'a Arc<Live>>,
}

/// What is written down of a call.
pub(crate) struct Record {
    runs: Arc<Runs>,
    live: Arc<Live>,
    begun: Begun,
    /// It is one that is written down at all.
    kept: bool,
    /// It is in the store, or was meant to be.
    is_written: bool,
    /// It has come so far that it is written down.
    counts: bool,
    is_over: bool,
}

impl Runs {
    /// Begins to note what becomes of a call.
    pub(crate) fn record(
        self: &Arc<Self>,
        call: Recorded<'_>,
        asked: &Asked,
        listing: &Listing,
    ) -> Record {
        if call.kept && self.keep.if_opened().is_none() {
            // By the time that there is something to keep, it is open.
            let runs = Arc::clone(self);
            tokio::spawn(async move { runs.opened().await });
        }
        let live = match call.live {
            Some(live) => Arc::clone(live),
            None => {
                let client = call.client.map(ToString::to_string);
                Live::new(fresh_id(), call.owner.clone(), client, false)
            }
        };
        live.read(asked);
        let tool = listing.tool(&asked.tool);
        let begun = Begun {
            id: live.id,
            owner: call.owner.clone(),
            tool: asked.tool.clone(),
            target: asked.target.clone(),
            arguments: without_own(call.arguments),
            call_key: String::new(),
            client: call.client.map(ToString::to_string),
            correlation_id: asked.correlation_id.clone(),
            queued: UtcMs::now(),
            started: None,
            facts: Facts {
                policy_digest: Some(listing.catalog.policy_digest.to_string()),
                parser: tool.and_then(|tool| Some(tool.parser?.name().to_owned())),
                ..Facts::default()
            },
        };
        let runs = Arc::clone(self);
        let kept = call.kept;
        Record { runs, live, begun, kept, is_written: false, counts: false, is_over: false }
    }
}

impl Record {
    /// Takes what is heard of the call.
    pub(crate) fn hear(&mut self, event: RunEvent<'_>) {
        if !self.kept {
            return;
        }
        match event {
            RunEvent::Queued(_) | RunEvent::AwaitsApproval(_) if self.live.in_background => {
                if !self.counts {
                    self.counts = true;
                    self.write();
                }
            }
            RunEvent::Started(started) => {
                let plan = started.plan;
                self.counts = true;
                self.begun.started = Some(UtcMs::now());
                self.begun.facts.tier = Some(tier_word(plan.tier).to_owned());
                self.begun.facts.address = Some(plan.target.clone());
                self.begun.call_key = call_key(&self.begun, &plan.argv, &plan.target);
                let (at, address, tier) = (UtcMs::now(), plan.target.clone(), plan.tier);
                self.live.started(Began { at, address, tier }, started.cancel);
                if !self.live.in_background {
                    self.runs.live().insert(self.live.id, Arc::clone(&self.live));
                }
                self.write();
            }
            RunEvent::Queued(_) | RunEvent::AwaitsApproval(_) | RunEvent::Output(..) => {}
        }
    }

    /// Writes down that it goes on, where the store is open by now.
    fn write(&mut self) {
        if let Some(store) = self.runs.keep.if_opened() {
            // What comes of it is asked at its end.
            let written = match self.is_written {
                false => store.begin(self.begun.clone()),
                true => store.start(self.begun.clone()),
            };
            self.is_written = true;
            self.live.written(written);
        }
    }

    /// Keeps what the call came to, and notes in the result by which id it is found again, or why it is not.
    pub(crate) async fn ended(mut self, result: &mut ToolResult) {
        self.is_over = true;
        let ran = !result.argv.is_empty() && !result.is_cached();
        if !(self.counts && (ran || self.live.in_background)) {
            return;
        }
        let ended = match self.live.interruption() {
            Some(_) => Ended::Interrupted,
            None if result.error_type == Some(ErrorType::BrokerLost) => Ended::Interrupted,
            None if result.is_cancelled() => Ended::Cancelled,
            None if result.argv.is_empty() => Ended::Failed,
            None => Ended::Finished,
        };
        let text = result.text();
        let report = result.report().filter(|_| result.error_type.is_none());
        let in_a_line = report.and_then(Parsed::in_a_line);
        let headline = headline(in_a_line.as_ref().unwrap_or(&text));
        if self.live.in_background {
            let (text, result) = (Some(text.clone()), Some(json!(result)));
            let (state, at, headline) = (ended.into(), UtcMs::now(), Some(headline.clone()));
            self.live.came_to(Over { state, at, text, headline, result });
        }
        let ending = Ending {
            ended,
            started: self.begun.started,
            at: UtcMs::now(),
            status: self.live.interruption().map(str::to_owned),
            error_type: result.error_type.map(|kind| kind.to_string()),
            return_code: result.returncode,
            headline: Some(headline),
            text: Some(text),
            result: serde_json::to_string(result).ok(),
            facts: self.begun.facts.clone(),
        };
        // Where many calls end at once, most of them are not held up for the word, and promise nothing.
        let waiting = self.runs.waiting.try_acquire();
        if waiting.is_err() && !self.live.in_background {
            if let Ok(store) = self.runs.keep.store().await {
                drop(store.keep(self.begun.clone(), ending));
            }
            return;
        }
        let kept = async {
            let store = self.runs.keep.store().await.map_err(|_| NotKept::Closed)?;
            self.keep(store, ending).await
        };
        match timeout(PATIENCE, kept).await {
            Ok(Ok(())) => {
                self.runs.lost_the_last.store(false, Ordering::Relaxed);
                result.note_kept(Ok(&self.live.id));
            }
            Ok(Err(reason)) => self.not_kept(result, &reason.to_string()),
            // It may still be written, but nobody promises it.
            Err(_) => self.not_kept(result, "not kept: the disk takes too long"),
        }
    }

    async fn keep(&self, store: &Store, ending: Ending) -> Result<(), NotKept> {
        if self.is_written {
            match store.finish(self.live.id, ending.clone()).await {
                // Its begin found no room, and now there may be some.
                Err(NotKept::Unknown) => {}
                kept => return kept,
            }
        }
        store.keep(self.begun.clone(), ending).await
    }

    fn not_kept(&self, result: &mut ToolResult, reason: &str) {
        let (tool, correlation_id) = (&self.begun.tool, &self.begun.correlation_id);
        tracing::warn!(tool, correlation_id, reason, "history.not_kept");
        self.runs.lost_the_last.store(true, Ordering::Relaxed);
        result.note_kept(Err(reason));
        if self.live.in_background {
            self.runs.hold(&self.live);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.live.in_background {
            self.runs.leave(&self.live);
        }
        if self.is_over {
            return;
        }
        let is_cut = self.live.interruption().is_some()
            // Nobody asked for the end of one that nobody waits for: its process is at its end.
            || self.live.in_background && !self.live.is_cancelled();
        let ended = if is_cut { Ended::Interrupted } else { Ended::Cancelled };
        let (state, at) = (ended.into(), UtcMs::now());
        self.live.came_to(Over { state, at, text: None, headline: None, result: None });
        let Some(store) = self.runs.keep.if_opened().filter(|_| self.is_written) else { return };
        drop(store.finish(
            self.live.id,
            Ending {
                ended,
                started: self.begun.started,
                at,
                status: self.live.interruption().map(str::to_owned),
                error_type: None,
                return_code: None,
                headline: None,
                text: None,
                result: None,
                facts: self.begun.facts.clone(),
            },
        ));
    }
}

/// What two runs of the same call have in common: all of the command but the address that a name had.
fn call_key(begun: &Begun, argv: &[String], address: &str) -> String {
    let words = argv.iter().map(|word| match word == address {
        true => "{target}",
        false => word,
    });
    let words: Vec<&str> = words.collect();
    format!("{}\0{}\0{}", begun.tool, begun.target.to_ascii_lowercase(), words.join("\0"))
}

/// The properties of the call, without those that are about this very call.
fn without_own(arguments: &Map<String, Value>) -> String {
    let own = |name: &str| matches!(name, "background" | "correlation_id");
    let others = arguments.iter().filter(|(name, _)| !own(name));
    let others: Map<String, Value> =
        others.map(|(name, value)| (name.clone(), value.clone())).collect();
    Value::Object(others).to_string()
}
