//! The command line. An administrator's unit file, or a frontend in embedded mode, writes it.

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// For how long runs may go on once the broker is told to stop, where nobody says otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// What `--help` shows.
pub(crate) const HELP: &str = include_str!("help.txt");

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub socket: Option<PathBuf>,
    pub group: Option<String>,
    pub user: Option<String>,
    pub policy: Option<PathBuf>,
    pub audit: Option<PathBuf>,
    pub run_dir: Option<PathBuf>,
    pub embedded: bool,
    pub owner: Option<u32>,
    pub listen_fd: Option<i32>,
    pub lifetime_fd: Option<i32>,
    pub grace: Option<Duration>,
}

impl Options {
    /// For how long runs may go on once the broker is told to stop.
    pub(crate) fn grace(&self) -> Duration {
        self.grace.unwrap_or(GRACE)
    }
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Serve(Options),
    Help,
    Version,
}

/// Reads the command line.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Command, lexopt::Error> {
    use lexopt::prelude::{Long, Short, ValueExt as _};

    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("socket") => options.socket = Some(parser.value()?.into()),
            Long("group") => options.group = Some(parser.value()?.string()?),
            Long("user") => options.user = Some(parser.value()?.string()?),
            Long("policy") => options.policy = Some(parser.value()?.into()),
            Long("audit") => options.audit = Some(parser.value()?.into()),
            Long("run-dir") => options.run_dir = Some(parser.value()?.into()),
            Long("embedded") => options.embedded = true,
            Long("owner") => options.owner = Some(parser.value()?.parse()?),
            Long("listen-fd") => options.listen_fd = Some(descriptor(&parser.value()?)?),
            Long("lifetime-fd") => options.lifetime_fd = Some(descriptor(&parser.value()?)?),
            Long("grace") => options.grace = Some(seconds(&parser.value()?)?),
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Serve(options))
}

/// Standard streams are not for sockets.
fn descriptor(value: &OsString) -> Result<i32, lexopt::Error> {
    use lexopt::prelude::ValueExt as _;
    value.parse_with(|text| match text.parse::<i32>() {
        Ok(number) if (3..1024).contains(&number) => Ok(number),
        _ => Err("a descriptor is a number from 3 to 1023"),
    })
}

/// An hour is more than any service manager waits.
fn seconds(value: &OsString) -> Result<Duration, lexopt::Error> {
    use lexopt::prelude::ValueExt as _;
    value.parse_with(|text| match text.parse::<u64>() {
        Ok(seconds) if seconds <= 3600 => Ok(Duration::from_secs(seconds)),
        _ => Err("a grace period is a number of seconds from 0 to 3600"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Command, lexopt::Error> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn every_option_that_help_names_is_understood() {
        let named = HELP.split_whitespace().filter(|w| w.starts_with("--"));
        for option in named.map(|w| w.trim_matches(|c: char| !c.is_ascii_lowercase() && c != '-')) {
            let parsed = of(&[option]).or_else(|_| of(&[option, "3"]));
            assert!(parsed.is_ok(), "{option}");
        }
    }

    #[test]
    fn mistakes_are_errors() {
        for wrong in [
            &["--sokcet", "x"][..],
            &["--socket"],
            &["extra"],
            &["--listen-fd", "1"],
            &["--grace", "-1"],
            &["--grace", "3601"],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }
}
