//! Parameters that do not fit the library's types. Clients leave out what the protocol requires, send
//! null for what they do not have, and options of drafts; the library then takes the whole request for one
//! of an unknown method. So what nobody needs here is dropped before it reads the message, what is required
//! has a stand-in, and of the rest the answer names the member.
//!
//! Nothing here touches a tool's arguments: what is asked to be run is never guessed at.

use rmcp::model::{ClientCapabilities, Implementation, SubscriptionFilter};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// What the protocol has a server assume of a client that names no version.
pub(crate) const ASSUMED_VERSION: &str = "2025-03-26";

/// What stands for a name or a version that was not given.
const UNKNOWN: &str = "unknown";

type Object = Map<String, Value>;

/// Makes a message one that the library reads, where nothing is lost by it. `version` is the protocol's
/// where an `initialize` names none.
pub(super) fn mend(message: &mut Value, version: &str) {
    let Some(message) = message.as_object_mut() else { return };
    let Some(method) = message.get("method").and_then(Value::as_str).map(str::to_owned) else {
        return;
    };
    if message.get("params").is_some_and(Value::is_null) {
        message.remove("params");
    }
    if method == "initialize" {
        with_object(message.entry("params").or_insert(Value::Null), |params| {
            initialize(params, version)
        });
    }
    let Some(params) = message.get_mut("params").and_then(Value::as_object_mut) else {
        // The library tells some methods by their parameters, which need not have any member.
        if matches!(method.as_str(), "tools/call" | "resources/read" | "prompts/get") {
            message.entry("params").or_insert_with(|| json!({}));
        }
        return;
    };
    meta(params);
    // What is null is not there; a tool's arguments are further in.
    params.retain(|_, value| !value.is_null());
    if method == "subscriptions/listen" {
        let filter = params.entry("notifications").or_insert(Value::Null);
        with_object(filter, |filter| keep_fitting::<SubscriptionFilter>(filter, &json!({})));
    }
}

/// What is wrong with the parameters of a request that the library does not read: the member, and what
/// it takes.
pub(super) fn flaw(method: &str, params: Option<&Value>) -> Option<String> {
    let members: &[(&str, bool, Kind)] = match method {
        "tools/call" | "prompts/get" => {
            &[("name", true, Kind::Text), ("arguments", false, Kind::Object)]
        }
        "resources/read" => &[("uri", true, Kind::Text)],
        "initialize" | "subscriptions/listen" => &[],
        _ => return None,
    };
    let further = [("inputResponses", false, Kind::Object), ("requestState", false, Kind::Text)];
    let found = members.iter().chain(&further).find_map(|(name, is_required, kind)| {
        match params.and_then(|params| params.get(name)) {
            None => is_required.then(|| format!("params.{name} is missing: {}", kind.words())),
            Some(value) if kind.is_of(value) => None,
            Some(_) => Some(format!("params.{name} has the wrong type: {}", kind.words())),
        }
    });
    Some(found.unwrap_or_else(|| format!("the parameters of {method} are not what it takes")))
}

/// What a member has to be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Object,
}

impl Kind {
    fn is_of(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Object => value.is_object(),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Text => "send a string",
            Self::Object => "send an object",
        }
    }
}

fn initialize(params: &mut Object, version: &str) {
    if !params.get("protocolVersion").is_some_and(Value::is_string) {
        params.insert("protocolVersion".to_owned(), version.into());
    }
    with_object(params.entry("capabilities").or_insert(Value::Null), capabilities);
    let client = params.entry("clientInfo").or_insert(Value::Null);
    if let Value::String(name) = client {
        *client = json!({ "name": name });
    }
    with_object(client, client_info);
}

fn capabilities(capabilities: &mut Object) {
    for name in ["experimental", "extensions"] {
        // Each of these is settings by name, and one that is none leaves the others be.
        if let Some(Value::Object(named)) = capabilities.get_mut(name) {
            named.retain(|_, settings| settings.is_object());
        }
    }
    keep_fitting::<ClientCapabilities>(capabilities, &json!({}));
}

fn client_info(client: &mut Object) {
    for name in ["name", "version"] {
        let text = match client.get(name) {
            Some(Value::String(_)) => continue,
            Some(Value::Number(number)) => number.to_string(),
            _ => UNKNOWN.to_owned(),
        };
        client.insert(name.to_owned(), text.into());
    }
    keep_fitting::<Implementation>(client, &json!({ "name": "", "version": "" }));
}

/// Metadata that is none is dropped, and a progress token that cannot be sent back.
fn meta(params: &mut Object) {
    match params.get_mut("_meta") {
        Some(Value::Object(meta)) => {
            let is_token = |token: &Value| token.is_string() || token.is_i64();
            if meta.get("progressToken").is_some_and(|token| !is_token(token)) {
                meta.remove("progressToken");
            }
        }
        Some(_) => drop(params.remove("_meta")),
        None => {}
    }
}

/// Has a value be an object, an empty one in place of anything else, and acts on it.
fn with_object(value: &mut Value, act: impl FnOnce(&mut Object)) {
    let mut object = match value.take() {
        Value::Object(object) => object,
        _ => Object::new(),
    };
    act(&mut object);
    *value = object.into();
}

/// Keeps the members with each of which, for itself, the whole reads as a `T`. `least` is what it needs.
fn keep_fitting<T: DeserializeOwned>(object: &mut Object, least: &Value) {
    object.retain(|name, value| {
        let mut whole = least.clone();
        whole[name.as_str()] = value.clone();
        serde_json::from_value::<T>(whole).is_ok()
    });
}

#[cfg(test)]
#[path = "lenient_tests.rs"]
mod tests;
