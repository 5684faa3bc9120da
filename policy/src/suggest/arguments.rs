//! Arguments with each slip in them repaired: misspelled names, values that are written otherwise or
//! lie beyond a range, and what is beyond the grant left out.

use probity_protocol::{
    Arguments, GivenOption, Identifier, MAX_ARGS_BYTES, MAX_OPTIONS, OptionText, Target, Tier,
    Token,
};

use super::{
    preset::{self, meant_preset},
    value::meant_value,
    words,
};
use crate::{
    arguments::{Found, find_first, find_typed},
    lookup::{chooses_ports, takes_value},
    tool::{Setting, Tool, ToolOption},
    value::ValueKind,
    work::{self, Kind},
};

/// Properties, words and misspelled names that are repaired one by one. Nobody writes as many of
/// them by mistake; a call that has more is not repaired.
const MOST_PARTS: usize = 64;
const MOST_SLIPS: usize = 4;

/// Longest cluster of flags that is read: more than any tool has.
const MOST_LETTERS: usize = 12;

/// The same arguments, so that the tool takes them from a subject of this tier. `None` where a part
/// of them is not understood.
pub(super) fn repaired(tool: &Tool, tier: Tier, arguments: &Arguments) -> Option<Arguments> {
    // What could not be read did not travel: nobody knows what it was.
    let Arguments::Given { preset, options, tokens } = arguments else { return None };
    if options.len() + tokens.len() > MOST_PARTS {
        return None;
    }
    let mut kept = Kept {
        tool,
        tier,
        slips: MOST_SLIPS,
        taken: vec![false; tool.options.len()],
        preset: None,
        is_quick: false,
        options: vec![],
        tokens: vec![],
    };
    if let Some(given) = preset {
        kept.preset = Some(preset::allowed(tool, tier, given.as_str())?);
    }
    for option in options {
        kept.typed(option)?;
    }
    let mut words = tokens.as_slice();
    while let Some((first, rest)) = words.split_first() {
        work::done(Kind::Looked);
        words = match find_first(tool, words) {
            (Ok(found), after) => {
                let (item, _) = words.split_at(words.len() - after.len());
                kept.words(item, found)?;
                after
            }
            (Err(_), _) => kept.foreign(first.as_str(), rest)?,
        };
    }
    kept.finish()
}

/// What is kept of the arguments so far.
struct Kept<'t> {
    tool: &'t Tool,
    tier: Tier,
    /// Misspelled names that are still looked for.
    slips: usize,
    /// Options that have been given already, by index.
    taken: Vec<bool>,
    preset: Option<&'t Identifier>,
    /// A flag asks for the least that there is.
    is_quick: bool,
    options: Vec<GivenOption>,
    tokens: Vec<Token>,
}

/// How an option stays.
enum Fit {
    AsGiven,
    /// With this value.
    Value(String),
    /// It goes, and the rest does no more without it.
    LeftOut,
}

impl<'t> Kept<'t> {
    fn typed(&mut self, given: &GivenOption) -> Option<()> {
        work::done(Kind::Looked);
        let value = given.value.as_ref().map(OptionText::as_str);
        let at = match find_typed(self.tool, given) {
            Ok(found) => found.at,
            Err(_) if words::is_about_printing(given.name.as_str()) => return Some(()),
            Err(_) => self.slip(given.name.as_str())?,
        };
        let option = self.tool.options.get(at)?;
        let value = match self.fit(Found { at, value })? {
            Fit::LeftOut => return Some(()),
            Fit::AsGiven => given.value.clone(),
            Fit::Value(text) if matches!(option.kind, ValueKind::None) && text == "true" => None,
            Fit::Value(text) => Some(OptionText::new(text).ok()?),
        };
        self.options.push(GivenOption { name: option.name.clone(), value });
        Some(())
    }

    /// `item` is the words that were read as one option.
    fn words(&mut self, item: &[Token], found: Found<'_>) -> Option<()> {
        let option = self.tool.options.get(found.at)?;
        match self.fit(found)? {
            Fit::LeftOut => {}
            Fit::AsGiven => self.tokens.extend_from_slice(item),
            // In the spelling that the client chose.
            Fit::Value(value) => match item {
                [word] if word.as_str() != option.flag => {
                    let equals = if word.as_str().starts_with("--") { "=" } else { "" };
                    self.tokens.push(Token::new(format!("{}{equals}{value}", option.flag)).ok()?);
                }
                _ => self
                    .tokens
                    .extend([Token::new(option.flag.clone()).ok()?, Token::new(value).ok()?]),
            },
        }
        Some(())
    }

