//! What changes the meaning of a scan. Nmap's DTD was read from end to end for this; each attribute and
//! element of it that makes a result something else than it looks stands in [`MEANING`].

use super::*;
use crate::parsers::Parsed;

fn of(xml: &str) -> NmapReport {
    parse(xml).unwrap()
}

fn text(report: &NmapReport) -> String {
    Parsed::Nmap(report.clone()).text()
}

/// A document with these hosts, and nmap's own count of those that are up.
fn scan(hosts: &str, up: usize) -> String {
    format!(
        "<nmaprun scanner='nmap'><scaninfo type='connect' protocol='tcp' numservices='2' \
         services='22,80'/>{hosts}<runstats><finished time='2' elapsed='1.5' exit='success'/>\
         <hosts up='{up}' down='0' total='{up}'/></runstats></nmaprun>"
    )
}

fn host(address: &str, attributes: &str, reason: &str, inside: &str) -> String {
    format!(
        "<host {attributes}><status state='up' reason='{reason}' reason_ttl='0'/>\
         <address addr='{address}' addrtype='ipv4'/>{inside}</host>"
    )
}

fn port(number: u16, state: &str) -> String {
    format!(
        "<port protocol='tcp' portid='{number}'><state state='{state}' reason='x' reason_ttl='0'/></port>"
    )
}

const EXTRA: &str = "<ports><extraports state='filtered' count='9'>\
    <extrareasons reason='no-response' count='9'/></extraports>";

/// What stands where, a scan with it, and what is put in the place of it there to see that it counts.
/// Of the elements that are not here nothing depends: scaninfo, verbose, debugging, task…, hosthint,
/// owner, cpe, portused, osclass, osfingerprint, uptime, …sequence, times and output tell how the scan
/// went, or more of what was found.
const MEANING: [(&str, &str, &str); 22] = [
    ("nmaprun@scanner: whose counts these are", "scanner='nmap'", "scanner='masscan'"),
    ("target@status: was not scanned", "status='skipped'", ""),
    ("host@timedout: was given up", "timedout='true'", "timedout='false'"),
    ("status@state", "state='up'", "state='down'"),
    ("status@reason: user-set, nobody asked", "reason='user-set'", "reason='reset'"),
    ("smurf@responses: it is a broadcast address", "responses='3'", ""),
    ("address@addrtype: mac is no address of a host", "addrtype='mac'", "addrtype='ipv4'"),
    ("extraports@state", "<extraports state='filtered'", "<extraports state='closed'"),
    ("extraports@count", "count='9'", "count='8'"),
    ("extrareasons@reason: a router's answer", "reason='no-response'", "reason='host-unreach'"),
    ("port@protocol", "<port protocol='tcp'", "<port protocol='udp'"),
    (
        "state@state: open|filtered is no open port",
        "<state state='open'",
        "<state state='open|filtered'",
    ),
    ("state@reason: admin-prohibited is no silence", "reason='x'", "reason='admin-prohibited'"),
    ("state@reason_ip: another host's answer", "reason_ip='10.66.0.254'", ""),
    ("service@method: table is a guess by the number", "method='table'", "method='probed'"),
    ("service@tunnel: it was reached through TLS", "tunnel='ssl'", ""),
    ("script@output", "output='said'", "output=''"),
    ("elem: what a script says without output", "<elem>Need a path</elem>", ""),
    ("table@key", "key='limits'", "key='errors'"),
    ("finished@exit: it failed", "exit='success'", "exit='error'"),
    ("finished@errormsg", "errormsg='no route'", ""),
    ("hosts@up: those that are not listed count", "<hosts up='7'", "<hosts up='8'"),
];

#[test]
fn each_attribute_that_changes_what_a_result_means_changes_the_report() {
    let state = "<state state='open' reason='x' reason_ip='10.66.0.254'/>";
    let service = "<service name='http' method='table' conf='3' tunnel='ssl'/>";
    let scripts = "<script id='a' output='said'/><script id='b'><elem>Need a path</elem>\
        <table key='limits'><elem key='most'>3</elem></table></script>";
    let ports = format!(
        "<smurf responses='3'/>{EXTRA}<port protocol='tcp' portid='80'>{state}{service}{scripts}</port></ports>"
    );
    let mac = "<address addr='02:00:00:00:00:01' addrtype='mac'/>";
    let whole = [
        "<target specification='fd66::2' status='skipped' reason='invalid'/>",
        &host("10.66.0.1", "timedout='true'", "user-set", &[mac, &ports].concat()),
        &host("10.66.0.2", "", "reset", &port(22, "closed")),
    ]
    .concat();
    let whole = scan(&whole, 7).replace("exit='success'", "exit='success' errormsg='no route'");
    for (what, with, without) in MEANING {
        assert!(whole.contains(with), "{what}");
        let changed = whole.replacen(with, without, 1);
        assert_ne!(of(&whole), of(&changed), "{what}");
    }
}

