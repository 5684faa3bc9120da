//! What is set for single tools: `NMAP_TIMEOUT`, `[tools.nmap] concurrency = 1`.
//!
//! Which tools exist is known only when the broker has answered, so what might concern one is kept
//! until it is asked for. `HTTP_TIMEOUT` may be somebody else's variable: nothing is said of one
//! before a tool goes by its name.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use config::ValueKind;

use super::{
    Set,
    kind::WrittenValue,
    notice::{Notice, shown},
    settings::{PER_TOOL, SETTINGS, Setting},
};

/// The tools of the shipped policy, by name and alias, as their variables begin.
const SHIPPED: [&str; 15] = [
    "CAPTURE",
    "NMAP",
    "NMAPTOOL",
    "PACKET_CAPTURE",
    "PING",
    "PINGTOOL",
    "PORT",
    "PORTTOOL",
    "PORT_CHECK",
    "SCANNER",
    "SCANNERTOOL",
    "TCPDUMP",
    "TRACEROUTE",
    "TRACERT",
    "TRACERTTOOL",
];

/// What is set for one tool. `None`: its file and the settings for all tools decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolOverride {
    /// Time for a run that asks for none. The policy's ceiling is yet to be applied.
    pub timeout: Option<Set<Duration>>,
    /// Runs at once, 1 to 5.
    pub concurrency: Option<Set<u32>>,
    /// Failures in a row that open its breaker.
    pub failure_threshold: Option<Set<u32>>,
    /// How long that then refuses.
    pub recovery_timeout: Option<Set<Duration>>,
}

/// Everything that is set for single tools, by whatever name.
#[derive(Debug, Clone, Default)]
pub struct ToolOverrides {
    /// Those of the environment first, in the order of their names.
    candidates: Vec<Candidate>,
    /// Which candidates have been told of. Shared, so that copies do not repeat it.
    told: Arc<Mutex<BTreeSet<usize>>>,
}

/// One value that may be some tool's.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The tool's name or alias as a variable has it: `NMAP`.
    tool: String,
    /// Which of the settings of a tool.
    what: &'static Setting,
    /// Where it was written: a variable, or a file and line.
    pub source: String,
    pub from_variable: bool,
    /// As it counts, if it does.
    pub value: Option<ValueKind>,
    /// What there is to say of it.
    pub notice: Option<Notice>,
}

impl Candidate {
    /// What a variable says, if its name is of the right form.
    pub fn of_variable(variable: &str, written: &WrittenValue) -> Option<Self> {
        let (tool, what) = variable_parts(variable)?;
        Some(Self::new(tool.to_owned(), what, written, variable.to_owned(), true))
    }

    /// What a file's key says, if it is one of these.
    pub fn of_key(key: &str, written: &WrittenValue, place: &str) -> Option<Self> {
        let (tool, last) = key.strip_prefix("tools.")?.rsplit_once('.')?;
        let what = PER_TOOL.iter().find(|what| last_part(what) == last)?;
        Some(Self::new(variable_name(tool), what, written, place.to_owned(), false))
    }

    /// The key it would have in a file.
    pub fn key(&self) -> String {
        format!("tools.{}.{}", self.tool.to_ascii_lowercase(), last_part(self.what))
    }

    /// Whether it may well be somebody else's: a variable, and none of a shipped tool's.
    pub fn is_doubtful(&self) -> bool {
        self.from_variable && !SHIPPED.contains(&self.tool.as_str())
    }

    /// Whether it is one of these tools', by their names and aliases.
    pub fn is_of_any(&self, tools: &[String]) -> bool {
        tools.iter().any(|tool| variable_name(tool) == self.tool)
    }

