//! The frontend's side of the broker's socket: one connection for each request.
//!
//! It relays questions and answers and decides nothing. A run is cancelled in one of two ways: by
//! dropping its future, which closes its connection, or by the token that its listener is given,
//! after which the result still comes, with what the tool had written. Either way the broker ends
//! whatever it started for it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use probity_protocol::{
    Call, Catalog, Digest, Exited, FrameError, Hello, Interrupt, MAX_REPLY_FRAME,
    MAX_REQUEST_FRAME, PROTOCOL_VERSION, Reply, Request, StatusReport, Stream, Tier, Verdict,
    Welcome, decode, encode,
};
use prometheus::Histogram;
use tokio::{
    io::AsyncWriteExt,
    net::UnixStream,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{
    codec::{Encoder, FramedRead, LengthDelimitedCodec},
    sync::CancellationToken,
};

pub use super::answers::{Begun, BrokerError, OnEvent, Output, RunEvent, RunOutcome};

/// How long the broker may take to answer what needs no run. It decides in microseconds; this is
/// for a machine that is badly overloaded.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How much longer than its time limit a run may stay unfinished before the broker counts as lost.
const END_GRACE: Duration = Duration::from_secs(30);

/// Verdicts that are asked for at once. The broker decides one after another, so a few keep it busy;
/// more would only take up connections, of which each user has so many, and runs need theirs.
const VERDICTS_AT_ONCE: usize = 16;

/// A broker that is away is asked again after this time, doubled each time, up to the most.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// The same of a run that was cancelled: the broker gives the tool two seconds, and the rest is for
/// a machine that is overloaded.
const CANCEL_GRACE: Duration = Duration::from_secs(10);

/// A broker, by its address.
#[derive(Debug, Clone)]
pub struct Broker {
    socket: PathBuf,
    embedded: bool,
    tier: Option<Tier>,
    /// How long one that is away is waited for.
    patience: Duration,
    /// Told whenever it has answered.
    answered: Arc<Notify>,
    /// Turns to ask for a verdict, first come first served.
    turns: Arc<Semaphore>,
    /// Where the time to its welcome is noted.
    round_trips: Option<Histogram>,
}

/// Whether the installed broker grants something to root, as which this process asks: then an
/// administrator has named root, and it is to stay that.
pub async fn grants_root(socket: &Path) -> bool {
    /// How long the broker may take to say so.
    const PATIENCE: Duration = Duration::from_secs(1);
    let broker = Broker::at(socket, false).at_most(Some(Tier::Standard));
    let asked = tokio::time::timeout(PATIENCE, broker.catalog()).await;
    matches!(asked, Ok(Ok(catalog)) if !catalog.tools.is_empty())
}

impl Broker {
    /// The broker that listens at `socket`; `embedded` where it is this process's own.
    #[must_use]
    pub fn at(socket: &Path, embedded: bool) -> Self {
        let socket = socket.to_owned();
        Self {
            socket,
            embedded,
            tier: None,
            patience: Duration::ZERO,
            answered: Arc::default(),
            turns: Arc::new(Semaphore::new(VERDICTS_AT_ONCE)),
            round_trips: None,
        }
    }

    /// The same broker, waited for so long where it is away: one that was there may just be starting
    /// again.
    #[must_use]
    pub fn waited_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same broker, with the time to each of its welcomes noted.
    #[must_use]
    pub fn timed(self, round_trips: Histogram) -> Self {
        Self { round_trips: Some(round_trips), ..self }
    }

    /// Waits until it has answered, or returns at once if it has since this was last asked. For one
    /// listener.
    pub async fn answers(&self) {
        self.answered.notified().await;
    }

    /// The same broker, asked to show no more than `tier` in its catalogs.
    #[must_use]
    pub fn at_most(self, tier: Option<Tier>) -> Self {
        Self { tier, ..self }
    }

    /// What this process's user is granted.
    ///
    /// # Errors
    /// Any [`BrokerError`] but `Lost`.
    pub async fn catalog(&self) -> Result<Catalog, BrokerError> {
        let mut connection = self.ask(&Request::Catalog { watch: false, tier: self.tier }).await?;
        match connection.answer().await? {
            Reply::Catalog(catalog) => Ok(catalog),
            _ => Err(BrokerError::Unexpected("a catalog")),
        }
    }

    /// The same, and again whenever it changes.
    ///
    /// # Errors
    /// Any [`BrokerError`] but `Lost`.
    pub async fn watch_catalog(&self) -> Result<(Catalog, CatalogWatch), BrokerError> {
        let request = Request::Catalog { watch: true, tier: self.tier };
        // Not by its answer to the one who waits for answers.
        let mut connection = self.ask_until(Instant::now() + self.patience, &request).await?;
        match connection.answer().await? {
            Reply::Catalog(catalog) => Ok((catalog, CatalogWatch(connection))),
            _ => Err(BrokerError::Unexpected("a catalog")),
        }
    }

    /// What would happen to a call.
    ///
    /// # Errors
    /// Any [`BrokerError`] but `Lost`.
    pub async fn check(&self, call: Call) -> Result<Verdict, BrokerError> {
        Ok(self.check_by(call).await?.1)
    }

    /// The same, with the policy that it was decided by.
    ///
    /// # Errors
    /// Any [`BrokerError`] but `Lost`.
    pub async fn check_by(&self, call: Call) -> Result<(Digest, Verdict), BrokerError> {
        let mut connection = self.ask(&Request::Check(call)).await?;
        match connection.answer().await? {
            Reply::Verdict(verdict) => Ok((connection.welcome.policy_digest, verdict)),
            Reply::Failed(failure) => Err(BrokerError::Undecided(failure)),
            _ => Err(BrokerError::Unexpected("a verdict")),
        }
    }

    /// What is going on in it, and what it says of itself.
    ///
    /// # Errors
    /// Any [`BrokerError`] but `Lost`.
    pub async fn status(&self) -> Result<(Welcome, StatusReport), BrokerError> {
        let mut connection = self.ask(&Request::Status).await?;
        match connection.answer().await? {
            Reply::Status(status) => Ok((connection.welcome, status)),
            _ => Err(BrokerError::Unexpected("its status")),
        }
    }

    /// Runs a call to its end, telling `on_event` how it goes.
    ///
    /// # Errors
    /// Any [`BrokerError`].
    pub async fn run(&self, call: Call, on_event: OnEvent<'_>) -> Result<RunOutcome, BrokerError> {
        let request = Request::Run(call);
        match self.run_once(&request, &mut *on_event).await {
            // It waited in the line of a broker that stops, which says that it will not run. The next
            // broker may take it; a second refusal is the answer.
            Err(error) if error.is_stopping() && !self.patience.is_zero() => {
                self.run_once(&request, on_event).await
            }
            outcome => outcome,
        }
    }

    async fn run_once(
        &self,
        request: &Request,
        on_event: OnEvent<'_>,
    ) -> Result<RunOutcome, BrokerError> {
        let mut connection = self.ask(request).await?;
        let mut answer = connection.answer().await?;
        let started = loop {
            match answer {
                Reply::AwaitsApproval(awaiting) => {
                    on_event(RunEvent::AwaitsApproval(&awaiting));
                }
                Reply::Queued(place) => on_event(RunEvent::Queued(place)),
                other => break other,
            }
            answer = next(&mut connection.frames).await?;
        };
        let started = match started {
            Reply::Started(started) => started,
            Reply::NotApproved(why) => return Ok(RunOutcome::NotApproved(why)),
            Reply::Denied(denial) => return Ok(RunOutcome::Denied(denial)),
            Reply::Busy(busy) => return Ok(RunOutcome::Busy(busy)),
            Reply::Failed(failure) => return Ok(RunOutcome::Failed(failure)),
            _ => return Err(BrokerError::Unexpected("the start of a run")),
        };
        let cancel = CancellationToken::new();
        on_event(RunEvent::Started(Begun { plan: &started.plan, cancel: &cancel }));
        let mut output = Output { started, stdout: Vec::new(), stderr: Vec::new() };
        match follow(&mut connection, &mut output, &cancel, on_event).await {
            Some(exited) => Ok(RunOutcome::Finished(Box::new((output, exited)))),
            None => Err(BrokerError::Lost(Box::new(output))),
        }
    }

    /// Asks, and asks again while the broker is away. What was welcomed may have been taken, and is
    /// never sent twice.
    async fn ask(&self, request: &Request) -> Result<Connection, BrokerError> {
        let connection = self.ask_until(Instant::now() + self.patience, request).await?;
        self.answered.notify_one();
        Ok(connection)
    }

    async fn ask_until(
        &self,
        give_up: Instant,
        request: &Request,
    ) -> Result<Connection, BrokerError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let turn = self.turn(request).await?;
            let asked_at = Instant::now();
            let error = match self.ask_once(request).await {
                Ok(mut connection) => {
                    connection.turn = turn;
                    if let Some(round_trips) = &self.round_trips {
                        round_trips.observe(asked_at.elapsed().as_secs_f64());
                    }
                    return Ok(connection);
                }
                Err(error) => error,
            };
            drop(turn);
            // Those that wait together are not to come back together.
            let jittered = pause.mul_f64(0.5 + fastrand::f64());
            if !error.is_passing() || Instant::now() + jittered > give_up {
                return Err(error);
            }
            sleep(jittered).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits for a turn where one is needed. Runs have had theirs.
    async fn turn(&self, request: &Request) -> Result<Option<OwnedSemaphorePermit>, BrokerError> {
        if !matches!(request, Request::Check(_)) {
            return Ok(None);
        }
        let turn = timeout(ANSWER_DEADLINE, Arc::clone(&self.turns).acquire_owned()).await;
        Ok(turn.map_err(|_| BrokerError::Stalled)?.ok())
    }

    /// Connects, says hello and asks in one write, and waits for the welcome.
    async fn ask_once(&self, request: &Request) -> Result<Connection, BrokerError> {
        let mut frames = BytesMut::new();
        let mut codec = framing(MAX_REQUEST_FRAME);
        for body in [encode(&Hello::default()), encode(request)] {
            codec
                .encode(Bytes::from(body), &mut frames)
                .map_err(|_| BrokerError::RequestTooLarge)?;
        }
        let connected = timeout(ANSWER_DEADLINE, connect(&self.socket)).await;
        let mut stream = connected
            .map_err(|_| BrokerError::Stalled)?
            .map_err(|source| self.cannot_connect(source))?;
        // A broker that refuses at once may close before it has read everything. Its reason then
        // still waits to be read, so a failed write is no reason to stop.
        let _ = timeout(ANSWER_DEADLINE, stream.write_all(&frames)).await;
        Connection::open(stream).await
    }

    fn cannot_connect(&self, source: io::Error) -> BrokerError {
        let socket = self.socket.clone();
        match source.kind() {
            io::ErrorKind::PermissionDenied => BrokerError::NotPermitted { socket },
            _ if is_out_of_descriptors(&source) => BrokerError::NoDescriptor(source),
            _ => BrokerError::Unreachable { socket, source, embedded: self.embedded },
        }
    }
}

/// Hears of each new catalog, over a connection that stays open.
pub struct CatalogWatch(Connection);

impl CatalogWatch {
    /// Waits for the next catalog.
    ///
    /// # Errors
    /// Any [`BrokerError`] but `Lost`: the broker has ended, or makes no sense.
    pub async fn next(&mut self) -> Result<Catalog, BrokerError> {
        match next(&mut self.0.frames).await? {
            Reply::Catalog(catalog) => Ok(catalog),
            _ => Err(BrokerError::Unexpected("a catalog")),
        }
    }
}

/// An open connection that has been welcomed.
struct Connection {
    frames: FramedRead<UnixStream, LengthDelimitedCodec>,
    welcome: Welcome,
    /// Given back with the connection.
    turn: Option<OwnedSemaphorePermit>,
}

impl Connection {
    async fn open(stream: UnixStream) -> Result<Self, BrokerError> {
        let mut frames = FramedRead::new(stream, framing(MAX_REPLY_FRAME));
        match within_deadline(&mut frames).await? {
            Reply::Welcome(welcome) if welcome.protocol == PROTOCOL_VERSION => {
                Ok(Self { frames, welcome, turn: None })
            }
            Reply::Welcome(welcome) => Err(FrameError::Version(welcome.protocol).into()),
            _ => Err(BrokerError::Unexpected("a welcome")),
        }
    }

    async fn answer(&mut self) -> Result<Reply, BrokerError> {
        within_deadline(&mut self.frames).await
    }

    /// Asks for the run's end. Where that cannot be said any more, reading tells the same.
    async fn cancel(&mut self) {
        let mut frame = BytesMut::new();
        let body = Bytes::from(encode(&Interrupt::Cancel));
        if framing(MAX_REQUEST_FRAME).encode(body, &mut frame).is_ok() {
            let _ = timeout(CANCEL_GRACE, self.frames.get_mut().write_all(&frame)).await;
        }
    }
}

/// Connects. Where so many want to that the socket's queue is full, the broker is busy and not away:
/// this call stands in the kernel's own line then, where each of those who wait has a turn.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let mut connected = UnixStream::connect(socket).await;
    while let Err(error) = &connected
        && error.kind() == io::ErrorKind::WouldBlock
    {
        let socket = socket.to_owned();
        let waited = tokio::task::spawn_blocking(move || wait_at_the_door(&socket)).await;
        connected = waited.map_err(io::Error::other).flatten().and_then(UnixStream::from_std);
    }
    connected
}

