//! Hosts and ports: what opened, closed or changed, and what was not seen or not asked for.

use super::*;

const NETWORK: &str = "nmap_network.xml";

/// A scan in which the part of each host goes through a function: its address, and what nmap wrote.
fn hosts(file: &str, change: fn(&str, String) -> String) -> Value {
    changed(file, |output| {
        let mut parts = output.split("<host ");
        let head = parts.next().unwrap().to_owned();
        let (parts, mut tail): (Vec<&str>, String) = (parts.collect(), String::new());
        let mut text = head;
        for part in parts {
            let (host, rest) = part.split_once("</host>").unwrap_or((part, ""));
            let address = host.split("addr=\"").nth(1).unwrap().split('"').next().unwrap();
            let host = change(address, format!("<host {host}</host>"));
            text.push_str(&host);
            tail = rest.to_owned();
        }
        text + &tail
    })
}

/// With another state of one port.
fn port(host: String, number: u16, was: &str, is: &str) -> String {
    let at = format!("portid=\"{number}\"><state state=\"");
    let (was, is) = (format!("{at}{was}\""), format!("{at}{is}\""));
    assert!(host.contains(&was), "{host}");
    host.replace(&was, &is)
}

#[test]
fn ports_that_opened_and_closed_are_counted_and_a_silent_host_is_not_seen() {
    let before = fixture(NETWORK);
    let after = hosts(NETWORK, |address, host| match address {
        "10.66.2.32" => port(host, 22, "open", "closed"),
        "10.66.2.34" => port(host, 22, "closed", "open"),
        "10.66.2.35" => port(host, 80, "closed", "open"),
        "10.66.2.39" => String::new(),
        _ => host,
    });
    let comparison = of("nmap-xml", &before, &after);
    assert_eq!(
        comparison.sentence,
        "2 ports opened and 1 closed on 3 hosts; 1 host was not seen (10.66.2.39)."
    );
    assert_eq!(
        all(&comparison, Kind::Changed),
        [
            "10.66.2.32 tcp/22: open > closed",
            "10.66.2.34 tcp/22: closed > open",
            "10.66.2.35 tcp/80: closed > open"
        ]
    );
    let unseen = ["10.66.2.39: up; open: tcp/22, tcp/80, tcp/8080 > -"];
    assert_eq!(all(&comparison, Kind::NotSeen), unseen);
    assert!(!comparison.same && comparison.complete);
    let back = of("nmap-xml", &after, &before);
    assert_eq!(back.sentence, "1 port opened and 2 closed on 3 hosts; 1 host came (10.66.2.39).");
    assert_eq!(all(&back, Kind::Came), ["10.66.2.39: - > up; open: tcp/22, tcp/80, tcp/8080"]);
}

#[test]
fn the_text_is_a_table_with_the_sentence_first() {
    let after = hosts(NETWORK, |address, host| match address {
        "10.66.2.32" => port(host, 22, "open", "closed"),
        "10.66.2.39" => String::new(),
        _ => host,
    });
    let text = of("nmap-xml", &fixture(NETWORK), &after).text();
    let wanted = "10.66.2.32 tcp/22 closed; 1 host was not seen (10.66.2.39).\n\n\
        changed   10.66.2.32 tcp/22  open → closed\n\
        not seen  10.66.2.39         was up; open: tcp/22, tcp/80, tcp/8080\n\n\
        note: The command lines are not known: both runs are taken to have asked for the same hosts and ports.\n";
    assert_eq!(text, wanted);
}

