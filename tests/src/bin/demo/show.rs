//! What a person sees. Colours only on a terminal, and not where `NO_COLOR` is set.

use std::io::IsTerminal as _;

/// Prints in one style.
pub struct Show {
    colours: bool,
}

impl Show {
    pub fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colours: wanted && std::io::stdout().is_terminal() }
    }

    pub fn title(&self, text: &str) {
        self.coloured("1", &format!("\n{text}"));
    }

    pub fn line(&self, text: &str) {
        println!("{text}");
    }

    pub fn request(&self, text: &str) {
        self.coloured("36", &format!("  → {text}"));
    }

    pub fn answer(&self, text: &str) {
        for (at, line) in text.lines().enumerate() {
            println!("  {} {line}", if at == 0 { "←" } else { " " });
        }
    }

    pub fn good(&self, text: &str) {
        self.coloured("32", text);
    }

    pub fn bad(&self, text: &str) {
        self.coloured("31", text);
    }

    fn coloured(&self, code: &str, text: &str) {
        if self.colours {
            println!("\x1b[{code}m{text}\x1b[0m");
        } else {
            println!("{text}");
        }
    }
}
