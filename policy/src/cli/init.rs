//! `init`: a policy of one's own, where brokers that one starts oneself find it.
//!
//! It only writes files that are not there. The policy allows what the shipped one allows to whoever
//! starts a broker: it widens nothing until its owner does.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{CliError, output, own_policy_path};
use crate::{Origin, load, source::printable};

const TEMPLATE: &str = include_str!("init.toml");

/// Write a policy of your own, for the brokers that you start yourself
///
/// It goes to $XDG_CONFIG_HOME/probity/policy.toml (~/.config where that is not set). Where no broker is
/// installed, and with --embedded, `probity` decides by it from then on.
#[derive(Debug, clap::Args)]
#[command(after_help = output::help("\
Examples:
  probity-policy init                        then edit the file, and: probity-policy check
  probity-policy init --tools                the tools' files beside it, to change them too
  probity-policy init --output lab.toml      elsewhere: probity call … --policy lab.toml

Exit status: 0, or 2 for a file that is there already or cannot be written."))]
pub(super) struct Args {
    /// Write the tools' files too; without them the built-in ones are used
    #[arg(long)]
    tools: bool,
    /// Write the policy here instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let path = args.output.clone().or_else(own_policy_path).ok_or_else(|| {
        let reason = "there is no home to write it to: set HOME, or name a file with --output";
        CliError::Usage(reason.into())
    })?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let tools = folder.join("tools.d");
    if args.tools && tools.symlink_metadata().is_ok() {
        return Err(taken(&tools));
    }
    // Nobody else may write what a broker decides by, whatever the umask leaves.
    make_folder(folder)?;
    write(&path, TEMPLATE)?;
    if args.tools {
        make_folder(&tools)?;
        for source in load(&Origin::Shipped)?.tools {
            let name = source.name().rsplit('/').next().unwrap_or_default().to_owned();
            write(&tools.join(name), source.text())?;
        }
    }
    anstream::eprintln!("{}", said(&path, args));
    Ok(ExitCode::SUCCESS)
}

fn said(path: &Path, args: &Args) -> String {
    let shown = output::head(printable(&path.display().to_string()));
    match &args.output {
        None => format!(
            "{shown} is written. Brokers that you start yourself decide by it from now on; networks \
             are added under [targets]. Then: probity-policy check"
        ),
        Some(named) => {
            let named = printable(&named.display().to_string());
            format!(
                "{shown} is written. Networks are added under [targets]. Then: probity-policy check \
                 {named}, and probity tools --policy {named}"
            )
        }
    }
}

fn make_folder(folder: &Path) -> Result<(), CliError> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(folder);
    made.map_err(|error| CliError::File { path: folder.to_owned(), error })
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => CliError::File { path: path.to_owned(), error },
    })
}

fn taken(path: &Path) -> CliError {
    CliError::Usage(format!(
        "{} is there already, and stays as it is: edit it, or name another file with --output",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accounts, Source, validate};

    #[test]
    fn what_is_written_is_sound_and_allows_its_owner_what_the_shipped_policy_allows_him() {
        let mut sources = load(&Origin::Shipped).unwrap();
        let for_others = "[[grant]]\ngroup = \"probity\"\ntools = [\"*\"]\n";
        assert!(sources.policy.text().contains(for_others));
        let digest = |sources: &crate::Sources| {
            let policy = validate(sources, &Accounts::default()).unwrap();
            assert!(policy.warnings().is_empty(), "{:?}", policy.warnings());
            policy.digest()
        };
        let text = sources.policy.text().replace(for_others, "");
        sources.policy = Source::new("policy.toml", text);
        let shipped = digest(&sources);
        sources.policy = Source::new("policy.toml", TEMPLATE);
        assert_eq!(digest(&sources), shipped);
    }
}
