//! What a container finds around it is not always what the compose file gives it. It runs with what is there, or
//! says in one line what to add, and `probity doctor` in the same container says the same.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::Output,
};

use probity_tests::{
    broker::program,
    container::Run,
    lab::{HOST, Lab},
    machine::said,
    needs,
};
use serde_json::{Value, json};

/// As little as a container can be given.
const NOTHING: &str = "--cap-drop ALL --security-opt no-new-privileges";

/// And the one thing that the broker's tools use.
const USUAL: &str = "--cap-drop ALL --cap-add NET_RAW --security-opt no-new-privileges";

/// What Landlock is asked for by.
const LANDLOCK: [&str; 3] =
    ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"];

/// A lab, and calls in it from a container.
struct Place {
    lab: Lab,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Option<Self> {
        if !needs::image() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Some(Self { lab: Lab::new().unwrap(), folder })
    }

    fn run(&self, options: &str) -> Run {
        Run::in_lab(&self.lab).with(options)
    }

    /// A ping by a broker of the container's own.
    fn call(&self, run: &Run) -> Output {
        run.output(&["call", "ping", &HOST.to_string(), "--embedded", "--", "-c", "1"]).unwrap()
    }

    fn runs(&self, options: &str) {
        let run = self.run(options);
        let output = self.call(&run);
        assert!(output.status.success(), "{options}: {}", said(&output));
        let (status, report) = doctor(&run);
        assert_eq!(status, 0, "{options}: {report}");
    }

    /// The call fails, and one line of what it says has all of `words`; of what the doctor says, too.
    fn says(&self, options: &str, words: &[&str]) {
        let run = self.run(options);
        let output = self.call(&run);
        assert!(!output.status.success(), "{options}: {}", said(&output));
        assert!(one_line(&said(&output), words), "{options}: {words:?}: {}", said(&output));
        let (_, report) = doctor(&run);
        let troubles = report["checks"].as_array().unwrap().iter();
        let troubles =
            troubles.filter(|check| check["state"] == "failed" || check["state"] == "warning");
        let mut troubles = troubles.map(Value::to_string);
        let is_said = |check: String| words.iter().all(|word| check.contains(word));
        assert!(troubles.any(is_said), "{options}: {words:?}: {report}");
    }

    /// A profile of system calls that is podman's own but for some.
    fn profile(&self, name: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut profile = fs::read_to_string("/usr/share/containers/seccomp.json")
            .map(|text| serde_json::from_str(&text).unwrap())
            .unwrap();
        change(&mut profile);
        let path = self.folder.path().join(name);
        fs::write(&path, profile.to_string()).unwrap();
        format!("--security-opt seccomp={}", path.display())
    }
}

fn one_line(said: &str, words: &[&str]) -> bool {
    said.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

/// What the doctor says in such a container, of a broker of its own.
fn doctor(run: &Run) -> (i32, Value) {
    let output = run.output(&["doctor", "--embedded", "--json"]).unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), report.unwrap_or_else(|_| panic!("{}", said(&output))))
}

/// Takes calls out of what a profile allows.
fn without(profile: &mut Value, calls: &[&str]) {
    let calls: BTreeSet<&str> = calls.iter().copied().collect();
    let rules = profile["syscalls"].as_array_mut().unwrap();
    for rule in rules.iter_mut().filter(|rule| rule["action"] == "SCMP_ACT_ALLOW") {
        let names = rule["names"].as_array_mut().unwrap();
        names.retain(|name| !calls.contains(name.as_str().unwrap()));
    }
    rules.retain(|rule| !rule["names"].as_array().unwrap().is_empty());
}

#[test]
fn without_net_raw_it_says_what_to_add_and_with_echo_sockets_it_runs() {
    let Some(place) = Place::new() else { return };
    place.says(NOTHING, &["--cap-add=NET_RAW", "net.ipv4.ping_group_range"]);
    // As Docker opens them in every network of its own.
    place.lab.client().shell("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range").unwrap();
    place.runs(NOTHING);
}

