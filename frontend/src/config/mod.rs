//! The frontend's settings, for both transports.
//!
//! A setting here can only tighten what the broker's policy allows: none is trusted by the broker.
//! That is why a bad value is a warning and the next layer's holds, while a bad *file*, which may
//! have been written to forbid something, keeps the program from starting.
//!
//! [`settings`] is the table of them all, and `kind` says what a value may be; [`load()`] lays flags
//! over environment over file over defaults; [`show`] prints what came out and where it came from.

mod checks;
mod counters;
mod declared;
mod file;
mod idle;
mod kind;
pub mod load;
mod notice;
mod per_tool;
mod probes;
mod proxies;
pub mod settings;
pub mod show;
mod tables;
mod url;

use std::{path::PathBuf, time::Duration};

use ::config::ConfigError;
use probity_protocol::Tier;
use serde::de::DeserializeOwned;
use tracing::level_filters::LevelFilter;

pub use self::{
    checks::{CheckKind, CheckSettings, Priority, USUAL_TIMEOUT},
    counters::{CounterSettings, STATUSES},
    declared::{CounterError, Declared, Label, OTHER},
    file::FileError,
    idle::IdleSetting,
    load::{Environment, Flags, LoadError, Loaded, load},
    notice::Notice,
    per_tool::{ToolOverride, ToolOverrides},
    probes::{DnsRules, HttpRules, ProbeModule, ProbeModules, Prober, TlsRules},
    proxies::Proxies,
    url::HttpUrl,
};
use self::{
    kind::level_named,
    load::{DEFAULT, Effective},
    settings::LOG_LEVEL,
};

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is served, and where.
    pub server: Server,
    /// Who may come over HTTP, and how much.
    pub http: Http,
    /// Which tools are offered, and what holds where their files say nothing.
    pub tools: Tools,
    /// What a run may use, where the policy allows as much.
    pub limits: Limits,
    /// When a tool that keeps failing is left alone, where its file does not say.
    pub breaker: Thresholds,
    /// What an operator has set for all tools.
    pub for_all: ForAll,
    /// How long calls in flight may take to finish when a server stops.
    pub grace: Duration,
    /// What is left alone whatever the policy grants: the broker is asked to refuse it.
    pub security: Security,
    /// What is logged, and how.
    pub log: Log,
    /// What counts as health.
    pub health: Health,
    /// What is pushed, and where to.
    pub telemetry: Telemetry,
    /// How runs are kept.
    pub history: History,
    /// Calls that come by themselves.
    pub watches: WatchSettings,
    /// Counters of the file's own.
    pub counters: Vec<CounterSettings>,
    /// What may be probed for by name.
    pub probes: ProbeModules,
    /// Which broker is asked.
    pub broker: BrokerSettings,
    /// What is set for single tools. Asked through [`Config::tool`].
    pub overrides: ToolOverrides,
}

/// What is served, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What a bare `probity` serves.
    pub transport: Transport,
    /// Address or name that HTTP binds.
    pub host: String,
    /// Port that HTTP binds; 0 for a free one.
    pub port: u16,
}

/// Who may come over HTTP, and how much.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Whether those on this machine may look without a token.
    pub anonymous: bool,
    /// Whether there is a page for people.
    pub ui: bool,
    /// Where the tokens are.
    pub tokens_file: Option<PathBuf>,
    /// An administrator's token.
    pub token: Option<SecretText>,
    /// Names it may be asked by.
    pub allowed_hosts: Vec<String>,
    /// Other sites whose pages may ask.
    pub allowed_origins: Vec<String>,
    /// Whose word is taken for another's address.
    pub trusted_proxies: Proxies,
    /// Connections at once.
    pub max_connections: usize,
    /// How long the head of a request may take to come, and its body.
    pub read_timeout: Duration,
    /// How often a client may ask.
    pub rate: RateLimit,
}

/// How often a client may ask for one tool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Requests within the window.
    pub requests: u32,
    /// The window.
    pub window: Duration,
    /// Clients that are counted.
    pub max_clients: usize,
    /// Whether it holds for stdio, too.
    pub stdio: bool,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text, for whoever compares it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// A way to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// MCP on standard input and output.
    Stdio,
    /// MCP, REST and events over HTTP.
    Http,
}

/// Which tools are offered, and what holds where their files say nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Tools {
    /// Names and aliases as they were given; empty for all.
    pub include: Vec<String>,
    /// The same of tools left out, which wins.
    pub exclude: Vec<String>,
    /// Longest `extra_args`.
    pub max_args_bytes: usize,
    /// Time for a run, where neither the call nor the tool's file says.
    pub default_timeout: Duration,
    /// Runs of a tool at once, where its file does not say: 1 to 5.
    pub default_concurrency: u32,
    /// Calls of one tool that wait for their turn; beyond it they are refused at once.
    pub queue: usize,
}

