//! How a broker ends: in steps, of which each is further than the one before and none is taken back.
//!
//! A first SIGTERM or SIGINT lets runs finish for a grace period, a second one does not. Where
//! whoever the broker works for is gone, which the end of a pipe tells, nobody waits for a run. And
//! where that is its frontend, nobody reads what a tool would still write.

use std::{io, time::Duration};

use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::sleep,
};

/// Between TERM and KILL where the frontend is gone: time for a tool to clean up, and less than the
/// frontend takes before it removes the run's folder.
const FAREWELL: Duration = Duration::from_millis(500);

/// How far the broker's end has come. The order is that of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Connections are taken in.
    Serving,
    /// Nothing new is begun; what runs may finish.
    Draining,
    /// Runs are asked to end: TERM, and KILL for those that do not.
    Ending,
    /// Runs are killed now.
    Killing,
}

impl Phase {
    /// Waits until the broker has come further than `seen`, and says how far.
    pub(crate) async fn after(phases: &mut watch::Receiver<Self>, seen: Self) -> Self {
        // Without a sender nobody conducts the end any more, so it is here.
        phases.wait_for(|phase| *phase > seen).await.map_or(Self::Killing, |phase| *phase)
    }

    /// Ends when the broker has come as far as `self`.
    pub(crate) fn reached(
        self,
        phases: &watch::Receiver<Self>,
    ) -> impl Future<Output = ()> + use<> {
        let mut phases = phases.clone();
        async move {
            // An error means that the sender is gone, which is the end too.
            let _ = phases.wait_for(|phase| *phase >= self).await;
        }
    }
}

/// What makes a broker stop.
pub(crate) struct Causes {
    terminate: Signal,
    interrupt: Signal,
    /// Pipes that end with whoever the broker works for: its frontend, its supervisor.
    pipes: [Option<pipe::Receiver>; 2],
}

impl Causes {
    /// Listens from here on.
    ///
    /// # Errors
    /// Those of `sigaction(2)`.
    pub(crate) fn listen(pipes: [Option<pipe::Receiver>; 2]) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            pipes,
        })
    }

    /// Leads the broker through its end, with `grace` for what runs. `stopping` is told first.
    pub(crate) async fn conduct(
        mut self,
        phases: watch::Sender<Phase>,
        grace: Duration,
        stopping: impl FnOnce(),
    ) {
        let mut pipes = std::mem::take(&mut self.pipes);
        // Nobody listens any more only when serving is over already.
        let enter = |phase| phases.send_replace(phase);
        let asked = tokio::select! {
            () = self.signalled() => true,
            () = alone(&mut pipes) => false,
        };
        stopping();
        if asked && !grace.is_zero() {
            enter(Phase::Draining);
            tokio::select! {
                () = sleep(grace) => {}
                () = alone(&mut pipes) => {}
                () = self.signalled() => {
                    enter(Phase::Killing);
                    return phases.closed().await;
                }
            }
        }
        enter(Phase::Ending);
        let [frontend, _] = &mut pipes;
        tokio::select! {
            () = self.signalled() => {}
            () = async {
                ended(frontend).await;
                sleep(FAREWELL).await;
            } => {}
        }
        enter(Phase::Killing);
        // A sender that goes would be the end of those who have not looked yet.
        phases.closed().await;
    }

    async fn signalled(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for the end of either pipe.
async fn alone(pipes: &mut [Option<pipe::Receiver>; 2]) {
    let [frontend, supervisor] = pipes;
    tokio::select! {
        () = ended(frontend) => {}
        () = ended(supervisor) => {}
    }
}

/// Waits for the end of a pipe. One that has ended stays so, however often it is asked.
async fn ended(pipe: &mut Option<pipe::Receiver>) {
    match pipe {
        None => std::future::pending().await,
        Some(pipe) => {
            let mut byte = [0; 1];
            while matches!(pipe.read(&mut byte).await, Ok(read) if read > 0) {}
        }
    }
}
