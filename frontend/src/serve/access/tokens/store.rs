//! The tokens in force, and how they are read again while a server runs.

use std::{
    fs::File,
    io,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::{Token, Tokens, TokensError, unreadable};

/// The tokens in force: those of the file, which can be read again, and those given otherwise.
#[derive(Debug)]
pub struct TokenStore {
    file: Option<PathBuf>,
    /// From the environment, or made at start.
    own: Vec<Arc<Token>>,
    /// The file as it was opened last. A server that root started reads it as root once, and may not open
    /// it again; this it may read as often as it likes.
    opened: Mutex<Option<File>>,
    current: watch::Sender<Arc<Tokens>>,
}

impl TokenStore {
    /// Those of `file` and `own`.
    ///
    /// # Errors
    /// Those of [`Tokens::read`].
    pub fn open(file: Option<PathBuf>, own: Option<Token>) -> Result<Self, TokensError> {
        let own = own.into_iter().map(Arc::new).collect();
        let opened = Mutex::default();
        let this = Self { file, own, opened, current: watch::Sender::default() };
        this.reload()?;
        Ok(this)
    }

    /// Reads the file again. Where that fails, those that were in force stay. Answers how many there
    /// are now.
    ///
    /// # Errors
    /// Those of [`Tokens::read`].
    pub fn reload(&self) -> Result<usize, TokensError> {
        let mut tokens =
            self.file.as_deref().map_or_else(|| Ok(Tokens::default()), |path| self.read(path))?;
        tokens.0.extend(self.own.iter().cloned());
        let count = tokens.0.len();
        self.current.send_replace(Arc::new(tokens));
        Ok(count)
    }

    fn read(&self, path: &Path) -> Result<Tokens, TokensError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match File::open(path) {
            Ok(file) => *opened = Some(file),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // Only if it is the one that stands there still.
                let same = |file: &File| is_same(file, path).unwrap_or(false);
                if !opened.as_ref().is_some_and(same) {
                    return Err(unreadable(path, error));
                }
            }
            Err(error) => return Err(unreadable(path, error)),
        }
        opened.as_ref().map_or_else(|| Ok(Tokens::default()), |file| Tokens::of(path, file))
    }

    /// Whether nobody may come in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.current().is_empty()
    }

    /// Whose token this is, if it may come from `address`.
    #[must_use]
    pub fn find(&self, presented: &str, address: IpAddr) -> Option<Arc<Token>> {
        self.current().find(presented, address)
    }

    /// Whether a token that was found once still holds, unchanged.
    #[must_use]
    pub fn has(&self, token: &Token, address: IpAddr) -> bool {
        token.is_for(address) && self.current().iter().any(|known| known == token)
    }

    /// Tells of each time that they are read again.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Tokens>> {
        self.current.subscribe()
    }

    fn current(&self) -> Arc<Tokens> {
        Arc::clone(&self.current.borrow())
    }
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let (own, there) = (file.metadata()?, std::fs::metadata(path)?);
    Ok((own.dev(), own.ino()) == (there.dev(), there.ino()))
}
