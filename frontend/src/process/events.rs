//! The table of events: what this process logs, at which level, with which fields.
//!
//! Who watches the logs relies on these names. `docs/events.md` is held against the table.

use tracing::Level;

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its name. A `*` stands for the rest of a family's names.
    pub name: &'static str,
    /// At which level it is logged.
    pub level: Level,
    /// Its fields. One that has nothing to say is left out.
    pub fields: &'static [&'static str],
    /// What it says.
    pub what: &'static str,
}

/// Every event of this program's own, by topic.
pub const EVENTS: &[Event] = &[
    event("tool.start", Level::INFO, &["tool", "target", "correlation_id"], "A call begins."),
    event(
        "tool.finish",
        Level::INFO,
        &["tool", "correlation_id", "seconds", "returncode", "cached"],
        "The tool ran to its end and has a result, with this exit code. `cached` where that was an \
         earlier run, and nothing was run for this call.",
    ),
    event(
        "tool.error",
        Level::WARN,
        &["tool", "correlation_id", "error_type", "code"],
        "There is no result: the tool failed or ran out of time, or the policy denied the call with \
         this code.",
    ),
    event(
        "tool.cancelled",
        Level::INFO,
        &["tool", "correlation_id", "stdout_bytes", "stderr_bytes"],
        "The client took the call back or left, or this process ends: the run is ended. With the sizes \
         of what it had written, where that is kept: not if the client left, and not before the tool \
         ran.",
    ),
    event(
        "tool.checked",
        Level::DEBUG,
        &["tool", "correlation_id"],
        "A dry run was approved. One that is denied is a `tool.error`.",
    ),
    event(
        "security.blocked_flag",
        Level::WARN,
        &["tool", "correlation_id", "code"],
        "A flag was refused: unknown, or intrusive without the grant. A `tool.error` follows.",
    ),
    event(
        "security.injection_attempt",
        Level::ERROR,
        &["tool", "correlation_id", "place", "defect"],
        "The target or the arguments held a character that a shell would act on.",
    ),
    event(
        "log.lost",
        Level::WARN,
        &["lines"],
        "Standard error was full and nobody read it: so many lines are missing before this one.",
    ),
    event("config.applied", Level::INFO, &["path"], "A configuration file was read."),
    event(
        "config.clamped",
        Level::WARN,
        &["key", "old", "new", "source"],
        "A number was out of range and was moved into it.",
    ),
    event(
        "config.unknown_key",
        Level::WARN,
        &["key", "source", "nearest"],
        "The file has a key that means nothing; `nearest` is what it may have meant.",
    ),
    event(
        "config.unknown_tool",
        Level::WARN,
        &["key", "tool"],
        "`tool.include` or `tool.exclude` names a tool that there is not, or is not granted.",
    ),
    event(
        "config.no_effect",
        Level::WARN,
        &["key", "value", "source", "holds"],
        "A setting comes to nothing: what the policy says of each tool that it is about is stricter, and \
         `holds`.",
    ),
    event(
        "config.exposed",
        Level::WARN,
        &["key", "source"],
        "A secret stands in a configuration file that everybody on the machine can read.",
    ),
    event(
        "config.apply_failed",
        Level::ERROR,
        &["error", "remedy"],
        "The configuration file cannot be read or parsed. No server starts; a command says the same in \
         plain words.",
    ),
    event(
        "env.override",
        Level::DEBUG,
        &["key", "variable", "value"],
        "An environment variable took effect.",
    ),
    event(
        "env.invalid_*",
        Level::WARN,
        &["key", "value", "expected", "source"],
        "A value, of the environment or the file, is none; the next layer's holds. The rest of the \
         name is the key with `_` for `.`, or `timeout` and `concurrency` of a single tool.",
    ),
    event(
        "env.invalid_tools_package",
        Level::WARN,
        &["value", "expected"],
        "`TOOLS_PACKAGE` is set. It is ignored: only root chooses tools.",
    ),
    event(
        "policy.configured",
        Level::INFO,
        &["digest", "tools", "intrusive"],
        "The broker answered with what this user is granted: how many tools, and whether any for \
         intrusive use.",
    ),
    event(
        "policy.intrusive_enabled",
        Level::WARN,
        &["tools"],
        "Intrusive use of these tools is granted, and not forbidden by a setting.",
    ),
    event(
        "broker.lost",
        Level::WARN,
        &["error"],
        "The broker has closed the connection. It is looked for until it is found.",
    ),
    event("broker.found", Level::INFO, &[], "The broker answers again."),
    event(
        "broker.embedded",
        Level::INFO,
        &["policy"],
        "No broker is installed here, so this server starts its own, and decides by this policy.",
    ),
    event(
        "telemetry.failed",
        Level::WARN,
        &["what", "error", "left_out"],
        "What was to be pushed did not arrive, for this reason; calls go on. `left_out`: how many such lines \
         are missing before this one.",
    ),
    event(
        "telemetry.no_traces",
        Level::WARN,
        &["endpoint"],
        "A collector is configured, and this program was built without the feature `otel`: no traces go to it.",
    ),
    event(
        "broker.ended",
        Level::WARN,
        &["status"],
        "This server's own broker has ended. Another is started, ever less often while they do not \
         last.",
    ),
    event(
        "broker.start_failed",
        Level::ERROR,
        &["error"],
        "This server's own broker cannot be started. It is tried again.",
    ),
    event("broker.started", Level::INFO, &[], "Another broker of this server's own was started."),
    event(
        "breaker.opened",
        Level::WARN,
        &["tool", "failures", "seconds", "reason"],
        "So many runs of the tool have failed in a row, the last for this reason. Its calls are refused \
         for so long.",
    ),
    event(
        "breaker.half_open",
        Level::INFO,
        &["tool", "failures"],
        "That time is up: one call may try the tool.",
    ),
    event(
        "breaker.closed",
        Level::INFO,
        &["tool"],
        "The tool works again, or an administrator said so.",
    ),
    event(
        "health.recovered",
        Level::INFO,
        &["check", "priority", "reason"],
        "A health check finds nothing wrong any more.",
    ),
    event(
        "health.degraded",
        Level::WARN,
        &["check", "priority", "reason"],
        "A health check finds something wrong; calls are served all the same. Told once, when it \
         begins.",
    ),
    event(
        "health.unhealthy",
        Level::ERROR,
        &["check", "priority", "reason"],
        "A health check finds that calls cannot be served, took too long, or failed. Told once, \
         when it begins.",
    ),
    event(
        "template.scan",
        Level::INFO,
        &["tool", "target", "correlation_id", "preset"],
        "A call uses a preset.",
    ),
    event(
        "output.parsed",
        Level::INFO,
        &["tool", "correlation_id", "parser"],
        "The tool's output became data.",
    ),
    event(
        "output.parse_failed",
        Level::WARN,
        &["tool", "correlation_id", "parser", "reason"],
        "The tool's output could not be read as expected. The result has the raw text.",
    ),
    event(
        "parser.unusable",
        Level::WARN,
        &["tool", "reason"],
        "A tool's file asks for a parser that this version has not, or for a table that it cannot carry \
         out. The tool's results are texts.",
    ),
    event(
        "optimization.added_default",
        Level::DEBUG,
        &["tool", "correlation_id", "option", "value"],
        "The tool's file added an option that the call left out.",
    ),
    event(
        "cache.hit",
        Level::DEBUG,
        &["tool", "correlation_id", "age_sec"],
        "The broker approved the call, and it is answered with a kept result of this age.",
    ),
    event(
        "cache.evicted",
        Level::DEBUG,
        &["tool", "reason"],
        "A kept result went: its time was up (`expired`), or newer ones needed the `room`.",
    ),
    event(
        "cache.cleared",
        Level::INFO,
        &["tool", "results", "reason", "client"],
        "So many kept results went, because a `client` `asked`, the tool was `disabled`, or the broker \
         decides by another `policy` (then those of all tools).",
    ),
    event(
        "history.refused",
        Level::ERROR,
        &["path", "error"],
        "The file of runs cannot be used, and is left as it is. Runs are kept in memory until the process ends.",
    ),
    event(
        "history.not_kept",
        Level::WARN,
        &["tool", "correlation_id", "reason"],
        "A run was not written to the file of runs. Its result was given all the same.",
    ),
    event("resolve.failed", Level::INFO, &["name", "error"], "A name has no address."),
    event("resolve.timeout", Level::WARN, &["name"], "A name's look-up took too long."),
    event(
        "mcp.line_too_long",
        Level::WARN,
        &["limit"],
        "A line on standard input has more bytes than this. It is skipped and answered as wrong.",
    ),
    event(
        "server.confined",
        Level::DEBUG,
        &["landlock", "seccomp", "root"],
        "A server gave up executing, writing and connecting. By Landlock: `fully`, `as far as this kernel \
         knows it`, or `no`. By a filter of system calls: `true` or `false`. `root` is `true` where root \
         started it and it could become nobody else.",
    ),
    event("http.listening", Level::INFO, &["address"], "HTTP is served there from now on."),
    event(
        "http.call",
        Level::INFO,
        &["client", "address", "tool", "correlation_id"],
        "Somebody asks for a run or a check over HTTP: the name of the token, and where they come from. \
         What becomes of it is in the events of the call.",
    ),
    event(
        "http.authentication_failed",
        Level::WARN,
        &["address"],
        "Somebody came with a token that is not known, or not from there.",
    ),
    event(
        "http.authentication_limited",
        Level::WARN,
        &["address"],
        "The same too often within a minute. No more of them are logged until it is over.",
    ),
    event(
        "http.forbidden",
        Level::WARN,
        &["client", "needed", "left_out"],
        "A token is not for this: the role or the tool that it would take. Ten of a client's are logged \
         in a minute; the next says how many were left out before it.",
    ),
    event(
        "rate.limited",
        Level::WARN,
        &["client", "tool", "seconds"],
        "A client asks for this tool too often, or without `tool` for names that are no tool's. The next \
         request is let through after so long; until one is, no more refusals are logged.",
    ),
    event(
        "http.foreign",
        Level::WARN,
        &["address", "header"],
        "A request was turned away for its `Host` or `Origin`: it may come from a page of another site.",
    ),
    event(
        "http.accept_failed",
        Level::WARN,
        &["error"],
        "A connection could not be taken, most likely for want of descriptors. It is tried again; what \
         follows of the same is not logged.",
    ),
    event(
        "events.read",
        Level::INFO,
        &["client", "address", "left_out"],
        "Somebody reads the events of this server from now on. Ten of a client's are logged in a minute, \
         too.",
    ),
    event(
        "page.entered",
        Level::INFO,
        &["client"],
        "Somebody begins a session of the page, by this token or by a link with a code for it.",
    ),
    event(
        "events.dismissed",
        Level::WARN,
        &["client", "address", "reason", "left_out"],
        "One who read them is hung up on: too far behind (`too slow`), or with a token that is known no \
         more (`token taken back`). Ten of a client's are logged in a minute, too.",
    ),
    event(
        "registry.enabled",
        Level::INFO,
        &["tool", "client", "changed"],
        "An administrator has this tool published, as far as the configuration has it.",
    ),
    event(
        "registry.disabled",
        Level::INFO,
        &["tool", "client", "changed"],
        "An administrator has this tool published no more, until this process ends.",
    ),
    event(
        "breaker.reset",
        Level::INFO,
        &["tool", "client", "changed"],
        "An administrator closes this tool's circuit breaker.",
    ),
    event(
        "tokens.reloaded",
        Level::INFO,
        &["tokens", "settings"],
        "The tokens were read again. So many hold now. The settings were not, and hold as they are.",
    ),
    event(
        "tokens.unknown_tool",
        Level::WARN,
        &["client", "tool", "nearest"],
        "This token is for a tool that there is not, or is not granted; `nearest` is what it may have \
         meant.",
    ),
    event(
        "tokens.reload_failed",
        Level::ERROR,
        &["error"],
        "The tokens cannot be read. Those that held still do.",
    ),
    event(
        "notify.failed",
        Level::WARN,
        &["error"],
        "The service manager cannot be told how this server is.",
    ),
    event(
        "schema.invalid",
        Level::ERROR,
        &["error"],
        "A tool's schema does not compile, which is a fault in Probity. The broker still checks \
         every argument.",
    ),
    event(
        "watches.started",
        Level::INFO,
        &["watches", "webhook"],
        "So many calls come by themselves from now on, and what they tell goes there.",
    ),
    event(
        "watches.reloaded",
        Level::INFO,
        &["watches"],
        "The file of watches was read again after SIGHUP: there are so many now.",
    ),
    event(
        "watches.added",
        Level::INFO,
        &["watch", "client", "is_new"],
        "An administrator added a watch over HTTP, or changed one that was added.",
    ),
    event(
        "watches.removed",
        Level::INFO,
        &["watch", "client"],
        "An administrator removed a watch that was added.",
    ),
    event(
        "watches.load_failed",
        Level::ERROR,
        &["error"],
        "A file of watches cannot be used. At the start it is the server's own, whose watches do not run; \
         when it is read again all stays as it was.",
    ),
    event(
        "watch.told",
        Level::WARN,
        &["watch", "kind", "what", "correlation_id"],
        "A watch tells what somebody asked to be told of: a condition holds (`became`), or no longer does \
         (`recovered`), or its result is another (`changed`).",
    ),
    event(
        "watch.webhook_unreachable",
        Level::WARN,
        &["url", "error", "remedy"],
        "The webhook does not take a connection when the server starts, with what to do.",
    ),
    event(
        "watch.webhook_failed",
        Level::WARN,
        &["delivery", "error", "left_out"],
        "What a watch tells was not taken by the webhook, and is given up. With how many such lines were \
         left out since the last.",
    ),
    event(
        "shutdown.started",
        Level::INFO,
        &["reason"],
        "No new call is taken: `SIGINT`, `SIGTERM`, `SIGHUP`, `end of input`, `end of output` (nobody \
         reads), or `failure`.",
    ),
    event(
        "shutdown.waiting",
        Level::INFO,
        &["calls"],
        "So many calls are in flight. They have the time of `shutdown.grace` to finish.",
    ),
    event("shutdown.finished", Level::INFO, &[], "Every call has ended or been taken back."),
];

