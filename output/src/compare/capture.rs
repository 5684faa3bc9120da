//! Two captures: which conversations passed by. A client takes another port for each connection, so a
//! conversation is known by both hosts and the port of the service. How many packets it had is no change, and
//! that it did not pass by does not say that there is none.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{CompareError, found::Found, side::Run};
use crate::parsers::page::word;
use crate::published::capture::Flow;

/// From here on ports are those that clients take, as Linux gives them out.
const EPHEMERAL_MIN: u64 = 32_768;

#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    truncated: bool,
    dropped: Option<u64>,
    flows: Vec<Flow>,
}

/// What both captures call a conversation: the protocol, who asks, who serves, and at which port.
type Key<'a> = (&'a str, &'a str, &'a str, Option<u64>);

impl Flow {
    fn key(&self) -> Key<'_> {
        let (from, to) = (self.from.as_str(), self.to.as_str());
        let service = |port: Option<u64>| port.filter(|port| *port < EPHEMERAL_MIN);
        let there = (from, to, service(self.to_port));
        let back = (to, from, service(self.from_port));
        let (client, server, port) = match (there.2, back.2) {
            // Whose answer came first was seen in the middle: the lower port is that of the service.
            (Some(port), Some(own)) if own < port => back,
            (None, Some(_)) => back,
            (None, None) if to < from => back,
            _ => there,
        };
        (&self.protocol, client, server, port)
    }
}

impl View {
    /// Conversations, and how connecting ended in each.
    fn conversations(&self) -> BTreeMap<Key<'_>, BTreeSet<&str>> {
        let mut all: BTreeMap<Key<'_>, BTreeSet<&str>> = BTreeMap::new();
        for flow in &self.flows {
            all.entry(flow.key()).or_default().extend(flow.outcome.as_deref());
        }
        all
    }
}

fn subject((protocol, client, server, port): &Key<'_>) -> String {
    let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
    format!("flow {} {} to {}{port}", word(protocol), word(client), word(server))
}

pub(super) fn compare(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    found.nouns = Some(("conversation", "conversations"));
    for (run, view) in [(before, &was), (after, &is)] {
        // A capture ends when it is told to: that is no sign of its own that it was cut short.
        run.set_whole(run.has_ended() && !view.truncated);
        if let Some(lost) = view.dropped.filter(|lost| *lost > 0) {
            found.note(format!(
                "The {} run lost {lost} packets before it saw them: it may lack conversations.",
                run.which()
            ));
        }
    }
    let (old, new) = (was.conversations(), is.conversations());
    let outcome = |ends: &BTreeSet<&str>| {
        let ends: Vec<&str> = ends.iter().copied().collect();
        (!ends.is_empty()).then(|| ends.join(", "))
    };
    for (key, now) in &new {
        match old.get(key) {
            None => {
                found.came(before, &subject(key), outcome(now));
            }
            Some(ends) if ends.is_disjoint(now) => {
                found.differs(&subject(key), outcome(ends), outcome(now));
            }
            Some(_) => {}
        }
    }
    for (key, ends) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        found.silent(&subject(key), outcome(ends));
    }
    Ok(())
}
