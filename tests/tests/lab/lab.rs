//! The lab itself: if it lies, every test that uses it does.
//!
//! - packets: ping through the router, two hops, closed ports, nowhere else to go
//! - servers: the banners, friendly and hostile
//! - the wider lab: IPv6, two paths, and every way for a packet not to arrive
//! - names: the client's hosts file
//! - isolation: two labs at once, nothing left behind, leftovers of the dead removed
//!
//! All traffic stays inside namespaces that the test made.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use probity_tests::{
    lab::{CLIENT, HOST, HOST_NAME, Lab, MIXED_NAME, Namespace, PUBLIC, ROUTER, ROUTER_NAME},
    needs, procs,
};

const IP: &str = "/usr/sbin/ip";
const PING: &str = "/usr/bin/ping";
const TRACEROUTE: &str = "/usr/sbin/traceroute";
const NMAP: &str = "/usr/bin/nmap";
const BASH: &str = "/bin/bash";

fn can_run(tools: &[&str]) -> bool {
    needs::root() && needs::tool(IP) && tools.iter().all(needs::tool)
}

fn output(namespace: &Namespace, program: &str, args: &[&str]) -> Output {
    namespace.command(program).args(args).stdin(Stdio::null()).output().unwrap()
}

fn stdout(namespace: &Namespace, program: &str, args: &[&str]) -> String {
    let output = output(namespace, program, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    text
}

fn banner(namespace: &Namespace, port: u16, request: &str) -> Vec<u8> {
    let script = format!("exec 3<>/dev/tcp/{HOST}/{port}; printf '{request}' >&3; head -n 20 <&3");
    let output = output(namespace, "/usr/bin/timeout", &["5", BASH, "-c", &script]);
    output.stdout
}

fn pings(namespace: &Namespace, address: Ipv4Addr) -> bool {
    let args = ["-n", "-c", "1", "-W", "1", &address.to_string()];
    output(namespace, PING, &args).status.success()
}

#[test]
fn the_client_pings_the_host_through_the_router() {
    if !can_run(&[PING]) {
        return;
    }
    let lab = Lab::new().unwrap();
    let text = stdout(&lab.client(), PING, &["-n", "-c", "3", "-i", "0.2", &HOST.to_string()]);
    assert!(text.contains("3 received"), "{text}");
    // One below 64: exactly one router in between.
    assert!(text.contains("ttl=63"), "{text}");
    assert!(pings(&lab.host(), CLIENT));
    assert!(pings(&lab.router(), CLIENT));
}

#[test]
fn traceroute_shows_the_router_and_then_the_host() {
    if !can_run(&[TRACEROUTE]) {
        return;
    }
    let lab = Lab::new().unwrap();
    let text = stdout(&lab.client(), TRACEROUTE, &["-n", "-w", "2", &HOST.to_string()]);
    let hops: Vec<Vec<&str>> =
        text.lines().skip(1).map(|line| line.split_ascii_whitespace().collect()).collect();
    assert_eq!(hops.len(), 2, "{text}");
    assert_eq!(hops[0][..2], ["1", &ROUTER.to_string()], "{text}");
    assert_eq!(hops[1][..2], ["2", &HOST.to_string()], "{text}");
    // Each of the three probes a hop was answered, so the kernel paces no ICMP errors.
    assert!(!text.contains('*'), "{text}");
}

#[test]
fn nmap_finds_the_open_ports_and_knows_ssh() {
    if !can_run(&[NMAP]) {
        return;
    }
    let lab = Lab::new().unwrap();
    let ports = "21,22,80,8080";
    let text = stdout(&lab.client(), NMAP, &["-sT", "-p", ports, "-oG", "-", HOST_NAME]);
    for port in ["21/closed", "22/open", "80/open", "8080/open"] {
        assert!(text.contains(port), "{port}: {text}");
    }
    let text = stdout(&lab.client(), NMAP, &["-sS", "-sV", "-p22", "-oG", "-", HOST_NAME]);
    assert!(text.contains("22/open/tcp//ssh//"), "{text}");
}

#[test]
fn the_servers_speak_as_announced() {
    if !can_run(&[BASH]) {
        return;
    }
    let lab = Lab::new().unwrap();
    let client = lab.client();
    let http = String::from_utf8(banner(&client, 80, "GET / HTTP/1.0\\r\\n\\r\\n")).unwrap();
    assert!(http.starts_with("HTTP/1.0 200 OK\r\n"), "{http}");
    assert!(http.contains("\r\nServer: ProbityLab/1.0\r\n"), "{http}");

    let ssh = "exec 3<>/dev/tcp/10.66.2.2/22; read -r -t 5 line <&3; printf %s \"$line\"";
    assert_eq!(stdout(&client, BASH, &["-c", ssh]), "SSH-2.0-ProbityLab_1.0\r");

    let hostile = banner(&client, 8080, "");
    let holds = |part: &[u8]| hostile.windows(part.len()).any(|window| window == part);
    for part in [&b"\x1b[2J"[..], b"\x1b]0;", b"\x1b]8;;", b"\x1b]52;c;", b"\x9b33m"] {
        assert!(holds(part), "{part:?} in {hostile:?}");
    }
    for part in ["\u{9b}", "\u{9d}", "\u{202e}", "\u{2066}", "\u{200b}", "\u{feff}"] {
        assert!(holds(part.as_bytes()), "{part:?} in {hostile:?}");
    }
}

#[test]
fn the_hostile_page_has_its_line_in_a_header_and_in_its_title() {
    if !can_run(&[BASH]) {
        return;
    }
    let lab = Lab::new().unwrap();
    let page = banner(&lab.client(), 8000, "GET / HTTP/1.0\\r\\n\\r\\n");
    for start in [&b"\r\nServer: 220 hostile \x1b[2J"[..], b"<title>220 hostile \x1b[2J"] {
        assert!(page.windows(start.len()).any(|window| window == start), "{page:?}");
    }
}

#[test]
fn the_wider_lab_answers_as_its_table_says() {
    if !can_run(&[PING]) {
        return;
    }
    let mut lab = Lab::new().unwrap();
    lab.widen().unwrap();
    let ping = |address: &str| {
        let args = ["-n", "-c", "1", "-W", "1", address];
        String::from_utf8(output(&lab.client(), PING, &args).stdout).unwrap()
    };
    for (address, said) in [
        ("fd66:2::2", " 1 received"),
        ("fd66:2::36", "From fd66:1::1 icmp_seq=1 Destination unreachable"),
        ("10.66.2.32", " 1 received"),
        ("10.66.2.36", "From 10.66.1.1 icmp_seq=1 Destination Host Unreachable"),
        ("10.66.2.37", "From 10.66.1.1 icmp_seq=1 Packet filtered"),
        ("10.66.2.38", "From 10.66.1.1 icmp_seq=1 Destination Net Unreachable"),
        ("10.66.2.40", " 0 received, 100% packet loss"),
        ("10.66.2.50", " 1 received"),
    ] {
        let text = ping(address);
        assert!(text.contains(said), "{address}: {text}");
    }
    let paths = stdout(&lab.client(), IP, &["route", "show", "10.66.2.50"]);
    assert_eq!(paths.matches("nexthop").count(), 2, "{paths}");
    // Wider, and as closed as before.
    for family in ["-4", "-6"] {
        let routes = stdout(&lab.router(), IP, &[family, "route", "show"]);
        assert!(!routes.contains("default"), "{routes}");
    }
}

#[test]
fn the_client_knows_the_lab_by_name_and_nobody_else() {
    if !can_run(&["/usr/bin/getent"]) {
        return;
    }
    let lab = Lab::new().unwrap();
    let addresses = |name: &str| -> Vec<String> {
        let output = output(&lab.client(), "/usr/bin/getent", &["ahostsv4", name]);
        let mut found: Vec<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| line.split_ascii_whitespace().next().map(str::to_owned))
            .collect();
        found.sort();
        found.dedup();
        found
    };
    assert_eq!(addresses("localhost"), ["127.0.0.1"]);
    assert_eq!(addresses(HOST_NAME), [HOST.to_string()]);
    assert_eq!(addresses(ROUTER_NAME), [ROUTER.to_string()]);
    assert_eq!(addresses(MIXED_NAME), [HOST.to_string(), PUBLIC.to_string()]);
    assert!(addresses("example.com").is_empty());
}

