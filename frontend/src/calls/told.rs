//! What is told of a run as it goes: the messages that every way to watch one has in common.
//!
//! Output is not among them. How much of it is kept is for each way to say.

use probity_output::clean::clean_value;
use serde_json::{Value, json};

use crate::{broker::client::RunEvent, calls::result::plan_json, output::progress::Progress};

/// The kind of a message, and its data; `None` for output.
pub(crate) fn told(event: RunEvent<'_>) -> Option<(&'static str, Value)> {
    let (kind, mut data) = match event {
        RunEvent::AwaitsApproval(awaiting) => (
            "awaits_approval",
            json!({
                "id": awaiting.id.as_str(),
                "approvers": awaiting.approvers,
                "expires_in_sec": awaiting.expires_in.as_secs_f64(),
                "command": format!("probity-policy approve {}", awaiting.id),
            }),
        ),
        RunEvent::Queued(place) => {
            let wait = place.expected_wait.map(|wait| wait.as_secs_f64());
            ("queued", json!({ "ahead": place.ahead, "expected_wait_sec": wait }))
        }
        RunEvent::Started(begun) => {
            let mut plan = plan_json(begun.plan);
            plan["tool"] = json!(begun.plan.tool.as_str());
            plan["address"] = json!(begun.plan.target);
            ("started", plan)
        }
        RunEvent::Output(..) => return None,
    };
    clean_value(&mut data);
    Some((kind, data))
}

/// How far a tool is.
pub(crate) fn progress_json(progress: &Progress) -> Value {
    let remaining = progress.remaining.map(|time| time.as_secs_f64());
    json!({ "percent": progress.percent(), "remaining_sec": remaining, "message": progress.message })
}
