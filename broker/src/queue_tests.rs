//! The line against a model of it: a list of who waits, a list of whose turn was when, and nothing
//! that is clever.

use std::time::Duration;

use futures_util::FutureExt as _;
use probity_policy::Ceilings;
use probity_protocol::{Busy, Queued};
use proptest::prelude::*;

use super::*;
use crate::admission::{Admission, Admitted};

const USERS: u32 = 4;
const TOOLS: [&str; 3] = ["ping", "nmap", "dig"];

/// What a policy says of the line.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Of the grant that each of two users has, and nobody else.
    grant: u32,
    tool: u32,
    user: u32,
    all: u32,
    queue: u32,
}

impl Limits {
    /// One run at once, and a line without an end.
    const ONE: Self = Self { grant: 9, tool: 1, user: 1, all: 1, queue: 10_000 };

    fn ceilings(self) -> Ceilings {
        Ceilings {
            concurrency: self.all,
            concurrency_per_user: self.user,
            queue: self.queue,
            ..Ceilings::default()
        }
    }

    fn wanted(self, uid: u32, tool: usize) -> Wanted {
        let grant = shares_a_grant(uid).then(|| ("policy.toml:7".to_owned(), self.grant));
        Wanted::new(uid, TOOLS[tool], self.tool, &self.ceilings()).by_grant(grant)
    }
}

fn shares_a_grant(uid: u32) -> bool {
    uid < 2
}

/// A run that was asked for. Its number is the order of its coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    number: usize,
    uid: u32,
    tool: usize,
}

/// What is to become of one who asks.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Runs,
    Waits,
    TurnedAway,
}

/// What the line promises.
#[derive(Default)]
struct Model {
    waiting: Vec<(Asked, Limits)>,
    /// Those with a place, whether they know it already or not.
    placed: Vec<Asked>,
    /// Whose turn was when, the longest ago first. Who is not in it had none.
    turns: Vec<(u32, usize)>,
    /// For each who waits: who was given a place that was as good for it, and how many of its own
    /// user's were before it.
    passed_by: HashMap<usize, (Vec<u32>, usize)>,
}

impl Model {
    fn asks(&mut self, asked: Asked, limits: Limits) -> Fate {
        if self.fits(asked, limits) {
            self.place(asked);
            return Fate::Runs;
        }
        let of_tool = self.waiting.iter().filter(|(other, _)| other.tool == asked.tool);
        let (all, own) =
            (of_tool.clone().count(), of_tool.filter(|w| w.0.uid == asked.uid).count());
        let queue = limits.queue as usize;
        let share = if queue < 2 { queue } else { (queue * 4).div_ceil(5).min(queue - 1) };
        if all >= queue || own >= share {
            return Fate::TurnedAway;
        }
        self.passed_by.insert(asked.number, (Vec::new(), own));
        self.waiting.push((asked, limits));
        Fate::Waits
    }

    /// It leaves, or its run is over.
    fn goes(&mut self, number: usize) {
        self.waiting.retain(|(asked, _)| asked.number != number);
        self.placed.retain(|asked| asked.number != number);
        self.advance();
    }

