//! What is looked up in a tool at every call, and what is said of it at every refusal: made once, at
//! load, so that neither costs more where a file is long.

use std::collections::{BTreeMap, HashMap};

use probity_protocol::{Identifier, Tier};

use crate::{
    near::NearNames,
    suggest::depth_of,
    tool::{Preset, Setting, ToolOption},
    value::{Value, ValueKind},
    words::Words,
};

/// Most names in one sentence.
pub(crate) const MOST_NAMES: usize = 20;

/// Flags and presets that somebody is told of who asks for another: more than any model reads.
const MOST_OFFERED: usize = 100;

/// Something for whoever is granted the standard tier, and for whoever is granted both.
#[derive(Debug, Clone, Default)]
pub(crate) struct ByTier<T> {
    standard: T,
    intrusive: T,
}

impl<T> ByTier<T> {
    pub(crate) fn of(make: impl Fn(Tier) -> T) -> Self {
        Self { standard: make(Tier::Standard), intrusive: make(Tier::Intrusive) }
    }

    pub(crate) fn at(&self, tier: Tier) -> &T {
        match tier {
            Tier::Standard => &self.standard,
            Tier::Intrusive => &self.intrusive,
        }
    }
}

/// A tool's options and presets by what a client writes for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lookup {
    names: HashMap<String, usize>,
    flags: HashMap<String, usize>,
    near_options: NearNames,
    presets: Vec<Identifier>,
    near_presets: NearNames,
    /// The first flags that are offered, with a space between.
    flags_told: ByTier<String>,
    chooses_ports: bool,
    /// The first presets that are offered.
    presets_told: ByTier<Vec<String>>,
}

impl Lookup {
    pub(crate) fn new(
        own: Tier,
        options: &[ToolOption],
        presets: &BTreeMap<Identifier, Preset>,
    ) -> Self {
        let by = |text: fn(&ToolOption) -> &str| {
            let mut numbers = HashMap::new();
            for (at, option) in options.iter().enumerate() {
                numbers.entry(text(option).to_owned()).or_insert(at);
            }
            numbers
        };
        let flags_told = ByTier::of(|tier| {
            let offered = options.iter().filter(|option| option.tier.max(own) <= tier);
            let flags = offered.map(|option| option.flag.as_str()).take(MOST_OFFERED);
            flags.collect::<Vec<_>>().join(" ")
        });
        let presets_told = ByTier::of(|tier| {
            let offered = presets.iter().filter(|(_, preset)| preset.tier.max(own) <= tier);
            offered.map(|(name, _)| name.to_string()).take(MOST_OFFERED).collect()
        });
        let named = options.iter().enumerate().map(|(at, option)| (option.name.as_str(), at));
        let preset_names = presets.keys().enumerate().map(|(at, name)| (name.as_str(), at));
        Self {
            names: by(|option| option.name.as_str()),
            flags: by(|option| option.flag.as_str()),
            near_options: NearNames::new(named),
            near_presets: NearNames::new(preset_names),
            presets: presets.keys().cloned().collect(),
            chooses_ports: options.iter().any(chooses_ports),
            flags_told,
            presets_told,
        }
    }

