//! What an MCP client's configuration has to say so that it starts this server, or reaches one.
//!
//! [`Client::document`] is that text, [`edit`] puts it into a file's text and leaves all the rest of
//! it as it is, byte for byte, and [`file`] puts the text into the file. Nothing here starts a client
//! or a server, and no token is ever written: entries name a variable that holds one.

pub mod edit;
pub mod file;

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use self::edit::{Edited, Form, Wanted, edit};
use crate::calls::request::join_words;

/// The server's name in every client.
pub const NAME: &str = "probity";

/// The variable that holds the token, for clients that read one.
pub const TOKEN_VARIABLE: &str = "PROBITY_TOKEN";

/// The name under which VS Code keeps the token.
const TOKEN_INPUT: &str = "probity-token";

/// An MCP client whose configuration is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// In ~/.config/Claude/claude_desktop_config.json
    ClaudeDesktop,
    /// In .mcp.json of the current folder
    ClaudeCode,
    /// Visual Studio Code, in .vscode/mcp.json of the current folder
    #[value(name = "vscode")]
    VsCode,
    /// In ~/.cursor/mcp.json
    Cursor,
    /// Codex, in ~/.codex/config.toml (TOML)
    Codex,
    /// Gemini CLI, in ~/.gemini/settings.json
    Gemini,
    /// In ~/.config/zed/settings.json
    Zed,
    /// In ~/.codeium/windsurf/mcp_config.json
    Windsurf,
    /// Any other that reads `mcpServers`; --file names its file
    Generic,
}

/// How a client comes to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// It starts this command and speaks over its standard streams.
    Command {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// It goes to a server that runs already.
    Http {
        /// Where, `/mcp` included.
        url: String,
    },
}

impl Server {
    /// The words by which Claude Code adds it to its own file.
    fn as_claude_adds_it(&self) -> String {
        const ADD: &str = "claude mcp add --scope user";
        match self {
            Self::Command { command, args } => {
                let words: Vec<_> = [command].into_iter().chain(args).cloned().collect();
                format!("{ADD} {NAME} -- {}", join_words(&words).unwrap_or_default())
            }
            Self::Http { url } => format!(
                "{ADD} --transport http {NAME} {url} --header 'Authorization: Bearer \
                 ${{{TOKEN_VARIABLE}}}'"
            ),
        }
    }
}

