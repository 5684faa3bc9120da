//! The egress fence that `probity-policy systemd-dropin` prints: it opens what the policy allows and
//! nothing else, systemd and nft take it as it is, and in a lab it stops what it says it stops.
//!
//! - the addresses of the drop-in, held against the broker's own decision
//! - systemd's reading of it
//! - the ruleset: read by nft, and loaded where it may refuse something
//! - input that is none
//!
//! Packets are sent inside namespaces that the test made. Rulesets are loaded there and nowhere else.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, Output},
};

use probity_tests::{
    broker::{PolicyFolder, program},
    lab::{CLIENT, HOST, Lab, Namespace, ROUTER},
    needs,
};

const ANALYZE: &str = "/usr/bin/systemd-analyze";
const NFT: &str = "/usr/sbin/nft";
const SETPRIV: &str = "/usr/bin/setpriv";

/// Whose sockets the rulesets of these tests are about: Debian's nobody.
const FENCED: &str = "65534";

fn policy(words: &[&str]) -> Output {
    Command::new(program("probity-policy")).args(words).output().unwrap()
}

/// What is printed for this policy.
fn fence(folder: &PolicyFolder, more: &[&str]) -> String {
    let path = folder.path("policy.toml").display().to_string();
    let output = policy(&[&["systemd-dropin", "--policy", &path], more].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn with_targets(networks: &str, deny: &str) -> PolicyFolder {
    let folder = PolicyFolder::shipped("").unwrap();
    let shipped = "[\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\"]";
    folder.replace("policy.toml", shipped, networks).unwrap();
    folder.replace("policy.toml", "deny      = []", &format!("deny = {deny}")).unwrap();
    folder
}

/// The directives of a drop-in, as systemd reads them: a line, its key, its value.
fn directives(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut lines = lines.skip_while(|line| *line != "[Service]");
    assert_eq!(lines.next(), Some("[Service]"), "{text}");
    lines.map(|line| line.split_once('=').unwrap()).collect()
}

/// The first and the last address of a network.
fn bounds(network: &str) -> (IpAddr, IpAddr) {
    let (address, prefix) = network.split_once('/').unwrap_or((network, "128"));
    let (address, prefix): (IpAddr, u32) = (address.parse().unwrap(), prefix.parse().unwrap());
    match address {
        IpAddr::V4(first) => {
            let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
            (address, Ipv4Addr::from(u32::from(first) | hosts).into())
        }
        IpAddr::V6(first) => {
            let hosts = u128::MAX.checked_shr(prefix).unwrap_or(0);
            (address, std::net::Ipv6Addr::from(u128::from(first) | hosts).into())
        }
    }
}

/// The address before, and the one after.
fn beside(address: IpAddr) -> [IpAddr; 2] {
    match address {
        IpAddr::V4(v4) => {
            [-1, 1].map(|by| u32::from(v4).wrapping_add_signed(by).into()).map(IpAddr::V4)
        }
        IpAddr::V6(v6) => {
            [-1, 1].map(|by| u128::from(v6).wrapping_add_signed(by).into()).map(IpAddr::V6)
        }
    }
}

#[test]
fn the_fence_of_the_shipped_policy_is_its_networks_and_nothing_else() {
    let output = policy(&["systemd-dropin", "--shipped"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        directives(&text),
        [
            ("IPAddressAllow", ""),
            ("IPAddressDeny", ""),
            ("IPAddressDeny", "any"),
            ("IPAddressAllow", "10.0.0.0/8"),
            ("IPAddressAllow", "172.16.0.0/12"),
            ("IPAddressAllow", "192.168.0.0/16"),
        ]
    );
    let digest = policy(&["show", "--shipped", "--json"]);
    let digest: serde_json::Value = serde_json::from_slice(&digest.stdout).unwrap();
    assert!(text.contains(digest["digest"].as_str().unwrap()), "{text}");
}

#[test]
fn at_every_edge_an_address_is_inside_exactly_where_the_broker_would_approve_of_it() {
    let networks = "[\"10.0.0.0/9\", \"10.128.0.0/9\", \"192.168.7.0/24\", \"fd00::/8\"]";
    let deny = "[\"10.6.0.0/16\", \"192.168.7.9\", \"fd00::1\", \"172.16.0.0/12\"]";
    let folder = with_targets(networks, deny);
    let text = fence(&folder, &[]);
    let lines = directives(&text).into_iter().filter(|line| line.0 == "IPAddressAllow");
    let open: Vec<_> = lines.filter(|line| !line.1.is_empty()).map(|line| bounds(line.1)).collect();
    let inside = |a: &IpAddr| open.iter().any(|(first, last)| first <= a && a <= last);

    let named =
        ["10.0.0.0/8", "10.6.0.0/16", "192.168.7.0/24", "192.168.7.9/32", "fd00::/8", "fd00::1"];
    let others =
        ["8.8.8.8", "127.0.0.1", "172.16.0.1", "0.0.0.0", "255.255.255.255", "::1", "fe80::1"];
    let edges = named.into_iter().map(bounds).flat_map(|(first, last)| [first, last]);
    let edges = edges.flat_map(|edge| [[edge].as_slice(), &beside(edge)].concat());
    let tried: BTreeSet<IpAddr> =
        edges.chain(others.iter().map(|other| other.parse().unwrap())).collect();
    let path = folder.path("policy.toml").display().to_string();
    let approved = |address: &IpAddr| {
        let words = ["explain", "--embedded", "--user", "7", "--tool", "ping", "--policy", &path];
        let output = policy(&[&words[..], &["--target", &address.to_string()]].concat());
        output.status.success()
    };
    for address in &tried {
        assert_eq!(inside(address), approved(address), "{address}: {text}");
    }
    assert!(tried.iter().any(inside) && !tried.iter().all(inside));
    // What is denied is said, but not what was never allowed.
    assert!(text.contains("#   10.6.0.0/16\n") && !text.contains("172.16.0.0"), "{text}");
}

#[test]
fn a_policy_without_networks_gets_a_fence_that_opens_nothing() {
    let folder = PolicyFolder::shipped("").unwrap();
    let text = "version = 1\n[targets]\n[audit]\npath = \"/x\"\n";
    folder.write("policy.toml", text).unwrap();
    let text = fence(&folder, &[]);
    let expected = [("IPAddressAllow", ""), ("IPAddressDeny", ""), ("IPAddressDeny", "any")];
    assert_eq!(directives(&text), expected);
}

#[test]
fn the_tools_that_a_drop_in_does_not_hold_are_named_and_no_others() {
    let folder = PolicyFolder::shipped("").unwrap();
    for text in [fence(&folder, &[]), fence(&folder, &["--nftables"])] {
        assert!(text.contains("#   nmap: CAP_NET_RAW with syn_scan"), "{text}");
        assert!(text.contains("#   scanner: CAP_NET_RAW"), "{text}");
        assert!(text.contains("#   capture: CAP_NET_RAW always"), "{text}");
        assert!(text.contains("#   arp: CAP_NET_RAW"), "{text}");
        assert!(!text.contains("ping:") && !text.contains("traceroute:"), "{text}");
    }
    fs::remove_file(folder.path("tools.d/nmap.toml")).unwrap();
    fs::remove_file(folder.path("tools.d/scanner.toml")).unwrap();
    fs::remove_file(folder.path("tools.d/capture.toml")).unwrap();
    fs::remove_file(folder.path("tools.d/arp.toml")).unwrap();
    let text = fence(&folder, &[]);
    assert!(text.contains("No tool of this policy can have any."), "{text}");
}

#[test]
fn nothing_of_a_policy_path_leaves_its_comment() {
    let folder = PolicyFolder::shipped("").unwrap();
    let hostile = folder.path("a\nIPAddressAllow=8.8.8.8\n\u{1b}[2J");
    fs::create_dir(&hostile).unwrap();
    fs::copy(folder.path("policy.toml"), hostile.join("policy.toml")).unwrap();
    fs::create_dir(hostile.join("tools.d")).unwrap();
    let path = hostile.join("policy.toml").display().to_string();
    let output = policy(&["systemd-dropin", "--policy", &path]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains('\u{1b}'), "{text:?}");
    assert!(directives(&text).iter().all(|(_, value)| *value != "8.8.8.8"), "{text}");
}

#[test]
fn a_written_fence_is_replaced_as_a_whole_and_kept_where_the_policy_has_defects() {
    let folder = PolicyFolder::shipped("").unwrap();
    let file = folder.path("unit.d/10-egress.conf");
    let path = file.display().to_string();
    assert_eq!(fence(&folder, &["-o", &path]), "", "into a folder that is made");
    assert_eq!(fs::read_to_string(&file).unwrap(), fence(&folder, &[]));
    folder.replace("policy.toml", "\"172.16.0.0/12\", ", "").unwrap();
    fence(&folder, &["-o", &path]);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, fence(&folder, &[]));
    assert!(!text.contains("172.16"), "{text}");
    folder.replace("policy.toml", "\"10.0.0.0/8\"", "\"10.0.0.1/8\"").unwrap();
    let of = folder.path("policy.toml").display().to_string();
    let output = policy(&["systemd-dropin", "--policy", &of, "-o", &path]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(fs::read_dir(folder.path("unit.d")).unwrap().count(), 1, "nothing beside it");
}

/// What `systemd-analyze verify` says of a unit with this drop-in.
fn verified(drop_in: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("fenced.service");
    fs::write(&unit, "[Service]\nExecStart=/bin/true\nIPAddressAllow=8.0.0.0/8\n").unwrap();
    fs::create_dir(folder.path().join("fenced.service.d")).unwrap();
    fs::write(folder.path().join("fenced.service.d/10-egress.conf"), drop_in).unwrap();
    let output = Command::new(ANALYZE)
        .args(["verify", "--man=no"])
        .arg(&unit)
        .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()))
        .output()
        .unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn systemd_reads_every_line_of_it() {
    if !needs::tool(ANALYZE) {
        return;
    }
    let text = fence(&with_targets("[\"10.0.0.0/8\", \"fd00::/8\"]", "[\"10.1.2.3\"]"), &[]);
    let of_fence = |said: String| said.lines().any(|line| line.contains("10-egress.conf"));
    assert!(!of_fence(verified(&text)), "{}", verified(&text));
    assert!(of_fence(verified(&format!("{text}IPAddressAllow=10.0.0.0/33\n"))));
}

/// Hands a ruleset to nft inside a namespace: only read (`-c`), or loaded.
fn nft(namespace: &Namespace, text: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("egress.nft");
    fs::write(&file, text).unwrap();
    namespace.command(NFT).args(more).arg("-f").arg(&file).output().unwrap()
}

#[test]
fn nft_takes_the_ruleset_of_any_policy_and_takes_it_again() {
    if !(needs::root() && needs::tool(NFT)) {
        return;
    }
    let lab = Lab::new().unwrap();
    let client = lab.client();
    let everything = with_targets(
        "[\"0.0.0.0/0\", \"2000::/3\", \"fd00::/8\"]",
        "[\"10.0.0.0/8\", \"fd00::1\"]",
    );
    let nothing = PolicyFolder::shipped("").unwrap();
    nothing.write("policy.toml", "version = 1\n[targets]\n[audit]\npath = \"/x\"\n").unwrap();
    let no_v4 = with_targets("[\"fd00::/8\"]", "[\"fd00::/16\"]");
    for folder in [everything, nothing, no_v4, PolicyFolder::shipped("").unwrap()] {
        for user in [FENCED, "nobody"] {
            let text = fence(&folder, &["--nftables", "--device", "lo", "--user", user]);
            for more in [&["-c"][..], &[], &[]] {
                let output = nft(&client, &text, more);
                assert!(output.status.success(), "{output:?}\n{text}");
            }
        }
    }
}

/// What a SYN scan of the router's closed port 1 says, with frames of a packet socket or without.
fn scanned(client: &Namespace, send: &str) -> String {
    let output = client
        .command(SETPRIV)
        .args(["--reuid", FENCED, "--regid", FENCED, "--clear-groups"])
        .args(["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"])
        .args(["/usr/bin/nmap", "--privileged", "-n", "-sS", "-Pn", "--disable-arp-ping", send])
        .args(["--max-retries", "1", "--host-timeout", "5s", "-p", "1", "-oG", "-"])
        .arg(ROUTER.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let state =
        ["closed", "filtered"].into_iter().find(|state| text.contains(&format!("/{state}/")));
    state.map_or(text.clone(), ToOwned::to_owned)
}

fn pings(client: &Namespace, address: Ipv4Addr, user: &str) -> bool {
    let mut command = client.command(SETPRIV);
    command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    command.args(["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"]);
    command.args(["/usr/bin/ping", "-n", "-c", "1", "-W", "1", &address.to_string()]);
    command.output().unwrap().status.success()
}

/// The device of a namespace that is not its loopback.
fn device(namespace: &Namespace) -> String {
    let output = namespace.command("/usr/sbin/ip").args(["-o", "link"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(": ").nth(1));
    let mut names = names.map(|name| name.split('@').next().unwrap().to_owned());
    names.find(|name| name != "lo").unwrap()
}

#[test]
fn the_ruleset_holds_ip_sockets_of_that_user_and_with_a_device_packet_sockets_too() {
    let tools = [NFT, SETPRIV, "/usr/bin/nmap", "/usr/bin/ping"];
    if !(needs::root() && tools.iter().all(|tool| needs::tool(Path::new(tool)))) {
        return;
    }
    let lab = Lab::new().unwrap();
    let client = lab.client();
    let folder =
        with_targets(&format!("[\"10.66.0.0/16\", \"{CLIENT}\"]"), &format!("[\"{ROUTER}\"]"));
    assert_eq!(scanned(&client, "--send-eth"), "closed", "without a fence the scan gets through");

    let text = fence(&folder, &["--nftables", "--user", FENCED]);
    assert!(nft(&client, &text, &[]).status.success(), "{text}");
    assert!(pings(&client, HOST, FENCED), "an allowed address");
    assert!(!pings(&client, ROUTER, FENCED), "a denied address");
    assert!(pings(&client, ROUTER, "65533"), "another user's socket");
    assert_eq!(scanned(&client, "--send-ip"), "filtered");
    assert_eq!(scanned(&client, "--send-eth"), "closed", "as the text says, frames pass it");

    let link = device(&client);
    let text =
        fence(&folder, &["--nftables", "--user", FENCED, "--device", &link, "--device", "lo"]);
    assert!(nft(&client, &text, &[]).status.success(), "{text}");
    assert_eq!(scanned(&client, "--send-eth"), "filtered");
    assert!(pings(&client, HOST, FENCED) && !pings(&client, ROUTER, FENCED));
    assert!(pings(&client, ROUTER, "65533"), "another user's socket");
}

#[test]
fn what_is_no_device_or_user_is_refused_and_so_is_a_policy_with_defects() {
    let refused = |words: &[&str]| {
        let output = policy(&[&["systemd-dropin", "--shipped"], words].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words:?}");
    };
    for name in ["", "eth0\" }; }", "a/b", "sixteen-letters-", "eth 0"] {
        refused(&["--nftables", "--device", name]);
    }
    for user in ["", "-x", "a\" drop", "a b"] {
        refused(&["--nftables", &format!("--user={user}")]);
    }
    refused(&["--device", "eth0"]);
    let folder = PolicyFolder::shipped("").unwrap();
    folder.replace("policy.toml", "\"10.0.0.0/8\"", "\"10.0.0.1/8\"").unwrap();
    let path = folder.path("policy.toml").display().to_string();
    let output = policy(&["systemd-dropin", "--policy", &path]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
}
