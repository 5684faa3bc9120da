//! States and codes, what the runner makes of checks that misbehave, how often it asks, and each kind
//! of configured check.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use probity_protocol::Availability;
use serde_json::json;

use super::*;
use crate::{
    broker::client::Broker,
    calls::{control::Controls, published::registry::Registry},
    config::{CheckKind, CheckSettings, Config, Health},
    process::events::tests::emitted,
    test_catalog,
};

/// A check that does what it is told.
struct Told {
    name: &'static str,
    priority: Priority,
    what: What,
    asked: AtomicUsize,
}

#[derive(Clone)]
enum What {
    Finds(State),
    Panics,
    Hangs,
}

impl Told {
    fn new(name: &'static str, priority: Priority, what: What) -> Arc<Self> {
        Arc::new(Self { name, priority, what, asked: AtomicUsize::new(0) })
    }
}

impl HealthCheck for Told {
    fn name(&self) -> Cow<'_, str> {
        self.name.into()
    }

    fn priority(&self) -> Priority {
        self.priority
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(50)
    }

    fn check(&self) -> Looking<'_> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let what = self.what.clone();
        if let What::Panics = what {
            panic!("before it looks");
        }
        Box::pin(async move {
            match what {
                What::Finds(state) => Finding { state, message: "as told".into() },
                What::Panics | What::Hangs => std::future::pending().await,
            }
        })
    }
}

/// A monitor without a broker, over these checks and the built-in ones.
async fn monitor(checks: Vec<CheckSettings>, told: &[Arc<Told>]) -> Monitor {
    // Other tests keep this machine busy.
    let health = Health { checks, cpu_percent: 100.0, memory_percent: 100.0, disk_percent: 100.0 };
    let config = Config { health, ..Config::default() };
    let mut catalog = test_catalog::of(&["ping", "nmap"]);
    catalog.tools[1].availability = Availability::Unavailable {
        reason: "/usr/bin/nmap is not there.".into(),
        remedy: "Run `apt install nmap`.".into(),
    };
    let registry = Arc::new(Registry::new(Arc::new(config.clone()), catalog));
    let controls = Arc::new(Controls::new(10, &registry.listing()));
    let broker = Broker::at(Path::new("/nonexistent/broker.sock"), false);
    let machine = Arc::new(Machine::default());
    let monitor = Monitor::new(broker, &registry, &controls, &machine, &config.health);
    for check in told {
        monitor.add(Arc::clone(check) as _).await;
    }
    monitor
}

