//! Starts a server's own broker again when it has ended, ever less often while it does not last.

use std::{
    convert::Infallible,
    future::pending,
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::sleep,
};

use super::{
    EmbeddedBroker,
    starter::{AGAIN, Said},
};

const GONE: &str = "the process that starts brokers has ended: start this server again";

/// Before the first attempt, doubled each time, up to the most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One that lived so long ended of something else than its start.
const LASTED: Duration = Duration::from_secs(10);

/// Keeps a server's broker running, where it has one of its own.
pub async fn kept(embedded: &mut Option<EmbeddedBroker>) -> Infallible {
    match embedded {
        Some(embedded) => embedded.keep().await,
        None => pending().await,
    }
}

impl EmbeddedBroker {
    /// Keeps a broker running for as long as this is polled.
    pub async fn keep(&mut self) -> Infallible {
        let mut pause = FIRST_PAUSE;
        let mut starter = match self.control.try_clone().and_then(Starter::new) {
            Ok(starter) => starter,
            Err(error) => return lost(&error.to_string()).await,
        };
        loop {
            match starter.hear().await {
                Some(Said::Ended(status)) => tracing::warn!(status, "broker.ended"),
                Some(_) => continue,
                None => return lost(GONE).await,
            }
            if self.started.elapsed() > LASTED {
                pause = FIRST_PAUSE;
            }
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                let error = match starter.ask().await {
                    Some(Said::Started { .. }) => break tracing::info!("broker.started"),
                    Some(Said::Failed(error)) => error,
                    Some(Said::Ended(status)) => status,
                    None => return lost(GONE).await,
                };
                tracing::error!(error, "broker.start_failed");
            }
            self.started = Instant::now();
        }
    }
}

/// Nothing starts a broker any more; what is left still answers.
async fn lost(error: &str) -> Infallible {
    tracing::error!(error, "broker.start_failed");
    pending().await
}

/// The process that starts brokers, as it is heard while a server serves.
struct Starter {
    said: Lines<BufReader<OwnedReadHalf>>,
    ask: OwnedWriteHalf,
}

impl Starter {
    fn new(control: std::os::unix::net::UnixStream) -> io::Result<Self> {
        control.set_nonblocking(true)?;
        let (said, ask) = UnixStream::from_std(control)?.into_split();
        Ok(Self { said: BufReader::new(said).lines(), ask })
    }

    async fn hear(&mut self) -> Option<Said> {
        Said::read(self.said.next_line().await.ok()??.as_bytes())
    }

    /// Asks for another broker.
    async fn ask(&mut self) -> Option<Said> {
        self.ask.write_all(&[AGAIN]).await.ok()?;
        self.hear().await
    }
}