/// Connects, waiting for room. The wait is short, and begun again: nobody can end it from outside.
fn wait_at_the_door(socket: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
    const PATIENCE: Duration = Duration::from_millis(250);
    let flags = SocketFlags::CLOEXEC;
    let waiting = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // How long `connect` waits, too.
    sockopt::set_socket_timeout(&waiting, sockopt::Timeout::Send, Some(PATIENCE))?;
    rustix::net::connect(&waiting, &SocketAddrUnix::new(socket)?)?;
    sockopt::set_socket_timeout(&waiting, sockopt::Timeout::Send, None)?;
    let connected = std::os::unix::net::UnixStream::from(waiting);
    connected.set_nonblocking(true)?;
    Ok(connected)
}

/// Of this process's own, or of the whole system.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let full = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    full.contains(&error.raw_os_error())
}

/// Takes output until the run's end, which `cancel` brings about; `None` where the connection ends
/// first, stops making sense, or stays silent for too long.
async fn follow(
    connection: &mut Connection,
    output: &mut Output,
    cancel: &CancellationToken,
    on_event: OnEvent<'_>,
) -> Option<Exited> {
    let limit = output.started.plan.timeout.saturating_add(END_GRACE);
    // A limit beyond what the clock holds is as good as none.
    let far = || Instant::now() + Duration::from_secs(7 * 24 * 60 * 60);
    let mut deadline = Instant::now().checked_add(limit).unwrap_or_else(far);
    let mut cancelled = false;
    loop {
        let reply = tokio::select! {
            biased;
            () = cancel.cancelled(), if !cancelled => {
                cancelled = true;
                deadline = deadline.min(Instant::now() + CANCEL_GRACE);
                connection.cancel().await;
                continue;
            }
            reply = next(&mut connection.frames) => reply.ok()?,
            () = sleep_until(deadline) => return None,
        };
        match reply {
            Reply::Output { stream, bytes } => {
                let plan = &output.started.plan;
                let (kept, limit) = match stream {
                    Stream::Stdout => (&mut output.stdout, plan.stdout_bytes),
                    Stream::Stderr => (&mut output.stderr, plan.stderr_bytes),
                };
                // The broker has cut it already; this only keeps a faulty one from filling memory.
                let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(kept.len());
                let bytes = &bytes[..bytes.len().min(room)];
                kept.extend_from_slice(bytes);
                on_event(RunEvent::Output(stream, bytes));
            }
            Reply::Exited(exited) => return Some(exited),
            _ => return None,
        }
    }
}

async fn within_deadline(
    frames: &mut FramedRead<UnixStream, LengthDelimitedCodec>,
) -> Result<Reply, BrokerError> {
    timeout(ANSWER_DEADLINE, next(frames)).await.unwrap_or(Err(BrokerError::Stalled))
}

/// The next message, refusals being errors wherever they come.
async fn next(
    frames: &mut FramedRead<UnixStream, LengthDelimitedCodec>,
) -> Result<Reply, BrokerError> {
    match frames.next().await {
        Some(Ok(body)) => match decode(&body)? {
            Reply::Refused(refusal) => Err(BrokerError::Refused(refusal)),
            reply => Ok(reply),
        },
        // Larger than any message: not a broker.
        Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            Err(BrokerError::Frame(FrameError::Malformed))
        }
        Some(Err(_)) | None => Err(BrokerError::NoAnswer),
    }
}

fn framing(largest: usize) -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(largest).new_codec()
}
