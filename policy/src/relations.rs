//! Which options of a tool go together: what one excludes, what one requires, and which no call goes without.
//!
//! It is asked of merged settings, so it does not matter whether a value is a default, a preset's or
//! the client's own. A tool's file whose defaults or presets break it is no sound file.

use crate::tool::ToolOption;

/// Two options, by index, that are not as the first of them wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Both are set.
    Excludes(usize, usize),
    /// The second is not set.
    Requires(usize, usize),
    /// It is not set, and has to be.
    Unset(usize),
}

/// The first option, in the order of the file, whose wishes are not met.
pub(crate) fn broken(options: &[ToolOption], is_set: impl Fn(usize) -> bool) -> Option<Broken> {
    options.iter().enumerate().find_map(|(at, option)| {
        if !is_set(at) {
            return option.required.then_some(Broken::Unset(at));
        }
        let excluded = option.excludes.iter().find(|other| is_set(**other));
        let required = option.requires.iter().find(|other| !is_set(**other));
        let excluded = excluded.map(|other| Broken::Excludes(at, *other));
        excluded.or(required.map(|other| Broken::Requires(at, *other)))
    })
}

#[cfg(test)]
#[path = "relations_tests.rs"]
mod tests;
