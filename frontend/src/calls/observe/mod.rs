//! What is seen of calls and of this server: logged, counted, looked at.

pub mod call_events;
pub mod health;
pub mod metrics;
