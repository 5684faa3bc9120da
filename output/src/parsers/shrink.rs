//! Makes reports smaller, least interesting things first. Each step leaves a report that fits its
//! schema, takes no more than is needed, and runs in one pass over what is there.

use serde::Serialize;

use super::prefix;
use super::room::json_bytes;

/// Length to which strings outside the lists are cut in the end. As JSON, where a quote or a
/// backslash takes two bytes, three of them and the names of the fields are less than
/// [`SMALLEST_BYTES`](super::SMALLEST_BYTES).
const STRING_MAX: usize = 128;

/// How much still has to go.
pub(crate) struct Step {
    excess: usize,
    /// Something went.
    pub(crate) took: bool,
}

impl Step {
    pub(crate) fn new<T: Serialize>(report: &T, max: usize) -> Self {
        // `truncated` may become true, which is a byte shorter than false.
        Self { excess: json_bytes(report).saturating_sub(max), took: false }
    }

    /// Drops items that are `boring`, last first, while something has to go.
    pub(crate) fn drop_from_end<T: Serialize>(
        &mut self,
        list: &mut Vec<T>,
        boring: impl Fn(&T) -> bool,
    ) {
        if self.excess == 0 {
            return;
        }
        let mut kept = Vec::with_capacity(list.len());
        while let Some(item) = list.pop() {
            if self.excess > 0 && boring(&item) {
                let last = kept.is_empty() && list.is_empty();
                self.freed(json_bytes(&item) + usize::from(!last));
            } else {
                kept.push(item);
            }
        }
        kept.reverse();
        *list = kept;
    }

    /// Cuts a text to `limit` bytes, at the end of a line if there is one, while something has to go.
    pub(crate) fn cut(&mut self, text: &mut String, limit: usize) {
        if self.excess == 0 || text.len() <= limit {
            return;
        }
        let before = json_bytes(text);
        let part = prefix(text, limit);
        let end = part.trim_end().rfind('\n').filter(|end| *end > 0).unwrap_or(part.len());
        text.truncate(end);
        self.freed(before - json_bytes(text));
    }

    fn freed(&mut self, bytes: usize) {
        self.excess = self.excess.saturating_sub(bytes);
        self.took = true;
    }
}

/// Cuts the strings that stand outside the lists, where emptying the lists was not enough; answers
/// whether it did.
pub(crate) fn cut_last<R: Serialize, const N: usize>(
    report: &mut R,
    max: usize,
    strings: impl Fn(&mut R) -> [&mut Option<String>; N],
) -> bool {
    if json_bytes(report) <= max {
        return false;
    }
    for string in strings(report).into_iter().flatten() {
        string.truncate(prefix(string, STRING_MAX).len());
    }
    true
}
