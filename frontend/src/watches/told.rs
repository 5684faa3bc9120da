//! What a run of a watch gave, and what is told of it. A result is handed on as it was published; what is
//! told is small, and holds nothing that a tool wrote but figures, words of its report, and the sentence
//! that says what changed.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{figures::Amount, name::WatchName};

/// By what a run is found again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunIds {
    /// Its id among the runs that are kept; none of a call that did not come to run.
    pub run_id: Option<String>,
    /// The call's id, which its result, the log and the audit log have.
    pub correlation_id: String,
}

impl RunIds {
    /// Those of a call that did not come to run.
    #[must_use]
    pub fn by_correlation(id: &str) -> Self {
        Self { run_id: None, correlation_id: id.to_owned() }
    }
}

/// What one run of a watch gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// The published result, as JSON.
    pub result: Value,
    /// Whether the call has a result rather than an error.
    pub success: bool,
    /// From the call to its result.
    pub duration: Duration,
    /// Which run it was.
    pub run: RunIds,
    /// What differs from the run before, in a sentence; `None` where nothing does.
    pub changed: Option<String>,
}

/// One piece of news of a watch. As JSON it is one object, with the members of its [`News`] beside the
/// others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The watch.
    pub watch: WatchName,
    /// The tool that it calls.
    pub tool: String,
    /// What it is aimed at.
    pub target: Option<String>,
    /// When, in RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// The run that it is of; none for times that were skipped.
    #[serde(flatten)]
    pub run: Option<RunIds>,
    /// What.
    #[serde(flatten)]
    pub news: News,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// A run has ended.
    Ran {
        /// Whether it has a result rather than an error.
        success: bool,
        /// How long it took.
        duration_ms: u64,
    },
    /// Times that came to nothing.
    Skipped {
        /// Why.
        reason: Skip,
        /// How many.
        times: u64,
    },
    /// A condition holds that did not.
    Became {
        /// The condition, as the file has it.
        condition: String,
        /// The figure; none for `failed`.
        value: Option<Amount>,
    },
    /// A condition holds no longer.
    Recovered {
        /// The condition, as the file has it.
        condition: String,
        /// The figure; none for `failed`.
        value: Option<Amount>,
    },
    /// The result differs from the one before.
    Changed {
        /// In a sentence.
        sentence: String,
    },
}

/// Why a time of a watch came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// The run before had not ended.
    Running,
    /// It had passed before anybody looked: the machine slept, or its clock jumped.
    Late,
}

impl News {
    /// Whether somebody asked to be told of it, rather than that it only happened.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        matches!(self, Self::Became { .. } | Self::Recovered { .. } | Self::Changed { .. })
    }

    /// In words, on one line.
    #[must_use]
    pub fn text(&self) -> String {
        let of = |value: &Option<Amount>| match value {
            Some(value) => format!(" (it is {value})"),
            None => String::new(),
        };
        match self {
            Self::Ran { success: true, duration_ms } => format!("ran, in {duration_ms} ms"),
            Self::Ran { success: false, .. } => "ran, and has no result".into(),
            Self::Skipped { reason: Skip::Running, times } => {
                format!("skipped {times}: the run before had not ended")
            }
            Self::Skipped { reason: Skip::Late, times } => {
                format!("skipped {times} that had passed")
            }
            Self::Became { condition, value } => format!("{condition}{}", of(value)),
            Self::Recovered { condition, value } => format!("no longer {condition}{}", of(value)),
            Self::Changed { sentence } => sentence.clone(),
        }
    }

    /// The kind, as JSON has it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ran { .. } => "ran",
            Self::Skipped { .. } => "skipped",
            Self::Became { .. } => "became",
            Self::Recovered { .. } => "recovered",
            Self::Changed { .. } => "changed",
        }
    }
}

fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(news: News) -> Value {
        let told = Told {
            watch: WatchName::new("gateway").unwrap(),
            tool: "ping".into(),
            target: Some("10.0.0.1".into()),
            at: "2026-01-01T00:00:00.5Z".parse().unwrap(),
            run: Some(RunIds::by_correlation("7")),
            news,
        };
        serde_json::to_value(told).unwrap()
    }

    #[test]
    fn news_are_one_object_of_json_with_their_kind() {
        let news =
            News::Became { condition: "loss > 5 %".into(), value: Some(Amount::Number(40.0)) };
        assert_eq!(
            told(news),
            json!({
                "watch": "gateway", "tool": "ping", "target": "10.0.0.1",
                "at": "2026-01-01T00:00:00Z", "run_id": null, "correlation_id": "7",
                "kind": "became", "condition": "loss > 5 %", "value": 40.0,
            })
        );
        for news in [
            News::Ran { success: true, duration_ms: 5 },
            News::Skipped { reason: Skip::Running, times: 1 },
            News::Became { condition: "failed".into(), value: None },
            News::Recovered { condition: "failed".into(), value: None },
            News::Changed { sentence: "a port is open".into() },
        ] {
            assert_eq!(told(news.clone())["kind"], news.kind());
        }
    }
}
