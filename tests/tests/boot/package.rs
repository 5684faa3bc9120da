//! The package from its first installation to its purge, and on machines where something is missing.

use probity_tests::{
    lab::HOST,
    machine::{Kind, said},
};

use super::{bare, installed, let_ada_in};

/// Everything of ours on a machine.
const TRACES: &str = "find / -xdev -name '*probity*' -not -path '/proc/*' -not -path '/src/*' \
    -not -path '/package/*' -not -path '/target/*'; find /run -name '*probity*'; \
    getent passwd | grep probity; getent group | grep probity; \
    systemctl list-unit-files --no-legend | grep probity";

#[test]
fn purging_leaves_nothing_but_what_users_keep_in_their_homes() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    machine.done("systemctl enable --now --quiet probity.socket && curl -sSf http://127.0.0.1:8080/livez").unwrap();
    let ping = format!("probity call ping {HOST} -- -c 1");
    assert!(machine.run_as("ada", &ping).unwrap().status.success());
    machine.done("test -e /var/lib/probity && echo mine >/etc/probity/notes").unwrap();
    assert!(!machine.done(TRACES).unwrap_or_default().is_empty());

    // Removed: nothing runs, and what an administrator wrote is there.
    machine.done("dpkg --remove probity").unwrap();
    assert!(machine.run("pgrep -u probity-broker; pgrep -u probity").unwrap().stdout.is_empty());
    machine
        .done("test -e /etc/probity/policy.toml && test -s /var/log/probity/audit.jsonl")
        .unwrap();
    // Installed again it is as it was, HTTP included.
    machine.done("dpkg --install /package/probity.deb").unwrap();
    machine.done("test -e /etc/probity/notes").unwrap();
    machine.done("curl -sSf http://127.0.0.1:8080/livez").unwrap();
    assert!(machine.run_as("ada", &ping).unwrap().status.success());
    machine.done("dpkg --purge probity").unwrap();
    let left = machine.run(TRACES).unwrap();
    // The runs that she keeps are hers.
    assert_eq!(String::from_utf8_lossy(&left.stdout), "/home/ada/.local/state/probity\n");
}

#[test]
fn an_upgrade_keeps_what_an_administrator_wrote_and_goes_on_serving() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    machine.done("sed -i 's|^max_hosts .*|max_hosts = 16|' /etc/probity/policy.toml").unwrap();
    machine.done("systemctl disable --quiet --now probity-broker.socket probity-broker").unwrap();
    machine.done("dpkg --install --force-confold /package/probity.deb").unwrap();
    machine.done("grep -q '^max_hosts = 16' /etc/probity/policy.toml").unwrap();
    // Switched off stays off.
    let enabled = machine.run("systemctl is-enabled probity-broker.socket").unwrap();
    assert_eq!(String::from_utf8_lossy(&enabled.stdout).trim(), "disabled");
    machine.done("systemctl enable --quiet --now probity-broker.socket probity-broker").unwrap();
    let before = machine.main_process("probity-broker").unwrap();
    machine.done("dpkg --install --force-confold /package/probity.deb").unwrap();
    assert_ne!(machine.main_process("probity-broker").unwrap(), before, "the new one serves");
    let ping = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
    assert!(ping.status.success(), "{}", said(&ping));
}

#[test]
fn an_upgrade_over_a_policy_with_a_defect_changes_nothing() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    let before = machine.main_process("probity-broker").unwrap();
    machine.done("echo 'nonsense = 1' >>/etc/probity/policy.toml").unwrap();
    let upgrade = machine.run("dpkg --install /package/probity.deb").unwrap();
    assert!(!upgrade.status.success());
    let text = said(&upgrade);
    assert!(text.contains("nonsense") && text.contains("nothing was upgraded"), "{text}");
    // The broker that decides by the old policy goes on, and so does the package.
    assert_eq!(machine.main_process("probity-broker").unwrap(), before);
    let state = machine.done("dpkg-query --show --showformat '${Status}' probity").unwrap();
    assert_eq!(state, "install ok installed");
    let ping = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
    assert!(ping.status.success(), "{}", said(&ping));
}

#[test]
fn an_installation_over_a_policy_with_a_defect_says_so_and_starts_nothing() {
    let Some(machine) = bare(Kind::default()) else { return };
    machine.done("mkdir /etc/probity && echo 'nonsense = 1' >/etc/probity/policy.toml").unwrap();
    let install = machine.run("dpkg --install --force-confold /package/probity.deb").unwrap();
    let text = said(&install);
    assert!(
        text.contains("nonsense") && text.contains("systemctl restart probity-broker"),
        "{text}"
    );
    assert_eq!(machine.done("cat /etc/probity/policy.toml").unwrap(), "nonsense = 1\n");
    assert!(!machine.run("systemctl is-active --quiet probity-broker").unwrap().status.success());
}

