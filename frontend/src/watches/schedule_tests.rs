//! Both kinds of times, with clocks that stall and jump.

use std::collections::BTreeSet;

use jiff::{SignedDuration, tz::TimeZone};
use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn name(text: &str) -> WatchName {
    WatchName::new(text).unwrap()
}

fn cron(text: &str) -> Schedule {
    Schedule::Cron(Arc::new(CronLine::new(text, TimeZone::UTC).unwrap()))
}

/// Both clocks, of which the wall's can be set.
struct Clocks(Moment);

impl Clocks {
    fn at(wall: &str) -> Self {
        Self(Moment { steady: Duration::ZERO, wall: wall.parse().unwrap() })
    }

    fn pass(&mut self, time: Duration) {
        self.0.steady += time;
        self.0.wall = self.0.wall.checked_add(time).unwrap();
    }

    fn set(&mut self, wall: &str) {
        self.0.wall = wall.parse().unwrap();
    }
}

/// When it comes while time passes second by second, and how often it says it was late.
fn seconds_of(table: &mut Timetable, clocks: &mut Clocks, seconds: u64) -> (Vec<Timestamp>, u64) {
    let (mut times, mut skipped) = (Vec::new(), 0);
    for _ in 0..seconds {
        clocks.pass(Duration::from_secs(1));
        let turn = table.turn(clocks.0);
        times.extend(turn.is_due.then_some(clocks.0.wall));
        skipped += turn.skipped;
    }
    (times, skipped)
}

#[test]
fn jitter_is_of_the_name_alone_and_within_its_bounds_and_spread() {
    let schedule = Schedule::Every(MINUTE);
    let jitters: Vec<Duration> =
        (0..1_000).map(|number| schedule.jitter(&name(&format!("watch-{number}")))).collect();
    assert!(jitters.iter().all(|jitter| *jitter <= Duration::from_secs(6)));
    let seconds: BTreeSet<u64> = jitters.iter().map(Duration::as_secs).collect();
    assert!(seconds.is_superset(&(0..6).collect()), "{seconds:?}");
    assert_eq!(schedule.jitter(&name("gateway")), schedule.jitter(&name("gateway")));
    let daily = Schedule::Every(Duration::from_secs(86_400));
    assert!(daily.jitter(&name("gateway")) <= MOST_JITTER);
}

#[test]
fn an_interval_keeps_its_grid_and_a_late_look_counts_what_it_missed() {
    let schedule = Schedule::Every(MINUTE);
    let mut clocks = Clocks::at("2026-01-01T00:00:00Z");
    let mut table = Timetable::new(&schedule, &name("gateway"), clocks.0);
    let jitter = schedule.jitter(&name("gateway"));
    assert_eq!(table.wait(clocks.0), jitter);
    clocks.pass(jitter);
    assert_eq!(table.turn(clocks.0), Turn { is_due: true, skipped: 0 });
    assert_eq!(table.turn(clocks.0), Turn::default(), "once");
    assert_eq!(table.wait(clocks.0), MINUTE);
    clocks.pass(MINUTE * 5 + Duration::from_secs(20));
    assert_eq!(table.turn(clocks.0), Turn { is_due: true, skipped: 4 });
    assert_eq!(table.wait(clocks.0), Duration::from_secs(40));
}

#[test]
fn an_interval_does_not_care_about_the_wall_clock() {
    let mut clocks = Clocks::at("2026-01-01T00:00:00Z");
    let mut table = Timetable::new(&Schedule::Every(MINUTE), &name("gateway"), clocks.0);
    clocks.pass(MINUTE);
    assert!(table.turn(clocks.0).is_due);
    for wall in ["2030-01-01T00:00:00Z", "1999-01-01T00:00:00Z"] {
        clocks.set(wall);
        assert_eq!(table.turn(clocks.0), Turn::default());
        clocks.pass(MINUTE);
        assert_eq!(table.turn(clocks.0), Turn { is_due: true, skipped: 0 });
    }
}

#[test]
fn a_cron_line_comes_at_its_times_put_off_by_the_same_jitter() {
    let schedule = cron("*/5 * * * *");
    let mut clocks = Clocks::at("2026-01-01T00:00:00Z");
    let jitter = schedule.jitter(&name("gateway"));
    let mut table = Timetable::new(&schedule, &name("gateway"), clocks.0);
    let (times, skipped) = seconds_of(&mut table, &mut clocks, 1_000);
    let offset = |time: &Timestamp| time.as_second().rem_euclid(300);
    assert_eq!((times.len(), skipped), (3, 0), "not at the beginning: {times:?}");
    for time in &times {
        let after = Duration::from_secs(u64::try_from(offset(time)).unwrap());
        assert!(after >= jitter && after < jitter + Duration::from_secs(1), "{time} {jitter:?}");
    }
}

