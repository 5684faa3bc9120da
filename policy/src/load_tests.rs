use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), SHIPPED_POLICY).unwrap();
        fs::create_dir(folder.path().join("tools.d")).unwrap();
        for (name, text) in SHIPPED_TOOLS {
            fs::write(folder.path().join("tools.d").join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self) -> Result<Sources, LoadError> {
        let owner = fs::metadata(self.0.path()).unwrap().uid();
        load(&Origin::User(self.path("policy.toml"), owner))
    }
}

fn refusal(folder: &Folder) -> String {
    folder.load().unwrap_err().to_string()
}

#[test]
fn a_policy_of_its_owner_loads_with_its_tools_in_the_order_of_their_names() {
    let sources = Folder::new().load().unwrap();
    let names: Vec<_> =
        sources.tools.iter().map(|t| t.name().rsplit('/').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "arp.toml",
            "capture.toml",
            "dns.toml",
            "http.toml",
            "mtr.toml",
            "nmap.toml",
            "path_mtu.toml",
            "ping.toml",
            "port.toml",
            "route.toml",
            "scanner.toml",
            "tls.toml",
            "traceroute.toml",
        ]
    );
}

#[test]
fn files_and_folders_that_others_can_write_are_refused_with_the_mending_command() {
    for (name, mode) in [
        ("policy.toml", 0o664),
        ("policy.toml", 0o646),
        ("tools.d", 0o777),
        ("tools.d/ping.toml", 0o662),
    ] {
        let folder = Folder::new();
        folder.chmod(name, mode);
        let refusal = refusal(&folder);
        assert!(refusal.contains("chmod go-w") && refusal.contains(name), "{refusal}");
    }
}

#[test]
fn a_file_of_another_user_is_refused() {
    let folder = Folder::new();
    let owner = fs::metadata(folder.0.path()).unwrap().uid();
    let outcome = load(&Origin::User(folder.path("policy.toml"), owner + 1));
    // Root's own files are accepted by everybody.
    assert_eq!(outcome.is_ok(), owner == 0);
}

#[test]
fn a_link_a_fifo_a_folder_and_a_huge_file_are_refused_with_their_reason() {
    let folder = Folder::new();
    let policy = folder.path("policy.toml");
    fs::rename(&policy, folder.path("real.toml")).unwrap();
    std::os::unix::fs::symlink(folder.path("real.toml"), &policy).unwrap();
    assert!(refusal(&folder).contains("symbolic link"));

    fs::remove_file(&policy).unwrap();
    nix::unistd::mkfifo(&policy, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(refusal(&folder).contains("not a regular file"));

    fs::remove_file(&policy).unwrap();
    fs::create_dir(&policy).unwrap();
    assert!(refusal(&folder).contains("not a regular file"));

    fs::remove_dir(&policy).unwrap();
    fs::write(&policy, vec![b'#'; 2 << 20]).unwrap();
    assert!(refusal(&folder).contains("2097152 bytes"));
}

#[test]
fn a_folder_in_which_others_can_replace_the_policy_is_refused() {
    let folder = Folder::new();
    folder.chmod(".", 0o777);
    assert!(refusal(&folder).contains("chmod go-w"));
    // Sticky, as /tmp is: others can add files there, and replace none.
    folder.chmod(".", 0o1777);
    assert!(folder.load().is_ok());
}

#[test]
fn a_policy_belongs_to_root_only_if_every_file_and_folder_of_it_does() {
    assert!(load(&Origin::Shipped).unwrap().belongs_to_root());
    let folder = Folder::new();
    let root = fs::metadata(folder.0.path()).unwrap().uid() == 0;
    assert_eq!(folder.load().unwrap().belongs_to_root(), root);
    if root {
        for name in ["policy.toml", "tools.d/ping.toml", "tools.d", "."] {
            let folder = Folder::new();
            std::os::unix::fs::chown(folder.path(name), Some(64001), None).unwrap();
            let sources = load(&Origin::User(folder.path("policy.toml"), 64001)).unwrap();
            assert!(!sources.belongs_to_root(), "{name}");
        }
    }
}

#[test]
fn drop_ins_are_read_in_the_order_of_their_names_and_trusted_like_the_policy() {
    let folder = Folder::new();
    assert!(folder.load().unwrap().drop_ins.is_empty());
    fs::create_dir(folder.path("policy.d")).unwrap();
    for (name, text) in
        [("b.toml", "# b"), ("a.toml", "# a"), (".hidden.toml", "x"), ("notes", "x")]
    {
        fs::write(folder.path("policy.d").join(name), text).unwrap();
    }
    let sources = folder.load().unwrap();
    let texts: Vec<_> = sources.drop_ins.iter().map(Source::text).collect();
    assert_eq!(texts, ["# a", "# b"]);
    for (name, mode) in [("policy.d/a.toml", 0o666), ("policy.d", 0o777)] {
        folder.chmod(name, mode);
        assert!(refusal(&folder).contains(name), "{}", refusal(&folder));
        folder.chmod(name, if name == "policy.d" { 0o755 } else { 0o644 });
    }
    // More than one thing that is wrong is told at once.
    folder.chmod("policy.d/a.toml", 0o666);
    folder.chmod("policy.d/b.toml", 0o666);
    folder.chmod("tools.d/ping.toml", 0o666);
    let said = refusal(&folder);
    assert!(["a.toml", "b.toml", "ping.toml"].iter().all(|name| said.contains(name)), "{said}");
}

#[test]
fn a_missing_tools_folder_means_the_shipped_tools_for_a_user_and_an_error_for_root() {
    let folder = Folder::new();
    fs::remove_dir_all(folder.path("tools.d")).unwrap();
    assert_eq!(folder.load().unwrap().tools.len(), SHIPPED_TOOLS.len());
    assert!(load(&Origin::Root(folder.path("policy.toml"))).is_err());
}
