//! Where events go: standard error, one line each, `event key=value …`.
//!
//! Standard output belongs to JSON-RPC or to the result; nothing here ever writes to it.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Sends this process's events to standard error, from the level that `LOG_LEVEL` names.
pub fn start(default: LevelFilter) {
    let wanted = std::env::var("LOG_LEVEL").ok();
    let level = wanted.as_deref().map_or(Some(default), level_named);
    let shown = level.unwrap_or(default);
    // Libraries are quieter: their INFO is this program's DEBUG.
    let libraries = if shown >= LevelFilter::DEBUG { shown } else { shown.min(LevelFilter::WARN) };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    let filter = Targets::new().with_default(libraries).with_target("probity", shown);
    // Fails only where a subscriber is there already, which then is as good.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    if let (None, Some(value)) = (level, wanted.as_deref()) {
        let expected = "DEBUG, INFO, WARNING, ERROR or CRITICAL";
        tracing::warn!(value, expected, "env.invalid_log_level");
    }
}

/// A level by its name here or in Python's `logging`.
fn level_named(name: &str) -> Option<LevelFilter> {
    Some(match name.trim().to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARN" | "WARNING" => LevelFilter::WARN,
        "ERROR" | "CRITICAL" => LevelFilter::ERROR,
        "OFF" => LevelFilter::OFF,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_s_names_of_levels_are_accepted() {
        assert_eq!(level_named("warning"), Some(LevelFilter::WARN));
        assert_eq!(level_named("CRITICAL"), Some(LevelFilter::ERROR));
        assert_eq!(level_named("loud"), None);
    }
}
