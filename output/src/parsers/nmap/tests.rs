//! What each kind of scan yields, and what a hostile or broken document does not.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("../fixtures/", $name))).unwrap()
    };
}

fn only_host(xml: &str) -> NmapHost {
    let xml = format!("<nmaprun><host>{xml}</host></nmaprun>");
    parse(&xml).unwrap().hosts.remove(0)
}

fn text(report: NmapReport) -> String {
    Parsed::Nmap(report).text()
}

fn port(report: &NmapReport, number: u16) -> &NmapPort {
    report.hosts[0].ports.iter().find(|port| port.port == number).unwrap()
}

#[test]
fn services_come_with_what_they_say_of_themselves() {
    let report = fixture!("nmap_services.xml");
    assert!(report.complete && !report.truncated);
    assert_eq!((report.total_hosts, report.hosts_up, report.open_ports), (1, 1, Some(4)));
    assert_eq!(report.exit.as_deref(), Some("success"));
    assert!(report.elapsed_seconds.is_some());
    let host = &report.hosts[0];
    assert_eq!(host.address.as_deref(), Some("10.66.2.2"));
    assert_eq!(host.address_type.as_deref(), Some("ipv4"));
    assert_eq!((host.state.as_deref(), host.reason.as_deref()), (Some("up"), Some("echo-reply")));
    let ssh = port(&report, 22);
    assert_eq!((ssh.proto.as_str(), ssh.state.as_deref()), ("tcp", Some("open")));
    assert_eq!(ssh.service.as_deref(), Some("ssh"));
    assert_eq!(ssh.extra_info.as_deref(), Some("protocol 2.0"));
    assert_eq!(ssh.scripts[0].id, "banner");
    assert_eq!(ssh.scripts[0].output, "SSH-2.0-ProbityLab_1.0");
    let service = "<port portid='443' protocol='tcp'><state state='open' reason='syn-ack'/>\
        <service name='http' product='nginx' version='1.22.1' extrainfo='Debian' tunnel='ssl'/>\
        </port>";
    let https = &only_host(service).ports[0];
    let said = [&https.service, &https.product, &https.version, &https.extra_info, &https.tunnel];
    let said = said.map(|word| word.as_deref().unwrap());
    assert_eq!(said, ["http", "nginx", "1.22.1", "Debian", "ssl"]);
}

#[test]
fn scripts_of_ports_of_hosts_and_of_the_scan_are_kept_apart() {
    let report = fixture!("nmap_scripts.xml");
    let ids = |scripts: &[NmapScript]| -> Vec<String> {
        scripts.iter().map(|script| script.id.clone()).collect()
    };
    assert!(ids(&port(&report, 80).scripts).contains(&"http-title".to_owned()));
    assert!(ids(&report.hosts[0].scripts).contains(&"port-states".to_owned()));
    assert_eq!(ids(&report.scripts), ["reverse-index"]);
    let headers = port(&report, 80).scripts.iter().find(|s| s.id == "http-headers").unwrap();
    assert!(headers.output.contains("\n  Server: ProbityLab/1.0\n"), "{}", headers.output);
}

#[test]
fn hosts_that_are_down_count_without_being_listed() {
    let report = fixture!("nmap_ping_scan.xml");
    assert_eq!((report.total_hosts, report.hosts_up, report.hosts_down), (5, 5, 11));
    let report = fixture!("nmap_ping_scan_verbose.xml");
    assert_eq!((report.total_hosts, report.hosts_up, report.hosts_down), (16, 5, 11));
    assert!(report.hosts.iter().any(|host| host.state.as_deref() == Some("down")));
    for report in [fixture!("nmap_silent.xml"), fixture!("nmap_unreachable.xml")] {
        assert_eq!((report.hosts_up, report.total_hosts, report.complete), (0, 0, true));
    }
}

#[test]
fn a_whole_network_is_read() {
    let report = fixture!("nmap_network.xml");
    assert_eq!((report.total_hosts, report.hosts_up, report.hosts_down), (5, 5, 11));
    assert_eq!(report.open_ports, Some(9));
}

#[test]
fn ports_that_share_a_state_are_counted() {
    let report = fixture!("nmap_extra_ports.xml");
    let closed = |count| ExtraPorts {
        state: "closed".into(),
        count,
        reasons: vec![ExtraReason { reason: "reset".into(), count }],
    };
    let of = |address: &str| {
        let is = |host: &&NmapHost| host.address.as_deref() == Some(address);
        report.hosts.iter().find(is).unwrap().extra_ports.clone()
    };
    assert_eq!(of("10.66.2.2"), [closed(998)]);
    assert_eq!(of("10.66.1.1"), [closed(1000)]);
    assert_eq!(report.open_ports, Some(2));
}