const fn event(
    name: &'static str,
    level: Level,
    fields: &'static [&'static str],
    what: &'static str,
) -> Event {
    Event { name, level, fields, what }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        fmt,
        sync::{Arc, Mutex},
    };

    use tracing::{Subscriber, field::Visit};
    use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

    use super::*;

    /// The events of this thread during `act`, by name. Each has to be as the table has it.
    pub(crate) fn emitted(act: impl FnOnce()) -> Vec<String> {
        let seen = Seen::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(seen.clone()), act);
        std::mem::take(&mut *seen.0.lock().unwrap())
    }

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            let metadata = event.metadata();
            if !metadata.target().starts_with("probity") {
                return;
            }
            let mut name = Name::default();
            event.record(&mut name);
            let row = EVENTS.iter().find(|row| row.name == name.0);
            let row = row.unwrap_or_else(|| panic!("{} is not in the table", name.0));
            assert_eq!(*metadata.level(), row.level, "{}", row.name);
            let mut fields = metadata.fields().iter().map(|field| field.name());
            assert!(fields.all(|field| field == "message" || row.fields.contains(&field)));
            self.0.lock().unwrap().push(name.0);
        }
    }

    #[derive(Default)]
    struct Name(String);

    impl Visit for Name {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }

    #[test]
    fn the_documentation_has_every_event_as_it_is() {
        let row = |event: &Event| {
            let fields: Vec<String> = event.fields.iter().map(|name| format!("`{name}`")).collect();
            let (name, level, what) = (event.name, event.level, event.what);
            format!("| `{name}` | {level} | {} | {what} |\n", fields.join(" "))
        };
        let table: String = EVENTS.iter().map(row).collect();
        let page = include_str!("../../../docs/events.md");
        assert!(page.contains(&table), "docs/events.md is to have these rows:\n{table}");
    }
}