#[test]
fn no_time_is_taken_twice_when_the_clock_is_set_back_by_an_hour() {
    let mut clocks = Clocks::at("2026-01-01T11:00:30Z");
    let mut table = Timetable::new(&cron("*/10 * * * *"), &name("gateway"), clocks.0);
    let (before, _) = seconds_of(&mut table, &mut clocks, 3_600);
    assert_eq!(before.len(), 6);
    clocks.set("2026-01-01T11:00:40Z");
    let (again, skipped) = seconds_of(&mut table, &mut clocks, 3_570);
    assert_eq!((again, skipped), (vec![], 0));
    let (after, _) = seconds_of(&mut table, &mut clocks, 1_230);
    assert_eq!(after.len(), 2, "and then it goes on: {after:?}");
}

#[test]
fn a_clock_that_was_a_year_ahead_for_an_hour_stops_no_watch() {
    let mut clocks = Clocks::at("2026-01-01T11:00:30Z");
    let mut table = Timetable::new(&cron("*/10 * * * *"), &name("gateway"), clocks.0);
    clocks.set("2027-01-01T11:00:30Z");
    let (ahead, skipped) = seconds_of(&mut table, &mut clocks, 3_600);
    assert_eq!(ahead.len(), 6 + 1, "the one of a moment ago, too: {ahead:?}");
    assert!(skipped >= MOST_SKIPPED, "a year's are counted only so far: {skipped}");
    clocks.set("2026-01-01T12:00:30Z");
    let (right, skipped) = seconds_of(&mut table, &mut clocks, 3_600);
    assert_eq!((right.len(), skipped), (6 + 1, 0), "{right:?}");
}

#[test]
fn times_that_were_slept_through_are_skipped_and_counted_and_the_newest_is_taken_if_it_is_new() {
    let mut clocks = Clocks::at("2026-01-01T11:00:30Z");
    let mut table = Timetable::new(&cron("0 * * * *"), &name("gateway"), clocks.0);
    clocks.set("2026-01-01T15:30:00Z");
    assert_eq!(table.turn(clocks.0), Turn { is_due: false, skipped: 4 });
    assert_eq!(table.turn(clocks.0), Turn::default(), "counted once");
    clocks.set("2026-01-01T18:00:50Z");
    assert_eq!(table.turn(clocks.0), Turn { is_due: true, skipped: 2 });
}

#[test]
fn a_wait_ends_when_the_time_has_come_and_is_never_longer_than_a_day() {
    let mut clocks = Clocks::at("2026-01-01T11:00:30Z");
    let mut table = Timetable::new(&cron("0 12 29 2 *"), &name("gateway"), clocks.0);
    assert_eq!(table.wait(clocks.0), LONGEST_WAIT);
    clocks.set("2028-02-29T11:59:00Z");
    assert_eq!(table.turn(clocks.0), Turn::default());
    let wait = table.wait(clocks.0);
    clocks.pass(wait);
    assert_eq!(table.turn(clocks.0), Turn { is_due: true, skipped: 0 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the clock does, no minute of it is taken twice.
    #[test]
    fn no_time_is_taken_twice(jumps in prop::collection::vec((-7_200_i64..7_200, 0_u64..900), 1..12)) {
        let mut clocks = Clocks::at("2026-01-01T11:00:30Z");
        let schedule = cron("*/7 * * * *");
        let mut table = Timetable::new(&schedule, &name("gateway"), clocks.0);
        let jitter = signed(schedule.jitter(&name("gateway")));
        let Schedule::Cron(line) = &schedule else { unreachable!() };
        let mut slots = BTreeSet::new();
        for (jump, seconds) in jumps {
            clocks.0.wall = clocks.0.wall.checked_add(SignedDuration::from_secs(jump)).unwrap();
            for _ in 0..seconds / 5 {
                clocks.pass(Duration::from_secs(5));
                if table.turn(clocks.0).is_due {
                    // The newest that had come.
                    let now = clocks.0.wall.checked_sub(jitter).unwrap();
                    let mut slot = line.next_after(before(now, LATEST * 8)).unwrap();
                    while let Some(next) = line.next_after(slot).filter(|next| *next <= now) {
                        slot = next;
                    }
                    prop_assert!(slots.insert(slot), "{slot} twice");
                }
                prop_assert!(table.wait(clocks.0) <= LONGEST_WAIT);
            }
        }
    }
}
