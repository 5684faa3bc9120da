//! `new-tool`: a tool file to start from, with the questions that its author has to answer.
//!
//! It is sound as it is and offers nothing: what is left as it was written grants no option. The
//! text is `new_tool.toml`; nothing is run to make it, and nothing read but a sample that is named.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use probity_output::{clean::decode, parsers::table::propose};
use probity_protocol::ParseTable;
use serde::Serialize;

use super::{CliError, output};
use crate::{Accounts, Origin, Source, load, validate_with_help};

/// Prose begins with a hash and a blank; what is to be taken into use has no blank.
const TEMPLATE: &str = include_str!("new_tool.toml");

/// Most bytes that are read of a sample.
const SAMPLE_MAX: u64 = 1 << 20;

/// Where a command is looked for that nobody named.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// Print a tool file to start from, with the questions to answer
///
/// The file is sound as it is, and offers a client the target and no option. docs/adding-a-tool.md
/// goes through it with an example.
#[derive(Debug, clap::Args)]
#[command(after_help = output::help("\
Examples:
  probity-policy new-tool tracepath -o /etc/probity/tools.d/tracepath.toml
  probity-policy new-tool banner --command /usr/local/bin/grab-banner
  probity-policy new-tool neighbours --sample printed.json

Exit status: 0, or 2 for a name or path that cannot be, or a file that is there already."))]
pub(super) struct Args {
    /// The tool's name, as clients see it
    name: String,
    /// Its program [default: the one of that name in /usr/bin or /usr/sbin]
    #[arg(long, value_name = "PATH")]
    command: Option<PathBuf>,
    /// What the tool printed once: propose from it a table [parse] that makes typed results
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Write a file instead; one that is there stays as it is
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let table = args.sample.as_deref().map(proposed).transpose()?.unwrap_or_default();
    let text = text(&args.name, args.command.as_deref(), &table)?;
    let Some(path) = &args.output else {
        io::stdout().write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    // Whatever the umask leaves: readable by all, writable by whoever made it.
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| CliError::File { path: path.clone(), error })?;
    let said = crate::source::printable(&path.display().to_string());
    anstream::eprintln!(
        "{} is written. Answer its questions, then: probity-policy check",
        output::head(said)
    );
    Ok(ExitCode::SUCCESS)
}

/// The end of a tool's file.
#[derive(Serialize)]
struct End {
    parse: ParseTable,
}

/// The table that makes rows of a sample, as it stands in a file.
fn proposed(sample: &Path) -> Result<String, CliError> {
    let fail = |error| CliError::File { path: sample.to_owned(), error };
    let mut bytes = Vec::new();
    let file = File::open(sample).map_err(fail)?;
    file.take(SAMPLE_MAX).read_to_end(&mut bytes).map_err(fail)?;
    let table = propose(&decode(&bytes)).and_then(|parse| toml::to_string(&End { parse }).ok());
    let Some(table) = table else {
        let reason = "no table can be proposed from the sample: neither JSON with objects, nor CSV with a \
                      header, nor lines with as many words each. docs/policy.md says how to write one";
        return Err(CliError::Usage(reason.into()));
    };
    Ok(format!(
        "\n# RESULTS. Proposed from a sample: give the columns titles and units, and try it with others.\n{table}"
    ))
}

/// The file, if a policy takes it.
fn text(name: &str, command: Option<&Path>, table: &str) -> Result<String, CliError> {
    // It stands in comments too, where nothing could be quoted.
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        let reason =
            "a tool's name is lower-case letters, digits, - and _, beginning with a letter";
        return Err(CliError::Usage(reason.into()));
    }
    let command = match command {
        Some(path) => path.to_owned(),
        None => {
            let mut found = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
            found.find(|path| path.is_file()).unwrap_or_else(|| Path::new("/usr/bin").join(name))
        }
    };
    let Some(command) = command.to_str() else {
        return Err(CliError::Usage("a path that is no UTF-8 cannot stand in a policy".into()));
    };
    let text = TEMPLATE
        .replace("@NAME@", name)
        .replace("@COMMAND@", &toml::Value::from(command).to_string())
        + table;
    let mut sources = load(&Origin::Shipped)?;
    sources.tools = vec![Source::new(format!("{name}.toml"), text.clone())];
    let wrong = match validate_with_help(&sources, &Accounts::default()) {
        Ok(policy) => policy
            .excluded()
            .first()
            .map(|tool| format!("a tool of the name {name:?} would be left out: {}", tool.reason)),
        Err(defects) => defects.0.first().map(|defect| defect.message().to_owned()),
    };
    wrong.map_or(Ok(text), |wrong| Err(CliError::Usage(wrong)))
}
