//! The answer to a call that is refused here, for arguments that the published schema does not take
//! or that cannot be read: what is wrong with which property, and a request that would pass.
//!
//! The broker is asked for its verdict all the same, so that a bad target is refused before bad
//! arguments are, and every attempt is in its log.

use probity_protocol::{Denial, DenialCode, Layer, Verdict};
use serde_json::json;

use super::{Asking, Service, asked, asked_of};
use crate::{
    call_events as events,
    registry::{Listing, Published},
    request,
    result::ToolResult,
    suggestion::Suggestion,
};

impl Service {
    /// Refuses a call for what is wrong with its arguments, by this process's own lights. There may be
    /// no such tool either.
    pub(super) async fn refuse(
        &self,
        asking: Asking<'_>,
        tool: Option<Published<'_>>,
        own: Denial,
        listing: &Listing,
    ) -> ToolResult {
        let (arguments, client, tier) = (asking.arguments, asking.client.cloned(), asking.tier);
        let request = self.read(asking, tool).ok();
        // What cannot be read as a whole travels as that, under the client's own id.
        let request = request.or_else(|| {
            request::unreadable(asking.tool, arguments, client, &self.defaults(tool, tier))
        });
        let asked = request.as_ref().map_or_else(|| asked_of(asking), |r| asked(r, listing));
        let verdict = match request {
            Some(request) => {
                events::injection_attempts(&request.call, &asked);
                let call = self.resolved(request.call, listing).await;
                Some(self.broker.check(call).await)
            }
            None => None,
        };
        let is_away = matches!(verdict, Some(Err(_)));
        let denial = match verdict {
            Some(Ok(Verdict::Denied(verdict))) => worded(own, verdict, asking),
            Some(Ok(Verdict::Approved { .. }) | Err(_)) | None => own,
        };
        let mut result = ToolResult::denied(&asked, &denial, &listing.catalog);
        // One that was waited for in vain is not waited for again.
        if let Some(tool) = tool.filter(|_| !is_away) {
            let mended = self.mended(asking, &asked.correlation_id, tool, listing).await;
            if mended.is_some() {
                result.suggest(mended);
            }
        }
        result
    }

    /// What the client may have meant, if the broker approves of it; else what the broker says
    /// would pass in its place.
    async fn mended(
        &self,
        asking: Asking<'_>,
        correlation_id: &str,
        tool: Published<'_>,
        listing: &Listing,
    ) -> Option<Suggestion> {
        let mut arguments = tool.check().mended(asking.arguments)?;
        arguments.insert("correlation_id".into(), json!(correlation_id));
        let request = self.read(Asking { arguments: &arguments, ..asking }, Some(tool)).ok()?;
        arguments.shift_remove("correlation_id");
        let call = self.resolved(request.call, listing).await;
        match self.broker.check(call).await.ok()? {
            Verdict::Approved { .. } => {
                Some(Suggestion { tool: tool.entry.name.to_string(), arguments })
            }
            Verdict::Denied(denial) => {
                denial.suggestion.map(|call| Suggestion::of(&call, &listing.catalog))
            }
        }
    }
}

/// The refusal in the words that help most. The broker's reason comes first where it is about
/// something else than the arguments; of a fault in those, this process's own denial names the
/// property as the client did.
fn worded(mut own: Denial, verdict: Denial, asking: Asking<'_>) -> Denial {
    let is_missing = |name| asking.arguments.get(name).is_none_or(serde_json::Value::is_null);
    let same = verdict.code == own.code
        || verdict.code.layer() == Layer::Argument
        || (verdict.code == DenialCode::TargetSyntax && is_missing("target"));
    if !same {
        return verdict;
    }
    own.suggestion = verdict.suggestion;
    own.metadata.extend(verdict.metadata);
    own
}
