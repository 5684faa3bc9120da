//! The figures of recorded results, by each prober.

use std::collections::BTreeMap;

use probity_output::parsers::Parser;
use probity_protocol::{
    End, ExitStatus, Exited, PlanSummary, SandboxSummary, Started, Tier, ToolName,
};

use super::*;
use crate::{
    broker::client::Output,
    calls::request::Asked,
    config::{HttpRules, ProbeModules, TlsRules},
};

/// How long each probe is said to have taken, and its tool.
const TOOK: Duration = Duration::from_millis(40);
const RAN: Duration = Duration::from_millis(30);

fn module(name: &str) -> ProbeModule {
    ProbeModules::default().find(name).unwrap().clone()
}

/// What a tool gave that wrote this.
fn result(module: &ProbeModule, stdout: &str, stderr: &str) -> ToolResult {
    let asked = Asked {
        tool: module.tool.clone(),
        target: "web.lab.internal".into(),
        correlation_id: "c".into(),
        preset: None,
        dry_run: false,
    };
    let words = ["openssl", "-connect", "10.66.2.2:8443", "-servername", "web.lab.internal"];
    let plan = PlanSummary {
        tool: ToolName::new(&*module.tool).unwrap(),
        target: "10.66.2.2".into(),
        argv: words.map(str::to_owned).into(),
        environment: vec![],
        tier: Tier::Standard,
        approvers: vec![],
        timeout: Duration::from_secs(30),
        memory_bytes: 1,
        open_files: 1,
        stdout_bytes: 1,
        stderr_bytes: 1,
        sandbox: SandboxSummary {
            net_raw: false,
            syscalls: "network".into(),
            read: vec![],
            execute: vec![],
        },
    };
    let output =
        Output { started: Started { pid: 1, plan }, stdout: stdout.into(), stderr: stderr.into() };
    let exited = Exited {
        status: ExitStatus::Code(0),
        end: End::Finished,
        duration: RAN,
        cpu: Duration::ZERO,
        max_rss_bytes: 1,
        stdout_bytes: stdout.len() as u64,
        stderr_bytes: stderr.len() as u64,
        truncated_stdout: false,
        truncated_stderr: false,
        fence_refusals: None,
    };
    let parser = Parser::named(module.prober.parser());
    let mut result = ToolResult::finished(&asked, &output, &exited, parser.as_ref());
    result.lookup = Some(Duration::from_millis(4));
    result
}

/// The figures, by their series.
fn told(module: &ProbeModule, stdout: &str, stderr: &str) -> BTreeMap<String, f64> {
    let text = text(module, &result(module, stdout, stderr), TOOK);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    });
    series.collect()
}

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../../output/src/parsers/fixtures/", $name))
    };
}

#[track_caller]
fn assert_told(figures: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    for (series, value) in expected {
        let found = figures.get(*series).unwrap_or_else(|| panic!("no {series} in {figures:#?}"));
        assert!((found - value).abs() < 1e-9, "{series}: {found}, not {value}");
    }
}

#[test]
fn a_host_that_answers_has_its_phases_and_its_hop_limit() {
    let figures = told(&module("icmp"), fixture!("ping_numeric.txt"), "");
    assert_told(
        &figures,
        &[
            ("probe_success", 1.0),
            ("probe_duration_seconds", 0.04),
            ("probe_dns_lookup_time_seconds", 0.004),
            ("probe_icmp_duration_seconds{phase=\"resolve\"}", 0.004),
            ("probe_icmp_duration_seconds{phase=\"setup\"}", 0.006),
            ("probe_icmp_duration_seconds{phase=\"rtt\"}", 0.000_047),
            ("probe_icmp_reply_hop_limit", 63.0),
            ("probe_ip_protocol", 4.0),
            // As Go's hash/fnv has it of these four bytes.
            ("probe_ip_addr_hash", f64::from(hash("10.66.2.2".parse().unwrap()))),
        ],
    );
    assert_eq!(figures.len(), 9, "{figures:#?}");
}

#[test]
fn a_host_that_is_silent_or_of_which_nothing_was_written_has_failed() {
    for stdout in [fixture!("ping_filtered.txt"), "", "nonsense\n"] {
        let figures = told(&module("icmp"), stdout, "");
        let none = [("probe_success", 0.0), ("probe_icmp_duration_seconds{phase=\"rtt\"}", 0.0)];
        assert_told(&figures, &none);
        assert!(!figures.contains_key("probe_icmp_reply_hop_limit"), "{figures:#?}");
    }
    for name in ["http_2xx", "tcp_connect", "tls_connect", "dns"] {
        assert_told(&told(&module(name), "", ""), &[("probe_success", 0.0)]);
    }
}

