//! The house's own rules, held by reading its sources. Nothing is run.
//!
//! | module | promise |
//! |---|---|
//! | `order` | imports run one way, between rooms and between files |
//! | `counts` | how large the privileged process is, and where it is unsafe |
//! | `bans` | what the broker must not be built of |
//! | `rules` | each rule of SECURITY.md stands at the code that enforces it, and no other does |
//! | `links` | the pages lead to one another, in the package too |

mod bans;
mod counts;
mod links;
mod order;
mod rules;

use std::path::PathBuf;

/// Where the workspace is.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}
