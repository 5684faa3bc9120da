//! The frontend's own tool, `read_result`: what was left out of an answer, page by page. Many hosts give
//! their model tools and no resources, so that a link alone leads it nowhere.
//!
//! It reads what is kept and runs nothing, so the broker is not asked. Whoever may not read a result is
//! told the same as of one that never was.

use std::sync::Arc;

use probity_output::{
    parsers::brief::brief,
    quote::{marked, word},
};
use rmcp::model::{CallToolResult, ContentBlock, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::store::{LIFETIME, PREFIX, ResultStore};
use crate::calls::published::registry::READ_RESULT;

/// Lines of an answer that says nothing of them.
const LINES_DEFAULT: u64 = 100;

/// Most lines of an answer.
const LINES_MAX: u64 = 1000;

/// Most bytes of an answer: some hosts cut beyond 25,000 tokens.
const PAGE_BYTES: usize = 16 * 1024;

/// A longer line is several, so that each part of it can be had.
const LINE_BYTES: usize = 2000;

/// The parts of a result that can be read.
const PARTS: [&str; 3] = ["parsed", "stdout", "stderr"];

/// Its description, as a tool beside those of the policy.
#[must_use]
pub fn tool() -> Tool {
    let minutes = LIFETIME.as_secs() / 60;
    let description = format!(
        "Read what an answer left out, by the uri of its full_result. Results are kept for {minutes} \
         minutes; after that run the tool again."
    );
    let schema = json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "part": {
                "type": "string", "enum": PARTS,
                "description": "stdout is what the tool wrote.",
            },
            "offset": {
                "type": "integer", "minimum": 1, "default": 1, "description": "First line.",
            },
            "lines": {
                "type": "integer", "minimum": 1, "maximum": LINES_MAX, "default": LINES_DEFAULT,
            },
        },
        "required": ["id"],
    });
    let Value::Object(schema) = schema else { unreachable!("it is written above") };
    let title = "Read on in a result";
    let annotations = ToolAnnotations::with_title(title)
        .read_only(true)
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    Tool::new(READ_RESULT, description, Arc::new(schema))
        .with_title(title)
        .with_annotations(annotations)
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Page<'a> {
    id: &'a str,
    part: Option<&'a str>,
    offset: u64,
    lines: u64,
}

/// Answers a call. `may_use` says which tools its caller may still use.
#[must_use]
pub fn read(
    arguments: &Map<String, Value>,
    store: &ResultStore,
    may_use: impl Fn(&str) -> bool,
) -> CallToolResult {
    match page(arguments).and_then(|page| shown(&page, store, may_use)) {
        Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
        Err(said) => CallToolResult::error(vec![ContentBlock::text(said)]),
    }
}

fn page(arguments: &Map<String, Value>) -> Result<Page<'_>, String> {
    let known = ["id", "part", "offset", "lines"];
    let is_known = |name: &str| known.contains(&name) || name == "correlation_id";
    if let Some(name) = arguments.keys().find(|name| !is_known(name)) {
        let name: String = name.chars().take(64).collect();
        return Err(format!("There is no property {}: {}.", word(&name), known.join(", ")));
    }
    let given = |name: &str| arguments.get(name).filter(|value| !value.is_null());
    let Some(id) = given("id").and_then(Value::as_str) else {
        return Err("id: it is missing. Give the uri of an answer's full_result.".into());
    };
    let part = match given("part") {
        None => None,
        Some(value) => match value.as_str().filter(|part| PARTS.contains(part)) {
            Some(part) => Some(part),
            None => return Err(format!("part: it is one of {}.", PARTS.join(", "))),
        },
    };
    // Some clients write numbers as texts.
    let number = |name: &str, default: u64, most: u64| match given(name) {
        None => Ok(default),
        Some(value) => {
            let text = || value.as_str().and_then(|text| text.trim().parse().ok());
            let number = value.as_u64().or_else(text).filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("{name}: it is a whole number from 1 to {most}."))
        }
    };
    let (offset, lines) =
        (number("offset", 1, u64::from(u32::MAX))?, number("lines", LINES_DEFAULT, LINES_MAX)?);
    Ok(Page { id: id.trim(), part, offset, lines })
}

fn shown(
    page: &Page<'_>,
    store: &ResultStore,
    may_use: impl Fn(&str) -> bool,
) -> Result<String, String> {
    let uri = format!("{PREFIX}{}", page.id.strip_prefix(PREFIX).unwrap_or(page.id));
    let kept = store.get(&uri, may_use);
    let Some(result) = kept.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
        let minutes = LIFETIME.as_secs() / 60;
        return Err(format!(
            "There is no such result. Results are kept for {minutes} minutes, or less where newer ones \
             need the room: run the tool again."
        ));
    };
    let part = page.part.unwrap_or(if result["parsed"].is_object() { "parsed" } else { "stdout" });
    let lines = lines_of(&result, part);
    let said = |name: &str| word(result[name].as_str().unwrap_or_default());
    let of = format!("{part} of {} {}", said("tool"), said("target"));
    let total = lines.len();
    if total == 0 {
        return Ok(format!("There is no {of}."));
    }
    let first = usize::try_from(page.offset - 1).unwrap_or(usize::MAX);
    if first >= total {
        return Err(format!("offset: there are {total} lines of {of}."));
    }
    let mut bytes = 0;
    let wanted = lines[first..].iter().take(usize::try_from(page.lines).unwrap_or(usize::MAX));
    // The first fits in any case.
    let fitting = wanted.take_while(|line| {
        bytes += line.len() + 3;
        bytes <= PAGE_BYTES
    });
    let fitting: Vec<&str> = fitting.map(String::as_str).collect();
    let last = first + fitting.len();
    let next = match total - last {
        0 if result["truncated_stdout"] == json!(true) && part != "stderr" => {
            "; the run wrote more, which is lost".to_owned()
        }
        0 => String::new(),
        _ => format!("; next offset {}", last + 1),
    };
    let head = format!("Lines {} to {last} of {total} of {of}{next}", first + 1);
    Ok(format!("{head}\n{}", marked(&fitting.join("\n"))))
}

/// A part of a result in lines: as it was written, or one for each item of a report's lists.
fn lines_of(result: &Value, part: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if part != "parsed" {
        let text = result[part].as_str().unwrap_or_default();
        text.lines().for_each(|line| fold(line, &mut lines));
        return lines;
    }
    let Value::Object(report) = brief(&result["parsed"]) else { return lines };
    let (lists, facts): (Vec<_>, Vec<_>) = report.into_iter().partition(|(_, v)| v.is_array());
    let facts = Value::Object(facts.into_iter().collect());
    fold(&facts.to_string(), &mut lines);
    for (name, items) in lists {
        for item in items.as_array().into_iter().flatten() {
            fold(&format!("{name}: {item}"), &mut lines);
        }
    }
    lines
}

fn fold(line: &str, lines: &mut Vec<String>) {
    let mut rest = line;
    while rest.len() > LINE_BYTES {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(LINE_BYTES));
        lines.push(piece.to_owned());
        rest = more;
    }
    lines.push(rest.to_owned());
}

#[cfg(test)]
#[path = "read_result_tests.rs"]
mod tests;