#[test]
fn without_systemd_it_installs_and_says_how_to_start_the_broker() {
    let kind = Kind { without_systemd: true, ..Kind::default() };
    let Some(machine) = bare(kind) else { return };
    let text = machine.done("dpkg --install /package/probity.deb").unwrap();
    let by_hand = "probity-broker --socket /run/probity/broker.sock";
    assert!(text.contains("systemd does not run here") && text.contains(by_hand), "{text}");
    let_ada_in(&machine);
    let mut broker = machine
        .command("probity-broker")
        .args(["--socket", "/run/probity/broker.sock"])
        .spawn()
        .unwrap();
    machine.done("until test -S /run/probity/broker.sock; do sleep 0.1; done").unwrap();
    let ping = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
    assert!(ping.status.success(), "{}", said(&ping));
    // It goes with the machine.
    drop(machine);
    broker.wait().unwrap();
}

#[test]
fn without_a_tool_the_others_work_and_its_own_call_says_what_to_install() {
    let Some(machine) = bare(Kind::default()) else { return };
    machine
        .done("dpkg --remove --force-depends nmap && dpkg --install /package/probity.deb")
        .unwrap();
    let_ada_in(&machine);
    let ping = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
    assert!(ping.status.success(), "{}", said(&ping));
    let nmap = machine.run_as("ada", &format!("probity call nmap {HOST}")).unwrap();
    assert!(!nmap.status.success());
    assert!(said(&nmap).contains("apt install nmap"), "{}", said(&nmap));
}

#[test]
fn on_a_kernel_without_landlock_nothing_is_installed() {
    let kind = Kind { without_landlock: true, ..Kind::default() };
    let Some(machine) = bare(kind) else { return };
    let install = machine.run_by_systemd("dpkg --install /package/probity.deb").unwrap();
    let text = said(&install);
    assert!(!install.status.success(), "{text}");
    for hint in ["has no Landlock", "nothing was", "changed", "/sys/kernel/security/lsm"] {
        assert!(text.contains(hint), "{hint}: {text}");
    }
    assert_eq!(machine.done(TRACES).unwrap_or_default(), "");
    assert_eq!(machine.done("dpkg-query --list | grep probity || true").unwrap(), "");
}

#[test]
fn accounts_of_somebody_else_are_not_taken_for_its_own() {
    let Some(machine) = bare(Kind::default()) else { return };
    let traces = || String::from_utf8(machine.run(TRACES).unwrap().stdout).unwrap();
    for (there, why, away) in [
        ("groupadd probity && usermod -aG probity bob", "with bob in it", "groupdel probity"),
        (
            "useradd --shell /bin/bash probity",
            "the account probity is somebody's",
            "userdel probity",
        ),
        (
            "useradd --shell /bin/bash probity-broker",
            "the account probity-broker is somebody's",
            "userdel probity-broker",
        ),
    ] {
        machine.done(there).unwrap();
        let before = traces();
        let install = machine.run("dpkg --install /package/probity.deb").unwrap();
        let text = said(&install);
        assert!(!install.status.success() && text.contains(why), "{text}");
        assert_eq!(traces(), before);
        machine.done(away).unwrap();
    }
    machine.done("dpkg --install /package/probity.deb").unwrap();
}

#[test]
fn an_audit_log_of_somebody_else_keeps_the_broker_from_starting_and_it_is_said() {
    let Some(machine) = bare(Kind::default()) else { return };
    machine
        .done("install -d -o bob /var/log/probity && touch /var/log/probity/audit.jsonl")
        .unwrap();
    let install = machine.run("dpkg --install /package/probity.deb").unwrap();
    let text = said(&install);
    assert!(text.contains("the broker does not start") && !text.contains("adduser NAME"), "{text}");
}

#[test]
fn a_broker_that_does_not_start_says_why_at_the_installation() {
    let kind = Kind { without_landlock: true, ..Kind::default() };
    let Some(machine) = bare(kind) else { return };
    // By a process that nspawn's filter does not hold, so it is the broker that finds out.
    let install = machine.run("dpkg --install /package/probity.deb").unwrap();
    let text = said(&install);
    assert!(text.contains("Landlock") && text.contains("the broker does not start"), "{text}");
    let_ada_in(&machine);
    let journal = machine.done("journalctl --unit probity-broker --no-pager --output cat").unwrap();
    assert!(journal.contains("Landlock"), "{journal}");
    let ping = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
    assert!(!ping.status.success(), "{}", said(&ping));
}
