//! A call, from what a client asks for to its result, whichever way it came in.
//!
//! [`request`] reads it, [`published`] says what there is to ask for, [`control`] holds it back,
//! [`service`] puts it to the broker, [`result`](mod@result) is what it gives, and [`observe`] counts
//! and logs it. Nothing here knows of MCP or HTTP.

pub mod control;
pub mod error_type;
pub mod observe;
pub mod published;
pub mod push;
pub mod request;
pub mod result;
pub mod runs;
pub mod service;
pub(crate) mod told;
pub mod tool_view;
pub mod watch;
