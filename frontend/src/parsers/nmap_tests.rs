//! What each kind of scan yields, and what a hostile or broken document does not.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("fixtures/", $name))).unwrap()
    };
}

fn only_host(xml: &str) -> NmapHost {
    let xml = format!("<nmaprun><host>{xml}</host></nmaprun>");
    parse(&xml).unwrap().hosts.remove(0)
}

#[test]
fn services_come_with_product_and_version() {
    let report = fixture!("nmap_services.xml");
    assert!(report.complete && !report.truncated);
    assert_eq!((report.total_hosts, report.hosts_up, report.open_ports), (1, 1, 3));
    assert_eq!((report.exit.as_deref(), report.elapsed_seconds), (Some("success"), Some(1.40)));
    let host = &report.hosts[0];
    assert_eq!(host.address.as_deref(), Some("10.66.2.2"));
    assert_eq!(host.address_type.as_deref(), Some("ipv4"));
    assert_eq!((host.state.as_deref(), host.reason.as_deref()), (Some("up"), Some("echo-reply")));
    let ssh = &host.ports[1];
    assert_eq!((ssh.port, ssh.proto.as_str(), ssh.state.as_deref()), (22, "tcp", Some("open")));
    assert_eq!(ssh.service.as_deref(), Some("ssh"));
    assert_eq!(ssh.product.as_deref(), Some("OpenSSH"));
    assert_eq!(ssh.version.as_deref(), Some("9.2p1 Debian 2+deb12u3"));
    assert_eq!(ssh.extra_info.as_deref(), Some("protocol 2.0"));
    assert_eq!(ssh.scripts[0].id, "banner");
}

#[test]
fn script_output_keeps_its_lines() {
    let report = fixture!("nmap_services.xml");
    let script = &report.hosts[0].ports[4].scripts[0];
    assert_eq!(script.id, "fingerprint-strings");
    assert!(script.output.contains("\n    [31mred\n"), "{:?}", script.output);
}

#[test]
fn hosts_that_are_down_count_without_being_listed() {
    let report = fixture!("nmap_ping_scan.xml");
    assert_eq!((report.total_hosts, report.hosts_up, report.hosts_down), (3, 3, 6));
    assert_eq!(report.hosts[0].mac.as_deref(), Some("4A:34:B8:76:30:FB"));
    assert_eq!(report.hosts[0].address.as_deref(), Some("10.66.1.1"));
    let report = fixture!("nmap_down_verbose.xml");
    assert_eq!((report.total_hosts, report.hosts_up, report.hosts_down), (3, 2, 1));
    assert_eq!(report.hosts[1].state.as_deref(), Some("down"));
}

#[test]
fn ports_that_share_a_state_are_counted() {
    let report = fixture!("nmap_extra_ports.xml");
    let closed = |count| ExtraPorts { state: "closed".into(), count };
    assert_eq!(report.hosts[0].extra_ports, [closed(998)]);
    assert_eq!(report.hosts[1].extra_ports, [closed(1000)]);
    assert_eq!((report.hosts[0].ports.len(), report.open_ports), (2, 2));
}

#[test]
fn operating_systems_come_with_their_accuracy() {
    let report = fixture!("nmap_os.xml");
    let best = OsMatch { name: "Linux 5.3 - 5.4".into(), accuracy: 96 };
    assert_eq!(report.hosts[0].os_matches[0], best);
}

#[test]
fn udp_ipv6_and_skipped_targets_parse() {
    assert_eq!(fixture!("nmap_udp.xml").hosts[0].ports[0].proto, "udp");
    assert_eq!(fixture!("nmap_loopback6.xml").hosts[0].address_type.as_deref(), Some("ipv6"));
    assert_eq!(fixture!("nmap_skipped_target.xml").total_hosts, 1);
    assert_eq!(fixture!("nmap_named.xml").hosts[0].hostnames, ["host.lab.test"]);
}

