//! The answer to a call that is refused: what is wrong, in words, and a request that would pass.
//!
//! The broker answers a reason. The words follow from it and from the catalog of what this user is
//! granted, and so does the repaired call, about which the broker is asked before anybody is told of
//! it. It is asked about one at most for each call, and not again at once about the same (`repaired.rs`):
//! so a refusal costs it two decisions at most, and one that repeats leaves it no line of its own in the
//! log.
//!
//! What is refused here, for arguments that the published schema does not take or that cannot be read,
//! is put to the broker all the same, so that a bad target is refused before bad arguments are, and
//! every attempt is in its log.

use probity_advice::{Advice, SuggestedCall, advise, repair};
use probity_protocol::{Arguments, Call, Denial, DenialCode, Layer, Verdict};
use serde_json::{Value, json};

use super::{Asking, Service};
use crate::broker::name_servers::NoNameServer;
use crate::calls::{
    observe::call_events as events,
    published::{
        meant,
        registry::{Listing, Published},
        suggestion::Suggestion,
    },
    request,
    result::{Asked, ToolResult},
};

/// Whether the broker has been asked about a repaired call: once for each call that is refused.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    pub asked: bool,
}

/// Of a call that leaves its target to the machine's name servers, of which there is none for it.
pub(super) fn no_name_server(none: &NoNameServer) -> Advice {
    Advice {
        code: DenialCode::TargetSyntax,
        message: none.to_string(),
        recovery_suggestion: "Give target as the address of a name server that may be asked."
            .into(),
        metadata: vec![("property".into(), "target".into())],
        suggestion: None,
    }
}

impl Service {
    /// The answer to a call that the policy denies.
    pub(super) async fn denied(
        &self,
        asked: &Asked,
        call: &Call,
        denial: &Denial,
        listing: &Listing,
    ) -> ToolResult {
        let mut advice = advise(&listing.catalog, call, denial);
        let suggested = self.suggested(call, denial, listing, &mut Repairs::default()).await;
        advice.suggestion = suggested.map(Box::new);
        ToolResult::denied(asked, &advice, &listing.catalog)
    }

    /// The repaired call, if the broker approves of it.
    async fn suggested(
        &self,
        call: &Call,
        denial: &Denial,
        listing: &Listing,
        repairs: &mut Repairs,
    ) -> Option<SuggestedCall> {
        let repaired = repair(&listing.catalog, call, denial).filter(|_| !repairs.asked)?;
        repairs.asked = true;
        let policy = listing.catalog.policy_digest;
        // RULE: A call is suggested only if the broker approves of it.
        if !self.repaired.knows(policy, &repaired) {
            match self.broker.check_by(repaired.clone()).await {
                Ok((policy, Verdict::Approved { .. })) => self.repaired.note(policy, &repaired),
                Ok((_, Verdict::Denied(_))) | Err(_) => return None,
            }
        }
        SuggestedCall::of(repaired)
    }