#[test]
fn there_is_no_way_out_of_a_lab() {
    if !can_run(&[]) {
        return;
    }
    let lab = Lab::new().unwrap();
    for namespace in [lab.client(), lab.router(), lab.host()] {
        // Every interface is lo or a veth whose other end is in the lab: there is no way out.
        let links = stdout(&namespace, IP, &["-o", "link", "show"]);
        let is_router = namespace == lab.router();
        assert_eq!(links.lines().count(), if is_router { 3 } else { 2 }, "{links}");
        // IPv6 would bring neighbour discovery that no test asked for.
        let ipv6 = stdout(&namespace, IP, &["-o", "-6", "addr", "show", "scope", "link"]);
        assert_eq!(ipv6, "");
    }
    let routes = stdout(&lab.router(), IP, &["route", "show"]);
    assert!(!routes.contains("default"), "{routes}");
    // The kernel is asked for the route; no packet is sent to find out.
    let asked = output(&lab.router(), IP, &["route", "get", &PUBLIC.to_string()]);
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(!asked.status.success() && said.contains("unreachable"), "{asked:?}");
}

#[test]
fn two_labs_at_once_do_not_disturb_each_other() {
    if !can_run(&[PING]) {
        return;
    }
    let (first, second) = (Lab::new().unwrap(), Lab::new().unwrap());
    assert_ne!(first.client(), second.client());
    // Same address, other host: taking one down leaves the other up.
    stdout(&first.router(), "/bin/sh", &["-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"]);
    assert!(!pings(&first.client(), HOST));
    assert!(pings(&second.client(), HOST));
    drop(first);
    assert!(pings(&second.client(), HOST));
    assert!(banner(&second.client(), 8080, "").starts_with(b"220 hostile"));
}

