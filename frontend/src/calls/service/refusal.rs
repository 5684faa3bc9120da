//! The answer to a call that is refused here, for arguments that the published schema does not take
//! or that cannot be read: what is wrong with which property, and a request that would pass.
//!
//! The broker is asked for its verdict all the same, so that a bad target is refused before bad
//! arguments are, and every attempt is in its log.

use probity_protocol::{Arguments, Denial, DenialCode, Layer, SuggestedCall, Verdict};
use serde_json::{Value, json};

use super::{Asking, Service, asked, asked_of};
use crate::calls::{
    observe::call_events as events,
    published::{
        meant,
        registry::{Listing, Published},
        suggestion::Suggestion,
    },
    request,
    result::ToolResult,
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
            self.suggest_meant(&mut result, asking, tool, listing).await;
        }
        result
    }

    /// Adds to a refusal what the client may have meant, if the broker approves of it or has
    /// something to say in its place.
    pub(super) async fn suggest_meant(
        &self,
        result: &mut ToolResult,
        asking: Asking<'_>,
        tool: Published<'_>,
        listing: &Listing,
    ) {
        let id = result.correlation_id.clone();
        match self.meant(asking, &id, tool, listing).await {
            Meant::Call(suggestion) => {
                // What cannot be aimed at as it was written can be in another form.
                if result.denial_code() == Some(DenialCode::TargetNotAllowed.as_str()) {
                    let target = suggestion.arguments.get("target").and_then(Value::as_str);
                    let such_as = target.map(|target| format!(", such as {target}"));
                    result.advise(&format!(
                        "A call aims at one address, one network in CIDR form or one host \
                         name{}.",
                        such_as.unwrap_or_default()
                    ));
                }
                result.suggest(Some(suggestion));
            }
            // The host that was meant is no target either.
            Meant::Refused(denial)
                if denial.code.layer() == Layer::Target
                    && denial.message != result.error.clone().unwrap_or_default() =>
            {
                result.advise(&format!("{} {}", denial.message, denial.recovery_suggestion));
            }
            Meant::Refused(_) | Meant::Nothing => {}
        }
    }

    async fn meant(
        &self,
        asking: Asking<'_>,
        correlation_id: &str,
        tool: Published<'_>,
        listing: &Listing,
    ) -> Meant {
        let Some(mut arguments) = tool.check().mended(asking.arguments) else {
            return Meant::Nothing;
        };
        let text = arguments.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut refused = Meant::Nothing;
        for target in meant::targets(&text) {
            arguments.insert("target".into(), json!(target));
            arguments.insert("correlation_id".into(), json!(correlation_id));
            let request = self.read(Asking { arguments: &arguments, ..asking }, Some(tool));
            arguments.shift_remove("correlation_id");
            let Ok(request) = request else { return Meant::Nothing };
            // What cannot be read is on record already.
            if matches!(request.call.arguments, Arguments::Malformed(_)) {
                return Meant::Nothing;
            }
            let call = self.resolved(request.call, listing).await;
            let suggested = match self.broker.check(call.clone()).await {
                // As it was mended, where that is what the schema takes.
                Ok(Verdict::Approved { .. }) if tool.check().flaw(&arguments).is_none() => {
                    let tool = tool.entry.name.to_string();
                    return Meant::Call(Suggestion { tool, arguments });
                }
                Ok(Verdict::Approved { .. }) => SuggestedCall::of(call),
                Ok(Verdict::Denied(denial)) => match denial.suggestion {
                    Some(call) => Some(*call),
                    None => {
                        if matches!(refused, Meant::Nothing) {
                            refused = Meant::Refused(denial);
                        }
                        continue;
                    }
                },
                Err(_) => return Meant::Nothing,
            };
            let suggestion = suggested.map(|call| Suggestion::of(&call, &listing.catalog));
            // It may be for another tool, whose schema is not this one.
            let is_taken = |suggestion: &Suggestion| {
                suggestion.tool != tool.entry.name.as_str()
                    || tool.check().flaw(&suggestion.arguments).is_none()
            };
            if let Some(suggestion) = suggestion.filter(is_taken) {
                return Meant::Call(suggestion);
            }
        }
        refused
    }
}

/// What came of a look for what was meant.
enum Meant {
    /// The broker says that this would pass.
    Call(Suggestion),
    /// The broker refuses that too.
    Refused(Denial),
    Nothing,
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
