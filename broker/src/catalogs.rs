//! What each peer is granted, encoded once for all who are granted the same.
//!
//! A catalog of two thousand tools is megabytes, and a server that watches it keeps it for as long
//! as it runs. So there is one frame for each different grant under one policy, which sessions share
//! and never copy; a reload makes others.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::{Rc, Weak},
    time::{Duration, Instant, SystemTime},
};

use probity_policy::{CatalogKey, Policy, Subject, Tool, catalog};
use probity_protocol::{Availability, Reply, ToolName};

use crate::connection::framed;

/// Catalogs that are kept though nobody watches them: for commands, which ask once each.
const KEPT: usize = 4;

/// How long what was found of the tools' programs is believed. To look for thousands of them at every
/// request would cost more than the rest of it, and whether a program is there is looked at again
/// before it runs.
const BELIEVED: Duration = Duration::from_secs(1);

/// A whole frame, its length in front.
pub(crate) type Frame = Rc<[u8]>;

#[derive(Default)]
pub(crate) struct Catalogs(RefCell<Frames>);

#[derive(Default)]
struct Frames {
    /// Whether each tool of the policy can run, and when that was looked at.
    seen: Option<(Instant, HashMap<ToolName, Availability>)>,
    frames: HashMap<CatalogKey, Weak<[u8]>>,
    kept: VecDeque<Frame>,
}

impl Catalogs {
    /// The frame with a subject's catalog; `None` where it is larger than a frame may be. `look` says
    /// whether a tool can run.
    pub(crate) fn frame(
        &self,
        policy: &Policy,
        subject: &Subject,
        look: impl Fn(&Tool) -> Availability,
    ) -> Option<Frame> {
        let state = &mut *self.0.borrow_mut();
        state.look_again(policy, look);
        let key = CatalogKey::of(policy, subject, SystemTime::now());
        if let Some(frame) = state.frames.get(&key).and_then(Weak::upgrade) {
            return Some(frame);
        }
        let seen = state.seen.as_ref().map(|(_, seen)| seen);
        let catalog = catalog(policy, subject, SystemTime::now(), |tool| {
            let found = seen.and_then(|seen| seen.get(tool.name()));
            found.cloned().unwrap_or(Availability::Available)
        });
        let frame: Frame = framed(&Reply::Catalog(catalog))?.into();
        // Those of whoever is gone would only grow in number.
        state.frames.retain(|_, frame| frame.strong_count() > 0);
        state.frames.insert(key, Rc::downgrade(&frame));
        state.kept.push_back(Rc::clone(&frame));
        if state.kept.len() > KEPT {
            state.kept.pop_front();
        }
        Some(frame)
    }
}

impl Frames {
    fn look_again(&mut self, policy: &Policy, look: impl Fn(&Tool) -> Availability) {
        if self.seen.as_ref().is_some_and(|(at, _)| at.elapsed() < BELIEVED) {
            return;
        }
        let each = policy.tools().iter().map(|tool| (tool.name().clone(), look(tool)));
        let now: HashMap<_, _> = each.collect();
        if self.seen.as_ref().is_none_or(|(_, before)| *before != now) {
            self.frames.clear();
            self.kept.clear();
        }
        self.seen = Some((Instant::now(), now));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use probity_policy::{Accounts, Origin, Source, load, validate};
    use probity_protocol::Tier;

    use super::*;

    fn policy() -> Policy {
        let mut sources = load(&Origin::Shipped).unwrap();
        let more =
            "[[grant]]\nuser = 7\ntools = [\"*\"]\n[[grant]]\nuser = 8\ntools = [\"ping\"]\n";
        sources.policy = Source::new("policy.toml", format!("{}\n{more}", sources.policy.text()));
        validate(&sources, &Accounts::default()).unwrap()
    }

    fn user(uid: u32, owner: bool) -> Subject {
        Subject { uid, gids: vec![uid], owner, most: Tier::Intrusive }
    }

    #[test]
    fn who_is_granted_the_same_is_sent_the_same_frame_and_others_another() {
        let (policy, catalogs) = (policy(), Catalogs::default());
        let frame = |subject: &Subject| {
            catalogs.frame(&policy, subject, |_| Availability::Available).unwrap()
        };
        // By different grants, but the same ones.
        let (owner, user_7) = (frame(&user(1000, true)), frame(&user(7, false)));
        assert!(Rc::ptr_eq(&owner, &user_7));
        let user_8 = frame(&user(8, false));
        assert_ne!(owner, user_8);
        let body = user_8.get(4..).unwrap();
        assert_eq!(
            user_8.len() - 4,
            usize::try_from(u32::from_be_bytes(user_8[..4].try_into().unwrap())).unwrap()
        );
        match probity_protocol::decode(body).unwrap() {
            Reply::Catalog(catalog) => assert_eq!(catalog.tools.len(), 1),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_frame_that_nobody_has_goes_and_only_a_few_are_kept_for_the_next() {
        let (policy, catalogs) = (policy(), Catalogs::default());
        let frame = |uid| {
            let frame = catalogs.frame(&policy, &user(uid, false), |_| Availability::Available);
            Rc::downgrade(&frame.unwrap())
        };
        let first = frame(7);
        assert!(first.upgrade().is_some());
        // Who is granted nothing has a frame, too.
        assert!(frame(8).upgrade().is_some() && frame(9).upgrade().is_some());
        assert!(catalogs.0.borrow().kept.len() <= KEPT);
        let mut state = catalogs.0.borrow_mut();
        state.kept.clear();
        drop(state);
        assert!(first.upgrade().is_none());
    }

    #[test]
    fn programs_are_looked_for_once_for_many_requests_and_what_changed_is_told() {
        let (policy, catalogs) = (policy(), Catalogs::default());
        let looks = Cell::new(0);
        let frame = |availability: &Availability| {
            let look = |_: &Tool| {
                looks.set(looks.get() + 1);
                availability.clone()
            };
            catalogs.frame(&policy, &user(7, false), look).unwrap()
        };
        let before = frame(&Availability::Available);
        for _ in 0..100 {
            frame(&Availability::Available);
        }
        assert_eq!(looks.get(), policy.tools().len());
        // As if it were long ago.
        let seen = catalogs.0.borrow_mut().seen.take();
        catalogs.0.borrow_mut().seen = seen.map(|(at, found)| (at - BELIEVED, found));
        let gone = Availability::Unavailable { reason: "gone".into(), remedy: "none".into() };
        assert_ne!(frame(&gone), before);
    }
}