/// What a run may use. The broker takes the smaller of each and the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Address space.
    pub memory_bytes: u64,
    /// Open descriptors.
    pub open_files: u64,
    /// Standard output kept.
    pub stdout_bytes: u64,
    /// Standard error kept.
    pub stderr_bytes: u64,
}

/// When a circuit breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it then refuses before it lets one call try.
    pub recovery: Duration,
}

/// What an operator has set for all tools: it holds where a tool's file is looser. `None` where
/// nobody has set it, and its default is only for tools whose files say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForAll {
    /// `tool.default_timeout`.
    pub timeout: Option<Set<Duration>>,
    /// `tool.default_concurrency`.
    pub concurrency: Option<Set<u32>>,
    /// `circuit_breaker.failure_threshold`.
    pub failure_threshold: Option<Set<u32>>,
    /// `circuit_breaker.recovery_timeout`.
    pub recovery_timeout: Option<Set<Duration>>,
}

/// A value that somebody has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T> {
    /// The value.
    pub value: T,
    /// Where: a variable, or a file with its line.
    pub source: String,
}

/// What is refused before the broker is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Security {
    /// `Some(false)` hides and refuses intrusive use; otherwise the grant alone decides.
    pub allow_intrusive: Option<bool>,
}

impl Security {
    /// The highest tier to ask the broker for; `None` leaves it to the grant.
    #[must_use]
    pub fn highest_tier(self) -> Option<Tier> {
        (self.allow_intrusive == Some(false)).then_some(Tier::Standard)
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Least level shown; `None` where nobody said, for the command to choose.
    pub level: Option<LevelFilter>,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `time LEVEL event key=value …`
    Text,
    /// One JSON object.
    Json,
}

/// What counts as health. Above each of these, in percent, something is degraded; above 100 is
/// nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Of the processors' time.
    pub cpu_percent: f64,
    /// Of the memory.
    pub memory_percent: f64,
    /// Of a disk.
    pub disk_percent: f64,
    /// Checks of the file's own.
    pub checks: Vec<CheckSettings>,
}

/// What is pushed, and where to. Nothing is where nobody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The collector that traces go to, by OTLP.
    pub otlp: Option<HttpUrl>,
    /// The Pushgateway that metrics are put to.
    pub pushgateway: Option<HttpUrl>,
    /// How often they are.
    pub push_interval: Duration,
}

impl Telemetry {
    /// The TCP ports that are connected to.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.otlp.iter().chain(&self.pushgateway).map(HttpUrl::port)
    }
}

/// Calls that come by themselves, and where what they tell goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSettings {
    /// The file that they are in.
    pub file: Option<PathBuf>,
    /// Who is told.
    pub webhook: Option<HttpUrl>,
    /// What is told is signed with it.
    pub webhook_secret: Option<SecretText>,
}

/// How runs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// In a file, and not in memory alone.
    pub enabled: bool,
    /// That file; where nobody says, it depends on who runs this.
    pub path: Option<PathBuf>,
    /// Older runs go.
    pub max_age: Duration,
    /// Of more the oldest go.
    pub max_runs: u64,
    /// Of results that take more the oldest go.
    pub max_bytes: u64,
}

/// Which broker is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Where the installed broker listens.
    pub socket: PathBuf,
    /// Whether a private one is started; where nobody says, it depends on what is installed.
    pub embedded: Option<bool>,
    /// What a private one decides by.
    pub policy: Option<PathBuf>,
}

impl Config {
    /// What is set for one tool, by its name or an alias: `NMAP_TIMEOUT` before
    /// `[tools.nmap] timeout`. What is wrong with it is logged at the first call.
    #[must_use]
    pub fn tool(&self, name: &str, aliases: &[&str]) -> ToolOverride {
        self.overrides.of(name, aliases)
    }

