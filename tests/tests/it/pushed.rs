//! Metrics where nobody scrapes: Debian's Pushgateway has them while a session goes on, and what happened
//! last after its end; and a gateway that is away holds up nothing.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_tests::{collector::Collector, mcp::Session, procs::wait_until, rig::Rig};
use serde_json::json;

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// A second for the gateway, and more than a busy machine needs.
const AT_ONCE: Duration = Duration::from_secs(5);

struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../.venv/pushgateway/prometheus-pushgateway");
        // Free a moment ago: it takes no socket that is open already.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(&program)
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: run `make venv`", program.display()));
        let this = Self { child, address };
        assert!(wait_until(PATIENCE, || this.metrics().contains("pushgateway_build_info")));
        this
    }

    /// All that was pushed to it.
    fn metrics(&self) -> String {
        let mut text = String::new();
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n");
            let _ = stream.read_to_string(&mut text);
        }
        text
    }

    /// The value of a series of the pushed ones, by its labels but for `instance`, for that one.
    fn value(&self, name: &str, instance: &str, labels: &str) -> Option<f64> {
        let metrics = self.metrics();
        let is_it = |line: &&str| {
            line.starts_with(&format!("{name}{{"))
                && line.contains(&format!("instance=\"{instance}\",job=\"probity\""))
                && line.contains(labels)
        };
        metrics.lines().find(is_it)?.rsplit_once(' ')?.1.parse().ok()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn session(rig: &Rig, gateway: &str, interval: &str) -> Session {
    let variables = [("PROBITY_PUSHGATEWAY", gateway), ("PROBITY_PUSH_INTERVAL_SEC", interval)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut command = rig.embedded("stdio", &variables);
    command.stderr(std::fs::File::create(rig.path("log")).unwrap());
    Session::start(command).unwrap()
}

fn fails(session: &mut Session) {
    let result = session.call("loud", json!({"target": "127.0.0.1"})).unwrap();
    assert_eq!(result["structuredContent"]["returncode"], 3, "{result}");
}

const FAILED: &str = "status=\"failure\",tool=\"loud\"";

#[test]
fn a_gateway_has_the_metrics_of_a_session_as_it_goes_and_the_last_ones_after_its_end() {
    let (rig, gateway) = (Rig::new("").unwrap(), Gateway::start());
    // One that says where: each instance a group of its own.
    let url = format!("http://{}/metrics/job/probity/instance/going", gateway.address);
    let mut going = session(&rig, &url, "1");
    fails(&mut going);
    let count = |instance: &str| gateway.value("mcp_tool_execution_total", instance, FAILED);
    assert!(wait_until(PATIENCE, || count("going") == Some(1.0)), "{}", gateway.metrics());
    fails(&mut going);
    assert!(wait_until(PATIENCE, || count("going") == Some(2.0)), "{}", gateway.metrics());
    assert_eq!(going.close().unwrap(), Some(0));
    // One that does not: under this machine's name and the process' number.
    let mut last = session(&rig, &format!("http://{}", gateway.address), "3600");
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let instance = format!("{}:{}", name.trim(), last.pid());
    assert!(wait_until(PATIENCE, || count(&instance) == Some(0.0)), "{}", gateway.metrics());
    fails(&mut last);
    assert_eq!(last.close().unwrap(), Some(0));
    assert_eq!(count(&instance), Some(1.0), "{}", gateway.metrics());
    let healthy = gateway.value("probity_health_check", &instance, "check=\"broker.reachable\"");
    assert_eq!(healthy, Some(0.0), "{}", gateway.metrics());
}

#[test]
fn a_gateway_that_is_away_refuses_or_never_answers_holds_up_no_call_and_no_end() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It takes connections, and does nothing with them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = Collector::answering("400 Bad Request").unwrap();
    for (gateway, reason) in [
        (format!("http://{away}"), "Connection refused"),
        (format!("http://{}", silent.local_addr().unwrap()), "timeout"),
        (refusing.url(), "it answered 400"),
    ] {
        let rig = Rig::new("").unwrap();
        let mut session = session(&rig, &gateway, "1");
        let begun = Instant::now();
        (0..3).for_each(|_| fails(&mut session));
        assert!(begun.elapsed() < AT_ONCE, "{gateway}: {:?}", begun.elapsed());
        let log = || std::fs::read_to_string(rig.path("log")).unwrap();
        let is_told = || log().contains("telemetry.failed what=metrics") && log().contains(reason);
        assert!(wait_until(PATIENCE, is_told), "{}", log());
        let ends = Instant::now();
        assert_eq!(session.close().unwrap(), Some(0));
        assert!(ends.elapsed() < AT_ONCE, "{gateway}: {:?}", ends.elapsed());
    }
}
