//! Arguments without what a tool does not take: what can be read stays, values move into their
//! range, and what is beyond the grant goes.

use probity_protocol::{
    Arguments, GivenOption, Identifier, MAX_ARGS_BYTES, MAX_OPTIONS, OptionText, Tier, Token,
};

use super::value::nearest_value;
use crate::{
    arguments::{Found, NotFound, find_first, find_typed},
    tool::{Preset, Setting, Tool, ToolOption},
    value::ValueKind,
};

/// The same arguments, so that the tool takes them from a subject of this tier.
pub(super) fn repaired(tool: &Tool, tier: Tier, arguments: &Arguments) -> Arguments {
    // What could not be read did not travel: nothing of it is left to keep.
    let Arguments::Given { preset, options, tokens } = arguments else {
        return Arguments::default();
    };
    let mut kept = Kept {
        tool,
        tier,
        taken: vec![false; tool.options.len()],
        options: vec![],
        tokens: vec![],
    };
    for option in options {
        kept.typed(option);
    }
    let mut words = tokens.as_slice();
    while !words.is_empty() {
        let (found, rest) = find_first(tool, words);
        let (item, _) = words.split_at(words.len() - rest.len());
        kept.words(item, found);
        words = rest;
    }
    let preset = match preset {
        Some(name) => allowed_preset(tool, tier, name),
        None => operands(tool, tokens).find_map(|word| meant_preset(tool, tier, word)),
    };
    let Kept { options, tokens, .. } = kept;
    let mut arguments = Arguments::Given { preset: preset.cloned(), options, tokens };
    while !can_be_sent(&arguments) {
        match simpler(&arguments) {
            Some(less) => arguments = less,
            None => break,
        }
    }
    arguments
}

/// The words that belong to no option.
fn operands<'a>(tool: &'a Tool, mut words: &'a [Token]) -> impl Iterator<Item = &'a str> {
    std::iter::from_fn(move || {
        while !words.is_empty() {
            let (found, rest) = find_first(tool, words);
            words = rest;
            if let Err(NotFound::Operand(word)) = found {
                return Some(word);
            }
        }
        None
    })
}

/// The arguments without one part of them: first the words, then the options, then the preset.
pub(super) fn simpler(arguments: &Arguments) -> Option<Arguments> {
    match arguments.clone() {
        Arguments::Malformed(_) => Some(Arguments::default()),
        Arguments::Given { preset, options, tokens } if !tokens.is_empty() => {
            Some(Arguments::Given { preset, options, tokens: vec![] })
        }
        Arguments::Given { preset, options, .. } if !options.is_empty() => {
            Some(Arguments::Given { preset, options: vec![], tokens: vec![] })
        }
        Arguments::Given { preset, .. } => preset.map(|_| Arguments::default()),
    }
}

/// Whether a client could ask for them: a value in its range may be longer than the one given.
fn can_be_sent(arguments: &Arguments) -> bool {
    let Arguments::Given { options, tokens, .. } = arguments else { return false };
    let values = options.iter().filter_map(|option| option.value.as_ref());
    let values: usize = values.map(|value| value.as_str().len()).sum();
    // As one text, with a space after each word.
    let words: usize = tokens.iter().map(|token| token.as_str().len() + 1).sum();
    values <= MAX_ARGS_BYTES && words <= MAX_ARGS_BYTES && tokens.len() <= MAX_OPTIONS
}

/// What is kept of the arguments so far.
struct Kept<'t> {
    tool: &'t Tool,
    tier: Tier,
    /// Options that have been given already, by index.
    taken: Vec<bool>,
    options: Vec<GivenOption>,
    tokens: Vec<Token>,
}

