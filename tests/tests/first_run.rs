//! The first run of somebody who is not root and has installed nothing but what `cargo install` made,
//! as README.md has it: one folder of programs, and a home.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    process::Command,
};

use probity_tests::{
    lab::{HOST, Lab},
    needs,
};
use serde_json::Value;

/// A user who is in no group that matters, and has an account on every machine.
const NOBODY: u32 = 65534;

#[test]
fn what_cargo_installs_runs_tools_for_somebody_who_is_not_root() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let Some(installed) = needs::cargo_installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Copied, since the folder that was built in may be closed to others.
    let copied = Command::new("cp").arg("-r").arg(&installed).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let probity = folder.path().join("bin/probity");
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    let nobody = NOBODY.to_string();
    let lab = Lab::new().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = lab.client().command("/usr/bin/setpriv");
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "env", "-i"]);
        command.arg(format!("HOME={}", home.display()));
        let output = command.arg(&probity).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {said}{printed}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let tools = run(&["tools", "--embedded", "--json"]);
    let listed = |name: &str| {
        let tools = tools["tools"].as_array().unwrap();
        tools.iter().any(|tool| tool["name"] == name)
    };
    assert!(listed("nmap"), "{tools}");
    let host = HOST.to_string();
    let scan = run(&["call", "nmap", &host, "--embedded", "--json", "--", "-p", "80"]);
    assert_eq!(scan["returncode"], 0, "{scan}");
}
