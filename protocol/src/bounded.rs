//! Lists of bounded length and size. A list that is too long ends the decoding where it is, so that
//! a frame of what nobody may send costs no more than one of what somebody may.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

/// Something of which a list may hold so many bytes.
pub(crate) trait Size {
    fn bytes(&self) -> usize;
}

/// Reads a list of at most so many items, of at most so many bytes together.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de> + Size>(
    from: D,
    most_items: usize,
    most_bytes: usize,
) -> Result<Vec<T>, D::Error> {
    from.deserialize_seq(Bounded { most_items, most_bytes, of: PhantomData })
}

struct Bounded<T> {
    most_items: usize,
    most_bytes: usize,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de> + Size> Visitor<'de> for Bounded<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} items of {} bytes in all", self.most_items, self.most_bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let claimed = items.size_hint().unwrap_or(0);
        if claimed > self.most_items {
            return Err(A::Error::invalid_length(claimed, &self));
        }
        let (mut list, mut bytes) = (Vec::with_capacity(claimed), 0_usize);
        while let Some(item) = items.next_element::<T>()? {
            bytes = bytes.saturating_add(item.bytes());
            if list.len() == self.most_items || bytes > self.most_bytes {
                return Err(A::Error::invalid_length(list.len() + 1, &self));
            }
            list.push(item);
        }
        Ok(list)
    }
}
