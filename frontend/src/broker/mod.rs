//! The broker, as this process sees it: which one is meant, the one that it starts itself, what is
//! said to it, and what has to be known before: accounts and the addresses of names.

pub mod accounts;
mod answers;
pub mod choice;
pub mod client;
pub mod embedded;
pub mod name_servers;
pub mod resolve;