#[test]
fn the_hash_of_an_address_is_that_of_fnv_1a() {
    // The test vectors of its authors: four zeros, and "foob" as four bytes.
    assert_eq!(hash("102.111.111.98".parse().unwrap()), 0x3f5076ef);
    assert_eq!(hash("0.0.0.0".parse().unwrap()), 0x4b95_f515);
}

#[test]
fn a_page_has_its_status_its_phases_and_its_length() {
    let http = module("http_2xx");
    let figures = told(&http, "", fixture!("curl_page.txt"));
    assert_told(
        &figures,
        &[
            ("probe_success", 1.0),
            ("probe_http_status_code", 200.0),
            ("probe_http_version", 1.1),
            ("probe_http_ssl", 0.0),
            ("probe_http_redirects", 0.0),
            ("probe_http_content_length", 58.0),
            ("probe_http_uncompressed_body_length", 58.0),
            ("probe_http_duration_seconds{phase=\"resolve\"}", 0.004),
            ("probe_http_duration_seconds{phase=\"tls\"}", 0.0),
            ("probe_failed_due_to_regex", 0.0),
        ],
    );
    for phase in ["connect", "processing", "transfer"] {
        assert!(figures[&format!("probe_http_duration_seconds{{phase=\"{phase}\"}}")] >= 0.0);
    }
    assert!(!figures.contains_key("probe_ssl_earliest_cert_expiry"));

    let figures = told(&http, "", fixture!("curl_https.txt"));
    let by_tls = [("probe_success", 1.0), ("probe_http_ssl", 1.0)];
    assert_told(&figures, &by_tls);
    assert_told(&figures, &[("probe_ssl_earliest_cert_expiry", 1_803_799_253.0)]);
    assert!(figures["probe_http_duration_seconds{phase=\"tls\"}"] > 0.0);
}

#[test]
fn a_web_server_fails_by_status_by_way_and_by_having_none() {
    let http = module("http_2xx");
    let by = |rules: HttpRules| ProbeModule { prober: Prober::Http(rules), ..http.clone() };
    let redirect = fixture!("curl_redirect.txt");
    let page = fixture!("curl_page.txt");
    let https = fixture!("curl_https.txt");
    let codes = |codes: &[u16]| {
        by(HttpRules { valid_status_codes: codes.to_vec(), ..HttpRules::default() })
    };
    let no_ssl = by(HttpRules { fail_if_ssl: true, ..HttpRules::default() });
    let ssl = by(HttpRules { fail_if_not_ssl: true, ..HttpRules::default() });
    for (module, figures, success, status) in [
        (&http, redirect, 0.0, 301.0),
        (&codes(&[200, 301]), redirect, 1.0, 301.0),
        (&codes(&[204]), page, 0.0, 200.0),
        (&no_ssl, page, 1.0, 200.0),
        (&no_ssl, https, 0.0, 200.0),
        (&ssl, page, 0.0, 200.0),
        (&ssl, https, 1.0, 200.0),
        (&http, fixture!("curl_refused.txt"), 0.0, 0.0),
        (&http, fixture!("curl_expired.txt"), 0.0, 0.0),
    ] {
        let told = told(module, "", figures);
        assert_told(&told, &[("probe_success", success), ("probe_http_status_code", status)]);
    }
}

#[test]
fn a_body_fails_by_what_is_in_it_or_is_not() {
    let http = module("http_2xx");
    let pattern = |pattern: &str| vec![regex::Regex::new(pattern).unwrap()];
    let without =
        |words| HttpRules { fail_if_body_matches: pattern(words), ..HttpRules::default() };
    let with =
        |words| HttpRules { fail_if_body_not_matches: pattern(words), ..HttpRules::default() };
    for (rules, failed) in [
        (without("err[o]r"), 1.0),
        (without("fine"), 0.0),
        (with("^an error$"), 0.0),
        (with("fine"), 1.0),
    ] {
        let module = ProbeModule { prober: Prober::Http(rules), ..http.clone() };
        let figures = told(&module, "an error", fixture!("curl_page.txt"));
        assert_told(
            &figures,
            &[("probe_failed_due_to_regex", failed), ("probe_success", 1.0 - failed)],
        );
    }
    // Who does not answer has failed for another reason.
    let module = ProbeModule { prober: Prober::Http(with("fine")), ..http };
    let figures = told(&module, "", fixture!("curl_refused.txt"));
    assert_told(&figures, &[("probe_failed_due_to_regex", 0.0), ("probe_success", 0.0)]);
}

