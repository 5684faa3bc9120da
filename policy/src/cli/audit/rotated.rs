//! The files that a log was in before: what logrotate made of them, by number (`audit.jsonl.1`,
//! `audit.jsonl.2.gz`) or by date (`audit.jsonl-20261125.gz`).

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use crate::cli::CliError;

/// Whether it goes by number, and its place. Where there are both, dates are of an older habit.
type Age = (bool, i64);

/// All files of a log, oldest first, itself last. Whether it is there shows when it is opened.
pub(super) fn all_of(log: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut older = Vec::new();
    let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let trouble = |error| CliError::File { path: folder.to_owned(), error };
    let entries = match fs::read_dir(folder) {
        // Then the log is not to be had either, and that is what is said.
        Err(error) if is_of_the_log(&error) => return Ok(vec![log.to_owned()]),
        entries => entries.map_err(trouble)?,
    };
    for entry in entries {
        let name = entry.map_err(trouble)?.file_name();
        if let Some(age) = age(log, &name) {
            older.push((age, folder.join(name)));
        }
    }
    older.sort();
    Ok(older.into_iter().map(|(_, path)| path).chain([log.to_owned()]).collect())
}

fn is_of_the_log(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// Where a file stands among those of its log; `None` for another's.
fn age(log: &Path, name: &OsString) -> Option<Age> {
    let rest = name.as_bytes().strip_prefix(log.file_name()?.as_bytes())?;
    let (kind, rest) = std::str::from_utf8(rest).ok()?.split_at_checked(1)?;
    let number = rest.strip_suffix(".gz").unwrap_or(rest);
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = number.parse().ok()?;
    match kind {
        "-" => Some((false, number)),
        // The higher the older.
        "." => Some((true, -number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_come_oldest_first_and_no_other_files_come_at_all() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "audit.jsonl",
            "audit.jsonl.1",
            "audit.jsonl.10.gz",
            "audit.jsonl.2.gz",
            "audit.jsonl-20261101.gz",
            "audit.jsonl-20261108",
            "audit.jsonl.bak",
            "audit.jsonl.1.xz",
            "audit.jsonl.",
            "other.jsonl.1",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let names = all_of(&folder.path().join("audit.jsonl")).unwrap();
        let names: Vec<_> =
            names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "audit.jsonl-20261101.gz",
                "audit.jsonl-20261108",
                "audit.jsonl.10.gz",
                "audit.jsonl.2.gz",
                "audit.jsonl.1",
                "audit.jsonl",
            ]
        );
    }

    #[test]
    fn a_log_in_a_folder_that_is_not_there_is_itself_alone() {
        let log = Path::new("/nonexistent/audit.jsonl");
        assert_eq!(all_of(log).unwrap(), [log]);
    }
}
