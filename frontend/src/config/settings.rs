//! The table of settings: every key, variable, default and range stands here, once.
//!
//! Loading, `probity config`, its help and `docs/configuration.md` all follow this table. It never
//! looks a value up.

pub use super::kind::Kind;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its place in a file: `section.key`.
    pub key: &'static str,
    /// The environment variable that overrides the file.
    pub variable: &'static str,
    /// What holds where nobody says anything, as one would write it; empty for nothing.
    pub default: &'static str,
    /// What a value may be.
    pub kind: Kind,
    /// What a number counts; empty where it is none.
    pub unit: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
}

/// Key of the one setting whose default depends on the command.
pub(super) const LOG_LEVEL: &str = "log.level";

/// Every setting, in the order in which it is shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "server.transport",
        variable: "MCP_SERVER_TRANSPORT",
        default: "stdio",
        kind: Kind::Word(&["stdio", "http"]),
        unit: "",
        help: "What a bare `probity` serves.",
    },
    Setting {
        key: "server.host",
        variable: "MCP_SERVER_HOST",
        default: "127.0.0.1",
        kind: Kind::Host,
        unit: "",
        help: "Address that HTTP binds.",
    },
    Setting {
        key: "server.port",
        variable: "MCP_SERVER_PORT",
        default: "8080",
        kind: Kind::Port,
        unit: "",
        help: "Port that HTTP binds; 0 takes a free one.",
    },
    Setting {
        key: "server.anonymous",
        variable: "PROBITY_HTTP_ANONYMOUS",
        default: "true",
        kind: Kind::Switch,
        unit: "",
        help: "Whether HTTP shows tools, health and metrics to this machine without a token.",
    },
    Setting {
        key: "server.ui",
        variable: "PROBITY_HTTP_UI",
        default: "true",
        kind: Kind::Switch,
        unit: "",
        help: "Whether HTTP serves the page for people, below /ui/.",
    },
    Setting {
        key: "server.tokens_file",
        variable: "PROBITY_TOKENS_FILE",
        default: "",
        kind: Kind::Path,
        unit: "",
        help: "Who may come over HTTP: the file that `probity token new --file` writes.",
    },
    Setting {
        key: "server.token",
        variable: "PROBITY_HTTP_TOKEN",
        default: "",
        kind: Kind::Secret,
        unit: "",
        help: "One administrator's token, for simple setups and containers.",
    },
    Setting {
        key: "server.allowed_hosts",
        variable: "PROBITY_ALLOWED_HOSTS",
        default: "",
        kind: Kind::Names,
        unit: "",
        help: "Names that HTTP may be asked by, beside localhost and its own address.",
    },
    Setting {
        key: "server.allowed_origins",
        variable: "PROBITY_ALLOWED_ORIGINS",
        default: "",
        kind: Kind::Names,
        unit: "",
        help: "Other sites whose pages may ask (CORS), as https://dash.example.",
    },
    Setting {
        key: "server.trusted_proxies",
        variable: "PROBITY_TRUSTED_PROXIES",
        default: "",
        kind: Kind::Networks,
        unit: "",
        help: "Proxies whose X-Forwarded-For is believed: addresses, networks, or `unix`.",
    },
    Setting {
        key: "server.max_connections",
        variable: "PROBITY_MAX_CONNECTIONS",
        default: "2048",
        kind: Kind::Whole { least: 16, most: 65_536 },
        unit: "connections",
        help: "HTTP connections at once; beyond it whoever holds most makes room.",
    },
    Setting {
        key: "server.read_timeout",
        variable: "PROBITY_READ_TIMEOUT_SEC",
        default: "15",
        kind: Kind::Seconds { least: 1.0, most: 300.0 },
        unit: "seconds",
        help: "How long a request's head, and then its body, may take to come; an idle connection, too.",
    },
    Setting {
        key: "rate_limit.requests",
        variable: "PROBITY_RATE_REQUESTS",
        default: "10",
        kind: Kind::Whole { least: 1, most: 100_000 },
        unit: "requests",
        help: "Runs of one tool that one HTTP client may ask for within the window.",
    },
    Setting {
        key: "rate_limit.window",
        variable: "PROBITY_RATE_WINDOW_SEC",
        default: "60",
        kind: Kind::Seconds { least: 1.0, most: 86_400.0 },
        unit: "seconds",
        help: "The window.",
    },
    Setting {
        key: "rate_limit.max_clients",
        variable: "PROBITY_RATE_CLIENTS",
        default: "1000",
        kind: Kind::Whole { least: 1, most: 100_000 },
        unit: "clients",
        help: "Clients whose requests are counted; those that have been quiet are forgotten.",
    },
    Setting {
        key: "rate_limit.stdio",
        variable: "PROBITY_RATE_STDIO",
        default: "false",
        kind: Kind::Switch,
        unit: "",
        help: "Whether the same limit holds for MCP over standard input and output.",
    },
    Setting {
        key: "tool.include",
        variable: "TOOL_INCLUDE",
        default: "",
        kind: Kind::Names,
        unit: "",
        help: "Tools offered, by name or alias; empty for all that are granted.",
    },
    Setting {
        key: "tool.exclude",
        variable: "TOOL_EXCLUDE",
        default: "",
        kind: Kind::Names,
        unit: "",
        help: "Tools not offered, even where included.",
    },
    Setting {
        key: "tool.max_args_len",
        variable: "MCP_MAX_ARGS_LEN",
        default: "2048",
        kind: Kind::Whole { least: 1, most: 2048 },
        unit: "bytes",
        help: "Longest `extra_args`.",
    },
    Setting {
        key: "tool.default_timeout",
        variable: "MCP_DEFAULT_TIMEOUT_SEC",
        default: "300",
        kind: Kind::Seconds { least: 60.0, most: 3600.0 },
        unit: "seconds",
        help: "Time for a run of a tool whose file sets none; where it is set here, for every tool at most.",
    },
    Setting {
        key: "tool.default_concurrency",
        variable: "MCP_DEFAULT_CONCURRENCY",
        default: "2",
        kind: CONCURRENCY,
        unit: "runs",
        help: "Runs at once of a tool whose file sets none; where it is set here, of every tool at most.",
    },
    Setting {
        key: "tool.queue",
        variable: "PROBITY_QUEUE",
        default: "50",
        kind: Kind::Whole { least: 0, most: 1000 },
        unit: "calls",
        help: "Calls of one tool that wait for their turn; more are refused at once.",
    },
    Setting {
        key: "resource_limits.max_memory_mb",
        variable: "MCP_MAX_MEMORY_MB",
        default: "512",
        kind: Kind::Whole { least: 64, most: 65_536 },
        unit: "MiB",
        help: "Address space of a run.",
    },
    Setting {
        key: "resource_limits.max_file_descriptors",
        variable: "MCP_MAX_FILE_DESCRIPTORS",
        default: "256",
        kind: Kind::Whole { least: 16, most: 65_536 },
        unit: "files",
        help: "Open files of a run.",
    },
    Setting {
        key: "resource_limits.max_stdout_bytes",
        variable: "MCP_MAX_STDOUT_BYTES",
        default: "1048576",
        kind: Kind::Whole { least: 1024, most: 67_108_864 },
        unit: "bytes",
        help: "Standard output kept of a run.",
    },
    Setting {
        key: "resource_limits.max_stderr_bytes",
        variable: "MCP_MAX_STDERR_BYTES",
        default: "262144",
        kind: Kind::Whole { least: 1024, most: 67_108_864 },
        unit: "bytes",
        help: "Standard error kept of a run.",
    },
    Setting {
        key: "circuit_breaker.failure_threshold",
        variable: "PROBITY_BREAKER_FAILURES",
        default: "5",
        kind: FAILURES,
        unit: "failures",
        help: "Failures in a row that open a tool's circuit breaker, where its file sets none or more.",
    },
    Setting {
        key: "circuit_breaker.recovery_timeout",
        variable: "PROBITY_BREAKER_RECOVERY_SEC",
        default: "60",
        kind: RECOVERY,
        unit: "seconds",
        help: "How long an open breaker refuses, where the tool's file sets none or less.",
    },
    Setting {
        key: "shutdown.grace",
        variable: "PROBITY_GRACE_SEC",
        default: "10",
        kind: Kind::Seconds { least: 0.0, most: 3600.0 },
        unit: "seconds",
        help: "How long a server that is stopping lets calls in flight finish.",
    },
    Setting {
        key: "security.allow_intrusive",
        variable: "PROBITY_ALLOW_INTRUSIVE",
        default: "",
        kind: Kind::Switch,
        unit: "",
        help: "false hides and refuses intrusive use; true adds nothing to what the policy grants.",
    },
    Setting {
        key: "health.cpu_percent",
        variable: "PROBITY_HEALTH_CPU_PERCENT",
        default: "90",
        kind: Kind::Whole { least: 1, most: 100 },
        unit: "percent",
        help: "Busy processors, above which health is degraded; 100 switches that off.",
    },
    Setting {
        key: "health.memory_percent",
        variable: "PROBITY_HEALTH_MEMORY_PERCENT",
        default: "90",
        kind: Kind::Whole { least: 1, most: 100 },
        unit: "percent",
        help: "Used memory, above which health is degraded; 100 switches the check off.",
    },
    Setting {
        key: "health.disk_percent",
        variable: "PROBITY_HEALTH_DISK_PERCENT",
        default: "90",
        kind: Kind::Whole { least: 1, most: 100 },
        unit: "percent",
        help: "Used disk space, above which health is degraded; 100 switches the check off.",
    },
    Setting {
        key: LOG_LEVEL,
        variable: "LOG_LEVEL",
        default: "INFO",
        kind: Kind::Level,
        unit: "",
        help: "Least level logged; where unset, `call`, `tools` and `config` log errors, and warnings of a \
               configuration that cannot be what was meant.",
    },
    Setting {
        key: "log.format",
        variable: "PROBITY_LOG_FORMAT",
        default: "text",
        kind: Kind::Word(&["text", "json"]),
        unit: "",
        help: "Log lines as key=value text, or as JSON.",
    },
    Setting {
        key: "telemetry.otlp_endpoint",
        variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
        default: "",
        kind: Kind::Url,
        unit: "",
        help: "Collector that a span of each call goes to, by OTLP over HTTP (/v1/traces below it).",
    },
    Setting {
        key: "telemetry.pushgateway",
        variable: "PROBITY_PUSHGATEWAY",
        default: "",
        kind: Kind::Url,
        unit: "",
        help: "Pushgateway that `stdio` and `http` put their metrics to, where nobody scrapes.",
    },
    Setting {
        key: "telemetry.push_interval",
        variable: "PROBITY_PUSH_INTERVAL_SEC",
        default: "15",
        kind: Kind::Seconds { least: 1.0, most: 3600.0 },
        unit: "seconds",
        help: "How often they are put there; at the end they are once more.",
    },
    Setting {
        key: "history.enabled",
        variable: "PROBITY_HISTORY",
        default: "true",
        kind: Kind::Switch,
        unit: "",
        help: "Whether runs are kept in a file. false keeps the latest in memory, until the process ends.",
    },
    Setting {
        key: "history.path",
        variable: "PROBITY_HISTORY_PATH",
        default: "",
        kind: Kind::Path,
        unit: "",
        help: "That file; unset: runs.db in the unit's StateDirectory, or in $XDG_STATE_HOME/probity.",
    },
    Setting {
        key: "history.max_age_days",
        variable: "PROBITY_HISTORY_DAYS",
        default: "90",
        kind: Kind::Whole { least: 1, most: 36_500 },
        unit: "days",
        help: "Older runs go.",
    },
    Setting {
        key: "history.max_runs",
        variable: "PROBITY_HISTORY_RUNS",
        default: "100000",
        kind: Kind::Whole { least: 1, most: 10_000_000 },
        unit: "runs",
        help: "Of more than so many the oldest go.",
    },
    Setting {
        key: "history.max_mb",
        variable: "PROBITY_HISTORY_MB",
        default: "1024",
        kind: Kind::Whole { least: 1, most: 1_048_576 },
        unit: "MiB",
        help: "Of results that take more than so much the oldest go.",
    },
    Setting {
        key: "watches.file",
        variable: "PROBITY_WATCHES",
        default: "",
        kind: Kind::Path,
        unit: "",
        help: "Calls that `stdio` and `http` make again and again: the file that `probity watch add` writes.",
    },
    Setting {
        key: "watches.webhook",
        variable: "PROBITY_WEBHOOK",
        default: "",
        kind: Kind::Url,
        unit: "",
        help: "Where what watches tell is sent to, as JSON by POST.",
    },
    Setting {
        key: "watches.webhook_secret",
        variable: "PROBITY_WEBHOOK_SECRET",
        default: "",
        kind: Kind::Secret,
        unit: "",
        help: "What it is signed with, so that the receiver knows that it is from here.",
    },
    Setting {
        key: "broker.socket",
        variable: "PROBITY_SOCKET",
        default: "/run/probity/broker.sock",
        kind: Kind::Path,
        unit: "",
        help: "Where the installed broker listens. The flag --socket wins.",
    },
    Setting {
        key: "broker.embedded",
        variable: "PROBITY_EMBEDDED",
        default: "",
        kind: Kind::Switch,
        unit: "",
        help: "true starts a private broker, as --embedded does; false never; unset: where none is installed.",
    },
    Setting {
        key: "broker.policy",
        variable: "PROBITY_POLICY",
        default: "",
        kind: Kind::Path,
        unit: "",
        help: "The policy that a private broker decides by. The flag --policy wins.",
    },
];

