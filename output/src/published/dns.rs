//! What was asked, and the records of an answer.

use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Question {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub name: String,
    /// In seconds.
    pub ttl: u64,
    #[serde(rename = "type")]
    pub kind: String,
    pub data: String,
}
