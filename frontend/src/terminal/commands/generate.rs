//! Manual pages and shell completions, made from the command line's own definition.

use std::io::Write as _;

use clap::CommandFactory as _;

use super::{CommandError, Exit};
use crate::terminal::cli::{Cli, CompletionsArgs, ManArgs};

pub(super) fn man(args: &ManArgs) -> Result<Exit, CommandError> {
    match &args.folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(Cli::command(), folder)?;
        }
        None => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?,
    }
    Ok(Exit::Success)
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "probity", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(Exit::Success)
}
