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
    work::{self, Kind},
};

/// Properties, words and misspelled names that are repaired one by one. Nobody writes as many of
/// them by mistake; a call that has more is repaired without any.
const MOST_PARTS: usize = 64;
const MOST_SLIPS: usize = 4;

/// Longest cluster of flags that is read: more than any tool has.
const MOST_LETTERS: usize = 12;

/// The same arguments, so that the tool takes them from a subject of this tier.
pub(super) fn repaired(
    tool: &Tool,
    tier: Tier,
    arguments: &Arguments,
    keeps_words: bool,
) -> Arguments {
    // What could not be read did not travel: nothing of it is left to keep.
    let Arguments::Given { preset, options, tokens } = arguments else {
        return Arguments::default();
    };
    let tokens = if keeps_words { tokens.as_slice() } else { &[] };
    if options.len() + tokens.len() > MOST_PARTS {
        return Arguments::default();
    }
    let mut kept = Kept {
        tool,
        tier,
        slips: MOST_SLIPS,
        taken: vec![false; tool.options.len()],
        options: vec![],
        tokens: vec![],
    };
    for option in options {
        kept.typed(option);
    }
    let mut words = tokens;
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
fn simpler(arguments: &Arguments) -> Option<Arguments> {
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
    /// Misspelled names that are still looked for.
    slips: usize,
    /// Options that have been given already, by index.
    taken: Vec<bool>,
    options: Vec<GivenOption>,
    tokens: Vec<Token>,
}

impl Kept<'_> {
    fn typed(&mut self, given: &GivenOption) {
        work::done(Kind::Looked);
        let mut given = given.clone();
        let meant = match find_typed(self.tool, &given) {
            Ok(_) => None,
            Err(_) if self.one_slip_less() => {
                meant_option(self.tool, self.tier, given.name.as_str())
            }
            Err(_) => return,
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
        work::done(Kind::Looked);
        let found = match found {
            Ok(found) => found,
            Err(NotFound::Operand(_)) => return,
            Err(NotFound::Unknown(_)) if !self.one_slip_less() => return,
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

    fn one_slip_less(&mut self) -> bool {
        let left = self.slips > 0;
        self.slips = self.slips.saturating_sub(1);
        left
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
    let within = |preset: &Preset| preset.tier <= tier;
    match tool.presets.get_key_value(name) {
        Some((name, preset)) if within(preset) => Some(name),
        Some((_, preset)) => preset.standard.as_ref(),
        None => {
            let offered = |name: &Identifier| tool.presets.get(name).is_some_and(within);
            tool.lookup.near_preset(name.as_str(), offered)
        }
    }
}

/// The preset that a word among the tool's own flags names.
pub(crate) fn meant_preset<'t>(tool: &'t Tool, tier: Tier, word: &str) -> Option<&'t Identifier> {
    let (name, preset) = tool.presets.get_key_value(word)?;
    (preset.tier.max(tool.tier) <= tier).then_some(name)
}

/// The option that a property was probably meant to be.
pub(crate) fn meant_option<'t>(tool: &'t Tool, tier: Tier, given: &str) -> Option<&'t ToolOption> {
    let option = |at: usize| tool.options.get(at);
    let offered = |at: usize| option(at).is_some_and(|option| option.tier <= tier);
    option(tool.lookup.near_option(given, offered)?)
}

/// The options of `-nI`, if each letter is one that takes no value and is within the tier. Such
/// clusters are not read, so that no spelling means two things.
pub(crate) fn flags_of_cluster<'t>(
    tool: &'t Tool,
    tier: Tier,
    given: &str,
) -> Option<Vec<&'t ToolOption>> {
    let letters = given.strip_prefix('-').filter(|l| (2..=MOST_LETTERS).contains(&l.len()))?;
    let options = letters.chars().map(|letter| {
        let option = tool.options.get(tool.lookup.flag(&format!("-{letter}"))?)?;
        let bare = matches!(option.kind, ValueKind::None);
        (bare && option.tier <= tier).then_some(option)
    });
    options.collect()
}