#[test]
fn a_broker_with_the_capability_in_its_file_starts_where_the_container_has_none() {
    let Some(place) = Place::new() else { return };
    let run =
        place.run(NOTHING).with("--user 1001:1001 --entrypoint /usr/lib/probity/probity-broker");
    let broker = run.start(&["--socket", "/run/probity/broker.sock"]).unwrap();
    let status = broker.status(1).unwrap();
    assert_eq!([status.cap_prm, status.cap_eff, status.cap_bnd], [0; 3], "{status:?}");
    let listens = broker.exec(&["/usr/bin/test", "-S", "/run/probity/broker.sock"]).unwrap();
    assert!(listens.status.success(), "{}", broker.logs().unwrap());
}

#[test]
fn a_policy_of_somebody_elses_is_refused_and_the_owner_is_named() {
    let Some(place) = Place::new() else { return };
    let (folder, owner) = (place.folder.path().join("policy"), 4242);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/defaults");
    fs::create_dir_all(folder.join("tools.d")).unwrap();
    for file in ["policy.toml", "tools.d/ping.toml"] {
        fs::copy(shipped.join(file), folder.join(file)).unwrap();
        chown(folder.join(file), Some(owner), Some(owner)).unwrap();
    }
    let mounted = format!("{USUAL} --volume {}:/etc/probity:ro", folder.display());
    for broker in ["/usr/bin/probity-broker", "/usr/lib/probity/probity-broker"] {
        let run = place.run(&mounted).with(&format!("--user 1001:1001 --entrypoint {broker}"));
        let output = run.output(&["--socket", "/run/probity/broker.sock"]).unwrap();
        assert_eq!(output.status.code(), Some(78), "{}", said(&output));
        let words = ["/etc/probity/policy.toml", "uid 4242", "must belong to root", "chown"];
        assert!(one_line(&said(&output), &words), "{}", said(&output));
    }
    let run = place.run(&format!("{USUAL} --volume {}:/policy:ro", folder.display()));
    let policy = ["--embedded", "--policy", "/policy/policy.toml"];
    let host = HOST.to_string();
    let call = run.output(&[&["call", "ping", &host], &policy[..]].concat()).unwrap();
    let doctor = run.output(&[&["doctor"], &policy[..]].concat()).unwrap();
    for output in [call, doctor] {
        let words = ["/policy/policy.toml", "uid 4242", "must belong to root", "chown"];
        assert!(!output.status.success() && one_line(&said(&output), &words), "{}", said(&output));
    }
}

#[test]
fn root_who_can_become_nobody_else_is_told_what_is_missing() {
    let Some(place) = Place::new() else { return };
    let root = format!("{USUAL} --user 0:0");
    place.says(&root, &["CAP_CHOWN, CAP_SETGID, CAP_SETUID", "--cap-add", "--user="]);
    for (kept, missing) in [("SETGID,SETUID", "CAP_CHOWN"), ("CHOWN,SETGID", "CAP_SETUID")] {
        place.says(&format!("{root} --cap-add {kept}"), &[missing, "--cap-add"]);
    }
    place.runs(&format!("{root} --cap-add CHOWN,SETGID,SETUID"));
}

#[test]
fn in_a_user_namespace_of_one_uid_its_root_is_an_ordinary_user() {
    let Some(place) = Place::new() else { return };
    // Its network is another's, so nothing is sent: the verdict is asked for, and the doctor looks.
    let one = "--rm --user 0:0 --uidmap 0:100000:1 --gidmap 0:100000:1 --cap-drop ALL";
    let run = Run::alone().with(one);
    let host = HOST.to_string();
    let dry = run.output(&["call", "traceroute", &host, "--embedded", "--dry-run"]).unwrap();
    assert!(dry.status.success(), "{}", said(&dry));
    let (status, report) = doctor(&run);
    assert_eq!(status, 0, "{report}");
    // What is another's below has no owner there: root's on the machine, say.
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/defaults").canonicalize().unwrap();
    let run = run.with(&format!("--volume {}:/policy:ro", shipped.display()));
    let policy = ["--embedded", "--policy", "/policy/policy.toml"];
    let call = run.output(&[&["call", "ping", &host, "--dry-run"], &policy[..]].concat()).unwrap();
    let doctor = run.output(&[&["doctor"], &policy[..]].concat()).unwrap();
    for output in [call, doctor] {
        assert!(!output.status.success(), "{}", said(&output));
        assert!(
            one_line(&said(&output), &["/policy", "use a copy of your own"]),
            "{}",
            said(&output)
        );
    }
    drop(place);
}

