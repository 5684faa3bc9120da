//! The file of runs as the system sees it: its folder, its owner, its mode. It is never opened here:
//! closing it again would take SQLite's locks from another connection of this process.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use crate::error::OpenError;

const OTHERS_MAY_WRITE: u32 = 0o022;
const OTHERS_MAY_READ: u32 = 0o044;
const ALL_MAY_WRITE: u32 = 0o002;
const KEPT_PRIVATE: u32 = 0o600;

/// Makes the folder of a file, for this user alone, where it is not there.
///
/// # Errors
/// If it cannot be made, or if everybody may put files there.
pub fn make_folder(file: &Path) -> Result<(), OpenError> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let fail = |error| OpenError::Directory { path: folder.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
    let mode = fs::metadata(folder).map_err(fail)?.mode();
    // Whoever may make files beside it could put a log of changes there, which SQLite would read.
    if mode & ALL_MAY_WRITE != 0 {
        return Err(OpenError::Permission {
            path: folder.to_owned(),
            what: String::from("is a folder that everybody may write"),
            remedy: String::from(
                "Name a file in a folder below it in history.path: that one is made for this user alone.",
            ),
        });
    }
    Ok(())
}

/// Makes the file, for this user alone, where it is not there; looks at it where it is.
///
/// # Errors
/// If it cannot be made, or if it is not this user's alone to write.
pub fn make(file: &Path, user: u32) -> Result<(), OpenError> {
    let fail = |error| OpenError::Directory { path: file.to_owned(), error };
    let made = OpenOptions::new().write(true).create_new(true).mode(KEPT_PRIVATE).open(file);
    match made {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(fail(error)),
    }
    let found = fs::metadata(file).map_err(fail)?;
    let refuse = |what: String, remedy: String| {
        Err(OpenError::Permission { path: file.to_owned(), what, remedy })
    };
    if !found.is_file() {
        return refuse(
            String::from("is no ordinary file"),
            String::from("Name another one in history.path."),
        );
    }
    if found.uid() != user {
        return refuse(
            format!("belongs to the user {} and not to {user}, who runs this", found.uid()),
            String::from("Name another file in history.path, or give it to this user by chown."),
        );
    }
    if found.mode() & OTHERS_MAY_WRITE != 0 {
        return refuse(
            format!("may be written by others (its mode is {:o})", found.mode() & 0o777),
            format!(
                "If you trust what is in it: chmod 600 {}. If not, move it away.",
                file.display()
            ),
        );
    }
    if found.mode() & OTHERS_MAY_READ != 0 {
        fs::set_permissions(file, Permissions::from_mode(KEPT_PRIVATE)).map_err(fail)?;
    }
    Ok(())
}

/// Bytes of the file and of its log of changes.
pub fn bytes(file: &Path) -> u64 {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let of = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    of(file).saturating_add(of(Path::new(&log)))
}
