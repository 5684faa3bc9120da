//! `probity client-config`: what a client's configuration has to say, printed or put there.
//!
//! Standard output has the JSON alone, so that it can be piped; where it goes is said on standard
//! error.

use std::{
    env,
    io::Write as _,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use axum::http::Uri;
use rustix::process::geteuid;

use super::{CommandError, Exit, complain};
use crate::{
    admin::client_config::{
        Client, NAME, Server, TOKEN_VARIABLE, absolute,
        edit::{EditError, Edited, Wanted, edit},
        file::{ConfigFile, FileError},
        this_program,
    },
    broker::{accounts, choice::Choice},
    calls::request::join_words,
    config::{Loaded, Server as Settings},
    terminal::cli::ClientConfigArgs,
};

/// The name that the program has on the machine at the other end of ssh.
const ELSEWHERE: &str = "probity";

/// Why there is no configuration, or it is not put there.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}\nNothing was changed.")]
    File(#[from] FileError),
    #[error("{}: {error}, so nothing was changed.\nPut this into {section:?} there yourself:\n\n{paste}", path.display())]
    Edit { path: PathBuf, error: EditError, section: &'static str, paste: String },
}

pub(super) fn client_config(
    args: &ClientConfigArgs,
    loaded: &Loaded,
) -> Result<Exit, CommandError> {
    let server = server(args, loaded)?;
    if args.write {
        write(args, &server)?;
    } else {
        // All of it or nothing: a pipe may lead into a file.
        std::io::stdout().write_all(args.client.document(&server).as_bytes())?;
        let next = args.client.next(&server);
        match args.client.file() {
            Some(file) => {
                complain(&format!("this is for {}; `--write` merges it. {next}", file.display(),))
            }
            None if args.client == Client::Generic => complain(&format!(
                "this is for the client's file; `--write --file PATH` merges it. {next}"
            )),
            None => {}
        }
    }
    if let Some(hint) = hint(args, &server, loaded) {
        complain(&hint);
    }
    Ok(Exit::Success)
}

fn server(args: &ClientConfigArgs, loaded: &Loaded) -> Result<Server, ClientError> {
    match (&args.http, &args.ssh) {
        (Some(url), _) => http(args, url, &loaded.config.server),
        (None, Some(host)) => over_ssh(args, host),
        (None, None) => here(args, loaded),
    }
}

/// This very program, by paths that hold wherever the client starts it. What this shell's environment
/// names is carried too: a client has another.
fn here(args: &ClientConfigArgs, loaded: &Loaded) -> Result<Server, ClientError> {
    let file = |path: &Path| {
        let path = absolute(path).map_err(ClientError::Usage)?;
        match Path::new(&path).is_file() {
            true => Ok(path),
            false => Err(ClientError::Usage(format!("there is no file {path}"))),
        }
    };
    let policy = args.broker.policy.as_deref().map(file).transpose()?;
    let config = loaded.file.as_deref().map(|path| file(Path::new(path))).transpose()?;
    let socket = args.broker.socket.clone().or_else(|| env::var("PROBITY_SOCKET").ok());
    let socket = socket.filter(|path| !args.broker.embedded && !path.is_empty());
    // It need not be there yet: it comes with the broker.
    let socket = socket.map(|path| absolute(Path::new(&path)));
    let socket = socket.transpose().map_err(ClientError::Usage)?;
    let command = this_program().map_err(ClientError::Usage)?;
    let is_set = args.broker.socket.is_none() && loaded.config.broker.embedded == Some(true);
    let embedded = args.broker.embedded || is_set;
    // A private broker has none that could be named.
    let socket = socket.filter(|_| !embedded && policy.is_none());
    Ok(Server::Command { command, args: words(embedded, [policy, socket, config]) })
}

/// The program of another machine: its shell reads the words, and paths are that machine's.
fn over_ssh(args: &ClientConfigArgs, host: &str) -> Result<Server, ClientError> {
    if host.starts_with('-') || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let reason = format!("{host:?} is no host for ssh: name it as HOST or USER@HOST");
        return Err(ClientError::Usage(reason));
    }
    let path = |path: &Path| match (path.is_absolute(), path.to_str()) {
        (true, Some(path)) => Ok(path.to_owned()),
        _ => {
            let reason = format!("{} is a path on {host}: write it from /", path.display());
            Err(ClientError::Usage(reason))
        }
    };
    let policy = args.broker.policy.as_deref().map(path).transpose()?;
    let socket = args.broker.socket.as_deref().map(|socket| path(Path::new(socket))).transpose()?;
    let words = words(args.broker.embedded, [policy, socket, None]);
    let quoted = words.iter().map(|word| join_words(std::slice::from_ref(word)));
    let quoted = quoted.collect::<Option<Vec<_>>>().ok_or_else(|| {
        ClientError::Usage("a path with a NUL in it cannot go over ssh".to_owned())
    })?;
    let args = [host.to_owned(), ELSEWHERE.to_owned()].into_iter().chain(quoted).collect();
    Ok(Server::Command { command: "ssh".to_owned(), args })
}

fn words(embedded: bool, [policy, socket, config]: [Option<String>; 3]) -> Vec<String> {
    let mut words = vec!["stdio".to_owned()];
    words.extend(embedded.then(|| "--embedded".to_owned()));
    for (flag, value) in [("--policy", policy), ("--socket", socket), ("--config", config)] {
        words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
    }
    words
}

fn http(args: &ClientConfigArgs, url: &str, settings: &Settings) -> Result<Server, ClientError> {
    if !args.client.takes_http() {
        return Err(ClientError::Usage(format!(
            "{}'s file cannot name a server that runs and the variable of its token. For one on another \
             machine: --ssh HOST",
            args.client.title()
        )));
    }
    if url.is_empty() {
        let port = settings.port;
        if port == 0 {
            let reason = "server.port is 0, so any: say which with --http=http://HOST:PORT/mcp";
            return Err(ClientError::Usage(reason.to_owned()));
        }
        // Where it listens on every address, this machine is one of them.
        let host = match settings.host.trim_matches(['[', ']']) {
            "0.0.0.0" => "127.0.0.1".to_owned(),
            "::" => "[::1]".to_owned(),
            host if host.contains(':') => format!("[{host}]"),
            host => host.to_owned(),
        };
        return Ok(Server::Http { url: format!("http://{host}:{port}/mcp") });
    }
    let wrong = || {
        ClientError::Usage(format!(
            "{url:?} is no URL of a server, as https://probe.example.org/mcp"
        ))
    };
    let parsed: Uri = url.parse().map_err(|_| wrong())?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.authority().is_none() {
        return Err(wrong());
    }
    let is_bare = parsed.path() == "/" && parsed.query().is_none();
    let url = if is_bare { format!("{}/mcp", url.trim_end_matches('/')) } else { url.to_owned() };
    Ok(Server::Http { url })
}

fn write(args: &ClientConfigArgs, server: &Server) -> Result<(), ClientError> {
    let client = args.client;
    let path = path(args)?;
    let file = ConfigFile::open(&path)?;
    let (entry, input) = (client.entry(server), client.input(server));
    let wanted =
        Wanted { section: client.section(), name: NAME, entry: &entry, input: input.as_ref() };
    let edited = edit(client.form(), file.text()?, &wanted).map_err(|error| ClientError::Edit {
        path: file.path().to_owned(),
        error,
        section: client.section(),
        paste: client.to_paste(server),
    })?;
    let Edited::New { text, changes } = edited else {
        complain(&format!("{} says so already; nothing to do", file.path().display()));
        return Ok(());
    };
    let private = client.is_personal() || args.file.is_some();
    let backup = file.replace(&text, private)?;
    let mut said = format!("{} has the server {NAME} now", file.path().display());
    if let Some(backup) = backup {
        said.push_str(&format!("; as it was: {}", backup.display()));
    }
    for change in &changes {
        said.push_str(&format!("\n  {}", probity_output::clean::clean_str(change)));
    }
    complain(&format!("{said}\n{}", client.next(server)));
    Ok(())
}

/// The file to write. Root's own, by way of sudo, is hardly meant.
fn path(args: &ClientConfigArgs) -> Result<PathBuf, ClientError> {
    if let Some(file) = &args.file {
        return Ok(file.clone());
    }
    let path = args.client.file().ok_or_else(|| {
        let reason = match args.client {
            Client::Generic => "which file is the client's? Name it with --file PATH",
            _ => "HOME is not set, so there is no file to look for: name it with --file PATH",
        };
        ClientError::Usage(reason.to_owned())
    })?;
    let person = env::var("SUDO_USER").ok().filter(|name| name != "root");
    match person {
        Some(person) if geteuid().is_root() => Err(ClientError::Usage(format!(
            "with sudo this would write root's {}, which the client of {person} does not read: do it \
             without sudo, or name the file with --file PATH",
            path.display()
        ))),
        _ => Ok(path),
    }
}

/// What to look at first, and what the entry does not say.
fn hint(args: &ClientConfigArgs, server: &Server, loaded: &Loaded) -> Option<String> {
    let broker = &args.broker;
    match server {
        Server::Http { url } => {
            let token = match args.client.input(server) {
                Some(_) => "VS Code asks for the token once, and keeps it.".to_owned(),
                None => format!("It reads the token from the variable {TOKEN_VARIABLE}."),
            };
            let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
            let is_here = host.is_some_and(|host| {
                ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own))
            });
            let open = url.starts_with("http:") && !is_here;
            let warning = " Without https it goes over the network for all to read.";
            Some(format!(
                "{token} `probity token new --help` makes one.{}",
                if open { warning } else { "" }
            ))
        }
        Server::Command { command, args } => {
            let choice = Choice::of(&broker.choice(), loaded);
            let tools =
                args.iter().map(|word| if word == "stdio" { "tools" } else { word.as_str() });
            let line = [command.as_str()].into_iter().chain(tools).map(str::to_owned);
            let line = join_words(&line.collect::<Vec<_>>())?;
            let has_own = choice != Choice::Installed || command == "ssh";
            let absent = if has_own { None } else { absent_broker(&loaded.config.broker.socket) };
            Some(format!("to see that it works: {line}{}", absent.unwrap_or_default()))
        }
    }
}

/// What to say where the entry is for an installed broker, and this user has none.
fn absent_broker(socket: &Path) -> Option<String> {
    let error = UnixStream::connect(socket).err()?;
    let why = match error.kind() {
        std::io::ErrorKind::PermissionDenied => accounts::way_to(socket),
        _ => "No broker listens here: `probity doctor` says why, and with --embedded the entry needs \
              none."
            .to_owned(),
    };
    Some(format!("\nAs things are it would not. {why}"))
}