    /// Gives the settings their types.
    fn of(
        effective: &[Effective],
        overrides: ToolOverrides,
        checks: Vec<CheckSettings>,
        counters: Vec<CounterSettings>,
        probes: ProbeModules,
    ) -> Result<Self, ConfigError> {
        let values = Values(effective);
        let mebibyte = 1024 * 1024;
        Ok(Self {
            server: Server {
                transport: values.get("server.transport")?,
                host: values.get("server.host")?,
                port: values.get("server.port")?,
            },
            http: Http {
                anonymous: values.get("server.anonymous")?,
                ui: values.get("server.ui")?,
                tokens_file: values.get("server.tokens_file")?,
                token: values.get("server.token")?,
                allowed_hosts: values.get("server.allowed_hosts")?,
                allowed_origins: values.get("server.allowed_origins")?,
                trusted_proxies: Proxies::of(&values.get::<Vec<String>>("server.trusted_proxies")?),
                max_connections: values.get("server.max_connections")?,
                read_timeout: values.duration("server.read_timeout")?,
                rate: RateLimit {
                    requests: values.get("rate_limit.requests")?,
                    window: values.duration("rate_limit.window")?,
                    max_clients: values.get("rate_limit.max_clients")?,
                    stdio: values.get("rate_limit.stdio")?,
                },
            },
            tools: Tools {
                include: values.get("tool.include")?,
                exclude: values.get("tool.exclude")?,
                max_args_bytes: values.get("tool.max_args_len")?,
                default_timeout: values.duration("tool.default_timeout")?,
                default_concurrency: values.get("tool.default_concurrency")?,
                queue: values.get("tool.queue")?,
            },
            limits: Limits {
                memory_bytes: values.get::<u64>("resource_limits.max_memory_mb")? * mebibyte,
                open_files: values.get("resource_limits.max_file_descriptors")?,
                stdout_bytes: values.get("resource_limits.max_stdout_bytes")?,
                stderr_bytes: values.get("resource_limits.max_stderr_bytes")?,
            },
            breaker: Thresholds {
                failures: values.get("circuit_breaker.failure_threshold")?,
                recovery: values.duration("circuit_breaker.recovery_timeout")?,
            },
            for_all: ForAll {
                timeout: values.set("tool.default_timeout", Values::duration)?,
                concurrency: values.set("tool.default_concurrency", Values::get)?,
                failure_threshold: values.set("circuit_breaker.failure_threshold", Values::get)?,
                recovery_timeout: values
                    .set("circuit_breaker.recovery_timeout", Values::duration)?,
            },
            grace: values.duration("shutdown.grace")?,
            security: Security { allow_intrusive: values.get("security.allow_intrusive")? },
            log: Log { level: values.log_level()?, format: values.get("log.format")? },
            health: Health {
                cpu_percent: values.get("health.cpu_percent")?,
                memory_percent: values.get("health.memory_percent")?,
                disk_percent: values.get("health.disk_percent")?,
                checks,
            },
            telemetry: Telemetry {
                otlp: values.url("telemetry.otlp_endpoint")?,
                pushgateway: values.url("telemetry.pushgateway")?,
                push_interval: values.duration("telemetry.push_interval")?,
            },
            history: History {
                enabled: values.get("history.enabled")?,
                path: values.get("history.path")?,
                max_age: Duration::from_secs(values.get::<u64>("history.max_age_days")? * 86_400),
                max_runs: values.get("history.max_runs")?,
                max_bytes: values.get::<u64>("history.max_mb")? * mebibyte,
            },
            watches: WatchSettings {
                file: values.get("watches.file")?,
                webhook: values.url("watches.webhook")?,
                webhook_secret: values.get("watches.webhook_secret")?,
            },
            counters,
            probes,
            broker: BrokerSettings {
                socket: values.get("broker.socket")?,
                embedded: values.get("broker.embedded")?,
                policy: values.get("broker.policy")?,
            },
            overrides,
        })
    }
}

impl Default for Config {
    /// The defaults of the table, with no file and an empty environment.
    fn default() -> Self {
        let loaded = load(&Flags::default(), &Environment::default());
        loaded.expect("every default of the table is valid, which a test holds").config
    }
}

/// The settings in force, by key.
struct Values<'a>(&'a [Effective]);

impl Values<'_> {
    fn find(&self, key: &str) -> Result<&Effective, ConfigError> {
        let found = self.0.iter().find(|effective| effective.setting.key == key);
        found.ok_or_else(|| ConfigError::NotFound(key.to_owned()))
    }

    fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T, ConfigError> {
        let value = ::config::Value::new(None, self.find(key)?.value.clone());
        value.try_deserialize()
    }

    /// A value that somebody has set; `None` where that is nobody.
    fn set<T>(
        &self,
        key: &str,
        read: impl Fn(&Self, &str) -> Result<T, ConfigError>,
    ) -> Result<Option<Set<T>>, ConfigError> {
        match self.find(key)?.source.as_str() {
            DEFAULT => Ok(None),
            source => Ok(Some(Set { value: read(self, key)?, source: source.to_owned() })),
        }
    }

    fn duration(&self, key: &str) -> Result<Duration, ConfigError> {
        let seconds = Duration::try_from_secs_f64(self.get(key)?);
        seconds.map_err(|error| ConfigError::Foreign(Box::new(error)))
    }

    fn url(&self, key: &str) -> Result<Option<HttpUrl>, ConfigError> {
        Ok(self.get::<Option<String>>(key)?.as_deref().and_then(HttpUrl::parse))
    }

    fn log_level(&self) -> Result<Option<LevelFilter>, ConfigError> {
        match self.find(LOG_LEVEL)?.source.as_str() {
            DEFAULT => Ok(None),
            _ => Ok(level_named(&self.get::<String>(LOG_LEVEL)?)),
        }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
