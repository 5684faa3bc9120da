//! Where HTTP is listened for: an address, a Unix socket, or what systemd passed.
//!
//! It opens nothing to other machines unless somebody has been given a token.

use std::{
    fmt, fs, io,
    net::{IpAddr, SocketAddr},
    os::{
        fd::AsFd,
        unix::{fs::FileTypeExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use listenfd::ListenFd;
use rustix::{fs::Mode, net::sockopt, process::umask};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket, lookup_host};

/// Connections that the kernel holds until they are accepted. Beyond it each would wait a second for
/// its next try; the usual 128 are soon full.
const BACKLOG: u32 = 4096;

/// What the kernel takes in for a client before that one reads: it would grow to megabytes for each who
/// does not.
const SEND_BUFFER: usize = 128 << 10;

/// A client whose machine is gone says nothing. One that has said nothing for so long is asked, so
/// often, this far apart; then it has left, and its run with it.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TRIES: u32 = 3;

/// Its group may connect to a Unix socket, such as a proxy's; everybody else has no business there.
const SOCKET_MODE: u32 = 0o660;

/// A client that is there and takes nothing of what it is sent is held no longer than this: its
/// connection is busy, so it makes room for nobody. Over TCP that holds for what the kernel has taken in
/// already, too.
pub(super) const UNREAD_FOR: Duration = Duration::from_secs(60);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address or a name, and a port; 0 takes a free one.
    Tcp(String, u16),
    /// `unix:PATH`
    Unix(PathBuf),
}

/// Text that is no [`Address`].
#[derive(Debug, thiserror::Error)]
#[error("give HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, or unix:/path/of/a/socket")]
pub struct AddressError;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.is_empty() {
                true => Err(AddressError),
                false => Ok(Self::Unix(path.into())),
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(v6) => v6.parse::<IpAddr>().map_err(|_| AddressError)?.to_string(),
            None if host.is_empty() || host.contains(':') => return Err(AddressError),
            None => host.to_owned(),
        };
        Ok(Self::Tcp(host, port.parse().map_err(|_| AddressError)?))
    }
}

/// Why nobody can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Other machines, and no token.
    #[error(
        "{address} can be reached from other machines, and nobody has been given a token.\n\
         Make one with `probity token new --name NAME --role operator --file FILE`, where FILE is the one \
         that server.tokens_file names (see `probity config`), or listen on 127.0.0.1."
    )]
    NoToken {
        /// The address asked for.
        address: SocketAddr,
    },
    /// A name without an address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// The system says no.
    #[error("cannot listen on {place}: {error}{}", hint(error))]
    Io {
        /// Where.
        place: String,
        /// What it says.
        error: io::Error,
    },
}

/// What to do about it.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            ". Something else listens there: end that, or give another place, such as --listen \
             127.0.0.1:0 for any port that is free"
        }
        _ => "",
    }
}

/// A bound socket. A Unix socket's path goes when this is dropped.
#[derive(Debug)]
pub enum Listener {
    /// TCP, bound to this address.
    Tcp(TcpListener, SocketAddr),
    /// A Unix socket, with the path to remove if it was made here.
    Unix(UnixListener, Option<OwnPath>),
}

/// A socket's path that is removed with it.
#[derive(Debug)]
pub struct OwnPath(PathBuf);

impl Drop for OwnPath {
    fn drop(&mut self) {
        // It may have been removed already.
        let _ = fs::remove_file(&self.0);
    }
}

