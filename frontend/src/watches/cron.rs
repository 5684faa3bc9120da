//! A cron line with its time zone: when it comes next. What does not come at all, or is no line of five
//! fields, is never made one.
//!
//! The fields are those of cron(5); `L`, `W`, `#` and `@daily` are understood, too. Where a clock is set
//! ahead for the summer, a line of a fixed hour comes at the end of the gap; where it is set back, it comes
//! once. One of every so many minutes comes as time passes.

use std::time::Duration;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Longest line that is read, in bytes.
const LONGEST: usize = 128;

/// How many times of a line are looked at for the least time between two.
const LOOKED_AT: usize = 48;

/// Where that look begins. The year is nobody's: lines have no years.
const BEGINNING: DateTime = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);

/// The zone of a line that names none.
pub const USUAL_ZONE: &str = "UTC";

/// A line that comes, and how its hours are meant.
#[derive(Debug, Clone, PartialEq)]
pub struct CronLine {
    text: String,
    cron: Cron,
    zone: TimeZone,
    shortest_gap: Duration,
}

/// Why a text is no such line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It is not in the form of one.
    #[error(
        "this is no cron line ({0}); write five fields, minute, hour, day of the month, month and \
         day of the week, as in \"*/5 8-18 * * mon-fri\""
    )]
    Form(String),
    /// No day is ever as it says.
    #[error("this never comes: no month has that day; change the day or the month")]
    Never,
    /// There is no such zone.
    #[error(
        "there is no time zone {0:?} on this machine; write a name of the IANA's, such as \
         \"Europe/Berlin\", or leave it out for UTC"
    )]
    Zone(String),
}

/// A time zone by the IANA's name; none means [`USUAL_ZONE`].
///
/// # Errors
/// [`CronError::Zone`].
pub fn zone(name: Option<&str>) -> Result<TimeZone, CronError> {
    match name {
        None | Some(USUAL_ZONE) => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| CronError::Zone(name.to_owned())),
    }
}

