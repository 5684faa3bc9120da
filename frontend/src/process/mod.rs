//! This process: what it logs, which signals end it and how, and what it gives up.

pub mod confine;
pub mod events;
pub mod logging;
pub mod shutdown;
pub mod signals;
