//! Who is at the other end of a connection, by the kernel's word.

use std::{io, os::fd::AsFd as _};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use probity_policy::{Accounts, Subject};
use probity_protocol::Tier;
use tokio::net::UnixStream;

use crate::sys;

/// A connected process.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub pid: i32,
    pub gid: u32,
    /// The name of its uid, where /etc/passwd has one.
    pub user: Option<String>,
    pub subject: Subject,
}

impl Peer {
    /// The process that called `connect`, as it was then.
    ///
    /// `owner` is the uid that started this broker for itself, in embedded mode.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub(crate) fn of(
        stream: &UnixStream,
        owner: Option<u32>,
        accounts: &Accounts,
    ) -> io::Result<Self> {
        // RULE: Who asks is who the kernel says.
        let credentials = getsockopt(&stream.as_fd(), PeerCredentials)?;
        let mut gids = sys::peer::groups(stream.as_fd())?;
        // The supplementary groups need not hold the primary one.
        if !gids.contains(&credentials.gid()) {
            gids.push(credentials.gid());
        }
        let uid = credentials.uid();
        Ok(Self {
            pid: credentials.pid(),
            gid: credentials.gid(),
            user: accounts.user_name(uid).map(str::to_owned),
            subject: Subject { uid, gids, owner: owner == Some(uid), most: Tier::Intrusive },
        })
    }
}
