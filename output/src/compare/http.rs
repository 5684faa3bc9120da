//! Two answers to one request: status, where it leads, the headers that matter, and whether the certificate was
//! good. How long it took is shown and never judged, since each run asked once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{CompareError, found::Found, measure, side::Run};
use crate::parsers::page::word;

/// Headers that differ from one answer to the next though nothing was changed. Those of them that tell of the
/// body are compared as such.
const VOLATILE: [&str; 6] =
    ["age", "content-length", "date", "etag", "last-modified", "retry-after"];

/// Ends of a request at which the server has said something, or refused to.
const SAID: [&str; 5] =
    ["answered", "answered_in_part", "certificate_refused", "tls_failed", "no_http"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    url: Option<String>,
    address: Option<String>,
    method: Option<String>,
    http_version: Option<String>,
    status: Option<u64>,
    redirects_to: Option<String>,
    headers: Vec<Header>,
    first_byte_ms: Option<f64>,
    total_ms: Option<f64>,
    body: Option<String>,
    certificate_verified: Option<bool>,
    error: Option<String>,
    outcome: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    name: String,
    value: String,
}

impl View {
    fn headers(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut headers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for header in self.headers.iter().filter(|it| !VOLATILE.contains(&&*it.name)) {
            headers.entry(&header.name).or_default().insert(&header.value);
        }
        headers
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
    }

    /// How it ended, where the server had its say.
    fn said(&self) -> Option<&str> {
        match self.status {
            Some(_) => Some("answered"),
            None => self.outcome.as_deref().filter(|outcome| SAID.contains(outcome)),
        }
    }
}

pub(super) fn compare(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    found.nouns = Some(("property", "properties"));
    found.differs("URL", was.url.as_ref(), is.url.as_ref());
    found.differs("method", was.method.as_ref(), is.method.as_ref());
    found.differs("address", was.address.as_ref(), is.address.as_ref());
    let ended = |view: &View| view.error.clone().or_else(|| view.outcome.clone());
    match (was.said(), is.said()) {
        (Some("answered"), Some("answered")) => answers(before, after, &was, &is, found),
        (Some(one), Some(other)) => {
            found.differs("answer", Some(one), Some(other));
        }
        (Some(one), None) => {
            found.silent("answer", Some(status(&was, one)));
            if let Some(why) = ended(&is) {
                found.note(format!("The second run had no answer: {}", word(&why)));
            }
        }
        (None, Some(other)) => {
            found.came(before, "answer", Some(status(&is, other)));
        }
        (None, None) => found.note("Neither of the runs had an answer."),
    }
    let verified = |view: &View| view.certificate_verified.map(|it| if it { "yes" } else { "no" });
    found.differs("certificate verified", verified(&was), verified(&is));
    Ok(())
}

fn status(view: &View, said: &str) -> String {
    view.status.map_or_else(|| said.to_owned(), |status| status.to_string())
}

fn answers(before: &Run<'_>, after: &Run<'_>, was: &View, is: &View, found: &mut Found) {
    found.differs("status", was.status, is.status);
    match (&was.redirects_to, &is.redirects_to) {
        (Some(to), None) => {
            found.gone(after, "redirect", Some(to.clone()));
        }
        (None, Some(to)) => {
            found.came(before, "redirect", Some(to.clone()));
        }
        (one, other) => found.differs("redirect", one.as_ref(), other.as_ref()),
    }
    found.differs("HTTP version", was.http_version.as_ref(), is.http_version.as_ref());
    let (old, new) = (was.headers(), is.headers());
    let value = |values: &BTreeSet<&str>| values.iter().copied().collect::<Vec<_>>().join(", ");
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let subject = format!("header {}", word(name));
        match (old.get(name).map(value), new.get(name).map(value)) {
            (Some(one), None) => {
                found.gone(after, &subject, Some(one));
            }
            (None, Some(other)) => {
                found.came(before, &subject, Some(other));
            }
            (one, other) => found.differs(&subject, one, other),
        }
    }
    content(was, is, found);
    for (what, one, other) in [
        ("time to the first byte", was.first_byte_ms, is.first_byte_ms),
        ("time in all", was.total_ms, is.total_ms),
    ] {
        if let (Some(one), Some(other)) = (one, other)
            && let Some(judged) = measure::once(one, other)
        {
            found.measured(what, judged);
        }
    }
}

/// Whether the body is another: by itself where both runs asked for it, and otherwise by what the server calls it.
fn content(was: &View, is: &View, found: &mut Found) {
    match (&was.body, &is.body) {
        (Some(one), Some(other)) if one != other => {
            let bytes = |body: &str| format!("{} bytes of text", body.len());
            found.changed("body", &bytes(one), &bytes(other)).in_our_words();
        }
        (Some(_), Some(_)) => {}
        _ => {
            for name in ["etag", "last-modified"] {
                let (one, other) = (was.header(name), is.header(name));
                if one.is_some() && other.is_some() {
                    return found.differs(&format!("body, by its {name}"), one, other);
                }
            }
        }
    }
}
