//! `probity token`: a new one, shown once, and its entry for the file; and who has one.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use probity_output::clean::clean_str;
use serde_json::json;

use super::{CommandError, Exit, complain};
use crate::{
    config::Config,
    serve::access::{NewToken, Secret, Token, Tokens, TokensError},
    terminal::{
        cli::{ListTokensArgs, NewTokenArgs, TokenArgs, TokenCommand},
        printing::layout::{Column, Layout},
    },
};

pub(super) fn token(args: &TokenArgs, config: &Config) -> Result<Exit, CommandError> {
    match &args.command {
        TokenCommand::New(args) => new(args),
        TokenCommand::List(args) => list(args, config),
    }
}

/// Reads the file as a server would, so that a defect shows before one is asked to.
fn list(args: &ListTokensArgs, config: &Config) -> Result<Exit, CommandError> {
    let Some(path) = args.file.as_ref().or(config.http.tokens_file.as_ref()) else {
        complain(&"no tokens file is set: name it with --file FILE, or in server.tokens_file");
        return Ok(Exit::Usage);
    };
    let tokens = Tokens::read(path)?;
    let mut out = anstream::stdout().lock();
    match args.json {
        true => {
            let tokens: Vec<_> = tokens.iter().map(as_json).collect();
            let report = json!({"file": path.display().to_string(), "tokens": tokens});
            writeln!(out, "{report:#}")?;
        }
        false if tokens.iter().next().is_none() => {
            writeln!(out, "nobody has a token of {}", path.display())?;
        }
        false => {
            let rows: Vec<_> = tokens.iter().map(row).collect();
            writeln!(out, "{}", Layout::of_stdout().table(&COLUMNS, &rows))?;
        }
    }
    Ok(Exit::Success)
}

const COLUMNS: [Column; 5] = [
    Column::whole("NAME"),
    Column::whole("ROLE"),
    Column::text("TOOLS"),
    Column::whole("TIER"),
    Column::text("FROM"),
];

fn row(token: &Token) -> Vec<String> {
    let or = |words: Vec<String>, none: &str| match words.is_empty() {
        true => none.to_owned(),
        false => words.join(", "),
    };
    let networks = token.networks().iter().map(ToString::to_string).collect();
    vec![
        clean_str(&token.name).into_owned(),
        token.role.as_str().to_owned(),
        or(token.tools.iter().map(|tool| clean_str(tool).into_owned()).collect(), "all"),
        if token.no_intrusive { "standard" } else { "all" }.to_owned(),
        or(networks, "anywhere"),
    ]
}

fn as_json(token: &Token) -> serde_json::Value {
    json!({
        "name": token.name,
        "role": token.role.as_str(),
        "tools": token.tools,
        "no_intrusive": token.no_intrusive,
        "networks": token.networks(),
    })
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
                "added to {}; a server that uses it rereads it at SIGHUP (systemctl reload probity)",
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
