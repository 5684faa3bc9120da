//! The shipped tools, each by every way in, against a network that answers as networks do.
//!
//! | file | tools |
//! |---|---|
//! | [`hops`] | `mtr`, `path_mtu` |
//! | [`link`] | `arp`, `route` |
//! | [`ways`] | the three ways in, and what leaves the lab |

mod hops;
mod link;
mod ways;
