//! Connections: how many there may be, and how long each may take to say what it wants.
//!
//! At the cap the connection that has been idle for longest makes room for the new one, so that
//! nobody can keep others out by holding connections open. One that is being answered is never
//! closed for another's sake.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::poll_fn,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink},
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::listen::Listener;

/// Longest head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// How much of what nobody wants is still read before a connection is closed, and for how long.
const LINGER_BYTES: u64 = 4 << 20;
const LINGER: Duration = Duration::from_secs(1);

/// After an accept that failed: out of descriptors, most likely, and some come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a connection comes from and where it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The other end. A Unix socket's is this machine.
    pub address: IpAddr,
    /// This end, where it has an address.
    pub local: Option<SocketAddr>,
    /// Over a Unix socket.
    pub unix: bool,
}

impl Peer {
    const UNIX: Self = Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), local: None, unix: true };
}

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many at once.
    pub connections: usize,
    /// How long the head of a request may take to come, and an idle connection may stay.
    pub head: Duration,
    /// How long a client may take nothing of what is written for it.
    pub unread: Duration,
}

/// Ends a connection, whatever is under way on it and whoever still has to read.
#[derive(Debug, Clone, Default)]
pub struct HangUp(CancellationToken);

impl HangUp {
    /// Ends it.
    pub fn now(&self) {
        self.0.cancel();
    }
}

/// Takes connections in for as long as the future is polled. `closing` ends each
/// when it has been answered; `connections` are those that are open.
pub async fn accept_all(
    listener: &Listener,
    router: Router,
    limits: Limits,
    connections: &TaskTracker,
    closing: &CancellationToken,
) -> Infallible {
    let table = Arc::new(Table::new(limits.connections));
    let mut has_failed = false;
    loop {
        let accepted = accept(listener).await;
        let is_news = std::mem::replace(&mut has_failed, accepted.is_err()) != has_failed;
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Once, for as long as it goes on.
                if is_news {
                    tracing::warn!(error = error.to_string(), "http.accept_failed");
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Nobody is idle, so nobody makes room: this one is closed at once.
        let Some(place) = Table::enter(&table) else { continue };
        let (router, closing) = (router.clone(), closing.clone());
        connections.spawn(async move {
            match stream {
                Stream::Tcp(stream) => answer(stream, peer, limits, place, router, closing).await,
                Stream::Unix(stream) => answer(stream, peer, limits, place, router, closing).await,
            }
        });
        // What it has said already is read before the next one could take its place.
        yield_now().await;
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Listener) -> std::io::Result<(Stream, Peer)> {
    match listener {
        Listener::Tcp(listener, _) => {
            let (stream, address) = listener.accept().await?;
            // Answers are small, and each waits for the next request. A connection that is gone
            // already shows when it is read.
            let _ = stream.set_nodelay(true);
            let peer = Peer {
                address: address.ip().to_canonical(),
                local: stream.local_addr().ok(),
                unix: false,
            };
            Ok((Stream::Tcp(stream), peer))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok((Stream::Unix(stream), Peer::UNIX))
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Peer,
    limits: Limits,
    place: Place,
    router: Router,
    closing: CancellationToken,
) {
    let (evicted, place) = (place.evicted.clone(), Arc::new(place));
    let hang_up = HangUp::default();
    let hung_up = hang_up.0.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let (router, busy) = (router.clone(), Busy::of(&place));
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(hang_up.clone());
        Box::pin(async move {
            let response = router.oneshot(request.map(Body::new)).await?;
            // The connection is busy until the last byte of the answer is taken.
            let (parts, body) = response.into_parts();
            Ok::<_, Infallible>(Response::from_parts(parts, Held { body, _busy: busy }))
        })
    });
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(limits.unread));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let served = async {
        tokio::select! {
            served = poll_fn(|context| connection.poll_without_shutdown(context)) => served,
            () = closing.cancelled() => {
                Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|context| connection.poll_without_shutdown(context)).await
            }
        }
    };
    tokio::select! {
        () = evicted.cancelled() => {}
        () = hung_up.cancelled() => {}
        // How it ended is the client's business.
        served = served => if served.is_ok() {
            linger(connection.into_parts().io.into_inner()).await;
        }
    }
}

