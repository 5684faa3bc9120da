//! Hops, what gets through, neighbours, routes, and who spoke with whom.

use super::*;

#[test]
fn a_hop_that_another_router_has_is_changed_and_a_silent_one_not_seen() {
    let before = fixture("traceroute_numeric.txt");
    let other =
        changed("traceroute_numeric.txt", |output| output.replace("10.66.1.1", "10.66.3.1"));
    let comparison = of("traceroute", &before, &other);
    assert_eq!(comparison.sentence, "Hop 1 changed from 10.66.1.1 to 10.66.3.1.");
    let silent =
        changed("traceroute_numeric.txt", |output| output.replace("10.66.1.1  0.018 ms", "*"));
    let comparison = of("traceroute", &before, &silent);
    assert_eq!(comparison.sentence, "Nothing changed; hop 1 was not seen (was 10.66.1.1).");
}

#[test]
fn routers_that_share_a_hop_are_no_change() {
    let both = fixture("traceroute_multipath.txt");
    let one =
        changed("traceroute_multipath.txt", |output| output.replace("10.66.3.1", "10.66.1.1"));
    let comparison = of("traceroute", &both, &one);
    assert!(comparison.same, "{comparison:?}");
    assert_eq!(comparison.sentence, "Nothing changed.");
}

#[test]
fn a_longer_way_has_hops_that_came() {
    let before = fixture("traceroute_numeric.txt");
    let after = changed("traceroute_numeric.txt", |output| {
        output.replace(" 2  10.66.2.2", " 2  10.66.9.1  0.1 ms\n 3  10.66.2.2")
    });
    let comparison = of("traceroute", &before, &after);
    assert_eq!(
        kinds(&comparison),
        [(Kind::Changed, "number of hops"), (Kind::Changed, "hop 2"), (Kind::Came, "hop 3")]
    );
    let back = of("traceroute", &after, &before);
    assert_eq!(all(&back, Kind::Gone), ["hop 3: 10.66.2.2 > -"]);
    // A run that was stopped there has not seen it.
    assert_eq!(all(&cut("traceroute", &after, &before), Kind::Gone), Vec::<String>::new());
}

#[test]
fn a_target_that_is_no_longer_reached_was_not_seen_and_who_refused_is_told() {
    let before =
        changed("traceroute_numeric.txt", |output| output.replace("10.66.2.2", "10.66.2.36"));
    let after = fixture("traceroute_host_unreachable.txt");
    let comparison = of("traceroute", &before, &after);
    assert_eq!(
        kinds(&comparison),
        [
            (Kind::Came, "message of 10.66.1.1: !H"),
            (Kind::NotSeen, "target 10.66.2.36"),
            (Kind::NotSeen, "hop 2")
        ]
        .map(|(kind, subject)| (
            kind,
            if subject.ends_with("!H") { "message of 10.66.1.1: \"!H\"" } else { subject }
        ))
    );
}

#[test]
fn a_smaller_path_mtu_is_told_with_who_limits_it() {
    let narrow = fixture("tracepath_narrow.txt");
    let wide = changed("tracepath_narrow.txt", |output| {
        let lines = output.lines().filter(|line| !line.ends_with("pmtu 1280"));
        lines.collect::<Vec<_>>().join("\n").replace("pmtu 1280", "pmtu 1500") + "\n"
    });
    let comparison = of("tracepath", &wide, &narrow);
    assert_eq!(
        kinds(&comparison),
        [(Kind::Changed, "path MTU"), (Kind::Came, "limit of 1280 bytes by 10.66.1.1")]
    );
    assert!(
        comparison.sentence.starts_with("Path MTU changed from 1500 bytes to 1280 bytes;"),
        "{}",
        comparison.sentence
    );
    let silent = fixture("tracepath_silent.txt");
    let comparison = of("tracepath", &narrow, &silent);
    assert!(kinds(&comparison).contains(&(Kind::NotSeen, "path MTU")));
    assert!(kinds(&comparison).iter().all(|(kind, _)| *kind == Kind::NotSeen), "{comparison:?}");
}

#[test]
fn another_device_that_answers_for_an_address_is_told() {
    let before = fixture("arping.txt");
    let after =
        changed("arping.txt", |output| output.replace("C2:C7:5C:07:B1:13", "02:00:00:00:00:09"));
    let comparison = of("arping", &before, &after);
    assert_eq!(
        comparison.sentence,
        "MAC of 10.66.1.1 changed from c2:c7:5c:07:b1:13 to 02:00:00:00:00:09."
    );
    let one = changed("arping_conflict.txt", |output| {
        let lines = output.lines().filter(|line| !line.contains("9E:21"));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    });
    let comparison = of("arping", &one, &fixture("arping_conflict.txt"));
    assert_eq!(
        comparison.sentence,
        "MAC 9e:21:80:25:59:d5 for 10.66.1.9 came. Now 2 devices answer for one address."
    );
    let silent = changed("arping_silent.txt", |output| output.replace("10.66.1.77", "10.66.1.1"));
    let comparison = of("arping", &before, &silent);
    assert_eq!(kinds(&comparison), [(Kind::NotSeen, "MAC c2:c7:5c:07:b1:13 for 10.66.1.1")]);
}

#[test]
fn neighbours_and_routes_are_compared_by_what_they_lead_to() {
    let before = fixture("ip_neigh_reachable.json");
    let other = changed("ip_neigh_reachable.json", |output| output.replace("42:94", "42:95"));
    let comparison = of("ip-json", &before, &other);
    assert_eq!(kinds(&comparison), [(Kind::Changed, "MAC of neighbour 10.66.1.1 at c6525n0")]);
    let stale = changed("ip_neigh_reachable.json", |output| output.replace("REACHABLE", "STALE"));
    assert!(of("ip-json", &before, &stale).same);
    let failed =
        changed("ip_neigh_failed.json", |output| output.replace("10.66.1.77", "10.66.1.1"));
    let comparison = of("ip-json", &before, &failed);
    assert_eq!(kinds(&comparison), [(Kind::NotSeen, "neighbour 10.66.1.1 at c6525n0")]);
    let by_router = fixture("ip_route_gateway.json");
    let moved = changed("ip_route_gateway.json", |output| {
        output.replace("\"10.66.1.1\"", "\"10.66.1.3\"").replace("c6525n0", "eth1")
    });
    let comparison = of("ip-json", &by_router, &moved);
    assert_eq!(
        comparison.sentence,
        "Route to 10.66.2.2, gateway changed from 10.66.1.1 to 10.66.1.3; route to 10.66.2.2, device changed \
         from c6525n0 to eth1."
    );
}

#[test]
fn a_conversation_is_known_by_its_service_and_not_by_the_port_of_its_client() {
    let before = fixture("tcpdump_talk.txt");
    let again = changed("tcpdump_talk.txt", |output| output.replace("52824", "40001"));
    assert!(of("tcpdump", &before, &again).same);
    let less = changed("tcpdump_talk.txt", |output| {
        let lines =
            output.lines().filter(|line| !line.contains(".2.80: ") && !line.contains(".2.80 >"));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    });
    let comparison = of("tcpdump", &before, &less);
    assert_eq!(kinds(&comparison), [(Kind::NotSeen, "flow tcp 10.66.1.2 to 10.66.2.2 port 80")]);
    let back = of("tcpdump", &less, &before);
    assert_eq!(kinds(&back), [(Kind::Came, "flow tcp 10.66.1.2 to 10.66.2.2 port 80")]);
}
