//! Tokens: made at random, kept as hashes, compared in constant time.
//!
//! A token is 32 random bytes, so that one round of SHA-256 keeps it as well as any slow hash would.
//! The file holds no token, and whoever may read it gains nothing; whoever may write it could add
//! one, so that is checked before it is read.

mod secret;
mod store;

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::IpNet;
use serde::Deserialize;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use self::secret::{HASH_PREFIX, LEAST_CHOSEN, TokenHash};
pub use self::{
    secret::{Secret, is_unguessable},
    store::TokenStore,
};
use super::Role;

/// Largest tokens file.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Longest part of a token's name that stands in the owner of its runs, in bytes.
const OWNER_NAME_MAX: usize = 256;

/// A network as it is meant: one with bits of a host in it may be meant as that one host.
///
/// # Errors
/// What to write instead.
pub fn whole_network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(|_| address());
    let network = network.map_err(|_| format!("{text:?} is no network, such as 10.0.0.0/8"))?;
    match network.trunc() == network {
        true => Ok(network),
        false => Err(format!(
            "{network} has bits of a host: write {} for the network, or {} for that host",
            network.trunc(),
            network.addr()
        )),
    }
}

/// Somebody who may come in.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// Who that is, for the log.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The tools they may run, by name or alias; empty for all that are published.
    pub tools: Vec<String>,
    /// They are kept to the standard tier.
    pub no_intrusive: bool,
    /// Where they may come from; empty for anywhere.
    networks: Vec<IpNet>,
    hash: TokenHash,
}

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Who holds it.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Where they may come from; empty for anywhere.
    pub networks: Vec<IpNet>,
    /// What they may run; empty for all that are published.
    pub tools: Vec<String>,
    /// They are kept to the standard tier.
    pub no_intrusive: bool,
}

impl NewToken {
    /// An administrator's, for a server that was given no token.
    #[must_use]
    pub fn admin(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            role: Role::Admin,
            networks: Vec::new(),
            tools: Vec::new(),
            no_intrusive: false,
        }
    }

    /// The token that `secret` opens.
    #[must_use]
    pub fn with(self, secret: &Secret) -> Token {
        let Self { name, role, networks, tools, no_intrusive } = self;
        Token { name, role, tools, no_intrusive, networks, hash: secret.hash() }
    }
}

impl Token {
    /// Its entry in the file.
    #[must_use]
    pub fn entry(&self) -> String {
        let mut entry = format!("[[token]]\nname = {:?}\n", self.name);
        entry += &format!("role = \"{}\"\nhash = \"{}\"\n", self.role.as_str(), self.hash);
        if !self.networks.is_empty() {
            let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
            entry += &format!("networks = {networks:?}\n");
        }
        if !self.tools.is_empty() {
            entry += &format!("tools = {:?}\n", self.tools);
        }
        if self.no_intrusive {
            entry += "no_intrusive = true\n";
        }
        entry
    }

    /// Whose its runs are: another token of the same name is somebody else.
    #[must_use]
    pub fn owner(&self) -> String {
        // Enough of the hash to tell two tokens apart, and of no use to whoever looks for the token.
        let hash: String = self.hash.0.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let name = &self.name[..self.name.floor_char_boundary(OWNER_NAME_MAX)];
        format!("token:{name}:{hash}")
    }

    /// Where they may come from; empty for anywhere.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// Whether what another token of the same holder began may go on under this one. Nothing that takes
    /// an administrator lasts, so that one may become an operator.
    fn allows_all_of(&self, other: &Self) -> bool {
        let covers = self.tools.is_empty()
            || !other.tools.is_empty() && other.tools.iter().all(|tool| self.tools.contains(tool));
        let has_tier = !self.no_intrusive || other.no_intrusive;
        covers && has_tier && self.role >= other.role.min(Role::Operator)
    }

    fn is_for(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Root reads everything at the start, and is nobody when the file is read again.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            " (a server that root starts is nobody by the time that it reads its tokens again, and the file is \
             another one now: chmod a+r it and a+x its folders, since it holds hashes alone, or start the \
             server again)"
        }
        _ => "",
    }
}

/// Why tokens cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read.
    #[error("{}: {error}{}", path.display(), hint(error))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is none where the setting says.
    #[error(
        "{path}: there is no such tokens file (server.tokens_file). Make it with `probity token new \
         --name NAME --role operator --file {path}`, or leave the setting out",
        path = .0.display()
    )]
    Missing(PathBuf),
    /// Others could add a token of their own.
    #[error("{}: {reason}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Who, and how to mend it.
        reason: String,
    },
    /// Nobody has so many tokens.
    #[error("{} is larger than 1 MiB", .0.display())]
    TooLarge(PathBuf),
    /// Its text is not what it has to be.
    #[error("{}:{line}: {message}", path.display())]
    Defect {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Too easily guessed.
    #[error(
        "a token of one's own has at least {LEAST_CHOSEN} printable characters and no spaces; \
         `probity token new --name NAME --role admin` makes a good one"
    )]
    WeakToken,
    /// No randomness.
    #[error("the kernel gives no random bytes, so no token can be made")]
    NoRandomness,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    token: Vec<toml::Spanned<RawToken>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    name: String,
    role: Role,
    hash: String,
    #[serde(default)]
    networks: Vec<toml::Spanned<String>>,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    no_intrusive: bool,
}

