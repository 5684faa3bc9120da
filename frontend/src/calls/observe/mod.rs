//! What is seen of calls and of this server: logged, counted, traced, looked at.

pub mod call_events;
pub mod health;
pub mod metrics;
pub mod trace;
