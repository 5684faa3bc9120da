//! Policy files from disk, if nobody but their owner can have written them.
//!
//! The way to each is walked first (`trust`); a file is opened there and then looked at through its
//! descriptor, so that what was checked is what is read.

use std::{
    fs::Metadata,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::{fcntl::OFlag, sys::stat::Mode};

use crate::{
    source::{Source, Sources},
    trust::{Missing, TrustError, TrustedFolder, foreign, writable},
};

/// Largest policy file that is read. A thousand networks take 20 KB.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Most files in `tools.d`, and in `policy.d`.
const MAX_FILES: usize = 4096;

/// The policy that is compiled in, for embedded use without a file.
const SHIPPED_POLICY: &str = include_str!("../defaults/policy.toml");
pub(crate) const SHIPPED_TOOLS: &[(&str, &str)] = &[
    ("arp.toml", include_str!("../defaults/tools.d/arp.toml")),
    ("capture.toml", include_str!("../defaults/tools.d/capture.toml")),
    ("dns.toml", include_str!("../defaults/tools.d/dns.toml")),
    ("http.toml", include_str!("../defaults/tools.d/http.toml")),
    ("mtr.toml", include_str!("../defaults/tools.d/mtr.toml")),
    ("nmap.toml", include_str!("../defaults/tools.d/nmap.toml")),
    ("path_mtu.toml", include_str!("../defaults/tools.d/path_mtu.toml")),
    ("ping.toml", include_str!("../defaults/tools.d/ping.toml")),
    ("port.toml", include_str!("../defaults/tools.d/port.toml")),
    ("route.toml", include_str!("../defaults/tools.d/route.toml")),
    ("scanner.toml", include_str!("../defaults/tools.d/scanner.toml")),
    ("tls.toml", include_str!("../defaults/tools.d/tls.toml")),
    ("traceroute.toml", include_str!("../defaults/tools.d/traceroute.toml")),
];

/// Where a policy comes from, and whose it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Shipped,
    /// A file of root's, with `tools.d` beside it or tools of its own.
    Root(PathBuf),
    /// A file of this user's or of root's. Without a `tools.d` beside it and without tools of its
    /// own, the shipped tools.
    User(PathBuf, u32),
}

/// Why a policy could not be read. Its message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system would not let it be read.
    #[error("{}: {error}{}", path.display(), hint(error))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Somebody else could have written it.
    #[error("{}: {reason}", path.display())]
    Untrusted {
        /// The file or folder.
        path: PathBuf,
        /// Who, and how to mend it.
        reason: String,
    },
    /// It is not a text file of reasonable size.
    #[error("{}: {reason}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Several files, each for its reason.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Self>),
}

impl LoadError {
    /// Of several files, or of the one there is.
    fn all(mut errors: Vec<Self>) -> Self {
        match errors.pop() {
            Some(error) if errors.is_empty() => error,
            last => {
                errors.extend(last);
                Self::Several(errors)
            }
        }
    }
}

/// What mends a refusal: a policy holds no secret.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            " (a broker reads it as its own user, so let everybody: chmod a+r, and a+rx for a folder)"
        }
        _ => "",
    }
}