impl CronLine {
    /// Reads one, whose hours are those of `zone`.
    ///
    /// # Errors
    /// [`CronError`] for what is no line, or never comes.
    pub fn new(text: &str, zone: TimeZone) -> Result<Self, CronError> {
        let form = |said: &str| CronError::Form(said.to_owned());
        if text.len() > LONGEST || !text.is_ascii() {
            return Err(form("it is too long, or not of plain characters"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed);
        let cron = parser.build().parse(text).map_err(|error| form(&error.to_string()))?;
        let shortest_gap = shortest_gap(&cron).ok_or(CronError::Never)?;
        Ok(Self { text: text.trim().to_owned(), cron, zone, shortest_gap })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the zone that its hours are meant in.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or(USUAL_ZONE)
    }

    /// The first time after this one, to the second; `None` beyond what calendars know.
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let time = time.to_zoned(self.zone.clone());
        self.cron.find_next_occurrence(&time, false).ok().map(|next| next.timestamp())
    }

    /// The least time between two of its times, as far as the first of them tell.
    #[must_use]
    pub fn shortest_gap(&self) -> Duration {
        self.shortest_gap
    }
}

/// The same of a line without a zone; `None` for one that never comes.
fn shortest_gap(cron: &Cron) -> Option<Duration> {
    let mut before = cron.find_next_occurrence(&BEGINNING, true).ok()?;
    let mut shortest = Duration::MAX;
    for _ in 0..LOOKED_AT {
        let Ok(next) = cron.find_next_occurrence(&before, false) else { break };
        shortest = shortest.min(next.duration_since(before).unsigned_abs());
        before = next;
    }
    Some(shortest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> CronLine {
        CronLine::new(text, TimeZone::UTC).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The next few times after one.
    fn times(line: &CronLine, after: &str, count: usize) -> Vec<String> {
        let next = |time: &Timestamp| line.next_after(*time);
        let times = std::iter::successors(Some(at(after)), next).skip(1).take(count);
        times.map(|time| time.to_string()).collect()
    }

    #[test]
    fn a_line_comes_at_its_times_and_not_in_between() {
        assert_eq!(
            times(&line("*/30 8-9 * * mon-fri"), "2026-01-02T08:30:00Z", 4),
            [
                "2026-01-02T09:00:00Z",
                "2026-01-02T09:30:00Z",
                "2026-01-05T08:00:00Z",
                "2026-01-05T08:30:00Z"
            ]
        );
        assert_eq!(times(&line("0 0 29 2 *"), "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
        assert_eq!(times(&line("@daily"), "2026-01-01T00:00:00Z", 1), ["2026-01-02T00:00:00Z"]);
    }

    #[test]
    fn its_hours_are_of_its_zone_over_both_changes_of_the_clock() {
        let berlin = zone(Some("Europe/Berlin")).unwrap();
        let fixed = CronLine::new("30 2 * * *", berlin.clone()).unwrap();
        assert_eq!(fixed.zone(), "Europe/Berlin");
        // 02:30 does not exist on the 29th of March, and exists twice on the 25th of October.
        let spring = times(&fixed, "2026-03-28T00:00:00Z", 3);
        assert_eq!(spring.len(), 3);
        assert!(spring.windows(2).all(|two| two[0] < two[1]), "{spring:?}");
        assert_eq!(spring[0], "2026-03-28T01:30:00Z");
        assert!(spring[1].starts_with("2026-03-29T01:"), "{spring:?}");
        let autumn = times(&fixed, "2026-10-24T12:00:00Z", 2);
        assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"], "once");
        let steady = CronLine::new("*/30 * * * *", berlin).unwrap();
        let steady = times(&steady, "2026-10-24T23:59:00Z", 6);
        assert_eq!(steady[0], "2026-10-25T00:00:00Z");
        assert_eq!(steady[5], "2026-10-25T02:30:00Z", "as time passes: {steady:?}");
    }

    #[test]
    fn what_never_comes_is_no_line() {
        for text in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            assert_eq!(CronLine::new(text, TimeZone::UTC), Err(CronError::Never), "{text}");
        }
    }

    #[test]
    fn what_is_not_of_five_fields_in_their_ranges_is_no_line() {
        for text in [
            "",
            "* * * *",
            "0 * * * * *",
            "* * * * * * 2026",
            "60 * * * *",
            "* 24 * * *",
            "x * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "@sometimes",
            "ä * * * *",
            &"*".repeat(200),
        ] {
            let error = CronLine::new(text, TimeZone::UTC).unwrap_err();
            assert!(matches!(error, CronError::Form(_)), "{text}: {error}");
            assert!(error.to_string().contains("five fields"), "{error}");
        }
        assert_eq!(zone(Some("Mars/Base")), Err(CronError::Zone("Mars/Base".into())));
    }

    #[test]
    fn the_shortest_gap_is_found_behind_a_longer_one() {
        for (text, seconds) in [
            ("*/5 8-18 * * *", 300),
            ("0,59 * * * *", 60),
            ("0 3 * * *", 86_400),
            ("* * * * *", 60),
            ("0 3 * * mon,tue", 86_400),
        ] {
            assert_eq!(line(text).shortest_gap(), Duration::from_secs(seconds), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[-0-9*/,?#LWa-f@ ]{0,40}") {
            let _ = CronLine::new(&text, TimeZone::UTC);
        }

        #[test]
        fn the_next_time_is_later_and_nothing_lies_between(
            minute in 0..60, hours in "(\\*|\\*/[1-9]|1?[0-9])", after in 0_i64..4_000_000_000,
        ) {
            let line = line(&format!("{minute} {hours} * * *"));
            let after = Timestamp::from_second(after).unwrap();
            let next = line.next_after(after).unwrap();
            prop_assert!(next > after);
            let middle = after + (next.duration_since(after) / 2);
            prop_assert_eq!(line.next_after(middle), Some(next));
        }
    }
}
