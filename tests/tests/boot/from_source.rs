//! `make install`, by the script that it calls (the machines have no make).

use probity_tests::{
    lab::HOST,
    machine::{Kind, said},
};

use super::{bare, let_ada_in};

const INSTALL: &str = "CARGO_TARGET_DIR=/target /src/packaging/install install";
const UNINSTALL: &str = "CARGO_TARGET_DIR=/target /src/packaging/install uninstall";

/// What installing could have left.
const TRACES: &str = "find /etc /usr /var/lib /var/log /run -name '*probity*' | sort";

#[test]
fn it_serves_twice_over_and_goes_again_but_for_what_an_administrator_wrote() {
    let Some(machine) = bare(Kind::default()) else { return };
    let said_of_it = machine.done(INSTALL).unwrap();
    assert!(said_of_it.contains("usermod -aG probity"), "{said_of_it}");
    let_ada_in(&machine);
    let ping = || {
        let output = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    ping();
    machine.done("sed -i 's|^max_hosts .*|max_hosts = 16|' /etc/probity/policy.toml").unwrap();
    machine.done("rm /etc/probity/tools.d/scanner.toml").unwrap();
    let before = machine.done("cat /etc/probity/policy.toml").unwrap();
    machine.done(INSTALL).unwrap();
    assert_eq!(machine.done("cat /etc/probity/policy.toml").unwrap(), before);
    // What was removed on purpose does not come back, and nothing new stands beside what is old.
    let files = machine.done("ls /etc/probity /etc/probity/tools.d").unwrap();
    assert!(!files.contains("scanner") && !files.contains(".new"), "{files}");
    ping();
    for unit in ["probity.socket", "probity"] {
        machine.done(&format!("systemctl start {unit}")).unwrap();
    }
    machine.done("curl -sSf http://127.0.0.1:8080/livez").unwrap();

    machine.done("systemctl disable --quiet --now probity-broker.socket probity-broker").unwrap();
    assert!(machine.done(INSTALL).unwrap().contains("switched off"));
    assert!(!machine.run("systemctl is-active --quiet probity-broker").unwrap().status.success());

    machine.done(UNINSTALL).unwrap();
    assert!(machine.run("pgrep -u probity-broker; pgrep -u probity").unwrap().stdout.is_empty());
    let left = machine.done(TRACES).unwrap();
    assert_eq!(left, "/etc/probity\n/var/lib/probity\n/var/log/probity\n");
    assert_eq!(machine.done("find /etc/probity -type f").unwrap(), "/etc/probity/policy.toml\n");
}

#[test]
fn what_stands_in_its_way_is_said_and_nothing_is_touched() {
    let Some(machine) = bare(Kind::default()) else { return };
    let refused = |user: &str, why: &str| {
        let before = machine.done(TRACES).unwrap();
        let output = machine.run_as(user, INSTALL).unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let text = said(&output);
        assert!(text.contains(why) && text.contains("Nothing was changed."), "{text}");
        assert_eq!(machine.done(TRACES).unwrap(), before);
    };
    refused("ada", "sudo make install");
    machine.done("cp -r /src/policy/defaults /etc/probity && echo 'nonsense = 1' >>/etc/probity/policy.toml").unwrap();
    refused("root", "nonsense");
    machine.done("rm -r /etc/probity && dpkg --install /package/probity.deb").unwrap();
    refused("root", "sudo apt purge probity");
    // What is left of it would be purged some day, and take this installation's files with it.
    machine.done("dpkg --remove probity").unwrap();
    refused("root", "sudo apt purge probity");
    // That advice taken, it installs, and the package is the one that has to wait.
    machine.done("dpkg --purge probity && groupadd probity && usermod -aG probity bob").unwrap();
    refused("root", "the group probity is there already, with bob in it");
    machine.done("groupdel probity && useradd --shell /bin/bash probity-broker").unwrap();
    refused("root", "the account probity-broker is somebody's");
    machine.done(&format!("userdel probity-broker && {INSTALL}")).unwrap();
    let package = machine.run("dpkg --install /package/probity.deb").unwrap();
    assert!(!package.status.success());
    assert!(said(&package).contains("sudo make uninstall"), "{}", said(&package));
}

#[test]
fn whatever_the_umask_of_root_is_only_root_writes_and_the_services_read() {
    for umask in ["000", "077"] {
        let Some(machine) = bare(Kind::default()) else { return };
        machine.done(&format!("umask {umask}; {INSTALL}")).unwrap();
        let open = "find /etc/probity /usr/local -perm /022 -not -type l";
        assert_eq!(machine.done(open).unwrap(), "", "{umask}");
        let_ada_in(&machine);
        let ping = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
        assert!(ping.status.success(), "{umask}: {}", said(&ping));
    }
}

#[test]
fn on_a_kernel_without_landlock_nothing_is_installed() {
    let kind = Kind { without_landlock: true, ..Kind::default() };
    let Some(machine) = bare(kind) else { return };
    let output = machine.run_by_systemd(INSTALL).unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("has no Landlock") && text.contains("Nothing was changed."), "{text}");
    assert_eq!(machine.done(TRACES).unwrap(), "");
}

#[test]
fn without_systemd_and_without_tools_it_says_what_is_left_to_do() {
    let kind = Kind { without_systemd: true, ..Kind::default() };
    let Some(machine) = bare(kind) else { return };
    machine.done("dpkg --remove --force-depends nmap traceroute").unwrap();
    let text = machine.done(INSTALL).unwrap();
    for hint in ["systemd does not run here", "apt install nmap", "apt install traceroute"] {
        assert!(text.contains(hint), "{hint}: {text}");
    }
    assert!(!text.contains("iputils-ping"), "{text}");
}
