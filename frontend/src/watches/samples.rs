//! Watches for unit tests.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    file,
    told::{Ran, RunIds},
    tools::{KnownTool, Tools},
    watch::Watch,
};

/// A file's watches, of the tools `ping` and `port`.
pub(super) fn watches(text: &str) -> Vec<Watch> {
    let tool = |name: &str, parser: &str| KnownTool {
        name: name.into(),
        aliases: vec![],
        timeout: Duration::from_secs(1),
        parser: Some(parser.into()),
        needs_target: true,
        options: vec!["count".into()],
        presets: vec![],
    };
    let tools = Tools::new([tool("ping", "ping"), tool("port", "nmap-xml")]);
    file::read_text("watches.toml", text, &tools).unwrap()
}

/// A watch by ping of this name with these lines.
pub(super) fn ping(name: &str, lines: &str) -> Watch {
    let head = format!("[[watch]]\nname = \"{name}\"\ntool = \"ping\"\ntarget = \"10.0.0.1\"\n");
    watches(&(head + lines)).remove(0)
}

/// A run that was all right, with this report.
pub(super) fn ran(parsed: Value) -> Ran {
    Ran {
        result: json!({"execution_time": 0.5, "parsed": parsed}),
        success: true,
        duration: Duration::from_millis(500),
        run: RunIds::by_correlation("run-1"),
        changed: None,
    }
}
