//! Which hosts and ports a command line asks for.

use super::*;

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn a_target_says_which_hosts_it_holds() {
    for (target, address, wanted) in [
        ("10.0.0.1", "10.0.0.1", Some(true)),
        ("10.0.0.0/24", "10.0.0.200", Some(true)),
        ("10.0.0.0/24", "10.0.1.1", Some(false)),
        ("0.0.0.0/0", "10.0.1.1", Some(true)),
        ("10.0.0.0/33", "10.0.1.1", None),
        ("10.0.0-3.1-254", "10.0.2.9", Some(true)),
        ("10.0.0-3.*", "10.0.2.9", Some(true)),
        ("10.0.0-3", "10.0.2.9", None),
        ("10.0.0.7,9", "10.0.0.8", Some(false)),
        ("fd66::/64", "fd66::5", Some(true)),
        ("fd66::/64", "10.0.0.1", Some(false)),
        ("web.lab.internal", "10.0.0.1", None),
    ] {
        assert_eq!(covers(target, address.parse().unwrap()), wanted, "{target} {address}");
    }
}

#[test]
fn a_list_of_ports_says_which_it_has() {
    for (list, proto, port, wanted) in [
        ("22,80", "tcp", 80, Some(true)),
        ("22,80", "tcp", 81, Some(false)),
        ("-", "tcp", 81, Some(true)),
        ("8000-8010", "udp", 8010, Some(true)),
        ("1000-", "tcp", 65_535, Some(true)),
        ("T:22,23,U:53", "tcp", 23, Some(true)),
        ("T:22,23,U:53", "tcp", 53, Some(false)),
        ("http*", "tcp", 80, None),
    ] {
        assert_eq!(lists(list, proto, port), wanted, "{list} {proto} {port}");
    }
}

#[test]
fn a_command_says_what_it_asks_for() {
    let (one, other) = (
        words("/usr/bin/nmap -n -Pn -sT -p 22,80 -oX - 10.0.0.0/30"),
        words("nmap -oX - --top-ports=10 -sSV 10.0.0.1 10.0.0.9"),
    );
    let scopes = Scopes::new(&one, &other);
    assert!(!scopes.same_ports && !scopes.are_unknown());
    assert_eq!(scopes.host_after("10.0.0.2"), Asked::No);
    assert_eq!(scopes.host_before("10.0.0.9"), Asked::No);
    assert_eq!(scopes.host_before("10.0.0.1"), Asked::Yes);
    assert_eq!(scopes.port_before("tcp", 443), Asked::No);
    assert_eq!(scopes.port_before("tcp", 80), Asked::Yes);
    assert_eq!(scopes.port_after("tcp", 80), Asked::Unknown);
    assert_eq!(scopes.port_before("udp", 80), Asked::No);
    // The same, said otherwise.
    let other = words("nmap -p22,80 -sS 10.0.0.0/30");
    let scopes = Scopes::new(&one, &other);
    assert!(scopes.same_ports && scopes.host_after("10.0.0.1") == Asked::Yes);
    // Without ports.
    let scopes = Scopes::new(&one, &[]);
    assert_eq!(scopes.port_after("tcp", 22), Asked::Unknown);
    let none = words("nmap -sn 10.0.0.0/30");
    assert_eq!(Scopes::new(&one, &none).port_after("tcp", 22), Asked::No);
}