/// The overall state that checks with these priorities and findings come to, and what the report has
/// of each.
fn overall(findings: &[(Priority, State)]) -> (State, u16) {
    let checks = findings.iter().map(|(priority, state)| {
        let check = Told::new("it", *priority, What::Finds(*state));
        async move { monitor::ask(&(check as _)).await }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = HealthReport::new(runtime.block_on(join_all(checks)));
    (report.status, report.status.code())
}

#[test]
fn states_and_codes_are_those_of_the_table() {
    use Priority::{Critical, High, Informational, Low, Medium};
    use State::{Degraded, Healthy, Unhealthy};
    for (findings, expected) in [
        (vec![], (Healthy, 200)),
        (vec![(Critical, Healthy), (Informational, Healthy)], (Healthy, 200)),
        (vec![(Critical, Degraded), (High, Healthy)], (Degraded, 207)),
        (vec![(Informational, Degraded)], (Degraded, 207)),
        (vec![(Critical, Unhealthy)], (Unhealthy, 503)),
        (vec![(High, Unhealthy), (Critical, Healthy)], (Unhealthy, 503)),
        (vec![(Medium, Unhealthy)], (Unhealthy, 503)),
        (vec![(Low, Unhealthy), (Low, Degraded)], (Unhealthy, 503)),
        // What only informs never takes a server out of service.
        (vec![(Informational, Unhealthy)], (Degraded, 207)),
    ] {
        assert_eq!(overall(&findings), expected, "{findings:?}");
    }
}

#[test]
fn priorities_have_the_numbers_and_names_of_the_guide() {
    let all = Priority::ALL.map(|priority| (priority as u8, priority.as_str()));
    let expected = [(1, "CRITICAL"), (2, "HIGH"), (3, "MEDIUM"), (4, "LOW"), (5, "INFORMATIONAL")];
    assert_eq!(all, expected);
    assert_eq!(Priority::named("high"), Some(Priority::High));
    assert_eq!(Priority::named("urgent"), None);
}

#[tokio::test]
async fn a_check_that_panics_or_hangs_has_failed_and_nothing_else_has() {
    let told = [
        Told::new("panics", Priority::High, What::Panics),
        Told::new("hangs", Priority::High, What::Hangs),
        Told::new("works", Priority::Low, What::Finds(State::Healthy)),
    ];
    let report = monitor(vec![], &told).await.report().await;
    let of = |name: &str| report.check(name).unwrap();
    assert_eq!(of("panics").status, State::Unhealthy);
    assert!(of("panics").message.contains("fault"), "{report:?}");
    assert_eq!(of("hangs").status, State::Unhealthy);
    assert_eq!(of("hangs").message, "no answer within 0.05 s");
    assert_eq!(of("works").status, State::Healthy);
    assert!(of("hangs").duration_ms >= 50.0 && of("works").duration_ms < 50.0, "{report:?}");
}

#[tokio::test]
async fn many_who_ask_are_one_who_asks_and_a_report_is_good_for_a_second() {
    let told = Told::new("told", Priority::High, What::Hangs);
    let monitor = monitor(vec![], std::slice::from_ref(&told)).await;
    let reports = join_all((0..500).map(|_| monitor.report())).await;
    assert_eq!(told.asked.load(Ordering::SeqCst), 1);
    assert!(reports.iter().all(|report| Arc::ptr_eq(report, &reports[0])));
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(900)).await;
    monitor.report().await;
    assert_eq!(told.asked.load(Ordering::SeqCst), 1, "it is still good");
    tokio::time::advance(Duration::from_millis(200)).await;
    monitor.report().await;
    assert_eq!(told.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn one_who_leaves_while_a_report_is_made_leaves_it_to_the_next() {
    let told = Told::new("told", Priority::High, What::Hangs);
    let monitor = monitor(vec![], std::slice::from_ref(&told)).await;
    let left = tokio::time::timeout(Duration::from_millis(5), monitor.report()).await;
    assert!(left.is_err());
    assert_eq!(monitor.report().await.check("told").unwrap().status, State::Unhealthy);
}

#[tokio::test]
async fn what_is_built_in_is_there_and_without_a_broker_nothing_is_served() {
    let report = monitor(vec![], &[]).await.report().await;
    let names: Vec<(&str, u8)> =
        report.checks.iter().map(|check| (check.name.as_str(), check.priority)).collect();
    let expected = [
        ("broker.audit_log", 1),
        ("broker.reachable", 1),
        ("system.cpu", 1),
        ("system.disk", 1),
        ("system.memory", 1),
        ("broker.policy", 2),
        ("tool.nmap", 3),
        ("tool.ping", 3),
        ("breaker.nmap", 5),
        ("breaker.ping", 5),
    ];
    assert_eq!(names, expected);
    assert_eq!((report.status, report.status.code()), (State::Unhealthy, 503));
    let of = |name: &str| report.check(name).unwrap();
    assert_eq!(of("broker.reachable").status, State::Unhealthy);
    assert!(of("broker.reachable").message.contains("--embedded"), "{report:?}");
    // Its absence is told once.
    assert_eq!(of("broker.audit_log").status, State::Degraded);
    // A missing tool is no reason to take a server out of service.
    assert_eq!(of("tool.nmap").status, State::Degraded);
    assert_eq!(of("tool.nmap").message, "/usr/bin/nmap is not there. Run `apt install nmap`.");
    assert_eq!(
        (of("tool.ping").status, of("breaker.ping").status),
        (State::Healthy, State::Healthy)
    );
    let json = serde_json::to_value(of("tool.nmap")).unwrap();
    assert_eq!(json["status"], json!("degraded"));
    assert_eq!(json["priority_name"], json!("MEDIUM"));
}

#[test]
fn an_open_breaker_is_degraded_and_never_worse() {
    let registry = Registry::new(Arc::new(Config::default()), test_catalog::of(&["ping"]));
    let listing = registry.listing();
    let controls = Controls::new(10, &listing);
    let state = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let checks = tools::checks(&listing, &controls);
        let breaker = checks.iter().find(|check| check.name() == "breaker.ping").unwrap();
        runtime.block_on(monitor::ask(breaker))
    };
    assert_eq!(state().status, State::Healthy);
    for _ in 0..5 {
        controls.of(listing.tool("ping").unwrap()).breaker.ask().unwrap().failed("it was killed");
    }
    let open = state();
    assert_eq!(open.status, State::Degraded);
    assert!(open.message.contains("5 failures") && open.message.contains("it was killed"));
    assert_eq!(HealthReport::new(vec![open]).status.code(), 207);
}

/// What the checks of this text of a file find.
async fn configured(text: &str) -> Vec<(String, State, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    fs::write(&path, text).unwrap();
    let flags = crate::config::Flags { config: Some(path), socket: None };
    let loaded = crate::config::load(&flags, &crate::config::Environment::default()).unwrap();
    let problems: Vec<_> = loaded.notices.iter().filter(|notice| notice.is_warning()).collect();
    assert_eq!(problems, Vec::<&crate::config::Notice>::new());
    let names: BTreeSet<String> =
        loaded.config.health.checks.iter().map(|check| check.name.clone()).collect();
    let report = monitor(loaded.config.health.checks, &[]).await.report().await;
    let found = report.checks.iter().filter(|check| names.contains(&check.name));
    found.map(|check| (check.name.clone(), check.status, check.message.clone())).collect()
}

#[tokio::test]
async fn each_kind_of_configured_check_finds_what_is_there_and_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("new"), "").unwrap();
    fs::write(path("plain"), "").unwrap();
    let old = fs::File::create(path("old")).unwrap();
    old.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).unwrap();
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listening.local_addr().unwrap();
    let closed = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap()
    };
    for (kind, expected) in [
        (format!("kind = 'file_age'\npath = '{}'\nmax_age = 60", path("new")), State::Healthy),
        (format!("kind = 'file_age'\npath = '{}'\nmax_age = 60", path("old")), State::Degraded),
        (format!("kind = 'file_age'\npath = '{}'\nmax_age = 60", path("none")), State::Degraded),
        (format!("kind = 'tcp'\naddress = '{open}'"), State::Healthy),
        (format!("kind = 'tcp'\naddress = '{closed}'"), State::Degraded),
        ("kind = 'command_present'\ncommand = '/bin/sh'".into(), State::Healthy),
        ("kind = 'command_present'\ncommand = 'sh'".into(), State::Healthy),
        ("kind = 'command_present'\ncommand = 'no-such-command'".into(), State::Degraded),
        (format!("kind = 'command_present'\ncommand = '{}'", path("plain")), State::Degraded),
        ("kind = 'command_present'\ncommand = '/bin'".into(), State::Degraded),
    ] {
        let found = configured(&format!("[[health.checks]]\nname = 'it'\n{kind}\n")).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_str(), found[0].1), ("it", expected), "{kind}: {found:?}");
    }
    // Where much depends on it, nothing is served without.
    for (priority, expected) in
        [("critical", State::Unhealthy), ("High", State::Unhealthy), ("low", State::Degraded)]
    {
        let text = format!(
            "[[health.checks]]\nname = 'it'\nkind = 'tcp'\naddress = '{closed}'\npriority = '{priority}'\n"
        );
        assert_eq!(configured(&text).await[0].1, expected, "{priority}");
    }
}

