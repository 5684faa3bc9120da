//! Where the logs of embedded brokers are, for those who have no other and look for one.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What to do where no policy names a log.
pub(super) fn instead() -> String {
    said(folder().as_deref())
}

fn said(folder: Option<&Path>) -> String {
    const NONE: &str = "no policy is installed here that would name the audit log: name the file";
    let Some(folder) = folder else { return format!("{NONE}.") };
    match newest(folder) {
        Some(log) => format!(
            "{NONE}.\nThe newest log of your embedded brokers is\n  {}\nas in: probity-policy audit \
             query {0}",
            log.display()
        ),
        None => {
            format!("{NONE}.\nYour embedded brokers would keep theirs in {}.", folder.display())
        }
    }
}

/// Where `probity --embedded` keeps them.
fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|f| f.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("probity"))
}

/// The log that was written to last.
fn newest(folder: &Path) -> Option<PathBuf> {
    let logs = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        let is_log = name.starts_with("audit-") && name.ends_with(".jsonl");
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        is_log.then(|| (written.unwrap_or(SystemTime::UNIX_EPOCH), entry.path()))
    });
    logs.max().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_that_was_written_to_last_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(said(Some(folder.path())).contains("would keep theirs in"));
        for (name, age) in [("audit-2.jsonl", 50), ("audit-1.jsonl", 10), ("other.jsonl", 0)] {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            let written = SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(written).unwrap();
        }
        let log = folder.path().join("audit-1.jsonl");
        assert!(said(Some(folder.path())).contains(&format!("audit query {}", log.display())));
    }
}
