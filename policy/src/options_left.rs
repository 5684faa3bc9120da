//! What the grants of a subject leave of a tool's options, all of them together, for the catalog. Nothing is
//! decided by this: a call must keep to one of them.

use probity_protocol::{Ports, Tier, ValueType};

use crate::{
    granted_options::Left,
    grants::Grant,
    subject_grants::Granted,
    tool::{Preset, Setting, Tool},
    value::Value,
};

#[derive(Clone, Copy)]
pub(crate) struct OptionsLeft<'g, 'p> {
    tool: &'p Tool,
    granted: &'g Granted<'p>,
}

impl<'g, 'p> OptionsLeft<'g, 'p> {
    pub(crate) fn of(tool: &'p Tool, granted: &'g Granted<'p>) -> Self {
        Self { tool, granted }
    }

    /// Whether it matters which grants they are: no grant of the highest tier leaves everything.
    pub(crate) fn is_less(self) -> bool {
        let highest = self.granted.tier();
        self.grants(highest).all(|(grant, _)| !grant.options.of(self.tool).is_empty())
    }

    /// The values of an option, by its number, that any of them leaves; `None` where none does.
    pub(crate) fn values(self, at: usize) -> Option<ValueType> {
        let option = self.tool.options.get(at)?;
        let each = self.grants(option.tier).filter_map(|(grant, tier)| {
            let values = option.kind.describe(tier);
            match self.left(grant, at) {
                None => Some(values),
                Some(left) => left.of(values),
            }
        });
        each.reduce(joined)
    }

    /// Whether any of them leaves a value of an option.
    pub(crate) fn has(self, at: usize, value: &Value) -> bool {
        self.grants(Tier::Standard).any(|(grant, _)| self.leaves(grant, at, value))
    }

    /// Whether any of them leaves all that a preset sets.
    pub(crate) fn has_preset(self, preset: &Preset) -> bool {
        self.grants(preset.tier).any(|(grant, _)| {
            preset.settings.iter().all(|(at, setting)| match setting {
                Setting::On(value) => self.leaves(grant, *at, value),
                Setting::Off => true,
            })
        })
    }

    /// The grants by which the tool can be used in a tier.
    fn grants(self, tier: Tier) -> impl Iterator<Item = (&'p Grant, Tier)> {
        let least = tier.max(self.tool.tier);
        self.granted.each().filter(move |(_, tier)| least <= *tier)
    }

    fn leaves(self, grant: &Grant, at: usize, value: &Value) -> bool {
        self.left(grant, at).is_none_or(|left| left.has(value))
    }

    /// What a grant says of an option, if anything.
    fn left(self, grant: &Grant, at: usize) -> Option<&Left> {
        let mut said = grant.options.of(self.tool).iter();
        said.find(|option| option.at == at).map(|option| &option.left)
    }
}

/// What either leaves: of a range all between them, in whose gaps the policy has the last word.
fn joined(one: ValueType, other: ValueType) -> ValueType {
    use ValueType as V;
    let words = |mut these: Vec<String>, those: Vec<String>| {
        let more: Vec<_> = those.into_iter().filter(|word| !these.contains(word)).collect();
        these.extend(more);
        these
    };
    match (one, other) {
        (V::Integer { min, max }, V::Integer { min: low, max: high }) => {
            V::Integer { min: min.min(low), max: max.max(high) }
        }
        (V::Number { min, max }, V::Number { min: low, max: high }) => {
            V::Number { min: min.min(low), max: max.max(high) }
        }
        (V::Duration { min, max }, V::Duration { min: low, max: high }) => {
            V::Duration { min: min.min(low), max: max.max(high) }
        }
        (V::Ports { within: Some(these) }, V::Ports { within: Some(those) }) => {
            let all = [these.ranges(), those.ranges()].concat();
            V::Ports { within: Some(Ports::joined(all)) }
        }
        (V::Ports { .. }, V::Ports { .. }) => V::Ports { within: None },
        (V::Enumeration(these), V::Enumeration(those)) => V::Enumeration(words(these, those)),
        (V::EnumerationList(these), V::EnumerationList(those)) => {
            V::EnumerationList(words(these, those))
        }
        // Of other kinds nothing is narrowed, so that both are the same.
        (one, _) => one,
    }
}
