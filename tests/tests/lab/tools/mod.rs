//! The shipped tools, each by every way in, against a network that answers as networks do.
//!
//! | file | tools |
//! |---|---|
//! | [`capture`] | `capture` |
//! | [`port`] | `port` |
//! | [`ways`] | the three ways in, and what leaves the lab |

mod capture;
mod port;
mod ways;