/// Says that nothing more comes, and takes what still does for a moment. A socket that is closed with
/// bytes unread would take the answer back: that a body is too large would be heard by nobody.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let drained = async {
        stream.shutdown().await?;
        copy(&mut stream.take(LINGER_BYTES), &mut sink()).await
    };
    let _ = timeout(LINGER, drained).await;
}

/// The open connections.
struct Table {
    most: usize,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: usize,
    /// Those that are not being answered, the one that has been idle for longest first.
    idle: BTreeMap<u64, CancellationToken>,
}

/// A connection's place, given back when it is dropped.
struct Place {
    table: Arc<Table>,
    /// Under which number it is idle, if it is.
    idle: AtomicU64,
    evicted: CancellationToken,
}

impl Table {
    fn new(most: usize) -> Self {
        Self { most, next: AtomicU64::new(1), state: Mutex::default() }
    }

    /// A place for one more; none where all are busy. One that makes room has no place from then on,
    /// and closes as soon as its task is polled.
    fn enter(table: &Arc<Self>) -> Option<Place> {
        let mut state = table.state();
        if state.open >= table.most {
            let (_, oldest) = state.idle.pop_first()?;
            oldest.cancel();
            state.open -= 1;
        }
        state.open += 1;
        drop(state);
        let place = Place {
            table: Arc::clone(table),
            idle: AtomicU64::new(0),
            evicted: CancellationToken::new(),
        };
        place.set_idle();
        Some(place)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn set_idle(&self) {
        if self.evicted.is_cancelled() {
            return;
        }
        let number = self.table.next.fetch_add(1, Ordering::Relaxed);
        self.idle.store(number, Ordering::Relaxed);
        self.table.state().idle.insert(number, self.evicted.clone());
    }

    fn set_busy(&self) {
        let number = self.idle.swap(0, Ordering::Relaxed);
        self.table.state().idle.remove(&number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.set_busy();
        if !self.evicted.is_cancelled() {
            self.table.state().open -= 1;
        }
    }
}

/// A request that is being answered.
struct Busy(Arc<Place>);

impl Busy {
    fn of(place: &Arc<Place>) -> Self {
        place.set_busy();
        Self(Arc::clone(place))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set_idle();
    }
}

/// A body that keeps its connection busy.
struct Held {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for Held {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Bytes, routing::get};
    use futures_util::stream;
    use tokio::net::{UnixListener, UnixStream};

    use super::*;

    #[tokio::test]
    async fn whoever_reads_nothing_is_held_no_longer_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        let listener = Listener::Unix(UnixListener::bind(&path).unwrap(), None);
        let endless = || async {
            let pieces = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![0; 4096])));
            Body::from_stream(pieces)
        };
        let router = Router::new().route("/", get(endless));
        let limits = Limits {
            connections: 1,
            head: Duration::from_secs(60),
            unread: Duration::from_millis(100),
        };
        let (connections, closing) = (TaskTracker::new(), CancellationToken::new());
        let client = async {
            let mut client = UnixStream::connect(&path).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            // One byte is an answer, and the rest is never read.
            client.read_exact(&mut [0]).await.unwrap();
            connections.close();
            timeout(Duration::from_secs(20), connections.wait()).await
        };
        tokio::select! {
            never = accept_all(&listener, router, limits, &connections, &closing) => match never {},
            ended = client => ended.expect("it is held for as long as it likes"),
        }
    }

    #[test]
    fn at_the_cap_the_one_that_was_idle_for_longest_makes_room_and_no_busy_one_does() {
        let table = Arc::new(Table::new(3));
        let enter = || Table::enter(&table).map(Arc::new);
        let places: Vec<Arc<Place>> = (0..3).filter_map(|_| enter()).collect();
        let busy = Busy::of(&places[0]);
        let new = enter().unwrap();
        let evicted: Vec<bool> = places.iter().map(|place| place.evicted.is_cancelled()).collect();
        assert_eq!(evicted, [false, true, false]);
        let all_busy = [Busy::of(&places[2]), Busy::of(&new)];
        assert!(enter().is_none(), "nobody is idle");
        drop((busy, all_busy, places));
        let counts = || {
            let state = table.state();
            (state.open, state.idle.len())
        };
        assert_eq!(counts(), (1, 1));
        drop(new);
        assert_eq!(counts(), (0, 0));
    }
}
