//! A run's name: 128 random bits. Who was not told it cannot guess it, and no clock has a part in it, so
//! that none is given twice when the clock jumps back.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The digits, as RFC 4648 has them, in lower case: each is five bits.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Digits of an id. The first has three bits, so that they are 128 in all.
const LENGTH: usize = 26;
const BITS_OF_DIGIT: u32 = 5;

/// The id of one run, which is written as 26 lower-case digits of base 32. It reads in no other way, and
/// compares by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u128);

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id of a run has {LENGTH} characters of a-z and 2-7, as `probity history` lists them")]
pub struct BadRunId;

/// The kernel gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kernel gives no random bytes for the id of a run: {0}")]
pub struct NoRandomness(getrandom::Error);

impl RunId {
    /// An id that nobody has had.
    ///
    /// # Errors
    /// If the kernel gives no random bytes.
    pub fn fresh() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(NoRandomness)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// The id of these bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |place: usize| {
            let shift = BITS_OF_DIGIT * (LENGTH - 1 - place) as u32;
            char::from(DIGITS[(self.0 >> shift) as usize & (DIGITS.len() - 1)])
        };
        f.pad(&(0..LENGTH).map(digit).collect::<String>())
    }
}

impl FromStr for RunId {
    type Err = BadRunId;

    fn from_str(text: &str) -> Result<Self, BadRunId> {
        if text.len() != LENGTH {
            return Err(BadRunId);
        }
        let mut bits: u128 = 0;
        for byte in text.bytes() {
            let digit = DIGITS.iter().position(|digit| *digit == byte).ok_or(BadRunId)?;
            // What does not fit is an id's that was never given.
            if bits.leading_zeros() < BITS_OF_DIGIT {
                return Err(BadRunId);
            }
            bits = bits << BITS_OF_DIGIT | digit as u128;
        }
        Ok(Self(bits))
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_reads_as_it_is_written(bits: u128) {
            let id = RunId::from_bits(bits);
            let text = id.to_string();
            prop_assert_eq!(text.len(), LENGTH);
            prop_assert_eq!(text.parse(), Ok(id));
        }

        #[test]
        fn what_reads_as_an_id_is_written_the_same(text in "[a-z2-7]{26}|.{0,30}") {
            if let Ok(id) = text.parse::<RunId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn the_order_of_ids_is_that_of_their_bits(a: u128, b: u128) {
            prop_assert_eq!(RunId::from_bits(a).cmp(&RunId::from_bits(b)), a.cmp(&b));
        }
    }

    #[test]
    fn an_id_of_more_bits_or_in_upper_case_is_none() {
        assert!("h7777777777777777777777777".parse::<RunId>().is_ok());
        for text in ["i7777777777777777777777777", "H7777777777777777777777777", "", "a"] {
            assert_eq!(text.parse::<RunId>(), Err(BadRunId), "{text}");
        }
    }

    #[test]
    fn two_fresh_ids_differ() {
        assert_ne!(RunId::fresh().unwrap(), RunId::fresh().unwrap());
    }
}
