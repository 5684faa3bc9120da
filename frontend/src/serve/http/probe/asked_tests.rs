use proptest::prelude::*;

use super::*;
use crate::config::{DnsRules, HttpRules, ProbeModules};

fn module(name: &str) -> ProbeModule {
    ProbeModules::default().find(name).unwrap().clone()
}

fn asked(module: &ProbeModule, target: &str) -> Result<Value, Unaskable> {
    properties(module, target, None).map(Value::Object)
}

#[test]
fn a_host_is_a_target_of_each_prober_and_a_port_is_the_tools_option() {
    assert_eq!(asked(&module("icmp"), " 10.0.0.1 "), Ok(json!({"count": 1, "target": "10.0.0.1"})));
    assert_eq!(asked(&module("icmp"), "::1"), Ok(json!({"count": 1, "target": "::1"})));
    let tcp = module("tcp_connect");
    assert_eq!(
        asked(&tcp, "web.lab.internal:22"),
        Ok(json!({"ports": "22", "target": "web.lab.internal"}))
    );
    assert_eq!(asked(&tcp, "[fd00::1]:22"), Ok(json!({"ports": "22", "target": "fd00::1"})));
    let tls = module("tls_connect");
    assert_eq!(asked(&tls, "10.0.0.1"), Ok(json!({"target": "10.0.0.1"})));
    let named = properties(&tls, "10.0.0.1:8443", Some("web.lab.internal")).map(Value::Object);
    assert_eq!(
        named,
        Ok(json!({"port": 8443, "server_name": "web.lab.internal", "target": "10.0.0.1"}))
    );
    let rules = DnsRules { query_name: Some("a.lab.internal".into()), ..DnsRules::default() };
    let dns = ProbeModule { prober: Prober::Dns(rules), ..module("dns") };
    assert_eq!(
        asked(&dns, "10.0.0.1:5353"),
        Ok(
            json!({"tries": 1, "name": "a.lab.internal", "type": "A", "port": 5353, "target": "10.0.0.1"})
        )
    );
}

#[test]
fn a_url_is_the_target_scheme_port_and_path_of_a_web_server() {
    let http = module("http_2xx");
    for (target, expected) in [
        ("web.lab.internal", json!({"target": "web.lab.internal"})),
        ("10.0.0.1:8080", json!({"port": 8080, "target": "10.0.0.1"})),
        ("10.0.0.1/a?b=1", json!({"path": "/a?b=1", "target": "10.0.0.1"})),
        ("HTTPS://a.lab/", json!({"scheme": "https", "target": "a.lab"})),
        (
            "http://[fd00::1]:81/x#y",
            json!({"scheme": "http", "path": "/x", "port": 81, "target": "fd00::1"}),
        ),
        ("10.0.0.1/to?u=http://b", json!({"path": "/to?u=http://b", "target": "10.0.0.1"})),
        ("fd00::1", json!({"target": "fd00::1"})),
    ] {
        assert_eq!(asked(&http, target), Ok(expected), "{target}");
    }
    let pattern = regex::Regex::new("ok").unwrap();
    let rules = HttpRules {
        insecure_skip_verify: true,
        fail_if_body_matches: vec![pattern],
        ..HttpRules::default()
    };
    let http = ProbeModule { prober: Prober::Http(rules), ..http };
    let expected = json!({"show_body": true, "insecure": true, "target": "a"});
    assert_eq!(asked(&http, "a"), Ok(expected));
}

#[test]
fn what_cannot_be_asked_says_why() {
    let [http, icmp, tcp, dns] = ["http_2xx", "icmp", "tcp_connect", "dns"].map(module);
    for (module, target, expected) in [
        (&icmp, " ", Unaskable::NoTarget),
        (&icmp, "10.0.0.1:80", Unaskable::UselessPort(80)),
        (&icmp, "http://10.0.0.1", Unaskable::NoHost),
        (&icmp, "a@10.0.0.1", Unaskable::NoHost),
        (&tcp, "10.0.0.1", Unaskable::NoPort("tcp_connect".into())),
        (&tcp, "10.0.0.1:0", Unaskable::NoHost),
        (&tcp, "10.0.0.1:", Unaskable::NoHost),
        (&tcp, "a[]:1", Unaskable::NoHost),
        (&tcp, "[10.0.0.1]:1", Unaskable::NoHost),
        (&tcp, "10.0.0.1:65536", Unaskable::NoHost),
        (&http, "ftp://10.0.0.1", Unaskable::NoUrl),
        (&http, "http://user:secret@10.0.0.1/", Unaskable::NoUrl),
        (&http, "http://", Unaskable::NoUrl),
        (&dns, "10.0.0.1", Unaskable::NoQuestion("dns".into())),
    ] {
        assert_eq!(asked(module, target), Err(expected), "{target}");
    }
    assert_eq!(properties(&http, "10.0.0.1", Some("b")), Err(Unaskable::OtherName));
    assert!(properties(&http, "web.lab", Some("WEB.lab")).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_a_call_or_an_error_and_the_target_stands_in_it(
        text in "([a-z]{1,5}://)?[a-z0-9.:@\\[\\]-]{0,12}(:[0-9]{1,6})?([/?#].{0,8})?",
    ) {
        for module in ProbeModules::default().iter() {
            if let Ok(properties) = properties(module, &text, None) {
                let target = properties["target"].as_str().unwrap();
                prop_assert!(!target.is_empty() && text.contains(target), "{target} of {text:?}");
                prop_assert!(!target.contains(['@', '/', '[', ']']), "{target} of {text:?}");
            }
        }
    }
}
