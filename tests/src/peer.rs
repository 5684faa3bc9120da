//! A peer of the broker's that need not be honest: it sends whatever bytes a test wants.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use probity_protocol::{
    Arguments, Call, CorrelationId, Exited, Hello, Interrupt, MAX_ARGS_BYTES, Reply, Request,
    RequestedLimits, Stream, Target, ToolName, decode, encode, split_extra_args,
};

/// One connection to a broker.
pub struct Peer {
    stream: UnixStream,
}

impl Peer {
    /// Connects; every read gives up after ten seconds.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream })
    }

    /// Connects and asks, as an honest frontend does.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn ask(socket: &Path, request: &Request) -> io::Result<Self> {
        let mut peer = Self::connect(socket)?;
        let mut bytes = frame(&encode(&Hello::default()));
        bytes.extend(frame(&encode(request)));
        match peer.send_raw(&bytes) {
            // A broker that refuses at the door does not wait for the request, and its answer can be
            // read all the same.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(peer),
            sent => sent.map(|()| peer),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Cancels the run.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn cancel(&mut self) -> io::Result<()> {
        self.send_raw(&frame(&encode(&Interrupt::Cancel)))
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// The next reply; `None` at the end of the connection.
    ///
    /// # Errors
    /// Those of the socket, and a frame that is no reply.
    pub fn reply(&mut self) -> io::Result<Option<Reply>> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            // Reset: it was closed before all that we sent was read.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                ) =>
            {
                return Ok(None);
            }
            result => result?,
        }
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut body)?;
        decode(&body).map(Some).map_err(io::Error::other)
    }

    /// Every reply until the connection ends.
    ///
    /// # Errors
    /// As [`Peer::reply`].
    pub fn replies(&mut self) -> io::Result<Vec<Reply>> {
        std::iter::from_fn(|| self.reply().transpose()).collect()
    }
}

/// A run that came to its end.
pub struct Ran {
    /// What it wrote.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
    /// How it ended.
    pub exited: Exited,
}

/// Has a call run to its end, as an honest frontend does.
///
/// # Errors
/// Those of the socket, output that is no text, and any other answer than a run.
pub fn run_to_its_end(socket: &Path, call: Call) -> io::Result<Ran> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for reply in Peer::ask(socket, &Request::Run(call))?.replies()? {
        match reply {
            Reply::Welcome(_) | Reply::Started(_) => {}
            Reply::Output { stream: Stream::Stdout, bytes } => stdout.extend(bytes),
            Reply::Output { stream: Stream::Stderr, bytes } => stderr.extend(bytes),
            Reply::Exited(exited) => {
                let text = |bytes| String::from_utf8(bytes).map_err(io::Error::other);
                return Ok(Ran { stdout: text(stdout)?, stderr: text(stderr)?, exited });
            }
            other => return Err(io::Error::other(format!("{other:?}"))),
        }
    }
    Err(io::Error::other("no end"))
}

/// A frame: the length as a big-endian u32, then the body.
#[must_use]
pub fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), body].concat()
}

/// A call as a frontend would make it of a target and `extra_args`.
///
/// # Panics
/// If `tool` is no tool name: a test's own mistake.
#[must_use]
pub fn call(tool: &str, target: &str, extra_args: &str) -> Call {
    let arguments = match split_extra_args(extra_args, MAX_ARGS_BYTES) {
        Ok(tokens) => Arguments::Given { preset: None, options: Vec::new(), tokens },
        Err(defect) => Arguments::Malformed(defect),
    };
    Call {
        tool: ToolName::new(tool).expect("a tool name"),
        target: Target::parse(target),
        arguments,
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("test").expect("a correlation id"),
        client: None,
    }
}
