//! What all connections share, and the loop that takes them in.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{net::UnixListener, sync::watch, task::JoinSet};

use crate::{
    admission::Admission, audit::AuditLog, complain::complain, rules::Rules, runs::Runs, session,
    shutdown::Phase,
};

/// Most connections that are looked at at all, however many users there are. Beyond it the kernel's
/// queue holds them.
const MAX_SESSIONS: usize = 1024;

/// How long runs may take to end once they are asked to, their last words to the client included.
const ENDING: Duration = Duration::from_secs(5);

/// The same, once they are killed.
const KILLING: Duration = Duration::from_secs(1);

/// The state of a broker.
pub(crate) struct Broker {
    pub rules: watch::Sender<Rc<Rules>>,
    pub audit: RefCell<AuditLog>,
    pub admission: Admission,
    pub runs: Runs,
    /// The uid that started it for itself, in embedded mode.
    pub owner: Option<u32>,
    pub started: Instant,
    /// How far its end has come.
    pub phases: watch::Receiver<Phase>,
}

impl Broker {
    /// Ends when the broker is told to stop: nothing new is to be begun.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + use<> {
        Phase::Draining.reached(&self.phases)
    }

    /// What calls are decided by from now on.
    pub(crate) fn rules(&self) -> Rc<Rules> {
        Rc::clone(&self.rules.borrow())
    }

    /// Tells of each change of them.
    pub(crate) fn rules_changes(&self) -> watch::Receiver<Rc<Rules>> {
        self.rules.subscribe()
    }

    /// Decides by other rules from now on. Runs that go on keep theirs.
    pub(crate) fn replace_rules(&self, rules: Rules) {
        self.rules.send_replace(Rc::new(rules));
    }

    /// Serves connections until it is told to stop, then waits for what runs as long as it may.
    pub(crate) async fn serve(self: Rc<Self>, listener: UnixListener) {
        let mut sessions = JoinSet::new();
        let stopping = self.stopping();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                () = &mut stopping => break,
                accepted = listener.accept(), if sessions.len() < MAX_SESSIONS => match accepted {
                    Ok((stream, _)) => {
                        sessions.spawn_local(session::serve(Rc::clone(&self), stream));
                    }
                    Err(error) => {
                        // Out of descriptors, most likely: connections that end free some.
                        complain!("a connection was not accepted: {error}");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = sessions.join_next() => {}
            }
        }
        drop(listener);
        let too_long = async {
            Phase::Ending.reached(&self.phases).await;
            tokio::select! {
                () = tokio::time::sleep(ENDING) => {}
                () = async {
                    Phase::Killing.reached(&self.phases).await;
                    tokio::time::sleep(KILLING).await;
                } => {}
            }
        };
        tokio::select! {
            () = async { while sessions.join_next().await.is_some() {} } => {}
            () = too_long => {}
        }
    }
}
