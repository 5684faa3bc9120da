use proptest::prelude::*;

use super::*;

const MOST: usize = 16;

fn here() -> IpAddr {
    [127, 0, 0, 1].into()
}

fn elsewhere(machine: u8) -> IpAddr {
    [10, 0, 0, machine].into()
}

fn token(number: u64) -> ClientKey {
    ClientKey::numbered(number)
}

/// A connection with a request of a token's.
fn asked(seats: &Arc<Seats>, of: u64, is_whole: bool) -> Result<Seat, ShareTaken> {
    let seat = Seats::take(seats, here()).expect("there is a seat");
    seat.begin(is_whole);
    seat.belong_to(token(of))?;
    Ok(seat)
}

fn lost(held: &[Seat]) -> usize {
    held.iter().filter(|seat| seat.gone.is_cancelled()).count()
}

#[test]
fn the_connection_that_has_been_idle_for_longest_makes_room_and_none_that_is_answered() {
    let seats = Seats::new(3);
    let [first, second, third] = [0; 3].map(|_| Seats::take(&seats, here()).unwrap());
    first.begin(true);
    first.belong_to(token(1)).unwrap();
    let new = Seats::take(&seats, here()).unwrap();
    let gone = [&first, &second, &third, &new].map(|seat| seat.gone.is_cancelled());
    assert_eq!(gone, [false, true, false, false]);
    // An answered one is as good as any other again.
    first.end();
    third.begin(true);
    let newer = Seats::take(&seats, here()).unwrap();
    assert!(!new.is_beyond && !newer.is_beyond);
    drop([first, second, third, new, newer]);
    let state = seats.state();
    assert_eq!((state.taken.len(), state.holdings.len(), state.engaged), (0, 0, 0));
}

#[test]
fn bodies_that_do_not_come_leave_half_of_the_seats_and_their_own_make_room_for_more() {
    let seats = Seats::new(MOST);
    let stuck: Vec<Seat> = (0..5 * MOST).map(|_| asked(&seats, 1, false).unwrap()).collect();
    assert_eq!(stuck.len() - lost(&stuck), MOST / 2);
    let other = asked(&seats, 2, true).expect("another has his share");
    let own = asked(&seats, 1, true).expect("and so has whoever shares the token");
    assert!(!other.gone.is_cancelled() && !own.gone.is_cancelled());
}

#[test]
fn a_body_that_comes_is_kept_and_one_that_stands_still_goes() {
    let seats = Seats::new(2);
    let [comes, stands] = [0; 2].map(|_| Seats::take(&seats, here()).unwrap());
    for seat in [&comes, &stands] {
        seat.begin(false);
    }
    comes.come_on(1);
    let new = Seats::take(&seats, here()).unwrap();
    assert!(!comes.gone.is_cancelled() && stands.gone.is_cancelled() && !new.is_beyond);
}

#[test]
fn bodies_that_have_not_come_to_their_end_are_not_kept_beyond_so_many_bytes() {
    let seats = Seats::new(1000);
    let honest = asked(&seats, 2, false).unwrap();
    honest.come_on(4096);
    let large: Vec<Seat> = (0..400)
        .map(|_| asked(&seats, 1, false).unwrap())
        .inspect(|seat| seat.come_on(200_000))
        .collect();
    assert_eq!(large.len() - lost(&large), (BODIES_MAX - 4096) / 200_000);
    assert!(!honest.gone.is_cancelled());
    for seat in &large {
        seat.be_whole();
    }
    assert_eq!(seats.state().bytes, 4096);
}

#[test]
fn answers_that_never_end_leave_a_part_to_each_who_comes() {
    let seats = Seats::new(MOST);
    let mut held = Vec::new();
    for of in 1..=4 {
        let own = std::iter::from_fn(|| asked(&seats, of, true).ok()).take(10 * MOST);
        let own: Vec<Seat> = own.collect();
        assert!(!own.is_empty(), "{of} has none");
        held.extend(own);
    }
    assert_eq!(lost(&held), 0, "an answer is never closed for another's sake");
    let first = held.len() - held.iter().filter(|seat| seat.is_beyond).count();
    assert!(first <= MOST, "{first}");
    // A connection that says nothing yet finds a seat among them.
    assert!(!Seats::take(&seats, here()).unwrap().is_for_probes());
}