    /// It is decided again.
    fn wants(&mut self, number: usize, tool: usize, limits: Limits) {
        let (had_place, before) = match self.waiting.iter().position(|w| w.0.number == number) {
            Some(at) => (false, self.waiting.remove(at).0),
            None => (true, self.placed.iter().copied().find(|a| a.number == number).unwrap()),
        };
        self.placed.retain(|asked| asked.number != number);
        let asked = Asked { tool, ..before };
        if had_place && before.tool == tool && self.fits(asked, limits) {
            self.placed.push(asked);
        } else {
            self.waiting.push((asked, limits));
            self.waiting.sort_by_key(|(asked, _)| asked.number);
        }
        // Under other limits the count of who passed by begins anew.
        let own = |asked: Asked| {
            let same = |w: &&(Asked, _)| (w.0.uid, w.0.tool) == (asked.uid, asked.tool);
            self.waiting.iter().filter(same).filter(|w| w.0.number < asked.number).count()
        };
        let anew = self.waiting.iter().map(|w| (w.0.number, (Vec::new(), own(w.0)))).collect();
        self.passed_by = anew;
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(next) = self.next(|asked, limits| self.fits(asked, limits)) {
            for (other, limits) in &self.waiting {
                let could_run = other.tool == next.tool && self.fits(*other, *limits);
                if could_run && other.uid != next.uid {
                    let (by, own) = self.passed_by.get_mut(&other.number).unwrap();
                    by.push(next.uid);
                    let times = by.iter().filter(|uid| **uid == next.uid).count();
                    assert!(times <= *own + 1, "{next:?} was served twice before {other:?}");
                }
            }
            self.waiting.retain(|(asked, _)| *asked != next);
            self.place(next);
        }
    }

    /// The user whose turn was longest ago, and of his runs the first to come.
    fn next(&self, fits: impl Fn(Asked, Limits) -> bool) -> Option<Asked> {
        let fitting = self.waiting.iter().filter(|(asked, limits)| fits(*asked, *limits));
        let turn = |asked: &Asked| {
            self.turns.iter().position(|t| *t == (asked.uid, asked.tool)).map_or(0, |at| at + 1)
        };
        fitting.map(|w| w.0).min_by_key(|asked| (turn(asked), asked.number))
    }

    fn place(&mut self, asked: Asked) {
        self.placed.push(asked);
        self.turns.retain(|turn| *turn != (asked.uid, asked.tool));
        self.turns.push((asked.uid, asked.tool));
    }

    fn fits(&self, asked: Asked, limits: Limits) -> bool {
        let count = |is: &dyn Fn(&Asked) -> bool| {
            u32::try_from(self.placed.iter().filter(|other| is(other)).count()).unwrap()
        };
        count(&|_| true) < limits.all
            && count(&|other| other.uid == asked.uid) < limits.user
            && count(&|other| other.tool == asked.tool) < limits.tool
            && (!shares_a_grant(asked.uid)
                || count(&|other| shares_a_grant(other.uid)) < limits.grant)
    }

    /// How many of its tool would be served before it, one after the other.
    fn ahead(&self, asked: Asked) -> usize {
        let waiting = self.waiting.iter().filter(|w| w.0.tool == asked.tool).copied().collect();
        let mut later = Self { waiting, turns: self.turns.clone(), ..Self::default() };
        let order = std::iter::from_fn(|| {
            let next = later.next(|_, _| true)?;
            later.waiting.retain(|w| w.0 != next);
            later.place(next);
            Some(next)
        });
        order.take_while(|next| *next != asked).count()
    }
}

/// A run as whoever asked for it has it.
enum Has {
    Slots { _held: Taken },
    Line { waiting: Waiting, told: Turn },
}

/// The line, its model, and those who use both.
struct Rig {
    admission: Admission,
    model: Model,
    limits: Limits,
    asked: Vec<(Asked, Has)>,
    last_number: usize,
}

impl Rig {
    fn new(limits: Limits) -> Self {
        let (admission, model) = (Admission::default(), Model::default());
        Self { admission, model, limits, asked: Vec::new(), last_number: 0 }
    }

    /// What becomes of a run that is asked for, and how it stands in the line then.
    fn ask(&mut self, uid: u32, tool: usize) -> Result<Asked, Busy> {
        self.last_number += 1;
        let asked = Asked { number: self.last_number, uid, tool };
        let wanted = self.limits.wanted(uid, tool);
        let admitted = self.admission.run_or_wait(wanted, self.limits.queue);
        let fate = match &admitted {
            Ok(Admitted::Now(_)) => Fate::Runs,
            Ok(Admitted::Waits(_)) => Fate::Waits,
            Err(_) => Fate::TurnedAway,
        };
        assert_eq!(fate, self.model.asks(asked, self.limits), "{asked:?}");
        let has = match admitted? {
            Admitted::Now(place) => Has::Slots { _held: place },
            Admitted::Waits(mut waiting) => {
                let told = waiting.changed().now_or_never().expect("its place is told at once");
                Has::Line { waiting, told }
            }
        };
        self.asked.push((asked, has));
        Ok(asked)
    }

