//! SIGHUP: the log is opened anew where it was moved, and the policy is read anew. SIGUSR1: the log
//! alone, so that rotation never puts in force what an administrator is still writing.
//!
//! All of it is read, validated and compiled before anything changes, and then swapped at once. What
//! cannot be read, has a defect or cannot be recorded changes nothing: the old policy works on. Runs
//! that go on end under the policy that approved them.

use std::{io, path::PathBuf, rc::Rc, time::Instant};

use probity_policy::{LoadError, Origin};
use probity_protocol::Digest;
use tokio::signal::unix::Signal;

use crate::{
    audit::{AuditError, Reloaded},
    broker::Broker,
    complain::complain,
    notify::Notifier,
    rules::{LoadedPolicy, Rules, RulesError, SandboxContext},
};

/// What a reload needs of the start.
pub(crate) struct Reload {
    pub origin: Origin,
    pub context: SandboxContext,
    /// Where the log is, if that is the policy's word and not the command line's.
    pub audit_path: Option<PathBuf>,
    pub notifier: Rc<Notifier>,
}

/// Why the policy stays as it is.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// A privilege is not lent to what somebody else wrote.
    #[error(
        "the policy is no longer root's alone, and this broker holds CAP_NET_RAW, which it lends to \
         root's policy only: chown its files and folders to root, or restart the broker"
    )]
    NotOwnedByRoot(Digest),
    /// The shipped tools would come in, which nobody asked for.
    #[error(
        "the folder tools.d is gone: put it back, or restart the broker to have the shipped tools"
    )]
    ToolsGone,
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// What it is told by.
pub(crate) struct ReloadSignals {
    /// Policy and log.
    pub reload: Signal,
    /// The log alone.
    pub rotate: Signal,
}

impl Reload {
    /// Reloads at each signal, until the broker stops: there is nobody then to decide for, and systemd
    /// would be told that it serves again. Signals that come while it loads are one more.
    pub(crate) async fn at_each(self, mut signals: ReloadSignals, broker: Rc<Broker>) {
        let stopping = broker.stopping();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                signal = signals.reload.recv() => {
                    if signal.is_none() { return }
                    self.once(&broker);
                }
                signal = signals.rotate.recv() => {
                    if signal.is_none() { return }
                    reopen_log(&broker);
                }
            }
            // Whoever sends signals in a loop does not keep the sessions from their turn.
            tokio::task::yield_now().await;
        }
    }

    fn once(&self, broker: &Broker) {
        self.notifier.reloading();
        reopen_log(broker);
        let old = broker.rules();
        let applied = self.apply(broker, &old);
        broker.reload_refused.replace(applied.is_err().then(Instant::now));
        match applied {
            Ok(new) => {
                complain!("the policy was reloaded: {new}");
                self.notifier.ready(&format!("The policy was reloaded: {new}"));
            }
            Err(error) => {
                let reason = format!("{error}{}", error.hint().unwrap_or_default());
                // A line each, since a longer one is cut.
                for line in reason.lines() {
                    complain!("{line}");
                }
                let works_on =
                    format!("the policy was not reloaded: {} works on", old.policy.digest());
                complain!("{works_on}");
                let refused = Reloaded::Refused { to: error.digest(), reason: &reason };
                let recorded = broker.audit.borrow_mut().reload(old.policy.digest(), &refused);
                if let Err(error) = recorded {
                    complain!("{error}");
                }
                self.notifier.ready(&works_on);
            }
        }
    }

    fn apply(&self, broker: &Broker, old: &Rules) -> Result<Digest, ReloadError> {
        let loaded = LoadedPolicy::read(&self.origin)?;
        loaded.report(self.origin == Origin::Shipped);
        if old.sandbox.facts().net_raw && !loaded.belongs_to_root {
            return Err(ReloadError::NotOwnedByRoot(loaded.policy.digest()));
        }
        if loaded.has_shipped_tools && !old.has_shipped_tools {
            return Err(ReloadError::ToolsGone);
        }
        let new = loaded.compile(&self.context)?;
        let needs_restart = self.needs_restart(&new);
        let (from, to) = (old.policy.digest(), new.policy.digest());
        let applied = Reloaded::Applied { to, needs_restart: &needs_restart };
        broker.audit.borrow_mut().reload(from, &applied)?;
        // RULE: A reload is whole or does not happen.
        broker.replace_rules(new);
        Ok(to)
    }

    /// What the new policy says and this process cannot do any more.
    fn needs_restart(&self, new: &Rules) -> Vec<&'static str> {
        let asked = new.policy.audit_path();
        match &self.audit_path {
            Some(started) if started != asked => {
                complain!(
                    "[audit] path = {asked:?} needs a restart: until then the log goes on in {}",
                    started.display()
                );
                vec!["audit.path"]
            }
            Some(_) | None => Vec::new(),
        }
    }
}

fn reopen_log(broker: &Broker) {
    if let Err(error) = broker.audit.borrow_mut().reopen() {
        complain!(
            "{error}: the log goes on in the file it had; mend that and send the signal again"
        );
    }
}

impl ReloadError {
    /// What has changed since the start, where the same files could be read.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Rules(RulesError::Load(LoadError::Io { error, .. }))
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                let uid = nix::unistd::geteuid();
                Some(format!(" (it is read by uid {uid} now: let that user read it)"))
            }
            _ => None,
        }
    }

    /// The digest of what was not taken. What has defects has no meaning to make one of.
    fn digest(&self) -> Option<Digest> {
        match self {
            Self::NotOwnedByRoot(digest) => Some(*digest),
            Self::Rules(_) | Self::ToolsGone | Self::Audit(_) => None,
        }
    }
}
