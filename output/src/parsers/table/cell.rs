//! A value of a column's type. What is not of that type is no value, and counted.

use std::{borrow::Cow, net::IpAddr};

use probity_protocol::ParseKind;
use serde_json::{Value, json};

use crate::parsers::{is_address, one_line};

/// A text in its column's type; `None` where it is something else.
pub(super) fn of_text(kind: ParseKind, text: &str) -> Option<Value> {
    let trimmed = text.trim();
    if trimmed.is_empty() && kind != ParseKind::Text {
        return Some(Value::Null);
    }
    Some(match kind {
        ParseKind::Text => json!(one_line(text)),
        ParseKind::Integer => json!(trimmed.parse::<i64>().ok()?),
        ParseKind::Number => {
            // Infinity and the like have no JSON.
            let plain = trimmed.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
            json!(trimmed.parse::<f64>().ok().filter(|number| plain && number.is_finite())?)
        }
        ParseKind::Address => match trimmed.parse::<IpAddr>() {
            Ok(address) => json!(address.to_string()),
            Err(_) if is_address(trimmed) => json!(one_line(trimmed)),
            Err(_) => return None,
        },
        ParseKind::Flag => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "up" | "1" => json!(true),
            "false" | "no" | "off" | "down" | "0" => json!(false),
            _ => return None,
        },
    })
}

/// The same of a JSON value.
pub(super) fn of_json(kind: ParseKind, value: &Value) -> Option<Value> {
    let text = match value {
        Value::Null => return Some(Value::Null),
        Value::String(text) => Cow::Borrowed(text.as_str()),
        // Lists and objects are shown as they are written.
        Value::Array(_) | Value::Object(_) if kind != ParseKind::Text => return None,
        other => Cow::Owned(other.to_string()),
    };
    of_text(kind, &text)
}
