//! Modules as files describe them: what lies over the shipped ones, and what is left out.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::config::{Environment, Flags, Loaded, load};

fn from_file(name: &str, text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    load(&Flags { config: Some(path), socket: None }, &Environment::default()).unwrap()
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    let warnings = loaded.notices.iter().filter(|notice| notice.is_warning());
    warnings.map(ToString::to_string).collect()
}

fn shown_modules(loaded: &Loaded) -> Vec<String> {
    loaded.config.probes.iter().map(|module| format!("{}: {module}", module.name)).collect()
}

#[test]
fn without_a_file_there_are_those_that_are_shipped() {
    let loaded = load(&Flags::default(), &Environment::default()).unwrap();
    assert_eq!(
        shown_modules(&loaded),
        [
            "dns: dns by dns with tries=1",
            "http_2xx: http by http",
            "icmp: icmp by ping with count=1",
            "tcp_connect: tcp by port",
            "tls_connect: tls by tls",
        ]
    );
    assert!(loaded.config.probes.iter().all(|module| module.source.is_none()));
}

#[test]
fn modules_come_from_either_kind_of_file_and_lie_over_the_shipped_one_of_their_name() {
    let toml = r#"
        [probe.modules.icmp]
        timeout = 2.5
        options = { wait = 2 }

        [probe.modules.dns]
        query_name = "web.lab.internal"
        query_type = "soa"
        valid_rcodes = ["noerror", "NXDOMAIN"]

        [probe.modules.api]
        prober = "http"
        tool = "curl"
        valid_status_codes = [200, 204]
        fail_if_not_ssl = true
        fail_if_body_not_matches_regexp = ["a,b", "^ok$"]
        insecure_skip_verify = true
        options.path = "/health"
        options.head = true

        [probe.modules.tcp_connect]
        prober = "icmp"
    "#;
    let yaml = r#"
probe:
  modules:
    icmp: {timeout: 2.5, options: {wait: 2}}
    dns: {query_name: web.lab.internal, query_type: soa, valid_rcodes: "noerror, NXDOMAIN"}
    api:
      prober: http
      tool: curl
      valid_status_codes: 200,204
      fail_if_not_ssl: true
      fail_if_body_not_matches_regexp: ["a,b", "^ok$"]
      insecure_skip_verify: true
      options: {path: /health, head: true}
    tcp_connect: {prober: icmp}
"#;
    for (name, text) in [("probity.toml", toml), ("probity.yaml", yaml)] {
        let loaded = from_file(name, text);
        assert_eq!(warnings(&loaded), Vec::<String>::new());
        assert_eq!(
            shown_modules(&loaded),
            [
                "api: http by curl with head=true, path=\"/health\"",
                "dns: dns by dns with tries=1",
                "http_2xx: http by http",
                "icmp: icmp by ping within 2.5 s with count=1, wait=2",
                "tcp_connect: icmp by ping",
                "tls_connect: tls by tls",
            ]
        );
        let probes = &loaded.config.probes;
        let Prober::Http(api) = &probes.find("api").unwrap().prober else { panic!() };
        assert_eq!(api.valid_status_codes, [200, 204]);
        assert!(api.fail_if_not_ssl && !api.fail_if_ssl && api.insecure_skip_verify);
        let patterns: Vec<&str> = api.fail_if_body_not_matches.iter().map(Regex::as_str).collect();
        assert_eq!(patterns, ["a,b", "^ok$"]);
        let Prober::Dns(dns) = &probes.find("dns").unwrap().prober else { panic!() };
        assert_eq!(dns.query_name.as_deref(), Some("web.lab.internal"));
        assert_eq!((dns.query_type.as_str(), dns.valid_rcodes.len()), ("SOA", 2));
        assert!(probes.find("icmp").unwrap().source.as_ref().unwrap().contains("probity."));
    }
}

#[test]
fn a_module_that_is_none_is_told_of_and_left_out_with_the_shipped_one_of_its_name() {
    for (written, key, expected) in [
        ("[probe.modules.own]\ntimeout = 1", "own.prober", "icmp, http"),
        ("[probe.modules.icmp]\nprober = 'udp'", "icmp.prober", "icmp, http"),
        ("[probe.modules.icmp]\ntimeout = 0", "icmp.timeout", "above 0"),
        ("[probe.modules.icmp]\ntimeout = 3601", "icmp.timeout", "above 0"),
        ("[probe.modules.icmp]\ntool = '../ping'", "icmp.tool", "the name of a tool"),
        ("[probe.modules.icmp]\ncuont = 1", "icmp.cuont", "keys of its prober"),
        ("[probe.modules.icmp]\nquery_name = 'a'", "icmp.query_name", "keys of its prober"),
        (
            "[probe.modules.icmp]\noptions.target = 'a'",
            "icmp.options.target",
            "options of the tool",
        ),
        ("[probe.modules.icmp]\noptions.a = [{b=1}]", "icmp.options.a", "options of the tool"),
        (
            "[probe.modules.http_2xx]\nvalid_status_codes = [99]",
            "http_2xx.valid_status_codes",
            "statuses, 100 to 599",
        ),
        (
            "[probe.modules.http_2xx]\nfail_if_body_matches_regexp = '('",
            "http_2xx.fail_if_body_matches_regexp",
            "regular expressions",
        ),
        (
            "[probe.modules.http_2xx]\nfail_if_ssl = 'maybe'",
            "http_2xx.fail_if_ssl",
            "true or false",
        ),
        ("[probe.modules.'a b']\nprober = 'icmp'", "a b.prober", "a module's name"),
        ("[probe.modules]\nicmp = 5", "probe.modules.icmp", "keys of its prober"),
        ("[probe]\nmodules = 5", "probe.modules", "a module's name"),
    ] {
        let loaded = from_file("probity.toml", &format!("{written}\n"));
        let said = warnings(&loaded);
        assert_eq!(said.len(), 1, "{written}: {said:?}");
        assert!(said[0].contains(key) && said[0].contains(expected), "{written}: {said:?}");
        let name = key.split('.').next().unwrap();
        assert!(loaded.config.probes.find(name).is_none(), "{written}");
        assert!(loaded.config.probes.find("tls_connect").is_some(), "{written}");
    }
}

proptest! {
    #[test]
    fn whatever_a_module_says_it_is_a_module_or_is_told_of(
        name in "[a-z_. ]{0,8}",
        key in "(prober|tool|timeout|options|options\\.[a-z]{1,3}|valid_rcodes|[a-z]{1,4})?",
        value in ".{0,12}",
    ) {
        let path = format!("{MODULES}.{name}.{key}");
        let written = WrittenValue::Text(value);
        let mut all = Written::default();
        prop_assert!(all.take(&path, &written, "f:1"));
        let mut notices = Vec::new();
        let modules = all.read(&mut notices);
        // Of a name that is not shipped one key is never enough, but for its prober.
        let (known, shipped) = (modules.iter().count(), ProbeModules::default().0.len());
        prop_assert!(notices.len() == 1 || known >= shipped, "{notices:?}");
        prop_assert!(notices.is_empty() || known <= shipped);
    }
}
