use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

/// A way of several folders, below one of the test's own.
struct TestFolder(tempfile::TempDir);

impl TestFolder {
    fn new() -> Self {
        let way = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(way.path("a/b/c")).unwrap();
        way
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn owner(&self) -> u32 {
        fs::metadata(self.0.path()).unwrap().uid()
    }

    fn walk(&self, name: &str) -> Result<TrustedFolder, TrustError> {
        TrustedFolder::walk(&self.path(name), self.owner(), Missing::Refuse)
    }
}

#[test]
fn every_folder_on_the_way_is_looked_at_and_the_one_that_others_can_write_is_named() {
    let way = TestFolder::new();
    assert!(way.walk("a/b/c").is_ok());
    for open in ["a", "a/b", "a/b/c"] {
        let way = TestFolder::new();
        way.chmod(open, 0o777);
        let said = way.walk("a/b/c").unwrap_err().to_string();
        let path = way.path(open).display().to_string();
        assert!(said.starts_with(&format!("{path}: ")), "{said}");
        assert!(said.ends_with(&format!("chmod go-w {path}")), "{said}");
        // Sticky, as /tmp is: nobody can replace what is somebody else's.
        way.chmod(open, 0o1777);
        way.walk("a/b/c").unwrap();
    }
}

#[test]
fn a_link_leads_where_it_says_if_nobody_can_have_changed_what_it_says() {
    let way = TestFolder::new();
    std::os::unix::fs::symlink("b/c", way.path("a/relative")).unwrap();
    std::os::unix::fs::symlink(way.path("a/b"), way.path("absolute")).unwrap();
    std::os::unix::fs::symlink("../a/relative", way.path("a/twice")).unwrap();
    let real = fs::canonicalize(way.path("a/b/c")).unwrap();
    for name in ["a/relative", "absolute/c", "a/twice", "a/b/../b/c", "a/./b/c"] {
        assert_eq!(way.walk(name).unwrap().path(), real, "{name}");
    }
    way.chmod("a", 0o777);
    for name in ["a/relative", "absolute/c", "a/twice"] {
        assert!(matches!(way.walk(name), Err(TrustError::Untrusted { .. })), "{name}");
    }
    std::os::unix::fs::symlink("circle", way.path("circle")).unwrap();
    let said = way.walk("circle").unwrap_err().to_string();
    assert!(said.contains("symbolic link"), "{said}");
}

#[test]
fn a_way_of_another_user_is_refused_and_whoever_holds_it_is_known() {
    let way = TestFolder::new();
    if way.owner() != 0 {
        // Only root can give folders away.
        return;
    }
    assert_eq!(way.walk("a/b/c").unwrap().holder(), 0);
    std::os::unix::fs::chown(way.path("a"), Some(64001), None).unwrap();
    let said = way.walk("a/b/c").unwrap_err().to_string();
    assert!(said.contains("belongs to uid 64001"), "{said}");
    let his = TrustedFolder::walk(&way.path("a/b/c"), 64001, Missing::Refuse).unwrap();
    assert_eq!(his.holder(), 64001);
}

#[test]
fn what_is_missing_is_made_where_that_is_asked_for_and_a_file_is_no_way() {
    let way = TestFolder::new();
    let new = way.path("a/new/one");
    assert!(TrustedFolder::walk(&new, way.owner(), Missing::Refuse).is_err());
    assert!(!new.exists());
    let walked = TrustedFolder::walk(&new, way.owner(), Missing::Make).unwrap();
    let mode = Mode::from_bits_truncate(0o700);
    assert!(walked.make_folder("runs".as_ref(), mode).unwrap());
    assert!(!walked.make_folder("runs".as_ref(), mode).unwrap());
    assert!(new.join("runs").is_dir());
    fs::write(way.path("file"), "").unwrap();
    let said = way.walk("file/below").unwrap_err().to_string();
    assert!(said.contains("Not a directory"), "{said}");
}
