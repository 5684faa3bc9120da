//! The policy an administrator audits, and the one function that decides by it.
//!
//! ```text
//! text ──load──▶ Sources ──validate──▶ Policy ──decide(Subject, Call)──▶ Approved ──plan──▶ Plan
//!                                                        └──▶ Denied: a reason, and the line
//! ```
//!
//! This crate runs nothing and opens nothing but policy files. [`decide`] is the only way to an
//! [`Approved`], and [`plan`] the only way to a [`Plan`]; whoever holds a `Plan` holds the proof
//! that the policy was asked.
#![forbid(unsafe_code)]

mod accounts;
mod allowance;
mod approvers;
mod arguments;
mod beyond;
mod canonical;
mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
mod decide;
mod denied;
#[cfg(feature = "cli")]
mod diff;
mod digest;
#[cfg(any(test, feature = "cli"))]
mod effective;
mod granted_options;
mod grants;
mod lines;
mod load;
mod lookup;
mod names;
mod networks;
mod options_left;
mod plan;
mod policy;
mod profile;
mod raw;
mod relations;
mod source;
mod subject;
mod subject_grants;
mod targets;
mod template;
mod tool;
mod trust;
mod validate;
mod value;
mod words;
mod work;

pub use accounts::Accounts;
pub use catalog::{CatalogKey, catalog};
pub use decide::{Approved, decide};
pub use denied::Denied;
pub use load::{LoadError, Origin, load};
pub use plan::{EnvironmentValue, HardLimits, Limits, NO_FOLDER, NetRaw, PacketsTo, Plan, plan};
pub use policy::{Ceilings, ExcludedTool, Policy, Warning};
pub use profile::{Clones, Profile, SocketFamily, SocketRule, SocketType};
pub use source::{Defect, Defects, Place, Source, Sources};
pub use subject::Subject;
pub use tool::{BreakerRule, Scratch, Tool, ToolSandbox};
pub use trust::{Missing, TrustError, TrustedFolder};
#[cfg(any(test, feature = "cli"))]
pub use validate::validate_with_help;
pub use validate::{LONGEST_TIME, validate};

#[cfg(test)]
mod advice_tests;
#[cfg(test)]
mod argv_tests;
#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod grant_options_tests;
#[cfg(test)]
#[path = "language_tests.rs"]
mod language_tests;
#[cfg(test)]
mod meaning_tests;
#[cfg(test)]
mod no_target_tests;
#[cfg(test)]
mod one_tool;
#[cfg(test)]
mod question_tests;
#[cfg(test)]
mod scope_tests;
