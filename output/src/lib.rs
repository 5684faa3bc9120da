//! What tools wrote, made safe to read and typed.
//!
//! [`clean`](mod@clean) makes unseen characters visible, [`quote`] keeps a tool's words apart from
//! Probity's, [`parsers`] read reports, [`compare`] tells two of them apart, and [`pictures`] draws them. All
//! of it is pure: bytes in, values out. Nothing here opens a file, starts a process or knows of a server.
#![forbid(unsafe_code)]

pub mod clean;
pub mod compare;
pub mod parsers;
pub mod pictures;
mod published;
pub mod quote;
