//! What a Probity frontend and broker say to each other.
//!
//! This crate turns bytes into types and types into bytes. It opens no socket, reads no file and
//! decides nothing: what a peer may do is the `probity-policy` crate's business.
//!
//! One connection carries one request. The client writes [`Hello`] and a [`Request`] at once; the
//! broker answers [`Reply::Welcome`] and then the replies that belong to the request. Closing the
//! connection ends the run, so a run's life is a connection's life.
//!
//! Every text on the wire is a newtype whose decoding runs the same check as its constructor, so
//! that what decodes is lexically valid and nobody needs to check it twice.
#![forbid(unsafe_code)]

mod approval;
mod asked;
mod bounded;
mod call;
mod catalog;
pub mod chain;
#[cfg(feature = "client")]
mod client;
mod decimal;
mod denial;
mod digest;
mod lexical;
pub mod meaning;
mod message;
mod parse_table;
mod plan;
mod ports;
pub mod ranges;
mod reason;
mod target;
mod wire;

pub use approval::{ApprovalAnswer, Awaiting, PendingCall};
pub use asked::{DnsName, UrlPath};
pub use call::{Arguments, Call, GivenOption, MAX_OPTIONS, RequestedLimits};
pub use catalog::{
    Allowance, Availability, BreakerSettings, Catalog, DefaultTarget, OptionEntry, ParserEntry,
    PresetEntry, TargetKind, Tier, ToolEntry, ValueType,
};
#[cfg(feature = "client")]
pub use client::{NetworkFamilies, PARSERS, split_extra_args};
pub use decimal::{Decimal, DecimalError, parse_seconds};
pub use denial::{DenialCode, Layer};
pub use digest::{Digest, Hasher};
pub use lexical::{
    ApprovalId, ApprovalNote, ClientLabel, CorrelationId, FORBIDDEN_CHARACTERS, Identifier,
    LexicalDefect, MAX_ARGS_BYTES, OptionText, Token, ToolName,
};
pub use message::{
    Busy, BusyScope, End, ExitStatus, Exited, Failure, FailureKind, FenceRefusals, Hello,
    Interrupt, NotApproved, PROTOCOL_VERSION, Queued, Refusal, RefusalKind, Reply, Request,
    RunSummary, SandboxFacts, Started, StatusReport, Stream, Verdict, Welcome,
};
pub use parse_table::{ParseColumn, ParseFormat, ParseKind, ParseTable};
pub use plan::{PlanSummary, SandboxSummary};
pub use ports::Ports;
pub use reason::{
    Beyond, Denial, Exceeded, Excerpt, Excluded, LimitedBy, OptionId, Reason, SetBy, Weight,
};
pub use target::{HostName, MAX_ADDRESSES, NamePattern, Target};
pub use wire::{
    FrameError, MAX_OUTPUT_CHUNK, MAX_REPLY_FRAME, MAX_REQUEST_FRAME, decode, decode_hello, encode,
};