    /// Refuses a call for what is wrong with its arguments, by this process's own lights. There may be
    /// no such tool either.
    pub(super) async fn refuse(
        &self,
        asking: Asking<'_>,
        tool: Option<Published<'_>>,
        own: Advice,
        listing: &Listing,
    ) -> ToolResult {
        let (arguments, client, tier) = (asking.arguments, asking.client.cloned(), asking.tier);
        let request = self.read(asking, tool).ok();
        // What cannot be read as a whole travels as that, under the client's own id.
        let request = request.or_else(|| {
            let defaults = self.defaults(tool, tier);
            let read = request::unreadable(asking.tool, arguments, client, &defaults);
            read.map(|(call, asked)| (call, asked.named_by(tool.map(|tool| tool.entry))))
        });
        let (call, asked) = match request {
            Some((call, asked)) => (Some(call), asked),
            None => (None, Asked::unread(asking.tool, arguments)),
        };
        let verdict = match call {
            Some(call) => {
                events::injection_attempts(&call, &asked);
                let call = self.resolved(call, listing).await;
                let verdict = self.broker.check(call.clone()).await;
                Some((call, verdict))
            }
            None => None,
        };
        // One that was waited for in vain is not waited for again.
        let is_away = matches!(verdict, Some((_, Err(_))));
        let denied = match verdict {
            Some((call, Ok(Verdict::Denied(denial)))) => Some((call, denial)),
            Some((_, Ok(Verdict::Approved { .. }) | Err(_))) | None => None,
        };
        let advice = match &denied {
            Some((call, denial)) => worded(own, advise(&listing.catalog, call, denial), asking),
            None => own,
        };
        let mut result = ToolResult::denied(&asked, &advice, &listing.catalog);
        let mut repairs = Repairs::default();
        if let Some(tool) = tool.filter(|_| !is_away) {
            self.suggest_meant(&mut result, asking, tool, listing, &mut repairs).await;
        }
        if let (Some((call, denial)), None) = (&denied, result.suggestion()) {
            let suggested = self.suggested(call, denial, listing, &mut repairs).await;
            result.suggest(suggested.map(|call| Suggestion::of(&call, &listing.catalog)));
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
        repairs: &mut Repairs,
    ) {
        let id = result.correlation_id.clone();
        match self.meant(asking, &id, tool, listing, repairs).await {
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
            Meant::Refused(advice)
                if advice.code.layer() == Layer::Target
                    && advice.message != result.error.clone().unwrap_or_default() =>
            {
                result.advise(&format!("{} {}", advice.message, advice.recovery_suggestion));
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
        repairs: &mut Repairs,
    ) -> Meant {
        let Some(mut arguments) = tool.check().mended(asking.arguments) else {
            return Meant::Nothing;
        };
        let text = arguments.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut refused = Meant::Nothing;
        let targets = meant::targets(&text);
        if targets.len() == 1 {
            tool.check().add_service(&mut arguments, meant::service(&text));
        }
        for target in targets {
            arguments.insert("target".into(), json!(target));
            arguments.insert("correlation_id".into(), json!(correlation_id));
            let request = self.read(Asking { arguments: &arguments, ..asking }, Some(tool));
            arguments.shift_remove("correlation_id");
            let Ok((call, _)) = request else { return Meant::Nothing };
            // What cannot be read is on record already.
            if matches!(call.arguments, Arguments::Malformed(_)) {
                return Meant::Nothing;
            }
            let call = self.resolved(call, listing).await;
            let suggested = match self.broker.check(call.clone()).await {
                // As it was mended, where that is what the schema takes.
                Ok(Verdict::Approved { .. }) if tool.check().flaw(&arguments).is_none() => {
                    let tool = tool.entry.name.to_string();
                    return Meant::Call(Suggestion { tool, arguments });
                }
                Ok(Verdict::Approved { .. }) => SuggestedCall::of(call),
                Ok(Verdict::Denied(denial)) => {
                    let suggested = self.suggested(&call, &denial, listing, repairs).await;
                    if suggested.is_none() {
                        if matches!(refused, Meant::Nothing) {
                            refused = Meant::Refused(advise(&listing.catalog, &call, &denial));
                        }
                        continue;
                    }
                    suggested
                }
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
    Refused(Advice),
    Nothing,
}

/// The refusal in the words that help most. The broker's reason comes first where it is about
/// something else than the arguments; of a fault in those, this process's own denial names the
/// property as the client did.
fn worded(mut own: Advice, verdict: Advice, asking: Asking<'_>) -> Advice {
    let is_missing = |name| asking.arguments.get(name).is_none_or(serde_json::Value::is_null);
    let same = verdict.code == own.code
        || verdict.code.layer() == Layer::Argument
        || (verdict.code == DenialCode::TargetSyntax && is_missing("target"));
    if !same {
        return verdict;
    }
    own.metadata.extend(verdict.metadata);
    own
}
