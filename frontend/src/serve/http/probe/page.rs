//! What a person sees of a probe (`debug=true`): the command, how it ended, what it wrote, and the figures.

use std::fmt::Write as _;

use crate::{
    calls::{request::join_words, result::ToolResult},
    config::ProbeModule,
};

/// The page, with the text that a scraper would have got.
pub fn page(module: &ProbeModule, result: &ToolResult, figures: &str) -> String {
    let mut page = String::from("Logs for the probe:\n");
    let address = result.address.as_deref().unwrap_or("none");
    // It writes to memory.
    let _ = writeln!(
        page,
        "target {}, address {address}, correlation_id {}",
        result.target, result.correlation_id
    );
    let command = join_words(&result.argv).filter(|command| !command.is_empty());
    let _ = writeln!(page, "command: {}", command.as_deref().unwrap_or("none was run"));
    let _ = match (result.timed_out, result.returncode, result.signal) {
        (true, ..) => writeln!(page, "its time was up after {} s", result.execution_time),
        (_, Some(code), _) => {
            writeln!(page, "exit status {code} after {} s", result.execution_time)
        }
        (_, _, Some(signal)) => writeln!(page, "ended by signal {signal}"),
        _ => Ok(()),
    };
    if let Some(error) = &result.error {
        let _ = writeln!(page, "error: {error}");
    }
    for (name, text) in [("stdout", &result.stdout), ("stderr", &result.stderr)] {
        // What a tool wrote stands behind a mark, so that none of it can be taken for a line of ours.
        for line in text.lines() {
            let _ = writeln!(page, "{name} | {line}");
        }
    }
    let _ = write!(page, "\n\nMetrics that would have been returned:\n{figures}");
    let _ = writeln!(page, "\n\nModule configuration:\n{}: {module}", module.name);
    page
}
