//! Arguments with each slip in them repaired: misspelled names, values that are written otherwise or
//! lie beyond a range, and what is beyond the grant left out.

use std::collections::HashSet;

use probity_protocol::{
    Arguments, GivenOption, Identifier, MAX_ARGS_BYTES, MAX_OPTIONS, OptionEntry, OptionText,
    Target, Tier, Token, ValueType,
};

use super::{
    preset::{self, meant_preset},
    value::meant_value,
};
use crate::{
    granted::{Named, Tool, chooses_ports, takes_value},
    near::closest,
    vocabulary,
};

/// Properties, words and misspelled names that are repaired one by one. Nobody writes as many of
/// them by mistake; a call that has more is not repaired.
const MOST_PARTS: usize = 64;
const MOST_SLIPS: usize = 4;

/// Longest cluster of flags that is read: more than any tool has.
const MOST_LETTERS: usize = 12;

/// The same arguments, so that the tool takes them from this caller. `None` where a part of them is not
/// understood.
pub(super) fn repaired(tool: Tool<'_>, arguments: &Arguments) -> Option<Arguments> {
    // What could not be read did not travel: nobody knows what it was.
    let Arguments::Given { preset, options, tokens } = arguments else { return None };
    if options.len() + tokens.len() > MOST_PARTS {
        return None;
    }
    let mut kept = Kept {
        tool,
        slips: MOST_SLIPS,
        taken: HashSet::new(),
        preset: None,
        is_quick: false,
        options: vec![],
        tokens: vec![],
    };
    if let Some(given) = preset {
        let own = || tool.preset_beyond(given.as_str());
        kept.preset = Some(own().or_else(|| preset::allowed(tool, given.as_str()))?);
    }
    for option in options {
        kept.typed(option)?;
    }
    let mut words = tokens.as_slice();
    while let Some((first, rest)) = words.split_first() {
        words = match find_first(tool, words) {
            Some((found, after)) => {
                let (item, _) = words.split_at(words.len() - after.len());
                kept.words(item, found)?;
                after
            }
            None => kept.foreign(first.as_str(), rest)?,
        };
    }
    kept.finish()
}

/// An option that was given, and the text of its value if there is one.
#[derive(Clone, Copy)]
struct Found<'c, 'a> {
    option: Named<'c>,
    value: Option<&'a str>,
}

/// The option that the first of some words spells, and the words after it and its value: read as the
/// decision reads them.
fn find_first<'c, 'a>(tool: Tool<'c>, words: &'a [Token]) -> Option<(Found<'c, 'a>, &'a [Token])> {
    let (first, rest) = words.split_first()?;
    let word = first.as_str();
    if !word.starts_with('-') || word == "-" || word == "--" {
        return None;
    }
    if let Some(option) = tool.by_flag(word) {
        return Some(match rest.split_first().filter(|_| option.takes_value()) {
            Some((value, rest)) => (Found { option, value: Some(value.as_str()) }, rest),
            None => (Found { option, value: None }, rest),
        });
    }
    let (flag, value) = match word.starts_with("--") {
        true => word.split_once('=')?,
        false => word.split_at_checked(2)?,
    };
    let option = tool.by_flag(flag).filter(|option| option.takes_value())?;
    Some((Found { option, value: Some(value) }, rest))
}

