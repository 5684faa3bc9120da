//! Connections: how long each may take to say what it wants, and what of it is told to its seat
//! ([`super::seats`]), which says whether it has to make room.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    response::Response,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink},
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    listen::Listener,
    seats::{Seat, Seats},
};

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
    let seats = Seats::new(limits.connections);
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
        // Even those that are kept for probes are busy: this one is closed at once.
        let Some(seat) = Seats::take(&seats, peer.address) else { continue };
        let (router, closing) = (router.clone(), closing.clone());
        connections.spawn(async move {
            match stream {
                Stream::Tcp(stream) => answer(stream, peer, limits, seat, router, closing).await,
                Stream::Unix(stream) => answer(stream, peer, limits, seat, router, closing).await,
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
    seat: Seat,
    router: Router,
    closing: CancellationToken,
) {
    let seat = Arc::new(seat);
    let hang_up = HangUp::default();
    let hung_up = hang_up.0.clone();
    let of_requests = Arc::clone(&seat);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (router, seat) = (router.clone(), Arc::clone(&of_requests));
        let (mut request, answering) = received(request, &seat);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(hang_up.clone());
        request.extensions_mut().insert(seat);
        Box::pin(async move {
            // Who sends many requests at once has one of them answered at each turn.
            yield_now().await;
            let response = router.oneshot(request).await?;
            // The request goes on until the last byte of its answer is taken.
            let (parts, body) = response.into_parts();
            Ok::<_, Infallible>(Response::from_parts(parts, Held { body, _answering: answering }))
        })
    });
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(limits.unread));
    // RULE: A head is capped in size and time.
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let served = async {
        let served = tokio::select! {
            served = poll_fn(|context| connection.poll_without_shutdown(context)) => served,
            () = closing.cancelled() => {
                Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|context| connection.poll_without_shutdown(context)).await
            }
        };
        // How it ended is the client's business.
        if served.is_ok() {
            linger(connection.into_parts().io.into_inner()).await;
        }
    };
    tokio::select! {
        () = seat.lost() => {}
        () = hung_up.cancelled() => {}
        () = served => {}
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

/// A request whose seat knows of it, and of its body.
fn received(request: Request<Incoming>, seat: &Arc<Seat>) -> (Request, Answering) {
    let is_whole = request.body().is_end_stream();
    seat.begin(is_whole);
    let seat = Arc::clone(seat);
    let answering = Answering(Arc::clone(&seat));
    let request = request.map(|body| match is_whole {
        true => Body::new(body),
        false => Body::new(Arriving { body, seat, kept: 0 }),
    });
    (request, answering)
}

/// A request that is not answered yet.
struct Answering(Arc<Seat>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A request's body, whose seat hears how it comes. Whoever drops it wants no more of it.
struct Arriving {
    body: Incoming,
    seat: Arc<Seat>,
    /// How much has come of it.
    kept: usize,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.seat.has_to_wait() {
            // Behind those that have been told to go: they have been woken already.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.seat.be_whole(),
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.kept += bytes;
                self.seat.come_on(bytes);
            }
            Poll::Ready(_) => self.seat.be_whole(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.seat.be_whole();
        self.seat.let_go(self.kept);
    }
}

/// The body of an answer, with which the request ends.
struct Held {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
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
}
