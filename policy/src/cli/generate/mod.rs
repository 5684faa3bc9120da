//! Manual pages and shell completions, made from the command line's own definition, and the page of the
//! shipped tools, made from their files.

mod tools_page;

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::CommandFactory as _;
use clap_complete::Shell;

pub(super) use self::tools_page::run as tools_page;
use super::{Cli, CliError};

/// Write the manual pages
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// A folder for all of them; without it the first goes to standard output
    folder: Option<PathBuf>,
}

/// Print a shell's completions
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    shell: Shell,
}

pub(super) fn man(args: &ManArgs) -> Result<ExitCode, CliError> {
    match &args.folder {
        Some(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
            .map_err(|error| CliError::File { path: folder.clone(), error })?,
        None => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "probity-policy", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
