//! A moment as people and programs write it: a time stamp, a date, or how long ago.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::Offset};
use probity_history::UtcMs;

/// What was written is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no moment: give a time stamp (2026-11-30T08:00:00Z), a date (2026-11-30), or how long ago \
     (30m, 12h, 7d)"
)]
pub struct NoMoment(String);

/// Reads a moment. Dates are UTC's.
///
/// # Errors
/// [`NoMoment`].
pub fn moment(text: &str, now: Timestamp) -> Result<UtcMs, NoMoment> {
    let text = text.trim();
    let wrong = || NoMoment(text.chars().take(64).collect());
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(UtcMs(stamp.as_millisecond()));
    }
    if let Ok(date) = text.parse::<Date>() {
        let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| wrong())?;
        return Ok(UtcMs(midnight.as_millisecond()));
    }
    let ago = ago(text).ok_or_else(wrong)?;
    now.checked_sub(ago).map(|then| UtcMs(then.as_millisecond())).map_err(|_| wrong())
}

fn ago(text: &str) -> Option<SignedDuration> {
    let number_end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(number_end);
    let seconds = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(seconds).map(SignedDuration::from_secs)
}

/// A moment as answers have it.
#[must_use]
pub fn stamp(moment: UtcMs) -> String {
    let stamp = Timestamp::from_millisecond(moment.0).unwrap_or_default();
    stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_stamp_a_date_and_how_long_ago_are_moments() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let read = |text| moment(text, now).map(stamp);
        for (text, expected) in [
            ("2026-11-29T08:30:00+01:00", "2026-11-29T07:30:00.000Z"),
            ("2026-11-29", "2026-11-29T00:00:00.000Z"),
            (" 90m ", "2026-11-30T10:30:00.000Z"),
            ("7d", "2026-11-23T12:00:00.000Z"),
            ("1w", "2026-11-23T12:00:00.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "monday", "7", "7y", "d", "-1d", "2026-13-01", "99999999999999999999d"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_a_moment_or_is_not(text in ".{0,40}") {
            let _ = moment(&text, Timestamp::now());
        }
    }
}
