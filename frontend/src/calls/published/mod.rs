//! What is published: the tools, their schemas, the arguments that these take, and requests that
//! would pass.

pub mod arguments;
pub mod meant;
pub mod registry;
pub mod schema;
pub mod suggestion;
