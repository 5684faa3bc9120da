//! `probity token new`: a token, shown once, and its entry for the file.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::{CommandError, Exit, complain};
use crate::{
    cli::{NewTokenArgs, TokenArgs, TokenCommand},
    http::auth::{NewToken, Secret, Tokens, TokensError},
};

pub(super) fn token(args: &TokenArgs) -> Result<Exit, CommandError> {
    match &args.command {
        TokenCommand::New(args) => new(args),
    }
}

/// The token goes to standard output alone, so that it can be piped into a secret store.
fn new(args: &NewTokenArgs) -> Result<Exit, CommandError> {
    let secret = Secret::random()?;
    let new = NewToken {
        name: args.name.clone(),
        role: args.role,
        networks: args.networks.clone(),
        tools: args.tools.clone(),
        no_intrusive: args.no_intrusive,
    };
    let entry = new.with(&secret).entry();
    match &args.file {
        None => complain(&format!("put this into the tokens file:\n\n{entry}")),
        Some(path) => {
            let fail = |error| TokensError::Io { path: path.clone(), error };
            // A file with a defect, or with the name in it, is left as it is.
            if path.exists() && Tokens::read(path)?.iter().any(|token| token.name == args.name) {
                complain(&format!("{} has a token named {} already", path.display(), args.name));
                return Ok(Exit::Usage);
            }
            append(path, &entry).map_err(fail)?;
            complain(&format!(
                "added to {}; a server that uses it rereads it at SIGHUP",
                path.display()
            ));
        }
    }
    if std::io::stdout().is_terminal() {
        complain(&"this is the token; it is not shown again:");
    }
    println!("{}", secret.reveal());
    Ok(Exit::Success)
}

/// Adds an entry to a tokens file. A new one is for this user and the group to read.
fn append(path: &Path, entry: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    let begun = file.metadata()?.len() > 0;
    file.write_all(format!("{}{entry}", if begun { "\n" } else { "" }).as_bytes())
}