/// What may be set for one tool, with its name in place of `NAME`. In a variable the name is in
/// capitals, with `_` for `-`.
pub const PER_TOOL: &[Setting] = &[
    Setting {
        key: "tools.NAME.timeout",
        variable: "NAME_TIMEOUT",
        default: "",
        kind: Kind::PositiveSeconds,
        unit: "seconds",
        help: "Time for a run that asks for none; the policy's ceiling caps it.",
    },
    Setting {
        key: "tools.NAME.concurrency",
        variable: "NAME_CONCURRENCY",
        default: "",
        kind: CONCURRENCY,
        unit: "runs",
        help: "Runs at once; the policy's own limit stays.",
    },
    Setting {
        key: "tools.NAME.failure_threshold",
        variable: "NAME_BREAKER_FAILURES",
        default: "",
        kind: FAILURES,
        unit: "failures",
        help: "Failures in a row that open its circuit breaker, where its file does not set fewer.",
    },
    Setting {
        key: "tools.NAME.recovery_timeout",
        variable: "NAME_BREAKER_RECOVERY_SEC",
        default: "",
        kind: RECOVERY,
        unit: "seconds",
        help: "How long its open breaker refuses, where its file does not set more.",
    },
];

/// The guide's stricter range.
const CONCURRENCY: Kind = Kind::Whole { least: 1, most: 5 };

/// Of every breaker, and of one.
const FAILURES: Kind = Kind::Whole { least: 1, most: 100 };
const RECOVERY: Kind = Kind::Seconds { least: 1.0, most: 3600.0 };

/// The setting with this key.
#[must_use]
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}
