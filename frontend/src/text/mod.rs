//! What can be done with texts alone: the name that was meant, and JSON that says one thing.

pub(crate) mod json;
pub mod near;
