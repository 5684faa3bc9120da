//! What all connections share, and the loop that takes them in.

use std::{
    cell::RefCell,
    os::unix::fs::PermissionsExt as _,
    rc::Rc,
    time::{Duration, Instant},
};

use probity_policy::{Accounts, Policy, Tool};
use probity_protocol::Availability;
use tokio::{net::UnixListener, sync::watch, task::JoinSet};

use crate::{
    admission::Admission, audit::AuditLog, complain::complain, runs::Runs, sandbox::Sandbox,
    session,
};

/// Most connections that are looked at at all, however many users there are. Beyond it the kernel's
/// queue holds them.
const MAX_SESSIONS: usize = 1024;

/// How long runs may take to end once the broker stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The state of a broker.
pub(crate) struct Broker {
    pub policy: Policy,
    pub accounts: Accounts,
    pub sandbox: Sandbox,
    pub audit: RefCell<AuditLog>,
    pub admission: Admission,
    pub runs: Runs,
    /// The uid that started it for itself, in embedded mode.
    pub owner: Option<u32>,
    pub started: Instant,
    pub stop: watch::Receiver<bool>,
}

impl Broker {
    /// Ends when the broker is told to stop.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + use<> {
        let mut stop = self.stop.clone();
        async move {
            // An error means that the sender is gone, which is the end too.
            let _ = stop.wait_for(|stopping| *stopping).await;
        }
    }

    /// Whether a tool can run here and now.
    pub(crate) fn availability(&self, tool: &Tool) -> Availability {
        let command = tool.command();
        let executable = std::fs::metadata(command)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        if !executable {
            return Availability::Unavailable {
                reason: format!("{} is not installed on the broker's host.", command.display()),
                remedy: format!("Install the program {}.", command.display()),
            };
        }
        let facts = self.sandbox.facts();
        let needs = tool.sandbox().needs_net_raw()
            || (tool.sandbox().needs_net_raw_or_ping_sockets() && !facts.ping_sockets);
        if needs { self.capability(tool.name().as_str()) } else { Availability::Available }
    }

    /// Whether something that needs the capability can run.
    pub(crate) fn capability(&self, tool: &str) -> Availability {
        if self.sandbox.facts().net_raw {
            return Availability::Available;
        }
        Availability::Unavailable {
            reason: format!(
                "This use of {tool} needs CAP_NET_RAW, which this broker does not hold."
            ),
            remedy: "Use the installed broker (systemctl start probity-broker.socket), or let an \
                     administrator allow ICMP echo sockets: sysctl -w \
                     net.ipv4.ping_group_range=\"0 2147483647\"."
                .into(),
        }
    }

    /// Serves connections until it is told to stop, then lets what runs end.
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
        let all = async { while sessions.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_GRACE, all).await;
    }
}