#[test]
fn a_port_that_is_only_counted_has_the_state_that_it_is_counted_by() {
    let file = "nmap_extra_ports.xml";
    let line = "<port protocol=\"tcp\" portid=\"80\"><state state=\"open\" reason=\"syn-ack\" \
        reason_ttl=\"63\"/><service name=\"http\" method=\"table\" conf=\"3\"/></port>\n";
    let after = changed(file, |output| {
        assert!(output.contains(line));
        output.replace(line, "").replace("count=\"998\"", "count=\"999\"")
    });
    let comparison = of("nmap-xml", &fixture(file), &after);
    assert_eq!(all(&comparison, Kind::Changed), ["10.66.2.2 tcp/80: open > closed"]);
    assert_eq!(comparison.sentence, "10.66.2.2 tcp/80 closed.");
    // In one of two states that are not open it is not open all the same.
    let either = |state: &str| {
        let more = format!("<extraports state=\"{state}\" count=\"5\">\n</extraports>\n<port ");
        changed(file, |output| output.replace(line, "").replacen("<port ", &more, 1))
    };
    let comparison = of("nmap-xml", &fixture(file), &either("filtered"));
    assert_eq!(all(&comparison, Kind::Changed), ["10.66.2.2 tcp/80: open > closed or filtered"]);
    // In one that may be open nobody knows.
    let comparison = of("nmap-xml", &fixture(file), &either("open|filtered"));
    assert_eq!(kinds(&comparison), [(Kind::NotSeen, "10.66.2.2 tcp/80")]);
    assert_eq!(comparison.sentence, "Nothing changed; 1 port was not seen in one of the runs.");
}

#[test]
fn ports_that_are_only_counted_and_have_another_state_are_one_change() {
    let file = "nmap_extra_ports.xml";
    let after = changed(file, |output| {
        output.replace("extraports state=\"closed\"", "extraports state=\"filtered\"")
    });
    let comparison = of("nmap-xml", &fixture(file), &after);
    assert!(
        all(&comparison, Kind::Changed)
            .contains(&"10.66.2.2 all other ports: closed > filtered".to_owned())
    );
}

#[test]
fn what_one_run_did_not_ask_for_neither_came_nor_went() {
    let (few, more) = (fixture("nmap_port_banner.xml"), fixture("nmap_services.xml"));
    let asked = "nmap -n -Pn -sT -p 22,80,443 -oX - 10.66.2.2";
    let asked_more = "nmap -n -sV -p 21,22,80,8000,8080 -oX - 10.66.2.2";
    let comparison = with_commands("nmap-xml", (&few, asked), (&more, asked_more));
    assert!(comparison.same, "{comparison:?}");
    assert_eq!(comparison.sentence, "Nothing changed.");
    let note = "The runs did not ask for the same ports, or their command lines do not tell: 2 open ports are \
        left out.";
    assert_eq!(comparison.notes, [note]);
    // Of the most common ports nobody knows here which they are.
    let comparison = with_commands("nmap-xml", (&few, "nmap -F 10.66.2.2"), (&more, asked_more));
    assert!(comparison.same, "{comparison:?}");
    // Another network.
    let network = fixture(NETWORK);
    let comparison = with_commands(
        "nmap-xml",
        (&more, "nmap -p 22,80 10.66.2.2"),
        (&network, "nmap -p 22,80 10.66.2.32/28"),
    );
    assert!(comparison.same, "{comparison:?}");
    let note = "The runs did not ask for the same hosts, or their command lines do not tell: 6 hosts are left out.";
    assert_eq!(comparison.notes, [note]);
    // A part of it.
    let part = hosts(NETWORK, |address, host| match address {
        "10.66.2.32" => host,
        _ => String::new(),
    });
    let comparison = with_commands(
        "nmap-xml",
        (&network, "nmap -p 22,80 10.66.2.32/28"),
        (&part, "nmap -p 22,80 10.66.2.32-34"),
    );
    assert_eq!(
        comparison.sentence,
        "Nothing changed; 2 hosts were not seen (10.66.2.33, 10.66.2.34)."
    );
    assert!(comparison.notes[0].ends_with("2 hosts are left out."), "{:?}", comparison.notes);
}

#[test]
fn a_run_that_was_stopped_has_not_seen_what_it_lacks() {
    let before = fixture(NETWORK);
    let after = fixture("nmap_killed.xml");
    for comparison in [of("nmap-xml", &before, &after), cut("nmap-xml", &before, &after)] {
        assert!(!comparison.complete);
        // One of them is a port that the killed scan did not ask for.
        assert_eq!(all(&comparison, Kind::NotSeen).len(), 5, "{comparison:?}");
        assert!(
            comparison.notes.iter().any(|note| note.starts_with("The second run did not come"))
        );
        let sentence = "Nothing changed in what both runs saw; 4 hosts were not seen; 1 port was not seen in one \
            of the runs.";
        assert_eq!(comparison.sentence, sentence);
    }
    let back = of("nmap-xml", &after, &before);
    assert_eq!(all(&back, Kind::Came), Vec::<String>::new());
    assert!(back.sentence.contains("4 hosts were not seen before"), "{}", back.sentence);
}