impl Client {
    /// Its own name.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::VsCode => "VS Code",
            Self::Cursor => "Cursor",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Zed => "Zed",
            Self::Windsurf => "Windsurf",
            Self::Generic => "a client",
        }
    }

    /// In which form its file is.
    #[must_use]
    pub fn form(self) -> Form {
        match self {
            Self::VsCode | Self::Zed | Self::Gemini => Form::CommentedJson,
            Self::Codex => Form::Toml,
            Self::ClaudeDesktop
            | Self::ClaudeCode
            | Self::Cursor
            | Self::Windsurf
            | Self::Generic => Form::Json,
        }
    }

    /// The key under which its servers stand.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::VsCode => "servers",
            Self::Codex => "mcp_servers",
            Self::Zed => "context_servers",
            Self::ClaudeDesktop
            | Self::ClaudeCode
            | Self::Cursor
            | Self::Gemini
            | Self::Windsurf
            | Self::Generic => "mcpServers",
        }
    }

    /// Its file on Linux; `None` where there is no home to look in, or the client may be any.
    #[must_use]
    pub fn file(self) -> Option<PathBuf> {
        let absolute =
            |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
        let home = || absolute("HOME");
        let config = || absolute("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
        Some(match self {
            Self::ClaudeDesktop => config()?.join("Claude/claude_desktop_config.json"),
            Self::Zed => config()?.join("zed/settings.json"),
            Self::Codex => {
                absolute("CODEX_HOME").or_else(|| Some(home()?.join(".codex")))?.join("config.toml")
            }
            Self::Gemini => home()?.join(".gemini/settings.json"),
            Self::Windsurf => home()?.join(".codeium/windsurf/mcp_config.json"),
            Self::Generic => return None,
            Self::ClaudeCode => PathBuf::from(".mcp.json"),
            Self::VsCode => PathBuf::from(".vscode/mcp.json"),
            Self::Cursor => home()?.join(".cursor/mcp.json"),
        })
    }

    /// Whether its file is this user's alone, and not part of a project.
    #[must_use]
    pub fn is_personal(self) -> bool {
        !matches!(self, Self::ClaudeCode | Self::VsCode)
    }

    /// What makes it read its file, and where else an entry may stand.
    #[must_use]
    pub fn next(self, server: &Server) -> String {
        let next = match self {
            Self::ClaudeDesktop => {
                "Then quit Claude Desktop, not only its window, and start it again."
            }
            Self::ClaudeCode => {
                "Then start `claude` in this folder, allow the server, and look at /mcp. For every \
                 project:"
            }
            Self::VsCode => {
                "Then run `MCP: List Servers` and start it. For every workspace: `MCP: Open User \
                 Configuration` shows the file, and --file names it here."
            }
            Self::Cursor => {
                "Then look for it among the MCP servers in Cursor's settings. For one project: \
                 --file .cursor/mcp.json"
            }
            Self::Codex => {
                "Then start `codex` and look at /mcp. For one project that Codex trusts: --file \
                 .codex/config.toml"
            }
            Self::Gemini => {
                "Then start `gemini` and look at /mcp. For one project: --file .gemini/settings.json"
            }
            Self::Zed => {
                "Then look for it in the Agent Panel's settings. For one project: --file \
                 .zed/settings.json"
            }
            Self::Windsurf => "Then open Cascade's MCP servers and refresh them.",
            Self::Generic => "Then have the client read its file again.",
        };
        match self {
            Self::ClaudeCode => format!("{next} {}", server.as_claude_adds_it()),
            _ => next.to_owned(),
        }
    }

    /// Whether an entry can name a server that runs already.
    #[must_use]
    pub fn takes_http(self) -> bool {
        // Zed's settings have no way to name the variable of a token.
        !matches!(self, Self::ClaudeDesktop | Self::Zed)
    }

    /// The server's entry.
    #[must_use]
    pub fn entry(self, server: &Server) -> Map<String, Value> {
        let entry = match (self, server) {
            (Self::VsCode, Server::Command { command, args }) => {
                json!({"type": "stdio", "command": command, "args": args})
            }
            (_, Server::Command { command, args }) => json!({"command": command, "args": args}),
            (Self::Codex, Server::Http { url }) => {
                json!({"url": url, "bearer_token_env_var": TOKEN_VARIABLE})
            }
            (_, Server::Http { url }) => {
                let token = match self {
                    Self::VsCode => format!("${{input:{TOKEN_INPUT}}}"),
                    Self::Cursor | Self::Windsurf => format!("${{env:{TOKEN_VARIABLE}}}"),
                    _ => format!("${{{TOKEN_VARIABLE}}}"),
                };
                let headers = json!({"Authorization": format!("Bearer {token}")});
                match self {
                    Self::Cursor => json!({"url": url, "headers": headers}),
                    Self::Gemini => json!({"httpUrl": url, "headers": headers}),
                    Self::Windsurf => json!({"serverUrl": url, "headers": headers}),
                    _ => json!({"type": "http", "url": url, "headers": headers}),
                }
            }
        };
        match entry {
            Value::Object(entry) => entry,
            // Each of these is an object.
            _ => Map::new(),
        }
    }

    /// What has to stand among the file's `inputs`: VS Code asks for the token, and keeps it where it
    /// keeps secrets.
    #[must_use]
    pub fn input(self, server: &Server) -> Option<Value> {
        let asks = self == Self::VsCode && matches!(server, Server::Http { .. });
        asks.then(|| {
            json!({
                "type": "promptString",
                "id": TOKEN_INPUT,
                "description": "Token of the Probity server",
                "password": true,
            })
        })
    }

    /// The whole of a file that has no other server.
    #[must_use]
    pub fn document(self, server: &Server) -> String {
        let entry = self.entry(server);
        if self.form() == Form::Toml {
            let wanted = Wanted { section: self.section(), name: NAME, entry: &entry, input: None };
            return match edit(Form::Toml, "", &wanted) {
                Ok(Edited::New { text, .. }) => text,
                // Nothing is there that could be in the way.
                Ok(Edited::Same) | Err(_) => String::new(),
            };
        }
        let mut document = Map::new();
        if let Some(input) = self.input(server) {
            document.insert("inputs".to_owned(), json!([input]));
        }
        document.insert(self.section().to_owned(), json!({NAME: entry}));
        pretty(&document.into()) + "\n"
    }

    /// The entry as a person puts it into a file that cannot be edited here.
    #[must_use]
    pub fn to_paste(self, server: &Server) -> String {
        match self.form() {
            Form::Toml => self.document(server).trim_end().to_owned(),
            Form::Json | Form::CommentedJson => {
                format!("\"{NAME}\": {}", pretty(&self.entry(server).into()))
            }
        }
    }
}

fn pretty(value: &Value) -> String {
    // Values of this kind are always written; the other form is the same JSON.
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

/// The path of this very program, as a client can start it: as it was found, so that a link which is
/// kept at the newest version stays one.
///
/// # Errors
/// A sentence: it is gone since it was started, or its path is no text.
pub fn this_program() -> Result<String, String> {
    if let Some(path) = as_it_was_found() {
        return text_of(&path);
    }
    let path = env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    if !path.is_file() {
        let gone = path.display();
        return Err(format!("this program is not at {gone} any more: start the one that is"));
    }
    text_of(&path)
}

/// By the word that it was started with: a path, or a name that `PATH` has a folder for. `None` where that
/// is another program by now.
fn as_it_was_found() -> Option<PathBuf> {
    let word = PathBuf::from(env::args_os().next()?);
    let named = match word.components().count() {
        1 => {
            let folders = env::var_os("PATH")?;
            let mut found = env::split_paths(&folders).map(|folder| folder.join(&word));
            found.find(|path| path.is_absolute() && path.is_file())?
        }
        _ => std::path::absolute(&word).ok()?,
    };
    let is_this = named.canonicalize().ok()? == env::current_exe().ok()?.canonicalize().ok()?;
    is_this.then_some(named)
}

/// A path as JSON can hold it, from wherever the client starts.
///
/// # Errors
/// A sentence: there is no current folder, or it is no text.
pub fn absolute(path: &Path) -> Result<String, String> {
    let absolute =
        std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text_of(&absolute)
}

fn text_of(path: &Path) -> Result<String, String> {
    let no_text = || format!("{} is no UTF-8, which JSON has to be", path.display());
    path.to_str().map(str::to_owned).ok_or_else(no_text)
}