/// Reads a policy's text.
///
/// # Errors
/// Every file that cannot be read or trusted, as far as they are found.
pub fn load(origin: &Origin) -> Result<Sources, LoadError> {
    let (path, owner) = match origin {
        Origin::Shipped => {
            return Ok(Sources {
                policy: Source::new("(shipped) policy.toml", SHIPPED_POLICY),
                drop_ins: Vec::new(),
                tools: shipped_tools(),
            });
        }
        Origin::Root(path) => (path, 0),
        Origin::User(path, uid) => (path, *uid),
    };
    let beside = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let holder = trusted_folder(beside, owner)?;
    let policy = read_file(path, owner, &holder);
    let folder = path.with_file_name("tools.d");
    let drop_ins = match read_folder(&path.with_file_name("policy.d"), owner) {
        Err(LoadError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        drop_ins => drop_ins,
    };
    let tools = match (read_folder(&folder, owner), &policy) {
        (Err(LoadError::Io { error, .. }), Ok(policy))
            if error.kind() == io::ErrorKind::NotFound && holds_tools(policy) =>
        {
            Ok(Vec::new())
        }
        (Err(LoadError::Io { error, .. }), _)
            if error.kind() == io::ErrorKind::NotFound && matches!(origin, Origin::User(..)) =>
        {
            Ok(shipped_tools())
        }
        (tools, _) => tools,
    };
    match (policy, drop_ins, tools) {
        (Ok(policy), Ok(drop_ins), Ok(tools)) => Ok(Sources { policy, drop_ins, tools }),
        (policy, drop_ins, tools) => {
            let errors = [policy.err(), drop_ins.err(), tools.err()].into_iter().flatten();
            Err(LoadError::all(errors.collect()))
        }
    }
}

/// Whether the policy's own file has `[[tool]]` tables, so that it can do without `tools.d`.
fn holds_tools(policy: &Source) -> bool {
    // However broken the rest is: other tools than its own would only add false defects.
    let (document, _) = toml::de::DeTable::parse_recoverable(policy.text());
    document.get_ref().contains_key("tool")
}

fn shipped_tools() -> Vec<Source> {
    let tools = SHIPPED_TOOLS.iter();
    tools.map(|(name, text)| Source::new(format!("(shipped) tools.d/{name}"), *text)).collect()
}

/// The files of `tools.d`, or of `policy.d`.
fn read_folder(folder: &Path, owner: u32) -> Result<Vec<Source>, LoadError> {
    let fail = |error| LoadError::Io { path: folder.to_owned(), error };
    let holder = trusted_folder(folder, owner)?;
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        // Editors keep their locks and backups beside a file, under names that begin with a dot.
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    if paths.len() > MAX_FILES {
        let reason = format!("{} files, and at most {MAX_FILES} are read", paths.len());
        return Err(LoadError::NotText { path: folder.to_owned(), reason });
    }
    paths.sort();
    let (mut sources, mut errors) = (Vec::new(), Vec::new());
    for path in &paths {
        match read_file(path, owner, &holder) {
            Ok(source) => sources.push(source),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(sources) } else { Err(LoadError::all(errors)) }
}

/// A folder in which nobody but `owner` and root can put or replace a file.
fn trusted_folder(folder: &Path, owner: u32) -> Result<TrustedFolder, LoadError> {
    if folder.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
        let reason = "it is a symbolic link; a folder of its own is needed".into();
        return Err(LoadError::NotText { path: folder.to_owned(), reason });
    }
    let walked =
        TrustedFolder::walk(folder, owner, Missing::Refuse).map_err(|error| match error {
            // However much of the way is missing: what was asked for is what people look for.
            TrustError::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                LoadError::Io { path: folder.to_owned(), error }
            }
            error => error.into(),
        })?;
    let metadata = walked.metadata();
    let metadata = metadata.map_err(|error| LoadError::Io { path: folder.to_owned(), error })?;
    check_trust(folder, &metadata, owner, "folder")?;
    Ok(walked)
}

/// Reads a file that stands in a folder whose holder could put another in its place.
fn read_file(path: &Path, owner: u32, folder: &TrustedFolder) -> Result<Source, LoadError> {
    let fail = |error| LoadError::Io { path: path.to_owned(), error };
    let not_text = |reason: String| LoadError::NotText { path: path.to_owned(), reason };
    let name = path.file_name().ok_or_else(|| not_text("it is not a regular file".into()))?;
    // Without waiting for a FIFO's writer.
    let file = match folder.open(name, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty()) {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err(not_text("it is a symbolic link; name the file itself".into()));
        }
        opened => opened.map_err(fail)?,
    };
    let metadata = file.metadata().map_err(fail)?;
    if !metadata.is_file() {
        return Err(not_text("it is not a regular file".into()));
    }
    if metadata.len() > MAX_FILE_BYTES {
        let reason =
            format!("it is {} bytes, and at most {MAX_FILE_BYTES} are read", metadata.len());
        return Err(not_text(reason));
    }
    check_trust(path, &metadata, owner, "file")?;
    let mut bytes = Vec::new();
    // One more than accepted, to notice a file that grows while it is read.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 != metadata.len() {
        return Err(not_text("it changed while it was read".into()));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        not_text(format!("it is not UTF-8 at byte {}", e.utf8_error().valid_up_to()))
    })?;
    let writer = if folder.holder() == 0 { metadata.uid() } else { folder.holder() };
    Ok(Source::new(path.to_string_lossy(), text).owned_by(writer))
}

/// Whether a file or folder is `owner`'s or root's, and nobody else can write it.
fn check_trust(path: &Path, metadata: &Metadata, owner: u32, what: &str) -> Result<(), LoadError> {
    let untrusted = |reason| Err(LoadError::Untrusted { path: path.to_owned(), reason });
    if metadata.uid() != 0 && metadata.uid() != owner {
        return untrusted(foreign(metadata.uid(), owner, what));
    }
    match writable(path, metadata, what, 0o022) {
        Some(reason) => untrusted(reason),
        None => Ok(()),
    }
}

impl From<TrustError> for LoadError {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Io { path, error } => Self::Io { path, error },
            TrustError::Untrusted { path, reason } => Self::Untrusted { path, reason },
        }
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