#[test]
fn without_proc_it_says_so() {
    let Some(place) = Place::new() else { return };
    let wide = "--user 0:0 --cap-drop ALL --cap-add SYS_ADMIN,SETUID,SETGID,SETPCAP,NET_RAW \
                --security-opt seccomp=unconfined --security-opt apparmor=unconfined --entrypoint /bin/sh";
    let hide = "mount -t tmpfs none /proc && exec setpriv --reuid $0 --regid $0 --clear-groups \
                --inh-caps=-all --bounding-set=-all \"$@\"";
    let run = place.run(wide);
    let host = HOST.to_string();
    let call = ["-c", hide, "1000", "probity", "call", "ping", &host, "--embedded"];
    let call = run.output(&call).unwrap();
    let doctor = run.output(&["-c", hide, "1000", "probity", "doctor", "--embedded"]).unwrap();
    let broker = ["-c", hide, "1001", "probity-broker", "--socket", "/run/probity/broker.sock"];
    let broker = run.output(&broker).unwrap();
    for output in [call, doctor, broker] {
        assert!(!output.status.success(), "{}", said(&output));
        assert!(one_line(&said(&output), &["/proc", "mount that"]), "{}", said(&output));
    }
}

/// Docker's default profile (moby's profiles/seccomp/default.json) is narrower than podman's by the calls below. It
/// answers that clone3 is not there, and EPERM where podman's answers ENOSYS.
#[test]
fn under_dockers_default_profile_of_system_calls_it_runs() {
    const REFUSED: [&str; 29] = [
        "fsconfig",
        "fsmount",
        "fsopen",
        "fspick",
        "get_mempolicy",
        "keyctl",
        "mbind",
        "mount",
        "mount_setattr",
        "move_mount",
        "open_tree",
        "pidfd_getfd",
        "pivot_root",
        "readdir",
        "reboot",
        "set_mempolicy",
        "setns",
        "sigaction",
        "signal",
        "sigpending",
        "sigsuspend",
        "syscall",
        "syslog",
        "timerfd",
        "umount",
        "umount2",
        "unshare",
        "clone3",
        "bpf",
    ];
    let Some(place) = Place::new() else { return };
    let profile = place.profile("docker.json", |profile| {
        without(profile, &REFUSED);
        profile["defaultErrnoRet"] = json!(1);
        let clone3 = json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 });
        profile["syscalls"].as_array_mut().unwrap().push(clone3);
    });
    place.runs(&format!("{USUAL} {profile}"));
}

#[test]
fn without_landlock_it_does_not_start_and_says_what_to_allow() {
    let Some(place) = Place::new() else { return };
    // As under a profile older than Landlock, and under one that answers as a kernel without it would.
    for (name, errno) in [("denied.json", 1), ("absent.json", 38)] {
        let profile = place.profile(name, |profile| {
            without(profile, &LANDLOCK);
            profile["defaultErrnoRet"] = json!(errno);
        });
        place.says(&format!("{USUAL} {profile}"), &["Landlock", "container", "allow", "landlock_"]);
    }
    // A kernel that was booted without.
    let filter = program("without-landlock");
    let off = format!(
        "{USUAL} --volume {}:/without-landlock:ro --entrypoint /without-landlock",
        filter.display()
    );
    let run = place.run(&off);
    let host = HOST.to_string();
    let call =
        run.output(&["off", "/usr/bin/probity", "call", "ping", &host, "--embedded"]).unwrap();
    let doctor = run.output(&["off", "/usr/bin/probity", "doctor", "--embedded"]).unwrap();
    for output in [call, doctor] {
        assert!(
            !output.status.success() && said(&output).contains("Landlock"),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn where_nothing_can_be_written_it_says_what_to_mount() {
    let Some(place) = Place::new() else { return };
    let sealed = format!("{USUAL} --read-only --read-only-tmpfs=false");
    place.says(&sealed, &["no place for the audit log", "XDG_STATE_HOME", "--tmpfs"]);
    // With that, there is a place for the rest.
    place.runs(&format!("{USUAL} --read-only --tmpfs /tmp --env XDG_STATE_HOME=/tmp"));
}
