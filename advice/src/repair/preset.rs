//! The preset that was meant: by its name, a slip of it, or another word for the same. In the place of
//! one beyond the caller's tier, one of the standard tier that does less.

use probity_protocol::{Identifier, Ports, PresetEntry, Tier, ValueType};

use crate::{
    granted::{Preset, Tool, chooses_ports},
    near::closest,
    vocabulary,
};

/// Ports that a scan takes without a word about them: nmap's own number.
const USUAL_PORTS: u64 = 1000;

/// The preset that a caller may take for the one he names.
pub(super) fn allowed<'c>(tool: Tool<'c>, given: &str) -> Option<&'c Identifier> {
    let near = || {
        let names = tool.entry.presets.iter().map(|preset| preset.name.as_str());
        tool.preset(closest(given, names)?)
    };
    or_instead(tool, named(tool, given).or_else(near)?)
}

/// The preset that a word among the tool's own flags names.
pub(crate) fn meant_preset<'c>(tool: Tool<'c>, word: &str) -> Option<&'c Identifier> {
    or_instead(tool, named(tool, word)?)
}

/// By its name, or by another word for it.
fn named<'c>(tool: Tool<'c>, word: &str) -> Option<Preset<'c>> {
    let word = word.to_ascii_lowercase();
    let alike = || vocabulary::of_that_depth(&word).iter().find_map(|w| tool.preset(w));
    tool.preset(&word).or_else(alike)
}

fn or_instead<'c>(tool: Tool<'c>, preset: Preset<'c>) -> Option<&'c Identifier> {
    match preset.may_be_given {
        true => Some(preset.name),
        false => instead_of(tool, preset.name, preset.options),
    }
}

/// The preset of the standard tier to take in the place of one beyond it, of those that scan no more
/// ports: the most thorough that its name says is less so, or else the one that has most settings in
/// common with it.
pub(crate) fn instead_of<'c>(
    tool: Tool<'c>,
    name: &Identifier,
    options: &[(Identifier, String)],
) -> Option<&'c Identifier> {
    let depth = vocabulary::depth_of(name.as_str());
    let less = |other: &PresetEntry| {
        let ((most, _), (depth, place)) = (depth?, vocabulary::depth_of(other.name.as_str())?);
        (depth < most).then(|| (most - depth, place))
    };
    let different = |other: &PresetEntry| {
        let common = other.options.iter().filter(|set| options.contains(set));
        usize::MAX - common.count()
    };
    let most = ports_of(tool, options);
    let standard = tool.presets().filter(|preset| preset.tier == Tier::Standard);
    let no_more = standard.filter(|preset| ports_of(tool, &preset.options) <= most);
    let nearest = no_more.min_by_key(|preset| {
        let (less, place) = less(preset).unwrap_or((usize::MAX, usize::MAX));
        (less, place, different(preset))
    });
    nearest.map(|preset| &preset.name)
}

/// How many ports a preset has scanned.
fn ports_of(tool: Tool<'_>, settings: &[(Identifier, String)]) -> u64 {
    let counts = settings.iter().filter_map(|(name, text)| {
        let option = tool.entry.options.iter().find(|option| option.name == *name)?;
        match &option.value {
            ValueType::Ports { .. } => {
                let ports = Ports::parse(text)?;
                let sizes = ports.ranges().iter().map(|(first, last)| u64::from(last - first) + 1);
                Some(sizes.sum())
            }
            ValueType::Integer { .. } if chooses_ports(option) => text.parse().ok(),
            _ => None,
        }
    });
    counts.min().unwrap_or(USUAL_PORTS)
}