#[test]
fn the_list_names_every_attribute_of_the_installed_dtd_that_says_so() {
    const DTD: &str = "/usr/share/nmap/nmap.dtd";
    let Ok(dtd) = std::fs::read_to_string(DTD) else {
        println!("skipped: there is no {DTD}");
        return;
    };
    for (what, ..) in MEANING {
        let name = what.split(':').next().unwrap();
        let (element, attribute) = name.split_once('@').unwrap_or((name, ""));
        assert!(dtd.contains(&format!("<!ELEMENT {element}")), "{name}");
        let list = dtd.split(&format!("<!ATTLIST {element}")).nth(1).unwrap_or_default();
        let list = list.split("<!ELEMENT").next().unwrap();
        assert!(list.contains(attribute), "{name}");
    }
}

#[test]
fn a_host_that_nmap_gave_up_on_has_unknown_ports_and_no_complete_scan() {
    let given_up = host("10.66.0.1", "timedout='true'", "syn-ack", "<times srtt='1'/>");
    let report = of(&scan(&given_up, 1));
    assert_eq!((report.hosts_up, report.hosts_given_up, report.open_ports), (1, 1, None));
    assert!(!report.complete && report.hosts[0].timed_out);
    let said = text(&report);
    assert!(!said.contains("open port"), "{said}");
    assert_eq!(
        said,
        "10.66.0.1 is up (syn-ack), and was given up: its ports are unknown\n\
         1 host up, 1.5 s; the scan is incomplete: nmap gave up on 1 host, which took too long\n"
    );
    // Beside one that was scanned the ports of that one are known.
    let scanned = host("10.66.0.2", "timedout='false'", "syn-ack", &port(22, "open"));
    let report = of(&scan(&[given_up, scanned].concat(), 2));
    assert_eq!((report.hosts_given_up, report.open_ports, report.complete), (1, Some(1), false));
    assert!(text(&report).contains("\n2 hosts up, 1 open port, 1.5 s; the scan is incomplete"));
    // Without a time limit for a host all is as it was.
    let report = of(&scan(&host("10.66.0.2", "", "reset", &port(22, "open")), 1));
    assert!(report.complete && !report.hosts[0].timed_out);
}

#[test]
fn each_way_of_not_being_complete_is_said() {
    let given_up = host("10.66.0.1", "timedout='true'", "syn-ack", "");
    let scanned = host("10.66.0.2", "", "reset", &port(22, "open"));
    let (gave_up, cut) = ("nmap gave up on 1 host", "unfinished hosts are left out");
    let whole = |hosts: &str| scan(hosts, 2);
    let without_end = |xml: String| xml.split("<runstats>").next().unwrap().to_owned();
    for (xml, expected) in [
        (whole(&scanned), vec![]),
        (whole(&given_up), vec![gave_up]),
        (without_end(whole(&scanned)), vec![cut]),
        (without_end(whole(&given_up)), vec![gave_up, cut]),
        (whole(&scanned).replace("</nmaprun>", ""), vec![cut]),
        (whole(&scanned).replace("'success'", "'error'"), vec!["nmap failed"]),
    ] {
        let report = of(&xml);
        assert_eq!(report.complete, expected.is_empty(), "{xml}");
        let said = text(&report);
        for reason in ["nmap failed", gave_up, cut] {
            assert_eq!(said.contains(reason), expected.contains(&reason), "{said}");
        }
    }
    let foreign =
        "<nmaprun scanner='masscan'><runstats><finished elapsed='9'/></runstats></nmaprun>";
    assert_eq!(text(&of(foreign)), "nothing was found\n");
}

#[test]
fn where_no_port_was_looked_at_none_is_said_to_be_closed() {
    let report = of(include_str!("../fixtures/nmap_ping_scan.xml"));
    assert_eq!(report.open_ports, None);
    assert!(!text(&report).contains("open port"), "{}", text(&report));
    let report = of(&scan(&host("10.66.0.1", "", "reset", &[EXTRA, "</ports>"].concat()), 1));
    assert_eq!(report.open_ports, Some(0));
    assert!(text(&report).contains("1 host up, 0 open ports, "));
}

