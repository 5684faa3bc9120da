//! The process that starts brokers for a frontend that can start nothing any more.
//!
//! It is this program again, executed before the frontend is confined, with what it is to start among its
//! arguments. From then on it reads one kind of byte, "again", and no more often than a broker ends; it
//! writes lines about its broker, and ends when the frontend does. It is not confined, so it is never to
//! read anything else: no path, no argument, no environment of a frontend that somebody took over.

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            ffi::{OsStrExt as _, OsStringExt as _},
            net::UnixStream,
        },
    },
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use tokio::{
    io::AsyncReadExt as _,
    net::unix::OwnedReadHalf,
    process::Child,
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, timeout},
};

use super::{END_DEADLINE, launch::Launch};

/// By this first argument the program is a starter. It is nobody's to write.
pub const ARGUMENT: &str = "--start-brokers";

/// What asks for another broker.
pub(super) const AGAIN: u8 = b'a';

/// Between two starts, whatever is asked for.
const PAUSE: Duration = Duration::from_millis(50);

/// Whom a broker is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// A frontend that stays who it is.
    Oneself,
    /// A frontend of root's that becomes nobody.
    Nobody,
    /// Somebody who wants to see what it is like; its log goes with it.
    ALook,
}

impl For {
    const ALL: [Self; 3] = [Self::Oneself, Self::Nobody, Self::ALook];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Oneself => "oneself",
            Self::Nobody => "nobody",
            Self::ALook => "a-look",
        }
    }
}

/// What a starter says, a line each.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A broker was started, and listens there; by this group, if not by its user.
    Started { socket: PathBuf, group: Option<u32> },
    /// It could not be started.
    Failed(String),
    /// It has ended.
    Ended(String),
}

impl Said {
    /// `None` for what no starter says.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let at = line.iter().position(|byte| *byte == b' ')?;
        let (word, rest) = (&line[..at], &line[at + 1..]);
        let text = || String::from_utf8_lossy(rest).into_owned();
        match word {
            b"started" => {
                let at = rest.iter().position(|byte| *byte == b' ')?;
                let group = std::str::from_utf8(&rest[..at]).ok()?.parse().ok();
                let socket = PathBuf::from(OsString::from_vec(rest[at + 1..].to_vec()));
                Some(Self::Started { socket, group })
            }
            b"failed" => Some(Self::Failed(text())),
            b"ended" => Some(Self::Ended(text())),
            _ => None,
        }
    }

    fn line(&self) -> Vec<u8> {
        let mut line = match self {
            Self::Started { socket, group } => {
                let group = group.map_or_else(|| "-".to_owned(), |group| group.to_string());
                let mut line = format!("started {group} ").into_bytes();
                line.extend_from_slice(socket.as_os_str().as_bytes());
                line
            }
            Self::Failed(why) => format!("failed {}", why.replace('\n', "; ")).into_bytes(),
            Self::Ended(status) => format!("ended {status}").into_bytes(),
        };
        line.push(b'\n');
        line
    }
}

/// The whole process, where this one was started as a starter.
#[must_use]
pub fn main_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    (arguments.next()? == ARGUMENT).then(|| match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

fn run(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let missing = || io::Error::from(io::ErrorKind::InvalidInput);
    let word = arguments.next().ok_or_else(missing)?;
    let whom = For::ALL.into_iter().find(|whom| word == whom.word()).ok_or_else(missing)?;
    let program = PathBuf::from(arguments.next().ok_or_else(missing)?);
    let policy = arguments.next().map(PathBuf::from);
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let prepared = match whom {
        For::Oneself => Launch::prepare(program, policy, false),
        For::Nobody => Launch::prepare(program, policy, true),
        For::ALook => Launch::prepare_to_look_at(program, policy),
    };
    let launch = match prepared {
        Ok(launch) => launch,
        Err(error) => return tell(&control, &Said::Failed(error.to_string())),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Starter::new(&launch, control)?.serve())
}

fn tell(mut control: &UnixStream, said: &Said) -> io::Result<()> {
    control.write_all(&said.line())
}

struct Starter<'a> {
    launch: &'a Launch,
    control: UnixStream,
    /// The broker that runs, and what ends it.
    running: Option<(Child, io::PipeWriter)>,
    started: Instant,
}

impl<'a> Starter<'a> {
    fn new(launch: &'a Launch, control: UnixStream) -> io::Result<Self> {
        Ok(Self { launch, control, running: None, started: Instant::now() })
    }

    async fn serve(mut self) -> io::Result<()> {
        // Whoever ends a whole group or service ends the frontend too, and this one after it: it has a
        // directory to remove.
        let mut ignored = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()]
            .map(signal)
            .into_iter()
            .collect::<io::Result<Vec<Signal>>>()?;
        // What is told blocks as long as a full socket's buffer takes: nobody fills that.
        let heard = self.control.try_clone()?;
        heard.set_nonblocking(true)?;
        let (mut heard, _write_half) = tokio::net::UnixStream::from_std(heard)?.into_split();
        self.start()?;
        self.launch.directory.sweep();
        loop {
            let [first, second, third] = ignored.as_mut_slice() else { return Ok(()) };
            tokio::select! {
                _ = first.recv() => {}
                _ = second.recv() => {}
                _ = third.recv() => {}
                status = end_of(&mut self.running) => {
                    self.running = None;
                    tell(&self.control, &Said::Ended(status))?;
                }
                again = next(&mut heard) => match again {
                    // RULE: What starts brokers takes no order but "again".
                    Some(AGAIN) if self.running.is_none() => {
                        tokio::time::sleep_until(self.started + PAUSE).await;
                        self.start()?;
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        }
        if let Some((mut broker, lifetime)) = self.running.take() {
            drop(lifetime);
            // Not killed where it takes longer: it still has runs to end, and will.
            let _ = timeout(END_DEADLINE, broker.wait()).await;
        }
        Ok(())
    }

    fn start(&mut self) -> io::Result<()> {
        self.started = Instant::now();
        let said = match self.launch.spawn() {
            Ok(running) => {
                self.running = Some(running);
                Said::Started { socket: self.launch.directory.socket(), group: self.launch.group }
            }
            Err(error) => Said::Failed(error.to_string()),
        };
        tell(&self.control, &said)
    }
}

/// How the broker that runs ends; never, where none does.
async fn end_of(running: &mut Option<(Child, io::PipeWriter)>) -> String {
    match running {
        Some((broker, _)) => match broker.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        },
        None => std::future::pending().await,
    }
}

/// The frontend's next byte; `None` where it has ended.
async fn next(heard: &mut OwnedReadHalf) -> Option<u8> {
    let mut byte = [0];
    match heard.read(&mut byte).await {
        Ok(1) => Some(byte[0]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_a_line_each() {
        for said in [
            Said::Started { socket: "/run/user/1000/a b/broker.sock".into(), group: None },
            Said::Started { socket: "/run/x".into(), group: Some(1 << 30) },
            Said::Failed("cannot prepare /x: no room".into()),
            Said::Ended("exit status: 78".into()),
        ] {
            let line = said.line();
            let (end, text) = line.split_last().unwrap();
            assert_eq!((*end, text.contains(&b'\n')), (b'\n', false));
            assert_eq!(Said::read(text), Some(said));
        }
        assert_eq!(Said::Failed("a\nb".into()).line(), b"failed a; b\n");
        for other in ["", "started", "started 5", "Started - /x", "again now"] {
            assert_eq!(Said::read(other.as_bytes()), None, "{other}");
        }
    }
}
