//! JSON that a tool writes, which may end anywhere: what stands before the cut is read as far as its
//! objects and lists are whole, and nothing is made up for the rest.

use serde_json::{Deserializer, Value};

/// Most levels of objects in lists that a cut is looked for in. What tools write has four.
const DEPTH_MAX: usize = 32;

/// The first JSON value of an output that is an object or a list, and whether its end is there.
/// `None` where there is none.
pub(super) fn value(text: &str) -> Option<(Value, bool)> {
    // What stands before it is a warning of the tool's.
    let start = text.find(['{', '['])?;
    let text = text.get(start..)?;
    match Deserializer::from_str(text).into_iter::<Value>().next()? {
        Ok(value) => Some((value, true)),
        Err(_) => {
            let closed = closed(text)?;
            serde_json::from_str(&closed).ok().map(|value| (value, false))
        }
    }
}

/// The text up to the last object or list that ended within another, with the ends of those that did
/// not.
fn closed(text: &str) -> Option<String> {
    let (mut open, mut in_string, mut escaped) = (Vec::new(), false, false);
    // Where the last one ended, and what was open around it.
    let mut last: Option<(usize, String)> = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' if open.len() >= DEPTH_MAX => return None,
            b'{' => open.push('}'),
            b'[' => open.push(']'),
            b'}' | b']' => {
                open.pop().filter(|end| *end == char::from(byte))?;
                last = Some((at + 1, open.iter().rev().collect()));
            }
            _ => {}
        }
    }
    let (end, ends) = last?;
    text.get(..end).map(|whole| format!("{whole}{ends}"))
}

/// A member that is a number, or a text that is one: tools have changed their minds about it.
pub(super) fn number(object: &Value, name: &str) -> Option<f64> {
    match object.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => super::decimal(text),
        _ => None,
    }
}

/// The same, of what is counted.
pub(super) fn whole(object: &Value, name: &str) -> Option<u64> {
    match object.get(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A member that is a text, cleaned and in one line.
pub(super) fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().filter(|text| !text.is_empty()).map(super::one_line)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_whole_before_a_cut_is_read() {
        let text = r#"warning: x
            {"report": {"mtr": {"dst": "}]\"{"}, "hubs": [{"count": 1}, {"count": 2, "ho"#;
        let expected = json!({"report": {"mtr": {"dst": "}]\"{"}, "hubs": [{"count": 1}]}});
        assert_eq!(value(text), Some((expected, false)));
        assert_eq!(value("[{\"a\": 1}]\n[]"), Some((json!([{"a": 1}]), true)));
        assert_eq!(value("[{\"a\": 1"), None);
        assert_eq!(value("nothing"), None);
    }

    #[test]
    fn what_is_no_json_is_not_mended() {
        for text in ["{]}", "[1, 2}", "{\"a\": {}, b", &"[".repeat(100_000)] {
            assert!(matches!(value(text), None | Some((_, false))), "{text:.20}");
        }
        assert_eq!(value("{]}"), None);
    }
}
