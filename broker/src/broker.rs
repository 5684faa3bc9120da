//! What all connections share.

use std::{cell::RefCell, rc::Rc, time::Instant};

use tokio::sync::watch;

use crate::{
    admission::Admission, approvals::Approvals, audit::AuditLog, rules::Rules, runs::Runs,
    shutdown::Phase, slices::Slices,
};

/// The state of a broker.
pub(crate) struct Broker {
    pub rules: watch::Sender<Rc<Rules>>,
    pub audit: RefCell<AuditLog>,
    pub admission: Admission,
    pub approvals: Approvals,
    pub slices: Slices,
    pub runs: Runs,
    /// The uid that started it for itself, in embedded mode.
    pub owner: Option<u32>,
    pub started: Instant,
    /// When a reload was refused, where none has been applied since.
    pub reload_refused: RefCell<Option<Instant>>,
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
}
