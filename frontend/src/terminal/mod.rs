//! The command line: what can be written, what it does, and what a person or a script reads.

pub mod cli;
pub mod commands;
pub mod connect;
pub mod printing;