    /// It leaves the line, or its run is over.
    fn goes(&mut self, number: usize) {
        let at = self.asked.iter().position(|(asked, _)| asked.number == number).unwrap();
        drop(self.asked.remove(at));
        self.model.goes(number);
    }

    /// It fetches the place that it was given.
    fn fetches(&mut self, number: usize) {
        let at = self.asked.iter().position(|(asked, _)| asked.number == number).unwrap();
        let (asked, has) = self.asked.remove(at);
        let Has::Line { waiting, .. } = has else { panic!("{asked:?} does not wait") };
        let place = waiting.take().expect("its turn came");
        self.asked.push((asked, Has::Slots { _held: place }));
    }

    /// It is decided again.
    fn wants(&mut self, number: usize, tool: usize) {
        let (asked, has) = self.asked.iter_mut().find(|(a, _)| a.number == number).unwrap();
        let Has::Line { waiting, .. } = has else { panic!("{asked:?} does not wait") };
        asked.tool = tool;
        waiting.wants(self.limits.wanted(asked.uid, tool));
        self.model.wants(number, tool, self.limits);
    }

    /// Everybody looks, and finds what the model has. `may_grow` is by how much more may be ahead of
    /// one who waits than there was.
    fn look(&mut self, may_grow: impl Fn(&Asked) -> u32) {
        for (asked, has) in &mut self.asked {
            let Has::Line { waiting, told } = has else { continue };
            let before = *told;
            while let Some(turn) = waiting.changed().now_or_never() {
                *told = turn;
            }
            match told {
                Turn::Came => assert!(self.model.placed.contains(asked), "{asked:?} came too soon"),
                Turn::Waits(queued) => {
                    assert!(!self.model.placed.contains(asked), "{asked:?} was left to wait");
                    assert_eq!(queued.ahead as usize, self.model.ahead(*asked), "{asked:?}");
                    if let Turn::Waits(before) = before {
                        assert!(queued.ahead <= before.ahead + may_grow(asked), "{asked:?}");
                    }
                }
            }
        }
        let placed = u32::try_from(self.model.placed.len()).unwrap();
        assert_eq!(self.admission.totals(), (0, placed));
    }

    /// Those who wait (`false`), were given a place (`true`), or run (`None`).
    fn those(&self, turn_came: Option<bool>) -> Vec<Asked> {
        let stands = |has: &Has| match has {
            Has::Slots { .. } => None,
            Has::Line { told, .. } => Some(*told == Turn::Came),
        };
        self.asked.iter().filter(|(_, has)| stands(has) == turn_came).map(|(a, _)| *a).collect()
    }

    /// Runs end one by one, until nobody waits.
    fn serve_all(&mut self, pick: usize) {
        while self.asked.iter().any(|(_, has)| matches!(has, Has::Line { .. })) {
            for asked in self.those(Some(true)) {
                self.fetches(asked.number);
            }
            if let Some(ends) = nth(&self.those(None), pick) {
                self.goes(ends);
            }
            let before = self.model.waiting.len();
            self.look(|_| 0);
            assert!(before == 0 || !self.model.placed.is_empty(), "all wait for nothing");
        }
    }

    /// Nothing is counted that is not there any more: each place can be had again.
    fn assert_as_new(&self) {
        assert!(self.asked.is_empty());
        assert_eq!(self.admission.totals(), (0, 0));
        for (uid, tool) in (0..USERS).flat_map(|uid| TOOLS.map(|tool| (uid, tool))) {
            drop(run(&self.admission, uid, tool));
        }
    }
}

/// One of them, if there is any.
fn nth(those: &[Asked], which: usize) -> Option<usize> {
    those.get(which % those.len().max(1)).map(|asked| asked.number)
}

