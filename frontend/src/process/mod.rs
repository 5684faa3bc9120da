//! This process: what it logs, which signals end it and how, what it gives up, and
//! what it pushes.

pub mod confine;
pub mod events;
pub mod logging;
pub mod shutdown;
pub mod signals;
pub mod telemetry;
