//! What to say of a denial, and which call would pass.
//!
//! ```text
//! (Catalog, Call, Denial) ──advise──▶ Advice: words, and facts for programs
//!                         ──repair──▶ Call, which is put to the policy before anybody is told of it
//! ```
//!
//! Nothing is decided here, and nothing here runs in the broker. All that is known of the policy is
//! the catalog of what the caller is granted, so that no word and no call goes beyond it; the denial
//! adds what the caller named himself.
#![forbid(unsafe_code)]

mod granted;
mod near;
pub mod open;
mod repair;
mod targets;
mod value;
mod vocabulary;
mod words;

pub use near::closest;
pub use repair::repair;
pub use words::advise;

use std::{net::IpAddr, time::Duration};

use probity_protocol::{
    Allowance, Arguments, Call, DenialCode, GivenOption, Identifier, Target, TargetKind, Token,
    ToolName,
};
use serde::Serialize;

/// Whether an address may be aimed at, by what the catalog says; the policy has the last word.
#[must_use]
pub fn may_aim_at(allowance: &Allowance, address: IpAddr) -> bool {
    targets::Targets::of(allowance).admits(&[TargetKind::Address], &Target::Address(address))
}

/// Whether a caller to whom this is left may aim at all of a target, by a tool that takes these kinds.
#[must_use]
pub fn may_aim_at_target(allowance: &Allowance, kinds: &[TargetKind], target: &Target) -> bool {
    targets::Targets::of(allowance).admits(kinds, target)
}

/// A denial in words that a client can act on. It says nothing of the rule's place in the policy's
/// files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The stable reason.
    pub code: DenialCode,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do instead.
    pub recovery_suggestion: String,
    /// Facts for programs: `suggested_cidr`, `example`, `option`, `allowed`, …
    pub metadata: Vec<(String, String)>,
    /// A call that the policy approves of for the same caller; `None` where there is none, or nobody
    /// has asked.
    pub suggestion: Option<Box<SuggestedCall>>,
}

/// A call that would pass, without what belongs to the refused call alone: its correlation id, the
/// client's label and the frontend's own limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuggestedCall {
    /// A tool's name or alias.
    pub tool: ToolName,
    /// An address, a network, or a name that was looked up for the refused call and is allowed.
    pub target: String,
    /// A named set of options.
    pub preset: Option<Identifier>,
    /// Typed options, by property name.
    pub options: Vec<GivenOption>,
    /// The words of `extra_args`.
    pub tokens: Vec<Token>,
    /// The timeout of the refused call, at most the policy's ceiling; `None` where it had none.
    pub timeout: Option<Duration>,
}

impl SuggestedCall {
    /// What a client would ask to make this call. `None` for a call whose arguments or target
    /// could not be read: there is nothing to ask for.
    #[must_use]
    pub fn of(call: Call) -> Option<Self> {
        let Arguments::Given { preset, options, tokens } = call.arguments else { return None };
        if matches!(call.target, Target::Malformed(_)) {
            return None;
        }
        let (tool, target, timeout) = (call.tool, call.target.to_string(), call.limits.timeout);
        Some(Self { tool, target, preset, options, tokens, timeout })
    }
}