impl Listener {
    /// What systemd passed, or else what `address` says. `anybody` is whether somebody has been given
    /// a token.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn open(address: &Address, anybody: bool) -> Result<Self, ListenError> {
        match passed(anybody)? {
            Some(listener) => Ok(listener),
            None => match address {
                Address::Tcp(host, port) => Self::tcp(host, *port, anybody).await,
                Address::Unix(path) => Self::unix(path),
            },
        }
    }

    async fn tcp(host: &str, port: u16, anybody: bool) -> Result<Self, ListenError> {
        let place = format!("{host} port {port}");
        let fail = |error| ListenError::Io { place: place.clone(), error };
        // localhost and addresses; a name of the network's would be looked up once, at start.
        let address = lookup_host((host, port)).await.map_err(fail)?.next();
        let address = address.ok_or_else(|| ListenError::NoAddress(host.to_owned()))?;
        refuse_without_token(address, anybody)?;
        let listener = tcp_listener(address).map_err(fail)?;
        let bound = listener.local_addr().map_err(fail)?;
        set_options(&listener).map_err(fail)?;
        Ok(Self::Tcp(listener, bound))
    }

    fn unix(path: &Path) -> Result<Self, ListenError> {
        let fail = |error| ListenError::Io { place: path.display().to_string(), error };
        remove_stale(path).map_err(fail)?;
        let socket = UnixSocket::new_stream().map_err(fail)?;
        // Made with this mode, and not given it later: there is no moment for anybody else. (A server
        // with the installed broker has given up changing modes, too.)
        let before = umask(Mode::from_raw_mode(0o777 & !SOCKET_MODE));
        let bound = socket.bind(path);
        umask(before);
        bound.map_err(fail)?;
        let own = OwnPath(path.to_owned());
        Ok(Self::Unix(socket.listen(BACKLOG).map_err(fail)?, Some(own)))
    }

    /// The port that it has, where it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(_, address) => Some(address.port()),
            Self::Unix(..) => None,
        }
    }

    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(_, address) => address.ip().is_loopback(),
            Self::Unix(..) => true,
        }
    }
}

/// A bound socket that no event loop watches: it was bound before there was the one that serves.
#[derive(Debug)]
pub enum Unwatched {
    /// As of [`Listener`].
    Tcp(std::net::TcpListener, SocketAddr),
    /// As of [`Listener`].
    Unix(std::os::unix::net::UnixListener, Option<OwnPath>),
}

impl Unwatched {
    /// Binds as [`Listener::open`] does, in an event loop of its own: looking up a name takes a thread, and
    /// that ends with it.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn open(address: &Address, anybody: bool) -> Result<Self, ListenError> {
        let fail = |error| ListenError::Io { place: "the address".into(), error };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(fail)?.block_on(async {
            match Listener::open(address, anybody).await? {
                Listener::Tcp(listener, address) => {
                    Ok(Self::Tcp(listener.into_std().map_err(fail)?, address))
                }
                Listener::Unix(listener, path) => {
                    Ok(Self::Unix(listener.into_std().map_err(fail)?, path))
                }
            }
        })
    }

    /// The path that is removed in the end.
    #[must_use]
    pub fn own_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(_, Some(OwnPath(path))) => Some(path),
            _ => None,
        }
    }

    /// Has the event loop watch it that this is called in.
    ///
    /// # Errors
    /// Those of the system.
    pub fn watched(self) -> Result<Listener, ListenError> {
        let fail = |error| ListenError::Io { place: "the address".into(), error };
        Ok(match self {
            Self::Tcp(listener, address) => {
                Listener::Tcp(TcpListener::from_std(listener).map_err(fail)?, address)
            }
            Self::Unix(listener, path) => {
                Listener::Unix(UnixListener::from_std(listener).map_err(fail)?, path)
            }
        })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, address) => write!(f, "http://{address}"),
            Self::Unix(_, Some(OwnPath(path))) => write!(f, "unix:{}", path.display()),
            Self::Unix(_, None) => f.write_str("the Unix socket that systemd passed"),
        }
    }
}

