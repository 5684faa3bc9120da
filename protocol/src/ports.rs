//! Ports and ranges of them, as people write them and as programs take them: `22,80,8000-8100`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Sorted, disjoint ranges, each from its first port to its last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u16)>")]
pub struct Ports(Vec<(u16, u16)>);

impl From<Vec<(u16, u16)>> for Ports {
    fn from(ranges: Vec<(u16, u16)>) -> Self {
        Self::joined(ranges)
    }
}

impl Ports {
    /// Reads a list. It may have hundreds of parts, so it is read byte by byte.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts = text.as_bytes().split(|byte| *byte == b',');
        parts.map(Self::parse_range).collect::<Option<Vec<_>>>().map(Self::joined)
    }

    /// One port, or a range from its lower end.
    #[must_use]
    pub fn parse_range(text: &[u8]) -> Option<(u16, u16)> {
        let (first, last) = match text.iter().position(|byte| *byte == b'-') {
            Some(dash) => (parse_port(text.get(..dash)?)?, parse_port(text.get(dash + 1..)?)?),
            None => parse_port(text).map(|port| (port, port))?,
        };
        (first <= last).then_some((first, last))
    }

    /// Ranges in any order, each port once.
    #[must_use]
    pub fn joined(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let joins = u32::from(next.0) <= u32::from(kept.1) + 1;
            if joins {
                kept.1 = kept.1.max(next.1);
            }
            joins
        });
        Self(ranges)
    }

    /// Every port that there is.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(1, u16::MAX)])
    }

    /// Whether each port of the others is one of these.
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        others.0.iter().all(|(first, last)| {
            let at = self.0.partition_point(|(_, end)| end < first);
            self.0.get(at).is_some_and(|(start, end)| start <= first && last <= end)
        })
    }

    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }
}

/// Digits only and no leading zero, without a look at what cannot be a port.
fn parse_port(text: &[u8]) -> Option<u16> {
    if !(1..=5).contains(&text.len()) || text.first() == Some(&b'0') {
        return None;
    }
    let digits = text.iter().try_fold(0_u32, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
    });
    u16::try_from(digits?).ok()
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        for &(first, last) in &self.0 {
            if !out.is_empty() {
                out.push(',');
            }
            push_port(&mut out, first);
            if first != last {
                out.push('-');
                push_port(&mut out, last);
            }
        }
        f.write_str(&out)
    }
}

/// Digit by digit: formatting takes longer than all the rest that is done with a list.
fn push_port(out: &mut String, port: u16) {
    let mut size = 1;
    while size <= port / 10 {
        size *= 10;
    }
    while size > 0 {
        out.push(char::from(b'0' + (port / size % 10).to_le_bytes()[0]));
        size /= 10;
    }
}
