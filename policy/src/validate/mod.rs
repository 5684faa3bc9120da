//! From text to a [`Policy`], or to every defect that was found. There is no third way: a policy
//! with a defect is no policy.

mod argv;
mod grant_options;
#[cfg(any(test, feature = "cli"))]
mod help;
mod option;
mod policy;
mod relations;
mod scope;
mod template;
mod tool;
mod value;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use bytesize::ByteSize;
use probity_protocol::ParseTable;
use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, Error},
};

use crate::{
    accounts::Accounts,
    policy::{ExcludedTool, Policy, Warning},
    raw::{RawDropIn, RawPolicy, RawTool, Text},
    source::{Defect, Defects, Source, Sources},
    tool::Tool,
};
use policy::Bounds;
use scope::Ground;

/// The policy language's version that this code reads.
const VERSION: u32 = 1;

/// Longest time that means anything as a limit: nobody waits for more, and sums of it stay far from
/// where clocks overflow.
pub const LONGEST_TIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Makes a policy of its text.
///
/// # Errors
/// Defects, each with its file, line and column, in the order of the files. A file whose form does
/// not fit is looked at no further: `probity-policy check` finds the rest.
pub fn validate(sources: &Sources, accounts: &Accounts) -> Result<Policy, Defects> {
    read(sources, accounts, &NoHelp)
}

/// The same for an administrator who mends it: every defect, with what was probably meant.
///
/// # Errors
/// Where [`validate`] has some, and of a table `[parse]` that cannot be carried out, which no broker does.
#[cfg(any(test, feature = "cli"))]
pub fn validate_with_help(sources: &Sources, accounts: &Accounts) -> Result<Policy, Defects> {
    read(sources, accounts, &help::FullHelp)
}

fn read(sources: &Sources, accounts: &Accounts, help: &dyn Help) -> Result<Policy, Defects> {
    let mut validation = Validation::of(&sources.policy, help);
    let raw = validation.parse(|file| file.help.policy(file));
    let mut drop_ins: Vec<_> = sources.drop_ins.iter().map(|s| Validation::of(s, help)).collect();
    let added: Vec<Option<RawDropIn>> =
        drop_ins.iter_mut().map(|file| file.parse(|file| file.help.drop_in(file))).collect();
    let ground = Ground::of(&mut validation, raw.as_ref(), &mut drop_ins, &added);
    let mut tools = ToolSet::default();
    for source in &sources.tools {
        let mut file = Validation::of(source, help);
        if file.leave_out(&mut tools) {
            continue;
        }
        match file.parse(|file| file.help.tool(file)) {
            Some(raw) => file.add_tool(&raw, &mut tools, &ground),
            None => tools.incomplete = true,
        }
        tools.incomplete |= file.incomplete;
        validation.defects.append(&mut file.defects);
    }
    let policy = raw.and_then(|raw| {
        for tool in &raw.tools {
            validation.add_tool(tool.get_ref(), &mut tools, &ground);
        }
        tools.incomplete |= validation.incomplete;
        let ceilings = validation.ceilings(&raw.ceilings);
        let mut approvers = validation.approvers(&raw.approvers, accounts, &tools);
        for (file, added) in drop_ins.iter_mut().zip(&added) {
            let added = added.iter().flat_map(|added| &added.approvers);
            approvers.extend(file.approvers(added, accounts, &tools));
        }
        let bounds = Bounds {
            accounts,
            tools: &tools,
            ground: &ground,
            ceilings: &ceilings,
            approvers: &approvers,
        };
        let mut grants = validation.grants(&raw.grants, &bounds);
        for (file, added) in drop_ins.iter_mut().zip(&added) {
            let added = added.iter().flat_map(|added| &added.grants);
            grants.extend(file.grants(added, &bounds));
            validation.warnings.append(&mut file.warnings);
        }
        validation.policy(&raw, tools, ground, ceilings, (grants, approvers, accounts))
    });
    for file in &mut drop_ins {
        validation.defects.append(&mut file.defects);
    }
    match policy {
        Some(policy) if validation.defects.is_empty() => Ok(policy),
        _ => Err(sorted(validation.defects, sources)),
    }
}

