//! JSON that says one thing. Where a name stands twice in an object, readers differ in which value
//! counts, so whoever looks at a request before this server does (a proxy, a filter, a client that asks
//! its user) could see another target than the one that is run. Such text is refused.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Reads a text of which every name stands once in its object.
///
/// # Errors
/// The parser's, with the place and nothing of the text.
pub(crate) fn read(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text).map(|Unambiguous(value)| value)
}

/// A value in which no name hides another.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number.map(Value::from).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unambiguous(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unambiguous(value))) = entries.next_entry::<String, _>()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("a name stands twice in an object"));
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_one_thing_is_read_as_it_stands() {
        let value = json!({
            "target": "10.0.0.1", "count": 3, "below": -7, "wait": 0.5, "large": u64::MAX,
            "dry_run": true, "preset": null, "list": [1, [], {"target": "\u{e9}\"\u{0}"}],
        });
        let read = read(value.to_string().as_bytes()).unwrap();
        assert_eq!(read, value);
        assert_eq!(read.to_string(), value.to_string(), "in its order");
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_wherever_it_stands() {
        for text in [
            r#"{"target": "10.0.0.1", "target": "10.0.0.2"}"#,
            r#"{"target": "10.0.0.1", "count": 1, "target": "10.0.0.1"}"#,
            // The same name, written otherwise.
            r#"{"target": "10.0.0.1", "\u0074arget": "10.0.0.2"}"#,
            r#"{"list": [{"a": 1, "a": 1}]}"#,
        ] {
            let said = read(text.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with("a name stands twice in an object at line 1"), "{said}");
            assert!(!said.contains("10.0.0"), "{said}");
        }
        assert!(read(br#"{"a": {"b": 1}, "b": {"a": 1}}"#).is_ok());
    }
}
