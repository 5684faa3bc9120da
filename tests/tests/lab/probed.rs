//! Prometheus has hosts of a lab probed by `GET /probe`, by the job of `docs/monitoring.md`: each shipped
//! module by its real tool, at targets that are well, that are not, and that the policy is not for.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use probity_tests::{
    broker::USER_UID,
    http::HttpServer,
    lab::Lab,
    needs,
    procs::wait_until,
    prometheus::{Prometheus, program},
    world::World,
};

const TOKEN: &str = "a-token-that-is-long-enough-for-anybody";
const CURL: &str = "/usr/bin/curl";

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is probed, by module: the targets that are well, and those that are not.
const PROBED: &[(&str, &[&str], &[&str])] = &[
    ("icmp", &["10.66.2.2", "web.lab.internal"], &["10.66.2.77", "nobody.lab.internal"]),
    ("http_2xx", &["https://web.lab.internal", "10.66.2.2:8081"], &["10.66.2.2:9"]),
    ("tcp_connect", &["10.66.2.2:22"], &["10.66.2.2:9"]),
    ("tls_connect", &["web.lab.internal:443"], &["10.66.2.2:8081"]),
    ("dns", &["10.66.2.2"], &["10.66.1.1"]),
];

/// Of the policy's networks it is none.
const REFUSED: &str = "8.8.8.8";

/// The page's job for one module, at this server and these targets, every few seconds.
fn job(module: &str, targets: &[&str], server: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring.md");
    let page = fs::read_to_string(page).unwrap();
    let fence = page.split("```yaml\nscrape_configs:\n").nth(1).unwrap();
    let mut job = fence.split("```").next().unwrap().to_owned();
    for (from, to) in [
        ("probe-icmp", format!("probe-{module}")),
        ("[icmp]", format!("[{module}]")),
        // A silent host is not waited for to its end.
        ("30s", "5s\n    scrape_timeout: 4s".to_owned()),
        ("credentials_file: /etc/prometheus/probity.token", format!("credentials: {TOKEN}")),
        ("[192.168.1.1]", format!("[{}]", targets.join(", "))),
        ("127.0.0.1:8080", server.to_owned()),
    ] {
        assert!(job.contains(from), "no {from} in {job}");
        job = job.replace(from, &to);
    }
    job
}

/// Whether Prometheus' own tool finds nothing wrong with a text.
fn assert_sound(text: &str) {
    let mut promtool = Command::new(program("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}: run `make venv`"));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}\n{text}");
}

#[test]
fn prometheus_has_hosts_probed_as_by_blackbox_exporter() {
    let tools = ["ping", "curl", "openssl", "nmap", "dig"].map(|tool| format!("/usr/bin/{tool}"));
    if !needs::root() || !tools.iter().all(needs::tool) {
        return;
    }
    let mut lab = Lab::new().unwrap();
    lab.serve_web().unwrap();
    lab.serve_dns().unwrap();
    let world = World::around(lab, "").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("probity.toml");
    fs::write(&file, "[probe.modules.dns]\nquery_name = \"web.lab.internal\"\n").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let file = file.display().to_string();
    let words = world.frontend(USER_UID, &["http", "--listen", "127.0.0.1:0", "--config", &file]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env("PROBITY_HTTP_TOKEN", TOKEN);
    command.env("PROBITY_RATE_REQUESTS", "100000");
    let server = HttpServer::start(command).unwrap();

    // Each text by itself, with all the time that it needs.
    for (module, well, _) in PROBED {
        let url = format!("http://{}/probe?module={module}&target={}", server.host(), well[0]);
        let mut curl = world.lab.client().command(CURL);
        let token = format!("Authorization: Bearer {TOKEN}");
        let output = curl.args(["-q", "-s", "-f", "-H", &token, &url]).output().unwrap();
        assert!(output.status.success(), "{module}: {output:?}\n{}", server.log());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\nprobe_success 1\n"), "{module}: {text}");
        assert_sound(&text);
    }

    let mut jobs = String::from("scrape_configs:\n");
    for (module, well, unwell) in PROBED {
        let targets = [*well, *unwell].concat();
        jobs += &job(module, &targets, server.host());
    }
    jobs += &job("icmp", &[REFUSED], server.host()).replace("probe-icmp", "refused");
    let prometheus = Prometheus::start_in(&world.lab.client(), &jobs, "").unwrap();
    let has = |query: &str, expected: f64| {
        let found = prometheus.query(query).unwrap();
        found.first().is_some_and(|(_, value)| *value == expected)
    };
    for (module, well, unwell) in PROBED {
        for (targets, expected) in [(well, 1.0), (unwell, 0.0)] {
            for target in *targets {
                let of = format!("{{job=\"probe-{module}\",instance=\"{target}\"}}");
                let came = wait_until(PATIENCE, || has(&format!("probe_success{of}"), expected));
                assert!(came, "{of} is not {expected}\n{}", server.log());
                assert!(has(&format!("up{of}"), 1.0), "{of}");
            }
        }
    }
    let days = "probe_ssl_earliest_cert_expiry - time() > 86400";
    assert_eq!(prometheus.query(days).unwrap().len(), 2, "{}", prometheus.log());
    assert!(has("probe_dns_answer_rrs{instance=\"10.66.2.2\"}", 1.0));
    let version = "probe_tls_version_info{version=\"TLS 1.3\"}";
    assert!(has(version, 1.0), "{:?}", prometheus.query("probe_tls_version_info"));
    // A refusal is no host that is down.
    assert!(wait_until(PATIENCE, || has("up{job=\"refused\"}", 0.0)));
    assert_eq!(prometheus.query("probe_success{job=\"refused\"}").unwrap(), []);
    let refused = world.broker.audit().unwrap();
    let of_refused = |line: &&serde_json::Value| line["target"].to_string().contains(REFUSED);
    assert!(refused.iter().any(|line| of_refused(&line)), "{refused:?}");
}
