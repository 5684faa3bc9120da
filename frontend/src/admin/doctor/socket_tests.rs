use super::*;
use crate::admin::doctor::CheckState;

const PATH: &str = "/run/probity/broker.sock";
const SYSTEMD: Host = Host { systemd: true, unit: true };
const BARE: Host = Host { systemd: false, unit: false };

/// A socket of group `gid`, or a folder of it that is closed to others.
fn barrier(path: &str, gid: u32, group: &str, mode: u32) -> Barrier {
    let of = Ownership { uid: 0, gid, mode };
    Barrier { path: path.into(), of, owner: "root".into(), group: group.into() }
}

fn socket_with(barrier: Option<Barrier>) -> Socket {
    let place = match &barrier {
        Some(barrier) if barrier.path == Path::new(PATH) => SocketPlace::Socket(barrier.clone()),
        _ => SocketPlace::Unseen,
    };
    Socket { path: PATH.into(), place, barrier }
}

fn ada(groups: &[u32], listed: &[u32]) -> Person {
    Person {
        uid: 1000,
        gid: 1000,
        groups: groups.to_vec(),
        name: Some("ada".into()),
        listed: listed.to_vec(),
    }
}

fn commands(check: &Check) -> Vec<&str> {
    let remedy = check.remedy.as_ref().expect("a remedy");
    remedy.commands.iter().map(String::as_str).collect()
}

/// Barred from a socket of group probity.
fn barred_as(person: &Person) -> Check {
    let socket = socket_with(Some(barrier(PATH, 990, "probity", 0o140_660)));
    reach(&socket, &Knock::Barred, person, &SYSTEMD)
}

#[test]
fn who_is_not_in_the_group_is_told_how_to_join_it() {
    let check = barred_as(&ada(&[1000], &[1000]));
    assert_eq!(check.state, CheckState::Failed);
    assert!(check.found.contains("(root:probity, mode 0660)"), "{}", check.found);
    assert!(check.found.contains("not in group probity"), "{}", check.found);
    assert_eq!(commands(&check), ["sudo usermod -aG probity ada"]);
}

#[test]
fn a_group_that_was_joined_since_the_login_is_told_apart() {
    let check = barred_as(&ada(&[1000], &[1000, 990]));
    assert!(check.found.contains("not in force yet"), "{}", check.found);
    assert_eq!(commands(&check), ["newgrp probity"]);
}

#[test]
fn a_user_without_an_account_is_not_told_to_change_one() {
    let check = barred_as(&Person { uid: 64001, groups: vec![64001], ..Person::default() });
    assert!(check.found.contains("uid 64001"), "{}", check.found);
    assert!(check.remedy.unwrap().advice.contains("--group-add 990"));
}

#[test]
fn nobody_is_told_to_join_group_root() {
    let socket = socket_with(Some(barrier(PATH, 0, "root", 0o140_660)));
    for host in [SYSTEMD, BARE] {
        let check = reach(&socket, &Knock::Barred, &ada(&[1000], &[1000]), &host);
        let commands = commands(&check);
        assert!(!commands.iter().any(|c| c.contains("-aG root")), "{commands:?}");
        assert!(commands.contains(&"sudo usermod -aG probity ada"), "{commands:?}");
        assert_eq!(commands.iter().any(|c| c.contains("systemctl")), host.systemd);
    }
}

#[test]
fn a_closed_folder_is_named_and_not_the_socket_behind_it() {
    let socket = socket_with(Some(barrier("/run/probity", 990, "probity", 0o40_750)));
    let check = reach(&socket, &Knock::Barred, &ada(&[1000], &[1000]), &SYSTEMD);
    assert!(check.found.starts_with("/run/probity (root:probity, mode 0750)"), "{}", check.found);
    assert_eq!(commands(&check), ["sudo usermod -aG probity ada"]);
}

#[test]
fn a_mode_that_keeps_the_group_out_is_at_fault() {
    for (person, mode) in
        [(ada(&[1000], &[1000]), 0o140_600), (ada(&[1000, 990], &[990]), 0o140_606)]
    {
        let socket = socket_with(Some(barrier(PATH, 990, "probity", mode)));
        let check = reach(&socket, &Knock::Barred, &person, &SYSTEMD);
        assert_eq!(commands(&check), ["sudo systemctl restart probity-broker.socket"]);
        let check = reach(&socket, &Knock::Barred, &person, &BARE);
        assert_eq!(commands(&check), [""; 0]);
    }
}

#[test]
fn where_modes_allow_it_something_else_forbids_it() {
    let check = reach(&socket_with(None), &Knock::Barred, &ada(&[990], &[990]), &SYSTEMD);
    assert!(check.remedy.as_ref().unwrap().advice.contains("AppArmor"));
    assert_eq!(commands(&check)[0], format!("getfacl {PATH}"));
}

#[test]
fn how_a_broker_is_started_depends_on_the_machine() {
    let nothing = Socket { path: PATH.into(), place: SocketPlace::Nothing, barrier: None };
    let no_unit = Host { systemd: true, unit: false };
    for knock in [Knock::Nothing, Knock::Deserted] {
        for (host, begins) in [
            (SYSTEMD, "sudo systemctl enable --now probity-broker.socket"),
            (no_unit, "sudo probity-broker --socket /run/probity/broker.sock"),
            (BARE, "sudo probity-broker --socket /run/probity/broker.sock"),
        ] {
            let check = reach(&nothing, &knock, &ada(&[1000], &[]), &host);
            assert_eq!(check.state, CheckState::Failed);
            assert_eq!(commands(&check)[0], begins, "{knock:?} {host:?}");
        }
    }
}

#[test]
fn a_file_that_is_no_socket_is_called_so() {
    let file = Socket { path: PATH.into(), place: SocketPlace::NoSocket, barrier: None };
    let check = reach(&file, &Knock::Deserted, &ada(&[1000], &[]), &SYSTEMD);
    assert!(check.found.contains("is no socket"), "{}", check.found);
}