#[test]
fn a_port_succeeds_if_it_is_open_and_several_if_all_are() {
    let tcp = module("tcp_connect");
    for (output, success) in [
        (fixture!("nmap_port_open.xml"), 1.0),
        (fixture!("nmap_port_closed.xml"), 0.0),
        (fixture!("nmap_port_filtered.xml"), 0.0),
        (fixture!("nmap_port_unreachable.xml"), 0.0),
        (fixture!("nmap_killed.xml"), 0.0),
    ] {
        let figures = told(&tcp, output, "");
        assert_told(&figures, &[("probe_success", success), ("probe_failed_due_to_regex", 0.0)]);
    }
}

#[test]
fn a_certificate_succeeds_if_a_client_would_accept_it() {
    let tls = module("tls_connect");
    let any = Prober::Tls(TlsRules { insecure_skip_verify: true });
    let any = ProbeModule { prober: any, ..tls.clone() };
    for (output, strict, lenient) in [
        (fixture!("tls_good.txt"), 1.0, 1.0),
        (fixture!("tls_expired.txt"), 0.0, 1.0),
        (fixture!("tls_self_signed.txt"), 0.0, 1.0),
        (fixture!("tls_no_tls.txt"), 0.0, 0.0),
    ] {
        assert_told(&told(&tls, output, ""), &[("probe_success", strict)]);
        assert_told(&told(&any, output, ""), &[("probe_success", lenient)]);
    }
    let figures = told(&tls, fixture!("tls_good.txt"), "");
    assert_told(&figures, &[("probe_tls_version_info{version=\"TLS 1.3\"}", 1.0)]);
    assert!(figures["probe_ssl_earliest_cert_expiry"] > 1e9, "{figures:#?}");
}

#[test]
fn a_name_server_succeeds_by_its_word_and_has_its_records_counted() {
    let dns = module("dns");
    let figures = told(&dns, fixture!("dig_a.txt"), "");
    assert_told(
        &figures,
        &[
            ("probe_success", 1.0),
            ("probe_dns_answer_rrs", 1.0),
            ("probe_dns_authority_rrs", 0.0),
            ("probe_dns_additional_rrs", 0.0),
            ("probe_dns_query_succeeded", 1.0),
            ("probe_dns_duration_seconds{phase=\"resolve\"}", 0.004),
            ("probe_dns_duration_seconds{phase=\"connect\"}", 0.006),
            ("probe_dns_duration_seconds{phase=\"request\"}", 0.011_901),
        ],
    );
    assert!(!figures.contains_key("probe_dns_serial"));
    assert_told(&told(&dns, fixture!("dig_soa.txt"), ""), &[("probe_dns_serial", 2_024_010_101.0)]);
    let missing = told(&dns, fixture!("dig_nxdomain.txt"), "");
    assert_told(&missing, &[("probe_success", 0.0), ("probe_dns_query_succeeded", 1.0)]);
    let rules =
        crate::config::DnsRules { valid_rcodes: vec!["NXDOMAIN".into()], ..Default::default() };
    let none = ProbeModule { prober: Prober::Dns(rules), ..dns.clone() };
    assert_told(&told(&none, fixture!("dig_nxdomain.txt"), ""), &[("probe_success", 1.0)]);
    let silent = told(&dns, fixture!("dig_silent.txt"), "");
    assert_told(&silent, &[("probe_success", 0.0), ("probe_dns_query_succeeded", 0.0)]);
}

#[test]
fn the_page_for_people_has_the_command_the_output_and_the_figures() {
    let icmp = module("icmp");
    let result = result(&icmp, fixture!("ping_numeric.txt"), "x\n");
    let page = page(&icmp, &result, "probe_success 1\n");
    for part in [
        "target web.lab.internal, address 10.66.2.2, correlation_id c\n",
        "command: openssl -connect 10.66.2.2:8443 -servername web.lab.internal\n",
        "exit status 0 after 0.03 s\n",
        "\nstdout | 64 bytes from 10.66.2.2",
        "\nstderr | x\n",
        "Metrics that would have been returned:\nprobe_success 1\n",
        "Module configuration:\nicmp: icmp by ping with count=1\n",
    ] {
        assert!(page.contains(part), "{part:?} in {page}");
    }
}