    /// What its number counts.
    pub fn unit(&self) -> &'static str {
        self.what.unit
    }

    fn new(
        tool: String,
        what: &'static Setting,
        written: &WrittenValue,
        source: String,
        from_variable: bool,
    ) -> Self {
        let value = what.kind.read(written);
        let clamped = value.as_ref().and_then(|value| what.kind.clamped(value));
        let mut candidate = Self { tool, what, source, from_variable, value, notice: None };
        let (key, source) = (candidate.key(), candidate.source.clone());
        candidate.notice = match (&candidate.value, clamped) {
            (None, _) => Some(Notice::Invalid {
                key,
                name: last_part(what).to_owned(),
                value: shown(&written.to_string()),
                expected: what.kind.expected(),
                source,
                counts_as: "",
            }),
            (Some(old), Some(new)) => {
                let (old, new_text) = (old.to_string(), new.to_string());
                candidate.value = Some(new);
                Some(Notice::Clamped { key, old, new: new_text, source })
            }
            (Some(_), None) => None,
        };
        candidate
    }
}

impl ToolOverrides {
    pub(super) fn new(mut candidates: Vec<Candidate>) -> Self {
        candidates.sort_by_key(|candidate| !candidate.from_variable);
        Self { candidates, told: Arc::default() }
    }

    pub(super) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Whether nothing is set for any tool.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// What is set for a tool of this name: by variables before files, by the name before aliases.
    /// The first call for a tool logs what is wrong or overridden; further ones are silent.
    pub(super) fn of(&self, name: &str, aliases: &[&str]) -> ToolOverride {
        let names: Vec<String> =
            std::iter::once(&name).chain(aliases).map(|name| variable_name(name)).collect();
        let mut found = ToolOverride::default();
        for from_variable in [true, false] {
            for name in &names {
                for (number, candidate) in self.candidates.iter().enumerate() {
                    if candidate.from_variable == from_variable && candidate.tool == *name {
                        let taken = found.take(candidate);
                        self.tell_once(number, candidate, taken);
                    }
                }
            }
        }
        found
    }

    fn tell_once(&self, number: usize, candidate: &Candidate, taken: bool) {
        // What a file has wrong was told of when it was read.
        if !candidate.from_variable {
            return;
        }
        if !self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
            return;
        }
        if let Some(notice) = &candidate.notice {
            notice.emit();
        }
        if let (true, Some(value)) = (taken, &candidate.value) {
            let (variable, value) = (candidate.source.clone(), value.to_string());
            Notice::Override { key: candidate.key(), variable, value }.emit();
        }
    }
}

impl ToolOverride {
    /// Takes what is not set yet, and says whether it did.
    fn take(&mut self, candidate: &Candidate) -> bool {
        let Some(value) = &candidate.value else { return false };
        let source = &candidate.source;
        match last_part(candidate.what) {
            "timeout" => fill(&mut self.timeout, duration(value), source),
            "concurrency" => fill(&mut self.concurrency, number(value), source),
            "failure_threshold" => fill(&mut self.failure_threshold, number(value), source),
            "recovery_timeout" => fill(&mut self.recovery_timeout, duration(value), source),
            _ => false,
        }
    }
}

/// Fills a place that is empty, and says whether it did.
fn fill<T>(place: &mut Option<Set<T>>, value: Option<T>, source: &str) -> bool {
    let Some(value) = value.filter(|_| place.is_none()) else { return false };
    *place = Some(Set { value, source: source.to_owned() });
    true
}

fn duration(value: &ValueKind) -> Option<Duration> {
    let ValueKind::Float(seconds) = value else { return None };
    Duration::try_from_secs_f64(*seconds).ok()
}

fn number(value: &ValueKind) -> Option<u32> {
    let ValueKind::I64(number) = value else { return None };
    u32::try_from(*number).ok()
}

/// Whether a variable might be some tool's.
pub(super) fn is_candidate(variable: &str) -> bool {
    variable_parts(variable).is_some()
}

/// A tool's name as its variables begin: in capitals, with `_` for `-`.
pub(super) fn variable_name(tool: &str) -> String {
    tool.to_ascii_uppercase().replace('-', "_")
}

fn variable_parts(variable: &str) -> Option<(&str, &'static Setting)> {
    if SETTINGS.iter().any(|setting| setting.variable == variable) {
        return None;
    }
    PER_TOOL.iter().find_map(|what| {
        let tool = variable.strip_suffix(what.variable.strip_prefix("NAME")?)?;
        (!tool.is_empty()).then_some((tool, what))
    })
}

fn last_part(what: &'static Setting) -> &'static str {
    what.key.rsplit('.').next().unwrap_or(what.key)
}