/// What happens to a line.
#[derive(Debug, Clone, Copy)]
enum Act {
    Ask { uid: u32, tool: usize },
    Leave(usize),
    Fetch(usize),
    End(usize),
    Reload(Limits),
    OtherTool { which: usize, tool: usize },
}

fn limits() -> impl Strategy<Value = Limits> {
    let limits = (1..4_u32, 1..4_u32, 1..4_u32, 1..6_u32, 0..14_u32);
    limits.prop_map(|(grant, tool, user, all, queue)| Limits { grant, tool, user, all, queue })
}

fn act() -> impl Strategy<Value = Act> {
    let which = 0..64_usize;
    prop_oneof![
        12 => (0..USERS, 0..TOOLS.len()).prop_map(|(uid, tool)| Act::Ask { uid, tool }),
        3 => which.clone().prop_map(Act::Leave),
        6 => which.clone().prop_map(Act::Fetch),
        6 => which.clone().prop_map(Act::End),
        1 => limits().prop_map(Act::Reload),
        1 => (which, 0..TOOLS.len()).prop_map(|(which, tool)| Act::OtherTool { which, tool }),
    ]
}

impl Rig {
    fn act(&mut self, act: Act) {
        let in_line = |rig: &Self| [rig.those(Some(false)), rig.those(Some(true))].concat();
        match act {
            Act::Ask { uid, tool } => {
                let came = self.ask(uid, tool).ok();
                self.look(|asked| {
                    u32::from(came.is_some() && asked.uid != uid && asked.tool == tool)
                });
            }
            Act::Leave(which) => {
                nth(&in_line(self), which).into_iter().for_each(|number| self.goes(number));
                self.look(|_| 0);
            }
            Act::Fetch(which) => {
                let came = nth(&self.those(Some(true)), which);
                came.into_iter().for_each(|number| self.fetches(number));
                self.look(|_| 0);
            }
            Act::End(which) => {
                nth(&self.those(None), which).into_iter().for_each(|number| self.goes(number));
                self.look(|_| 0);
            }
            Act::Reload(limits) => {
                self.limits = limits;
                for asked in in_line(self) {
                    self.wants(asked.number, asked.tool);
                }
                self.look(|_| u32::MAX >> 1);
            }
            Act::OtherTool { which, tool } => {
                nth(&in_line(self), which).into_iter().for_each(|number| self.wants(number, tool));
                self.look(|_| u32::MAX >> 1);
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_line_does_as_its_model_and_nobody_is_left_in_it(
        first in limits(),
        acts in proptest::collection::vec(act(), 0..120),
        pick in 0..64_usize,
        leave in any::<bool>(),
    ) {
        let mut rig = Rig::new(first);
        for act in acts {
            rig.act(act);
        }
        if !leave {
            rig.serve_all(pick);
        }
        while let Some((asked, _)) = rig.asked.get(pick % rig.asked.len().max(1)) {
            rig.goes(asked.number);
            rig.look(|_| 0);
        }
        rig.assert_as_new();
    }
}

/// A run where only one is allowed.
fn one(uid: u32, tool: &str) -> Wanted {
    Wanted::new(uid, tool, 1, &Limits::ONE.ceilings())
}

/// Asks for a run where there is none to be had.
fn wait(admission: &Admission, uid: u32, tool: &str) -> Waiting {
    match admission.run_or_wait(one(uid, tool), Limits::ONE.queue) {
        Ok(Admitted::Waits(waiting)) => waiting,
        Ok(Admitted::Now(_)) | Err(_) => panic!("it does not wait"),
    }
}

/// Runs where there is room.
fn run(admission: &Admission, uid: u32, tool: &str) -> Taken {
    match admission.run_or_wait(one(uid, tool), Limits::ONE.queue) {
        Ok(Admitted::Now(place)) => place,
        Ok(Admitted::Waits(_)) | Err(_) => panic!("it does not run"),
    }
}

fn now(waiting: &mut Waiting) -> Option<Turn> {
    waiting.changed().now_or_never()
}

#[test]
fn a_thousand_who_wait_delay_the_first_run_of_another_user_by_a_turn_at_most() {
    let (flooder, other) = (1, 2);
    for (ran_last, turns) in [(flooder, 0), (other, 1)] {
        let admission = Admission::default();
        let mut running = run(&admission, ran_last, "ping");
        let mut flood: Vec<_> = (0..1000).map(|_| wait(&admission, flooder, "ping")).collect();
        let mut patient = wait(&admission, other, "ping");
        let place = |ahead| Some(Turn::Waits(Queued { ahead, expected_wait: None }));
        assert_eq!(now(&mut patient), place(turns));
        for _ in 0..turns {
            drop(running);
            running = flood.remove(0).take().unwrap();
        }
        drop(running);
        assert_eq!(now(&mut patient), Some(Turn::Came));
    }
}

#[test]
fn who_waits_for_several_tools_has_a_turn_at_each_and_no_more() {
    let (greedy, other) = (1, 2);
    let admission = Admission::default();
    let mut running = run(&admission, 3, "ping");
    let mut waits: Vec<_> =
        TOOLS.iter().cycle().take(30).map(|tool| wait(&admission, greedy, tool)).collect();
    let mut patient = wait(&admission, other, "ping");
    for turn in 0..=TOOLS.len() {
        drop(running);
        if now(&mut patient) == Some(Turn::Came) {
            assert_eq!(turn, TOOLS.len());
            return;
        }
        let came = waits.iter_mut().position(|w| now(w) == Some(Turn::Came)).unwrap();
        running = waits.remove(came).take().unwrap();
    }
    panic!("a fourth turn of three tools");
}

#[test]
fn of_several_places_the_last_never_goes_to_the_same_user() {
    let held = |queue, uids: &[u32]| {
        let admission = Admission::default();
        let _running = admission.run(&one(0, "ping")).unwrap();
        let ask = |uid: &u32| match admission.run_or_wait(one(*uid, "ping"), queue) {
            Ok(Admitted::Waits(waiting)) => Some(waiting),
            Ok(Admitted::Now(_)) | Err(_) => None,
        };
        uids.iter().filter_map(ask).collect::<Vec<_>>().len()
    };
    let one = [1; 60];
    let queues = [0, 1, 2, 3, 4, 5, 6, 10, 50];
    assert_eq!(queues.map(|queue| held(queue, &one)), [0, 1, 1, 2, 3, 4, 5, 8, 40]);
    let two: Vec<u32> = [[1; 60], [2; 60]].concat();
    assert_eq!(queues.map(|queue| held(queue, &two)), queues.map(|queue| queue as usize));
}

#[test]
fn the_expected_wait_is_the_runs_before_by_the_mean_of_those_that_were() {
    let admission = Admission::default();
    let limits = Limits { grant: 2, tool: 2, user: 2, all: 2, queue: 2 };
    let ping = |uid| limits.wanted(uid, 0);
    let seconds = Duration::from_secs;
    admission.learn("ping", seconds(8));
    admission.learn("ping", seconds(16));
    let _running = [1, 2].map(|uid| admission.run(&ping(uid)).unwrap());
    let ask = |uid| admission.run_or_wait(ping(uid), limits.queue);
    let (Ok(Admitted::Waits(mut first)), Ok(Admitted::Waits(mut second))) = (ask(1), ask(2)) else {
        panic!("they do not wait");
    };
    // The mean is 10 s, and there are two places.
    let place =
        |ahead, wait| Some(Turn::Waits(Queued { ahead, expected_wait: Some(seconds(wait)) }));
    assert_eq!((now(&mut first), now(&mut second)), (place(0, 5), place(1, 10)));
    let busy = ask(3).err().unwrap();
    assert_eq!(busy.expected_wait, Some(seconds(5)), "until a place in the line comes free");
}