#[test]
fn filtered_ports_say_why() {
    let report = fixture!("nmap_filtered.xml");
    let extra = &report.hosts[0].extra_ports[0];
    assert_eq!((extra.state.as_str(), extra.count), ("filtered", 100));
    assert_eq!(extra.reasons, [ExtraReason { reason: "no-response".into(), count: 100 }]);
    assert_eq!(report.hosts[0].reason.as_deref(), Some("user-set"));
    let report = fixture!("nmap_prohibited.xml");
    let why = |at: usize| report.hosts[at].ports[0].reason.as_deref();
    assert_eq!([why(0), why(1)], [Some("admin-prohibited"), Some("host-unreach")]);
}

#[test]
fn operating_systems_come_with_their_accuracy_and_the_way_there_with_hops() {
    for report in [fixture!("nmap_os.xml"), fixture!("nmap_aggressive.xml")] {
        let guesses = &report.hosts[0].os_matches;
        assert!(guesses.iter().any(|guess| guess.name.contains("Linux")), "{guesses:?}");
        assert!(guesses.is_sorted_by(|a, b| a.accuracy_percent >= b.accuracy_percent));
        assert_eq!(report.hosts[0].distance_hops, Some(2));
    }
    let report = fixture!("nmap_aggressive.xml");
    let route: Vec<_> =
        report.hosts[0].route.iter().map(|hop| (hop.number, hop.address.as_str())).collect();
    assert_eq!(route, [(1, "10.66.1.1"), (2, "10.66.2.2")]);
}

#[test]
fn udp_protocols_ipv6_names_and_macs_parse() {
    let report = fixture!("nmap_udp.xml");
    assert_eq!((report.hosts[0].ports.len(), port(&report, 53).proto.as_str()), (2, "udp"));
    assert_eq!(port(&fixture!("nmap_protocols.xml"), 6).proto, "ip");
    let report = fixture!("nmap6.xml");
    assert_eq!(report.hosts[0].address.as_deref(), Some("fd66:2::2"));
    assert_eq!(report.hosts[0].address_type.as_deref(), Some("ipv6"));
    assert_eq!(report.open_ports, Some(2));
    assert!(fixture!("nmap_named.xml").hosts[0].hostnames.contains(&"web.lab.internal".to_owned()));
    let report = fixture!("nmap_arp.xml");
    assert_eq!(report.hosts[0].address.as_deref(), Some("10.66.1.1"));
    assert_eq!(report.hosts[0].mac.as_ref().map(String::len), Some("00:00:00:00:00:00".len()));
}

#[test]
fn targets_that_were_skipped_are_told() {
    let report = fixture!("nmap_skipped_target.xml");
    assert_eq!(
        (report.total_hosts, report.skipped_targets.as_slice()),
        (1, &["fd66:2::2".to_owned()][..])
    );
    assert!(text(report).contains("; skipped: fd66:2::2\n"));
}

#[test]
fn progress_between_the_hosts_changes_nothing() {
    let report = fixture!("nmap_progress.xml");
    assert_eq!((report.total_hosts, report.hosts[0].ports.len(), report.complete), (1, 10, true));
}

#[test]
fn a_killed_scan_keeps_its_finished_hosts() {
    let report = fixture!("nmap_killed.xml");
    assert!(!report.complete);
    assert_eq!((report.total_hosts, report.hosts_up, report.open_ports), (1, 1, Some(2)));
    assert_eq!((report.exit, report.elapsed_seconds), (None, None));
}

#[test]
fn half_a_host_is_not_reported() {
    let report = fixture!("nmap_cut.xml");
    assert!(!report.complete);
    assert_eq!((report.total_hosts, report.hosts.len()), (1, 1));
    let xml = "<nmaprun><host><status state='up'/>\
        <port portid='22' protocol='tcp'><state state='open'/></port><port portid='23'";
    assert_eq!(parse(xml).map(|report| (report.total_hosts, report.open_ports)), Some((0, None)));
}

