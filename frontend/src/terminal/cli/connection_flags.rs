//! A suggested command with the flags that this call was made with: what is printed to be copied has
//! to reach the same broker in the same way.

use crate::calls::request::join_words;

/// The flags that a suggested command needs besides its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFlags(Vec<String>);

impl ConnectionFlags {
    /// A command with these flags, each with its value.
    #[must_use]
    pub fn with(flags: Vec<Vec<String>>) -> Self {
        Self(flags.into_iter().filter_map(|flag| join_words(&flag)).collect())
    }

    /// The command with the flags that it lacks: before the `--` that ends Probity's own.
    #[must_use]
    pub fn command(&self, line: &str) -> String {
        const END: &str = " -- ";
        let (own, tools) = line.split_once(END).unwrap_or((line, ""));
        let mut words: Vec<&str> = own.split(' ').collect();
        for flag in &self.0 {
            if !words.contains(&flag.as_str()) {
                words.push(flag);
            }
        }
        let own = words.join(" ");
        if tools.is_empty() { own } else { [&own, tools].join(END) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_command_reaches_the_same_broker() {
        let flags = [&["--dry-run"][..], &["--embedded"], &["--policy", "my policy.toml"]];
        let flags = flags.map(|flag| flag.iter().map(ToString::to_string).collect());
        let flags = ConnectionFlags::with(flags.to_vec());
        assert_eq!(
            flags.command("probity call ping 10.0.0.1 --dry-run -- -c 5"),
            "probity call ping 10.0.0.1 --dry-run --embedded --policy 'my policy.toml' -- -c 5"
        );
        assert_eq!(
            ConnectionFlags::default().command("probity call ping ::1"),
            "probity call ping ::1"
        );
    }
}
