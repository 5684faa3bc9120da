//! What a broker of one's own finds around it is not always what a desktop has: low limits, a masked
//! /proc, a bounding set without the capability, a user namespace, an odd umask. A call runs there, or is
//! told what is in its way.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::{Command, Output},
};

use probity_tests::{
    broker::{USER_UID, copy_of_program},
    needs,
};
use serde_json::Value;

/// Both programs where every user can reach them, a home, and a policy of root's for loopback.
struct Newcomer {
    folder: tempfile::TempDir,
}

impl Newcomer {
    fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        fs::set_permissions(this.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["probity", "probity-broker"] {
            copy_of_program(name, &this.path(name)).unwrap();
        }
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/loopback-policy.toml");
        fs::copy(policy, this.path("policy.toml")).unwrap();
        fs::create_dir(this.path("home")).unwrap();
        fs::create_dir(this.path("home-of-root")).unwrap();
        chown(this.path("home"), Some(USER_UID), Some(USER_UID)).unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A call of ping in a network of its own, where every group may open echo sockets. `around` is a
    /// shell's, and root's; what it ends with starts the call.
    fn ping(&self, around: &str, become_user: bool) -> Output {
        let network = "ip link set lo up; echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range";
        let user = format!("setpriv --reuid {USER_UID} --regid {USER_UID} --clear-groups");
        let (user, home) = if become_user { (user.as_str(), "home") } else { ("", "home-of-root") };
        let around = around.replace("USER", user);
        let mut command = Command::new("/usr/bin/timeout");
        command.args(["30", "unshare", "--net", "--mount", "--propagation", "private"]);
        command.args(["bash", "-c", &format!("{network}; {around} \"$@\""), "bash"]);
        command.arg(self.path("probity")).args(["call", "ping", "127.0.0.1", "--json"]);
        command.args(["--embedded", "--policy"]).arg(self.path("policy.toml"));
        command.args(["--", "-c", "1"]);
        command.env_clear().env("HOME", self.path(home)).env("PATH", "/usr/sbin:/usr/bin");
        command.output().unwrap()
    }

    fn runs(&self, around: &str, become_user: bool) -> Value {
        let output = self.ping(around, become_user);
        assert!(output.status.success(), "{around}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn says(&self, around: &str, become_user: bool, words: &str) {
        let output = self.ping(around, become_user);
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!output.status.success() && said.contains(words), "{around}: {words}: {said}");
    }
}

fn is_possible() -> bool {
    needs::root() && needs::tool("/usr/bin/ping") && needs::tool("/usr/bin/setpriv")
}

#[test]
fn a_run_has_the_smaller_of_the_limits_of_the_policy_and_of_the_broker() {
    if !is_possible() {
        return;
    }
    let newcomer = Newcomer::new();
    for limit in ["-n 255", "-v 200000", "-f 1000", "-t 5", "-u 500", "-c 0"] {
        for become_user in [true, false] {
            newcomer.runs(&format!("ulimit {limit}; exec USER"), become_user);
        }
    }
    let held = "ulimit -n 255; ulimit -v 200000; exec USER";
    let planned = format!("set -- \"${{@/#--json/--dry-run --json}}\"; set -- $*; {held}");
    let output = newcomer.ping(&planned, true);
    let shown = String::from_utf8_lossy(&output.stdout);
    for limit in ["\"open_files\":255", "\"memory_bytes\":204800000"] {
        assert!(shown.replace(' ', "").contains(limit), "{shown}");
    }
    newcomer.says("ulimit -f 0; exec USER", true, "raise `ulimit -f`");
}

#[test]
fn echo_sockets_are_tried_and_not_read_about() {
    if !is_possible() {
        return;
    }
    let newcomer = Newcomer::new();
    for options in ["subset=pid", "hidepid=2"] {
        newcomer.runs(&format!("mount -t proc -o {options} proc /proc; exec USER"), true);
    }
    newcomer.says(
        "echo 1 0 >/proc/sys/net/ipv4/ping_group_range; exec USER",
        true,
        "net.ipv4.ping_group_range",
    );
}

#[test]
fn a_file_capability_that_cannot_be_gained_is_told_with_its_remedy() {
    if !is_possible() {
        return;
    }
    let newcomer = Newcomer::new();
    // As Debian's is; the machine's own may be without.
    let given = "mount -t tmpfs none /mnt; cp /usr/bin/ping /mnt; setcap cap_net_raw=ep /mnt/ping; \
                 mount --bind /mnt/ping /usr/bin/ping";
    for become_user in [true, false] {
        let around = format!("{given}; exec setpriv --bounding-set=-net_raw USER");
        let around = around.replace("USER", if become_user { "-- USER" } else { "--" });
        newcomer.says(&around, become_user, "bounding set");
        newcomer.runs(&format!("{given}; exec USER"), become_user);
    }
}

#[test]
fn root_who_can_become_nobody_is_told_what_is_missing() {
    if !is_possible() {
        return;
    }
    let newcomer = Newcomer::new();
    for (missing, named) in
        [("chown", "CAP_CHOWN"), ("setuid", "CAP_SETUID"), ("setgid", "CAP_SETGID")]
    {
        let around = format!("exec setpriv --bounding-set=-{missing} --inh-caps=-{missing} --");
        newcomer.says(&around, false, named);
    }
    newcomer.says("exec unshare --user --map-root-user", false, "user namespace");
}

#[test]
fn in_a_namespace_of_one_user_its_own_policy_counts_and_that_of_others_does_not() {
    if !is_possible() {
        return;
    }
    let newcomer = Newcomer::new();
    newcomer.says("exec USER unshare --user --map-root-user", true, "use a copy of your own");
    let own = newcomer.path("home/policy.toml");
    fs::copy(newcomer.path("policy.toml"), &own).unwrap();
    chown(&own, Some(USER_UID), Some(USER_UID)).unwrap();
    let around = "set -- \"${@/%\\/policy.toml//home/policy.toml}\"; \
                  exec USER unshare --user --map-root-user";
    newcomer.runs(around, true);
}

#[test]
fn no_umask_keeps_it_out_of_its_own_folders() {
    if !is_possible() {
        return;
    }
    for umask in ["0177", "0777"] {
        for become_user in [true, false] {
            Newcomer::new().runs(&format!("umask {umask}; exec USER"), become_user);
        }
    }
}

#[test]
fn a_runtime_folder_whose_name_leaves_no_room_for_that_of_a_socket_is_not_used() {
    if !is_possible() {
        return;
    }
    let newcomer = Newcomer::new();
    let long = newcomer.path("home").join("x".repeat(90));
    fs::create_dir(&long).unwrap();
    chown(&long, Some(USER_UID), Some(USER_UID)).unwrap();
    newcomer.runs(&format!("export XDG_RUNTIME_DIR={}; exec USER", long.display()), true);
}

#[test]
fn what_is_missing_is_named() {
    if !is_possible() {
        return;
    }
    let newcomer = Newcomer::new();
    newcomer.says("mount -t tmpfs none /dev; exec USER", true, "/dev/null");
    newcomer.says("mount -t tmpfs none /proc; exec USER", true, "/proc");
    let named = format!("export PROBITY_BROKER={}", newcomer.path("probity-broker").display());
    newcomer.says(&format!("mount -t tmpfs none /proc; {named}; exec USER"), true, "/proc");
    let no_accounts = "mount -t tmpfs none /mnt; cp /etc/ld.so.cache /etc/nsswitch.conf /mnt; \
                       mount --bind /mnt /etc";
    for become_user in [true, false] {
        newcomer.runs(&format!("{no_accounts}; exec USER"), become_user);
    }
}
