//! What the broker tells systemd about itself: that it serves, reloads, stops, and still turns.
//!
//! The protocol is one datagram for each message, so a crate would add more than it takes away. And
//! it would look at its environment when it speaks: `WATCHDOG_PID` means the process that systemd
//! started, which is the supervisor's where there is one. Here the environment is read once, at the
//! start. A message is never waited for and never fails a broker.

use std::{
    ffi::OsString,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    rc::Rc,
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};

use crate::complain::complain;

/// Where messages go, if anybody wants them.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How long systemd waits for a sign of life.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. A socket that is no address is
    /// told of and otherwise ignored.
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|&usec| meant && usec > 0);
        match open(name.as_bytes()) {
            Ok(to) => Self { to: Some(to), watchdog: watchdog.map(Duration::from_micros) },
            Err(error) => {
                complain!("NOTIFY_SOCKET {}: {error}", name.display());
                Self::default()
            }
        }
    }

    /// It serves.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// It reads its policy anew; [`Notifier::ready`] is to follow.
    pub(crate) fn reloading(&self) {
        // The clock by which systemd tells an answer to its signal from an earlier one.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let now = now.unwrap_or_default().as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=Reading the policy anew\n"));
    }

    /// It takes nothing more.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=Letting what runs come to its end\n");
    }

    /// Says for ever that the event loop turns.
    pub(crate) async fn keep_alive(self: Rc<Self>) {
        let Some(patience) = self.watchdog else { return };
        loop {
            self.send("WATCHDOG=1\n");
            tokio::time::sleep(patience / 2).await;
        }
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.to {
            // Nobody reads, or the socket is full: there is no one to tell.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

/// An address is a path, or a name without a file where it begins with `@`.
fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no socket's address")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}