#[test]
fn a_host_that_was_taken_to_be_up_is_up_when_one_of_its_ports_answers() {
    let silent =
        |last: u8| host(&format!("10.66.0.{last}"), "", "user-set", &[EXTRA, "</ports>"].concat());
    let network: String = (1..=64).map(silent).collect();
    let report = of(&scan(&network, 64));
    assert_eq!((report.hosts_up, report.hosts_unknown, report.total_hosts), (0, 64, 64));
    assert!(report.complete && report.hosts.iter().all(NmapHost::is_taken_to_be_up));
    assert_eq!(report.hosts[0].state.as_deref(), Some("unknown"));
    let said = text(&report);
    let last = "\n64 hosts taken to be up without an answer, 0 open ports, 1.5 s\n";
    assert!(said.ends_with(last), "{said}");
    assert!(said.starts_with("64 hosts: taken to be up; not open: 9 filtered\n"), "{said}");

    for (inside, reason) in [
        (port(22, "open"), "x"),
        (port(22, "closed"), "x"),
        (port(22, "unfiltered"), "x"),
        ("<ports><extraports state='closed' count='3'/></ports>".to_owned(), "closed"),
    ] {
        let report =
            of(&scan(&[network.clone(), host("10.66.0.99", "", "user-set", &inside)].concat(), 65));
        assert_eq!((report.hosts_up, report.hosts_unknown), (1, 64), "{inside}");
        let host = &report.hosts[64];
        assert_eq!((host.state.as_deref(), host.reason.as_deref()), (Some("up"), Some(reason)));
        assert!(text(&report).contains("\n1 host up, 64 hosts taken to be up without an answer"));
    }
    // What a router says in its place, or what nobody says, is no answer of the host.
    let router = "<port protocol='tcp' portid='22'><state state='closed' reason='reset' \
        reason_ip='10.66.0.254'/></port>";
    for inside in [&port(22, "filtered"), &port(22, "open|filtered"), router] {
        let report = of(&scan(&host("10.66.0.1", "", "user-set", inside), 1));
        assert_eq!((report.hosts_up, report.hosts_unknown), (0, 1), "{inside}");
    }
    // Nobody was asked, and no port was looked at.
    let report = of(&scan(&host("10.66.0.1", "", "user-set", ""), 1));
    assert!(text(&report).contains("taken to be up, and not asked: 10.66.0.1\n"));
}

#[test]
fn of_two_elements_of_a_host_the_one_that_tells_more_counts() {
    let said = |state: &str, reason: &str| {
        format!(
            "<host><status state='{state}' reason='{reason}'/>\
             <address addr='10.66.0.1' addrtype='ipv4'/></host>"
        )
    };
    for (first, second, expected) in [
        (("up", "user-set"), ("up", "reset"), (1, 0, 0)),
        (("up", "user-set"), ("down", "no-response"), (0, 1, 0)),
        (("down", "no-response"), ("up", "reset"), (1, 0, 0)),
        (("unknown", "x"), ("up", "user-set"), (0, 0, 1)),
    ] {
        for (one, other) in [(first, second), (second, first)] {
            let hosts = [said(one.0, one.1), said(other.0, other.1)].concat();
            let report = of(&format!("<nmaprun>{hosts}</nmaprun>"));
            let counts = (report.hosts_up, report.hosts_down, report.hosts_unknown);
            assert_eq!((counts, report.total_hosts), (expected, 1), "{one:?} {other:?}");
        }
    }
}

/// As masscan writes: no status, each port in a host of its own, banners after them, counts of ports.
#[test]
fn a_host_that_is_written_for_each_port_is_one_host() {
    let element = |last: u8, port: u16, inside: &str| {
        format!(
            "<host endtime='1'><address addr='10.66.0.{last}' addrtype='ipv4'/><ports>\
             <port protocol='tcp' portid='{port}'><state state='open' reason='syn-ack' \
             reason_ttl='64'/>{inside}</port></ports></host>\r\n"
        )
    };
    let banner =
        |name: &str, text: &str| format!("<service name='{name}' banner='{text}'></service>");
    let hosts = [
        element(1, 22, ""),
        element(2, 22, ""),
        element(1, 80, ""),
        element(1, 80, &banner("http.server", "nginx")),
        element(1, 80, &banner("title", "It works")),
        element(1, 22, ""),
    ];
    let xml = format!(
        "<nmaprun scanner='masscan'><scaninfo type='syn' protocol='tcp' />{}<runstats>\
         <finished time='1' elapsed='13' /><hosts up='6' down='0' total='6' /></runstats></nmaprun>",
        hosts.concat()
    );
    let report = of(&xml);
    assert_eq!((report.total_hosts, report.hosts_up, report.hosts_down), (2, 2, 0));
    assert_eq!((report.open_ports, report.complete), (Some(3), true));
    let ports = |at: usize| report.hosts[at].ports.iter().map(|port| port.port).collect::<Vec<_>>();
    assert_eq!((ports(0), ports(1)), (vec![22, 80], vec![22]));
    let http = &report.hosts[0].ports[1];
    assert_eq!(http.service.as_deref(), Some("http.server"));
    let said: Vec<_> = http.scripts.iter().map(|s| (s.id.as_str(), s.output.as_str())).collect();
    assert_eq!(said, [("http.server", "nginx"), ("title", "It works")]);
    let state = (report.hosts[0].state.as_deref(), report.hosts[0].reason.as_deref());
    assert_eq!(state, (Some("up"), Some("syn-ack")));
    let said = text(&report);
    assert!(said.starts_with("10.66.0.1 is up (syn-ack)\n"), "{said}");
    assert!(said.ends_with("\n2 hosts up, 3 open ports, 13 s\n"), "{said}");
    assert!(said.contains("\n80/tcp  open   http.server\n  | http.server: nginx\n"), "{said}");
}

