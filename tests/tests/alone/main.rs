//! What measures, and what takes more of the machine than its share: one test at a time, each with
//! [`alone`](probity_tests::alone) as its first word, in a binary of their own, so that neither is
//! disturbed and none disturbs.
//!
//! | module | promise |
//! |---|---|
//! | [`abuse`] | one granted user takes up what he can, and another does not notice |
//! | [`abuse_http`] | the same of tokens over HTTP |
//! | [`crowd`] | connections of somebody else's make nobody's call fail |
//! | [`http_flood`] | a server under attack goes on answering |
//! | [`kills`] | SIGKILL at whatever moment of a run |
//! | [`script_sets`] | nmap's script sets, by name and at work: scripts give up on hosts that answer late |
//! | [`soak`] | after thousands of calls the server holds what it held before |

mod abuse;
mod abuse_http;
mod crowd;
mod http_flood;
mod kills;
mod script_sets;
mod soak;