#[test]
fn a_killed_scan_keeps_its_finished_hosts() {
    let report = fixture!("nmap_killed.xml");
    assert!(!report.complete);
    assert_eq!((report.total_hosts, report.hosts_up, report.open_ports), (1, 1, 2));
    assert_eq!((report.exit, report.elapsed_seconds), (None, None));
}

#[test]
fn half_a_host_is_not_reported() {
    let report = fixture!("nmap_cut.xml");
    assert!(!report.complete);
    assert_eq!(report.total_hosts, 1);
    assert_eq!(report.hosts[0].address.as_deref(), Some("10.66.2.2"));
}

#[test]
fn no_entity_is_resolved_but_the_predefined() {
    let bomb = "<!DOCTYPE n [<!ENTITY a 'aaaa'><!ENTITY f SYSTEM 'file:///etc/passwd'>]>\
        <nmaprun><host><hostnames><hostname name='x&a;y&f;'/><hostname name='b&lt;c'/>\
        </hostnames></host></nmaprun>";
    let report = parse(bomb).unwrap();
    assert_eq!(report.hosts[0].hostnames, ["x&a;y&f;", "b<c"]);
}

#[test]
fn control_characters_in_attributes_become_visible() {
    let host = only_host(
        "<port portid='1' protocol='tcp'><service product='&#x1b;[2Jx&#xa;22/tcp &#x202e;'/>\
         <script id='s' output='a&#xd;&#xa;b&#x9b;'/></port>",
    );
    assert_eq!(host.ports[0].product.as_deref(), Some(r"\x1b[2Jx\n22/tcp \u{202e}"));
    assert_eq!(host.ports[0].scripts[0].output, "a\nb\\u{9b}");
}

#[test]
fn warnings_between_the_elements_are_skipped() {
    let xml = "<nmaprun>\nWARNING: a & b &c; d\n<host><status state='up'/></host>\
        <runstats><finished exit='error' errormsg='no & route'/></runstats></nmaprun>";
    let report = parse(xml).unwrap();
    assert_eq!((report.total_hosts, report.complete), (1, true));
    assert_eq!(report.error_message.as_deref(), Some("no & route"));
}

#[test]
fn impossible_ports_are_left_out() {
    let ports = "<port portid='65536' protocol='tcp'><state state='open'/></port>\
        <port portid='-1' protocol='tcp'/><port protocol='tcp'/><port portid='7'/>\
        <port portid='7' protocol='tcp'/>";
    assert_eq!(only_host(ports).ports.len(), 1);
}

#[test]
fn a_long_script_output_is_cut() {
    let output = "é".repeat(SCRIPT_BYTES_MAX);
    let xml = format!("<nmaprun><host><script id='s' output='x{output}'/></host></nmaprun>");
    let report = parse(&xml).unwrap();
    assert_eq!(report.hosts[0].scripts[0].output.len(), SCRIPT_BYTES_MAX - 1);
    assert!(report.truncated);
}

#[test]
fn the_text_is_a_table_that_no_banner_can_break() {
    let text = Parsed::Nmap(fixture!("nmap_services.xml")).text();
    let expected = "\
10.66.2.2 is up (echo-reply)
PORT      STATE   SERVICE         VERSION
21/tcp    open    ftp             vsftpd 3.0.3
  | banner: 220 (vsFTPd 3.0.3)
22/tcp    open    ssh             OpenSSH 9.2p1 Debian 2+deb12u3 (protocol 2.0)
  | banner: SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3
80/tcp    closed  http
443/tcp   closed  https
4242/tcp  open    vrml-multi-use
  | fingerprint-strings: GenericLines, GetRequest, NULL, SSLSessionReq, TLSSessionReq: …
  | banner: hello \\x1B[31mred\\x1B[0m \\xE2\\x80\\xAEevil \\xFF

1 host listed: 1 up, 0 down, 3 open ports, 1.4 s
";
    assert_eq!(text, expected);
    let text = Parsed::Nmap(fixture!("nmap_killed.xml")).text();
    assert!(text.ends_with("the scan did not finish, unfinished hosts are left out\n"), "{text}");
}
