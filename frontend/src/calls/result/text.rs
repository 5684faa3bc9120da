//! A result as a short text, for a model or a person. Each kind of ending has its own opening words,
//! so that a refusal is never taken for a host that does not answer. What the tool wrote stands behind
//! marks, so that none of it is taken for those words.

use probity_output::{
    parsers::LEFT_OUT,
    quote::{folded, marked, quoted},
};

use super::{CACHED_AGE, ErrorType, FENCE_REFUSALS, STATE, ToolResult};

/// Longest raw output shown, in bytes. The whole of it is in the result object.
const RAW_MAX: usize = 4096;

impl ToolResult {
    /// The result in a few lines.
    #[must_use]
    pub fn text(&self) -> String {
        match self.error_type {
            None if self.dry_run => self.plan_text(),
            None if self.goes_on().is_some() => self.background_text(),
            None => {
                let text = self.finished_text() + &self.complaint() + &self.cut_text();
                text + &self.age_text() + &self.fence_text()
            }
            Some(kind) => self.error_text(kind) + &self.cut_text() + &self.fence_text(),
        }
    }

    /// That the tool wrote more than is kept, of which nobody can read the rest.
    fn cut_text(&self) -> String {
        let streams = [
            (self.truncated_stdout, "standard output", "stdout_bytes"),
            (self.truncated_stderr, "standard error", "stderr_bytes"),
        ];
        let said = streams.iter().filter(|(is_cut, ..)| *is_cut).map(|(_, stream, bytes)| {
            let bytes = self.metadata.get(*bytes).and_then(serde_json::Value::as_u64);
            let all = bytes.map(|bytes| format!(" of {bytes} bytes")).unwrap_or_default();
            format!("\nIts {stream}{all} was cut at the limit; what is beyond is lost.")
        });
        said.collect()
    }

    /// What the run was kept from: something at the target sent it there, and whoever scans wants to know.
    fn fence_text(&self) -> String {
        self.kept_from().map(|said| format!("\n{said}")).unwrap_or_default()
    }

    /// The same in a sentence.
    pub(crate) fn kept_from(&self) -> Option<String> {
        let refusals = self.metadata.get(FENCE_REFUSALS)?;
        let (first, count) = (refusals.get("first")?.as_str()?, refusals.get("count")?.as_u64()?);
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        Some(format!(
            "It tried to go beyond its target, {times}, and was kept from it: first to {first}. An answer may have sent it there."
        ))
    }

    fn error_text(&self, kind: ErrorType) -> String {
        let message = folded(self.error.as_deref().unwrap_or("no reason is known"));
        let suggestion = self.error_details.as_ref().map(|details| &details.recovery_suggestion);
        let suggestion = suggestion.map(|suggestion| folded(suggestion)).unwrap_or_default();
        match (self.denial_code(), kind) {
            (Some(code), _) => format!("REFUSED ({code}): {message}\nTry: {suggestion}"),
            // The advice first: what was written may be long.
            (None, ErrorType::Timeout) => {
                format!("TIMED OUT: {message}.\nTry: {suggestion}\n{}", self.output_until_then())
            }
            (None, ErrorType::BrokerLost) => {
                format!("INTERRUPTED: {message}. {}", self.output_until_then())
            }
            (None, _) if self.is_cancelled() => {
                format!("CANCELLED: {message}. {}", self.output_until_then())
            }
            (None, ErrorType::ExecutionError | ErrorType::SandboxViolation)
                if !self.argv.is_empty() =>
            {
                let said = match &self.report {
                    // Its one sentence is in the message.
                    Some(report) if report.is_of_nothing() && report.complaint().is_some() => {
                        String::new()
                    }
                    None if self.stdout.trim().is_empty() && is_all_of(&self.stderr, &message) => {
                        String::new()
                    }
                    _ => format!("\n{}", self.output_text()),
                };
                format!("FAILED ({kind}): {message}\nTry: {suggestion}{said}")
            }
            // It passes by itself, and no administrator is needed.
            (None, ErrorType::ResourceExhausted | ErrorType::CircuitBreakerOpen) => {
                format!("NOT NOW ({kind}): {message}\nTry: {suggestion}")
            }
            (None, _) => format!("The tool could not run: {message} ({kind})\nTry: {suggestion}"),
        }
    }

