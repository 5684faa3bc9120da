//! Runs that outlive the process that made them.
//!
//! ```text
//! Store ──Job──▶ writer: one thread, several jobs to a transaction ──▶ runs.db
//!       ──Read─▶ readers: connections of their own, which never wait for the writer
//! live/ says which processes are there, so that what a killed one left can be told from what goes on
//! ```
//!
//! [`Store`] keeps runs in a file of SQLite, or in memory where nothing is to last. Each method gives a
//! [`Reply`] at once: async code awaits it, the terminal [`waits`](Reply::wait) for it, and who drops it
//! has asked all the same. No caller's thread ever touches the disk, but in [`Store::open`] and in the
//! drop that ends a store.
//!
//! Whose a run is stands in each row, and nothing is read without a [`Scope`]. A run of somebody else is
//! answered like one that never was.
//!
//! Nothing here knows of MCP, HTTP or the broker, and nothing is run or decided. A store that cannot keep
//! a run says so ([`NotKept`]); the run itself goes on.
#![forbid(unsafe_code)]

mod connection;
mod error;
mod export;
mod file;
mod id;
mod live;
mod owner;
mod query;
mod reader;
mod reply;
mod retention;
mod row;
mod run;
mod schema;
mod store;
mod time;
mod write;
mod writer;

pub use self::{
    error::{NotKept, OpenError, ReadError},
    export::Export,
    id::{BadRunId, NoRandomness, RunId},
    owner::{BadOwner, OWNER_BYTES_MAX, Owner, Scope},
    reply::Reply,
    retention::Retention,
    run::{
        Begun, Cursor, Ended, Ending, Facts, Filter, LISTED_MAX, Page, RunSummary, State,
        StoredRun, TargetFilter,
    },
    store::Store,
    time::UtcMs,
    writer::{QUEUED_BYTES_MAX, QUEUED_JOBS_MAX},
};
