//! Numbers with a fraction, exactly.
//!
//! Ranges in a policy and values in a request are compared and rendered as people write them;
//! floating point would round `0.2` and accept `1e3`, `inf` and `nan`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const MICROS: u64 = 1_000_000;

/// A number from 0 to a little over 10^13, with at most six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Decimal {
    micros: u64,
}

/// The text is not a plain decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a plain decimal number such as 3 or 0.5")]
pub struct DecimalError;

impl Decimal {
    /// `micros` millionths.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// The number in millionths.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.micros
    }
}

impl From<u32> for Decimal {
    fn from(whole: u32) -> Self {
        Self { micros: u64::from(whole) * MICROS }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Digits, then at most one point and one to six digits. No sign, exponent, blank, or leading
    /// zero before another digit: other programs read those in more than one way.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let digits = |s: &str, most: usize| {
            !s.is_empty() && s.len() <= most && s.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 13) || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(DecimalError);
        }
        let mut micros = whole.parse::<u64>().map_err(|_| DecimalError)? * MICROS;
        if let Some(fraction) = fraction {
            if !digits(fraction, 6) {
                return Err(DecimalError);
            }
            let padded = format!("{fraction:0<6}");
            micros += padded.parse::<u64>().map_err(|_| DecimalError)?;
        }
        Ok(Self { micros })
    }
}

impl fmt::Display for Decimal {
    /// The shortest text that parses back to the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.micros / MICROS, self.micros % MICROS);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Seconds, as `2`, `0.5` or with a unit as people write it: `500ms`, `2s`, `1m`.
#[must_use]
pub fn parse_seconds(text: &str) -> Option<Decimal> {
    let (number, micros_per_unit) = match text {
        t if t.ends_with("ms") => (t.strip_suffix("ms")?, 1_000),
        t if t.ends_with('s') => (t.strip_suffix('s')?, 1_000_000),
        t if t.ends_with('m') => (t.strip_suffix('m')?, 60_000_000),
        t => (t, 1_000_000),
    };
    let number: Decimal = number.parse().ok()?;
    let micros = u128::from(number.micros()) * micros_per_unit / 1_000_000;
    // Whole milliseconds: no tool takes finer times, and rounding would not be what was asked.
    let exact = micros.is_multiple_of(1_000);
    u64::try_from(micros).ok().filter(|_| exact).map(Decimal::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_that_programs_read_differently_are_refused() {
        for bad in ["", ".5", "1.", "+1", "-1", "1e3", "0x1", "inf", "nan", "01", "1.1234567", "1 "]
        {
            assert!(bad.parse::<Decimal>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_back_to_the_same_number(micros in 0..10_000_000_000_000_000_000_u64 / 2) {
            let number = Decimal::from_micros(micros);
            prop_assert_eq!(number.to_string().parse::<Decimal>(), Ok(number));
        }
    }
}
