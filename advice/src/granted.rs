//! What the caller of one call may use: the catalog up to the tier that the call asks for, and what the
//! denial says of the parts that are beyond it.

use probity_protocol::{
    Beyond, Call, Catalog, Denial, Exceeded, Identifier, OptionEntry, OptionId, PresetEntry,
    Reason, SetBy, TargetKind, Tier, ToolEntry, ValueType, Weight,
};

use crate::value::Values;

/// The tools that the caller may use for one call.
#[derive(Clone, Copy)]
pub(crate) struct Granted<'c> {
    pub catalog: &'c Catalog,
    /// The highest tier that the call asks for: a frontend may leave the intrusive one alone.
    most: Tier,
    denial: &'c Denial,
}

impl<'c> Granted<'c> {
    pub(crate) fn of(catalog: &'c Catalog, call: &Call, denial: &'c Denial) -> Self {
        let most = call.limits.tier.unwrap_or(Tier::Intrusive);
        Self { catalog, most, denial }
    }

    /// Every tool, by name.
    pub(crate) fn tools(self) -> impl Iterator<Item = Tool<'c>> {
        self.catalog.tools.iter().filter_map(move |entry| self.usable(entry))
    }

    /// A tool by its name or an alias of it.
    pub(crate) fn tool(self, name: &str) -> Option<Tool<'c>> {
        self.usable(self.catalog.tool(name)?)
    }

    fn usable(self, entry: &'c ToolEntry) -> Option<Tool<'c>> {
        let tier = if entry.intrusive { self.most } else { Tier::Standard };
        (entry.tier <= tier).then_some(Tool { entry, tier, denial: self.denial })
    }
}

/// A tool that the caller may use.
#[derive(Clone, Copy)]
pub(crate) struct Tool<'c> {
    pub entry: &'c ToolEntry,
    /// The tier in which it may be used.
    pub tier: Tier,
    denial: &'c Denial,
}

