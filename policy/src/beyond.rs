//! Which parts of a denied call its caller's grants do not give at all, whatever it is denied for.
//!
//! Whoever repairs the call can then leave them out, and needs no list of what others may do: each of
//! them is named in the call. Nothing is decided by this.

use std::collections::BTreeSet;

use probity_protocol::{Arguments, Beyond, Identifier, Tier};

use crate::{
    arguments::{Found, NotFound, find_first, find_typed},
    tool::{Setting, Tool},
};

/// Presets that are told of. A call takes one.
const MOST_PRESETS: usize = 2;

/// The parts, each once. `leave` says whether any grant leaves anything of an option, by its number.
pub(crate) fn beyond(
    tool: &Tool,
    granted: Tier,
    leave: impl Fn(usize) -> bool,
    arguments: &Arguments,
) -> Vec<Beyond> {
    let Arguments::Given { preset, options, tokens } = arguments else { return Vec::new() };
    let mut found: Vec<Found<'_>> =
        options.iter().filter_map(|option| find_typed(tool, option).ok()).collect();
    let mut presets: BTreeSet<&str> = preset.iter().map(Identifier::as_str).collect();
    let mut words = tokens.as_slice();
    while !words.is_empty() {
        let (item, rest) = find_first(tool, words);
        match item {
            Ok(option) => found.push(option),
            // A preset is often written among the flags.
            Err(NotFound::Operand(word)) => _ = presets.insert(word),
            Err(NotFound::Unknown(_)) => {}
        }
        words = rest;
    }
    let presets = presets.into_iter().filter_map(|name| tool.presets.get_key_value(name));
    let presets = presets.filter(|(_, preset)| preset.tier > granted).take(MOST_PRESETS);
    let presets = presets.map(|(name, preset)| Beyond::Preset {
        name: name.clone(),
        options: tool.set_by(preset, granted),
    });
    let mut seen = BTreeSet::new();
    let options = found.into_iter().filter_map(|Found { at, value }| {
        let option = tool.options.get(at).filter(|_| seen.insert(at))?;
        if option.tier > granted || !leave(at) {
            return Some(option.beyond());
        }
        // Of no other kind a value has a tier.
        match option.kind.has_tiers().then(|| option.parse(value))? {
            Ok(Setting::On(value)) if option.tier_with(&value) > granted => {
                Some(Beyond::Value(option.id()))
            }
            _ => None,
        }
    });
    presets.chain(options).collect()
}
