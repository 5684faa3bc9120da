//! What a grant leaves of the options of its tools. It takes options away and narrows their values, and it
//! adds nothing: what the tool's file refuses stays refused.

use std::collections::{BTreeMap, BTreeSet};

use probity_protocol::{Decimal, Identifier, Ports, ToolName, ValueType};
use serde::Serialize;

use crate::{
    arguments::Settings,
    source::Place,
    tool::{Tool, ToolOption},
    value::Value,
};

/// What a grant says of options, by tool.
#[derive(Debug, Clone, Default)]
pub(crate) struct GrantedOptions(pub(crate) BTreeMap<ToolName, Vec<OptionLeft>>);

/// An option that a grant narrows.
#[derive(Debug, Clone)]
pub(crate) struct OptionLeft {
    /// Its number in the tool's file.
    pub at: usize,
    pub name: Identifier,
    pub left: Left,
    pub place: Place,
}

/// What is left of an option's values. What is not named here is taken away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Left {
    /// It may not be used.
    Nothing,
    Integer {
        min: u64,
        max: u64,
    },
    Decimal {
        min: Decimal,
        max: Decimal,
    },
    Ports(Ports),
    Words(BTreeSet<String>),
}

/// By what it says and not by where it says it.
pub(crate) type OptionsKey = BTreeMap<ToolName, BTreeMap<Identifier, Left>>;

impl GrantedOptions {
    /// Adds what is said of a tool; false where something is already.
    pub(crate) fn insert(&mut self, tool: &ToolName, options: Vec<OptionLeft>) -> bool {
        self.0.insert(tool.clone(), options).is_none()
    }

    /// What is said of the options of a tool.
    pub(crate) fn of(&self, tool: &Tool) -> &[OptionLeft] {
        self.0.get(&tool.name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The first option that does not stay within what is left, and what it is in the call.
    pub(crate) fn exceeded<'p, 's>(
        &'p self,
        tool: &'p Tool,
        settings: &'s Settings,
    ) -> Option<(&'p OptionLeft, &'p ToolOption, &'s Value)> {
        self.of(tool).iter().find_map(|option| {
            let value = settings.get(option.at)?.as_ref()?;
            (!option.left.has(value)).then_some((option, tool.options.get(option.at)?, value))
        })
    }

    pub(crate) fn key(&self) -> OptionsKey {
        let of = |options: &Vec<OptionLeft>| {
            options.iter().map(|option| (option.name.clone(), option.left.clone())).collect()
        };
        self.0.iter().map(|(tool, options)| (tool.clone(), of(options))).collect()
    }
}

impl Left {
    pub(crate) fn has(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Integer { min, max }, Value::Integer(n)) => (min..=max).contains(&n),
            (Self::Decimal { min, max }, Value::Decimal(n)) => (min..=max).contains(&n),
            (Self::Ports(left), Value::Ports(ports)) => left.cover(ports),
            (Self::Words(left), Value::Word(word)) => left.contains(word),
            (Self::Words(left), Value::Words(words)) => words.iter().all(|w| left.contains(w)),
            // Nothing, and whatever cannot be shown to be left.
            _ => false,
        }
    }

    /// What is left of values, as clients see them; `None` where nothing is.
    pub(crate) fn of(&self, values: ValueType) -> Option<ValueType> {
        use ValueType as V;
        let left = |mut words: Vec<String>, kept: &BTreeSet<String>| {
            words.retain(|word| kept.contains(word));
            (!words.is_empty()).then_some(words)
        };
        Some(match (values, self) {
            (V::Integer { .. }, Self::Integer { min, max }) => V::Integer { min: *min, max: *max },
            (V::Number { .. }, Self::Decimal { min, max }) => V::Number { min: *min, max: *max },
            (V::Duration { .. }, Self::Decimal { min, max }) => {
                V::Duration { min: *min, max: *max }
            }
            (V::Ports { .. }, Self::Ports(ports)) => V::Ports { within: Some(ports.clone()) },
            (V::Enumeration(words), Self::Words(kept)) => V::Enumeration(left(words, kept)?),
            (V::EnumerationList(words), Self::Words(kept)) => {
                V::EnumerationList(left(words, kept)?)
            }
            _ => return None,
        })
    }
}