/// An option that a call names.
#[derive(Clone, Copy)]
pub(crate) enum Named<'c> {
    /// It may be given.
    Granted(&'c OptionEntry),
    /// It is beyond the caller's tier, or his grants take it away.
    Beyond { option: &'c OptionId, takes_value: bool, tier: Tier },
}

impl<'c> Tool<'c> {
    /// The options that may be given.
    pub(crate) fn options(self) -> impl Iterator<Item = &'c OptionEntry> {
        self.entry.options.iter().filter(move |option| option.tier <= self.tier)
    }

    /// The presets that may be given.
    pub(crate) fn presets(self) -> impl Iterator<Item = &'c PresetEntry> {
        self.entry.presets.iter().filter(move |preset| preset.tier <= self.tier)
    }

    /// The preset of this name, wherever it is.
    pub(crate) fn preset(self, name: &str) -> Option<Preset<'c>> {
        let known = self.entry.presets.iter().find(|preset| preset.name.as_str() == name);
        let known = known.map(|preset| Preset {
            name: &preset.name,
            options: &preset.options,
            may_be_given: preset.tier <= self.tier,
        });
        known.or_else(|| {
            self.denial.beyond.iter().find_map(|beyond| match beyond {
                Beyond::Preset { name: known, options } if known.as_str() == name => {
                    Some(Preset { name: known, options, may_be_given: false })
                }
                _ => None,
            })
        })
    }

    /// The option of a property.
    pub(crate) fn by_name(self, name: &str) -> Option<Named<'c>> {
        self.find(|known, _| known == name)
    }

    /// The option of a flag.
    pub(crate) fn by_flag(self, flag: &str) -> Option<Named<'c>> {
        self.find(|_, known| known == Some(flag))
    }

    fn find(self, is_it: impl Fn(&str, Option<&str>) -> bool) -> Option<Named<'c>> {
        let mut options = self.entry.options.iter();
        if let Some(entry) = options.find(|o| is_it(o.name.as_str(), o.flag.as_deref())) {
            return Some(Named::Granted(entry));
        }
        self.denial.beyond.iter().find_map(|beyond| match beyond {
            Beyond::Option { option, takes_value, tier }
                if is_it(option.name.as_str(), option.flag.as_deref()) =>
            {
                Some(Named::Beyond { option, takes_value: *takes_value, tier: *tier })
            }
            _ => None,
        })
    }

    /// Whether the value that was given for an option is beyond the caller's tier.
    pub(crate) fn is_value_beyond(self, option: &OptionEntry, value: &str) -> bool {
        let named = || {
            self.denial
                .beyond
                .iter()
                .any(|beyond| matches!(beyond, Beyond::Value(known) if known.name == option.name))
        };
        let is_intrusive = || option.intrusive_words.iter().any(|word| word == value);
        self.tier < Tier::Intrusive && (named() || is_intrusive())
    }

    /// What an option takes from this caller.
    pub(crate) fn values(self, entry: &'c OptionEntry) -> Values<'c> {
        // The nearest grant may leave less than all of them do together.
        let of_grant = self.exceeded().filter(|exceeded| exceeded.option.name == entry.name);
        let left = of_grant.and_then(|exceeded| exceeded.left.as_ref());
        Values { entry, value: left.unwrap_or(&entry.value), tier: self.tier }
    }

    /// The option that a preset or a default sets beyond what is left of it, and to what.
    pub(crate) fn set_beyond(self) -> Option<(&'c OptionEntry, &'c str)> {
        let exceeded = self.exceeded()?;
        let by_caller = exceeded.set_by == SetBy::Caller;
        exceeded.left.as_ref().filter(|_| !by_caller)?;
        let mut options = self.entry.options.iter();
        let entry = options.find(|entry| entry.name == exceeded.option.name)?;
        Some((entry, exceeded.value.as_str()))
    }

    /// The preset that sets it, where it is the one that was given.
    pub(crate) fn preset_beyond(self, given: &str) -> Option<&'c Identifier> {
        match &self.exceeded().filter(|exceeded| exceeded.left.is_some())?.set_by {
            SetBy::Preset(name) if name.as_str() == given => Some(name),
            _ => None,
        }
    }

    fn exceeded(self) -> Option<&'c Exceeded> {
        match &self.denial.reason {
            Reason::OptionNotGranted(exceeded) => Some(exceeded),
            _ => None,
        }
    }

    /// Whether it scans ports: without a word about them it scans those that it likes.
    pub(crate) fn chooses_ports(self) -> bool {
        self.entry.options.iter().any(chooses_ports)
    }

    pub(crate) fn takes(self, kind: TargetKind) -> bool {
        self.entry.targets.contains(&kind)
    }

    pub(crate) fn weight(self) -> Weight {
        Weight { tier: self.entry.tier, timeout: self.entry.timeout }
    }
}

impl<'c> Named<'c> {
    pub(crate) fn flag(self) -> Option<&'c str> {
        match self {
            Self::Granted(entry) => entry.flag.as_deref(),
            Self::Beyond { option, .. } => option.flag.as_deref(),
        }
    }

    pub(crate) fn name(self) -> &'c Identifier {
        match self {
            Self::Granted(entry) => &entry.name,
            Self::Beyond { option, .. } => &option.name,
        }
    }

    pub(crate) fn takes_value(self) -> bool {
        match self {
            Self::Granted(entry) => takes_value(entry),
            Self::Beyond { takes_value, .. } => takes_value,
        }
    }
}

/// A preset that a call names.
#[derive(Clone, Copy)]
pub(crate) struct Preset<'c> {
    pub name: &'c Identifier,
    pub options: &'c [(Identifier, String)],
    pub may_be_given: bool,
}

/// Whether an option says which ports are scanned, or how many.
pub(crate) fn chooses_ports(option: &OptionEntry) -> bool {
    matches!(option.value, ValueType::Ports { .. }) || option.flag.as_deref() == Some("--top-ports")
}

/// Whether an option takes a value.
pub(crate) fn takes_value(option: &OptionEntry) -> bool {
    !matches!(option.value, ValueType::None)
}
