//! How a text looks: its size and its class in the style sheet.

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Muted,
    /// What is wrong.
    Alarm,
    Head,
}

impl Ink {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plain => "pb-plain",
            Self::Strong => "pb-strong",
            Self::Muted => "pb-muted",
            Self::Alarm => "pb-alarm",
            Self::Head => "pb-head",
        }
    }

    pub(super) fn size(self) -> f64 {
        match self {
            Self::Plain | Self::Muted => 15.0,
            Self::Strong | Self::Alarm => 15.0 * 1.15,
            Self::Head => 19.0 * 1.15,
        }
    }
}