/// Socket activation: the one socket that systemd passed to this very process.
fn passed(anybody: bool) -> Result<Option<Listener>, ListenError> {
    let fail = |error| ListenError::Io { place: "the socket that systemd passed".into(), error };
    let mut passed = ListenFd::from_env();
    if passed.len() == 0 {
        return Ok(None);
    }
    if let Ok(Some(listener)) = passed.take_unix_listener(0) {
        listener.set_nonblocking(true).map_err(fail)?;
        return Ok(Some(Listener::Unix(UnixListener::from_std(listener).map_err(fail)?, None)));
    }
    let listener = passed.take_tcp_listener(0).map_err(fail)?;
    let listener = listener.ok_or_else(|| fail(io::ErrorKind::NotFound.into()))?;
    let bound = listener.local_addr().map_err(fail)?;
    refuse_without_token(bound, anybody)?;
    listener.set_nonblocking(true).map_err(fail)?;
    set_options(&listener).map_err(fail)?;
    Ok(Some(Listener::Tcp(TcpListener::from_std(listener).map_err(fail)?, bound)))
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that is started again finds its address free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What every connection then has from its listener.
fn set_options(listener: impl AsFd) -> io::Result<()> {
    sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER)?;
    sockopt::set_socket_keepalive(&listener, true)?;
    sockopt::set_tcp_keepidle(&listener, KEEP_ALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(&listener, KEEP_ALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(&listener, KEEP_ALIVE_TRIES)?;
    let limit = u32::try_from(UNREAD_FOR.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(&listener, limit)?)
}

fn refuse_without_token(address: SocketAddr, anybody: bool) -> Result<(), ListenError> {
    // RULE: Nothing but loopback is listened on before somebody has a token.
    match anybody || address.ip().is_loopback() {
        true => Ok(()),
        false => Err(ListenError::NoToken { address }),
    }
}

/// A socket that nobody listens on any more is in the way; anything else is not ours to remove.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(refused) {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port_or_the_path_of_a_socket() {
        let tcp = |host: &str, port| Address::Tcp(host.into(), port);
        for (text, address) in [
            ("127.0.0.1:8080", tcp("127.0.0.1", 8080)),
            ("[::1]:0", tcp("::1", 0)),
            ("localhost:80", tcp("localhost", 80)),
            ("unix:/run/p.sock", Address::Unix("/run/p.sock".into())),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), address);
        }
        for bad in ["", "8080", "127.0.0.1", "::1:80", ":80", "a:99999", "unix:", "[x]:1"] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn other_machines_are_not_listened_to_before_somebody_has_a_token() {
        let everywhere = Address::Tcp("0.0.0.0".into(), 0);
        let refused = Listener::open(&everywhere, false).await.unwrap_err();
        assert!(matches!(refused, ListenError::NoToken { .. }), "{refused}");
        let here = Listener::open(&Address::Tcp("127.0.0.1".into(), 0), false).await.unwrap();
        assert!(here.is_local());
    }

    #[tokio::test]
    async fn a_connection_holds_little_for_its_client_and_asks_whether_there_still_is_one() {
        let address = Address::Tcp("127.0.0.1".into(), 0);
        let Ok(Listener::Tcp(listener, bound)) = Listener::open(&address, false).await else {
            panic!("not listening");
        };
        let (client, accepted) =
            tokio::join!(tokio::net::TcpStream::connect(bound), listener.accept());
        let connection = accepted.unwrap().0;
        assert!(sockopt::socket_keepalive(&connection).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&connection).unwrap(), KEEP_ALIVE_AFTER);
        assert_eq!(sockopt::tcp_keepcnt(&connection).unwrap(), KEEP_ALIVE_TRIES);
        assert_eq!(sockopt::tcp_user_timeout(&connection).unwrap(), 60_000);
        // The kernel counts what it takes to keep them too.
        let buffer = sockopt::socket_send_buffer_size(&connection).unwrap();
        assert!((SEND_BUFFER..=2 * SEND_BUFFER).contains(&buffer), "{buffer}");
        drop(client);
    }

    #[tokio::test]
    async fn the_path_of_a_socket_goes_with_it_and_a_stale_one_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        let address = Address::Unix(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::open(&address, false).await.unwrap();
        assert!(Listener::open(&address, false).await.is_err(), "it is in use");
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        assert!(Listener::open(&address, false).await.is_err(), "it is no socket");
    }
}
