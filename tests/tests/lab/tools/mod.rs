//! The shipped tools, each by every way in, against a network that answers as networks do.
//!
//! | file | tools |
//! |---|---|
//! | [`capture`] | `capture` |
//! | [`own_table`] | tools with a table in their files |
//! | [`port`] | `port` |
//! | [`ways`] | the three ways in, and what leaves the lab |

mod capture;
mod own_table;
mod port;
mod ways;
