//! The way to a file, walked so that nobody but root and one user can have changed where it leads.
//!
//! Each folder from `/` on is opened without following links and looked at through its descriptor; a
//! link is followed by hand, from a folder that was looked at. Whoever could write one of them could
//! put another file in the place of the one that is meant.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Component, Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat, readlinkat},
    sys::stat::{Mode, mkdirat},
};

/// Links that are followed on one way.
const MOST_LINKS: usize = 32;

/// In such a folder nobody can replace what belongs to somebody else: /tmp.
const STICKY: u32 = 0o1000;

/// What the kernel shows in place of an owner who has no number in a user namespace. Elsewhere it is
/// nobody's.
const UNMAPPED: u32 = 65534;

/// A folder that the way led to.
#[derive(Debug)]
pub struct TrustedFolder {
    /// Opened for nothing but what is below it.
    folder: File,
    path: PathBuf,
    /// The first owner on the way who is not root; root where there is none.
    holder: u32,
}

/// What happens where the way ends too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// An error.
    Refuse,
    /// Folders are made that everybody may pass through.
    Make,
}

/// Why a way is not taken. Its message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The system would not let it be walked.
    #[error("{}: {error}", path.display())]
    Io {
        /// How far it came.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Somebody else could have changed where it leads.
    #[error("{}: {reason}", path.display())]
    Untrusted {
        /// The folder.
        path: PathBuf,
        /// Who, and how to mend it.
        reason: String,
    },
}

