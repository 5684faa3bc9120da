//! Flags over environment over file over defaults.
//!
//! Each layer is checked before it is laid over the one below: a value that is none leaves the
//! lower one in sight. Ranges are applied last, to what came out on top. Loading says nothing by
//! itself; what it found out is in the notices.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use config::{Map, Source, Value, ValueKind};

use super::{
    Config,
    checks::{self, CHECKS, CheckSettings},
    counters::{self, COUNTERS, CounterSettings},
    file::{Entry, File, FileError},
    kind::{Kind, WrittenValue},
    notice::{Notice, shown},
    per_tool::{Candidate, ToolOverrides, is_candidate},
    probes::{self, ProbeModules},
    settings::{PER_TOOL, SETTINGS, Setting, setting},
};

/// Names the configuration file.
pub const FILE_VARIABLE: &str = "MCP_CONFIG_FILE";

/// The guide's variable for Python packages with tools: root's business here.
const TOOLS_PACKAGE: &str = "TOOLS_PACKAGE";

/// The source of what nobody has set.
pub const DEFAULT: &str = "default";

/// How far an unknown key may be from the one that it is taken for: 0 nothing alike, 1 the same.
const NEAR: f64 = 0.7;

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`: the configuration file.
    pub config: Option<PathBuf>,
    /// `--socket`: where the broker listens.
    pub socket: Option<String>,
}

/// The variables that may concern this program, taken once.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// This process's.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// These variables. An empty one is as good as none, and the names of others are forgotten.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let known = |name: &str| {
            [FILE_VARIABLE, TOOLS_PACKAGE].contains(&name)
                || SETTINGS.iter().any(|setting| setting.variable == name)
                || is_candidate(name)
        };
        let variables = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            (!value.is_empty() && known(&name)).then_some((name, value))
        });
        Self(variables.collect())
    }

    /// The same, naming no file: what there is to go by where the file is no good.
    #[must_use]
    pub fn without_file(mut self) -> Self {
        self.0.remove(FILE_VARIABLE);
        self
    }

    fn written(&self, variable: &str) -> Option<WrittenValue> {
        let value = self.0.get(variable)?;
        Some(match value.to_str() {
            Some(text) => WrittenValue::Text(text.to_owned()),
            None => WrittenValue::Other(value.to_string_lossy().into_owned()),
        })
    }
}

/// What loading gives.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings in force.
    pub config: Config,
    /// The same one by one, in the table's order, with where each comes from.
    pub effective: Vec<Effective>,
    /// What there is to say, to be emitted once logging runs.
    pub notices: Vec<Notice>,
    /// The file that was read.
    pub file: Option<String>,
}

/// One setting in force.
#[derive(Debug, Clone)]
pub struct Effective {
    /// Which.
    pub setting: &'static Setting,
    /// Its value; [`ValueKind::Nil`] where there is none.
    pub value: ValueKind,
    /// `default`, a variable, a file with its line, or a flag.
    pub source: String,
}

/// Why nothing starts.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is something wrong with the file.
    #[error(
        "{0}\nNothing starts without the file that was asked for: it may be there to forbid \
         something. Mend it, or leave --config and {FILE_VARIABLE} out."
    )]
    File(#[from] FileError),
    /// The table of settings does not fit the types: a fault in this program.
    #[error("the settings cannot be put together, which is a fault in Probity: {0}")]
    Inconsistent(#[from] config::ConfigError),
}

/// Puts the layers together.
///
/// # Errors
/// [`LoadError`]. Without a file there is no reason for one.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, LoadError> {
    let mut notices = Vec::new();
    let file = match flags.config.as_deref().or(environment.0.get(FILE_VARIABLE).map(Path::new)) {
        Some(path) => Some(File::read(path)?),
        None => None,
    };
    if let Some(file) = &file {
        notices.push(Notice::Applied { path: file.path.clone() });
        notices.extend(file.exposed());
    }
    let entries = file.as_ref().map(|file| file.entries.as_slice()).unwrap_or_default();
    let FileLayer { layer: of_file, mut candidates, checks, counters, probes } =
        file_layer(entries, &mut notices);
    let merged = config::Config::builder()
        .add_source(defaults())
        .add_source(of_file)
        .add_source(environment_layer(environment, &mut notices))
        .add_source(flag_layer(flags))
        .build()?;
    for variable in environment.0.keys() {
        let written = environment.written(variable);
        candidates.extend(written.and_then(|it| Candidate::of_variable(variable, &it)));
    }
    let effective = effective(&merged.cache, &mut notices);
    let config = Config::of(&effective, ToolOverrides::new(candidates), checks, counters, probes)?;
    Ok(Loaded { config, effective, notices, file: file.map(|file| file.path) })
}

/// Values that have been checked, by key.
#[derive(Debug, Clone, Default)]
struct Layer(Map<String, Value>);

impl Layer {
    /// Takes a value if it is one, and says whether it was.
    fn add(
        &mut self,
        setting: &Setting,
        written: &WrittenValue,
        source: &str,
        notices: &mut Vec<Notice>,
    ) -> bool {
        let read = setting.kind.read(written);
        let valid = read.is_some();
        let closed = setting.kind == Kind::Switch;
        if !valid {
            notices.push(Notice::Invalid {
                key: setting.key.into(),
                name: setting.key.replace('.', "_"),
                value: setting.kind.redacted(shown(&written.to_string())),
                expected: setting.kind.expected(),
                source: source.into(),
                counts_as: if closed { "false" } else { "" },
            });
        }
        if let Some(value) = read.or_else(|| closed.then(|| false.into())) {
            self.0.insert(setting.key.into(), Value::new(Some(&source.into()), value));
        }
        valid
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn defaults() -> Layer {
    let mut layer = Layer::default();
    for setting in SETTINGS {
        // Where there is no default there is no value, but for a list, which is empty.
        if let Some(value) = setting.kind.read(&WrittenValue::Text(setting.default.into())) {
            layer.0.insert(setting.key.into(), Value::new(Some(&DEFAULT.into()), value));
        }
    }
    layer
}

/// What a file says.
struct FileLayer {
    layer: Layer,
    candidates: Vec<Candidate>,
    checks: Vec<CheckSettings>,
    counters: Vec<CounterSettings>,
    probes: ProbeModules,
}

fn file_layer(entries: &[Entry], notices: &mut Vec<Notice>) -> FileLayer {
    let (mut layer, mut candidates) = (Layer::default(), Vec::new());
    let (mut checks, mut counters) = (Vec::new(), Vec::new());
    let mut probes = probes::Written::default();
    for Entry { key, written, place } in entries {
        if let Some(setting) = setting(key) {
            layer.add(setting, written, place, notices);
        } else if let Some(candidate) = Candidate::of_key(key, written, place) {
            notices.extend(candidate.notice.clone());
            candidates.push(candidate);
        } else if key == CHECKS {
            checks = checks::read(written, place, notices);
        } else if key == COUNTERS {
            counters = counters::read(written, place, notices);
        } else if !probes.take(key, written, place) {
            let (key, source) = (shown(key), place.clone());
            notices.push(Notice::UnknownKey { nearest: nearest(&key), key, source });
        }
    }
    let probes = probes.read(notices);
    FileLayer { layer, candidates, checks, counters, probes }
}

fn environment_layer(environment: &Environment, notices: &mut Vec<Notice>) -> Layer {
    let mut layer = Layer::default();
    for setting in SETTINGS {
        let Some(written) = environment.written(setting.variable) else { continue };
        if layer.add(setting, &written, setting.variable, notices) {
            let (key, variable) = (setting.key.into(), setting.variable.into());
            let value = setting.kind.redacted(shown(&written.to_string()));
            notices.push(Notice::Override { key, variable, value });
        }
    }
    if let Some(written) = environment.written(TOOLS_PACKAGE) {
        notices.push(Notice::ToolsPackage { value: shown(&written.to_string()) });
    }
    layer
}

fn flag_layer(flags: &Flags) -> Layer {
    let mut layer = Layer::default();
    if let (Some(socket), Some(setting)) = (&flags.socket, setting("broker.socket")) {
        // As it is: a path that somebody typed is not ours to trim or refuse.
        let value = Value::new(Some(&"--socket".into()), socket.as_str());
        layer.0.insert(setting.key.into(), value);
    }
    layer
}

/// What lies on top, in its range.
fn effective(merged: &Value, notices: &mut Vec<Notice>) -> Vec<Effective> {
    let of_setting = |setting: &'static Setting| {
        let Some(value) = value_at(merged, setting.key) else {
            return Effective { setting, value: ValueKind::Nil, source: DEFAULT.into() };
        };
        let source = value.origin().unwrap_or(DEFAULT).to_owned();
        let Some(moved) = setting.kind.clamped(&value.kind) else {
            return Effective { setting, value: value.kind.clone(), source };
        };
        notices.push(Notice::Clamped {
            key: setting.key.into(),
            old: shown(&value.to_string()),
            new: moved.to_string(),
            source: source.clone(),
        });
        Effective { setting, value: moved, source }
    };
    SETTINGS.iter().map(of_setting).collect()
}

fn value_at<'a>(root: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(root, |value, part| match &value.kind {
        ValueKind::Table(table) => table.get(part),
        _ => None,
    })
}

/// The known key that is most like this one, or nothing where none is.
fn nearest(key: &str) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let alike = |known: &str| {
        // The right key in the wrong section is as likely as a slip in either.
        let same_name = if last(known) == last(key) { NEAR } else { 0.0 };
        strsim::normalized_damerau_levenshtein(known, key).max(same_name)
    };
    let tool = key.strip_prefix("tools.").and_then(|rest| rest.split('.').next());
    let per_tool = PER_TOOL.iter().map(|what| what.key.replace("NAME", tool.unwrap_or("NAME")));
    SETTINGS
        .iter()
        .map(|setting| setting.key.to_owned())
        .chain(per_tool)
        .map(|known| (alike(&known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(alike, _)| *alike >= NEAR)
        .map(|(_, known)| known)
        .unwrap_or_default()
}
