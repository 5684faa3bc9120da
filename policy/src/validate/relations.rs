//! What options exclude and require: names that exist, and wishes that can be met at once.

use std::collections::BTreeSet;

use toml::Spanned;

use super::{Slip, Validation};
use crate::{
    raw::{RawOption, Text},
    relations::{Broken, broken},
    tool::{Preset, Setting, ToolOption},
};

impl Validation<'_> {
    /// Gives the options their relations, of which `excludes` holds both ways.
    pub(super) fn relate(&mut self, raw: &[Spanned<RawOption>], options: &mut [ToolOption]) {
        let written: Vec<&str> =
            raw.iter().map(|option| option.get_ref().name.get_ref().as_str()).collect();
        let sound_so_far = self.defects.len();
        for raw in raw.iter().map(Spanned::get_ref) {
            let Some(at) = find(options, raw.name.get_ref()) else { continue };
            let excludes = self.others(at, &raw.excludes, options, &written);
            let requires = self.others(at, &raw.requires, options, &written);
            for (text, other) in &requires {
                let own = options.get(at).map(|option| option.tier);
                if options.get(*other).map(|option| option.tier) > own {
                    let message = format!(
                        "{:?} is of the intrusive tier, so what requires it is too",
                        text.get_ref()
                    );
                    self.defect(text.span(), message);
                }
            }
            for (_, other) in excludes {
                add(options, other, |option| &mut option.excludes, at);
                add(options, at, |option| &mut option.excludes, other);
            }
            for (_, other) in requires {
                add(options, at, |option| &mut option.requires, other);
            }
        }
        if self.defects.len() > sound_so_far {
            return;
        }
        for raw in raw.iter().map(Spanned::get_ref) {
            let never = find(options, raw.name.get_ref()).and_then(|at| never(options, at));
            if let Some(why) = never {
                let message = format!("{:?} can never be given: {why}", raw.name.get_ref());
                self.defect(raw.name.span(), message);
            }
        }
    }

    /// Options that a list names, each with its place in the file.
    fn others<'t>(
        &mut self,
        own: usize,
        list: &'t [Text],
        options: &[ToolOption],
        written: &[&str],
    ) -> Vec<(&'t Text, usize)> {
        let mut found: Vec<(&Text, usize)> = Vec::new();
        for text in list {
            let name = text.get_ref().as_str();
            match find(options, name) {
                Some(other) if other == own => {
                    self.defect(text.span(), "an option neither excludes nor requires itself");
                }
                Some(other) if found.iter().any(|(_, known)| *known == other) => {
                    self.defect(text.span(), format!("{name:?} is written twice"));
                }
                Some(other) => found.push((text, other)),
                // That option has a defect of its own.
                None if self.incomplete || written.contains(&name) => {}
                None => {
                    let known: Vec<&str> = options.iter().map(|o| o.name.as_str()).collect();
                    let meant = self.help.meant(Slip::Word(name, &known));
                    let meant = meant.map(|meant| format!(": {meant}")).unwrap_or_default();
                    self.defect(text.span(), format!("the tool has no option {name:?}{meant}"));
                }
            }
        }
        found
    }

    /// Refuses a default or a preset that breaks the relations.
    pub(super) fn refuse_broken_settings<'p>(
        &mut self,
        raw: &[Spanned<RawOption>],
        options: &[ToolOption],
        presets: impl Iterator<Item = (&'p Text, &'p Preset)>,
    ) {
        let defaults: Vec<bool> =
            options.iter().map(|option| option.default.is_some() || option.required).collect();
        let is_in = |set: &[bool], at: usize| set.get(at).copied().unwrap_or(false);
        if let Some(wrong) = broken(options, |at| is_in(&defaults, at)) {
            let (Broken::Excludes(at, _) | Broken::Requires(at, _) | Broken::Unset(at)) = wrong;
            let name = options.get(at).map(|option| option.name.as_str());
            let mut spans = raw.iter().map(|option| &option.get_ref().name);
            let span = spans.find(|text| Some(text.get_ref().as_str()) == name);
            let message = format!("the defaults cannot stand: {}", said(options, wrong));
            self.defect(span.map_or(0..0, Spanned::span), message);
            return;
        }
        for (name, preset) in presets {
            let mut set = defaults.clone();
            for (at, setting) in &preset.settings {
                set.get_mut(*at).into_iter().for_each(|is| *is = matches!(setting, Setting::On(_)));
            }
            if let Some(wrong) = broken(options, |at| is_in(&set, at)) {
                let message = format!("the preset cannot stand: {}", said(options, wrong));
                self.defect(name.span(), message);
            }
        }
    }
}

fn find(options: &[ToolOption], name: &str) -> Option<usize> {
    options.iter().position(|option| option.name.as_str() == name)
}

fn add(
    options: &mut [ToolOption],
    at: usize,
    list: impl Fn(&mut ToolOption) -> &mut Vec<usize>,
    other: usize,
) {
    if let Some(list) = options.get_mut(at).map(list)
        && let Err(place) = list.binary_search(&other)
    {
        list.insert(place, other);
    }
}

/// Why no call can give an option: with all that it requires, and with the values that nobody takes
/// away, something is excluded.
fn never(options: &[ToolOption], at: usize) -> Option<String> {
    let relates = |option: &ToolOption| !option.excludes.is_empty() || !option.requires.is_empty();
    options.get(at).filter(|option| relates(option))?;
    let stays =
        |option: &ToolOption| option.required || option.takes_value() && option.default.is_some();
    let always = options.iter().enumerate().filter(|(_, option)| stays(option));
    let mut together: BTreeSet<usize> = always.map(|(at, _)| at).collect();
    let mut next = vec![at];
    let mut own = BTreeSet::new();
    while let Some(at) = next.pop() {
        if own.insert(at) {
            next.extend(options.get(at).into_iter().flat_map(|option| &option.requires));
        }
    }
    together.extend(&own);
    // Two values that nobody takes away are the defaults' matter.
    own.iter().find_map(|one| {
        let excludes = &options.get(*one)?.excludes;
        let other = excludes.iter().find(|other| together.contains(other))?;
        Some(said(options, Broken::Excludes(*one, *other)))
    })
}

fn said(options: &[ToolOption], broken: Broken) -> String {
    let name = |at: usize| options.get(at).map(|option| option.name.as_str()).unwrap_or_default();
    match broken {
        Broken::Excludes(one, other) => {
            format!("{:?} excludes {:?}, and both would be set", name(one), name(other))
        }
        Broken::Requires(one, other) => {
            format!("{:?} requires {:?}, which would not be set", name(one), name(other))
        }
        Broken::Unset(one) => format!("{:?} is required, and would not be set", name(one)),
    }
}