/// By file, line and column, each once.
fn sorted(mut defects: Vec<Defect>, sources: &Sources) -> Defects {
    let files: HashMap<_, _> = sources.every().zip(0..).map(|(s, at)| (s.name(), at)).collect();
    defects.sort_by_key(|defect| {
        let place = defect.place();
        (files.get(place.file()).copied().unwrap_or(0), place.line(), place.column())
    });
    defects.dedup();
    Defects(defects)
}

/// What is done about a defect beside recording it: nothing, for the broker. Whatever is done, what
/// has a defect never becomes a policy.
trait Help {
    /// Reads `policy.toml` past a defect of form.
    fn policy(&self, _: &mut Validation<'_>) -> Option<RawPolicy> {
        None
    }

    /// The same for a file of `policy.d`.
    fn drop_in(&self, _: &mut Validation<'_>) -> Option<RawDropIn> {
        None
    }

    /// The same for the file of a tool.
    fn tool(&self, _: &mut Validation<'_>) -> Option<RawTool> {
        None
    }

    /// Looks at what a table `[parse]` means.
    fn table(&self, _: &mut Validation<'_>, _: &Spanned<ParseTable>) {}

    /// What to write instead.
    fn meant(&self, _: Slip<'_>) -> Option<String> {
        None
    }
}

/// A text that is not what its place asks for.
#[cfg_attr(
    not(any(test, feature = "cli")),
    expect(dead_code, reason = "only `probity-policy` reads it")
)]
enum Slip<'t> {
    Network(&'t str),
    Name(&'t str),
    /// No set has this name, but these have one.
    Set(&'t str, &'t mut dyn Iterator<Item = &'t String>),
    /// No tool has this name, but these have one.
    Tool(&'t str, &'t HashMap<String, usize>),
    /// The tool has no option of this name.
    Option(&'t str, &'t Tool),
    /// There is no word like this, but there are these.
    Word(&'t str, &'t [&'t str]),
    /// There is no such placeholder, but there are these.
    Placeholder(&'t str, &'t [&'t str]),
}

struct NoHelp;

impl Help for NoHelp {}

/// Collects defects while it reads one source.
struct Validation<'s> {
    help: &'s dyn Help,
    source: &'s Source,
    defects: Vec<Defect>,
    warnings: Vec<Warning>,
    /// Something was left out after a defect, so that what refers to it is not to blame.
    incomplete: bool,
    /// Lines that are no TOML. What they are mistaken for is no defect of its own.
    broken: HashSet<u32>,
}

/// The tools found so far.
#[derive(Default)]
struct ToolSet {
    tools: Vec<Arc<Tool>>,
    excluded: Vec<ExcludedTool>,
    /// Indexes into `tools`, by name and alias.
    names: HashMap<String, usize>,
    /// A tool was left out after a defect, so that a grant of it is not to blame.
    incomplete: bool,
}

impl<'s> Validation<'s> {
    fn of(source: &'s Source, help: &'s dyn Help) -> Self {
        Self {
            help,
            source,
            defects: Vec::new(),
            warnings: Vec::new(),
            incomplete: false,
            broken: HashSet::new(),
        }
    }

    /// `None` after a defect of form that nobody helps past.
    fn parse<T: DeserializeOwned>(&mut self, help: fn(&mut Self) -> Option<T>) -> Option<T> {
        toml::from_str(self.source.text())
            .map_err(|error: Error| {
                self.incomplete = true;
                self.defect(error.span().unwrap_or(0..0), error.message());
            })
            .ok()
            .or_else(|| help(self))
    }

    /// Records a defect.
    fn defect(&mut self, span: Range<usize>, message: impl AsRef<str>) {
        let defect = self.source.defect(&span, message);
        if !self.broken.contains(&defect.place().line()) {
            self.defects.push(defect);
        }
    }

    fn warn(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.warnings.push(Warning { place: self.source.place(span), message: message.into() });
    }

    /// Turns an error into a recorded defect.
    fn accept<T>(&mut self, span: Range<usize>, result: Result<T, impl ToString>) -> Option<T> {
        result.map_err(|error| self.defect(span, error.to_string())).ok()
    }

    /// Whether the file's tool is one that is not loaded. Such a file may be as unfinished as it
    /// likes, so only its name is read.
    fn leave_out(&self, set: &mut ToolSet) -> bool {
        let (document, _) = DeTable::parse_recoverable(self.source.text());
        let name = document.get_ref().get("name");
        name.and_then(|name| Some((name.get_ref().as_str()?, name.span())))
            .is_some_and(|(name, span)| self.exclude(name, span, set))
    }

    fn exclude(&self, name: &str, span: Range<usize>, set: &mut ToolSet) -> bool {
        let Some(reason) = exclusion(name) else { return false };
        let (file, name) = (self.source.name().to_owned(), name.to_owned());
        set.excluded.push(ExcludedTool { file, name, reason, place: self.source.place(&span) });
        true
    }

    fn add_tool(&mut self, raw: &RawTool, set: &mut ToolSet, ground: &Ground) {
        if self.exclude(raw.name.get_ref(), raw.name.span(), set) {
            return;
        }
        let Some(tool) = self.tool(raw, ground) else {
            set.incomplete = true;
            return;
        };
        self.refuse_repeated_names(raw, set);
        for name in std::iter::once(&tool.name).chain(&tool.aliases) {
            set.names.entry(name.as_str().to_owned()).or_insert(set.tools.len());
        }
        set.tools.push(Arc::new(tool));
    }

    fn refuse_repeated_names(&mut self, raw: &RawTool, set: &ToolSet) {
        let mut own = HashSet::new();
        for name in std::iter::once(&raw.name).chain(&raw.aliases) {
            let taken = set.names.get(name.get_ref()).and_then(|&at| set.tools.get(at));
            if let Some(tool) = taken {
                let message = format!("the name {:?} is taken by {}", name.get_ref(), tool.place);
                self.defect(name.span(), message);
            }
            if name.get_ref() == raw.name.get_ref() && !own.is_empty() {
                self.defect(name.span(), "the alias is the tool's own name");
            } else if !own.insert(name.get_ref()) {
                self.defect(name.span(), "the alias is written twice");
            }
        }
    }

    /// A text that is a path as it stands.
    fn plain(&mut self, span: Range<usize>, text: &str) {
        if text.chars().any(char::is_control) {
            self.defect(span, "a control character is never part of this");
        }
    }

    fn duration(&mut self, text: &Text) -> Option<Duration> {
        let parsed = humantime::parse_duration(text.get_ref());
        let unit = match text.get_ref().trim().parse::<u64>() {
            Ok(number) => format!(": write the unit, \"{number}s\""),
            Err(_) => String::new(),
        };
        let message = |_| {
            format!("{:?} is not a time such as \"30s\", \"10m\" or \"1h\"{unit}", text.get_ref())
        };
        let duration = self.accept(text.span(), parsed.map_err(message))?;
        if duration.is_zero() {
            self.defect(text.span(), "a time of zero lets nothing run");
        }
        if duration > LONGEST_TIME {
            self.defect(text.span(), "a time of more than seven days is no limit");
        }
        Some(duration)
    }

    fn size(&mut self, text: Option<&Text>, default: u64) -> u64 {
        let Some(text) = text else { return default };
        let parsed = text.get_ref().parse::<ByteSize>();
        let message = |_| format!("{:?} is not a size such as \"512 MiB\"", text.get_ref());
        self.accept(text.span(), parsed.map_err(message)).map_or(default, |size| size.as_u64())
    }

    fn positive(&mut self, number: Option<&Spanned<u32>>, default: u32) -> u32 {
        match number {
            None => default,
            Some(number) if *number.get_ref() == 0 => {
                self.defect(number.span(), "at least 1");
                default
            }
            Some(number) => *number.get_ref(),
        }
    }
}

/// Why a tool of this name is not loaded: templates and test doubles lie around in `tools.d`.
fn exclusion(name: &str) -> Option<String> {
    const PREFIXES: [&str; 5] = ["test", "mock", "abstract", "example", "_"];
    const SUFFIXES: [&str; 3] = ["base", "mixin", "interface"];
    let lower = name.to_ascii_lowercase();
    let prefix = PREFIXES.iter().find(|p| lower.starts_with(**p));
    let suffix = SUFFIXES.iter().find(|s| lower.ends_with(**s));
    prefix
        .map(|p| format!("its name begins with {p:?}"))
        .or_else(|| suffix.map(|s| format!("its name ends with {s:?}")))
}

#[cfg(test)]
#[path = "../validate_tests.rs"]
mod tests;
