//! What is logged of a call. Names and levels stand in the table of events; outputs and what a
//! client wrote beyond names and targets are never logged. Each run that starts ends with exactly
//! one of `tool.finish`, `tool.error` and `tool.cancelled`.

use probity_protocol::{
    Arguments, Call, Catalog, FORBIDDEN_CHARACTERS, LexicalDefect, OptionEntry, Target, ToolEntry,
    ValueType,
};

use crate::calls::result::{Asked, ToolResult};

/// A catalog has been taken: by which policy this process works.
pub fn policy_configured(catalog: &Catalog) {
    let digest = catalog.policy_digest.to_string();
    let intrusive = catalog.tools.iter().filter(|tool| tool.intrusive).map(|tool| &tool.name);
    let intrusive: Vec<&str> = intrusive.map(|name| name.as_str()).collect();
    let (tools, any) = (catalog.tools.len(), !intrusive.is_empty());
    tracing::info!(digest, tools, intrusive = any, "policy.configured");
    if any {
        tracing::warn!(tools = intrusive.join(","), "policy.intrusive_enabled");
    }
}

/// A run that was asked for. Dropped before its end, it counts as taken back.
#[must_use = "dropping it logs that the call was taken back"]
pub struct Running<'a> {
    asked: &'a Asked,
    has_ended: bool,
}

/// A run has been asked for.
pub fn tool_start(asked: &Asked) -> Running<'_> {
    let Asked { tool, target, correlation_id, .. } = asked;
    tracing::info!(tool, target, correlation_id, "tool.start");
    Running { asked, has_ended: false }
}

impl Running<'_> {
    /// There is a result, which says how it ended.
    pub fn ended(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            let Asked { tool, correlation_id, .. } = self.asked;
            tracing::info!(tool, correlation_id, "tool.cancelled");
        }
    }
}

/// Which preset and which defaults of the tool's file a run has.
pub fn settings(call: &Call, tool: &ToolEntry, asked: &Asked) {
    let Arguments::Given { preset, options, tokens } = &call.arguments else { return };
    let Asked { tool: called, target, correlation_id, .. } = asked;
    let preset = preset.as_ref().and_then(|name| {
        let name = name.as_str();
        tracing::info!(tool = called, target, correlation_id, preset = name, "template.scan");
        tool.presets.iter().find(|preset| preset.name.as_str() == name)
    });
    for option in &tool.options {
        let Some(value) = option.default.as_ref().filter(|it| *it != OptionEntry::HOST) else {
            continue;
        };
        let by_preset = preset
            .is_some_and(|preset| preset.options.iter().any(|(name, _)| *name == option.name));
        let by_client = options.iter().any(|given| given.name == option.name)
            || tokens.iter().any(|token| gives(token.as_str(), option));
        if !by_preset && !by_client {
            let (tool, option) = (called, option.name.as_str());
            tracing::debug!(tool, correlation_id, option, value, "optimization.added_default");
        }
    }
}

/// Whether a word of the tool's own is this option, alone, before `=`, or with its value attached.
fn gives(token: &str, option: &OptionEntry) -> bool {
    let Some(flag) = &option.flag else { return false };
    let Some(rest) = token.strip_prefix(flag.as_str()) else { return false };
    let is_short = !flag.starts_with("--") && flag.len() == 2;
    let takes_value = option.value != ValueType::None;
    rest.is_empty() || rest.starts_with('=') || (is_short && takes_value)
}

/// A call is answered with a kept result, of this age in seconds.
pub fn cache_hit(asked: &Asked, age_sec: f64) {
    let Asked { tool, correlation_id, .. } = asked;
    tracing::debug!(tool, correlation_id, age_sec, "cache.hit");
}

/// How a call ended.
pub fn tool_end(result: &ToolResult) {
    let (tool, correlation_id) = (&result.tool, &result.correlation_id);
    let code = result.denial_code();
    if let Some("OPTION_UNKNOWN" | "INTRUSIVE_NOT_GRANTED") = code {
        tracing::warn!(tool, correlation_id, code, "security.blocked_flag");
    }
    match result.error_type {
        None if result.dry_run => tracing::debug!(tool, correlation_id, "tool.checked"),
        None => {
            let (seconds, returncode) = (result.execution_time, result.returncode);
            let cached = result.is_cached().then_some(true);
            tracing::info!(tool, correlation_id, seconds, returncode, cached, "tool.finish");
        }
        Some(_) if result.is_cancelled() => {
            let (stdout_bytes, stderr_bytes) = (result.stdout.len(), result.stderr.len());
            tracing::info!(tool, correlation_id, stdout_bytes, stderr_bytes, "tool.cancelled");
        }
        Some(kind) => {
            tracing::warn!(tool, correlation_id, error_type = kind.as_str(), code, "tool.error");
        }
    }
}

/// A character that a shell would act on is no slip of the pen.
pub fn injection_attempts(call: &Call, asked: &Asked) {
    let forbidden = |defect: &LexicalDefect| match defect {
        LexicalDefect::Character { character, .. } => {
            character.is_control() || FORBIDDEN_CHARACTERS.contains(*character)
        }
        _ => false,
    };
    let target = match &call.target {
        Target::Malformed(defect) => Some(("target", defect)),
        _ => None,
    };
    let arguments = match &call.arguments {
        Arguments::Malformed(defect) => Some(("arguments", defect)),
        Arguments::Given { .. } => None,
    };
    let found = [target, arguments].into_iter().flatten().filter(|(_, defect)| forbidden(defect));
    for (place, defect) in found {
        let (tool, correlation_id, defect) =
            (&asked.tool, &asked.correlation_id, defect.to_string());
        tracing::error!(tool, place, defect, correlation_id, "security.injection_attempt");
    }
}

#[cfg(test)]
mod tests {
    use probity_protocol::{Identifier, Tier};

    use super::*;

    #[test]
    fn an_option_is_told_from_one_that_begins_like_it() {
        let option = |flag: &str, value| OptionEntry {
            name: Identifier::new("an_option").unwrap(),
            flag: Some(flag.into()),
            excludes: Vec::new(),
            required: false,
            requires: Vec::new(),
            value,
            tier: Tier::Standard,
            default: None,
            example: None,
            intrusive_words: Vec::new(),
            help: String::new(),
        };
        let number = || ValueType::Integer { min: 1, max: 9 };
        for (token, option, expected) in [
            ("-c", option("-c", number()), true),
            ("-c5", option("-c", number()), true),
            ("-sV", option("-s", ValueType::None), false),
            ("--top-ports=10", option("--top-ports", number()), true),
            ("--top", option("--top", number()), true),
            ("--top-ports", option("--top", number()), false),
            ("--count", option("-c", number()), false),
        ] {
            assert_eq!(gives(token, &option), expected, "{token} and {:?}", option.flag);
        }
    }
}