#[test]
fn hosts_without_a_status_are_up_if_a_port_answered_and_else_in_no_known_state() {
    let inside = "<address addr='10.66.0.1' addrtype='ipv4'/>";
    let report = of(&scan(&format!("<host>{inside}{}</host>", port(22, "open")), 1));
    assert_eq!((report.hosts_up, report.hosts_unknown, report.open_ports), (1, 0, Some(1)));
    assert!(text(&report).contains("\n22/tcp  open   -\n"), "{}", text(&report));
    let report = of(&scan(&format!("<host>{inside}{}</host>", port(22, "filtered")), 0));
    assert_eq!((report.hosts_up, report.hosts_unknown), (0, 1));
    assert_eq!(report.hosts[0].state, None);
    let said = text(&report);
    assert_eq!(
        said,
        "10.66.0.1 is in an unknown state, not open: 1 filtered (22)\n\
         1 host in an unknown state, 0 open ports, 1.5 s\n"
    );
}

#[test]
fn a_script_that_wrote_only_values_is_shown_with_them() {
    let scripts = "<script id='ip-geolocation-map-kml'>\n    <elem>Script argument problem</elem>\n\
        <elem>Need to specify a path &amp; a <![CDATA[<name>]]>.</elem>\n</script>\
        <script id='ssh2-enum-algos' output=''><table key='kex'><elem>a&#x1b;b</elem>\
        <elem key='strength'>none</elem><table><elem key='deep'>yes</elem></table></table></script>\
        <script id='both' output='&#xa;text'><elem>value</elem></script><script id='none'/>";
    let port = format!("<port protocol='tcp' portid='80'><state state='open'/>{scripts}</port>");
    let report = of(&scan(&host("10.66.0.1", "", "syn-ack", &port), 1));
    let said: Vec<_> = report.hosts[0].ports[0]
        .scripts
        .iter()
        .map(|s| (s.id.as_str(), s.output.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (
                "ip-geolocation-map-kml",
                "Script argument problem\nNeed to specify a path & a <name>."
            ),
            ("ssh2-enum-algos", "kex:\n  a\\x1bb\n  strength: none\n    deep: yes"),
            ("both", "\ntext"),
            ("none", ""),
        ]
    );
    let text = text(&report);
    assert!(text.contains("\n  | ip-geolocation-map-kml: Script argument problem …\n"), "{text}");
    assert!(text.contains("\n  | ssh2-enum-algos: kex: a\\x1bb …\n"), "{text}");
}

#[test]
fn values_of_a_script_have_the_cap_of_its_text() {
    let long = "<elem>0123456789</elem>".repeat(SCRIPT_BYTES_MAX / 8);
    let deep = "<table key='k'>".repeat(50_000) + &"</table>".repeat(50_000);
    for inside in [&long, &deep, &format!("<elem>{}</elem>", "x".repeat(SCRIPT_BYTES_MAX + 1))] {
        let report =
            of(&format!("<nmaprun><host><script id='s'>{inside}</script></host></nmaprun>"));
        let output = &report.hosts[0].scripts[0].output;
        assert!(output.len() <= SCRIPT_BYTES_MAX && report.truncated, "{}", output.len());
    }
}

#[test]
fn ports_that_were_only_counted_say_who_kept_them() {
    let extra = "<ports><extraports state='filtered' count='100'>\
        <extrareasons reason='admin-prohibited' count='60'/>\
        <extrareasons reason='no-response' count='40'/></extraports></ports>";
    let report = of(&scan(&host("10.66.0.1", "", "reset", extra), 1));
    let said = text(&report);
    assert!(said.contains("not open: 60 filtered by admin-prohibited, 40 filtered\n"), "{said}");
}

#[test]
fn a_scan_that_says_it_failed_is_not_complete() {
    let failed = scan(&host("10.66.0.1", "", "reset", &port(22, "open")), 1)
        .replace("exit='success'", "exit='error' errormsg='no route'");
    let report = of(&failed);
    assert_eq!((report.complete, report.open_ports), (false, Some(1)));
    assert!(text(&report).starts_with("nmap failed: \"no route\"; 1 host up, 1 open port"));
}