impl Kept<'_> {
    fn typed(&mut self, given: &GivenOption) {
        let mut given = given.clone();
        let meant = match find_typed(self.tool, &given) {
            Ok(_) => None,
            Err(_) => meant_option(self.tool, self.tier, given.name.as_str()),
        };
        if let Some(option) = meant {
            given.name = option.name.clone();
        }
        let Ok(found) = find_typed(self.tool, &given) else { return };
        match self.fit(found) {
            Some(Fit::AsGiven) => self.options.push(given),
            Some(Fit::Bare) => self.options.push(GivenOption { value: None, ..given }),
            Some(Fit::Value(text)) => {
                let value = OptionText::new(text).ok();
                self.options.extend(value.map(|v| GivenOption { value: Some(v), ..given }));
            }
            None => {}
        }
    }

    /// `item` is the words that were read as one option.
    fn words(&mut self, item: &[Token], found: Result<Found<'_>, NotFound<'_>>) {
        let found = match found {
            Ok(found) => found,
            Err(NotFound::Operand(_)) => return,
            Err(NotFound::Unknown(word)) => {
                for option in flags_of_cluster(self.tool, self.tier, word).unwrap_or_default() {
                    let at = self.tool.option_index(option.name.as_str());
                    if at.and_then(|at| self.fit(Found { at, value: None })).is_some() {
                        self.tokens.extend(Token::new(option.flag.clone()));
                    }
                }
                return;
            }
        };
        let Some(option) = self.tool.options.get(found.at) else { return };
        match self.fit(found) {
            Some(Fit::AsGiven | Fit::Bare) => self.tokens.extend_from_slice(item),
            Some(Fit::Value(value)) => {
                // In the spelling that the client chose.
                let words = match item {
                    [word] if word.as_str() == option.flag => vec![option.flag.clone(), value],
                    [word] if word.as_str().starts_with("--") => {
                        vec![format!("{}={value}", option.flag)]
                    }
                    [_] => vec![format!("{}{value}", option.flag)],
                    _ => vec![option.flag.clone(), value],
                };
                let words: Result<Vec<_>, _> = words.into_iter().map(Token::new).collect();
                self.tokens.extend(words.unwrap_or_default());
            }
            None => {}
        }
    }

    /// How an option that was given can stay; `None` where it cannot, or is there already.
    fn fit(&mut self, Found { at, value }: Found<'_>) -> Option<Fit> {
        let option = self.tool.options.get(at)?;
        let taken = self.taken.get_mut(at).filter(|taken| !**taken)?;
        let fit = match option.parse(value) {
            Ok(Setting::Off) => Fit::AsGiven,
            _ if option.tier > self.tier => return None,
            Ok(Setting::On(value)) if option.tier_with(&value) <= self.tier => Fit::AsGiven,
            // A word that may have meant "no" must not switch anything on.
            _ if matches!(option.kind, ValueKind::None) => {
                value.filter(|text| ["1", "on", "yes"].contains(text)).map(|_| Fit::Bare)?
            }
            _ => Fit::Value(nearest_value(option, value)?),
        };
        *taken = true;
        Some(fit)
    }
}

/// How an option stays.
enum Fit {
    AsGiven,
    /// Without the text that came with it.
    Bare,
    /// With this value.
    Value(String),
}

/// The preset, or one with a name like it, or one that does most of the same.
fn allowed_preset<'t>(tool: &'t Tool, tier: Tier, name: &Identifier) -> Option<&'t Identifier> {
    let Some((name, preset)) = tool.presets.get_key_value(name) else {
        let names = presets_within(tool, tier).map(|(name, _)| name.as_str());
        let meant = closest(name.as_str(), names)?;
        return tool.presets.get_key_value(meant).map(|(name, _)| name);
    };
    if preset.tier <= tier { Some(name) } else { standard_preset(tool, preset) }
}

fn presets_within(tool: &Tool, tier: Tier) -> impl Iterator<Item = (&Identifier, &Preset)> {
    tool.presets.iter().filter(move |(_, preset)| preset.tier <= tier)
}

/// The preset of the standard tier that has most settings in common with one beyond it.
pub(crate) fn standard_preset<'t>(tool: &'t Tool, beyond: &Preset) -> Option<&'t Identifier> {
    let different = |preset: &Preset| {
        let common = preset.settings.iter().filter(|setting| beyond.settings.contains(setting));
        usize::MAX - common.count()
    };
    let presets = presets_within(tool, Tier::Standard);
    presets.min_by_key(|(_, preset)| different(preset)).map(|(name, _)| name)
}

/// The preset that a word among the tool's own flags names.
pub(crate) fn meant_preset<'t>(tool: &'t Tool, tier: Tier, word: &str) -> Option<&'t Identifier> {
    let mut names = presets_within(tool, tier).map(|(name, _)| name);
    names.find(|name| name.as_str() == word).filter(|_| tool.tier <= tier)
}

/// The option that a property was probably meant to be.
pub(crate) fn meant_option<'t>(tool: &'t Tool, tier: Tier, given: &str) -> Option<&'t ToolOption> {
    let offered = tool.options.iter().filter(|option| option.tier <= tier);
    let meant = closest(given, offered.map(|option| option.name.as_str()))?;
    tool.option_index(meant).and_then(|at| tool.options.get(at))
}

/// The options of `-nI`, if each letter is one that takes no value and is within the tier. Such
/// clusters are not read, so that no spelling means two things.
pub(crate) fn flags_of_cluster<'t>(
    tool: &'t Tool,
    tier: Tier,
    given: &str,
) -> Option<Vec<&'t ToolOption>> {
    let letters = given.strip_prefix('-').filter(|l| l.len() > 1 && !l.starts_with('-'))?;
    let options = letters.chars().map(|letter| {
        let flag = format!("-{letter}");
        let bare = |o: &&ToolOption| o.flag == flag && matches!(o.kind, ValueKind::None);
        tool.options.iter().filter(bare).find(|option| option.tier <= tier)
    });
    options.collect()
}

/// The name that was probably meant: the same but for case, or for one letter in three.
pub(crate) fn closest<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let given = given.to_ascii_lowercase();
    let most = (given.len() / 3).max(1);
    // The difference in length is the least distance, and costs nothing to find.
    let near = names.filter(|name| given.len().abs_diff(name.len()) <= most).filter_map(|name| {
        let distance = strsim::osa_distance(&given, &name.to_ascii_lowercase());
        (distance <= most).then_some((distance, name))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}
