//! How a call ends that a server serves, whichever way it came in: with its result, with the server,
//! or because whoever asked is gone.

use std::pin::Pin;

use tokio::sync::watch;

use crate::{calls::result::ToolResult, output::progress::Status, process::shutdown::Shutdown};

/// How a call ended.
pub(crate) enum CallEnd {
    /// It has a result: its own, or at the server's end what its run had found.
    Result(Box<ToolResult>),
    /// The server ended before there was one, or before the call began to run.
    ServerEnded,
    /// What `interrupted` waited for came first. The call is still there.
    Interrupted,
}

/// Waits for the end of a call. At the server's end a run that has begun is recalled, and what it had
/// found is its result; a call that waits for its turn has nothing to say.
pub(crate) async fn to_its_end(
    mut call: Pin<&mut impl Future<Output = ToolResult>>,
    interrupted: impl Future<Output = ()>,
    status: &watch::Receiver<Status>,
    shutdown: &Shutdown,
) -> CallEnd {
    let result = tokio::select! {
        biased;
        // Nobody is there to read an answer.
        () = shutdown.over() => return CallEnd::ServerEnded,
        () = interrupted => return CallEnd::Interrupted,
        () = shutdown.recalling() => {
            let Some(cancel) = status.borrow().cancel().cloned() else {
                return CallEnd::ServerEnded;
            };
            cancel.cancel();
            tokio::select! {
                () = shutdown.over() => return CallEnd::ServerEnded,
                result = &mut call => result,
            }
        }
        result = &mut call => result,
    };
    CallEnd::Result(Box::new(result))
}
