//! What somebody wants to be told: `changed`, `failed`, or a figure compared with a limit.
//!
//! A condition is held against the kind of result that its watch gets when the file is read: a figure that
//! there is none of, a wrong unit, and a comparison that is always or never true are refused there, since
//! nobody would notice later.

use std::fmt;

use probity_output::parsers::one_line;

use super::{
    figures::{self, Amount, Figure, Unit},
    told::Ran,
    tools::LIKENESS,
};
use crate::text::near::nearest;

/// Longest condition that is read, in bytes.
const LONGEST: usize = 128;

/// What a watch may tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The result differs from the one before. It comes and does not stay.
    Changed,
    /// The call has an error rather than a result.
    Failed,
    /// A figure is on one side of a limit.
    Compared(Comparison),
}

/// A figure and its limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    figure: &'static Figure,
    operator: Operator,
    /// In the figure's unit.
    limit: Amount,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Other,
}

/// The longer spelling before the one that begins it.
const OPERATORS: [(&str, Operator); 6] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("==", Operator::Equal),
    ("!=", Operator::Other),
    ("<", Operator::Less),
    (">", Operator::More),
];

/// Units that may be written, by what they are units of, and how much of the figure's own each is.
const UNITS: [(&str, Unit, f64); 10] = [
    ("%", Unit::Percent, 1.0),
    ("ms", Unit::Millis, 1.0),
    ("s", Unit::Millis, 1_000.0),
    ("m", Unit::Millis, 60_000.0),
    ("day", Unit::Days, 1.0),
    ("days", Unit::Days, 1.0),
    ("d", Unit::Days, 1.0),
    ("bytes", Unit::Bytes, 1.0),
    ("byte", Unit::Bytes, 1.0),
    ("B", Unit::Bytes, 1.0),
];

/// Why a text is no condition for a watch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It has no form of one.
    #[error(
        "{0:?} is no condition; write \"changed\", \"failed\", or a figure, one of < <= > >= == !=, \
         and a value, as in \"loss > 5 %\"{1}"
    )]
    Form(String, Meant),
    /// Results of the tool have no such figure.
    #[error("results of {tool} have no figure {figure:?}{meant}; they have {known}")]
    Figure {
        /// What was written.
        figure: String,
        /// The watch's tool.
        tool: String,
        /// Those that there are, with commas.
        known: String,
        /// The one that was probably meant.
        meant: Meant,
    },
    /// It is compared with what it cannot be.
    #[error("{figure} is compared with {expected}, not with {given:?}")]
    Value {
        /// The figure.
        figure: &'static str,
        /// What it is compared with.
        expected: &'static str,
        /// What was written.
        given: String,
    },
    /// Nothing would ever be told by it.
    #[error("this is {} true, since {figure} is {least} to {most}; change the limit", if *.always { "always" } else { "never" })]
    Constant {
        /// The figure.
        figure: &'static str,
        /// Always true, or else never.
        always: bool,
        /// The least that the figure can be.
        least: String,
        /// The most.
        most: String,
    },
}

/// A name that was probably meant, as the end of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meant(pub Option<String>);

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, " (did you mean {name:?}?)"))
    }
}

impl Condition {
    /// Reads one, for the results of a tool that this parser reads.
    ///
    /// # Errors
    /// [`ConditionError`], with what to write instead.
    pub fn read(text: &str, tool: &str, parser: Option<&str>) -> Result<Self, ConditionError> {
        let text = text.trim();
        match text {
            "changed" => return Ok(Self::Changed),
            "failed" => return Ok(Self::Failed),
            _ => {}
        }
        let at = text.find(['<', '>', '=', '!']).filter(|_| text.len() <= LONGEST);
        let Some((figure, rest)) = at.and_then(|at| text.split_at_checked(at)) else {
            let known = ["changed", "failed"].into_iter();
            let meant = nearest(text, known, LIKENESS).map(str::to_owned);
            return Err(ConditionError::Form(shown(text), Meant(meant)));
        };
        let figure = figure.trim_end();
        let form = || ConditionError::Form(shown(text), Meant(None));
        let starts = |(sign, _): &&(&str, Operator)| rest.starts_with(sign);
        let (sign, operator) = OPERATORS.iter().find(starts).ok_or_else(form)?;
        let value = rest.strip_prefix(sign).unwrap_or_default().trim_start();
        if value.is_empty() || value.starts_with(['<', '>', '=', '!']) {
            return Err(form());
        }
        let Some(known) = figures::named(parser, figure) else {
            return Err(no_figure(figure, tool, parser));
        };
        let comparison =
            Comparison::new(known, *operator, value, format!("{figure} {sign} {value}"))?;
        Ok(Self::Compared(comparison))
    }