impl TrustedFolder {
    /// Walks to a folder that nobody but `owner` and root can replace.
    ///
    /// # Errors
    /// The first folder on the way that is missing, is none, or is not trusted.
    pub fn walk(path: &Path, owner: u32, missing: Missing) -> Result<Self, TrustError> {
        let absolute = std::path::absolute(path)
            .map_err(|error| TrustError::Io { path: path.to_owned(), error })?;
        let mut walk = Walk::start(owner, missing)?;
        let mut left: VecDeque<OsString> = names(&absolute);
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            let Some(link) = walk.enter(&name)? else { continue };
            links += 1;
            if links > MOST_LINKS {
                return Err(walk.fail(&name, Errno::ELOOP.into()));
            }
            if link.is_absolute() {
                walk.return_to_root()?;
            }
            for name in names(&link).into_iter().rev() {
                left.push_front(name);
            }
        }
        let Walk { folder, path, holder, .. } = walk;
        Ok(Self { folder, path, holder })
    }

    /// Where it is, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first owner on the way who is not root; root where there is none. He could put something
    /// else in the place of whatever is below.
    #[must_use]
    pub fn holder(&self) -> u32 {
        self.holder
    }

    /// Who owns it, and who may write it.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.folder.metadata()
    }

    /// Opens what stands in it, without following a link.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn open(&self, name: &OsStr, flags: OFlag, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(self.folder.as_fd(), name, flags, mode)?.into())
    }

    /// Makes a folder in it. False where something of that name is there.
    ///
    /// # Errors
    /// Those of `mkdir(2)`.
    pub fn make_folder(&self, name: &OsStr, mode: Mode) -> io::Result<bool> {
        match mkdirat(self.folder.as_fd(), name, mode) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// A way, as far as it has come.
struct Walk {
    folder: File,
    path: PathBuf,
    owner: u32,
    /// Whoever owns `/` owns everything: root, or where root is not mapped, somebody outside.
    root: u32,
    holder: u32,
    missing: Missing,
}

impl Walk {
    fn start(owner: u32, missing: Missing) -> Result<Self, TrustError> {
        let path = PathBuf::from("/");
        let folder = open_root().map_err(|error| TrustError::Io { path: path.clone(), error })?;
        let root = folder.metadata().map(|folder| folder.uid());
        let root = root.map_err(|error| TrustError::Io { path: path.clone(), error })?;
        let mut walk = Self { folder, path, owner, root, holder: root, missing };
        walk.look()?;
        Ok(walk)
    }

    fn return_to_root(&mut self) -> Result<(), TrustError> {
        self.path = PathBuf::from("/");
        self.folder = open_root().map_err(|error| TrustError::Io { path: "/".into(), error })?;
        Ok(())
    }

    /// Goes one step. Answers where a link leads, and goes nowhere then.
    fn enter(&mut self, name: &OsStr) -> Result<Option<PathBuf>, TrustError> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = |this: &Self| openat(this.folder.as_fd(), name, flags, Mode::empty());
        let opened = match open(self) {
            Err(Errno::ENOENT) if self.missing == Missing::Make => {
                // Who else made it in this moment is seen when it is looked at.
                match mkdirat(self.folder.as_fd(), name, Mode::from_bits_truncate(0o755)) {
                    Ok(()) | Err(Errno::EEXIST) => open(self),
                    Err(error) => Err(error),
                }
            }
            opened => opened,
        };
        let opened = File::from(opened.map_err(|error| self.fail(name, error.into()))?);
        let metadata = opened.metadata().map_err(|error| self.fail(name, error))?;
        if metadata.is_symlink() {
            let path = self.path.join(name);
            self.owned(&path, &metadata, "link")?;
            let to = readlinkat(self.folder.as_fd(), name);
            return to.map(|to| Some(to.into())).map_err(|error| self.fail(name, error.into()));
        }
        if !metadata.is_dir() {
            return Err(self.fail(name, Errno::ENOTDIR.into()));
        }
        if name == ".." {
            self.path.pop();
        } else {
            self.path.push(name);
        }
        self.folder = opened;
        self.look()?;
        Ok(None)
    }

    /// Whether nobody else can write the folder that it has come to.
    fn look(&mut self) -> Result<(), TrustError> {
        let metadata = self.folder.metadata();
        let metadata =
            metadata.map_err(|error| TrustError::Io { path: self.path.clone(), error })?;
        self.owned(&self.path, &metadata, "folder")?;
        if self.holder == 0 {
            self.holder = metadata.uid();
        }
        // A folder of a user who has a group of his own, as most systems give him, is his alone.
        let own_group = self.owner != 0 && metadata.uid() == self.owner;
        let mode = if own_group && metadata.gid() == self.owner { 0o002 } else { 0o022 };
        match writable(&self.path, &metadata, "folder", mode) {
            Some(reason) => Err(TrustError::Untrusted { path: self.path.clone(), reason }),
            None => Ok(()),
        }
    }

    fn owned(&self, path: &Path, metadata: &Metadata, what: &str) -> Result<(), TrustError> {
        if [0, self.root, self.owner].contains(&metadata.uid()) {
            return Ok(());
        }
        let reason = foreign(metadata.uid(), self.owner, what);
        Err(TrustError::Untrusted { path: path.to_owned(), reason })
    }

    fn fail(&self, name: &OsStr, error: io::Error) -> TrustError {
        TrustError::Io { path: self.path.join(name), error }
    }
}

fn open_root() -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open("/", flags, Mode::empty())?.into())
}

fn names(path: &Path) -> VecDeque<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().filter_map(named).collect()
}

/// Why something that belongs to `uid` is not trusted where `owner` is to have written it.
pub(crate) fn foreign(uid: u32, owner: u32, what: &str) -> String {
    let by = if owner == 0 { "root".to_owned() } else { format!("root or uid {owner}") };
    let remedy = match uid {
        UNMAPPED => {
            "in a user namespace that number stands for everybody who has none there, so nobody can tell \
             whose it is: use a copy of your own, or start it outside of the namespace"
        }
        _ => "chown it",
    };
    format!("the {what} belongs to uid {uid} and must belong to {by}: {remedy}")
}

/// Why a file or folder is not trusted, where its mode has one of the bits in `others`.
pub(crate) fn writable(
    path: &Path,
    metadata: &Metadata,
    what: &str,
    others: u32,
) -> Option<String> {
    let mode = metadata.mode() & 0o7777;
    let shared = metadata.is_dir() && mode & STICKY != 0;
    // RULE: What others can write is no policy, no log and no run folder.
    (mode & others != 0 && !shared).then(|| {
        let path = path.display();
        format!("the {what} can be written by others (mode {mode:04o}): chmod go-w {path}")
    })
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
