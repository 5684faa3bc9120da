//! The shipped tools, each by every way in, against a network that answers as networks do.
//!
//! | file | tools |
//! |---|---|
//! | [`port`] | `port` |
//! | [`ways`] | the three ways in, and what leaves the lab |

mod port;
mod ways;
