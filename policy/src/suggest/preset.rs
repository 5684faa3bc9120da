//! The preset that was meant: by its name, a slip of it, or another word for the same.

use probity_protocol::{Identifier, Tier};

use super::words;
use crate::tool::{Preset, Tool};

/// The preset that a subject of this tier may take for the one it names.
pub(super) fn allowed<'t>(tool: &'t Tool, tier: Tier, given: &str) -> Option<&'t Identifier> {
    let (name, preset) = named(tool, given).or_else(|| {
        let near = tool.lookup.near_preset(given, |_| true)?;
        tool.presets.get_key_value(near)
    })?;
    if preset.tier <= tier { Some(name) } else { preset.standard.as_ref() }
}

/// The preset that a word among the tool's own flags names.
pub(crate) fn meant_preset<'t>(tool: &'t Tool, tier: Tier, word: &str) -> Option<&'t Identifier> {
    let (name, preset) = named(tool, word).filter(|_| tool.tier <= tier)?;
    if preset.tier <= tier { Some(name) } else { preset.standard.as_ref() }
}

/// By its name, or by another word for it.
fn named<'t>(tool: &'t Tool, word: &str) -> Option<(&'t Identifier, &'t Preset)> {
    let word = word.to_ascii_lowercase();
    let alike = || words::of_that_depth(&word).iter().find_map(|w| tool.presets.get_key_value(*w));
    tool.presets.get_key_value(word.as_str()).or_else(alike)
}