    /// The option of a property, by its place.
    pub(crate) fn option(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The option of a flag.
    pub(crate) fn flag(&self, flag: &str) -> Option<usize> {
        self.flags.get(flag).copied()
    }

    /// The option that a property was probably meant to be.
    pub(crate) fn near_option(
        &self,
        given: &str,
        offered: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        self.near_options.closest(given, offered)
    }

    /// The preset that a name was probably meant to be.
    pub(crate) fn near_preset(
        &self,
        given: &str,
        mut offered: impl FnMut(&Identifier) -> bool,
    ) -> Option<&Identifier> {
        let name = |at: usize| self.presets.get(at);
        name(self.near_presets.closest(given, |at| name(at).is_some_and(&mut offered))?)
    }

    /// Whether the tool scans ports: without a word about them it scans those that it likes.
    pub(crate) fn chooses_ports(&self) -> bool {
        self.chooses_ports
    }

    pub(crate) fn flags_told(&self, tier: Tier) -> &str {
        self.flags_told.at(tier)
    }

    pub(crate) fn presets_told(&self, tier: Tier) -> &[String] {
        self.presets_told.at(tier)
    }
}

/// What is said of an option when a value does not fit.
#[derive(Debug, Clone, Default)]
pub(crate) struct OptionTold {
    /// What it takes, as [`ValueKind::expected`] has it.
    pub expected: ByTier<String>,
    /// A value that passes, as a client would write it: the file's own example or default, or one
    /// made from the kind; within the option's own tier.
    pub some_value: Option<String>,
    /// Of a rendered enumeration the words within its own tier.
    pub words: Option<Words>,
}

impl OptionTold {
    pub(crate) fn new(option: &ToolOption) -> Self {
        let own = option.example.as_ref().or(option.default.as_ref());
        let written = |value: &Value| option.written(&Setting::On(value.clone()));
        let some_value = own.map(written).or_else(|| option.kind.example());
        let fine = |text: &String| {
            let parsed = option.kind.parse(text);
            parsed.is_ok_and(|value| option.kind.tier(&value) <= option.tier)
        };
        Self {
            expected: ByTier::of(|tier| option.kind.expected(tier)),
            some_value: some_value.filter(fine),
            words: match &option.kind {
                ValueKind::Rendered(words) => {
                    let within = words.iter().filter(|(_, word)| word.tier <= option.tier);
                    Some(Words::new(within.map(|(name, _)| name.clone()).collect()))
                }
                _ => None,
            },
        }
    }
}

/// The first names of a list, and how many more there are.
pub(crate) fn some_of(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<_> = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The preset of the standard tier to take in the place of each one beyond it, of those that scan no
/// more ports: the most thorough that its name says is less so, or else the one that has most settings
/// in common with it.
pub(crate) fn with_standard_ones(
    presets: &mut BTreeMap<Identifier, Preset>,
    options: &[ToolOption],
) {
    let standard = |preset: &&Preset| preset.tier == Tier::Standard;
    let taken: Vec<_> =
        presets.iter().filter(|(_, p)| standard(p)).map(|(n, p)| (n.clone(), p.clone())).collect();
    for (name, preset) in presets.iter_mut().filter(|(_, preset)| preset.tier > Tier::Standard) {
        let depth = depth_of(name.as_str());
        let less = |other: &Identifier| {
            let ((most, _), (depth, place)) = (depth?, depth_of(other.as_str())?);
            (depth < most).then(|| (most - depth, place))
        };
        let different = |other: &Preset| {
            let common = other.settings.iter().filter(|set| preset.settings.contains(set));
            usize::MAX - common.count()
        };
        let most = ports_of(preset, options);
        let no_more = taken.iter().filter(|(_, other)| ports_of(other, options) <= most);
        let nearest = no_more.min_by_key(|(name, other)| {
            let (less, place) = less(name).unwrap_or((usize::MAX, usize::MAX));
            (less, place, different(other))
        });
        preset.standard = nearest.map(|(name, _)| name.clone());
    }
}

/// Ports that a scan takes without a word about them: nmap's own number.
const USUAL_PORTS: u64 = 1000;

/// How many ports a preset has scanned.
fn ports_of(preset: &Preset, options: &[ToolOption]) -> u64 {
    let counts = preset.settings.iter().filter_map(|(at, setting)| {
        let Setting::On(value) = setting else { return None };
        match value {
            Value::Ports(ports) => {
                let sizes = ports.ranges().iter().map(|(first, last)| u64::from(last - first) + 1);
                Some(sizes.sum())
            }
            Value::Integer(count) if options.get(*at).is_some_and(chooses_ports) => Some(*count),
            _ => None,
        }
    });
    counts.min().unwrap_or(USUAL_PORTS)
}

/// Whether an option says which ports are scanned, or how many.
pub(crate) fn chooses_ports(option: &ToolOption) -> bool {
    matches!(option.kind, ValueKind::Ports) || option.flag == "--top-ports"
}

/// Whether an option takes a value.
pub(crate) fn takes_value(option: &ToolOption) -> bool {
    !matches!(option.kind, ValueKind::None)
}
