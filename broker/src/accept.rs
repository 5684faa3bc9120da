//! The loop that takes connections in. It hears nobody: each connection is a session of its own.

use std::{
    io,
    os::unix::net::UnixListener,
    rc::Rc,
    time::{Duration, Instant},
};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use tokio::{
    io::unix::{AsyncFd, AsyncFdReadyGuard},
    net::UnixStream,
    task::JoinSet,
};

use crate::{admission::Arrival, broker::Broker, complain::complain, session, shutdown::Phase};

/// Most connections that are looked at at all, however many users there are. Beyond it the kernel's
/// queue holds them.
const MAX_SESSIONS: usize = 1024;

/// Connections that are taken in before those who are in are served: few, since a crowd at the door would
/// be in their way, and more than one, since users are weighed against each other once they are heard.
const BATCH: usize = 4;

/// How long runs may take to end once they are asked to, their last words to the client included.
const ENDING: Duration = Duration::from_secs(5);

/// The same, once they are killed.
const KILLING: Duration = Duration::from_secs(1);

/// Serves connections until it is told to stop, then waits for what runs as long as it may.
pub(crate) async fn serve(broker: Rc<Broker>, listener: AsyncFd<UnixListener>) {
    let mut sessions = JoinSet::new();
    let stopping = broker.stopping();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => break,
            ready = listener.readable(), if sessions.len() < MAX_SESSIONS => {
                let taken = ready.and_then(|ready| take_in(&broker, ready, &mut sessions));
                if let Err(error) = taken {
                    // Out of descriptors, most likely: connections that end free some.
                    complain!("a connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                // However many more there are: those who are in are served first.
                tokio::task::yield_now().await;
            }
            Some(_) = sessions.join_next() => {}
        }
    }
    drop(listener);
    let too_long = async {
        Phase::Ending.reached(&broker.phases).await;
        tokio::select! {
            () = tokio::time::sleep(ENDING) => {}
            () = async {
                Phase::Killing.reached(&broker.phases).await;
                tokio::time::sleep(KILLING).await;
            } => {}
        }
    };
    tokio::select! {
        () = async { while sessions.join_next().await.is_some() {} } => {}
        () = too_long => {}
    }
}

/// Takes in those who are at the door, up to a batch: a session begins for each, unless its user
/// comes more often than he can be told that it is too often. That is found out before anything is
/// made for it, so that to come takes more of his time than of this thread's.
fn take_in(
    broker: &Rc<Broker>,
    mut ready: AsyncFdReadyGuard<'_, UnixListener>,
    sessions: &mut JoinSet<()>,
) -> io::Result<()> {
    let per_second = broker.rules.borrow().policy.ceilings().requests_per_second;
    let now = Instant::now();
    for _ in 0..BATCH {
        if sessions.len() >= MAX_SESSIONS {
            break;
        }
        let Ok(accepted) = ready.try_io(|listener| listener.get_ref().accept()) else {
            break;
        };
        let (stream, _) = accepted?;
        // One that is gone already, or no socket of this kind: either way nobody listens.
        let Ok(credentials) = getsockopt(&stream, PeerCredentials) else { continue };
        let arrival = broker.admission.arrival(credentials.uid(), per_second, now);
        if arrival != Arrival::Closed {
            stream.set_nonblocking(true)?;
            let stream = UnixStream::from_std(stream)?;
            sessions.spawn_local(session::serve(Rc::clone(broker), stream, arrival));
        }
    }
    Ok(())
}