    /// A word that no option explains. Returns the words after it and what belongs to it.
    fn foreign<'w>(&mut self, word: &str, rest: &'w [Token]) -> Option<&'w [Token]> {
        if !word.starts_with('-') || word == "-" || word == "--" {
            self.operand(word)?;
            return Some(rest);
        }
        let (flag, value) = word.split_once('=').map_or((word, None), |(f, v)| (f, Some(v)));
        if words::is_quick(word) {
            self.is_quick = true;
            return Some(rest);
        }
        if let Some(options) = flags_of_cluster(self.tool, self.tier, word) {
            for option in options {
                let at = self.tool.option_index(option.name.as_str())?;
                if !matches!(self.fit(Found { at, value: None })?, Fit::LeftOut) {
                    self.tokens.push(Token::new(option.flag.clone()).ok()?);
                }
            }
            return Some(rest);
        }
        match words::prints_only(flag) {
            Some(true) if value.is_none() => return Some(rest.get(1..).unwrap_or_default()),
            Some(_) => return Some(rest),
            None => {}
        }
        let at = self.slip(flag)?;
        let option = self.tool.options.get(at)?;
        let (value, rest) = match (value, rest.split_first()) {
            (Some(value), _) => (Some(value), rest),
            (None, Some((next, after))) if takes_value(option) => (Some(next.as_str()), after),
            (None, _) => (None, rest),
        };
        let value = match self.fit(Found { at, value })? {
            Fit::LeftOut => return Some(rest),
            Fit::AsGiven => value.map(str::to_owned),
            Fit::Value(value) => Some(value),
        };
        let flag = std::iter::once(option.flag.clone());
        for word in flag.chain(value.filter(|_| takes_value(option))) {
            self.tokens.push(Token::new(word).ok()?);
        }
        Some(rest)
    }

    /// A word that does not even look like an option: a preset, or another target, which stays out.
    fn operand(&mut self, word: &str) -> Option<()> {
        if let Some(meant) = meant_preset(self.tool, self.tier, word) {
            let given = self.preset.get_or_insert(meant);
            return (*given == meant).then_some(());
        }
        match Target::parse(word) {
            Target::Address(_) | Target::Network(_) => Some(()),
            // Any word could be a name, so only one that is hardly anything else.
            Target::Name { .. } if word.contains('.') => Some(()),
            Target::Name { .. } | Target::Malformed(_) => (word == "--").then_some(()),
        }
    }

    /// The option that a name was probably meant to be, as long as there are few slips.
    fn slip(&mut self, given: &str) -> Option<usize> {
        self.slips = self.slips.checked_sub(1)?;
        let meant = meant_option(self.tool, self.tier, given)?;
        self.tool.option_index(meant.name.as_str())
    }

    /// How an option that was given can stay; `None` where its value is not understood.
    fn fit(&mut self, Found { at, value }: Found<'_>) -> Option<Fit> {
        let option = self.tool.options.get(at)?;
        let taken = self.taken.get_mut(at)?;
        let fit = match option.parse(value) {
            // The first of several stands.
            _ if *taken => return Some(Fit::LeftOut),
            Ok(Setting::Off) => Fit::AsGiven,
            _ if option.tier > self.tier => return Some(Fit::LeftOut),
            Ok(Setting::On(value)) if option.tier_with(&value) <= self.tier => Fit::AsGiven,
            Ok(Setting::On(_)) => return Some(Fit::LeftOut),
            Err(_) => match value.and_then(|text| meant_value(option, text)) {
                Some(meant) => Fit::Value(meant),
                // The file's own default is no more than what is usual; of ports it may be.
                None if option.default.is_some() && !chooses_ports(option) => {
                    return Some(Fit::LeftOut);
                }
                None => return None,
            },
        };
        *taken = true;
        Some(fit)
    }

    fn finish(mut self) -> Option<Arguments> {
        let options = self.tool.options.iter().zip(&self.taken);
        let has_ports = options.into_iter().any(|(option, taken)| *taken && chooses_ports(option));
        // Ports that are chosen one by one are fewer.
        if self.is_quick && !has_ports {
            let quick = meant_preset(self.tool, self.tier, words::QUICK)?;
            if *self.preset.get_or_insert(quick) != quick {
                return None;
            }
        }
        let Self { preset, options, tokens, .. } = self;
        let arguments = Arguments::Given { preset: preset.cloned(), options, tokens };
        can_be_sent(&arguments).then_some(arguments)
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

/// The option that a property, or a flag, was probably meant to be: by its name or its flag, or a
/// slip of its name.
pub(crate) fn meant_option<'t>(tool: &'t Tool, tier: Tier, given: &str) -> Option<&'t ToolOption> {
    let bare = given.trim_start_matches('-');
    let name = bare.replace('-', "_");
    let lookup = &tool.lookup;
    let option = |at: usize| tool.options.get(at).filter(|option| option.tier <= tier);
    let by_flag = || {
        let flags = [format!("-{bare}"), format!("--{}", bare.replace('_', "-"))];
        flags.iter().find_map(|flag| lookup.flag(flag))
    };
    let exact = lookup.option(&name).or_else(by_flag);
    option(exact.or_else(|| lookup.near_option(&name, |at| option(at).is_some()))?)
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
