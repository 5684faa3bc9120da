//! The shipped tools, each by every way in, against a network that answers as networks do.
//!
//! | file | tools |
//! |---|---|
//! | [`capture`] | `capture` |
//! | [`hops`] | `mtr`, `path_mtu` |
//! | [`link`] | `arp`, `route` |
//! | [`port`] | `port` |
//! | [`servers`] | `dns`, `http`, `tls` |
//! | [`ways`] | the three ways in, and what leaves the lab |

mod capture;
mod hops;
mod link;
mod port;
mod servers;
mod ways;
