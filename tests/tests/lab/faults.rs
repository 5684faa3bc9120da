//! Whatever goes wrong during a call, the call is answered, nothing of it is left, and the same server
//! answers the next.
//!
//! - `tools`: tools that flood, stay, fork, fall silent and leave early
//! - `machine`: a full disk, no descriptors, no processes, a clock that steps back
//! - `broker`: a broker that is gone or stands still
//! - `crowds`: too many calls, too many connections, clients that hardly read
//!
//! What is killed at random moments is in `alone/kills.rs`.

mod broker;
mod crowds;
mod machine;
mod tools;