#[test]
fn a_command_is_the_program_itself_with_its_pid() {
    if !can_run(&[]) {
        return;
    }
    let lab = Lab::new().unwrap();
    let mut child = lab.client().command("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();
    let is_cat = procs::wait_until(Duration::from_secs(5), || {
        procs::ProcStatus::read(child.id()).is_ok_and(|status| status.name == "cat")
    });
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(is_cat);
}

#[test]
fn nothing_is_left_after_drop() {
    if !can_run(&[]) {
        return;
    }
    let lab = Lab::new().unwrap();
    let names = [lab.client(), lab.router(), lab.host()].map(|ns| ns.name().to_owned());
    let servers = stdout(&lab.host(), IP, &["netns", "pids", &names[2]]);
    let server: u32 = servers.lines().next().unwrap().trim().parse().unwrap();
    assert_eq!(procs::ProcStatus::read(server).unwrap().name, "lab-host");
    assert!(Path::new("/etc/netns").join(&names[0]).join("hosts").exists());

    drop(lab);

    let listed = Command::new(IP).args(["netns", "list"]).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    for name in &names {
        assert!(!listed.contains(name.as_str()), "{listed}");
        assert!(!Path::new("/etc/netns").join(name).exists());
    }
    assert!(procs::ProcStatus::read(server).is_err(), "the server outlived its lab");
}

#[test]
fn the_servers_end_with_their_stdin() {
    if !can_run(&[]) {
        return;
    }
    // The way they end when the test is killed and no Drop runs. Loopback will do for that, in a
    // client namespace, where the ports are free.
    let lab = Lab::new().unwrap();
    let mut server = lab
        .client()
        .command(env!("CARGO_BIN_EXE_lab-host"))
        .arg("127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(server.try_wait().unwrap().is_none());
    drop(server.stdin.take());
    let has_ended =
        procs::wait_until(Duration::from_secs(5), || server.try_wait().unwrap().is_some());
    let _ = server.kill();
    let _ = server.wait();
    assert!(has_ended);
}

#[test]
fn leftovers_of_a_dead_process_go_and_strangers_stay() {
    if !can_run(&[]) {
        return;
    }
    let mut gone = Command::new("/bin/true").spawn().unwrap();
    gone.wait().unwrap();
    let dead = format!("pbt-{}-0-client", gone.id());
    // Not a name that a lab gives, whatever it resembles.
    let stranger = format!("pbt-{}-0-client-2", gone.id());
    let etc = Path::new("/etc/netns").join(&dead);
    for name in [&dead, &stranger] {
        assert!(Command::new(IP).args(["netns", "add", name]).status().unwrap().success());
    }
    // A lab of another test may be sweeping already, which is as good.
    let _ = fs::create_dir_all(&etc).and_then(|()| fs::write(etc.join("hosts"), ""));

    let lab = Lab::new();

    let has_stranger = Path::new("/run/netns").join(&stranger).exists();
    let _ = Command::new(IP).args(["netns", "del", &stranger]).status();
    lab.unwrap();
    assert!(has_stranger);
    assert!(procs::wait_until(Duration::from_secs(5), || {
        !Path::new("/run/netns").join(&dead).exists() && !etc.exists()
    }));
}