/// All who may come in.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Arc<Token>>);

impl Tokens {
    /// Reads a file of them.
    ///
    /// # Errors
    /// [`TokensError`], with the line where the text is wrong.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let file = File::open(path).map_err(|error| unreadable(path, error))?;
        Self::of(path, &file)
    }

    fn of(path: &Path, mut file: &File) -> Result<Self, TokensError> {
        let fail = |error| unreadable(path, error);
        check_trust(path, file)?;
        let mut text = String::new();
        file.rewind().map_err(fail)?;
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(fail)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            // What is left out could be a limit.
            return Err(TokensError::TooLarge(path.to_owned()));
        }
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, TokensError> {
        let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let defect = |at: usize, message: String| TokensError::Defect {
            path: path.to_owned(),
            line: line_of(at),
            message,
        };
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            defect(error.span().map_or(0, |span| span.start), error.message().to_owned())
        })?;
        let mut tokens: Vec<Arc<Token>> = Vec::with_capacity(raw.token.len());
        for spanned in raw.token {
            let at = spanned.span().start;
            let RawToken { name, role, hash, networks, tools, no_intrusive } = spanned.into_inner();
            let Some(hash) = TokenHash::parse(&hash) else {
                let message = format!(
                    "the hash of {name:?} is not {HASH_PREFIX} and 64 hexadecimal digits; \
                     `probity token new` prints an entry as it has to be"
                );
                return Err(defect(at, message));
            };
            if name.trim().is_empty() || name.contains(char::is_control) {
                return Err(defect(at, "a token has a name, for the log".to_owned()));
            }
            let read = |text: &toml::Spanned<String>| {
                whole_network(text.get_ref()).map_err(|message| defect(text.span().start, message))
            };
            let networks = networks.iter().map(read).collect::<Result<Vec<IpNet>, _>>()?;
            if tokens.iter().any(|token| token.name == name) {
                return Err(defect(at, format!("there are two tokens named {name:?}")));
            }
            tokens.push(Arc::new(Token { name, role, tools, no_intrusive, networks, hash }));
        }
        Ok(Self(tokens))
    }

    /// Adds one.
    pub fn add(&mut self, token: Token) {
        self.0.push(Arc::new(token));
    }

    /// Whether nobody may come in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every one of them.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether a token that was found once still opens from `address`, and for no less than then.
    #[must_use]
    pub fn uphold(&self, token: &Token, address: IpAddr) -> bool {
        let now = self.iter().find(|known| known.hash == token.hash);
        now.is_some_and(|now| now.is_for(address) && now.allows_all_of(token))
    }

    /// Whose token this is. It takes as long for a wrong one as for any right one.
    fn find(&self, presented: &str, address: IpAddr) -> Option<Arc<Token>> {
        let hash = TokenHash::of(presented);
        let mut found = u64::MAX;
        for (token, at) in self.0.iter().zip(0_u64..) {
            // RULE: Tokens are compared in constant time.
            let same: Choice = token.hash.0.ct_eq(&hash.0);
            found.conditional_assign(&at, same);
        }
        let token = self.0.get(usize::try_from(found).ok()?)?;
        token.is_for(address).then(|| Arc::clone(token))
    }
}

fn unreadable(path: &Path, error: io::Error) -> TokensError {
    match error.kind() {
        io::ErrorKind::NotFound => TokensError::Missing(path.to_owned()),
        _ => TokensError::Io { path: path.to_owned(), error },
    }
}

/// Nobody but root and this process's own user may have written it.
fn check_trust(path: &Path, file: &File) -> Result<(), TokensError> {
    let fail = |error| TokensError::Io { path: path.to_owned(), error };
    let metadata = file.metadata().map_err(fail)?;
    let own = rustix::process::geteuid().as_raw();
    let untrusted = |reason| Err(TokensError::Untrusted { path: path.to_owned(), reason });
    if !metadata.is_file() {
        return untrusted("it is not a regular file".to_owned());
    }
    if metadata.uid() != 0 && metadata.uid() != own {
        let uid = metadata.uid();
        return untrusted(format!("it belongs to uid {uid}, and must be root's or uid {own}'s"));
    }
    if metadata.mode() & 0o022 != 0 {
        return untrusted(format!(
            "others can write to it (mode {:04o}) and so add a token: chmod go-w {}",
            metadata.mode() & 0o7777,
            path.display()
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
