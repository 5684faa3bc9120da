//! One question to a broker and its answer, over its socket. It waits for no run.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use probity_protocol::{
    Failure, FrameError, Hello, MAX_REPLY_FRAME, PROTOCOL_VERSION, Refusal, Reply, Request, decode,
    encode,
};

/// How long a broker may take for an answer, which it has at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(
        "no broker answers at {}: {error}\n\
         Start it (`sudo systemctl start probity-broker.socket`), or name its socket (--socket). Who may use \
         it is in the group of that file: `probity doctor` says more.", socket.display()
    )]
    Unreachable { socket: PathBuf, error: io::Error },
    #[error("{0}")]
    Refused(Refusal),
    #[error("{}\n{}", .0.message, .0.remedy)]
    Failed(Failure),
    #[error(
        "the broker's answer cannot be read: {0}\nInstall the same version of both, and restart the broker."
    )]
    Frame(#[from] FrameError),
    #[error("the broker answered something else than it was asked")]
    Unexpected,
}

/// Asks, and takes the answer behind the welcome.
pub(super) fn ask(socket: &Path, request: &Request) -> Result<Reply, AskError> {
    let unreachable = |error| AskError::Unreachable { socket: socket.to_owned(), error };
    let mut stream = UnixStream::connect(socket).map_err(unreachable)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(unreachable)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(unreachable)?;
    let frames = [encode(&Hello::default()), encode(request)].map(|body| framed(&body)).concat();
    // One that refuses at once may close before it has read everything: its reason is there to be read.
    let _ = stream.write_all(&frames);
    let answer = match reply(&mut stream).map_err(unreachable)?? {
        Reply::Welcome(welcome) if welcome.protocol != PROTOCOL_VERSION => {
            return Err(FrameError::Version(welcome.protocol).into());
        }
        Reply::Welcome(_) => reply(&mut stream).map_err(unreachable)??,
        other => other,
    };
    match answer {
        Reply::Refused(refusal) => Err(AskError::Refused(refusal)),
        Reply::Failed(failure) => Err(AskError::Failed(failure)),
        answer => Ok(answer),
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    // A request is far below 4 GiB.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), body].concat()
}

fn reply(stream: &mut UnixStream) -> io::Result<Result<Reply, FrameError>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_REPLY_FRAME {
        return Ok(Err(FrameError::Malformed));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(decode(&body))
}