/// What is kept of the arguments so far.
struct Kept<'t> {
    tool: Tool<'t>,
    /// Misspelled names that are still looked for.
    slips: usize,
    /// Names of the options that have been given already.
    taken: HashSet<&'t str>,
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
        let value = given.value.as_ref().map(OptionText::as_str);
        let option = match self.tool.by_name(given.name.as_str()) {
            Some(option) => option,
            None if vocabulary::is_about_printing(given.name.as_str()) => return Some(()),
            None => Named::Granted(self.slip(given.name.as_str())?),
        };
        let value = match self.fit(Found { option, value })? {
            Fit::LeftOut => return Some(()),
            Fit::AsGiven => given.value.clone(),
            Fit::Value(text) if !option.takes_value() && text == "true" => None,
            Fit::Value(text) => Some(OptionText::new(text).ok()?),
        };
        self.options.push(GivenOption { name: option.name().clone(), value });
        Some(())
    }

    /// `item` is the words that were read as one option.
    fn words(&mut self, item: &[Token], found: Found<'t, '_>) -> Option<()> {
        let flag = found.option.flag()?;
        match self.fit(found)? {
            Fit::LeftOut => {}
            Fit::AsGiven => self.tokens.extend_from_slice(item),
            // In the spelling that the client chose.
            Fit::Value(value) => match item {
                [word] if word.as_str() != flag => {
                    let equals = if word.as_str().starts_with("--") { "=" } else { "" };
                    self.tokens.push(Token::new(format!("{flag}{equals}{value}")).ok()?);
                }
                _ => self.tokens.extend([Token::new(flag).ok()?, Token::new(value).ok()?]),
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
        if vocabulary::is_quick(word) {
            self.is_quick = true;
            return Some(rest);
        }
        if let Some(options) = flags_of_cluster(self.tool, word) {
            for option in options {
                let found = Found { option: Named::Granted(option), value: None };
                if !matches!(self.fit(found)?, Fit::LeftOut) {
                    self.tokens.push(Token::new(option.flag.clone()?).ok()?);
                }
            }
            return Some(rest);
        }
        match vocabulary::prints_only(flag) {
            Some(true) if value.is_none() => return Some(rest.get(1..).unwrap_or_default()),
            Some(_) => return Some(rest),
            None => {}
        }
        let option = self.slip(flag)?;
        let (value, rest) = match (value, rest.split_first()) {
            (Some(value), _) => (Some(value), rest),
            (None, Some((next, after))) if takes_value(option) => (Some(next.as_str()), after),
            (None, _) => (None, rest),
        };
        let value = match self.fit(Found { option: Named::Granted(option), value })? {
            Fit::LeftOut => return Some(rest),
            Fit::AsGiven => value.map(str::to_owned),
            Fit::Value(value) => Some(value),
        };
        let Some(flag) = option.flag.clone() else {
            // It is no word of `extra_args`, and was meant as the property that it is.
            let value = value.map(OptionText::new).transpose().ok()?;
            self.options.push(GivenOption { name: option.name.clone(), value });
            return Some(rest);
        };
        let flag = std::iter::once(flag);
        for word in flag.chain(value.filter(|_| takes_value(option))) {
            self.tokens.push(Token::new(word).ok()?);
        }
        Some(rest)
    }

    /// A word that does not even look like an option: a preset, or another target, which stays out.
    fn operand(&mut self, word: &str) -> Option<()> {
        if let Some(meant) = meant_preset(self.tool, word) {
            let given = self.preset.get_or_insert(meant);
            return (*given == meant).then_some(());
        }
        if let Some(option) = self.operand_for(word) {
            self.taken.insert(option.name.as_str());
            let value = Some(OptionText::new(word).ok()?);
            self.options.push(GivenOption { name: option.name.clone(), value });
            return Some(());
        }
        match Target::parse(word) {
            Target::Address(_) | Target::Network(_) => Some(()),
            // Any word could be a name, so only one that is hardly anything else.
            Target::Name { .. } if word.contains('.') => Some(()),
            Target::Name { .. } | Target::Malformed(_) | Target::None => {
                (word == "--").then_some(())
            }
        }
    }

    /// The first option without a flag that takes a word, and has not been given.
    fn operand_for(&self, word: &str) -> Option<&'t OptionEntry> {
        let mut operands = self.tool.options().filter(|it| it.flag.is_none() && takes_value(it));
        operands.find(|option| {
            !self.taken.contains(option.name.as_str()) && self.tool.values(option).hold(word)
        })
    }

    /// The option that a name was probably meant to be, as long as there are few slips.
    fn slip(&mut self, given: &str) -> Option<&'t OptionEntry> {
        self.slips = self.slips.checked_sub(1)?;
        meant_option(self.tool, given)
    }

    /// How an option that was given can stay; `None` where its value is not understood.
    fn fit(&mut self, Found { option, value }: Found<'t, '_>) -> Option<Fit> {
        // What is beyond the tier goes, and the first of several stands. Without an option of the standard
        // tier the rest may do more.
        let entry = match option {
            Named::Granted(entry) => entry,
            Named::Beyond { tier: Tier::Intrusive, .. } => return Some(Fit::LeftOut),
            Named::Beyond { takes_value, .. } => {
                return (!takes_value && value == Some("false")).then_some(Fit::AsGiven);
            }
        };
        let is_off = !takes_value(entry) && value == Some("false");
        if self.taken.contains(entry.name.as_str()) || entry.tier > self.tool.tier && !is_off {
            return Some(Fit::LeftOut);
        }
        let values = self.tool.values(entry);
        let fits = match value {
            Some(text) => values.hold(text),
            None => matches!(entry.value, ValueType::None),
        };
        let fit = match value {
            _ if fits => Fit::AsGiven,
            Some(text) if self.tool.is_value_beyond(entry, text) => return Some(Fit::LeftOut),
            _ => match value.and_then(|text| meant_value(&values, text)) {
                Some(meant) => Fit::Value(meant),
                // The file's own default is no more than what is usual; of ports it may be.
                None if entry.default.is_some() && !chooses_ports(entry) => {
                    return Some(Fit::LeftOut);
                }
                None => return None,
            },
        };
        self.taken.insert(entry.name.as_str());
        Some(fit)
    }

    fn finish(mut self) -> Option<Arguments> {
        if let Some((option, value)) = self.tool.set_beyond()
            && self.taken.insert(option.name.as_str())
        {
            let value = meant_value(&self.tool.values(option), value)?;
            let value = Some(OptionText::new(value).ok()?);
            self.options.push(GivenOption { name: option.name.clone(), value });
        }
        let mut taken = self.tool.entry.options.iter();
        let has_ports =
            taken.any(|option| self.taken.contains(option.name.as_str()) && chooses_ports(option));
        // Ports that are chosen one by one are fewer.
        if self.is_quick && !has_ports {
            let quick = meant_preset(self.tool, vocabulary::QUICK)?;
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
/// slip of its name. None that is beyond the caller's tier.
pub(crate) fn meant_option<'c>(tool: Tool<'c>, given: &str) -> Option<&'c OptionEntry> {
    let bare = given.trim_start_matches('-');
    let name = bare.replace('-', "_");
    let granted = |option: Named<'c>| match option {
        Named::Granted(entry) if entry.tier <= tool.tier => Some(entry),
        _ => None,
    };
    let by_flag = || {
        let flags = [format!("-{bare}"), format!("--{}", bare.replace('_', "-"))];
        flags.iter().find_map(|flag| tool.by_flag(flag))
    };
    match tool.by_name(&name).or_else(by_flag) {
        Some(exact) => granted(exact),
        None => {
            let near = closest(&name, tool.options().map(|option| option.name.as_str()))?;
            tool.by_name(near).and_then(granted)
        }
    }
}

/// The options of `-nI`, if each letter is one that takes no value and is within the tier. Such
/// clusters are not read, so that no spelling means two things.
pub(crate) fn flags_of_cluster<'c>(tool: Tool<'c>, given: &str) -> Option<Vec<&'c OptionEntry>> {
    let letters = given.strip_prefix('-').filter(|l| (2..=MOST_LETTERS).contains(&l.len()))?;
    let options = letters.chars().map(|letter| {
        let flag = format!("-{letter}");
        tool.options()
            .find(|option| option.flag.as_deref() == Some(flag.as_str()) && !takes_value(option))
    });
    options.collect()
}