#[test]
fn a_host_that_nmap_gave_up_on_is_not_seen_to_have_closed_its_ports() {
    let before = fixture(NETWORK);
    let after = hosts(NETWORK, |address, host| match address {
        "10.66.2.32" => {
            let (head, rest) = host.split_once("<ports>").unwrap();
            let (_, tail) = rest.split_once("</ports>").unwrap();
            format!("{head}{tail}").replace("<host ", "<host timedout=\"true\" ")
        }
        _ => host,
    });
    let comparison = of("nmap-xml", &before, &after);
    let unseen = ["10.66.2.32 tcp/22", "10.66.2.32 tcp/80", "10.66.2.32 tcp/8080"];
    assert_eq!(kinds(&comparison), unseen.map(|port| (Kind::NotSeen, port)));
    assert!(comparison.complete, "it lists all hosts");
    assert!(comparison.notes.iter().any(|note| note.contains("gave up on 1 host")));
    // Nor did they open when it was in time again.
    let back = of("nmap-xml", &after, &before);
    assert_eq!(kinds(&back), unseen.map(|port| (Kind::NotSeen, port)));
}

#[test]
fn a_host_that_is_silent_at_each_port_is_not_seen() {
    let before = fixture("nmap_port_open.xml");
    let after =
        changed("nmap_port_filtered.xml", |output| output.replace("10.66.2.40", "10.66.2.2"));
    let comparison = of("nmap-xml", &before, &after);
    assert_eq!(all(&comparison, Kind::NotSeen), ["10.66.2.2: up; open: tcp/22 > -"]);
    let closed = fixture("nmap_port_closed.xml");
    let open = changed("nmap_port_closed.xml", |output| output.replace("\"closed\"", "\"open\""));
    let comparison = of("nmap-xml", &open, &closed);
    assert_eq!(comparison.sentence, "10.66.2.2 tcp/443 closed.");
}

#[test]
fn versions_are_compared_where_both_runs_asked_for_them() {
    let services = "nmap_services.xml";
    let newer =
        changed("nmap_aggressive.xml", |output| output.replace("protocol 2.0", "protocol 3.0"));
    let older = fixture("nmap_aggressive.xml");
    let comparison = of("nmap-xml", &older, &newer);
    assert_eq!(kinds(&comparison), [(Kind::Changed, "10.66.2.2 tcp/22 version")]);
    assert_eq!(comparison.sentence, "1 version changed.");
    let plain = changed(services, |output| output.replace("method=\"probed\"", "method=\"table\""));
    let plain = {
        let mut plain = plain;
        for port in plain["hosts"][0]["ports"].as_array_mut().unwrap() {
            port["product"] = Value::Null;
        }
        plain
    };
    assert!(of("nmap-xml", &fixture(services), &plain).same);
}

#[test]
fn another_device_behind_an_address_is_told() {
    let after = changed("nmap_arp.xml", |output| output.replace("FE:6A", "FE:6B"));
    let comparison = of("nmap-xml", &fixture("nmap_arp.xml"), &after);
    assert_eq!(kinds(&comparison), [(Kind::Changed, "10.66.1.1 MAC")]);
    assert_eq!(comparison.sentence, "1 MAC address changed.");
}

#[test]
fn a_target_that_nmap_skipped_is_no_host_that_was_not_seen() {
    let after = fixture("nmap_skipped_target.xml");
    let skipped = after["skipped_targets"][0].as_str().unwrap().to_owned();
    let mut before = after.clone();
    let mut host = before["hosts"][0].clone();
    host["address"] = skipped.into();
    before["hosts"].as_array_mut().unwrap().push(host);
    let comparison = of("nmap-xml", &before, &after);
    assert!(comparison.same, "{comparison:?}");
    assert!(
        comparison.notes.iter().any(|note| note.ends_with("1 host is left out.")),
        "{comparison:?}"
    );
}
