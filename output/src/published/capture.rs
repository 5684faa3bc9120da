//! Conversations of a capture.

use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Flow {
    pub protocol: String,
    pub from: String,
    pub from_port: Option<u64>,
    pub to: String,
    pub to_port: Option<u64>,
    pub packets_sent: u64,
    pub packets_received: u64,
    pub bytes_sent: Option<u64>,
    pub bytes_received: Option<u64>,
    pub resets: u64,
    pub retransmissions: u64,
    pub outcome: Option<String>,
}
