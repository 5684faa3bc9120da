//! The frontend held against its own tables: what the crate `probity` says of its settings, events, ways in
//! and parsers is what the programs do. These suites are the only ones that link that crate.
//!
//! | module | promise |
//! |---|---|
//! | [`attacks`] | requests that must be refused and that must pass, and what went wrong elsewhere |
//! | [`events`] | what is logged is what the table of events says |
//! | [`http_docs`] | `docs/http.md` has a curl line for every way in, and each works |
//! | [`http_roles`] | who may do what over HTTP, every way in by everybody |
//! | [`settings`] | every setting does what its row says |

mod attacks;
mod events;
mod http_docs;
mod http_roles;
mod settings;
