//! Reads W3C Trace Context (level 2) as a caller sent it. Strictly: what is not written as the
//! recommendation has it says nothing, and the call begins a trace of its own.

use std::str::FromStr as _;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use super::TraceContext;

/// How long a `traceparent` of the first version is. Later ones may go on after a dash.
const LENGTH: usize = 55;

/// A longer `tracestate` is left out: nobody has to pass on more.
const LONGEST_STATE: usize = 512;

/// The span that a caller is in, if it says so.
pub(super) fn read(caller: TraceContext<'_>) -> Option<SpanContext> {
    let parent = caller.parent?.as_bytes();
    let (head, rest) = parent.split_at_checked(LENGTH)?;
    let [version @ .., b'-', _] = head.first_chunk::<4>()? else { return None };
    let is_known = version == b"00" && rest.is_empty();
    let may_come = version != b"00" && version != b"ff" && matches!(rest, [] | [b'-', ..]);
    let dashes = [2, 35, 52].iter().all(|at| head[*at] == b'-');
    let digits = [&head[..2], &head[3..35], &head[36..52], &head[53..]];
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !(is_known || may_come) || !dashes || !digits.concat().iter().all(is_hex) {
        return None;
    }
    let text = |part: &[u8]| std::str::from_utf8(part).ok().map(str::to_owned);
    let trace = TraceId::from_hex(&text(digits[1])?).ok()?;
    let span = SpanId::from_hex(&text(digits[2])?).ok()?;
    let flags = u8::from_str_radix(&text(digits[3])?, 16).ok()?;
    let state = caller.state.filter(|state| state.len() <= LONGEST_STATE);
    let state = state.and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    Some(SpanContext::new(trace, span, flags, true, state)).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn of(parent: &str) -> Option<SpanContext> {
        read(TraceContext { parent: Some(parent), state: None })
    }

    #[test]
    fn what_the_recommendation_has_is_read() {
        for (version, flags, more, sampled) in [
            ("00", "01", "", true),
            ("00", "00", "", false),
            ("00", "03", "", true),
            ("cc", "01", "", true),
            ("cc", "01", "-what-comes", true),
        ] {
            let parent = format!("{version}-{TRACE}-{SPAN}-{flags}{more}");
            let read = of(&parent).unwrap();
            assert_eq!(
                (read.trace_id().to_string(), read.span_id().to_string()),
                (TRACE.into(), SPAN.into())
            );
            assert_eq!((read.is_sampled(), read.is_remote()), (sampled, true), "{parent}");
        }
    }

    #[test]
    fn what_is_written_otherwise_says_nothing() {
        let zeros = ["0".repeat(32), "0".repeat(16)];
        for parent in [
            String::new(),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01more"),
            format!("+0-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", zeros[0]),
            format!("00-{TRACE}-{}-01", zeros[1]),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{}é-{SPAN}-01", &TRACE[2..]),
        ] {
            assert_eq!(of(&parent), None, "{parent}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_read_or_is_long_is_left_out_and_the_parent_stays() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let long = format!("a={}", "x".repeat(600));
        for (state, kept) in [("a=1,b=2", "a=1,b=2"), ("\u{1}", ""), (&long, ""), ("", "")] {
            let caller = TraceContext { parent: Some(&parent), state: Some(state) };
            assert_eq!(read(caller).unwrap().trace_state().header(), kept, "{state}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_breaks_it(parent in any::<String>(), state in any::<String>()) {
            let _ = read(TraceContext { parent: Some(&parent), state: Some(&state) });
        }

        /// One byte that is another: it is read as what it is now, or not at all.
        #[test]
        fn what_is_read_is_what_was_written(at in 0..LENGTH, byte in any::<char>()) {
            let parent = format!("00-{TRACE}-{SPAN}-01");
            let changed = format!("{}{byte}{}", &parent[..at], &parent[at + 1..]);
            if let Some(read) = of(&changed) {
                let again = format!("-{}-{}-", read.trace_id(), read.span_id());
                prop_assert!(changed.contains(&again), "{changed}: {read:?}");
            }
        }
    }
}
