//! The JSON Schemas of a tool: what a call takes, and what it gives.
//!
//! They are made from the catalog, so they show what this user is granted and nothing else. Every
//! way in has the same ones, and [`crate::calls::published::arguments`] holds calls against them. A host of MCP gives its
//! model a plainer form of them ([`for_models`], [`brief_output`]).

mod input;
mod models;
mod output;

pub use self::{
    input::{dns_name_pattern, in_words, input, typed, url_path_pattern},
    models::{brief_output, for_models},
    output::output,
};

use std::time::Duration;

use serde_json::{Map, Value, json};

/// A JSON object, as a schema is one.
pub type JsonObject = Map<String, Value>;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema of an object without further properties.
fn object(properties: JsonObject, required: &[&str]) -> JsonObject {
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!(DIALECT));
    schema.insert("type".into(), json!("object"));
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("required".into(), json!(required));
    schema.insert("additionalProperties".into(), json!(false));
    schema
}

/// A time in seconds; a whole number of them without a point, since models copy what they see.
#[must_use]
pub fn seconds(time: Duration) -> Value {
    match time.subsec_nanos() {
        0 => json!(time.as_secs()),
        _ => json!(time.as_secs_f64()),
    }
}
