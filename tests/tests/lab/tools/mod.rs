//! The shipped tools, each by every way in, against a network that answers as networks do.
//!
//! | file | tools |
//! |---|---|
//! | [`by_ipv6`] | all that can, at an IPv6 address |
//! | [`capture`] | `capture` |
//! | [`hops`] | `mtr`, `path_mtu` |
//! | [`link`] | `arp`, `route` |
//! | [`own_table`] | tools with a table in their files |
//! | [`port`] | `port` |
//! | [`progress`] | how far they are, while they run |
//! | [`recorded`] | all of them, by `probity-policy try` |
//! | [`servers`] | `dns`, `http`, `tls` |
//! | [`ways`] | the three ways in, and what leaves the lab |

mod by_ipv6;
mod capture;
mod hops;
mod link;
mod own_table;
mod port;
mod progress;
mod recorded;
mod servers;
mod ways;
