//! The same call in the other ways to make it: over HTTP, at the terminal, by a model.

use maud::{Markup, html};
use probity_protocol::Catalog;
use serde_json::{Map, Value, json};

use super::bits::code;
use crate::calls::published::suggestion::Suggestion;

/// A call as each way has it. `origin` is where this server was asked, such as `http://localhost:8080`.
pub fn same_call(
    tool: &str,
    arguments: &Map<String, Value>,
    catalog: &Catalog,
    origin: &str,
) -> Markup {
    let call = Suggestion { tool: tool.to_owned(), arguments: arguments.clone() };
    let body = json!(arguments).to_string();
    let words = [
        "curl",
        "-H",
        "Content-Type: application/json",
        "-d",
        &body,
        &format!("{origin}/tools/{tool}/execute"),
    ];
    let quoted = words.iter().map(|word| shlex::try_quote(word).unwrap_or_default());
    let mut quoted: Vec<String> = quoted.map(std::borrow::Cow::into_owned).collect();
    // The shell is to put the token in.
    quoted.insert(1, String::from("-H \"Authorization: Bearer $PROBITY_TOKEN\""));
    html! {
        h4 { "With curl" } (code("as-curl", &quoted.join(" ")))
        h4 { "At the terminal" } (code("as-command", &call.as_command(catalog)))
        h4 { "As a tool call" } (code("as-tool-call", &call.as_call()))
    }
}