#[test]
fn whoever_holds_most_makes_room_and_whoever_has_little_keeps_it() {
    let seats = Seats::new(MOST);
    let little = asked(&seats, 7, true).unwrap();
    little.end();
    let much: Vec<Seat> = (0..100).map(|_| Seats::take(&seats, elsewhere(1)).unwrap()).collect();
    assert_eq!(lost(&much), 100 - (MOST - 1));
    assert!(!little.gone.is_cancelled(), "it was idle for longest");
}

#[test]
fn a_crowd_of_addresses_takes_no_connection_of_those_with_tokens() {
    let seats = Seats::new(MOST);
    let own: Vec<Seat> =
        (0..5).map(|_| asked(&seats, 7, true).unwrap()).inspect(Seat::end).collect();
    let crowd: Vec<Seat> =
        (0..200).map(|machine| Seats::take(&seats, elsewhere(machine)).unwrap()).collect();
    assert_eq!((lost(&own), lost(&crowd)), (0, 200 - (MOST - 5)));
    // Their requests are answered, and not for ever either.
    for seat in &crowd {
        seat.begin(true);
    }
    assert!(!Seats::take(&seats, elsewhere(9)).unwrap().is_beyond);
}

#[test]
fn one_machine_is_one_stranger_by_whichever_of_its_addresses() {
    let same = |a: &str, b: &str| {
        Holder::stranger(a.parse().unwrap()) == Holder::stranger(b.parse().unwrap())
    };
    assert!(same("127.0.0.1", "127.200.3.4") && same("127.0.0.1", "::1"));
    assert!(same("fd00::1", "fd00::ffff:1:2:3") && !same("fd00::1", "fd00:0:0:1::1"));
    assert!(!same("10.0.0.1", "10.0.0.2"));
}

#[test]
fn where_all_are_busy_those_for_probes_are_there_and_make_room_for_each_other() {
    let seats = Seats::new(MOST);
    // So many tokens that each has no more than one.
    let held: Vec<Seat> = (0..MOST as u64).filter_map(|of| asked(&seats, of, true).ok()).collect();
    assert_eq!(held.len(), MOST);
    let silent: Vec<Seat> =
        (0..500).map(|_| Seats::take(&seats, here()).expect("a seat for a probe")).collect();
    assert!(silent.iter().all(Seat::is_for_probes));
    assert_eq!((lost(&held), lost(&silent)), (0, 500 - KEPT_FOR_PROBES));
    assert_eq!(seats.state().beyond.len(), KEPT_FOR_PROBES);
    drop(silent);
    assert!(seats.state().beyond.is_empty());
}

