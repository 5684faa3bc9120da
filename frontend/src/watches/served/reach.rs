//! Whether the webhook can be reached at all, said at the start: a server gives up every connection that its
//! settings do not name, and its unit allows no address beyond private ones. Nothing is sent.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use crate::config::HttpUrl;

/// How long it may take to be there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connects to it and hangs up. What stands in the way is logged, with what to do.
pub(super) async fn look(url: HttpUrl) {
    let shown = url.to_string();
    // It waits, and calls do not.
    let looked = tokio::task::spawn_blocking(move || connect(&url)).await;
    let Ok(Err(error)) = looked else { return };
    let remedy = remedy(error.kind());
    tracing::warn!(url = shown, error = error.to_string(), remedy, "watch.webhook_unreachable");
}

fn connect(url: &HttpUrl) -> io::Result<()> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in url.authority().to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "This server may not connect there. Under systemd, allow the receiver's address: `systemctl edit \
             probity`, [Service], IPAddressAllow=ADDRESS"
        }
        io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut => {
            "Start the receiver: what watches tell is tried for two minutes, and then dropped"
        }
        _ => {
            "Look at watches.webhook: its name has to be known here, and its address to be reached from here"
        }
    }
}
