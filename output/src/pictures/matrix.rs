//! What tables of hosts and ports share: a column of names, and narrow columns with their heads.

use super::{
    fit::{fitted, width_of},
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet},
    words,
};

/// How wide a column is, at least and at most.
const COLUMN: std::ops::RangeInclusive<f64> = 22.0..=58.0;

/// How wide the column of names is.
const NAMES: std::ops::RangeInclusive<f64> = 60.0..=236.0;

/// Kept at the right for the number of what has no column.
pub(super) const MORE_WIDTH: f64 = 42.0;

/// The room for columns beside names.
pub(super) struct Room {
    left: f64,
}

/// Where the columns are.
pub(super) struct Places {
    left: f64,
    width: f64,
}

impl Room {
    pub(super) fn beside(names: &[String]) -> Self {
        let widest = names.iter().map(|name| width_of(name, Ink::Plain)).fold(0.0, f64::max);
        Self { left: LEFT + widest.clamp(*NAMES.start(), *NAMES.end()) + 10.0 }
    }

    /// How wide the names may be.
    pub(super) fn names(&self) -> f64 {
        self.left - LEFT - 6.0
    }

    fn width(&self) -> f64 {
        RIGHT - MORE_WIDTH - self.left
    }

    /// How many columns there is room for.
    pub(super) fn most(&self) -> usize {
        (self.width() / COLUMN.start()) as usize
    }

    /// Writes the heads, and makes the columns as wide as there is room for.
    pub(super) fn heads(&self, heads: &[String], sheet: &mut Sheet) -> Places {
        let width = self.width() / heads.len().max(1) as f64;
        let places = Places { left: self.left, width: width.clamp(*COLUMN.start(), *COLUMN.end()) };
        let high = heads.iter().map(|head| width_of(head, Ink::Muted)).fold(0.0, f64::max);
        // Few ports have room for their numbers as they are read.
        if high + 8.0 <= places.width {
            sheet.y += if heads.is_empty() { 0.0 } else { LINE };
            for (at, head) in heads.iter().enumerate() {
                let place = (places.middle(at), sheet.y - 2.0);
                sheet.text(place, Anchor::Middle, Ink::Muted, places.width, head);
            }
        } else {
            sheet.y += high + 10.0;
            for (at, head) in heads.iter().enumerate() {
                sheet.upright((places.middle(at) + 5.0, sheet.y - 2.0), Ink::Muted, 100.0, head);
            }
        }
        places
    }
}

impl Places {
    pub(super) fn middle(&self, column: usize) -> f64 {
        self.left + (column as f64 + 0.5) * self.width
    }
}

/// A port as a head: its number, with the protocol where that is not TCP.
pub(super) fn head(port: u64, protocol: &str) -> String {
    match protocol {
        "tcp" => port.to_string(),
        other => fitted(&format!("{port}/{}", words::bounded(other)), 90.0, Ink::Muted),
    }
}
