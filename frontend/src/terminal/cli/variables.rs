//! What `probity config --help` says below its options: examples, and every variable.

use super::help::help;
use crate::config::{
    load::FILE_VARIABLE,
    settings::{PER_TOOL, SETTINGS},
};

/// The text.
pub(super) fn variables() -> String {
    let mut text = String::from(
        "\
Examples:
  probity config                             what is in force, and where it comes from
  probity config --config probity.toml       with this file
  probity config --embedded                  held against the built-in policy, too
  probity config --json | jq '.settings[] | select(.source != \"default\")'

A flag wins over the environment, which wins over the file, which wins over the default.
Variables:
",
    );
    for setting in SETTINGS.iter().chain(PER_TOOL) {
        let (variable, help) = (setting.variable, setting.help);
        text.push_str(&format!("  {variable:<29} {help}"));
        match setting.default {
            "" => {}
            default => text.push_str(&format!(" [{default}]")),
        }
        text.push('\n');
    }
    text.push_str(&format!("  {FILE_VARIABLE:<29} The file: TOML or YAML, by its ending.\n"));
    text.push_str("NAME is a tool's, in capitals. Keys of the file: docs/configuration.md");
    help(&text)
}
