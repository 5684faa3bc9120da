//! Numbers and times as a picture says them, and texts of others made fit for it.

use jiff::{Timestamp, tz::TimeZone};

use crate::parsers::one_line;

/// Most characters of a text of others in a title, a description or a hint.
const TEXT_CHARS: usize = 120;

/// A text that somebody else chose, on one line, cleaned, and no longer than is read.
pub(super) fn bounded(text: &str) -> String {
    shortened(&one_line(text), TEXT_CHARS)
}

/// The beginning of a text, with `…` where something is cut off.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `ping 10.66.2.2`.
pub(super) fn title(tool: &str, target: &str) -> String {
    bounded(format!("{} {}", bounded(tool), bounded(target)).trim())
}

/// Below the title: when it was, and whether it was cut short.
pub(super) fn when(at: Option<&str>, complete: bool) -> String {
    let stopped = (!complete).then_some("stopped before its end");
    let parts: Vec<String> = at.map(moment).into_iter().chain(stopped.map(str::to_owned)).collect();
    parts.join(" · ")
}

/// Below the title of two runs.
pub(super) fn between(before: Option<&str>, after: Option<&str>) -> String {
    match (before.map(moment), after.map(moment)) {
        (Some(before), Some(after)) if before == after => after,
        (Some(before), Some(after)) => match (before.strip_suffix(" UTC"), after.split_once(' ')) {
            // The date once, where it is the same.
            (Some(start), Some((date, rest))) if start.starts_with(date) => {
                format!("{start} to {rest}")
            }
            (Some(start), Some(_)) => format!("{start} to {after}"),
            _ => format!("{before} to {after}"),
        },
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => String::new(),
    }
}

/// `2026-11-30 22:12 UTC`; what is no time is shown as it is.
pub(super) fn moment(at: &str) -> String {
    match at.parse::<Timestamp>() {
        Ok(time) => time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => bounded(at),
    }
}

/// `2026-11-30`.
pub(super) fn day(at: &str) -> String {
    let moment = moment(at);
    moment.split(' ').next().unwrap_or_default().to_owned()
}

/// In seconds since 1970.
pub(super) fn seconds(at: &str) -> Option<f64> {
    Some(at.parse::<Timestamp>().ok()?.as_second() as f64)
}

/// A round trip: `0.056 ms`, `12.3 ms`, `1.53 s`.
pub(super) fn ms(time: f64) -> String {
    match time {
        time if !time.is_finite() || time < 0.0 => "an unknown time".to_owned(),
        time if time < 1000.0 => format!("{} ms", three_digits(time)),
        time if time < 1e8 => format!("{} s", three_digits(time / 1000.0)),
        time => format!("{time:.1e} ms"),
    }
}

/// At most three digits behind the point, and no more than three that matter.
fn three_digits(number: f64) -> String {
    let text = match number {
        number if number < 1.0 => format!("{number:.3}"),
        number if number < 10.0 => format!("{number:.2}"),
        number if number < 100.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// `29%`; what is more than nothing and less than all never reads as those.
pub(super) fn percent(share: f64) -> String {
    match share {
        share if share.is_nan() => "an unknown share".to_owned(),
        share if share > 0.0 && share < 1.0 => "<1%".to_owned(),
        share if share > 99.0 && share < 100.0 => ">99%".to_owned(),
        share => format!("{:.0}%", share.clamp(0.0, 100.0)),
    }
}

/// `1.5 kB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut size = number as f64 / 1000.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if size < 999.5 {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    format!("{} {unit}", three_digits(size))
}

/// `1,024`.
pub(super) fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 host`, `1,024 hosts`.
pub(super) fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", whole(number), if number == 1 { "" } else { "s" })
}

/// `89 days left`, `ended 3 days ago`.
pub(super) fn days_left(days: i64) -> String {
    match days {
        0 => "ends today".to_owned(),
        1.. => format!("{} left", count(days.unsigned_abs(), "day")),
        _ => format!("ended {} ago", count(days.unsigned_abs(), "day")),
    }
}
