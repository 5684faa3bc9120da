//! Small pieces that several views have.

use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::calls::runs::RunView;

/// A moment, which a script shows in the reader's own time.
pub fn moment(at: &str) -> Markup {
    html! { time datetime=(at) { (at.replacen('T', " ", 1).trim_end_matches('Z')) " UTC" } }
}

/// A word about a state, which is told apart by its sign and its word, and then by its colour.
pub fn badge(kind: &str, word: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (word) } }
}

/// How a run stands, in a word.
pub fn state_of(run: &RunView) -> Markup {
    let (kind, word) = match run.state {
        "finished" if run.error_type.is_some() => ("warn", "finished with an error"),
        // Whether what it found is good, its summary says.
        "finished" => ("still", "finished"),
        "queued" => ("busy", "queued"),
        "running" => ("busy", "running"),
        "cancelled" => ("warn", "cancelled"),
        other => ("bad", other),
    };
    badge(kind, word)
}

/// Whose a run is, by the name of their token or account: what tells two of one name apart is nothing to read.
pub fn owner(owner: &str) -> &str {
    let name = owner.split_once(':').map_or(owner, |(_, name)| name);
    name.rsplit_once(':').map_or(name, |(name, _)| name)
}

/// A sentence, with the point that it may have already.
pub fn sentence(text: &str) -> Markup {
    html! { (text.trim_end_matches('.')) "." }
}

/// A link to a run.
pub fn run_link(run: &RunView) -> Markup {
    html! {
        a href={ "/ui/runs/" (run.run_id) } {
            (run.tool) @if !run.target.is_empty() { " " (run.target) }
        }
    }
}

/// Fields that nobody sees: a call as a form sends it.
pub fn hidden_fields(arguments: &Map<String, Value>) -> Markup {
    html! { @for (name, value) in arguments { input type="hidden" name=(name) value=(plain(value)); } }
}

/// A value as it is written in a field.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The address of a tool's form with these fields in it.
pub fn form_url(tool: &str, arguments: &Map<String, Value>) -> String {
    let fields: Vec<(&str, String)> =
        arguments.iter().map(|(name, value)| (name.as_str(), plain(value))).collect();
    let query = serde_urlencoded::to_string(fields).unwrap_or_default();
    format!("/ui/tools/{tool}?{query}")
}

/// A block of text to copy.
pub fn code(id: &str, text: &str) -> Markup {
    html! { pre.code #(id) tabindex="0" { (text) } }
}