#[tokio::test]
async fn a_file_system_that_hangs_holds_one_look_however_often_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    fs::write(&path, "").unwrap();
    let kind = CheckKind::FileAge { path, max_age: Duration::from_secs(60) };
    let (priority, timeout) = (Priority::Medium, Duration::from_millis(20));
    let check = Configured::new(CheckSettings { name: "it".into(), kind, priority, timeout });
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let looked = check.off_the_thread(move || {
        let _ = held.lock().unwrap().recv();
        Ok("released".into())
    });
    assert_eq!(looked.await, Err("the file system does not answer".into()));
    assert_eq!(check.check().await.state, State::Degraded);
    drop(release);
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while check.check().await.state != State::Healthy {
        assert!(std::time::Instant::now() < deadline, "it stays out of use");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_change_of_state_is_told_once() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let events = emitted(|| {
        runtime().block_on(async {
            let monitor = monitor(vec![], &[]).await;
            for state in
                [State::Healthy, State::Degraded, State::Degraded, State::Unhealthy, State::Healthy]
            {
                let check = Told::new("told", Priority::Critical, What::Finds(state));
                monitor.add(check).await;
                monitor.report().await;
            }
        });
    });
    let of_told = ["health.degraded", "health.unhealthy", "health.recovered"];
    let count = |name: &str| events.iter().filter(|event| *event == name).count();
    // Without a broker three checks have something to say from the start, and so has nmap.
    assert_eq!(of_told.map(count), [1 + 3, 1 + 1, 1], "{events:?}");
}