    /// What a tool that has come to its end found, or wrote where no parser has read it.
    fn finished_text(&self) -> String {
        match self.report {
            Some(_) => self.output_text(),
            None => format!("FINISHED. What it wrote:\n{}", self.output_text()),
        }
    }

    fn output_until_then(&self) -> String {
        let what = if self.report.is_some() { "What it found" } else { "What it wrote" };
        format!("{what} until then:\n{}", self.output_text())
    }

    fn output_text(&self) -> String {
        if let Some(report) = &self.report {
            return report.text();
        }
        let raw = if self.stdout.trim().is_empty() { &self.stderr } else { &self.stdout };
        if raw.trim().is_empty() {
            return String::from("(no output)");
        }
        shorten(raw.trim_end(), RAW_MAX)
    }

    /// What the tool had to say beside a report that is no success: that there is no route, perhaps.
    fn complaint(&self) -> String {
        const LONGEST: usize = 200;
        let said = self.stderr.lines().find(|line| !line.trim().is_empty());
        match said {
            // nmap has the same sentence in its report.
            Some(said) if self.has_complained() && !self.output_text().contains(&inner(said)) => {
                format!("\nIt complained:\n{}", shorten(said.trim(), LONGEST))
            }
            _ => String::new(),
        }
    }

    /// Whether the tool has a report and still had something to say that kept it from a success.
    #[must_use]
    pub fn has_complained(&self) -> bool {
        let said = self.stderr.lines().any(|line| !line.trim().is_empty());
        let is_beside = self.report.as_ref().is_some_and(|report| !report.owns_stderr());
        said && is_beside && self.returncode != Some(0)
    }

    /// Who reads of a host that is up has to know when that was.
    fn age_text(&self) -> String {
        match self.metadata.get(CACHED_AGE).and_then(serde_json::Value::as_f64) {
            Some(age) => format!("\n(Kept from a run {age:.0} s ago; nothing was run now.)"),
            None => String::new(),
        }
    }

    /// That it goes on, until when, and how one comes back to it.
    fn background_text(&self) -> String {
        let (id, goes_on) = (self.run_id().unwrap_or_default(), self.goes_on().unwrap_or_default());
        let state = self.metadata.get(STATE).and_then(serde_json::Value::as_str);
        format!(
            "Run {id} of {} {} is {} in the background. {goes_on}",
            self.tool,
            folded(&self.target),
            state.unwrap_or("going on")
        )
    }

    fn plan_text(&self) -> String {
        let command = shlex::try_join(self.argv.iter().map(String::as_str)).unwrap_or_default();
        let mut text = format!("APPROVED, and not run (dry run). It would run:\n{command}");
        let limit = self.metadata.get("timeout_sec").and_then(serde_json::Value::as_f64);
        if let Some(seconds) = limit {
            text.push_str(&format!("\nTime limit: {seconds} s"));
        }
        if let Some(notice) = self.notice() {
            text.push_str(&format!("\nIt would not end in time: {notice}."));
        }
        let availability = self.metadata.get("availability");
        let said = |name: &str| availability.and_then(|a| a.get(name)).and_then(|v| v.as_str());
        if let (Some(reason), Some(remedy)) = (said("reason"), said("remedy")) {
            text.push_str(&format!("\nBut it cannot run here now: {reason}\nRemedy: {remedy}"));
        }
        text
    }
}

/// Whether a text is one line, and a message has it.
fn is_all_of(said: &str, message: &str) -> bool {
    let said = said.trim();
    !said.is_empty() && !said.contains('\n') && message.contains(&inner(said))
}

/// A sentence as it stands between quotes.
fn inner(said: &str) -> String {
    quoted(said.trim()).trim_matches('"').to_owned()
}

/// What a tool wrote, each line behind its mark; the note that there is more has none.
fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        // RULE: What a tool wrote stands behind marks.
        return marked(text);
    }
    let end = text.floor_char_boundary(most);
    let left = text.len() - end;
    format!("{}\n{LEFT_OUT}({left} more bytes: see stdout in the result)", marked(&text[..end]))
}
