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

use crate::request::join_words;

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
        }
    }

    /// The key under which its servers stand.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::VsCode => "servers",
            Self::ClaudeDesktop | Self::ClaudeCode | Self::Cursor => "mcpServers",
        }
    }

    /// Its file on Linux; `None` where there is no home to look in.
    #[must_use]
    pub fn file(self) -> Option<PathBuf> {
        let absolute =
            |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
        let home = || absolute("HOME");
        Some(match self {
            Self::ClaudeDesktop => absolute("XDG_CONFIG_HOME")
                .or_else(|| Some(home()?.join(".config")))?
                .join("Claude/claude_desktop_config.json"),
            Self::ClaudeCode => PathBuf::from(".mcp.json"),
            Self::VsCode => PathBuf::from(".vscode/mcp.json"),
            Self::Cursor => home()?.join(".cursor/mcp.json"),
        })
    }

    /// Whether its file is this user's alone, and not part of a project.
    #[must_use]
    pub fn is_personal(self) -> bool {
        matches!(self, Self::ClaudeDesktop | Self::Cursor)
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
        };
        match self {
            Self::ClaudeCode => format!("{next} {}", server.as_claude_adds_it()),
            _ => next.to_owned(),
        }
    }

    /// Whether an entry can name a server that runs already.
    #[must_use]
    pub fn takes_http(self) -> bool {
        self != Self::ClaudeDesktop
    }

    /// The server's entry.
    #[must_use]
    pub fn entry(self, server: &Server) -> Map<String, Value> {
        let entry = match (self, server) {
            (Self::VsCode, Server::Command { command, args }) => {
                json!({"type": "stdio", "command": command, "args": args})
            }
            (_, Server::Command { command, args }) => json!({"command": command, "args": args}),
            (_, Server::Http { url }) => {
                let token = match self {
                    Self::VsCode => format!("${{input:{TOKEN_INPUT}}}"),
                    Self::Cursor => format!("${{env:{TOKEN_VARIABLE}}}"),
                    Self::ClaudeCode | Self::ClaudeDesktop => format!("${{{TOKEN_VARIABLE}}}"),
                };
                let headers = json!({"Authorization": format!("Bearer {token}")});
                match self {
                    Self::Cursor => json!({"url": url, "headers": headers}),
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
    pub fn document(self, server: &Server) -> Value {
        let mut document = Map::new();
        if let Some(input) = self.input(server) {
            document.insert("inputs".to_owned(), json!([input]));
        }
        document.insert(self.section().to_owned(), json!({NAME: self.entry(server)}));
        document.into()
    }
}

/// The path of this very program, as a client can start it.
///
/// # Errors
/// A sentence: it is gone since it was started, or its path is no text.
pub fn this_program() -> Result<String, String> {
    let path = env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    if !path.is_file() {
        let gone = path.display();
        return Err(format!("this program is not at {gone} any more: start the one that is"));
    }
    text_of(&path)
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