    /// Whether it holds of a run, and the figure that says so; `None` where the result does not tell. That
    /// something changed holds of that run alone.
    #[must_use]
    pub fn holds(&self, ran: &Ran) -> Option<(bool, Option<Amount>)> {
        match self {
            Self::Changed => Some((ran.changed.is_some(), None)),
            Self::Failed => Some((!ran.success, None)),
            Self::Compared(comparison) => {
                let amount = comparison.figure.of(&ran.result)?;
                Some((comparison.holds(&amount)?, Some(amount)))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Compared(comparison) => &comparison.text,
        })
    }
}

impl Comparison {
    fn new(
        figure: &'static Figure,
        operator: Operator,
        value: &str,
        text: String,
    ) -> Result<Self, ConditionError> {
        let wrong = || ConditionError::Value {
            figure: figure.name,
            expected: figure.unit.expected(),
            given: shown(value),
        };
        let limit = limit(figure.unit, operator, value).ok_or_else(wrong)?;
        if let Amount::Number(limit) = limit {
            let (least, most) = figure.unit.range();
            let at_ends = [least, most].map(|end| operator.holds(end, limit));
            let inside = (least..=most).contains(&limit);
            let is_constant = match operator {
                Operator::Equal | Operator::Other => !inside,
                // What is the same at both ends is the same between them.
                _ => at_ends[0] == at_ends[1],
            };
            if is_constant {
                let always = operator.holds(least, limit);
                let [least, most] = [least, most].map(end);
                return Err(ConditionError::Constant { figure: figure.name, always, least, most });
            }
        }
        Ok(Self { figure, operator, limit, text })
    }

    fn holds(&self, amount: &Amount) -> Option<bool> {
        match (amount, &self.limit) {
            (Amount::Number(number), Amount::Number(limit)) => {
                Some(self.operator.holds(*number, *limit))
            }
            (Amount::Flag(_), Amount::Flag(_)) | (Amount::Word(_), Amount::Word(_)) => {
                Some((*amount == self.limit) == (self.operator == Operator::Equal))
            }
            _ => None,
        }
    }
}

impl Operator {
    fn holds(self, number: f64, limit: f64) -> bool {
        match self {
            Self::Less => number < limit,
            Self::AtMost => number <= limit,
            Self::More => number > limit,
            Self::AtLeast => number >= limit,
            Self::Equal => number == limit,
            Self::Other => number != limit,
        }
    }
}

/// What a figure is compared with, in its unit; `None` for what it cannot be.
fn limit(unit: Unit, operator: Operator, value: &str) -> Option<Amount> {
    let is_equality = matches!(operator, Operator::Equal | Operator::Other);
    match unit {
        Unit::Flag => value.parse().ok().filter(|_| is_equality).map(Amount::Flag),
        Unit::Word => {
            let of_a_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let is_word = is_equality && value.len() <= 32 && value.chars().all(of_a_word);
            is_word.then(|| Amount::Word(value.to_owned()))
        }
        Unit::Percent | Unit::Millis | Unit::Days | Unit::Count | Unit::Bytes => {
            let of_a_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
            let end = value.find(|c| !of_a_number(c)).unwrap_or(value.len());
            let (number, written) = value.split_at_checked(end)?;
            let number: f64 = number.parse().ok()?;
            let factor = match written.trim() {
                // Of times alone it is not clear which unit is meant.
                "" => (unit != Unit::Millis).then_some(1.0)?,
                written => UNITS.iter().find(|(name, of, _)| *name == written && *of == unit)?.2,
            };
            let number = number * factor;
            let is_whole = number.fract() == 0.0;
            let may_be_part = matches!(unit, Unit::Percent | Unit::Millis);
            (number.is_finite() && (is_whole || may_be_part)).then_some(Amount::Number(number))
        }
    }
}

fn no_figure(figure: &str, tool: &str, parser: Option<&str>) -> ConditionError {
    let names = figures::of(parser).map(|figure| figure.name);
    let meant = nearest(figure, names.clone(), LIKENESS).map(str::to_owned);
    let known = names.collect::<Vec<_>>().join(", ");
    ConditionError::Figure { figure: shown(figure), tool: shown(tool), known, meant: Meant(meant) }
}

fn end(end: f64) -> String {
    if end.is_infinite() { "without bound".into() } else { end.to_string() }
}

fn shown(text: &str) -> String {
    one_line(text).chars().take(64).collect()
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