/// What may happen to a connection.
#[derive(Debug, Clone)]
enum Step {
    Take(u8),
    Begin(usize, bool),
    ComeOn(usize, usize),
    BeWhole(usize),
    Belong(usize, u64),
    Leave(usize, u8),
    End(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..64_usize;
    prop_oneof![
        4 => (0..4_u8).prop_map(Step::Take),
        3 => (which.clone(), any::<bool>()).prop_map(|(at, whole)| Step::Begin(at, whole)),
        2 => (which.clone(), 1..BODIES_MAX / 3).prop_map(|(at, more)| Step::ComeOn(at, more)),
        2 => which.clone().prop_map(Step::BeWhole),
        4 => (which.clone(), 0..4_u64).prop_map(|(at, of)| Step::Belong(at, of)),
        1 => (which.clone(), 0..4_u8).prop_map(|(at, machine)| Step::Leave(at, machine)),
        1 => which.clone().prop_map(Step::End),
        1 => which.prop_map(Step::Drop),
    ]
}

/// The counts as they are when all is counted anew.
fn recounted(state: &SeatTable) -> (HashMap<Holder, Holding>, usize, usize) {
    let mut holdings: HashMap<Holder, Holding> = HashMap::new();
    for (number, taken) in &state.taken {
        let holding = holdings.entry(taken.holder).or_default();
        holding.seats += 1;
        holding.engaged += usize::from(taken.phase != Phase::Idle);
        holding.bytes += taken.bytes;
        if taken.can_go() {
            holding.can_go.insert(taken.since, *number);
        }
    }
    let of = |stranger: bool| holdings.iter().filter(move |(by, _)| by.is_stranger() == stranger);
    let strangers = of(true).map(|(_, holding)| holding.seats).sum();
    let engaged = of(false).map(|(_, holding)| holding.engaged).sum();
    (holdings, strangers, engaged)
}

proptest! {
    #[test]
    fn whatever_happens_there_is_a_seat_and_no_answer_to_a_token_is_cut(
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let seats = Seats::new(MOST);
        let mut held: Vec<Seat> = Vec::new();
        let answered = |state: &SeatTable| -> Vec<u64> {
            let is_kept = |taken: &Taken| !taken.can_go();
            state.taken.iter().filter(|(_, taken)| is_kept(taken)).map(|(n, _)| *n).collect()
        };
        for step in steps {
            let before = answered(&seats.state());
            let mut own = None;
            let count = held.len().max(1);
            let mut on = |at: usize| {
                let seat = held.get(at % count);
                own = seat.map(|seat| seat.number);
                seat
            };
            match step {
                Step::Take(machine) => {
                    let seat = Seats::take(&seats, elsewhere(machine));
                    prop_assert!(seat.is_some(), "none was left");
                    held.extend(seat);
                }
                Step::Begin(at, whole) => { on(at).inspect(|seat| seat.begin(whole)); }
                Step::ComeOn(at, more) => {
                    // Of a body that is awaited.
                    let is_arriving = |seat: &&Seat| {
                        let state = seats.state();
                        state.taken.get(&seat.number).is_some_and(|it| it.phase == Phase::Arriving)
                    };
                    on(at).filter(is_arriving).inspect(|seat| seat.come_on(more));
                }
                Step::BeWhole(at) => { on(at).inspect(|seat| seat.be_whole()); }
                Step::Belong(at, of) => { on(at).inspect(|seat| { let _ = seat.belong_to(token(of)); }); }
                Step::Leave(at, machine) => { on(at).inspect(|seat| seat.leave_to(elsewhere(machine))); }
                Step::End(at) => { on(at).inspect(|seat| seat.end()); }
                Step::Drop(at) => {
                    own = (!held.is_empty()).then(|| held.swap_remove(at % count).number);
                }
            }
            let state = seats.state();
            prop_assert!(state.bytes <= BODIES_MAX);
            prop_assert_eq!(state.bytes, state.taken.values().map(|taken| taken.bytes).sum::<usize>());
            prop_assert!(state.taken.len() <= MOST && state.beyond.len() <= KEPT_FOR_PROBES);
            for number in before {
                prop_assert!(Some(number) == own || state.taken.contains_key(&number));
            }
            let (holdings, strangers, engaged) = recounted(&state);
            prop_assert_eq!(&state.holdings, &holdings);
            prop_assert_eq!((state.strangers, state.engaged), (strangers, engaged));
            let sizes: BTreeSet<Size> =
                holdings.iter().filter_map(|(holder, holding)| holding.size(*holder)).collect();
            let known = state.strangers_by_size.union(&state.tokens_by_size).copied();
            prop_assert_eq!(known.collect::<BTreeSet<Size>>(), sizes);
        }
        drop(held);
        let state = seats.state();
        prop_assert!(state.taken.is_empty() && state.beyond.is_empty() && state.holdings.is_empty());
    }
}