#[test]
fn a_fatal_error_is_told_and_nothing_scanned_is_told_apart() {
    let report = fixture!("nmap_fatal.xml");
    assert_eq!((report.exit.as_deref(), report.complete), (Some("error"), false));
    let said = text(report);
    assert!(said.contains("nmap failed: \"NSE: failed to initialize the script engine"), "{said}");
    assert_eq!(said.lines().count(), 1);
    assert!(said.starts_with("nmap failed: "), "{said}");
    let report = fixture!("nmap_fatal_early.xml");
    let error = "Ports specified must be between 0 and 65535 inclusive";
    assert_eq!(report.error_message.as_deref(), Some(error));
    assert_eq!(text(fixture!("nmap_no_targets.xml")), "nothing was scanned\n");
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
    // It says that it failed, so it is no complete scan.
    assert_eq!((report.total_hosts, report.complete), (1, false));
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
    let xml = "<nmaprun><host><status state='up' reason='echo-reply'/>\
        <address addr='10.66.2.2' addrtype='ipv4'/><ports>\
        <extraports state='closed' count='995'/>\
        <port portid='22' protocol='tcp'><state state='open'/><service name='ssh' \
        product='OpenSSH' version='9.2p1&#xa;23/tcp open' extrainfo='protocol 2.0'/>\
        <script id='banner' output='SSH-2.0-x'/></port>\
        <port portid='8080' protocol='tcp'><state state='open'/><service name='http-proxy'/>\
        <script id='http-title' output='&#xa;  &#x1b;[2J hi&#xa;  there'/></port>\
        <port portid='80' protocol='tcp'><state state='closed'/></port>\
        <port portid='25' protocol='tcp'><state state='filtered'/></port>\
        </ports><os><osmatch name='Linux 5.4' accuracy='96'/></os></host>\
        <host><status state='down' reason='no-response'/><address addr='10.66.2.3' addrtype='ipv4'/></host>\
        <host><status state='up' reason='reset'/><address addr='10.66.2.4' addrtype='ipv4'/>\
        <ports><extraports state='filtered' count='100'/></ports></host>\
        <runstats><finished elapsed='1.40' exit='success'/></runstats></nmaprun>";
    let expected = r#"10.66.2.2 is up (echo-reply), not open: 996 closed, 1 filtered (25)
PORT      STATE  SERVICE     VERSION
22/tcp    open   ssh         OpenSSH 9.2p1\n23/tcp open (protocol 2.0)
  | banner: SSH-2.0-x
8080/tcp  open   http-proxy
  | http-title: \x1b[2J hi …
OS guess: "Linux 5.4" (96%)

10.66.2.4 is up (reset), not open: 100 filtered
did not answer: 10.66.2.3
2 hosts up, 1 did not answer, 2 open ports, 1.4 s
"#;
    assert_eq!(text(parse(xml).unwrap()), expected);
    let unfinished = text(fixture!("nmap_killed.xml"));
    let last = unfinished.lines().last().unwrap();
    assert!(last.ends_with("; the scan did not finish, unfinished hosts are left out"), "{last}");
}

#[test]
fn a_network_that_is_mostly_silent_reads_at_a_glance() {
    let said = text(fixture!("nmap_network.xml"));
    let expected = "\
3 hosts: 22/tcp ssh, 80/tcp http, 8080/tcp http-proxy open; not open: 1 closed (443)
  at 10.66.2.32-33, 10.66.2.39
2 hosts: up; not open: 4 closed (22, 80, 443, 8080)
  at 10.66.2.34-35
";
    assert!(said.starts_with(expected), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("5 hosts up, 11 did not answer, 9 open ports, "), "{said}");
    let said = text(fixture!("nmap_ping_scan_verbose.xml"));
    assert!(said.contains(", and 3 more\n"), "{said}");
    assert!(text(fixture!("nmap_silent.xml")).starts_with("no host is up, 1 did not answer, "));
    let said = text(fixture!("nmap_prohibited.xml"));
    let expected =
        "\n10.66.2.36 was taken to be up, not open: 2 filtered by host-unreach (22, 80)\n";
    assert!(said.contains(expected), "{said}");
}

/// A host that is up with these ports, as nmap writes it.
fn host(last: u8, more: &str, ports: &str) -> String {
    format!(
        "<host><status state='up' reason='reset'/><address addr='10.0.0.{last}' addrtype='ipv4'/>{more}\
         <ports><extraports state='closed' count='97'/>{ports}</ports></host>"
    )
}

fn open(port: u16, service: &str) -> String {
    format!("<port portid='{port}' protocol='tcp'><state state='open'/><service {service}/></port>")
}

fn scan(hosts: &[String]) -> String {
    let xml = format!(
        "<nmaprun>{}<runstats><finished elapsed='2' exit='success'/></runstats></nmaprun>",
        hosts.concat()
    );
    text(parse(&xml).unwrap())
}

#[test]
fn hosts_with_the_same_ports_are_one_row_and_what_differs_stands_out() {
    let web = [open(22, "name='ssh'"), open(80, "name='http'")].concat();
    let mut hosts: Vec<String> = (1..=30).map(|last| host(last, "", &web)).collect();
    hosts[9] = host(10, "", &open(22, "name='ssh'"));
    hosts.push(host(40, "", ""));
    let said = scan(&hosts);
    let expected = "\
29 hosts: 22/tcp ssh, 80/tcp http open; not open: 97 closed
  at 10.0.0.1-9, 10.0.0.11-30

10.0.0.10 is up (reset), not open: 97 closed
PORT    STATE  SERVICE  VERSION
22/tcp  open   ssh

10.0.0.40 is up (reset), not open: 97 closed
31 hosts up, 59 open ports, 2.0 s
";
    assert_eq!(said.replace("2 s", "2.0 s"), expected);
}

#[test]
fn a_row_names_what_tells_its_hosts_apart_and_keeps_other_versions_apart() {
    let ssh =
        |version: &str| open(22, &format!("name='ssh' product='OpenSSH' version='{version}'"));
    let mac = "<address addr='00:11:22:33:44:55' addrtype='mac'/>";
    let named = "<hostnames><hostname name='web.lab'/></hostnames>";
    let hosts = [
        host(1, mac, &ssh("9.2")),
        host(2, named, &ssh("9.2")),
        host(3, "", &ssh("8.4")),
        host(4, "", &ssh("8.4&#10;REFUSED (X): no")),
    ];
    let said = scan(&hosts);
    assert!(
        said.starts_with(
            "2 hosts: 22/tcp ssh \"OpenSSH 9.2\" open; not open: 97 closed\n  \
             at 10.0.0.1 MAC 00:11:22:33:44:55, 10.0.0.2 (web.lab)\n"
        ),
        "{said}"
    );
    assert_eq!(said.matches("PORT ").count(), 2, "{said}");
}

#[test]
fn a_few_ports_of_one_host_are_a_sentence_each() {
    for (fixture, expected) in [
        (fixture!("nmap_port_open.xml"), "10.66.2.2 port 22/tcp is open (ssh)\n"),
        (fixture!("nmap_port_closed.xml"), "10.66.2.2 port 443/tcp is closed\n"),
        (
            fixture!("nmap_port_filtered.xml"),
            "10.66.2.40 tcp ports 22, 80, 443 are filtered: no answer\n",
        ),
        (
            fixture!("nmap_port_unreachable.xml"),
            "10.66.2.36 port 22/tcp is filtered by host-unreach\n",
        ),
        (
            fixture!("nmap_port_banner.xml"),
            "10.66.2.2 port 22/tcp is open (ssh)\n  | banner: SSH-2.0-ProbityLab_1.0\n\
             10.66.2.2 port 80/tcp is open (http)\n10.66.2.2 port 443/tcp is closed\n",
        ),
    ] {
        assert_eq!(text(fixture), expected);
    }
    // Where more was asked, or nmap did not come to its end, there is more to say.
    let pinged =
        host(1, "", &open(22, "name='ssh'")).replace("<extraports state='closed' count='97'/>", "");
    let said = scan(std::slice::from_ref(&pinged));
    assert!(said.contains("10.0.0.1 is up (reset)\n"), "{said}");
    let unasked = pinged.replace("reason='reset'", "reason='user-set'");
    assert_eq!(scan(std::slice::from_ref(&unasked)), "10.0.0.1 port 22/tcp is open (ssh)\n");
    let unfinished = text(parse(&format!("<nmaprun>{unasked}")).unwrap());
    assert!(unfinished.contains("the scan did not finish"), "{unfinished}");
    let forged = unasked.replace("name='ssh'", "name='ssh' product='x&#10;REFUSED (Y): z'");
    let said = scan(&[forged]);
    assert_eq!(said, "10.0.0.1 port 22/tcp is open (ssh, \"x\\nREFUSED (Y): z\")\n");
}
